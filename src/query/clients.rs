//! Inbound: how does mail come from each client address?

use std::collections::BTreeMap;

use crate::outcome::{Class, Direction};
use crate::store::{Result, Store};

use super::tally::{Group, Problem, span};
use super::{Scope, ask_one_way};

/// One client.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    /// Its address; empty if the log names none.
    pub address: String,
    /// The name most sessions came under, or empty.
    pub name: String,
    /// The registrable domain of the name, or empty.
    pub organisation: String,
    /// Sessions.
    pub sessions: Channels,
    /// Sessions that failed because of TLS.
    pub sessions_failed: u64,
    /// Messages our server accepted.
    pub messages: Channels,
    /// What is wrong, if anything.
    pub problem: Problem,
    /// Seconds since 1970 UTC.
    pub first_seen: i64,
    /// Seconds since 1970 UTC.
    pub last_seen: i64,
}

/// Counted by channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Channels {
    /// Over TLS.
    pub encrypted: u64,
    /// In clear.
    pub plaintext: u64,
    /// The log cannot tell.
    pub unknown: u64,
}

impl Channels {
    fn add(&mut self, tls: &str, n: u64) {
        match tls {
            "encrypted" => self.encrypted += n,
            "plaintext" => self.plaintext += n,
            "unknown" => self.unknown += n,
            // No mail crossed.
            _ => {}
        }
    }

    /// All three.
    pub fn total(&self) -> u64 {
        self.encrypted + self.plaintext + self.unknown
    }
}

const SQL: &str = "SELECT address, host, organisation, tls, class, cause, fault, delivery, SUM(n), SUM(messages), SUM(handshakes),
         MIN(first_seen), MAX(last_seen)
  FROM summed
  WHERE day >= ?1 AND day <= ?2 AND (direction = ?3 OR direction = ?4)
  GROUP BY address, host, organisation, tls, class, cause, fault, delivery
  ORDER BY address, host, organisation, tls, class, cause, fault, delivery";

/// Name and organisation of a client.
type Name = (String, String);

/// All of them, by address. Those that never sent mail nor failed because of TLS only if the scope asks for every row.
pub fn find_clients(store: &Store, scope: &Scope) -> Result<Vec<Client>> {
    let rows = ask_one_way(store, SQL, scope, Direction::Inbound, |row| {
        let name: (String, String) = (row.get(1)?, row.get(2)?);
        Ok((row.get::<_, String>(0)?, name, Group::read(row, 3)?))
    })?;
    let mut clients: BTreeMap<(String, String), Vec<(Name, Group)>> = BTreeMap::new();
    for (address, name, group) in rows {
        // Without an address, the name stands for the client.
        let stand_in = if address.is_empty() {
            name.0.clone()
        } else {
            String::new()
        };
        clients
            .entry((address, stand_in))
            .or_default()
            .push((name, group));
    }
    let clients = clients
        .into_iter()
        .map(|((address, _), rows)| client(address, &rows));
    Ok(clients
        .filter(|c| scope.all || c.sessions.total() + c.sessions_failed + c.messages.total() > 0)
        .collect())
}

fn client(address: String, rows: &[(Name, Group)]) -> Client {
    let groups: Vec<Group> = rows.iter().map(|(_, group)| group.clone()).collect();
    let (mut sessions, mut messages, mut sessions_failed) =
        (Channels::default(), Channels::default(), 0);
    for group in groups.iter().filter(|g| g.class != Class::InProbe) {
        messages.add(&group.tls, group.messages);
        match group.class.row().tls_failure {
            true => sessions_failed += group.n,
            false => sessions.add(&group.tls, group.n),
        }
    }
    let in_clear = || {
        groups
            .iter()
            .filter(|g| g.tls == "plaintext" && g.messages > 0)
    };
    let problem = match in_clear().next() {
        Some(_) => Problem::dominating(in_clear()),
        None => Problem::dominating(groups.iter().filter(|g| g.class.row().tls_failure)),
    };
    let (first_seen, last_seen) = span(&groups);
    let (name, organisation) = most_frequent_name(rows);
    Client {
        address,
        name,
        organisation,
        sessions,
        sessions_failed,
        messages,
        problem,
        first_seen,
        last_seen,
    }
}

/// The name of most sessions; of equals the latest, then the first by alphabet. No name only if there never was one.
fn most_frequent_name(rows: &[(Name, Group)]) -> Name {
    let mut names: BTreeMap<&(String, String), (bool, u64, i64)> = BTreeMap::new();
    for (name, group) in rows {
        let entry = names
            .entry(name)
            .or_insert((!name.0.is_empty(), 0, i64::MIN));
        *entry = (entry.0, entry.1 + group.n, entry.2.max(group.last));
    }
    // Reversed, because the last of equals is taken.
    names
        .into_iter()
        .rev()
        .max_by_key(|(_, rank)| *rank)
        .map(|(name, _)| name.clone())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixture::{self, inbound};
    use maillog::{Cause, Protocol};

    #[test]
    fn sessions_and_messages_are_counted_apart() {
        let store = fixture::store([
            inbound("a.example.org", "192.0.2.1")
                .encrypted(Protocol::Tls13)
                .build(),
            inbound("a.example.org", "192.0.2.1")
                .failed(Class::InHandshakeFailed, Cause::NoSharedCipher)
                .build(),
            inbound("", "192.0.2.1")
                .plaintext(Class::PlaintextCauseUnknown)
                .build(),
            inbound("", "192.0.2.1")
                .failed(Class::InProbe, Cause::Unknown)
                .build(),
            inbound("scanner.example", "192.0.2.9")
                .failed(Class::InProbe, Cause::Unknown)
                .build(),
        ]);
        let found = find_clients(
            &store,
            &Scope {
                all: false,
                ..Scope::ALL
            },
        )
        .unwrap();
        assert_eq!(found.len(), 1);
        let client = &found[0];
        assert_eq!(
            (client.name.as_str(), client.organisation.as_str()),
            ("a.example.org", "example.org")
        );
        assert_eq!(
            client.sessions,
            Channels {
                encrypted: 1,
                plaintext: 1,
                unknown: 0
            }
        );
        assert_eq!((client.sessions_failed, client.messages.total()), (1, 2));
        assert_eq!(client.problem.class, Some(Class::PlaintextCauseUnknown));
        assert_eq!(find_clients(&store, &Scope::ALL).unwrap().len(), 2);
    }
}
