//! The questions: one file, one question, typed rows out. What the rows look like is `report`'s business.
//!
//! | file | question |
//! |---|---|
//! | `domains` | outbound: how does mail reach each recipient domain |
//! | `hosts` | outbound: the same per MX host |
//! | `clients` | inbound: how does mail come from each client |
//! | `breakdown` | how mail falls apart by who the others are and which TLS is used |
//! | `good_news` | who got better |
//! | `trend` | how the share over TLS went from day to day, and when it changed |
//! | `changes` | how the share over TLS moved, since when, and who carries it |
//! | `news` | which changes have not been told before |
//! | `fallback` | where a failed handshake has another end than before |
//! | `correspondents` | with whom do we exchange mail regularly |
//! | `people` | who of them our users write to in clear, by address |
//! | `failures` | what fails because of TLS, and whose fault it is |
//! | `plaintext` | who exchanges mail with us in clear |
//! | `protocols` | which TLS is used |
//! | `services` | how the mail of each service went, and whether it logs TLS |
//! | `limits` | what the log cannot tell |
//! | `logging` | since when each service has shown that it logs TLS |
//! | `coverage` | of which days the log of a host says nothing |
//! | `silence` | which log host has been silent for longer than usual |
//! | `doctor` | what the answers rest on |
//! | `days` | how the mail of each day went |
//! | `summary` | all in all |
//! | `peer` | everything about one name |
//! | `servers` | which mail servers wrote the logs |
//! | `policy` | of whom can TLS be required, and of whom not |
//! | `own_entry` | who is in clear by an entry of our own that the log does not tell |
//! | `whatif` | whom would we lose if we required TLS |
//! | `requirement` | does a session meet what would be required |
//! | `sightings` | what was seen of each peer, day by day |
//! | `sums` | the counts of a scope, loaded once for those that do not tell days apart |
//! | `numbers` | which number a name has |
//! | `tally` | what several of them share: counters, and the problem that dominates |
//! | `certainty` | how sure a claim is |
//! | `history`, `parts`, `verdict` | of a change: who wrote when and how, what carries it, what it is called |
//! | `shares` | how the share of some peers' mail over TLS went from day to day |
//! | `shifts`, `scan`, `strata`, `binomial` | of a change: its days, and what chance could have made |
//!
//! Most questions read the counts by number (`store::numbered`), mostly through `sums`. The SQL of the others reads the views `facts`,
//! `totals` and `people`, and keeps to what SQLite, PostgreSQL, ClickHouse, DuckDB and Spark understand
//! alike; a test below holds that.

pub mod binomial;
pub mod breakdown;
pub mod certainty;
pub mod changes;
pub mod clients;
pub mod correspondents;
pub mod coverage;
pub mod days;
pub mod doctor;
pub mod domains;
pub mod failures;
pub mod fallback;
mod firsts;
pub mod good_news;
pub mod history;
pub mod hosts;
pub mod limits;
pub mod logging;
pub mod news;
mod numbers;
pub mod own_entry;
pub mod parts;
pub mod peer;
pub mod people;
pub mod plaintext;
pub mod policy;
pub mod protocols;
mod requirement;
mod scan;
pub mod servers;
pub mod services;
pub mod shares;
pub mod shifts;
pub mod sightings;
pub mod silence;
pub mod software;
pub mod strata;
pub mod summary;
mod sums;
#[cfg(test)]
mod synthetic;
pub mod tally;
pub mod trend;
pub mod verdict;
pub mod whatif;

use std::panic::resume_unwind;

use rusqlite::{Row, params};

use crate::outcome::Direction;
use crate::store::{Result, Store};

/// Days of a report, both included; `None` is without bound. Days count from 1970, in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// First day.
    pub from_day: Option<i32>,
    /// Last day.
    pub to_day: Option<i32>,
}

/// What a report is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The days.
    pub period: Period,
    /// One direction, or both.
    pub direction: Option<Direction>,
    /// Every row, not only what to act on.
    pub all: bool,
}

impl Scope {
    /// Everything there is.
    pub const ALL: Scope = Scope {
        period: Period {
            from_day: None,
            to_day: None,
        },
        direction: None,
        all: true,
    };

    /// Whether this direction is asked for.
    pub fn includes(&self, direction: Direction) -> bool {
        self.direction.is_none_or(|only| only == direction)
    }
}

/// Asks with the bounds of the scope as `?1` and `?2` (days) and the directions as `?3` and `?4`.
fn ask<T>(
    store: &Store,
    sql: &str,
    scope: &Scope,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    let (from, to, one, other) = bounds(scope);
    let mut statement = store.connection().prepare_cached(sql)?;
    let rows = statement.query_map(params![from, to, one, other], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn bounds(scope: &Scope) -> (i32, i32, &'static str, &'static str) {
    let (one, other) = match scope.direction {
        Some(direction) => (direction, direction),
        None => (Direction::Outbound, Direction::Inbound),
    };
    let (from, to) = (
        scope.period.from_day.unwrap_or(i32::MIN),
        scope.period.to_day.unwrap_or(i32::MAX),
    );
    (from, to, one.name(), other.name())
}

/// Works out the same for both directions at once, where there is a second core.
fn both_ways<T: Send>(work: impl Fn(Direction) -> T + Sync) -> [T; 2] {
    std::thread::scope(|scope| {
        let inbound = scope.spawn(|| work(Direction::Inbound));
        let outbound = work(Direction::Outbound);
        let inbound = inbound.join().unwrap_or_else(|panic| resume_unwind(panic));
        [outbound, inbound]
    })
}

fn read_direction(row: &Row<'_>, column: usize) -> rusqlite::Result<Direction> {
    let word: String = row.get(column)?;
    Ok(if word == Direction::Inbound.name() {
        Direction::Inbound
    } else {
        Direction::Outbound
    })
}

/// Asks about one direction only.
fn ask_one_way<T>(
    store: &Store,
    sql: &str,
    scope: &Scope,
    direction: Direction,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    if !scope.includes(direction) {
        return Ok(Vec::new());
    }
    ask(
        store,
        sql,
        &Scope {
            direction: Some(direction),
            ..*scope
        },
        read,
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    /// Words other engines read differently, or not at all.
    const FORBIDDEN: &[&str] = &[
        "WITH",
        "OVER",
        "PARTITION",
        "FILTER",
        "NULL",
        "COALESCE",
        "IFNULL",
        "DATE",
        "DATETIME",
        "STRFTIME",
        "JULIANDAY",
        "UNIXEPOCH",
        "NOW",
        "GLOB",
        "REGEXP",
        "IIF",
        "TOTAL",
        "GROUP_CONCAT",
        "LEFT",
        "RIGHT",
        "OUTER",
        "NATURAL",
        "USING",
    ];

    const COLUMNS: &[&str] = &[
        "day",
        "direction",
        "service_host",
        "service_tag",
        "domain",
        "host",
        "address",
        "port",
        "organisation",
        "tls",
        "class",
        "cause",
        "fault",
        "delivery",
        "dsn",
        "protocol",
        "cipher",
        "bits",
        "key_exchange",
        "verification",
        "n",
        "messages",
        "handshakes",
        "first_seen",
        "last_seen",
    ];

    /// The files below a directory.
    fn files(directory: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(directory).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .flat_map(|path| match path.is_dir() {
                true => files(&path),
                false => vec![path],
            })
            .collect()
    }

    /// Every SQL text of this stage, from its source.
    fn texts() -> Vec<(String, String)> {
        let mut found = Vec::new();
        for path in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/query")) {
            let source = fs::read_to_string(&path).unwrap();
            let name = path.display().to_string();
            for piece in source.split("\"SELECT ").skip(1) {
                found.push((
                    name.clone(),
                    format!("SELECT {}", piece.split('"').next().unwrap_or_default()),
                ));
            }
        }
        // The piece in this very test begins like one.
        found.retain(|(name, _)| !name.ends_with("src/query/mod.rs"));
        assert!(found.len() >= 8, "the texts are found: {}", found.len());
        found
    }

    #[test]
    fn the_sql_keeps_to_what_all_engines_understand() {
        for (file, sql) in texts() {
            let words: Vec<&str> = sql
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .filter(|w| !w.is_empty())
                .collect();
            for word in &words {
                assert!(
                    !FORBIDDEN.contains(&word.to_uppercase().as_str()),
                    "{file}: {word} in {sql}"
                );
            }
            for pair in words
                .windows(2)
                .filter(|pair| pair[0].eq_ignore_ascii_case("AS"))
            {
                assert!(
                    !COLUMNS.contains(&pair[1]),
                    "{file}: the alias {} hides a column in {sql}",
                    pair[1]
                );
            }
            // Beside the facts there is what makes them readable: which services there are, and what their silence means.
            let sources = [
                "FROM facts",
                "FROM totals",
                "FROM people",
                "FROM logging AS l JOIN service AS s",
                "FROM service ORDER",
            ];
            assert!(
                sources.iter().any(|from| sql.contains(from)),
                "{file}: reads something else than facts: {sql}"
            );
            assert!(
                sql.contains("day <= ?2") || sql.contains("FROM service ORDER"),
                "{file}: has no bounds: {sql}"
            );
            assert!(sql.contains("ORDER BY"), "{file}: has no order: {sql}");
            ordered_by_all_groups(&file, &sql);
        }
    }

    /// An order is total if every column of GROUP BY is in it.
    fn ordered_by_all_groups(file: &str, sql: &str) {
        let list = |text: &str| -> BTreeSet<String> {
            text.split(',')
                .map(|c| c.split_whitespace().next().unwrap_or_default().to_string())
                .collect()
        };
        let Some((_, rest)) = sql.split_once("GROUP BY ") else {
            return;
        };
        let Some((groups, order)) = rest.split_once("ORDER BY ") else {
            return;
        };
        let missing: Vec<String> = list(groups).difference(&list(order)).cloned().collect();
        assert!(
            missing.is_empty(),
            "{file}: the order leaves {missing:?} open: {sql}"
        );
    }
}
