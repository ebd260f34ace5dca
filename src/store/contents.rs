//! What is in the store, in numbers: rows per table, days covered, and how much of it is personal.

use rusqlite::Connection;

use super::schema::VERSION;
use super::{Result, Store, natural};

/// Tables, in the order in which `docs/store.md` has them, and what a row is.
const TABLES: &[(&str, &str)] = &[
    ("service", "programs that wrote the logs"),
    ("peer", "peers"),
    ("outcome", "kinds of outcome"),
    ("daily", "counts per day, peer and outcome"),
    ("daily_total", "sums of them per day"),
    ("past", "sums of them over the days gone by"),
    ("past_days", "which days these are"),
    ("packed", "days gone by whose counts are packed"),
    ("correspondent", "counts per full mail address"),
    ("logging", "days of a service, and whether it logs TLS"),
    ("evidence", "occurrences with their log lines"),
    ("gap", "holes that a log reports"),
    ("span", "days on which a log host was heard of"),
    ("clock_step", "clocks set back"),
    ("shape", "shapes of lines not recognised"),
    ("outreach", "cases of the outreach"),
    ("outreach_peer", "domains and hosts they are about"),
    ("outreach_event", "what happened in them"),
    ("notice", "letters, drafted or sent"),
    ("contact", "whom to write to"),
    ("suppression", "who is not written to"),
    ("source", "logs read"),
    ("run", "imports"),
];

/// What holds personal data, and how many places do.
const PERSONAL: &[(&str, &str)] = &[
    (
        "occurrences with the log lines that prove them",
        "SELECT COUNT(*) FROM evidence WHERE lines <> ''",
    ),
    (
        "log lines that prove the logging of a service",
        "SELECT COUNT(*) FROM logging WHERE proof_line NOT IN ('', '-')",
    ),
    (
        "full mail addresses of correspondents",
        "SELECT COUNT(DISTINCT address) FROM correspondent",
    ),
    (
        "addresses of the outreach: contacts, letters, suppressions",
        "SELECT (SELECT COUNT(*) FROM contact) + (SELECT COUNT(*) FROM notice) + (SELECT COUNT(*) FROM suppression)",
    ),
    (
        "bytes about sessions still open when the log ended",
        "SELECT COALESCE(SUM(LENGTH(text)), 0) FROM open_sessions",
    ),
];

/// What is in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Schema version.
    pub version: i64,
    /// First and last day with a count, in days since 1970; `None` of an empty store.
    pub days: Option<(i32, i32)>,
    /// Table, what a row of it is, and how many rows.
    pub rows: Vec<(&'static str, &'static str, u64)>,
    /// What holds personal data, and how much of it there is.
    pub personal: Vec<(&'static str, u64)>,
}

impl Store {
    /// Counts.
    pub fn contents(&self) -> Result<Contents> {
        let connection = &self.connection;
        let rows = TABLES.iter().map(|(table, words)| {
            let sql = format!("SELECT COUNT(*) FROM {table}");
            Ok((*table, *words, count(connection, &sql)?))
        });
        let personal = PERSONAL
            .iter()
            .map(|(words, sql)| Ok((*words, count(connection, sql)?)));
        let sql = "SELECT COUNT(*), COALESCE(MIN(day), 0), COALESCE(MAX(day), 0) FROM daily_total";
        let days = connection.query_row(sql, [], |row| {
            Ok((natural(row, 0)? > 0).then_some((row.get(1)?, row.get(2)?)))
        })?;
        Ok(Contents {
            version: VERSION,
            days,
            rows: rows.collect::<Result<_>>()?,
            personal: personal.collect::<Result<_>>()?,
        })
    }
}

fn count(connection: &Connection, sql: &str) -> Result<u64> {
    Ok(connection.query_row(sql, [], |row| natural(row, 0))?)
}

#[cfg(test)]
mod tests {

    use crate::outcome::Class;
    use crate::store::fixture::{self, DAY, outbound};

    #[test]
    fn every_table_is_counted() {
        let store = fixture::store([outbound("a.example")
            .plaintext(Class::PlaintextNotOffered)
            .correspondent("a@a.example")
            .build()]);
        let contents = store.contents().unwrap();
        assert_eq!(contents.days, Some((DAY, DAY)));
        let personal: Vec<u64> = contents.personal.iter().map(|(_, n)| *n).collect();
        assert_eq!(personal, [1, 0, 1, 0, 0]);
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT IN ('state', 'open_sessions') ORDER BY name";
        let mut statement = store.connection.prepare(sql).unwrap();
        let tables = statement.query_map([], |row| row.get(0)).unwrap();
        let tables: Vec<String> = tables.map(std::result::Result::unwrap).collect();
        let mut counted: Vec<&str> = contents.rows.iter().map(|(table, ..)| *table).collect();
        counted.sort_unstable();
        assert_eq!(counted, tables);
    }
}
