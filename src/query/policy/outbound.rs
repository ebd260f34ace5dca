//! Of those we send to: of whom TLS can be required, who needs an exception, and of whom neither can be said.

use std::collections::{BTreeMap, BTreeSet};

use crate::outcome::Direction;
use crate::store::{Result, Store};

use super::super::ask_one_way;
use super::super::tally::{Group, Problem};
use super::refusal::{find_refusal, own_services};
use super::signs::{Days, Seen, Sign, outbound_sign};
use super::{Evidence, InUse, Rules, Server, Standing, Subject, is_name};

/// Seconds in a day.
const DAY: i64 = 86_400;
/// So many failed attempts make a server broken; once may be chance.
const BROKEN_ATTEMPTS: u64 = 2;

/// A log host and a syslog tag: what one of them requires, another may not.
type ServiceName = (String, String);

/// A peer we send to.
#[derive(Clone, Debug, Default)]
struct Peer {
    days: Days,
    /// By service, the latest mail in clear, in seconds since 1970 UTC.
    in_clear: BTreeMap<ServiceName, i64>,
    /// By service, when attempts failed because TLS was required and not to be had: of each day and kind the first and the last.
    wanted: BTreeMap<ServiceName, Vec<(i64, i64)>>,
}

impl Peer {
    fn add(&mut self, service: ServiceName, day: i32, sign: Sign, group: Group) {
        match (sign, group.is_sent()) {
            (Sign::Clear, true) => {
                let at = self.in_clear.entry(service).or_insert(group.last);
                *at = group.last.max(*at);
            }
            (Sign::Clear, false) => {
                let waits = self.wanted.entry(service).or_default();
                waits.push((group.first, group.last));
            }
            _ => {}
        }
        self.days.entry(day).or_default().add(sign, group);
    }

    /// The latest mail in clear by whichever service.
    fn last_in_clear(&self) -> i64 {
        self.in_clear.values().copied().max().unwrap_or(i64::MIN)
    }
}

const SENT: &str =
    "SELECT domain, host, service_host, service_tag, day, bits, verification, tls, class, cause, fault, delivery,
         SUM(n), SUM(messages), SUM(handshakes), MIN(first_seen), MAX(last_seen)
  FROM facts
  WHERE day >= ?1 AND day <= ?2 AND (direction = ?3 OR direction = ?4)
  GROUP BY domain, host, service_host, service_tag, day, bits, verification, tls, class, cause, fault, delivery
  ORDER BY domain, host, service_host, service_tag, day, bits, verification, tls, class, cause, fault, delivery";

/// Peers we send to.
pub fn find_outbound(store: &Store, rules: &Rules, in_use: &InUse) -> Result<Evidence> {
    let mut peers = load_peers(store, rules)?;
    let all = peers.len();
    peers.retain(|name, _| is_name(name, rules.server));
    let invalid = (all - peers.len()) as u64;
    let judged = peers.iter().map(|(name, peer)| {
        let mut subject = judge_outbound(name.clone(), peer, rules);
        if subject.standing == Standing::InClear && is_required_already(name, &peers, in_use) {
            subject.standing = Standing::RequiredAlready;
        }
        subject
    });
    let mut subjects: Vec<Subject> = judged.collect();
    if rules.server == Server::Sendmail {
        spare_names_below(&mut subjects);
    }
    let services = own_services(store, rules, Direction::Outbound)?;
    Ok(Evidence {
        refusal: find_refusal(store, rules, &services)?,
        subjects,
        invalid,
        blind: services.into_iter().filter(|s| s.unknown > 0).collect(),
    })
}

fn load_peers(store: &Store, rules: &Rules) -> Result<BTreeMap<String, Peer>> {
    let rows = ask_one_way(store, SENT, &rules.history(), Direction::Outbound, |row| {
        let name: String = match rules.server {
            Server::Postfix => row.get(0)?,
            Server::Sendmail => row.get(1)?,
        };
        let service: ServiceName = (row.get(2)?, row.get(3)?);
        let verification: String = row.get(6)?;
        let group = Group::read(row, 7)?;
        let sign = outbound_sign(&group, row.get::<_, i64>(5)?.unsigned_abs(), &verification);
        Ok((name, service, row.get(4)?, sign, group))
    })?;
    let mut peers: BTreeMap<String, Peer> = BTreeMap::new();
    for (name, service, day, sign, group) in rows {
        if rules.server.wrote(&service.1) && sign != Sign::Nothing && !name.is_empty() {
            let peer = peers.entry(name).or_default();
            peer.add(service, day, sign, group);
        }
    }
    Ok(peers)
}

/// Whether mail waited for TLS that could not be had, while the same service went on sending in clear to others that no entry excepts: then
/// TLS is not required of all, but of this one, by an entry or a table that is not ours.
fn is_required_already(name: &str, peers: &BTreeMap<String, Peer>, in_use: &InUse) -> bool {
    let Some(peer) = peers.get(name).filter(|_| !in_use.ours.contains(name)) else {
        return false;
    };
    // Since the first of these attempts on: a requirement does not end because it is tried again.
    let clear = peer.last_in_clear();
    peer.wanted.iter().any(|(service, waits)| {
        let since = waits.iter().filter(|(_, last)| *last > clear);
        let since = since.map(|(first, _)| (*first).max(clear)).min();
        let sends_in_clear = |(other, p): (&String, &Peer)| {
            let last = p.in_clear.get(service);
            let went_since = since.is_some_and(|at| last.is_some_and(|last| *last > at));
            went_since && other != name && !in_use.covers(other)
        };
        peers.iter().any(sends_in_clear)
    })
}

fn judge_outbound(name: String, peer: &Peer, rules: &Rules) -> Subject {
    let days = &peer.days;
    let against = last_against(days);
    let since = against.as_ref().map_or(i32::MIN, |(day, _)| *day);
    let clean: Vec<(i32, &Seen)> = days
        .iter()
        .filter(|(day, seen)| **day > since && seen.is_clean())
        .map(|(day, seen)| (*day, seen))
        .collect();
    let last_clean = clean.last().map_or(0, |(day, _)| *day);
    let lately = clean
        .iter()
        .filter(|(day, _)| *day > last_clean - rules.expire);
    let messages = lately.map(|(_, seen)| seen.works).sum();
    let enough = clean.len() >= rules.days as usize && messages >= rules.messages;
    let standing = match fault_of(days, rules) {
        _ if rules.server == Server::Postfix && is_held_to_more(peer, rules) => {
            Standing::HeldToMore
        }
        _ if enough => Standing::Proven,
        Some(standing) => standing,
        None if against.is_some() => Standing::Doubtful,
        None if clean.is_empty() => Standing::NoEvidence,
        None => Standing::TooLittle,
    };
    let faulty = matches!(standing, Standing::InClear | Standing::Broken);
    Subject {
        name,
        standing,
        days: clean.len() as u32,
        messages,
        last: if faulty { last_fault(days) } else { last_clean },
        against,
    }
}

/// Whether more than TLS was required when TLS was last seen. Nothing that fails later ends that: a policy that requires more makes it fail. Only
/// mail in clear does, or as long a time with TLS and without a sign of more as an entry lasts.
fn is_held_to_more(peer: &Peer, rules: &Rules) -> bool {
    let last = |of: fn(&Seen) -> u64| {
        let found = peer.days.iter().rev().find(|(_, seen)| of(seen) > 0);
        found.map(|(day, _)| *day)
    };
    last(|s| s.more).is_some_and(|more| {
        let went_in_clear = peer.last_in_clear() >= i64::from(more + 1) * DAY;
        let has_ended = last(|s| s.works).is_some_and(|works| more <= works - rules.expire);
        !went_in_clear && !has_ended
    })
}

/// The last day on which anything spoke against TLS, and what did.
fn last_against(days: &Days) -> Option<(i32, Problem)> {
    let (day, seen) = days.iter().rev().find(|(_, s)| !s.against.is_empty())?;
    Some((*day, Problem::dominating(seen.against.iter())))
}

fn last_fault(days: &Days) -> i32 {
    let faulty = days.iter().rev().find(|(_, s)| s.clear + s.breaks > 0);
    faulty.map_or(0, |(day, _)| *day)
}

/// What is wrong with a peer, if that is recent enough for an entry.
fn fault_of(days: &Days, rules: &Rules) -> Option<Standing> {
    let recent = || days.range(rules.today - rules.expire..);
    let sum = |of: fn(&Seen) -> u64| recent().map(|(_, seen)| of(seen)).sum::<u64>();
    let last = |of: fn(&Seen) -> u64| days.iter().rev().find(|(_, s)| of(s) > 0).map(|(d, _)| *d);
    // Mail that got through since, in whatever way, shows that it is not held up.
    let has_passed_since = last(|s| s.works + s.clear) >= last(|s| s.breaks);
    match (sum(|s| s.breaks), sum(|s| s.clear)) {
        (BROKEN_ATTEMPTS.., _) if !has_passed_since => Some(Standing::Broken),
        (_, 1..) => Some(Standing::InClear),
        _ => None,
    }
}

/// Sendmail looks a host up by its own name, then by each name above it: an entry for a name above others speaks for them.
fn spare_names_below(subjects: &mut [Subject]) {
    let standings: BTreeMap<&str, Standing> = subjects
        .iter()
        .map(|s| (s.name.as_str(), s.standing))
        .collect();
    let mut covering: BTreeSet<String> = BTreeSet::new();
    for (name, standing) in &standings {
        let above = name.match_indices('.').map(|(dot, _)| &name[dot + 1..]);
        let differing = above.filter(|n| standings.get(n).is_some_and(|s| s != standing));
        covering.extend(differing.map(str::to_string));
    }
    for subject in subjects.iter_mut().filter(|s| covering.contains(&s.name)) {
        subject.standing = Standing::CoversOthers;
    }
}
