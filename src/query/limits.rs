//! What can the log not tell, whatever one asks: services that do not log TLS, a smart host, holes?

use hashbrown::{HashMap, HashSet};

use crate::store::{Result, Store};

use super::services::{Service, find_services};
use super::sums::{Entry, Sums};
use super::{Direction, Scope, bounds};

/// One relay that takes at least this share of all our mail ...
const SMART_HOST_SHARE: f64 = 0.95;
/// ... for at least this many domains, is a smart host.
const SMART_HOST_DOMAINS: usize = 5;
/// Seconds in a day.
const DAY: i64 = 86_400;

/// What the log cannot tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// Services some of whose mail went in a way that the log does not tell.
    pub blind: Vec<Service>,
    /// The relay that carries nearly all our mail, if one does.
    pub smart_host: Option<String>,
    /// How often records were lost, and how many, as far as told.
    pub gaps: (u64, u64),
}

/// All of it.
pub fn find_limits(store: &Store, scope: &Scope) -> Result<Limits> {
    let services = find_services(store, scope)?;
    limits(store, scope, &services, find_smart_host(store, scope)?)
}

/// All of it, where the services and the smart host are known.
pub(super) fn limits(
    store: &Store,
    scope: &Scope,
    services: &[Service],
    smart_host: Option<String>,
) -> Result<Limits> {
    let blind = services.iter().filter(|s| s.unknown > 0);
    Ok(Limits {
        blind: blind.cloned().collect(),
        smart_host,
        gaps: store.gaps(
            first_second(scope.period.from_day, i32::MIN),
            first_second(scope.period.to_day, i32::MAX) + DAY,
        )?,
    })
}

/// The first second of a day, or of the day that stands for an open bound.
pub(super) fn first_second(day: Option<i32>, open: i32) -> i64 {
    i64::from(day.unwrap_or(open)) * DAY
}

fn find_smart_host(store: &Store, scope: &Scope) -> Result<Option<String>> {
    if !scope.includes(Direction::Outbound) {
        return Ok(None);
    }
    let (from, to, ..) = bounds(scope);
    let relay = store.relay_of_most((from, to), SMART_HOST_SHARE)?;
    let relay = relay.filter(|r| r.domains >= SMART_HOST_DOMAINS);
    Ok(relay.map(|r| r.host))
}

/// The smart host by what is loaded.
pub(super) fn smart_host(sums: &Sums) -> Option<String> {
    let is_sent = |entry: &Entry<'_>| entry.meaning.delivery == "sent";
    let sent = || sums.each().filter(is_sent);
    let all: u64 = sent().map(|entry| entry.count.n).sum();
    let mut hosts: HashMap<&str, u64> = HashMap::new();
    for entry in sent() {
        *hosts.entry(entry.peer.host()).or_default() += entry.count.n;
    }
    let most = SMART_HOST_SHARE * all as f64;
    let (relay, _) = hosts
        .into_iter()
        .find(|(host, mails)| !host.is_empty() && *mails as f64 > most)?;
    let behind = sent().filter(|entry| entry.peer.host() == relay);
    let domains: HashSet<&str> = behind.map(|entry| entry.peer.domain()).collect();
    (domains.len() >= SMART_HOST_DOMAINS).then(|| relay.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixture::{self, outbound};
    use maillog::Protocol;

    #[test]
    fn a_service_whose_log_cannot_tell_is_named() {
        let store = fixture::store([outbound("a.example").silent().times(3).build()]);
        let limits = find_limits(&store, &Scope::ALL).unwrap();
        let blind = &limits.blind[0];
        assert_eq!(
            (blind.tag.as_str(), blind.unknown, blind.total(), blind.logs),
            ("postfix/smtp", 3, 3, false)
        );
    }

    #[test]
    fn a_relay_that_takes_everything_is_a_smart_host() {
        let through = |i: u32| {
            outbound(&format!("d{i}.example"))
                .host("relay.example", "192.0.2.1")
                .encrypted(Protocol::Tls13)
                .build()
        };
        let smart_host = |store| find_limits(&store, &Scope::ALL).unwrap().smart_host;
        assert_eq!(
            smart_host(fixture::store((0..6).map(through))).as_deref(),
            Some("relay.example")
        );
        assert_eq!(smart_host(fixture::store((0..4).map(through))), None);
    }
}
