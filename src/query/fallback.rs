//! Where a failed TLS handshake has another end than before: mail that now goes out in clear, mail that no longer does and waits, and mail
//! that has begun to wait. Outbound only: what a client does after a failure is its own business.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::outcome::{Class, Direction};
use crate::store::Result;
use crate::store::numbered::{Count, Meaning, Numbered};

use super::tally::{is_sent, is_tls_failure};

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
    last_seen: i64,
}

/// What became of mail that failed, before a day and since: each count of both periods is to be shown.
pub(super) struct Turns {
    first_day: i32,
    /// The log reaches back into the period before.
    reaches_back: bool,
    /// Of the peer with this number, before and since. Few have any.
    hosts: HashMap<u32, (Ends, Ends)>,
}

impl Turns {
    /// To be filled.
    pub(super) fn new(first_day: i32) -> Turns {
        Turns {
            first_day,
            reaches_back: false,
            hosts: HashMap::new(),
        }
    }

    /// Looks at a count.
    pub(super) fn add(&mut self, direction: Direction, meaning: &Meaning, count: &Count) {
        if direction != Direction::Outbound || meaning.delivery.is_empty() {
            return;
        }
        self.reaches_back |= count.day < self.first_day;
        if let Some(end) = Ends::of(meaning, count) {
            let (before, now) = self.hosts.entry(count.peer).or_default();
            let ends = if count.day < self.first_day {
                before
            } else {
                now
            };
            ends.add(&end);
        }
    }

    /// All of them, by name. Where the log does not reach back there are none: nothing is otherwise than before.
    pub(super) fn find(&self, numbered: &mut Numbered<'_>) -> Result<Vec<Turn>> {
        if !self.reaches_back {
            return Ok(Vec::new());
        }
        let mut domains: BTreeMap<&str, (Ends, Ends)> = BTreeMap::new();
        for (number, (before, now)) in &self.hosts {
            let domain = numbered.peers.get(*number).domain();
            let sum = domains.entry(domain).or_default();
            sum.0.add(before);
            sum.1.add(now);
        }
        let turns = domains.into_iter().filter_map(|(peer, (before, now))| {
            Some(Turn {
                kind: kind(before, now)?,
                peer: peer.to_owned(),
                failed_before: before.failed,
                failed_now: now.failed,
                fell_back_now: now.fell_back,
                delivered_now: 0,
                last_seen: now.last_seen,
            })
        });
        let mut turns: Vec<Turn> = turns.collect();
        self.count_delivered(numbered, &mut turns)?;
        Ok(turns)
    }

    /// Counts all that was delivered to the domains of these.
    fn count_delivered(&self, numbered: &mut Numbered<'_>, turns: &mut [Turn]) -> Result<()> {
        let place = |domain: &str| turns.binary_search_by(|t| t.peer.as_str().cmp(domain)).ok();
        let hosts = (0..)
            .zip(numbered.peers.iter())
            .filter_map(|(number, peer)| {
                let is_one = peer.direction() == Direction::Outbound;
                Some((number, place(peer.domain()).filter(|_| is_one)?))
            });
        let hosts: Vec<(u32, usize)> = hosts.collect();
        for (number, at) in hosts {
            numbered.each_day_of(number, |_, meaning, count| {
                if count.day >= self.first_day && is_sent(&meaning.delivery) {
                    turns[at].delivered_now += count.n;
                }
            })?;
        }
        Ok(())
    }
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

impl Ends {
    /// What a count says of a failure; `None` if nothing.
    fn of(meaning: &Meaning, count: &Count) -> Option<Ends> {
        let fell_back = matches!(
            meaning.class,
            Class::PlaintextAfterFailedHandshake | Class::PlaintextAfterFailedSession
        );
        let mut ends = Ends {
            last_seen: count.last,
            ..Ends::default()
        };
        if fell_back && is_sent(&meaning.delivery) {
            ends.fell_back = count.n;
        } else if is_tls_failure(&meaning.delivery, meaning.class) {
            ends.failed = count.n;
        } else {
            return None;
        }
        Some(ends)
    }

    fn add(&mut self, more: &Ends) {
        self.failed += more.failed;
        self.fell_back += more.fell_back;
        self.last_seen = self.last_seen.max(more.last_seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::store::fixture::{self, DAY, outbound};
    use maillog::{Cause, Protocol};

    /// Of one day against the one before.
    fn turns(store: &Store, day: i32) -> Vec<Turn> {
        let mut numbered = store.numbered((day - 1, day)).unwrap();
        let mut turns = Turns::new(day);
        numbered
            .each_day(|peer, meaning, count| turns.add(peer.direction(), meaning, &count))
            .unwrap();
        turns.find(&mut numbered).unwrap()
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
        let (found, alone) = (turns(&store, DAY + 1), turns(&store, DAY));
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
