//! The judgement: from what a process is known to have done, and what one line says, to TLS state and class.
//!
//! Pure functions; the order of the rules is the order of their certainty. A rule that rests on a *missing* line gives
//! [`Tls::Silent`] and leaves the rest to the facts about logging; one that finds a hole in the log gives [`Tls::Unknown`].
//! Sources: Postfix `smtp_proto.c`, `smtp_connect.c`, `smtpd.c`; Sendmail `deliver.c`, `srvrsmtp.c`.

use maillog::{Cause, Delivery, Disconnect, Reason, StatedTls, Status, Verification};

use crate::outcome::{Class, Parameters, Tls};

/// A judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// TLS state.
    pub tls: Tls,
    /// What happened.
    pub class: Class,
    /// Why.
    pub cause: Cause,
}

const fn verdict(tls: Tls, class: Class, cause: Cause) -> Verdict {
    Verdict { tls, class, cause }
}

/// The log cannot tell.
pub const UNKNOWN: Verdict = verdict(Tls::Unknown, Class::Unknown, Cause::Unknown);

/// What is known about the session a delivery line speaks of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'a> {
    /// A TLS connection with this peer that may have carried the message.
    pub connection: Option<&'a Parameters>,
    /// That connection is too old for this delivery: it proves nothing, and neither does silence.
    pub stale: bool,
    /// What was wrong with the peer's certificate.
    pub certificate: Option<Cause>,
    /// A handshake with this peer failed.
    pub failed: Option<Cause>,
    /// A TLS session with this peer died.
    pub dead: bool,
    /// The peer offered STARTTLS and our client stayed in clear by policy.
    pub offer_declined: bool,
    /// The peer offered STARTTLS and our client asked for it.
    pub offer_taken: bool,
    /// Our policy avoids TLS with this peer.
    pub policy: bool,
    /// The mail server stated its decision about this peer.
    pub decided: Option<(Class, Cause)>,
    /// A fault of our own just before.
    pub local: Option<Cause>,
    /// No record of this session is known to be missing.
    pub whole: bool,
}

/// The class of an encrypted session by how far its certificate was checked.
pub fn encrypted_class(verification: Verification) -> Class {
    match verification {
        Verification::NotStated => Class::TlsParamsUnknown,
        Verification::Anonymous => Class::TlsAnonymous,
        Verification::Untrusted => Class::TlsUntrusted,
        Verification::Trusted => Class::TlsTrusted,
        Verification::Verified => Class::TlsVerified,
    }
}

/// The class that a reason names whatever came before it, where it does.
fn class_of(reason: Reason) -> Option<Class> {
    Some(match reason {
        Reason::StarttlsLostConnection => Class::StarttlsLostConnection,
        Reason::StarttlsRefused => Class::StarttlsRefused,
        Reason::TlsRequiredNotOffered => Class::TlsRequiredNotOffered,
        Reason::CertVerifyFailed => Class::CertVerifyFailed,
        Reason::DaneTlsaLookupError => Class::DaneTlsaLookupError,
        Reason::DaneOnlyUnusable => Class::DaneOnlyUnusable,
        Reason::StsMxMismatch => Class::StsMxMismatch,
        Reason::RequiretlsViolation => Class::RequiretlsViolation,
        Reason::LocalConfigError => Class::LocalConfigError,
        Reason::NoSession => Class::NoSession,
        Reason::PlainRejected => Class::InPlaintextRejected,
        Reason::ClientCertRejected => Class::InClientCertRejected,
        Reason::StarttlsRefusedByUs => Class::InStarttlsRefusedByUs,
        _ => return None,
    })
}

/// The class of an inbound refusal.
pub fn rejection_class(reason: Reason) -> Class {
    class_of(reason).unwrap_or(Class::Unknown)
}

/// Why an attempt failed, with nothing delivered. `None` if the reason has no bearing on TLS or the session.
pub fn failure(reason: Reason, said: Cause, known: &Evidence<'_>) -> Option<Verdict> {
    let connected = known.connection.is_some() && !known.stale;
    let (class, cause) = match reason {
        Reason::HandshakeFailed => match (known.failed, known.local) {
            (None, Some(local)) => (Class::LocalConfigError, local),
            (failed, _) => (Class::HandshakeFailed, failed.unwrap_or(said)),
        },
        Reason::LostConnection | Reason::LostBeforeTls if connected => {
            (Class::PostHandshakeFailure, said)
        }
        Reason::LostBeforeTls => (Class::NoSession, said),
        Reason::LostConnection if known.offer_taken => (Class::StarttlsLostConnection, said),
        Reason::LostConnection => (Class::Unknown, said),
        Reason::PeerRequiresTls if !connected => (Class::PeerRequiresTls, said),
        Reason::CertVerifyFailed => (Class::CertVerifyFailed, known.certificate.unwrap_or(said)),
        Reason::LocalConfigError => (Class::LocalConfigError, known.local.unwrap_or(said)),
        other => (class_of(other)?, said),
    };
    Some(verdict(Tls::None, class, cause))
}

/// A delivery line and what is known about its session.
pub fn outbound(delivery: &Delivery<'_>, known: &Evidence<'_>) -> Verdict {
    let accepted = matches!(delivery.status, Status::Sent);
    let session = accepted || delivery.answered;
    if !accepted {
        // The same words stand for a missing offer, a refused one and a failed handshake; the decision tells which.
        if let (Reason::TlsRequiredNotOffered, Some((class, cause))) =
            (delivery.reason, known.decided)
        {
            return verdict(Tls::None, class, cause);
        }
        // The line's own words on a failure come first: a session that came up and was then refused carried nothing.
        if let Some(verdict) = failure(delivery.reason, delivery.cause, known) {
            return verdict;
        }
    }
    match delivery.tls {
        StatedTls::Encrypted {
            verification,
            dane_downgraded,
            ..
        } => return stated_encrypted(verification, dane_downgraded, known),
        StatedTls::Plaintext { by_policy } if session => return stated_plaintext(by_policy, known),
        StatedTls::Violated => return verdict(Tls::None, Class::Unknown, delivery.cause),
        _ => {}
    }
    if let (Some((class, cause)), false) = (known.decided, session) {
        return verdict(Tls::None, class, cause);
    }
    if let Some(parameters) = known.connection {
        return match known.stale {
            true => UNKNOWN,
            false => verdict(
                Tls::Encrypted,
                encrypted_class(parameters.verification),
                Cause::Unknown,
            ),
        };
    }
    if !session {
        return verdict(Tls::None, Class::Unknown, delivery.cause);
    }
    in_clear(delivery, known)
}

fn stated_encrypted(stated: Verification, dane_downgraded: bool, known: &Evidence<'_>) -> Verdict {
    if dane_downgraded {
        return verdict(Tls::Encrypted, Class::DaneDowngraded, Cause::TlsaUnusable);
    }
    let verification = match known.connection {
        Some(parameters) if !known.stale => parameters.verification,
        _ => stated,
    };
    verdict(
        Tls::Encrypted,
        encrypted_class(verification),
        Cause::Unknown,
    )
}

fn stated_plaintext(by_policy: bool, known: &Evidence<'_>) -> Verdict {
    let (class, cause) = match known {
        Evidence {
            failed: Some(cause),
            ..
        } => (Class::PlaintextAfterFailedHandshake, *cause),
        Evidence { dead: true, .. } => (Class::PlaintextAfterFailedSession, Cause::Unknown),
        _ if by_policy => (Class::PlaintextByPolicy, Cause::Unknown),
        Evidence {
            local: Some(cause), ..
        } => (Class::PlaintextOpportunistic, *cause),
        _ => (Class::PlaintextOpportunistic, Cause::Unknown),
    };
    verdict(Tls::Plaintext, class, cause)
}

/// A session took place, and no line says it was encrypted.
fn in_clear(delivery: &Delivery<'_>, known: &Evidence<'_>) -> Verdict {
    if let Some(cause) = known.failed {
        return verdict(Tls::Plaintext, Class::PlaintextAfterFailedHandshake, cause);
    }
    if known.offer_declined || known.policy {
        return verdict(Tls::Plaintext, Class::PlaintextByPolicy, Cause::Unknown);
    }
    if known.offer_taken {
        return verdict(
            Tls::Plaintext,
            Class::PlaintextStarttlsRefused,
            Cause::Unknown,
        );
    }
    if !known.whole {
        return UNKNOWN;
    }
    if known.dead {
        return verdict(
            Tls::Plaintext,
            Class::PlaintextAfterFailedSession,
            Cause::Unknown,
        );
    }
    if delivery.reused {
        // A TLS connection taken up again is always logged, whatever the level of logging.
        return verdict(Tls::Plaintext, Class::PlaintextCauseUnknown, Cause::Unknown);
    }
    verdict(Tls::Silent, Class::PlaintextCauseUnknown, Cause::Unknown)
}

/// What is known about an inbound session at its end.
#[derive(Clone, Copy, Debug, Default)]
pub struct InboundEvidence<'a> {
    /// Its handshake.
    pub handshake: Option<&'a Parameters>,
    /// Its handshake failed.
    pub failed: Option<Cause>,
    /// The connection broke at STARTTLS.
    pub lost_at_starttls: bool,
    /// We turned the client away.
    pub rejected: Option<Class>,
    /// We refused a command for a reason that has nothing to do with TLS.
    pub refused: bool,
    /// A fault of our own.
    pub local: Option<Cause>,
    /// Mail transactions were seen.
    pub mails: bool,
    /// The service is in TLS from the first byte.
    pub implicit_tls: bool,
    /// The session was seen from its beginning, without a hole.
    pub whole: bool,
}

/// A client's session at its end.
pub fn inbound(end: &Disconnect<'_>, known: &InboundEvidence<'_>) -> Verdict {
    if let Some(class) = known.rejected {
        return verdict(Tls::None, class, known.local.unwrap_or(Cause::Unknown));
    }
    if end.counted {
        counted(end, known)
    } else {
        uncounted(known)
    }
}

/// With command counters (Postfix 3.0 and later) the end of a session says by itself whether STARTTLS succeeded.
fn counted(end: &Disconnect<'_>, known: &InboundEvidence<'_>) -> Verdict {
    let (good, given) = end.starttls;
    if good > 0 {
        return accepted_tls(end, known);
    }
    if given > 0 {
        return match known.failed {
            Some(cause) => verdict(Tls::None, Class::InHandshakeFailed, cause),
            None if known.lost_at_starttls => {
                verdict(Tls::None, Class::InHandshakeFailed, Cause::Unknown)
            }
            None if end.mail.0 > 0 => verdict(
                Tls::Plaintext,
                Class::InStarttlsRefusedByUs,
                known.local.unwrap_or(Cause::Unknown),
            ),
            None => verdict(
                Tls::None,
                Class::InStarttlsRefusedByUs,
                known.local.unwrap_or(Cause::Unknown),
            ),
        };
    }
    if let Some(cause) = known.failed {
        return verdict(Tls::None, Class::InWrapperFailed, cause);
    }
    if known.handshake.is_some() || (known.implicit_tls && end.commands.0 > 0) {
        return accepted_tls(end, known);
    }
    match end.mail {
        (1.., _) => verdict(Tls::Plaintext, Class::PlaintextCauseUnknown, Cause::Unknown),
        // Our demand for STARTTLS is answered without a line; a refusal that has one was about something else.
        (0, 1..) if !known.refused => {
            verdict(Tls::None, Class::InPlaintextRejected, Cause::Unknown)
        }
        _ => verdict(Tls::None, Class::InProbe, Cause::Unknown),
    }
}

fn accepted_tls(end: &Disconnect<'_>, known: &InboundEvidence<'_>) -> Verdict {
    if end.mail.0 == 0 && !known.mails {
        return verdict(Tls::None, Class::InProbe, Cause::Unknown);
    }
    let class = known
        .handshake
        .map_or(Class::TlsParamsUnknown, |p| encrypted_class(p.verification));
    verdict(Tls::Encrypted, class, Cause::Unknown)
}

fn uncounted(known: &InboundEvidence<'_>) -> Verdict {
    if let Some(cause) = known.failed {
        return verdict(Tls::None, Class::InHandshakeFailed, cause);
    }
    match known.handshake {
        Some(parameters) if known.mails => verdict(
            Tls::Encrypted,
            encrypted_class(parameters.verification),
            Cause::Unknown,
        ),
        None if known.mails && known.implicit_tls => {
            verdict(Tls::Encrypted, Class::TlsParamsUnknown, Cause::Unknown)
        }
        None if known.mails && known.whole => {
            verdict(Tls::Silent, Class::PlaintextCauseUnknown, Cause::Unknown)
        }
        _ if !known.whole || known.mails => UNKNOWN,
        _ => verdict(Tls::None, Class::InProbe, Cause::Unknown),
    }
}
