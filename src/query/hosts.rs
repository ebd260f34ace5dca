//! Outbound: how does mail reach each MX host? Hosts the log names by address only are in no row.

use maillog::Protocol;

use crate::outcome::Direction;
use crate::store::{Result, Store};

use super::Scope;
use super::sums::{Named, Sums};
use super::tally::{Counters, Group, Problem, Verdict, span};

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

/// All of them, by name.
pub fn find_hosts(store: &Store, scope: &Scope) -> Result<Vec<Host>> {
    let sums = Sums::load(store, scope)?;
    let by_host = sums.by_name(|entry| {
        let is_one = entry.peer.direction() == Direction::Outbound;
        Some(entry.peer.host()).filter(|name| is_one && !name.is_empty())
    });
    let is_one = |host: &Host| !host.counters.is_empty() || host.handshakes > 0;
    Ok(by_host.make_in_order(|name, named| Some(host(name, named)).filter(is_one)))
}

fn host(name: &str, named: Named<'_, '_>) -> Host {
    let groups = &named.groups();
    let counters = Counters::of(groups);
    let verdict = counters.verdict();
    let (first_seen, last_seen) = span(groups);
    let mut addresses: Vec<&str> = named.entries().map(|e| e.peer.address()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.retain(|address| !address.is_empty());
    let protocols = named
        .entries()
        .filter_map(|e| Protocol::parse(e.meaning.protocol.as_bytes()));
    let handshakes =
        |wanted: fn(&&Group) -> bool| groups.iter().filter(wanted).map(|g| g.handshakes).sum();
    Host {
        host: name.to_owned(),
        addresses: addresses.into_iter().map(str::to_owned).collect(),
        counters,
        handshakes: handshakes(|_| true),
        handshakes_failed: handshakes(|g| g.class.row().handshake_failed),
        best_protocol: protocols.clone().max(),
        worst_protocol: protocols.min(),
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
