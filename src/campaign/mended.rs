//! Whether what a case is about works by now: at which hosts, for which of its domains, since when; and whether its domains have left the hosts it is
//! about. What becomes of the case then is `follow`'s business.
//!
//! A host is mended by who runs it. That its customers went elsewhere is no merit of theirs: they are not thanked for it, and a domain counts at
//! another operator's host only where the letter went to somebody who speaks for the domain.

use std::collections::{BTreeMap, BTreeSet};

use crate::outcome::{Class, Direction, day_of};
use crate::query::sightings::Sighting;
use crate::store::outreach::{Audience, Case, State};

use super::never::is_within;
use super::optout::silenced;
use super::peers::name_of;
use super::problem::{Fact, Problem};

/// TLS on so many days, and nothing in clear since, is mended; mail elsewhere on so many days, and none here since, has left.
const DAYS: usize = 2;

/// What was seen to work since a case was opened, with nothing against it since.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mended {
    /// On how many days.
    pub days: usize,
    /// The first of them.
    pub since: i32,
    /// The one by which it had been seen often enough.
    pub by: i32,
    /// The domains of the case to which mail was seen to go so, with how much. One to which none has gone since is not among them, though its
    /// host be mended: nothing was seen of it.
    pub domains: BTreeMap<String, u64>,
    /// The hosts that took it.
    pub hosts: BTreeSet<String>,
}

/// Whether a case is mended: seen to work on two days for each domain of it that has not left, and nothing has spoken against it since. Another host of the
/// same operator that has always worked mends nothing.
pub fn mended(case: &Case, problem: Problem, sightings: &[Sighting]) -> Option<Mended> {
    let about = about(case, sightings);
    let since = last_against(case, problem, &about, sightings);
    let facts = facts(problem, &about);
    let works =
        |s: &&&Sighting| s.last > since && facts.iter().all(|fact| problem.works_in(s, fact));
    let working: Vec<&Sighting> = about.iter().filter(works).copied().collect();
    let enough_by = |counts: &dyn Fn(&Sighting) -> bool| {
        let counted = working.iter().filter(|s| counts(s));
        let days: BTreeSet<i32> = counted.map(|s| s.day).collect();
        days.into_iter().nth(DAYS - 1)
    };
    let mut by = enough_by(&|_| true)?;
    // Who sends to us may write any domain on it: there the hosts are one.
    let domains: BTreeSet<&String> = match case.direction {
        Direction::Outbound => case.peers.iter().map(|(domain, _)| domain).collect(),
        Direction::Inbound => BTreeSet::new(),
    };
    for domain in domains {
        let is_host = |host: &String| case.peers.iter().any(|(d, h)| d == domain && h == host);
        match enough_by(&|s| s.domain == *domain || is_host(&s.host)) {
            Some(day) => by = by.max(day),
            None if has_left(case, domain, sightings) => {}
            None => return None,
        }
    }
    Some(seen_to_work(case, &working, by))
}

fn seen_to_work(case: &Case, working: &[&Sighting], by: i32) -> Mended {
    let days: BTreeSet<i32> = working.iter().map(|s| s.day).collect();
    let mut mended = Mended {
        days: days.len(),
        since: days.first().copied().unwrap_or(by),
        by,
        ..Mended::default()
    };
    for sighting in working {
        mended.hosts.insert(sighting.host.clone());
        if case.peers.iter().any(|(d, _)| *d == sighting.domain) {
            *mended.domains.entry(sighting.domain.clone()).or_default() += sighting.mails;
        }
    }
    mended
}

/// Whether all domains of a case have left the hosts it is about.
pub fn have_all_left(case: &Case, sightings: &[Sighting]) -> bool {
    case.direction == Direction::Outbound
        && !case.peers.is_empty()
        && case
            .peers
            .iter()
            .all(|(domain, _)| has_left(case, domain, sightings))
}

/// Whether a domain has left the hosts a case is about: its mail has gone to another operator's on two days, and none to these since. Never one for
/// which the reader of the letter speaks: wherever they have its mail taken, it is theirs.
fn has_left(case: &Case, domain: &str, sightings: &[Sighting]) -> bool {
    if is_readers(case, domain) {
        return false;
    }
    let of_domain = || {
        let sent = sightings.iter();
        sent.filter(|s| s.direction == Direction::Outbound && s.domain == domain)
    };
    let is_here = |s: &&Sighting| name_of(s) == case.organisation || is_host(case, s);
    let last = of_domain().filter(is_here).map(|s| s.day).max();
    let last = last.map_or(day_of(case.opened), |day| day.max(day_of(case.opened)));
    let elsewhere = of_domain().filter(|s| !is_here(s) && s.day > last && has_gone(s));
    elsewhere.map(|s| s.day).collect::<BTreeSet<i32>>().len() >= DAYS
}

/// Mail that was taken.
fn has_gone(sighting: &Sighting) -> bool {
    sighting.mails > 0 && sighting.delivery == "sent"
}

/// Whether the reader of a letter of this case speaks for a domain of it. Where nobody was written to, for comparison, or who was is forgotten, it
/// is who would be: about one domain its own postmaster, about several whoever runs the hosts.
fn is_readers(case: &Case, domain: &str) -> bool {
    let is_one = || case.peers.iter().all(|(other, _)| other == domain);
    let is_known = !case.address.is_empty();
    is_within(domain, &case.organisation)
        || match case.audience {
            Audience::Correspondents if is_known => true,
            _ if is_known => silenced(case, &case.address).contains(domain),
            _ => is_one(),
        }
}

/// The sightings that a case is about: its hosts, whoever's mail they take; and its domains, at any host of the same operator, or at any at all if
/// the reader of the letter speaks for them.
pub(super) fn about<'s>(case: &Case, sightings: &'s [Sighting]) -> Vec<&'s Sighting> {
    let concerns = |s: &&Sighting| concerns(case, s);
    sightings.iter().filter(concerns).collect()
}

fn concerns(case: &Case, sighting: &Sighting) -> bool {
    let is_domain = || {
        let mut domains = case.peers.iter().map(|(domain, _)| domain);
        case.direction == Direction::Outbound
            && !sighting.domain.is_empty()
            && domains.any(|domain| *domain == sighting.domain)
            && (name_of(sighting) == case.organisation || is_readers(case, &sighting.domain))
    };
    sighting.direction == case.direction && (is_host(case, sighting) || is_domain())
}

fn is_host(case: &Case, sighting: &Sighting) -> bool {
    // A client without a name goes by its address, and has no host to tell it by.
    let is_nameless = |host: &String| host.is_empty() && name_of(sighting) == case.organisation;
    let mut hosts = case.peers.iter().map(|(_, host)| host);
    hosts.any(|host| (!host.is_empty() && *host == sighting.host) || is_nameless(host))
}

/// The last that speaks against a case being mended; its beginning, if nothing does. As long as another host of the operator fails in the
/// same way the matter is not over; nor while mail to these crosses in clear, whosever fault it is.
fn last_against(case: &Case, problem: Problem, about: &[&Sighting], sightings: &[Sighting]) -> i64 {
    let crossed = about.iter().filter(|s| is_in_clear(s)).map(|s| s.last);
    let crossed = crossed.max().unwrap_or(i64::MIN);
    last_accused(case, problem, about, sightings)
        .max(crossed)
        .max(case.opened)
}

/// When a problem like this was last seen at the hosts of a case, for its domains, or at any host of the same operator.
pub(super) fn last_accused(
    case: &Case,
    problem: Problem,
    about: &[&Sighting],
    sightings: &[Sighting],
) -> i64 {
    let is_theirs =
        |s: &&Sighting| s.direction == case.direction && name_of(s) == case.organisation;
    let whole = last(problem, sightings.iter().filter(is_theirs));
    whole.max(last(problem, about.iter().copied()))
}

/// When a problem like this was last seen.
pub(super) fn last<'s>(problem: Problem, sightings: impl Iterator<Item = &'s Sighting>) -> i64 {
    let accusing = sightings.filter(|s| Problem::of(s).is_some_and(|of| of.is_like(problem)));
    accusing.map(|s| s.last).max().unwrap_or(i64::MIN)
}

/// What was the matter, as far as it is still seen.
fn facts(problem: Problem, about: &[&Sighting]) -> BTreeSet<Fact> {
    let accusing = about
        .iter()
        .filter(|s| Problem::of(s).is_some_and(|of| of.is_like(problem)));
    let found: BTreeSet<Fact> = accusing.map(|s| problem.fact(s.class, &s.cause)).collect();
    match found.is_empty() {
        true => BTreeSet::from([problem.fact(Class::Unknown, "")]),
        false => found,
    }
}

/// Mail that crossed in clear, whosever fault it was.
fn is_in_clear(sighting: &Sighting) -> bool {
    sighting.tls == "plaintext" && sighting.mails > 0 && sighting.delivery != "deferred"
}

/// What there is to thank for: of each case that is mended and whose readers were not thanked yet, by its token.
pub fn to_thank_for(cases: &[Case], sightings: &[Sighting]) -> BTreeMap<String, Mended> {
    let fixed = cases.iter().filter(|case| case.state == State::Fixed);
    fixed
        .filter_map(|case| {
            let problem = Problem::from_name(&case.problem)?;
            Some((case.token.clone(), mended(case, problem, sightings)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::peers::tests::seen;
    use crate::campaign::plan::tests::case;

    #[test]
    fn only_what_was_seen_since_is_named() {
        let at = |domain: &str, host: &str, day| {
            let seen = seen(domain).at(host, "host.example").day(day);
            seen.sighting()
        };
        let clear = |domain: &str, day| {
            let seen = seen(domain).at("mx7.host.example", "host.example");
            seen.day(day).clear(Class::PlaintextNotOffered)
        };
        let names = ["a.example", "b.example", "c.example"];
        let case = Case {
            address: "postmaster@host.example".into(),
            opened: 100 * 86_400,
            peers: names
                .map(|domain| (domain.to_string(), "mx7.host.example".to_string()))
                .to_vec(),
            ..case("host.example", State::Fixed, &[100])
        };
        let elsewhere = |day| {
            let seen = seen("c.example").at("mx.new.example", "new.example");
            seen.day(day).sighting()
        };
        let sightings = [
            clear("a.example", 101),
            at("b.example", "mx7.host.example", 100),
            at("a.example", "mx7.host.example", 103),
            at("x.example", "mx7.host.example", 104),
            elsewhere(103),
            elsewhere(104),
        ];
        let thanks = to_thank_for(std::slice::from_ref(&case), &sightings);
        let mended = &thanks[&case.token];
        // Of b nothing was seen since, c has left, and x is nothing the letter was about.
        let domains: Vec<_> = mended.domains.iter().collect();
        assert_eq!(domains, [(&"a.example".to_string(), &1)]);
        assert_eq!(mended.hosts, BTreeSet::from(["mx7.host.example".into()]));
        assert_eq!((mended.since, mended.by, mended.days), (103, 104, 2));
        let sent = Case {
            state: State::Sent,
            ..case
        };
        assert!(to_thank_for(&[sent], &sightings).is_empty());
    }
}
