//! What a process did as a client: gathers evidence line by line, and judges each delivery line by it.
//!
//! Evidence belongs to the next message of the process, or, for servers that keep connections ([`Scope::Process`]), to all its
//! later ones. The rules are in [`super::verdict`]; what is stale, whole and ours is decided here.

use std::sync::Arc;

use maillog::{
    AttemptFailed, Cause, Delivery, Detail, Handshake, HandshakeFailed, Offered, Peer, Reason,
    Relay, Scope, StatedTls, Status, Transport,
};

use crate::outcome::{Class, Direction, Emission, Fact, Name, Outcome, Parameters, Tls};

use super::process::{Attempt, Connection, Failure, Offer, Outbound, OwnedPeer};
use super::proof;
use super::tracker::Context;
use super::verdict::{self, Evidence, Verdict};

/// How far a handshake may lie before what `delays=` or `xdelay=` allow: log writers lag, clocks step. Longer than a process
/// idles before it leaves (Postfix `max_idle`, 100 s), so that what is older belongs to another life of the process id.
const SLACK_SECONDS: i64 = 300;
/// How long a server with a connection cache keeps a connection (Sendmail `ConnectionCacheTimeout`, 5 minutes).
const CACHE_SECONDS: i64 = 300;
/// Stamps have whole seconds, and `delays=` two digits.
const ROUNDING_SECONDS: i64 = 2;

/// A handshake with a peer succeeded.
pub fn handshake(state: &mut Outbound, handshake: &Handshake<'_>, cx: &mut Context<'_, '_>) {
    if handshake.duplicate {
        cx.host.proxy_line(&handshake.peer, cx.steady, true, false);
        return;
    }
    fresh_evidence(state, cx);
    let peer = handshake.peer;
    if !cx.is_ours(&peer) {
        let explained =
            cx.host.has_proxy() && cx.host.proxy_explains(&proof::address(&peer), cx.steady);
        if !handshake.reused && !explained {
            cx.fact(Direction::Outbound, Fact::Logged);
        }
        cx.shows_tls(Direction::Outbound);
        cx.saw_encrypted(Direction::Outbound, &peer);
    }
    let certificate = state
        .certificates
        .iter()
        .rev()
        .find(|(p, _)| p.view().matches(&peer))
        .map(|(_, cause)| *cause);
    state.connections.retain(|c| !c.peer.view().matches(&peer));
    state
        .failures
        .retain(|f| !f.peer.view().matches(&peer) && f.peer != OwnedPeer::default());
    state.decided.retain(|(p, ..)| !p.view().matches(&peer));
    state.dead.retain(|(p, _)| !p.view().matches(&peer));
    let parameters = cx.parameters(handshake);
    if parameters.is_old() {
        // The only line with the version.
        state.keep(cx.proof());
    }
    state.connected(Connection {
        peer: OwnedPeer::of(&peer),
        at: cx.steady,
        scope: handshake.scope,
        parameters,
        certificate: certificate.unwrap_or(Cause::Unknown),
        counted: handshake.reused,
    });
    state.detail_due = false;
    state.bound();
}

/// A handshake failed; the peer may be unknown until a later line.
pub fn handshake_failed(
    state: &mut Outbound,
    failed: &HandshakeFailed<'_>,
    cx: &mut Context<'_, '_>,
) {
    if failed.by_proxy {
        if let Some(peer) = failed.peer {
            cx.host.proxy_line(&peer, cx.steady, false, true);
        }
        return;
    }
    fresh_evidence(state, cx);
    let peer = failed.peer.map(|p| OwnedPeer::of(&p)).unwrap_or_default();
    state.failures.retain(|f| f.peer != peer);
    if let Some(named) = failed.peer {
        state.connections.retain(|c| !c.peer.view().matches(&named));
    }
    state.failures.push(Failure {
        peer,
        cause: failed.cause,
        at: cx.steady,
        lasting: failed.peer.is_none(),
        counted: false,
    });
    state.keep(cx.proof());
    state.detail_due = true;
    state.bound();
}

/// What the TLS library said about the handshake that just failed. Without one it is noise of a closing session.
pub fn detail(state: &mut Outbound, detail: &Detail<'_>, cx: &Context<'_, '_>) {
    if !state.detail_due {
        return;
    }
    if let Some(failure) = state.failures.last_mut()
        && detail.cause != Cause::Unknown
    {
        failure.cause = detail.cause;
    }
    // Some servers decide about the peer before the library's words are logged.
    if let (Some(attempt), Some(failure)) = (state.attempts.last_mut(), state.failures.last())
        && attempt.class == Class::HandshakeFailed
        && attempt.peer == failure.peer
    {
        attempt.cause = failure.cause;
    }
    state.keep(cx.proof());
}

/// The peer's certificate did not pass; its handshake follows.
pub fn certificate(state: &mut Outbound, peer: &Peer<'_>, cause: Cause, cx: &mut Context<'_, '_>) {
    fresh_evidence(state, cx);
    state.certificates.push((OwnedPeer::of(peer), cause));
    state.keep(cx.proof());
    state.bound();
}

/// The peer announced STARTTLS.
pub fn offered(state: &mut Outbound, offered: &Offered<'_>, cx: &mut Context<'_, '_>) {
    fresh_evidence(state, cx);
    if offered.taken {
        if offered.always_written || cx.host.offers_early {
            cx.fact(Direction::Outbound, Fact::OffersLogged);
        }
        cx.fact(Direction::Outbound, Fact::Logged);
        // A new connection: whatever the old one was.
        state
            .connections
            .retain(|c| !c.peer.view().matches(&offered.peer));
    }
    state
        .offers
        .retain(|o| !o.peer.view().matches(&offered.peer));
    state.offers.push(Offer {
        peer: OwnedPeer::of(&offered.peer),
        at: cx.steady,
        taken: offered.taken,
    });
    state.keep(cx.proof());
    state.bound();
}

/// Our own policy avoids TLS with this peer.
pub fn plain_by_policy(state: &mut Outbound, peer: &Peer<'_>, cx: &mut Context<'_, '_>) {
    fresh_evidence(state, cx);
    let peer = OwnedPeer::of(peer);
    state.policy.retain(|(p, _)| *p != peer);
    state.policy.push((peer, cx.steady));
    state.keep(cx.proof());
    state.bound();
}

/// Our own TLS is at fault.
pub fn local_fault(state: &mut Outbound, cause: Cause, cx: &mut Context<'_, '_>) {
    fresh_evidence(state, cx);
    state.local = Some((cause, cx.steady));
    state.keep(cx.proof());
}

/// The mail server says that TLS with this MX succeeded (TLSRPT): proof without parameters, and without a summary line proof that
/// summaries are not logged.
pub fn reported_success(state: &mut Outbound, peer: &Peer<'_>, cx: &mut Context<'_, '_>) {
    fresh_evidence(state, cx);
    if state
        .connections
        .iter()
        .any(|c| c.peer.view().matches(peer))
    {
        return;
    }
    cx.fact(Direction::Outbound, Fact::Unlogged);
    cx.shows_tls(Direction::Outbound);
    state.connected(Connection {
        peer: OwnedPeer::of(peer),
        at: cx.steady,
        scope: Scope::Message,
        parameters: Parameters::none(),
        certificate: Cause::Unknown,
        counted: false,
    });
    state.bound();
}

/// An attempt failed without a delivery line of its own.
pub fn attempt_failed(state: &mut Outbound, attempt: &AttemptFailed<'_>, cx: &mut Context<'_, '_>) {
    bind(state, attempt.queue_id, cx);
    let peer = attempt
        .peer
        .map(|p| OwnedPeer::of(&p))
        .or_else(|| unnamed(state, attempt.reason, cx))
        .unwrap_or_default();
    name_failure(state, &peer);
    let verdict = judge_attempt(state, attempt, &peer.view(), cx);
    if matches!(verdict.class, Class::PostHandshakeFailure) {
        state.dead.push((peer.clone(), cx.steady));
    }
    let over = matches!(
        verdict.class,
        Class::HandshakeFailed
            | Class::PostHandshakeFailure
            | Class::StarttlsLostConnection
            | Class::CertVerifyFailed
    );
    let handshakes = take_handshake(state, &peer.view(), verdict.class);
    if over {
        state
            .connections
            .retain(|c| !c.peer.view().matches(&peer.view()));
    }
    state.keep(cx.proof());
    if attempt.repeated_by_delivery {
        state
            .decided
            .retain(|(p, ..)| !p.view().matches(&peer.view()));
        state
            .decided
            .push((peer.clone(), verdict.class, verdict.cause, cx.steady));
    }
    // A decision about one recipient is told again by that recipient's delivery line, always.
    if !attempt.repeated_by_delivery || attempt.queue_id.is_empty() {
        state.attempts.push(Attempt {
            peer,
            at: cx.at,
            class: verdict.class,
            cause: verdict.cause,
            repeated_by_delivery: attempt.repeated_by_delivery,
            handshakes,
            lines: state.lines.clone(),
        });
    }
    state.bound();
}

/// The outcome for the recipients of one line.
pub fn delivery(state: &mut Outbound, delivery: &Delivery<'_>, cx: &mut Context<'_, '_>) {
    if delivery.proves_logging {
        cx.fact(Direction::Outbound, Fact::Logged);
    }
    if delivery.transport == Transport::Echo || delivery.relay == Relay::Local {
        return;
    }
    bind(state, delivery.queue_id, cx);
    state.expire(
        oldest(Scope::Message, delivery, cx.steady),
        oldest(Scope::Process, delivery, cx.steady),
    );
    let peer = match delivery.relay {
        Relay::Peer(peer) => peer,
        _ => Peer::default(),
    };
    if !state.failures.is_empty() {
        name_failure(state, &OwnedPeer::of(&peer));
    }
    let proxy_failed = cx.host.has_proxy()
        && peer.ip().is_some()
        && cx
            .host
            .take_proxy_failure(&proof::address(&peer), cx.steady);
    let full = full_name(state, &peer);
    let peer = Peer {
        name: full.as_deref().map_or(peer.name, str::as_bytes),
        ..peer
    };
    let (verdict, parameters) = judge(state, delivery, &peer, proxy_failed, cx);
    let first = delivery.recipients.iter().next().unwrap_or_default();
    let domain = maillog::event::domain_of(first);
    flush_attempts(
        state,
        domain,
        Some((&peer, verdict.class, delivery.status)),
        cx,
    );
    let mut handshakes = take_handshake(state, &peer, verdict.class);
    let mut shown: Vec<&[u8]> = Vec::new();
    for recipient in delivery.recipients.iter() {
        let domain = maillog::event::domain_of(recipient);
        let first = !shown.contains(&domain);
        if first {
            shown.push(domain);
        }
        emit(
            state,
            delivery,
            recipient,
            &peer,
            verdict,
            &parameters,
            (handshakes, first),
            cx,
        );
        handshakes = 0;
    }
    if delivery.status == Status::Sent {
        state.decided.retain(|(p, ..)| !p.view().matches(&peer));
    }
    use_again(state, &peer, cx.steady);
    state.delivered = true;
    state.detail_due = false;
}

/// A connection, or the lack of one, that just carried a message may carry the next one too.
fn use_again(state: &mut Outbound, peer: &Peer<'_>, steady: i64) {
    for connection in state
        .connections
        .iter_mut()
        .filter(|c| c.scope == Scope::Process && c.peer.view().matches(peer))
    {
        connection.at = steady;
    }
    for failure in state
        .failures
        .iter_mut()
        .filter(|f| f.lasting && f.peer.view().matches(peer))
    {
        failure.at = steady;
    }
    for offer in state
        .offers
        .iter_mut()
        .filter(|o| o.taken && o.peer.view().matches(peer))
    {
        offer.at = steady;
    }
}

/// A process that is gone: attempts that never got a delivery line are still attempts.
pub fn abandoned(state: &mut Outbound, cx: &mut Context<'_, '_>) {
    flush_attempts(state, b"", None, cx);
}

/// Evidence that begins after a delivery line belongs to another message, or to another host for the rest of this one.
fn fresh_evidence(state: &mut Outbound, cx: &mut Context<'_, '_>) {
    state.detail_due = false;
    if state.delivered {
        flush_attempts(state, b"", None, cx);
        state.next_message();
    }
}

/// Binds the evidence gathered so far to a message; a message other than the last one starts afresh.
fn bind(state: &mut Outbound, queue_id: &[u8], cx: &mut Context<'_, '_>) {
    if queue_id.is_empty() || state.queue_id.as_bytes() == queue_id {
        return;
    }
    if !state.queue_id.is_empty() {
        flush_attempts(state, b"", None, cx);
        state.next_message();
    }
    state.queue_id = proof::short(queue_id);
}

/// The peer of an attempt whose line names none: that of the handshake that failed just before, here or in the TLS proxy, or of the
/// connection whose certificate did not please us.
fn unnamed(state: &mut Outbound, reason: Reason, cx: &Context<'_, '_>) -> Option<OwnedPeer> {
    if reason == Reason::CertVerifyFailed {
        return state.connections.last().map(|c| c.peer.clone());
    }
    if let Some(failure) = state.failures.iter().rev().find(|f| !f.counted) {
        return Some(failure.peer.clone());
    }
    let address = cx
        .host
        .sole_proxy_failure(cx.steady)
        .filter(|_| reason == Reason::HandshakeFailed)?;
    let peer = OwnedPeer {
        address: address.into(),
        ..OwnedPeer::default()
    };
    state.failures.push(Failure {
        peer: peer.clone(),
        cause: Cause::Unknown,
        at: cx.steady,
        lasting: false,
        counted: false,
    });
    Some(peer)
}

/// The whole name of a host that a delivery line writes shortened (`first18...last18`), if another line of the process has it.
fn full_name(state: &Outbound, peer: &Peer<'_>) -> Option<Name> {
    memchr::memmem::find(peer.name, b"...")?;
    let connections = state.connections.iter().map(|c| &c.peer);
    let others = state
        .failures
        .iter()
        .map(|f| &f.peer)
        .chain(state.offers.iter().map(|o| &o.peer));
    let mut known = connections
        .chain(others)
        .chain(state.decided.iter().map(|(p, ..)| p))
        .chain(state.policy.iter().map(|(p, _)| p));
    known
        .find(|p| maillog::peer::same_name(p.name.as_bytes(), peer.name))
        .map(|p| p.name.clone())
}

/// Gives a failed handshake that named no peer the one that a later line of the same connection names.
fn name_failure(state: &mut Outbound, peer: &OwnedPeer) {
    if *peer == OwnedPeer::default() {
        return;
    }
    if let Some(failure) = state
        .failures
        .iter_mut()
        .find(|f| f.peer == OwnedPeer::default())
    {
        failure.peer = peer.clone();
    }
    let mut seen = false;
    // One failure per peer, the latest.
    for at in (0..state.failures.len()).rev() {
        if state.failures[at].peer.view().matches(&peer.view()) {
            if seen {
                state.failures.remove(at);
            }
            seen = true;
        }
    }
}

/// Hands out the handshake that an outcome of this class accounts for: once per connection or failure.
fn take_handshake(state: &mut Outbound, peer: &Peer<'_>, class: Class) -> u32 {
    let counted = if class.row().handshake_failed {
        state
            .failures
            .iter_mut()
            .find(|f| f.peer.view().matches(peer))
            .map(|f| &mut f.counted)
    } else {
        state
            .connections
            .iter_mut()
            .find(|c| c.peer.view().matches(peer))
            .map(|c| &mut c.counted)
    };
    match counted {
        Some(counted) => u32::from(!std::mem::replace(counted, true)),
        None => u32::from(class.row().handshake_failed),
    }
}

fn judge_attempt(
    state: &Outbound,
    attempt: &AttemptFailed<'_>,
    peer: &Peer<'_>,
    cx: &Context<'_, '_>,
) -> Verdict {
    let known = evidence(state, peer, None, false, cx);
    verdict::failure(attempt.reason, attempt.cause, &known).unwrap_or(Verdict {
        tls: Tls::None,
        class: Class::NoSession,
        cause: attempt.cause,
    })
}

fn judge(
    state: &Outbound,
    line: &Delivery<'_>,
    peer: &Peer<'_>,
    proxy_failed: bool,
    cx: &mut Context<'_, '_>,
) -> (Verdict, Arc<Parameters>) {
    let known = evidence(state, peer, Some(line), proxy_failed, cx);
    let mut verdict = verdict::outbound(line, &known);
    let whole = known.whole;
    if verdict.tls == Tls::Silent {
        verdict = cx.weigh_silence(Direction::Outbound, peer, verdict);
    }
    let connection = state
        .connections
        .iter()
        .find(|c| c.peer.view().matches(peer));
    let parameters = match (verdict.tls, connection, line.tls) {
        (Tls::Encrypted, Some(connection), _) => Arc::clone(&connection.parameters),
        (
            Tls::Encrypted,
            None,
            StatedTls::Encrypted {
                verification,
                protocol,
                cipher,
                ..
            },
        ) => Arc::new(Parameters {
            verification,
            protocol,
            cipher: proof::text(cipher),
            ..Parameters::default()
        }),
        _ => Parameters::none(),
    };
    if verdict.tls == Tls::Encrypted
        && connection.is_none()
        && whole
        && !line.reused
        && !cx.is_ours(peer)
    {
        cx.fact(Direction::Outbound, Fact::Unlogged);
        cx.shows_tls(Direction::Outbound);
    }
    (verdict, parameters)
}

/// What is known about this peer for this line.
fn evidence<'s>(
    state: &'s Outbound,
    peer: &Peer<'_>,
    line: Option<&Delivery<'_>>,
    proxy_failed: bool,
    cx: &Context<'_, '_>,
) -> Evidence<'s> {
    let connection = state
        .connections
        .iter()
        .rev()
        .find(|c| c.peer.view().matches(peer));
    let failed = state
        .failures
        .iter()
        .rev()
        .find(|f| f.peer.view().matches(peer))
        .map(|f| f.cause);
    let names = |list: &[(OwnedPeer, i64)]| {
        list.iter()
            .any(|(p, _)| p.view().matches(peer) || *p == OwnedPeer::default())
    };
    let offer = state
        .offers
        .iter()
        .rev()
        .find(|o| o.peer.view().matches(peer));
    // Where handshakes leave no line (Postfix, `smtp_tls_loglevel = 0`), what was wrong with the certificate still does.
    let complaint = state
        .certificates
        .iter()
        .rev()
        .find(|(p, _)| p.view().matches(peer))
        .map(|(_, cause)| *cause);
    Evidence {
        connection: connection.map(|c| &*c.parameters),
        stale: connection
            .is_some_and(|c| line.is_some_and(|l| c.at < oldest(c.scope, l, cx.steady))),
        certificate: connection
            .map(|c| c.certificate)
            .filter(|c| *c != Cause::Unknown)
            .or(complaint),
        failed: failed.or(proxy_failed.then_some(Cause::Unknown)),
        dead: state.dead.iter().any(|(p, _)| p.view().matches(peer)),
        offer_declined: offer.is_some_and(|o| !o.taken),
        // The handshake's line would stand after the offer's.
        offer_taken: offer.is_some_and(|o| o.taken && cx.host.lost.is_none_or(|lost| o.at > lost)),
        policy: names(&state.policy),
        decided: state
            .decided
            .iter()
            .find(|(p, ..)| p.view().matches(peer))
            .map(|(_, class, cause, _)| (*class, *cause)),
        local: state.local.map(|(cause, _)| cause),
        whole: line.is_none_or(|line| is_whole(line, cx)),
    }
}

/// When the connection of a delivery began, as far as its line tells.
fn begun(line: &Delivery<'_>, at: i64) -> i64 {
    // OK to narrow: a float of seconds, saturating.
    at - line.seconds.map_or(SLACK_SECONDS, |s| s.ceil() as i64)
}

/// The oldest evidence that this delivery can rest on.
fn oldest(scope: Scope, line: &Delivery<'_>, steady: i64) -> i64 {
    let cached = if scope == Scope::Process {
        CACHE_SECONDS
    } else {
        0
    };
    begun(line, steady) - SLACK_SECONDS - cached
}

/// Whether the log has all records of the connection of a delivery. After a loss its handshake may be missing although it lies
/// far before: a connection cache holds it.
fn is_whole(line: &Delivery<'_>, cx: &Context<'_, '_>) -> bool {
    let cached = if line.scope == Scope::Process {
        CACHE_SECONDS
    } else {
        0
    };
    cx.host
        .is_whole_since(begun(line, cx.steady), ROUNDING_SECONDS + cached)
}

/// Gives out the attempts that came to nothing before this delivery line, unless the line is about the same attempt.
fn flush_attempts(
    state: &mut Outbound,
    domain: &[u8],
    line: Option<(&Peer<'_>, Class, Status)>,
    cx: &mut Context<'_, '_>,
) {
    for attempt in std::mem::take(&mut state.attempts) {
        let view = attempt.peer.view();
        let same_peer = line.is_some_and(|(peer, ..)| peer.matches(&view));
        let same = line.is_some_and(|(_, class, status)| {
            same_peer && class == attempt.class && status != Status::Sent
        });
        let reported_again =
            same && (attempt.repeated_by_delivery || attempt.class == Class::NoSession);
        if reported_again {
            uncount(state, &view, attempt.handshakes);
            continue;
        }
        // The delivery line may know more of the same host: its name, its address, its port.
        let fuller = line.filter(|_| same_peer).map_or(view, |(peer, ..)| *peer);
        let (peer, met) = cx.names.of(Direction::Outbound, &fuller, domain);
        let internal =
            cx.own
                .holds_host(peer.address.as_bytes(), peer.host.as_bytes(), &cx.host.name)
                || cx.own.holds_domain(&peer.domain)
                || cx.is_letter(state.queue_id.as_bytes());
        cx.out.push(Emission::Outcome(Outcome {
            at: attempt.at,
            service: Arc::clone(cx.service),
            direction: Direction::Outbound,
            peer,
            met,
            tls: Tls::None,
            class: attempt.class,
            cause: attempt.cause,
            shown: false,
            parameters: Parameters::none(),
            delivery: None,
            dsn: None,
            count: 1,
            messages: 0,
            handshakes: attempt.handshakes,
            internal,
            correspondent: String::new(),
            proof: attempt.lines,
        }));
    }
}

/// Gives the handshake of an attempt back, for the delivery line that reports the attempt again.
fn uncount(state: &mut Outbound, peer: &Peer<'_>, handshakes: u32) {
    if handshakes > 0
        && let Some(failure) = state
            .failures
            .iter_mut()
            .find(|f| f.peer.view().matches(peer))
    {
        failure.counted = false;
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "one place builds the outcome of a recipient from all that was found out"
)]
fn emit(
    state: &Outbound,
    line: &Delivery<'_>,
    recipient: &[u8],
    peer: &Peer<'_>,
    verdict: Verdict,
    parameters: &Arc<Parameters>,
    (handshakes, with_proof): (u32, bool),
    cx: &mut Context<'_, '_>,
) {
    let (name, met) = cx.names.of(
        Direction::Outbound,
        peer,
        maillog::event::domain_of(recipient),
    );
    let internal = line.transport == Transport::Lmtp && name.address.is_empty()
        || cx
            .own
            .holds_host(name.address.as_bytes(), name.host.as_bytes(), &cx.host.name)
        || cx.own.holds_domain(&name.domain)
        || cx.is_letter(line.queue_id);
    let (broken, shown) = cx.our_part(Direction::Outbound);
    let causeless = matches!(
        verdict.class,
        Class::PlaintextCauseUnknown | Class::PlaintextOpportunistic
    );
    let cause = broken.filter(|_| causeless).unwrap_or(verdict.cause);
    let mut outcome = Outcome {
        at: cx.at,
        service: Arc::clone(cx.service),
        direction: Direction::Outbound,
        peer: name,
        met,
        tls: verdict.tls,
        class: verdict.class,
        cause,
        shown,
        parameters: Arc::clone(parameters),
        delivery: Some(line.status),
        dsn: line.dsn.filter(|_| line.status != Status::Sent),
        count: 1,
        messages: 0,
        handshakes,
        internal,
        correspondent: if cx.keep_addresses {
            proof::text(recipient)
        } else {
            String::new()
        },
        proof: Vec::new(),
    };
    if with_proof && outcome.wants_proof() && !internal {
        outcome.proof = state.lines.clone();
        outcome.proof.push(cx.proof());
    }
    cx.out.push(Emission::Outcome(outcome));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_may_have_begun_as_early_as_its_delays_say() {
        let line = Delivery {
            queue_id: b"4F1A01",
            recipients: maillog::Recipients::one(b"a@b.example"),
            relay: Relay::None,
            transport: Transport::Smtp,
            reused: false,
            seconds: Some(3.2),
            tls: StatedTls::Elsewhere,
            dsn: None,
            status: Status::Sent,
            reason: Reason::None,
            cause: Cause::Unknown,
            answered: true,
            scope: Scope::Message,
            proves_logging: false,
        };
        assert_eq!(begun(&line, 1000), 996);
        assert_eq!(
            begun(
                &Delivery {
                    seconds: None,
                    ..line
                },
                1000
            ),
            700
        );
    }
}
