//! The share over TLS from day to day as one line of signs, for the terminal. The page has charts instead (`chart`).

use std::collections::BTreeMap;

use crate::outcome::Direction;
use crate::query::Scope;
use crate::query::shares::{Who, find_shares};
use crate::store::{Result, Store};

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

/// How long the bar of a whole is.
const BAR: usize = 10;

/// A part of a whole as a bar. One of a thousand is still seen, and is not all.
pub(super) fn bar(part: u64, whole: u64) -> Value {
    if whole == 0 {
        return Value::text("");
    }
    let exact = BAR as f64 * part as f64 / whole as f64;
    // OK to narrow: a part of BAR.
    let filled = match part {
        0 => 0,
        part if part >= whole => BAR,
        _ => (exact.round() as usize).clamp(1, BAR - 1),
    };
    Value::text("█".repeat(filled) + &"▁".repeat(BAR - filled))
}

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

/// In a table of many peers: so many signs for all days, in so many rows, if there are more days than this.
const SIGNS: i32 = 12;
const MOST_ROWS: usize = 50;
const FEW_DAYS: i32 = 14;

/// The lines of a table of many peers, all over the same days and from 0 to 100 per cent, so that they can be compared.
pub(super) struct Lines {
    days: (i32, i32),
    shares: BTreeMap<Who, Vec<(i32, f64)>>,
}

impl Lines {
    /// Those of the first rows; none of few days, and none where every row of all time is asked for, which is a matter for programs.
    pub(super) fn of(
        store: &Store,
        scope: &Scope,
        rows: impl Iterator<Item = Who>,
    ) -> Result<Lines> {
        let none = Lines {
            days: (0, 0),
            shares: BTreeMap::new(),
        };
        let (from, to) = (scope.period.from_day, scope.period.to_day);
        let is_short = |(from, to): (i32, i32)| to - from < FEW_DAYS;
        if scope.all || from.zip(to).is_some_and(is_short) {
            return Ok(none);
        }
        let shares = find_shares(store, scope, &rows.take(MOST_ROWS).collect())?;
        let seen = || shares.values().flatten().map(|(day, _)| *day);
        let (Some(first), Some(last)) = (seen().min(), seen().max()) else {
            return Ok(none);
        };
        let days = (from.unwrap_or(first), to.unwrap_or(last));
        Ok(if is_short(days) {
            none
        } else {
            Lines { days, shares }
        })
    }

    /// Of one peer; empty if it has none.
    pub(super) fn cell(&self, direction: Direction, peer: &str) -> Value {
        let line = self.shares.get(&(direction, peer.to_owned()));
        Value::text(line.map_or_else(String::new, |shares| self.drawn(shares)))
    }

    /// As many signs for each peer, whatever its days. A part without mail is a blank.
    fn drawn(&self, shares: &[(i32, f64)]) -> String {
        let (first, last) = self.days;
        let days = last - first + 1;
        let sign = |part: i32| {
            let within = |day: i32| (day - first) * SIGNS / days == part;
            let of_part = shares.iter().filter(|(day, _)| within(*day));
            let least = of_part.map(|(_, share)| *share).reduce(f64::min);
            least.map_or(' ', at_height)
        };
        (0..SIGNS).map(sign).collect::<String>().trim_end().into()
    }
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
    at_height((share - bottom) / (1.0 - bottom))
}

/// The sign for a part of one.
fn at_height(part: f64) -> char {
    HEIGHTS[(part.clamp(0.0, 1.0) * (HEIGHTS.len() - 1) as f64).round() as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_table_can_be_compared() {
        let lines = Lines {
            days: (100, 123),
            shares: BTreeMap::new(),
        };
        // Two days are one sign: the worse of them; two signs without mail, and none after the last.
        let shares = [(100, 1.0), (101, 0.5), (102, 1.0), (108, 0.0), (109, 0.01)];
        assert_eq!(lines.drawn(&shares), "▅█  ▁");
        assert_eq!(lines.drawn(&[(123, 1.0)]), "           █");
    }

    #[test]
    fn a_bar_is_empty_of_nothing_only_and_full_of_all_only() {
        let bars = [(0, 5), (1, 5000), (1, 2), (4999, 5000), (5, 5)].map(|(n, all)| bar(n, all));
        let expected = [
            "▁▁▁▁▁▁▁▁▁▁",
            "█▁▁▁▁▁▁▁▁▁",
            "█████▁▁▁▁▁",
            "█████████▁",
            "██████████",
        ];
        assert_eq!(bars, expected.map(Value::text));
        assert_eq!(bar(0, 0), Value::text(""));
    }

    #[test]
    fn a_line_of_signs_shows_gaps_and_is_never_too_long() {
        assert_eq!(drawn(&[(0, 1.0), (1, 0.75), (3, 0.5)], 0.5), "█▅ ▁");
        assert_eq!(drawn(&[(0, 0.99), (1, 1.0)], 0.99), "▇█");
        assert_eq!(drawn(&[], 1.0), "");
        let year: Vec<(i32, f64)> = (0..365).map(|day| (day, 1.0)).collect();
        assert_eq!(drawn(&year, 1.0).chars().count(), 53);
    }
}
