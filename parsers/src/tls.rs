//! What a log line says about one TLS handshake: protocol, verification, cipher, key exchange. Name tables both ways.

use crate::event::Scope;
use crate::peer::Peer;

/// Which end of the session the logging server was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// We connected: outbound.
    Client,
    /// They connected: inbound.
    Server,
}

/// A TLS protocol version, oldest first.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub enum Protocol {
    /// SSL 2.0
    Ssl2,
    /// SSL 3.0
    Ssl3,
    /// TLS 1.0, written `TLSv1`.
    Tls10,
    /// TLS 1.1
    Tls11,
    /// TLS 1.2
    Tls12,
    /// TLS 1.3
    Tls13,
}

/// Spelling in logs and in reports; the first spelling is the one reports use.
const PROTOCOLS: &[(Protocol, &[&str])] = &[
    (Protocol::Ssl2, &["SSLv2"]),
    (Protocol::Ssl3, &["SSLv3"]),
    (Protocol::Tls10, &["TLSv1", "TLSv1.0"]),
    (Protocol::Tls11, &["TLSv1.1"]),
    (Protocol::Tls12, &["TLSv1.2"]),
    (Protocol::Tls13, &["TLSv1.3"]),
];

impl Protocol {
    /// Reads a version as logged. `TLSv1/SSLv3` (Sendmail before 8.15) names OpenSSL's method family, not a version: `None`.
    pub fn parse(text: &[u8]) -> Option<Protocol> {
        let (protocol, _) = PROTOCOLS
            .iter()
            .find(|(_, names)| names.iter().any(|n| n.as_bytes() == text))?;
        Some(*protocol)
    }

    /// The spelling used in reports and in the store.
    pub fn name(self) -> &'static str {
        PROTOCOLS
            .iter()
            .find(|(p, _)| *p == self)
            .map_or("", |(_, names)| names[0])
    }
}

/// Key exchange groups whose spelling depends on the OpenSSL version, as RFC 7748, RFC 8446 and draft-ietf-tls-ecdhe-mlkem spell them.
const GROUPS: &[&str] = &[
    "X25519",
    "X448",
    "X25519MLKEM768",
    "SecP256r1MLKEM768",
    "SecP384r1MLKEM1024",
];

/// One spelling for a key exchange group: OpenSSL 3.0 writes `X25519`, 3.5 `x25519`. What is not in the table stays as it is.
pub fn group(text: &[u8]) -> &[u8] {
    GROUPS
        .iter()
        .map(|name| name.as_bytes())
        .find(|name| name.eq_ignore_ascii_case(text))
        .unwrap_or(text)
}

/// How far the peer's certificate was checked (words of Postfix, `tls_log_summary`; Sendmail's `verify=` is mapped to them).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub enum Verification {
    /// The line does not say (Postfix before 2.5, Postfix 3.11 `tls=` alone).
    NotStated,
    /// No certificate, or an anonymous cipher. Normal for clients.
    Anonymous,
    /// A certificate whose chain our own store does not verify: often for want of a store.
    Untrusted,
    /// The chain is good; the name was not necessarily compared.
    Trusted,
    /// Matched the policy: name, fingerprint or DANE.
    Verified,
}

impl Verification {
    /// The word stored and shown; empty if not stated.
    pub fn name(self) -> &'static str {
        match self {
            Verification::NotStated => "",
            Verification::Anonymous => "anonymous",
            Verification::Untrusted => "untrusted",
            Verification::Trusted => "trusted",
            Verification::Verified => "verified",
        }
    }
}

/// A completed handshake, from a summary line (`... TLS connection established to ...`, `STARTTLS=client, relay=..., version=...`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshake<'a> {
    /// Which end we were.
    pub side: Side,
    /// The peer as far as the line names it.
    pub peer: Peer<'a>,
    /// An existing TLS connection taken up again rather than a new one.
    pub reused: bool,
    /// Written by a process that serves many sessions at once (`tlsproxy`): the session's own process writes the same again.
    pub duplicate: bool,
    /// `None` if the line names a family of versions.
    pub protocol: Option<Protocol>,
    /// Cipher suite as written; empty if cut off.
    pub cipher: &'a [u8],
    /// Secret bits of the cipher; 0 if not written.
    pub bits: u16,
    /// Key exchange group or method, empty if not written; named groups as [`group`] spells them: `X25519`, `X25519MLKEM768`, `ECDHE (P-256)`, `DHE (2048 bits)`.
    pub key_exchange: &'a [u8],
    /// How far the certificate was checked.
    pub verification: Verification,
    /// How long the connection may carry mail.
    pub scope: Scope,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_reads_back_its_own_name() {
        for (protocol, names) in PROTOCOLS {
            assert_eq!(protocol.name(), names[0]);
            for name in *names {
                assert_eq!(Protocol::parse(name.as_bytes()), Some(*protocol));
            }
        }
        assert_eq!(Protocol::parse(b"TLSv1/SSLv3"), None);
    }
}
