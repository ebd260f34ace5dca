//! All in all: how much mail goes how, what to act on, what our own part is, and what the log cannot tell.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;

use crate::outcome::{Class, Direction};
use crate::store::{Result, RunCounts, Store};

use super::Scope;
use super::certainty::Certainty;
use super::clients::senders;
use super::domains::verdicts;
use super::failures::{Failure, failures};
use super::limits::{Limits, limits, smart_host};
use super::plaintext::{Plaintext, plaintext};
use super::services::{Service, services};
use super::sums::Sums;
use super::tally::Verdict;

/// All in all.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Outbound, then inbound, as far as asked for.
    pub totals: Vec<Totals>,
    /// How many recipient domains have which verdict.
    pub domains: Vec<(Verdict, u64)>,
    /// What to act on: our own faults first, then by size, then by name.
    pub to_do: Vec<ToDo>,
    /// What the log cannot tell.
    pub limits: Limits,
    /// Clients whose TLS failed and that never sent us a message, through no fault of ours: mostly scanners.
    pub strangers: u64,
    /// All imports so far.
    pub runs: RunCounts,
}

/// Mail in one direction: recipients outbound, messages inbound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Which way the mail went.
    pub direction: Direction,
    /// Over TLS.
    pub encrypted: u64,
    /// In clear.
    pub plaintext: u64,
    /// The log cannot tell.
    pub unknown: u64,
    /// Attempts or sessions that failed because of TLS.
    pub failed_tls: u64,
}

impl Totals {
    /// All mail.
    pub fn total(&self) -> u64 {
        self.encrypted + self.plaintext + self.unknown
    }
}

/// Something to act on.
#[derive(Clone, Debug, PartialEq)]
pub struct ToDo {
    /// Which way the mail went.
    pub direction: Direction,
    /// With whom; empty if it is our own fault and met several.
    pub peer: String,
    /// What happens.
    pub class: Class,
    /// What the TLS library said, or empty.
    pub cause: String,
    /// Whose fault.
    pub fault: String,
    /// How many recipients, messages, attempts or sessions it concerns.
    pub n: u64,
    /// How many peers it concerns.
    pub peers: u64,
    /// How sure that is.
    pub certainty: Certainty,
    /// Seconds since 1970 UTC.
    pub first_seen: i64,
    /// Seconds since 1970 UTC.
    pub last_seen: i64,
}

/// Sums up.
pub fn find_summary(store: &Store, scope: &Scope) -> Result<Summary> {
    let sums = Sums::load(store, scope)?;
    let services = services(store, scope, &sums)?;
    let limits = limits(store, scope, &services, smart_host(&sums))?;
    let (verdicts, (failures, strangers), clear) = at_once(&sums);
    Ok(Summary {
        totals: totals(scope, &services, &failures),
        domains: verdicts,
        strangers,
        to_do: to_do(clear, failures, limits.smart_host.as_deref()),
        limits,
        runs: store.runs()?,
    })
}

/// The verdicts of domains, what fails, and what goes in clear, where there is a second core.
#[expect(clippy::type_complexity, reason = "named where it is taken apart")]
fn at_once(sums: &Sums) -> (Vec<(Verdict, u64)>, (Vec<Failure>, u64), Vec<Plaintext>) {
    std::thread::scope(|scope| {
        let clear = scope.spawn(|| plaintext(sums));
        let verdicts = count_verdicts(sums);
        let failures = without_strangers(sums, failures(sums, false));
        let clear = clear.join().unwrap_or_else(|panic| resume_unwind(panic));
        (verdicts, failures, clear)
    })
}

fn totals(scope: &Scope, services: &[Service], failures: &[Failure]) -> Vec<Totals> {
    let directions = [Direction::Outbound, Direction::Inbound]
        .into_iter()
        .filter(|d| scope.includes(*d));
    directions
        .map(|direction| {
            let sum = |part: fn(&Service) -> u64| {
                let one_way = services.iter().filter(|s| s.direction == direction);
                one_way.map(part).sum()
            };
            let failed = failures
                .iter()
                .filter(|f| f.direction == direction && f.class.row().tls_failure);
            Totals {
                direction,
                encrypted: sum(|s| s.encrypted),
                plaintext: sum(|s| s.plaintext),
                unknown: sum(|s| s.unknown),
                failed_tls: failed.map(|f| f.attempts).sum(),
            }
        })
        .collect()
}

fn count_verdicts(sums: &Sums) -> Vec<(Verdict, u64)> {
    let mut counts: BTreeMap<Verdict, u64> = BTreeMap::new();
    for verdict in verdicts(sums) {
        *counts.entry(verdict).or_default() += 1;
    }
    counts.into_iter().collect()
}

/// Takes out the failures of clients that never sent us anything: whoever scans the net meets our TLS too. What is our own fault
/// stays: it may be why they never got to send.
fn without_strangers(sums: &Sums, failures: Vec<Failure>) -> (Vec<Failure>, u64) {
    let is_ours = |f: &Failure| f.direction == Direction::Outbound || f.fault == "us";
    let asked = failures.iter().filter(|f| !is_ours(f));
    let senders = senders(sums, &asked.map(|f| f.peer.as_str()).collect());
    let known = |f: &Failure| is_ours(f) || senders.contains(f.peer.as_str());
    let (kept, strange): (Vec<_>, Vec<_>) = failures.into_iter().partition(known);
    let strange: BTreeSet<String> = strange
        .into_iter()
        .filter(|f| f.class.row().tls_failure)
        .map(|f| f.peer)
        .collect();
    (kept, strange.len() as u64)
}

/// `relay`: the smart host, which stands for all the domains behind it: nothing is known about how mail reaches those.
fn to_do(plaintext: Vec<Plaintext>, failures: Vec<Failure>, relay: Option<&str>) -> Vec<ToDo> {
    let clear = plaintext.into_iter().map(|p| ToDo {
        direction: p.direction,
        peer: p.peer,
        class: p.problem.class.unwrap_or(Class::Unknown),
        cause: p.problem.cause,
        fault: p.problem.fault,
        n: p.in_clear,
        peers: 1,
        certainty: p.certainty,
        first_seen: p.first_seen,
        last_seen: p.last_seen,
    });
    // Those that fell back to clear text are among the others already.
    let failed = failures
        .into_iter()
        .filter(|f| f.class.row().tls_failure)
        .map(|f| ToDo {
            direction: f.direction,
            peer: f.peer,
            class: f.class,
            cause: f.cause,
            fault: f.fault,
            n: f.attempts,
            peers: 1,
            certainty: Certainty::of(f.class, f.attempts),
            first_seen: f.first_seen,
            last_seen: f.last_seen,
        });
    let behind_relay = |mut t: ToDo| {
        if let (Some(relay), Direction::Outbound) = (relay, t.direction) {
            t.peer = relay.to_string();
        }
        t
    };
    let mut all = merge(clear.chain(failed).map(behind_relay));
    let rank = |t: &ToDo| (t.fault != "us", std::cmp::Reverse(t.n));
    all.sort_by(|a, b| {
        rank(a).cmp(&rank(b)).then_with(|| {
            (&a.peer, a.class.name(), &a.cause).cmp(&(&b.peer, b.class.name(), &b.cause))
        })
    });
    all
}

/// Direction, peer, class, cause and fault.
type Key = (Direction, String, Class, String, String);

/// One entry per peer and problem, whatever hosts it met; of our own faults one per problem, whatever peers met it.
fn merge(entries: impl Iterator<Item = ToDo>) -> Vec<ToDo> {
    let mut merged: BTreeMap<Key, (ToDo, Vec<String>)> = BTreeMap::new();
    for mut entry in entries {
        let peer = entry.peer.clone();
        if entry.fault == "us" {
            entry.peer.clear();
        }
        let key = (
            entry.direction,
            entry.peer.clone(),
            entry.class,
            entry.cause.clone(),
            entry.fault.clone(),
        );
        match merged.get_mut(&key) {
            Some((sum, peers)) => {
                sum.n += entry.n;
                sum.first_seen = sum.first_seen.min(entry.first_seen);
                sum.last_seen = sum.last_seen.max(entry.last_seen);
                peers.push(peer);
            }
            None => {
                merged.insert(key, (entry, vec![peer]));
            }
        }
    }
    let finish = |(mut sum, mut peers): (ToDo, Vec<String>)| {
        peers.sort();
        peers.dedup();
        sum.peers = peers.len() as u64;
        if let [only] = peers.as_mut_slice() {
            sum.peer = std::mem::take(only);
        }
        sum.certainty = Certainty::of(sum.class, sum.n);
        sum
    };
    merged.into_values().map(finish).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixture::{self, inbound, outbound};
    use maillog::{Cause, Protocol};

    #[test]
    fn our_own_faults_come_first_and_once() {
        let refused = |name: &str, address: &str| {
            inbound(name, address)
                .failed(Class::InHandshakeFailed, Cause::NoSharedCipher)
                .build()
        };
        let store = fixture::store([
            outbound("big.example")
                .plaintext(Class::PlaintextNotOffered)
                .times(50)
                .build(),
            outbound("small.example")
                .plaintext(Class::PlaintextNotOffered)
                .build(),
            outbound("fine.example")
                .encrypted(Protocol::Tls13)
                .times(49)
                .build(),
            outbound("dark.example")
                .plaintext(Class::PlaintextByPolicy)
                .build(),
            refused("c1.example.org", "192.0.2.1"),
            refused("c2.example.net", "192.0.2.2"),
        ]);
        let summary = find_summary(&store, &Scope::ALL).unwrap();
        let found: Vec<_> = summary
            .to_do
            .iter()
            .map(|t| (t.peer.as_str(), t.class.name(), t.fault.as_str(), t.n))
            .collect();
        let ours = found
            .iter()
            .take_while(|(_, _, fault, _)| *fault == "us")
            .count();
        assert!(
            ours >= 1 && found[ours..].iter().all(|(_, _, fault, _)| *fault != "us"),
            "{found:?}"
        );
        assert!(found.contains(&("dark.example", "plaintext-by-policy", "us", 1)));
        let peers: Vec<_> = found
            .iter()
            .map(|(peer, ..)| *peer)
            .filter(|p| p.starts_with(['b', 's']))
            .collect();
        assert_eq!(peers, ["big.example", "small.example"]);
        let out = summary.totals[0];
        assert_eq!((out.encrypted, out.plaintext, out.unknown), (49, 52, 0));
        assert_eq!(summary.totals[1].failed_tls, 2);
        assert_eq!(
            summary.domains,
            [(Verdict::Encrypted, 1), (Verdict::Plaintext, 3)]
        );
    }
}
