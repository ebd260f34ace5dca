//! Lines that Postfix writes when it is asked to talk: `smtp_tls_loglevel = 2` and above, `smtpd -v`, `debug_peer_list`.
//!
//! They repeat what the ordinary lines say, word by word of both sides, and hold words like *error* and *unknown* on good sessions
//! (`SSL_accept:error in SSLv2/v3 read client hello A`). Nothing in them is looked at.

use crate::lex::bracketed_peer;
use crate::mta::postfix::starts_with_any;

/// How such lines begin.
const STARTS: &[&[u8]] = &[
    b"SSL_connect:",
    b"SSL_accept:",
    b"SSL3 alert ",
    b"setting up TLS connection ",
    b"initializing the ",
    b"auto-selecting ",
    b"save session ",
    b"looking for session ",
    b"reloaded session ",
    b"remove session ",
    b"write ",
    b"read ",
    b"subject=",
    b"issuer=",
    b"Verified: subject_CN=",
    b"Unverified: subject_CN=",
    b"fingerprint=",
    b"TLS protocol trace for ",
    b"skipping TLS trace output",
    b"TLS SNI ",
    b"Compiled against ",
    b"Run-time linked ",
    b"connection established",
    b"connection closed",
    b"connect to subsystem ",
    b"master_notify",
    b"proxymap stream ",
    b"send attr ",
    b"recv attr ",
    b"wanted attribute",
    b"input attribute ",
    b"smtp socket: ",
    b"inet socket: ",
    b"unix socket: ",
    b"private/",
    b"public/",
    b"trying... [",
    b"name ",
    b"before ",
    b"after ",
    b"> ",
    b"< ",
    b">>> ",
    b"<<< ",
    b"Host offered DSN",
    b"been here",
    b"idle timeout",
    b"watchdog",
    b"deliver request",
    b"smtp stream ",
    b"mail from: ",
    b"rcpt to: ",
    b"report ",
    b"report_",
    b"server features: ",
    b"Using ESMTP ",
    b"dictionary ",
];

/// Hexadecimal dumps of loglevel 4: `0000 16 03 01 ...`.
fn is_dump(text: &[u8]) -> bool {
    let digits = text.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    digits >= 4
        && matches!(
            text.get(digits..digits + 3),
            Some([b' ', b'-' | b' ' | b'0'..=b'9' | b'a'..=b'f', _])
        )
}

/// `smtp_connect_addr: trying: ...`: the name of a function in Postfix's source, which no queue id looks like.
fn is_function(text: &[u8]) -> bool {
    let end = text
        .iter()
        .take_while(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || **b == b'_')
        .count();
    text[end..].starts_with(b":") && text[..end].contains(&b'_')
}

/// What stands behind `PEER: ` or `PEER ` at loglevel 2.
const PEER_TEXTS: &[&[u8]] = &[
    b": subject_CN=",
    b": issuer_CN=",
    b": depth=",
    b": TLS cipher list ",
    b": Reusing old session",
    b": re-using session with ",
    b": certificate ",
    b": subject=",
    b": Issuer",
    b": Matched ",
    b": Verified",
    b": Unverified",
    b": Trusted",
    b": Untrusted",
    b": no CommonName",
    b": warning: ",
    b": peer certificate",
    b": peer name",
    b" CommonName ",
];

/// Whether the line is one of them.
pub(super) fn is_trace(text: &[u8]) -> bool {
    if starts_with_any(text, STARTS) || is_function(text) || is_dump(text) {
        return true;
    }
    match bracketed_peer(text) {
        Ok((rest, _)) => starts_with_any(rest, PEER_TEXTS),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ok_trace() {
        for text in [
            "SSL_accept:error in SSLv2/v3 read client hello A",
            "SSL3 alert read:fatal:unknown CA",
            "setting up TLS connection to mx.example.net[192.0.2.1]:25",
            "mx.example.net[192.0.2.1]:25: TLS cipher list \"aNULL:-aNULL:HIGH\"",
            "mx.example.net[192.0.2.1]:25: depth=0 verify=1 subject=/CN=x",
            "mx.example.net[192.0.2.1]:25: subject_CN=x, issuer=y, cert fingerprint=z, pkey fingerprint=w",
            "> mx.example.net[192.0.2.1]:25: STARTTLS",
            "smtp_connect_addr: trying: mx.example.net[192.0.2.1] port 25...",
            "0000 16 03 01 00",
        ] {
            assert!(is_trace(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn ordinary_lines_are_no_trace() {
        for text in [
            "SSL_accept error from a[b]: -1",
            "6A45DA4E06D: removed",
            "warning: x",
            "connect from a[b]",
            "a[b]: something",
        ] {
            assert!(!is_trace(text.as_bytes()), "{text}");
        }
    }
}
