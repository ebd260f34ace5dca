//! Inbound: how does mail come from each client address?

use std::cmp::Reverse;

use hashbrown::HashSet;

use crate::outcome::{Class, Direction};
use crate::store::{Result, Store};

use super::Scope;
use super::sums::{Entry, Named, Sums};
use super::tally::{Group, Problem, span};

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

/// Name and organisation of a client.
type Name<'s> = (&'s str, &'s str);

/// All of them, by address. Those that never sent mail nor failed because of TLS only if the scope asks for every row.
pub fn find_clients(store: &Store, scope: &Scope) -> Result<Vec<Client>> {
    let sums = Sums::load(store, scope)?;
    let is_wanted = |client: &Client| {
        scope.all || client.sessions.total() + client.sessions_failed + client.messages.total() > 0
    };
    let by_address = sums.by_name(address);
    Ok(by_address.make_in_order(|(address, _), named| {
        let rows = named.groups_by(|e| Some((e.peer.host(), e.peer.organisation())));
        let groups: Vec<Group> = rows.into_iter().map(|(_, group)| group).collect();
        Some(client(address, &groups, most_frequent_name(named))).filter(is_wanted)
    }))
}

/// Those of these names that are addresses, names or organisations of clients that sent us anything.
pub(super) fn senders<'s>(sums: &'s Sums, asked: &HashSet<&str>) -> HashSet<&'s str> {
    let is_asked = |entry: &Entry<'_>| {
        let [_, organisation, host, address] = entry.peer.names();
        let mut names = [organisation, host, address].into_iter();
        names.any(|name| asked.contains(name))
    };
    // Of a client each session is needed: it goes by the name of most of them.
    let mut clients = HashSet::new();
    if !asked.is_empty() {
        clients.extend(sums.each().filter(is_asked).filter_map(|e| address(&e)));
    }
    let of_asked = sums.by_name(|entry| address(entry).filter(|client| clients.contains(client)));
    let mut senders = HashSet::new();
    for ((address, _), named) in of_asked.iter() {
        let sent = named
            .entries()
            .filter(|e| e.meaning.class != Class::InProbe);
        let mut messages = Channels::default();
        sent.for_each(|e| messages.add(e.meaning.tls, e.count.messages));
        if messages.total() > 0 {
            let (name, organisation) = most_frequent_name(named);
            senders.extend([address, name, organisation]);
        }
    }
    senders.remove("");
    senders
}

/// What stands for a client: its address, or the name where that is not known.
fn address<'s>(entry: &Entry<'s>) -> Option<(&'s str, &'s str)> {
    let peer = entry.peer;
    let stand_in = match peer.address() {
        "" => peer.host(),
        _ => "",
    };
    (peer.direction() == Direction::Inbound).then(|| (peer.address(), stand_in))
}

fn client(address: &str, groups: &[Group], (name, organisation): Name<'_>) -> Client {
    let (mut sessions, mut messages, mut sessions_failed) =
        (Channels::default(), Channels::default(), 0);
    for group in groups.iter().filter(|g| g.class != Class::InProbe) {
        messages.add(group.tls, group.messages);
        match group.class.row().tls_failure {
            true => sessions_failed += group.n,
            false => sessions.add(group.tls, group.n),
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
    let (first_seen, last_seen) = span(groups);
    Client {
        address: address.to_owned(),
        name: name.to_owned(),
        organisation: organisation.to_owned(),
        sessions,
        sessions_failed,
        messages,
        problem,
        first_seen,
        last_seen,
    }
}

/// The name of most sessions; of equals the latest, then the first by alphabet. No name only if there never was one.
fn most_frequent_name<'s>(named: Named<'s, '_>) -> Name<'s> {
    let mut names: Vec<(Name<'s>, (bool, u64, i64))> = Vec::new();
    for entry in named.entries() {
        let (name, count) = ((entry.peer.host(), entry.peer.organisation()), entry.count);
        match names.iter_mut().find(|(same, _)| *same == name) {
            Some((_, (_, n, last))) => (*n, *last) = (*n + count.n, count.last.max(*last)),
            None => names.push((name, (!name.0.is_empty(), count.n, count.last))),
        }
    }
    let most = names
        .into_iter()
        .max_by_key(|(name, rank)| (*rank, Reverse(*name)));
    most.map(|(name, _)| name).unwrap_or_default()
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
