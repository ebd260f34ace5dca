//! Atoms of Sendmail's lines: peers, lists of fields, and the end of a value that may hold quotes.
//!
//! What is not here: the meaning of any field.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::lex::{field, find};
use crate::peer::Peer;
use crate::scan::{find_last_octet, find_octet};

/// `name [192.0.2.1]`, `[192.0.2.1]`, `ident@name [IPv6:2001:db8::1]`, `name.`, each perhaps followed by ` (may be forged)`: the peer
/// and the text behind it. A name that may be forged is left out: it is whoever controls the address who chose it. `None` if the text begins with a blank or a comma.
pub(super) fn peer(text: &[u8]) -> Option<(Peer<'_>, &[u8])> {
    let (word, rest) = word(text);
    if word.is_empty() {
        return None;
    }
    let mut peer = match unbracketed(word) {
        Some(inside) => literal(inside),
        None => Peer::named(find_last_octet(word, b'@').map_or(word, |at| &word[at + 1..])),
    };
    let mut rest = rest;
    if let Some(after) = rest.strip_prefix(b" [")
        && let Some(end) = find_octet(after, b']')
    {
        peer.address = address(&after[..end]);
        rest = &after[end + 1..];
    }
    // The name does not lead back to the address: Postfix would write `unknown`.
    if let Some(after) = rest.strip_prefix(b" (may be forged)") {
        peer.name = b"";
        rest = after;
    }
    Some((peer, rest))
}

/// The text up to a blank or a comma.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(memchr::memchr2(b' ', b',', text).unwrap_or(text.len()))
}

fn unbracketed(word: &[u8]) -> Option<&[u8]> {
    word.strip_prefix(b"[")?.strip_suffix(b"]")
}

/// What stands alone in brackets: an address, or the name of a smart host that is not to be looked up as a mail domain.
fn literal(inside: &[u8]) -> Peer<'_> {
    let by_address = Peer {
        address: address(inside),
        ..Peer::default()
    };
    if by_address.ip().is_some() {
        by_address
    } else {
        Peer::named(inside)
    }
}

fn address(inside: &[u8]) -> &[u8] {
    inside.strip_prefix(b"IPv6:").unwrap_or(inside)
}

/// Whether the peer is `127.0.0.1` or `::1`. There the submission program of this machine hands its mail to the server, often under
/// the same tag; it has a configuration and a level of logging of its own, so what it writes proves nothing about the server's.
pub(super) fn is_this_host(peer: &Peer<'_>) -> bool {
    let ip = peer.ip();
    ip == Some(Ipv4Addr::LOCALHOST.into()) || ip == Some(Ipv6Addr::LOCALHOST.into())
}

/// Each `key=value` of a list separated by `, `. What is no field is left out.
pub(super) fn fields(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = text;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            match field(rest) {
                Some((pair, after)) => {
                    rest = after;
                    return Some(pair);
                }
                None => rest = crate::lex::after(b", ", rest).unwrap_or(b""),
            }
        }
        None
    })
}

/// Offset of the first `needle` outside quotes; if quotes are not balanced, the first one anywhere. It must not begin with a quote.
pub(super) fn find_unquoted<const N: usize>(text: &[u8], needle: &[u8; N]) -> Option<usize> {
    let first = find(text, needle)?;
    if memchr::memchr(b'"', &text[..first]).is_none() {
        return Some(first);
    }
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if !quoted && text[at..].starts_with(needle) => return Some(at),
            _ => {}
        }
    }
    Some(first)
}

/// `454 4.7.0 TEXT`: the reply code, and the text behind the enhanced status code if there is one.
pub(super) fn coded(text: &[u8]) -> Option<(u16, &[u8])> {
    let (code, rest) = text.split_at_checked(3)?;
    if !code.iter().all(u8::is_ascii_digit) || !matches!(rest.first(), None | Some(b' ' | b'-')) {
        return None;
    }
    let rest = rest.get(1..).unwrap_or(b"");
    let (status, behind) = word(rest);
    let rest = match crate::dsn::Dsn::parse(status) {
        Some(_) => behind.get(1..).unwrap_or(b""),
        None => rest,
    };
    // OK to narrow: three digits
    Some((crate::lex::digits(code).0 as u16, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ok_peer() {
        let p = |text: &'static str| {
            peer(text.as_bytes())
                .map(|(p, rest)| (text_of(p.name), text_of(p.address), text_of(rest)))
        };
        assert_eq!(
            p("mx.example.org. [192.0.2.1], dsn"),
            Some(("mx.example.org.", "192.0.2.1", ", dsn"))
        );
        assert_eq!(
            p("[192.0.2.1] did not"),
            Some(("", "192.0.2.1", " did not"))
        );
        assert_eq!(p("[127.0.0.1] [127.0.0.1]"), Some(("", "127.0.0.1", "")));
        assert_eq!(
            p("me@old.example.org [IPv6:2001:db8::1] (may be forged), version"),
            Some(("", "2001:db8::1", ", version"))
        );
        assert_eq!(p("root@localhost"), Some(("localhost", "", "")));
        assert_eq!(p("[smtp.example.org]"), Some(("smtp.example.org", "", "")));
        assert_eq!(
            p("mx.example.org., version"),
            Some(("mx.example.org.", "", ", version"))
        );
    }

    #[test]
    fn err_peer() {
        for bad in [&b""[..], b" x", b", x"] {
            assert_eq!(peer(bad), None);
        }
        // an address cut off
        assert_eq!(
            peer(b"a [192.0.2"),
            Some((Peer::named(b"a"), b" [192.0.2".as_slice()))
        );
        assert_eq!(peer(b"[]").map(|(p, _)| p), Some(Peer::default()));
    }

    #[test]
    fn ok_is_this_host() {
        let p = |text: &str| peer(text.as_bytes()).is_some_and(|(p, _)| is_this_host(&p));
        assert!(p("[127.0.0.1] [127.0.0.1]") && p("localhost [IPv6:::1]"));
        assert!(!p("mx.example.org. [127.0.0.2]") && !p("localhost"));
    }

    #[test]
    fn ok_find_unquoted() {
        assert_eq!(
            find_unquoted(br#"<"a, size=1"@b>, size=2"#, b", size="),
            Some(15)
        );
        assert_eq!(find_unquoted(br#"<"a, size=1"#, b", size="), Some(3));
        assert_eq!(
            find_unquoted(br#"<"a\", size=1"@b>, size=2"#, b", size="),
            Some(17)
        );
        assert_eq!(find_unquoted(b"a", b", size="), None);
    }

    #[test]
    fn ok_coded() {
        assert_eq!(
            coded(b"454 4.7.0 TLS handshake failed."),
            Some((454, b"TLS handshake failed.".as_slice()))
        );
        assert_eq!(
            coded(b"530 Must issue"),
            Some((530, b"Must issue".as_slice()))
        );
        assert_eq!(coded(b"421"), Some((421, b"".as_slice())));
        assert_eq!(coded(b"421 4.7.0"), Some((421, b"".as_slice())));
        for none in [&b""[..], b"45", b"4540", b"abc x", b"192.0.2.1"] {
            assert_eq!(coded(none), None);
        }
    }

    #[test]
    fn ok_fields() {
        let all: Vec<_> = fields(b"a=1, junk, b=2 [x] (y)").collect();
        assert_eq!(
            all,
            [
                (b"a".as_slice(), b"1".as_slice()),
                (b"b".as_slice(), b"2 [x] (y)".as_slice())
            ]
        );
        assert_eq!(fields(b", , =").count(), 0);
    }

    fn text_of(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).unwrap_or("not UTF-8")
    }
}
