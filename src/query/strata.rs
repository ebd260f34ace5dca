//! Mail put side by side so that days can be compared: like with like, and what is not independent counted as less than it is.
//!
//! Two things make the share over TLS move while every peer does as it always did. *Who writes* changes: on a Sunday it is not the firms.
//! So each peer is compared with itself alone, and weekdays of little mail with their like. And *mail comes in bursts*: fifty messages of
//! one mailing are one occasion. So mail of one peer within an hour counts as about one occasion. How far the days still
//! scatter more than occasions would is measured and allowed for (`scan`).

use std::collections::{BTreeMap, HashMap, HashSet};

use super::changes::Known;

/// Mail of one peer within so many seconds is one occasion.
const OCCASION: f64 = 3600.0;
/// So much mail of a peer on a day is little.
const FEW: std::ops::RangeInclusive<u64> = 2..=10;
/// What a site scatters beyond independent occasions if all its mail comes in bursts.
const BURSTY: f64 = 1.5;
/// How many days with little mail the guess weighs that was made before they were looked at.
const WITNESSES: f64 = 10.0;
/// A peer with mail on fewer days than this is put together with its like: alone it has no before and after.
const OWN_DAYS: usize = 3;
/// A weekday is one of rest if it has less than this part of the mail of a usual day.
const REST: f64 = 0.6;
/// ... and if that was so at least this often.
const REST_WEEKS: usize = 2;

/// Some mail: how much, and when the first and the last of it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mail {
    /// Recipients or messages.
    pub n: u64,
    /// Seconds since 1970 UTC.
    pub first: i64,
    /// Seconds since 1970 UTC.
    pub last: i64,
}

impl Mail {
    /// Adds more.
    pub fn add(&mut self, more: Mail) {
        if more.n == 0 {
            return;
        }
        *self = match self.n {
            0 => more,
            n => Mail {
                n: n + more.n,
                first: self.first.min(more.first),
                last: self.last.max(more.last),
            },
        };
    }

    /// On how many occasions it can have come at most.
    fn most(&self) -> f64 {
        (self.n as f64).min(1.0 + (self.last - self.first) as f64 / OCCASION)
    }
}

/// The mail of one peer on one day whose channel is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerDay {
    /// Days since 1970, UTC.
    pub day: i32,
    /// Which peer.
    pub peer: u32,
    /// Who runs its server.
    pub operator: u32,
    /// Over TLS.
    pub encrypted: Mail,
    /// In clear.
    pub plaintext: Mail,
}

impl PeerDay {
    /// On how many occasions it went over TLS, and in clear.
    pub fn occasions(&self) -> (f64, f64) {
        let mut both = self.encrypted;
        both.add(self.plaintext);
        if both.n == 0 {
            return (0.0, 0.0);
        }
        // Each channel has its part of all occasions, but a burst remains one occasion.
        let part = both.most() / both.n as f64;
        let of = |mail: &Mail| (part * mail.n as f64).min(mail.most());
        (of(&self.encrypted), of(&self.plaintext))
    }

    fn known(&self) -> Known {
        Known {
            encrypted: self.encrypted.n,
            plaintext: self.plaintext.n,
        }
    }
}

/// Counts of one day.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Count {
    /// In clear.
    pub(super) clear: f64,
    /// All.
    pub(super) all: f64,
}

/// What is compared with itself over the days: one peer, or a number of peers that are alike.
#[derive(Clone, Debug)]
pub(super) struct Stratum {
    /// Who it is.
    pub(super) group: Group,
    /// Occasions up to each day: one more than there are days.
    occasions: Vec<Count>,
    /// Messages likewise.
    mail: Vec<Count>,
    /// What its days scatter at least, in units of the scatter of independent occasions: that of the whole site.
    pub(super) scatter: f64,
}

impl Stratum {
    fn new(group: Group, days: usize, scatter: f64) -> Stratum {
        let none = vec![Count::default(); days + 1];
        Stratum {
            group,
            occasions: none.clone(),
            mail: none,
            scatter,
        }
    }

    /// Occasions from one day to before another.
    pub(super) fn occasions(&self, from: usize, to: usize) -> Count {
        difference(self.occasions[from], self.occasions[to])
    }

    /// Messages from one day to before another.
    pub(super) fn mail(&self, from: usize, to: usize) -> Count {
        difference(self.mail[from], self.mail[to])
    }

    fn add(&mut self, at: usize, day: &PeerDay) {
        let (encrypted, clear) = day.occasions();
        let known = day.known();
        let put = |list: &mut Vec<Count>, clear: f64, all: f64| {
            list[at + 1].clear += clear;
            list[at + 1].all += all;
        };
        put(&mut self.occasions, clear, encrypted + clear);
        put(&mut self.mail, known.plaintext as f64, known.total() as f64);
    }

    fn sum_up(&mut self) {
        for list in [&mut self.occasions, &mut self.mail] {
            for at in 1..list.len() {
                list[at].clear += list[at - 1].clear;
                list[at].all += list[at - 1].all;
            }
        }
    }

    /// It has mail over TLS and in clear: the others have nothing to tell.
    fn is_mixed(&self) -> bool {
        let all = self.occasions.last().copied().unwrap_or_default();
        all.clear > 0.0 && all.clear < all.all
    }
}

fn difference(before: Count, after: Count) -> Count {
    Count {
        clear: after.clear - before.clear,
        all: after.all - before.all,
    }
}

/// All mail of one direction by day.
#[derive(Clone, Debug, Default)]
pub(super) struct Strata {
    /// Days with mail whose channel is known, in order.
    pub(super) days: Vec<i32>,
    /// What has mail over TLS and in clear.
    pub(super) mixed: Vec<Stratum>,
    /// The other days of rest, or of work, of those in `mixed`, with mail of one kind only. They tell of no change, but of its first day.
    pub(super) others: Vec<Stratum>,
    /// All mail up to each day, those without anything to tell included: one more than there are days.
    totals: Vec<Known>,
    /// What days scatter at least.
    pub(super) scatter: f64,
}

impl Strata {
    /// Puts mail, in the order of days, side by side.
    pub(super) fn of(mail: &[PeerDay]) -> Strata {
        let mut days: Vec<i32> = mail.iter().map(|d| d.day).collect();
        days.dedup();
        let place: HashMap<i32, usize> = days.iter().enumerate().map(|(n, d)| (*d, n)).collect();
        let (rest, scatter) = (rest_days(mail), least_scatter(mail));
        let groups = groups(mail);
        let key = |group: Group, day: &PeerDay| (group, rest[weekday(day.day)]);
        // Most peers have one of both: to hold all their days would take most of the memory.
        let mut channels: HashMap<(Group, bool), (bool, bool)> = HashMap::new();
        for (day, group) in mail.iter().zip(&groups) {
            let (encrypted, clear) = channels.entry(key(*group, day)).or_default();
            *encrypted |= day.encrypted.n > 0;
            *clear |= day.plaintext.n > 0;
        }
        channels.retain(|_, both| *both == (true, true));
        let told: HashSet<Group> = channels.into_keys().map(|(group, _)| group).collect();
        let mut strata: BTreeMap<(Group, bool), Stratum> = BTreeMap::new();
        let mut totals = vec![Known::default(); days.len() + 1];
        for (day, group) in mail.iter().zip(groups) {
            let at = place.get(&day.day).copied().unwrap_or_default();
            totals[at + 1].encrypted += day.encrypted.n;
            totals[at + 1].plaintext += day.plaintext.n;
            if told.contains(&group) {
                let stratum = strata
                    .entry(key(group, day))
                    .or_insert_with(|| Stratum::new(group, days.len(), scatter));
                stratum.add(at, day);
            }
        }
        for at in 1..totals.len() {
            totals[at].encrypted += totals[at - 1].encrypted;
            totals[at].plaintext += totals[at - 1].plaintext;
        }
        let mut all: Vec<Stratum> = strata.into_values().collect();
        all.iter_mut().for_each(Stratum::sum_up);
        let (mixed, others) = all.into_iter().partition(Stratum::is_mixed);
        Strata {
            days,
            mixed,
            others,
            totals,
            scatter,
        }
    }

    /// All mail from one day to before another.
    pub(super) fn total(&self, from: usize, to: usize) -> Known {
        let (before, after) = (self.totals[from], self.totals[to]);
        Known {
            encrypted: after.encrypted - before.encrypted,
            plaintext: after.plaintext - before.plaintext,
        }
    }
}

/// What a peer is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Group {
    /// Itself.
    Peer(u32),
    /// All rare peers of one operator.
    Operator(u32),
    /// All rare peers.
    Rare,
}

/// The group of each entry.
fn groups(mail: &[PeerDay]) -> Vec<Group> {
    let mut peers: HashMap<u32, usize> = HashMap::new();
    for day in mail {
        *peers.entry(day.peer).or_default() += 1;
    }
    let is_rare = |day: &PeerDay| peers.get(&day.peer).copied().unwrap_or_default() < OWN_DAYS;
    let mut operators: HashMap<u32, Vec<i32>> = HashMap::new();
    for day in mail.iter().filter(|d| is_rare(d)) {
        let days = operators.entry(day.operator).or_default();
        if days.last() != Some(&day.day) {
            days.push(day.day);
        }
    }
    let group = |day: &PeerDay| match operators.get(&day.operator) {
        _ if !is_rare(day) => Group::Peer(day.peer),
        Some(days) if days.len() >= OWN_DAYS => Group::Operator(day.operator),
        _ => Group::Rare,
    };
    mail.iter().map(group).collect()
}

/// What days scatter at least, in units of the scatter of independent occasions: where much mail comes in bursts there are days with several
/// of them, which look like more occasions than they are. How bursty a site is shows on the days on which a peer wrote little.
fn least_scatter(mail: &[PeerDay]) -> f64 {
    let both = mail.iter().map(|d| {
        let mut both = d.encrypted;
        both.add(d.plaintext);
        both
    });
    let few: Vec<Mail> = both.filter(|m| FEW.contains(&m.n)).collect();
    let bursts = few.iter().filter(|m| m.most() < 2.0).count();
    // Before anything is known, the site is taken to be bursty.
    let part = (bursts as f64 + WITNESSES) / (few.len() as f64 + WITNESSES);
    1.0 + BURSTY * part
}

fn weekday(day: i32) -> usize {
    // OK to narrow: below seven.
    day.rem_euclid(7) as usize
}

/// Which of the seven weekdays are days of rest.
fn rest_days(mail: &[PeerDay]) -> [bool; 7] {
    let mut days: BTreeMap<i32, u64> = BTreeMap::new();
    for day in mail {
        *days.entry(day.day).or_default() += day.known().total();
    }
    let usual = median(days.values().copied().collect());
    let mut rest = [false; 7];
    for (at, is_rest) in rest.iter_mut().enumerate() {
        let one = days.iter().filter(|(day, _)| weekday(**day) == at);
        let one: Vec<u64> = one.map(|(_, n)| *n).collect();
        *is_rest = one.len() >= REST_WEEKS && (median(one) as f64) < REST * usual as f64;
    }
    rest
}

/// The one in the middle; 0 of nothing.
pub(super) fn median(mut numbers: Vec<u64>) -> u64 {
    numbers.sort_unstable();
    numbers.get(numbers.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(n: u64, first: i64, last: i64) -> Mail {
        Mail { n, first, last }
    }

    #[test]
    fn a_burst_is_one_occasion_however_many_messages_it_has() {
        let day = PeerDay {
            encrypted: mail(80, 0, 79_200),
            plaintext: mail(20, 1000, 1060),
            ..PeerDay::default()
        };
        let (encrypted, clear) = day.occasions();
        assert!(
            (encrypted - 18.4).abs() < 0.1 && clear < 1.1,
            "{encrypted} {clear}"
        );
        // Spread over the day they are in proportion.
        let spread = PeerDay {
            plaintext: mail(20, 1000, 79_000),
            ..day
        };
        let (encrypted, clear) = spread.occasions();
        assert!((clear / (encrypted + clear) - 0.2).abs() < 1e-9);
    }

    #[test]
    fn rare_peers_are_put_together_and_weekends_apart() {
        let day = |day: i32, peer: u32, n: u64| PeerDay {
            day,
            peer,
            operator: peer,
            encrypted: mail(n, 0, 50_000),
            plaintext: mail(1, 0, 0),
        };
        let weeks: Vec<PeerDay> = (0..21)
            .flat_map(|d| {
                let n = if d % 7 < 2 { 3 } else { 40 };
                [day(d, 1, n), day(d, 100 + d as u32, 1)]
            })
            .collect();
        assert_eq!(rest_days(&weeks)[..3], [true, true, false]);
        // One regular peer and the rare ones, each on working days and on others.
        assert_eq!(Strata::of(&weeks).mixed.len(), 4);
    }
}
