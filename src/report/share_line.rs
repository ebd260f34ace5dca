//! The share over TLS from day to day as one line of signs, for the terminal. The page has charts instead (`chart`).

use crate::outcome::Direction;

use super::table::{Column, Kind, Value};
use super::words::way;

/// Signs of rising height, for a terminal that shows them; `format::text` has others for one that does not.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// A line of signs is at most so long; of more days several share one sign.
const LONGEST_LINE: usize = 60;

const fn percent_column(title: &'static str) -> Column {
    Column {
        name: "",
        title,
        kind: Kind::Number,
    }
}

/// What a row has.
pub(super) const COLUMNS: &[Column] = &[
    Column::prose("mail"),
    Column::prose("day by day"),
    percent_column("% first"),
    percent_column("lowest"),
    percent_column("last"),
];

/// The shares (0 to 1) of one direction, by day (days since 1970), with the lowest of them at the bottom.
pub(super) fn row(direction: Direction, shares: &[(i32, f64)]) -> Vec<Value> {
    let lowest = shares.iter().map(|(_, s)| *s).fold(1.0, f64::min);
    let percent = |share: Option<&(i32, f64)>| match share {
        Some((_, share)) => Value::Share((1000.0 * share).round() / 10.0),
        None => Value::text(""),
    };
    vec![
        Value::text(way(direction)),
        Value::text(drawn(shares, lowest)),
        percent(shares.first()),
        percent(shares.iter().min_by(|a, b| a.1.total_cmp(&b.1))),
        percent(shares.last()),
    ]
}

fn drawn(shares: &[(i32, f64)], lowest: f64) -> String {
    let (Some((first, _)), Some((last, _))) = (shares.first(), shares.last()) else {
        return String::new();
    };
    let days = (last - first + 1).max(1) as usize;
    let each = days.div_ceil(LONGEST_LINE) as i32;
    let sign = |from: i32| {
        let within = shares
            .iter()
            .filter(|(day, _)| (from..from + each).contains(day));
        let least = within.map(|(_, share)| *share).reduce(f64::min);
        least.map_or(' ', |share| height(share, lowest))
    };
    (*first..=*last)
        .step_by(each.max(1) as usize)
        .map(sign)
        .collect()
}

/// The scale ends at 100 per cent, and spans at least ten points: what is steady looks steady.
fn height(share: f64, lowest: f64) -> char {
    let bottom = lowest.min(0.9);
    let part = ((share - bottom) / (1.0 - bottom)).clamp(0.0, 1.0);
    HEIGHTS[(part * (HEIGHTS.len() - 1) as f64).round() as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_signs_shows_gaps_and_is_never_too_long() {
        assert_eq!(drawn(&[(0, 1.0), (1, 0.75), (3, 0.5)], 0.5), "█▅ ▁");
        assert_eq!(drawn(&[(0, 0.99), (1, 1.0)], 0.99), "▇█");
        assert_eq!(drawn(&[], 1.0), "");
        let year: Vec<(i32, f64)> = (0..365).map(|day| (day, 1.0)).collect();
        assert_eq!(drawn(&year, 1.0).chars().count(), 53);
    }
}
