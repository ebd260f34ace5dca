//! How did the mail of each day go, in each direction?

use crate::outcome::Direction;
use crate::store::{Result, Store, natural};

use super::{Scope, ask, read_direction};

/// The mail of one day in one direction: recipients delivered to, outbound; messages accepted, inbound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayMail {
    /// Days since 1970, UTC.
    pub day: i32,
    /// Which way the mail went.
    pub direction: Direction,
    /// Over TLS.
    pub encrypted: u64,
    /// In clear.
    pub plaintext: u64,
    /// The log cannot tell.
    pub unknown: u64,
}

impl DayMail {
    /// Mail whose channel is known.
    pub fn known(&self) -> u64 {
        self.encrypted + self.plaintext
    }

    /// The share over TLS of the mail whose channel is known, in per cent; `None` if that of none is.
    pub fn share(&self) -> Option<f64> {
        let known = self.known();
        (known > 0).then(|| 100.0 * self.encrypted as f64 / known as f64)
    }
}

const SQL: &str = "SELECT day, direction,
         SUM(CASE WHEN tls = 'encrypted' THEN (CASE WHEN delivery = 'sent' THEN n ELSE messages END) ELSE 0 END),
         SUM(CASE WHEN tls = 'plaintext' THEN (CASE WHEN delivery = 'sent' THEN n ELSE messages END) ELSE 0 END),
         SUM(CASE WHEN tls = 'unknown' THEN (CASE WHEN delivery = 'sent' THEN n ELSE messages END) ELSE 0 END)
  FROM totals
  WHERE day >= ?1 AND day <= ?2 AND (direction = ?3 OR direction = ?4)
  GROUP BY day, direction
  ORDER BY day, direction DESC";

/// All days with mail, oldest first; outbound before inbound.
pub fn find_days(store: &Store, scope: &Scope) -> Result<Vec<DayMail>> {
    let mut days = ask(store, SQL, scope, |row| {
        Ok(DayMail {
            day: row.get(0)?,
            direction: read_direction(row, 1)?,
            encrypted: natural(row, 2)?,
            plaintext: natural(row, 3)?,
            unknown: natural(row, 4)?,
        })
    })?;
    days.retain(|d| d.encrypted + d.plaintext + d.unknown > 0);
    Ok(days)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Class;
    use crate::store::fixture::{self, outbound};
    use maillog::Protocol;

    #[test]
    fn a_day_is_counted_by_its_mail_and_what_is_not_known_is_no_part_of_the_share() {
        let store = fixture::store([
            outbound("a.example")
                .encrypted(Protocol::Tls13)
                .times(3)
                .build(),
            outbound("b.example")
                .plaintext(Class::PlaintextNotOffered)
                .build(),
        ]);
        let days = find_days(&store, &Scope::ALL).unwrap();
        let counts: Vec<_> = days
            .iter()
            .map(|d| (d.encrypted, d.plaintext, d.unknown, d.share()))
            .collect();
        assert_eq!(counts, [(3, 1, 0, Some(75.0))]);
        let unknown = fixture::store([outbound("a.example").silent().build()]);
        let days = find_days(&unknown, &Scope::ALL).unwrap();
        assert_eq!((days[0].unknown, days[0].share()), (1, None));
    }
}
