//! How did the share of mail over TLS change against the period before, since when, and what carries the change: one peer, one operator of
//! mail servers, many who have nothing to do with each other, or we ourselves?
//!
//! `parts` takes the change apart, `shifts` has the days, `fallback` what became of mail that failed. Here it is put together, and called
//! by its name. What chance, or more mail of some and less of others, can do, is not called a change of what peers do.

use std::collections::BTreeMap;
use std::panic::resume_unwind;

use crate::outcome::{Direction, day_of};
use crate::store::{Result, Store};

use super::binomial;
use super::fallback::{Failures, OfFailing, Turn, days_looked_at, turned, turns};
use super::history::{Cells, History, NameId, OfMail, room};
use super::parts::{Facets, Part, Sums};
use super::shifts::{Course, Shift, differ, find_course, find_course_of_one};
use super::strata::{PeerDay, Strata};
use super::verdict::{Shape, shape};
use super::{Period, Scope, both_ways};

/// A peer whose share moved by less than this, in parts of one, has not lost or won TLS.
const PEER_MOVES: f64 = 0.1;
/// A peer without any TLS is sure to have none if its share could not be above this.
const SURELY_NONE: f64 = 0.2;

/// Mail whose channel is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Over TLS.
    pub encrypted: u64,
    /// In clear.
    pub plaintext: u64,
}

impl Known {
    /// Both.
    pub fn total(&self) -> u64 {
        self.encrypted + self.plaintext
    }

    /// The part over TLS, 0 to 1; `None` of nothing.
    pub fn share(&self) -> Option<f64> {
        let total = self.total();
        (total > 0).then(|| self.encrypted as f64 / total as f64)
    }
}

/// What a peer's own TLS has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Become {
    /// It had TLS, and has none any more, in mail enough to say so.
    SwitchedOff,
    /// It had TLS, and none since, but in little mail.
    NoneLately,
    /// It has less than before.
    Partial,
    /// It has more than before.
    Regained,
}

impl Become {
    /// The word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Become::SwitchedOff => "switched-off",
            Become::NoneLately => "none-lately",
            Become::Partial => "partial",
            Become::Regained => "regained",
        }
    }

    /// What a peer's share before and after says.
    pub fn of(before: Known, after: Known) -> Become {
        let (then, now) = (before.share().unwrap_or(0.0), after.share().unwrap_or(0.0));
        if now >= then {
            Become::Regained
        } else if after.encrypted > 0 {
            Become::Partial
        } else if binomial::bounds(0.0, after.total() as f64).1 < SURELY_NONE {
            Become::SwitchedOff
        } else {
            Become::NoneLately
        }
    }
}

/// A peer that lost TLS it had, or won it.
#[derive(Clone, Debug, PartialEq)]
pub struct Moved {
    /// Outbound the recipient domain; inbound the organisation, name or address of the client.
    pub peer: String,
    /// Who runs its server.
    pub operator: String,
    /// When, and from what to what.
    pub shift: Shift,
    /// What it has come to.
    pub what: Become,
}

/// A change by the day, taken apart: the days before it against the days since.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// When, and from what to what.
    pub shift: Shift,
    /// What carries it.
    pub cause: Change,
}

/// The change of one direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Which way the mail went.
    pub direction: Direction,
    /// All mail in the period before, and in this one.
    pub before: Known,
    /// The same now.
    pub now: Known,
    /// What happened.
    pub shape: Shape,
    /// The peers that did something to the share: those in the direction of the change first, by how much.
    pub parts: Vec<Part>,
    /// The same by operator, service, reason and protocol.
    pub facets: Facets,
    /// What the days of both periods say.
    pub course: Course,
    /// The changes by the day that came about in this period, each with what carries it.
    pub found: Vec<Found>,
    /// Peers that lost or won TLS in this period, the earliest first.
    pub moved: Vec<Moved>,
    /// Outbound: mail whose failures end otherwise than before.
    pub turns: Vec<Turn>,
}

impl Change {
    /// The change of the share, -1 to 1; 0 where there is none to be had.
    pub fn difference(&self) -> f64 {
        match (self.before.share(), self.now.share()) {
            (Some(before), Some(now)) => now - before,
            _ => 0.0,
        }
    }

    /// Peers that have less TLS than they had.
    pub fn lost(&self) -> impl Iterator<Item = &Moved> {
        self.moved.iter().filter(|m| m.what != Become::Regained)
    }
}

/// The period before that of the scope, of as many days; `None` if it is open.
pub fn period_before(scope: &Scope) -> Option<Scope> {
    let (from, to) = (scope.period.from_day?, scope.period.to_day?);
    let period = Period {
        from_day: Some(from - (to - from + 1)),
        to_day: Some(from - 1),
    };
    Some(Scope { period, ..*scope })
}

/// The scope with an end: that of the newest record, if none was named.
pub fn closed(store: &Store, scope: &Scope) -> Result<Scope> {
    let newest = store.newest()?;
    let mut scope = *scope;
    if scope.period.to_day.is_none() && newest > 0 {
        scope.period.to_day = Some(day_of(newest));
    }
    Ok(scope)
}

/// The change of each direction asked for; nothing if the period has no beginning.
pub fn find_changes(store: &Store, scope: &Scope) -> Result<Vec<Change>> {
    let scope = &closed(store, scope)?;
    let (Some(earlier), Some(first_day)) = (period_before(scope), scope.period.from_day) else {
        return Ok(Vec::new());
    };
    let both = Scope {
        period: Period {
            from_day: earlier.period.from_day,
            ..scope.period
        },
        ..*scope
    };
    let mut numbered = store.numbered(days_looked_at(&both, first_day))?;
    let (mail, failing) = (OfMail::of(&numbered, &both), OfFailing::of(&numbered));
    let start = |counts| (room(counts), Failures::default());
    let parts = numbered.fold_days(start, |(cells, failures), peer, count| {
        mail.add(cells, peer, &count);
        failing.add(failures, peer, &count);
    })?;
    let (cells, failures): (Vec<Cells>, Vec<Failures>) = parts.into_iter().unzip();
    let peers = &numbered.peers;
    let (history, found) = std::thread::scope(|scope| {
        let found = scope.spawn(|| turned(peers, failures, first_day));
        let history = History::of(&numbered, cells);
        let found = found.join().unwrap_or_else(|panic| resume_unwind(panic));
        (history, found)
    });
    let changes = both_ways(|direction| change(&history, direction, first_day)).into_iter();
    let mut changes: Vec<Change> = changes.filter(|c| scope.includes(c.direction)).collect();
    if let Some(change) = changes
        .iter_mut()
        .find(|c| c.direction == Direction::Outbound)
    {
        change.turns = turns(&mut numbered, found)?;
    }
    Ok(changes)
}

/// The change of one direction at a day: what was before it, and what is since.
pub(super) fn change(history: &History, direction: Direction, first_day: i32) -> Change {
    let sums = Sums::of(history, direction, |day| Some(day >= first_day));
    let mail = history.peer_days(direction);
    let strata = Strata::of(&mail);
    let mut change = Change {
        course: find_course(&strata),
        moved: moved(history, &mail, first_day),
        ..parts(&sums, direction)
    };
    change.shape = called(&change, &sums, differ(&strata, first_day));
    let since = change.course.shifts().iter().filter(|s| s.end >= first_day);
    change.found = since.map(|s| found(history, &change, &mail, s)).collect();
    change
}

/// The parts of a change, before it has a name.
fn parts(sums: &Sums<'_>, direction: Direction) -> Change {
    let (before, now) = sums.whole();
    let mut change = Change {
        direction,
        before,
        now,
        shape: Shape::TooFew,
        parts: sums.by_peer(),
        facets: sums.facets(),
        course: Course::TooFew,
        found: Vec::new(),
        moved: Vec::new(),
        turns: Vec::new(),
    };
    let sign = change.difference().signum();
    sort(&mut change, if sign == 0.0 { -1.0 } else { sign });
    change
}

fn called(change: &Change, sums: &Sums<'_>, is_sure: bool) -> Shape {
    shape(change, is_sure, ours(sums, (change.before, change.now)))
}

/// Takes a change by the day apart. The days on the way are left out.
fn found(history: &History, whole: &Change, mail: &[PeerDay], shift: &Shift) -> Found {
    let is_level = |day: i32| {
        [shift.days_before, shift.days_after]
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&day))
    };
    let is_now = |day| is_level(day).then_some(day >= shift.end);
    let sums = Sums::of(history, whole.direction, is_now);
    let mail: Vec<PeerDay> = mail.iter().filter(|d| is_level(d.day)).copied().collect();
    let mut cause = parts(&sums, whole.direction);
    cause.moved.clone_from(&whole.moved);
    cause.shape = called(&cause, &sums, differ(&Strata::of(&mail), shift.end));
    Found {
        shift: *shift,
        cause,
    }
}

/// What moved the share in the direction of the change comes first.
fn sort(change: &mut Change, sign: f64) {
    let by_effect = |a: f64, b: f64| (sign * b).total_cmp(&(sign * a));
    let facets = &mut change.facets;
    for parts in [
        &mut change.parts,
        &mut facets.operators,
        &mut facets.services,
    ] {
        parts.sort_by(|a, b| by_effect(a.effect(), b.effect()));
    }
    for components in [&mut facets.reasons, &mut facets.protocols] {
        components.sort_by(|a, b| by_effect(a.effect, b.effect));
    }
}

/// By how much clear text that is our own fault moved the share, -1 to 1.
fn ours(sums: &Sums<'_>, whole: (Known, Known)) -> f64 {
    let (before, now) = sums.ours();
    let part = |ours: Known, all: Known| ours.plaintext as f64 / all.total().max(1) as f64;
    part(before, whole.0) - part(now, whole.1)
}

/// The peers that lost or won TLS since a day. Each is judged by its own mail alone.
fn moved(history: &History, mail: &[PeerDay], first_day: i32) -> Vec<Moved> {
    let mut channels = vec![0_u8; history.names()];
    for day in mail {
        channels[day.peer as usize] |= day.channels();
    }
    let mut peers: BTreeMap<NameId, Vec<PeerDay>> = BTreeMap::new();
    for day in mail.iter().filter(|d| channels[d.peer as usize] == 3) {
        peers.entry(day.peer).or_default().push(*day);
    }
    let looked_at = peers.len();
    let mut moved = Vec::new();
    for days in peers.values() {
        let course = find_course_of_one(days, looked_at);
        let Some(shift) = course.shifts().last() else {
            continue;
        };
        if shift.end < first_day || shift.difference().abs() < PEER_MOVES {
            continue;
        }
        moved.extend(days.last().map(|day| Moved {
            peer: history.name(day.peer).to_string(),
            operator: history.name(day.operator).to_string(),
            what: Become::of(shift.before, shift.after),
            shift: *shift,
        }));
    }
    moved.sort_by(|a, b| (a.shift.onset, &a.peer).cmp(&(b.shift.onset, &b.peer)));
    moved
}

#[cfg(test)]
mod tests {
    use super::super::history::Why;
    use super::super::synthetic::{FIRST_DAY, Site, once_a_day};
    use super::super::verdict::OurSign;
    use super::*;
    use crate::outcome::Class;
    use proptest::prelude::*;

    fn usual(_: &PeerDay) -> Why {
        Why {
            service: "postfix/smtp on mx",
            class: Class::PlaintextNotOffered,
            cause: "",
            fault: "peer",
        }
    }

    /// The change at day 30 of a site's 60 days.
    fn change_of(site: &Site, seed: u64, why: impl Fn(&PeerDay) -> Why) -> Change {
        let site = Site { days: 60, ..*site };
        let history = History::of_peer_days(&site.history(seed), why);
        change(&history, Direction::Outbound, FIRST_DAY + 30)
    }

    fn shape_of(site: &Site, seed: u64) -> Shape {
        change_of(site, seed, usual).shape
    }

    #[test]
    fn one_large_peer_that_loses_tls_carries_the_fall_and_is_named() {
        let site = Site {
            rate: |peer, day, usual| if peer == 0 && day >= 35 { 0.0 } else { usual },
            ..Site::default()
        };
        let change = change_of(&site, 1, usual);
        assert_eq!(change.shape, Shape::OnePeer);
        assert_eq!(change.parts[0].peer, "p0.example");
        let [moved] = change.moved.as_slice() else {
            panic!("one peer moved: {:?}", change.moved);
        };
        assert_eq!(
            (moved.peer.as_str(), moved.what),
            ("p0.example", Become::SwitchedOff)
        );
        assert_eq!(moved.shift.onset - FIRST_DAY, 35);
        let [found] = change.found.as_slice() else {
            panic!("one change by the day: {:?}", change.found);
        };
        assert_eq!(found.shift.onset - FIRST_DAY, 35);
        assert_eq!(
            (&found.cause.shape, &found.cause.parts[0].peer),
            (&Shape::OnePeer, &change.parts[0].peer)
        );
    }

    #[test]
    fn one_burst_a_day_is_enough_to_see_that_its_peer_was_switched_off_or_on() {
        for off in [true, false] {
            // Four of 13 messages a day.
            let mail = once_a_day(35, 10, |peer, day| match peer {
                0 => Some((4, (day < 20) == off)),
                _ => Some((1, true)),
            });
            let history = History::of_peer_days(&mail, usual);
            for first_day in [10, 15, 20] {
                let change = change(&history, Direction::Outbound, FIRST_DAY + first_day);
                let [moved] = change.moved.as_slice() else {
                    panic!("one peer moved: {:?}", change.moved);
                };
                let what = match off {
                    true => Become::SwitchedOff,
                    false => Become::Regained,
                };
                assert_eq!((moved.peer.as_str(), moved.what), ("p0.example", what));
                let [found] = change.found.as_slice() else {
                    panic!("one change by the day: {:?}", change.found);
                };
                assert_eq!(found.cause.shape, Shape::OnePeer);
                assert_eq!(found.cause.parts[0].peer, "p0.example");
                for shift in [moved.shift, found.shift] {
                    assert_eq!((shift.onset, shift.is_fall()), (FIRST_DAY + 20, off));
                }
            }
        }
    }

    #[test]
    fn a_peer_with_less_tls_is_told_from_one_with_none() {
        let site = Site {
            rate: |peer, day, usual| if peer == 0 && day >= 35 { 0.5 } else { usual },
            ..Site::default()
        };
        assert_eq!(change_of(&site, 1, usual).moved[0].what, Become::Partial);
        let known = |encrypted, plaintext| Known {
            encrypted,
            plaintext,
        };
        assert_eq!(Become::of(known(9, 0), known(0, 16)), Become::NoneLately);
        assert_eq!(Become::of(known(9, 0), known(0, 17)), Become::SwitchedOff);
    }

    #[test]
    fn many_at_once_are_rather_we_than_they() {
        let site = Site {
            rate: |_, day, usual| if day >= 40 { 0.6 * usual } else { usual },
            ..Site::default()
        };
        assert_eq!(shape_of(&site, 2), Shape::OurSide(OurSign::AllAtOnce));
    }

    #[test]
    fn several_unrelated_peers_among_others_are_many_and_two_are_few() {
        let site = Site {
            rate: |peer, day, usual| match peer {
                2..8 if day >= 40 => 0.0,
                2..8 => 1.0,
                _ => usual,
            },
            ..Site::default()
        };
        assert_eq!(shape_of(&site, 3), Shape::ManyPeers);
        let two = Site {
            rate: |peer, day, usual| match peer {
                2..4 if day >= 40 => 0.0,
                2..4 => 1.0,
                _ => usual,
            },
            ..Site::default()
        };
        assert_eq!(shape_of(&two, 3), Shape::FewPeers);
    }

    #[test]
    fn our_cipher_list_is_known_by_the_one_reason_unrelated_peers_have() {
        let site = Site {
            rate: |peer, day, usual| match peer {
                2..12 if day >= 40 => 0.0,
                2..12 => 1.0,
                _ => usual,
            },
            ..Site::default()
        };
        let why = |day: &PeerDay| Why {
            class: Class::PlaintextAfterFailedHandshake,
            cause: if (2..12).contains(&day.peer) {
                "no-shared-cipher"
            } else {
                "eof"
            },
            fault: "either",
            ..usual(day)
        };
        let change = change_of(&site, 4, why);
        let reason = "plaintext-fallback-after-failed-handshake: no-shared-cipher";
        assert_eq!(
            change.shape,
            Shape::OurSide(OurSign::SameReason(reason.into()))
        );
        let ours = |day: &PeerDay| Why {
            fault: "us",
            ..usual(day)
        };
        assert_eq!(
            change_of(&site, 4, ours).shape,
            Shape::OurSide(OurSign::Fault)
        );
    }

    #[test]
    fn one_of_our_services_that_alone_has_it_is_named() {
        let site = Site {
            rate: |peer, day, usual| match peer {
                1..30 if day >= 40 => 0.2,
                1..30 => 1.0,
                _ => usual,
            },
            ..Site::default()
        };
        let why = |day: &PeerDay| Why {
            service: if (1..30).contains(&day.peer) {
                "postfix/smtp on mx1"
            } else {
                "postfix/smtp on mx2"
            },
            ..usual(day)
        };
        let expected = OurSign::Service("postfix/smtp on mx1".into());
        assert_eq!(change_of(&site, 5, why).shape, Shape::OurSide(expected));
    }

    #[test]
    fn several_domains_of_one_operator_are_that() {
        let site = Site {
            rate: |peer, day, usual| match peer {
                1..7 if day >= 40 => 0.0,
                1..7 => 1.0,
                _ => usual,
            },
            ..Site::default()
        };
        let site = Site { days: 60, ..site };
        let mut mail = site.history(6);
        for day in mail.iter_mut().filter(|d| (1..7).contains(&d.peer)) {
            day.operator = 1;
        }
        let history = History::of_peer_days(&mail, usual);
        let change = change(&history, Direction::Outbound, FIRST_DAY + 30);
        assert_eq!(change.shape, Shape::OneOperator);
        assert_eq!(change.facets.operators[0].peer, "p1.example");
    }

    #[test]
    fn who_writes_more_is_the_mix_and_opposite_changes_are_not_steady() {
        let site = Site {
            rate: |peer, _, usual| if (1..4).contains(&peer) { 0.0 } else { usual },
            amount: |peer, day| {
                if (1..4).contains(&peer) && day >= 30 {
                    5.0
                } else {
                    1.0
                }
            },
            ..Site::default()
        };
        let change = change_of(&site, 7, usual);
        assert_eq!((change.shape, change.moved.len()), (Shape::Mix, 0));
        let opposite = Site {
            rate: |peer, day, usual| match (peer, day >= 40) {
                (1, late) => f64::from(u8::from(late)),
                (2 | 3, late) => f64::from(u8::from(!late)),
                _ => usual,
            },
            amount: |peer, _| if (2..4).contains(&peer) { 0.6 } else { 0.7 },
            ..Site::default()
        };
        assert_eq!(shape_of(&opposite, 8), Shape::Cancelling);
    }

    #[test]
    fn of_quiet_months_none_is_called_a_change_of_what_peers_do() {
        for seed in 0..60 {
            let change = change_of(&Site::default(), seed, usual);
            let quiet = matches!(change.shape, Shape::Steady | Shape::Mix);
            assert!(
                quiet && change.moved.is_empty(),
                "{seed}: {:?} {:?}",
                change.shape,
                change.moved
            );
        }
    }

    #[test]
    fn little_mail_is_said_to_be_that() {
        let site = Site {
            messages: 0.3,
            ..Site::default()
        };
        assert_eq!(shape_of(&site, 9), Shape::TooFew);
        let none = change(&History::default(), Direction::Outbound, FIRST_DAY);
        assert!(none.parts.is_empty() && none.shape == Shape::TooFew);
    }

    proptest! {
        #[test]
        fn the_parts_add_up_to_the_whole(
            mail in prop::collection::vec((0u32..30, 0i32..4, 0u64..50, 0u64..50), 1..60)
        ) {
            let one = |n| super::super::strata::Mail::new(n, 0, 0);
            let mut days: Vec<PeerDay> = mail
                .into_iter()
                .map(|(peer, day, encrypted, plaintext)| PeerDay {
                    day,
                    peer,
                    operator: peer % 5,
                    encrypted: one(encrypted),
                    plaintext: one(plaintext),
                })
                .collect();
            days.sort_by_key(|d| d.day);
            let history = History::of_peer_days(&days, usual);
            let change = change(&history, Direction::Outbound, 2);
            if change.before.total() > 0 && change.now.total() > 0 {
                let sum = |parts: &[Part]| parts.iter().map(Part::effect).sum::<f64>();
                let facets = &change.facets;
                let reasons = facets.reasons.iter().map(|c| c.effect).sum::<f64>();
                let protocols = facets.protocols.iter().map(|c| c.effect).sum::<f64>();
                for found in [sum(&change.parts), sum(&facets.operators), sum(&facets.services), reasons, protocols] {
                    prop_assert!((found - change.difference()).abs() < 1e-9, "{} {}", found, change.difference());
                }
            }
        }
    }
}
