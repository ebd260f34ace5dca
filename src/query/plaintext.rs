//! Who exchanges mail with us in clear, in which direction, how much of it, and why?

use crate::outcome::{Class, Direction};
use crate::store::{Result, Store, natural};

use super::certainty::Certainty;
use super::failures::who;
use super::tally::{Group, Problem, span};
use super::{Scope, ask, read_direction};

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

const SQL: &str = "SELECT direction, domain, organisation, host, address, tls, class, cause, fault, delivery, SUM(n), SUM(messages),
         SUM(handshakes), MIN(first_seen), MAX(last_seen)
  FROM summed
  WHERE day >= ?1 AND day <= ?2 AND (direction = ?3 OR direction = ?4) AND (delivery = 'sent' OR messages > 0)
  GROUP BY direction, domain, organisation, host, address, tls, class, cause, fault, delivery
  ORDER BY direction, domain, organisation, host, address, tls, class, cause, fault, delivery";

/// All with at least one message in clear, by direction and name.
pub fn find_plaintext(store: &Store, scope: &Scope) -> Result<Vec<Plaintext>> {
    let mut rows = ask(store, SQL, scope, |row| {
        let direction = read_direction(row, 0)?;
        let mut group = Group::read(row, 5)?;
        // What is counted is mail: recipients outbound, messages inbound.
        if direction == Direction::Inbound {
            group.n = natural(row, 11)?;
        }
        Ok((
            (
                direction,
                who(
                    direction,
                    [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?],
                ),
            ),
            group,
        ))
    })?;
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let peers = super::tally::by_name(rows).into_iter();
    Ok(peers
        .filter_map(|((direction, peer), groups)| plaintext(direction, peer, &groups))
        .collect())
}

fn plaintext(direction: Direction, peer: String, groups: &[Group]) -> Option<Plaintext> {
    let clear: Vec<Group> = groups
        .iter()
        .filter(|g| g.tls == "plaintext")
        .cloned()
        .collect();
    let in_clear = clear.iter().map(|g| g.n).sum();
    if in_clear == 0 {
        return None;
    }
    let total = groups.iter().map(|g| g.n).sum();
    let problem = Problem::dominating(clear.iter());
    let certainty = Certainty::of(problem.class.unwrap_or(Class::Unknown), problem.n);
    let (first_seen, last_seen) = span(&clear);
    Some(Plaintext {
        direction,
        peer,
        in_clear,
        total,
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
