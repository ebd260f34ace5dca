//! Why something failed: the closed lists of reasons and causes, and the tables behind them.
//!
//! A [`Reason`] is the kind of failure (RFC 8460 result types where that RFC has one), a [`Cause`] what the TLS library or a
//! certificate check said, normalised over the spellings of OpenSSL 1.0, 1.1 and 3.x, LibreSSL, BoringSSL and GnuTLS.
//!
//! ```text
//! error:0A0000C1:SSL routines::no shared cipher:../ssl/statem/statem_srvr.c:2226:                   OpenSSL 3.x
//! error:1417A0C1:SSL routines:tls_post_process_client_hello:no shared cipher:../ssl/statem/...:     1.1
//! 5118:error:140770FC:SSL routines:SSL23_GET_SERVER_HELLO:unknown protocol:s23_clnt.c:787:          thread id first
//! error:1404B42E:SSL routines:ST_CONNECT:tlsv1 alert protocol version                               LibreSSL
//! error:100000b8:SSL routines:OPENSSL_internal:NO_SHARED_CIPHER                                     BoringSSL
//! tlsv1 alert unknown ca                                                                            the reason alone
//! ```
//!
//! The text decides before the number: some numbers moved between OpenSSL 1.0 and 1.1, the texts did not.

mod causes;

pub use causes::CAUSES;

/// Who can mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// Nothing to mend.
    Nobody,
    /// The peer.
    Peer,
    /// The server whose log this is.
    Us,
    /// The log cannot tell which of the two.
    Either,
}

impl Fault {
    /// The word stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Nobody => "nobody",
            Fault::Peer => "peer",
            Fault::Us => "us",
            Fault::Either => "either",
        }
    }
}

/// The kind of failure a text names, with the words of the mail server where there is one text for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Nothing went wrong.
    None,
    /// Something with no bearing on TLS: a refused recipient, greylisting, a full mailbox.
    Other,
    /// STARTTLS was answered, the handshake failed (`Cannot start TLS: handshake failure`, `TLS handshake failed.`).
    HandshakeFailed,
    /// The connection was lost or timed out while waiting for the answer to STARTTLS.
    StarttlsLostConnection,
    /// The connection was lost or timed out elsewhere; whether that concerns TLS depends on what came before.
    LostConnection,
    /// The connection was lost or timed out before the peer had announced anything (greeting, EHLO without a handshake before).
    LostBeforeTls,
    /// STARTTLS was offered, refused, and required.
    StarttlsRefused,
    /// STARTTLS was required and not offered.
    TlsRequiredNotOffered,
    /// TLS worked, the certificate does not satisfy our policy.
    CertVerifyFailed,
    /// The TLSA lookup failed or its answer was bogus.
    DaneTlsaLookupError,
    /// DANE is mandatory by our policy and impossible for this destination.
    DaneOnlyUnusable,
    /// The MX host is not one the domain's MTA-STS policy names.
    StsMxMismatch,
    /// The sender asked for REQUIRETLS (RFC 8689) and it could not be had.
    RequiretlsViolation,
    /// The peer demands TLS and we did not use it.
    PeerRequiresTls,
    /// Our own configuration keeps us from TLS.
    LocalConfigError,
    /// No session came about: DNS, connect, refusal in the greeting.
    NoSession,
    /// A queue manager's echo of an earlier failure.
    SuspendedEcho,
    /// Inbound: the client had to use TLS and did not.
    PlainRejected,
    /// Inbound: we demand a client certificate and did not get a good one.
    ClientCertRejected,
    /// Inbound: we refused STARTTLS (rate limit, no certificate).
    StarttlsRefusedByUs,
}

/// What the TLS library or a certificate check said, in one spelling. [`Cause::row`] has what is known about each.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub enum Cause {
    /// The log does not say.
    Unknown,
    /// The other side closed the connection during the handshake.
    Eof,
    /// The connection was reset during the handshake.
    Reset,
    /// The handshake stalled until our timeout.
    Timeout,
    /// Something that is not TLS came where TLS was due.
    WrongVersionNumber,
    /// The other side chose or offered only versions below our minimum.
    UnsupportedProtocol,
    /// The other side refused our versions (alert 70).
    AlertProtocolVersion,
    /// As server: no cipher suite in common with the client.
    NoSharedCipher,
    /// The other side found nothing in common, or wants a client certificate (alert 40).
    AlertHandshakeFailure,
    /// The server's Diffie-Hellman parameters are too small (Logjam).
    DhKeyTooSmall,
    /// A certificate or its key is weaker than our TLS library accepts.
    WeakCertificate,
    /// The other side lacks RFC 5746.
    UnsafeRenegotiation,
    /// No signature algorithm both sides accept (SHA-1 against a newer library).
    SignatureAlgorithm,
    /// No key exchange group in common.
    NoSharedGroup,
    /// A signature did not verify (alert 51 included).
    BadSignature,
    /// A record was damaged on the way or by a broken stack (alert 20 included).
    BadRecordMac,
    /// The other side's TLS is broken (alert 80).
    AlertInternalError,
    /// The other side does not trust our certificate's issuer (alert 48).
    AlertUnknownCa,
    /// The other side refused our certificate (alert 42).
    AlertBadCertificate,
    /// The other side cannot use our kind of certificate (alert 43).
    AlertUnsupportedCertificate,
    /// The other side holds our certificate for revoked (alert 44).
    AlertCertificateRevoked,
    /// The other side holds our certificate for expired (alert 45).
    AlertCertificateExpired,
    /// The other side refused our certificate for a reason of its own (alert 46).
    AlertCertificateUnknown,
    /// The other side demands a client certificate (alert 116).
    AlertCertificateRequired,
    /// The other side does not know the name we asked for (alert 112).
    AlertUnrecognizedName,
    /// The other side's policy wants stronger parameters (alert 71).
    AlertInsufficientSecurity,
    /// The other side's policy turned us away (alert 49).
    AlertAccessDenied,
    /// A downgraded second try was refused (alert 86).
    AlertInappropriateFallback,
    /// A field was out of range: a TLS implementation or middlebox fault (alert 47).
    AlertIllegalParameter,
    /// A message could not be decoded (alert 50).
    AlertDecodeError,
    /// A mandatory extension was missing (alert 109).
    AlertMissingExtension,
    /// A message came out of order (alert 10).
    AlertUnexpectedMessage,
    /// Another alert from the other side.
    AlertOther,
    /// We received a message out of order, mostly an alert instead of a first message.
    UnexpectedMessage,
    /// A web client or scanner spoke on the mail port.
    NotTls,
    /// Our own settings leave no protocol version or cipher.
    OwnProtocols,
    /// Our own certificate or key cannot be loaded.
    OwnCertificate,
    /// Another fault of our own TLS configuration.
    OwnConfiguration,
    /// Our TLS engine is not available.
    OwnEngine,
    /// Our TLS proxy service is not available.
    OwnProxy,
    /// Our own rate limit refused TLS.
    OwnRateLimit,
    /// The peer's certificate has expired.
    CertificateExpired,
    /// The peer's certificate is not valid yet.
    CertificateNotYetValid,
    /// The peer's certificate is self-signed.
    SelfSigned,
    /// Our store does not know the issuer of the peer's certificate.
    UntrustedIssuer,
    /// The peer's certificate is for another name.
    HostnameMismatch,
    /// The peer's certificate matches no TLSA record, or no fingerprint of our policy.
    NoMatchingTlsa,
    /// All TLSA records of the peer are unusable.
    TlsaUnusable,
    /// The peer's certificate is not meant for this use.
    WrongPurpose,
    /// The key in the peer's certificate is too weak.
    WeakPeerKey,
    /// Another fault of the peer's certificate.
    CertificateOther,
}

/// What is known about one [`Cause`].
#[derive(Clone, Copy, Debug)]
pub struct CauseRow {
    /// The cause.
    pub cause: Cause,
    /// The word stored and shown: `dh-key-too-small`.
    pub name: &'static str,
    /// One plain sentence for an operator, without a full stop.
    pub words: &'static str,
    /// Whose fault it probably is when we connected.
    pub outbound: Fault,
    /// Whose fault it probably is when they connected.
    pub inbound: Fault,
    /// What mends it in Postfix, on the side at fault.
    pub postfix: &'static str,
    /// What mends it in Sendmail, on the side at fault.
    pub sendmail: &'static str,
    /// What a TLS library or the system says when it found this out itself: lower case, blanks for underscores. Alerts the other
    /// side sent are not here, since the same word may mean another thing there.
    pub texts: &'static [&'static str],
}

/// The word stored and shown for each [`Reason`].
const REASONS: &[(Reason, &str)] = &[
    (Reason::None, "none"),
    (Reason::Other, "other"),
    (Reason::HandshakeFailed, "handshake-failed"),
    (Reason::StarttlsLostConnection, "starttls-lost-connection"),
    (Reason::LostConnection, "lost-connection"),
    (Reason::LostBeforeTls, "lost-before-tls"),
    (Reason::StarttlsRefused, "starttls-refused"),
    (Reason::TlsRequiredNotOffered, "tls-required-not-offered"),
    (Reason::CertVerifyFailed, "cert-verify-failed"),
    (Reason::DaneTlsaLookupError, "dane-tlsa-lookup-error"),
    (Reason::DaneOnlyUnusable, "dane-only-unusable"),
    (Reason::StsMxMismatch, "sts-mx-mismatch"),
    (Reason::RequiretlsViolation, "requiretls-violation"),
    (Reason::PeerRequiresTls, "peer-requires-tls"),
    (Reason::LocalConfigError, "local-config-error"),
    (Reason::NoSession, "no-session"),
    (Reason::SuspendedEcho, "suspended-echo"),
    (Reason::PlainRejected, "plain-rejected"),
    (Reason::ClientCertRejected, "client-cert-rejected"),
    (Reason::StarttlsRefusedByUs, "starttls-refused-by-us"),
];

impl Reason {
    /// The word stored and shown.
    pub fn name(self) -> &'static str {
        REASONS
            .iter()
            .find(|(reason, _)| *reason == self)
            .map_or("", |(_, name)| name)
    }

    /// The reason whose [`Reason::name`] this is.
    pub fn from_name(name: &str) -> Option<Reason> {
        let (reason, _) = REASONS.iter().find(|(_, n)| *n == name)?;
        Some(*reason)
    }
}

/// Alerts of RFC 5246 and RFC 8446 by number, in the words of OpenSSL.
const ALERTS: &[(u16, &str, Cause)] = &[
    (10, "unexpected message", Cause::AlertUnexpectedMessage),
    (20, "bad record mac", Cause::BadRecordMac),
    (21, "decryption failed", Cause::BadRecordMac),
    (40, "handshake failure", Cause::AlertHandshakeFailure),
    (42, "bad certificate", Cause::AlertBadCertificate),
    (
        43,
        "unsupported certificate",
        Cause::AlertUnsupportedCertificate,
    ),
    (44, "certificate revoked", Cause::AlertCertificateRevoked),
    (45, "certificate expired", Cause::AlertCertificateExpired),
    (46, "certificate unknown", Cause::AlertCertificateUnknown),
    (47, "illegal parameter", Cause::AlertIllegalParameter),
    (48, "unknown ca", Cause::AlertUnknownCa),
    (49, "access denied", Cause::AlertAccessDenied),
    (50, "decode error", Cause::AlertDecodeError),
    (51, "decrypt error", Cause::BadSignature),
    (70, "protocol version", Cause::AlertProtocolVersion),
    (
        71,
        "insufficient security",
        Cause::AlertInsufficientSecurity,
    ),
    (80, "internal error", Cause::AlertInternalError),
    (
        86,
        "inappropriate fallback",
        Cause::AlertInappropriateFallback,
    ),
    (109, "missing extension", Cause::AlertMissingExtension),
    (112, "unrecognized name", Cause::AlertUnrecognizedName),
    (116, "certificate required", Cause::AlertCertificateRequired),
];

/// How the text of a received alert begins. OpenSSL 3.2 renamed the first one to the last one; some of the newer alerts
/// (`tlsv1 unrecognized name`) lack the word *alert*.
const ALERT_PREFIXES: &[&str] = &["sslv3 ", "tlsv1 ", "tlsv13 ", "ssl/tls ", "tls alert "];

/// Reason numbers of OpenSSL's SSL library below 1000, for texts nobody listed (`reason(193)` when the strings are not loaded).
const NUMBERS: &[(u16, Cause)] = &[
    (0x065, Cause::NoSharedGroup),
    (0x076, Cause::SignatureAlgorithm),
    (0x07B, Cause::BadSignature),
    (0x086, Cause::CertificateOther),
    (0x09B, Cause::NotTls),
    (0x09C, Cause::NotTls),
    (0x0B5, Cause::OwnProtocols),
    (0x0BF, Cause::OwnProtocols),
    (0x0C1, Cause::NoSharedCipher),
    (0x0C6, Cause::NotTls),
    (0x0F4, Cause::UnexpectedMessage),
    (0x0FC, Cause::WrongVersionNumber),
    (0x102, Cause::UnsupportedProtocol),
    (0x10B, Cause::WrongVersionNumber),
    (0x119, Cause::BadRecordMac),
    (0x126, Cause::Eof),
    (0x132, Cause::NoSharedGroup),
    (0x14D, Cause::SignatureAlgorithm),
    (0x152, Cause::UnsafeRenegotiation),
    (0x172, Cause::SignatureAlgorithm),
    (0x174, Cause::DhKeyTooSmall),
    (0x175, Cause::AlertInappropriateFallback),
    (0x18A, Cause::DhKeyTooSmall),
    (0x18C, Cause::OwnProtocols),
    (0x18D, Cause::WeakCertificate),
    (0x18E, Cause::WeakCertificate),
    (0x18F, Cause::WeakCertificate),
];

/// How the tail of a `certificate verification failed` line begins. The longer of two with the same start comes first.
const CERTIFICATE_TEXTS: &[(&str, Cause)] = &[
    ("self-signed certificate in", Cause::UntrustedIssuer),
    ("self signed certificate in", Cause::UntrustedIssuer),
    ("self-signed certificate", Cause::SelfSigned),
    ("self signed certificate", Cause::SelfSigned),
    ("untrusted issuer", Cause::UntrustedIssuer),
    (
        "not trusted by local or tlsa policy",
        Cause::UntrustedIssuer,
    ),
    (
        "unable to get local issuer certificate",
        Cause::UntrustedIssuer,
    ),
    ("unable to get issuer certificate", Cause::UntrustedIssuer),
    (
        "unable to verify the first certificate",
        Cause::UntrustedIssuer,
    ),
    ("not designated for use as", Cause::WrongPurpose),
    ("unsupported certificate purpose", Cause::WrongPurpose),
    ("unsuitable certificate purpose", Cause::WrongPurpose),
    ("certificate not yet valid", Cause::CertificateNotYetValid),
    (
        "certificate is not yet valid",
        Cause::CertificateNotYetValid,
    ),
    ("certificate has expired", Cause::CertificateExpired),
    ("hostname mismatch", Cause::HostnameMismatch),
    ("commonname mis-match", Cause::HostnameMismatch),
    ("no matching dane tlsa records", Cause::NoMatchingTlsa),
    ("ee certificate key too weak", Cause::WeakPeerKey),
    ("ca certificate key too weak", Cause::WeakPeerKey),
    ("ca signature digest algorithm too weak", Cause::WeakPeerKey),
];

/// Verification results of OpenSSL (`x509_vfy.h`) behind `num=`, for wordings nobody listed.
const CERTIFICATE_NUMBERS: &[(u16, Cause)] = &[
    (2, Cause::UntrustedIssuer),
    (9, Cause::CertificateNotYetValid),
    (10, Cause::CertificateExpired),
    (18, Cause::SelfSigned),
    (19, Cause::UntrustedIssuer),
    (20, Cause::UntrustedIssuer),
    (21, Cause::UntrustedIssuer),
    (26, Cause::WrongPurpose),
    (27, Cause::UntrustedIssuer),
    (62, Cause::HostnameMismatch),
    (65, Cause::NoMatchingTlsa),
    (66, Cause::WeakPeerKey),
    (67, Cause::WeakPeerKey),
    (68, Cause::WeakPeerKey),
];

impl Cause {
    /// What is known about it.
    pub fn row(self) -> &'static CauseRow {
        // the rows stand in the order of the variants, which a test holds; the first one is `Unknown`
        CAUSES.get(self as usize).unwrap_or(&CAUSES[0])
    }

    /// The word stored and shown.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The cause whose [`Cause::name`] this is.
    pub fn from_name(name: &str) -> Option<Cause> {
        CAUSES.iter().find(|row| row.name == name).map(|r| r.cause)
    }

    /// What a TLS library printed: an entry of its error queue, or only the reason out of one. Text of a system error (`Connection
    /// reset by peer`) will do too.
    pub fn parse(text: &[u8]) -> Cause {
        match Entry::parse(text.trim_ascii()) {
            Some(entry) => entry.cause(),
            None => cause_of_text(text.trim_ascii()).unwrap_or(Cause::Unknown),
        }
    }
}

/// The tail of a `certificate verification failed for PEER: ` line of Postfix, or any other text of a certificate check.
pub fn parse_certificate(text: &[u8]) -> Cause {
    let text = text.trim_ascii();
    let (number, words) = match text.strip_prefix(b"num=") {
        Some(rest) => split_colon(rest).map_or((rest, &b""[..]), |(n, w)| (n, w)),
        None => (&b""[..], text),
    };
    let by_text = CERTIFICATE_TEXTS
        .iter()
        .find(|(prefix, _)| strip_folded(words, prefix).is_some())
        .map(|(_, cause)| *cause);
    by_text
        .or_else(|| cause_of_number(CERTIFICATE_NUMBERS, parse_number(number)?))
        .unwrap_or(Cause::CertificateOther)
}

/// One entry of OpenSSL's error queue, taken apart.
struct Entry<'a> {
    code: u32,
    reason: &'a [u8],
    data: &'a [u8],
}

impl<'a> Entry<'a> {
    /// `[thread:]error:CODE:LIBRARY:FUNCTION:REASON[:FILE:LINE[:DATA]]`; the function may be empty.
    fn parse(text: &'a [u8]) -> Option<Entry<'a>> {
        let text = match split_colon(text) {
            Some((thread, rest)) if thread.iter().all(u8::is_ascii_digit) => rest,
            _ => text,
        };
        let (code, rest) = split_or_all(text.strip_prefix(b"error:")?);
        let (_library, rest) = split_or_all(rest);
        let (_function, rest) = split_or_all(rest);
        let (reason, data) = split_or_all(rest);
        let code = u32::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok()?;
        Some(Entry { code, reason, data })
    }

    fn cause(&self) -> Cause {
        if let Some(cause) = cause_of_text(self.reason)
            && cause != Cause::AlertOther
        {
            return cause;
        }
        let number = (self.code & 0xFFF) as u16;
        match number.checked_sub(1000).or_else(|| alert_number(self.data)) {
            Some(alert) if self.library() != Library::Foreign => cause_of_alert_number(alert),
            None if self.library() == Library::OpenSsl => {
                cause_of_number(NUMBERS, number).unwrap_or(Cause::Unknown)
            }
            _ => Cause::Unknown,
        }
    }

    /// Whose numbers these are: 20 is the SSL library in OpenSSL and LibreSSL (1.x: top byte, 3.x: from bit 23), 16 in BoringSSL.
    fn library(&self) -> Library {
        match (self.code >> 24, self.code >> 23) {
            (0x14, _) | (_, 20) => Library::OpenSsl,
            (0x10, _) => Library::BoringSsl,
            _ => Library::Foreign,
        }
    }
}

/// Which library numbered an [`Entry`].
#[derive(PartialEq, Eq)]
enum Library {
    OpenSsl,
    /// Its own numbers below 1000; alerts as in OpenSSL.
    BoringSsl,
    /// Not the SSL library: PEM, X.509, system errors.
    Foreign,
}

/// By text alone; `None` if nobody listed it, [`Cause::AlertOther`] for an alert nobody listed.
fn cause_of_text(text: &[u8]) -> Option<Cause> {
    if let Some(alert) = ALERT_PREFIXES.iter().find_map(|p| strip_folded(text, p)) {
        let alert = strip_folded(alert, "alert ").unwrap_or(alert);
        let known = ALERTS.iter().find(|(_, name, _)| is_folded(alert, name));
        return Some(known.map_or(Cause::AlertOther, |(_, _, cause)| *cause));
    }
    let means = |row: &&CauseRow| row.texts.iter().any(|t| is_folded(text, t));
    CAUSES.iter().find(means).map(|row| row.cause)
}

fn cause_of_alert_number(alert: u16) -> Cause {
    let known = ALERTS.iter().find(|(number, _, _)| *number == alert);
    known.map_or(Cause::AlertOther, |(_, _, cause)| *cause)
}

fn cause_of_number(table: &[(u16, Cause)], number: u16) -> Option<Cause> {
    let (_, cause) = table.iter().find(|(n, _)| *n == number)?;
    Some(*cause)
}

/// `SSL alert number 48` among the last words of an entry.
fn alert_number(data: &[u8]) -> Option<u16> {
    let words = b"SSL alert number ";
    let rest = &data[memchr::memmem::find(data, words)? + words.len()..];
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    parse_number(&rest[..digits])
}

fn parse_number(digits: &[u8]) -> Option<u16> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn split_colon(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(b':', text)?;
    Some((&text[..at], &text[at + 1..]))
}

fn split_or_all(text: &[u8]) -> (&[u8], &[u8]) {
    split_colon(text).unwrap_or((text, b""))
}

/// One byte as compared: lower case, blank for underscore (BoringSSL).
fn fold(byte: u8) -> u8 {
    if byte == b'_' {
        b' '
    } else {
        byte.to_ascii_lowercase()
    }
}

/// What follows `prefix`, which is lower case with blanks.
fn strip_folded<'a>(text: &'a [u8], prefix: &str) -> Option<&'a [u8]> {
    let (head, tail) = text.split_at_checked(prefix.len())?;
    is_folded(head, prefix).then_some(tail)
}

fn is_folded(text: &[u8], pattern: &str) -> bool {
    let same = |(a, b): (&u8, u8)| fold(*a) == b;
    text.len() == pattern.len() && text.iter().zip(pattern.bytes()).all(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_its_row_and_reads_back_its_own_name() {
        assert_eq!(CAUSES.len(), Cause::CertificateOther as usize + 1);
        for (at, row) in CAUSES.iter().enumerate() {
            assert_eq!(row.cause as usize, at, "{}", row.name);
            assert_eq!(Cause::from_name(row.name), Some(row.cause));
            assert_eq!(row.cause.name(), row.name);
            assert!(
                !row.words.is_empty() && !row.words.ends_with('.'),
                "{}",
                row.name
            );
            let kebab = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            assert!(row.name.bytes().all(kebab), "{}", row.name);
            for text in row.texts {
                assert_eq!(Cause::parse(text.as_bytes()), row.cause, "{text}");
            }
        }
        for (reason, name) in REASONS {
            assert_eq!(
                (Reason::from_name(name), reason.name()),
                (Some(*reason), *name)
            );
        }
    }

    #[test]
    fn nobody_is_blamed_for_what_the_log_does_not_say() {
        let row = Cause::Unknown.row();
        assert_eq!((row.outbound, row.inbound), (Fault::Either, Fault::Either));
        assert_eq!(Cause::NoSharedCipher.row().inbound, Fault::Us);
        for (number, _, cause) in ALERTS
            .iter()
            .filter(|(n, ..)| (42..=48).contains(n) && *n != 47)
        {
            assert_eq!(cause.row().inbound, Fault::Us, "alert {number}");
        }
    }

    #[test]
    fn ok_parse_queue_entries() {
        let p = |text: &str| Cause::parse(text.as_bytes()).name();
        assert_eq!(
            p("error:0A0000C1:SSL routines::no shared cipher:../ssl/statem/statem_srvr.c:2226:"),
            "no-shared-cipher"
        );
        assert_eq!(
            p(
                "error:1417A0C1:SSL routines:tls_post_process_client_hello:no shared cipher:../ssl/s.c:2283:"
            ),
            "no-shared-cipher"
        );
        assert_eq!(
            p(
                "5118:error:140770FC:SSL routines:SSL23_GET_SERVER_HELLO:unknown protocol:s23_clnt.c:787:"
            ),
            "wrong-version-number"
        );
        assert_eq!(
            p(
                "error:0A000410:SSL routines::ssl/tls alert handshake failure:../s.c:1:SSL alert number 40:"
            ),
            "alert-handshake-failure"
        );
        assert_eq!(
            p("error:1404B42E:SSL routines:ST_CONNECT:tlsv1 alert protocol version"),
            "alert-protocol-version"
        );
        assert_eq!(
            p("error:100000b8:SSL routines:OPENSSL_internal:NO_SHARED_CIPHER"),
            "no-shared-cipher"
        );
        assert_eq!(
            p("error:10000410:SSL routines:OPENSSL_internal:SSLV3_ALERT_HANDSHAKE_FAILURE"),
            "alert-handshake-failure"
        );
        assert_eq!(
            p(
                "error:14082174:SSL routines:SSL3_CHECK_CERT_AND_ALGORITHM:dh key too small:s3_clnt.c:3331:"
            ),
            "dh-key-too-small"
        );
        assert_eq!(
            p(
                "error:0A000458:SSL routines::tlsv1 unrecognized name:../s.c:1:SSL alert number 112:"
            ),
            "alert-unrecognized-name"
        );
    }

    #[test]
    fn ok_parse_by_number_where_the_text_is_new() {
        let p = |text: &str| Cause::parse(text.as_bytes()).name();
        assert_eq!(
            p("error:0A0000C1:SSL routines::reason(193)"),
            "no-shared-cipher"
        );
        assert_eq!(
            p("error:0A000418:lib(20)::reason(1048):s.c:1:"),
            "alert-unknown-ca"
        );
        assert_eq!(
            p("error:0A000418:SSL routines::unknown ca alert:s.c:1:SSL alert number 48:"),
            "alert-unknown-ca"
        );
        assert_eq!(
            p(
                "error:0A000471:SSL routines::tlsv1 bad certificate status response:s.c:1:SSL alert number 113:"
            ),
            "alert-other"
        );
        // a number of another library means another thing
        assert_eq!(
            p("error:0B0000C1:x509 certificate routines::reason(193)"),
            "unknown"
        );
        assert_eq!(
            p("error:100000c1:SSL routines:OPENSSL_internal:SOMETHING_NEW"),
            "unknown"
        );
        assert_eq!(
            p("error:0A000FFF:SSL routines::something new"),
            "alert-other"
        );
    }

    #[test]
    fn alerts_received_are_not_what_we_found_ourselves() {
        let p = |text: &str| Cause::parse(text.as_bytes()).name();
        assert_eq!(
            p("sslv3 alert handshake failure"),
            "alert-handshake-failure"
        );
        assert_eq!(p("handshake failure"), "unknown");
        assert_eq!(p("unexpected message"), "unexpected-message");
        assert_eq!(
            p("sslv3 alert unexpected message"),
            "alert-unexpected-message"
        );
        assert_eq!(p("A TLS fatal alert has been received."), "alert-other");
        assert_eq!(p("The TLS connection was non-properly terminated."), "eof");
        assert_eq!(p("tlsv1 alert of tomorrow"), "alert-other");
        assert_eq!(p("-1"), "unknown");
        assert_eq!(p(""), "unknown");
    }

    #[test]
    fn ok_parse_certificate() {
        let p = |text: &str| parse_certificate(text.as_bytes()).name();
        assert_eq!(p("self-signed certificate"), "self-signed");
        assert_eq!(
            p("self signed certificate in certificate chain."),
            "untrusted-issuer"
        );
        assert_eq!(
            p("untrusted issuer /C=US/O=VeriSign, Inc./OU=x"),
            "untrusted-issuer"
        );
        assert_eq!(p("num=62:hostname mismatch"), "hostname-mismatch");
        assert_eq!(p("num=62:other words"), "hostname-mismatch");
        assert_eq!(
            p("num=65:no matching DANE TLSA records"),
            "no-matching-tlsa"
        );
        assert_eq!(p("certificate has expired"), "certificate-expired");
        assert_eq!(p("external policy failure (x)"), "certificate-other");
        assert_eq!(p("num="), "certificate-other");
    }
}
