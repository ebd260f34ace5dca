//! The names of peers in stored form, each made once: most outcomes are about a peer that was met before.
//!
//! A name in a log is found by its bytes before it is made into text. What that text is, `proof` says; nothing else may come of it
//! here.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};
use maillog::Peer;

#[cfg(doc)]
use crate::outcome::Outcome;
use crate::outcome::{Direction, PeerName};

use super::proof;

/// How many names are remembered; one more, and all are forgotten.
const MOST: usize = 16_384;

/// The names met lately. Seeded hashing: they are chosen by strangers.
#[derive(Debug, Default)]
pub struct Names {
    known: HashTable<Known>,
    hasher: DefaultHashBuilder,
    given: u32,
}

/// A name in one direction, the hash of both, and its number. One host may be an MX host and a client, and be logged without a port.
#[derive(Debug)]
struct Known {
    hash: u64,
    direction: Direction,
    name: Arc<PeerName>,
    number: u32,
}

/// The direction, and the parts of a name.
type Parts<'a> = (Direction, &'a [u8], &'a [u8], &'a [u8], u16);

impl Names {
    /// The stored form of a peer and its policy domain, as [`proof::peer_name`] makes it, and its number ([`Outcome::met`]). Ports of
    /// clients are not kept.
    pub fn of(
        &mut self,
        direction: Direction,
        peer: &Peer<'_>,
        domain: &[u8],
    ) -> (Arc<PeerName>, u32) {
        let with_port = direction == Direction::Outbound;
        let port = if with_port { peer.port.unwrap_or(0) } else { 0 };
        // Most names are logged as they are stored; the stored form of a stored form is itself.
        let logged = (
            direction,
            proof::bare(domain),
            proof::bare(peer.name),
            peer.address,
            port,
        );
        if let Ok(known) = self.find(logged) {
            return known;
        }
        let name = Arc::new(proof::peer_name(peer, domain, with_port));
        let hash = match self.find(parts(direction, &name)) {
            Ok(known) => return known,
            Err(hash) => hash,
        };
        if self.known.len() == MOST {
            self.known.clear();
        }
        // OK to wrap: after so many others nobody remembers what had this number.
        self.given = self.given.wrapping_add(1).max(1);
        let known = Known {
            hash,
            direction,
            name: Arc::clone(&name),
            number: self.given,
        };
        self.known.insert_unique(hash, known, |known| known.hash);
        (name, self.given)
    }

    /// The name with exactly these parts in this direction and its number, or their hash.
    fn find(&self, wanted: Parts<'_>) -> Result<(Arc<PeerName>, u32), u64> {
        let hash = self.hasher.hash_one(wanted);
        let is_wanted =
            |known: &Known| known.hash == hash && parts(known.direction, &known.name) == wanted;
        let found = self.known.find(hash, is_wanted);
        found
            .map(|known| (Arc::clone(&known.name), known.number))
            .ok_or(hash)
    }
}

fn parts(direction: Direction, name: &PeerName) -> Parts<'_> {
    let PeerName {
        domain,
        host,
        address,
        port,
    } = name;
    (
        direction,
        domain.as_bytes(),
        host.as_bytes(),
        address.as_bytes(),
        *port,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_peer_has_one_name_however_it_is_written() {
        let mut names = Names::default();
        let peer = |name: &'static [u8], address: &'static [u8]| Peer {
            name,
            address,
            port: Some(25),
        };
        let spellings = [
            (peer(b"mx.a.example", b"192.0.2.1"), &b"a.example"[..]),
            (peer(b"MX.A.example.", b"192.0.2.1"), b"A.Example"),
        ];
        let [first, second] =
            spellings.map(|(p, domain)| names.of(Direction::Outbound, &p, domain));
        assert!(Arc::ptr_eq(&first.0, &second.0) && first.1 == second.1);
        let others = [
            (peer(b"mx.a.example", b"192.0.2.2"), &b"a.example"[..], true),
            (peer(b"mx.a.example", b"192.0.2.1"), b"a.example", false),
            (peer(b"a.example", b"192.0.2.1"), b"mx.a.example", true),
            (peer(b"unknown", b"192.0.2.1"), b"", true),
            (peer(b"", b"2001:DB8:0::1"), b"", true),
            (peer(b"", b"Anonymised"), b"", true),
            (peer(b"", b"anonymised"), b"", true),
            (
                peer(b"caf\xe9.example", b"192.0.2.1"),
                b"CAF\xe9.example",
                true,
            ),
            (peer(b"caf\xc3\xa9.example", b"192.0.2.1"), b"", true),
        ];
        for (p, domain, with_port) in others {
            let direction = match with_port {
                true => Direction::Outbound,
                false => Direction::Inbound,
            };
            let (name, number) = names.of(direction, &p, domain);
            assert_eq!(*name, proof::peer_name(&p, domain, with_port));
            assert_ne!(number, first.1);
            assert_eq!(names.of(direction, &p, domain), (name, number));
        }
    }

    #[test]
    fn a_host_that_sends_and_takes_mail_has_a_number_for_each() {
        let mut names = Names::default();
        // Sendmail logs no port.
        let peer = Peer {
            name: b"mx.a.example",
            address: b"192.0.2.1",
            port: None,
        };
        let ways = [Direction::Outbound, Direction::Inbound];
        let [out, inward] = ways.map(|way| names.of(way, &peer, b"a.example"));
        assert_eq!(out.0, inward.0);
        assert_ne!(out.1, inward.1);
    }

    #[test]
    fn past_its_bound_it_begins_anew() {
        let mut names = Names::default();
        let name = |i: usize| format!("mx{i}.example").into_bytes();
        for i in 0..=MOST {
            let host = name(i);
            let (named, number) = names.of(Direction::Outbound, &Peer::named(&host), b"");
            assert_eq!((named.host.as_bytes(), number as usize), (&*host, i + 1));
        }
        assert_eq!(names.known.len(), 1);
    }
}
