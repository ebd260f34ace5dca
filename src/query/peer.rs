//! Everything about one name: a domain, a host, an address or an organisation.

use crate::outcome::Direction;
use crate::store::{Claim, Result, Store};

use super::Scope;
use super::sums::Sums;
use super::tally::{Counters, Group};

/// All that is known about one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Peer {
    /// The name, in lower case.
    pub name: String,
    /// What it is the name of: `domain`, `host`, `address`, `organisation`; several may apply.
    pub known_as: Vec<&'static str>,
    /// What happened, by peer and class.
    pub events: Vec<Event>,
    /// What happened, by day.
    pub days: Vec<Day>,
    /// The occurrences whose lines were kept, oldest first.
    pub claims: Vec<Claim>,
}

/// Equal outcomes with one host.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Which way the mail went.
    pub direction: Direction,
    /// Policy domain, or empty.
    pub domain: String,
    /// MX host or client name, or empty.
    pub host: String,
    /// Address.
    pub address: String,
    /// The outcomes.
    pub group: Group,
}

/// One day in one direction: recipients outbound, sessions inbound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// Days since 1970, UTC.
    pub day: i32,
    /// Which way the mail went.
    pub direction: Direction,
    /// By channel; `failed_other` inbound stays 0.
    pub counters: Counters,
}

/// What is known under this name; `None` if nothing.
pub fn find_peer(store: &Store, name: &str, scope: &Scope) -> Result<Option<Peer>> {
    let name = name.trim().trim_end_matches('.').to_lowercase();
    if name.is_empty() {
        return Ok(None);
    }
    let rows = store.peers_named(&name)?;
    of_rows(store, name, &rows, scope)
}

/// The same of several names, as they are stored, in their order.
pub fn find_peers(store: &Store, names: &[&str], scope: &Scope) -> Result<Vec<Option<Peer>>> {
    let rows = store.peers_of_names(names)?;
    let named = names.iter().zip(rows);
    named
        .map(|(name, rows)| of_rows(store, (*name).to_owned(), &rows, scope))
        .collect()
}

fn of_rows(store: &Store, name: String, rows: &[i64], scope: &Scope) -> Result<Option<Peer>> {
    let sums = Sums::of_peers(store, scope, rows)?;
    let events = events(&sums);
    if events.is_empty() {
        return Ok(None);
    }
    let mut claims = store.claims_of(rows)?;
    claims.retain(|claim| is_within(claim, scope));
    Ok(Some(Peer {
        known_as: known_as(&sums, &name),
        name,
        events,
        days: days(&sums),
        claims,
    }))
}

fn known_as(sums: &Sums, name: &str) -> Vec<&'static str> {
    let is_one = |at: usize| sums.each().any(|entry| entry.peer.names()[at] == name);
    let words = [
        ("domain", 0),
        ("host", 2),
        ("address", 3),
        ("organisation", 1),
    ];
    let found = words.into_iter().filter(|(_, at)| is_one(*at));
    found.map(|(word, _)| word).collect()
}

/// What happened with each host.
fn events(sums: &Sums) -> Vec<Event> {
    let by_host = sums.by_name(|entry| {
        let peer = entry.peer;
        let names = (
            peer.domain(),
            peer.host(),
            peer.address(),
            peer.organisation(),
        );
        Some((peer.direction(), names))
    });
    let events = by_host.in_order().flat_map(|((direction, names), named)| {
        let (domain, host, address, _) = names;
        let event = move |group| Event {
            direction,
            domain: domain.to_owned(),
            host: host.to_owned(),
            address: address.to_owned(),
            group,
        };
        named.groups().into_iter().map(event)
    });
    events.collect()
}

fn is_within(claim: &Claim, scope: &Scope) -> bool {
    let day = crate::outcome::day_of(claim.at);
    let asked = scope.direction.is_none_or(|d| d.name() == claim.direction);
    asked
        && scope.period.from_day.is_none_or(|from| day >= from)
        && scope.period.to_day.is_none_or(|to| day <= to)
}

fn days(sums: &Sums) -> Vec<Day> {
    let by_day = sums.by_name(|entry| Some((entry.count.day, entry.peer.direction())));
    let days = by_day.in_order().map(|((day, direction), named)| Day {
        day,
        direction,
        counters: match direction {
            Direction::Outbound => Counters::of(&named.groups()),
            Direction::Inbound => Counters::of_sessions(&named.groups()),
        },
    });
    days.filter(|d| !d.counters.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Class;
    use crate::store::fixture::{self, DAY, inbound, outbound};
    use maillog::{Cause, Protocol};

    #[test]
    fn a_name_finds_what_it_names() {
        let store = fixture::store([
            outbound("example.org").encrypted(Protocol::Tls13).build(),
            outbound("example.org")
                .at(86_400)
                .failed(Class::HandshakeFailed, Cause::Eof)
                .build(),
            inbound("mail.example.org", "192.0.2.7")
                .plaintext(Class::PlaintextCauseUnknown)
                .build(),
            outbound("other.example")
                .plaintext(Class::PlaintextNotOffered)
                .build(),
        ]);
        let peer = find_peer(&store, "Example.ORG.", &Scope::ALL)
            .unwrap()
            .unwrap();
        assert_eq!(peer.known_as, ["domain", "organisation"]);
        assert_eq!(
            (peer.events.len(), peer.days.len(), peer.claims.len()),
            (3, 3, 2)
        );
        let failed = Counters {
            failed_tls: 1,
            ..Counters::default()
        };
        assert_eq!(
            peer.days[2],
            Day {
                day: DAY + 1,
                direction: Direction::Outbound,
                counters: failed
            }
        );
        assert_eq!(
            find_peer(&store, "192.0.2.7", &Scope::ALL)
                .unwrap()
                .unwrap()
                .known_as,
            ["address"]
        );
        assert_eq!(
            find_peer(&store, "nobody.example", &Scope::ALL).unwrap(),
            None
        );
    }
}
