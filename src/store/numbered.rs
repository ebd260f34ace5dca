//! The daily counts by number, for questions about so many of them that no name can be looked up, or compared, for each. What a
//! number stands for is read once, when it is met; the views say the same in words.
//!
//! What a silence means is still said by the view `meaning` alone: it is asked once for each way in which a service has logged.

use hashbrown::HashMap;
use rusqlite::{ToSql, params};

use crate::outcome::{Class, Direction};

use super::packed::Row;
use super::peers::{Numbers, Peers};
use super::words::read_word;
use super::{Result, Store};

pub use super::peers::NumberedPeer;

/// What an outcome is in the light of how its service logged that day, as the view `facts` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// `encrypted`, `plaintext`, `none` or `unknown`.
    pub tls: &'static str,
    /// What happened.
    pub class: Class,
    /// What the TLS library said, or empty.
    pub cause: &'static str,
    /// Whose fault.
    pub fault: &'static str,
    /// What became of the recipients; empty inbound.
    pub delivery: &'static str,
    /// Protocol version, or empty.
    pub protocol: String,
    /// Cipher suite, or empty.
    pub cipher: String,
    /// Key exchange, or empty.
    pub key_exchange: String,
    /// How far the certificate was checked, or empty.
    pub verification: String,
}

/// One count; peer, service and meaning by their number in [`Numbered`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Days since 1970, UTC.
    pub day: i32,
    /// With whom.
    pub peer: u32,
    /// By which service of ours.
    pub service: u32,
    /// What it was.
    pub meaning: u32,
    /// Recipients, attempts or sessions.
    pub n: u64,
    /// Inbound: messages accepted.
    pub messages: u64,
    /// Handshakes, good or failed.
    pub handshakes: u64,
    /// Seconds since 1970 UTC.
    pub first: i64,
    /// Seconds since 1970 UTC.
    pub last: i64,
}

/// In so many days most peers are met: they are loaded at once.
const MANY_DAYS: i64 = 7;

/// A count takes about so many octets where it is packed.
const OCTETS: u64 = 10;

/// How a service logged: what is noted of it for a direction and day, a bit for each.
type Flags = u8;

/// The counts of some days.
pub struct Numbered<'s> {
    store: &'s Store,
    days: (i32, i32),
    /// Log host and tag of the services, by number.
    pub services: Vec<(String, String)>,
    /// The other sides met so far, by number.
    pub peers: Peers,
    /// What there was, by number.
    pub meanings: Vec<Meaning>,
    meaning_of: MeaningOf,
    last: Last,
}

impl Store {
    /// The counts from one day to another, both included, days since 1970 UTC.
    pub fn numbered(&self, days: (i32, i32)) -> Result<Numbered<'_>> {
        let mut numbered = Numbered {
            store: self,
            days,
            services: Vec::new(),
            peers: Peers::default(),
            meanings: Vec::new(),
            meaning_of: MeaningOf::default(),
            last: Last::default(),
        };
        numbered.load_services()?;
        numbered.load_meanings()?;
        Ok(numbered)
    }
}

impl Numbered<'_> {
    /// Gives every count, day by day, those of a day by peer.
    pub fn each_day(
        &mut self,
        mut take: impl FnMut(NumberedPeer<'_>, &Meaning, Count),
    ) -> Result<()> {
        let (from, to) = self.days;
        if i64::from(to) - i64::from(from) >= MANY_DAYS {
            self.load_peers()?;
        }
        let (store, days) = (self.store, self.days);
        store.each_row(days, |row| self.give(row, &mut take))
    }

    /// Gives every count as [`Numbered::each_day`] does, but of two parts of the days at once, where there is a second core. What each part was
    /// made into, in the order of days; it begins with what knows about how many counts there will be.
    pub fn fold_days<T: Send>(
        &mut self,
        start: impl Fn(usize) -> T + Sync,
        take: impl Fn(&mut T, NumberedPeer<'_>, Count) + Sync,
    ) -> Result<Vec<T>> {
        let (store, (from, to)) = (self.store, self.days);
        if i64::from(to) - i64::from(from) < MANY_DAYS {
            let mut made = start(0);
            self.each_day(|peer, _, count| take(&mut made, peer, count))?;
            return Ok(vec![made]);
        }
        self.load_peers()?;
        let (peers, meaning_of) = (&self.peers, &self.meaning_of);
        let (half, octets) = store.half_of_packed((from, to))?;
        // OK to narrow: so many are held in memory.
        let counts = (octets / OCTETS) as usize;
        let parts = store.both_at_once([(from, half), (half + 1, to)], |store, days| {
            let (mut made, mut last) = (start(counts), Last::default());
            store.each_row(days, |row| {
                // Whom an import has met since the peers were loaded is not there yet.
                let Some(number) = peers.known(row.peer) else {
                    return Ok(());
                };
                let peer = peers.get(number);
                if let Some(count) = meaning_of.count(row, (number, peer.direction()), &mut last) {
                    take(&mut made, peer, count);
                }
                Ok(())
            })?;
            Ok(made)
        })?;
        Ok(parts.into())
    }

    /// Gives every count, those of days gone by added up if all of them are asked for: the `day` of a sum stands for all its days, and
    /// times tell when. In no order.
    pub fn each_sum(&mut self, take: impl FnMut(NumberedPeer<'_>, &Meaning, Count)) -> Result<()> {
        let (from, to) = self.days;
        match self.store.past_days()? {
            Some((first, last)) if from <= first && last <= to => {
                let mut take = take;
                let rows = self.load_peers_while(|store| store.sums(to))?;
                rows.iter().try_for_each(|row| self.give(row, &mut take))
            }
            _ => self.each_day(take),
        }
    }

    /// Loads all peers there are, and at the same time something else.
    fn load_peers_while<T>(&mut self, load: impl FnOnce(&Store) -> Result<T>) -> Result<T> {
        if !self.peers.is_empty() {
            self.peers.load_all(self.store)?;
            return load(self.store);
        }
        let (peers, loaded) = Peers::all_while(self.store, load)?;
        self.peers = peers;
        Ok(loaded)
    }

    /// Loads all peers there are, with mail on these days or without.
    pub fn load_peers(&mut self) -> Result<()> {
        if self.peers.is_empty() {
            self.peers = Peers::all(self.store)?;
        }
        self.peers.load_all(self.store)
    }

    /// The number of the peer with this row.
    pub fn peer(&mut self, row: i64) -> Result<u32> {
        self.peers.number(self.store, row)
    }

    /// Gives every count of one peer, day by day.
    pub fn each_day_of(
        &mut self,
        peer: u32,
        take: impl FnMut(NumberedPeer<'_>, &Meaning, Count),
    ) -> Result<()> {
        let Some(row) = self.peers.row(peer) else {
            return Ok(());
        };
        let (from, to) = self.days;
        self.each(
            "SELECT day, peer, outcome, service, n, messages, handshakes, first_seen, last_seen FROM daily
             WHERE peer = ?3 AND day >= ?1 AND day <= ?2 ORDER BY day, outcome, service",
            &[&from, &to, &row],
            take,
        )
    }

    fn each(
        &mut self,
        sql: &str,
        parameters: &[&dyn ToSql],
        mut take: impl FnMut(NumberedPeer<'_>, &Meaning, Count),
    ) -> Result<()> {
        let store = self.store;
        store.each_row_of(sql, parameters, |row| self.give(row, &mut take))
    }

    #[inline]
    fn give(
        &mut self,
        row: &Row,
        take: &mut impl FnMut(NumberedPeer<'_>, &Meaning, Count),
    ) -> Result<()> {
        let number = self.peers.number(self.store, row.peer)?;
        let peer = self.peers.get(number);
        let peer_way = (number, peer.direction());
        if let Some(count) = self.meaning_of.count(row, peer_way, &mut self.last) {
            take(peer, &self.meanings[count.meaning as usize], count);
        }
        Ok(())
    }

    fn load_services(&mut self) -> Result<()> {
        let connection = &self.store.connection;
        let mut statement =
            connection.prepare_cached("SELECT id, host, tag FROM service ORDER BY id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let number = self.services.len() as u32;
            self.meaning_of.services.insert(row.get(0)?, number);
            self.services.push((row.get(1)?, row.get(2)?));
        }
        Ok(())
    }

    fn load_meanings(&mut self) -> Result<()> {
        let connection = &self.store.connection;
        let mut statement = connection.prepare_cached(
            "SELECT day, service, direction = 'inbound', logged + 2 * unlogged + 4 * offers + 8 * early FROM logging
             WHERE day >= ?1 AND day <= ?2 ORDER BY day, service, direction",
        )?;
        let mut rows = statement.query(params![self.days.0, self.days.1])?;
        while let Some(row) = rows.next()? {
            let key = (row.get(0)?, row.get(1)?, direction(row.get(2)?));
            let flags: Flags = row.get(3)?;
            let known = &mut self.meaning_of;
            let of_flags = known.numbers.len();
            let at = *known.flags.entry(flags).or_insert(of_flags);
            known.logging.insert(key, at);
            if at == of_flags {
                let mut numbers = Numbers::default();
                let meanings = &mut self.meanings;
                load_meanings_of(self.store, key, |outcome, meaning| {
                    numbers.insert(outcome, meanings.len() as u32);
                    meanings.push(meaning);
                })?;
                known.numbers.push(numbers);
            }
        }
        Ok(())
    }
}

/// Day, service and direction: who logged what.
type Log = (i32, i64, Direction);

/// Service, and which set of flags; `None` if nothing is noted.
type Found = Option<(u32, usize)>;

/// Which number the meaning of an outcome has.
#[derive(Default)]
struct MeaningOf {
    services: HashMap<i64, u32>,
    flags: HashMap<Flags, usize>,
    logging: HashMap<Log, usize>,
    /// For each set of flags, by outcome.
    numbers: Vec<Numbers>,
}

/// The last that was asked for in each direction: mostly the next is the same.
type Last = [Option<(Log, Found)>; 2];

impl MeaningOf {
    /// Service and meaning; `None` if nothing is noted of how the service logged.
    #[inline]
    fn find(&self, log: Log, outcome: i64, last: &mut Last) -> Option<(u32, u32)> {
        let last = &mut last[usize::from(log.2 == Direction::Inbound)];
        let found = match last {
            Some((same, found)) if *same == log => *found,
            _ => {
                let service = self.services.get(&log.1).copied();
                let found = service.zip(self.logging.get(&log).copied());
                *last = Some((log, found));
                found
            }
        };
        let (service, flags) = found?;
        Some((service, self.numbers[flags].get(outcome)?))
    }

    /// What a row says of a peer; nothing if nothing is noted of how the service logged that day: without it nothing is a fact.
    #[inline]
    fn count(&self, row: &Row, (peer, of): (u32, Direction), last: &mut Last) -> Option<Count> {
        let (service, meaning) = self.find((row.day, row.service, of), row.outcome, last)?;
        Some(Count {
            day: row.day,
            peer,
            service,
            meaning,
            n: row.n,
            messages: row.messages,
            handshakes: row.handshakes,
            first: row.first,
            last: row.last,
        })
    }
}

/// What each outcome means for one service, direction and day.
fn load_meanings_of(
    store: &Store,
    (day, service, direction): (i32, i64, Direction),
    mut take: impl FnMut(i64, Meaning),
) -> Result<()> {
    let mut statement = store.connection.prepare_cached(
        "SELECT outcome, tls, class, cause, fault, delivery, protocol, cipher, key_exchange, verification FROM meaning
         WHERE day = ?1 AND service = ?2 AND direction = ?3 ORDER BY outcome",
    )?;
    let mut rows = statement.query(params![day, service, direction.name()])?;
    while let Some(row) = rows.next()? {
        let class: String = row.get(2)?;
        let meaning = Meaning {
            tls: read_word(row, 1)?,
            class: Class::from_name(&class).unwrap_or(Class::Unknown),
            cause: read_word(row, 3)?,
            fault: read_word(row, 4)?,
            delivery: read_word(row, 5)?,
            protocol: row.get(6)?,
            cipher: row.get(7)?,
            key_exchange: row.get(8)?,
            verification: row.get(9)?,
        };
        take(row.get(0)?, meaning);
    }
    Ok(())
}

fn direction(inbound: bool) -> Direction {
    match inbound {
        true => Direction::Inbound,
        false => Direction::Outbound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Fact;
    use crate::store::fixture::{self, DAY, inbound, outbound};
    use maillog::Protocol;

    const SECONDS: i64 = 86_400;

    /// A store whose services logged in several ways, over forty days, with the days gone by added up.
    fn store() -> Store {
        let mut found = Vec::new();
        for back in 0..40 {
            let at = -back * SECONDS;
            found.push(outbound("a.example").at(at).silent().times(2).build());
            found.push(
                inbound("c.example", "192.0.2.9")
                    .at(at + 9)
                    .silent()
                    .build(),
            );
            found.push(
                outbound("b.example")
                    .at(at + 60)
                    .encrypted(Protocol::Tls13)
                    .build(),
            );
        }
        for fact in [Fact::Logged, Fact::OffersLogged] {
            found.push(fixture::fact(Direction::Outbound, fact));
        }
        let mut store = fixture::store(found);
        store.add_up_past().unwrap();
        assert!(store.past_days().unwrap().is_some());
        store
    }

    /// All that a count says, in words, as the views have it.
    fn words(
        services: &[(String, String)],
        peer: NumberedPeer<'_>,
        meaning: &Meaning,
        count: Count,
    ) -> String {
        let (host, tag) = &services[count.service as usize];
        [
            count.day.to_string(),
            peer.direction().name().into(),
            host.clone(),
            tag.clone(),
            peer.domain().into(),
            peer.host().into(),
            peer.address().into(),
            peer.organisation().into(),
            meaning.tls.to_string(),
            meaning.class.name().into(),
            meaning.cause.to_string(),
            meaning.fault.to_string(),
            meaning.delivery.to_string(),
            meaning.protocol.clone(),
            count.n.to_string(),
            count.messages.to_string(),
            count.handshakes.to_string(),
            count.first.to_string(),
            count.last.to_string(),
        ]
        .join("|")
    }

    fn view(store: &Store, view: &str, days: (i32, i32)) -> Vec<String> {
        let sql = format!(
            "SELECT day || '|' || direction || '|' || service_host || '|' || service_tag || '|' || domain || '|' || host || '|' ||
               address || '|' || organisation || '|' || tls || '|' || class || '|' || cause || '|' || fault || '|' || delivery || '|' ||
               protocol || '|' || n || '|' || messages || '|' || handshakes || '|' || first_seen || '|' || last_seen
             FROM {view} WHERE day >= ?1 AND day <= ?2"
        );
        let mut statement = store.connection.prepare(&sql).unwrap();
        let rows = statement.query_map([days.0, days.1], |row| row.get(0));
        let mut rows: Vec<String> = rows.unwrap().map(|row| row.unwrap()).collect();
        rows.sort();
        rows
    }

    #[test]
    fn numbers_say_what_the_views_say_in_words() {
        let store = store();
        for days in [
            (i32::MIN, i32::MAX),
            (DAY - 12, DAY),
            (DAY - 50, DAY - 12),
            (DAY, DAY),
        ] {
            let mut numbered = store.numbered(days).unwrap();
            let services = numbered.services.clone();
            let mut found = Vec::new();
            numbered
                .each_day(|peer, meaning, count| found.push(words(&services, peer, meaning, count)))
                .unwrap();
            found.sort();
            assert_eq!(found, view(&store, "facts", days), "{days:?}");
            assert!(!found.is_empty());
        }
        let all = (i32::MIN, i32::MAX);
        let mut numbered = store.numbered(all).unwrap();
        let services = numbered.services.clone();
        let mut found = Vec::new();
        numbered
            .each_sum(|peer, meaning, count| found.push(words(&services, peer, meaning, count)))
            .unwrap();
        found.sort();
        assert_eq!(found, view(&store, "summed", all));
        assert!(found.len() < view(&store, "facts", all).len() / 2);
    }

    #[test]
    fn one_peer_has_its_days_in_order() {
        let store = store();
        let mut numbered = store.numbered((DAY - 2, DAY)).unwrap();
        let mut number = None;
        numbered
            .each_sum(|peer, _, count| {
                if peer.domain() == "a.example" {
                    number = Some(count.peer);
                }
            })
            .unwrap();
        let mut days = Vec::new();
        numbered
            .each_day_of(number.unwrap(), |_, _, count| {
                days.push((count.day, count.n))
            })
            .unwrap();
        assert_eq!(days, [(DAY - 2, 2), (DAY - 1, 2), (DAY, 2)]);
    }
}
