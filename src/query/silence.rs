//! Has a log host been silent for much longer than it usually is? Then a part of its log is likely to be missing.
//!
//! What is usual is taken from the host itself: the longest silence of each of its days. A busy relay is never silent for minutes, a
//! small site is each night.

use std::collections::BTreeMap;

use crate::outcome::Span;
use crate::store::{Result, Store};

use super::Scope;

/// Shorter silences say nothing, in seconds.
const SHORT: i64 = 3600;
/// So many times what is usual is unusual.
const TIMES_USUAL: i64 = 4;
/// From so many days on there is something usual.
const ENOUGH_DAYS: usize = 5;
/// Where nothing is known to be usual, a silence of this length is unusual, in seconds.
const LONG: i64 = 86_400;

/// No line of a host for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// The last record before it, in seconds since 1970 UTC.
    pub from: i64,
    /// How long, in seconds.
    pub seconds: i64,
}

/// One log host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// Its name.
    pub host: String,
    /// First record of the period.
    pub first: i64,
    /// Last record of the period.
    pub last: i64,
    /// How long it is silent in a day, usually; `None` if too few days are known.
    pub usual: Option<i64>,
    /// The longest silence.
    pub longest: Silence,
    /// Those that are much longer than usual, the longest first.
    pub unusual: Vec<Silence>,
}

impl Quiet {
    /// Whether there is no saying if the longest silence is usual.
    pub fn is_uncertain(&self) -> bool {
        self.usual.is_none() && self.unusual.is_empty() && self.longest.seconds >= SHORT
    }
}

/// All log hosts heard of in the scope, by name.
pub fn find_silences(store: &Store, scope: &Scope) -> Result<Vec<Quiet>> {
    let period = scope.period;
    let spans = store.spans(
        period.from_day.unwrap_or(i32::MIN),
        period.to_day.unwrap_or(i32::MAX),
    )?;
    let end = spans.iter().map(|(_, s)| s.last).max().unwrap_or(0);
    let mut hosts: BTreeMap<String, Vec<Span>> = BTreeMap::new();
    for (host, span) in spans {
        hosts.entry(host).or_default().push(span);
    }
    Ok(hosts
        .into_iter()
        .filter_map(|(host, days)| judge(host, &days, end))
        .collect())
}

/// `end`: the last record of any host. One that has fallen silent before is silent until then.
fn judge(host: String, days: &[Span], end: i64) -> Option<Quiet> {
    let (first, last) = (days.first()?.first, days.last()?.last);
    let within = days.iter().map(|day| Silence {
        from: day.silent_from,
        seconds: day.silence,
    });
    let between = days.windows(2).map(|two| Silence {
        from: two[0].last,
        seconds: two[1].first - two[0].last,
    });
    let until_end = Silence {
        from: last,
        seconds: end - last,
    };
    let mut all: Vec<Silence> = within.chain(between).chain([until_end]).collect();
    all.sort_by_key(|silence| (-silence.seconds, silence.from));
    let usual = usual(days);
    let bound = unusual_from(usual);
    Some(Quiet {
        host,
        first,
        last,
        usual,
        longest: *all.first()?,
        unusual: all.into_iter().filter(|s| s.seconds >= bound).collect(),
    })
}

/// Whether a host whose last record is that of the last of these days has been silent for unusually long at `end`.
pub(super) fn is_unusual_end(days: &[Span], end: i64) -> bool {
    let since = days.last().map(|day| end - day.last);
    since.is_some_and(|seconds| seconds >= unusual_from(usual(days)))
}

/// How long a host is silent in a day, usually; `None` if too few days are known.
fn usual(days: &[Span]) -> Option<i64> {
    (days.len() >= ENOUGH_DAYS).then(|| median_of_days(days))
}

/// From so many seconds on a silence is unusual.
fn unusual_from(usual: Option<i64>) -> i64 {
    usual.map_or(LONG, |usual| SHORT.max(usual * TIMES_USUAL + 1))
}

/// The longest silence of a day, the night before it included: half of the days have a longer one.
fn median_of_days(days: &[Span]) -> i64 {
    let mut longest: Vec<i64> = days.iter().map(|day| day.silence).collect();
    for (at, two) in days.windows(2).enumerate() {
        longest[at + 1] = longest[at + 1].max(two[1].first - two[0].last);
    }
    longest.sort_unstable();
    longest[longest.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Emission;
    use crate::store::fixture::{self, DAY, MIDNIGHT};

    const HOUR: i64 = 3600;

    /// A day on which the host is heard of from seven to twenty, with this silence after noon.
    fn day(host: &str, number: i64, silence: i64) -> Emission {
        let midnight = MIDNIGHT + number * 86_400;
        let span = Span {
            first: midnight + 7 * HOUR,
            last: midnight + 20 * HOUR,
            silence,
            silent_from: midnight + 12 * HOUR,
            ..Span::at(midnight)
        };
        Emission::Heard {
            host: host.into(),
            span,
        }
    }

    fn unusual(emissions: Vec<Emission>) -> Vec<(i64, i64)> {
        let quiet = find_silences(&fixture::store(emissions), &Scope::ALL).unwrap();
        let short = |s: &Silence| ((s.from - MIDNIGHT) / HOUR, s.seconds / HOUR);
        quiet
            .iter()
            .flat_map(|q| q.unusual.iter().map(short))
            .collect()
    }

    #[test]
    fn a_site_that_sleeps_each_night_is_not_suspected() {
        let week = || (0..7).map(|n| day("mx", n, 1800));
        assert_eq!(unusual(week().collect()), []);
        let without_two_days = week().chain((9..12).map(|n| day("mx", n, 1800)));
        assert_eq!(
            unusual(without_two_days.collect()),
            [(6 * 24 + 20, 59)],
            "from the evening before to the morning after"
        );
    }

    #[test]
    fn what_is_usual_is_not_known_after_two_days() {
        let store = fixture::store([day("mx", 0, 1800), day("mx", 1, 1800)]);
        let quiet = &find_silences(&store, &Scope::ALL).unwrap()[0];
        assert!(quiet.unusual.is_empty() && quiet.is_uncertain());
        assert_eq!(quiet.longest.seconds, 11 * HOUR);
        let gone = [day("mx", 0, 60), day("mx", 3, 60)];
        assert_eq!(unusual(gone.into()), [(20, 59)]);
    }

    #[test]
    fn a_relay_that_fell_silent_before_the_others_is_named() {
        let all = (0..9).map(|n| day("mx1", n, 60));
        let mut some: Vec<Emission> = all.chain((0..6).map(|n| day("mx2", n, 60))).collect();
        assert_eq!(unusual(some.clone()), [(5 * 24 + 20, 72)]);
        some.push(day("mx2", 6, 60));
        let mut scope = Scope::ALL;
        scope.period.to_day = Some(DAY + 6);
        let quiet = find_silences(&fixture::store(some), &scope).unwrap();
        assert!(quiet.iter().all(|q| q.unusual.is_empty()), "{quiet:?}");
    }
}
