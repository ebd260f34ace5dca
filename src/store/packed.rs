//! The counts of a day gone by in one piece (table `packed`), which is read many times faster than a row for each of them: for questions that
//! tell days apart.
//!
//! It holds what `daily` holds of these days and nothing else, up to some day without a gap. `past` makes it, and drops it from a day on
//! when that day gets something new.

use rusqlite::{Connection, ToSql};

use super::{Error, Result, Store, natural};

const DAYS: &str = "SELECT day, counts FROM packed WHERE day >= ?1 AND day <= ?2 ORDER BY day";

/// A row of `daily`: day, peer, outcome, service, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) day: i32,
    pub(super) peer: i64,
    pub(super) outcome: i64,
    pub(super) service: i64,
    pub(super) n: u64,
    pub(super) messages: u64,
    pub(super) handshakes: u64,
    pub(super) first: i64,
    pub(super) last: i64,
}

impl Row {
    /// Reads nine columns, in the order of the fields.
    pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
        Ok(Row {
            day: row.get(0)?,
            peer: row.get(1)?,
            outcome: row.get(2)?,
            service: row.get(3)?,
            n: natural(row, 4)?,
            messages: natural(row, 5)?,
            handshakes: natural(row, 6)?,
            first: row.get(7)?,
            last: row.get(8)?,
        })
    }
}

/// The rows of one day in the making, in the order of `daily`.
#[derive(Debug, Default)]
pub(super) struct Day {
    day: i32,
    peer: i64,
    octets: Vec<u8>,
}

/// Each day is written as it ends.
#[derive(Debug, Default)]
pub(super) struct Packer(Day);

impl Packer {
    /// Takes the next row: those of a day follow each other.
    pub(super) fn add(&mut self, connection: &Connection, row: &Row) -> Result<()> {
        if self.0.is_over(row) {
            self.finish(connection)?;
        }
        self.0.add(row);
        Ok(())
    }

    /// Writes the day at hand.
    pub(super) fn finish(&mut self, connection: &Connection) -> Result<()> {
        if let Some(packed) = self.0.packed() {
            connection
                .prepare_cached("INSERT INTO packed (day, counts) VALUES (?1, ?2)")?
                .execute(packed)?;
        }
        self.0 = Day::default();
        Ok(())
    }
}

/// The last day that is packed, and all before it are.
pub(super) fn last(connection: &Connection) -> Result<Option<i32>> {
    let mut statement = connection.prepare_cached("SELECT MAX(day) FROM packed")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

/// Drops a day and all after it.
pub(super) fn drop_from(connection: &Connection, day: i32) -> Result<()> {
    let mut statement = connection.prepare_cached("DELETE FROM packed WHERE day >= ?1")?;
    statement.execute([day])?;
    Ok(())
}

impl Day {
    /// Whether a row is of another day.
    pub(super) fn is_over(&self, row: &Row) -> bool {
        !self.octets.is_empty() && row.day != self.day
    }

    /// The day and its counts; `None` of none.
    pub(super) fn packed(&self) -> Option<(i32, &[u8])> {
        (!self.octets.is_empty()).then_some((self.day, &self.octets))
    }

    /// Peers in order, so that the difference to the one before is small; times from the day's beginning. Small numbers take one octet.
    pub(super) fn add(&mut self, row: &Row) {
        self.day = row.day;
        let start = i64::from(row.day) * 86_400;
        for number in [
            zigzag(row.peer.wrapping_sub(self.peer)),
            zigzag(row.outcome),
            zigzag(row.service),
            row.n,
            row.messages,
            row.handshakes,
            zigzag(row.first.wrapping_sub(start)),
            zigzag(row.last.wrapping_sub(row.first)),
        ] {
            push(&mut self.octets, number);
        }
        self.peer = row.peer;
    }
}

impl Store {
    /// Gives every row of `daily` from one day to another, both included, in its order: those of packed days unpacked.
    pub(super) fn each_row(
        &self,
        (from, to): (i32, i32),
        mut take: impl FnMut(&Row) -> Result<()>,
    ) -> Result<()> {
        let mut statement = self.connection.prepare_cached(DAYS)?;
        let mut rows = statement.query([from, to])?;
        while let Some(row) = rows.next()? {
            let octets = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
            unpack(row.get(0)?, octets, |row| take(&row))?;
        }
        self.each_unpacked_row((from, to), take)
    }

    /// The last of the packed days from one to another that are the first half of all their octets (the day before if there is none), and how
    /// many octets a half has.
    pub(super) fn half_of_packed(&self, (from, to): (i32, i32)) -> Result<(i32, u64)> {
        let mut statement = self.connection.prepare_cached(
            "SELECT day, LENGTH(counts) FROM packed WHERE day >= ?1 AND day <= ?2 ORDER BY day",
        )?;
        let days = statement.query_map([from, to], |row| Ok((row.get(0)?, natural(row, 1)?)))?;
        let days: Vec<(i32, u64)> = days.collect::<rusqlite::Result<_>>()?;
        let all: u64 = days.iter().map(|(_, octets)| octets).sum();
        let mut before = 0;
        let first_half = days.iter().take_while(|(_, octets)| {
            before += octets;
            2 * before <= all
        });
        let last = first_half.last().map(|(day, _)| *day);
        Ok((last.unwrap_or(from.saturating_sub(1)), all / 2))
    }

    /// Gives every row of the days that are not packed.
    fn each_unpacked_row(
        &self,
        (from, to): (i32, i32),
        take: impl FnMut(&Row) -> Result<()>,
    ) -> Result<()> {
        // One bound, not two: SQLite would read all days from the lower one on.
        let from = match last(&self.connection)? {
            Some(last) => from.max(last.saturating_add(1)),
            None => from,
        };
        self.each_row_of(
            "SELECT day, peer, outcome, service, n, messages, handshakes, first_seen, last_seen FROM daily
             WHERE day >= ?1 AND day <= ?2 ORDER BY day, peer, outcome, service",
            &[&from, &to],
            take,
        )
    }

    /// Gives every row that a query finds.
    pub(super) fn each_row_of(
        &self,
        sql: &str,
        parameters: &[&dyn ToSql],
        mut take: impl FnMut(&Row) -> Result<()>,
    ) -> Result<()> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(parameters)?;
        while let Some(row) = rows.next()? {
            take(&Row::read(row)?)?;
        }
        Ok(())
    }
}

/// Gives each row of a packed day.
pub(super) fn unpack(
    day: i32,
    octets: &[u8],
    mut take: impl FnMut(Row) -> Result<()>,
) -> Result<()> {
    let mut rest = octets;
    let mut peer = 0_i64;
    let start = i64::from(day) * 86_400;
    while !rest.is_empty() {
        peer = peer.wrapping_add(unzigzag(pop(&mut rest)?));
        let (outcome, service) = (unzigzag(pop(&mut rest)?), unzigzag(pop(&mut rest)?));
        let (n, messages, handshakes) = (pop(&mut rest)?, pop(&mut rest)?, pop(&mut rest)?);
        let first = start.wrapping_add(unzigzag(pop(&mut rest)?));
        let last = first.wrapping_add(unzigzag(pop(&mut rest)?));
        take(Row {
            day,
            peer,
            outcome,
            service,
            n,
            messages,
            handshakes,
            first,
            last,
        })?;
    }
    Ok(())
}

/// Seven bits an octet, the lowest first; the eighth says that more follow.
fn push(octets: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        // OK to narrow: below 256.
        octets.push((number & 0x7f | 0x80) as u8);
        number >>= 7;
    }
    octets.push(number as u8);
}

#[inline]
fn pop(octets: &mut &[u8]) -> Result<u64> {
    // Most numbers are of one octet.
    match octets.split_first() {
        Some((octet, rest)) if *octet < 0x80 => {
            *octets = rest;
            Ok(u64::from(*octet))
        }
        _ => pop_longer(octets),
    }
}

fn pop_longer(octets: &mut &[u8]) -> Result<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (octet, rest) = octets.split_first().ok_or_else(damaged)?;
        *octets = rest;
        number |= u64::from(octet & 0x7f) << shift;
        if *octet < 0x80 {
            return Ok(number);
        }
    }
    Err(damaged())
}

fn damaged() -> Error {
    Error::Damaged("a packed day that cannot be read".into())
}

/// Small numbers of either sign become small numbers.
fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(peer: i64, n: u64, first: i64) -> Row {
        Row {
            day: 20_000,
            peer,
            outcome: 7,
            service: 300,
            n,
            messages: 0,
            handshakes: n / 2,
            first,
            last: first.wrapping_add(9000),
        }
    }

    fn packed(rows: &[Row]) -> Vec<u8> {
        let mut day = Day::default();
        rows.iter().for_each(|row| day.add(row));
        day.octets
    }

    #[test]
    fn what_was_packed_is_what_comes_out() {
        let start = 20_000 * 86_400;
        let rows = [
            row(1, 1, start),
            row(1, u64::MAX, start - 5),
            row(90_000, 3, start + 86_399),
            row(i64::MAX, 3, i64::MIN),
            row(i64::MIN, 3, 0),
        ];
        let mut found = Vec::new();
        unpack(20_000, &packed(&rows), |row| {
            found.push(row);
            Ok(())
        })
        .unwrap();
        assert_eq!(found, rows);
    }

    #[test]
    fn what_was_cut_or_is_no_number_is_damage() {
        let whole = packed(&[row(1, 1, 20_000 * 86_400)]);
        for octets in [&whole[..whole.len() - 1], &[0xff; 12]] {
            let found = unpack(20_000, octets, |_| Ok(()));
            assert!(matches!(found, Err(Error::Damaged(_))), "{found:?}");
        }
    }
}
