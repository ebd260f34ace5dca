//! Of those we send to: of whom TLS can be required, who needs an exception, and of whom neither can be said.

use std::collections::{BTreeMap, BTreeSet};

use maillog::Protocol;

use crate::outcome::{Class, Direction};
use crate::store::{Result, Store};

use super::super::ask_one_way;
use super::super::tally::{Group, Problem};
use super::refusal::{find_refusal, own_services};
use super::signs::{BREAKS, Days, Seen, Sign, outbound_sign};
use super::{Evidence, InUse, Rules, Server, Standing, Subject, is_name, self_and_above};

/// Seconds in a day.
const DAY: i64 = 86_400;
/// So many failed attempts make a server broken; once may be chance.
const BROKEN_ATTEMPTS: u64 = 2;
/// With Sendmail on so many days besides: once it is told not to try TLS with a host, nothing shows that its TLS works again.
const BROKEN_DAYS: usize = 2;
/// Where TLS is not required, Postfix falls back to clear text from the second attempt on that is made `minimal_backoff_time` (5 minutes) after the
/// first. Whose mail has gone on failing for longer than this, in seconds, is not allowed to.
const FALLBACK_TAKES: i64 = 7200;

/// A log host and a syslog tag: what one of them requires, another may not.
type ServiceName = (String, String);

/// A peer we send to.
#[derive(Clone, Debug, Default)]
struct Peer {
    days: Days,
    /// By service, the latest mail in clear, in seconds since 1970 UTC.
    in_clear: BTreeMap<ServiceName, i64>,
    /// By service, the latest mail that got through in whatever way, or would have in clear if the server had taken it so.
    passed: BTreeMap<ServiceName, i64>,
    /// The last day with mail over TLS older than 1.2.
    last_old: i32,
    /// When mail was verified: of each day and service the first and the last.
    verified: Vec<(i64, i64)>,
    /// By service, when attempts failed because TLS was required and not to be had: of each day and kind the first and the last.
    wanted: BTreeMap<ServiceName, Vec<(i64, i64)>>,
    /// The same of attempts whose TLS broke in a way that ends in clear text where TLS is not required.
    broke: BTreeMap<ServiceName, Vec<(i64, i64)>>,
}

impl Peer {
    fn add(&mut self, service: ServiceName, day: i32, sign: Sign, group: Group) {
        let latest = |of: &mut BTreeMap<ServiceName, i64>| {
            let at = of.entry(service.clone()).or_insert(group.last);
            *at = group.last.max(*at);
        };
        // A server that demands TLS of us was asked without: that is no sign that our side requires it.
        if group.is_sent() || group.class == Class::PeerRequiresTls {
            latest(&mut self.passed);
        }
        match (sign, group.is_sent()) {
            (Sign::Verified, _) => self.verified.push((group.first, group.last)),
            (Sign::Clear, true) => latest(&mut self.in_clear),
            (Sign::Clear, false) => {
                let waits = self.wanted.entry(service).or_default();
                waits.push((group.first, group.last));
            }
            (Sign::Breaks, _) if group.class != Class::StarttlsLostConnection => {
                let waits = self.broke.entry(service).or_default();
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
    "SELECT domain, host, service_host, service_tag, day, bits, verification, protocol, tls, class, cause, fault, delivery,
         SUM(n), SUM(messages), SUM(handshakes), MIN(first_seen), MAX(last_seen)
  FROM facts
  WHERE day >= ?1 AND day <= ?2 AND (direction = ?3 OR direction = ?4)
  GROUP BY domain, host, service_host, service_tag, day, bits, verification, protocol, tls, class, cause, fault, delivery
  ORDER BY domain, host, service_host, service_tag, day, bits, verification, protocol, tls, class, cause, fault, delivery";

/// Peers we send to.
pub fn find_outbound(store: &Store, rules: &Rules, in_use: &InUse) -> Result<Evidence> {
    let mut peers = load_peers(store, rules)?;
    let all = peers.len();
    peers.retain(|name, _| is_name(name, rules.server));
    let invalid = (all - peers.len()) as u64;
    let judged = peers.iter().map(|(name, peer)| {
        let mut subject = judge_outbound(name.clone(), peer, rules);
        if let Some(standing) = held_by_others(&subject, &peers, rules, in_use) {
            subject.standing = standing;
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
        let protocol: String = row.get(7)?;
        let is_old = Protocol::parse(protocol.as_bytes()).is_some_and(|p| p < Protocol::Tls12);
        let group = Group::read(row, 8)?;
        let sign = outbound_sign(&group, row.get::<_, i64>(5)?.unsigned_abs(), &verification);
        Ok((name, service, row.get(4)?, (sign, is_old), group))
    })?;
    let mut peers: BTreeMap<String, Peer> = BTreeMap::new();
    for (name, service, day, (sign, is_old), group) in rows {
        if rules.server.wrote(&service.1) && sign != Sign::Nothing && !name.is_empty() {
            let peer = peers.entry(name).or_default();
            if is_old && group.is_sent() {
                peer.last_old = peer.last_old.max(day);
            }
            peer.add(service, day, sign, group);
        }
    }
    Ok(peers)
}

/// What a peer is whose mail waits, where the same service goes on sending in clear to others that no entry excepts: TLS is not required of all
/// then, but of this one, by an entry or a table that is not ours. `None` if there is no sign of that.
fn held_by_others(
    subject: &Subject,
    peers: &BTreeMap<String, Peer>,
    rules: &Rules,
    in_use: &InUse,
) -> Option<Standing> {
    let name = &subject.name;
    let peer = peers.get(name).filter(|_| !in_use.ours.contains(name))?;
    let went_since = |service: &ServiceName, since: i64| {
        peers.iter().any(|(other, p)| {
            let last = p.in_clear.get(service);
            last.is_some_and(|last| *last > since) && other != name && !in_use.covers(other)
        })
    };
    // Since the first of these attempts on: a requirement does not end because it is tried again.
    let clear = peer.last_in_clear();
    let is_wanted = peer.wanted.iter().any(|(service, waits)| {
        waiting(waits, clear).is_some_and(|(since, _)| went_since(service, since))
    });
    match subject.standing {
        Standing::InClear | Standing::Broken if is_wanted => Some(Standing::RequiredAlready),
        // Sendmail does not fall back, so that what breaks waits whatever is required: only the map in use can tell.
        Standing::Broken if rules.server == Server::Sendmail => {
            let is_held = in_use.requires(name);
            is_held.then_some(Standing::RequiredAlready)
        }
        Standing::Broken => {
            let waits = peer.broke.iter().filter_map(|(service, waits)| {
                let passed = peer.passed.get(service).copied().unwrap_or(i64::MIN);
                let (since, until) = waiting(waits, passed)?;
                went_since(service, since).then_some(until - since)
            });
            waits.max().map(|waited| match waited {
                FALLBACK_TAKES.. => Standing::RequiredAlready,
                _ => Standing::Doubtful,
            })
        }
        _ => None,
    }
}

/// The first and the last of the attempts after a time.
fn waiting(waits: &[(i64, i64)], after: i64) -> Option<(i64, i64)> {
    let left = || waits.iter().filter(|(_, last)| *last > after);
    let first = left().map(|(first, _)| (*first).max(after)).min()?;
    let last = left().map(|(_, last)| *last).max()?;
    Some((first, last))
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
    let is_enough = clean.len() >= rules.days as usize && messages >= rules.messages;
    let standing = match rules.server {
        Server::Postfix => standing_in_postfix(peer, rules, is_enough.then_some(last_clean)),
        Server::Sendmail => standing_in_sendmail(days, rules, is_enough),
    };
    let standing = standing.unwrap_or(match () {
        () if is_enough => Standing::Proven,
        () if against.is_some() => Standing::Doubtful,
        () if clean.is_empty() => Standing::NoEvidence,
        () => Standing::TooLittle,
    });
    let faulty = matches!(
        standing,
        Standing::InClear | Standing::PartlyVerified | Standing::Broken | Standing::Stuck
    );
    Subject {
        name,
        standing,
        days: clean.len() as u32,
        messages,
        last: if faulty { last_fault(days) } else { last_clean },
        against,
    }
}

/// `enough`: the last of enough clean days.
fn standing_in_postfix(peer: &Peer, rules: &Rules, enough: Option<i32>) -> Option<Standing> {
    if enough.is_none() && is_partly_verified(peer, rules) {
        return Some(Standing::PartlyVerified);
    }
    if is_held_to_more(peer, rules) {
        return Some(Standing::HeldToMore);
    }
    if let Some(last_clean) = enough {
        // Where TLS is required, Postfix asks for the versions of another setting than where it is not.
        let is_old = peer.last_old > last_clean - rules.expire;
        return is_old.then_some(Standing::OldVersion);
    }
    fault_of(&peer.days, rules).map(|standing| match standing {
        Standing::Broken if is_stuck(&peer.days, rules) => Standing::Stuck,
        standing => standing,
    })
}

fn standing_in_sendmail(days: &Days, rules: &Rules, is_enough: bool) -> Option<Standing> {
    let fault = fault_of(days, rules).filter(|_| !is_enough);
    fault.map(|standing| match standing {
        Standing::Broken if days_broken(days, rules) < BROKEN_DAYS => Standing::Doubtful,
        standing => standing,
    })
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

/// On how many days TLS broke lately since mail last got through.
fn days_broken(days: &Days, rules: &Rules) -> usize {
    let recent = days.range(rules.today - rules.expire..).rev();
    let since = recent.take_while(|(_, seen)| seen.works + seen.clear == 0);
    since.filter(|(_, seen)| seen.breaks > 0).count()
}

/// Whether all that breaks is a connection that ends at STARTTLS: there Postfix never falls back to clear text, whatever is required.
fn is_stuck(days: &Days, rules: &Rules) -> bool {
    let recent = days.range(rules.today - rules.expire..);
    let mut breaks = recent
        .flat_map(|(_, seen)| &seen.against)
        .filter(|group| BREAKS.contains(&group.class))
        .peekable();
    breaks.peek().is_some() && breaks.all(|group| group.class == Class::StarttlsLostConnection)
}

/// Whether some mail went in clear lately after some was verified: where more than TLS is required of all mail, none does.
fn is_partly_verified(peer: &Peer, rules: &Rules) -> bool {
    let (clear, recent) = (
        peer.last_in_clear(),
        i64::from(rules.today - rules.expire) * DAY,
    );
    let before = |(first, last): &(i64, i64)| *first < clear && *last >= recent;
    clear >= recent && peer.verified.iter().any(before)
}

/// Sendmail looks a host up by its own name, then by each name above it: an entry for a name above others speaks for them.
fn spare_names_below(subjects: &mut [Subject]) {
    let standings: BTreeMap<&str, Standing> = subjects
        .iter()
        .map(|s| (s.name.as_str(), s.standing))
        .collect();
    let mut covering: BTreeSet<String> = BTreeSet::new();
    for (name, standing) in &standings {
        let above = self_and_above(name).skip(1);
        let differing = above.filter(|n| standings.get(n).is_some_and(|s| s != standing));
        covering.extend(differing.map(str::to_string));
    }
    for subject in subjects.iter_mut().filter(|s| covering.contains(&s.name)) {
        subject.standing = Standing::CoversOthers;
    }
}
