//! With whom do we exchange mail regularly, both ways, and does it go in clear?
//!
//! A correspondent is a mail address where addresses are kept, else a domain. Whoever only writes to us, or only gets mail from us, is
//! none: senders can be forged, and a newsletter is no correspondence. Robots and mailing lists are told by the form of their
//! address and counted apart.

use std::cmp::Reverse;

use crate::outcome::Direction;
use crate::store::{Result, Store, natural};

use super::sums::Sums;
use super::tally::is_sent;
use super::{Scope, ask, read_direction};

/// So many mails in the period are regular, if nothing else is said.
pub const REGULAR: u64 = 3;

/// Local parts, or their beginnings before one of `-+=._`, that no person has.
const ROBOTS: &[&str] = &[
    "bounce",
    "bounces",
    "owner",
    "request",
    "noreply",
    "no-reply",
    "donotreply",
    "do-not-reply",
    "mailer-daemon",
    "listserv",
    "majordomo",
    "sympa",
    "mailman",
    "newsletter",
    "notification",
    "notifications",
    "prvs",
    "srs0",
    "srs1",
];
/// Endings of local parts of mailing lists.
const LIST_ENDINGS: &[&str] = &["-bounces", "-request", "-owner", "-return", "-admin"];

/// Mail in one direction by channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mail {
    /// Over TLS.
    pub encrypted: u64,
    /// In clear.
    pub plaintext: u64,
    /// The log cannot tell.
    pub unknown: u64,
}

impl Mail {
    /// All three.
    pub fn total(&self) -> u64 {
        self.encrypted + self.plaintext + self.unknown
    }

    fn add(&mut self, tls: &str, n: u64) {
        match tls {
            "encrypted" => self.encrypted += n,
            "plaintext" => self.plaintext += n,
            _ => self.unknown += n,
        }
    }

    fn add_all(&mut self, more: &Mail) {
        self.encrypted += more.encrypted;
        self.plaintext += more.plaintext;
        self.unknown += more.unknown;
    }
}

/// One correspondent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Correspondent {
    /// Address or domain, in lower case.
    pub name: String,
    /// What we sent.
    pub sent: Mail,
    /// What we received in this name.
    pub received: Mail,
    /// Latest mail, in seconds since 1970 UTC.
    pub last_seen: i64,
}

impl Correspondent {
    fn add(&mut self, direction: Direction, tls: &str, n: u64) {
        match direction {
            Direction::Outbound => self.sent.add(tls, n),
            Direction::Inbound => self.received.add(tls, n),
        }
    }

    /// Mail in clear, both ways.
    pub fn in_clear(&self) -> u64 {
        self.sent.plaintext + self.received.plaintext
    }

    /// Mail of any kind, both ways.
    pub fn total(&self) -> u64 {
        self.sent.total() + self.received.total()
    }
}

/// All correspondents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Correspondents {
    /// They are addresses, not domains.
    pub are_addresses: bool,
    /// Those with mail in clear first, by how much of it; then by all mail.
    pub list: Vec<Correspondent>,
    /// Robots and mailing lists that were left out.
    pub robots: u64,
}

const PEOPLE: &str = "SELECT correspondent, direction, tls, SUM(n), MAX(last_seen)
  FROM people
  WHERE day >= ?1 AND day <= ?2 AND (direction = ?3 OR direction = ?4) AND (delivery = 'sent' OR delivery = '')
  GROUP BY correspondent, direction, tls
  ORDER BY correspondent, direction, tls";

/// All of the period with at least `regular` mails, whatever direction the scope asks for: correspondence has two.
pub fn find_correspondents(store: &Store, scope: &Scope, regular: u64) -> Result<Correspondents> {
    let both = Scope {
        direction: None,
        ..*scope
    };
    let people = people(store, &both)?;
    let are_addresses = !people.is_empty();
    let all = match are_addresses {
        true => people,
        false => domains(&Sums::load(store, &both)?),
    };
    let least = if scope.all { 0 } else { regular };
    let mut found = Correspondents {
        are_addresses,
        ..Correspondents::default()
    };
    for correspondent in all {
        let both_ways = correspondent.sent.total() > 0 && correspondent.received.total() > 0;
        if !both_ways || correspondent.total() < least {
            continue;
        }
        if is_robot(&correspondent.name) {
            found.robots += 1;
        } else {
            found.list.push(correspondent);
        }
    }
    found
        .list
        .sort_by_key(|c| (Reverse(c.in_clear()), Reverse(c.total())));
    Ok(found)
}

fn people(store: &Store, scope: &Scope) -> Result<Vec<Correspondent>> {
    let rows = ask(store, PEOPLE, scope, |row| {
        let (name, tls): (String, String) = (row.get(0)?, row.get(2)?);
        let mut one = Correspondent {
            name: name.to_lowercase(),
            last_seen: row.get(4)?,
            ..Correspondent::default()
        };
        one.add(read_direction(row, 1)?, &tls, natural(row, 3)?);
        Ok(one)
    })?;
    Ok(merged(rows))
}

/// Domains that stand for people.
fn domains(sums: &Sums) -> Vec<Correspondent> {
    let by_domain = sums.by_name(|entry| {
        let name = Some(entry.peer.domain());
        name.filter(|name| !name.is_empty() && entry.is_mail())
    });
    let all = by_domain.iter().map(|(name, named)| {
        let mut one = Correspondent {
            name: name.to_lowercase(),
            last_seen: named.entries().map(|e| e.count.last).max().unwrap_or(0),
            ..Correspondent::default()
        };
        for entry in named.entries() {
            let n = match is_sent(entry.meaning.delivery) {
                true => entry.count.n,
                false => entry.count.messages,
            };
            one.add(entry.peer.direction(), entry.meaning.tls, n);
        }
        one
    });
    merged(all.collect())
}

/// One for each name, in the order of the names.
fn merged(mut all: Vec<Correspondent>) -> Vec<Correspondent> {
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all.dedup_by(|more, sum| {
        let is_same = more.name == sum.name;
        if is_same {
            sum.sent.add_all(&more.sent);
            sum.received.add_all(&more.received);
            sum.last_seen = sum.last_seen.max(more.last_seen);
        }
        is_same
    });
    all
}

/// Whether an address is that of a program. A domain is not.
pub fn is_robot(name: &str) -> bool {
    let Some((local, _)) = name.rsplit_once('@') else {
        return false;
    };
    let head = local.split(['+', '=']).next().unwrap_or(local);
    let is_one = |word: &str| ROBOTS.contains(&word);
    is_one(head)
        || head.split(['-', '.', '_']).next().is_some_and(is_one)
        || LIST_ENDINGS.iter().any(|end| head.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Class;
    use crate::store::fixture::{self, inbound, outbound};
    use maillog::Protocol;

    #[test]
    fn who_writes_both_ways_is_a_correspondent_and_those_in_clear_come_first() {
        let store = fixture::store([
            outbound("good.example")
                .encrypted(Protocol::Tls13)
                .correspondent("ann@good.example")
                .times(5)
                .build(),
            inbound("mx.good.example", "192.0.2.1")
                .encrypted(Protocol::Tls13)
                .correspondent("ann@good.example")
                .build(),
            outbound("clear.example")
                .plaintext(Class::PlaintextNotOffered)
                .correspondent("bob@clear.example")
                .times(2)
                .build(),
            inbound("mx.clear.example", "192.0.2.2")
                .encrypted(Protocol::Tls13)
                .correspondent("Bob@clear.example")
                .build(),
            outbound("silent.example")
                .encrypted(Protocol::Tls13)
                .correspondent("reads@silent.example")
                .times(9)
                .build(),
        ]);
        let found = find_correspondents(
            &store,
            &Scope {
                all: false,
                ..Scope::ALL
            },
            REGULAR,
        )
        .unwrap();
        let short: Vec<_> = found
            .list
            .iter()
            .map(|c| (c.name.as_str(), c.in_clear(), c.total()))
            .collect();
        assert_eq!(
            short,
            [("bob@clear.example", 2, 3), ("ann@good.example", 0, 6)]
        );
        assert!(found.are_addresses);
    }

    #[test]
    fn programs_are_told_by_their_address() {
        for robot in [
            "noreply@a.example",
            "bounces+ann=b.example@lists.example",
            "list-bounces@lists.example",
            "owner-list@lists.example",
            "srs0=x=y@b.example",
        ] {
            assert!(is_robot(robot), "{robot}");
        }
        for person in [
            "ann@a.example",
            "requestor@a.example",
            "a.owner@a.example",
            "bounce.example",
        ] {
            assert!(!is_robot(person), "{person}");
        }
    }
}
