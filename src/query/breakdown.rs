//! How does mail fall apart by who the others are and which TLS is used: how much of it, with how many peers, and how much of it over TLS?
//!
//! A peer is a recipient domain, outbound, and a client's organisation, name or address, inbound. The other side's software is told only by the
//! lines kept of what went in clear or failed, and so divides nothing else.

use std::borrow::Cow;
use std::cmp::Reverse;

use hashbrown::{HashMap, HashSet};

use crate::outcome::Direction;
use crate::store::{Result, Store, public_suffix, registrable};

use super::Scope;
use super::failures::who;
use super::limits::smart_host;
use super::software::{Software, find_software};
use super::sums::{Entry, Named, Sums};
use super::tally::Group;

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

/// What is known of one group of equal outcomes with one peer.
struct Fact<'s> {
    direction: Direction,
    /// Domain, organisation, host, address.
    names: [&'s str; 4],
    session: Session<'s>,
    /// The word of the server's software, if it is asked for and known.
    software: &'static str,
    group: Group,
}

/// Protocol, cipher, key exchange, verification.
type Session<'s> = [&'s str; 4];

/// Divides all mail.
pub fn find_breakdown(store: &Store, scope: &Scope, axis: Axis) -> Result<Breakdown> {
    let sums = Sums::load(store, scope)?;
    let software = match axis {
        Axis::Software => find_software(store, &in_question(&sums))?,
        _ => HashMap::new(),
    };
    let senders = senders(&sums);
    let mut parts: HashMap<(Direction, Cow<'_, str>), Part> = HashMap::new();
    let by_peer = sums.by_name(|entry| Some((entry.peer.direction(), entry.peer_name())));
    for ((direction, peer), named) in by_peer.iter() {
        let is_stranger = direction == Direction::Inbound && !senders.contains(peer);
        let facts = facts(direction, named, &software);
        // What is our own fault stays: it may be why they never got to send.
        let facts = facts
            .iter()
            .filter(|f| !(is_stranger && f.is_mere_failure()));
        for (name, part) in of_peer(facts, axis) {
            parts.entry((direction, name)).or_default().add(&part);
        }
    }
    let slices = parts
        .into_iter()
        .map(|((direction, name), part)| part.slice(direction, name.into_owned()));
    let mut slices: Vec<Slice> = slices.filter(|s| s.mails() + s.failed > 0).collect();
    let size = |s: &Slice| (s.direction, Reverse(s.mails()), Reverse(s.failed));
    slices.sort_unstable_by(|a, b| (size(a), &a.name).cmp(&(size(b), &b.name)));
    Ok(Breakdown {
        slices,
        smart_host: smart_host(&sums),
    })
}

/// The names of the clients that sent us anything. The failures of others are left out, as the summary does: whoever scans the net meets our
/// TLS too.
fn senders(sums: &Sums) -> HashSet<&str> {
    let is_sender = |e: &Entry<'_>| e.peer.direction() == Direction::Inbound && e.mails() > 0;
    let senders = sums.each().filter(is_sender);
    senders
        .flat_map(|e| [e.peer.organisation(), e.peer.host(), e.peer.address()])
        .collect()
}

/// The hosts and addresses to which mail went in clear, or failed because of TLS.
fn in_question(sums: &Sums) -> HashSet<(&str, &str)> {
    let is_one = |e: &Entry<'_>| {
        let is_bad = &*e.meaning.tls == "plaintext" || e.meaning.class.row().tls_failure;
        e.peer.direction() == Direction::Outbound && is_bad
    };
    let hosts = sums.each().filter(is_one);
    hosts.map(|e| (e.peer.host(), e.peer.address())).collect()
}

/// All that is known of one peer.
fn facts<'s>(
    direction: Direction,
    named: Named<'s, '_>,
    software: &HashMap<(&str, &str), Software>,
) -> Vec<Fact<'s>> {
    let groups = named.groups_by(|entry| {
        let m = entry.meaning;
        let session: Session<'s> = [&m.protocol, &m.cipher, &m.key_exchange, &m.verification];
        Some((entry.peer.names(), session))
    });
    let facts = groups.into_iter().map(|((names, session), group)| {
        let [_, _, host, address] = names;
        let known = software.get(&(host, address));
        Fact {
            direction,
            names,
            session,
            software: known.map_or("", |software| software.name()),
            group,
        }
    });
    facts.collect()
}

/// The parts to which a peer belongs, and what it is of each.
fn of_peer<'f, 's: 'f>(
    facts: impl Iterator<Item = &'f Fact<'s>>,
    axis: Axis,
) -> Vec<(Cow<'s, str>, Part)> {
    let mut parts: Vec<(Cow<'s, str>, Part)> = Vec::new();
    for fact in facts {
        for name in fact.keys(axis) {
            match parts.iter_mut().find(|(same, _)| *same == name) {
                Some((_, part)) => fact.count(axis, part),
                None => {
                    let mut part = Part::default();
                    fact.count(axis, &mut part);
                    parts.push((name, part));
                }
            }
        }
    }
    parts
}

impl<'s> Fact<'s> {
    /// Mail that crossed.
    fn mails(&self) -> u64 {
        match self.direction {
            Direction::Outbound if self.group.is_sent() => self.group.n,
            Direction::Outbound => 0,
            Direction::Inbound => self.group.messages,
        }
    }

    /// Attempts or sessions that failed because of TLS. What failed before a recipient was named counts where the cause is asked for: who it was
    /// for is not known.
    fn failed(&self, axis: Axis) -> u64 {
        let unnamed = axis.is_of_faults() && self.group.delivery.is_empty();
        let is_failure = match self.direction {
            Direction::Outbound => {
                self.group.class.row().tls_failure && (unnamed || self.group.is_undelivered())
            }
            Direction::Inbound => self.group.class.row().tls_failure,
        };
        if is_failure { self.group.n } else { 0 }
    }

    /// Nothing but a failure that is not our own fault.
    fn is_mere_failure(&self) -> bool {
        self.failed(Axis::Cause) > 0 && self.mails() == 0 && &*self.group.fault != "us"
    }

    /// The parts it belongs to.
    fn keys(&self, axis: Axis) -> Vec<Cow<'s, str>> {
        let [domain, organisation, host, _] = self.names;
        let is_clear = &*self.group.tls == "plaintext";
        let is_encrypted = self.mails() > 0 && &*self.group.tls == "encrypted";
        if axis.is_of_sessions() && !is_encrypted {
            return Vec::new();
        }
        let own_name = match self.direction {
            Direction::Outbound => domain,
            Direction::Inbound => host,
        };
        let [protocol, cipher, key_exchange, verification] = self.session;
        let one = |name: &'s str| vec![Cow::Borrowed(name)];
        match axis {
            Axis::Organisation if self.direction == Direction::Outbound => {
                vec![registrable(domain).map_or(Cow::Borrowed(domain), Cow::Owned)]
            }
            Axis::Organisation => one(who(self.direction, self.names)),
            Axis::Operator if self.direction == Direction::Inbound => Vec::new(),
            Axis::Operator => one(match registrable(host) {
                // A host without a name of its own.
                None => "",
                Some(_) => organisation,
            }),
            Axis::Suffix => match suffixes(own_name) {
                found if found.is_empty() => one(""),
                found => found.into_iter().map(Cow::Owned).collect(),
            },
            Axis::Protocol => one(protocol),
            Axis::Cipher => one(cipher),
            Axis::KeyExchange => one(key_exchange),
            Axis::Certificate => one(verification),
            Axis::Cause if self.failed(axis) > 0 || is_clear => {
                vec![match self.group.cause.is_empty() {
                    true => Cow::Borrowed(self.group.class.name()),
                    false => Cow::Owned(self.group.cause.to_string()),
                }]
            }
            Axis::Software
                if self.direction == Direction::Outbound
                    && &*self.group.fault != "us"
                    && (self.failed(axis) > 0 || is_clear) =>
            {
                one(self.software)
            }
            Axis::Cause | Axis::Software => Vec::new(),
        }
    }

    /// Counts it, all of one peer, in a part.
    fn count(&self, axis: Axis, part: &mut Part) {
        let (mails, failed) = (self.mails(), self.failed(axis));
        part.failed += failed;
        let is_clear = &*self.group.tls == "plaintext";
        match &*self.group.tls {
            "encrypted" => part.encrypted += mails,
            "plaintext" => part.plaintext += mails,
            _ => part.unknown += mails,
        }
        part.peers |= u64::from(mails + failed > 0);
        part.peers_in_clear |= u64::from(mails > 0 && is_clear);
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
