//! How did the share of some peers' mail over TLS go from day to day?

use std::collections::{BTreeMap, BTreeSet};

use crate::outcome::Direction;
use crate::store::{Result, Store};

use super::failures::who;
use super::tally::is_sent;
use super::{Scope, bounds};

/// Which way, and a peer as the other questions name it: outbound the recipient domain; inbound the organisation, name or address of the
/// client.
pub type Who = (Direction, String);

/// The share (0 to 1) over TLS of the mail whose channel is known, by day (days since 1970), of each peer that is asked for and has any.
pub fn find_shares(
    store: &Store,
    scope: &Scope,
    asked: &BTreeSet<Who>,
) -> Result<BTreeMap<Who, Vec<(i32, f64)>>> {
    let (from, to, ..) = bounds(scope);
    let mut numbered = store.numbered((from, to))?;
    // Few of many: only their days are read.
    numbered.load_peers()?;
    let names: BTreeSet<&str> = asked.iter().map(|(_, name)| name.as_str()).collect();
    let named = (0..)
        .zip(numbered.peers.iter())
        .filter_map(|(number, peer)| {
            let name = who(peer.direction(), peer.names());
            let who = names
                .contains(name)
                .then(|| (peer.direction(), name.to_owned()))?;
            asked.contains(&who).then_some((number, who))
        });
    let named: Vec<(u32, Who)> = named.collect();
    let mut days: BTreeMap<Who, BTreeMap<i32, (u64, u64)>> = BTreeMap::new();
    for (number, who) in named {
        let of_peer = days.entry(who).or_default();
        numbered.each_day_of(number, |_, meaning, count| {
            let mails = match is_sent(meaning.delivery) {
                true => count.n,
                false => count.messages,
            };
            let (encrypted, known) = of_peer.entry(count.day).or_default();
            match meaning.tls {
                "encrypted" => (*encrypted, *known) = (*encrypted + mails, *known + mails),
                "plaintext" => *known += mails,
                _ => {}
            }
        })?;
    }
    let shares = |days: BTreeMap<i32, (u64, u64)>| {
        let known = days.into_iter().filter(|(_, (_, known))| *known > 0);
        known
            .map(|(day, (encrypted, known))| (day, encrypted as f64 / known as f64))
            .collect()
    };
    Ok(days
        .into_iter()
        .map(|(who, days)| (who, shares(days)))
        .filter(|(_, shares): &(Who, Vec<(i32, f64)>)| !shares.is_empty())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Class;
    use crate::store::fixture::{self, DAY, inbound, outbound};
    use maillog::{Cause, Protocol};

    #[test]
    fn a_day_has_the_share_of_its_mail_and_one_without_any_has_none() {
        let clear = || outbound("a.example").plaintext(Class::PlaintextNotOffered);
        let store = fixture::store([
            clear().build(),
            clear().at(86_400).build(),
            outbound("a.example")
                .host("mx2.a.example", "192.0.2.7")
                .at(86_400)
                .encrypted(Protocol::Tls13)
                .times(3)
                .build(),
            outbound("a.example")
                .at(2 * 86_400)
                .failed(Class::HandshakeFailed, Cause::Eof)
                .build(),
            outbound("b.example").encrypted(Protocol::Tls13).build(),
            inbound("mx.a.example", "192.0.2.9")
                .encrypted(Protocol::Tls13)
                .build(),
        ]);
        let of = |direction| (direction, "a.example".to_string());
        let asked = BTreeSet::from([of(Direction::Outbound), of(Direction::Inbound)]);
        let found = find_shares(&store, &Scope::ALL, &asked).unwrap();
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            [
                (of(Direction::Outbound), vec![(DAY, 0.0), (DAY + 1, 0.75)]),
                (of(Direction::Inbound), vec![(DAY, 1.0)]),
            ]
        );
    }
}
