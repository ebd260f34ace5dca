//! How does mail fall apart by who the others are and which TLS is used: how much of it, with how many peers, and how much of it over TLS?
//!
//! A peer is a recipient domain, outbound, and a client's organisation, name or address, inbound. The other side's software is told only by the
//! lines kept of what went in clear or failed, and so divides nothing else.

use std::borrow::Cow;
use std::cmp::Reverse;

use hashbrown::{HashMap, HashSet};

use crate::outcome::Direction;
use crate::store::{Result, Store, public_suffix, registrable};

use super::limits::smart_host;
use super::software::{Software, find_software};
use super::sums::{Entry, Sums};
use super::tally::{is_sent, is_undelivered};
use super::{Scope, both_ways};

/// By what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Registrable domain of the recipient domain, or of the client.
    Organisation,
    /// Outbound only: registrable domain of the MX host.
    Operator,
    /// Top-level domain, and sectors that have suffixes of their own in many countries.
    Suffix,
    /// TLS version.
    Protocol,
    /// Cipher suite.
    Cipher,
    /// Key exchange.
    KeyExchange,
    /// How far the certificate was checked.
    Certificate,
    /// Why mail went in clear or failed because of TLS.
    Cause,
    /// Outbound only: what the server appears to run to which mail went in clear or failed because of TLS, unless by our own fault.
    Software,
}

impl Axis {
    /// It divides TLS sessions, so that there is nothing in clear to count.
    pub fn is_of_sessions(self) -> bool {
        use Axis::{Certificate, Cipher, KeyExchange, Protocol};
        matches!(self, Protocol | Cipher | KeyExchange | Certificate)
    }

    /// It divides what went wrong, so that there is nothing over TLS to count.
    pub fn is_of_faults(self) -> bool {
        matches!(self, Axis::Cause | Axis::Software)
    }
}

/// One part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Which way the mail went.
    pub direction: Direction,
    /// What it has in common; empty if that is not logged.
    pub name: String,
    /// Over TLS: recipients delivered to, outbound; messages accepted, inbound.
    pub encrypted: u64,
    /// In clear.
    pub plaintext: u64,
    /// The log cannot tell.
    pub unknown: u64,
    /// Attempts that failed because of TLS, outbound; inbound sessions, of clients that sent us mail too or were kept from it by our own fault.
    pub failed: u64,
    /// How many peers.
    pub peers: u64,
    /// How many of them exchanged mail in clear.
    pub peers_in_clear: u64,
}

impl Slice {
    /// All mail that crossed.
    pub fn mails(&self) -> u64 {
        self.encrypted + self.plaintext + self.unknown
    }
}

/// Suffixes of a sector: the first label of the public suffix, the countries it means that in (none: all), the sector.
const SECTORS: &[(&str, &[&str], &str)] = &[
    ("gov", &[], "gov"),
    ("gob", &[], "gov"),
    ("gouv", &[], "gov"),
    ("gub", &[], "gov"),
    ("govt", &[], "gov"),
    ("gv", &["at"], "gov"),
    ("gc", &["ca"], "gov"),
    (
        "go",
        &["jp", "kr", "th", "id", "ke", "tz", "ug", "cr", "ci"],
        "gov",
    ),
    ("mil", &[], "mil"),
    ("mi", &["th"], "mil"),
    ("mod", &["uk"], "mil"),
    ("edu", &[], "edu"),
    ("ac", &[], "edu"),
];

/// The top-level domain of a name, and the sector its public suffix stands for.
pub fn suffixes(name: &str) -> Vec<String> {
    let Some(suffix) = public_suffix(name) else {
        return Vec::new();
    };
    let (first, country) = suffix.split_once('.').unwrap_or((suffix, ""));
    let top = suffix.rsplit('.').next().unwrap_or(suffix);
    let sector = SECTORS.iter().find(|(label, countries, _)| {
        // `ac` alone is an island.
        let alone = country.is_empty() && countries.is_empty() && *label != "ac";
        let below = country.len() == 2 && (countries.is_empty() || countries.contains(&country));
        *label == first && (alone || below)
    });
    let mut found = vec![format!(".{top}")];
    found.extend(sector.map(|(_, _, name)| format!("sector {name}")));
    found
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breakdown {
    /// All parts, by how much mail; outbound first.
    pub slices: Vec<Slice>,
    /// The relay that carries nearly all our mail, if one does.
    pub smart_host: Option<String>,
}

/// One count of one peer.
struct Fact<'s> {
    direction: Direction,
    entry: Entry<'s>,
    /// The word of the server's software, if it is asked for and known.
    software: &'static str,
}

/// Divides all mail.
pub fn find_breakdown(store: &Store, scope: &Scope, axis: Axis) -> Result<Breakdown> {
    let sums = Sums::load(store, scope)?;
    let software = match axis {
        Axis::Software => find_software(store, &in_question(&sums))?,
        _ => HashMap::new(),
    };
    let slices = both_ways(|direction| slices(&sums, direction, axis, &software));
    let slices = slices.into_iter().flatten().collect();
    let smart_host = smart_host(&sums);
    Ok(Breakdown { slices, smart_host })
}

/// The parts of one direction.
fn slices(
    sums: &Sums,
    direction: Direction,
    axis: Axis,
    software: &HashMap<(&str, &str), Software>,
) -> Vec<Slice> {
    let strangers = match direction {
        Direction::Outbound => HashSet::new(),
        Direction::Inbound => strangers(sums),
    };
    let mut parts: HashMap<Cow<'_, str>, Part> = HashMap::new();
    let mut of_peer = Vec::new();
    let by_peer = sums.by_name(|entry| {
        let is_one = entry.peer.direction() == direction;
        is_one.then(|| entry.peer_name())
    });
    for (peer, named) in by_peer.iter() {
        let facts = named.entries().map(|entry| Fact {
            direction,
            entry,
            software: match axis {
                Axis::Software => software_of(&entry, software),
                _ => "",
            },
        });
        // What is our own fault stays: it may be why they never got to send.
        let facts = facts.filter(|f| !(f.is_mere_failure() && strangers.contains(peer)));
        count_peer(facts, axis, &mut of_peer);
        for (name, part) in of_peer.drain(..) {
            parts.entry(name).or_default().add(&part);
        }
    }
    let slices = parts
        .into_iter()
        .map(|(name, part)| part.slice(direction, name.into_owned()));
    let mut slices: Vec<Slice> = slices.filter(|s| s.mails() + s.failed > 0).collect();
    let size = |s: &Slice| (Reverse(s.mails()), Reverse(s.failed));
    slices.sort_unstable_by(|a, b| (size(a), &a.name).cmp(&(size(b), &b.name)));
    slices
}

fn software_of(entry: &Entry<'_>, known: &HashMap<(&str, &str), Software>) -> &'static str {
    let software = known.get(&(entry.peer.host(), entry.peer.address()));
    software.map_or("", |software| software.name())
}

/// The names of the clients that failed and never sent us anything. They are left out, as the summary does: whoever scans the net meets our TLS too.
fn strangers(sums: &Sums) -> HashSet<&str> {
    let direction = Direction::Inbound;
    let inbound = || sums.each().filter(|e| e.peer.direction() == direction);
    let has_failed = |entry: &Entry<'_>| {
        let fact = Fact {
            direction,
            entry: *entry,
            software: "",
        };
        fact.is_mere_failure()
    };
    let failed = inbound().filter(has_failed);
    let mut strangers: HashSet<&str> = failed.map(|entry| entry.peer_name()).collect();
    for sender in inbound().filter(|entry| entry.mails() > 0) {
        let [_, organisation, host, address] = sender.peer.names();
        for name in [organisation, host, address] {
            strangers.remove(name);
        }
    }
    strangers
}

/// The hosts and addresses to which mail went in clear, or failed because of TLS.
fn in_question(sums: &Sums) -> HashSet<(&str, &str)> {
    let is_one = |e: &Entry<'_>| {
        let is_bad = e.meaning.tls == "plaintext" || e.meaning.class.row().tls_failure;
        e.peer.direction() == Direction::Outbound && is_bad
    };
    let hosts = sums.each().filter(is_one);
    hosts.map(|e| (e.peer.host(), e.peer.address())).collect()
}

/// Adds the parts to which a peer belongs, and what it is of each.
fn count_peer<'s>(
    facts: impl Iterator<Item = Fact<'s>>,
    axis: Axis,
    parts: &mut Vec<(Cow<'s, str>, Part)>,
) {
    let mut count = |fact: &Fact<'s>, name: &Cow<'s, str>| match parts
        .iter_mut()
        .find(|(same, _)| same == name)
    {
        Some((_, part)) => fact.count(axis, part),
        None => {
            let mut part = Part::default();
            fact.count(axis, &mut part);
            parts.push((name.clone(), part));
        }
    };
    // The counts of a name follow each other mostly.
    let mut last: Option<(Named<'s>, Names<'s>)> = None;
    for fact in facts {
        let Some(named) = fact.named(axis) else {
            fact.word(axis).iter().for_each(|name| count(&fact, name));
            continue;
        };
        if last.as_ref().is_none_or(|(same, _)| *same != named) {
            last = Some((named, named.parts(axis)));
        }
        let names = last.iter().flat_map(|(_, names)| names.iter().flatten());
        names.for_each(|name| count(&fact, name));
    }
}

/// The parts a name belongs to: one, or two where there is a sector.
type Names<'s> = [Option<Cow<'s, str>>; 2];

/// What the parts follow from where they are made of names.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Named<'s> {
    direction: Direction,
    name: &'s str,
    organisation: &'s str,
}

impl<'s> Named<'s> {
    fn parts(self, axis: Axis) -> Names<'s> {
        let one = |name: &'s str| [Some(Cow::Borrowed(name)), None];
        match axis {
            Axis::Organisation if self.direction == Direction::Outbound => {
                one(registrable(self.name).unwrap_or(self.name))
            }
            Axis::Suffix => {
                let mut found = suffixes(self.name).into_iter().map(Cow::Owned);
                let first = found.next().unwrap_or(Cow::Borrowed(""));
                [Some(first), found.next()]
            }
            Axis::Operator => one(match registrable(self.name) {
                // A host without a name of its own.
                None => "",
                Some(_) => self.organisation,
            }),
            _ => one(self.name),
        }
    }
}

impl<'s> Fact<'s> {
    /// Mail that crossed.
    fn mails(&self) -> u64 {
        match self.direction {
            Direction::Outbound if is_sent(self.entry.meaning.delivery) => self.entry.count.n,
            Direction::Outbound => 0,
            Direction::Inbound => self.entry.count.messages,
        }
    }

    /// Attempts or sessions that failed because of TLS. What failed before a recipient was named counts where the cause is asked for: who it was
    /// for is not known.
    fn failed(&self, axis: Axis) -> u64 {
        let meaning = self.entry.meaning;
        let unnamed = axis.is_of_faults() && meaning.delivery.is_empty();
        let is_wanted = match self.direction {
            Direction::Outbound => unnamed || is_undelivered(meaning.delivery),
            Direction::Inbound => true,
        };
        match is_wanted && meaning.class.row().tls_failure {
            true => self.entry.count.n,
            false => 0,
        }
    }

    fn is_clear(&self) -> bool {
        self.entry.meaning.tls == "plaintext"
    }

    /// Nothing but a failure that is not our own fault.
    fn is_mere_failure(&self) -> bool {
        self.failed(Axis::Cause) > 0 && self.mails() == 0 && self.entry.meaning.fault != "us"
    }

    /// The names its parts follow from, if they do.
    fn named(&self, axis: Axis) -> Option<Named<'s>> {
        let [domain, organisation, host, _] = self.entry.peer.names();
        let of = |name| Named {
            direction: self.direction,
            name,
            organisation,
        };
        match (axis, self.direction) {
            (Axis::Organisation | Axis::Suffix, Direction::Outbound) => Some(of(domain)),
            (Axis::Organisation, Direction::Inbound) => Some(of(self.entry.peer_name())),
            (Axis::Suffix, Direction::Inbound) | (Axis::Operator, Direction::Outbound) => {
                Some(of(host))
            }
            _ => None,
        }
    }

    /// The part that follows from what it is, if it belongs to one.
    fn word(&self, axis: Axis) -> Option<Cow<'s, str>> {
        let meaning = self.entry.meaning;
        let is_encrypted = self.mails() > 0 && meaning.tls == "encrypted";
        let is_bad = self.failed(axis) > 0 || self.is_clear();
        let word = match axis {
            Axis::Protocol if is_encrypted => meaning.protocol.as_str(),
            Axis::Cipher if is_encrypted => &meaning.cipher,
            Axis::KeyExchange if is_encrypted => &meaning.key_exchange,
            Axis::Certificate if is_encrypted => &meaning.verification,
            Axis::Cause if is_bad && meaning.cause.is_empty() => meaning.class.name(),
            Axis::Cause if is_bad => meaning.cause,
            Axis::Software
                if self.direction == Direction::Outbound && meaning.fault != "us" && is_bad =>
            {
                self.software
            }
            _ => return None,
        };
        Some(Cow::Borrowed(word))
    }

    /// Counts it, all of one peer, in a part.
    fn count(&self, axis: Axis, part: &mut Part) {
        let (mails, failed) = (self.mails(), self.failed(axis));
        part.failed += failed;
        match self.entry.meaning.tls {
            "encrypted" => part.encrypted += mails,
            "plaintext" => part.plaintext += mails,
            _ => part.unknown += mails,
        }
        part.peers |= u64::from(mails + failed > 0);
        part.peers_in_clear |= u64::from(mails > 0 && self.is_clear());
    }
}

/// A part in the making.
#[derive(Default)]
struct Part {
    encrypted: u64,
    plaintext: u64,
    unknown: u64,
    failed: u64,
    peers: u64,
    peers_in_clear: u64,
}

impl Part {
    fn slice(self, direction: Direction, name: String) -> Slice {
        Slice {
            direction,
            name,
            encrypted: self.encrypted,
            plaintext: self.plaintext,
            unknown: self.unknown,
            failed: self.failed,
            peers: self.peers,
            peers_in_clear: self.peers_in_clear,
        }
    }

    fn add(&mut self, more: &Part) {
        self.encrypted += more.encrypted;
        self.plaintext += more.plaintext;
        self.unknown += more.unknown;
        self.failed += more.failed;
        self.peers += more.peers;
        self.peers_in_clear += more.peers_in_clear;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Class;
    use crate::store::fixture::{self, inbound, outbound};
    use maillog::{Cause, Protocol};

    fn found(axis: Axis) -> Vec<(String, u64, u64, u64, u64)> {
        let store = fixture::store([
            outbound("a.city.gov.uk")
                .host("mx.hoster.example", "192.0.2.1")
                .encrypted(Protocol::Tls13)
                .times(3)
                .build(),
            outbound("b.city.gov.uk")
                .host("mx2.hoster.example", "192.0.2.2")
                .plaintext(Class::PlaintextNotOffered)
                .build(),
            outbound("c.example")
                .host("", "192.0.2.3")
                .failed(Class::HandshakeFailed, Cause::Eof)
                .build(),
            inbound("mail.school.edu", "192.0.2.9")
                .encrypted(Protocol::Tls12)
                .build(),
        ]);
        let slices = find_breakdown(&store, &Scope::ALL, axis).unwrap().slices;
        slices
            .into_iter()
            .map(|s| (s.name, s.encrypted, s.plaintext, s.failed, s.peers))
            .collect()
    }

    fn row(name: &str, counts: [u64; 4]) -> (String, u64, u64, u64, u64) {
        (name.into(), counts[0], counts[1], counts[2], counts[3])
    }

    #[test]
    fn scanners_are_nobodys_failures_unless_it_was_our_fault() {
        let client = |name: &str, address: &str| inbound(name, address);
        let broken =
            |start: fixture::Builder, cause| start.failed(Class::InHandshakeFailed, cause).build();
        let store = fixture::store([
            broken(client("scan.example", "192.0.2.1"), Cause::Eof),
            broken(client("mx.sender.example", "192.0.2.2"), Cause::Eof),
            client("mx2.sender.example", "192.0.2.3")
                .encrypted(Protocol::Tls13)
                .build(),
            broken(
                client("kept-out.example", "192.0.2.4"),
                Cause::NoSharedCipher,
            ),
        ]);
        let failed = |axis| -> Vec<(String, u64)> {
            let slices = find_breakdown(&store, &Scope::ALL, axis).unwrap().slices;
            let failed = slices.into_iter().filter(|s| s.failed > 0);
            failed.map(|s| (s.name, s.failed)).collect()
        };
        assert_eq!(
            failed(Axis::Organisation),
            [("sender.example".into(), 1), ("kept-out.example".into(), 1)]
        );
        assert_eq!(failed(Axis::Cause).iter().map(|(_, n)| n).sum::<u64>(), 2);
    }

    #[test]
    fn organisations_are_those_of_the_names_and_operators_those_of_the_hosts() {
        assert_eq!(
            found(Axis::Organisation),
            [
                row("city.gov.uk", [3, 1, 0, 2]),
                row("c.example", [0, 0, 1, 1]),
                row("school.edu", [1, 0, 0, 1])
            ]
        );
        assert_eq!(
            found(Axis::Operator),
            [row("hoster.example", [3, 1, 0, 2]), row("", [0, 0, 1, 1])]
        );
    }

    #[test]
    fn a_suffix_is_a_top_level_domain_and_perhaps_a_sector() {
        for (name, expected) in [
            ("a.city.gov.uk", &[".uk", "sector gov"][..]),
            ("x.gov", &[".gov", "sector gov"]),
            ("city.gouv.fr", &[".fr", "sector gov"]),
            ("u.ac.jp", &[".jp", "sector edu"]),
            ("mail.school.edu", &[".edu", "sector edu"]),
            ("x.mil", &[".mil", "sector mil"]),
            // Gorizia, and the island of Ascension.
            ("x.go.it", &[".it"]),
            ("x.ac", &[".ac"]),
            ("gov.example.org", &[".org"]),
            ("192.0.2.1", &[]),
            ("", &[]),
        ] {
            assert_eq!(suffixes(name), expected, "{name}");
        }
        let suffix = found(Axis::Suffix);
        assert!(
            suffix.contains(&row("sector gov", [3, 1, 0, 2])),
            "{suffix:?}"
        );
    }

    #[test]
    fn sessions_are_divided_by_what_they_used_and_the_rest_by_what_went_wrong() {
        assert_eq!(
            found(Axis::Protocol),
            [row("TLSv1.3", [3, 0, 0, 1]), row("TLSv1.2", [1, 0, 0, 1])]
        );
        assert_eq!(found(Axis::KeyExchange).len(), 2);
        assert_eq!(
            found(Axis::Cause),
            [
                row("plaintext-not-offered", [0, 1, 0, 1]),
                row("eof", [0, 0, 1, 1])
            ]
        );
    }
}
