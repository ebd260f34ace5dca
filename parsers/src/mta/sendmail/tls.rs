//! Lines that begin with `STARTTLS`, the same for both sides of a session (`tls.c`, `deliver.c`, `srvrsmtp.c`, `sfsasl.c`).
//!
//! ```text
//! STARTTLS=client, relay=mx.example.net., version=TLSv1.3, verify=OK, cipher=TLS_AES_256_GCM_SHA384, bits=256/256
//! STARTTLS=server, relay=c.example.net [192.0.2.2] (may be forged), version=TLSv1/SSLv3, verify=NO, ...          version before 8.15
//! STARTTLS=client, error: connect failed=-1, reason=wrong version number, SSL_error=1, errno=0, retry=-1         reason=: 8.14.6
//! STARTTLS=client, error: connect failed=0, SSL_error=5, timedout=0, errno=104                                  8.12, with queue id
//! STARTTLS=server, error: accept failed=-1, reason=no shared cipher, ..., relay=c.example.net [192.0.2.2]        relay=: 8.14.6
//! STARTTLS=client: error:0A00010B:SSL routines::wrong version number:...      thread number before `error:` up to 8.15
//! STARTTLS=client: file /etc/mail/tls/server.key unsafe: Group readable file
//! STARTTLS=client, error: SSL_CTX_use_PrivateKey_file(/etc/mail/tls/server.key) failed
//! STARTTLS: ServerCertFile missing
//! STARTTLS: read error=generic SSL error (-1), ...                             the end of a session, and often of another one
//! ```
//!
//! Not read: subjects and issuers of certificates (LogLevel 12), fingerprints. `version=TLSv1/SSLv3` names no version.

use crate::event::{Detail, Event, HandshakeFailed, Line, Logging, Scope};
use crate::lex::{digits, find, value_of};
use crate::mta::sendmail::lex::{fields, peer};
use crate::reason::Cause;
use crate::tls::{Handshake, Protocol, Side, Verification};

/// `verify=` of a completed handshake.
const VERIFY: &[(&[u8], Verification)] = &[
    (b"OK", Verification::Trusted),
    (b"TRUSTED", Verification::Verified),
    (b"FAIL", Verification::Untrusted),
    (b"DANE_FAIL", Verification::Untrusted),
    (b"DANE_TEMP", Verification::Untrusted),
    (b"NO", Verification::Anonymous),
    (b"NOT", Verification::Anonymous),
];

/// The word behind `verify=`.
pub(super) fn verification(word: &[u8]) -> Verification {
    let known = VERIFY.iter().find(|(w, _)| *w == word);
    known.map_or(Verification::NotStated, |(_, v)| *v)
}

/// What may follow `STARTTLS=SIDE, ` besides sessions and errors, and is written only at levels that log sessions too.
const CHATTY: &[&[u8]] = &[
    b"start=ok",
    b"init=1",
    b"cert-subject=",
    b"SSL_shutdown ",
    b"get_verify: ",
];

/// What else may follow `STARTTLS=SIDE, ` and tells nothing about a session.
const SILENT: &[&[u8]] = &[
    b"init=",
    b"Diffie-Hellman init",
    b"SSL_MODE_AUTO_RETRY=",
    b"EC_KEY_new_by_curve_name",
    b"tmp_rsa_key: ",
    b"info: ",
    b"host=",
    b"SSL_dane_enable=",
    b"depth=",
];

/// What may follow `STARTTLS=SIDE, error: ` when our own set-up is at fault; `None`: it fails nothing.
const OWN_ERRORS: &[(&[u8], Option<Cause>)] = &[
    (b"SSL_CTX_use_", Some(Cause::OwnCertificate)),
    (b"SSL_use_", Some(Cause::OwnCertificate)),
    // stands beside good sessions of the same process
    (b"SSL_CTX_check_private_key", None),
    (b"SSL_check_private_key", None),
    (b"load verify locs ", Some(Cause::OwnConfiguration)),
    (b"SSL_CTX_new(", Some(Cause::OwnConfiguration)),
    (b"SSL_new failed", Some(Cause::OwnConfiguration)),
    (b"SSL_set_", Some(Cause::OwnConfiguration)),
    (b"fd ", Some(Cause::OwnConfiguration)),
    (b"RSA_generate_key", Some(Cause::OwnConfiguration)),
    // `..., list ignored`, `..., suites ignored`
    (b"SSL_CTX_set_cipher", None),
    (b"cannot read ", None),
    (b"illegal value ", None),
    (b"BIO_", None),
    (b"PEM_read_bio_X509_CRL", None),
    (b"X509_", None),
];

/// Parts of the names of files that TLS does without: Diffie-Hellman parameters and revocation lists.
const OPTIONAL_FILES: &[&[u8]] = &[b"dh", b"crl"];

/// What may follow `STARTTLS: `.
const WITHOUT_SIDE: &[(&[u8], Line<'static>)] = &[
    (b"read error=", Line::Irrelevant),
    (b"write error=", Line::Irrelevant),
    (b"CRLFile missing", Line::Irrelevant),
    (b"CRLPath missing", Line::Irrelevant),
    (b"ClientCertFile missing", Line::Irrelevant),
    (b"ClientKeyFile missing", Line::Irrelevant),
    (b"CACertFile missing", Line::Irrelevant),
    (b"CACertPath missing", Line::Irrelevant),
    (b"DHParameters missing", Line::Irrelevant),
    (
        b"ServerCertFile missing",
        fault(Side::Server, Cause::OwnCertificate),
    ),
    (
        b"ServerKeyFile missing",
        fault(Side::Server, Cause::OwnCertificate),
    ),
    (
        b"TLS cert verify: ",
        Line::Event(Event::Logging(Logging::Sessions)),
    ),
    (
        b"x509 cert verify: ",
        Line::Event(Event::Logging(Logging::Sessions)),
    ),
    (b"SSL3 alert ", Line::Irrelevant),
    (b"info_callback ", Line::Irrelevant),
    (b"SSL_connect:", Line::Irrelevant),
    (b"SSL_accept:", Line::Irrelevant),
    (b"undefined:", Line::Irrelevant),
    (b"RAND_", Line::Irrelevant),
    (b"RandFile ", Line::Irrelevant),
    (b"Warning: ", Line::Irrelevant),
    (b"Error: ", Line::Irrelevant),
    (b"can't ", Line::Irrelevant),
    (b"size(", Line::Irrelevant),
];

/// What the library says when we close a connection whose handshake did not end: a consequence, not a cause.
const SHUTDOWN: &[u8; 24] = b":shutdown while in init:";

/// Something of our own that keeps a side from TLS.
pub(super) const fn fault(side: Side, cause: Cause) -> Line<'static> {
    Line::Event(Event::LocalFault {
        side: Some(side),
        cause,
    })
}

const LOGGING: Line<'static> = Line::Event(Event::Logging(Logging::Sessions));

/// The text behind `STARTTLS`.
pub(super) fn parse(text: &[u8]) -> Line<'_> {
    if let Some(rest) = text.strip_prefix(b": ") {
        let known = WITHOUT_SIDE
            .iter()
            .find(|(start, _)| rest.starts_with(start));
        return known.map_or(Line::Unrecognised, |(_, line)| *line);
    }
    if let Some(rest) = text.strip_prefix(b"=client") {
        return parse_side(Side::Client, rest);
    }
    if let Some(rest) = text.strip_prefix(b"=server") {
        return parse_side(Side::Server, rest);
    }
    let silent: &[&[u8]] = &[b"=read: ", b"=write: ", b"=init, "];
    if silent.iter().any(|s| text.starts_with(s)) {
        Line::Irrelevant
    } else {
        Line::Unrecognised
    }
}

fn parse_side(side: Side, text: &[u8]) -> Line<'_> {
    if let Some(rest) = text.strip_prefix(b": ") {
        return parse_detail(side, rest);
    }
    let Some(rest) = text.strip_prefix(b", ") else {
        return Line::Unrecognised;
    };
    if let Some(rest) = rest.strip_prefix(b"error: ") {
        return parse_error(side, rest);
    }
    let rest = without_entry_id(rest);
    if rest.starts_with(b"relay=") {
        return parse_session(side, rest);
    }
    if rest.starts_with(b"init=0") || rest.starts_with(b"get_tls_se_features=failed") {
        return fault(side, Cause::OwnConfiguration);
    }
    if rest.starts_with(b"engine=") {
        return fault(side, Cause::OwnEngine);
    }
    if CHATTY.iter().any(|c| rest.starts_with(c)) {
        return LOGGING;
    }
    if SILENT.iter().any(|c| rest.starts_with(c)) {
        Line::Irrelevant
    } else {
        Line::Unrecognised
    }
}

/// `c_se_id=X, ` and `se_id=X, ` of some builds.
fn without_entry_id(text: &[u8]) -> &[u8] {
    let entry = value_of(b"c_se_id", text).or_else(|| value_of(b"se_id", text));
    entry.map_or(text, |(_, rest)| rest)
}

/// A line of the library's error queue, or a file that Sendmail does not trust.
fn parse_detail(side: Side, text: &[u8]) -> Line<'_> {
    let (_thread, rest) = digits(text);
    let entry = rest.strip_prefix(b":").unwrap_or(rest);
    if entry.starts_with(b"error:") && find(entry, SHUTDOWN).is_some() {
        return LOGGING;
    }
    if entry.starts_with(b"error:") {
        return Line::Event(Event::Detail(Detail {
            cause: Cause::parse(entry),
            text: entry,
        }));
    }
    match text
        .strip_prefix(b"file ")
        .and_then(|rest| Some(&rest[..find(rest, b" unsafe: ")?]))
    {
        Some(file) if is_optional(file) => Line::Irrelevant,
        Some(_) => fault(side, Cause::OwnCertificate),
        None => Line::Unrecognised,
    }
}

/// Whether TLS works without this file, told by its name.
fn is_optional(file: &[u8]) -> bool {
    let name = memchr::memrchr(b'/', file).map_or(file, |at| &file[at + 1..]);
    let has = |part: &&[u8]| {
        name.windows(part.len())
            .any(|w| w.eq_ignore_ascii_case(part))
    };
    OPTIONAL_FILES.iter().any(has)
}

/// A completed handshake (`relay=..., version=...`), or a remark on a peer.
fn parse_session(side: Side, text: &[u8]) -> Line<'_> {
    let mut session = Handshake {
        side,
        peer: Default::default(),
        reused: false,
        duplicate: false,
        protocol: None,
        cipher: b"",
        bits: 0,
        key_exchange: b"",
        verification: Verification::NotStated,
        scope: Scope::Process,
    };
    let mut complete = false;
    for (at, (key, value)) in fields(text).enumerate() {
        match (at, key) {
            (0, _) => session.peer = peer(value).map(|(p, _)| p).unwrap_or_default(),
            // where STARTTLS is not offered but wanted, 8.16 sends in clear all the same
            (1, b"warning") => return LOGGING,
            (1, b"version") => (session.protocol, complete) = (Protocol::parse(value), true),
            (1, b"tlsstate" | b"field" | b"AltName" | b"X509_digest") => return Line::Irrelevant,
            (_, b"verify") => session.verification = verification(value),
            (_, b"cipher") => session.cipher = value,
            (_, b"bits") => session.bits = secret_bits(value),
            _ => {}
        }
    }
    if complete {
        Line::Event(Event::Handshake(session))
    } else {
        Line::Unrecognised
    }
}

/// `ALGORITHM/SECRET`.
fn secret_bits(value: &[u8]) -> u16 {
    let (_algorithm, rest) = digits(value);
    let secret = rest.strip_prefix(b"/").map_or(0, |rest| digits(rest).0);
    u16::try_from(secret).unwrap_or(0)
}

fn parse_error(side: Side, text: &[u8]) -> Line<'_> {
    let start: &[u8] = match side {
        Side::Client => b"connect failed=",
        Side::Server => b"accept failed=",
    };
    if let Some(rest) = text.strip_prefix(start) {
        return Line::Event(Event::HandshakeFailed(failed(side, rest)));
    }
    match OWN_ERRORS.iter().find(|(start, _)| text.starts_with(start)) {
        Some((_, Some(cause))) => fault(side, *cause),
        Some((_, None)) => Line::Irrelevant,
        None => Line::Unrecognised,
    }
}

/// The number that the library returned, and the fields behind it.
fn failed(side: Side, text: &[u8]) -> HandshakeFailed<'_> {
    let mut numbers = Numbers::default();
    let (mut reason, mut relay): (&[u8], _) = (b"", None);
    for (key, value) in fields(crate::lex::after(b", ", text).unwrap_or(b"")) {
        match key {
            b"reason" => reason = value,
            b"SSL_error" => numbers.ssl_error = signed(value),
            b"errno" => numbers.errno = signed(value),
            b"retry" => numbers.retry = signed(value),
            b"timedout" => numbers.timed_out = value == b"1",
            b"relay" => relay = peer(value).map(|(p, _)| p),
            _ => {}
        }
    }
    let cause = match reason {
        b"" | b"unknown" | b"none" => numbers.cause(),
        _ => Cause::parse(reason),
    };
    HandshakeFailed {
        side,
        peer: relay,
        cause,
        by_proxy: false,
    }
}

fn signed(value: &[u8]) -> Option<i32> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// What a failure says where the library had no words for it.
#[derive(Default)]
struct Numbers {
    ssl_error: Option<i32>,
    errno: Option<i32>,
    retry: Option<i32>,
    timed_out: bool,
}

/// `SSL_ERROR_WANT_READ`, `SSL_ERROR_WANT_WRITE`, and not yet begun.
const WAITING: &[i32] = &[2, 3, -1];

/// `SSL_ERROR_SYSCALL`: see `errno`.
const SYSTEM_CALL: i32 = 5;

/// `SSL_ERROR_ZERO_RETURN`.
const CLOSED: i32 = 6;

/// Numbers of system errors on Linux, the BSDs, and Solaris.
const ERRNOS: &[(i32, Cause)] = &[
    (0, Cause::Eof),
    (32, Cause::Eof),
    (104, Cause::Reset),
    (54, Cause::Reset),
    (131, Cause::Reset),
    (110, Cause::Timeout),
    (60, Cause::Timeout),
    (145, Cause::Timeout),
];

impl Numbers {
    fn cause(&self) -> Cause {
        match (self.ssl_error, self.retry) {
            _ if self.timed_out => Cause::Timeout,
            (Some(e), Some(0)) if WAITING.contains(&e) => Cause::Timeout,
            (Some(CLOSED), _) => Cause::Eof,
            (Some(SYSTEM_CALL), _) => {
                let known = ERRNOS.iter().find(|(n, _)| Some(*n) == self.errno);
                known.map_or(Cause::Unknown, |(_, cause)| *cause)
            }
            _ => Cause::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::Peer;

    fn p(text: &'static str) -> Line<'static> {
        parse(
            text.strip_prefix("STARTTLS")
                .map_or(b"".as_slice(), str::as_bytes),
        )
    }

    fn handshake(text: &'static str) -> Handshake<'static> {
        match p(text) {
            Line::Event(Event::Handshake(h)) => h,
            other => panic!("not a handshake: {other:?}"),
        }
    }

    fn failure(text: &'static str) -> (Option<Peer<'static>>, Cause) {
        match p(text) {
            Line::Event(Event::HandshakeFailed(f)) => (f.peer, f.cause),
            other => panic!("not a failure: {other:?}"),
        }
    }

    #[test]
    fn ok_handshake() {
        let h = handshake(
            "STARTTLS=client, c_se_id=x, relay=mx1.example.net., version=TLSv1.2, verify=DANE_FAIL, cipher=EXP-RC4-MD5, bits=128/40, pubkey_fp=2F:61",
        );
        assert_eq!(
            (h.side, h.peer, h.scope),
            (
                Side::Client,
                Peer::named(b"mx1.example.net."),
                Scope::Process
            )
        );
        assert_eq!(
            (h.protocol, h.bits, h.verification),
            (Some(Protocol::Tls12), 40, Verification::Untrusted)
        );
        let h = handshake(
            "STARTTLS=server, relay=old.example.org [192.0.2.1] (may be forged), version=TLSv1/SSLv3, verify=NOT, cipher=DHE-RSA-AES256-SHA, bits=256/256",
        );
        assert_eq!(
            (h.peer.name, h.peer.address),
            (b"".as_slice(), b"192.0.2.1".as_slice()),
            "a name that may be forged is none"
        );
        assert_eq!(
            (h.protocol, h.cipher, h.verification),
            (
                None,
                b"DHE-RSA-AES256-SHA".as_slice(),
                Verification::Anonymous
            )
        );
    }

    #[test]
    fn ok_failure() {
        let c = |text| failure(text).1;
        assert_eq!(
            c(
                "STARTTLS=client, error: connect failed=-1, reason=wrong version number, SSL_error=1, errno=0, retry=-1"
            ),
            Cause::WrongVersionNumber
        );
        assert_eq!(
            c(
                "STARTTLS=client, error: connect failed=-1, reason=unknown, SSL_error=5, errno=104, retry=-1"
            ),
            Cause::Reset
        );
        assert_eq!(
            c(
                "STARTTLS=client, error: connect failed=-1, reason=unknown, SSL_error=5, errno=0, retry=-1"
            ),
            Cause::Eof
        );
        assert_eq!(
            c(
                "STARTTLS=client, error: connect failed=-1, reason=unknown, SSL_error=2, errno=11, retry=0"
            ),
            Cause::Timeout
        );
        assert_eq!(
            c("STARTTLS=client, error: connect failed=-1, SSL_error=1, errno=0, retry=-1"),
            Cause::Unknown
        );
        assert_eq!(
            c("STARTTLS=client, error: connect failed=0, SSL_error=5"),
            Cause::Unknown
        );
        assert_eq!(
            c("STARTTLS=client, error: connect failed=0, SSL_error=2, timedout=1, errno=0"),
            Cause::Timeout
        );
        assert_eq!(c("STARTTLS=client, error: connect failed="), Cause::Unknown);
        let (peer, cause) = failure(
            "STARTTLS=server, error: accept failed=-2, reason=none, SSL_error=-1, errno=0, retry=0, relay=[198.51.100.66]",
        );
        assert_eq!(
            (peer.map(|p| p.address), cause),
            (Some(b"198.51.100.66".as_slice()), Cause::Timeout)
        );
        assert_eq!(
            failure("STARTTLS=server, error: accept failed=0, SSL_error=5, timedout=0, errno=0"),
            (None, Cause::Eof)
        );
    }

    #[test]
    fn ok_detail() {
        for text in [
            "STARTTLS=client: 4113:error:14082174:SSL routines:SSL3_CHECK_CERT_AND_ALGORITHM:dh key too small:s3_clnt.c:3331:",
            "STARTTLS=client: error:0A00018A:SSL routines::dh key too small",
        ] {
            let Line::Event(Event::Detail(detail)) = p(text) else {
                panic!("{text}")
            };
            assert_eq!(detail.cause, Cause::DhKeyTooSmall);
            assert!(detail.text.starts_with(b"error:"));
        }
    }

    #[test]
    fn what_is_our_own_fault_and_what_fails_nothing() {
        let certificate = fault(Side::Client, Cause::OwnCertificate);
        assert_eq!(
            p(
                "STARTTLS=client: file /etc/mail/tls/sendmail-common.key unsafe: Group readable file"
            ),
            certificate
        );
        assert_eq!(
            p("STARTTLS=client, error: SSL_CTX_use_PrivateKey_file(/x) failed"),
            certificate
        );
        assert_eq!(
            p("STARTTLS: ServerCertFile missing"),
            fault(Side::Server, Cause::OwnCertificate)
        );
        assert_eq!(
            p("STARTTLS=server, init=0"),
            fault(Side::Server, Cause::OwnConfiguration)
        );
        for harmless in [
            "STARTTLS=client, error: SSL_CTX_check_private_key failed(/etc/mail/cert/server.crt): 0",
            "STARTTLS=server: file /etc/mail/certs/dh.param unsafe: No such file or directory",
            "STARTTLS: CRLFile missing",
            "STARTTLS: write error=syscall error (-1), errno=104, get_error=error:00000000:lib(0):func(0):reason(0), retry=99, ssl_err=5",
            "STARTTLS=read: error:0A000126:SSL routines::unexpected eof while reading:../ssl/record/rec_layer_s3.c:318:",
        ] {
            assert_eq!(p(harmless), Line::Irrelevant, "{harmless}");
        }
        for chatty in [
            "STARTTLS=client: error:0A000197:SSL routines::shutdown while in init:../ssl/ssl_lib.c:2242:",
            "STARTTLS=client, start=ok",
            "STARTTLS=client, relay=mx, warning=DANE configured in DNS but STARTTLS not offered",
        ] {
            assert_eq!(p(chatty), LOGGING, "{chatty}");
        }
    }

    #[test]
    fn err_other_forms() {
        for bad in [
            "",
            "STARTTLS",
            "STARTTLS=",
            "STARTTLS=client",
            "STARTTLS=client, ",
            "STARTTLS=client, relay=x",
            "STARTTLS=client, error: x",
            "STARTTLS: x",
            "STARTTLS=client: x",
        ] {
            assert_eq!(p(bad), Line::Unrecognised, "{bad}");
        }
    }
}
