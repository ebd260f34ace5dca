//! Writes a batch: one transaction for the counts, the evidence, the read positions and the open sessions, so that a crash
//! neither loses nor repeats anything.
//!
//! Rows are sorted by key before they are written. Counts add up, times widen, flags are or-ed: the order of batches makes no
//! difference. Whoever finds that another process has written since it began to read gives up: both may have read the same lines.

use std::collections::BTreeMap;

use maillog::Cause;
use rusqlite::{Connection, TransactionBehavior, params};

use crate::outcome::{Direction, Service};

use super::batch::{Batch, Counts, Key, Kind, Logging, RowNumbers};
use super::bookmark::{save_bookmark, save_open_sessions, save_run, save_state};
use super::peer_row::{KnownRows, newest_peer, peer_rows};
use super::{Bookmark, Error, Result, RunCounts, Store, evidence, past};

impl Store {
    /// Writes what `batch` holds and empties it. `open_sessions` is what [`Store::open_sessions`] gives back; `run` is what
    /// this run has counted since its last commit. If this fails, nothing was written and the run should end.
    pub fn commit(
        &mut self,
        batch: &mut Batch,
        bookmarks: &[Bookmark],
        open_sessions: &str,
        run: Option<RunCounts>,
    ) -> Result<()> {
        let written = self.write(batch, bookmarks, open_sessions, run);
        match written {
            Ok(()) => batch.clear(),
            Err(_) => {
                batch.rows = RowNumbers::default();
                batch.known_rows = KnownRows::default();
            }
        }
        written
    }

    fn write(
        &mut self,
        batch: &mut Batch,
        bookmarks: &[Bookmark],
        open_sessions: &str,
        run: Option<RunCounts>,
    ) -> Result<()> {
        let expected = self.generation;
        // OK without the check for an open transaction: this function begins the only one, and ends it in every case.
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        advance_generation(&transaction, expected)?;
        let newest_peer = newest_peer(&transaction)?;
        if let Some(day) = batch.earliest_day() {
            past::drop_if_touched(&transaction, day)?;
        }
        write_names(&transaction, batch)?;
        write_daily(&transaction, batch)?;
        write_totals(&transaction, batch)?;
        write_correspondents(&transaction, batch)?;
        write_logging(&transaction, batch)?;
        write_evidence(&transaction, batch, newest_peer)?;
        for (host, at, records) in &batch.gaps {
            let sql =
                "INSERT INTO gap (host, at, records) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
            transaction
                .prepare_cached(sql)?
                .execute(params![host, at, integer(*records)])?;
        }
        super::health::write(&transaction, batch)?;
        for bookmark in bookmarks {
            save_bookmark(&transaction, bookmark)?;
        }
        save_open_sessions(&transaction, open_sessions)?;
        let run_row = match run {
            Some(run) => Some(save_run(&transaction, self.run_row, &run)?),
            None => self.run_row,
        };
        transaction.commit()?;
        self.run_row = run_row;
        self.generation = expected + 1;
        Ok(())
    }
}

/// Counts up how often the store was written; fails if somebody else has done so.
pub(super) fn advance_generation(connection: &Connection, expected: i64) -> Result<()> {
    let found = super::bookmark::load_state(connection, "generation")?
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    if found != expected {
        return Err(Error::Changed);
    }
    save_state(connection, "generation", &(expected + 1).to_string())
}

/// Finds or makes the rows of all names the batch has met since the last commit.
fn write_names(connection: &Connection, batch: &mut Batch) -> Result<()> {
    let rows = &mut batch.rows;
    for service in &batch.services.values()[rows.services.len()..] {
        rows.services.push(service_row(connection, service)?);
    }
    let new = &batch.peers.values()[rows.peers.len()..];
    rows.peers
        .extend(peer_rows(connection, &mut batch.known_rows, new)?);
    for kind in &batch.kinds.values()[rows.kinds.len()..] {
        rows.kinds.push(outcome_row(connection, kind)?);
    }
    Ok(())
}

/// The number of the row with these values, which `find` looks up and `insert` makes.
fn row_number(
    connection: &Connection,
    find: &str,
    insert: &str,
    values: impl rusqlite::Params + Clone,
) -> Result<i64> {
    let mut statement = connection.prepare_cached(find)?;
    let mut rows = statement.query(values.clone())?;
    if let Some(row) = rows.next()? {
        return Ok(row.get(0)?);
    }
    connection.prepare_cached(insert)?.execute(values)?;
    Ok(connection.last_insert_rowid())
}

fn service_row(connection: &Connection, service: &Service) -> Result<i64> {
    row_number(
        connection,
        "SELECT id FROM service WHERE host = ?1 AND tag = ?2",
        "INSERT INTO service (host, tag) VALUES (?1, ?2)",
        [&service.host, &service.tag],
    )
}

fn outcome_row(connection: &Connection, kind: &Kind) -> Result<i64> {
    let cause = if kind.cause == Cause::Unknown {
        ""
    } else {
        kind.cause.row().name
    };
    let parameters = &kind.parameters;
    row_number(
        connection,
        "SELECT id FROM outcome WHERE tls = ?1 AND class = ?2 AND cause = ?3 AND fault = ?4 AND delivery = ?5 AND dsn = ?6
         AND protocol = ?7 AND cipher = ?8 AND bits = ?9 AND key_exchange = ?10 AND verification = ?11",
        "INSERT INTO outcome (tls, class, cause, fault, delivery, dsn, protocol, cipher, bits, key_exchange, verification)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        (
            kind.tls.name(),
            kind.class.name(),
            cause,
            kind.fault.name(),
            kind.delivery.map_or("", |d| d.name()),
            kind.dsn.map(|d| d.to_string()).unwrap_or_default(),
            parameters.protocol.map_or("", |p| p.name()),
            &parameters.cipher,
            parameters.bits,
            &parameters.key_exchange,
            parameters.verification.name(),
        ),
    )
}

/// The key in row numbers of the store, in the order of the primary key.
fn stored_key(rows: &RowNumbers, key: Key) -> (i32, i64, i64, i64) {
    (
        key.day,
        rows.peers[key.peer as usize],
        rows.kinds[key.kind as usize],
        rows.services[key.service as usize],
    )
}

fn write_daily(connection: &Connection, batch: &Batch) -> Result<()> {
    let mut rows: Vec<_> = batch
        .counts
        .iter()
        .map(|(key, counts)| (stored_key(&batch.rows, *key), counts))
        .collect();
    rows.sort_unstable_by_key(|(key, _)| *key);
    let mut statement = connection.prepare_cached(
        "INSERT INTO daily (day, peer, outcome, service, n, messages, handshakes, first_seen, last_seen)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (day, peer, outcome, service) DO UPDATE SET n = n + excluded.n, messages = messages + excluded.messages,
           handshakes = handshakes + excluded.handshakes, first_seen = MIN(first_seen, excluded.first_seen),
           last_seen = MAX(last_seen, excluded.last_seen)",
    )?;
    for (
        (day, peer, outcome, service),
        Counts {
            n,
            messages,
            handshakes,
            first,
            last,
        },
    ) in rows
    {
        let (n, messages, handshakes) = (integer(*n), integer(*messages), integer(*handshakes));
        statement.execute(params![
            day, peer, outcome, service, n, messages, handshakes, first, last
        ])?;
    }
    Ok(())
}

/// The sums of what [`write_daily`] writes, over all peers.
fn write_totals(connection: &Connection, batch: &Batch) -> Result<()> {
    let mut sums: BTreeMap<(i32, i64, Direction, i64), Counts> = BTreeMap::new();
    for (key, counts) in &batch.counts {
        let (day, _, outcome, service) = stored_key(&batch.rows, *key);
        let direction = batch.peers.values()[key.peer as usize].direction;
        sums.entry((day, service, direction, outcome))
            .and_modify(|sum| sum.add(counts))
            .or_insert(*counts);
    }
    let mut statement = connection.prepare_cached(
        "INSERT INTO daily_total (day, service, direction, outcome, n, messages, handshakes, first_seen, last_seen)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (day, service, direction, outcome) DO UPDATE SET n = n + excluded.n,
           messages = messages + excluded.messages, handshakes = handshakes + excluded.handshakes,
           first_seen = MIN(first_seen, excluded.first_seen), last_seen = MAX(last_seen, excluded.last_seen)",
    )?;
    for ((day, service, direction, outcome), sum) in sums {
        statement.execute(params![
            day,
            service,
            direction.name(),
            outcome,
            integer(sum.n),
            integer(sum.messages),
            integer(sum.handshakes),
            sum.first,
            sum.last
        ])?;
    }
    Ok(())
}

fn write_correspondents(connection: &Connection, batch: &Batch) -> Result<()> {
    let addresses = batch.addresses.values();
    let mut rows: Vec<_> = batch
        .correspondents
        .iter()
        .map(|((address, key), counts)| {
            (
                stored_key(&batch.rows, *key),
                &addresses[*address as usize],
                counts,
            )
        })
        .collect();
    rows.sort_unstable_by_key(|(key, address, _)| (key.0, *address, key.1, key.2, key.3));
    let mut statement = connection.prepare_cached(
        "INSERT INTO correspondent (day, address, peer, outcome, service, n, first_seen, last_seen)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (day, address, peer, outcome, service) DO UPDATE SET n = n + excluded.n,
           first_seen = MIN(first_seen, excluded.first_seen), last_seen = MAX(last_seen, excluded.last_seen)",
    )?;
    for ((day, peer, outcome, service), address, counts) in rows {
        let n = integer(counts.n);
        statement.execute(params![
            day,
            address,
            peer,
            outcome,
            service,
            n,
            counts.first,
            counts.last
        ])?;
    }
    Ok(())
}

fn write_logging(connection: &Connection, batch: &Batch) -> Result<()> {
    let mut rows: Vec<_> = batch
        .logging
        .iter()
        .map(|((day, service, direction), logging)| {
            (
                (*day, batch.rows.services[*service as usize], *direction),
                logging,
            )
        })
        .collect();
    rows.sort_unstable_by_key(|(key, _)| *key);
    rows.into_iter()
        .try_for_each(|(key, logging)| write_one_logging(connection, key, logging))
}

fn write_one_logging(
    connection: &Connection,
    key: (i32, i64, Direction),
    logging: &Logging,
) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO logging (day, service, direction, logged, unlogged, offers, early, proof_source, proof_offset, proof_line)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (day, service, direction) DO UPDATE SET logged = MAX(logged, excluded.logged),
           unlogged = MAX(unlogged, excluded.unlogged), offers = MAX(offers, excluded.offers),
           early = MAX(early, excluded.early),
           proof_source = CASE WHEN proof_line = '' THEN excluded.proof_source ELSE proof_source END,
           proof_offset = CASE WHEN proof_line = '' THEN excluded.proof_offset ELSE proof_offset END,
           proof_line = CASE WHEN proof_line = '' THEN excluded.proof_line ELSE proof_line END",
    )?;
    let (day, service, direction) = key;
    let (source, offset, line) = logging.proof.as_ref().map_or((0, 0, ""), |p| {
        (p.source, integer(p.offset), p.text.as_str())
    });
    let Logging {
        logged,
        unlogged,
        offers,
        early,
        ..
    } = logging;
    statement.execute(params![
        day,
        service,
        direction.name(),
        logged,
        unlogged,
        offers,
        early,
        source,
        offset,
        line
    ])?;
    Ok(())
}

fn write_evidence(connection: &Connection, batch: &Batch, newest_peer: i64) -> Result<()> {
    let rows = &batch.rows;
    let mut all: Vec<_> = batch
        .evidence
        .iter()
        .map(|((peer, kind), kept)| {
            (
                (rows.peers[*peer as usize], rows.kinds[*kind as usize]),
                kept,
            )
        })
        .collect();
    all.sort_unstable_by_key(|(key, _)| *key);
    let mut inserter = evidence::Inserter::prepare(connection)?;
    let mut trimmer = evidence::Trimmer::prepare(connection)?;
    for ((peer, outcome), kept) in all {
        for proof in kept.iter() {
            let service = rows.services[proof.service() as usize];
            inserter.insert(peer, outcome, service, proof)?;
        }
        // Of a peer that is new nothing was kept before.
        if peer <= newest_peer {
            trimmer.trim(peer, outcome)?;
        }
    }
    Ok(())
}

/// SQLite's integers have a sign; no count comes near the limit.
pub(super) fn integer(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
