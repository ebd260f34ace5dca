//! Of clients: with whom TLS fails, and whether that loses their mail.

use std::collections::BTreeMap;

use crate::outcome::Direction;
use crate::store::{Result, Store};

use super::super::ask_one_way;
use super::super::tally::{Group, Problem};
use super::refusal::{Refusal, nothing_recent, own_services};
use super::signs::{Days, Seen, Sign, inbound_sign};
use super::{Evidence, Rules, Standing, Subject};

/// On so many different days a client must have failed: one that scans us comes once.
const BROKEN_DAYS: usize = 2;

const RECEIVED: &str = "SELECT address, service_tag, day, tls, class, cause, fault, delivery,
         SUM(n), SUM(messages), SUM(handshakes), MIN(first_seen), MAX(last_seen)
  FROM facts
  WHERE day >= ?1 AND day <= ?2 AND (direction = ?3 OR direction = ?4)
  GROUP BY address, service_tag, day, tls, class, cause, fault, delivery
  ORDER BY address, service_tag, day, tls, class, cause, fault, delivery";

/// Clients that send to us, as far as TLS with them fails.
pub fn find_inbound(store: &Store, rules: &Rules) -> Result<Evidence> {
    let mut clients: BTreeMap<String, Days> = BTreeMap::new();
    let rows = ask_one_way(
        store,
        RECEIVED,
        &rules.history(),
        Direction::Inbound,
        |row| {
            let (address, tag): (String, String) = (row.get(0)?, row.get(1)?);
            Ok((address, tag, row.get::<_, i32>(2)?, Group::read(row, 3)?))
        },
    )?;
    for (address, tag, day, group) in rows {
        let sign = inbound_sign(&group);
        if rules.server.wrote(&tag) && sign != Sign::Nothing {
            let days = clients.entry(address).or_default();
            days.entry(day).or_default().add(sign, group);
        }
    }
    clients.retain(|_, days| days.values().any(|seen| seen.breaks > 0));
    let all = clients.len();
    clients.retain(|address, _| address.parse::<std::net::IpAddr>().is_ok());
    let invalid = (all - clients.len()) as u64;
    let services = own_services(store, rules, Direction::Inbound)?;
    let refusal = match services.iter().map(|s| s.encrypted).sum::<u64>() {
        _ if services.is_empty() => Some(nothing_recent(store, rules, Direction::Inbound)?),
        0 => Some(Refusal::NoTls),
        _ => None,
    };
    let judged = clients
        .into_iter()
        .map(|(address, days)| judge_inbound(address, &days, rules));
    Ok(Evidence {
        refusal,
        subjects: judged.collect(),
        invalid,
        blind: Vec::new(),
    })
}

fn judge_inbound(address: String, days: &Days, rules: &Rules) -> Subject {
    let worked = days.iter().rev().find(|(_, s)| s.works > 0);
    let since = worked.map_or(i32::MIN, |(day, _)| *day);
    let failing: Vec<(i32, &Seen)> = days
        .iter()
        .filter(|(day, seen)| **day > since && seen.breaks > 0)
        .map(|(day, seen)| (*day, seen))
        .collect();
    let attempts: u64 = failing.iter().map(|(_, seen)| seen.breaks).sum();
    let first = failing.first().map_or(i32::MAX, |(day, _)| *day);
    let last = failing.last().map_or(0, |(day, _)| *day);
    let fell_back = days.range(first..).any(|(_, seen)| seen.clear > 0);
    let standing = match failing.len() {
        0 => Standing::Proven,
        _ if fell_back => Standing::FellBack,
        n if n < BROKEN_DAYS || attempts < rules.messages => Standing::TooLittle,
        _ => Standing::Broken,
    };
    let breaks = |seen: &&Group| inbound_sign(seen) == Sign::Breaks;
    let against = failing.last().map(|(day, seen)| {
        (
            *day,
            Problem::dominating(seen.against.iter().filter(breaks)),
        )
    });
    Subject {
        name: address,
        standing,
        days: failing.len() as u32,
        messages: attempts,
        last,
        against,
    }
}
