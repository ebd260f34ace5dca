//! Whom at other organisations do our users write to, in clear, and who of them writes to us?
//!
//! Only where addresses are kept. What was in clear, and whose fault it was, is told as of a peer; who of these people is written to about
//! it, and who never is, is `campaign`'s business.

use std::collections::{BTreeMap, BTreeSet};

use crate::outcome::{Class, Direction};
use crate::store::{Result, Store, natural};

use super::correspondents::is_robot;
use super::sightings::Sighting;
use super::{Scope, ask_one_way};

/// Somebody our users wrote to in the period, in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The address, in lower case.
    pub address: String,
    /// They have written to us too, whenever that was.
    pub writes_to_us: bool,
    /// The address is that of a program or a mailing list.
    pub is_robot: bool,
    /// The mail in clear, day by day; neither address nor organisation of the host is told.
    pub mails: Vec<Sighting>,
}

const SENT: &str = "SELECT correspondent, day, domain, host, class, cause, fault, SUM(n), MAX(last_seen)
  FROM people
  WHERE day >= ?1 AND day <= ?2 AND (direction = ?3 OR direction = ?4) AND delivery = 'sent' AND tls = 'plaintext'
  GROUP BY correspondent, day, domain, host, class, cause, fault
  ORDER BY correspondent, day, domain, host, class, cause, fault";

const RECEIVED: &str = "SELECT correspondent
  FROM people
  WHERE day >= ?1 AND day <= ?2 AND (direction = ?3 OR direction = ?4)
  GROUP BY correspondent
  ORDER BY correspondent";

/// All of them, by address.
pub fn find_people(store: &Store, scope: &Scope) -> Result<Vec<Person>> {
    let rows = ask_one_way(store, SENT, scope, Direction::Outbound, |row| {
        let class: String = row.get(4)?;
        let n = natural(row, 7)?;
        let sighting = Sighting {
            day: row.get(1)?,
            direction: Direction::Outbound,
            domain: row.get(2)?,
            host: row.get(3)?,
            address: String::new(),
            port: 0,
            organisation: String::new(),
            tls: "plaintext".to_string(),
            class: Class::from_name(&class).unwrap_or(Class::Unknown),
            cause: row.get(5)?,
            fault: row.get(6)?,
            delivery: "sent".to_string(),
            protocol: String::new(),
            mails: n,
            n,
            last: row.get(8)?,
        };
        Ok((row.get::<_, String>(0)?.to_lowercase(), sighting))
    })?;
    let writers: BTreeSet<String> =
        ask_one_way(store, RECEIVED, &Scope::ALL, Direction::Inbound, |row| {
            Ok(row.get::<_, String>(0)?.to_lowercase())
        })?
        .into_iter()
        .collect();
    let mut people: BTreeMap<String, Vec<Sighting>> = BTreeMap::new();
    for (address, sighting) in rows {
        people.entry(address).or_default().push(sighting);
    }
    let person = |(address, mails): (String, Vec<Sighting>)| Person {
        writes_to_us: writers.contains(&address),
        is_robot: is_robot(&address),
        address,
        mails,
    };
    Ok(people.into_iter().map(person).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixture::{self, inbound, outbound};
    use maillog::Protocol;

    #[test]
    fn who_was_only_named_in_mail_we_refused_has_not_written_to_us() {
        let store = fixture::store([
            outbound("a.example")
                .plaintext(Class::PlaintextNotOffered)
                .correspondent("bob@a.example")
                .build(),
            inbound("spam.example", "192.0.2.66")
                .plaintext(Class::PlaintextCauseUnknown)
                .refused()
                .correspondent("bob@a.example")
                .build(),
        ]);
        let found = find_people(&store, &Scope::ALL).unwrap();
        assert_eq!(found.len(), 1);
        assert!(!found[0].writes_to_us, "{found:?}");
    }

    #[test]
    fn only_mail_in_clear_to_a_person_counts_and_who_writes_back_is_told() {
        let clear = || outbound("a.example").plaintext(Class::PlaintextNotOffered);
        let store = fixture::store([
            clear().correspondent("Bob@a.example").times(2).build(),
            clear().correspondent("bob@a.example").at(86_400).build(),
            clear().correspondent("list-bounces@a.example").build(),
            outbound("a.example")
                .encrypted(Protocol::Tls13)
                .correspondent("ann@a.example")
                .build(),
            inbound("mx.a.example", "192.0.2.1")
                .encrypted(Protocol::Tls13)
                .correspondent("bob@a.example")
                .build(),
        ]);
        let found: Vec<_> = find_people(&store, &Scope::ALL)
            .unwrap()
            .into_iter()
            .map(|p| {
                let mails: u64 = p.mails.iter().map(|s| s.mails).sum();
                (p.address, mails, p.writes_to_us, p.is_robot)
            })
            .collect();
        let of = |address: &str, n, writes, robot| (address.to_string(), n, writes, robot);
        assert_eq!(
            found,
            [
                of("bob@a.example", 3, true, false),
                of("list-bounces@a.example", 1, false, true)
            ]
        );
    }
}
