//! Everything about one name: a domain, a host, an address or an organisation.

use std::collections::BTreeMap;

use crate::outcome::Direction;
use crate::store::{Claim, Result, Store};

use super::tally::{Counters, Group};
use super::{Scope, ask, read_direction};

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

const EVENTS: &str = "SELECT direction, domain, host, address, organisation, tls, class, cause, fault, delivery, SUM(n), SUM(messages),
         SUM(handshakes), MIN(first_seen), MAX(last_seen)
  FROM facts
  WHERE day >= ?1 AND day <= ?2 AND (direction = ?3 OR direction = ?4)
    AND peer IN (SELECT peer FROM named)
  GROUP BY direction, domain, host, address, organisation, tls, class, cause, fault, delivery
  ORDER BY direction DESC, domain, host, address, organisation, tls, class, cause, fault, delivery";

const DAYS: &str = "SELECT day, direction, tls, class, cause, fault, delivery, SUM(n), SUM(messages), SUM(handshakes),
         MIN(first_seen), MAX(last_seen)
  FROM facts
  WHERE day >= ?1 AND day <= ?2 AND (direction = ?3 OR direction = ?4)
    AND peer IN (SELECT peer FROM named)
  GROUP BY day, direction, tls, class, cause, fault, delivery
  ORDER BY day, direction DESC, tls, class, cause, fault, delivery";

/// What is known under this name; `None` if nothing.
pub fn find_peer(store: &Store, name: &str, scope: &Scope) -> Result<Option<Peer>> {
    let name = name.trim().trim_end_matches('.').to_lowercase();
    if name.is_empty() {
        return Ok(None);
    }
    let mut known_as = Vec::new();
    store.note_named(&name)?;
    let rows = ask(store, EVENTS, scope, |row| {
        let names: [String; 4] = [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?];
        Ok((read_direction(row, 0)?, names, Group::read(row, 5)?))
    })?;
    if rows.is_empty() {
        return Ok(None);
    }
    for (at, word) in ["domain", "host", "address", "organisation"]
        .into_iter()
        .enumerate()
    {
        if rows.iter().any(|(_, names, _)| names[at] == name) {
            known_as.push(word);
        }
    }
    let event =
        |(direction, [domain, host, address, _], group): (Direction, [String; 4], Group)| Event {
            direction,
            domain,
            host,
            address,
            group,
        };
    let events = rows.into_iter().map(event).collect();
    let days = load_days(store, scope)?;
    let mut claims = store.claims(&name)?;
    claims.retain(|claim| is_within(claim, scope));
    Ok(Some(Peer {
        name,
        known_as,
        events,
        days,
        claims,
    }))
}

fn is_within(claim: &Claim, scope: &Scope) -> bool {
    let day = crate::outcome::day_of(claim.at);
    let asked = scope.direction.is_none_or(|d| d.name() == claim.direction);
    asked
        && scope.period.from_day.is_none_or(|from| day >= from)
        && scope.period.to_day.is_none_or(|to| day <= to)
}

fn load_days(store: &Store, scope: &Scope) -> Result<Vec<Day>> {
    let rows = ask(store, DAYS, scope, |row| {
        Ok((
            (row.get::<_, i32>(0)?, read_direction(row, 1)?),
            Group::read(row, 2)?,
        ))
    })?;
    let mut days: BTreeMap<(i32, Direction), Vec<Group>> = BTreeMap::new();
    for (key, group) in rows {
        days.entry(key).or_default().push(group);
    }
    let count = |((day, direction), groups): ((i32, Direction), Vec<Group>)| {
        let counters = match direction {
            Direction::Outbound => Counters::of(&groups),
            Direction::Inbound => Counters::of_sessions(&groups),
        };
        Day {
            day,
            direction,
            counters,
        }
    };
    Ok(days
        .into_iter()
        .map(count)
        .filter(|d| !d.counters.is_empty())
        .collect())
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
