//! Lines over days as a picture: scales, ticks and coordinates. Colours and markup are the template's business
//! (`templates/html/chart.hbs`, `spark.hbs`).

use std::collections::BTreeMap;

use serde::Serialize;

/// The size of a chart, in the units of its coordinates.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 240.0;
/// Room for the labels.
const LEFT: f64 = 80.0;
const RIGHT: f64 = 34.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 30.0;
/// Days without a value that a line still spans: a small site has no mail on a Sunday.
const SPANNED: i32 = 4;
/// How many dates stand under a chart at most.
const DATES: i32 = 6;
/// A mark is at least so wide.
const NARROWEST: f64 = 6.0;
/// The size of a small picture.
const SPARK_WIDTH: f64 = 120.0;
const SPARK_HEIGHT: f64 = 22.0;

/// A line: its name, and its values by day, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// For the legend.
    pub name: &'static str,
    /// Day and value in per cent.
    pub points: Vec<(i32, f64)>,
}

/// Days that are marked: a change began on the first and had come about on the last.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// First and last day.
    pub days: (i32, i32),
    /// Downwards.
    pub is_fall: bool,
    /// What happened.
    pub words: String,
}

/// A chart of shares.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// The same in words, for those who cannot see it.
    pub description: String,
    /// First and last day.
    pub days: (i32, i32),
    /// The lines.
    pub series: Vec<Series>,
    /// What is marked.
    pub marks: Vec<Mark>,
}

/// A chart with all coordinates.
#[derive(Debug, Serialize)]
pub(super) struct Drawn {
    title: String,
    description: String,
    width: f64,
    height: f64,
    left: f64,
    right: f64,
    label_y: f64,
    grid: Vec<Tick>,
    dates: Vec<Tick>,
    series: Vec<Line>,
    marks: Vec<Band>,
    table: Vec<TableRow>,
}

/// The values of a day, one for each line; empty where there is none.
#[derive(Debug, Serialize)]
struct TableRow {
    day: String,
    values: Vec<String>,
}

/// A mark from the top to the bottom, with a number at its head that is explained below the picture.
#[derive(Debug, Serialize)]
struct Band {
    class: &'static str,
    number: usize,
    middle: f64,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    label: String,
}

/// A place on an axis.
#[derive(Debug, Serialize)]
struct Tick {
    at: f64,
    label: String,
    anchor: &'static str,
}

#[derive(Debug, Serialize)]
struct Line {
    name: &'static str,
    class: String,
    paths: Vec<String>,
    dots: Vec<Dot>,
}

#[derive(Debug, Serialize)]
struct Dot {
    x: f64,
    y: f64,
    label: String,
}

impl Chart {
    /// Gives everything its place.
    pub(super) fn draw(&self) -> Drawn {
        let floor = self.floor();
        let y =
            |value: f64| tenth(TOP + (HEIGHT - TOP - BOTTOM) * (100.0 - value) / (100.0 - floor));
        let steps = [0.0, 0.5, 1.0].map(|part| floor + (100.0 - floor) * part);
        Drawn {
            title: self.title.clone(),
            description: self.description.clone(),
            width: WIDTH,
            height: HEIGHT,
            left: LEFT,
            right: WIDTH - RIGHT,
            label_y: HEIGHT - 6.0,
            grid: steps
                .map(|value| Tick {
                    at: y(value),
                    label: format!("{value} %"),
                    anchor: "end",
                })
                .into(),
            dates: self.dates(),
            marks: self.bands(),
            table: self.table(),
            series: self
                .series
                .iter()
                .enumerate()
                .map(|(at, series)| Line {
                    name: series.name,
                    class: format!("s{at}"),
                    paths: paths(&series.points, |day| self.x(day), y),
                    dots: series
                        .points
                        .iter()
                        .map(|(day, value)| Dot {
                            x: self.x(*day),
                            y: y(*value),
                            label: format!(
                                "{}: {} {value:.1} %",
                                super::format::date(*day),
                                series.name
                            ),
                        })
                        .collect(),
                })
                .collect(),
        }
    }

    /// As wide as its days, and never too narrow to be seen.
    fn bands(&self) -> Vec<Band> {
        let band = |(at, mark): (usize, &Mark)| {
            let (from, to) = (self.x(mark.days.0), self.x(mark.days.1));
            let (width, middle) = ((to - from).max(NARROWEST), f64::midpoint(from, to));
            Band {
                class: if mark.is_fall { "fall" } else { "rise" },
                number: at + 1,
                middle: tenth(middle),
                x: tenth(middle - width / 2.0),
                y: TOP,
                width: tenth(width),
                height: HEIGHT - TOP - BOTTOM,
                label: mark.words.clone(),
            }
        };
        self.marks.iter().enumerate().map(band).collect()
    }

    /// All that the lines show, in numbers.
    fn table(&self) -> Vec<TableRow> {
        let mut days: BTreeMap<i32, Vec<String>> = BTreeMap::new();
        for (at, series) in self.series.iter().enumerate() {
            for (day, value) in &series.points {
                let empty = || vec![String::new(); self.series.len()];
                days.entry(*day).or_insert_with(empty)[at] = format!("{value:.1}");
            }
        }
        let row = |(day, values)| TableRow {
            day: super::format::date(day),
            values,
        };
        days.into_iter().map(row).collect()
    }

    fn x(&self, day: i32) -> f64 {
        let (first, last) = self.days;
        let whole = WIDTH - LEFT - RIGHT;
        if first >= last {
            return tenth(LEFT + whole / 2.0);
        }
        tenth(LEFT + whole * f64::from(day - first) / f64::from(last - first))
    }

    /// Where the scale begins: at the ten below the lowest value, so that a fall from 99 to 97 can be seen; the labels say so.
    fn floor(&self) -> f64 {
        let values = self.series.iter().flat_map(|s| &s.points).map(|(_, v)| *v);
        let lowest = values.fold(100.0, f64::min);
        ((lowest / 10.0).floor() * 10.0).clamp(0.0, 90.0)
    }

    fn dates(&self) -> Vec<Tick> {
        let (first, last) = self.days;
        let count = (last - first).clamp(0, DATES - 1);
        (0..=count)
            .map(|n| {
                let day = first + (last - first) * n / count.max(1);
                Tick {
                    at: self.x(day),
                    label: super::format::date(day)
                        .get(5..)
                        .unwrap_or_default()
                        .to_string(),
                    anchor: "middle",
                }
            })
            .collect()
    }
}

/// The line through the points, in pieces where days are missing.
fn paths(points: &[(i32, f64)], x: impl Fn(i32) -> f64, y: impl Fn(f64) -> f64) -> Vec<String> {
    points
        .chunk_by(|a, b| b.0 - a.0 <= SPANNED)
        .filter(|piece| piece.len() > 1)
        .map(|piece| {
            let places = piece
                .iter()
                .map(|(day, value)| format!("{},{}", x(*day), y(*value)));
            places.collect::<Vec<_>>().join(" ")
        })
        .collect()
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Mail by day of one peer, small: what crossed over TLS, and what did not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spark {
    /// First and last day of the picture.
    pub days: (i32, i32),
    /// Day, over TLS, in clear or failed for want of TLS.
    pub counts: Vec<(i32, u64, u64)>,
}

/// The same with all coordinates.
#[derive(Debug, Serialize)]
pub(super) struct DrawnSpark {
    width: f64,
    height: f64,
    description: String,
    bars: Vec<Bar>,
}

#[derive(Debug, Serialize)]
struct Bar {
    class: &'static str,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Spark {
    pub(super) fn draw(&self) -> DrawnSpark {
        let (first, last) = self.days;
        let days = f64::from((last - first + 1).max(1));
        let most = self.counts.iter().map(|(_, good, bad)| good + bad).max();
        let scale = SPARK_HEIGHT / most.unwrap_or(0).max(1) as f64;
        let width = tenth((SPARK_WIDTH / days).min(12.0) * 0.8).max(0.5);
        let mut bars = Vec::new();
        for (day, good, bad) in &self.counts {
            let x = tenth(SPARK_WIDTH * f64::from(day - first) / days);
            let (good, bad) = (*good as f64 * scale, *bad as f64 * scale);
            let mut bar = |class, below: f64, height: f64| {
                // One mail among a thousand still has to be seen.
                let height = tenth(height.max(1.5));
                let y = tenth((SPARK_HEIGHT - below - height).max(0.0));
                bars.push(Bar {
                    class,
                    x,
                    y,
                    width,
                    height,
                });
            };
            if bad > 0.0 {
                bar("bad", 0.0, bad);
            }
            if good > 0.0 {
                bar("good", bad, good);
            }
        }
        let sum = |part: fn(&(i32, u64, u64)) -> u64| self.counts.iter().map(part).sum::<u64>();
        DrawnSpark {
            width: SPARK_WIDTH,
            height: SPARK_HEIGHT,
            description: format!(
                "over TLS {}, in clear or failed {}, on {} days",
                sum(|c| c.1),
                sum(|c| c.2),
                self.counts.len()
            ),
            bars,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: &[(i32, f64)]) -> Drawn {
        let days = points.first().map_or(0, |p| p.0)..=points.last().map_or(0, |p| p.0);
        let series = vec![Series {
            name: "sent",
            points: points.to_vec(),
        }];
        let (title, description) = (String::new(), String::new());
        Chart {
            title,
            description,
            days: (*days.start(), *days.end()),
            series,
            marks: vec![Mark {
                days: (*days.end(), *days.end()),
                is_fall: true,
                words: "fell".into(),
            }],
        }
        .draw()
    }

    #[test]
    fn the_scale_begins_at_the_ten_below_the_lowest_value_and_ends_at_a_hundred() {
        let drawn = chart(&[(0, 97.0), (3, 100.0)]);
        let labels: Vec<&str> = drawn.grid.iter().map(|t| t.label.as_str()).collect();
        assert_eq!(labels, ["90 %", "95 %", "100 %"]);
        assert_eq!(drawn.series[0].paths, ["80,79.8 686,24"]);
        let mark = &drawn.marks[0];
        assert_eq!((mark.x, mark.width, mark.class), (683.0, 6.0, "fall"));
        assert_eq!((mark.number, mark.middle), (1, 686.0));
        let table: Vec<_> = drawn
            .table
            .iter()
            .map(|row| (row.day.as_str(), &row.values))
            .collect();
        let value = |text: &str| vec![text.to_string()];
        assert_eq!(
            table,
            [
                ("1970-01-01", &value("97.0")),
                ("1970-01-04", &value("100.0"))
            ]
        );
    }

    #[test]
    fn a_line_stops_where_days_are_missing() {
        let drawn = chart(&[(0, 50.0), (1, 50.0), (9, 50.0), (10, 50.0), (20, 50.0)]);
        assert_eq!(drawn.series[0].paths.len(), 2);
        assert_eq!(drawn.series[0].dots.len(), 5);
    }

    #[test]
    fn one_day_or_none_can_be_drawn() {
        assert_eq!(chart(&[(7, 80.0)]).dates.len(), 1);
        assert!(chart(&[]).series[0].paths.is_empty());
        assert!(Spark::default().draw().bars.is_empty());
    }

    #[test]
    fn one_mail_in_clear_among_thousands_is_seen() {
        let spark = Spark {
            days: (0, 29),
            counts: vec![(3, 5000, 1)],
        };
        let drawn = spark.draw();
        assert!(drawn.bars[0].class == "bad" && drawn.bars[0].height >= 1.5);
        assert!(drawn.bars.iter().all(|b| b.y >= 0.0));
    }
}
