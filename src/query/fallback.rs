//! Where a failed TLS handshake has another end than before: mail that now goes out in clear, mail that no longer does and waits, and mail
//! that has begun to wait. Outbound only: what a client does after a failure is its own business.

use std::collections::{BTreeMap, HashMap};

use crate::outcome::{Class, Direction};
use crate::store::numbered::{Count, Meaning};
use crate::store::{Result, Store};

use super::tally::{is_sent, is_tls_failure};
use super::{Scope, bounds};

/// Attempts that fail because of TLS, from which on they are worth a word.
const BUILDING_UP: u64 = 3;
/// ... and how many times as many as before.
const GROWTH: u64 = 3;

/// What has become of the mail for one domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// After a failed handshake it goes out in clear; before, it was not delivered.
    NewFallback,
    /// After a failed handshake it is not delivered; before, it went out in clear.
    LostFallback,
    /// It is not delivered, because of TLS, more often than before.
    BuildingUp,
}

impl Kind {
    /// The word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Kind::NewFallback => "new-fallback",
            Kind::LostFallback => "lost-fallback",
            Kind::BuildingUp => "building-up",
        }
    }
}

/// One domain for which failures end otherwise than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The recipient domain.
    pub peer: String,
    /// What has become of its mail.
    pub kind: Kind,
    /// Attempts that left mail undelivered because of TLS, in the period before.
    pub failed_before: u64,
    /// The same now.
    pub failed_now: u64,
    /// Mail that went out in clear after a failure, now.
    pub fell_back_now: u64,
    /// Mail that was delivered in any way, now.
    pub delivered_now: u64,
    /// Time of the last such failure or fallback, in seconds since 1970 UTC.
    pub last_seen: i64,
}

#[derive(Clone, Copy, Default)]
struct Ends {
    failed: u64,
    fell_back: u64,
    delivered: u64,
    last_seen: i64,
}

/// All of them, by name. `earlier` is the period to compare with; without any mail in it there are none.
pub fn find_turns(store: &Store, scope: &Scope, earlier: &Scope) -> Result<Vec<Turn>> {
    let (before, now) = (load(store, earlier)?, load(store, scope)?);
    if before.is_empty() {
        // The log does not reach back so far: nothing is otherwise than before.
        return Ok(Vec::new());
    }
    let turns = now.into_iter().filter_map(|(peer, now)| {
        let before = before.get(&peer).copied().unwrap_or_default();
        Some(Turn {
            kind: kind(before, now)?,
            peer,
            failed_before: before.failed,
            failed_now: now.failed,
            fell_back_now: now.fell_back,
            delivered_now: now.delivered,
            last_seen: now.last_seen,
        })
    });
    Ok(turns.collect())
}

fn kind(before: Ends, now: Ends) -> Option<Kind> {
    let is_more = now.failed >= BUILDING_UP && now.failed >= GROWTH * before.failed.max(1);
    if now.fell_back > 0 && before.fell_back == 0 && before.failed > 0 {
        Some(Kind::NewFallback)
    } else if before.fell_back > 0 && now.fell_back == 0 && now.failed > 0 {
        Some(Kind::LostFallback)
    } else if is_more && now.fell_back == 0 {
        Some(Kind::BuildingUp)
    } else {
        None
    }
}

/// What became of the mail for each domain.
fn load(store: &Store, scope: &Scope) -> Result<BTreeMap<String, Ends>> {
    let mut hosts: HashMap<u32, (String, Ends)> = HashMap::new();
    if scope.includes(Direction::Outbound) {
        let (from, to, ..) = bounds(scope);
        store
            .numbered((from, to))?
            .each_sum(|peer, meaning, count| {
                if peer.direction == Direction::Outbound && !meaning.delivery.is_empty() {
                    let host = hosts.entry(count.peer);
                    let (_, ends) = host.or_insert_with(|| (peer.domain.clone(), Ends::default()));
                    ends.count(meaning, &count);
                }
            })?;
    }
    let mut domains: BTreeMap<String, Ends> = BTreeMap::new();
    for (domain, host) in hosts.into_values() {
        domains.entry(domain).or_default().add(&host);
    }
    Ok(domains)
}

impl Ends {
    fn count(&mut self, meaning: &Meaning, count: &Count) {
        let fell_back = matches!(
            meaning.class,
            Class::PlaintextAfterFailedHandshake | Class::PlaintextAfterFailedSession
        );
        let mut more = Ends::default();
        if is_sent(&meaning.delivery) {
            more.delivered = count.n;
        }
        if is_sent(&meaning.delivery) && fell_back {
            more.fell_back = count.n;
            more.last_seen = count.last;
        } else if is_tls_failure(&meaning.delivery, meaning.class) {
            more.failed = count.n;
            more.last_seen = count.last;
        }
        self.add(&more);
    }

    fn add(&mut self, more: &Ends) {
        self.failed += more.failed;
        self.fell_back += more.fell_back;
        self.delivered += more.delivered;
        self.last_seen = self.last_seen.max(more.last_seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Period;
    use crate::store::fixture::{self, DAY, outbound};
    use maillog::{Cause, Protocol};

    fn days(from: i32, to: i32) -> Scope {
        let period = Period {
            from_day: Some(from),
            to_day: Some(to),
        };
        Scope {
            period,
            ..Scope::ALL
        }
    }

    #[test]
    fn where_failures_end_otherwise_than_before_is_told() {
        let failed = |domain: &str, times| {
            outbound(domain)
                .failed(Class::HandshakeFailed, Cause::Eof)
                .times(times)
        };
        let fell_back =
            |domain: &str| outbound(domain).plaintext(Class::PlaintextAfterFailedHandshake);
        let later = 86_400;
        let store = fixture::store([
            failed("opened.example", 4).build(),
            fell_back("opened.example").at(later).build(),
            fell_back("closed.example").build(),
            failed("closed.example", 2).at(later).build(),
            outbound("waits.example").encrypted(Protocol::Tls12).build(),
            failed("waits.example", 9).at(later).build(),
            failed("always.example", 9).build(),
            failed("always.example", 9).at(later).build(),
            fell_back("ever.example").build(),
            fell_back("ever.example").at(later).build(),
        ]);
        let found = find_turns(&store, &days(DAY + 1, DAY + 1), &days(DAY, DAY)).unwrap();
        let alone = find_turns(&store, &days(DAY, DAY), &days(DAY - 1, DAY - 1)).unwrap();
        assert_eq!(alone, [], "nothing is known of the day before");
        let short: Vec<_> = found
            .iter()
            .map(|t| (t.peer.as_str(), t.kind, t.failed_now))
            .collect();
        assert_eq!(
            short,
            [
                ("closed.example", Kind::LostFallback, 2),
                ("opened.example", Kind::NewFallback, 0),
                ("waits.example", Kind::BuildingUp, 9),
            ]
        );
    }
}
