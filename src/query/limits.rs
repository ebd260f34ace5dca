//! What can the log not tell, whatever one asks: services that do not log TLS, a smart host, holes?

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::store::numbered::NumberedPeer;
use crate::store::relay::{Relay, Taken, carrier, relay_of};
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
    Ok(named(relay))
}

/// The smart host by what is loaded.
pub(super) fn smart_host(sums: &Sums) -> Option<String> {
    let is_sent = |entry: &Entry<'_>| entry.meaning.delivery == "sent";
    let sent = || sums.each().filter(is_sent);
    let all: u64 = sent().map(|entry| entry.count.n).sum();
    let most = SMART_HOST_SHARE * all as f64;
    let carried = sent().map(|entry| (carrier_of(entry.peer), entry.count.n));
    let (carrier, lead) = leader(carried)?;
    // What takes such a share leads all others together by twice as much as it has beyond a half.
    if lead as f64 <= 2.0 * most - all as f64 {
        return None;
    }
    let mut theirs: BTreeMap<&str, Taken<'_>> = BTreeMap::new();
    for entry in sent().filter(|entry| carrier_of(entry.peer) == carrier) {
        let taken = theirs.entry(host_of(entry.peer)).or_default();
        taken.mails += entry.count.n;
        taken.domains.insert(entry.peer.domain().into());
    }
    let relay = relay_of(&carrier, &theirs, most);
    named(relay)
}

/// Who has more than half of it all, if anybody has, and by how much more than all others: whoever comes along takes away from a leader that is
/// not the same (Boyer and Moore, 1981). So nothing need be held for each.
fn leader<N: PartialEq>(parts: impl Iterator<Item = (N, u64)>) -> Option<(N, u64)> {
    parts.fold(None, |leader, (name, n)| match leader {
        Some((same, lead)) if same == name => Some((same, lead + n)),
        Some((other, lead)) if lead >= n => Some((other, lead - n)),
        Some((_, lead)) => Some((name, n - lead)),
        None => Some((name, n)),
    })
}

/// A relay of the mail of many.
fn named(relay: Option<Relay>) -> Option<String> {
    let relay = relay.filter(|relay| relay.domains >= SMART_HOST_DOMAINS);
    relay.map(|relay| relay.name)
}

fn host_of(peer: NumberedPeer<'_>) -> &str {
    match peer.host() {
        "" => peer.address(),
        host => host,
    }
}

fn carrier_of(peer: NumberedPeer<'_>) -> Cow<'_, str> {
    carrier(peer.host(), peer.organisation(), peer.address())
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
    fn a_relay_that_takes_everything_is_a_smart_host_whatever_its_hosts() {
        let through = |i: u32, host: &str, address: &str| {
            outbound(&format!("d{i}.example"))
                .host(host, address)
                .encrypted(Protocol::Tls13)
                .build()
        };
        // Both ways of asking: at the end of an import, and by what a report has loaded.
        let smart_host = |n: u32, hosts: [(&str, &str); 2]| {
            let of = |i: u32| {
                let (host, address) = hosts[i as usize % 2];
                through(i, host, address)
            };
            let store = fixture::store((0..n).map(of));
            let found = find_limits(&store, &Scope::ALL).unwrap().smart_host;
            let sums = Sums::load(&store, &Scope::ALL).unwrap();
            assert_eq!(super::smart_host(&sums), found, "{hosts:?}");
            found
        };
        let one = [
            ("relay.example", "192.0.2.1"),
            ("relay.example", "192.0.2.2"),
        ];
        assert_eq!(smart_host(6, one).as_deref(), Some("relay.example"));
        assert_eq!(smart_host(4, one), None);
        let two = [
            ("r1.isp.example", "192.0.2.1"),
            ("r2.isp.example", "198.51.100.2"),
        ];
        assert_eq!(smart_host(6, two).as_deref(), Some("isp.example"));
        let unnamed = [("192.0.2.1", "192.0.2.1"), ("192.0.2.2", "192.0.2.2")];
        assert_eq!(smart_host(6, unnamed).as_deref(), Some("192.0.2.2"));
        let others = [
            ("r1.isp.example", "192.0.2.1"),
            ("r1.else.example", "192.0.2.2"),
        ];
        assert_eq!(smart_host(6, others), None);
    }
}
