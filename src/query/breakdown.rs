//! How does mail fall apart by who the others are and which TLS is used: how much of it, with how many peers, and how much of it over TLS?
//!
//! A peer is a recipient domain, outbound, and a client's organisation, name or address, inbound. The other side's software is told only by the
//! lines kept of what went in clear or failed, and so divides nothing else.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::outcome::Direction;
use crate::store::{Result, Store, public_suffix, registrable};

use super::failures::who;
use super::software::find_software;
use super::tally::Group;
use super::{Scope, ask, read_direction};

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

const SQL: &str = "SELECT direction, domain, organisation, host, address, protocol, cipher, key_exchange, verification,
         tls, class, cause, fault, delivery, SUM(n), SUM(messages), SUM(handshakes), MIN(first_seen), MAX(last_seen)
  FROM summed
  WHERE day >= ?1 AND day <= ?2 AND (direction = ?3 OR direction = ?4)
  GROUP BY direction, domain, organisation, host, address, protocol, cipher, key_exchange, verification, tls, class, cause, fault, delivery
  ORDER BY direction, domain, organisation, host, address, protocol, cipher, key_exchange, verification, tls, class, cause, fault, delivery";

/// What is known of one group of equal outcomes with one peer.
struct Fact {
    direction: Direction,
    /// Domain, organisation, host, address.
    names: [String; 4],
    /// Protocol, cipher, key exchange, verification.
    session: [String; 4],
    /// The word of the server's software, if it is asked for and known.
    software: &'static str,
    group: Group,
}

/// All parts, by how much mail; outbound first.
pub fn find_breakdown(store: &Store, scope: &Scope, axis: Axis) -> Result<Vec<Slice>> {
    let mut facts = ask(store, SQL, scope, |row| {
        Ok(Fact {
            direction: read_direction(row, 0)?,
            names: [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?],
            session: [row.get(5)?, row.get(6)?, row.get(7)?, row.get(8)?],
            software: "",
            group: Group::read(row, 9)?,
        })
    })?;
    if axis == Axis::Software {
        let known = find_software(store)?;
        for fact in &mut facts {
            let [_, _, host, address] = &fact.names;
            let software = known.get(&(host.clone(), address.clone()));
            fact.software = software.map_or("", |software| software.name());
        }
    }
    leave_strangers_out(&mut facts);
    let mut parts: BTreeMap<(Direction, String), Part> = BTreeMap::new();
    for fact in &facts {
        for name in fact.keys(axis) {
            let part = parts.entry((fact.direction, name)).or_default();
            part.add(fact, axis);
        }
    }
    let slices = parts
        .into_iter()
        .map(|((direction, name), part)| part.slice(direction, name));
    let mut slices: Vec<Slice> = slices.filter(|s| s.mails() + s.failed > 0).collect();
    slices.sort_by_key(|s| (s.direction, Reverse(s.mails()), Reverse(s.failed)));
    Ok(slices)
}

/// Takes out the failures of clients that never sent us anything, as the summary does: whoever scans the net meets our TLS too. What is
/// our own fault stays: it may be why they never got to send.
fn leave_strangers_out(facts: &mut Vec<Fact>) {
    let is_inbound = |f: &Fact| f.direction == Direction::Inbound;
    let sent = facts.iter().filter(|f| is_inbound(f) && f.mails() > 0);
    let senders: BTreeSet<String> = sent.flat_map(|f| f.names[1..].to_vec()).collect();
    facts.retain(|f| {
        let is_failure = is_inbound(f) && f.failed(Axis::Cause) > 0 && f.mails() == 0;
        !is_failure || f.group.fault == "us" || senders.contains(&f.peer())
    });
}

impl Fact {
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

    fn peer(&self) -> String {
        who(self.direction, self.names.clone())
    }

    /// The parts it belongs to.
    fn keys(&self, axis: Axis) -> Vec<String> {
        let [domain, organisation, host, _] = &self.names;
        let is_encrypted = self.mails() > 0 && self.group.tls == "encrypted";
        if axis.is_of_sessions() && !is_encrypted {
            return Vec::new();
        }
        let own_name = match self.direction {
            Direction::Outbound => domain,
            Direction::Inbound => host,
        };
        match axis {
            Axis::Organisation if self.direction == Direction::Outbound => {
                vec![registrable(domain).unwrap_or_else(|| domain.clone())]
            }
            Axis::Organisation => vec![self.peer()],
            Axis::Operator if self.direction == Direction::Inbound => Vec::new(),
            Axis::Operator => vec![match registrable(host) {
                // A host without a name of its own.
                None => String::new(),
                Some(_) => organisation.clone(),
            }],
            Axis::Suffix => match suffixes(own_name) {
                found if found.is_empty() => vec![String::new()],
                found => found,
            },
            Axis::Protocol => vec![self.session[0].clone()],
            Axis::Cipher => vec![self.session[1].clone()],
            Axis::KeyExchange => vec![self.session[2].clone()],
            Axis::Certificate => vec![self.session[3].clone()],
            Axis::Cause if self.failed(axis) > 0 || self.group.tls == "plaintext" => {
                vec![match self.group.cause.is_empty() {
                    true => self.group.class.name().to_string(),
                    false => self.group.cause.clone(),
                }]
            }
            Axis::Software
                if self.direction == Direction::Outbound
                    && self.group.fault != "us"
                    && (self.failed(axis) > 0 || self.group.tls == "plaintext") =>
            {
                vec![self.software.to_string()]
            }
            Axis::Cause | Axis::Software => Vec::new(),
        }
    }
}

/// A part in the making.
#[derive(Default)]
struct Part {
    encrypted: u64,
    plaintext: u64,
    unknown: u64,
    failed: u64,
    peers: BTreeSet<String>,
    in_clear: BTreeSet<String>,
}

impl Part {
    fn add(&mut self, fact: &Fact, axis: Axis) {
        let (mails, failed) = (fact.mails(), fact.failed(axis));
        self.failed += failed;
        match fact.group.tls.as_str() {
            "encrypted" => self.encrypted += mails,
            "plaintext" => self.plaintext += mails,
            _ => self.unknown += mails,
        }
        if mails + failed > 0 {
            self.peers.insert(fact.peer());
        }
        if mails > 0 && fact.group.tls == "plaintext" {
            self.in_clear.insert(fact.peer());
        }
    }

    fn slice(self, direction: Direction, name: String) -> Slice {
        Slice {
            direction,
            name,
            encrypted: self.encrypted,
            plaintext: self.plaintext,
            unknown: self.unknown,
            failed: self.failed,
            peers: self.peers.len() as u64,
            peers_in_clear: self.in_clear.len() as u64,
        }
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
        let slices = find_breakdown(&store, &Scope::ALL, axis).unwrap();
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
            let slices = find_breakdown(&store, &Scope::ALL, axis).unwrap();
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
