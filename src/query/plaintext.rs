//! Who exchanges mail with us in clear, in which direction, how much of it, and why?

use crate::outcome::{Class, Direction};
use crate::store::{Result, Store};

use super::Scope;
use super::certainty::Certainty;
use super::sums::{Entry, Named, Sums};
use super::tally::{Group, Problem, span};

/// One peer, one direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Plaintext {
    /// Which way the mail went.
    pub direction: Direction,
    /// Outbound the recipient domain; inbound the organisation, name or address of the client.
    pub peer: String,
    /// Messages (outbound: recipients) in clear.
    pub in_clear: u64,
    /// All messages exchanged.
    pub total: u64,
    /// Why in clear.
    pub problem: Problem,
    /// How sure that is.
    pub certainty: Certainty,
    /// First message in clear, in seconds since 1970 UTC.
    pub first_seen: i64,
    /// Last message in clear.
    pub last_seen: i64,
}

/// All with at least one message in clear, by direction and name.
pub fn find_plaintext(store: &Store, scope: &Scope) -> Result<Vec<Plaintext>> {
    Ok(plaintext(&Sums::load(store, scope)?))
}

/// The same, of what is loaded.
pub(super) fn plaintext(sums: &Sums) -> Vec<Plaintext> {
    let by_peer = sums.by_name(|entry| {
        let peer = (entry.peer.direction(), entry.peer_name());
        entry.is_mail().then_some(peer)
    });
    let peers = by_peer.iter();
    let mut found: Vec<Plaintext> = peers
        .filter_map(|((direction, peer), named)| of_peer(direction, peer, named))
        .collect();
    // Few of all are in clear.
    found.sort_by(|a, b| (a.direction, &a.peer).cmp(&(b.direction, &b.peer)));
    found
}

fn of_peer(direction: Direction, peer: &str, named: Named<'_, '_>) -> Option<Plaintext> {
    let is_clear = |entry: &Entry<'_>| entry.meaning.tls == "plaintext";
    let mails = |entry: Entry<'_>| entry.mails();
    let in_clear = named.entries().filter(is_clear).map(mails).sum();
    if in_clear == 0 {
        return None;
    }
    let clear = named.groups_by(|entry| is_clear(entry).then(|| entry.peer.names()));
    let clear: Vec<Group> = clear
        .into_iter()
        .map(|(_, group)| group.of_mails(direction))
        .collect();
    let problem = Problem::dominating(clear.iter());
    let certainty = Certainty::of(problem.class.unwrap_or(Class::Unknown), problem.n);
    let (first_seen, last_seen) = span(&clear);
    Some(Plaintext {
        direction,
        peer: peer.to_owned(),
        in_clear,
        total: named.entries().map(mails).sum(),
        problem,
        certainty,
        first_seen,
        last_seen,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixture::{self, inbound, outbound};
    use maillog::Protocol;

    #[test]
    fn both_directions_with_the_share() {
        let store = fixture::store([
            outbound("a.example")
                .plaintext(Class::PlaintextNotOffered)
                .build(),
            outbound("a.example")
                .encrypted(Protocol::Tls13)
                .times(3)
                .build(),
            outbound("b.example").silent().build(),
            inbound("mx1.example.org", "192.0.2.1")
                .plaintext(Class::PlaintextCauseUnknown)
                .build(),
            inbound("mx2.example.org", "192.0.2.2")
                .plaintext(Class::PlaintextCauseUnknown)
                .build(),
        ]);
        let found = find_plaintext(&store, &Scope::ALL).unwrap();
        let short: Vec<_> = found
            .iter()
            .map(|p| (p.peer.as_str(), p.in_clear, p.total, p.certainty))
            .collect();
        assert_eq!(
            short,
            [
                ("a.example", 1, 4, Certainty::Once),
                ("example.org", 2, 2, Certainty::ProvenBySilence)
            ]
        );
    }
}
