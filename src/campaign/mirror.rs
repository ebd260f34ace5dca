//! Looks in the mirror: whether what is said of others is rather our own doing. A fault that many unrelated peers share, that befell
//! several of them at once, or that nobody who could have it is free of, is ours or in between; and behind a relay that takes all our
//! mail nobody is seen.
//!
//! It is told from the log alone. Our own server is not asked: it answers itself on another way than others reach it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::outcome::Direction;
use crate::query::sightings::Sighting;
use crate::store::relay::carrier;

use super::never::is_within;
use super::peers::{Record, Who, name_of};
use super::plan::Rules;
use super::problem::{Fact, Problem};

/// One relay that takes at least this share of our mail to domains that are not its own is a smart host.
const RELAY_SHARE: f64 = 0.95;
/// So many that fail from one day to the next, having done TLS before, did so at once, if they are more than this share of those who
/// had done TLS: it is no habit that befalls several on one day.
const AT_ONCE: usize = 2;
const AT_ONCE_SHARE: f64 = 0.2;

/// A fault, one way.
pub type Fault = (Direction, Problem, Fact);

/// Why a fault is rather ours, in words.
pub type Local = BTreeMap<Fault, String>;

/// The faults that are rather ours.
pub fn looks_local(
    sightings: &[Sighting],
    records: &BTreeMap<Who, Record>,
    rules: &Rules,
) -> Local {
    let mut sharing: BTreeMap<Fault, BTreeSet<&Who>> = BTreeMap::new();
    for (whom, record) in records {
        for ((problem, fact), charge) in &record.charges {
            if charge.mails > 0 {
                let fault = (whom.0, *problem, fact.clone());
                sharing.entry(fault).or_default().insert(whom);
            }
        }
    }
    let reason = |fault: Fault, whom: BTreeSet<&Who>| {
        let seen = records
            .iter()
            .filter(|((way, _), record)| *way == fault.0 && record.mails > 0)
            .count();
        let words = shared(&fault, whom.len(), seen, rules)
            .or_else(|| at_once(&fault, &whom, sightings, records))?;
        Some((fault, words))
    };
    let found = sharing.into_iter();
    found
        .filter_map(|(fault, whom)| reason(fault, whom))
        .collect()
}

/// Too many have it.
fn shared(fault: &Fault, n: usize, seen: usize, rules: &Rules) -> Option<String> {
    let is_most = n >= 2 && n * 2 > seen;
    let is_many = n > rules.local_peers && n as f64 > share(fault, rules) * seen as f64;
    (is_most || is_many).then(|| format!("{n} of {seen}"))
}

/// Not to offer STARTTLS, or to have old TLS, is a habit that many have; a handshake that fails is an accident.
fn share(fault: &Fault, rules: &Rules) -> f64 {
    match fault.1 {
        Problem::NotOffered | Problem::InboundClear | Problem::Unclear | Problem::OldProtocol => {
            rules.local_habit_share
        }
        _ => rules.local_share,
    }
}

/// What the days tell of one peer and one fault.
#[derive(Default)]
struct Days {
    /// On which it worked.
    worked: BTreeSet<i32>,
    /// The first on which it did not.
    failed: Option<i32>,
}

/// It came over several who had done TLS, on one day; or nobody is seen to do what these do not.
fn at_once(
    (way, problem, fact): &Fault,
    sharing: &BTreeSet<&Who>,
    sightings: &[Sighting],
    records: &BTreeMap<Who, Record>,
) -> Option<String> {
    let mut days: BTreeMap<&str, Days> = BTreeMap::new();
    for sighting in sightings.iter().filter(|s| s.direction == *way) {
        let days = days.entry(name_of(sighting)).or_default();
        if problem.works_in(sighting, fact) || is_enough(*problem, sighting) {
            days.worked.insert(sighting.day);
        }
    }
    for whom in sharing {
        let charge = &records.get(*whom)?.charges[&(*problem, fact.clone())];
        days.entry(&whom.1).or_default().failed = charge.days.first().copied();
    }
    let first = days.values().filter_map(|days| days.failed).min()?;
    let fine = |days: &Days| days.failed.is_none() && days.worked.range(first..).next().is_some();
    if !days.values().any(fine) {
        return Some("nobody else was seen to do better since".to_string());
    }
    let mut moments = days.values().filter_map(|days| days.failed);
    moments.find_map(|day| {
        let fell = days.values().filter(|days| fell(days, day)).count();
        let stood = days.values().filter(|days| stood(days, day)).count();
        let is_so = fell >= AT_ONCE && fell as f64 > AT_ONCE_SHARE * (fell + stood) as f64;
        is_so.then(|| format!("{fell} who had done TLS stopped at once, {stood} did not"))
    })
}

/// Whether somebody who did it on an earlier day may have stopped by this one, for all that is seen of them, and has not done it since.
/// What was first and what last on one day is not known.
fn fell(days: &Days, day: i32) -> bool {
    days.failed.is_some_and(|failed| {
        failed >= day
            && days.worked.range(..failed.min(day)).next().is_some()
            && days.worked.range(day + 1..).next().is_none()
    })
}

/// Whether somebody who did it until this day went on to do so.
fn stood(days: &Days, day: i32) -> bool {
    days.worked.range(..=day).next().is_some() && days.worked.range(day + 1..).next().is_some()
}

/// DANE and MTA-STS are rare: any TLS of others shows that our side can do what it takes. That certificates can be verified does not
/// follow from it.
fn is_enough(problem: Problem, sighting: &Sighting) -> bool {
    matches!(problem, Problem::Dane | Problem::Sts) && problem.is_cleared_by(sighting)
}

/// The relay that takes (nearly) all our mail, whether it was delivered or has to wait: then the log says nothing of those behind it.
/// Hosts of one organisation are one relay, and so are addresses next to each other. Mail to the relay's own domains goes to where it belongs.
pub fn smart_host(sightings: &[Sighting]) -> Option<String> {
    let mut all = 0;
    let mut relays: BTreeMap<Cow<'_, str>, u64> = BTreeMap::new();
    for sighting in sightings {
        let n = sighting.weight();
        if sighting.direction != Direction::Outbound || n == 0 {
            continue;
        }
        all += n;
        let by = carrier(&sighting.host, &sighting.organisation, &sighting.address);
        // An MTA-STS policy skips hosts by their names.
        if !by.is_empty() && !is_within(&sighting.domain, &by) {
            *relays.entry(by).or_default() += n;
        }
    }
    let (name, most) = relays.into_iter().max_by_key(|(_, n)| *n)?;
    (most as f64 >= RELAY_SHARE * all as f64).then(|| name.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::peers::records;
    use super::super::peers::tests::{Seen, seen};
    use super::*;
    use crate::outcome::Class;

    fn local(sightings: &[Sighting]) -> Vec<(Problem, String)> {
        let found = looks_local(sightings, &records(sightings), &Rules::default());
        let words = found
            .into_iter()
            .map(|((_, problem, _), words)| (problem, words));
        words.collect()
    }

    /// So many others with whom all is well, on a day.
    fn fine(n: usize, day: i32, inbound: bool) -> Vec<Sighting> {
        let of = |i| {
            let seen = seen(&format!("fine{i}.example")).day(day);
            turn(seen, inbound).sighting()
        };
        (0..n).map(of).collect()
    }

    fn turn(seen: Seen, inbound: bool) -> Seen {
        if inbound { seen.inbound() } else { seen }
    }

    fn clear(domain: &str, day: i32, inbound: bool) -> Sighting {
        turn(seen(domain).day(day), inbound).clear(Class::PlaintextNotOffered)
    }

    /// Peer `i` of those who did TLS until day 104 and go in clear from day 105 on, each on days of its own.
    fn turned(i: i32, inbound: bool) -> Vec<Sighting> {
        let domain = format!("a{i}.example");
        let tls = turn(seen(&domain).day(101 + i % 3), inbound).sighting();
        vec![
            tls,
            clear(&domain, 105 + i % 3, inbound),
            clear(&domain, 109, inbound),
        ]
    }

    #[test]
    fn what_everybody_has_is_rather_ours() {
        let all: Vec<Sighting> = (0..2)
            .map(|i| clear(&format!("a{i}.example"), 105, false))
            .collect();
        assert_eq!(local(&all)[0].1, "2 of 2");
        // Of one alone it cannot be told, if nobody else is there.
        assert_eq!(
            local(&all[..1])[0].1,
            "nobody else was seen to do better since"
        );
        assert!(local(&[all[..1].to_vec(), fine(3, 106, false)].concat()).is_empty());
        // TLS before it began shows nothing.
        assert_eq!(
            local(&[all[..1].to_vec(), fine(3, 104, false)].concat()).len(),
            1
        );
    }

    #[test]
    fn who_stops_on_the_same_day_as_others_was_stopped() {
        for inbound in [false, true] {
            let many: Vec<Sighting> = (0..3).flat_map(|i| turned(i, inbound)).collect();
            let around = |n| [fine(n, 102, inbound), fine(n, 108, inbound)].concat();
            let found = local(&[many.clone(), around(6)].concat());
            assert_eq!(found[0].1, "3 who had done TLS stopped at once, 6 did not");
            // Among very many it is chance; and so it is of one.
            assert!(local(&[many.clone(), around(30)].concat()).is_empty());
            let one = [turned(0, inbound), around(6)].concat();
            assert!(local(&one).is_empty(), "{:?}", local(&one));
        }
    }

    #[test]
    fn those_who_never_did_tls_are_no_accident() {
        let habit: Vec<Sighting> = (0..5)
            .flat_map(|i| [101, 105].map(|day| clear(&format!("a{i}.example"), day, false)))
            .collect();
        let around = [fine(9, 101, false), fine(9, 106, false)].concat();
        assert!(local(&[habit, around].concat()).is_empty());
    }

    #[test]
    fn a_relay_is_one_whatever_its_hosts_and_whether_it_takes_the_mail() {
        let through = |i: i32, host: &str| {
            let seen = seen(&format!("p{i}.example")).at(host, "isp.example");
            seen.day(100 + i).clear(Class::PlaintextNotOffered)
        };
        let two: Vec<Sighting> = (0..8)
            .map(|i| through(i, ["mx1.isp.example", "mx2.isp.example"][i as usize % 2]))
            .collect();
        assert_eq!(smart_host(&two).as_deref(), Some("isp.example"));
        let waiting: Vec<Sighting> = two
            .iter()
            .cloned()
            .map(|s| Sighting {
                tls: "none".into(),
                class: Class::TlsRequiredNotOffered,
                delivery: "deferred".into(),
                ..s
            })
            .collect();
        assert_eq!(smart_host(&waiting).as_deref(), Some("isp.example"));
        assert_eq!(smart_host(&two[..1]).as_deref(), Some("isp.example"));
        // By their addresses, which have no organisation but that of the domain.
        let unnamed = |(i, s): (usize, Sighting)| Sighting {
            host: format!("192.0.2.{}", 25 + i % 2),
            address: format!("192.0.2.{}", 25 + i % 2),
            organisation: s.domain.clone(),
            ..s
        };
        let unnamed: Vec<Sighting> = two.iter().cloned().enumerate().map(unnamed).collect();
        assert_eq!(smart_host(&unnamed).as_deref(), Some("192.0.2.0/24"));
        // Who has mail elsewhere too has no smart host, and who runs their own is none.
        assert_eq!(smart_host(&[two, fine(1, 101, false)].concat()), None);
        assert_eq!(smart_host(&fine(1, 101, false)), None);
    }
}
