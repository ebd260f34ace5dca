//! Who got better: had clear text or failing TLS, and since then nothing but TLS?

use std::collections::BTreeMap;

use hashbrown::{HashMap, HashSet};

use crate::outcome::{Direction, day_of};
use crate::store::numbered::{Count, Meaning, Numbered};
use crate::store::{Result, Store};

use super::failures::who;
use super::tally::{Group, Problem, is_sent, is_tls_failure};
use super::{Period, Scope, bounds};

/// So many days over TLS since are no accident.
const GOOD_DAYS: usize = 2;

/// One peer that got better.
#[derive(Clone, Debug, PartialEq)]
pub struct Improvement {
    /// Which way the mail went.
    pub direction: Direction,
    /// Outbound the recipient domain; inbound the organisation, name or address of the client.
    pub peer: String,
    /// What was wrong last.
    pub was: Problem,
    /// How often anything was wrong.
    pub times: u64,
    /// The last day with anything wrong, in days since 1970.
    pub last_bad: i32,
    /// The first day over TLS since.
    pub since: i32,
    /// Days over TLS since.
    pub days: u64,
    /// Mails over TLS since.
    pub mails: u64,
}

/// What was seen of a peer on one day.
#[derive(Default)]
struct Day {
    good: u64,
    bad: Vec<Group>,
}

/// The last day on which anything was good, and bad.
#[derive(Clone, Copy, Default)]
struct Candidate {
    good: Option<i32>,
    bad: Option<i32>,
}

impl Candidate {
    fn add(&mut self, more: Candidate) {
        self.good = self.good.max(more.good);
        self.bad = self.bad.max(more.bad);
    }
}

/// All whose first good day lies in the scope, however long ago they were bad; the latest news first.
pub fn find_good_news(store: &Store, scope: &Scope) -> Result<Vec<Improvement>> {
    let period = Period {
        from_day: None,
        ..scope.period
    };
    let (first, last, ..) = bounds(&Scope { period, ..*scope });
    let from = scope.period.from_day.unwrap_or(i32::MIN);
    if i64::from(last) - i64::from(from) + 1 < GOOD_DAYS as i64 {
        // The first of the good days lies in the scope, and so do the others.
        return Ok(Vec::new());
    }
    let mut numbered = store.numbered((first, last))?;
    let improved = improved(&mut numbered, scope)?;
    let counts = counts_of(&mut numbered, improved.values().flatten())?;
    let mut news = Vec::new();
    for ((direction, peer), numbers) in improved {
        let mut days: BTreeMap<i32, Day> = BTreeMap::new();
        for count in numbers.iter().flat_map(|number| of_peer(&counts, *number)) {
            let meaning = &numbered.meanings[count.meaning as usize];
            let day = days.entry(count.day).or_default();
            day.add(direction, meaning, count);
        }
        news.extend(improvement(direction, peer, &days).filter(|i| i.since >= from));
    }
    news.sort_by_key(|i| std::cmp::Reverse(i.since));
    Ok(news)
}

/// The peers of these directions that may have got better, with the numbers of their hosts. Most have always been good, or bad to the end:
/// their days need not be read. The sums keep when anything was last seen.
fn improved(
    numbered: &mut Numbered<'_>,
    scope: &Scope,
) -> Result<BTreeMap<(Direction, String), Vec<u32>>> {
    let mut hosts: Vec<Candidate> = Vec::new();
    numbered.each_sum(|peer, meaning, count| {
        if !scope.includes(peer.direction()) {
            return;
        }
        let at = count.peer as usize;
        if hosts.len() <= at {
            hosts.resize(at + 1, Candidate::default());
        }
        let last = Some(day_of(count.last));
        hosts[at].add(match judge(peer.direction(), meaning, &count) {
            Judgement::Good(_) => Candidate {
                good: last,
                bad: None,
            },
            Judgement::Bad => Candidate {
                good: None,
                bad: last,
            },
            Judgement::Neither => return,
        });
    })?;
    let named = || {
        let peers = numbered.peers.iter().zip(&hosts).zip(0..);
        peers.map(|((peer, host), number)| {
            let name = who(peer.direction(), peer.names());
            ((peer.direction(), name), *host, number)
        })
    };
    let mut peers: HashMap<(Direction, &str), Candidate> = HashMap::new();
    for (name, host, _) in named() {
        peers.entry(name).or_default().add(host);
    }
    peers.retain(|_, c| c.bad.is_some() && c.bad < c.good && c.good >= scope.period.from_day);
    let mut improved: BTreeMap<(Direction, String), Vec<u32>> = BTreeMap::new();
    for ((direction, name), _, number) in named() {
        if peers.contains_key(&(direction, name)) {
            let key = (direction, name.to_owned());
            improved.entry(key).or_default().push(number);
        }
    }
    Ok(improved)
}

/// The counts of these peers, by number and day. There may be so many that reading every day once is faster than looking up the days of each.
fn counts_of<'n>(
    numbered: &mut Numbered<'_>,
    numbers: impl Iterator<Item = &'n u32>,
) -> Result<Vec<Count>> {
    let wanted: HashSet<u32> = numbers.copied().collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let parts = numbered.fold_days(
        |_| Vec::new(),
        |counts, _, count| {
            if wanted.contains(&count.peer) {
                counts.push(count);
            }
        },
    )?;
    let mut counts = parts.concat();
    // Stable: those of a peer stay in the order of days.
    counts.sort_by_key(|count| count.peer);
    Ok(counts)
}

/// Those of one peer.
fn of_peer(counts: &[Count], number: u32) -> &[Count] {
    let from = counts.partition_point(|count| count.peer < number);
    let to = counts.partition_point(|count| count.peer <= number);
    &counts[from..to]
}

fn group(meaning: &Meaning, count: &Count) -> Group {
    Group {
        tls: meaning.tls,
        class: meaning.class,
        cause: meaning.cause,
        fault: meaning.fault,
        delivery: meaning.delivery,
        n: count.n,
        messages: count.messages,
        handshakes: count.handshakes,
        first: count.first,
        last: count.last,
    }
}

/// What equal outcomes say of a peer.
enum Judgement {
    /// So many mails went over TLS.
    Good(u64),
    Bad,
    Neither,
}

fn judge(direction: Direction, meaning: &Meaning, count: &Count) -> Judgement {
    let (crossed, failed) = match direction {
        Direction::Outbound => (
            if is_sent(meaning.delivery) {
                count.n
            } else {
                0
            },
            is_tls_failure(meaning.delivery, meaning.class),
        ),
        Direction::Inbound => (count.messages, meaning.class.row().tls_failure),
    };
    match meaning.tls {
        _ if failed => Judgement::Bad,
        "plaintext" if crossed > 0 => Judgement::Bad,
        "encrypted" if crossed > 0 => Judgement::Good(crossed),
        _ => Judgement::Neither,
    }
}

impl Day {
    fn add(&mut self, direction: Direction, meaning: &Meaning, count: &Count) {
        match judge(direction, meaning, count) {
            Judgement::Good(mails) => self.good += mails,
            Judgement::Bad => group(meaning, count).add_to(&mut self.bad),
            Judgement::Neither => {}
        }
    }
}

fn improvement(
    direction: Direction,
    peer: String,
    days: &BTreeMap<i32, Day>,
) -> Option<Improvement> {
    let (last_bad, worst) = days.iter().rev().find(|(_, day)| !day.bad.is_empty())?;
    let good: Vec<(i32, u64)> = days
        .range(last_bad + 1..)
        .filter(|(_, day)| day.good > 0)
        .map(|(day, seen)| (*day, seen.good))
        .collect();
    let (since, _) = *good.first()?;
    let times = days
        .values()
        .flat_map(|day| &day.bad)
        .map(|g| g.n.max(g.messages));
    (good.len() >= GOOD_DAYS).then(|| Improvement {
        direction,
        peer,
        was: Problem::dominating(worst.bad.iter()),
        times: times.sum(),
        last_bad: *last_bad,
        since,
        days: good.len() as u64,
        mails: good.iter().map(|(_, mails)| mails).sum(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Class, Emission};
    use crate::store::fixture::{self, DAY, outbound};
    use maillog::{Cause, Protocol};

    /// A letter a day, the last being today: TLS, clear text, broken.
    fn history<'a>(domain: &'a str, days: &'a str) -> impl Iterator<Item = Emission> + 'a {
        days.chars()
            .rev()
            .enumerate()
            .filter_map(move |(ago, letter)| {
                let start = outbound(domain).at(-(ago as i64) * 86_400);
                Some(match letter {
                    'T' => start.encrypted(Protocol::Tls13).build(),
                    'C' => start.plaintext(Class::PlaintextNotOffered).build(),
                    'B' => start.failed(Class::HandshakeFailed, Cause::Eof).build(),
                    _ => return None,
                })
            })
    }

    #[test]
    fn good_news_is_tls_on_two_days_after_trouble_and_none_since() {
        for (days, expected) in [
            ("CCTT", true),
            ("B.T.T", true),
            ("CT", false),
            ("CTTC", false),
            ("TTTT", false),
            ("CC", false),
        ] {
            let store = fixture::store(history("a.example", days));
            let news = find_good_news(&store, &Scope::ALL).unwrap();
            assert_eq!(!news.is_empty(), expected, "{days}");
        }
    }

    #[test]
    fn news_is_what_began_in_the_period() {
        let store = fixture::store(
            history("old.example", "CTTTTTT").chain(history("new.example", "..CCCTT")),
        );
        let scope = Scope {
            period: Period {
                from_day: Some(DAY - 2),
                to_day: Some(DAY),
            },
            ..Scope::ALL
        };
        let news = find_good_news(&store, &scope).unwrap();
        let short: Vec<_> = news
            .iter()
            .map(|i| {
                (
                    i.peer.as_str(),
                    i.times,
                    i.last_bad,
                    i.since,
                    i.days,
                    i.mails,
                )
            })
            .collect();
        assert_eq!(short, [("new.example", 3, DAY - 2, DAY - 1, 2, 2)]);
        assert_eq!(news[0].was.class, Some(Class::PlaintextNotOffered));
        assert_eq!(find_good_news(&store, &Scope::ALL).unwrap().len(), 2);
    }
}
