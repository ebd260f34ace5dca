//! Since when do peers use TLS less, or more, than before: drops and rises with their first day, their steepest, and the day from which
//! on things stay as they are.
//!
//! A change is told only if peers *do* otherwise; that others write, or write more, is no change here but one of the mix (`changes`).
//! Of 1,000 months without a change fewer than 10 are said to have one, in each direction: tests below hold it, with peers who write in bursts,
//! rest on weekends, and write more from some day on, and with small sites whose peers write one burst a day.

use super::changes::Known;
use super::scan::{Excess, compare, confidence, departure, find_cuts, movers, threshold};
use super::strata::{PeerDay, Strata, Stratum};

/// With less mail than this altogether nothing can be said.
const ENOUGH: u64 = 40;
/// Of one peer.
const ENOUGH_OF_ONE: u64 = 10;
/// How often, at most, one of a number of peers, or a difference of two periods, is told that is none.
const DOUBT: f64 = 0.01;
/// ... nor with fewer days with mail.
const ENOUGH_DAYS: usize = 3;
/// A change of the share of all mail by less than this, in parts of one, is none.
const NOTICEABLE: f64 = 0.005;
/// Two steps in the same direction with at most so many days between them are one change.
const ONE_CHANGE: i32 = 7;
/// A day lies outside a level from so many standard errors on.
const OUTSIDE: f64 = 2.0;

/// A change of what peers do, over some days.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// The first day that is not as before. Days since 1970, UTC.
    pub onset: i32,
    /// The day on which the share moved most.
    pub steepest: i32,
    /// The first day that is as all later ones are; the onset, if it came at once.
    pub end: i32,
    /// The days before that are like each other, first and last.
    pub days_before: (i32, i32),
    /// The days after, likewise.
    pub days_after: (i32, i32),
    /// Mail on the days before.
    pub before: Known,
    /// Mail on the days after.
    pub after: Known,
    /// How much of the share, -1 to 1, moved because peers did otherwise, with the amounts as they were.
    pub own: f64,
    /// How sure it is that this is not chance, 0 to 1.
    pub confidence: f64,
}

impl Shift {
    /// Less TLS than before.
    pub fn is_fall(&self) -> bool {
        self.own < 0.0
    }

    /// The change of the share from the days before to the days after.
    pub fn difference(&self) -> f64 {
        match (self.before.share(), self.after.share()) {
            (Some(before), Some(after)) => after - before,
            _ => 0.0,
        }
    }
}

/// What the days say.
#[derive(Clone, Debug, PartialEq)]
pub enum Course {
    /// Too few messages to say.
    TooFew,
    /// The changes, in order; none if there are none.
    Known(Vec<Shift>),
}

impl Course {
    /// The changes; none if too little is known to tell.
    pub fn shifts(&self) -> &[Shift] {
        match self {
            Course::TooFew => &[],
            Course::Known(shifts) => shifts,
        }
    }
}

/// Finds the changes of one direction.
pub(super) fn find_course(strata: &Strata) -> Course {
    course(strata, ENOUGH)
}

fn course(strata: &Strata, enough: u64) -> Course {
    let days = strata.days.len();
    if strata.total(0, days).total() < enough || days < ENOUGH_DAYS {
        return Course::TooFew;
    }
    let cuts = find_cuts(strata);
    let steps = steps(strata, &cuts);
    let shifts = (0..steps.len()).filter_map(|at| shift(strata, &steps, at));
    Course::Known(shifts.collect())
}

/// One peer's changes, when so many peers are looked at: the more there are, the surer each has to be. `mail` comes in the order of days.
pub fn find_course_of_one(mail: &[PeerDay], peers: usize) -> Course {
    // Alone it needs no number.
    let alone = mail.iter().map(|day| PeerDay {
        peer: 0,
        operator: 0,
        ..*day
    });
    let course = course(&Strata::of(&alone.collect::<Vec<_>>()), ENOUGH_OF_ONE);
    let Course::Known(mut shifts) = course else {
        return course;
    };
    let doubt = |shift: &Shift| (1.0 - shift.confidence) * peers.max(1) as f64;
    shifts.retain(|s| doubt(s) < DOUBT);
    Course::Known(shifts)
}

/// Whether peers do otherwise from this day on than before, by more than chance.
pub(super) fn differ(strata: &Strata, first_day: i32) -> bool {
    let days = strata.days.len();
    let cut = strata.days.partition_point(|day| *day < first_day);
    // One look at both sides, upwards or downwards.
    let least = (2.0 / DOUBT).ln();
    0 < cut && cut < days && compare(strata, (0, cut), (cut, days)).surprise >= least
}

/// A way from one level to the next: the first day of leaving, and the first of having arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    from: usize,
    to: usize,
    is_fall: bool,
}

/// Cuts that lead the same way in short order are one step.
fn steps(strata: &Strata, cuts: &[usize]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (at, cut) in cuts.iter().copied().enumerate() {
        let before = if at == 0 { 0 } else { cuts[at - 1] };
        let after = cuts.get(at + 1).copied().unwrap_or(strata.days.len());
        let is_fall = compare(strata, (before, cut), (cut, after)).is_towards_clear;
        match steps.last_mut() {
            Some(last)
                if last.is_fall == is_fall
                    && strata.days[cut] - strata.days[last.to] <= ONE_CHANGE =>
            {
                last.to = cut;
            }
            _ => steps.push(Step {
                from: cut,
                to: cut,
                is_fall,
            }),
        }
    }
    steps
}

/// A step with its levels; `None` if it moves too little to be worth a word.
fn shift(strata: &Strata, steps: &[Step], at: usize) -> Option<Shift> {
    let (low, high) = (
        at.checked_sub(1).map_or(0, |n| steps[n].to),
        steps.get(at + 1).map_or(strata.days.len(), |s| s.from),
    );
    let cut = steps[at];
    let moved = movers(strata, (low, cut.from), (cut.to, high), cut.is_fall);
    let step = widened(&moved, cut, low, high);
    let (before, after) = ((low, step.from), (step.to, high));
    let excess = compare(strata, before, after);
    let own = own_part(strata, before, after);
    if own.abs() < NOTICEABLE || (own < 0.0) != step.is_fall {
        return None;
    }
    let day = |at: usize| strata.days.get(at).copied().unwrap_or_default();
    Some(Shift {
        onset: day(step.from),
        steepest: day(steepest(&moved, step, low, high)),
        end: day(step.to),
        days_before: (day(low), day(step.from - 1)),
        days_after: (day(step.to), day(high - 1)),
        before: strata.total(before.0, before.1),
        after: strata.total(after.0, after.1),
        own,
        confidence: sureness(strata, cut, excess, (low, high)),
    })
}

/// The levels a step leads between may differ less than the days on its way: a short drop that has not ended yet. It was sure
/// enough to be cut out.
fn sureness(strata: &Strata, step: Step, levels: Excess, (low, high): (usize, usize)) -> f64 {
    let days = strata.days.len();
    let first = compare(strata, (low, step.from), (step.from, high)).surprise;
    confidence(levels.surprise.max(first).max(threshold(days)), days)
}

/// A step with the days before and after its cuts that lie outside the level next to them: a slope does not begin where it can be told
/// from chance for the first time. Only those who moved are asked; the others would but hide it.
fn widened(moved: &[&Stratum], step: Step, low: usize, high: usize) -> Step {
    let towards = if step.is_fall { 1.0 } else { -1.0 };
    // Days on which they did not write say nothing, but a step begins and ends with one that does.
    let is_off = |day: usize, level: (usize, usize), sign: f64| {
        departure(moved, day, level).map(|errors| sign * errors > OUTSIDE)
    };
    let has_left = |day: usize, from: usize| is_off(day, (low, from), towards);
    let is_on_its_way = |day: usize, to: usize| is_off(day, (to, high), -towards);
    let earliest = (low + 2).min(step.from)..step.from;
    let latest = step.to + 1..high.saturating_sub(1).max(step.to + 1);
    Step {
        from: earliest
            .into_iter()
            .find(|from| {
                has_left(*from, *from) == Some(true)
                    && (*from..step.from).all(|day| has_left(day, *from) != Some(false))
            })
            .unwrap_or(step.from),
        to: latest
            .rev()
            .find(|to| {
                is_on_its_way(*to - 1, *to) == Some(true)
                    && (step.to..*to).all(|day| is_on_its_way(day, *to) != Some(false))
            })
            .unwrap_or(step.to),
        ..step
    }
}

/// By how much the share of all mail moved because peers do otherwise: their difference, with the days' amounts as they are.
fn own_part(strata: &Strata, before: (usize, usize), after: (usize, usize)) -> f64 {
    let totals = (
        strata.total(before.0, before.1).total() as f64,
        strata.total(after.0, after.1).total() as f64,
    );
    let excess = strata.mixed.iter().map(|stratum| {
        let first = stratum.mail(before.0, before.1);
        let second = stratum.mail(after.0, after.1);
        let all = first.all + second.all;
        match all > 0.0 {
            true => second.clear - second.all * (first.clear + second.clear) / all,
            false => 0.0,
        }
    });
    -excess.sum::<f64>() * (totals.0 + totals.1) / (totals.0 * totals.1).max(1.0)
}

/// The day on which those who moved moved most, by how far each day lies from what they did before; the day before the step lies nowhere.
fn steepest(moved: &[&Stratum], step: Step, low: usize, high: usize) -> usize {
    let towards = if step.is_fall { 1.0 } else { -1.0 };
    let mut best = (step.from, f64::MIN);
    let mut yesterday = 0.0;
    for day in step.from..=step.to.min(high - 1) {
        let Some(distance) = distance(moved, day, (low, step.from)) else {
            continue;
        };
        let moved_by = towards * (distance - yesterday);
        if moved_by > best.1 {
            best = (day, moved_by);
        }
        yesterday = distance;
    }
    best.0
}

/// How much more of a day's mail is in clear than on the days before, 0 to 1; `None` if nobody wrote on both.
fn distance(moved: &[&Stratum], day: usize, before: (usize, usize)) -> Option<f64> {
    let (mut excess, mut all) = (0.0, 0.0);
    for stratum in moved {
        let (usual, today) = (stratum.mail(before.0, before.1), stratum.mail(day, day + 1));
        if usual.all > 0.0 {
            excess += today.clear - today.all * usual.clear / usual.all;
            all += today.all;
        }
    }
    (all > 0.0).then(|| excess / all)
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::{Dice, FIRST_DAY, Site, once_a_day};
    use super::*;

    /// Days from the first, of the only change.
    fn only(mail: &[PeerDay]) -> (Shift, [i32; 3]) {
        let course = find_course(&Strata::of(mail));
        let [shift] = course.shifts() else {
            panic!("one change is expected: {course:#?}");
        };
        let days = [shift.onset, shift.steepest, shift.end].map(|d| d - FIRST_DAY);
        (*shift, days)
    }

    #[test]
    fn of_1000_quiet_months_fewer_than_10_are_said_to_have_a_change() {
        let mut alarms = Vec::new();
        for seed in 0..1000 {
            let site = Site {
                messages: [60.0, 200.0, 600.0][seed as usize % 3],
                burst: [1.5, 3.0, 8.0][seed as usize / 3 % 3],
                // Every other one has a correspondent who writes much more from some day on: that is the mix.
                amount: if seed % 2 == 0 {
                    |_, _| 1.0
                } else {
                    |peer, day| if peer % 7 == 3 && day > 14 { 4.0 } else { 1.0 }
                },
                ..Site::default()
            };
            if !find_course(&Strata::of(&site.history(seed)))
                .shifts()
                .is_empty()
            {
                alarms.push(seed);
            }
        }
        assert!(alarms.len() < 10, "{} alarms: {alarms:?}", alarms.len());
    }

    /// Mail of a small site on which nothing changes, whose correspondents write one burst a day or none: some have TLS, some none, and some
    /// have it on some of their servers. It goes on for a month, a season, or half a year.
    fn quiet_bursts(seed: u64) -> Vec<PeerDay> {
        let mut dice = Dice(seed);
        let mut habits = Vec::new();
        for _ in 0..10 {
            let rate = match dice.part() {
                p if p < 0.4 => 1.0,
                p if p < 0.5 => 0.0,
                _ => dice.part(),
            };
            let writes = [1.0, 0.7, 0.2][(3.0 * dice.part()) as usize];
            habits.push((rate, writes, 1 + (8.0 * dice.part()) as u64));
        }
        once_a_day([30, 90, 180][seed as usize % 3], 10, |peer, _| {
            let (rate, writes, n) = habits[peer as usize];
            let is_encrypted = dice.part() < rate;
            (dice.part() < writes).then_some((n, is_encrypted))
        })
    }

    #[test]
    fn of_1000_quiet_sites_whose_peers_write_once_a_day_fewer_than_10_are_said_to_have_a_change() {
        let (mut alarms, mut of_one) = (Vec::new(), Vec::new());
        for seed in 0..1000 {
            let mail = quiet_bursts(seed);
            if !find_course(&Strata::of(&mail)).shifts().is_empty() {
                alarms.push(seed);
            }
            let moves = |peer| {
                let own: Vec<PeerDay> = mail.iter().filter(|d| d.peer == peer).copied().collect();
                !find_course_of_one(&own, 10).shifts().is_empty()
            };
            if (0..10).any(moves) {
                of_one.push(seed);
            }
        }
        let all = (alarms.len(), of_one.len());
        assert!(all.0 < 10 && all.1 < 10, "{alarms:?}, of one {of_one:?}");
    }

    /// A small site: 13 messages a day, of which one peer sends `n` in one burst; it has TLS before a day, or from that day on.
    fn switched(days: i32, at: i32, n: u64, off: bool) -> Vec<PeerDay> {
        let others = 14 - n as u32;
        once_a_day(days, others, |peer, day| match peer {
            0 => Some((n, (day < at) == off)),
            _ => Some((1, true)),
        })
    }

    #[test]
    fn a_peer_with_one_burst_a_day_that_is_switched_off_or_on_is_found_on_its_day() {
        for (before, after) in [
            (20, 15),
            (15, 15),
            (15, 20),
            (40, 15),
            (40, 6),
            (300, 6),
            (12, 12),
        ] {
            for (n, off) in [(4, true), (4, false), (1, true), (1, false)] {
                let what = format!("{before} and {after} days, {n} messages, off: {off}");
                let mail = switched(before + after, before, n, off);
                let (shift, days) = only(&mail);
                assert_eq!((days, shift.is_fall()), ([before; 3], off), "{what}");
                assert!(shift.confidence > 0.99, "{what}: {shift:?}");
                let own: Vec<PeerDay> = mail.iter().filter(|d| d.peer == 0).copied().collect();
                let course = find_course_of_one(&own, 5);
                let onsets = course.shifts().iter().map(|s| s.onset - FIRST_DAY);
                assert_eq!(onsets.collect::<Vec<_>>(), [before], "{what}");
            }
        }
    }

    #[test]
    fn one_burst_a_day_is_found_after_as_many_days_as_the_docs_say() {
        for (peers, needed) in [
            (1, [(15, 8), (20, 7), (30, 6), (60, 5)]),
            (20, [(15, 11), (20, 9), (30, 8), (60, 6)]),
            (200, [(15, 14), (20, 11), (30, 9), (60, 7)]),
        ] {
            for (before, after) in needed {
                // The others have mail of both kinds too, every other day, half of them on one and half on the next.
                let of = |after| {
                    once_a_day(before + after, peers, |peer, day| match peer {
                        0 => Some((4, day < before)),
                        _ => Some((1, (day + peer as i32) % 2 == 0)),
                    })
                };
                let is_found = |after| !find_course(&Strata::of(&of(after))).shifts().is_empty();
                let found = (is_found(after - 1), is_found(after));
                assert_eq!(
                    found,
                    (false, true),
                    "{peers} peers, {before} and {after} days"
                );
            }
        }
    }

    #[test]
    fn one_burst_a_day_is_of_its_day_whether_weekends_are_of_rest_or_not() {
        for (others_rest, rests) in [(false, false), (false, true), (true, false), (true, true)] {
            for at in 19..26 {
                let mail = once_a_day(40, 12, |peer, day| {
                    let is_weekend = day % 7 >= 5;
                    match peer {
                        0 if is_weekend && rests => None,
                        0 => Some((4, day < at)),
                        3.. if is_weekend && others_rest => None,
                        _ => Some((1, true)),
                    }
                });
                // Who rests until Monday is known to have changed on Monday.
                let onset = if rests && (19..21).contains(&at) {
                    21
                } else {
                    at
                };
                let (_, days) = only(&mail);
                assert_eq!(days, [onset; 3], "{others_rest} {rests} {at}");
            }
        }
    }

    #[test]
    fn a_peer_with_a_few_days_on_either_side_may_be_chance() {
        for (before, after) in [(3, 2), (5, 5), (20, 2)] {
            for (n, off) in [(4, true), (4, false), (1, true)] {
                let mail = switched(before + after, before, n, off);
                assert_eq!(find_course(&Strata::of(&mail)).shifts(), []);
                let own: Vec<PeerDay> = mail.iter().filter(|d| d.peer == 0).copied().collect();
                assert_eq!(find_course_of_one(&own, 5).shifts(), []);
            }
        }
        let own: Vec<PeerDay> = switched(5, 3, 1, true)
            .into_iter()
            .filter(|d| d.peer == 0)
            .collect();
        assert_eq!(find_course_of_one(&own, 5), Course::TooFew);
    }

    #[test]
    fn the_seed_story_begins_on_the_7th_is_steepest_on_the_11th_and_ends_on_the_15th() {
        // As in October 2014: the 1st was a Wednesday. The largest peer has less and less TLS.
        let site = Site {
            messages: 3000.0,
            rate: |peer, day, usual| match (peer, day - 1) {
                (0, ..7) => usual,
                (0, date @ 7..11) => 0.88 - 0.04 * f64::from(date - 7),
                (0, date @ 11..15) => 0.35 - 0.08 * f64::from(date - 11),
                (0, _) => 0.0,
                (1..3, _) => 0.0,
                _ => usual,
            },
            amount: |peer, _| if peer == 0 { 2.0 } else { 1.0 },
            ..Site::default()
        };
        let mut exact = 0;
        for seed in 0..20 {
            let (shift, days) = only(&site.history(seed));
            let off = days
                .map(|d| d - 1)
                .iter()
                .zip([7, 11, 15])
                .map(|(a, b)| (a - b).abs())
                .sum::<i32>();
            assert!(off <= 1, "seed {seed}: {shift:?}");
            exact += i32::from(off == 0);
            assert!(shift.is_fall() && shift.confidence > 0.999);
            let [before, after] =
                [shift.before, shift.after].map(|known| known.share().unwrap_or(0.0));
            assert!((0.7..0.9).contains(&before) && (0.4..0.65).contains(&after));
        }
        assert!(exact >= 18, "{exact} of 20");
    }

    #[test]
    fn a_large_peer_that_breaks_is_seen_on_the_first_day() {
        let site = Site {
            rate: |peer, day, usual| if (peer, day) == (0, 29) { 0.0 } else { usual },
            ..Site::default()
        };
        for seed in 0..20 {
            let (_, days) = only(&site.history(seed));
            assert_eq!(days, [29, 29, 29], "seed {seed}");
        }
    }

    #[test]
    fn all_peers_at_once_are_seen_even_if_each_writes_little() {
        let site = Site {
            messages: 100.0,
            rate: |_, day, usual| if day >= 20 { 0.5 * usual } else { usual },
            ..Site::default()
        };
        for seed in 0..20 {
            let (shift, days) = only(&site.history(seed));
            assert!((19..=21).contains(&days[0]), "seed {seed}: {shift:?}");
        }
    }

    #[test]
    fn correspondents_that_write_but_once_can_tell_of_our_own_fault() {
        let site = Site {
            rate: |peer, day, usual| {
                if peer >= 10_000 && day >= 20 {
                    0.0
                } else {
                    usual
                }
            },
            ..Site::default()
        };
        let (_, days) = only(&site.history(3));
        assert!((20..=21).contains(&days[0]), "{days:?}");
    }

    #[test]
    fn a_fall_and_its_slow_recovery_are_two_changes() {
        let site = Site {
            rate: |peer, day, usual| match (peer, day) {
                (0..3, 8..12) => 0.0,
                (0..3, 12..20) => usual * f64::from(day - 11) / 9.0,
                _ => usual,
            },
            ..Site::default()
        };
        let course = find_course(&Strata::of(&site.history(2)));
        let [fall, rise] = course.shifts() else {
            panic!("two changes are expected: {course:#?}");
        };
        assert!(fall.is_fall() && fall.onset - FIRST_DAY == 8, "{fall:?}");
        assert!(
            !rise.is_fall() && (11..=14).contains(&(rise.onset - FIRST_DAY)),
            "{rise:?}"
        );
        assert!((17..=21).contains(&(rise.end - FIRST_DAY)), "{rise:?}");
    }

    #[test]
    fn a_break_on_the_first_working_day_is_of_that_day_whatever_the_weekend_was() {
        // Day 21 is a Monday; until Sunday all is over TLS. One peer rests on weekends, the other does not.
        for rests in [false, true] {
            let site = Site {
                rate: |peer, day, usual| match peer {
                    0 if day >= 21 => 0.0,
                    _ => usual,
                },
                ..Site::default()
            };
            for seed in 0..20 {
                let mut mail = site.history(seed);
                mail.retain(|d| d.peer != 0 || !rests || (d.day - FIRST_DAY) % 7 < 5);
                for last in 21..30 {
                    let until: Vec<PeerDay> = mail
                        .iter()
                        .filter(|d| d.day <= FIRST_DAY + last)
                        .copied()
                        .collect();
                    let of_one: Vec<PeerDay> =
                        until.iter().filter(|d| d.peer == 0).copied().collect();
                    let (_, days) = only(&until);
                    assert_eq!(days, [21; 3], "seed {seed} rests {rests} until {last}");
                    let course = find_course_of_one(&of_one, 20);
                    let onsets: Vec<i32> = course
                        .shifts()
                        .iter()
                        .map(|s| s.onset - FIRST_DAY)
                        .collect();
                    assert_eq!(onsets, [21], "seed {seed} rests {rests} until {last}");
                }
            }
        }
    }

    #[test]
    fn who_writes_more_is_no_change_of_what_they_do() {
        let site = Site {
            messages: 3000.0,
            rate: |peer, _, usual| if (1..4).contains(&peer) { 0.0 } else { usual },
            amount: |peer, day| {
                if (1..4).contains(&peer) && day > 15 {
                    5.0
                } else {
                    1.0
                }
            },
            ..Site::default()
        };
        let mail = site.history(4);
        let share = |days: std::ops::Range<i32>| {
            let within = mail.iter().filter(|d| days.contains(&(d.day - FIRST_DAY)));
            let (e, p) = within.fold((0, 0), |s, d| (s.0 + d.encrypted.n, s.1 + d.plaintext.n));
            e as f64 / (e + p) as f64
        };
        assert!(share(0..15) - share(16..30) > 0.2, "the share itself falls");
        assert_eq!(find_course(&Strata::of(&mail)).shifts(), []);
    }

    #[test]
    fn too_little_mail_is_too_little_to_say() {
        let site = Site {
            messages: 1.0,
            rate: |_, day, usual| if day > 20 { 0.0 } else { usual },
            ..Site::default()
        };
        let few: Vec<PeerDay> = site.history(5).into_iter().take(10).collect();
        assert_eq!(find_course(&Strata::of(&few)), Course::TooFew);
        assert_eq!(find_course(&Strata::of(&[])), Course::TooFew);
    }
}
