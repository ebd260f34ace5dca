//! How did the share of mail over TLS go from day to day, by messages and by peers, and when did it change?

use std::collections::BTreeMap;

use crate::outcome::Direction;
use crate::store::{Result, Store};

use super::binomial::bounds;
use super::changes::Known;
use super::history::{Channel, History, find_history};
use super::shifts::{Course, find_course};
use super::strata::{PeerDay, Strata};
use super::{Scope, both_ways};

/// One day of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TrendDay {
    /// Days since 1970, UTC.
    pub day: i32,
    /// Messages whose channel is known.
    pub known: Known,
    /// Messages whose channel the log does not tell.
    pub unknown: u64,
    /// Peers all of whose known mail went over TLS, and peers with mail in clear.
    pub peers: (u64, u64),
    /// Between these the share over TLS lies with 95 % certainty, 0 to 1, were the day a sample of many: exact bounds, in which mail
    /// of one peer within an hour counts as about one.
    pub bounds: (f64, f64),
}

/// One direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Trend {
    /// Which way the mail went.
    pub direction: Direction,
    /// Days with mail, oldest first.
    pub days: Vec<TrendDay>,
    /// The changes found in them.
    pub course: Course,
}

/// The directions asked for that have mail.
pub fn find_trend(store: &Store, scope: &Scope) -> Result<Vec<Trend>> {
    let history = find_history(store, scope)?;
    let trends = both_ways(|direction| trend(&history, direction));
    Ok(trends.into_iter().filter(|t| !t.days.is_empty()).collect())
}

fn trend(history: &History, direction: Direction) -> Trend {
    let mail = history.peer_days(direction);
    let mut days: BTreeMap<i32, TrendDay> = BTreeMap::new();
    for cells in history.days(direction) {
        let day = days.entry(cells[0].day).or_default();
        day.day = cells[0].day;
        for cell in cells {
            let n = u64::from(cell.mail.n);
            match history.hows[cell.how as usize].channel {
                Channel::Encrypted => day.known.encrypted += n,
                Channel::Plaintext => day.known.plaintext += n,
                Channel::Unknown => day.unknown += n,
            }
        }
    }
    for peers in mail.chunk_by(|a, b| a.day == b.day) {
        if let Some(day) = peers.first().and_then(|p| days.get_mut(&p.day)) {
            judge(day, peers);
        }
    }
    Trend {
        direction,
        days: days.into_values().collect(),
        course: find_course(&Strata::of(&mail)),
    }
}

/// What a day's peers say.
fn judge(day: &mut TrendDay, peers: &[PeerDay]) {
    let in_clear = peers.iter().filter(|p| p.plaintext.n > 0).count() as u64;
    day.peers = (peers.len() as u64 - in_clear, in_clear);
    let occasions = peers.iter().map(PeerDay::occasions);
    let all: f64 = occasions.map(|(encrypted, clear)| encrypted + clear).sum();
    if let Some(share) = day.known.share() {
        day.bounds = bounds(share * all, all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Class;
    use crate::store::fixture::{self, DAY, outbound};
    use maillog::Protocol;

    #[test]
    fn a_day_has_its_messages_and_its_peers_and_bounds_for_the_share() {
        let store = fixture::store([
            outbound("a.example")
                .encrypted(Protocol::Tls13)
                .times(3)
                .build(),
            outbound("b.example").encrypted(Protocol::Tls13).build(),
            outbound("b.example")
                .plaintext(Class::PlaintextNotOffered)
                .build(),
            outbound("dark.example").silent().times(2).build(),
        ]);
        let found = find_trend(&store, &Scope::ALL).unwrap();
        assert_eq!(found.len(), 1);
        let day = found[0].days[0];
        assert_eq!(
            (day.day, day.known.encrypted, day.known.plaintext),
            (DAY, 4, 1)
        );
        assert_eq!((day.unknown, day.peers), (2, (1, 1)));
        // Each peer wrote in one burst: two occasions do not say much.
        assert!(
            day.bounds.0 < 0.2 && day.bounds.1 > 0.95,
            "{:?}",
            day.bounds
        );
        assert_eq!(found[0].course, Course::TooFew);
    }
}
