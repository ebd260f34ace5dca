//! Deletes what the store holds about a peer, a person, or a time, for good: deleted pages are overwritten and the file is
//! rewritten without them.
//!
//! Raw lines that merely mention the name are emptied too. Sessions still open at the end of the last run are the business of
//! `session`, which wrote them: the caller gives what takes the name out of them, and it is done in the same transaction. Not
//! touched: a line that a container runtime cut in parts, until its end comes, and the log files themselves.

use rusqlite::{Connection, TransactionBehavior};

use super::commit::advance_generation;
use super::told::TOLD;
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
    /// Processes with open sessions, and addresses remembered for them.
    pub sessions: u64,
    /// Cases of the outreach, and contacts.
    pub cases: u64,
}

/// What is left of the open sessions without the names given, and how many things were taken out of them.
pub type Redacted = Result<(String, u64)>;

const OF_PEERS: &str = "IN (SELECT id FROM peer WHERE domain = ?1 OR host = ?1 OR address = ?1)";

/// Makes the totals of what is left.
const SUM_UP: &str = "DELETE FROM daily_total;
INSERT INTO daily_total (day, service, direction, outcome, n, messages, handshakes, first_seen, last_seen)
SELECT d.day, d.service, p.direction, d.outcome, SUM(d.n), SUM(d.messages), SUM(d.handshakes), MIN(d.first_seen), MAX(d.last_seen)
FROM daily AS d JOIN peer AS p ON p.id = d.peer
GROUP BY d.day, d.service, p.direction, d.outcome;";

impl Store {
    /// Deletes every peer whose domain, host or address is `name`, and all about it. `redact` is given the open sessions, the name, and
    /// the addresses of these peers.
    pub fn forget_peer(
        &mut self,
        name: &str,
        redact: impl Fn(&str, &[String]) -> Redacted,
    ) -> Result<Forgotten> {
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
            let names = names_of_peers(connection, &name)?;
            let cases = super::outreach::forget_cases(connection, &name)?;
            Ok(Forgotten {
                sessions: redact_sessions(connection, |open| redact(open, &names))?,
                evidence: delete("evidence", "peer")? + empty_lines(connection, &name)?,
                correspondents: delete("correspondent", "peer")?,
                daily: delete("daily", "peer")?,
                peers: delete("peer", "id")?,
                cases,
            })
        })
    }

    /// Deletes one correspondent, by the full address. `redact` as above.
    pub fn forget_address(
        &mut self,
        address: &str,
        redact: impl Fn(&str, &[String]) -> Redacted,
    ) -> Result<Forgotten> {
        let address = address.trim().to_lowercase();
        self.forget(|connection| {
            let sql = "DELETE FROM correspondent WHERE LOWER(address) = ?1";
            let correspondents = connection.execute(sql, [&address])? as u64;
            Ok(Forgotten {
                correspondents,
                evidence: empty_lines(connection, &address)?,
                sessions: redact_sessions(connection, |open| {
                    redact(open, std::slice::from_ref(&address))
                })?,
                cases: super::outreach::forget_contact(connection, &address)?,
                ..Forgotten::default()
            })
        })
    }

    /// Deletes everything before `day` (days since 1970), and the peers that leaves without anything. `redact` is given the open
    /// sessions and the first second that stays.
    pub fn forget_older_than(
        &mut self,
        day: i32,
        redact: impl Fn(&str, i64) -> Redacted,
    ) -> Result<Forgotten> {
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
            delete("DELETE FROM span WHERE day < ?1", day.into())?;
            delete("DELETE FROM clock_step WHERE at < ?1", at)?;
            delete("DELETE FROM shape WHERE last_seen < ?1", at)?;
            let peers = connection.execute(
                "DELETE FROM peer WHERE id NOT IN (SELECT peer FROM daily)",
                [],
            )? as u64;
            Ok(Forgotten {
                peers,
                daily,
                evidence,
                correspondents,
                sessions: redact_sessions(connection, |open| redact(open, at))?,
                cases: 0,
            })
        })
    }

    /// Runs `delete` in a transaction of its own, then rewrites the file.
    fn forget(&mut self, delete: impl Fn(&Connection) -> Result<Forgotten>) -> Result<Forgotten> {
        // Whatever a row still needs is not deleted, whatever the order of the deletions.
        self.connection.execute_batch("PRAGMA foreign_keys = ON")?;
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let generation = super::bookmark::load_state(&transaction, "generation")?
            .and_then(|g| g.parse().ok())
            .unwrap_or(0);
        advance_generation(&transaction, generation)?;
        // Its sums have the name in them, or rest on a day of logging that goes.
        super::past::drop_all(&transaction)?;
        let forgotten = delete(&transaction)?;
        if forgotten.daily > 0 {
            transaction.execute_batch(SUM_UP)?;
        }
        if forgotten != Forgotten::default() {
            // It names peers. What is still so will be told once more.
            transaction.execute("DELETE FROM state WHERE name = ?1", [TOLD])?;
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

/// The name, and the addresses of the peers it names.
fn names_of_peers(connection: &Connection, name: &str) -> Result<Vec<String>> {
    let sql = format!("SELECT DISTINCT address FROM peer WHERE address <> '' AND id {OF_PEERS}");
    let mut statement = connection.prepare(&sql)?;
    let addresses = statement.query_map([name], |row| row.get(0))?;
    let mut names = vec![name.to_owned()];
    names.extend(addresses.collect::<rusqlite::Result<Vec<String>>>()?);
    Ok(names)
}

/// Puts what `redact` leaves of the open sessions in their place. Gives back how much it took out.
fn redact_sessions(connection: &Connection, redact: impl Fn(&str) -> Redacted) -> Result<u64> {
    let open = super::bookmark::load_open_sessions(connection)?;
    if open.is_empty() {
        return Ok(0);
    }
    let (left, taken) = redact(&open)?;
    if taken > 0 {
        super::bookmark::save_open_sessions(connection, &left)?;
    }
    Ok(taken)
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
