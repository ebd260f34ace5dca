//! What is to be said for and against each organisation: the sightings, put together by who runs the hosts.
//!
//! A host that has done TLS after the last thing it is accused of is not accused of it, nor one that has since done something else that the
//! accusation denies; nor is a domain that has left the host and goes over TLS elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use crate::outcome::{Class, Direction};
use crate::query::sightings::Sighting;

use super::problem::{Fact, Problem};

/// What an organisation is accused of, in one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Charge {
    /// Mails per domain, and when the last was.
    pub domains: BTreeMap<String, (u64, i64)>,
    /// The hosts, with the addresses and ports they were met at.
    pub hosts: BTreeMap<String, BTreeSet<(String, u16)>>,
    /// Domain and host.
    pub peers: BTreeSet<(String, String)>,
    /// The days.
    pub days: BTreeSet<i32>,
    /// What happened, and what the TLS library said, with how many mails.
    pub classes: BTreeMap<(&'static str, String), u64>,
    /// TLS versions met.
    pub protocols: BTreeSet<String>,
    /// Mails in all.
    pub mails: u64,
    /// Of these, mails that crossed in clear; the others had to wait, or came back.
    pub in_clear: u64,
    /// The last time, in seconds since 1970 UTC.
    pub last: i64,
    /// Of the hosts that would be accused, the last that has done TLS or something else since; else a domain that has left them.
    pub cleared: Option<(String, i64)>,
    /// Of these, that the log does not tell any more how mail goes to it: it may do TLS by now.
    pub is_unsure: bool,
    /// The domains whose mail it took.
    pub cleared_domains: BTreeSet<String>,
}

impl Charge {
    pub(super) fn add(&mut self, sighting: &Sighting) {
        let weight = sighting.weight();
        let domain = self.domains.entry(sighting.domain.clone()).or_default();
        *domain = (domain.0 + weight, domain.1.max(sighting.last));
        self.hosts
            .entry(sighting.host.clone())
            .or_default()
            .insert((sighting.address.clone(), sighting.port));
        self.peers
            .insert((sighting.domain.clone(), sighting.host.clone()));
        self.days.insert(sighting.day);
        *self
            .classes
            .entry((sighting.class.name(), sighting.cause.clone()))
            .or_default() += weight;
        if !sighting.protocol.is_empty() {
            self.protocols.insert(sighting.protocol.clone());
        }
        self.mails += weight;
        if sighting.tls == "plaintext" {
            self.in_clear += sighting.mails;
        }
        self.last = self.last.max(sighting.last);
    }

    /// Leaves out a sighting of a host of which it is not true any more since `at`.
    fn clear(&mut self, sighting: &Sighting, at: i64) {
        self.cleared_domains.insert(sighting.domain.clone());
        if self.cleared.as_ref().is_none_or(|(_, then)| *then < at) {
            self.cleared = Some((host_of(sighting).1.to_string(), at));
        }
    }

    /// Leaves out a sighting of a host to which mail has gone since of which the log does not tell how.
    fn doubt(&mut self, sighting: &Sighting, at: i64) {
        self.is_unsure = true;
        self.clear(sighting, at);
    }

    /// Leaves out a sighting of a domain that has left the host.
    fn leave(&mut self, sighting: &Sighting) {
        self.cleared_domains.insert(sighting.domain.clone());
        let cleared = (sighting.domain.clone(), sighting.last);
        self.cleared.get_or_insert(cleared);
    }

    /// What happened most, and what the TLS library said then.
    pub fn main(&self) -> (Class, &str) {
        let most = self.classes.iter().max_by_key(|(_, n)| **n);
        most.map_or((Class::Unknown, ""), |((class, cause), _)| {
            (Class::from_name(class).unwrap_or(Class::Unknown), cause)
        })
    }

    /// The domains, most mail first.
    pub fn by_mails(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.domains.iter().collect();
        names.sort_by(|(a, (m, _)), (b, (n, _))| n.cmp(m).then(a.cmp(b)));
        names.into_iter().map(|(name, _)| name.as_str()).collect()
    }
}

/// What there is about an organisation beside charges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// By problem, and by what is to be said of the hosts: a letter names no host for what another does.
    pub charges: BTreeMap<(Problem, Fact), Charge>,
    /// Domains with mail in clear whose fault is ours, or held back by it.
    pub ours: BTreeSet<String>,
    /// Domains with mail where it cannot be said whose fault it is.
    pub undecided: BTreeSet<String>,
    /// Domains with mail of which the log does not tell how it went.
    pub unknown: BTreeSet<String>,
    /// All mails.
    pub mails: u64,
    /// Domains seen.
    pub domains: BTreeSet<String>,
}

/// Which way, and who: the organisation, else the domain, else host or address.
pub type Who = (Direction, String);

/// Everybody, in order.
pub fn records(sightings: &[Sighting]) -> BTreeMap<Who, Record> {
    let done = CLEARING.map(|problem| Last::of(sightings, |s| problem.is_contradicted_by(s)));
    let unsure = Last::of(sightings, is_untold);
    let stuck = stuck(sightings);
    let moved = Moved::of(sightings);
    let mut records: BTreeMap<Who, Record> = BTreeMap::new();
    for sighting in sightings {
        let record = records.entry(who(sighting)).or_default();
        record.mails += sighting.mails;
        record.domains.insert(sighting.domain.clone());
        // Where another host has taken the mail, none had to wait.
        let is_idle = sighting.is_skipped() && !stuck.contains(&(sighting.day, &sighting.domain));
        let Some(problem) = Problem::of(sighting).filter(|_| !is_idle) else {
            neither(record, sighting);
            continue;
        };
        let fact = problem.fact(sighting.class, &sighting.cause);
        let charge = record.charges.entry((problem, fact)).or_default();
        let at = clearing(problem);
        match done[at].after(sighting) {
            Some(at) => charge.clear(sighting, at),
            _ if moved.has_left(sighting, at) => charge.leave(sighting),
            _ => match unsure.after(sighting) {
                Some(at) => charge.doubt(sighting, at),
                None => charge.add(sighting),
            },
        }
    }
    records
}

/// What speaks against it is not the same for every problem.
const CLEARING: [Problem; 6] = [
    Problem::NotOffered,
    Problem::Refused,
    Problem::Unclear,
    Problem::Certificate,
    Problem::OldProtocol,
    Problem::Dane,
];

/// The place in [`CLEARING`] of the problem against which the same speaks.
fn clearing(problem: Problem) -> usize {
    let like = match problem {
        Problem::Handshake => Problem::Refused,
        Problem::InboundClear => Problem::Unclear,
        Problem::Sts => Problem::Certificate,
        other => other,
    };
    CLEARING.iter().position(|of| *of == like).unwrap_or(0)
}

/// So many days of TLS elsewhere show that a domain has left a host: as many as show that a case is mended.
const DAYS_ELSEWHERE: usize = 2;

/// Which domains have left which hosts.
struct Moved<'s> {
    /// The last day of a domain's mail at a host.
    latest: BTreeMap<(&'s str, &'s str), i32>,
    /// The days on which a domain's mail went over TLS, for each of [`CLEARING`].
    elsewhere: [BTreeMap<&'s str, BTreeSet<i32>>; CLEARING.len()],
}

impl<'s> Moved<'s> {
    fn of(sightings: &'s [Sighting]) -> Moved<'s> {
        let outbound = || {
            let sent = sightings.iter();
            sent.filter(|s| s.direction == Direction::Outbound && !s.domain.is_empty())
        };
        let mut latest = BTreeMap::new();
        for sighting in outbound() {
            let key = (sighting.domain.as_str(), host_of(sighting).1);
            let day = latest.entry(key).or_insert(sighting.day);
            *day = sighting.day.max(*day);
        }
        let elsewhere = CLEARING.map(|problem| {
            let mut days: BTreeMap<&str, BTreeSet<i32>> = BTreeMap::new();
            for sighting in outbound().filter(|s| problem.is_cleared_by(s)) {
                days.entry(&sighting.domain)
                    .or_default()
                    .insert(sighting.day);
            }
            days
        });
        Moved { latest, elsewhere }
    }

    /// Whether the domain's mail has gone over TLS on later days, and none of it to this host. `at`: the place in [`CLEARING`].
    fn has_left(&self, sighting: &Sighting, at: usize) -> bool {
        let domain = sighting.domain.as_str();
        let Some(last) = self.latest.get(&(domain, host_of(sighting).1)) else {
            return false;
        };
        let since = |days: &BTreeSet<i32>| days.range(last + 1..).count();
        sighting.direction == Direction::Outbound
            && self.elsewhere[at].get(domain).map_or(0, since) >= DAYS_ELSEWHERE
    }
}

/// Days and domains on which mail was left without a host to go to.
fn stuck(sightings: &[Sighting]) -> BTreeSet<(i32, &String)> {
    let is_left = |s: &&Sighting| {
        s.direction == Direction::Outbound
            && s.host.is_empty()
            && s.address.is_empty()
            && matches!(s.delivery.as_str(), "deferred" | "bounced")
    };
    let left = sightings.iter().filter(is_left);
    left.map(|s| (s.day, &s.domain)).collect()
}

fn neither(record: &mut Record, sighting: &Sighting) {
    let held_back = sighting.is_held_back();
    let list = match (sighting.tls.as_str(), sighting.fault.as_str()) {
        ("plaintext", "us") => &mut record.ours,
        ("plaintext", _) => &mut record.undecided,
        ("unknown", _) => &mut record.unknown,
        (_, "us") if held_back => &mut record.ours,
        _ if held_back => &mut record.undecided,
        _ => return,
    };
    list.insert(sighting.domain.clone());
}

/// Whom a sighting is about.
pub fn who(sighting: &Sighting) -> Who {
    (sighting.direction, name_of(sighting).to_string())
}

/// The same, without the way.
pub fn name_of(sighting: &Sighting) -> &str {
    let names = [
        &sighting.organisation,
        &sighting.domain,
        &sighting.host,
        &sighting.address,
    ];
    let inbound = [
        &sighting.organisation,
        &sighting.host,
        &sighting.address,
        &sighting.domain,
    ];
    let order = match sighting.direction {
        Direction::Outbound => names,
        // Who sends to us may write any domain on it.
        Direction::Inbound => inbound,
    };
    let name = order.into_iter().find(|name| !name.is_empty());
    name.map_or("", String::as_str)
}

/// The host of a sighting; one without a name goes by its address.
fn host_of(sighting: &Sighting) -> (Direction, &str) {
    let name = match sighting.host.is_empty() {
        true => &sighting.address,
        false => &sighting.host,
    };
    (sighting.direction, name)
}

/// Mail that has gone, and the log does not tell how: where TLS is not logged, failures are, and that it works by now is not seen.
fn is_untold(sighting: &Sighting) -> bool {
    let has_gone = sighting.direction == Direction::Inbound || sighting.delivery == "sent";
    sighting.tls == "unknown" && sighting.mails > 0 && has_gone
}

/// When each host was last seen in a certain way, by its name; and by its address, among those of one operator: a server that has a new name
/// is the same.
struct Last<'s> {
    hosts: BTreeMap<(Direction, &'s str), i64>,
    addresses: BTreeMap<(Direction, &'s str, &'s str), i64>,
}

impl<'s> Last<'s> {
    fn of(sightings: &'s [Sighting], is_such: impl Fn(&Sighting) -> bool) -> Last<'s> {
        let (mut hosts, mut addresses) = (BTreeMap::new(), BTreeMap::new());
        for sighting in sightings.iter().filter(|s| is_such(s)) {
            let at: &mut i64 = hosts.entry(host_of(sighting)).or_default();
            *at = sighting.last.max(*at);
            if !sighting.address.is_empty() {
                let at: &mut i64 = addresses.entry(place_of(sighting)).or_default();
                *at = sighting.last.max(*at);
            }
        }
        Last { hosts, addresses }
    }

    /// When the server of a sighting was seen so after it.
    fn after(&self, sighting: &Sighting) -> Option<i64> {
        let host = self.hosts.get(&host_of(sighting));
        let address = self.addresses.get(&place_of(sighting));
        let at = host.max(address).copied()?;
        (at > sighting.last).then_some(at)
    }
}

/// Whose server it is, and its address.
fn place_of(sighting: &Sighting) -> (Direction, &str, &str) {
    (sighting.direction, name_of(sighting), &sighting.address)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A sighting in the making: one mail a day to a domain with one MX host.
    #[derive(Clone)]
    pub(in super::super) struct Seen(Sighting);

    pub(in super::super) fn seen(domain: &str) -> Seen {
        Seen(Sighting {
            day: 100,
            direction: Direction::Outbound,
            domain: domain.into(),
            host: format!("mx.{domain}"),
            address: "192.0.2.1".into(),
            port: 25,
            organisation: domain.into(),
            tls: "encrypted".into(),
            class: Class::TlsTrusted,
            cause: String::new(),
            fault: "nobody".into(),
            delivery: "sent".into(),
            protocol: "TLSv1.3".into(),
            mails: 1,
            n: 1,
            last: 100 * 86_400,
        })
    }

    impl Seen {
        pub(in super::super) fn day(mut self, day: i32) -> Seen {
            self.0.day = day;
            self.0.last = i64::from(day) * 86_400;
            self
        }
        pub(in super::super) fn at(mut self, host: &str, organisation: &str) -> Seen {
            let sum: u32 = host.bytes().map(u32::from).sum();
            self.0.host = host.into();
            self.0.address = format!("192.0.2.{}", sum % 250);
            self.0.organisation = organisation.into();
            self
        }
        pub(in super::super) fn mails(mut self, mails: u64) -> Seen {
            (self.0.mails, self.0.n) = (mails, mails);
            self
        }
        pub(in super::super) fn inbound(mut self) -> Seen {
            self.0.direction = Direction::Inbound;
            self.0.delivery = String::new();
            self
        }
        pub(in super::super) fn sighting(self) -> Sighting {
            self.0
        }
        /// In clear, and the peer's fault.
        pub(in super::super) fn clear(mut self, class: Class) -> Sighting {
            self.0.tls = "plaintext".into();
            self.0.class = class;
            self.0.fault = "peer".into();
            self.0.protocol = String::new();
            self.0
        }
    }

    /// What there is about this problem, whatever exactly is to be said.
    fn of_problem(record: &Record, problem: Problem) -> &Charge {
        let mut charges = record.charges.iter();
        charges.find(|((of, _), _)| *of == problem).unwrap().1
    }

    #[test]
    fn the_domains_of_one_operator_are_one_charge() {
        let of = |domain: &str, n| {
            seen(domain)
                .at("mx1.host.example", "host.example")
                .mails(n)
                .clear(Class::PlaintextNotOffered)
        };
        let records = records(&[of("a.example", 1), of("b.example", 5)]);
        let record = &records[&(Direction::Outbound, "host.example".into())];
        let charge = of_problem(record, Problem::NotOffered);
        assert_eq!(charge.by_mails(), ["b.example", "a.example"]);
        assert_eq!((charge.mails, charge.hosts.len()), (6, 1));
        assert_eq!(charge.main(), (Class::PlaintextNotOffered, ""));
    }

    #[test]
    fn a_domain_that_has_left_a_host_is_not_accused_of_it() {
        let old = |domain: &str, day| {
            let at = seen(domain).at("mx.h.example", "h.example").day(day);
            at.clear(Class::PlaintextNotOffered)
        };
        let new = |day| {
            let at = seen("a.example").at("mx.new.example", "new.example");
            at.day(day).sighting()
        };
        let charged = |sightings: &[Sighting]| {
            let records = records(sightings);
            let record = &records[&(Direction::Outbound, "h.example".into())];
            let charge = of_problem(record, Problem::NotOffered);
            charge.domains.keys().cloned().collect::<Vec<_>>()
        };
        let (a, b) = (old("a.example", 100), old("b.example", 100));
        let both = ["a.example", "b.example"];
        // One day may be chance.
        assert_eq!(charged(&[a.clone(), b.clone(), new(101)]), both);
        assert_eq!(
            charged(&[a.clone(), b.clone(), new(101), new(103)]),
            ["b.example"]
        );
        // It still takes mail beside the new one.
        let again = old("a.example", 104);
        assert_eq!(charged(&[a, b, new(101), new(103), again]), both);
    }

    #[test]
    fn a_host_that_did_tls_since_is_not_accused() {
        let clear = seen("a.example").day(100).clear(Class::PlaintextNotOffered);
        let tls = |host: &str, day| seen("a.example").at(host, "a.example").day(day).sighting();
        let charged = |with: Sighting| {
            let records = records(&[clear.clone(), with]);
            let record = &records[&(Direction::Outbound, "a.example".into())];
            let charge = of_problem(record, Problem::NotOffered);
            (charge.mails, charge.cleared.is_some())
        };
        assert_eq!(charged(tls("mx.a.example", 101)), (0, true));
        assert_eq!(
            charged(tls("mx.a.example", 99)),
            (1, false),
            "TLS before it does not clear"
        );
        assert_eq!(
            charged(tls("mx2.a.example", 101)),
            (1, false),
            "nor does another host"
        );
    }

    #[test]
    fn what_the_log_has_since_denied_is_not_said_of_a_host() {
        let charged = |first: Class, then: Sighting| {
            let records = records(&[seen("a.example").day(100).clear(first), then]);
            let record = &records[&(Direction::Outbound, "a.example".into())];
            let problem = Problem::of(&seen("a.example").clear(first)).unwrap();
            of_problem(record, problem).mails
        };
        let later = || seen("a.example").day(101);
        let with = |class| later().clear(class);
        let not_taken = |delivery: &str| Sighting {
            delivery: delivery.into(),
            mails: 0,
            ..later().sighting()
        };
        let (none, refused) = (Class::PlaintextNotOffered, Class::PlaintextStarttlsRefused);
        let broken = Class::PlaintextAfterFailedHandshake;
        // It offers STARTTLS by now, whatever comes of it.
        assert_eq!(charged(none, with(refused)), 0);
        assert_eq!(charged(none, with(broken)), 0);
        // TLS came up, though the recipient was put off or refused.
        for class in [none, refused, broken] {
            assert_eq!(charged(class, not_taken("deferred")), 0, "{class:?}");
            assert_eq!(charged(class, not_taken("bounced")), 0, "{class:?}");
        }
        // It does not offer any more what it had refused.
        assert_eq!(charged(refused, with(none)), 0);
        // The same again, and what may be the same.
        assert_eq!(charged(none, with(none)), 2);
        assert_eq!(charged(none, with(Class::PlaintextOpportunistic)), 1);
        assert_eq!(charged(broken, with(refused)), 1);
    }

    #[test]
    fn who_may_have_mended_it_for_all_the_log_tells_is_not_accused() {
        let broken = seen("a.example")
            .day(100)
            .clear(Class::PlaintextAfterFailedHandshake);
        let untold = |day, delivery: &str| Sighting {
            tls: "unknown".into(),
            class: Class::Unknown,
            delivery: delivery.into(),
            ..seen("a.example").day(day).sighting()
        };
        let charged = |then: Sighting| {
            let records = records(&[broken.clone(), then]);
            let record = &records[&(Direction::Outbound, "a.example".into())];
            let charge = of_problem(record, Problem::Handshake);
            (charge.mails, charge.is_unsure)
        };
        assert_eq!(charged(untold(101, "sent")), (0, true));
        assert_eq!(charged(untold(99, "sent")), (1, false), "before it");
        assert_eq!(charged(untold(101, "deferred")), (1, false), "not gone");
    }

    #[test]
    fn a_server_with_a_new_name_is_the_same_and_where_mail_is_handed_in_is_ours_to_set() {
        let clear = seen("a.example").day(100).clear(Class::PlaintextNotOffered);
        let charged = |with: Sighting| {
            let records = records(&[clear.clone(), with]);
            let record = &records[&(Direction::Outbound, "a.example".into())];
            of_problem(record, Problem::NotOffered).mails
        };
        let renamed = |organisation: &str| Sighting {
            host: "mail.a.example".into(),
            organisation: organisation.into(),
            ..seen("a.example").day(101).sighting()
        };
        assert_eq!(charged(renamed("a.example")), 0);
        assert_eq!(charged(renamed("other.example")), 1, "one address of two");
        for (port, expected) in [(25, true), (2525, true), (465, false), (587, false)] {
            let there = Sighting {
                port,
                ..clear.clone()
            };
            assert_eq!(Problem::of(&there).is_some(), expected, "{port}");
        }
    }

    #[test]
    fn old_tls_that_was_mended_is_not_accused() {
        let old = |day| Sighting {
            protocol: "TLSv1".into(),
            ..seen("a.example").day(day).sighting()
        };
        let charged = |with: Sighting| {
            let records = records(&[old(100), old(101), with]);
            let record = &records[&(Direction::Outbound, "a.example".into())];
            of_problem(record, Problem::OldProtocol).mails
        };
        let new = |day| seen("a.example").day(day).sighting();
        assert_eq!(charged(new(105)), 0);
        assert_eq!(charged(new(99)), 2, "before it");
        assert_eq!(charged(old(105)), 3, "old TLS does not clear old TLS");
    }

    #[test]
    fn tlsa_records_that_cannot_be_used_are_not_cleared_by_mail_that_met_them() {
        let downgraded = |day| Sighting {
            class: Class::DaneDowngraded,
            fault: "peer".into(),
            cause: "tlsa-unusable".into(),
            ..seen("a.example").day(day).sighting()
        };
        let seen = [downgraded(100), downgraded(101), downgraded(102)];
        let records = records(&seen);
        let record = &records[&(Direction::Outbound, "a.example".into())];
        assert_eq!(of_problem(record, Problem::Dane).mails, 3);
        assert!(record.undecided.is_empty());
    }

    #[test]
    fn an_mx_host_that_a_policy_rules_out_is_accused_where_no_other_takes_the_mail() {
        let skipped = Sighting {
            class: Class::StsMxMismatch,
            fault: "peer".into(),
            tls: "none".into(),
            delivery: String::new(),
            ..seen("a.example").sighting()
        };
        let left = Sighting {
            host: String::new(),
            address: String::new(),
            class: Class::Unknown,
            fault: "nobody".into(),
            delivery: "deferred".into(),
            ..skipped.clone()
        };
        let who = (Direction::Outbound, "a.example".to_string());
        let waits = records(&[skipped.clone(), left]).remove(&who).unwrap();
        assert_eq!(of_problem(&waits, Problem::Sts).mails, 1);
        let passes = records(&[skipped]).remove(&who).unwrap();
        assert!(passes.charges.is_empty() && passes.undecided.contains("a.example"));
    }

    #[test]
    fn no_host_is_named_for_what_another_does() {
        let fails = |host: &str, cause: &str| Sighting {
            cause: cause.into(),
            ..seen("a.example")
                .at(host, "a.example")
                .clear(Class::PlaintextAfterFailedHandshake)
        };
        let seen = [
            fails("mx1.a.example", "dh-key-too-small"),
            fails("mx2.a.example", "eof"),
        ];
        let record = records(&seen).remove(&(Direction::Outbound, "a.example".into()));
        let charges = record.unwrap().charges;
        let hosts: Vec<_> = charges.values().map(|c| c.hosts.keys().next()).collect();
        assert_eq!(hosts.len(), 2);
        assert!(charges.values().all(|charge| charge.hosts.len() == 1));
    }
}
