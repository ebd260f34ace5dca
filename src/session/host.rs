//! What is known about one log host: its clock, since when its log is without a hole, its TLS proxy, and which session a queue id
//! belongs to.
//!
//! All of it is bounded: old entries make room for new ones.

use std::collections::VecDeque;
use std::rc::Rc;

use hashbrown::HashMap;
use maillog::{Cause, Peer};
use serde::{Deserialize, Serialize};

use crate::outcome::Name;

use super::process::Key;

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
    failures: &HashMap<Name, ClientFailure>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let sorted: std::collections::BTreeMap<_, _> = failures.iter().collect();
    sorted.serialize(serializer)
}

/// One log host.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Host {
    /// Name as logged.
    pub name: Rc<str>,
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
    /// Clients whose TLS with us failed, by address; sorted when saved, so that equal states have equal texts.
    #[serde(serialize_with = "sorted")]
    failures: HashMap<Name, ClientFailure>,
    /// Which session a queue id was opened in.
    #[serde(skip)]
    ids: HashMap<Vec<u8>, Key>,
    #[serde(skip)]
    order: VecDeque<Vec<u8>>,
}

impl Host {
    /// A host first seen at `at`.
    pub fn new(name: Rc<str>, at: i64) -> Self {
        Host {
            name,
            now: at,
            latest: at,
            swept: at,
            start: at,
            ..Host::default()
        }
    }

    /// Takes in the time written on a record and gives the steady time. A step back of minutes to a day is a clock that was set (the
    /// end of summer time); a larger step either way is another log, whose beginning this is: then also `true`.
    pub fn advance(&mut self, at: i64) -> (i64, bool) {
        let other = (at - self.latest).abs() > ANOTHER_LOG_SECONDS;
        if other || at + self.offset < self.now - REORDER_SECONDS {
            self.offset = self.now - at;
        }
        self.latest = at;
        let steady = at + self.offset;
        self.now = self.now.max(steady);
        if other {
            self.start = self.now;
        }
        (steady, other)
    }

    /// Whether all records since `begun` are there. `margin`: seconds by which what a loss took away may lie before `begun`; the
    /// beginning of the log is exact.
    pub fn is_whole_since(&self, begun: i64, margin: i64) -> bool {
        begun >= self.start && self.lost.is_none_or(|lost| begun - margin > lost)
    }

    /// The proxy connected to this address, or failed, or succeeded.
    pub fn proxy_line(&mut self, peer: &Peer<'_>, at: i64, summary: bool, failed: bool) {
        let address = super::proof::address(peer);
        if (summary || failed)
            && let Some(session) = self
                .proxy
                .iter_mut()
                .rev()
                .find(|s| s.address == address && at - s.at <= PROXY_SECONDS)
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
        let found = self
            .proxy
            .iter_mut()
            .rev()
            .find(|s| s.failed && s.address == address && (at - s.at).abs() <= PROXY_SECONDS);
        found.map(|s| s.failed = false).is_some()
    }

    /// This client's TLS with us failed.
    pub fn note_failure(&mut self, address: &str, cause: Cause, at: i64) {
        if self.failures.len() >= CLIENT_FAILURES && !self.failures.contains_key(address) {
            let oldest = self.failures.iter().min_by_key(|(a, f)| (f.at, *a));
            if let Some(oldest) = oldest.map(|(a, _)| a.clone()) {
                self.failures.remove(&oldest);
            }
        }
        self.failures
            .insert(address.into(), ClientFailure { at, cause });
    }

    /// This client's TLS with us works.
    pub fn forgive(&mut self, address: &str) {
        self.failures.remove(address);
    }

    /// Why this client's TLS with us failed lately. Servers that fall back remember for hours that they had to.
    pub fn failure_before(&self, address: &str, at: i64) -> Option<Cause> {
        let failure = self.failures.get(address)?;
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
            .find(|s| s.address == address && at - s.at <= PROXY_SECONDS)
    }

    /// A queue id was opened in this session.
    pub fn open_id(&mut self, id: &[u8], key: Key) {
        if self.order.len() == WAITING_IDS
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        self.order.push_back(id.to_vec());
        self.ids.insert(id.to_vec(), key);
    }

    /// The session a queue id was opened in.
    pub fn take_id(&mut self, id: &[u8]) -> Option<Key> {
        self.ids.remove(id)
    }

    /// Ids still waiting, for saving, oldest first.
    pub fn waiting_ids(&self) -> Vec<(String, Key)> {
        self.order
            .iter()
            .filter_map(|id| Some((super::proof::text(id), *self.ids.get(id)?)))
            .collect()
    }

    /// Takes saved ids back.
    pub fn restore_ids(&mut self, ids: Vec<(String, Key)>) {
        for (id, key) in ids {
            self.open_id(id.as_bytes(), key);
        }
    }
}
