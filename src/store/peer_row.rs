//! The rows of peers: how an import finds the one with some names, or makes it.
//!
//! A row is found by its key, a number made of all its names: an index of numbers costs an import a quarter of what an index of names
//! does, and there were four. Names with the same key are told apart by comparing them, so that nothing rests on keys being different;
//! SipHash keeps strangers, who choose the names, from making many that share one. What is asked about one name looks at every peer:
//! a fifth of a microsecond each (`peers`).

use std::hash::{BuildHasher, Hasher, RandomState};

use hashbrown::HashMap;
use rusqlite::{CachedStatement, Connection, Row, params};
use siphasher::sip::SipHasher13;
use siphasher::sip128::{Hasher128, SipHasher13 as SipHasher128};

use crate::outcome::{Direction, PeerName};

use super::Result;
use super::batch::Peer;
use super::organisation::organisation;

/// Written between names; no text has it.
const SEPARATOR: u8 = 0xff;

/// The key of a peer: the same on every machine, never 0.
fn key(direction: &str, name: &PeerName) -> i64 {
    let mut hasher = SipHasher13::new();
    write_names(&mut hasher, direction, name);
    // 0 is that of a row that has none yet. OK to wrap: it is only compared.
    hasher.finish().max(1) as i64
}

fn write_names(hasher: &mut impl Hasher, direction: &str, name: &PeerName) {
    for part in [
        direction,
        name.domain.as_str(),
        name.host.as_str(),
        name.address.as_str(),
    ] {
        hasher.write(part.as_bytes());
        hasher.write_u8(SEPARATOR);
    }
    hasher.write(&name.port.to_le_bytes());
}

/// How many rows are remembered, in 3 MB; past this many they are forgotten.
const MOST_ROWS: usize = 114_688;

/// The rows of the peers an import has met, by a number of 128 bits made of their names under a secret that is gone with the process: no
/// two names have the same, and nobody can look for such. It takes a tenth of the room of the names.
#[derive(Debug)]
pub(super) struct KnownRows {
    rows: HashMap<(u64, u64), i64>,
    secret: (u64, u64),
}

impl Default for KnownRows {
    fn default() -> Self {
        let random = RandomState::new();
        KnownRows {
            rows: HashMap::new(),
            secret: (random.hash_one(0), random.hash_one(1)),
        }
    }
}

impl KnownRows {
    fn number(&self, peer: &Peer) -> (u64, u64) {
        let mut hasher = SipHasher128::new_with_keys(self.secret.0, self.secret.1);
        write_names(&mut hasher, peer.direction.name(), &peer.name);
        let number = hasher.finish128();
        (number.h1, number.h2)
    }

    fn remember(&mut self, number: (u64, u64), row: i64) {
        if self.rows.len() == MOST_ROWS {
            self.rows.clear();
        }
        self.rows.insert(number, row);
    }
}

/// Finds or makes the rows of these peers, and gives their numbers in the same order.
pub(super) fn peer_rows(
    connection: &Connection,
    known: &mut KnownRows,
    peers: &[Peer],
) -> Result<Vec<i64>> {
    if !peers.is_empty() {
        make_keys(connection)?;
    }
    let mut rows = vec![0; peers.len()];
    let mut unknown = Vec::new();
    for (at, peer) in peers.iter().enumerate() {
        let number = known.number(peer);
        match known.rows.get(&number) {
            Some(row) => rows[at] = *row,
            None => unknown.push((key(peer.direction.name(), &peer.name), at, number)),
        }
    }
    // In the order of the index, so that its pages are written one after the other.
    unknown.sort_unstable();
    let mut statements = Statements::prepare(connection)?;
    let stored = stored_keys(connection, unknown.len())?;
    for (key, at, number) in unknown {
        let is_new = stored
            .as_ref()
            .is_some_and(|s| s.binary_search(&key).is_err());
        let found = match is_new {
            true => None,
            false => statements.find(key, &peers[at])?,
        };
        rows[at] = match found {
            Some(row) => row,
            None => statements.insert(connection, key, &peers[at])?,
        };
        known.remember(number, rows[at]);
    }
    Ok(rows)
}

/// The highest number a peer has: those that are new come after it. 0 if there are none.
pub(super) fn newest_peer(connection: &Connection) -> Result<i64> {
    Ok(connection
        .prepare_cached("SELECT COALESCE(MAX(id), 0) FROM peer")?
        .query_row([], |row| row.get(0))?)
}

/// How many keys are read in the time in which one is looked up.
const READ_FOR_ONE: usize = 8;

/// All keys of the store, sorted, if it takes less time to read them than to look so many up: of a first import most are new.
fn stored_keys(connection: &Connection, wanted: usize) -> Result<Option<Vec<i64>>> {
    let newest = newest_peer(connection)?;
    if usize::try_from(newest).is_ok_and(|newest| newest > READ_FOR_ONE * wanted) {
        return Ok(None);
    }
    let mut statement = connection.prepare_cached("SELECT key FROM peer ORDER BY key")?;
    let mut keys = Vec::with_capacity(usize::try_from(newest).unwrap_or(0));
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        keys.push(row.get(0)?);
    }
    Ok(Some(keys))
}

/// What finds and makes a row.
struct Statements<'c> {
    find: CachedStatement<'c>,
    insert: CachedStatement<'c>,
}

impl<'c> Statements<'c> {
    fn prepare(connection: &'c Connection) -> Result<Statements<'c>> {
        Ok(Statements {
            find: connection.prepare_cached(
                "SELECT id FROM peer WHERE key = ?1 AND direction = ?2 AND domain = ?3 AND host = ?4 AND address = ?5 AND port = ?6",
            )?,
            insert: connection.prepare_cached(
                "INSERT INTO peer (key, direction, domain, host, address, port, organisation) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?,
        })
    }

    /// The row with this key and these names.
    fn find(&mut self, key: i64, peer: &Peer) -> Result<Option<i64>> {
        let name = &peer.name;
        let direction = peer.direction.name();
        let (domain, host, address) = (&*name.domain, &*name.host, &*name.address);
        let mut found = self
            .find
            .query(params![key, direction, domain, host, address, name.port])?;
        Ok(found.next()?.map(|row| row.get(0)).transpose()?)
    }

    /// Makes the row.
    fn insert(&mut self, connection: &Connection, key: i64, peer: &Peer) -> Result<i64> {
        let name = &peer.name;
        let direction = peer.direction.name();
        let (domain, host, address) = (&*name.domain, &*name.host, &*name.address);
        // Who a sender says to be is no proof of who the client is.
        let recipient_domain = match peer.direction {
            Direction::Outbound => domain,
            Direction::Inbound => "",
        };
        let organisation = organisation(host, recipient_domain);
        self.insert.execute(params![
            key,
            direction,
            domain,
            host,
            address,
            name.port,
            organisation
        ])?;
        Ok(connection.last_insert_rowid())
    }
}

/// Makes the keys that an earlier version of the store did not have.
fn make_keys(connection: &Connection) -> Result<()> {
    let without = "SELECT id, direction, domain, host, address, port FROM peer WHERE key = 0";
    let mut statement = connection.prepare_cached(without)?;
    let keyed = |row: &Row<'_>| {
        let text = |column| row.get::<_, String>(column);
        let name = PeerName {
            domain: text(2)?.into(),
            host: text(3)?.into(),
            address: text(4)?.into(),
            port: row.get(5)?,
        };
        Ok((row.get(0)?, key(&text(1)?, &name)))
    };
    let keys: Vec<(i64, i64)> = statement
        .query_map([], keyed)?
        .collect::<rusqlite::Result<_>>()?;
    let mut update = connection.prepare_cached("UPDATE peer SET key = ?2 WHERE id = ?1")?;
    for (id, key) in keys {
        update.execute([id, key])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use std::sync::Arc;

    fn peer(direction: Direction, domain: &str, host: &str, port: u16) -> Peer {
        Peer {
            direction,
            name: Arc::new(PeerName {
                domain: domain.into(),
                host: host.into(),
                address: "192.0.2.1".into(),
                port,
            }),
        }
    }

    #[test]
    fn the_key_stands_in_stores_and_never_changes() {
        let key = |p: Peer| key(p.direction.name(), &p.name);
        assert_eq!(
            key(peer(Direction::Outbound, "a.example", "mx.a.example", 25)),
            1_686_826_615_752_321_909
        );
        // Parts are told apart.
        assert_ne!(
            key(peer(Direction::Inbound, "ab", "c", 0)),
            key(peer(Direction::Inbound, "a", "bc", 0))
        );
    }

    #[test]
    fn equal_keys_are_told_apart_by_the_names_and_old_rows_get_theirs() {
        let store = Store::in_memory().unwrap();
        let peers = [
            peer(Direction::Outbound, "a.example", "mx.example", 25),
            peer(Direction::Outbound, "b.example", "mx.example", 25),
            peer(Direction::Outbound, "a.example", "mx.example", 587),
            peer(Direction::Inbound, "a.example", "mx.example", 0),
        ];
        let connection = &store.connection;
        let mut statements = Statements::prepare(connection).unwrap();
        let mut row = |peer: &Peer| match statements.find(7, peer).unwrap() {
            Some(row) => row,
            None => statements.insert(connection, 7, peer).unwrap(),
        };
        let rows: Vec<i64> = peers.iter().map(&mut row).collect();
        assert_eq!(rows, [1, 2, 3, 4]);
        assert_eq!(row(&peers[2]), 3);
        connection.execute("UPDATE peer SET key = 0", []).unwrap();
        let mut known = KnownRows::default();
        assert_eq!(peer_rows(connection, &mut known, &peers).unwrap(), rows);
        // Once more from memory.
        assert_eq!(known.rows.len(), peers.len());
        assert_eq!(peer_rows(connection, &mut known, &peers).unwrap(), rows);
        let sql = "SELECT COUNT(DISTINCT key) FROM peer WHERE key <> 0";
        let keys: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(keys, 4);
    }
}
