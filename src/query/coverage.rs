//! Of which days of a period does the log of a host say nothing at all, and does it go on to the period's end? How long a host is usually
//! silent within a day is `silence`'s business.

use std::collections::{BTreeMap, BTreeSet};

use crate::outcome::Span;
use crate::store::{Result, Store};

use super::limits::first_second;
use super::silence::is_unusual_end;

/// What a log host has no records of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncovered {
    /// Its name.
    pub host: String,
    /// Its first record, in seconds since 1970 UTC, if that is of a later day than the first of the period.
    pub begins: Option<i64>,
    /// First and last day of each row of days without a record, between days with one. Days count from 1970, in UTC.
    pub gaps: Vec<(i32, i32)>,
    /// Its last record of all, if the period goes on for longer after it than this host is ever silent.
    pub ends: Option<i64>,
}

/// The hosts that lack records between two days, both included, by name. A host not heard of for as many days before is gone for good.
pub fn find_uncovered(store: &Store, from: i32, to: i32) -> Result<Vec<Uncovered>> {
    let before = from.saturating_sub(to - from + 1);
    let mut hosts: BTreeMap<String, Vec<Span>> = BTreeMap::new();
    for (host, span) in store.spans(before, i32::MAX)? {
        hosts.entry(host).or_default().push(span);
    }
    let lacking = hosts
        .into_iter()
        .filter_map(|(host, days)| judge(host, &days, (from, to)));
    Ok(lacking.collect())
}

/// `days`: in order, at least one.
fn judge(host: String, days: &[Span], (from, to): (i32, i32)) -> Option<Uncovered> {
    let (first, last) = (days.first()?, days.last()?);
    if first.day > to {
        return None;
    }
    let heard: BTreeSet<i32> = days.iter().map(|span| span.day).collect();
    let (known_from, known_to) = (from.max(first.day), to.min(last.day));
    let mut gaps: Vec<(i32, i32)> = Vec::new();
    for day in (known_from..=known_to).filter(|day| !heard.contains(day)) {
        match gaps.last_mut() {
            Some((_, end)) if *end == day - 1 => *end = day,
            _ => gaps.push((day, day)),
        }
    }
    let end = first_second(Some(to + 1), to);
    let found = Uncovered {
        host,
        begins: (first.day > from).then_some(first.first),
        gaps,
        ends: (last.day < to || is_unusual_end(days, end)).then_some(last.last),
    };
    let lacks = found.begins.is_some() || found.ends.is_some() || !found.gaps.is_empty();
    lacks.then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Emission;
    use crate::store::fixture::{self, DAY, MIDNIGHT};

    const HOUR: i64 = 3600;

    /// Heard of on this day from so many hours on until so many.
    fn heard(host: &str, day: i64, (first, last): (i64, i64)) -> Emission {
        let midnight = MIDNIGHT + day * 24 * HOUR;
        let span = Span {
            first: midnight + first * HOUR,
            last: midnight + last * HOUR,
            silence: HOUR / 2,
            silent_from: midnight + first * HOUR,
            ..Span::at(midnight)
        };
        Emission::Heard {
            host: host.into(),
            span,
        }
    }

    /// Of the week that begins with day 7: host, hours to the first record and to the last, gaps.
    fn of_week(emissions: Vec<Emission>) -> Vec<String> {
        let found = find_uncovered(&fixture::store(emissions), DAY + 7, DAY + 13).unwrap();
        let hours = |at: i64| (at - MIDNIGHT) / HOUR - 7 * 24;
        let gaps = |u: &Uncovered| -> Vec<_> {
            u.gaps
                .iter()
                .map(|(from, to)| (from - DAY - 7, to - DAY - 7))
                .collect()
        };
        let said = found.iter().map(|u| {
            format!(
                "{} {:?} {:?} {:?}",
                u.host,
                u.begins.map(hours),
                gaps(u),
                u.ends.map(hours)
            )
        });
        said.collect()
    }

    fn days(host: &str, days: impl IntoIterator<Item = i64>) -> Vec<Emission> {
        days.into_iter().map(|n| heard(host, n, (7, 20))).collect()
    }

    #[test]
    fn a_week_with_records_of_each_day_lacks_none() {
        assert_eq!(of_week(days("mx", 0..=14)), [""; 0]);
        assert_eq!(of_week(days("mx", 7..=14)), [""; 0]);
        // The last evening is no earlier than any other.
        assert_eq!(of_week(days("mx", 7..=13)), [""; 0]);
    }

    #[test]
    fn days_without_a_record_are_named_and_so_is_where_the_log_begins_and_ends() {
        assert_eq!(
            of_week(days("mx", [0, 8, 10, 11, 14])),
            ["mx None [(0, 0), (2, 2), (5, 6)] None"],
            "what came before and after are records of the host"
        );
        assert_eq!(of_week(days("mx", 9..=20)), ["mx Some(55) [] None"]);
        assert_eq!(of_week(days("mx", 0..=10)), ["mx None [] Some(92)"]);
        assert_eq!(of_week(days("mx", 0..=5)), ["mx None [] Some(-28)"]);
    }

    #[test]
    fn a_busy_host_that_is_not_heard_of_in_the_last_evening_ends_early() {
        let busy = |last: i64| -> Vec<Emission> {
            let whole = (0..13).map(|n| heard("mx", n, (0, 24)));
            whole.chain([heard("mx", 13, (0, last))]).collect()
        };
        assert_eq!(of_week(busy(6)), ["mx None [] Some(150)"]);
        assert_eq!(of_week(busy(23)), [""; 0]);
    }

    #[test]
    fn a_host_that_is_gone_or_not_there_yet_is_not_missed() {
        let mut all = days("mx", 0..=14);
        all.extend(days("new", 14..=14));
        all.extend(days("old", -9..=-1));
        assert_eq!(of_week(all), [""; 0]);
    }
}
