//! Of whom can TLS be required, and of whom not, by what the logs showed?
//!
//! Each peer is judged by its days. A clean day is one with mail over TLS and nothing else. Evidence against TLS (clear text, an attempt
//! that failed because of it, a cipher too weak to be required) takes all clean days before it back. What is our own fault is no evidence about
//! a peer, and what the log cannot tell is none at all: such a day is just not clean.
//!
//! How an answer is written into a map is `report`'s business.
//!
//! | file | says |
//! |---|---|
//! | `signs` | what one outcome says about TLS with a peer, and a day of them |
//! | `outbound` | what can be said of those we send to |
//! | `inbound` | what can be said of clients |
//! | `refusal` | why nothing can be said of anybody |

mod inbound;
mod outbound;
mod refusal;
mod signs;

use std::collections::{BTreeMap, BTreeSet};

use crate::store::registrable;

use super::services::Service;
use super::tally::Problem;
use super::{Period, Scope};

pub use inbound::find_inbound;
pub use outbound::find_outbound;
pub use refusal::Refusal;

/// How far back evidence is asked for, in days.
const HISTORY: i32 = 366;

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
    /// Sendmail: the hosts of which the operator's own `TLS_Srv` lines say whether TLS is required.
    pub required: BTreeMap<String, bool>,
}

impl InUse {
    /// Whether an entry holds for this name: its own, or one of a name above it.
    fn covers(&self, name: &str) -> bool {
        self_and_above(name).any(|n| self.named.contains(n))
    }

    /// Whether a line of the operator's own requires TLS of this host: the nearest decides.
    fn requires(&self, name: &str) -> bool {
        let nearest = self_and_above(name).find_map(|n| self.required.get(n));
        nearest.copied().unwrap_or(false)
    }
}

/// A name, then each above it, in the order in which Sendmail looks them up.
fn self_and_above(name: &str) -> impl Iterator<Item = &str> {
    let above = name.match_indices('.').map(|(dot, _)| &name[dot + 1..]);
    [name].into_iter().chain(above)
}

/// What can be said of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// TLS can be required of it.
    Proven,
    /// As proven, but over TLS older than 1.2: where Postfix asks for more of those of whom TLS is required, an entry would hold its mail back.
    OldVersion,
    /// Mail to it goes in clear.
    InClear,
    /// Some mail to it goes in clear and some is verified, by DANE of some of its hosts or by an entry of the operator's own.
    PartlyVerified,
    /// TLS with it fails and has not worked since.
    Broken,
    /// The connection ends at STARTTLS, where Postfix never falls back to clear text: no entry but `none` would help.
    Stuck,
    /// Something spoke against TLS, and too few clean days have passed since.
    Doubtful,
    /// Nothing speaks against it; too few days or mails speak for it.
    TooLittle,
    /// More than TLS is required of it already (DANE, verify, secure), which an entry would take back.
    HeldToMore,
    /// TLS could not be had of it, or failed, and is required of it already, though not of all: an exception would take that back.
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

#[cfg(test)]
mod tests;
