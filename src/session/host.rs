//! What is known about one log host: its clock, since when its log is without a hole, its TLS proxy, and which session a queue id
//! belongs to.
//!
//! All of it is bounded: old entries make room for new ones.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;
use maillog::{Cause, Peer};
use serde::{Deserialize, Serialize};

use crate::outcome::{Name, Span, day_of};

use super::letters::Letters;
use super::process::Key;
use super::proof;
use super::tracker::name_hash;

/// How many sessions of a TLS proxy are remembered.
const PROXY_SESSIONS: usize = 512;
/// How long after it a line of the TLS proxy still explains one of the process it worked for, in seconds.
const PROXY_SECONDS: i64 = 300;
/// Records may overtake each other by so much without the clock having been set, in seconds.
const REORDER_SECONDS: i64 = 120;
/// A step of more than this is not one log going on, in seconds: a day, and the two hours that clocks are set by.
const ANOTHER_LOG_SECONDS: i64 = 26 * 3600;
/// Stamps have whole seconds.
const ROUNDING_SECONDS: i64 = 2;
/// How many clients with failed TLS are remembered, and how long, in seconds.
const CLIENT_FAILURES: usize = 512;
const CLIENT_FAILURE_SECONDS: i64 = 86_400;
/// How many queue ids wait for their sender. A session has few, and there are some hundred sessions at once.
const WAITING_IDS: usize = 16_384;

/// A session that a TLS proxy handles for another process.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct ProxySession {
    at: i64,
    address: Name,
    summary: bool,
    failed: bool,
}

/// A client whose TLS with us failed, and which will come back in clear.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct ClientFailure {
    at: i64,
    cause: Cause,
}

fn sorted<S: serde::Serializer>(
    failures: &HashMap<u64, ClientFailure>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let sorted: std::collections::BTreeMap<_, _> = failures.iter().collect();
    sorted.serialize(serializer)
}

/// One log host.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Host {
    /// Name as logged.
    pub name: Arc<str>,
    /// Steady time: seconds since 1970 UTC as long as the host's clock has never been set back, and never going back itself.
    /// Everything that is compared with anything is in steady time; only what is given out is in the time written.
    pub now: i64,
    /// Steady time less the time written.
    pub offset: i64,
    /// The time written on the latest record.
    pub latest: i64,
    /// When idle processes were last looked for.
    pub swept: i64,
    /// Its log begins here, as far as this store has seen it.
    pub start: i64,
    /// Records were lost before this time.
    pub lost: Option<i64>,
    /// The mail server states TLS in its protocol word, by its version.
    pub states_protocol: bool,
    /// The mail server logs each offer before the answer, by its version.
    pub offers_early: bool,
    proxy: VecDeque<ProxySession>,
    /// Clients whose TLS with us failed, by the number of the address; sorted when saved, so that equal states have equal texts.
    #[serde(serialize_with = "sorted")]
    failures: HashMap<u64, ClientFailure>,
    /// Letters of our outreach.
    #[serde(default, skip_serializing_if = "Letters::is_empty")]
    pub letters: Letters,
    /// Which session a queue id was opened in, and its number in the order of opening.
    #[serde(skip)]
    ids: HashMap<Name, (u64, Key)>,
    /// The ids in the order they were opened in, also such as wait no more.
    #[serde(skip)]
    order: VecDeque<(u64, Name)>,
    #[serde(skip)]
    opened: u64,
    /// What was heard of it on the day of the latest record, and not given out yet.
    #[serde(skip)]
    heard: Option<Span>,
}

/// What the time written on a record says beside the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Advance {
    /// The record's steady time.
    pub steady: i64,
    /// This is the beginning of another log.
    pub another_log: bool,
    /// The clock was set back by so many seconds; 0 if it was not.
    pub set_back: i64,
    /// What was heard on the day before this record's, now that another day is there.
    pub heard: Option<Span>,
}

impl Host {
    /// A host first seen at `at`.
    pub fn new(name: Arc<str>, at: i64) -> Self {
        Host {
            name,
            now: at,
            latest: at,
            swept: at,
            start: at,
            ..Host::default()
        }
    }

    /// Takes in the time written on a record. A step back of minutes to a day is a clock that was set (the end of summer time); a
    /// larger step either way is another log, whose beginning this is.
    pub fn advance(&mut self, at: i64) -> Advance {
        // Nothing is new in the second of the record before, as most are.
        if at == self.latest && self.heard.is_some() {
            return Advance {
                steady: at + self.offset,
                ..Advance::default()
            };
        }
        let heard = self.hear(at);
        let another_log = (at - self.latest).abs() > ANOTHER_LOG_SECONDS;
        let behind = self.now - (at + self.offset);
        let is_set_back = behind > REORDER_SECONDS;
        if another_log || is_set_back {
            self.offset = self.now - at;
        }
        self.latest = at;
        let steady = at + self.offset;
        self.now = self.now.max(steady);
        if another_log {
            self.start = self.now;
        }
        Advance {
            steady,
            another_log,
            set_back: if is_set_back && !another_log {
                behind
            } else {
                0
            },
            heard,
        }
    }

    /// Notes that there is a record of this time; `latest` is still that of the one before. Gives back what was heard before if it
    /// was on another day. What lies between two days is for whoever knows all days: the log between them may be read later.
    fn hear(&mut self, at: i64) -> Option<Span> {
        match &mut self.heard {
            Some(span) if span.day == day_of(at) => {
                let silence = at - self.latest;
                span.add(&Span {
                    silence,
                    silent_from: self.latest,
                    ..Span::at(at)
                });
                None
            }
            heard => {
                let mut span = Span::at(at);
                // After a commit the day goes on.
                if day_of(self.latest) == span.day && self.latest < at {
                    (span.silence, span.silent_from) = (at - self.latest, self.latest);
                }
                heard.replace(span)
            }
        }
    }

    /// What was heard and not given out yet.
    pub fn take_heard(&mut self) -> Option<Span> {
        self.heard.take()
    }

    /// Puts a number in place of each of these addresses: what is remembered of its TLS still protects it from being blamed. Returns
    /// how often.
    pub fn disguise(&mut self, names: &[String]) -> u64 {
        let mut count = 0;
        for session in self.proxy.iter_mut() {
            if names.iter().any(|name| *name == session.address) {
                session.address = disguised(&session.address);
                count += 1;
            }
        }
        count
    }

    /// From here on as if records had been lost: silence means nothing for what is under way.
    pub fn doubt(&mut self) {
        self.lost = self.lost.max(Some(self.now));
    }

    /// The same for what begins before this time, which may be still to come.
    pub fn doubt_until(&mut self, at: i64) {
        self.lost = self.lost.max(Some(at));
    }

    /// Whether all records since `begun` are there. `margin`: seconds by which what a loss took away may lie before `begun`; the
    /// beginning of the log is exact.
    pub fn is_whole_since(&self, begun: i64, margin: i64) -> bool {
        begun >= self.start && self.lost.is_none_or(|lost| begun - margin > lost)
    }

    /// Whether a TLS proxy was ever heard of.
    pub fn has_proxy(&self) -> bool {
        !self.proxy.is_empty()
    }

    /// The proxy connected to this address, or failed, or succeeded.
    pub fn proxy_line(&mut self, peer: &Peer<'_>, at: i64, summary: bool, failed: bool) {
        let address = proof::address(peer);
        if (summary || failed)
            && let Some(session) = self
                .proxy
                .iter_mut()
                .rev()
                .find(|s| is_address(&s.address, &address) && at - s.at <= PROXY_SECONDS)
        {
            session.summary |= summary;
            session.failed |= failed;
            session.at = at;
            return;
        }
        if self.proxy.len() == PROXY_SESSIONS {
            self.proxy.pop_front();
        }
        self.proxy.push_back(ProxySession {
            at,
            address,
            summary,
            failed,
        });
    }

    /// Whether a handshake of another process with this address is explained by a proxy that itself logs no summary: then the line
    /// is written at any level of logging, and proves nothing about it.
    pub fn proxy_explains(&self, address: &str, at: i64) -> bool {
        self.recent(address, at).is_some_and(|s| !s.summary)
    }

    /// Whether the proxy's handshake with this address failed just now. It is told once.
    pub fn take_proxy_failure(&mut self, address: &str, at: i64) -> bool {
        let found = self.proxy.iter_mut().rev().find(|s| {
            s.failed && is_address(&s.address, address) && (at - s.at).abs() <= PROXY_SECONDS
        });
        found.map(|s| s.failed = false).is_some()
    }

    /// This client's TLS with us failed; one without an address is nobody that could be told again.
    pub fn note_failure(&mut self, address: &str, cause: Cause, at: i64) {
        if address.is_empty() {
            return;
        }
        let client = name_hash(address.as_bytes());
        if self.failures.len() >= CLIENT_FAILURES && !self.failures.contains_key(&client) {
            let oldest = self.failures.iter().map(|(c, f)| (f.at, *c)).min();
            if let Some((_, oldest)) = oldest {
                self.failures.remove(&oldest);
            }
        }
        self.failures.insert(client, ClientFailure { at, cause });
    }

    /// This client's TLS with us works.
    pub fn forgive(&mut self, peer: &Peer<'_>) {
        if !self.failures.is_empty() {
            self.failures
                .remove(&name_hash(proof::address(peer).as_bytes()));
        }
    }

    /// Why this client's TLS with us failed lately. Servers that fall back remember for hours that they had to.
    pub fn failure_before(&self, address: &str, at: i64) -> Option<Cause> {
        let failure = self.failures.get(&name_hash(address.as_bytes()))?;
        (at - failure.at <= CLIENT_FAILURE_SECONDS).then_some(failure.cause)
    }

    /// The address of the one handshake of the proxy that failed in the last seconds; `None` if there were several.
    pub fn sole_proxy_failure(&self, at: i64) -> Option<&str> {
        let mut failed = self
            .proxy
            .iter()
            .rev()
            .filter(|s| s.failed && (at - s.at).abs() <= ROUNDING_SECONDS)
            .map(|s| s.address.as_str());
        let first = failed.next()?;
        failed.all(|other| other == first).then_some(first)
    }

    fn recent(&self, address: &str, at: i64) -> Option<&ProxySession> {
        self.proxy
            .iter()
            .rev()
            .find(|s| is_address(&s.address, address) && at - s.at <= PROXY_SECONDS)
    }

    /// A queue id was opened in this session.
    pub fn open_id(&mut self, id: &[u8], key: Key) {
        let opened = self.opened;
        self.opened += 1;
        let id = proof::short(id);
        self.order.push_back((opened, id.clone()));
        self.ids.insert(id, (opened, key));
        while self.ids.len() > WAITING_IDS
            && let Some((opened, oldest)) = self.order.pop_front()
        {
            if self.waits(opened, &oldest).is_some() {
                self.ids.remove(&oldest);
            }
        }
        // Taken ids leave their place in the order behind.
        if self.order.len() > 2 * WAITING_IDS {
            let ids = &self.ids;
            self.order
                .retain(|(opened, id)| ids.get(id).is_some_and(|(at, _)| at == opened));
        }
    }

    /// The session a queue id was opened in.
    pub fn take_id(&mut self, id: &[u8]) -> Option<Key> {
        self.ids.remove(&*proof::readable(id)).map(|(_, key)| key)
    }

    /// The session of the id with this number, if it was neither taken nor opened again.
    fn waits(&self, opened: u64, id: &str) -> Option<Key> {
        let (latest, key) = self.ids.get(id)?;
        (*latest == opened).then_some(*key)
    }

    /// Ids still waiting, for saving, oldest first.
    pub fn waiting_ids(&self) -> Vec<(String, Key)> {
        self.order
            .iter()
            .filter_map(|(opened, id)| Some((id.to_string(), self.waits(*opened, id)?)))
            .collect()
    }

    /// Takes saved ids back.
    pub fn restore_ids(&mut self, ids: Vec<(String, Key)>) {
        for (id, key) in ids {
            self.open_id(id.as_bytes(), key);
        }
    }
}

/// What stands in place of an address that is to be forgotten.
fn disguised(address: &str) -> Name {
    let hash = name_hash(address.as_bytes());
    Name::from(format!("{DISGUISE}{hash:016x}"))
}

/// No address begins like this.
const DISGUISE: char = '#';

/// Whether `kept` is this address, or stands in its place.
fn is_address(kept: &str, address: &str) -> bool {
    kept == address || (kept.starts_with(DISGUISE) && kept == disguised(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 43_200;

    fn heard(times: &[i64]) -> Vec<Span> {
        let mut host = Host::new("mx".into(), times[0]);
        let mut spans: Vec<Span> = times
            .iter()
            .filter_map(|at| host.advance(*at).heard)
            .collect();
        spans.extend(host.take_heard());
        spans
    }

    #[test]
    fn the_longest_silence_of_a_day_is_kept() {
        let spans = heard(&[NOON, NOON + 60, NOON + 4000, NOON + 4001, NOON + 80_000]);
        let short: Vec<_> = spans
            .iter()
            .map(|s| (s.day, s.last - s.first, s.silence, s.silent_from))
            .collect();
        assert_eq!(
            short,
            [(0, 4001, 3940, NOON + 60), (1, 0, 0, NOON + 80_000)]
        );
    }

    #[test]
    fn a_step_back_is_told_with_its_size_and_small_disorder_is_not() {
        let mut host = Host::new("mx".into(), NOON);
        assert_eq!(host.advance(NOON - 100).set_back, 0);
        assert_eq!(host.advance(NOON - 3600).set_back, 3600);
        assert_eq!(host.advance(NOON - 3590).set_back, 0);
        assert_eq!(
            host.advance(NOON - 30 * 86_400).set_back,
            0,
            "that is another log"
        );
    }

    #[test]
    fn a_disguised_client_is_still_known_for_its_failure() {
        let mut host = Host::new("mx".into(), NOON);
        host.note_failure("192.0.2.9", Cause::NoSharedCipher, NOON);
        host.disguise(&["192.0.2.9".to_owned()]);
        assert!(!serde_json::to_string(&host).unwrap().contains("192.0.2.9"));
        assert_eq!(
            host.failure_before("192.0.2.9", NOON),
            Some(Cause::NoSharedCipher)
        );
        assert_eq!(host.failure_before("192.0.2.8", NOON), None);
    }
}
