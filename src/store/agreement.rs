//! Does what was made from the daily counts agree with them? One pass over `daily` answers it for the names, the logging, the totals, the
//! sums of the days gone by and the packed days.

use std::hash::Hash;

use hashbrown::{HashMap, HashSet};
use rusqlite::{Connection, OptionalExtension};

use super::Result;
use super::packed::{Day, Row};
use super::peers::Numbers;

/// How many places there are where something does not hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Disagreements {
    /// Daily counts without their peer, outcome or service.
    pub(super) names: u64,
    /// Daily counts of a day of which nothing is known of the logging.
    pub(super) logging: u64,
    /// Totals that are not the sums of the counts.
    pub(super) totals: u64,
    /// The same of the days gone by.
    pub(super) past: u64,
    /// Packed days that are not as they were counted.
    pub(super) packed: u64,
}

/// Day, service, inbound, outcome.
type OfDay = (i32, i64, bool, i64);
/// Peer, outcome, service.
type OfPeer = (i64, i64, i64);

/// What is looked at in the pass.
#[derive(Default)]
struct Pass {
    found: Disagreements,
    /// 0: outbound, 1: inbound.
    peers: Numbers,
    outcomes: HashSet<i64>,
    services: HashSet<i64>,
    logging: HashSet<(i32, i64, bool)>,
    /// Days with a count.
    days: HashSet<i32>,
    /// The last day that is added up.
    last: Option<i32>,
    totals: HashMap<OfDay, Sum>,
    sums: HashMap<OfPeer, Sum>,
}

/// How often, when first and last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sum {
    n: u64,
    messages: u64,
    handshakes: u64,
    first: i64,
    last: i64,
}

impl Sum {
    fn of(row: &Row) -> Sum {
        Sum {
            n: row.n,
            messages: row.messages,
            handshakes: row.handshakes,
            first: row.first,
            last: row.last,
        }
    }

    fn add(&mut self, more: &Sum) {
        self.n = self.n.wrapping_add(more.n);
        self.messages = self.messages.wrapping_add(more.messages);
        self.handshakes = self.handshakes.wrapping_add(more.handshakes);
        self.first = self.first.min(more.first);
        self.last = self.last.max(more.last);
    }
}

/// Looks at all of it.
pub(super) fn find_disagreements(connection: &Connection) -> Result<Disagreements> {
    let mut pass = Pass::load(connection)?;
    pass.daily(connection)?;
    pass.past(connection)?;
    Ok(pass.found)
}

impl Pass {
    fn load(connection: &Connection) -> Result<Pass> {
        let mut pass = Pass::default();
        let mut statement = connection.prepare("SELECT id, direction = 'inbound' FROM peer")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            pass.peers.insert(row.get(0)?, row.get(1)?);
        }
        let numbers = |sql: &str| -> Result<HashSet<i64>> {
            let mut statement = connection.prepare(sql)?;
            let rows = statement.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        };
        pass.outcomes = numbers("SELECT id FROM outcome")?;
        pass.services = numbers("SELECT id FROM service")?;
        let mut statement =
            connection.prepare("SELECT day, service, direction = 'inbound' FROM logging")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            pass.logging.insert((row.get(0)?, row.get(1)?, row.get(2)?));
        }
        let last = "SELECT last FROM past_days";
        pass.last = connection
            .query_row(last, [], |row| row.get(0))
            .optional()?;
        Ok(pass)
    }

    /// Reads every count. Totals and packed days are compared with the day that was just read: it comes in order.
    fn daily(&mut self, connection: &Connection) -> Result<()> {
        let mut statement = connection.prepare(
            "SELECT day, peer, outcome, service, n, messages, handshakes, first_seen, last_seen FROM daily
             ORDER BY day, peer, outcome, service",
        )?;
        let mut rows = statement.query([])?;
        let mut day = Day::default();
        while let Some(row) = rows.next()? {
            let row = Row::read(row)?;
            if day.is_over(&row) {
                self.end(connection, &day)?;
                day = Day::default();
            }
            day.add(&row);
            self.count(&row);
        }
        self.end(connection, &day)?;
        // What there is of days without any count.
        for (sql, found) in [
            ("SELECT day FROM packed", &mut self.found.packed),
            ("SELECT day FROM daily_total", &mut self.found.totals),
        ] {
            let mut statement = connection.prepare(sql)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                *found += u64::from(!self.days.contains(&row.get::<_, i32>(0)?));
            }
        }
        Ok(())
    }

    fn count(&mut self, row: &Row) {
        let direction = self.peers.get(row.peer).map(|inbound| inbound == 1);
        let is_known = self.outcomes.contains(&row.outcome) && self.services.contains(&row.service);
        self.found.names += u64::from(direction.is_none() || !is_known);
        if let Some(inbound) = direction {
            let log = (row.day, row.service, inbound);
            self.found.logging += u64::from(!self.logging.contains(&log));
            let key = (row.day, row.service, inbound, row.outcome);
            add(&mut self.totals, key, Sum::of(row));
        }
        if self.last.is_some_and(|last| row.day <= last) {
            add(
                &mut self.sums,
                (row.peer, row.outcome, row.service),
                Sum::of(row),
            );
        }
    }

    /// Compares a day.
    fn end(&mut self, connection: &Connection, day: &Day) -> Result<()> {
        let Some((number, octets)) = day.packed() else {
            return Ok(());
        };
        self.days.insert(number);
        let mut statement = connection.prepare_cached(
            "SELECT day, direction = 'inbound', outcome, service, n, messages, handshakes, first_seen, last_seen FROM daily_total
             WHERE day = ?1",
        )?;
        let mut rows = statement.query([number])?;
        let mut counted = std::mem::take(&mut self.totals);
        while let Some(row) = rows.next()? {
            let (inbound, row) = (row.get(1)?, Row::read(row)?);
            let key = (row.day, row.service, inbound, row.outcome);
            let same = counted.remove(&key) == Some(Sum::of(&row));
            self.found.totals += u64::from(!same);
        }
        self.found.totals += counted.len() as u64;
        let mut statement =
            connection.prepare_cached("SELECT counts = ?2 FROM packed WHERE day = ?1")?;
        let same: Option<bool> = statement
            .query_row((number, octets), |row| row.get(0))
            .optional()?;
        self.found.packed += u64::from(same == Some(false));
        Ok(())
    }

    /// Compares the sums. One that is wrong is counted on both sides.
    fn past(&mut self, connection: &Connection) -> Result<()> {
        let mut stored: HashMap<OfPeer, Sum> = HashMap::new();
        let mut statement = connection.prepare(
            "SELECT day, peer, outcome, service, n, messages, handshakes, first_seen, last_seen FROM past",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let row = Row::read(row)?;
            add(
                &mut stored,
                (row.peer, row.outcome, row.service),
                Sum::of(&row),
            );
        }
        let equal = |(key, sum): &(&OfPeer, &Sum)| stored.get(*key) == Some(*sum);
        let right = self.sums.iter().filter(equal).count();
        self.found.past = (self.sums.len() + stored.len() - 2 * right) as u64;
        Ok(())
    }
}

fn add<K: Eq + Hash>(sums: &mut HashMap<K, Sum>, key: K, more: Sum) {
    sums.entry(key)
        .and_modify(|sum| sum.add(&more))
        .or_insert(more);
}
