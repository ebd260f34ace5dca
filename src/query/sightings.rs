//! What was seen of each peer, day by day: all that can be said for and against writing to it.
//!
//! Nothing is judged here, and nothing is left out: who is written to, who is not, and why, is `campaign`'s business.

use crate::outcome::{Class, Direction};
use crate::store::{Result, Store, natural};

use super::{Scope, ask, read_direction};

/// Equal outcomes of one peer on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Days since 1970, UTC.
    pub day: i32,
    /// Which way the mail went.
    pub direction: Direction,
    /// Policy domain.
    pub domain: String,
    /// MX host or client name, may be empty.
    pub host: String,
    /// Address.
    pub address: String,
    /// Its port; 0 if not logged, and inbound.
    pub port: u16,
    /// Registrable domain of the host, or outbound of the domain; may be empty.
    pub organisation: String,
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
    /// The TLS version, or empty.
    pub protocol: String,
    /// Recipients outbound, messages inbound.
    pub mails: u64,
    /// Recipients, attempts or sessions.
    pub n: u64,
    /// Seconds since 1970 UTC.
    pub last: i64,
}

const SQL: &str = "SELECT day, direction, domain, host, address, port, organisation, tls, class, cause, fault, delivery, protocol,
         SUM(n), SUM(messages), MAX(last_seen)
  FROM facts
  WHERE day >= ?1 AND day <= ?2 AND (direction = ?3 OR direction = ?4) AND class <> 'in-probe' AND class <> 'no-session'
  GROUP BY day, direction, domain, host, address, port, organisation, tls, class, cause, fault, delivery, protocol
  ORDER BY day, direction, domain, host, address, port, organisation, tls, class, cause, fault, delivery, protocol";

/// All of the period, oldest first.
pub fn find_sightings(store: &Store, scope: &Scope) -> Result<Vec<Sighting>> {
    ask(store, SQL, scope, |row| {
        let class: String = row.get(8)?;
        let direction = read_direction(row, 1)?;
        let (n, messages) = (natural(row, 13)?, natural(row, 14)?);
        Ok(Sighting {
            day: row.get(0)?,
            direction,
            domain: row.get(2)?,
            host: row.get(3)?,
            address: row.get(4)?,
            port: row.get(5)?,
            organisation: row.get(6)?,
            tls: row.get(7)?,
            class: Class::from_name(&class).unwrap_or(Class::Unknown),
            cause: row.get(9)?,
            fault: row.get(10)?,
            delivery: row.get(11)?,
            protocol: row.get(12)?,
            mails: match direction {
                Direction::Outbound => n,
                Direction::Inbound => messages,
            },
            n,
            last: row.get(15)?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixture::{self, inbound, outbound};

    #[test]
    fn each_day_stands_for_itself_and_probes_for_nothing() {
        let clear = || outbound("a.example").plaintext(Class::PlaintextNotOffered);
        let store = fixture::store([
            clear().times(2).build(),
            clear().at(86_400).build(),
            inbound("mx.a.example", "192.0.2.1")
                .failed(Class::InProbe, maillog::Cause::Unknown)
                .build(),
        ]);
        let found: Vec<_> = find_sightings(&store, &Scope::ALL)
            .unwrap()
            .into_iter()
            .map(|s| (s.day, s.mails, s.organisation, s.fault))
            .collect();
        let of = |day, n| (day, n, "a.example".to_string(), "peer".to_string());
        assert_eq!(found, [of(fixture::DAY, 2), of(fixture::DAY + 1, 1)]);
    }
}
