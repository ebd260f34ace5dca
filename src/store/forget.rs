//! Deletes what the store holds about a peer, a person, or a time, for good: deleted pages are overwritten and the file is
//! rewritten without them.
//!
//! Raw lines that merely mention the name are emptied too. Not touched: sessions still open at the end of the last run (the next
//! run closes them), and the log files themselves.

use rusqlite::{Connection, TransactionBehavior};

use super::commit::advance_generation;
use super::{Result, Store};

/// How many rows were deleted, or lost their lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Peers.
    pub peers: u64,
    /// Rows of daily counts.
    pub daily: u64,
    /// Occurrences with their lines, deleted or emptied.
    pub evidence: u64,
    /// Rows about correspondents.
    pub correspondents: u64,
}

const OF_PEERS: &str = "IN (SELECT id FROM peer WHERE domain = ?1 OR host = ?1 OR address = ?1)";

/// Makes the totals of what is left.
const SUM_UP: &str = "DELETE FROM daily_total;
INSERT INTO daily_total (day, service, direction, outcome, n, messages, handshakes, first_seen, last_seen)
SELECT d.day, d.service, p.direction, d.outcome, SUM(d.n), SUM(d.messages), SUM(d.handshakes), MIN(d.first_seen), MAX(d.last_seen)
FROM daily AS d JOIN peer AS p ON p.id = d.peer
GROUP BY d.day, d.service, p.direction, d.outcome;";

impl Store {
    /// Deletes every peer whose domain, host or address is `name`, and all about it.
    pub fn forget_peer(&mut self, name: &str) -> Result<Forgotten> {
        let name = name.trim().trim_end_matches('.').to_lowercase();
        if name.is_empty() {
            // Every peer has some part that is empty.
            return Ok(Forgotten::default());
        }
        self.forget(|connection| {
            let delete = |table: &str, column: &str| -> Result<u64> {
                Ok(connection.execute(
                    &format!("DELETE FROM {table} WHERE {column} {OF_PEERS}"),
                    [&name],
                )? as u64)
            };
            Ok(Forgotten {
                evidence: delete("evidence", "peer")? + empty_lines(connection, &name)?,
                correspondents: delete("correspondent", "peer")?,
                daily: delete("daily", "peer")?,
                peers: delete("peer", "id")?,
            })
        })
    }

    /// Deletes one correspondent, by the full address.
    pub fn forget_address(&mut self, address: &str) -> Result<Forgotten> {
        let address = address.trim().to_lowercase();
        self.forget(|connection| {
            let sql = "DELETE FROM correspondent WHERE LOWER(address) = ?1";
            let correspondents = connection.execute(sql, [&address])? as u64;
            Ok(Forgotten {
                correspondents,
                evidence: empty_lines(connection, &address)?,
                ..Forgotten::default()
            })
        })
    }

    /// Deletes everything before `day` (days since 1970), and the peers that leaves without anything.
    pub fn forget_older_than(&mut self, day: i32) -> Result<Forgotten> {
        let at = i64::from(day) * 86_400;
        self.forget(|connection| {
            let delete = |sql: &str, bound: i64| -> Result<u64> {
                Ok(connection.execute(sql, [bound])? as u64)
            };
            let evidence = delete("DELETE FROM evidence WHERE at < ?1", at)?;
            let correspondents = delete("DELETE FROM correspondent WHERE day < ?1", day.into())?;
            let daily = delete("DELETE FROM daily WHERE day < ?1", day.into())?;
            delete("DELETE FROM logging WHERE day < ?1", day.into())?;
            delete("DELETE FROM gap WHERE at < ?1", at)?;
            let peers = connection.execute(
                "DELETE FROM peer WHERE id NOT IN (SELECT peer FROM daily)",
                [],
            )? as u64;
            Ok(Forgotten {
                peers,
                daily,
                evidence,
                correspondents,
            })
        })
    }

    /// Runs `delete` in a transaction of its own, then rewrites the file.
    fn forget(&mut self, delete: impl Fn(&Connection) -> Result<Forgotten>) -> Result<Forgotten> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let generation = super::bookmark::load_state(&transaction, "generation")?
            .and_then(|g| g.parse().ok())
            .unwrap_or(0);
        advance_generation(&transaction, generation)?;
        let forgotten = delete(&transaction)?;
        if forgotten.daily > 0 {
            transaction.execute_batch(SUM_UP)?;
        }
        transaction.commit()?;
        self.generation = generation + 1;
        if forgotten != Forgotten::default() {
            self.connection.execute_batch("VACUUM")?;
            self.connection
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        }
        Ok(forgotten)
    }
}

/// Empties all kept lines that mention `text`, which is in lower case.
fn empty_lines(connection: &Connection, text: &str) -> Result<u64> {
    if text.is_empty() {
        return Ok(0);
    }
    connection.execute(
        "UPDATE logging SET proof_line = '-' WHERE INSTR(LOWER(proof_line), ?1) > 0",
        [text],
    )?;
    let emptied = connection.execute(
        "UPDATE evidence SET lines = '' WHERE INSTR(LOWER(lines), ?1) > 0",
        [text],
    )?;
    Ok(emptied as u64)
}
