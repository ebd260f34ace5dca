//! Is the store whole, and does it agree with itself? Each question has a name; a store so damaged that it cannot answer one fails
//! that one.
//!
//! It repairs nothing. Whether what other stages wrote can be read by them (bookmarks, open sessions) is asked in `command`.

use super::agreement::{Disagreements, find_disagreements};
use super::{Result, Store};

/// One question about the store, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The word for programs.
    pub name: &'static str,
    /// What is to hold, as a sentence without a full stop.
    pub words: &'static str,
    /// What is wrong; empty if it holds.
    pub wrong: String,
}

/// What is to hold of the daily counts and what was made from them: name, words, how many places there are where it does not, and what
/// these are.
type Agreement = (
    &'static str,
    &'static str,
    &'static [(fn(&Disagreements) -> u64, &'static str)],
);

const AGREEMENTS: &[Agreement] = &[
    (
        "names",
        "each count has its peer, outcome and service",
        &[(|d| d.names, "daily counts without one of them")],
    ),
    (
        "logging",
        "each count has what is known of the logging on its day",
        &[(
            |d| d.logging,
            "daily counts without it, which no report shows",
        )],
    ),
    (
        "totals",
        "the totals are the sums of the counts",
        &[(|d| d.totals, "totals that are something else")],
    ),
    (
        "past",
        "the days gone by are added up rightly",
        &[
            (|d| d.past, "sums that are something else"),
            (|d| d.packed, "packed days that are something else"),
        ],
    ),
];

/// What else is to hold: name, words, the number of places where it does not, and what these are.
const ELSE: &[(&str, &str, &str, &str)] = &[
    (
        "peers",
        "each peer is there once",
        "SELECT COUNT(*) FROM (SELECT 1 FROM peer WHERE key <> 0 GROUP BY key, direction, domain, host, address, port HAVING COUNT(*) > 1)",
        "peers that are there more than once",
    ),
    (
        "evidence",
        "the proof can be read and has its peer",
        "SELECT COUNT(*) FROM evidence WHERE (lines <> '' AND NOT json_valid(lines)) OR peer NOT IN (SELECT id FROM peer)
         OR outcome NOT IN (SELECT id FROM outcome) OR service NOT IN (SELECT id FROM service)",
        "occurrences of which that is not so",
    ),
];

/// What is kept in memory of the file while it is read from end to end, in KiB: each count is looked up in an index besides.
const CACHE: i64 = 98_304;

/// How many places of damage are named.
const MOST_WORDS: usize = 3;

impl Store {
    /// Asks all of it. The first is about the file; where that is damaged the others mean little.
    pub fn checks(&self) -> Vec<Check> {
        let file = Check {
            name: "file",
            words: "the file is whole, as SQLite sees it",
            wrong: self.damage().unwrap_or_else(|error| error.to_string()),
        };
        let found = find_disagreements(&self.connection);
        let agreements = AGREEMENTS.iter().map(|(name, words, places)| Check {
            name,
            words,
            wrong: match &found {
                Ok(found) => places
                    .iter()
                    .map(|(count, what)| (count(found), what))
                    .filter(|(count, _)| *count > 0)
                    .map(|(count, what)| format!("{count} {what}"))
                    .collect::<Vec<_>>()
                    .join("; "),
                Err(error) => error.to_string(),
            },
        });
        let others = ELSE.iter().map(|(name, words, sql, what)| Check {
            name,
            words,
            wrong: self
                .disagreement(sql, what)
                .unwrap_or_else(|error| error.to_string()),
        });
        [file].into_iter().chain(agreements).chain(others).collect()
    }

    /// What SQLite finds wrong with the file; empty if nothing.
    fn damage(&self) -> Result<String> {
        let sql = format!("PRAGMA integrity_check({MOST_WORDS})");
        let before: i64 = self
            .connection
            .pragma_query_value(None, "cache_size", |row| row.get(0))?;
        self.connection.pragma_update(None, "cache_size", -CACHE)?;
        let found = self.said(&sql);
        self.connection.pragma_update(None, "cache_size", before)?;
        let found = found?.join("; ");
        Ok(if found == "ok" { String::new() } else { found })
    }

    fn said(&self, sql: &str) -> Result<Vec<String>> {
        let mut statement = self.connection.prepare(sql)?;
        let found = statement.query_map([], |row| row.get(0))?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }

    fn disagreement(&self, sql: &str, what: &str) -> Result<String> {
        let count: i64 = self.connection.query_row(sql, [], |row| row.get(0))?;
        Ok(if count == 0 {
            String::new()
        } else {
            format!("{count} {what}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Class;
    use crate::store::fixture::{self, inbound, outbound};

    fn wrong(store: &Store) -> Vec<&'static str> {
        let checks = store.checks().into_iter();
        checks
            .filter(|c| !c.wrong.is_empty())
            .map(|c| c.name)
            .collect()
    }

    fn filled() -> Store {
        fixture::store([
            outbound("a.example")
                .plaintext(Class::PlaintextNotOffered)
                .times(3)
                .build(),
            inbound("c.example", "192.0.2.9").silent().build(),
        ])
    }

    #[test]
    fn what_import_writes_agrees_with_itself() {
        assert!(wrong(&Store::in_memory().unwrap()).is_empty());
        assert!(wrong(&filled()).is_empty(), "{:?}", filled().checks());
    }

    #[test]
    fn each_disagreement_is_named() {
        for (damage, expected) in [
            ("UPDATE daily_total SET n = n + 1", &["totals"] as &[&str]),
            (
                "DELETE FROM daily_total WHERE direction = 'inbound'",
                &["totals"],
            ),
            (
                "INSERT INTO daily_total SELECT day + 1, service, direction, outcome, n, 0, 0, 0, 0 FROM daily_total LIMIT 1",
                &["totals"],
            ),
            ("DELETE FROM logging", &["logging"]),
            (
                "INSERT INTO peer (key, direction, domain, host, address, port, organisation)
                 SELECT key, direction, domain, host, address, port, organisation FROM peer LIMIT 1",
                &["peers"],
            ),
            (
                "UPDATE evidence SET lines = 'x' WHERE id = 1",
                &["evidence"],
            ),
            (
                "PRAGMA foreign_keys = OFF; DELETE FROM peer",
                &["names", "totals", "evidence"],
            ),
        ] {
            let store = filled();
            store.connection.execute_batch(damage).unwrap();
            assert_eq!(wrong(&store), expected, "{damage}");
        }
    }
}
