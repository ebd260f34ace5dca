//! Finds the days on which peers began to do otherwise than before: statistics over [`Strata`], without a word about mail.
//!
//! Each span of days is compared with the other days of its stretch: for every stratum the occasions in clear are spread over the days
//! as its own rate would have them, and what is beyond that is looked at, of all strata together and of each alone. Whether it is beyond
//! chance says Chernoff's bound (`binomial::surprise`), divided by how many times more the days scatter than occasions would. The most
//! surprising span is cut out, and its pieces are searched again, until nothing is left that chance could not have made.
//!
//! Who writes once a day has too few occasions for that. So where it finds nothing each peer is asked for itself, by whole days (`firsts`).

use super::binomial::{Trials, divergence, surprise};
use super::firsts::{self, WholeDays};
use super::strata::{Count, Group, Strata, Stratum};

/// How often, at most, a stretch without a change may be said to have one by its occasions; by whole days it is half as often again.
const FALSE_ALARMS: f64 = 0.005;
/// Spans longer than this many days are compared only if they touch an end of their stretch: it keeps a year affordable.
const LONGEST_SPAN: usize = 60;
/// Below so many standard errors no bound needs to be worked out.
const WORTH_A_LOOK: f64 = 2.5;
/// Successive days scatter less than they do by the two that differ most, which may be the change itself: the rest is that much too small.
const TRIMMED: f64 = 1.3;
/// How much what a site scatters at least weighs against what is found of a stratum, in expected scatter.
const USUAL_WEIGHT: f64 = 2.0;
/// No mail is no part of this number of occasions.
const NOTHING: f64 = 1e-9;

/// A span of days within a stretch, and how surprising it is.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Span {
    from: usize,
    to: usize,
    clear: f64,
    surprise: f64,
}

impl Span {
    /// More surprising; of equals, as where days differ on which the one who moved did not write, the one that has more of the excess.
    fn beats(&self, other: &Span) -> bool {
        let more = self.surprise - other.surprise;
        more > NOTHING || (more > -NOTHING && self.clear > other.clear)
    }
}

/// How much more in clear one span has than another, in occasions, and how far that is beyond chance.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Excess {
    /// Occasions of all in clear beyond what was to be expected; negative if there are fewer.
    clear: f64,
    /// What surprises most, all together or one of them, has more in clear: what the others do may outweigh it.
    pub(super) is_towards_clear: bool,
    /// Λ: chance does so with a probability of at most exp(−Λ).
    pub(super) surprise: f64,
}

/// Where the days fall apart: the first day of each stretch but the first, in order.
pub(super) fn find_cuts(strata: &Strata) -> Vec<usize> {
    let days = strata.days.len();
    let mut cuts = Vec::new();
    search(strata, (0, days), threshold(days), &mut cuts);
    cuts.sort_unstable();
    cuts.dedup();
    keep_what_holds(strata, threshold(days), &mut cuts);
    cuts
}

/// The surprise from which on chance is ruled out, given how many spans of so many days were looked at.
pub(super) fn threshold(days: usize) -> f64 {
    (looks(days) / FALSE_ALARMS).ln()
}

/// How many comparisons a stretch of days gives, upwards and downwards.
fn looks(days: usize) -> f64 {
    (days * (days + 1)).max(2) as f64
}

/// How sure a change of this surprise is, 0 to 1, given how many spans were looked at.
pub(super) fn confidence(surprise: f64, days: usize) -> f64 {
    1.0 - (looks(days) * (-surprise).exp()).min(1.0)
}

fn search(strata: &Strata, (low, high): (usize, usize), least: f64, cuts: &mut Vec<usize>) {
    let is_beyond_chance = |span: &Span| span.surprise >= least;
    let by_occasions = most_surprising(strata, low, high).filter(is_beyond_chance);
    let by_days = || most_surprising_by_days(strata, low, high).filter(is_beyond_chance);
    let Some(span) = by_occasions.or_else(by_days) else {
        return;
    };
    let from = placed(strata, low, span.from, span.to);
    let to = placed(strata, from, span.to, high);
    for cut in [from, to] {
        if low < cut && cut < high {
            cuts.push(cut);
        }
    }
    for piece in [(low, from), (from, to), (to, high)] {
        search(strata, piece, least, cuts);
    }
}

/// A cut between two stretches, moved to the first day on which something can be told of it: over the days on which the one who moved most
/// did not write, all cuts are equally good. What it and others who moved did on its other kind of days, of rest or of work, decides
/// between them; else it is the latest.
fn placed(strata: &Strata, low: usize, cut: usize, high: usize) -> usize {
    if cut <= low || high <= cut {
        return cut;
    }
    let (before, after) = ((low, cut), (cut, high));
    let moved = moved(
        strata,
        before,
        after,
        compare(strata, before, after).is_towards_clear,
    );
    let Some((first, _)) = moved.iter().max_by(|a, b| a.1.total_cmp(&b.1)) else {
        return cut;
    };
    let is_silent = |day: usize| first.occasions(day, day + 1).all <= NOTHING;
    let silent_before = (low + 1..cut).rev().take_while(|day| is_silent(*day));
    let silent_after = (cut..high - 1).take_while(|day| is_silent(*day));
    let (earliest, latest) = (cut - silent_before.count(), cut + silent_after.count());
    // How much likelier it is that a day is one of those before than of those after.
    let (low, high) = ((low, earliest), (latest, high));
    let likelier = |day: usize| -> f64 {
        let of = |(stratum, _): &(&Stratum, f64)| {
            let (from, to) = (level(stratum, low), level(stratum, high));
            let mail = strata.mixed.iter().chain(&strata.others);
            let mail = mail.filter(|s| s.group == stratum.group);
            mail.map(|s| s.occasions(day, day + 1))
                .map(|c| {
                    c.clear * (from / to).ln()
                        + (c.all - c.clear) * ((1.0 - from) / (1.0 - to)).ln()
                })
                .sum::<f64>()
        };
        moved.iter().map(of).sum()
    };
    let (mut best, mut sum) = ((earliest, 0.0), 0.0);
    for day in earliest..latest {
        sum += likelier(day);
        if sum > best.1 - NOTHING {
            best = (day + 1, sum);
        }
    }
    best.0
}

/// The part of the occasions in clear; one is never wholly sure of it, so half an occasion is added, of each kind a part.
fn level(stratum: &Stratum, days: (usize, usize)) -> f64 {
    let Count { clear, all } = stratum.occasions(days.0, days.1);
    (clear + 0.25) / (all + 0.5)
}

/// Takes cuts away whose two sides are not different after all, the least sure first.
fn keep_what_holds(strata: &Strata, least: f64, cuts: &mut Vec<usize>) {
    loop {
        let sure = |at: usize| {
            let before = if at == 0 { 0 } else { cuts[at - 1] };
            let after = cuts.get(at + 1).copied().unwrap_or(strata.days.len());
            compare(strata, (before, cuts[at]), (cuts[at], after)).surprise
        };
        let all = (0..cuts.len()).map(|at| (at, sure(at)));
        match all.min_by(|a, b| a.1.total_cmp(&b.1)) {
            Some((at, surprise)) if surprise < least => cuts.remove(at),
            _ => return,
        };
    }
}

/// A stratum within a stretch that has both kinds of mail there.
struct Within<'s> {
    stratum: &'s Stratum,
    whole: Count,
    scatter: f64,
}

fn within(strata: &Strata, low: usize, high: usize) -> Vec<Within<'_>> {
    let counted = strata.mixed.iter().map(|s| (s, s.occasions(low, high)));
    counted
        .filter(|(_, c)| c.clear > NOTHING && c.all - c.clear > NOTHING)
        .map(|(stratum, whole)| Within {
            stratum,
            whole,
            scatter: usual_scatter(&[scatter(stratum, low, high)], stratum.scatter),
        })
        .collect()
}

fn most_surprising(strata: &Strata, low: usize, high: usize) -> Option<Span> {
    let mixed = within(strata, low, high);
    if mixed.is_empty() || high - low < 2 {
        return None;
    }
    let pooled = pooled_scatter(strata, low, high);
    let mut pairs = Vec::with_capacity(mixed.len());
    let mut best: Option<Span> = None;
    for from in low..high {
        for to in from + 1..=high {
            let touches = from == low || to == high;
            if (from, to) == (low, high) || (to - from > LONGEST_SPAN && !touches) {
                continue;
            }
            pairs.clear();
            pairs.extend(
                mixed
                    .iter()
                    .filter_map(|w| Pair::of(w.stratum.occasions(from, to), w.whole, w.scatter)),
            );
            let Excess {
                clear, surprise, ..
            } = judge(&pairs, pooled);
            let span = Span {
                from,
                to,
                clear: clear.abs(),
                surprise,
            };
            if surprise > 0.0 && best.is_none_or(|b| span.beats(&b)) {
                best = Some(span);
            }
        }
    }
    best
}

/// The same, by the days of each peer alone.
fn most_surprising_by_days(strata: &Strata, low: usize, high: usize) -> Option<Span> {
    let peers = strata.mixed.iter();
    let peers: Vec<WholeDays> = peers.filter_map(|s| WholeDays::of(s, low, high)).collect();
    let choice = (peers.len().max(1) as f64).ln();
    let spans = peers.iter().filter_map(|p| p.most_surprising(LONGEST_SPAN));
    let best = spans.max_by(|a, b| a.1.total_cmp(&b.1));
    best.map(|((from, to), surprise)| Span {
        from,
        to,
        clear: 0.0,
        surprise: surprise - choice,
    })
}

/// What the second of two spans, which follow each other, has more in clear than the first. Days between them are left out.
pub(super) fn compare(strata: &Strata, before: (usize, usize), after: (usize, usize)) -> Excess {
    let pairs: Vec<Pair> = strata
        .mixed
        .iter()
        .filter_map(|s| pair(s, before, after))
        .collect();
    let pooled = [before, after].map(|side| pooled_scatter(strata, side.0, side.1));
    let mut excess = judge(&pairs, pooled[0].max(pooled[1]));
    let choice = (pairs.len().max(1) as f64).ln();
    for stratum in &strata.mixed {
        let by_days = firsts::compare(stratum, before, after);
        if by_days.abs() - choice > excess.surprise {
            excess.surprise = by_days.abs() - choice;
            excess.is_towards_clear = by_days > 0.0;
        }
    }
    excess
}

fn pair(stratum: &Stratum, before: (usize, usize), after: (usize, usize)) -> Option<Pair> {
    let first = stratum.occasions(before.0, before.1);
    let second = stratum.occasions(after.0, after.1);
    let whole = Count {
        clear: first.clear + second.clear,
        all: first.all + second.all,
    };
    let sides = [before, after].map(|side| scatter(stratum, side.0, side.1));
    Pair::of(second, whole, usual_scatter(&sides, stratum.scatter))
}

/// Some days of a stratum and all days they are compared with, themselves included.
struct Pair {
    here: Count,
    whole: Count,
    rate: f64,
    scatter: f64,
}

impl Pair {
    /// `None` if it has nothing to tell: all of it is here, or nothing, or it is all of one kind.
    fn of(here: Count, whole: Count, scatter: f64) -> Option<Pair> {
        let tells = here.all > NOTHING
            && whole.all - here.all > NOTHING
            && whole.clear > NOTHING
            && whole.all - whole.clear > NOTHING;
        tells.then(|| Pair {
            here,
            whole,
            rate: whole.clear / whole.all,
            scatter,
        })
    }

    fn excess(&self) -> f64 {
        self.here.clear - self.here.all * self.rate
    }

    fn variance(&self) -> f64 {
        let there = self.whole.all - self.here.all;
        self.here.all * there / self.whole.all * self.rate * (1.0 - self.rate)
    }

    /// Hits and trials of the smaller side, whose bound is the sharper one.
    fn side(&self, here: bool) -> (f64, Trials) {
        let count = match here {
            true => self.here,
            false => Count {
                clear: self.whole.clear - self.here.clear,
                all: self.whole.all - self.here.all,
            },
        };
        let trials = Trials {
            n: count.all,
            p: self.rate,
        };
        (count.clear, trials)
    }

    /// Of two bounds that hold the better one: that of the smaller side, and that of both sides by how likely each split is, which is
    /// the sharper one where both are large.
    fn surprise_alone(&self) -> f64 {
        let (hits, trials) = self.side(2.0 * self.here.all <= self.whole.all);
        let both: f64 = [self.side(true), self.side(false)]
            .iter()
            .map(|(hits, trials)| divergence(*hits, *trials))
            .sum();
        surprise(hits, &[trials]).max(both - (self.whole.all + 1.0).ln()) / self.scatter
    }
}

/// What all pairs together have here in clear beyond their rates, and the greater surprise: that of all together, or that of one of them, of
/// which there were many to choose from.
fn judge(pairs: &[Pair], pooled: f64) -> Excess {
    let clear: f64 = pairs.iter().map(Pair::excess).sum();
    let variance: f64 = pairs.iter().map(Pair::variance).sum();
    let mut excess = Excess {
        clear,
        is_towards_clear: clear > 0.0,
        surprise: 0.0,
    };
    if is_far(clear, variance * pooled) {
        let sum = |part: fn(&Pair) -> f64| pairs.iter().map(part).sum::<f64>();
        let here = 2.0 * sum(|p| p.here.all) <= sum(|p| p.whole.all);
        let (hits, trials): (Vec<f64>, Vec<Trials>) = pairs.iter().map(|p| p.side(here)).unzip();
        excess.surprise = surprise(hits.iter().sum(), &trials) / pooled;
    }
    let choice = (pairs.len().max(1) as f64).ln();
    for pair in pairs {
        if is_far(pair.excess(), pair.variance() * pair.scatter) {
            let alone = pair.surprise_alone() - choice;
            if alone > excess.surprise {
                excess.surprise = alone;
                excess.is_towards_clear = pair.excess() > 0.0;
            }
        }
    }
    excess
}

/// More standard errors than chance makes every day.
fn is_far(clear: f64, variance: f64) -> bool {
    clear * clear > WORTH_A_LOOK * WORTH_A_LOOK * variance
}

/// How much the rates of successive days differ: what was found, and what independent occasions would give. One change within the days does
/// not inflate it: the pair of days that differ most is left out.
fn scatter(stratum: &Stratum, low: usize, high: usize) -> (f64, f64) {
    let Count { clear, all } = stratum.occasions(low, high);
    if clear <= NOTHING || all - clear <= NOTHING {
        return (0.0, 0.0);
    }
    let days = (low..high).map(|at| stratum.occasions(at, at + 1));
    let days: Vec<Count> = days.filter(|c| c.all > 0.0).collect();
    let (mut found, mut weights, mut largest) = (0.0, 0.0, (0.0, 0.0));
    for pair in days.windows(2) {
        let weight = pair[0].all * pair[1].all / (pair[0].all + pair[1].all);
        let difference = pair[0].clear / pair[0].all - pair[1].clear / pair[1].all;
        let term = weight * weight * difference * difference;
        found += term;
        weights += weight;
        if term > largest.0 {
            largest = (term, weight);
        }
    }
    let rate = clear / all;
    let expected = (weights - largest.1) * rate * (1.0 - rate);
    (TRIMMED * (found - largest.0), expected)
}

/// How many times more the days scatter than independent occasions would. Where little is known it is taken to be as usual, and it is never
/// less than that.
fn usual_scatter(sides: &[(f64, f64)], least: f64) -> f64 {
    let (found, expected) = sides
        .iter()
        .fold((0.0, 0.0), |sum, side| (sum.0 + side.0, sum.1 + side.1));
    ((found + least * USUAL_WEIGHT) / (expected + USUAL_WEIGHT)).max(least)
}

fn pooled_scatter(strata: &Strata, low: usize, high: usize) -> f64 {
    let each: Vec<(f64, f64)> = strata.mixed.iter().map(|s| scatter(s, low, high)).collect();
    usual_scatter(&each, strata.scatter)
}

/// The strata that have more in clear (or less) in the second of two spans than in the first, beyond what each scatters, and at least half
/// as far as the one that moved farthest, each with how far.
fn moved<'s>(
    strata: &'s Strata,
    before: (usize, usize),
    after: (usize, usize),
    towards_clear: bool,
) -> Vec<(&'s Stratum, f64)> {
    let errors = |stratum: &'s Stratum| {
        let p = pair(stratum, before, after)?;
        let errors = p.excess() / (p.variance() * p.scatter).sqrt();
        Some((stratum, if towards_clear { errors } else { -errors }))
    };
    let mut all: Vec<(&Stratum, f64)> = strata.mixed.iter().filter_map(errors).collect();
    let farthest = all.iter().map(|(_, errors)| *errors).fold(0.0, f64::max);
    let least = WORTH_A_LOOK.max(farthest / 2.0);
    all.retain(|(_, errors)| *errors >= least);
    all
}

/// The same with all they have, working days and weekends; all strata, if none can be told to have moved.
pub(super) fn movers(
    strata: &Strata,
    before: (usize, usize),
    after: (usize, usize),
    towards_clear: bool,
) -> Vec<&Stratum> {
    let moved = moved(strata, before, after, towards_clear);
    let groups: Vec<Group> = moved.iter().map(|(stratum, _)| stratum.group).collect();
    let asked = |s: &&Stratum| groups.is_empty() || groups.contains(&s.group);
    strata.mixed.iter().filter(asked).collect()
}

/// By how many standard errors one day has more in clear than the days of a span let expect; `None` if nobody wrote on both.
pub(super) fn departure(strata: &[&Stratum], day: usize, from: (usize, usize)) -> Option<f64> {
    let (mut sum, mut variance) = (0.0, 0.0);
    for stratum in strata {
        let usual = stratum.occasions(from.0, from.1);
        let today = stratum.occasions(day, day + 1);
        if usual.all <= NOTHING || today.all <= NOTHING {
            continue;
        }
        // Never wholly sure of a rate: half an occasion is added, of each kind a part.
        let rate = (usual.clear + 0.25) / (usual.all + 0.5);
        let scatter = usual_scatter(&[scatter(stratum, from.0, from.1)], stratum.scatter);
        sum += today.clear - today.all * usual.clear / usual.all;
        variance += scatter * today.all * (1.0 + today.all / usual.all) * rate * (1.0 - rate);
    }
    (variance > NOTHING).then(|| sum / variance.sqrt())
}
