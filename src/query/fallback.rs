//! Where a failed TLS handshake has another end than before: mail that now goes out in clear, mail that no longer does and waits, and mail
//! that has begun to wait. Outbound only: what a client does after a failure is its own business.
//!
//! Many servers fail now and then for ever, and a log may cover less of the time before than of the time since. So days are compared, of
//! those the log covers: one mail that is tried all day makes many attempts, which are no proof of each other. Whether those with failures
//! gather at the end more than chance does say two exact tests. Of 1,000 sites with six such servers each, looked at daily for a month, fewer
//! than 10 are told of any: a test below holds it.

use std::collections::BTreeMap;

use crate::outcome::{Class, Direction};
use crate::store::Result;
use crate::store::numbered::{Count, Meaning, Numbered, NumberedPeer};
use crate::store::peers::Peers;

use super::binomial::{Trials, at_least, drawn_at_least};
use super::tally::{is_sent, is_tls_failure};
use super::{Scope, bounds};

/// Attempts that leave mail waiting because of TLS, from which on they are worth a word.
const BUILDING_UP: u64 = 3;
/// The days before are at least so many, however short the periods are: a week could tell nothing.
const LOOK_BACK: i32 = 30;
/// How often, at most, as many days with mail left waiting gather at the end by chance.
const CHANCE_OF_DAYS: f64 = 0.00025;
/// ... and as many attempts: these are not independent, and so are asked for more.
const CHANCE_OF_ATTEMPTS: f64 = 1e-5;
/// The same of days whose failures end otherwise: there are fewer of these.
const CHANCE_OF_ENDS: f64 = 0.002;

/// What has become of the mail for one domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// After a failed handshake it goes out in clear; before, it was not delivered.
    NewFallback,
    /// After a failed handshake it is not delivered; before, it went out in clear.
    LostFallback,
    /// It waits in the queue, because of TLS, more often than before.
    BuildingUp,
}

impl Kind {
    /// The word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Kind::NewFallback => "new-fallback",
            Kind::LostFallback => "lost-fallback",
            Kind::BuildingUp => "building-up",
        }
    }
}

/// One domain for which failures end otherwise than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The recipient domain.
    pub peer: String,
    /// What has become of its mail.
    pub kind: Kind,
    /// The first day of it, in days since 1970 UTC.
    pub since: i32,
    /// How many days before that one the log covers, of those looked at.
    pub days_before: u64,
    /// How many it covers since, that one included.
    pub days_since: u64,
    /// Attempts that left mail undelivered because of TLS, on the days before.
    pub failed_before: u64,
    /// The same since. Of mail that builds up only what was left in the queue counts, here and before.
    pub failed_now: u64,
    /// Mail that went out in clear after a failure, since.
    pub fell_back_now: u64,
    /// Mail that was delivered in any way, since.
    pub delivered_now: u64,
    /// Time of the last such failure or fallback, in seconds since 1970 UTC.
    pub last_seen: i64,
}

/// What became of mail whose TLS failed, on one day or several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ends {
    deferred: u64,
    failed: u64,
    fell_back: u64,
    last_seen: i64,
}

/// What TLS failed in on some days, in order.
#[derive(Default)]
pub(super) struct Failures {
    /// The days that the log covers.
    covered: Vec<i32>,
    /// By the number of the peer, and the day.
    ends: Vec<(u32, i32, Ends)>,
}

/// What a count adds to [`Ends`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Way {
    is_deferred: bool,
    is_failed: bool,
    fell_back: bool,
}

/// Which counts are of failures, by the number of what they mean.
pub(super) struct OfFailing(Vec<Way>);

impl OfFailing {
    pub(super) fn of(numbered: &Numbered<'_>) -> OfFailing {
        OfFailing(numbered.meanings.iter().map(Way::of).collect())
    }

    /// Takes a count in, if it is one of them. Counts come in the order of days.
    pub(super) fn add(&self, failures: &mut Failures, peer: NumberedPeer<'_>, count: &Count) {
        if failures.covered.last() != Some(&count.day) {
            failures.covered.push(count.day);
        }
        let ends = self.0[count.meaning as usize].ends(count);
        if peer.direction() == Direction::Outbound && ends != Ends::default() {
            failures.ends.push((count.peer, count.day, ends));
        }
    }
}

/// The days of one domain on which TLS failed.
#[derive(Default)]
struct Failing {
    /// Its hosts by number.
    hosts: Vec<u32>,
    days: BTreeMap<i32, Ends>,
}

/// The days to look at, given those of two periods and where the second begins.
pub(super) fn days_looked_at(both: &Scope, first_day: i32) -> (i32, i32) {
    let (from, to, ..) = bounds(both);
    (from.min(first_day.saturating_sub(LOOK_BACK)), to)
}

/// A turn of which it is not known yet what was delivered, and the hosts of the domain by number.
pub(super) type Turned = (Turn, Vec<u32>);

/// All of them, by name, from the failures of parts of the days, which follow each other.
pub(super) fn turned(peers: &Peers, parts: Vec<Failures>, first_day: i32) -> Vec<Turned> {
    let mut covered: Vec<i32> = parts.iter().flat_map(|p| &p.covered).copied().collect();
    covered.dedup();
    let mut found = Vec::new();
    for (domain, failing) in by_domain(peers, parts) {
        let turn = turn(&covered, &failing.days, first_day);
        found.extend(turn.map(|turn| {
            let peer = domain.to_owned();
            (Turn { peer, ..turn }, failing.hosts)
        }));
    }
    found
}

/// The same with what was delivered.
pub(super) fn turns(numbered: &mut Numbered<'_>, found: Vec<Turned>) -> Result<Vec<Turn>> {
    let mut turns = Vec::new();
    for (mut turn, hosts) in found {
        for host in hosts {
            numbered.each_day_of(host, |_, meaning, count| {
                let is_counted = count.day >= turn.since && is_sent(meaning.delivery);
                turn.delivered_now += if is_counted { count.n } else { 0 };
            })?;
        }
        turns.push(turn);
    }
    Ok(turns)
}

fn by_domain(peers: &Peers, parts: Vec<Failures>) -> BTreeMap<&str, Failing> {
    let mut ends: Vec<(u32, i32, Ends)> = parts.into_iter().flat_map(|p| p.ends).collect();
    ends.sort_unstable_by_key(|(peer, day, _)| (*peer, *day));
    let mut domains: BTreeMap<&str, Failing> = BTreeMap::new();
    for of_host in ends.chunk_by(|a, b| a.0 == b.0) {
        let host = of_host[0].0;
        let failing = domains.entry(peers.get(host).domain()).or_default();
        failing.hosts.push(host);
        for (_, day, ends) in of_host {
            failing.days.entry(*day).or_default().add(ends);
        }
    }
    domains
}

/// What has changed since a day, by the days on which TLS failed and those the log covers, in order. Who it is and what was delivered is
/// left open.
fn turn(covered: &[i32], days: &BTreeMap<i32, Ends>, first_day: i32) -> Option<Turn> {
    let (kind, since) = change_of_ends(days, first_day).or_else(|| {
        let since = building_up(covered, days, first_day)?;
        Some((Kind::BuildingUp, since))
    })?;
    let sum = |days: &mut dyn Iterator<Item = (&i32, &Ends)>| {
        days.fold(Ends::default(), |mut sum, (_, ends)| {
            sum.add(ends);
            sum
        })
    };
    let (before, now) = (sum(&mut days.range(..since)), sum(&mut days.range(since..)));
    let failed = |ends: &Ends| match kind {
        Kind::BuildingUp => ends.deferred,
        Kind::NewFallback | Kind::LostFallback => ends.failed,
    };
    let days_before = covered.partition_point(|day| *day < since);
    Some(Turn {
        peer: String::new(),
        kind,
        since,
        days_before: days_before as u64,
        days_since: (covered.len() - days_before) as u64,
        failed_before: failed(&before),
        failed_now: failed(&now),
        fell_back_now: now.fell_back,
        delivered_now: 0,
        last_seen: now.last_seen,
    })
}

/// Failures that fall back to clear text though none did before, or do so no more; and since when.
fn change_of_ends(days: &BTreeMap<i32, Ends>, first_day: i32) -> Option<(Kind, i32)> {
    let list: Vec<i32> = days.keys().copied().collect();
    let falls_back: Vec<bool> = days.values().map(|ends| ends.fell_back > 0).collect();
    let holds_back: Vec<bool> = falls_back.iter().map(|is| !is).collect();
    for (kind, marked) in [
        (Kind::NewFallback, falls_back),
        (Kind::LostFallback, holds_back),
    ] {
        let Some((at, chance)) = gathered(&list, &marked, first_day) else {
            continue;
        };
        let before = &marked[..at];
        // What was so before is not new, nor what is otherwise now and then.
        let is_turn = !before.contains(&true) && !marked[at..].contains(&false);
        if is_turn && chance <= CHANCE_OF_ENDS {
            return Some((kind, list[at]));
        }
    }
    None
}

/// Since when mail has waited because of TLS on more days, and more of it, than chance makes of the days before.
fn building_up(covered: &[i32], days: &BTreeMap<i32, Ends>, first_day: i32) -> Option<i32> {
    let deferred = |day: &i32| days.get(day).map_or(0, |ends| ends.deferred);
    let marked: Vec<bool> = covered.iter().map(|day| deferred(day) > 0).collect();
    let (at, chance) = gathered(covered, &marked, first_day)?;
    let count = |days: &[i32]| days.iter().map(deferred).sum::<u64>();
    let (now, all) = (count(&covered[at..]), count(covered));
    let trials = Trials {
        n: all as f64,
        p: (covered.len() - at) as f64 / covered.len() as f64,
    };
    let is_more = chance <= CHANCE_OF_DAYS && at_least(now, trials) <= CHANCE_OF_ATTEMPTS;
    let fell_back = days
        .range(covered[at]..)
        .any(|(_, ends)| ends.fell_back > 0);
    (is_more && now >= BUILDING_UP && !fell_back).then_some(covered[at])
}

/// The marked day from which on the marked days gather most, and how likely chance gathers them so; `None` if none of the days since
/// `first_day` is marked.
fn gathered(days: &[i32], marked: &[bool], first_day: i32) -> Option<(usize, f64)> {
    let all = marked.iter().filter(|is| **is).count() as u64;
    let (mut hits, mut best) = (0, None);
    for at in (0..days.len()).rev().filter(|at| marked[*at]) {
        if days[at] < first_day {
            break;
        }
        hits += 1;
        let chance = drawn_at_least(hits, (days.len() - at) as u64, all, days.len() as u64);
        if best.is_none_or(|(_, least)| chance < least) {
            best = Some((at, chance));
        }
    }
    best
}

impl Way {
    fn of(meaning: &Meaning) -> Way {
        let fell_back = matches!(
            meaning.class,
            Class::PlaintextAfterFailedHandshake | Class::PlaintextAfterFailedSession
        );
        let is_failed = is_tls_failure(meaning.delivery, meaning.class);
        Way {
            is_deferred: is_failed && meaning.delivery == "deferred",
            is_failed,
            fell_back: fell_back && is_sent(meaning.delivery),
        }
    }

    fn ends(self, count: &Count) -> Ends {
        let n = |is_one| if is_one { count.n } else { 0 };
        match self == Way::default() {
            true => Ends::default(),
            false => Ends {
                deferred: n(self.is_deferred),
                failed: n(self.is_failed),
                fell_back: n(self.fell_back),
                last_seen: count.last,
            },
        }
    }
}

impl Ends {
    fn add(&mut self, more: &Ends) {
        self.deferred += more.deferred;
        self.failed += more.failed;
        self.fell_back += more.fell_back;
        self.last_seen = self.last_seen.max(more.last_seen);
    }
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::Dice;
    use super::*;
    use crate::query::Period;
    use crate::store::Store;
    use crate::store::fixture::{self, DAY, outbound};
    use maillog::{Cause, Protocol, Status};

    /// What `changes` makes of a store.
    fn find_turns(store: &Store, first_day: i32, days: (i32, i32)) -> Vec<Turn> {
        let mut numbered = store.numbered(days).unwrap();
        let failing = OfFailing::of(&numbered);
        let add = |failures: &mut Failures, peer: NumberedPeer<'_>, count: Count| {
            failing.add(failures, peer, &count);
        };
        let parts = numbered.fold_days(|_| Failures::default(), add).unwrap();
        let found = turned(&numbered.peers, parts, first_day);
        turns(&mut numbered, found).unwrap()
    }

    fn days(from: i32, to: i32) -> Scope {
        let period = Period {
            from_day: Some(from),
            to_day: Some(to),
        };
        Scope {
            period,
            ..Scope::ALL
        }
    }

    #[test]
    fn where_failures_end_otherwise_than_before_is_told() {
        let failed = |domain: &str, times| {
            outbound(domain)
                .failed(Class::HandshakeFailed, Cause::Eof)
                .times(times)
        };
        let fell_back =
            |domain: &str| outbound(domain).plaintext(Class::PlaintextAfterFailedHandshake);
        // Thirty days before, and five since.
        let mut all = Vec::new();
        for day in 0..35 {
            let at = day * 86_400;
            let is_later = day >= 30;
            all.push(failed("always.example", 9).at(at).build());
            all.push(fell_back("ever.example").at(at).build());
            let (opened, closed) = match is_later {
                true => (fell_back("opened.example"), failed("closed.example", 2)),
                false => (failed("opened.example", 4), fell_back("closed.example")),
            };
            all.extend([opened.at(at).build(), closed.at(at).build()]);
            let waits = outbound("waits.example").encrypted(Protocol::Tls12);
            all.push(match is_later {
                true => failed("waits.example", 9).at(at).build(),
                false => waits.at(at).build(),
            });
            if is_later {
                // It comes back at once: nothing waits.
                let bounced = failed("bounces.example", 9).delivery(Status::Bounced);
                all.push(bounced.at(at).build());
            }
        }
        let store = fixture::store(all);
        let found = find_turns(
            &store,
            DAY + 20,
            days_looked_at(&days(DAY, DAY + 34), DAY + 20),
        );
        let alone = find_turns(&store, DAY, days_looked_at(&days(DAY - 35, DAY + 34), DAY));
        let short = |turns: &[Turn]| -> Vec<_> {
            let short = turns.iter().map(|t| {
                let counts = (t.failed_before, t.failed_now, t.delivered_now);
                (t.peer.clone(), t.kind, t.since - DAY, counts)
            });
            short.collect()
        };
        let expected = [
            (
                "closed.example".to_string(),
                Kind::LostFallback,
                30,
                (0, 10, 0),
            ),
            (
                "opened.example".to_string(),
                Kind::NewFallback,
                30,
                (120, 0, 5),
            ),
            (
                "waits.example".to_string(),
                Kind::BuildingUp,
                30,
                (0, 45, 0),
            ),
        ];
        assert_eq!(short(&found), expected);
        assert_eq!(
            short(&alone),
            expected,
            "the log covers days before, whatever the period"
        );
    }

    /// The days of a server that fails on a day with this probability, each time so often at the most.
    fn history(dice: &mut Dice, rate: f64, attempts: f64, falls_back: f64) -> BTreeMap<i32, Ends> {
        let mut days = BTreeMap::new();
        for day in 0..60 {
            if dice.part() < rate {
                let n = 1 + (dice.part() * attempts) as u64;
                let ends = match dice.part() < falls_back {
                    true => Ends {
                        fell_back: n,
                        ..Ends::default()
                    },
                    false => Ends {
                        deferred: n,
                        failed: n,
                        ..Ends::default()
                    },
                };
                days.insert(day, ends);
            }
        }
        days
    }

    #[test]
    fn of_1000_sites_with_servers_that_fail_now_and_then_fewer_than_10_are_told_of_it_in_a_month_of_days()
     {
        let mut alarms = Vec::new();
        for seed in 0..1000 {
            let mut dice = Dice(seed);
            let mut is_told = false;
            for server in 0..6 {
                let rate = [0.03, 0.1, 0.4][seed as usize % 3];
                let attempts = [1.0, 4.0, 25.0][seed as usize / 3 % 3];
                let falls_back = [0.0, 0.5][server % 2];
                let days = history(&mut dice, rate, attempts, falls_back);
                // Half of the sites have a log that begins later than the period before.
                let first = if seed % 2 == 0 { 0 } else { 18 };
                for today in 30..60 {
                    let covered: Vec<i32> = (first..=today).collect();
                    let known = days.range(first..=today).map(|(d, e)| (*d, *e)).collect();
                    is_told |= turn(&covered, &known, today - 29).is_some();
                }
            }
            alarms.extend(is_told.then_some(seed));
        }
        assert!(alarms.len() < 10, "{} alarms: {alarms:?}", alarms.len());
    }

    #[test]
    fn a_server_that_stays_broken_is_told_of_within_three_days_of_a_month() {
        let broken = Ends {
            deferred: 8,
            failed: 8,
            ..Ends::default()
        };
        for (covered, at_the_latest) in [(60, 3), (30, 3), (20, 4)] {
            let told = (1..10).find(|n| {
                let days = (covered - n..covered).map(|day| (day, broken)).collect();
                let covered: Vec<i32> = (0..covered).collect();
                turn(&covered, &days, 0).is_some()
            });
            assert_eq!(told, Some(at_the_latest), "{covered} days");
        }
    }
}
