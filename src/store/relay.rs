//! Whether one relay takes nearly all our mail. It is asked at the end of every import, so it looks up only as many names as it takes
//! to say no.
//!
//! A relay may be one host or several: those of one organisation, or, if they go by their addresses, those of one network. Hosts that take the mail of
//! one domain each are none, whoever runs them: large providers have a host for each of their customers.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use rusqlite::params;

use super::{Result, Store, natural};

/// The relay that takes most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// Its name: of its one host, or of the organisation; of a network the address that takes most.
    pub name: String,
    /// For how many domains.
    pub domains: usize,
}

/// What a host took: how many mails, for which domains.
#[derive(Clone, Debug, Default)]
pub struct Taken<'n> {
    /// Mails that were delivered.
    pub mails: u64,
    /// For whom.
    pub domains: BTreeSet<Cow<'n, str>>,
}

/// What hosts are one relay if they take the mail of many: an organisation, a network, or the host alone.
pub fn carrier<'n>(host: &'n str, organisation: &'n str, address: &'n str) -> Cow<'n, str> {
    let name = if host.is_empty() { address } else { host };
    if let Ok(address) = name.trim_matches(['[', ']']).parse() {
        return network(address).into();
    }
    let rest = name.strip_suffix(organisation).unwrap_or(" ");
    // The organisation of a host without one is that of the domain.
    let is_theirs = !organisation.is_empty() && (rest.is_empty() || rest.ends_with('.'));
    Cow::Borrowed(if is_theirs { organisation } else { name })
}

/// Addresses that differ in their last part alone are next to each other.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// The relay that hosts of one carrier are, by what each took, if they took more than `most`.
pub fn relay_of(carrier: &str, hosts: &BTreeMap<&str, Taken<'_>>, most: f64) -> Option<Relay> {
    let serves = |(_, taken): &(&&str, &Taken<'_>)| taken.domains.len() > 1;
    let serving = || hosts.iter().filter(serves);
    let mails: u64 = serving().map(|(_, taken)| taken.mails).sum();
    let domains: BTreeSet<_> = serving().flat_map(|(_, taken)| &taken.domains).collect();
    let (busiest, _) = serving().max_by_key(|(_, taken)| taken.mails)?;
    let is_one = serving().count() == 1 || carrier.contains('/');
    let name = if is_one { busiest } else { carrier };
    (mails as f64 > most).then(|| Relay {
        name: name.to_string(),
        domains: domains.len(),
    })
}

/// Names of a peer: host, domain, organisation, address.
type Names = [String; 4];

impl Store {
    /// The relay that took more than this share (0 to 1) of what we sent from one day to another, both included; `None` if none did. Only what
    /// was delivered counts.
    pub fn relay_of_most(&self, days: (i32, i32), share: f64) -> Result<Option<Relay>> {
        let peers = self.sent_by_peer(days)?;
        let all: u64 = peers.iter().map(|(_, mails)| mails).sum();
        let most = share * all as f64;
        let mut found: BTreeMap<String, Vec<(Names, u64)>> = BTreeMap::new();
        let mut taken: BTreeMap<String, u64> = BTreeMap::new();
        let (mut largest, mut rest) = (0, all);
        let mut statement = self
            .connection
            .prepare_cached("SELECT host, domain, organisation, address FROM peer WHERE id = ?1")?;
        for (peer, mails) in peers {
            if (largest + rest) as f64 <= most {
                return Ok(None);
            }
            let names: Names = statement.query_row([peer], |row| {
                Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?])
            })?;
            let [host, _, organisation, address] = &names;
            let carrier = carrier(host, organisation, address).into_owned();
            let by = taken.entry(carrier.clone()).or_default();
            *by += mails;
            largest = largest.max(*by);
            rest -= mails;
            found.entry(carrier).or_default().push((names, mails));
        }
        let mut carriers = found.iter();
        Ok(carriers.find_map(|(carrier, peers)| relay_of(carrier, &by_host(peers), most)))
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

/// What each host took.
fn by_host(peers: &[(Names, u64)]) -> BTreeMap<&str, Taken<'_>> {
    let mut hosts: BTreeMap<&str, Taken<'_>> = BTreeMap::new();
    for ([host, domain, _, address], mails) in peers {
        let name = if host.is_empty() { address } else { host };
        let taken = hosts.entry(name).or_default();
        taken.mails += mails;
        taken.domains.insert(domain.into());
    }
    hosts
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
            assert!(found.is_none_or(|r| r.name == "relay.example"));
        }
    }

    fn found(mails: Vec<Emission>) -> Option<(String, usize)> {
        let store = fixture::store(mails);
        let found = store.relay_of_most((DAY, DAY), 0.95).unwrap();
        found.map(|relay| (relay.name, relay.domains))
    }

    #[test]
    fn hosts_of_one_organisation_that_take_the_mail_of_many_are_one_relay() {
        let named = ["relay1.isp.example", "relay2.isp.example"];
        let through = |n: usize, host: &str| mail(&format!("d{n}.example"), host, 10);
        let all = || (0..12).map(|n| through(n, named[n % 2]));
        assert_eq!(found(all().collect()), Some(("isp.example".into(), 12)));
        let other = mail("e.example", "mx.e.example", 7);
        assert_eq!(found(all().chain([other]).collect()), None);
        // A host for each customer: whoever runs them all.
        let tenant = |n: usize| through(n, &format!("d{n}.protection.isp.example"));
        assert_eq!(found((0..12).map(tenant).collect()), None);
        // Not all of a country.
        let country = |n: usize| through(n, &format!("mx.d{}.co.uk", n % 3));
        assert_eq!(found((0..12).map(country).collect()), None);
    }

    #[test]
    fn relays_without_names_are_one_if_they_are_next_to_each_other() {
        let through = |n: usize, host: &str, address: &str| {
            let start = outbound(&format!("d{n}.example")).host(host, address);
            start.encrypted(Protocol::Tls13).build()
        };
        for (addresses, name) in [
            (["192.0.2.25", "192.0.2.26"], Some("192.0.2.26")),
            (["2001:db8::25", "2001:db8::26"], Some("2001:db8::26")),
            (["192.0.2.25", "198.51.100.25"], None),
        ] {
            for is_named in [false, true] {
                let each = (0..12).map(|n| {
                    let address = addresses[n % 2];
                    through(n, if is_named { address } else { "" }, address)
                });
                let expected = name.map(|name| (name.to_string(), 12));
                assert_eq!(found(each.collect()), expected, "{addresses:?}");
            }
        }
    }

    #[test]
    fn a_domain_at_a_host_without_a_name_is_no_relay() {
        let store = fixture::store([mail("a.example", "", 3)]);
        assert_eq!(store.relay_of_most((DAY, DAY), 0.5).unwrap(), None);
        assert_eq!(store.relay_of_most((DAY + 1, DAY + 1), 0.5).unwrap(), None);
    }
}
