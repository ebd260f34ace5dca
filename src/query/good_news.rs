//! Who got better: had clear text or failing TLS, and since then nothing but TLS?

use std::collections::BTreeMap;

use crate::outcome::Direction;
use crate::store::{Result, Store};

use super::failures::who;
use super::tally::{Group, Problem};
use super::{Period, Scope, ask, read_direction};

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

const SQL: &str = "SELECT direction, domain, organisation, host, address, day, tls, class, cause, fault, delivery,
         SUM(n), SUM(messages), SUM(handshakes), MIN(first_seen), MAX(last_seen)
  FROM facts
  WHERE day >= ?1 AND day <= ?2 AND (direction = ?3 OR direction = ?4)
  GROUP BY direction, domain, organisation, host, address, day, tls, class, cause, fault, delivery
  ORDER BY direction, domain, organisation, host, address, day, tls, class, cause, fault, delivery";

/// What was seen of a peer on one day.
#[derive(Default)]
struct Day {
    good: u64,
    bad: Vec<Group>,
}

/// All whose first good day lies in the scope, however long ago they were bad; the latest news first.
pub fn find_good_news(store: &Store, scope: &Scope) -> Result<Vec<Improvement>> {
    let period = Period {
        from_day: None,
        ..scope.period
    };
    let rows = ask(store, SQL, &Scope { period, ..*scope }, |row| {
        let direction = read_direction(row, 0)?;
        let names = [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?];
        let day: i32 = row.get(5)?;
        Ok((direction, who(direction, names), day, Group::read(row, 6)?))
    })?;
    let mut peers: BTreeMap<(Direction, String), BTreeMap<i32, Day>> = BTreeMap::new();
    for (direction, peer, day, group) in rows {
        let days = peers.entry((direction, peer)).or_default();
        days.entry(day).or_default().add(direction, group);
    }
    let from = scope.period.from_day.unwrap_or(i32::MIN);
    let improved = peers
        .into_iter()
        .filter_map(|((direction, peer), days)| improvement(direction, peer, &days));
    let mut news: Vec<Improvement> = improved.filter(|i| i.since >= from).collect();
    news.sort_by_key(|i| std::cmp::Reverse(i.since));
    Ok(news)
}

impl Day {
    fn add(&mut self, direction: Direction, group: Group) {
        let (crossed, failed) = match direction {
            Direction::Outbound => (
                if group.is_sent() { group.n } else { 0 },
                group.is_tls_failure(),
            ),
            Direction::Inbound => (group.messages, group.class.row().tls_failure),
        };
        match group.tls.as_str() {
            _ if failed => self.bad.push(group),
            "plaintext" if crossed > 0 => self.bad.push(group),
            "encrypted" => self.good += crossed,
            _ => {}
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
