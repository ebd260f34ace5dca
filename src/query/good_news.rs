//! Who got better: had clear text or failing TLS, and since then nothing but TLS?

use std::collections::{BTreeMap, BTreeSet, HashMap};

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

/// The numbers of a peer's hosts, and the last day on which anything was good, and bad.
#[derive(Default)]
struct Candidate {
    numbers: BTreeSet<u32>,
    good: Option<i32>,
    bad: Option<i32>,
}

/// All whose first good day lies in the scope, however long ago they were bad; the latest news first.
pub fn find_good_news(store: &Store, scope: &Scope) -> Result<Vec<Improvement>> {
    let period = Period {
        from_day: None,
        ..scope.period
    };
    let (first, last, ..) = bounds(&Scope { period, ..*scope });
    let mut numbered = store.numbered((first, last))?;
    let from = scope.period.from_day.unwrap_or(i32::MIN);
    let mut news = Vec::new();
    for ((direction, peer), candidate) in candidates(&mut numbered, scope)? {
        // Most peers have always been good, or bad to the end: their days need not be read.
        let improved = candidate.bad.is_some() && candidate.bad < candidate.good;
        if !improved || candidate.good < Some(from) {
            continue;
        }
        let mut days: BTreeMap<i32, Day> = BTreeMap::new();
        for number in candidate.numbers {
            numbered.each_day_of(number, |_, meaning, count| {
                let day = days.entry(count.day).or_default();
                day.add(direction, meaning, &count);
            })?;
        }
        news.extend(improvement(direction, peer, &days).filter(|i| i.since >= from));
    }
    news.sort_by_key(|i| std::cmp::Reverse(i.since));
    Ok(news)
}

/// Every peer of these directions, from the sums: they keep when anything was last seen.
fn candidates(
    numbered: &mut Numbered<'_>,
    scope: &Scope,
) -> Result<BTreeMap<(Direction, String), Candidate>> {
    let mut hosts: HashMap<u32, (Direction, String, Candidate)> = HashMap::new();
    numbered.each_sum(|peer, meaning, count| {
        if !scope.includes(peer.direction) {
            return;
        }
        let (_, _, candidate) = hosts.entry(count.peer).or_insert_with(|| {
            let names = [&peer.domain, &peer.organisation, &peer.host, &peer.address];
            let name = who(peer.direction, names.map(String::as_str)).to_owned();
            (peer.direction, name, Candidate::default())
        });
        let last = Some(day_of(count.last));
        match judge(peer.direction, meaning, &count) {
            Judgement::Good(_) => candidate.good = candidate.good.max(last),
            Judgement::Bad => candidate.bad = candidate.bad.max(last),
            Judgement::Neither => {}
        }
    })?;
    let mut peers: BTreeMap<(Direction, String), Candidate> = BTreeMap::new();
    for (number, (direction, name, host)) in hosts {
        let peer = peers.entry((direction, name)).or_default();
        peer.numbers.insert(number);
        peer.good = peer.good.max(host.good);
        peer.bad = peer.bad.max(host.bad);
    }
    Ok(peers)
}

fn group(meaning: &Meaning, count: &Count) -> Group {
    Group {
        tls: meaning.tls.clone(),
        class: meaning.class,
        cause: meaning.cause.clone(),
        fault: meaning.fault.clone(),
        delivery: meaning.delivery.clone(),
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
            if is_sent(&meaning.delivery) {
                count.n
            } else {
                0
            },
            is_tls_failure(&meaning.delivery, meaning.class),
        ),
        Direction::Inbound => (count.messages, meaning.class.row().tls_failure),
    };
    match meaning.tls.as_str() {
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
