//! The days gone by, added up (table `past`), so that a question about all time reads a row for each peer and outcome and not one
//! for each day.
//!
//! It is made from `daily` and `logging` alone, and holds nothing that they do not. A batch that touches one of its days drops it, in
//! the same transaction; it is made anew at the end of a run. Which questions may read it is the business of `query`.
//!
//! In the same pass over `daily` its days are packed, each on its own (`packed`).

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::batch::Counts;
use super::commit::integer;
use super::packed::{self, Packer};
use super::{Result, Store};

/// The latest days are left out: lines about them may still come.
const RECENT: i32 = 2;
/// So many days are added at once: fewer cost an import more writing, more cost a report more reading.
const STEP: i32 = 28;
/// So many rows are held in memory while adding up: what a table of 2^16 places has room for.
const MOST_ROWS: usize = 57_344;

/// First and last day that are added up.
pub type Days = (i32, i32);

/// A row of `past`: peer, outcome, service, and the day that stands for all days that mean the same.
type Key = (i64, i64, i64, i32);

impl Store {
    /// The days that are added up; `None` if there are none.
    pub fn past_days(&self) -> Result<Option<Days>> {
        days(&self.connection)
    }

    /// Every sum of the days gone by, and the counts of the days since, up to one.
    pub(super) fn sums(&self, to: i32) -> Result<Vec<packed::Row>> {
        let mut found = Vec::new();
        self.each_row_of(
            "SELECT day, peer, outcome, service, n, messages, handshakes, first_seen, last_seen FROM past_and_present
             WHERE day <= ?1",
            &[&to],
            |row| {
                found.push(*row);
                Ok(())
            },
        )?;
        Ok(found)
    }

    /// Gives every sum of the days gone by.
    pub(super) fn each_past(&self, take: impl FnMut(&packed::Row) -> Result<()>) -> Result<()> {
        self.each_row_of(
            "SELECT day, peer, outcome, service, n, messages, handshakes, first_seen, last_seen FROM past",
            &[],
            take,
        )
    }

    /// Adds up the days gone by that are not yet, if they are enough to be worth it.
    pub fn add_up_past(&mut self) -> Result<()> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let bounds = "SELECT COALESCE(MIN(day), 0), COALESCE(MAX(day), 0) FROM daily_total";
        let (oldest, newest): Days =
            transaction.query_row(bounds, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let (first, done) = days(&transaction)?.unwrap_or((oldest, oldest - 1));
        let packed = packed::last(&transaction)?.unwrap_or(oldest - 1);
        let last = newest - RECENT;
        if last - done.min(packed) < STEP {
            return Ok(());
        }
        let stand_ins = StandIns::load(&transaction, (first, last))?;
        add_up(&transaction, (done, packed, last), &stand_ins)?;
        transaction.execute("DELETE FROM past_days", [])?;
        transaction.execute(
            "INSERT INTO past_days (first, last) VALUES (?1, ?2)",
            [first, last],
        )?;
        Ok(transaction.commit()?)
    }
}

fn days(connection: &Connection) -> Result<Option<Days>> {
    let mut statement = connection.prepare_cached("SELECT first, last FROM past_days")?;
    let found = statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(found.optional()?)
}

/// Drops the sums if `day`, the earliest that gets something new, is among the days added up. The days before it stay packed.
pub(super) fn drop_if_touched(connection: &Connection, day: i32) -> Result<()> {
    packed::drop_from(connection, day)?;
    match days(connection)? {
        Some((_, last)) if day <= last => drop_sums(connection),
        _ => Ok(()),
    }
}

/// Drops everything.
pub(super) fn drop_all(connection: &Connection) -> Result<()> {
    packed::drop_from(connection, i32::MIN)?;
    drop_sums(connection)
}

fn drop_sums(connection: &Connection) -> Result<()> {
    Ok(connection.execute_batch("DELETE FROM past; DELETE FROM past_days;")?)
}

/// Adds the days after `done` to what is added up already, and packs those after `packed`, up to `last`.
fn add_up(
    connection: &Connection,
    (done, packed, last): (i32, i32, i32),
    stand_ins: &StandIns,
) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT d.day, d.peer, d.outcome, d.service, d.n, d.messages, d.handshakes, d.first_seen, d.last_seen,
           p.direction = 'inbound', o.tls = 'silent' OR o.tls = 'silent-early'
         FROM daily AS d JOIN peer AS p ON p.id = d.peer JOIN outcome AS o ON o.id = d.outcome
         WHERE d.day > ?1 AND d.day <= ?2
         ORDER BY d.day, d.peer, d.outcome, d.service",
    )?;
    let mut rows = statement.query([done.min(packed), last])?;
    let mut packer = Packer::default();
    let mut sums: HashMap<Key, Counts> = HashMap::new();
    while let Some(row) = rows.next()? {
        let read = packed::Row::read(row)?;
        if read.day > packed {
            packer.add(connection, &read)?;
        }
        if read.day <= done {
            continue;
        }
        let day = stand_ins.of(read.day, read.service, row.get(9)?, row.get(10)?);
        let more = Counts {
            n: read.n,
            messages: read.messages,
            handshakes: read.handshakes,
            first: read.first,
            last: read.last,
        };
        sums.entry((read.peer, read.outcome, read.service, day))
            .and_modify(|sum| sum.add(&more))
            .or_insert(more);
        if sums.len() >= MOST_ROWS {
            write(connection, &mut sums)?;
        }
    }
    packer.finish(connection)?;
    write(connection, &mut sums)
}

/// Adds these to the table, in the order of its key, and empties them.
fn write(connection: &Connection, sums: &mut HashMap<Key, Counts>) -> Result<()> {
    let mut sorted: Vec<(&Key, &Counts)> = sums.iter().collect();
    sorted.sort_unstable_by_key(|(key, _)| **key);
    let mut statement = connection.prepare_cached(
        "INSERT INTO past (peer, outcome, service, day, n, messages, handshakes, first_seen, last_seen)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (peer, outcome, service, day) DO UPDATE SET n = n + excluded.n, messages = messages + excluded.messages,
           handshakes = handshakes + excluded.handshakes, first_seen = MIN(first_seen, excluded.first_seen),
           last_seen = MAX(last_seen, excluded.last_seen)",
    )?;
    for ((peer, outcome, service, day), sum) in sorted {
        let (n, messages, handshakes) = (
            integer(sum.n),
            integer(sum.messages),
            integer(sum.handshakes),
        );
        statement.execute(params![
            peer, outcome, service, day, n, messages, handshakes, sum.first, sum.last
        ])?;
    }
    sums.clear();
    Ok(())
}

/// Which day stands for which: the first on which the service logged the same way. Only the meaning of a silence depends on it; for
/// everything else the first day of all does.
struct StandIns {
    /// By day, service, and whether it is inbound: the day that stands for a silence, and for the rest.
    days: HashMap<(i32, i64, bool), (i32, i32)>,
}

impl StandIns {
    /// Among the days that are added up: a question about just these must find its rows.
    fn load(connection: &Connection, (first, last): Days) -> Result<StandIns> {
        let mut statement = connection.prepare_cached(
            "SELECT day, service, direction = 'inbound', logged, unlogged, offers, early FROM logging
             WHERE day >= ?1 AND day <= ?2 ORDER BY day, service, direction",
        )?;
        let mut rows = statement.query([first, last])?;
        let mut alike: BTreeMap<(i64, bool, [bool; 4]), i32> = BTreeMap::new();
        let mut earliest: BTreeMap<(i64, bool), i32> = BTreeMap::new();
        let mut days = HashMap::new();
        while let Some(row) = rows.next()? {
            let (day, service, inbound) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let flags = [row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?];
            let silent = *alike.entry((service, inbound, flags)).or_insert(day);
            let other = *earliest.entry((service, inbound)).or_insert(day);
            days.insert((day, service, inbound), (silent, other));
        }
        Ok(StandIns { days })
    }

    /// A day without any is left as it is: no report shows it, whatever it is added to.
    fn of(&self, day: i32, service: i64, inbound: bool, silent: bool) -> i32 {
        match self.days.get(&(day, service, inbound)) {
            Some((stand_in, _)) if silent => *stand_in,
            Some((_, stand_in)) => *stand_in,
            None => day,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Class, Direction, Emission, Fact};
    use crate::store::Batch;
    use crate::store::fixture::{self, inbound, outbound};
    use maillog::Protocol;

    /// One day: TLS and silence in both directions, and now and then a line that gives the silence a meaning.
    fn day(number: i64) -> Vec<Emission> {
        let at = number * 86_400;
        let mut found = vec![
            outbound("a.example")
                .at(at)
                .encrypted(Protocol::Tls13)
                .times(2)
                .build(),
            outbound("a.example").at(at + 5).silent().build(),
            outbound("b.example")
                .at(at)
                .plaintext(Class::PlaintextNotOffered)
                .build(),
            inbound("c.example", "192.0.2.9")
                .at(at + 9)
                .silent()
                .build(),
        ];
        for (divisor, direction, what) in [
            (2, Direction::Outbound, Fact::Logged),
            (3, Direction::Outbound, Fact::OffersLogged),
            (5, Direction::Outbound, Fact::Unlogged),
            (4, Direction::Inbound, Fact::Logged),
        ] {
            if number % divisor == 0 {
                found.push(told(at, direction, what));
            }
        }
        found
    }

    fn told(seconds: i64, direction: Direction, what: Fact) -> Emission {
        match fixture::fact(direction, what) {
            Emission::Fact {
                service,
                direction,
                at,
                fact,
                proof,
            } => Emission::Fact {
                service,
                direction,
                at: at + seconds,
                fact,
                proof,
            },
            other => other,
        }
    }

    fn commit(store: &mut Store, found: impl IntoIterator<Item = Emission>) {
        let mut batch = Batch::new(true);
        found.into_iter().for_each(|emission| batch.add(&emission));
        store.commit(&mut batch, &[], "", None).unwrap();
    }

    fn rows(store: &Store, sql: &str) -> Vec<String> {
        let mut statement = store.connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<rusqlite::Result<_>>().unwrap()
    }

    /// Every sum over the days, from the view in which they are added up or from the other.
    fn sums(store: &Store, view: &str) -> Vec<String> {
        let names = "direction || ' ' || domain || host || ' ' || tls || ' ' || class || ' ' || cause || ' ' || fault || ' ' || protocol";
        rows(
            store,
            &format!(
                "SELECT {names} || ' ' || SUM(n) || ' ' || SUM(messages) || ' ' || SUM(handshakes) || ' ' || MIN(first_seen) || ' '
                 || MAX(last_seen) FROM {view} GROUP BY {names} ORDER BY 1"
            ),
        )
    }

    fn stored(store: &Store) -> Vec<String> {
        rows(
            store,
            "SELECT peer || ' ' || outcome || ' ' || service || ' ' || day || ' ' || n || ' ' || first_seen || ' ' || last_seen
             FROM past ORDER BY 1",
        )
    }

    #[test]
    fn the_sums_are_those_of_the_days_whatever_silence_meant_on_each() {
        let mut store = fixture::store((0..40).flat_map(day));
        let silences = |store: &Store| {
            rows(
                store,
                "SELECT DISTINCT class FROM facts WHERE domain = 'a.example' ORDER BY 1",
            )
        };
        assert_eq!(
            silences(&store),
            [
                "plaintext-cause-unknown",
                "plaintext-not-offered",
                "tls-trusted",
                "unknown"
            ]
        );
        let before = sums(&store, "facts");
        store.add_up_past().unwrap();
        assert!(store.past_days().unwrap().is_some());
        assert_eq!(sums(&store, "summed"), before);
        // What is added up is read from there, and not day by day.
        store
            .connection
            .execute(
                "DELETE FROM daily WHERE day <= (SELECT last FROM past_days)",
                [],
            )
            .unwrap();
        assert_eq!(sums(&store, "summed"), before);
    }

    #[test]
    fn added_up_bit_by_bit_or_at_once_is_the_same() {
        let mut slowly = fixture::store(day(0));
        for week in 0..9 {
            commit(&mut slowly, (1 + 7 * week..8 + 7 * week).flat_map(day));
            slowly.add_up_past().unwrap();
        }
        let mut at_once = fixture::store(day(0));
        (0..9).for_each(|week| commit(&mut at_once, (1 + 7 * week..8 + 7 * week).flat_map(day)));
        at_once.add_up_past().unwrap();
        assert_eq!(slowly.past_days().unwrap(), at_once.past_days().unwrap());
        assert_eq!(stored(&slowly), stored(&at_once));
        assert!(!stored(&slowly).is_empty());
    }

    #[test]
    fn what_comes_late_is_counted_once() {
        let mut store = fixture::store((0..40).flat_map(day));
        store.add_up_past().unwrap();
        // A proof that gives the silence of a day long gone another meaning, and a delivery before all others.
        commit(
            &mut store,
            [told(86_400, Direction::Outbound, Fact::Logged)],
        );
        assert_eq!(store.past_days().unwrap(), None);
        assert_eq!(sums(&store, "summed"), sums(&store, "facts"));
        commit(&mut store, day(-9));
        store.add_up_past().unwrap();
        assert!(store.past_days().unwrap().is_some());
        assert_eq!(sums(&store, "summed"), sums(&store, "facts"));
        // Today's does not disturb what is added up.
        commit(&mut store, day(40));
        assert!(store.past_days().unwrap().is_some());
        assert_eq!(sums(&store, "summed"), sums(&store, "facts"));
    }

    #[test]
    fn days_stay_packed_until_they_get_something_new() {
        let mut store = fixture::store((0..40).flat_map(day));
        store.add_up_past().unwrap();
        let packed = |store: &Store| {
            rows(
                store,
                "SELECT (day - (SELECT MIN(day) FROM daily)) || ' ' || hex(counts) FROM packed ORDER BY day",
            )
        };
        let whole = packed(&store);
        assert_eq!(whole.len(), 38);
        commit(&mut store, day(20));
        assert_eq!(packed(&store), whole[..20]);
        store.add_up_past().unwrap();
        let anew = packed(&store);
        assert_eq!((&anew[..20], &anew[21..]), (&whole[..20], &whole[21..]));
        assert_ne!(anew[20], whole[20]);
    }

    #[test]
    fn who_is_forgotten_is_in_no_sum() {
        let mut store = fixture::store((0..40).flat_map(day));
        store.add_up_past().unwrap();
        let redact = |open: &str, _: &[String]| Ok((open.to_owned(), 0));
        store.forget_peer("a.example", redact).unwrap();
        assert_eq!(stored(&store), Vec::<String>::new());
        store.add_up_past().unwrap();
        assert_eq!(sums(&store, "summed"), sums(&store, "facts"));
        assert!(
            !sums(&store, "summed")
                .iter()
                .any(|row| row.contains("a.example"))
        );
    }

    #[test]
    fn a_question_about_just_these_days_finds_all_of_them() {
        // The day before the first mail, the service logged something that says how it logs.
        let early = told(-86_400, Direction::Outbound, Fact::Logged);
        let mut store = fixture::store((0..40).flat_map(day).chain([early]));
        store.add_up_past().unwrap();
        let sql =
            "SELECT 'rows ' || COUNT(*) FROM past JOIN past_days WHERE day < first OR day > last";
        assert_eq!(rows(&store, sql), ["rows 0"]);
        assert_eq!(sums(&store, "summed"), sums(&store, "facts"));
    }

    #[test]
    fn a_few_days_are_not_worth_it() {
        let mut store = fixture::store((0..3).flat_map(day));
        store.add_up_past().unwrap();
        assert_eq!(store.past_days().unwrap(), None);
        let mut empty = Store::in_memory().unwrap();
        empty.add_up_past().unwrap();
        assert_eq!(empty.past_days().unwrap(), None);
    }

    #[test]
    fn a_wrong_sum_is_found() {
        for damage in [
            "UPDATE past SET n = n + 1",
            "DELETE FROM past WHERE peer = 1",
            "UPDATE packed SET counts = x'00' WHERE day = (SELECT MAX(day) FROM packed)",
            "INSERT INTO packed (day, counts) SELECT MIN(day) - 1, x'00' FROM packed",
        ] {
            let mut store = fixture::store((0..40).flat_map(day));
            store.add_up_past().unwrap();
            let wrong = |store: &Store| -> Vec<&str> {
                let checks = store.checks().into_iter();
                checks
                    .filter(|c| !c.wrong.is_empty())
                    .map(|c| c.name)
                    .collect()
            };
            assert_eq!(wrong(&store), Vec::<&str>::new());
            store.connection.execute(damage, []).unwrap();
            assert_eq!(wrong(&store), ["past"]);
        }
    }
}
