//! What fails because of TLS, and whose fault it is?

use crate::outcome::{Class, Direction};
use crate::store::{Result, Store};

use super::Scope;
use super::sums::{Entry, Sums};

/// One way in which TLS fails with one peer.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// Which way the mail went.
    pub direction: Direction,
    /// Outbound the recipient domain; inbound the organisation, name or address of the client.
    pub peer: String,
    /// MX host or client name, or empty.
    pub host: String,
    /// What happened.
    pub class: Class,
    /// What the TLS library said, or empty.
    pub cause: String,
    /// Whose fault.
    pub fault: String,
    /// Attempts or sessions.
    pub attempts: u64,
    /// Of these, the ones that left mail undelivered or, inbound, brought no message.
    pub undelivered: u64,
    /// Seconds since 1970 UTC.
    pub first_seen: i64,
    /// Seconds since 1970 UTC.
    pub last_seen: i64,
}

/// All of them, by direction, peer, host, class, cause and fault. Deliveries that fail for another reason only if the scope asks for every
/// row. Mail that got through in clear after TLS had failed is a failure too.
pub fn find_failures(store: &Store, scope: &Scope) -> Result<Vec<Failure>> {
    Ok(failures(&Sums::load(store, scope)?, scope.all))
}

/// The same, of what is loaded.
pub(super) fn failures(sums: &Sums, all: bool) -> Vec<Failure> {
    let by_problem = sums.by_name(|entry| {
        let (peer, meaning) = (entry.peer, entry.meaning);
        let direction = peer.direction();
        let has_failed = matches!(meaning.delivery, "" | "deferred" | "bounced");
        let is_wanted =
            is_because_of_tls(meaning.class) || (all && direction == Direction::Outbound);
        let key = || {
            let problem = (meaning.class.name(), &*meaning.cause, &*meaning.fault);
            (direction, entry.peer_name(), peer.host(), problem)
        };
        (is_wanted && (has_failed || fell_back(meaning.class))).then(key)
    });
    let failures = by_problem
        .in_order()
        .map(|((direction, peer, host, _), named)| {
            let sum = |n: fn(&Entry<'_>) -> u64| named.entries().map(|entry| n(&entry)).sum();
            let meaning = named.entries().next().map(|entry| entry.meaning);
            Failure {
                direction,
                peer: peer.to_owned(),
                host: host.to_owned(),
                class: meaning.map_or(Class::Unknown, |m| m.class),
                cause: meaning.map_or(String::new(), |m| m.cause.to_string()),
                fault: meaning.map_or(String::new(), |m| m.fault.to_string()),
                attempts: sum(|entry| entry.count.n),
                undelivered: sum(undelivered),
                first_seen: named.entries().map(|e| e.count.first).min().unwrap_or(0),
                last_seen: named.entries().map(|e| e.count.last).max().unwrap_or(0),
            }
        });
    failures.collect()
}

/// What left mail undelivered or, inbound, brought no message.
fn undelivered(entry: &Entry<'_>) -> u64 {
    match entry.meaning.delivery {
        "sent" | "probed" => 0,
        _ if entry.count.messages > 0 => 0,
        _ => entry.count.n,
    }
}

fn fell_back(class: Class) -> bool {
    matches!(
        class,
        Class::PlaintextAfterFailedHandshake | Class::PlaintextAfterFailedSession
    )
}

/// Because of TLS, whether the mail then got through in clear or not.
fn is_because_of_tls(class: Class) -> bool {
    class.row().tls_failure || fell_back(class)
}

/// What a peer is called in one word: domain, organisation, host name or address, the first that is known. The envelope sender's
/// domain is no name for the client that brought the mail.
pub(super) fn who<T: AsRef<str> + Default>(direction: Direction, names: [T; 4]) -> T {
    let skip = usize::from(direction == Direction::Inbound);
    names
        .into_iter()
        .skip(skip)
        .find(|name| !name.as_ref().is_empty())
        .unwrap_or_default()
}

impl Failure {
    /// Because of TLS, whether the mail then got through in clear or not.
    pub fn is_because_of_tls(&self) -> bool {
        is_because_of_tls(self.class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixture::{self, inbound, outbound};
    use maillog::Cause;

    #[test]
    fn a_failure_that_fell_back_to_clear_text_left_nothing_undelivered() {
        let store = fixture::store([
            outbound("a.example")
                .plaintext(Class::PlaintextAfterFailedHandshake)
                .build(),
            outbound("b.example")
                .failed(Class::HandshakeFailed, Cause::Eof)
                .build(),
            outbound("c.example")
                .failed(Class::NoSession, Cause::Unknown)
                .build(),
            inbound("c1.example.org", "192.0.2.1")
                .failed(Class::InHandshakeFailed, Cause::NoSharedCipher)
                .build(),
            inbound("c1.example.org", "192.0.2.2")
                .failed(Class::InHandshakeFailed, Cause::NoSharedCipher)
                .build(),
        ]);
        let found = find_failures(
            &store,
            &Scope {
                all: false,
                ..Scope::ALL
            },
        )
        .unwrap();
        let short: Vec<_> = found
            .iter()
            .map(|f| (f.peer.as_str(), f.attempts, f.undelivered))
            .collect();
        assert_eq!(
            short,
            [
                ("a.example", 1, 0),
                ("b.example", 1, 1),
                ("example.org", 2, 2)
            ]
        );
        assert_eq!(find_failures(&store, &Scope::ALL).unwrap().len(), 4);
    }
}
