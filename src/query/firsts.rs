//! Does one peer do otherwise than before, by whole days: for those who write once a day, or in one burst.
//!
//! Of a day only its first mail is looked at: was it over TLS, or in clear? However many messages a burst has and however many bursts a day, a day
//! tells one thing, and no more of those that begin in clear are to be expected where a peer merely writes more. So there is nothing to be allowed
//! for, as there is with occasions (`scan`): if a peer does as it always did, each order of its days is as likely as any other, and how often
//! chance puts so many that begin in clear into a span is known exactly (Fisher's test of the days within against those outside). Twenty days over TLS
//! and then fifteen in clear are one of 3,247,943,160 orders.

use super::binomial::drawn_at_least;
use super::strata::{Days, Stratum};

/// How many tests a stretch is put to: this one, and that by occasions. Whoever looks twice is fooled twice as often.
const TESTS: f64 = 2.0;
/// Below so many standard errors no chance needs to be worked out.
const WORTH_A_LOOK: f64 = 2.5;
/// The least chance that can be told from none.
const LEAST: f64 = 1e-300;

/// The days with mail of a peer within a stretch, of both kinds.
pub(super) struct WholeDays {
    stretch: (usize, usize),
    whole: Days,
    /// Days in a row that begin alike, the silent ones between them included: first, last and one more, and how many there are.
    runs: Vec<(usize, usize, Days)>,
}

impl WholeDays {
    /// `None` if all begin alike, or if it is not of one peer.
    pub(super) fn of(stratum: &Stratum, low: usize, high: usize) -> Option<WholeDays> {
        let whole = stratum.firsts(low, high)?;
        if whole.clear == 0 || whole.clear == whole.all {
            return None;
        }
        let mut runs: Vec<(usize, usize, Days)> = Vec::new();
        for at in low..high {
            let day = stratum.firsts(at, at + 1)?;
            match runs.last_mut() {
                _ if day.all == 0 => {}
                Some((_, end, days)) if (days.clear > 0) == (day.clear > 0) => {
                    *end = at + 1;
                    *days = plus(*days, day);
                }
                _ => runs.push((at, at + 1, day)),
            }
        }
        // Days of silence at the ends have nothing to be told from.
        if let Some(first) = runs.first_mut() {
            first.0 = low;
        }
        if let Some(last) = runs.last_mut() {
            last.1 = high;
        }
        Some(WholeDays {
            stretch: (low, high),
            whole,
            runs,
        })
    }

    /// The span that differs most from the days outside it, and how surprising that is. It begins with a run and ends with one. Spans longer than
    /// `longest` days are compared only if they touch an end of the stretch.
    pub(super) fn most_surprising(&self, longest: usize) -> Option<((usize, usize), f64)> {
        let (low, high) = self.stretch;
        let mut best: Option<((usize, usize), f64)> = None;
        for (at, (from, ..)) in self.runs.iter().enumerate() {
            let mut here = Days::default();
            for (_, to, days) in &self.runs[at..] {
                here = plus(here, *days);
                let touches = *from == low || *to == high;
                if to - from > longest && !touches {
                    continue;
                }
                let surprise = surprise(here, self.whole).abs();
                if best.map_or(0.0, |b| b.1) < surprise {
                    best = Some(((*from, *to), surprise));
                }
            }
        }
        best
    }
}

fn plus(a: Days, b: Days) -> Days {
    Days {
        clear: a.clear + b.clear,
        all: a.all + b.all,
    }
}

/// How surprising it is what a peer's days on two sides begin with: below zero if fewer of the second begin in clear, 0 if it is not of one peer.
pub(super) fn compare(stratum: &Stratum, before: (usize, usize), after: (usize, usize)) -> f64 {
    let sides = [before, after].map(|side| stratum.firsts(side.0, side.1));
    match sides {
        [Some(first), Some(second)] => surprise(second, plus(first, second)),
        _ => 0.0,
    }
}

/// How far beyond chance it is that so many of these days begin as they do, where of the whole, themselves included, so many do: chance does
/// so with a probability of exp(−|Λ|), shared with the other test. It is below zero if fewer begin in clear than expected.
fn surprise(here: Days, whole: Days) -> f64 {
    let there = whole.all - here.all;
    if here.all == 0 || there == 0 {
        return 0.0;
    }
    let rate = f64::from(whole.clear) / f64::from(whole.all);
    let excess = f64::from(here.clear) - f64::from(here.all) * rate;
    let part = f64::from(here.all) * f64::from(there) / f64::from(whole.all);
    if excess * excess <= WORTH_A_LOOK * WORTH_A_LOOK * part * rate * (1.0 - rate) {
        return 0.0;
    }
    // Of those that begin in clear, or of those that do not: the kind of which there are more than expected.
    let (hits, marked) = match excess > 0.0 {
        true => (here.clear, whole.clear),
        false => (here.all - here.clear, whole.all - whole.clear),
    };
    let chance = drawn_at_least(
        hits.into(),
        here.all.into(),
        marked.into(),
        whole.all.into(),
    );
    let surprise = -chance.max(LEAST).ln() - TESTS.ln();
    surprise.max(0.0).copysign(excess)
}

#[cfg(test)]
mod tests {
    use super::super::strata::{PeerDay, Strata};
    use super::super::synthetic::once_a_day;
    use super::*;

    /// The stratum of the one peer of some mail.
    fn of_one(mail: &[PeerDay]) -> Strata {
        let strata = Strata::of(mail);
        assert_eq!(strata.mixed.len(), 1);
        strata
    }

    #[test]
    fn a_switch_is_one_of_all_orders_of_its_days_however_large_the_bursts_are() {
        for n in [1, 4, 400] {
            let strata = of_one(&once_a_day(35, 1, |_, day| Some((n, day < 20))));
            let found = compare(&strata.mixed[0], (0, 20), (20, 35));
            assert!(
                (found - (3_247_943_160.0_f64 / TESTS).ln()).abs() < 1e-6,
                "{n}: {found}"
            );
            let days = WholeDays::of(&strata.mixed[0], 0, 35);
            let best = days.and_then(|d| d.most_surprising(60));
            assert_eq!(best.map(|b| b.0), Some((0, 20)));
        }
    }

    #[test]
    fn days_of_silence_belong_to_the_run_they_are_in() {
        let writes = |day: i32| day > 2 && day % 3 != 0;
        let strata = of_one(&once_a_day(50, 2, |peer, day| match peer {
            0 => writes(day).then_some((4, !(21..40).contains(&day))),
            // Another, so that there are days.
            _ => Some((1, true)),
        }));
        let days = WholeDays::of(&strata.mixed[0], 0, 50);
        let best = days.and_then(|d| d.most_surprising(60));
        assert_eq!(best.map(|b| b.0), Some((22, 39)));
    }

    #[test]
    fn who_writes_more_often_a_day_does_not_begin_it_in_clear_more_often() {
        let both = |first_clear: u32, first_encrypted: u32| {
            let mail = |first| super::super::strata::Mail {
                n: 2,
                first,
                last: 80_000,
            };
            let day = |day, encrypted, plaintext| PeerDay {
                day,
                encrypted,
                plaintext,
                ..PeerDay::default()
            };
            let mail = [
                day(0, mail(0), Default::default()),
                day(1, Default::default(), mail(0)),
                day(2, mail(first_encrypted), mail(first_clear)),
            ];
            of_one(&mail).mixed[0].firsts(2, 3).map(|d| d.clear)
        };
        assert_eq!((both(5, 9), both(9, 5)), (Some(1), Some(0)));
    }
}
