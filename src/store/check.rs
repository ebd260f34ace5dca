//! Is the store whole, and does it agree with itself? Each question has a name; a store so damaged that it cannot answer one fails
//! that one.
//!
//! It repairs nothing. Whether what other stages wrote can be read by them (bookmarks, open sessions) is asked in `command`.

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

/// Name, what is to hold, the number of places where it does not, and what these are.
const AGREEMENTS: &[(&str, &str, &str, &str)] = &[
    (
        "names",
        "each count has its peer, outcome and service",
        "SELECT COUNT(*) FROM daily AS d WHERE d.peer NOT IN (SELECT id FROM peer)
         OR d.outcome NOT IN (SELECT id FROM outcome) OR d.service NOT IN (SELECT id FROM service)",
        "daily counts without one of them",
    ),
    (
        "logging",
        "each count has what is known of the logging on its day",
        "SELECT COUNT(*) FROM daily AS d JOIN peer AS p ON p.id = d.peer WHERE NOT EXISTS
         (SELECT 1 FROM logging AS l WHERE l.day = d.day AND l.service = d.service AND l.direction = p.direction)",
        "daily counts without it, which no report shows",
    ),
    (
        "totals",
        "the totals are the sums of the counts",
        "SELECT COUNT(*) FROM
         (SELECT d.day, d.service, p.direction, d.outcome, SUM(d.n) AS n, SUM(d.messages) AS m, SUM(d.handshakes) AS h,
            MIN(d.first_seen) AS f, MAX(d.last_seen) AS l
          FROM daily AS d JOIN peer AS p ON p.id = d.peer GROUP BY d.day, d.service, p.direction, d.outcome) AS s
         FULL JOIN daily_total AS t
           ON t.day = s.day AND t.service = s.service AND t.direction = s.direction AND t.outcome = s.outcome
         WHERE t.day IS NULL OR s.day IS NULL OR (t.n, t.messages, t.handshakes, t.first_seen, t.last_seen) <> (s.n, s.m, s.h, s.f, s.l)",
        "totals that are something else",
    ),
    (
        "past",
        "the days gone by are added up rightly",
        // A sum that is right is there twice: a join of the two would compare each with each.
        "SELECT COUNT(*) FROM
         (SELECT 1 FROM
          (SELECT d.peer, d.outcome, d.service, SUM(d.n) AS n, SUM(d.messages) AS m, SUM(d.handshakes) AS h,
             MIN(d.first_seen) AS f, MAX(d.last_seen) AS l
           FROM daily AS d JOIN past_days AS b ON d.day <= b.last GROUP BY d.peer, d.outcome, d.service
           UNION ALL
           SELECT peer, outcome, service, SUM(n), SUM(messages), SUM(handshakes), MIN(first_seen), MAX(last_seen)
           FROM past GROUP BY peer, outcome, service)
          GROUP BY peer, outcome, service, n, m, h, f, l HAVING COUNT(*) <> 2)",
        "sums that are something else",
    ),
    (
        "evidence",
        "the proof can be read and has its peer",
        "SELECT COUNT(*) FROM evidence WHERE (lines <> '' AND NOT json_valid(lines)) OR peer NOT IN (SELECT id FROM peer)
         OR outcome NOT IN (SELECT id FROM outcome) OR service NOT IN (SELECT id FROM service)",
        "occurrences of which that is not so",
    ),
];

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
        let agreements = AGREEMENTS.iter().map(|(name, words, sql, what)| Check {
            name,
            words,
            wrong: self
                .disagreement(sql, what)
                .unwrap_or_else(|error| error.to_string()),
        });
        [file].into_iter().chain(agreements).collect()
    }

    /// What SQLite finds wrong with the file; empty if nothing.
    fn damage(&self) -> Result<String> {
        let sql = format!("PRAGMA integrity_check({MOST_WORDS})");
        let mut statement = self.connection.prepare(&sql)?;
        let found = statement.query_map([], |row| row.get::<_, String>(0))?;
        let found = found.collect::<rusqlite::Result<Vec<_>>>()?.join("; ");
        Ok(if found == "ok" { String::new() } else { found })
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
