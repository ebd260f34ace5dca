//! Turns bytes of a log into text that can be stored: names in one spelling, lines as proof. Nothing is lost on the way, bytes
//! that are not UTF-8 come out as `\xNN`.

use std::borrow::Cow;
use std::net::IpAddr;

use maillog::{Peer, peer};

use compact_str::ToCompactString;

use crate::outcome::{Name, PeerName, ProofLine};

use super::tracker::Place;

/// A line longer than this is cut in the store.
const PROOF_BYTES: usize = 2048;

/// Bytes as text; what is not UTF-8 as `\xNN`.
pub fn text(bytes: &[u8]) -> String {
    readable(bytes).into_owned()
}

/// The same, borrowed where it can be.
pub fn readable(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(escaped(bytes)),
    }
}

fn escaped(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02X}"));
        }
    }
    out
}

/// Short text, likewise.
pub fn short(bytes: &[u8]) -> Name {
    match readable(bytes) {
        Cow::Borrowed(text) => text.into(),
        Cow::Owned(text) => text.into(),
    }
}

/// A host or domain name without trailing dot; `unknown`, which is what a server writes for a client without a name, as empty.
pub fn bare(name: &[u8]) -> &[u8] {
    let name = peer::without_dot(name);
    if name.eq_ignore_ascii_case(b"unknown") {
        b""
    } else {
        name
    }
}

/// The same in lower case.
pub fn name(bytes: &[u8]) -> Name {
    let mut name = short(bare(bytes));
    name.make_ascii_lowercase();
    name
}

/// An address in its canonical form; text that is none as it stands. IPv4 has but one form, so it is not taken apart.
pub fn address(peer: &Peer<'_>) -> Name {
    if !peer.address.contains(&b':') {
        return short(peer.address);
    }
    peer.ip()
        .map_or_else(|| short(peer.address), |ip: IpAddr| ip.to_compact_string())
}

/// A peer in stored form. A name that is an address in brackets (`[192.0.2.1]`) is no name.
pub fn peer_name(peer: &Peer<'_>, domain: &[u8], with_port: bool) -> PeerName {
    PeerName {
        domain: name(domain),
        host: name(peer.name),
        address: address(peer),
        port: if with_port { peer.port.unwrap_or(0) } else { 0 },
    }
}

/// A line as proof.
pub fn proof_line(place: Place, raw: &[u8]) -> ProofLine {
    ProofLine {
        source: place.source,
        offset: place.offset,
        text: text(&raw[..raw.len().min(PROOF_BYTES)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_keeps_every_byte() {
        assert_eq!(text(b"caf\xe9 \xf0\x9f\x92\x8c"), "caf\\xE9 \u{1f48c}");
        assert_eq!(name(b"MX.Example.ORG."), "mx.example.org");
        assert_eq!(name(b"unknown"), "");
    }
}
