//! How much mail went to and came from each peer in some days, whatever its channel was: the facts without what the silence of a service means,
//! which costs most of them.

use rusqlite::params;

use crate::outcome::Direction;

use super::{Result, Store, natural};

/// What was exchanged with one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchanged {
    /// Which way the mail went.
    pub direction: Direction,
    /// Policy domain, organisation, host and address; each may be empty.
    pub names: [String; 4],
    /// Recipients outbound, messages inbound.
    pub mails: u64,
}

const SQL: &str = "SELECT p.direction, p.domain, p.organisation, p.host, p.address, d.mails
  FROM (SELECT peer, SUM(CASE WHEN outcome IN (SELECT id FROM outcome WHERE delivery = 'sent') THEN n ELSE messages END) AS mails
        FROM daily WHERE day >= ?1 AND day <= ?2 GROUP BY peer) AS d
  JOIN peer AS p ON p.id = d.peer
  WHERE d.mails > 0
  ORDER BY p.direction DESC, p.domain, p.host, p.address, p.id";

impl Store {
    /// All peers that took or brought mail from one day to another, both included.
    pub fn exchanged(&self, (from, to): (i32, i32)) -> Result<Vec<Exchanged>> {
        let mut statement = self.connection.prepare_cached(SQL)?;
        let rows = statement.query_map(params![from, to], |row| {
            let direction: String = row.get(0)?;
            Ok(Exchanged {
                direction: match direction == Direction::Inbound.name() {
                    true => Direction::Inbound,
                    false => Direction::Outbound,
                },
                names: [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?],
                mails: natural(row, 5)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{self, DAY, inbound, outbound};
    use maillog::{Cause, Protocol};

    use crate::outcome::Class;

    #[test]
    fn mail_counts_whatever_its_channel_and_attempts_do_not() {
        let to = |name: &str| outbound(name).times(2);
        let store = fixture::store([
            to("a.example").encrypted(Protocol::Tls13).build(),
            to("a.example").silent().build(),
            to("b.example").at(-86_400).silent().build(),
            to("c.example")
                .failed(Class::HandshakeFailed, Cause::Eof)
                .build(),
            inbound("mx.d.example", "192.0.2.9").silent().build(),
        ]);
        let of = |from| -> Vec<(String, u64)> {
            let found = store.exchanged((from, DAY)).unwrap();
            let named = |e: super::Exchanged| (e.names.concat(), e.mails);
            found.into_iter().map(named).collect()
        };
        let today = of(DAY);
        let names: Vec<&str> = today.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(today.len(), 2, "{names:?}");
        assert!(
            names[0].starts_with("a.example") && today[0].1 == 4,
            "{today:?}"
        );
        assert!(
            names[1].contains("mx.d.example") && today[1].1 == 1,
            "{today:?}"
        );
        assert_eq!(of(DAY - 1).len(), 3);
    }
}
