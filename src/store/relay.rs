//! Whether one host takes nearly all our mail. It is asked at the end of every import, so it looks up only as many names as it takes
//! to say no.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::params;

use super::{Result, Store, natural};

/// The host that takes most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// Its name.
    pub host: String,
    /// For how many domains.
    pub domains: usize,
}

/// What a host took: how many mails, for which domains.
#[derive(Default)]
struct Taken {
    mails: u64,
    domains: BTreeSet<String>,
}

impl Store {
    /// The host with a name that took more than this share (0 to 1) of what we sent from one day to another, both included; `None` if
    /// none did. Only what was delivered counts.
    pub fn relay_of_most(&self, days: (i32, i32), share: f64) -> Result<Option<Relay>> {
        let peers = self.sent_by_peer(days)?;
        let all: u64 = peers.iter().map(|(_, mails)| mails).sum();
        let most = share * all as f64;
        let mut hosts: BTreeMap<String, Taken> = BTreeMap::new();
        let (mut largest, mut rest) = (0, all);
        let mut statement = self
            .connection
            .prepare_cached("SELECT host, domain FROM peer WHERE id = ?1")?;
        for (peer, mails) in peers {
            if (largest + rest) as f64 <= most {
                return Ok(None);
            }
            let (host, domain) =
                statement.query_row([peer], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let taken = hosts.entry(host).or_default();
            taken.mails += mails;
            taken.domains.insert(domain);
            rest -= mails;
            largest = largest.max(taken.mails);
        }
        let mut hosts = hosts.into_iter();
        let found = hosts.find(|(host, taken)| !host.is_empty() && taken.mails as f64 > most);
        Ok(found.map(|(host, taken)| Relay {
            host,
            domains: taken.domains.len(),
        }))
    }

    /// How much was delivered to each peer, by row, the largest first.
    fn sent_by_peer(&self, (from, to): (i32, i32)) -> Result<Vec<(i64, u64)>> {
        let whole = |(first, last)| from <= first && last <= to;
        let rows = match self.past_days()?.is_some_and(whole) {
            true => "past_and_present",
            false => "daily",
        };
        // Only what we send has a status of delivery.
        let sql = format!(
            "SELECT peer, SUM(n) AS mails FROM {rows} WHERE day >= ?1 AND day <= ?2
               AND outcome IN (SELECT id FROM outcome WHERE delivery = 'sent')
             GROUP BY peer ORDER BY mails DESC, peer"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let peers =
            statement.query_map(params![from, to], |row| Ok((row.get(0)?, natural(row, 1)?)))?;
        Ok(peers.collect::<rusqlite::Result<_>>()?)
    }
}

#[cfg(test)]
mod tests {
    use crate::outcome::{Class, Emission};
    use crate::store::fixture::{self, DAY, outbound};
    use maillog::{Cause, Protocol};

    fn mail(domain: &str, host: &str, times: u32) -> Emission {
        outbound(domain)
            .host(host, "192.0.2.1")
            .encrypted(Protocol::Tls13)
            .times(times)
            .build()
    }

    #[test]
    fn a_host_that_takes_more_than_its_share_is_found_whatever_the_domains() {
        for (others, expected) in [(0, Some(3)), (4, Some(3)), (5, None), (30, None)] {
            let failed = |domain: &str| {
                let start = outbound(domain).host("down.example", "192.0.2.9");
                start.failed(Class::NoSession, Cause::Unknown)
            };
            let store = fixture::store([
                mail("a.example", "relay.example", 10),
                mail("b.example", "relay.example", 5),
                mail("c.example", "relay.example", 5),
                mail("d.example", "mx.d.example", others),
                failed("e.example").times(500).build(),
            ]);
            let found = store.relay_of_most((DAY, DAY), 0.8).unwrap();
            assert_eq!(found.as_ref().map(|r| r.domains), expected, "{others}");
            assert!(found.is_none_or(|r| r.host == "relay.example"));
        }
    }

    #[test]
    fn hosts_without_a_name_are_not_one_host() {
        let store = fixture::store([mail("a.example", "", 3), mail("b.example", "", 3)]);
        assert_eq!(store.relay_of_most((DAY, DAY), 0.5).unwrap(), None);
        assert_eq!(store.relay_of_most((DAY + 1, DAY + 1), 0.5).unwrap(), None);
    }
}
