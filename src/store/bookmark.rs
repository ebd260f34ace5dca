//! How far each source was read, and how much of it was understood. What a fingerprint means is `input`'s business.

use rusqlite::{Connection, Row, params};

use super::{Result, Store, natural};

/// One source and the position it was read to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bookmark {
    /// Its number: from [`Store::first_free_source`] on, or as read back.
    pub id: i64,
    /// Where it lay when last read.
    pub path: String,
    /// What sort of source: `file`, `stdin`, ...
    pub kind: String,
    /// How many bytes of its start are hashed.
    pub head_len: u32,
    /// The hash of them.
    pub head_hash: u64,
    /// Read up to here, in uncompressed bytes.
    pub offset: u64,
    /// How many bytes before `offset` are hashed.
    pub tail_len: u32,
    /// The hash of them.
    pub tail_hash: u64,
    /// What a reader who goes on here must know, as JSON (year and zone reached, a line in parts).
    pub state: String,
    /// The file as it lay on its disk when it was read to its end, as JSON; empty if it was not.
    pub file: String,
    /// Time of the first record, in seconds since 1970 UTC.
    pub first_seen: i64,
    /// Time of the last record.
    pub last_seen: i64,
    /// Lines read so far.
    pub lines: u64,
}

/// What one import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunCounts {
    /// When, in seconds since 1970 UTC.
    pub at: i64,
    /// Sources with something new.
    pub sources: u64,
    /// Bytes read, uncompressed.
    pub bytes: u64,
    /// Lines read.
    pub lines: u64,
    /// Lines that said something of interest.
    pub understood: u64,
    /// Lines known to say nothing about TLS or delivery.
    pub irrelevant: u64,
    /// Lines this program does not know.
    pub unrecognised: u64,
    /// Outcomes found.
    pub outcomes: u64,
}

impl RunCounts {
    /// What was counted after `earlier`.
    pub fn since(&self, earlier: &RunCounts) -> RunCounts {
        RunCounts {
            at: self.at,
            sources: self.sources - earlier.sources,
            bytes: self.bytes - earlier.bytes,
            lines: self.lines - earlier.lines,
            understood: self.understood - earlier.understood,
            irrelevant: self.irrelevant - earlier.irrelevant,
            unrecognised: self.unrecognised - earlier.unrecognised,
            outcomes: self.outcomes - earlier.outcomes,
        }
    }
}

impl Store {
    /// All bookmarks, in the order the sources were first read.
    pub fn bookmarks(&self) -> Result<Vec<Bookmark>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, path, kind, head_len, head_hash, offset, tail_len, tail_hash, state, first_seen, last_seen, lines, file
             FROM source ORDER BY id",
        )?;
        let rows = statement.query_map([], bookmark)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// All bookmarks, the one with the newest records first.
    pub fn newest_bookmarks(&self) -> Result<Vec<Bookmark>> {
        let mut bookmarks = self.bookmarks()?;
        bookmarks.sort_by_key(|b| std::cmp::Reverse((b.last_seen, b.id)));
        Ok(bookmarks)
    }

    /// The first number that no source has: sources not read before are numbered from here.
    pub fn first_free_source(&self) -> Result<i64> {
        let sql = "SELECT COALESCE(MAX(id), 0) + 1 FROM source";
        Ok(self.connection.query_row(sql, [], |row| row.get(0))?)
    }

    /// The sessions that were open at the end of the last run, as `session` wrote them; empty if there are none.
    pub fn open_sessions(&self) -> Result<String> {
        load_open_sessions(&self.connection)
    }

    /// All imports added up; `at` is that of the last.
    pub fn runs(&self) -> Result<RunCounts> {
        let sql = "SELECT COALESCE(MAX(at), 0), COALESCE(SUM(sources), 0), COALESCE(SUM(bytes), 0), COALESCE(SUM(lines), 0),
                   COALESCE(SUM(understood), 0), COALESCE(SUM(irrelevant), 0), COALESCE(SUM(unrecognised), 0),
                   COALESCE(SUM(outcomes), 0) FROM run";
        Ok(self.connection.query_row(sql, [], |row| {
            Ok(RunCounts {
                at: row.get(0)?,
                sources: natural(row, 1)?,
                bytes: natural(row, 2)?,
                lines: natural(row, 3)?,
                understood: natural(row, 4)?,
                irrelevant: natural(row, 5)?,
                unrecognised: natural(row, 6)?,
                outcomes: natural(row, 7)?,
            })
        })?)
    }

    /// How often the store was written.
    pub(super) fn written(&self) -> Result<i64> {
        Ok(load_state(&self.connection, "generation")?
            .and_then(|text| text.parse().ok())
            .unwrap_or(0))
    }
}

fn bookmark(row: &Row<'_>) -> rusqlite::Result<Bookmark> {
    let hash = |at: usize| -> rusqlite::Result<u64> {
        let text: String = row.get(at)?;
        Ok(u64::from_str_radix(&text, 16).unwrap_or(0))
    };
    Ok(Bookmark {
        id: row.get(0)?,
        path: row.get(1)?,
        kind: row.get(2)?,
        head_len: row.get(3)?,
        head_hash: hash(4)?,
        offset: natural(row, 5)?,
        tail_len: row.get(6)?,
        tail_hash: hash(7)?,
        state: row.get(8)?,
        first_seen: row.get(9)?,
        last_seen: row.get(10)?,
        lines: natural(row, 11)?,
        file: row.get(12)?,
    })
}

pub(super) fn save_bookmark(connection: &Connection, b: &Bookmark) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO source (id, path, kind, head_len, head_hash, offset, tail_len, tail_hash, state,
             first_seen, last_seen, lines, file) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            b.id,
            b.path,
            b.kind,
            b.head_len,
            format!("{:016x}", b.head_hash),
            // OK to narrow: no file has 2^63 bytes or lines.
            b.offset as i64,
            b.tail_len,
            format!("{:016x}", b.tail_hash),
            b.state,
            b.first_seen,
            b.last_seen,
            b.lines as i64,
            b.file
        ])?;
    Ok(())
}

/// Adds counts to those of this run: to row `row`, or to a new one. Gives its number.
pub(super) fn save_run(connection: &Connection, row: Option<i64>, run: &RunCounts) -> Result<i64> {
    let counts = [
        run.sources,
        run.bytes,
        run.lines,
        run.understood,
        run.irrelevant,
        run.unrecognised,
        run.outcomes,
    ];
    let [
        sources,
        bytes,
        lines,
        understood,
        irrelevant,
        unrecognised,
        outcomes,
    ] = counts.map(|n| i64::try_from(n).unwrap_or(i64::MAX));
    connection
        .prepare_cached(
            "INSERT INTO run (id, at, sources, bytes, lines, understood, irrelevant, unrecognised, outcomes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (id) DO UPDATE SET sources = sources + ?3, bytes = bytes + ?4, lines = lines + ?5,
               understood = understood + ?6, irrelevant = irrelevant + ?7, unrecognised = unrecognised + ?8, outcomes = outcomes + ?9",
        )?
        .execute(params![row, run.at, sources, bytes, lines, understood, irrelevant, unrecognised, outcomes])?;
    Ok(row.unwrap_or_else(|| connection.last_insert_rowid()))
}

/// So many bytes of the open sessions stand in one row.
const PIECE: usize = 256 * 1024;

pub(super) fn load_open_sessions(connection: &Connection) -> Result<String> {
    let mut statement =
        connection.prepare_cached("SELECT text FROM open_sessions ORDER BY piece")?;
    let mut rows = statement.query([])?;
    let mut text = String::new();
    while let Some(row) = rows.next()? {
        text.push_str(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?);
    }
    Ok(text)
}

pub(super) fn save_open_sessions(connection: &Connection, text: &str) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM open_sessions")?
        .execute([])?;
    let mut statement =
        connection.prepare_cached("INSERT INTO open_sessions (piece, text) VALUES (?1, ?2)")?;
    let mut rest = text;
    for piece in 0.. {
        if rest.is_empty() {
            break;
        }
        let (text, after) = rest.split_at(rest.floor_char_boundary(PIECE));
        statement.execute(params![piece, text])?;
        rest = after;
    }
    Ok(())
}

pub(super) fn load_state(connection: &Connection, name: &str) -> Result<Option<String>> {
    let mut statement = connection.prepare_cached("SELECT value FROM state WHERE name = ?1")?;
    let mut rows = statement.query([name])?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
}

pub(super) fn save_state(connection: &Connection, name: &str, value: &str) -> Result<()> {
    let mut statement =
        connection.prepare_cached("INSERT OR REPLACE INTO state (name, value) VALUES (?1, ?2)")?;
    statement.execute([name, value])?;
    Ok(())
}
