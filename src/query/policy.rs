//! Of whom can TLS be required, and of whom not, by what the logs showed?
//!
//! Each peer is judged by its days. A clean day is one with mail over TLS and nothing else. Evidence against TLS (clear text, an attempt
//! that failed because of it, a cipher too weak to be required) takes all clean days before it back. What is our own fault is no evidence about
//! a peer, and what the log cannot tell is none at all: such a day is just not clean.
//!
//! How an answer is written into a map is `report`'s business.

use std::collections::{BTreeMap, BTreeSet};

use crate::outcome::{Class, Direction};
use crate::store::{Result, Store, registrable};

use super::limits::find_limits;
use super::services::{Service, find_services};
use super::tally::{Group, Problem};
use super::{Period, Scope, ask_one_way};

/// Seconds in a day.
const DAY: i64 = 86_400;
/// How far back evidence is asked for, in days.
const HISTORY: i32 = 366;
/// Ciphers below so many bits are refused where TLS is required (Sendmail `ENCR:112`; Postfix `medium`).
const LEAST_BITS: u64 = 112;
/// So many failed attempts make a server broken; once may be chance.
const BROKEN_ATTEMPTS: u64 = 2;
/// On so many different days a client must have failed: one that scans us comes once.
const BROKEN_DAYS: usize = 2;

/// Whose map it is: the peers of its own logs count, under the names it looks them up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// By recipient domain.
    Postfix,
    /// By MX host; an entry holds for all names below it too.
    Sendmail,
}

impl Server {
    /// The server that a service belongs to, by its tag.
    pub(super) fn of(tag: &str) -> Server {
        match tag.contains('/') {
            true => Server::Postfix,
            false => Server::Sendmail,
        }
    }

    /// Whether a service is one of this server's, by its tag.
    fn wrote(self, tag: &str) -> bool {
        Server::of(tag) == self
    }

    /// Whether a name can stand in a map of this server, and mean no more than one peer.
    pub(super) fn can_look_up(self, name: &str) -> bool {
        is_name(name, self)
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Whose map.
    pub server: Server,
    /// Clean days before TLS is required.
    pub days: u32,
    /// Mails on clean days within the last `expire` days of evidence; inbound, failed sessions.
    pub messages: u64,
    /// Days after the last evidence on which an entry ends.
    pub expire: i32,
    /// The present, in days since 1970.
    pub today: i32,
}

impl Rules {
    /// The days evidence is asked from.
    pub fn history(&self) -> Scope {
        self.last(HISTORY)
    }

    /// The days after which evidence is too old for an entry.
    fn recent(&self) -> Scope {
        self.last(self.expire)
    }

    fn last(&self, days: i32) -> Scope {
        Scope {
            period: Period {
                from_day: Some(self.today - days + 1),
                to_day: Some(self.today),
            },
            direction: None,
            all: true,
        }
    }
}

/// What the map in use says already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InUse {
    /// The names it has entries for, in lower case, whoever wrote them.
    pub named: BTreeSet<String>,
    /// Those whose entry is ours.
    pub ours: BTreeSet<String>,
}

impl InUse {
    /// Whether an entry holds for this name: its own, or one of a name above it.
    fn covers(&self, name: &str) -> bool {
        let above = name.match_indices('.').map(|(dot, _)| &name[dot + 1..]);
        [name]
            .into_iter()
            .chain(above)
            .any(|n| self.named.contains(n))
    }
}

/// What can be said of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// TLS can be required of it.
    Proven,
    /// Mail to it goes in clear.
    InClear,
    /// TLS with it fails and has not worked since.
    Broken,
    /// Something spoke against TLS, and too few clean days have passed since.
    Doubtful,
    /// Nothing speaks against it; too few days or mails speak for it.
    TooLittle,
    /// More than TLS is required of it already (DANE, verify, secure), which an entry would take back.
    HeldToMore,
    /// TLS could not be had of it and is required of it already, though not of all: an exception would take that back.
    RequiredAlready,
    /// Names below this one stand differently, and an entry would hold for them too.
    CoversOthers,
    /// Inbound: it brought mail in clear after TLS with us had failed, so nothing is lost.
    FellBack,
    /// What went wrong was our own fault, or the log cannot tell.
    NoEvidence,
}

/// One peer.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// Recipient domain, MX host, or client address.
    pub name: String,
    /// What can be said of it.
    pub standing: Standing,
    /// Clean days since anything spoke against TLS; inbound, days with failures.
    pub days: u32,
    /// Mails on these days that count; inbound, failed sessions.
    pub messages: u64,
    /// The last day of the evidence that the standing rests on, in days since 1970; 0 if there is none.
    pub last: i32,
    /// What last spoke against TLS, if anything did.
    pub against: Option<(i32, Problem)>,
}

impl Subject {
    /// The last day on which an entry that rests on this evidence holds.
    pub fn until(&self, rules: &Rules) -> i32 {
        self.last + rules.expire
    }
}

/// Why nothing can be said of anybody.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// The logs of this server hold no mail young enough; the day of its latest mail, if there is any.
    NothingRecent(Option<i32>),
    /// No service is known to log TLS.
    Blind(Vec<Service>),
    /// TLS is logged, and there was none: rather our own doing than everybody's.
    NoTls,
    /// One relay takes nearly all mail: the domains behind it are not in the log.
    SmartHost(String),
}

/// The answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Why there is nothing to say, if there is not.
    pub refusal: Option<Refusal>,
    /// All peers with valid names, by name.
    pub subjects: Vec<Subject>,
    /// Names that can stand in no map.
    pub invalid: u64,
    /// Services whose mail went in a way that the log does not tell.
    pub blind: Vec<Service>,
}

/// What one group of equal outcomes says about TLS with a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    /// It worked.
    Works,
    /// It worked, and more was required of it.
    Verified,
    /// It did not satisfy a policy that requires more than TLS.
    Unfit,
    /// Mail went in clear, or did not go because TLS was not to be had.
    Clear,
    /// TLS was tried and broke.
    Breaks,
    /// Something else spoke against it.
    Against,
    /// Mail of which the log cannot tell, or our own fault.
    Unclear,
    /// Nothing about TLS.
    Nothing,
}

/// Failures of a mail server that offers no TLS that works, whatever is required of it.
const NOT_TO_BE_HAD: &[Class] = &[Class::TlsRequiredNotOffered, Class::StarttlsRefused];
/// Failures that only those can have of whom more than TLS is required.
const UNFIT: &[Class] = &[
    Class::CertVerifyFailed,
    Class::DaneTlsaLookupError,
    Class::StsMxMismatch,
];
/// Failures of TLS itself.
const BREAKS: &[Class] = &[
    Class::HandshakeFailed,
    Class::StarttlsLostConnection,
    Class::PostHandshakeFailure,
];

fn outbound_sign(group: &Group, bits: u64, verification: &str) -> Sign {
    let ours = group.fault == "us";
    match (group.is_sent(), group.tls) {
        (true, "encrypted") if bits > 0 && bits < LEAST_BITS => Sign::Against,
        (true, "encrypted") if verification == "verified" => Sign::Verified,
        (true, "encrypted") => Sign::Works,
        (true, "plaintext") if !ours => Sign::Clear,
        (true, _) => Sign::Unclear,
        _ if !group.is_tls_failure() => Sign::Nothing,
        _ if ours => Sign::Unclear,
        _ if NOT_TO_BE_HAD.contains(&group.class) => Sign::Clear,
        _ if BREAKS.contains(&group.class) => Sign::Breaks,
        _ if UNFIT.contains(&group.class) => Sign::Unfit,
        _ => Sign::Against,
    }
}

fn inbound_sign(group: &Group) -> Sign {
    match group.tls {
        _ if group.class == Class::InHandshakeFailed && group.fault != "us" => Sign::Breaks,
        "encrypted" if group.class != Class::InProbe => Sign::Works,
        "plaintext" | "unknown" if group.messages > 0 => Sign::Clear,
        _ => Sign::Nothing,
    }
}

/// What was seen of a peer on one day.
#[derive(Clone, Debug, Default)]
struct Seen {
    works: u64,
    /// Mail and failed attempts that show that more than TLS is required.
    more: u64,
    clear: u64,
    breaks: u64,
    unclear: u64,
    against: Vec<Group>,
}

impl Seen {
    fn add(&mut self, sign: Sign, group: Group) {
        let n = group.n.max(group.messages);
        match sign {
            Sign::Works => self.works += n,
            Sign::Verified => {
                self.works += n;
                self.more += n;
            }
            Sign::Unfit => self.more += n,
            Sign::Clear => self.clear += n,
            Sign::Breaks => self.breaks += n,
            Sign::Unclear => self.unclear += n,
            Sign::Against | Sign::Nothing => {}
        }
        if matches!(
            sign,
            Sign::Clear | Sign::Breaks | Sign::Against | Sign::Unfit
        ) {
            self.against.push(group);
        }
    }

    fn is_clean(&self) -> bool {
        self.works > 0 && self.unclear == 0 && self.against.is_empty()
    }
}

type Days = BTreeMap<i32, Seen>;

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

const RECEIVED: &str = "SELECT address, service_tag, day, tls, class, cause, fault, delivery,
         SUM(n), SUM(messages), SUM(handshakes), MIN(first_seen), MAX(last_seen)
  FROM facts
  WHERE day >= ?1 AND day <= ?2 AND (direction = ?3 OR direction = ?4)
  GROUP BY address, service_tag, day, tls, class, cause, fault, delivery
  ORDER BY address, service_tag, day, tls, class, cause, fault, delivery";

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

/// The services of this server with recent mail in this direction.
fn own_services(store: &Store, rules: &Rules, direction: Direction) -> Result<Vec<Service>> {
    let mut services = find_services(store, &rules.recent())?;
    services.retain(|s| s.direction == direction && rules.server.wrote(&s.tag) && s.total() > 0);
    Ok(services)
}

fn find_refusal(store: &Store, rules: &Rules, services: &[Service]) -> Result<Option<Refusal>> {
    if services.is_empty() {
        return nothing_recent(store, rules, Direction::Outbound).map(Some);
    }
    if services.iter().all(|s| s.encrypted == 0) {
        return Ok(Some(match services.iter().any(|s| s.logs) {
            true => Refusal::NoTls,
            false => Refusal::Blind(services.to_vec()),
        }));
    }
    Ok(find_limits(store, &rules.recent())?
        .smart_host
        .map(Refusal::SmartHost))
}

const LATEST: &str = "SELECT service_tag, MAX(day)
  FROM totals
  WHERE day >= ?1 AND day <= ?2 AND (direction = ?3 OR direction = ?4) AND (delivery = 'sent' OR messages > 0)
  GROUP BY service_tag
  ORDER BY service_tag";

fn nothing_recent(store: &Store, rules: &Rules, direction: Direction) -> Result<Refusal> {
    let rows = ask_one_way(store, LATEST, &Scope::ALL, direction, |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i32>(1)?))
    })?;
    let own = rows.into_iter().filter(|(tag, _)| rules.server.wrote(tag));
    Ok(Refusal::NothingRecent(own.map(|(_, day)| day).max()))
}

/// Whether a name from a log is one that the DNS could hold, and no more than one: it will stand at the start of a line of a map. Sendmail
/// looks names up from the right as well, so that a name too short would speak for strangers.
fn is_name(name: &str, server: Server) -> bool {
    let is_label = |label: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        (1..=63).contains(&label.len())
            && label.chars().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_number = |label: &str| label.chars().all(|c| c.is_ascii_digit());
    let labels: Vec<&str> = name.split('.').collect();
    name.len() <= 253
        && labels.len() >= 2
        && labels.iter().all(|l| is_label(l))
        && !labels.last().is_some_and(|l| is_number(l))
        && (server == Server::Postfix || registrable(name).is_some())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Emission;
    use crate::store::fixture::{self, DAY as TODAY, inbound, outbound};
    use maillog::{Cause, Protocol};

    const RULES: Rules = Rules {
        server: Server::Postfix,
        days: 3,
        messages: 3,
        expire: 10,
        today: TODAY,
    };

    /// One mail to a domain on a day, by a letter.
    fn mail(domain: &str, letter: char, days_ago: usize) -> Option<Emission> {
        let at = -(days_ago as i64) * 86_400;
        let start = || outbound(domain).at(at);
        let tls = || start().encrypted(Protocol::Tls13);
        Some(match letter {
            'T' => tls().build(),
            'V' => tls().verified().build(),
            'W' => tls().bits(56).build(),
            'C' => start().plaintext(Class::PlaintextCauseUnknown).build(),
            'O' => start().plaintext(Class::PlaintextByPolicy).build(),
            'B' => start().failed(Class::HandshakeFailed, Cause::Eof).build(),
            'D' => start()
                .failed(Class::CertVerifyFailed, Cause::CertificateExpired)
                .build(),
            'N' => start()
                .failed(Class::TlsRequiredNotOffered, Cause::Unknown)
                .build(),
            'X' => start().failed(Class::NoSession, Cause::Unknown).build(),
            'U' => start().silent().build(),
            _ => return None,
        })
    }

    /// A history by a letter a day, the last being today.
    fn history(domain: &str, days: &str) -> Vec<Emission> {
        let days = days.chars().rev().enumerate();
        days.filter_map(|(ago, letter)| mail(domain, letter, ago))
            .collect()
    }

    fn standing(days: &str) -> Standing {
        let store = fixture::store(history("a.example", days));
        let found = find_outbound(&store, &RULES, &InUse::default()).unwrap();
        found.subjects[0].standing
    }

    #[test]
    fn a_history_decides_what_can_be_said_of_a_domain() {
        for (days, expected) in [
            ("TTT", Standing::Proven),
            ("T.T..T", Standing::Proven),
            ("TT", Standing::TooLittle),
            // The first evidence against it takes all before it back ...
            ("TTTTTTC", Standing::InClear),
            ("TTTTTTB", Standing::Doubtful),
            ("TTTTTTW", Standing::Doubtful),
            ("TTTTTTN", Standing::InClear),
            // ... until there is enough again.
            ("CTTT", Standing::Proven),
            ("CTT", Standing::InClear),
            ("C..........TT", Standing::Doubtful),
            ("TTTBB", Standing::Broken),
            ("BBT", Standing::Doubtful),
            ("BBC", Standing::InClear),
            // What the log does not tell, what is our own fault and what is not about TLS speaks neither for nor against.
            ("TTTU", Standing::Proven),
            ("TTTO", Standing::Proven),
            ("TTTX", Standing::Proven),
            ("TUT", Standing::TooLittle),
            ("U", Standing::NoEvidence),
            ("O", Standing::NoEvidence),
            ("TVT", Standing::HeldToMore),
            // Who is held to more fails where TLS cannot be had, and is held to it still.
            ("VVVN", Standing::HeldToMore),
            ("VVV..NN", Standing::HeldToMore),
            ("VVVBB", Standing::HeldToMore),
            ("VTTTNTNN", Standing::HeldToMore),
            ("TTTTTTD", Standing::HeldToMore),
            ("DN", Standing::HeldToMore),
            // Mail in clear shows that it is not, and so do many days of TLS without a sign of it.
            ("VVVC", Standing::InClear),
            ("VVVCN", Standing::InClear),
            ("V.........TTT", Standing::Proven),
        ] {
            assert_eq!(standing(days), expected, "{days}");
        }
    }

    /// The standing of `a.example`, whose mail of yesterday waited for TLS, beside others and a map in use.
    fn beside(others: Vec<Emission>, own: &str, in_use: &InUse) -> Standing {
        let store = fixture::store(history("a.example", own).into_iter().chain(others));
        let found = find_outbound(&store, &RULES, in_use).unwrap();
        found.subjects[0].standing
    }

    #[test]
    fn who_waits_for_tls_while_others_go_in_clear_has_a_requirement_of_its_own() {
        let names = |name: &str| BTreeSet::from([name.to_string()]);
        let none = InUse::default();
        let excepted = InUse {
            named: names("b.example"),
            ours: BTreeSet::new(),
        };
        let ours = InUse {
            named: names("a.example"),
            ours: names("a.example"),
        };
        let other = |days: &str| history("b.example", days);
        for (days, others, in_use, expected) in [
            ("TTN.", other("C"), &none, Standing::RequiredAlready),
            // It is tried again to this day.
            ("TNNN", other("C."), &none, Standing::RequiredAlready),
            // Nobody else goes in clear since: TLS is required of all.
            ("TTN.", other("C.."), &none, Standing::InClear),
            ("TTN.", other("T"), &none, Standing::InClear),
            ("TTN.", other("O"), &none, Standing::InClear),
            // Who has an exception shows nothing of the others.
            ("TTN.", other("C"), &excepted, Standing::InClear),
            // Our own entry was what required it.
            ("TTN.", other("C"), &ours, Standing::InClear),
            // It went in clear itself since.
            ("TTNC", other("C"), &none, Standing::InClear),
        ] {
            assert_eq!(beside(others, days, in_use), expected, "{days} {in_use:?}");
        }
    }

    #[test]
    fn an_entry_ends_some_days_after_its_last_evidence() {
        let store = fixture::store(history("a.example", "TTT....."));
        let found = &find_outbound(&store, &RULES, &InUse::default())
            .unwrap()
            .subjects[0];
        assert_eq!((found.last, found.until(&RULES)), (TODAY - 5, TODAY + 5));
        let store = fixture::store(history("a.example", "TTTBB..."));
        let found = &find_outbound(&store, &RULES, &InUse::default())
            .unwrap()
            .subjects[0];
        assert_eq!((found.standing, found.last), (Standing::Broken, TODAY - 3));
    }

    #[test]
    fn mails_too_long_ago_do_not_count() {
        let strict = Rules {
            messages: 4,
            ..RULES
        };
        for (days, expected) in [
            ("TTTT", Standing::Proven),
            ("T..........TTT", Standing::TooLittle),
        ] {
            let store = fixture::store(history("a.example", days));
            let found = &find_outbound(&store, &strict, &InUse::default())
                .unwrap()
                .subjects[0];
            assert_eq!(found.standing, expected, "{days}");
        }
    }

    #[test]
    fn names_that_could_mean_something_else_in_a_map_are_left_out() {
        let long = format!("{}.example", "a".repeat(64));
        let hostile = [
            "a b.example",
            "#a.example",
            "a.example\nb.example",
            ".example.org",
            "a..example",
            "a/b.example",
            "example",
            "192.0.2.1",
            "[192.0.2.1]",
            "-a.example",
            "a-.example",
            "a.example:25",
            "ä.example",
            "$a.example",
            "a.example ",
            "a\tb.example",
            &long,
        ];
        for name in hostile {
            assert!(!is_name(name, Server::Postfix), "{name:?}");
            let store = fixture::store(
                history(name, "TTT")
                    .into_iter()
                    .chain(history("b.example", "T")),
            );
            let found = find_outbound(&store, &RULES, &InUse::default()).unwrap();
            let names: Vec<&str> = found.subjects.iter().map(|s| s.name.as_str()).collect();
            assert_eq!((names, found.invalid), (vec!["b.example"], 1), "{name:?}");
        }
        for name in [
            "a.example",
            "xn--bcher-kva.example",
            "a_b.c-d.example.org",
            "1.example",
        ] {
            assert!(is_name(name, Server::Postfix), "{name}");
        }
        assert!(
            !is_name("co.uk", Server::Sendmail),
            "a public suffix speaks for strangers"
        );
    }

    #[test]
    fn sendmail_is_judged_by_its_own_logs_and_by_host() {
        let sendmail = |name: &str, host: &str| {
            outbound(name)
                .host(host, "192.0.2.2")
                .tag("sm-mta")
                .encrypted(Protocol::Tls13)
        };
        let days = (0..3).map(|i| {
            sendmail("a.example", "mx.a.example")
                .at(-i * 86_400)
                .build()
        });
        let store = fixture::store(days.chain(history("b.example", "TTT")));
        let rules = Rules {
            server: Server::Sendmail,
            ..RULES
        };
        let names = |rules| -> Vec<String> {
            let found = find_outbound(&store, rules, &InUse::default())
                .unwrap()
                .subjects;
            found.into_iter().map(|s| s.name).collect()
        };
        assert_eq!(names(&rules), ["mx.a.example"]);
        assert_eq!(names(&RULES), ["b.example"]);
    }

    #[test]
    fn a_host_does_not_speak_for_those_below_it() {
        let to = |host: &str, ago: i64| {
            outbound("a.example")
                .host(host, "192.0.2.2")
                .tag("sm-mta")
                .at(-ago * 86_400)
        };
        let days = (0..3).map(|i| to("a.example", i).encrypted(Protocol::Tls13).build());
        let below = to("mx2.a.example", 0)
            .plaintext(Class::PlaintextNotOffered)
            .build();
        let store = fixture::store(days.chain([below]));
        let rules = Rules {
            server: Server::Sendmail,
            ..RULES
        };
        let found = find_outbound(&store, &rules, &InUse::default())
            .unwrap()
            .subjects;
        let standings: Vec<Standing> = found.iter().map(|s| s.standing).collect();
        assert_eq!(standings, [Standing::CoversOthers, Standing::InClear]);
    }

    #[test]
    fn without_proof_nothing_is_said() {
        let refusal = |emissions: Vec<Emission>| {
            find_outbound(&fixture::store(emissions), &RULES, &InUse::default())
                .unwrap()
                .refusal
        };
        assert!(matches!(
            refusal(history("a.example", "UUU")),
            Some(Refusal::Blind(_))
        ));
        assert_eq!(refusal(Vec::new()), Some(Refusal::NothingRecent(None)));
        assert_eq!(
            refusal(history("a.example", "TTT..........")),
            Some(Refusal::NothingRecent(Some(TODAY - 10)))
        );
        let logged = fixture::fact(Direction::Outbound, crate::outcome::Fact::Logged);
        let mut all_clear = history("a.example", "C");
        all_clear.push(logged);
        assert_eq!(refusal(all_clear), Some(Refusal::NoTls));
        let relay = (0..6).map(|i| {
            outbound(&format!("d{i}.example"))
                .host("relay.example", "192.0.2.1")
                .encrypted(Protocol::Tls13)
                .build()
        });
        assert_eq!(
            refusal(relay.collect()),
            Some(Refusal::SmartHost("relay.example".into()))
        );
    }

    #[test]
    fn a_client_is_broken_if_it_keeps_failing_and_brings_no_mail() {
        let session = |letter: char, ago: usize| {
            let start = || inbound("c.example.org", "192.0.2.9").at(-(ago as i64) * 86_400);
            match letter {
                'F' => Some(start().failed(Class::InHandshakeFailed, Cause::Eof).build()),
                'O' => Some(
                    start()
                        .failed(Class::InHandshakeFailed, Cause::OwnCertificate)
                        .build(),
                ),
                'M' => Some(start().plaintext(Class::PlaintextCauseUnknown).build()),
                'T' => Some(start().encrypted(Protocol::Tls13).build()),
                _ => None,
            }
        };
        for (days, expected) in [
            ("FFF", Some(Standing::Broken)),
            ("MTFFF", Some(Standing::Broken)),
            ("F", Some(Standing::TooLittle)),
            ("FFFM", Some(Standing::FellBack)),
            ("FFFT", Some(Standing::Proven)),
            ("OOO", None),
            ("MMM", None),
        ] {
            let letters = days.chars().rev().enumerate();
            let store = fixture::store(letters.filter_map(|(ago, l)| session(l, ago)));
            let found = find_inbound(&store, &RULES).unwrap().subjects;
            assert_eq!(found.first().map(|s| s.standing), expected, "{days}");
        }
    }
}
