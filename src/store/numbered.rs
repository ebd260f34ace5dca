//! The daily counts by number, for questions about so many of them that no name can be looked up, or compared, for each. What a
//! number stands for is read once, when it is met; the views say the same in words.
//!
//! What a silence means is still said by the view `meaning` alone: it is asked once for each way in which a service has logged.

use hashbrown::HashMap;
use rusqlite::{Row, ToSql, params};

use crate::outcome::{Class, Direction};

use super::{Result, Store, natural};

/// The other side in one direction, as the view `facts` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberedPeer {
    /// Which way the mail went.
    pub direction: Direction,
    /// Policy domain, host, address and organisation; each may be empty.
    pub domain: String,
    /// MX host or client name.
    pub host: String,
    /// Address.
    pub address: String,
    /// Registrable domain.
    pub organisation: String,
}

/// What an outcome is in the light of how its service logged that day, as the view `facts` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// `encrypted`, `plaintext`, `none` or `unknown`.
    pub tls: String,
    /// What happened.
    pub class: Class,
    /// What the TLS library said, or empty.
    pub cause: String,
    /// Whose fault.
    pub fault: String,
    /// What became of the recipients; empty inbound.
    pub delivery: String,
    /// Protocol version, or empty.
    pub protocol: String,
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

/// So many peers are loaded at once.
const AT_ONCE: i64 = 64;

/// How a service logged: what is noted of it for a direction and day, a bit for each.
type Flags = u8;

/// The counts of some days.
pub struct Numbered<'s> {
    store: &'s Store,
    days: (i32, i32),
    /// Log host and tag of the services, by number.
    pub services: Vec<(String, String)>,
    peers: Vec<NumberedPeer>,
    meanings: Vec<Meaning>,
    peer_rows: Vec<i64>,
    peer_numbers: HashMap<i64, u32>,
    service_numbers: HashMap<i64, u32>,
    logging: HashMap<(i32, i64, Direction), Flags>,
    outcomes: HashMap<(Flags, i64), u32>,
}

impl Store {
    /// The counts from one day to another, both included, days since 1970 UTC.
    pub fn numbered(&self, days: (i32, i32)) -> Result<Numbered<'_>> {
        let mut numbered = Numbered {
            store: self,
            days,
            services: Vec::new(),
            peers: Vec::new(),
            meanings: Vec::new(),
            peer_rows: Vec::new(),
            peer_numbers: HashMap::new(),
            service_numbers: HashMap::new(),
            logging: HashMap::new(),
            outcomes: HashMap::new(),
        };
        numbered.load_services()?;
        numbered.load_meanings()?;
        Ok(numbered)
    }
}

impl Numbered<'_> {
    /// Gives every count, day by day.
    pub fn each_day(&mut self, take: impl FnMut(&NumberedPeer, &Meaning, Count)) -> Result<()> {
        let (from, to) = self.days;
        self.each(
            "SELECT day, peer, outcome, service, n, messages, handshakes, first_seen, last_seen FROM daily
             WHERE day >= ?1 AND day <= ?2 ORDER BY day, peer, outcome, service",
            params![from, to],
            take,
        )
    }

    /// Gives every count, those of days gone by added up if all of them are asked for: the `day` of a sum stands for all its days, and
    /// times tell when. In no order.
    pub fn each_sum(&mut self, take: impl FnMut(&NumberedPeer, &Meaning, Count)) -> Result<()> {
        let (from, to) = self.days;
        match self.store.past_days()? {
            Some((first, last)) if from <= first && last <= to => {
                self.each(
                    "SELECT day, peer, outcome, service, n, messages, handshakes, first_seen, last_seen FROM past_and_present
                     WHERE day <= ?1",
                    params![to],
                    take,
                )
            }
            _ => self.each_day(take),
        }
    }

    /// Gives every count of one peer, day by day.
    pub fn each_day_of(
        &mut self,
        peer: u32,
        take: impl FnMut(&NumberedPeer, &Meaning, Count),
    ) -> Result<()> {
        let Some(row) = self.peer_rows.get(peer as usize).copied() else {
            return Ok(());
        };
        let (from, to) = self.days;
        self.each(
            "SELECT day, peer, outcome, service, n, messages, handshakes, first_seen, last_seen FROM daily
             WHERE peer = ?3 AND day >= ?1 AND day <= ?2 ORDER BY day, outcome, service",
            params![from, to, row],
            take,
        )
    }

    fn each(
        &mut self,
        sql: &str,
        parameters: &[&dyn ToSql],
        mut take: impl FnMut(&NumberedPeer, &Meaning, Count),
    ) -> Result<()> {
        let mut statement = self.store.connection.prepare_cached(sql)?;
        let mut rows = statement.query(parameters)?;
        while let Some(row) = rows.next()? {
            if let Some(count) = self.count(row)? {
                let peer = &self.peers[count.peer as usize];
                take(peer, &self.meanings[count.meaning as usize], count);
            }
        }
        Ok(())
    }

    /// `None`: nothing is noted of how the service logged that day, and without it nothing is a fact.
    fn count(&mut self, row: &Row<'_>) -> Result<Option<Count>> {
        let (day, service): (i32, i64) = (row.get(0)?, row.get(3)?);
        let peer = self.peer(row.get(1)?)?;
        let direction = self.peers[peer as usize].direction;
        let outcome: i64 = row.get(2)?;
        let flags = self.logging.get(&(day, service, direction));
        let meaning = flags.and_then(|flags| self.outcomes.get(&(*flags, outcome)));
        let service = self.service_numbers.get(&service);
        let (Some(meaning), Some(service)) = (meaning.copied(), service.copied()) else {
            return Ok(None);
        };
        Ok(Some(Count {
            day,
            peer,
            service,
            meaning,
            n: natural(row, 4)?,
            messages: natural(row, 5)?,
            handshakes: natural(row, 6)?,
            first: row.get(7)?,
            last: row.get(8)?,
        }))
    }

    /// The number of the peer with this row.
    fn peer(&mut self, id: i64) -> Result<u32> {
        if let Some(number) = self.peer_numbers.get(&id) {
            return Ok(*number);
        }
        self.load_peers(id)?;
        let number = self.peer_numbers.get(&id).copied();
        number.ok_or_else(|| rusqlite::Error::QueryReturnedNoRows.into())
    }

    /// Loads the peer with this row, and some of those after it: what was met together has rows together.
    fn load_peers(&mut self, from: i64) -> Result<()> {
        let mut statement = self.store.connection.prepare_cached(
            "SELECT id, direction = 'inbound', domain, host, address, organisation FROM peer WHERE id >= ?1 ORDER BY id LIMIT ?2",
        )?;
        let mut rows = statement.query([from, AT_ONCE])?;
        while let Some(row) = rows.next()? {
            let id = row.get(0)?;
            // OK to narrow: no store has 2^32 peers.
            let number = self.peers.len() as u32;
            if self.peer_numbers.try_insert(id, number).is_err() {
                // And so are those after it.
                break;
            }
            self.peer_rows.push(id);
            self.peers.push(NumberedPeer {
                direction: direction(row.get(1)?),
                domain: row.get(2)?,
                host: row.get(3)?,
                address: row.get(4)?,
                organisation: row.get(5)?,
            });
        }
        Ok(())
    }

    fn load_services(&mut self) -> Result<()> {
        let connection = &self.store.connection;
        let mut statement =
            connection.prepare_cached("SELECT id, host, tag FROM service ORDER BY id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            self.service_numbers
                .insert(row.get(0)?, self.services.len() as u32);
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
        let mut known: Vec<Flags> = Vec::new();
        let mut rows = statement.query(params![self.days.0, self.days.1])?;
        while let Some(row) = rows.next()? {
            let key = (row.get(0)?, row.get(1)?, direction(row.get(2)?));
            let flags = row.get(3)?;
            self.logging.insert(key, flags);
            if !known.contains(&flags) {
                known.push(flags);
                let (meanings, outcomes) = (&mut self.meanings, &mut self.outcomes);
                load_meanings_of(self.store, key, |outcome, meaning| {
                    outcomes.insert((flags, outcome), meanings.len() as u32);
                    meanings.push(meaning);
                })?;
            }
        }
        Ok(())
    }
}

/// What each outcome means for one service, direction and day.
fn load_meanings_of(
    store: &Store,
    (day, service, direction): (i32, i64, Direction),
    mut take: impl FnMut(i64, Meaning),
) -> Result<()> {
    let mut statement = store.connection.prepare_cached(
        "SELECT outcome, tls, class, cause, fault, delivery, protocol FROM meaning
         WHERE day = ?1 AND service = ?2 AND direction = ?3 ORDER BY outcome",
    )?;
    let mut rows = statement.query(params![day, service, direction.name()])?;
    while let Some(row) = rows.next()? {
        let class: String = row.get(2)?;
        let meaning = Meaning {
            tls: row.get(1)?,
            class: Class::from_name(&class).unwrap_or(Class::Unknown),
            cause: row.get(3)?,
            fault: row.get(4)?,
            delivery: row.get(5)?,
            protocol: row.get(6)?,
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
        peer: &NumberedPeer,
        meaning: &Meaning,
        count: Count,
    ) -> String {
        let (host, tag) = &services[count.service as usize];
        [
            count.day.to_string(),
            peer.direction.name().into(),
            host.clone(),
            tag.clone(),
            peer.domain.clone(),
            peer.host.clone(),
            peer.address.clone(),
            peer.organisation.clone(),
            meaning.tls.clone(),
            meaning.class.name().into(),
            meaning.cause.clone(),
            meaning.fault.clone(),
            meaning.delivery.clone(),
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
                if peer.domain == "a.example" {
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
