//! Lines that Postfix's TLS code writes in the same words in every daemon, and the lines of tlsproxy(8).
//!
//! ```text
//! Trusted TLS connection established to mx.example.net[192.0.2.1]:25: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)
//!     key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256          3.4; the tail is cut short on resumption
//! Anonymous TLS connection established from c.example.net[192.0.2.2] to SNI: TLSv1.2 with cipher ...      `to SNI`: 3.4
//! TLS connection established to mx.example.net: TLSv1 with cipher DHE-RSA-AES256-SHA (256/256 bits)       2.2 to 2.4
//! SSL_connect error to mx.example.net[192.0.2.1]:25: -1         the text instead of the number since 2.9
//! SSL_accept error from c.example.net[192.0.2.2]: lost connection
//! warning: TLS library problem: error:0A000410:SSL routines::...
//! server certificate verification failed for mx.example.net[192.0.2.1]:25: certificate has expired
//! TLSRPT: status=failure, domain=example.org, receiving_mx=mx.example.org[203.0.113.25], failure_type=validation_failure, ...   3.10
//! CONNECT to [192.0.2.1]:25                                                                              tlsproxy
//! TLS handshake failed for service=smtp peer=[192.0.2.1]:25                                              tlsproxy
//! ```
//!
//! Not read: digests and signatures of a summary. A summary without its closing `bits)` was cut off, and gives no cipher.

use crate::event::{Detail, Event, HandshakeFailed, Line, Scope};
use crate::lex::{bracketed_peer, digits, find, find_entry, peer, until, value_of};
use crate::mta::postfix::{starts_with_any, trace, without_severity};
use crate::peer::Peer;
use crate::reason::{Cause, Reason, parse_certificate};
use crate::tls::{Handshake, Protocol, Side, Verification};

/// The first word of a summary.
const WORDS: &[(&[u8], Verification)] = &[
    (b"Trusted ", Verification::Trusted),
    (b"Untrusted ", Verification::Untrusted),
    (b"Anonymous ", Verification::Anonymous),
    (b"Verified ", Verification::Verified),
    (b"", Verification::NotStated),
];

/// What follows the first word: whether the connection is an old one, and which end we are.
const KINDS: &[(&[u8], bool, Side)] = &[
    (b"established to ", false, Side::Client),
    (b"established from ", false, Side::Server),
    (b"reused to ", true, Side::Client),
    (b"reused from ", true, Side::Server),
];

/// Parts of the names of cipher suites that use no certificate. Such a suite can stand beside the word `Untrusted`.
const ANONYMOUS: &[&[u8]] = &[b"ADH-", b"AECDH-", b"_anon_"];

/// A summary line; `duplicate` if the process serves many sessions and the session's own process writes the same.
pub(super) fn parse_summary(text: &[u8], duplicate: bool) -> Option<Handshake<'_>> {
    let (verification, rest) = WORDS
        .iter()
        .find_map(|(word, v)| Some((*v, text.strip_prefix(*word)?)))?;
    let rest = rest.strip_prefix(b"TLS connection ")?;
    let (reused, side, rest) = KINDS
        .iter()
        .find_map(|(kind, reused, side)| Some((*reused, *side, rest.strip_prefix(*kind)?)))?;
    let (rest, peer) = peer(rest).ok()?;
    let rest = without_sni(rest)?;
    let (rest, protocol) = until(b" with cipher ")(rest).ok()?;
    let cipher = parse_cipher(rest);
    Some(Handshake {
        side,
        peer,
        reused,
        duplicate,
        protocol: Protocol::parse(protocol),
        cipher: cipher.name,
        bits: cipher.bits,
        key_exchange: cipher.key_exchange,
        verification: if is_anonymous(cipher.name) {
            Verification::Anonymous
        } else {
            verification
        },
        scope: Scope::Message,
    })
}

fn is_anonymous(cipher: &[u8]) -> bool {
    // most names have neither half of such a part, and more than one of their first letters
    let possible = find(cipher, b"DH-").is_some() || find(cipher, b"anon").is_some();
    possible && ANONYMOUS.iter().any(|a| find_entry(cipher, a).is_some())
}

/// The text behind the peer: `: ` or ` to SNI: `.
fn without_sni(rest: &[u8]) -> Option<&[u8]> {
    if let Some(rest) = rest.strip_prefix(b": ") {
        return Some(rest);
    }
    let rest = rest.strip_prefix(b" to ")?;
    until(b": ")(rest).ok().map(|(rest, _)| rest)
}

/// The second half of a summary.
#[derive(Default)]
struct Cipher<'a> {
    name: &'a [u8],
    bits: u16,
    key_exchange: &'a [u8],
}

/// `NAME (USED/ALG bits)[ key-exchange GROUP[ (CURVE)]...`; nothing if the closing `bits)` is missing.
fn parse_cipher(text: &[u8]) -> Cipher<'_> {
    let Ok((rest, name)) = until(b" (")(text) else {
        return Cipher::default();
    };
    let (bits, rest) = digits(rest);
    let (_, rest) = digits(rest.strip_prefix(b"/").unwrap_or(rest));
    let Some(rest) = rest.strip_prefix(b" bits)") else {
        return Cipher::default();
    };
    let key_exchange = rest
        .strip_prefix(b" key-exchange ")
        .map_or(&b""[..], key_exchange);
    let bits = u16::try_from(bits).unwrap_or(0);
    Cipher {
        name,
        bits,
        key_exchange,
    }
}

/// `X25519` or `ECDHE (P-256)` at the start of the text; nothing if its parenthesis was cut off.
fn key_exchange(text: &[u8]) -> &[u8] {
    let word = memchr::memchr(b' ', text).unwrap_or(text.len());
    if !text[word..].starts_with(b" (") {
        return crate::tls::group(&text[..word]);
    }
    memchr::memchr(b')', text).map_or(b"", |end| &text[..=end])
}

/// A line any daemon with TLS may write; `None` if it is none of these.
pub(super) fn parse_common(text: &[u8], side: Side) -> Option<Line<'_>> {
    let event = match text.first()? {
        b'A' | b'U' | b'T' | b'V' => parse_capital(text)?,
        b'S' => parse_handshake_error(text, side)?,
        b'w' | b'e' | b'f' | b'p' => parse_warning(text, side)?,
        b'c' if text.starts_with(NO_AUTHORITIES) => Event::LocalFault {
            side: Some(side),
            cause: Cause::OwnEngine,
        },
        _ => parse_certificate_line(text)?,
    };
    Some(Line::Event(event))
}

fn parse_capital(text: &[u8]) -> Option<Event<'_>> {
    if let Some(rest) = text.strip_prefix(b"TLS library problem: ") {
        return Some(detail(rest));
    }
    if let Some(rest) = text.strip_prefix(b"TLSRPT: ") {
        return parse_tlsrpt(rest);
    }
    parse_summary(text, false).map(Event::Handshake)
}

/// `SSL_connect error to PEER: TEXT`, `SSL_accept error from PEER: TEXT`.
fn parse_handshake_error(text: &[u8], side: Side) -> Option<Event<'_>> {
    let start: &[u8] = match side {
        Side::Client => b"SSL_connect error to ",
        Side::Server => b"SSL_accept error from ",
    };
    let (rest, peer) = peer(text.strip_prefix(start)?).ok()?;
    let cause = Cause::parse(rest.strip_prefix(b": ")?);
    Some(Event::HandshakeFailed(HandshakeFailed {
        side,
        peer: Some(peer),
        cause,
        by_proxy: false,
    }))
}

fn detail(text: &[u8]) -> Event<'_> {
    Event::Detail(Detail {
        cause: Cause::parse(text),
        text,
    })
}

/// Entries of the TLS library's error queue, unusable TLSA records, and what is wrong with our own TLS.
fn parse_warning(text: &[u8], side: Side) -> Option<Event<'_>> {
    let (severe, rest) = without_severity(text);
    if !severe {
        return None;
    }
    if let Some(rest) = rest.strip_prefix(b"TLS library problem: ") {
        return Some(detail(rest));
    }
    if let Some(cause) = local_fault(rest) {
        return Some(Event::LocalFault {
            side: Some(side),
            cause,
        });
    }
    let (rest, peer) = bracketed_peer(rest).ok()?;
    parse_policy_trouble(rest.strip_prefix(b": ")?, peer, side)
}

/// What stands behind `warning: PEER: `.
fn parse_policy_trouble<'a>(text: &[u8], peer: Peer<'a>, side: Side) -> Option<Event<'a>> {
    if text.starts_with(b"all TLSA records unusable") {
        return Some(Event::Certificate {
            peer,
            cause: Cause::TlsaUnusable,
        });
    }
    let (_, cause) = PEER_FAULTS
        .iter()
        .find(|(start, _)| text.starts_with(start))?;
    Some(Event::LocalFault {
        side: Some(side),
        cause: *cause,
    })
}

/// Our own mistakes, written behind the name of a peer.
const PEER_FAULTS: &[(&[u8], Cause)] = &[
    (b"all fingerprints unusable", Cause::OwnConfiguration),
    (b"all trust anchors unusable", Cause::OwnConfiguration),
    (b"Invalid TLS protocol list ", Cause::OwnProtocols),
    (b"error setting cipher grade: ", Cause::OwnProtocols),
    (b"invalid cipher grade: ", Cause::OwnProtocols),
];

/// Our own mistakes, by the start of the warning.
const FAULTS: &[(&[u8], Cause)] = &[
    (b"cannot get RSA ", Cause::OwnCertificate),
    (b"cannot get DSA ", Cause::OwnCertificate),
    (b"cannot get ECDSA ", Cause::OwnCertificate),
    (b"cannot get private key from file ", Cause::OwnCertificate),
    (b"cannot get certificate from file ", Cause::OwnCertificate),
    (
        b"error loading private keys and certificates from: ",
        Cause::OwnCertificate,
    ),
    (b"error loading chain from ", Cause::OwnCertificate),
    (
        b"No server certs available. TLS won't be enabled",
        Cause::OwnCertificate,
    ),
    (NO_AUTHORITIES, Cause::OwnEngine),
    (b"smtp_tls_wrappermode requires ", Cause::OwnConfiguration),
    (b"connect to private/tlsproxy service: ", Cause::OwnProxy),
    (b"private/tlsproxy service role ", Cause::OwnProxy),
    (
        b"TLS has been selected, but TLS support is not compiled in",
        Cause::OwnEngine,
    ),
    (b"Invalid TLS protocol list ", Cause::OwnProtocols),
    (b"invalid TLS cipher grade ", Cause::OwnProtocols),
];

/// The one of them that is no warning.
const NO_AUTHORITIES: &[u8] = b"cannot load Certification Authority data, ";

/// Certificates, keys and settings of ours that cannot be used.
fn local_fault(text: &[u8]) -> Option<Cause> {
    if let Some((_, cause)) = FAULTS.iter().find(|(start, _)| text.starts_with(start)) {
        return Some(*cause);
    }
    let dead =
        text.ends_with(b": disabling TLS support") || text.ends_with(b": aborting TLS handshake");
    match dead {
        // `RSA private key in F does not match public key in G`
        true if find(text, b" private key in ").is_some() => Some(Cause::OwnCertificate),
        true => Some(Cause::OwnEngine),
        false => None,
    }
}

/// How a line about a certificate begins, with whose it is (`CA`, `client`, `server`) or without.
const CERTIFICATE_STARTS: &[&[u8]] = &[
    b"server certificate verification failed for ",
    b"client certificate verification failed for ",
    b"CA certificate verification failed for ",
    b"certificate verification failed for ",
    b"certificate peer name verification failed for ",
];

/// `[server |client |CA ]certificate verification failed for PEER: TEXT`.
fn parse_certificate_line(text: &[u8]) -> Option<Event<'_>> {
    if !matches!(text.first()?, b's' | b'c' | b'C') {
        return None;
    }
    let rest = CERTIFICATE_STARTS
        .iter()
        .find_map(|s| text.strip_prefix(*s))?;
    let (rest, peer) = peer(rest).ok()?;
    let cause = parse_certificate(rest.strip_prefix(b":")?);
    Some(Event::Certificate { peer, cause })
}

/// Values of `failure_type=`, with the reason they come down to. RFC 8460's `starttls-not-supported` is written for a refused
/// STARTTLS at any level.
const TLSRPT_FAILURES: &[(&[u8], Reason)] = &[
    (b"starttls_not_supported", Reason::StarttlsRefused),
    (b"certificate_host_mismatch", Reason::CertVerifyFailed),
    (b"certificate_not_trusted", Reason::CertVerifyFailed),
    (b"certificate_expired", Reason::CertVerifyFailed),
    (b"validation_failure", Reason::HandshakeFailed),
    (b"tlsa_invalid", Reason::DaneTlsaLookupError),
    (b"dnssec_invalid", Reason::DaneTlsaLookupError),
    (b"dane_required", Reason::DaneOnlyUnusable),
];

/// `status=success, domain=D, receiving_mx=PEER[, failure_type=T[, failure_reason=R]]`.
fn parse_tlsrpt(text: &[u8]) -> Option<Event<'_>> {
    let (status, rest) = value_of(b"status", text)?;
    let (domain, rest) = value_of(b"domain", rest)?;
    let (host, rest) = value_of(b"receiving_mx", rest)?;
    let peer = peer(host).map_or(Peer::default(), |(_, peer)| peer);
    let failure = match status {
        b"success" => None,
        _ => Some(tlsrpt_reason(rest)),
    };
    Some(Event::TlsRpt {
        domain,
        peer,
        failure,
    })
}

fn tlsrpt_reason(text: &[u8]) -> Reason {
    let Some((kind, rest)) = value_of(b"failure_type", text) else {
        return Reason::Other;
    };
    let known = TLSRPT_FAILURES.iter().find(|(name, _)| *name == kind);
    let reason = known.map_or(Reason::Other, |(_, reason)| *reason);
    let detail = value_of(b"failure_reason", rest).map_or(&b""[..], |(detail, _)| detail);
    // a validation failure is RFC 8460's word for anything; only this one says that it was the handshake
    if reason == Reason::HandshakeFailed && detail != b"tls-handshake-failure" {
        return Reason::Other;
    }
    reason
}

/// What tlsproxy says that tells nothing more.
const PROXY_IRRELEVANT: &[&[u8]] = &[
    b"DISCONNECT ",
    b"connect from ",
    b"disconnect from ",
    b"warning: ciphertext read/write ",
    b"warning: to avoid this warning, ",
    b"warning: request from tlsproxy client with unexpected settings",
    b"warning: (server) '",
    b"warning: TLS library problem: ",
    b"warning: tlsproxy: ",
    b"proxymap stream disconnect",
];

/// Lines of tlsproxy(8), one process for many sessions. Its error queue lines name no session and can come late, so that they are no
/// detail of anything.
pub(super) fn parse_proxy(text: &[u8]) -> Line<'_> {
    if let Some(event) = parse_proxy_event(text) {
        return Line::Event(event);
    }
    if starts_with_any(text, PROXY_IRRELEVANT) || trace::is_trace(text) {
        return Line::Irrelevant;
    }
    match parse_common(text, Side::Client) {
        Some(Line::Event(Event::Handshake(handshake))) => {
            Line::Event(Event::Handshake(Handshake {
                duplicate: true,
                ..handshake
            }))
        }
        // the session's own process writes it too
        Some(Line::Event(Event::Certificate { .. })) => Line::Irrelevant,
        Some(Line::Event(Event::LocalFault { cause, .. })) => {
            Line::Event(Event::LocalFault { side: None, cause })
        }
        other => other.unwrap_or(Line::Unrecognised),
    }
}

fn parse_proxy_event(text: &[u8]) -> Option<Event<'_>> {
    let connect = [
        (&b"CONNECT to "[..], Side::Client),
        (b"CONNECT from ", Side::Server),
    ];
    if let Some((rest, side)) = connect
        .iter()
        .find_map(|(start, side)| Some((text.strip_prefix(*start)?, *side)))
    {
        let (rest, peer) = bracketed_peer(rest).ok()?;
        return rest
            .is_empty()
            .then_some(Event::ProxyConnect { side, peer });
    }
    let rest = text.strip_prefix(b"TLS handshake failed for service=")?;
    let (rest, service) = until(b" peer=")(rest).ok()?;
    let (_, peer) = bracketed_peer(rest).ok()?;
    // the service of the one who asked: postscreen(8) names smtpd, an SMTP client its own service
    let side = if service == b"smtpd" {
        Side::Server
    } else {
        Side::Client
    };
    Some(Event::HandshakeFailed(HandshakeFailed {
        side,
        peer: Some(peer),
        cause: Cause::Unknown,
        by_proxy: true,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(text: &str) -> Option<Handshake<'_>> {
        parse_summary(text.as_bytes(), false)
    }

    #[test]
    fn ok_summary() {
        let h = summary("Untrusted TLS connection established from out.example.net[192.0.2.40]:51234 to mx.example.com: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange ECDHE (P-256) server-signature ECDSA (prime256v1) server-digest SHA256").expect("a summary");
        assert_eq!(
            h.peer,
            Peer {
                name: b"out.example.net",
                address: b"192.0.2.40",
                port: Some(51234)
            }
        );
        assert_eq!(
            (h.side, h.reused, h.verification, h.protocol),
            (
                Side::Server,
                false,
                Verification::Untrusted,
                Some(Protocol::Tls13)
            )
        );
        assert_eq!(
            (h.cipher, h.bits, h.key_exchange),
            (&b"TLS_AES_256_GCM_SHA384"[..], 256, &b"ECDHE (P-256)"[..])
        );
        let h = summary("Trusted TLS connection reused to mx[2001:db8::25]:25: TLSv1.3 with cipher X (128/256 bits) key-exchange x25519").expect("a summary");
        assert_eq!(
            (h.reused, h.bits, h.key_exchange, h.peer.address),
            (true, 128, &b"X25519"[..], &b"2001:db8::25"[..])
        );
        let h = summary("TLS connection established to mx1.example.net: TLSv1 with cipher DHE-RSA-AES256-SHA (256/256 bits)").expect("a summary");
        assert_eq!(
            (h.verification, h.peer, h.protocol),
            (
                Verification::NotStated,
                Peer::named(b"mx1.example.net"),
                Some(Protocol::Tls10)
            )
        );
    }

    #[test]
    fn a_summary_cut_off_gives_no_cipher() {
        for cut in [
            "ECDHE-RSA",
            "ECDHE-RSA-AES128 (128",
            "ECDHE-RSA-AES128 (128/128 bi",
        ] {
            let text = format!(
                "Anonymous TLS connection established from unknown[192.0.2.1]: TLSv1.2 with cipher {cut}"
            );
            let h = summary(&text).expect("a summary");
            assert_eq!(
                (h.cipher, h.bits, h.key_exchange),
                (&b""[..], 0, &b""[..]),
                "{cut}"
            );
        }
        let h = summary("Trusted TLS connection established to m[1]:25: TLSv1.3 with cipher X (1/1 bits) key-exchange ECDHE (P-2").expect("a summary");
        assert_eq!((h.cipher, h.key_exchange), (&b"X"[..], &b""[..]));
    }

    #[test]
    fn an_anonymous_cipher_is_anonymous_whatever_the_word() {
        for cipher in [
            "AECDH-AES256-SHA",
            "ADH-AES256-GCM-SHA384",
            "TLS_DH_anon_WITH_AES_256_CBC_SHA",
        ] {
            let text = format!(
                "Untrusted TLS connection established to m[1]:25: TLSv1.2 with cipher {cipher} (256/256 bits)"
            );
            assert_eq!(
                summary(&text).map(|h| h.verification),
                Some(Verification::Anonymous),
                "{cipher}"
            );
        }
    }

    #[test]
    fn err_summary() {
        for bad in [
            "Trusted TLS connection",
            "Trusted TLS connection established to ",
            "Trusted TLS connection established isp[1]:587: TLSv1 with cipher X",
            "Verified: subject_CN=x",
        ] {
            assert_eq!(summary(bad), None, "{bad}");
        }
    }

    #[test]
    fn ok_common() {
        let p = |text: &'static str| parse_common(text.as_bytes(), Side::Client);
        let mx = Peer {
            name: b"mx",
            address: b"192.0.2.1",
            port: Some(25),
        };
        let certificate = |cause| Some(Line::Event(Event::Certificate { peer: mx, cause }));
        let fault = |cause| {
            Some(Line::Event(Event::LocalFault {
                side: Some(Side::Client),
                cause,
            }))
        };
        let failed = |cause| {
            Some(Line::Event(Event::HandshakeFailed(HandshakeFailed {
                side: Side::Client,
                peer: Some(mx),
                cause,
                by_proxy: false,
            })))
        };
        assert_eq!(
            p("SSL_connect error to mx[192.0.2.1]:25: -1"),
            failed(Cause::Unknown)
        );
        assert_eq!(
            p("SSL_connect error to mx[192.0.2.1]:25: lost connection"),
            failed(Cause::Eof)
        );
        assert_eq!(
            p("SSL_connect error to mx[192.0.2.1]:25: Connection timed out"),
            failed(Cause::Timeout)
        );
        assert_eq!(
            p("SSL_connect error to mx[192.0.2.1]:25: Connection reset by peer"),
            failed(Cause::Reset)
        );
        assert_eq!(
            p("certificate verification failed for mx[192.0.2.1]:25: self-signed certificate"),
            certificate(Cause::SelfSigned)
        );
        assert_eq!(
            p("CA certificate verification failed for mx[192.0.2.1]:25: certificate has expired"),
            certificate(Cause::CertificateExpired)
        );
        assert_eq!(
            p(
                "certificate verification failed for mx[192.0.2.1]:25:num=20:unable to get local issuer certificate"
            ),
            certificate(Cause::UntrustedIssuer)
        );
        assert_eq!(
            p(
                "warning: mx[192.0.2.1]:25: all TLSA records unusable, fallback to unauthenticated TLS"
            ),
            certificate(Cause::TlsaUnusable)
        );
        assert_eq!(
            p(
                "warning: mx[192.0.2.1]:25: Invalid TLS protocol list \"bogus\": aborting TLS session"
            ),
            fault(Cause::OwnProtocols)
        );
        assert_eq!(
            p("warning: cannot get RSA private key from file \"/x\": disabling TLS support"),
            fault(Cause::OwnCertificate)
        );
        assert_eq!(
            p(
                "warning: RSA private key in /a does not match public key in /b: disabling TLS support"
            ),
            fault(Cause::OwnCertificate)
        );
        assert_eq!(
            p("warning: something new: disabling TLS support"),
            fault(Cause::OwnEngine)
        );
        assert_eq!(
            p("warning: connect to private/tlsproxy service: Connection refused"),
            fault(Cause::OwnProxy)
        );
        assert_eq!(
            p("warning: hostname x does not resolve to address 192.0.2.1"),
            None
        );
    }

    #[test]
    fn ok_tlsrpt() {
        let p = |text: &'static str| match parse_common(text.as_bytes(), Side::Client) {
            Some(Line::Event(Event::TlsRpt {
                domain, failure, ..
            })) => Some((domain, failure)),
            _ => None,
        };
        let d = &b"example.org"[..];
        assert_eq!(
            p("TLSRPT: status=success, domain=example.org, receiving_mx=mx[192.0.2.1]"),
            Some((d, None))
        );
        assert_eq!(
            p(
                "TLSRPT: status=failure, domain=example.org, receiving_mx=mx[192.0.2.1], failure_type=validation_failure, failure_reason=tls-handshake-failure"
            ),
            Some((d, Some(Reason::HandshakeFailed)))
        );
        assert_eq!(
            p(
                "TLSRPT: status=failure, domain=example.org, receiving_mx=(null), failure_type=certificate_expired"
            ),
            Some((d, Some(Reason::CertVerifyFailed)))
        );
        assert_eq!(p("TLSRPT: nonsense"), None);
    }

    #[test]
    fn ok_proxy() {
        let p = |text: &'static str| parse_proxy(text.as_bytes());
        let peer = Peer {
            name: b"",
            address: b"192.0.2.1",
            port: Some(25),
        };
        let failed = |side| {
            Line::Event(Event::HandshakeFailed(HandshakeFailed {
                side,
                peer: Some(peer),
                cause: Cause::Unknown,
                by_proxy: true,
            }))
        };
        assert_eq!(
            p("CONNECT to [192.0.2.1]:25"),
            Line::Event(Event::ProxyConnect {
                side: Side::Client,
                peer
            })
        );
        assert_eq!(
            p("CONNECT from [192.0.2.1]:25"),
            Line::Event(Event::ProxyConnect {
                side: Side::Server,
                peer
            })
        );
        assert_eq!(
            p("TLS handshake failed for service=smtp peer=[192.0.2.1]:25"),
            failed(Side::Client)
        );
        assert_eq!(
            p("TLS handshake failed for service=smtpd peer=[192.0.2.1]:25"),
            failed(Side::Server)
        );
        assert!(matches!(
            p(
                "Trusted TLS connection established to m[192.0.2.1]:25: TLSv1.3 with cipher X (1/1 bits)"
            ),
            Line::Event(Event::Handshake(Handshake {
                duplicate: true,
                ..
            }))
        ));
        assert_eq!(p("DISCONNECT [192.0.2.1]:25"), Line::Irrelevant);
        assert_eq!(
            p("warning: ciphertext read/write timeout for [192.0.2.1]:25"),
            Line::Irrelevant
        );
        assert_eq!(p("hello"), Line::Unrecognised);
    }
}
