//! What fails because of TLS, and whose fault it is?

use crate::outcome::{Class, Direction};
use crate::store::{Result, Store, natural};

use super::{Scope, ask, read_direction};

/// One way in which TLS fails with one peer.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// Which way the mail went.
    pub direction: Direction,
    /// Outbound the recipient domain; inbound the organisation, name or address of the client.
    pub peer: String,
    /// MX host or client name, or empty.
    pub host: String,
    /// What happened.
    pub class: Class,
    /// What the TLS library said, or empty.
    pub cause: String,
    /// Whose fault.
    pub fault: String,
    /// Attempts or sessions.
    pub attempts: u64,
    /// Of these, the ones that left mail undelivered or, inbound, brought no message.
    pub undelivered: u64,
    /// Seconds since 1970 UTC.
    pub first_seen: i64,
    /// Seconds since 1970 UTC.
    pub last_seen: i64,
}

const SQL: &str = "SELECT direction, domain, organisation, address, host, class, cause, fault, SUM(n),
         SUM(CASE WHEN delivery = 'sent' OR delivery = 'probed' OR messages > 0 THEN 0 ELSE n END),
         MIN(first_seen), MAX(last_seen)
  FROM summed
  WHERE day >= ?1 AND day <= ?2 AND (direction = ?3 OR direction = ?4)
    AND (delivery = '' OR delivery = 'deferred' OR delivery = 'bounced'
      OR class = 'plaintext-fallback-after-failed-handshake' OR class = 'plaintext-fallback-after-session-failure')
  GROUP BY direction, domain, organisation, address, host, class, cause, fault
  ORDER BY direction, domain, organisation, address, host, class, cause, fault";

/// All of them, in no order of interest. Deliveries that fail for another reason only if the scope asks for every row. Mail that
/// got through in clear after TLS had failed is a failure too.
pub fn find_failures(store: &Store, scope: &Scope) -> Result<Vec<Failure>> {
    let rows = ask(store, SQL, scope, |row| {
        let (direction, domain) = (read_direction(row, 0)?, row.get(1)?);
        let (organisation, address, host): (String, String, String) =
            (row.get(2)?, row.get(3)?, row.get(4)?);
        let class: String = row.get(5)?;
        Ok(Failure {
            direction,
            peer: who(direction, [domain, organisation, host.clone(), address]),
            host,
            class: Class::from_name(&class).unwrap_or(Class::Unknown),
            cause: row.get(6)?,
            fault: row.get(7)?,
            attempts: natural(row, 8)?,
            undelivered: natural(row, 9)?,
            first_seen: row.get(10)?,
            last_seen: row.get(11)?,
        })
    })?;
    Ok(merge(
        rows.into_iter().filter(|f| f.is_wanted(scope)).collect(),
    ))
}

/// What a peer is called in one word: domain, organisation, host name or address, the first that is known. The envelope sender's
/// domain is no name for the client that brought the mail.
pub(super) fn who<T: AsRef<str> + Default>(direction: Direction, names: [T; 4]) -> T {
    let skip = usize::from(direction == Direction::Inbound);
    names
        .into_iter()
        .skip(skip)
        .find(|name| !name.as_ref().is_empty())
        .unwrap_or_default()
}

impl Failure {
    /// Because of TLS, whether the mail then got through in clear or not.
    pub fn is_because_of_tls(&self) -> bool {
        let fell_back = matches!(
            self.class,
            Class::PlaintextAfterFailedHandshake | Class::PlaintextAfterFailedSession
        );
        self.class.row().tls_failure || fell_back
    }

    fn is_wanted(&self, scope: &Scope) -> bool {
        self.is_because_of_tls() || (scope.all && self.direction == Direction::Outbound)
    }
}

/// Rows that differ only in what is not shown become one.
fn merge(mut failures: Vec<Failure>) -> Vec<Failure> {
    let key = |f: &Failure| {
        (
            f.direction,
            f.peer.clone(),
            f.host.clone(),
            f.class.name(),
            f.cause.clone(),
            f.fault.clone(),
        )
    };
    failures.sort_by_cached_key(key);
    let mut merged: Vec<Failure> = Vec::new();
    for failure in failures {
        match merged.last_mut() {
            Some(last) if key(last) == key(&failure) => {
                last.attempts += failure.attempts;
                last.undelivered += failure.undelivered;
                last.first_seen = last.first_seen.min(failure.first_seen);
                last.last_seen = last.last_seen.max(failure.last_seen);
            }
            _ => merged.push(failure),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixture::{self, inbound, outbound};
    use maillog::Cause;

    #[test]
    fn a_failure_that_fell_back_to_clear_text_left_nothing_undelivered() {
        let store = fixture::store([
            outbound("a.example")
                .plaintext(Class::PlaintextAfterFailedHandshake)
                .build(),
            outbound("b.example")
                .failed(Class::HandshakeFailed, Cause::Eof)
                .build(),
            outbound("c.example")
                .failed(Class::NoSession, Cause::Unknown)
                .build(),
            inbound("c1.example.org", "192.0.2.1")
                .failed(Class::InHandshakeFailed, Cause::NoSharedCipher)
                .build(),
            inbound("c1.example.org", "192.0.2.2")
                .failed(Class::InHandshakeFailed, Cause::NoSharedCipher)
                .build(),
        ]);
        let found = find_failures(
            &store,
            &Scope {
                all: false,
                ..Scope::ALL
            },
        )
        .unwrap();
        let short: Vec<_> = found
            .iter()
            .map(|f| (f.peer.as_str(), f.attempts, f.undelivered))
            .collect();
        assert_eq!(
            short,
            [
                ("a.example", 1, 0),
                ("b.example", 1, 1),
                ("example.org", 2, 2)
            ]
        );
        assert_eq!(find_failures(&store, &Scope::ALL).unwrap().len(), 4);
    }
}
