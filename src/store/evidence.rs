//! The log lines behind what is not plain success: which are kept, for how long, and how they are found again.
//!
//! Of each peer and outcome the first occurrence ever and the latest four are kept, in the order they were read. A batch trims by
//! the same rule before it is written, so it makes no difference how the outcomes were cut into batches. When the time is up, the
//! lines are emptied and the row stays: were it deleted, another occurrence would become the first.

use std::collections::VecDeque;

use rusqlite::{CachedStatement, Connection, Row, params};

use crate::outcome::{Class, ProofLine, day_of};

use super::{Result, Store, natural};

/// How many of the latest occurrences are kept beside the first.
const LATEST: usize = 4;

/// What stands in place of a line that proved the logging of a service.
const EMPTIED: &str = "-";

/// One occurrence, in a batch: its lines as they are stored, which takes less room than a list of them.
#[derive(Debug)]
pub(super) struct Proof {
    service: u32,
    at: i64,
    source: i64,
    offset: u64,
    lines: Box<str>,
}

impl Proof {
    pub(super) fn new(service: u32, at: i64, lines: &[ProofLine]) -> Proof {
        let (source, offset) = lines
            .first()
            .map_or((0, 0), |line| (line.source, line.offset));
        Proof {
            service,
            at,
            source,
            offset,
            // A list of numbers and strings always has a JSON text.
            lines: serde_json::to_string(lines).unwrap_or_default().into(),
        }
    }

    /// Of which service of the batch.
    pub(super) fn service(&self) -> u32 {
        self.service
    }

    /// How long its lines are.
    pub(super) fn bytes(&self) -> usize {
        self.lines.len()
    }
}

/// The occurrences of one peer and outcome in a batch that may be kept.
#[derive(Debug, Default)]
pub(super) struct Kept {
    first: Option<Proof>,
    latest: VecDeque<Proof>,
}

impl Kept {
    /// Takes one, and gives back what is not to be kept any more.
    pub(super) fn push(&mut self, proof: Proof) -> Option<Proof> {
        if self.first.is_none() {
            self.first = Some(proof);
            return None;
        }
        let over = match self.latest.len() {
            LATEST => self.latest.pop_front(),
            _ => None,
        };
        self.latest.push_back(proof);
        over
    }

    /// In the order they came.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Proof> {
        self.first.iter().chain(&self.latest)
    }
}

/// Writes occurrences.
pub(super) struct Inserter<'c> {
    statement: CachedStatement<'c>,
}

impl<'c> Inserter<'c> {
    pub(super) fn prepare(connection: &'c Connection) -> Result<Inserter<'c>> {
        let sql = "INSERT INTO evidence (peer, outcome, service, at, source, offset, lines) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        Ok(Inserter {
            statement: connection.prepare_cached(sql)?,
        })
    }

    pub(super) fn insert(
        &mut self,
        peer: i64,
        outcome: i64,
        service: i64,
        proof: &Proof,
    ) -> Result<()> {
        let Proof {
            at, source, lines, ..
        } = proof;
        // OK to narrow: no file has 2^63 bytes.
        let offset = proof.offset as i64;
        self.statement
            .execute(params![peer, outcome, service, at, source, offset, lines])?;
        Ok(())
    }
}

/// Brings peers and outcomes back to what is kept.
pub(super) struct Trimmer<'c> {
    find: CachedStatement<'c>,
    delete: CachedStatement<'c>,
    /// Room for the rows of one, oldest first.
    rows: Vec<i64>,
}

impl<'c> Trimmer<'c> {
    pub(super) fn prepare(connection: &'c Connection) -> Result<Trimmer<'c>> {
        let find = "SELECT id FROM evidence WHERE peer = ?1 AND outcome = ?2 ORDER BY id";
        Ok(Trimmer {
            find: connection.prepare_cached(find)?,
            delete: connection.prepare_cached("DELETE FROM evidence WHERE id = ?1")?,
            rows: Vec::new(),
        })
    }

    /// Drops what lies between the first and the latest. The index alone tells which: most have nothing to drop.
    pub(super) fn trim(&mut self, peer: i64, outcome: i64) -> Result<()> {
        self.rows.clear();
        let mut found = self.find.query([peer, outcome])?;
        while let Some(row) = found.next()? {
            self.rows.push(row.get(0)?);
        }
        let latest = self.rows.len().saturating_sub(LATEST);
        for id in self.rows.get(1..latest).unwrap_or_default() {
            self.delete.execute([id])?;
        }
        Ok(())
    }
}

/// One occurrence with its lines, as it reads in the light of all that is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// When, in seconds since 1970 UTC.
    pub at: i64,
    /// `outbound` or `inbound`.
    pub direction: String,
    /// Log host.
    pub service_host: String,
    /// Syslog tag.
    pub service_tag: String,
    /// Policy domain.
    pub domain: String,
    /// MX host or client name.
    pub host: String,
    /// Address.
    pub address: String,
    /// `encrypted`, `plaintext`, `none` or `unknown`.
    pub tls: String,
    /// What happened.
    pub class: Class,
    /// What the TLS library said, or empty.
    pub cause: String,
    /// Whose fault.
    pub fault: String,
    /// What became of the recipients; empty inbound.
    pub delivery: String,
    /// Enhanced status code, or empty.
    pub dsn: String,
    /// The lines; empty when their time is up.
    pub lines: Vec<ProofLine>,
    /// If the claim rests on the absence of a line: the line that proves this service logs its TLS sessions; its text is empty when its
    /// time is up.
    pub logging_proof: Option<ProofLine>,
}

/// One occurrence at an MX host.
#[derive(Clone, Copy, Debug)]
pub struct AtHost<'r> {
    /// Later ones are greater.
    pub order: (i64, i64),
    /// MX host, may be empty.
    pub host: &'r str,
    /// Its address.
    pub address: &'r str,
    lines: &'r str,
}

impl AtHost<'_> {
    /// The lines kept about it; no other host's than those of the same session.
    pub fn lines(&self) -> Vec<ProofLine> {
        serde_json::from_str(self.lines).unwrap_or_default()
    }
}

fn text<'r>(row: &'r rusqlite::Row<'_>, column: usize) -> rusqlite::Result<&'r str> {
    Ok(row.get_ref(column)?.as_str()?)
}

impl Store {
    /// Gives what is kept about those of the MX hosts we sent to that are wanted, by host and address, as far as its time is not up; in no
    /// order.
    pub fn each_at_host(
        &self,
        wanted: impl Fn(&str, &str) -> bool,
        mut take: impl FnMut(AtHost<'_>),
    ) -> Result<()> {
        let mut peers = self.connection.prepare_cached(
            "SELECT id, host, address FROM peer WHERE direction = 'outbound' AND address <> ''",
        )?;
        let mut kept = self
            .connection
            .prepare_cached("SELECT at, id, lines FROM evidence WHERE peer = ?1 AND lines <> ''")?;
        let mut peers = peers.query([])?;
        while let Some(peer) = peers.next()? {
            let (host, address) = (text(peer, 1)?, text(peer, 2)?);
            if !wanted(host, address) {
                continue;
            }
            let mut rows = kept.query([peer.get::<_, i64>(0)?])?;
            while let Some(row) = rows.next()? {
                take(AtHost {
                    order: (row.get(0)?, row.get(1)?),
                    host,
                    address,
                    lines: text(row, 2)?,
                });
            }
        }
        Ok(())
    }

    /// All occurrences kept for peers whose domain, host, address or organisation is `name`, oldest first.
    pub fn claims(&self, name: &str) -> Result<Vec<Claim>> {
        self.claims_of(&self.peers_named(name)?)
    }

    /// All occurrences kept for the peers with these rows, oldest first.
    pub fn claims_of(&self, peers: &[i64]) -> Result<Vec<Claim>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT c.at, c.direction, c.service_host, c.service_tag, c.domain, c.host, c.address, c.tls, c.class, c.cause,
               c.fault, c.delivery, c.dsn, c.lines, l.proof_source, l.proof_offset, l.proof_line, c.silent
             FROM claims AS c JOIN logging AS l ON l.day = c.day AND l.service = c.service AND l.direction = c.direction
             WHERE c.id IN (SELECT e.id FROM json_each(?1) AS p JOIN evidence AS e ON e.peer = p.value)
             ORDER BY c.at, c.id",
        )?;
        let peers = serde_json::json!(peers).to_string();
        let claims = statement.query_map([peers], claim)?;
        Ok(claims.collect::<rusqlite::Result<_>>()?)
    }

    /// Where each source lay, for showing proof.
    pub fn source_paths(&self) -> Result<Vec<(i64, String)>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT id, path FROM source ORDER BY id")?;
        let paths = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(paths.collect::<rusqlite::Result<_>>()?)
    }

    /// How often records were lost between two times (seconds since 1970 UTC), and how many, as far as told.
    pub fn gaps(&self, from: i64, to: i64) -> Result<(u64, u64)> {
        let sql = "SELECT COUNT(*), COALESCE(SUM(records), 0) FROM gap WHERE at >= ?1 AND at < ?2";
        let counts = |row: &Row<'_>| Ok((natural(row, 0)?, natural(row, 1)?));
        Ok(self.connection.query_row(sql, [from, to], counts)?)
    }

    /// The time of the newest outcome, in seconds since 1970 UTC; 0 of an empty store.
    pub fn newest(&self) -> Result<i64> {
        let sql = "SELECT COALESCE(MAX(last_seen), 0) FROM daily WHERE day = (SELECT MAX(day) FROM daily)";
        Ok(self.connection.query_row(sql, [], |row| row.get(0))?)
    }

    /// The time of the newest outcome of each log host, in seconds since 1970 UTC.
    pub fn newest_of_hosts(&self) -> Result<Vec<(String, i64)>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT s.host, MAX(d.last_seen) FROM daily_total AS d JOIN service AS s ON s.id = d.service
             GROUP BY s.host ORDER BY s.host",
        )?;
        let hosts = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(hosts.collect::<rusqlite::Result<_>>()?)
    }

    /// Empties the lines of everything before `at`. Returns how many occurrences lost theirs.
    pub fn expire_evidence(&mut self, at: i64) -> Result<u64> {
        let transaction = self.connection.transaction()?;
        let emptied = transaction.execute(
            "UPDATE evidence SET lines = '' WHERE at < ?1 AND lines <> ''",
            [at],
        )?;
        // The line that proves the logging of a service names a peer too. '-' is no line, and keeps a later one from taking its place.
        transaction.execute(
            "UPDATE logging SET proof_line = '-' WHERE day < ?1 AND proof_line NOT IN ('', '-')",
            [day_of(at)],
        )?;
        transaction.commit()?;
        Ok(emptied as u64)
    }
}

fn claim(row: &rusqlite::Row<'_>) -> rusqlite::Result<Claim> {
    let class: String = row.get(8)?;
    let lines: String = row.get(13)?;
    let mut proof = ProofLine {
        source: row.get(14)?,
        offset: natural(row, 15)?,
        text: row.get(16)?,
    };
    let is_proven = !proof.text.is_empty();
    if proof.text == EMPTIED {
        proof.text.clear();
    }
    let class = Class::from_name(&class).unwrap_or(Class::Unknown);
    let silent = row.get::<_, bool>(17)? && class != Class::Unknown;
    Ok(Claim {
        at: row.get(0)?,
        direction: row.get(1)?,
        service_host: row.get(2)?,
        service_tag: row.get(3)?,
        domain: row.get(4)?,
        host: row.get(5)?,
        address: row.get(6)?,
        tls: row.get(7)?,
        class,
        cause: row.get(9)?,
        fault: row.get(10)?,
        delivery: row.get(11)?,
        dsn: row.get(12)?,
        lines: serde_json::from_str(&lines).unwrap_or_default(),
        logging_proof: (silent && is_proven).then_some(proof),
    })
}
