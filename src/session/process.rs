//! What is remembered of one process between its lines. Plain data that can be saved; the rules are in `outbound` and `inbound`.

use std::mem::take;
use std::sync::Arc;

use maillog::{Cause, Peer, Scope};
use serde::{Deserialize, Serialize};

use crate::outcome::{Class, Name, Parameters, ProofLine};

/// Index of the service (log host and tag) and process id.
pub type Key = (u32, u32);

/// How many lines of proof are kept for one message.
pub const PROOF_LINES: usize = 8;
/// How many peers one process is remembered to have dealt with.
const PEERS: usize = 64;

/// How many of those that are over are kept to be used again.
const SPARE: usize = 256;

/// Sessions that are over, empty, to be used again: there is one for nearly each message, and to take their memory and give it back
/// costs more than to empty them.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "it is the boxes that are used again")]
pub struct Spare {
    outbound: Vec<Box<Outbound>>,
    inbound: Vec<Box<Inbound>>,
}

impl Spare {
    /// An empty one.
    pub fn outbound(&mut self) -> Box<Outbound> {
        self.outbound.pop().unwrap_or_default()
    }

    /// An empty one.
    pub fn inbound(&mut self) -> Box<Inbound> {
        self.inbound.pop().unwrap_or_default()
    }

    /// Takes one that is over.
    pub fn put(&mut self, mut over: Box<Inbound>) {
        if self.inbound.len() < SPARE {
            over.reset();
            self.inbound.push(over);
        }
    }

    /// Takes what a process leaves behind.
    pub fn put_all(&mut self, process: Process) {
        if let Some(mut over) = process.outbound
            && self.outbound.len() < SPARE
        {
            over.reset();
            self.outbound.push(over);
        }
        process.inbound.into_iter().for_each(|over| self.put(over));
    }
}

/// What is not there is not saved: of thousands of open sessions most have little to say.
fn is_false(flag: &bool) -> bool {
    !flag
}

/// A process.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Process {
    /// Its host's steady time at its latest line of interest.
    pub last: i64,
    /// The time written on that line.
    pub stamp: i64,
    /// When it is looked at next, steady time; see `Tracker::forget`.
    #[serde(skip)]
    pub due: i64,
    /// As a client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbound: Option<Box<Outbound>>,
    /// As a server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbound: Option<Box<Inbound>>,
}

impl Process {
    /// Whether a later line could mean something else because of what is remembered here.
    pub fn says_something(&self) -> bool {
        self.outbound.as_ref().is_some_and(|o| o.says_something())
            || self.inbound.as_ref().is_some_and(|i| i.says_something())
    }
}

/// A peer as an owned value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OwnedPeer {
    /// Name as logged.
    #[serde(default, skip_serializing_if = "Name::is_empty")]
    pub name: Name,
    /// Address as logged.
    #[serde(default, skip_serializing_if = "Name::is_empty")]
    pub address: Name,
    /// Port as logged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

impl OwnedPeer {
    /// Takes a copy.
    pub fn of(peer: &Peer<'_>) -> Self {
        OwnedPeer {
            name: super::proof::short(peer.name),
            address: super::proof::short(peer.address),
            port: peer.port,
        }
    }

    /// The borrowed form.
    pub fn view(&self) -> Peer<'_> {
        Peer {
            name: self.name.as_bytes(),
            address: self.address.as_bytes(),
            port: self.port,
        }
    }
}

/// A TLS connection this process has, or had for the current message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Connection {
    /// With whom.
    pub peer: OwnedPeer,
    /// When it came up, or was last used; steady time.
    pub at: i64,
    /// For how long it may carry mail.
    pub scope: Scope,
    /// Its parameters.
    pub parameters: Arc<Parameters>,
    /// What was wrong with the certificate.
    pub certificate: Cause,
    /// An outcome has accounted for its handshake.
    #[serde(default, skip_serializing_if = "is_false")]
    pub counted: bool,
}

/// A handshake that failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// With whom; empty until a later line tells.
    pub peer: OwnedPeer,
    /// Why.
    pub cause: Cause,
    /// When, or when last used; steady time.
    pub at: i64,
    /// It stays true for later messages of the process, as its connections do.
    #[serde(default, skip_serializing_if = "is_false")]
    pub lasting: bool,
    /// An outcome has accounted for it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub counted: bool,
}

/// A STARTTLS offer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Offer {
    /// Whose.
    pub peer: OwnedPeer,
    /// When; steady time.
    pub at: i64,
    /// Our client asked for it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub taken: bool,
}

/// An attempt that ended without a delivery line of its own, waiting for the line that names the recipient's domain.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attempt {
    /// With whom.
    pub peer: OwnedPeer,
    /// When.
    pub at: i64,
    /// What happened.
    pub class: Class,
    /// Why.
    pub cause: Cause,
    /// The delivery line may report it again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub repeated_by_delivery: bool,
    /// Handshakes it accounts for.
    pub handshakes: u32,
    /// Proof.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<ProofLine>,
}

/// What a process has done as a client.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outbound {
    /// Message the evidence belongs to; empty while only lines without a queue id were seen.
    #[serde(default, skip_serializing_if = "Name::is_empty")]
    pub queue_id: Name,
    /// A delivery line was seen since the evidence was gathered.
    #[serde(default, skip_serializing_if = "is_false")]
    pub delivered: bool,
    /// TLS connections.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connections: Vec<Connection>,
    /// Failed handshakes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
    /// Peers whose TLS session died.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dead: Vec<(OwnedPeer, i64)>,
    /// Peers that offered STARTTLS.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offers: Vec<Offer>,
    /// Peers with which our own policy avoids TLS; an empty one means any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policy: Vec<(OwnedPeer, i64)>,
    /// Decisions about a peer that its delivery lines will report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decided: Vec<(OwnedPeer, Class, Cause, i64)>,
    /// Attempts waiting for a delivery line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    /// Certificate faults waiting for their handshake.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<(OwnedPeer, Cause)>,
    /// A fault of our own waiting for what it causes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<(Cause, i64)>,
    /// Lines that prove a problem of the current message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<ProofLine>,
    /// The line before was a failed handshake, so that the TLS library's words belong to it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub detail_due: bool,
}

/// A message a client sent.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Mail {
    /// Queue id.
    #[serde(default, skip_serializing_if = "Name::is_empty")]
    pub queue_id: Name,
    /// Envelope sender, once known.
    #[serde(default, skip_serializing_if = "Name::is_empty")]
    pub sender: Name,
    /// The transaction began after the handshake.
    #[serde(default, skip_serializing_if = "is_false")]
    pub encrypted: bool,
}

/// What a process has done as a server in the current session.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Inbound {
    /// The client.
    pub peer: OwnedPeer,
    /// The beginning of the session was seen.
    #[serde(default, skip_serializing_if = "is_false")]
    pub connected: bool,
    /// When the session was first seen.
    pub begun: i64,
    /// The handshake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handshake: Option<Arc<Parameters>>,
    /// A failed handshake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Cause>,
    /// The connection broke at STARTTLS.
    #[serde(default, skip_serializing_if = "is_false")]
    pub lost_at_starttls: bool,
    /// We turned the client away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Class>,
    /// We refused a command for a reason that has nothing to do with TLS.
    #[serde(default, skip_serializing_if = "is_false")]
    pub refused: bool,
    /// A fault of our own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<Cause>,
    /// Messages begun.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mails: Vec<Mail>,
    /// The client logged in.
    #[serde(default, skip_serializing_if = "is_false")]
    pub authenticated: bool,
    /// With one of our own hosts.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ours: bool,
    /// Handed back by a filter of ours.
    #[serde(default, skip_serializing_if = "is_false")]
    pub reinjected: bool,
    /// An outcome has accounted for the session.
    #[serde(default, skip_serializing_if = "is_false")]
    pub counted: bool,
    /// Proof.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<ProofLine>,
    /// As in [`Outbound`].
    #[serde(default, skip_serializing_if = "is_false")]
    pub detail_due: bool,
}

impl Outbound {
    /// Forgets everything but the room it takes.
    fn reset(&mut self) {
        let Outbound {
            queue_id,
            delivered,
            connections,
            failures,
            dead,
            offers,
            policy,
            decided,
            attempts,
            certificates,
            local,
            lines,
            detail_due,
        } = self;
        queue_id.clear();
        (*delivered, *detail_due, *local) = (false, false, None);
        connections.clear();
        failures.clear();
        dead.clear();
        offers.clear();
        policy.clear();
        decided.clear();
        attempts.clear();
        certificates.clear();
        lines.clear();
    }

    /// Takes note of a connection. Most processes have one, and thousands of them are remembered: a list that grows by itself begins
    /// with room for four.
    pub fn connected(&mut self, connection: Connection) {
        if self.connections.is_empty() {
            self.connections.reserve_exact(1);
        }
        self.connections.push(connection);
    }

    /// Adds a line of proof; the first ones and the latest are what a reader needs.
    pub fn keep(&mut self, line: ProofLine) {
        keep(&mut self.lines, line);
    }

    /// Forgets what belonged to the message before. Connections that outlive a message stay.
    pub fn next_message(&mut self) {
        self.queue_id.clear();
        self.delivered = false;
        self.connections.retain(|c| c.scope == Scope::Process);
        self.failures.retain(|f| f.lasting);
        self.offers.retain(|o| o.taken);
        self.policy.retain(|(p, _)| *p != OwnedPeer::default());
        self.dead.clear();
        self.certificates.clear();
        self.lines.clear();
        self.local = None;
    }

    /// Forgets what is older than this delivery can rest on: evidence for one message by `message`, what outlives a message by
    /// `process` (both steady time). A connection stays, to make silence about its peer mean nothing.
    pub fn expire(&mut self, message: i64, process: i64) {
        self.failures
            .retain(|f| f.at >= if f.lasting { process } else { message });
        self.offers
            .retain(|o| o.at >= if o.taken { process } else { message });
        self.policy.retain(|(p, at)| {
            *at >= if *p == OwnedPeer::default() {
                message
            } else {
                process
            }
        });
        self.dead.retain(|(_, at)| *at >= message);
        self.decided.retain(|(.., at)| *at >= process);
        self.local = self.local.filter(|(_, at)| *at >= message);
    }

    /// Which message it was that left nothing behind makes no difference to the next.
    fn says_something(&self) -> bool {
        let Outbound {
            queue_id: _,
            delivered: _,
            connections,
            failures,
            dead,
            offers,
            policy,
            decided,
            attempts,
            certificates,
            local,
            lines,
            detail_due,
        } = self;
        let nothing = connections.is_empty()
            && failures.is_empty()
            && dead.is_empty()
            && offers.is_empty()
            && policy.is_empty()
            && decided.is_empty()
            && attempts.is_empty()
            && certificates.is_empty()
            && lines.is_empty();
        !nothing || local.is_some() || *detail_due
    }

    /// Makes sure that a process that deals with thousands of hosts stays small.
    pub fn bound(&mut self) {
        trim(&mut self.connections);
        trim(&mut self.failures);
        trim(&mut self.dead);
        trim(&mut self.offers);
        trim(&mut self.policy);
        trim(&mut self.decided);
        trim(&mut self.certificates);
        trim(&mut self.attempts);
    }
}

impl Inbound {
    /// Forgets everything but the room it takes.
    fn reset(&mut self) {
        let (mut mails, mut lines) = (take(&mut self.mails), take(&mut self.lines));
        mails.clear();
        lines.clear();
        *self = Inbound {
            mails,
            lines,
            ..Inbound::default()
        };
    }

    /// A session with one of our own hosts is counted nowhere; what else it brings needs to be known only if it may be TLS.
    fn says_something(&self) -> bool {
        let settled = self.ours && self.counted && !self.connected && self.lines.is_empty();
        !settled || self.handshake.is_some() || self.authenticated || self.reinjected
    }

    /// Adds a line of proof.
    pub fn keep(&mut self, line: ProofLine) {
        keep(&mut self.lines, line);
    }
}

fn keep(lines: &mut Vec<ProofLine>, line: ProofLine) {
    if lines.len() == PROOF_LINES {
        lines.remove(PROOF_LINES / 2);
    }
    lines.push(line);
}

fn trim<T>(list: &mut Vec<T>) {
    if list.len() > PEERS {
        list.drain(..list.len() - PEERS);
    }
}
