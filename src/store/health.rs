//! What is kept about the logs themselves: when each log host was heard of, where its clock stepped back.
//!
//! It does not judge: what silence is too long is `query`'s business.

use rusqlite::{Connection, params};

use crate::outcome::Span;

use super::batch::Batch;
use super::{Result, Store};

/// Writes what a batch has of it, in the transaction at hand.
pub(super) fn write(connection: &Connection, batch: &Batch) -> Result<()> {
    for (host, at, seconds) in &batch.clock_steps {
        connection
            .prepare_cached(
                "INSERT INTO clock_step (host, at, seconds) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            )?
            .execute(params![host, at, seconds])?;
    }
    // Of equal silences the one known before stays, as within a batch.
    let mut statement = connection.prepare_cached(
        "INSERT INTO span (host, day, first_seen, last_seen, silence, silent_from) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (host, day) DO UPDATE SET first_seen = MIN(first_seen, excluded.first_seen),
           last_seen = MAX(last_seen, excluded.last_seen),
           silent_from = CASE WHEN excluded.silence > silence THEN excluded.silent_from ELSE silent_from END,
           silence = MAX(silence, excluded.silence)",
    )?;
    for (host, days) in &batch.spans {
        for span in days.values() {
            statement.execute(params![
                host,
                span.day,
                span.first,
                span.last,
                span.silence,
                span.silent_from
            ])?;
        }
    }
    batch.shapes.write(connection)
}

impl Store {
    /// When each log host was heard of, by host and day. Days count from 1970, both bounds included.
    pub fn spans(&self, from: i32, to: i32) -> Result<Vec<(String, Span)>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT host, day, first_seen, last_seen, silence, silent_from FROM span
             WHERE day >= ?1 AND day <= ?2 ORDER BY host, day",
        )?;
        let spans = statement.query_map([from, to], |row| {
            let span = Span {
                day: row.get(1)?,
                first: row.get(2)?,
                last: row.get(3)?,
                silence: row.get(4)?,
                silent_from: row.get(5)?,
            };
            Ok((row.get(0)?, span))
        })?;
        Ok(spans.collect::<rusqlite::Result<_>>()?)
    }

    /// Where the clock of a log host stepped back between two times: host, the first time after it, by how many seconds.
    pub fn clock_steps(&self, from: i64, to: i64) -> Result<Vec<(String, i64, i64)>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT host, at, seconds FROM clock_step WHERE at >= ?1 AND at < ?2 ORDER BY at, host, seconds",
        )?;
        let steps = statement.query_map([from, to], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
        Ok(steps.collect::<rusqlite::Result<_>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Emission;
    use crate::store::fixture::{self, DAY, MIDNIGHT};

    fn heard(from: i64, to: i64, silence: i64) -> Emission {
        let span = Span {
            last: MIDNIGHT + to,
            silence,
            silent_from: MIDNIGHT + from,
            ..Span::at(MIDNIGHT + from)
        };
        Emission::Heard {
            host: "mx".into(),
            span,
        }
    }

    #[test]
    fn what_was_heard_of_a_day_adds_up_over_runs() {
        let mut store = fixture::store([heard(100, 200, 50), heard(10, 20, 5)]);
        let mut batch = Batch::new(false);
        for more in [heard(300, 900, 400), heard(1000, 2000, 400)] {
            batch.add(&more);
        }
        store.commit(&mut batch, &[], "", None).unwrap();
        let spans = store.spans(DAY, DAY).unwrap();
        let span = spans[0].1;
        assert_eq!(
            (
                spans.len(),
                span.first - MIDNIGHT,
                span.last - MIDNIGHT,
                span.silence,
                span.silent_from - MIDNIGHT
            ),
            (1, 10, 2000, 400, 300)
        );
    }
}
