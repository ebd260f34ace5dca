//! How did the share of mail over TLS change against the period before, and which peers carry the change?
//!
//! The share of a direction is S = Σ wᵢ rᵢ over its peers: wᵢ is a peer's part of the mail whose channel is known, rᵢ the part of that
//! which went over TLS. The change from period 0 to period 1 falls apart, without a rest, into what each peer did and how much each wrote:
//!
//! ```text
//! rate of i = (wᵢ⁰ + wᵢ¹) / 2 · (rᵢ¹ − rᵢ⁰)
//! mix of i  = (wᵢ¹ − wᵢ⁰) · ((rᵢ⁰ + rᵢ¹) / 2 − (S⁰ + S¹) / 2)
//! ```
//!
//! A peer without mail in one of the periods keeps the rate of the other: it changed the mix only. On which day a change began is not
//! asked here.

use std::collections::BTreeMap;

use crate::outcome::Direction;
use crate::store::{Result, Store};

use super::failures::who;
use super::tally::Group;
use super::{Period, Scope, ask, read_direction};

/// With fewer mails than this in either period, a share says nothing.
const ENOUGH: u64 = 20;
/// What a change is called that is smaller than this: none. In parts of one.
const NOTICEABLE: f64 = 0.005;
/// A difference within so many standard errors of two equal shares is chance.
const CHANCE: f64 = 4.0;
/// A peer that carries at least this part of a change is its bearer.
const BEARER: f64 = 0.6;

/// Mail whose channel is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Over TLS.
    pub encrypted: u64,
    /// In clear.
    pub plaintext: u64,
}

impl Known {
    /// Both.
    pub fn total(&self) -> u64 {
        self.encrypted + self.plaintext
    }

    /// The part over TLS, 0 to 1; `None` of nothing.
    pub fn share(&self) -> Option<f64> {
        let total = self.total();
        (total > 0).then(|| self.encrypted as f64 / total as f64)
    }
}

/// What one peer did to the share.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Outbound the recipient domain; inbound the organisation, name or address of the client.
    pub peer: String,
    /// Its mail in the period before, and in this one.
    pub before: Known,
    /// The same now.
    pub now: Known,
    /// By how much its own rate moved the share of all, -1 to 1.
    pub rate: f64,
    /// By how much the amount of its mail did.
    pub mix: f64,
}

impl Part {
    /// Both together.
    pub fn effect(&self) -> f64 {
        self.rate + self.mix
    }
}

/// How to call what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Too few messages to say.
    TooFew,
    /// No change worth a word.
    Steady,
    /// One peer carries most of it.
    OnePeer,
    /// Many peers changed at once: rather we, or the network between, than they.
    ManyPeers,
    /// Peers are as they were; who writes how much has changed.
    Mix,
}

/// The change of one direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Which way the mail went.
    pub direction: Direction,
    /// All mail in the period before, and in this one.
    pub before: Known,
    /// The same now.
    pub now: Known,
    /// What happened.
    pub shape: Shape,
    /// The peers that did something to the share: those in the direction of the change first, by how much.
    pub parts: Vec<Part>,
}

impl Change {
    /// The change of the share, -1 to 1; 0 where there is none to be had.
    pub fn difference(&self) -> f64 {
        match (self.before.share(), self.now.share()) {
            (Some(before), Some(now)) => now - before,
            _ => 0.0,
        }
    }
}

const SQL: &str = "SELECT direction, domain, organisation, host, address, tls, class, cause, fault, delivery, SUM(n), SUM(messages),
         SUM(handshakes), MIN(first_seen), MAX(last_seen)
  FROM facts
  WHERE day >= ?1 AND day <= ?2 AND (direction = ?3 OR direction = ?4) AND (delivery = 'sent' OR messages > 0)
  GROUP BY direction, domain, organisation, host, address, tls, class, cause, fault, delivery
  ORDER BY direction, domain, organisation, host, address, tls, class, cause, fault, delivery";

/// The period before that of the scope, of as many days; `None` if it is open.
pub fn period_before(scope: &Scope) -> Option<Scope> {
    let (from, to) = (scope.period.from_day?, scope.period.to_day?);
    let period = Period {
        from_day: Some(from - (to - from + 1)),
        to_day: Some(from - 1),
    };
    Some(Scope { period, ..*scope })
}

/// The change of each direction asked for; nothing if the period is open.
pub fn find_changes(store: &Store, scope: &Scope) -> Result<Vec<Change>> {
    let Some(earlier) = period_before(scope) else {
        return Ok(Vec::new());
    };
    let (before, now) = (load(store, &earlier)?, load(store, scope)?);
    let asked = [Direction::Outbound, Direction::Inbound]
        .into_iter()
        .filter(|d| scope.includes(*d));
    Ok(asked
        .map(|direction| change(direction, &before, &now))
        .collect())
}

type Peers = BTreeMap<(Direction, String), Known>;

fn load(store: &Store, scope: &Scope) -> Result<Peers> {
    let mut peers = Peers::new();
    let rows = ask(store, SQL, scope, |row| {
        let direction = read_direction(row, 0)?;
        let names = [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?];
        Ok((direction, who(direction, names), Group::read(row, 5)?))
    })?;
    for (direction, peer, group) in rows {
        let n = match direction {
            Direction::Outbound => group.n,
            Direction::Inbound => group.messages,
        };
        let known = peers.entry((direction, peer)).or_default();
        match group.tls.as_str() {
            "encrypted" => known.encrypted += n,
            "plaintext" => known.plaintext += n,
            _ => {}
        }
    }
    Ok(peers)
}

fn change(direction: Direction, before: &Peers, now: &Peers) -> Change {
    let sum = |peers: &Peers| {
        let one_way = peers.iter().filter(|((d, _), _)| *d == direction);
        one_way.fold(Known::default(), |sum, (_, known)| Known {
            encrypted: sum.encrypted + known.encrypted,
            plaintext: sum.plaintext + known.plaintext,
        })
    };
    let whole = (sum(before), sum(now));
    let names = before
        .keys()
        .chain(now.keys())
        .filter(|(d, _)| *d == direction);
    let names: std::collections::BTreeSet<_> = names.collect();
    let parts = names.into_iter().filter_map(|key| {
        let mail = (
            before.get(key).copied().unwrap_or_default(),
            now.get(key).copied().unwrap_or_default(),
        );
        part(&key.1, mail, whole)
    });
    let mut change = Change {
        direction,
        before: whole.0,
        now: whole.1,
        shape: Shape::TooFew,
        parts: parts.collect(),
    };
    let sign = change.difference().signum();
    change
        .parts
        .sort_by(|a, b| (sign * b.effect()).total_cmp(&(sign * a.effect())));
    change.shape = shape(&change);
    change
}

/// What a peer did to the share of all; `None` if one of the periods has no mail at all.
fn part(peer: &str, (before, now): (Known, Known), whole: (Known, Known)) -> Option<Part> {
    let (all_before, all_now) = (whole.0.share()?, whole.1.share()?);
    let weight = |known: Known, whole: Known| known.total() as f64 / whole.total() as f64;
    let weights = (weight(before, whole.0), weight(now, whole.1));
    let rate_before = before.share().or(now.share())?;
    let rate_now = now.share().or(before.share())?;
    let middle = f64::midpoint(all_before, all_now);
    Some(Part {
        peer: peer.to_string(),
        before,
        now,
        rate: f64::midpoint(weights.0, weights.1) * (rate_now - rate_before),
        mix: (weights.1 - weights.0) * (f64::midpoint(rate_before, rate_now) - middle),
    })
}

/// How far two shares of equal mail lie apart by chance, were each mail a draw of its own.
fn standard_error(change: &Change) -> f64 {
    let (before, now) = (change.before.total() as f64, change.now.total() as f64);
    let all = (change.before.encrypted + change.now.encrypted) as f64 / (before + now);
    (all * (1.0 - all) * (1.0 / before + 1.0 / now)).sqrt()
}

fn shape(change: &Change) -> Shape {
    if change.before.total() < ENOUGH || change.now.total() < ENOUGH {
        return Shape::TooFew;
    }
    let difference = change.difference();
    if difference.abs() < NOTICEABLE.max(CHANCE * standard_error(change)) {
        return Shape::Steady;
    }
    let rates: f64 = change.parts.iter().map(|p| p.rate).sum();
    let largest = change.parts.first().map_or(0.0, Part::effect);
    if largest / difference >= BEARER {
        Shape::OnePeer
    } else if rates / difference >= 0.5 {
        Shape::ManyPeers
    } else {
        Shape::Mix
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn peers(mail: &[(&str, u64, u64)]) -> Peers {
        let known = |(peer, encrypted, plaintext): &(&str, u64, u64)| {
            let known = Known {
                encrypted: *encrypted,
                plaintext: *plaintext,
            };
            ((Direction::Outbound, peer.to_string()), known)
        };
        mail.iter().map(known).collect()
    }

    fn outbound(before: &[(&str, u64, u64)], now: &[(&str, u64, u64)]) -> Change {
        change(Direction::Outbound, &peers(before), &peers(now))
    }

    #[test]
    fn one_large_peer_that_loses_tls_carries_the_fall() {
        let change = outbound(
            &[("big.example", 250, 0), ("small.example", 500, 250)],
            &[("big.example", 0, 250), ("small.example", 500, 250)],
        );
        assert_eq!(change.shape, Shape::OnePeer);
        let first = &change.parts[0];
        assert_eq!(first.peer, "big.example");
        assert!((first.rate + 0.25).abs() < 1e-9 && first.mix.abs() < 1e-9);
        assert!((change.difference() + 0.25).abs() < 1e-9);
    }

    #[test]
    fn many_peers_at_once_are_no_one_peer() {
        let names: Vec<String> = (0..20).map(|n| format!("p{n}.example")).collect();
        let all = |encrypted, plaintext| -> Vec<(&str, u64, u64)> {
            names
                .iter()
                .map(|n| (n.as_str(), encrypted, plaintext))
                .collect()
        };
        assert_eq!(outbound(&all(10, 0), &all(5, 5)).shape, Shape::ManyPeers);
    }

    #[test]
    fn more_mail_of_a_peer_in_clear_is_a_change_of_the_mix() {
        let before: Vec<(&str, u64, u64)> = vec![
            ("tls.example", 90, 0),
            ("a.example", 0, 5),
            ("b.example", 0, 5),
        ];
        let now: Vec<(&str, u64, u64)> = vec![
            ("tls.example", 90, 0),
            ("a.example", 0, 30),
            ("b.example", 0, 30),
        ];
        let change = outbound(&before, &now);
        assert_eq!(change.shape, Shape::Mix);
        assert!(change.parts.iter().all(|p| p.rate == 0.0));
    }

    #[test]
    fn what_chance_can_make_is_no_change() {
        assert_eq!(
            outbound(&[("a", 95, 5)], &[("a", 91, 9)]).shape,
            Shape::Steady
        );
        assert_eq!(
            outbound(&[("a", 950, 50)], &[("a", 800, 200)]).shape,
            Shape::OnePeer
        );
    }

    #[test]
    fn little_mail_and_little_change_are_said_to_be_that() {
        assert_eq!(
            outbound(&[("a", 3, 0)], &[("a", 0, 300)]).shape,
            Shape::TooFew
        );
        assert_eq!(
            outbound(&[("a", 300, 0)], &[("a", 400, 0)]).shape,
            Shape::Steady
        );
        assert!(outbound(&[], &[("a", 400, 0)]).parts.is_empty());
    }

    proptest! {
        #[test]
        fn the_parts_add_up_to_the_whole(
            mail in prop::collection::vec(((0u64..50, 0u64..50), (0u64..50, 0u64..50)), 1..30)
        ) {
            let (before, now): (Vec<_>, Vec<_>) = mail.into_iter().unzip();
            let named = |mail: Vec<(u64, u64)>| -> Peers {
                let numbered = mail.into_iter().enumerate();
                numbered
                    .map(|(n, (encrypted, plaintext))| {
                        let known = Known { encrypted, plaintext };
                        ((Direction::Outbound, format!("p{n}")), known)
                    })
                    .collect()
            };
            let change = change(Direction::Outbound, &named(before), &named(now));
            let sum: f64 = change.parts.iter().map(Part::effect).sum();
            prop_assert!((sum - change.difference()).abs() < 1e-9, "{} {}", sum, change.difference());
        }
    }
}
