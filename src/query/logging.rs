//! Since when has each service shown that it logs its TLS sessions, and by which line?

use crate::outcome::{Direction, ProofLine};
use crate::store::{Result, Store, natural};

use super::{Period, Scope, ask, read_direction};

/// What one service has shown in one direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Logging {
    /// Which way the mail went.
    pub direction: Direction,
    /// Log host.
    pub host: String,
    /// Syslog tag.
    pub tag: String,
    /// First and last day on which a line proves it, in days since 1970.
    pub proven: Option<(i32, i32)>,
    /// Last day on which a TLS session left no line.
    pub unlogged: Option<i32>,
    /// Last day with anything of this service.
    pub latest: i32,
    /// The first line that proves it, if it is still kept.
    pub line: Option<ProofLine>,
}

/// One day of it.
struct Day {
    day: i32,
    logged: bool,
    unlogged: bool,
    line: ProofLine,
}

const SQL: &str = "SELECT l.direction, s.host, s.tag, l.day, l.logged, l.unlogged, l.proof_source, l.proof_offset, l.proof_line
  FROM logging AS l JOIN service AS s ON s.id = l.service
  WHERE l.day >= ?1 AND l.day <= ?2 AND (l.direction = ?3 OR l.direction = ?4)
  ORDER BY l.direction DESC, s.host, s.tag, l.day";

/// All services up to the last day of the scope, from the beginning of the store: what was shown before the scope is still shown.
pub fn find_logging(store: &Store, scope: &Scope) -> Result<Vec<Logging>> {
    let period = Period {
        from_day: None,
        ..scope.period
    };
    let rows = ask(store, SQL, &Scope { period, ..*scope }, |row| {
        let day = Day {
            day: row.get(3)?,
            logged: row.get(4)?,
            unlogged: row.get(5)?,
            line: ProofLine {
                source: row.get(6)?,
                offset: natural(row, 7)?,
                text: row.get(8)?,
            },
        };
        Ok((read_direction(row, 0)?, row.get(1)?, row.get(2)?, day))
    })?;
    let mut found: Vec<Logging> = Vec::new();
    for (direction, host, tag, day) in rows {
        let is_same = |l: &Logging| (l.direction, &l.host, &l.tag) == (direction, &host, &tag);
        if !found.last().is_some_and(is_same) {
            found.push(Logging {
                direction,
                host,
                tag,
                proven: None,
                unlogged: None,
                latest: day.day,
                line: None,
            });
        }
        if let Some(last) = found.last_mut() {
            last.add(day);
        }
    }
    Ok(found)
}

impl Logging {
    fn add(&mut self, day: Day) {
        self.latest = day.day;
        if day.unlogged {
            self.unlogged = Some(day.day);
        }
        if day.logged {
            let first = self.proven.map_or(day.day, |(first, _)| first);
            self.proven = Some((first, day.day));
            // A line whose time is up is marked so, and proves as much, but cannot be shown.
            if self.line.is_none() && day.line.text.len() > 1 {
                self.line = Some(day.line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Fact;
    use crate::store::fixture::{self, DAY, inbound, outbound};

    #[test]
    fn the_first_line_that_proves_it_is_named() {
        let mut store = fixture::store([
            fixture::fact(Direction::Outbound, Fact::Logged),
            outbound("a.example").at(3 * 86_400).silent().build(),
            inbound("c.example", "192.0.2.9").silent().build(),
        ]);
        let found = find_logging(&store, &Scope::ALL).unwrap();
        let out = &found[0];
        assert_eq!((out.proven, out.latest), (Some((DAY, DAY)), DAY + 3));
        assert_eq!(out.line.as_ref().map(|l| l.offset), Some(7));
        assert_eq!((found[1].proven, found[1].line.is_none()), (None, true));
        store.expire_evidence(i64::from(DAY + 2) * 86_400).unwrap();
        let later = &find_logging(&store, &Scope::ALL).unwrap()[0];
        assert_eq!(
            (later.proven, later.line.is_none()),
            (Some((DAY, DAY)), true)
        );
    }
}
