//! The peers a question meets, by number: their names in one piece of memory, so that a hundred thousand are loaded without an allocation
//! for each.

use std::panic::resume_unwind;

use hashbrown::HashMap;
use rusqlite::Row;

use crate::outcome::Direction;

use super::{Result, Store};

/// The other sides met so far.
#[derive(Debug, Default)]
pub struct Peers {
    /// All names, one after the other.
    text: String,
    known: Vec<Known>,
    /// By number, apart from the names: it is asked for with every count.
    directions: Vec<Direction>,
    /// By row.
    numbers: Numbers,
    all: bool,
}

/// Numbers of rows. The rows of a table follow each other, so that most have a place in a list; those far off are looked up.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    near: Vec<u32>,
    far: HashMap<i64, u32>,
}

impl Numbers {
    /// Up to here rows are near.
    const NEAR: usize = 1 << 24;
    /// No number.
    const NONE: u32 = u32::MAX;

    #[inline]
    pub(super) fn get(&self, row: i64) -> Option<u32> {
        let near = usize::try_from(row).ok().and_then(|at| self.near.get(at));
        match near {
            Some(&Self::NONE) => None,
            Some(number) => Some(*number),
            None => self.far.get(&row).copied(),
        }
    }

    pub(super) fn insert(&mut self, row: i64, number: u32) {
        match usize::try_from(row) {
            Ok(at) if at < Self::NEAR => {
                if self.near.len() <= at {
                    self.near.resize(at + 1, Self::NONE);
                }
                self.near[at] = number;
            }
            _ => {
                self.far.insert(row, number);
            }
        }
    }
}

#[derive(Debug)]
struct Known {
    row: i64,
    /// Where its names begin, and where each ends.
    start: u32,
    ends: [u32; 4],
}

/// The other side in one direction, as the view `facts` names it.
#[derive(Clone, Copy, Debug)]
pub struct NumberedPeer<'p> {
    peers: &'p Peers,
    number: u32,
}

impl<'p> NumberedPeer<'p> {
    /// Which way the mail went.
    pub fn direction(self) -> Direction {
        self.peers.directions[self.number as usize]
    }

    /// Policy domain; each name may be empty.
    pub fn domain(self) -> &'p str {
        self.name(0)
    }

    /// Registrable domain.
    pub fn organisation(self) -> &'p str {
        self.name(1)
    }

    /// MX host or client name.
    pub fn host(self) -> &'p str {
        self.name(2)
    }

    /// Address.
    pub fn address(self) -> &'p str {
        self.name(3)
    }

    /// Its row.
    pub(super) fn row(self) -> i64 {
        self.peers.known[self.number as usize].row
    }

    /// Domain, organisation, host and address.
    pub fn names(self) -> [&'p str; 4] {
        [0, 1, 2, 3].map(|at| self.name(at))
    }

    fn name(self, at: usize) -> &'p str {
        let known = &self.peers.known[self.number as usize];
        let start = match at {
            0 => known.start,
            at => known.ends[at - 1],
        };
        &self.peers.text[start as usize..known.ends[at] as usize]
    }
}

impl Store {
    /// The rows of the peers whose domain, host, address or organisation is `name`.
    pub fn peers_named(&self, name: &str) -> Result<Vec<i64>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id FROM peer WHERE domain = ?1 OR host = ?1 OR address = ?1 OR organisation = ?1 ORDER BY id",
        )?;
        let rows = statement.query_map([name], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The same of each of several names, which are looked for at once: there is no index of names.
    pub fn peers_of_names(&self, names: &[&str]) -> Result<Vec<Vec<i64>>> {
        self.peers_with(&["domain", "host", "address", "organisation"], names)
    }

    /// The rows of the peers of each of these domains.
    pub fn peers_of_domains(&self, domains: &[&str]) -> Result<Vec<Vec<i64>>> {
        self.peers_with(&["domain"], domains)
    }

    /// The rows of the peers with each of these hosts, or, where the log names no host, addresses.
    pub fn peers_of_servers(&self, servers: &[&str]) -> Result<Vec<Vec<i64>>> {
        let server = "CASE WHEN host = '' THEN address ELSE host END";
        self.peers_with(&[server], servers)
    }

    fn peers_with(&self, columns: &[&str], names: &[&str]) -> Result<Vec<Vec<i64>>> {
        let octets = names.iter().map(|name| name.as_bytes());
        let places: HashMap<&[u8], usize> = octets.zip(0..).collect();
        let sql = format!(
            "SELECT id, {} FROM peer WHERE id > ?1 AND id <= ?2 ORDER BY id",
            columns.join(", ")
        );
        let [mut found, rest] = self.look_at_peers(|store, (after, last)| {
            let mut found: Vec<Vec<i64>> = vec![Vec::new(); names.len()];
            let mut statement = store.connection.prepare_cached(&sql)?;
            let mut rows = statement.query([after, last])?;
            while let Some(row) = rows.next()? {
                for column in 1..=columns.len() {
                    let name = row.get_ref(column)?.as_bytes();
                    let place = places.get(name.map_err(rusqlite::Error::from)?);
                    let Some(of_name) = place.and_then(|place| found.get_mut(*place)) else {
                        continue;
                    };
                    let id = row.get(0)?;
                    if of_name.last() != Some(&id) {
                        of_name.push(id);
                    }
                }
            }
            Ok(found)
        })?;
        for (first, second) in found.iter_mut().zip(rest) {
            first.extend(second);
        }
        Ok(found)
    }

    /// Looks at all peers, the first half of their rows and the second at once where there is a second core: after which row, up to which.
    fn look_at_peers<T: Send>(
        &self,
        look: impl Fn(&Store, (i64, i64)) -> Result<T> + Sync,
    ) -> Result<[T; 2]> {
        let last: i64 = self
            .connection
            .prepare_cached("SELECT COALESCE(MAX(id), 0) FROM peer")?
            .query_row([], |row| row.get(0))?;
        self.both_at_once([(i64::MIN, last / 2), (last / 2, i64::MAX)], look)
    }
}

impl Peers {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The one with this number, which must have been given.
    pub fn get(&self, number: u32) -> NumberedPeer<'_> {
        NumberedPeer {
            peers: self,
            number,
        }
    }

    /// All of them, by number.
    pub fn iter(&self) -> impl Iterator<Item = NumberedPeer<'_>> {
        let numbers = 0..self.known.len() as u32;
        numbers.map(|number| self.get(number))
    }

    /// The row of the one with this number.
    pub(super) fn row(&self, number: u32) -> Option<i64> {
        self.known.get(number as usize).map(|known| known.row)
    }

    /// The number of the one with this row, which is loaded if it has not been met.
    #[inline]
    pub(super) fn number(&mut self, store: &Store, row: i64) -> Result<u32> {
        match self.numbers.get(row) {
            Some(number) => Ok(number),
            None => self.load(store, row),
        }
    }

    /// The number of the one with this row, if it has been loaded.
    #[inline]
    pub(super) fn known(&self, row: i64) -> Option<u32> {
        self.numbers.get(row)
    }

    fn load(&mut self, store: &Store, id: i64) -> Result<u32> {
        let mut statement = store.connection.prepare_cached(
            "SELECT id, direction = 'inbound', domain, organisation, host, address FROM peer WHERE id = ?1",
        )?;
        Ok(statement.query_row([id], |row| self.add(row))?)
    }

    /// Every one that there is, and something else that is loaded at the same time where there is a second core.
    pub(super) fn all_while<T>(
        store: &Store,
        load: impl FnOnce(&Store) -> Result<T>,
    ) -> Result<(Peers, T)> {
        let all = |store: &Store| {
            let mut peers = Peers::default();
            peers.load_all(store).map(|()| peers)
        };
        let Some(beside) = store.beside() else {
            return Ok((all(store)?, load(store)?));
        };
        std::thread::scope(|scope| {
            let worker = scope.spawn(move || all(&beside));
            let loaded = load(store);
            let peers = worker.join().unwrap_or_else(|panic| resume_unwind(panic));
            Ok((peers?, loaded?))
        })
    }

    /// Every one that there is, two halves of them loaded at once where there is a second core.
    pub(super) fn all(store: &Store) -> Result<Peers> {
        let [mut peers, rest] = store.look_at_peers(|store, rows| {
            let mut peers = Peers::default();
            peers.load_rows(store, rows).map(|()| peers)
        })?;
        peers.append(&rest);
        peers.all = true;
        Ok(peers)
    }

    /// Loads every one that there is, by row.
    pub(super) fn load_all(&mut self, store: &Store) -> Result<()> {
        if !self.all {
            self.load_rows(store, (i64::MIN, i64::MAX))?;
            self.all = true;
        }
        Ok(())
    }

    /// Loads those after one row, up to another.
    fn load_rows(&mut self, store: &Store, (after, last): (i64, i64)) -> Result<()> {
        let mut statement = store.connection.prepare_cached(
            "SELECT id, direction = 'inbound', domain, organisation, host, address FROM peer
             WHERE id > ?1 AND id <= ?2 ORDER BY id",
        )?;
        let mut rows = statement.query([after, last])?;
        while let Some(row) = rows.next()? {
            if self.numbers.get(row.get(0)?).is_none() {
                self.add(row)?;
            }
        }
        Ok(())
    }

    /// Takes others in, none of which it has.
    fn append(&mut self, others: &Peers) {
        // OK to narrow, as below.
        let offset = self.text.len() as u32;
        self.text.push_str(&others.text);
        self.directions.extend(&others.directions);
        for known in &others.known {
            let number = self.known.len() as u32;
            self.numbers.insert(known.row, number);
            self.known.push(Known {
                row: known.row,
                start: known.start + offset,
                ends: known.ends.map(|end| end + offset),
            });
        }
    }

    fn add(&mut self, row: &Row<'_>) -> rusqlite::Result<u32> {
        // OK to narrow, here and below: no store has 2^32 peers, nor so much of names.
        let start = self.text.len() as u32;
        let mut ends = [start; 4];
        for (at, end) in ends.iter_mut().enumerate() {
            self.text.push_str(row.get_ref(2 + at)?.as_str()?);
            *end = self.text.len() as u32;
        }
        let number = self.known.len() as u32;
        let id = row.get(0)?;
        self.known.push(Known {
            row: id,
            start,
            ends,
        });
        self.directions.push(match row.get(1)? {
            true => Direction::Inbound,
            false => Direction::Outbound,
        });
        self.numbers.insert(id, number);
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixture::{self, inbound, outbound};
    use maillog::Protocol;

    #[test]
    fn rows_have_their_numbers_however_far_they_are() {
        let mut numbers = Numbers::default();
        for (row, number) in [(7, 0), (3, 1), (1 << 40, 2), (-5, 3)] {
            numbers.insert(row, number);
        }
        let found = [7, 3, 1 << 40, -5, 4, 1 << 41].map(|row| numbers.get(row));
        assert_eq!(found, [Some(0), Some(1), Some(2), Some(3), None, None]);
    }

    #[test]
    fn several_names_are_found_as_each_alone() {
        let store = fixture::store([
            outbound("a.example")
                .host("mx.a.example", "192.0.2.1")
                .encrypted(Protocol::Tls13)
                .build(),
            outbound("b.example")
                .host("mx.a.example", "192.0.2.1")
                .encrypted(Protocol::Tls13)
                .build(),
            inbound("mx.c.example", "192.0.2.9").silent().build(),
        ]);
        let names = ["mx.a.example", "nobody.example", "192.0.2.9", "a.example"];
        let alone = names.map(|name| store.peers_named(name).unwrap());
        assert_eq!(alone.each_ref().map(Vec::len), [2, 0, 1, 2]);
        assert_eq!(store.peers_of_names(&names).unwrap(), alone);
    }

    #[test]
    fn names_are_those_of_the_row_whichever_way_they_were_loaded() {
        let store = fixture::store([
            outbound("a.example")
                .host("mx.a.example", "192.0.2.1")
                .encrypted(Protocol::Tls13)
                .build(),
            inbound("mx.c.example", "192.0.2.9").silent().build(),
        ]);
        let mut one_by_one = Peers::default();
        let mut all = Peers::default();
        all.load_all(&store).unwrap();
        let words = |peer: NumberedPeer<'_>| format!("{:?}{:?}", peer.direction(), peer.names());
        assert_eq!(all.len(), 2);
        for number in [1, 0] {
            let row = all.row(number).unwrap();
            let single = one_by_one.number(&store, row).unwrap();
            assert_eq!(words(one_by_one.get(single)), words(all.get(number)));
        }
        let hosts: Vec<&str> = all.iter().map(NumberedPeer::host).collect();
        assert!(hosts.contains(&"mx.a.example") && hosts.contains(&"mx.c.example"));
        one_by_one.load_all(&store).unwrap();
        assert_eq!(one_by_one.len(), 2);
    }
}
