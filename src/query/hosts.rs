//! Outbound: how does mail reach each MX host? Hosts the log names by address only are in no row.

use std::collections::{BTreeMap, BTreeSet};

use maillog::Protocol;

use crate::outcome::Direction;
use crate::store::{Result, Store};

use super::tally::{Counters, Group, Problem, Verdict, by_name, span};
use super::{Scope, ask_one_way};

/// One MX host.
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    /// Its name as logged, in lower case.
    pub host: String,
    /// Its addresses, sorted.
    pub addresses: Vec<String>,
    /// How often what.
    pub counters: Counters,
    /// Handshakes, good or failed.
    pub handshakes: u64,
    /// Failed ones.
    pub handshakes_failed: u64,
    /// The newest protocol seen.
    pub best_protocol: Option<Protocol>,
    /// The oldest protocol seen.
    pub worst_protocol: Option<Protocol>,
    /// In one word.
    pub verdict: Verdict,
    /// What is wrong, if anything.
    pub problem: Problem,
    /// Seconds since 1970 UTC.
    pub first_seen: i64,
    /// Seconds since 1970 UTC.
    pub last_seen: i64,
}

const SQL: &str =
    "SELECT host, tls, class, cause, fault, delivery, SUM(n), SUM(messages), SUM(handshakes),
         MIN(first_seen), MAX(last_seen)
  FROM summed
  WHERE day >= ?1 AND day <= ?2 AND (direction = ?3 OR direction = ?4) AND host <> ''
  GROUP BY host, tls, class, cause, fault, delivery
  ORDER BY host, tls, class, cause, fault, delivery";

const DETAILS: &str = "SELECT host, address, protocol
  FROM summed
  WHERE day >= ?1 AND day <= ?2 AND (direction = ?3 OR direction = ?4) AND host <> ''
  GROUP BY host, address, protocol
  ORDER BY host, address, protocol";

/// All of them, by name.
pub fn find_hosts(store: &Store, scope: &Scope) -> Result<Vec<Host>> {
    let rows = ask_one_way(store, SQL, scope, Direction::Outbound, |row| {
        Ok((row.get::<_, String>(0)?, Group::read(row, 1)?))
    })?;
    let mut details = load_details(store, scope)?;
    let hosts = by_name(rows).into_iter().map(|(name, groups)| {
        let details = details.remove(&name).unwrap_or_default();
        host(name, details, &groups)
    });
    Ok(hosts
        .filter(|h| !h.counters.is_empty() || h.handshakes > 0)
        .collect())
}

#[derive(Default)]
struct Details {
    addresses: BTreeSet<String>,
    protocols: BTreeSet<Protocol>,
}

fn load_details(store: &Store, scope: &Scope) -> Result<BTreeMap<String, Details>> {
    let rows = ask_one_way(store, DETAILS, scope, Direction::Outbound, |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, String>(2)?,
        ))
    })?;
    let mut hosts: BTreeMap<String, Details> = BTreeMap::new();
    for (host, address, protocol) in rows {
        let details = hosts.entry(host).or_default();
        details
            .protocols
            .extend(Protocol::parse(protocol.as_bytes()));
        if !address.is_empty() {
            details.addresses.insert(address);
        }
    }
    Ok(hosts)
}

fn host(name: String, details: Details, groups: &[Group]) -> Host {
    let counters = Counters::of(groups);
    let verdict = counters.verdict();
    let (first_seen, last_seen) = span(groups);
    let handshakes =
        |wanted: fn(&&Group) -> bool| groups.iter().filter(wanted).map(|g| g.handshakes).sum();
    Host {
        host: name,
        addresses: details.addresses.into_iter().collect(),
        counters,
        handshakes: handshakes(|_| true),
        handshakes_failed: handshakes(|g| g.class.row().handshake_failed),
        best_protocol: details.protocols.last().copied(),
        worst_protocol: details.protocols.first().copied(),
        verdict,
        problem: Problem::outbound(verdict, groups),
        first_seen,
        last_seen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Class;
    use crate::store::fixture::{self, outbound};
    use maillog::Cause;

    #[test]
    fn a_host_is_one_row_whatever_domains_and_addresses_it_serves() {
        let store = fixture::store([
            outbound("a.example")
                .host("mx.example", "192.0.2.2")
                .encrypted(Protocol::Tls13)
                .build(),
            outbound("b.example")
                .host("mx.example", "192.0.2.1")
                .encrypted(Protocol::Tls10)
                .build(),
            outbound("b.example")
                .host("mx.example", "192.0.2.1")
                .failed(Class::HandshakeFailed, Cause::Eof)
                .build(),
            outbound("c.example")
                .host("", "192.0.2.3")
                .plaintext(Class::PlaintextNotOffered)
                .build(),
        ]);
        let found = find_hosts(&store, &Scope::ALL).unwrap();
        assert_eq!(found.len(), 1);
        let host = &found[0];
        assert_eq!(host.addresses, ["192.0.2.1", "192.0.2.2"]);
        assert_eq!(
            (
                host.handshakes,
                host.handshakes_failed,
                host.counters.encrypted
            ),
            (3, 1, 2)
        );
        assert_eq!(
            (host.best_protocol, host.worst_protocol),
            (Some(Protocol::Tls13), Some(Protocol::Tls10))
        );
        assert_eq!(
            (host.verdict, host.problem.class),
            (Verdict::Encrypted, Some(Class::HandshakeFailed))
        );
    }
}
