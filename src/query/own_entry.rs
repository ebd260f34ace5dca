//! Is a domain in clear by an entry of our own map, though the log does not say so?
//!
//! Postfix before 3.11 logs nothing of a policy `none`. But a server offers STARTTLS before it is told a domain: one that takes TLS from the same
//! service for others, before and after on the same day, offers it to all. Where that happens day after day and never the other way round, it is
//! our own side that makes the difference.

use std::collections::{BTreeMap, BTreeSet};

use crate::outcome::{Class, Direction};
use crate::store::{Result, Store};

use super::Scope;
use super::sums::{Entry, Sums};
use super::tally::is_sent;

/// On so many days at least: of a domain with less mail in clear nothing is concluded.
pub const DAYS: usize = 3;
/// Were each session in clear or not by chance, so seldom would it be those of one domain and no others: once in this many times.
const SELDOM: f64 = 1000.0;

/// A server as one of our services knows it: its name, its address, and the service.
type Server<'s> = (&'s str, &'s str, u32);

/// Mail of one kind.
#[derive(Clone, Copy, Debug, Default)]
struct Mail {
    n: u64,
    first: i64,
    last: i64,
}

impl Mail {
    fn add(&mut self, more: Mail) {
        // What is not there has no first and no last.
        if more.n == 0 {
            return;
        }
        if self.n == 0 {
            *self = more;
            return;
        }
        self.n += more.n;
        self.first = self.first.min(more.first);
        self.last = self.last.max(more.last);
    }
}

/// What one server took of one domain on one day.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    encrypted: Mail,
    clear: Mail,
}

type Day<'s> = BTreeMap<&'s str, Taken>;

/// Those of these domains that are rather in clear by an entry of our own, given the names of all their servers.
pub fn find_own_entries(
    store: &Store,
    scope: &Scope,
    asked: &BTreeSet<String>,
    servers: &BTreeSet<&str>,
) -> Result<BTreeSet<String>> {
    if asked.is_empty() || !scope.includes(Direction::Outbound) {
        return Ok(BTreeSet::new());
    }
    let servers: Vec<&str> = servers.iter().copied().collect();
    let sums = load(store, scope, store.peers_of_servers(&servers)?)?;
    let mut servers: BTreeMap<Server<'_>, BTreeMap<i32, Day<'_>>> = BTreeMap::new();
    for entry in sums.each().filter(|e| is_sent(e.meaning.delivery)) {
        let server = (entry.peer.host(), entry.peer.address(), entry.count.service);
        let day = servers.entry(server).or_default();
        let day = day.entry(entry.count.day).or_default();
        let taken = taken(&entry);
        let of = day.entry(entry.peer.domain()).or_default();
        of.encrypted.add(taken.encrypted);
        of.clear.add(taken.clear);
    }
    let is_own = |domain: &&String| {
        // One session of the domain over TLS, with whichever server, and nothing is to be concluded.
        let of_servers: Option<Vec<Vec<f64>>> =
            servers.values().map(|days| marks(domain, days)).collect();
        let days: Vec<f64> = of_servers.into_iter().flatten().flatten().collect();
        days.len() >= DAYS && days.iter().product::<f64>() >= SELDOM
    };
    Ok(asked.iter().filter(is_own).cloned().collect())
}

/// The names of all servers of these domains.
pub fn find_servers_of(
    store: &Store,
    scope: &Scope,
    asked: &BTreeSet<String>,
) -> Result<BTreeSet<String>> {
    if asked.is_empty() {
        return Ok(BTreeSet::new());
    }
    let domains: Vec<&str> = asked.iter().map(String::as_str).collect();
    let sums = load(store, scope, store.peers_of_domains(&domains)?)?;
    let servers = servers_of(&sums, asked).into_iter();
    Ok(servers.map(str::to_owned).collect())
}

/// The same, of what is loaded.
pub(super) fn servers_of<'s>(sums: &'s Sums, asked: &BTreeSet<String>) -> BTreeSet<&'s str> {
    let is_sent = |e: &Entry<'_>| e.peer.direction() == Direction::Outbound;
    let sent = sums.each().filter(is_sent);
    let of_asked = sent.filter(|e| asked.contains(e.peer.domain()));
    of_asked
        .map(|e| server_name(e.peer.host(), e.peer.address()))
        .collect()
}

/// What a server is found by.
pub fn server_name<'n>(host: &'n str, address: &'n str) -> &'n str {
    match host {
        "" => address,
        host => host,
    }
}

/// The mail we sent to the peers with these rows, day by day.
fn load(store: &Store, scope: &Scope, rows: Vec<Vec<i64>>) -> Result<Sums> {
    let scope = Scope {
        direction: Some(Direction::Outbound),
        ..*scope
    };
    let rows: BTreeSet<i64> = rows.into_iter().flatten().collect();
    Sums::of_peers(store, &scope, &rows.into_iter().collect::<Vec<_>>())
}

fn taken(entry: &Entry<'_>) -> Taken {
    let mail = Mail {
        n: entry.count.n,
        first: entry.count.first,
        last: entry.count.last,
    };
    match entry.meaning.tls {
        "encrypted" => Taken {
            encrypted: mail,
            ..Taken::default()
        },
        // Of others the log says why they were in clear.
        "plaintext" if entry.meaning.class == Class::PlaintextCauseUnknown => Taken {
            clear: mail,
            ..Taken::default()
        },
        _ => Taken::default(),
    }
}

/// For each day that speaks for an entry of our own, in how many ways its mail could have been in clear and over TLS; `None` if the domain was over
/// TLS, or others in clear as well.
fn marks(domain: &str, days: &BTreeMap<i32, Day<'_>>) -> Option<Vec<f64>> {
    let mut marks = Vec::new();
    for day in days.values() {
        let Some(own) = day.get(domain) else {
            continue;
        };
        if own.encrypted.n > 0 {
            return None;
        }
        let mut others = Taken::default();
        for (_, taken) in day.iter().filter(|(name, _)| **name != domain) {
            others.encrypted.add(taken.encrypted);
            others.clear.add(taken.clear);
        }
        if own.clear.n == 0 || others.encrypted.n == 0 {
            continue;
        }
        if others.clear.n > 0 {
            return None;
        }
        // A server may lose its STARTTLS at noon, or have none at night.
        let is_between =
            others.encrypted.first <= own.clear.first && own.clear.last <= others.encrypted.last;
        if is_between {
            marks.push(ways(own.clear.n, others.encrypted.n));
        }
    }
    Some(marks)
}

/// How many ways there are to pick so many of all.
fn ways(picked: u64, others: u64) -> f64 {
    let steps = 1..=picked.min(others);
    steps.fold(1.0, |ways, step| {
        ways * (picked.max(others) + step) as f64 / step as f64
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Emission;
    use crate::store::fixture::{self, outbound};
    use maillog::Protocol;

    fn find(store: &Store, asked: &BTreeSet<String>) -> BTreeSet<String> {
        let servers = find_servers_of(store, &Scope::ALL, asked).unwrap();
        let servers = servers.iter().map(String::as_str).collect();
        find_own_entries(store, &Scope::ALL, asked, &servers).unwrap()
    }

    /// The sessions of a day with one host, in order: `A` over TLS and `a` in clear for one domain, `B` and `b` for another.
    fn day(number: i64, sessions: &str) -> Vec<Emission> {
        let session = |(at, letter): (usize, char)| {
            let domain = match letter {
                'a' | 'A' => "a.example",
                _ => "b.example",
            };
            let mail = outbound(domain).host("mx.shared.example", "192.0.2.7");
            let mail = mail.at(number * 86_400 + 60 * at as i64);
            match letter.is_uppercase() {
                true => mail.encrypted(Protocol::Tls13).build(),
                false => mail.plaintext(Class::PlaintextCauseUnknown).build(),
            }
        };
        sessions.chars().enumerate().map(session).collect()
    }

    fn found(days: &[&str]) -> bool {
        let days = (0..).zip(days).flat_map(|(n, sessions)| day(n, sessions));
        let store = fixture::store(days);
        let asked = BTreeSet::from(["a.example".to_string()]);
        let found = find(&store, &asked);
        found.contains("a.example")
    }

    #[test]
    fn one_domain_in_clear_among_others_over_tls_with_the_same_server_is_our_own_doing() {
        let clear = "BBaBaBB";
        assert!(found(&[clear; 3]));
        for (days, why) in [
            (vec![clear; 2], "too few days"),
            (vec!["BaB"; 3], "too little mail"),
            (vec!["BBBBaa"; 9], "the server may have lost its STARTTLS"),
            (vec!["aaBBBB"; 9], "or have had none before"),
            (vec![clear, clear, clear, clear, "BAB"], "once over TLS"),
            (
                vec![clear, clear, clear, clear, "BabaB"],
                "another in clear as well",
            ),
            (vec!["aaaa"; 9], "nobody over TLS"),
        ] {
            assert!(!found(&days), "{why}");
        }
        assert!(found(&["BaB"; 9]), "little mail on many days");
    }

    #[test]
    fn mail_that_is_neither_says_nothing_of_when_the_others_were_over_tls() {
        let days = (0..9).flat_map(|n| {
            let refused = outbound("c.example").host("mx.shared.example", "192.0.2.7");
            let refused = refused.at(n * 86_400 + 3_600);
            let refused = refused.plaintext(Class::PlaintextNotOffered).build();
            day(n, "aaBBBB").into_iter().chain([refused])
        });
        let store = fixture::store(days);
        let asked = BTreeSet::from(["a.example".to_string()]);
        let found = find(&store, &asked);
        assert!(found.is_empty(), "the server may have had none before");
    }
}
