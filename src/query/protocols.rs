//! Which TLS is used, in which direction, for how much mail?

use crate::store::{Result, Store, natural};

use super::{Scope, ask};

/// One set of parameters in one direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// `outbound` or `inbound`.
    pub direction: String,
    /// Protocol, empty if not logged.
    pub protocol: String,
    /// Cipher suite, empty if not logged.
    pub cipher: String,
    /// Key exchange, empty if not logged.
    pub key_exchange: String,
    /// How far the certificate was checked, empty if not logged.
    pub verification: String,
    /// Recipients delivered to, outbound; messages accepted, inbound.
    pub messages: u64,
    /// Seconds since 1970 UTC.
    pub first_seen: i64,
    /// Seconds since 1970 UTC.
    pub last_seen: i64,
}

const SQL: &str = "SELECT direction, protocol, cipher, key_exchange, verification,
         SUM(CASE WHEN delivery = 'sent' THEN n ELSE messages END) AS mails, MIN(first_seen), MAX(last_seen)
  FROM totals
  WHERE day >= ?1 AND day <= ?2 AND (direction = ?3 OR direction = ?4) AND tls = 'encrypted'
    AND (delivery = 'sent' OR messages > 0)
  GROUP BY direction, protocol, cipher, key_exchange, verification
  ORDER BY mails DESC, direction, protocol, cipher, key_exchange, verification";

/// All of them, the most used first.
pub fn find_protocols(store: &Store, scope: &Scope) -> Result<Vec<Parameters>> {
    ask(store, SQL, scope, |row| {
        Ok(Parameters {
            direction: row.get(0)?,
            protocol: row.get(1)?,
            cipher: row.get(2)?,
            key_exchange: row.get(3)?,
            verification: row.get(4)?,
            messages: natural(row, 5)?,
            first_seen: row.get(6)?,
            last_seen: row.get(7)?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixture::{self, inbound, outbound};
    use maillog::Protocol;

    #[test]
    fn mail_is_counted_per_direction_and_parameters() {
        let store = fixture::store([
            outbound("a.example")
                .encrypted(Protocol::Tls13)
                .times(2)
                .build(),
            outbound("b.example").encrypted(Protocol::Tls13).build(),
            inbound("c.example", "192.0.2.1")
                .encrypted(Protocol::Tls10)
                .build(),
        ]);
        let found = find_protocols(&store, &Scope::ALL).unwrap();
        let short: Vec<_> = found
            .iter()
            .map(|p| (p.direction.as_str(), p.protocol.as_str(), p.messages))
            .collect();
        assert_eq!(short, [("outbound", "TLSv1.3", 3), ("inbound", "TLSv1", 1)]);
    }
}
