//! Is a domain in clear by an entry of our own map, though the log does not say so?
//!
//! Postfix before 3.11 logs nothing of a policy `none`. But a server offers STARTTLS before it is told a domain: one that takes TLS from the same
//! service for others, before and after on the same day, offers it to all. Where that happens day after day and never the other way round, it is
//! our own side that makes the difference.

use std::collections::{BTreeMap, BTreeSet};

use crate::outcome::{Class, Direction};
use crate::store::{Result, Store, natural};

use super::{Scope, ask_one_way};

/// On so many days at least.
const DAYS: usize = 3;
/// Were each session in clear or not by chance, so seldom would it be those of one domain and no others: once in this many times.
const SELDOM: f64 = 1000.0;

const SQL: &str = "SELECT host, address, service_host, service_tag, day, domain, tls, class, SUM(n), MIN(first_seen), MAX(last_seen)
  FROM facts
  WHERE day >= ?1 AND day <= ?2 AND (direction = ?3 OR direction = ?4) AND delivery = 'sent'
  GROUP BY host, address, service_host, service_tag, day, domain, tls, class
  ORDER BY host, address, service_host, service_tag, day, domain, tls, class";

/// A server as one of our services knows it: its name and address, and the log host and tag of the service.
type Server = [String; 4];

/// Mail of one kind.
#[derive(Clone, Copy, Debug, Default)]
struct Mail {
    n: u64,
    first: i64,
    last: i64,
}

impl Mail {
    fn add(&mut self, more: Mail) {
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

type Day = BTreeMap<String, Taken>;

/// Those of these domains that are rather in clear by an entry of our own.
pub fn find_own_entries(
    store: &Store,
    scope: &Scope,
    asked: &BTreeSet<String>,
) -> Result<BTreeSet<String>> {
    if asked.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut servers: BTreeMap<Server, BTreeMap<i32, Day>> = BTreeMap::new();
    for (server, day, domain, taken) in load(store, scope)? {
        let days = servers.entry(server).or_default();
        let of = days.entry(day).or_default().entry(domain).or_default();
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

fn load(store: &Store, scope: &Scope) -> Result<Vec<(Server, i32, String, Taken)>> {
    ask_one_way(store, SQL, scope, Direction::Outbound, |row| {
        let server = [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?];
        let (tls, class): (String, String) = (row.get(6)?, row.get(7)?);
        let mail = Mail {
            n: natural(row, 8)?,
            first: row.get(9)?,
            last: row.get(10)?,
        };
        let mut taken = Taken::default();
        match tls.as_str() {
            "encrypted" => taken.encrypted = mail,
            // Of others the log says why they were in clear.
            "plaintext" if class == Class::PlaintextCauseUnknown.name() => taken.clear = mail,
            _ => {}
        }
        Ok((server, row.get(4)?, row.get(5)?, taken))
    })
}

/// For each day that speaks for an entry of our own, in how many ways its mail could have been in clear and over TLS; `None` if the domain was over
/// TLS, or others in clear as well.
fn marks(domain: &str, days: &BTreeMap<i32, Day>) -> Option<Vec<f64>> {
    let mut marks = Vec::new();
    for day in days.values() {
        let Some(own) = day.get(domain) else {
            continue;
        };
        if own.encrypted.n > 0 {
            return None;
        }
        let mut others = Taken::default();
        for (_, taken) in day.iter().filter(|(name, _)| *name != domain) {
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
        let found = find_own_entries(&store, &Scope::ALL, &asked).unwrap();
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
}
