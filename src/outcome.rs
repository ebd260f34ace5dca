//! The outcome of a delivery attempt or an inbound session: the one currency between the session stage and the store.
//!
//! Here stand the closed lists (TLS state, class) and what each means. How an outcome is found out is `session`'s business, how it
//! is kept is `store`'s.

use std::sync::{Arc, LazyLock};

use maillog::{Cause, Dsn, Fault, Protocol, Status, Verification};

/// Which way the mail went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// We connected.
    Outbound,
    /// They connected.
    Inbound,
}

impl Direction {
    /// The word stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Outbound => "outbound",
            Direction::Inbound => "inbound",
        }
    }
}

/// Whether the mail crossed the net encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tls {
    /// A line proves TLS.
    Encrypted,
    /// A line proves clear text.
    Plaintext,
    /// No mail crossed.
    None,
    /// No line tells, and none ever will.
    Unknown,
    /// No TLS line where one would stand if this service logs its TLS sessions. The store resolves it per service, direction and day from the
    /// [`Fact`]s, whenever they come in: plaintext if the service is proven to log TLS, else unknown.
    Silent,
    /// As `Silent`, so soon after the beginning of the log that the service had not yet shown that it logs TLS: it counts only if
    /// it showed so shortly after.
    SilentEarly,
}

impl Tls {
    /// The word stored.
    pub fn name(self) -> &'static str {
        match self {
            Tls::Encrypted => "encrypted",
            Tls::Plaintext => "plaintext",
            Tls::None => "none",
            Tls::Unknown => "unknown",
            Tls::Silent => "silent",
            Tls::SilentEarly => "silent-early",
        }
    }
}

/// What happened, from a closed list. [`Class::row`] has what each means.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub enum Class {
    /// Encrypted; the certificate matched the policy.
    TlsVerified,
    /// Encrypted; the chain is good.
    TlsTrusted,
    /// Encrypted; our store does not verify the chain.
    TlsUntrusted,
    /// Encrypted; no certificate.
    TlsAnonymous,
    /// Encrypted; parameters not logged.
    TlsParamsUnknown,
    /// Encrypted, but DANE records were unusable.
    DaneDowngraded,
    /// In clear; STARTTLS was not announced.
    PlaintextNotOffered,
    /// In clear; STARTTLS was announced, tried, and refused.
    PlaintextStarttlsRefused,
    /// In clear, stated by the log without a failure before it: not offered, refused, or our own engine is dead.
    PlaintextOpportunistic,
    /// In clear by our own policy.
    PlaintextByPolicy,
    /// In clear after a failed handshake with the same host.
    PlaintextAfterFailedHandshake,
    /// In clear after a TLS session with the same host died.
    PlaintextAfterFailedSession,
    /// In clear, proven by the absence of a TLS line; the cause is not logged.
    PlaintextCauseUnknown,
    /// The TLS handshake failed.
    HandshakeFailed,
    /// The connection was lost at the STARTTLS command.
    StarttlsLostConnection,
    /// TLS came up and the session died before mail was accepted.
    PostHandshakeFailure,
    /// STARTTLS was refused, and required.
    StarttlsRefused,
    /// TLS was required and not offered.
    TlsRequiredNotOffered,
    /// TLS came up; the certificate does not satisfy our policy.
    CertVerifyFailed,
    /// The TLSA lookup failed.
    DaneTlsaLookupError,
    /// Mandatory DANE is impossible for this destination.
    DaneOnlyUnusable,
    /// The MX is not in the MTA-STS policy.
    StsMxMismatch,
    /// REQUIRETLS could not be had.
    RequiretlsViolation,
    /// The peer demands TLS and we did not use it.
    PeerRequiresTls,
    /// Our own configuration is at fault.
    LocalConfigError,
    /// No session came about; says nothing about TLS.
    NoSession,
    /// Inbound: the handshake failed.
    InHandshakeFailed,
    /// Inbound: we refused STARTTLS.
    InStarttlsRefusedByUs,
    /// Inbound: we demand TLS and the client did not use it.
    InPlaintextRejected,
    /// Inbound: a session without mail.
    InProbe,
    /// Inbound: we did not like the client's certificate.
    InClientCertRejected,
    /// Inbound: the handshake of an implicit TLS service failed.
    InWrapperFailed,
    /// The log cannot tell.
    Unknown,
}

/// What is known about one [`Class`].
#[derive(Clone, Copy, Debug)]
pub struct ClassRow {
    /// The class.
    pub class: Class,
    /// The word stored and shown.
    pub name: &'static str,
    /// Whose fault it is; `None`: the [`Cause`] decides.
    pub fault: Option<Fault>,
    /// Whether an attempt of this class that delivered nothing failed because of TLS.
    pub tls_failure: bool,
    /// Whether a handshake was tried and did not succeed.
    pub handshake_failed: bool,
    /// One plain sentence for an operator, without a full stop.
    pub words: &'static str,
}

const fn row(
    class: Class,
    name: &'static str,
    fault: Option<Fault>,
    flags: (bool, bool),
    words: &'static str,
) -> ClassRow {
    ClassRow {
        class,
        name,
        fault,
        tls_failure: flags.0,
        handshake_failed: flags.1,
        words,
    }
}

/// Marks for [`CLASSES`]: not a TLS failure, a TLS failure, a TLS failure in the handshake itself.
const FINE: (bool, bool) = (false, false);
const FAILS: (bool, bool) = (true, false);
const BREAKS: (bool, bool) = (true, true);

/// The closed list, one row each.
#[rustfmt::skip]
pub const CLASSES: &[ClassRow] = &[
    row(Class::TlsVerified, "tls-verified", Some(Fault::Nobody), FINE, "encrypted, certificate matches the policy"),
    row(Class::TlsTrusted, "tls-trusted", Some(Fault::Nobody), FINE, "encrypted, certificate chain is good"),
    row(Class::TlsUntrusted, "tls-untrusted", Some(Fault::Nobody), FINE, "encrypted, certificate not verified by our store"),
    row(Class::TlsAnonymous, "tls-anonymous", Some(Fault::Nobody), FINE, "encrypted, no certificate asked for or sent"),
    row(Class::TlsParamsUnknown, "tls-params-unknown", Some(Fault::Nobody), FINE, "encrypted, parameters not logged"),
    row(Class::DaneDowngraded, "dane-downgraded", Some(Fault::Peer), FINE, "encrypted but not authenticated: all TLSA records are unusable"),
    row(Class::PlaintextNotOffered, "plaintext-not-offered", Some(Fault::Peer), FINE, "in clear: the server does not offer STARTTLS"),
    row(Class::PlaintextStarttlsRefused, "plaintext-starttls-refused", Some(Fault::Peer), FINE, "in clear: the server offers STARTTLS and then refuses it"),
    row(Class::PlaintextOpportunistic, "plaintext-opportunistic", Some(Fault::Either), FINE, "in clear: STARTTLS was not offered or was refused"),
    row(Class::PlaintextByPolicy, "plaintext-by-policy", Some(Fault::Us), FINE, "in clear because our own policy switches TLS off"),
    row(Class::PlaintextAfterFailedHandshake, "plaintext-fallback-after-failed-handshake", None, FINE, "in clear after the TLS handshake failed"),
    row(Class::PlaintextAfterFailedSession, "plaintext-fallback-after-session-failure", Some(Fault::Either), FINE, "in clear after the TLS session broke down"),
    row(Class::PlaintextCauseUnknown, "plaintext-cause-unknown", Some(Fault::Either), FINE, "in clear, and the log does not say why"),
    row(Class::HandshakeFailed, "handshake-failed", None, BREAKS, "the TLS handshake fails"),
    row(Class::StarttlsLostConnection, "starttls-lost-connection", Some(Fault::Peer), FAILS, "the server hangs up or falls silent at STARTTLS"),
    row(Class::PostHandshakeFailure, "post-handshake-failure", Some(Fault::Either), FAILS, "the session breaks down right after the TLS handshake"),
    row(Class::StarttlsRefused, "starttls-refused", Some(Fault::Peer), FAILS, "the server refuses STARTTLS, which we require"),
    row(Class::TlsRequiredNotOffered, "tls-required-not-offered", Some(Fault::Peer), FAILS, "the server does not offer STARTTLS, which we require"),
    row(Class::CertVerifyFailed, "cert-verify-failed", None, FAILS, "the certificate does not satisfy our policy"),
    row(Class::DaneTlsaLookupError, "dane-tlsa-lookup-error", Some(Fault::Either), FAILS, "the DANE (TLSA) lookup fails"),
    row(Class::DaneOnlyUnusable, "dane-only-unusable", Some(Fault::Us), FAILS, "our policy demands DANE and the destination has none that works"),
    row(Class::StsMxMismatch, "sts-mx-mismatch", Some(Fault::Peer), FAILS, "the MX host is not in the domain's MTA-STS policy"),
    row(Class::RequiretlsViolation, "requiretls-violation", Some(Fault::Either), FAILS, "the sender asked for REQUIRETLS, which could not be had"),
    row(Class::PeerRequiresTls, "peer-requires-tls", Some(Fault::Us), FAILS, "the server demands TLS and our client did not use it"),
    row(Class::LocalConfigError, "local-config-error", Some(Fault::Us), FAILS, "our own TLS configuration is broken"),
    row(Class::NoSession, "no-session", Some(Fault::Nobody), FINE, "no session came about; says nothing about TLS"),
    row(Class::InHandshakeFailed, "in-handshake-failed", None, BREAKS, "the client's TLS handshake with us fails"),
    row(Class::InStarttlsRefusedByUs, "in-starttls-refused-by-us", Some(Fault::Us), FAILS, "our server refused the client's STARTTLS"),
    row(Class::InPlaintextRejected, "in-plaintext-rejected", Some(Fault::Peer), FAILS, "we require TLS and the client did not use it"),
    row(Class::InProbe, "in-probe", Some(Fault::Nobody), FINE, "a session that never sent mail"),
    row(Class::InClientCertRejected, "in-client-cert-rejected", Some(Fault::Us), FAILS, "our server did not accept the client's certificate"),
    row(Class::InWrapperFailed, "in-wrapper-failed", None, BREAKS, "the handshake with our implicit TLS service fails"),
    row(Class::Unknown, "unknown", Some(Fault::Nobody), FINE, "the log cannot tell"),
];

impl Class {
    /// What is known about it.
    pub fn row(self) -> &'static ClassRow {
        CLASSES
            .iter()
            .find(|r| r.class == self)
            .unwrap_or(&CLASSES[CLASSES.len() - 1])
    }

    /// The word stored and shown.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Reads a stored word back.
    pub fn from_name(name: &str) -> Option<Class> {
        CLASSES.iter().find(|r| r.name == name).map(|r| r.class)
    }

    /// Whose fault an outcome of this class and cause is. `shown`: our side had demonstrably done TLS shortly before.
    pub fn fault(self, cause: Cause, direction: Direction, shown: bool) -> Fault {
        let by_cause = || match direction {
            Direction::Outbound => cause.row().outbound,
            Direction::Inbound => cause.row().inbound,
        };
        // Clear text that nothing led up to is the doing of the one who did not offer or use TLS, if it was not us.
        match (self, direction) {
            (Class::PlaintextCauseUnknown | Class::PlaintextOpportunistic, _)
                if cause != Cause::Unknown =>
            {
                by_cause()
            }
            (Class::PlaintextCauseUnknown, Direction::Inbound)
            | (Class::PlaintextOpportunistic, _)
                if shown =>
            {
                Fault::Peer
            }
            _ => self.row().fault.unwrap_or_else(by_cause),
        }
    }
}

/// The program that wrote the lines: log host and syslog tag (`mx1`, `postfix-out/relay/smtp`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Service {
    /// Log host.
    pub host: String,
    /// Syslog tag without process id.
    pub tag: String,
}

/// A host name, domain, address or queue id: many of them, most of them short.
pub type Name = compact_str::CompactString;

/// The other side. Names in lower case without trailing dot; every part may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerName {
    /// Policy domain: the recipient's domain outbound, the envelope sender's inbound.
    pub domain: Name,
    /// MX host or client name as logged (`unknown` is kept as empty).
    pub host: Name,
    /// IP address in its canonical form, or the text in its place.
    pub address: Name,
    /// TCP port, 0 if not logged; client ports are not kept.
    pub port: u16,
}

/// The parameters of a TLS session, as far as logged. Saved as a list: thousands of open sessions have one.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(from = "ParameterList", into = "ParameterList")]
pub struct Parameters {
    /// Protocol version.
    pub protocol: Option<Protocol>,
    /// Cipher suite, may be empty.
    pub cipher: String,
    /// Secret bits, 0 if not logged.
    pub bits: u16,
    /// Key exchange, may be empty.
    pub key_exchange: String,
    /// How far the certificate was checked.
    pub verification: Verification,
}

/// The fields of [`Parameters`] in their order.
type ParameterList = (Option<Protocol>, String, u16, String, Verification);

impl From<ParameterList> for Parameters {
    fn from((protocol, cipher, bits, key_exchange, verification): ParameterList) -> Self {
        Parameters {
            protocol,
            cipher,
            bits,
            key_exchange,
            verification,
        }
    }
}

impl From<Parameters> for ParameterList {
    fn from(p: Parameters) -> Self {
        (p.protocol, p.cipher, p.bits, p.key_exchange, p.verification)
    }
}

impl Parameters {
    /// Whether the version is out of date.
    pub fn is_old(&self) -> bool {
        self.protocol.is_some_and(|of| OLD.contains(&of))
    }

    /// Those of what was no TLS session, which most outcomes have that are not plain success: one value for all.
    pub fn none() -> Arc<Parameters> {
        static NONE: LazyLock<Arc<Parameters>> = LazyLock::new(Arc::default);
        Arc::clone(&NONE)
    }
}

impl Default for Parameters {
    fn default() -> Self {
        Parameters {
            protocol: None,
            cipher: String::new(),
            bits: 0,
            key_exchange: String::new(),
            verification: Verification::NotStated,
        }
    }
}

/// One line of proof.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ProofLine {
    /// Number of the source in the store.
    pub source: i64,
    /// Byte offset of the line in the uncompressed source.
    pub offset: u64,
    /// The line as written, bytes that are not UTF-8 as `\xNN`, cut at 2048 bytes.
    pub text: String,
}

/// What happened once.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// When, in seconds since 1970 UTC: the time of the line that settled it.
    pub at: i64,
    /// Who logged it.
    pub service: Arc<Service>,
    /// Which way the mail went.
    pub direction: Direction,
    /// With whom.
    pub peer: Arc<PeerName>,
    /// A number for the name of the peer: equal ones in one run mean equal names and the same direction; 0 means nothing.
    pub met: u32,
    /// Encrypted or not.
    pub tls: Tls,
    /// What happened.
    pub class: Class,
    /// What the TLS library or certificate check said; [`Cause::Unknown`] also stands for "nothing to say".
    pub cause: Cause,
    /// Our side had demonstrably done TLS in this direction shortly before.
    pub shown: bool,
    /// Session parameters; default if there was no TLS.
    pub parameters: Arc<Parameters>,
    /// What became of the recipients; `None` inbound, where `messages` counts.
    pub delivery: Option<Status>,
    /// Enhanced status code, kept for what was not delivered.
    pub dsn: Option<Dsn>,
    /// Outbound: recipients (or attempts without a known recipient: 1). Inbound: sessions; 0 for further messages of a session
    /// already counted.
    pub count: u32,
    /// Inbound: messages our server accepted.
    pub messages: u32,
    /// Handshakes this outcome accounts for, good or failed; a session counts them once.
    pub handshakes: u32,
    /// Not a correspondent: own network, own domain, submission by a user of ours. Found out like all others, not stored.
    pub internal: bool,
    /// Full address of the correspondent: recipient or sender. Kept only where the setting asks for it.
    pub correspondent: String,
    /// The lines it rests on; empty for plain success.
    pub proof: Vec<ProofLine>,
}

impl Outcome {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        self.class.fault(self.cause, self.direction, self.shown)
    }

    /// Our mail crossed over TLS that is out of date, of which their administrators may be told: that takes the lines.
    fn is_old(&self) -> bool {
        self.direction == Direction::Outbound && self.parameters.is_old()
    }

    /// Whether the lines behind it are kept: where something is claimed about a peer. Plain success claims nothing, and neither does a
    /// session that never sent mail; of those, strangers' most of them, no report tells.
    pub fn wants_proof(&self) -> bool {
        !self.is_plain_success() && self.class != Class::InProbe
    }

    /// Encrypted and nothing else to say.
    fn is_plain_success(&self) -> bool {
        self.tls == Tls::Encrypted
            && self.class != Class::DaneDowngraded
            && !self.is_old()
            && matches!(self.delivery, None | Some(Status::Sent | Status::Probed))
    }
}

/// Versions that are out of date (RFC 8996).
const OLD: &[Protocol] = &[
    Protocol::Ssl2,
    Protocol::Ssl3,
    Protocol::Tls10,
    Protocol::Tls11,
];

/// What a line proves about the logging of a service, for one direction and day. Facts only add up: their order does not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fact {
    /// TLS sessions leave a line: silence means clear text.
    Logged,
    /// A TLS session left no line: silence means nothing.
    Unlogged,
    /// STARTTLS offers leave a line: silence means not offered.
    OffersLogged,
    /// As `Logged`, and shown shortly after the beginning of the log.
    LoggedEarly,
}

/// What `session` gives out.
#[derive(Clone, Debug, PartialEq)]
pub enum Emission {
    /// Something happened.
    Outcome(Outcome),
    /// Something was proven about the logging.
    Fact {
        /// About whom.
        service: Arc<Service>,
        /// For which direction.
        direction: Direction,
        /// When, in seconds since 1970 UTC.
        at: i64,
        /// What.
        fact: Fact,
        /// The line that proves it.
        proof: ProofLine,
    },
    /// Records were lost before this time on this log host: silence means nothing for what was under way.
    Gap {
        /// Log host.
        host: String,
        /// When the loss was reported.
        at: i64,
        /// How many records, 0 if not told.
        records: u64,
    },
    /// The time written on the records of a log host stepped back: its clock was set, or two logs of it overlap.
    ClockStep {
        /// Log host.
        host: String,
        /// The first time after the step.
        at: i64,
        /// By how much, in seconds.
        seconds: i64,
    },
    /// A log host was heard of on a day. Adds up: the earliest, the latest, the longest.
    Heard {
        /// Log host.
        host: String,
        /// When.
        span: Span,
    },
}

/// When a log host was heard of on one UTC day, in seconds since 1970 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Days since 1970.
    pub day: i32,
    /// The earliest record.
    pub first: i64,
    /// The latest record.
    pub last: i64,
    /// The longest time between two records of this day that follow each other, in seconds.
    pub silence: i64,
    /// The record before that silence.
    pub silent_from: i64,
}

impl Span {
    /// One record.
    pub fn at(at: i64) -> Span {
        Span {
            day: day_of(at),
            first: at,
            last: at,
            silence: 0,
            silent_from: at,
        }
    }

    /// Takes in what else is known of the day. Of equal silences the one known before stays.
    pub fn add(&mut self, more: &Span) {
        self.first = self.first.min(more.first);
        self.last = self.last.max(more.last);
        if more.silence > self.silence {
            (self.silence, self.silent_from) = (more.silence, more.silent_from);
        }
    }
}

/// The UTC day a time lies in, in days since 1970.
pub fn day_of(at: i64) -> i32 {
    // OK to narrow: stamps are within chrono's years, which is under 10^8 days.
    at.div_euclid(86_400) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_one_row_and_reads_back() {
        for row in CLASSES {
            assert_eq!(Class::from_name(row.name), Some(row.class));
            assert_eq!(row.class.name(), row.name);
        }
    }
}
