//! What a change of the share over TLS is called, from its parts: the order of the questions is that in which an operator should ask them.
//!
//! Ourselves come before the others: where many who have nothing to do with each other change at once, the one thing they share is us.

use std::collections::{BTreeMap, BTreeSet};

use super::changes::{Become, Change};
use super::history::NameId;
use super::parts::{OTHERS, Part};

/// With fewer mails than this in either period, a share says nothing.
const ENOUGH: u64 = 20;
/// What a change is called that is smaller than this: none. In parts of one.
const NOTICEABLE: f64 = 0.005;
/// What carries at least this part of a change is its bearer.
const BEARER: f64 = 0.6;
/// What carries at least this part of it carries nearly all.
const NEARLY_ALL: f64 = 0.8;
/// So many operators that have nothing to do with each other are many.
const MANY: usize = 3;
/// Of so many it is strange if all change at once.
const ALL_OF: usize = 5;
/// A peer with less mail than this in one of the periods is no witness.
const WITNESS: u64 = 3;

/// How to call what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Too few messages to say.
    TooFew,
    /// No change worth a word.
    Steady,
    /// Some peers have less TLS and others more, so that the share hardly moved.
    Cancelling,
    /// One peer carries most of it.
    OnePeer,
    /// One operator of mail servers carries most of it, for several peers.
    OneOperator,
    /// Our own side is what the change has in common.
    OurSide(OurSign),
    /// Several peers, who have nothing to do with each other.
    ManyPeers,
    /// Two or three peers.
    FewPeers,
    /// Peers are as they were; who writes how much has changed.
    Mix,
}

/// What points to ourselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OurSign {
    /// The log says that it is our own fault.
    Fault,
    /// It is in one of our services only.
    Service(String),
    /// All peers changed at once.
    AllAtOnce,
    /// Several unrelated peers have one and the same new reason.
    SameReason(String),
}

impl Shape {
    /// Worth a word at all.
    pub fn is_told(&self) -> bool {
        !matches!(self, Shape::TooFew | Shape::Steady)
    }

    /// Peers, or we, do otherwise than before: not only more or less.
    pub fn is_of_rates(&self) -> bool {
        self.is_told() && *self != Shape::Mix
    }
}

/// Names a change. `is_sure`: peers do otherwise than chance would have it; `ours`: how much of the change is our own fault by the log.
pub(super) fn shape(change: &Change, is_sure: bool, ours: f64) -> Shape {
    if change.before.total() < ENOUGH || change.now.total() < ENOUGH {
        return Shape::TooFew;
    }
    let difference = change.difference();
    let rates: f64 = change.parts.iter().map(|p| p.rate).sum();
    let mix = difference - rates;
    let is_shift = is_sure && rates.abs() >= NOTICEABLE;
    // Peers that differ are more than the mix of the same day's mail, unless the mix outweighs them by far.
    if is_shift && rates * difference > 0.0 && rates.abs() >= mix.abs() {
        return bearer(change, rates, ours);
    }
    if cancels(change) {
        return Shape::Cancelling;
    }
    if difference.abs() < NOTICEABLE
        || mix * difference <= 0.0
        || mix.abs() < largest_chance(change)
    {
        return Shape::Steady;
    }
    Shape::Mix
}

/// What chance may do to the share, were each mail a draw of its own; four standard errors.
fn largest_chance(change: &Change) -> f64 {
    let (before, now) = (change.before.total() as f64, change.now.total() as f64);
    let all = (change.before.encrypted + change.now.encrypted) as f64 / (before + now);
    4.0 * (all * (1.0 - all) * (1.0 / before + 1.0 / now)).sqrt()
}

fn cancels(change: &Change) -> bool {
    let moves = |up: bool| {
        let moved = change
            .moved
            .iter()
            .filter(|m| (m.what == Become::Regained) == up);
        let names: Vec<&str> = moved.map(|m| m.peer.as_str()).collect();
        let parts = change
            .parts
            .iter()
            .filter(|p| names.contains(&p.peer.as_str()));
        parts.map(|p| p.rate.abs()).sum::<f64>()
    };
    moves(true).min(moves(false)) >= NOTICEABLE
}

/// Who carries a change of what peers do.
fn bearer(change: &Change, rates: f64, ours: f64) -> Shape {
    if ours / rates >= 0.5 {
        return Shape::OurSide(OurSign::Fault);
    }
    let of = |part: &Part| part.rate / rates;
    let one = change.parts.iter().filter(|p| p.peer != OTHERS);
    let largest = one.map(of).fold(0.0, f64::max);
    if largest >= BEARER {
        return Shape::OnePeer;
    }
    let sides = [all_at_once(change, rates), one_service(change, rates)];
    if let Some(sign) = sides.into_iter().flatten().next() {
        return Shape::OurSide(sign);
    }
    let operator = change.facets.operators.iter().map(of).fold(0.0, f64::max);
    if operator >= BEARER {
        return Shape::OneOperator;
    }
    if operators(change, rates) < MANY {
        return Shape::FewPeers;
    }
    match same_reason(change, rates) {
        Some(reason) => Shape::OurSide(OurSign::SameReason(reason)),
        None => Shape::ManyPeers,
    }
}

/// How many operators it takes to carry nearly all of a change.
fn operators(change: &Change, rates: f64) -> usize {
    let mut sums: BTreeMap<Option<NameId>, (f64, usize)> = BTreeMap::new();
    for part in &change.parts {
        let entry = sums.entry(part.operator).or_insert((0.0, part.operators));
        entry.0 += part.rate / rates;
    }
    let mut largest: Vec<(f64, usize)> = sums.into_values().collect();
    largest.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut carried, mut needed) = (0.0, 0);
    for (part, operators) in largest {
        if carried >= NEARLY_ALL {
            break;
        }
        carried += part;
        needed += operators;
    }
    needed
}

/// Nearly all who had TLS (or had none) have it less (or more) than before, and they are many.
fn all_at_once(change: &Change, rates: f64) -> Option<OurSign> {
    let before = |p: &&Part| match rates < 0.0 {
        true => p.before.encrypted > 0,
        false => p.before.plaintext > 0,
    };
    let witnesses: Vec<&Part> = change
        .parts
        .iter()
        .filter(|p| p.before.total().min(p.now.total()) >= WITNESS)
        .filter(before)
        .collect();
    let count = |parts: &mut dyn Iterator<Item = &&Part>| {
        let operators: BTreeSet<Option<NameId>> = parts.map(|p| p.operator).collect();
        operators.len()
    };
    let all = count(&mut witnesses.iter());
    let same = count(&mut witnesses.iter().filter(|p| p.rate * rates > 0.0));
    (all >= ALL_OF && same as f64 >= NEARLY_ALL * all as f64).then_some(OurSign::AllAtOnce)
}

/// One of several services of ours carries it, for peers that have nothing to do with each other, while the others go on as before.
fn one_service(change: &Change, rates: f64) -> Option<OurSign> {
    let busy = |p: &&Part| p.before.total().min(p.now.total()) >= ENOUGH;
    let services: Vec<&Part> = change.facets.services.iter().filter(busy).collect();
    let all: f64 = services.iter().map(|p| p.now.total() as f64).sum();
    let carries = services.iter().find(|p| p.rate / rates >= NEARLY_ALL)?;
    let is_all_there_is = carries.now.total() as f64 >= NEARLY_ALL * all;
    let is_ours = !is_all_there_is && operators(change, rates) >= MANY;
    is_ours.then(|| OurSign::Service(carries.peer.clone()))
}

/// One reason that says what failed carries a fall.
fn same_reason(change: &Change, rates: f64) -> Option<String> {
    let first = change.facets.reasons.first()?;
    let says_why = first.name.contains(": ");
    (rates < 0.0 && says_why && first.effect / rates >= BEARER).then(|| first.name.clone())
}
