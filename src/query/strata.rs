//! Mail put side by side so that days can be compared: like with like, and what is not independent counted as less than it is.
//!
//! Two things make the share over TLS move while every peer does as it always did. *Who writes* changes: on a Sunday it is not the firms.
//! So each peer is compared with itself alone, and weekdays of little mail with their like. And *mail comes in bursts*: fifty messages of
//! one mailing are one occasion. So mail of one peer within an hour counts as about one occasion. How far the days still
//! scatter more than occasions would is measured and allowed for (`scan`).

use hashbrown::HashMap;

use super::changes::Known;

/// Mail of one peer within so many seconds is one occasion.
const OCCASION: f64 = 3600.0;
/// So much mail of a peer on a day is little.
const FEW: std::ops::RangeInclusive<u32> = 2..=10;
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
/// A year of a large site has millions of these: they are kept small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mail {
    /// Recipients or messages.
    pub n: u32,
    /// Seconds since 1970 UTC.
    pub first: u32,
    /// Seconds since 1970 UTC.
    pub last: u32,
}

impl Mail {
    /// So much, from when to when. What is too large is as large as can be: times until 2106 are not.
    pub fn new(n: u64, first: i64, last: i64) -> Mail {
        let time = |at: i64| u32::try_from(at.max(0)).unwrap_or(u32::MAX);
        Mail {
            n: u32::try_from(n).unwrap_or(u32::MAX),
            first: time(first),
            last: time(last),
        }
    }

    /// Adds more.
    pub fn add(&mut self, more: Mail) {
        if more.n == 0 {
            return;
        }
        *self = match self.n {
            0 => more,
            n => Mail {
                n: n.saturating_add(more.n),
                first: self.first.min(more.first),
                last: self.last.max(more.last),
            },
        };
    }

    /// On how many occasions it can have come at most.
    fn most(&self) -> f64 {
        f64::from(self.n).min(1.0 + f64::from(self.last - self.first) / OCCASION)
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
        let part = both.most() / f64::from(both.n);
        let of = |mail: &Mail| (part * f64::from(mail.n)).min(mail.most());
        (of(&self.encrypted), of(&self.plaintext))
    }

    /// Whether there is any over TLS (1) and in clear (2).
    pub(super) fn channels(&self) -> u8 {
        u8::from(self.encrypted.n > 0) | (u8::from(self.plaintext.n > 0) << 1)
    }

    fn known(&self) -> Known {
        Known {
            encrypted: self.encrypted.n.into(),
            plaintext: self.plaintext.n.into(),
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
        let look = Look::at(mail);
        let (rest, scatter) = (look.rest_days(), look.least_scatter());
        let rare: Vec<PeerDay> = mail.iter().filter(|d| look.is_rare(d)).copied().collect();
        let groups = Groups::of(&look, &rare);
        // For each group that has both channels on working days or others: the places of both, which come in the order of groups.
        let channels = groups.channels(&look, &rare, rest);
        let mut all = Vec::new();
        let mut places = vec![[usize::MAX; 2]; groups.len()];
        for (at, seen) in channels.iter().enumerate().filter(|(_, s)| s.contains(&3)) {
            for rest in [0, 1] {
                if seen[rest] != 0 {
                    places[at][rest] = all.len();
                    all.push(Stratum::new(groups.group(at), look.days.len(), scatter));
                }
            }
        }
        let mut totals = vec![Known::default()];
        let mut start = 0;
        for (at, day) in look.days.iter().enumerate() {
            let is_rest = usize::from(rest[weekday(day.day)]);
            let mut total = totals[at];
            for entry in &mail[start..day.end] {
                total.encrypted += u64::from(entry.encrypted.n);
                total.plaintext += u64::from(entry.plaintext.n);
                if let Some(stratum) = all.get_mut(places[groups.place(entry)][is_rest]) {
                    stratum.add(at, entry);
                }
            }
            totals.push(total);
            start = day.end;
        }
        all.iter_mut().for_each(Stratum::sum_up);
        let (mixed, others) = all.into_iter().partition(Stratum::is_mixed);
        Strata {
            days: look.days.iter().map(|d| d.day).collect(),
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

/// What one look at all mail says: a year of a large site is too much to be looked at for each question.
#[derive(Default)]
struct Look {
    /// The days, in order.
    days: Vec<LookDay>,
    /// By the number of the peer.
    peers: Vec<LookPeer>,
    /// One more than the largest number of an operator.
    operators: usize,
    /// Days on which a peer wrote little, and how many of these were a burst.
    few: u32,
    bursts: u32,
}

struct LookDay {
    day: i32,
    /// All mail.
    total: u64,
    /// Where its entries end.
    end: usize,
}

#[derive(Clone, Copy, Default)]
struct LookPeer {
    /// On how many days it has mail.
    days: u32,
    /// By weekday: whether it has mail over TLS (1) and in clear (2).
    channels: [u8; 7],
}

impl Look {
    fn at(mail: &[PeerDay]) -> Look {
        let mut look = Look::default();
        for (at, entry) in mail.iter().enumerate() {
            if look.days.last().is_none_or(|d| d.day != entry.day) {
                look.days.push(LookDay {
                    day: entry.day,
                    total: 0,
                    end: at,
                });
            }
            if let Some(day) = look.days.last_mut() {
                day.total += entry.known().total();
                day.end = at + 1;
            }
            look.add(entry);
        }
        look
    }

    fn add(&mut self, entry: &PeerDay) {
        let peer = entry.peer as usize;
        if self.peers.len() <= peer {
            self.peers.resize(peer + 1, LookPeer::default());
        }
        self.peers[peer].days += 1;
        self.peers[peer].channels[weekday(entry.day)] |= entry.channels();
        self.operators = self.operators.max(entry.operator as usize + 1);
        let mut both = entry.encrypted;
        both.add(entry.plaintext);
        if FEW.contains(&both.n) {
            self.few += 1;
            self.bursts += u32::from(both.most() < 2.0);
        }
    }

    fn is_rare(&self, entry: &PeerDay) -> bool {
        (self.peers[entry.peer as usize].days as usize) < OWN_DAYS
    }

    /// What days scatter at least, in units of the scatter of independent occasions: where much mail comes in bursts there are days with several
    /// of them, which look like more occasions than they are. How bursty a site is shows on the days on which a peer wrote little.
    fn least_scatter(&self) -> f64 {
        // Before anything is known, the site is taken to be bursty.
        let part = (f64::from(self.bursts) + WITNESSES) / (f64::from(self.few) + WITNESSES);
        1.0 + BURSTY * part
    }

    /// Which of the seven weekdays are days of rest.
    fn rest_days(&self) -> [bool; 7] {
        let usual = median(self.days.iter().map(|d| d.total).collect());
        let mut rest = [false; 7];
        for (at, is_rest) in rest.iter_mut().enumerate() {
            let one = self.days.iter().filter(|d| weekday(d.day) == at);
            let one: Vec<u64> = one.map(|d| d.total).collect();
            *is_rest = one.len() >= REST_WEEKS && (median(one) as f64) < REST * usual as f64;
        }
        rest
    }
}

/// The group of each entry. Peers and operators have numbers, so that each group has a place: peers first, then operators, then the rest.
struct Groups {
    /// Which peers have a group of their own.
    own: Vec<bool>,
    /// Operators whose rare peers are enough for a group.
    operators: Vec<bool>,
}

impl Groups {
    fn of(look: &Look, rare: &[PeerDay]) -> Groups {
        let is_own = |peer: &LookPeer| peer.days as usize >= OWN_DAYS;
        let mut groups = Groups {
            own: look.peers.iter().map(is_own).collect(),
            operators: vec![false; look.operators],
        };
        let mut operators: HashMap<u32, (usize, i32)> = HashMap::new();
        for day in rare {
            let (days, last) = operators.entry(day.operator).or_insert((1, day.day));
            if *last != day.day {
                (*days, *last) = (*days + 1, day.day);
            }
        }
        for (operator, (days, _)) in operators {
            groups.operators[operator as usize] = days >= OWN_DAYS;
        }
        groups
    }

    /// Of each group, on working days and on days of rest: whether it has mail over TLS (1) and in clear (2). Most have one of both only: to
    /// hold all their days would take most of the memory.
    fn channels(&self, look: &Look, rare: &[PeerDay], rest: [bool; 7]) -> Vec<[u8; 2]> {
        let mut channels = vec![[0_u8; 2]; self.len()];
        for (at, peer) in look
            .peers
            .iter()
            .enumerate()
            .filter(|(at, _)| self.own[*at])
        {
            for (is_rest, seen) in rest.iter().zip(peer.channels) {
                channels[at][usize::from(*is_rest)] |= seen;
            }
        }
        for day in rare {
            channels[self.place(day)][usize::from(rest[weekday(day.day)])] |= day.channels();
        }
        channels
    }

    fn len(&self) -> usize {
        self.own.len() + self.operators.len() + 1
    }

    /// Where the group of an entry has its place.
    fn place(&self, day: &PeerDay) -> usize {
        match self.operators[day.operator as usize] {
            _ if self.own[day.peer as usize] => day.peer as usize,
            true => self.own.len() + day.operator as usize,
            false => self.len() - 1,
        }
    }

    /// The group at a place.
    fn group(&self, place: usize) -> Group {
        // OK to narrow: below one more than the largest number.
        match place.checked_sub(self.own.len()) {
            None => Group::Peer(place as u32),
            Some(operator) if operator < self.operators.len() => Group::Operator(operator as u32),
            Some(_) => Group::Rare,
        }
    }
}

fn weekday(day: i32) -> usize {
    // OK to narrow: below seven.
    day.rem_euclid(7) as usize
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
        Mail::new(n, first, last)
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
        assert_eq!(Look::at(&weeks).rest_days()[..3], [true, true, false]);
        // One regular peer and the rare ones, each on working days and on others.
        assert_eq!(Strata::of(&weeks).mixed.len(), 4);
    }
}
