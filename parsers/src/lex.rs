//! Atoms of log text that the mail servers share: each takes the rest and gives the rest (nom), works on bytes, and allocates nothing.
//!
//! What is not here: the meaning of any text, and addresses written in another way than Postfix does (`host [192.0.2.1]`).

use memchr::memchr_iter;
use nom::bytes::complete::take_till1;
use nom::combinator::map;
use nom::error::{Error, ErrorKind};
use nom::{Err, IResult, Parser};

use crate::event::Relay;
use crate::peer::Peer;
use crate::scan::{Octets, find_last_octet, find_octet};

/// Offset of `needle`, which must not be empty. For the short needles and short texts of a log line this beats a prepared searcher.
#[inline]
pub fn find<const N: usize>(text: &[u8], needle: &[u8; N]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    loop {
        let at = from + find_octet(text.get(from..)?, first)?;
        if text[at..].starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// The same for a needle out of a table.
pub fn find_entry(text: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    memchr_iter(first, text).find(|at| text[*at..].starts_with(needle))
}

/// Offset of the last `needle`, which must not be empty.
#[inline]
pub fn find_last<const N: usize>(text: &[u8], needle: &[u8; N]) -> Option<usize> {
    let first = *needle.first()?;
    let mut end = text.len();
    loop {
        let at = find_last_octet(&text[..end], first)?;
        if text[at..].starts_with(needle) {
            return Some(at);
        }
        end = at;
    }
}

/// The text before `literal`; the literal is consumed too.
pub fn until<'a, const N: usize>(
    literal: &'static [u8; N],
) -> impl Fn(&'a [u8]) -> IResult<&'a [u8], &'a [u8]> {
    move |text| match find(text, literal) {
        Some(at) => Ok((&text[at + N..], &text[..at])),
        None => Err(Err::Error(Error::new(text, ErrorKind::TakeUntil))),
    }
}

/// The rest of `text` after `literal`.
pub fn after<'a, const N: usize>(literal: &[u8; N], text: &'a [u8]) -> Option<&'a [u8]> {
    find(text, literal).map(|at| &text[at + N..])
}

/// What a key of a field is made of.
const KEY: Octets = Octets::ALPHANUMERIC.with(b"_");

/// A key and what it stands for.
type Pair<'a> = (&'a [u8], &'a [u8]);

/// The key of `key=` at the start of the text, and what follows it.
#[inline]
pub fn key(text: &[u8]) -> Option<Pair<'_>> {
    let (key, rest) = text.split_at(KEY.span(text));
    let rest = rest.strip_prefix(b"=")?;
    (!key.is_empty()).then_some((key, rest))
}

/// One `key=value` of a list separated by `, `: key, value and what follows the separator.
#[inline]
pub fn field(text: &[u8]) -> Option<(Pair<'_>, &[u8])> {
    let (key, rest) = key(text)?;
    let (value, rest) = split_value(rest);
    Some(((key, value), rest))
}

/// The text up to `, `, and what follows it.
#[inline(always)] // once for each field: a call of its own is a third of it
fn split_value(text: &[u8]) -> (&[u8], &[u8]) {
    match find(text, b", ") {
        Some(at) => (&text[..at], &text[at + 2..]),
        None => (text, b""),
    }
}

/// The value of `key=` at the start of the text, up to `, ` or the end.
pub fn value_of<'a>(key: &[u8], text: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let rest = text.strip_prefix(key)?.strip_prefix(b"=")?;
    Some(split_value(rest))
}

/// Digits at the start of the text as a number, 0 if there are none; numbers too large for the type stay at its end.
pub fn digits(text: &[u8]) -> (u32, &[u8]) {
    let end = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let grow = |n: u32, b: &u8| n.saturating_mul(10).saturating_add(u32::from(b - b'0'));
    (text[..end].iter().fold(0, grow), &text[end..])
}

/// Hour, minute and second of `10:00:01`, or any other three numbers of two digits.
#[inline]
pub fn clock(text: &[u8; 8]) -> Option<[u32; 3]> {
    const MIDNIGHT: u64 = u64::from_le_bytes(*b"00:00:00");
    // all eight at once: what is left of a digit is its value, and of a colon nothing
    let digits = u64::from_le_bytes(*text) ^ MIDNIGHT;
    const BEYOND_NINE: u64 = u64::from_le_bytes([6, 6, 0, 6, 6, 0, 6, 6]);
    const NOT_THERE: u64 = u64::from_le_bytes([0xf0, 0xf0, 0xff, 0xf0, 0xf0, 0xff, 0xf0, 0xf0]);
    if (digits | digits.wrapping_add(BEYOND_NINE)) & NOT_THERE != 0 {
        return None;
    }
    let [h1, h2, _, m1, m2, _, s1, s2] = digits.to_le_bytes().map(u32::from);
    Some([h1 * 10 + h2, m1 * 10 + m2, s1 * 10 + s2])
}

/// A decimal fraction without sign or exponent: `0.01`, `302`.
pub fn decimal(text: &[u8]) -> Option<f32> {
    let (whole, rest) = digits(text);
    let Some(fraction) = rest.strip_prefix(b".") else {
        return (rest.is_empty() && !text.is_empty()).then_some(whole as f32);
    };
    let (parts, rest) = digits(fraction);
    let scale = 10f32.powi(i32::try_from(fraction.len()).ok()?);
    (rest.is_empty() && fraction.len() < 10).then(|| whole as f32 + parts as f32 / scale)
}

/// What no name of a host holds.
const NAME_END: Octets = Octets::of(b"[ ,=(<");

/// `host[address]:port`, `host[address]`, `[address]:port`; the port only where digits follow the colon. What stands in the brackets
/// need not be an address: logs are made anonymous in many ways.
pub fn bracketed_peer(text: &[u8]) -> IResult<&[u8], Peer<'_>> {
    let (name, rest) = text.split_at(NAME_END.find(text).unwrap_or(text.len()));
    let address = rest.strip_prefix(b"[").and_then(|inside| {
        let (address, rest) = inside.split_at(find_octet(inside, b']')?);
        (!address.is_empty()).then_some((address, &rest[1..]))
    });
    let Some((address, rest)) = address else {
        return Err(Err::Error(Error::new(text, ErrorKind::TakeTill1)));
    };
    let (port, rest) = port(rest).map_or((None, rest), |(port, rest)| (Some(port), rest));
    Ok((
        rest,
        Peer {
            name,
            address,
            port,
        },
    ))
}

/// `:25`, and what follows.
fn port(text: &[u8]) -> Option<(u16, &[u8])> {
    let text = text.strip_prefix(b":")?;
    let (number, rest) = digits(text);
    let port = u16::try_from(number).ok()?;
    (rest.len() < text.len()).then_some((port, rest))
}

/// A peer as in [`bracketed_peer`], or a name alone up to a blank, a comma or a colon (Postfix 2.2 to 2.4).
pub fn peer(text: &[u8]) -> IResult<&[u8], Peer<'_>> {
    if let Ok(done) = bracketed_peer(text) {
        return Ok(done);
    }
    let name = take_till1(|b| matches!(b, b'[' | b' ' | b',' | b':' | b';' | b'(' | b'<'));
    map(name, Peer::named).parse(text)
}

/// The value of `relay=`: a peer, a socket of this machine (`host[private/lmtp]`, `host[/run/lmtp]`), `local`, or `none`.
pub fn relay(value: &[u8]) -> Relay<'_> {
    match value {
        b"none" | b"" => Relay::None,
        b"local" | b"virtual" => Relay::Local,
        _ => match peer(value) {
            Ok((_, peer)) if find_octet(peer.address, b'/').is_some() => Relay::Local,
            Ok((_, peer)) => Relay::Peer(peer),
            Err(_) => Relay::None,
        },
    }
}

/// Offset of the `>` that ends an address: the first one outside quotes that one of `follow` stands behind. If quotes are not
/// balanced (Postfix up to 3.4 does not quote), the first one anywhere.
pub fn end_of_address(text: &[u8], follow: &[&[u8]]) -> Option<usize> {
    let ends = |at: usize| follow.iter().any(|f| text[at + 1..].starts_with(f));
    let first = find_octet(text, b'>')?;
    if ends(first) && find_octet(&text[..first], b'"').is_none() {
        return Some(first);
    }
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted && ends(at) => return Some(at),
            _ => {}
        }
    }
    memchr::memchr_iter(b'>', text).find(|at| ends(*at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_place_of_a_text() {
        assert_eq!(find(b"a, b,, c, d", b", "), Some(1));
        assert_eq!(find_last(b"a, b,, c, d", b", "), Some(8));
        assert_eq!(find_last(b"a, b,", b", "), Some(1));
        for text in [b"".as_slice(), b",", b"a,b"] {
            assert_eq!((find(text, b", "), find_last(text, b", ")), (None, None));
        }
    }

    #[test]
    fn ok_peer() {
        let p = |text: &'static str| {
            peer(text.as_bytes()).map(|(rest, p)| (p.name, p.address, p.port, rest))
        };
        assert_eq!(
            p("mx1.example.net[2001:db8::25]:25: x"),
            Ok((
                b"mx1.example.net".as_slice(),
                b"2001:db8::25".as_slice(),
                Some(25),
                b": x".as_slice()
            ))
        );
        assert_eq!(
            p("[192.0.2.1]:25"),
            Ok((
                b"".as_slice(),
                b"192.0.2.1".as_slice(),
                Some(25),
                b"".as_slice()
            ))
        );
        assert_eq!(
            p("a[b] while"),
            Ok((b"a".as_slice(), b"b".as_slice(), None, b" while".as_slice()))
        );
        assert_eq!(
            p("isp.server[IP address]:587: x"),
            Ok((
                b"isp.server".as_slice(),
                b"IP address".as_slice(),
                Some(587),
                b": x".as_slice()
            ))
        );
        assert_eq!(
            p("smtp.example.com: -1"),
            Ok((
                b"smtp.example.com".as_slice(),
                b"".as_slice(),
                None,
                b": -1".as_slice()
            ))
        );
        assert_eq!(
            p("a[b]:99999"),
            Ok((b"a".as_slice(), b"b".as_slice(), None, b":99999".as_slice()))
        );
        assert!(p("").is_err() && p("[").is_err() && p(" x").is_err());
    }

    #[test]
    fn ok_relay() {
        assert_eq!(relay(b"none"), Relay::None);
        assert_eq!(relay(b"local"), Relay::Local);
        assert_eq!(
            relay(b"mail.example.com[private/dovecot-lmtp]"),
            Relay::Local
        );
        assert_eq!(relay(b"mail.example.com[/run/lmtp]"), Relay::Local);
        let ten = Peer {
            name: b"127.0.0.1",
            address: b"127.0.0.1",
            port: Some(10026),
        };
        assert_eq!(relay(b"127.0.0.1[127.0.0.1]:10026"), Relay::Peer(ten));
    }

    #[test]
    fn ok_numbers() {
        assert_eq!(decimal(b"302"), Some(302.0));
        assert_eq!(decimal(b"0.25"), Some(0.25));
        for bad in [&b""[..], b"1e5", b"-1", b"1.2.3", b"0.12345678901"] {
            assert_eq!(decimal(bad), None, "{:?}", String::from_utf8_lossy(bad));
        }
        assert_eq!(digits(b"99999999999x"), (u32::MAX, b"x".as_slice()));
    }

    #[test]
    fn ok_end_of_address() {
        let p = |text: &str| end_of_address(text.as_bytes(), &[b", relay=", b", orig_to=<"]);
        assert_eq!(p("a@b>, relay=x"), Some(3));
        assert_eq!(p("\"b>, relay=evil\"@c>, relay=x"), Some(18));
        assert_eq!(p("a\"b@c>, relay=x"), Some(5));
        assert_eq!(p("a@b>, size=1"), None);
    }
}
