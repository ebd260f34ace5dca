//! Which changes are news: not told before, or worse than told.
//!
//! The days of a change move a little as more days come in, so one that began about when a told one did is the same. What gets better is
//! news only where it was told that it got worse.

use serde::{Deserialize, Serialize};

use crate::outcome::day_of;

use super::binomial::bounds;
use super::changes::{Become, Change, Found, Moved};
use super::fallback::Turn;
use super::shifts::Shift;
use super::verdict::Shape;

/// The first day of one and the same change moves by at most so many days.
const SAME: i32 = 7;
/// Mail that fails again after so many quiet days fails anew.
const QUIET: i32 = 14;
/// A share that is lower than told by this, in parts of one, is worth telling again.
const WORSE: f64 = 0.05;
/// What was told so many days ago is forgotten.
const KEPT: i32 = 120;

/// Something that was told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    item: String,
    direction: String,
    peer: String,
    what: String,
    onset: i32,
    until: i32,
    /// What the share could have been at the least, by the mail there was: the next days may well show it lower without being worse.
    level: f64,
}

/// Something new.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// Less TLS altogether, or more again.
    Shift(Box<Found>),
    /// A peer lost TLS, or has it again.
    Moved(Moved),
    /// Failures that end otherwise.
    Turn(Turn),
}

/// The news of each change, in the order of `changes`; and what is to be remembered as told once they have been read, if that is another
/// than `told`.
pub fn find_news(changes: &[Change], told: &[Told]) -> (Vec<Vec<News>>, Option<Vec<Told>>) {
    let mut memory = told.to_vec();
    let mut newest = i32::MIN;
    let mut news = Vec::new();
    for change in changes {
        let direction = change.direction.name();
        let mut new = Vec::new();
        for item in items(change).into_iter().filter(is_of_rates) {
            let (as_told, share) = Told::of(&item, direction);
            newest = newest.max(as_told.until);
            if remember(&mut memory, as_told, share) {
                new.push(item);
            }
        }
        news.push(new);
    }
    memory.retain(|t| t.until.saturating_add(KEPT) >= newest);
    let is_other = memory != told;
    (news, is_other.then_some(memory))
}

/// All that there is to tell of a change, told before or not.
pub fn items(change: &Change) -> Vec<News> {
    let shifts = change.found.iter().cloned().map(Box::new).map(News::Shift);
    let moved = change.moved.iter().cloned().map(News::Moved);
    let turns = change.turns.iter().cloned().map(News::Turn);
    shifts.chain(moved).chain(turns).collect()
}

/// That others write more than before is nothing to be woken for.
fn is_of_rates(item: &News) -> bool {
    !matches!(item, News::Shift(found) if found.cause.shape == Shape::Mix)
}

/// Puts an item, whose share over TLS is this by now, with what was told, and says whether it is news.
fn remember(memory: &mut Vec<Told>, item: Told, share: f64) -> bool {
    let subject =
        |t: &&mut Told| t.item == item.item && t.direction == item.direction && t.peer == item.peer;
    let mut of_subject = memory
        .iter_mut()
        .filter(subject)
        .filter(|t| t.what == item.what);
    if let Some(same) = of_subject.find(|t| t.is_same(&item)) {
        let is_worse = share < same.level - WORSE;
        if is_worse {
            same.level = item.level;
        }
        same.until = same.until.max(item.until);
        return is_worse;
    }
    let was_told_bad = memory
        .iter_mut()
        .filter(subject)
        .any(|t| t.what == Told::WORSE);
    let is_news = item.what != Told::BETTER || was_told_bad;
    if is_news {
        memory.push(item);
    }
    is_news
}

impl Told {
    const WORSE: &str = "worse";
    const BETTER: &str = "better";

    /// The item as it is told, and its share over TLS.
    fn of(news: &News, direction: &str) -> (Told, f64) {
        let (item, peer, what) = match news {
            News::Shift(found) => ("change", "", Told::way(found.shift.is_fall())),
            News::Moved(m) => (
                "moved",
                m.peer.as_str(),
                Told::way(m.what != Become::Regained),
            ),
            News::Turn(turn) => ("failing", turn.peer.as_str(), turn.kind.name()),
        };
        let of_shift = |s: &Shift| {
            let (encrypted, all) = (s.after.encrypted as f64, s.after.total() as f64);
            (
                s.onset,
                s.end,
                bounds(encrypted, all).0,
                s.after.share().unwrap_or(1.0),
            )
        };
        let (onset, until, level, share) = match news {
            News::Shift(found) => of_shift(&found.shift),
            News::Moved(moved) => of_shift(&moved.shift),
            News::Turn(turn) => (day_of(turn.last_seen), day_of(turn.last_seen), 0.0, 0.0),
        };
        let told = Told {
            item: item.into(),
            direction: direction.into(),
            peer: peer.into(),
            what: what.into(),
            onset,
            until,
            level,
        };
        (told, share)
    }

    fn way(is_worse: bool) -> &'static str {
        if is_worse { Told::WORSE } else { Told::BETTER }
    }

    fn is_same(&self, item: &Told) -> bool {
        match self.item == "failing" {
            true => item.until <= self.until + QUIET,
            false => (self.onset - SAME..=self.until + SAME).contains(&item.onset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::changes::change;
    use super::super::history::{History, Why};
    use super::super::synthetic::{FIRST_DAY, Site};
    use super::*;
    use crate::outcome::{Class, Direction};

    fn told(onset: i32, until: i32, level: f64, what: &str) -> Told {
        Told {
            item: "moved".into(),
            direction: "outbound".into(),
            peer: "a.example".into(),
            what: what.into(),
            onset,
            until,
            level,
        }
    }

    #[test]
    fn what_was_told_is_no_news_until_it_is_worse_or_happens_again() {
        let mut memory = vec![told(100, 104, 0.5, Told::WORSE)];
        let mut is_news = |onset, until, share| {
            remember(&mut memory, told(onset, until, share, Told::WORSE), share)
        };
        assert!(!is_news(99, 104, 0.5), "the same, a day off");
        assert!(!is_news(101, 106, 0.47), "a little worse");
        assert!(is_news(101, 106, 0.4), "much worse");
        assert!(!is_news(101, 106, 0.4), "that was told, too");
        assert!(is_news(130, 130, 0.5), "again");
    }

    /// How many histories are looked at if `TLSNAG_HISTORIES` does not say. Of 300, three had news.
    const HISTORIES: u64 = 12;

    /// That of failures is held by `fallback`.
    #[test]
    fn of_100_quiet_sites_looked_at_each_day_of_a_month_at_most_one_has_news() {
        let asked = std::env::var("TLSNAG_HISTORIES").ok();
        let histories = asked.and_then(|n| n.parse().ok()).unwrap_or(HISTORIES);
        let mut alarms = Vec::new();
        for seed in 0..histories {
            let site = Site {
                days: 60,
                messages: [60.0, 200.0, 600.0][seed as usize % 3],
                burst: [1.5, 3.0, 8.0][seed as usize / 3 % 3],
                ..Site::default()
            };
            let mail = site.history(seed);
            let mut memory: Vec<Told> = Vec::new();
            for today in 30..60 {
                let known = mail.partition_point(|d| d.day <= FIRST_DAY + today);
                let history = History::of_peer_days(&mail[..known], |_| Why {
                    service: "postfix/smtp on mx",
                    class: Class::PlaintextNotOffered,
                    cause: "",
                    fault: "peer",
                });
                let first_day = FIRST_DAY + today - 29;
                let change = change(&history, Direction::Outbound, first_day);
                let (news, told) = find_news(&[change], &memory);
                memory = told.unwrap_or(memory);
                if !news[0].is_empty() {
                    alarms.push((seed, today));
                }
            }
        }
        let sites: std::collections::BTreeSet<u64> = alarms.iter().map(|(seed, _)| *seed).collect();
        assert!(sites.len() as u64 <= histories / 100, "{alarms:?}");
    }

    #[test]
    fn better_is_news_after_worse_only() {
        let mut memory = Vec::new();
        let mut is_news =
            |day, share, what| remember(&mut memory, told(day, day, share, what), share);
        assert!(!is_news(100, 1.0, Told::BETTER));
        assert!(is_news(110, 0.0, Told::WORSE));
        assert!(is_news(120, 1.0, Told::BETTER));
        assert!(!is_news(120, 1.0, Told::BETTER));
    }
}
