//! What a process did as a server: one session with one client from its first line to its last.
//!
//! Servers that say all about a session on the line of each accepted message ([`maillog::Message`]) are counted by those lines;
//! others by the end of the session ([`maillog::Disconnect`]), to which its transactions belong.

use std::sync::Arc;

use maillog::{
    Cause, Detail, Disconnect, Handshake, HandshakeFailed, Message, Peer, Reason, Transaction,
};

use crate::outcome::{Class, Direction, Emission, Fact, Name, Outcome, Parameters, PeerName, Tls};

use super::process::{Inbound, Mail, OwnedPeer};
use super::proof;
use super::tracker::Context;
use super::verdict::{self, InboundEvidence, Verdict};
use super::{letters, own};

/// How many messages of one session are told apart; a session with more is counted by its counters.
const MAILS: usize = 1000;

/// A client connected: whatever this process did before is over.
pub fn connect(state: &mut Option<Box<Inbound>>, peer: &Peer<'_>, cx: &mut Context<'_, '_>) {
    if let Some(open) = state.take() {
        abandoned(&open, cx);
        cx.spare.put(open);
    }
    let session = state.get_or_insert_with(|| begin(cx));
    session.peer = OwnedPeer::of(peer);
    session.connected = true;
}

/// The session of this process, begun now if it was not seen to begin.
pub fn session<'s>(
    state: &'s mut Option<Box<Inbound>>,
    peer: &Peer<'_>,
    cx: &mut Context<'_, '_>,
) -> &'s mut Inbound {
    // One process may live on with another client, or its number with another process.
    if state
        .as_ref()
        .is_some_and(|open| is_other(&open.peer.view(), peer))
        && let Some(open) = state.take()
    {
        abandoned(&open, cx);
        cx.spare.put(open);
    }
    let session = state.get_or_insert_with(|| begin(cx));
    if session.peer.address.is_empty() && session.peer.name.is_empty() {
        session.peer = OwnedPeer::of(peer);
    }
    session
}

fn begin(cx: &mut Context<'_, '_>) -> Box<Inbound> {
    let mut session = cx.spare.inbound();
    session.begun = cx.steady;
    session
}

/// Whether two lines name different clients, by address.
fn is_other(open: &Peer<'_>, peer: &Peer<'_>) -> bool {
    !open.address.is_empty()
        && !peer.address.is_empty()
        && !open.address.eq_ignore_ascii_case(peer.address)
}

/// The handshake succeeded.
pub fn handshake(session: &mut Inbound, handshake: &Handshake<'_>, cx: &mut Context<'_, '_>) {
    if !cx.is_ours(&handshake.peer) {
        cx.shows_tls(Direction::Inbound);
        cx.saw_encrypted(Direction::Inbound, &handshake.peer);
    }
    cx.fact(Direction::Inbound, Fact::Logged);
    cx.host.forgive(&handshake.peer);
    session.handshake = Some(cx.parameters(handshake));
    session.detail_due = false;
}

/// The handshake failed. A client that falls back may be through with its mail before this session ends, so that is remembered now.
pub fn handshake_failed(
    session: &mut Inbound,
    failed: &HandshakeFailed<'_>,
    cx: &mut Context<'_, '_>,
) {
    session.failed = Some(failed.cause);
    let address = proof::address(&session.peer.view());
    cx.host.note_failure(&address, failed.cause, cx.steady);
    session.keep(cx.proof());
    session.detail_due = true;
}

/// What the TLS library said about it.
pub fn detail(session: &mut Inbound, detail: &Detail<'_>, cx: &mut Context<'_, '_>) {
    if !session.detail_due {
        return;
    }
    if detail.cause != Cause::Unknown {
        session.failed = Some(detail.cause);
        let address = proof::address(&session.peer.view());
        cx.host.note_failure(&address, detail.cause, cx.steady);
    }
    session.keep(cx.proof());
}

/// A mail transaction began.
pub fn transaction(session: &mut Inbound, transaction: &Transaction<'_>, cx: &mut Context<'_, '_>) {
    session.authenticated |= transaction.authenticated;
    session.reinjected |= transaction.reinjected;
    if session.mails.len() < MAILS {
        let queue_id = proof::short(transaction.queue_id);
        let encrypted = session.handshake.is_some();
        session.mails.push(Mail {
            queue_id,
            sender: Name::default(),
            encrypted,
        });
        if transaction.queue_id != b"NOQUEUE" {
            cx.host.open_id(transaction.queue_id, cx.key);
        }
    }
}

/// The connection broke.
pub fn lost(session: &mut Inbound, after: &[u8], cx: &Context<'_, '_>) {
    if after == b"STARTTLS" {
        session.lost_at_starttls = true;
        session.keep(cx.proof());
    }
    session.detail_due = false;
}

/// We turned the client away.
pub fn rejected(session: &mut Inbound, reason: Reason, cx: &Context<'_, '_>) {
    if reason == Reason::Other {
        session.refused = true;
        return;
    }
    session.rejected = Some(verdict::rejection_class(reason));
    session.keep(cx.proof());
    session.detail_due = false;
}

/// A fault of our own.
pub fn local_fault(session: &mut Inbound, cause: Cause, cx: &Context<'_, '_>) {
    session.local = Some(cause);
    session.keep(cx.proof());
}

/// A message and all about its session on one line.
pub fn message(session: &mut Inbound, message: &Message<'_>, cx: &mut Context<'_, '_>) {
    if message.modern || cx.host.states_protocol {
        cx.fact(Direction::Inbound, Fact::Logged);
    }
    let submission = own::submission_daemon(message.daemon);
    let is_letter = letters::is_sender(message.sender)
        && (message.local || message.authenticated || submission || cx.is_ours(&message.peer));
    cx.host.letters.take(message.queue_id, is_letter, cx.steady);
    if message.local {
        return;
    }
    if message.tls == Some(true) && !cx.is_ours(&message.peer) {
        cx.shows_tls(Direction::Inbound);
    }
    session.authenticated |= message.authenticated;
    let handshake = session.handshake.clone();
    let (tls, class) = match (message.tls, &handshake) {
        (Some(false), _) => (Tls::Plaintext, Class::PlaintextCauseUnknown),
        (_, Some(parameters)) => (
            Tls::Encrypted,
            verdict::encrypted_class(parameters.verification),
        ),
        (Some(true), None) => (Tls::Encrypted, Class::TlsParamsUnknown),
        (None, None) if !cx.host.is_whole_since(session.begun, 0) => (Tls::Unknown, Class::Unknown),
        (None, None) => (Tls::Silent, Class::PlaintextCauseUnknown),
    };
    let mut verdict = Verdict {
        tls,
        class,
        cause: Cause::Unknown,
    };
    if tls == Tls::Silent {
        verdict = cx.weigh_silence(Direction::Inbound, &message.peer, verdict);
    }
    let domain = maillog::event::domain_of(message.sender);
    let peer = cx.names.of(Direction::Inbound, &message.peer, domain);
    let first = !std::mem::replace(&mut session.counted, true);
    session.ours = cx.is_ours(&message.peer);
    let messages = u32::from(message.recipients > 0);
    emit(
        session,
        peer,
        verdict,
        submission,
        (u32::from(first), messages, true),
        message.sender,
        cx,
    );
}

/// The client left, and the line says what it did.
pub fn disconnect(session: &Inbound, end: &Disconnect<'_>, cx: &mut Context<'_, '_>) {
    let implicit = own::submission_service(&cx.service.tag);
    let whole = session.connected && cx.host.is_whole_since(session.begun, 0);
    let verdict = verdict::inbound(
        end,
        &InboundEvidence {
            handshake: session.handshake.as_deref(),
            failed: session.failed,
            lost_at_starttls: session.lost_at_starttls,
            rejected: session.rejected,
            refused: session.refused,
            local: session.local,
            mails: !session.mails.is_empty(),
            implicit_tls: implicit.unwrap_or(false),
            whole,
        },
    );
    let verdict = match verdict.tls {
        Tls::Silent => cx.weigh_silence(Direction::Inbound, &end.peer, verdict),
        _ => verdict,
    };
    if verdict.tls == Tls::Encrypted && session.handshake.is_none() && whole {
        cx.fact(Direction::Inbound, Fact::Unlogged);
    }
    if end.starttls.0 > 0 && !cx.is_ours(&end.peer) {
        cx.shows_tls(Direction::Inbound);
    }
    let submission = implicit.is_some() || end.auth.0 > 0;
    settle(
        session,
        &end.peer,
        verdict,
        accepted(session, end),
        submission,
        cx,
    );
}

/// A client left without having tried to send mail.
pub fn no_mail(session: &Inbound, peer: &Peer<'_>, daemon: &[u8], cx: &mut Context<'_, '_>) {
    if session.counted {
        return;
    }
    let (class, cause) = match (session.failed, session.rejected) {
        (Some(cause), _) => (Class::InHandshakeFailed, cause),
        (None, Some(class)) => (class, Cause::Unknown),
        (None, None) => (Class::InProbe, Cause::Unknown),
    };
    settle(
        session,
        peer,
        Verdict {
            tls: Tls::None,
            class,
            cause,
        },
        0,
        own::submission_daemon(daemon),
        cx,
    );
}

/// A session whose end is missing: what is certain is kept, the rest is unknown.
pub fn abandoned(session: &Inbound, cx: &mut Context<'_, '_>) {
    let silent = session.handshake.is_none()
        && session.failed.is_none()
        && session.rejected.is_none()
        && session.mails.is_empty();
    if session.counted || silent {
        return;
    }
    let (tls, class, cause) = match (session.failed, session.rejected, &session.handshake) {
        (Some(cause), ..) => (Tls::None, Class::InHandshakeFailed, cause),
        (None, Some(class), _) => (Tls::None, class, Cause::Unknown),
        (None, None, Some(_)) if session.mails.is_empty() => {
            (Tls::None, Class::InProbe, Cause::Unknown)
        }
        (None, None, Some(parameters)) => (
            Tls::Encrypted,
            verdict::encrypted_class(parameters.verification),
            Cause::Unknown,
        ),
        (None, None, None) => (Tls::Unknown, Class::Unknown, Cause::Unknown),
    };
    // OK to narrow: bounded by MAILS.
    let messages = session
        .mails
        .iter()
        .filter(|m| !m.sender.is_empty())
        .count() as u32;
    let peer = session.peer.clone();
    settle(
        session,
        &peer.view(),
        Verdict { tls, class, cause },
        messages,
        own::submission_service(&cx.service.tag).is_some(),
        cx,
    );
}

/// How many messages of the session were accepted. DATA is one message each; BDAT is one or more commands a message.
fn accepted(session: &Inbound, end: &Disconnect<'_>) -> u32 {
    // OK to narrow: bounded by MAILS.
    let begun = session.mails.len() as u32;
    match end.bdat.0 {
        _ if !end.counted => begun,
        0 => end.data.0,
        bdat if begun == 0 => end.data.0 + bdat.min(1),
        bdat => begun.min(end.data.0 + bdat),
    }
}

/// The accepted messages of one sender in a session, on one side of its handshake.
struct Part<'s> {
    domain: Name,
    sender: &'s str,
    before_tls: bool,
    messages: u32,
}

/// The messages of a session by who sent them: by domain, and by person where persons are told. Messages whose beginning was not seen go to
/// the first domain, and to nobody.
fn parts<'s>(
    session: &'s Inbound,
    is_encrypted: bool,
    accepted: u32,
    persons: bool,
) -> Vec<Part<'s>> {
    let mut parts: Vec<Part<'s>> = Vec::new();
    let mut left = accepted;
    let mut add = |part: Part<'s>| {
        let same = |p: &&mut Part<'_>| {
            (&p.domain, p.sender, p.before_tls) == (&part.domain, part.sender, part.before_tls)
        };
        match parts.iter_mut().find(same) {
            Some(same) => same.messages += part.messages,
            None => parts.push(part),
        }
    };
    for mail in &session.mails {
        let messages = left.min(1);
        left -= messages;
        add(Part {
            domain: proof::name(maillog::event::domain_of(mail.sender.as_bytes())),
            sender: if persons { mail.sender.as_str() } else { "" },
            before_tls: is_encrypted && session.handshake.is_some() && !mail.encrypted,
            messages,
        });
    }
    let first = session.mails.first();
    if left > 0 || first.is_none() {
        let sender = first.map_or("", |mail| mail.sender.as_str());
        add(Part {
            domain: proof::name(maillog::event::domain_of(sender.as_bytes())),
            sender: "",
            before_tls: false,
            messages: left,
        });
    }
    parts
}

/// Gives out a finished session: one outcome with the messages of its first sender, and one more for each other sender and for messages
/// that were sent before the handshake.
fn settle(
    session: &Inbound,
    peer: &Peer<'_>,
    verdict: Verdict,
    accepted: u32,
    submission: bool,
    cx: &mut Context<'_, '_>,
) {
    let own = session.peer.view();
    let nameless = proof::bare(peer.name).is_empty() && peer.address.is_empty();
    let client = if nameless { &own } else { peer };
    let is_encrypted = verdict.tls == Tls::Encrypted;
    let parts = parts(session, is_encrypted, accepted, cx.keep_addresses);
    for (at, part) in parts.iter().enumerate() {
        let verdict = if part.before_tls {
            Verdict {
                tls: Tls::Plaintext,
                class: Class::PlaintextCauseUnknown,
                cause: Cause::Unknown,
            }
        } else {
            verdict
        };
        let named = cx
            .names
            .of(Direction::Inbound, client, part.domain.as_bytes());
        // Further persons of a domain rest on the same lines as the first.
        let is_new = |p: &Part<'_>| (&p.domain, p.before_tls) != (&part.domain, part.before_tls);
        let is_proven = parts[..at].iter().all(is_new);
        emit(
            session,
            named,
            verdict,
            submission,
            (u32::from(at == 0), part.messages, is_proven),
            part.sender.as_bytes(),
            cx,
        );
    }
}

/// Why a client's mail came in clear, as far as that is our doing or was tried: our TLS is dead, or this client's TLS with us failed
/// before. And whether we had just done TLS with somebody.
fn our_part(address: &str, verdict: &Verdict, cx: &mut Context<'_, '_>) -> (Cause, bool) {
    let (broken, shown) = cx.our_part(Direction::Inbound);
    let cause = match verdict.class {
        Class::InHandshakeFailed | Class::InWrapperFailed => {
            cx.host.note_failure(address, verdict.cause, cx.steady);
            verdict.cause
        }
        Class::InStarttlsRefusedByUs => {
            let cause = Some(verdict.cause)
                .filter(|c| *c != Cause::Unknown)
                .unwrap_or(Cause::OwnConfiguration);
            cx.host.note_failure(address, cause, cx.steady);
            verdict.cause
        }
        Class::PlaintextCauseUnknown => broken
            .or_else(|| cx.host.failure_before(address, cx.steady))
            .unwrap_or(verdict.cause),
        _ => verdict.cause,
    };
    // A client whose handshake failed for an unknown reason did try.
    let tried = verdict.class == Class::PlaintextCauseUnknown
        && cx.host.failure_before(address, cx.steady).is_some();
    (cause, shown && !tried)
}

fn emit(
    session: &Inbound,
    (peer, met): (Arc<PeerName>, u32),
    verdict: Verdict,
    submission: bool,
    (count, messages, is_proven): (u32, u32, bool),
    sender: &[u8],
    cx: &mut Context<'_, '_>,
) {
    let internal = submission
        || session.authenticated
        || session.reinjected
        || cx
            .own
            .holds_host(peer.address.as_bytes(), peer.host.as_bytes(), &cx.host.name);
    let handshake = session
        .handshake
        .as_ref()
        .filter(|_| verdict.tls == Tls::Encrypted);
    let tried = verdict.tls == Tls::Encrypted
        || verdict.class.row().handshake_failed
        || session.handshake.is_some();
    let (cause, shown) = our_part(&peer.address, &verdict, cx);
    let mut outcome = Outcome {
        at: cx.at,
        service: Arc::clone(cx.service),
        direction: Direction::Inbound,
        peer,
        met,
        tls: verdict.tls,
        class: verdict.class,
        cause,
        shown,
        parameters: handshake.map_or_else(Parameters::none, Arc::clone),
        delivery: None,
        dsn: None,
        count,
        messages,
        handshakes: if tried { count } else { 0 },
        internal,
        correspondent: if cx.keep_addresses {
            proof::text(sender)
        } else {
            String::new()
        },
        proof: Vec::new(),
    };
    if is_proven && outcome.wants_proof() && !internal {
        outcome.proof = session.lines.clone();
        if !cx.raw.is_empty() {
            outcome.proof.push(cx.proof());
        }
    }
    cx.out.push(Emission::Outcome(outcome));
}
