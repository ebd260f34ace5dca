//! How did the mail go that each service handled, and has it shown that it logs its TLS sessions?

use std::collections::BTreeSet;

use crate::outcome::Direction;
use crate::store::{Result, Store, natural};

use super::sums::{Named, Sums};
use super::tally::is_sent;
use super::{Scope, ask, read_direction};

/// Mail of one service in one direction: recipients delivered to, outbound; messages accepted, inbound.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Which way the mail went.
    pub direction: Direction,
    /// Log host.
    pub host: String,
    /// Syslog tag.
    pub tag: String,
    /// Over TLS.
    pub encrypted: u64,
    /// In clear.
    pub plaintext: u64,
    /// The log cannot tell.
    pub unknown: u64,
    /// It has logged TLS sessions in this period.
    pub logs: bool,
}

impl Service {
    /// Adds mail over a channel.
    fn add(&mut self, tls: &str, mails: u64) {
        match tls {
            "encrypted" => self.encrypted += mails,
            "plaintext" => self.plaintext += mails,
            "unknown" => self.unknown += mails,
            // No mail crossed.
            _ => {}
        }
    }

    /// All its mail.
    pub fn total(&self) -> u64 {
        self.encrypted + self.plaintext + self.unknown
    }
}

const SERVICES: &str = "SELECT direction, service_host, service_tag,
         SUM(CASE WHEN tls = 'encrypted' THEN (CASE WHEN delivery = 'sent' THEN n ELSE messages END) ELSE 0 END),
         SUM(CASE WHEN tls = 'plaintext' THEN (CASE WHEN delivery = 'sent' THEN n ELSE messages END) ELSE 0 END),
         SUM(CASE WHEN tls = 'unknown' THEN (CASE WHEN delivery = 'sent' THEN n ELSE messages END) ELSE 0 END)
  FROM totals
  WHERE day >= ?1 AND day <= ?2 AND (direction = ?3 OR direction = ?4)
  GROUP BY direction, service_host, service_tag
  ORDER BY direction DESC, service_host, service_tag";

const LOGGING: &str = "SELECT l.direction, s.host, s.tag
  FROM logging AS l JOIN service AS s ON s.id = l.service
  WHERE l.day >= ?1 AND l.day <= ?2 AND (l.direction = ?3 OR l.direction = ?4) AND l.logged = 1
  GROUP BY l.direction, s.host, s.tag
  ORDER BY l.direction, s.host, s.tag";

/// Direction, host and tag.
type Key = (Direction, String, String);

/// All of them: outbound, then inbound; by host and tag.
pub fn find_services(store: &Store, scope: &Scope) -> Result<Vec<Service>> {
    let logging = find_logging(store, scope)?;
    ask(store, SERVICES, scope, |row| {
        let key = (read_direction(row, 0)?, row.get(1)?, row.get(2)?);
        let logs = logging.contains(&key);
        let (direction, host, tag) = key;
        Ok(Service {
            direction,
            host,
            tag,
            encrypted: natural(row, 3)?,
            plaintext: natural(row, 4)?,
            unknown: natural(row, 5)?,
            logs,
        })
    })
}

/// The same, of what is loaded.
pub(super) fn services(store: &Store, scope: &Scope, sums: &Sums) -> Result<Vec<Service>> {
    let logging = find_logging(store, scope)?;
    let by_service = sums.by_name(|entry| Some((entry.peer.direction(), entry.count.service)));
    let services = by_service.iter();
    let mut services: Vec<Service> = services
        .filter_map(|((direction, _), named)| service(direction, named, &logging))
        .collect();
    services.sort_by(|a, b| (a.direction, &a.host, &a.tag).cmp(&(b.direction, &b.host, &b.tag)));
    Ok(services)
}

fn service(direction: Direction, named: Named<'_, '_>, logging: &BTreeSet<Key>) -> Option<Service> {
    let (host, tag) = named.entries().next()?.service.clone();
    let key = (direction, host, tag);
    let logs = logging.contains(&key);
    let (direction, host, tag) = key;
    let mut service = Service {
        direction,
        host,
        tag,
        encrypted: 0,
        plaintext: 0,
        unknown: 0,
        logs,
    };
    for entry in named.entries() {
        let mails = match is_sent(entry.meaning.delivery) {
            true => entry.count.n,
            false => entry.count.messages,
        };
        service.add(entry.meaning.tls, mails);
    }
    Some(service)
}

/// Those that have logged TLS sessions.
fn find_logging(store: &Store, scope: &Scope) -> Result<BTreeSet<Key>> {
    let logging = ask(store, LOGGING, scope, |row| {
        let (host, tag) = (row.get::<_, String>(1)?, row.get::<_, String>(2)?);
        Ok((read_direction(row, 0)?, host, tag))
    })?;
    Ok(logging.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Fact;
    use crate::store::fixture::{self, inbound, outbound};
    use maillog::Protocol;

    #[test]
    fn mail_is_counted_per_service_and_direction() {
        let store = fixture::store([
            outbound("a.example")
                .encrypted(Protocol::Tls13)
                .times(3)
                .build(),
            outbound("b.example").silent().build(),
            fixture::fact(Direction::Outbound, Fact::Logged),
            inbound("c.example", "192.0.2.1").silent().build(),
        ]);
        let services = find_services(&store, &Scope::ALL).unwrap();
        let found: Vec<_> = services
            .iter()
            .map(|s| (s.direction, s.encrypted, s.plaintext, s.unknown, s.logs))
            .collect();
        assert_eq!(
            found,
            [
                (Direction::Outbound, 3, 1, 0, true),
                (Direction::Inbound, 0, 0, 1, false)
            ]
        );
        let sums = Sums::load(&store, &Scope::ALL).unwrap();
        let loaded = super::services(&store, &Scope::ALL, &sums).unwrap();
        assert_eq!(loaded, services);
    }
}
