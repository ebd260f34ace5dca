//! The other host of a session, as a log names it.
//!
//! Reads `mx1.example.net[192.0.2.1]:25` (Postfix), `mx.example.net. [192.0.2.1]` and `[IPv6:2001:db8::1]` (Sendmail). What a name
//! means (its organisation, whether it is ours) is decided elsewhere.

use std::net::IpAddr;

/// A host as named on one line. Any part may be missing; the slices are as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer<'a> {
    /// Host name as written: any case, perhaps a trailing dot, perhaps shortened by Sendmail to `first18...last18`; may be empty or
    /// `unknown`.
    pub name: &'a [u8],
    /// Address text without brackets and without `IPv6:`; empty if the line has none or has no address there
    /// (anonymised logs write all sorts of things between the brackets).
    pub address: &'a [u8],
    /// TCP port, where written.
    pub port: Option<u16>,
}

impl<'a> Peer<'a> {
    /// A peer known by name only.
    pub fn named(name: &'a [u8]) -> Self {
        Peer {
            name,
            ..Peer::default()
        }
    }

    /// The address, parsed; IPv4-mapped IPv6 addresses come back as IPv4.
    pub fn ip(&self) -> Option<IpAddr> {
        let text = std::str::from_utf8(self.address).ok()?;
        let ip: IpAddr = text.parse().ok()?;
        Some(ip.to_canonical())
    }

    /// Whether two lines can mean the same session's peer: by address where both name one, else by name
    /// ([`same_name`]). Ports count only where both are written.
    pub fn matches(&self, other: &Peer<'_>) -> bool {
        if let (Some(a), Some(b)) = (self.port, other.port)
            && a != b
        {
            return false;
        }
        if !self.address.is_empty() && !other.address.is_empty() {
            return self.address.eq_ignore_ascii_case(other.address);
        }
        !self.name.is_empty() && !other.name.is_empty() && same_name(self.name, other.name)
    }
}

/// A host name without its trailing dot.
pub fn without_dot(name: &[u8]) -> &[u8] {
    name.strip_suffix(b".").unwrap_or(name)
}

/// Whether two spellings mean the same host: without case, without the trailing dot, and with Sendmail's shortening of names past
/// 39 characters to `first18...last18` (`shortenstring` in its `util.c`) taken into account.
pub fn same_name(a: &[u8], b: &[u8]) -> bool {
    if without_dot(a).eq_ignore_ascii_case(without_dot(b)) {
        return true;
    }
    shortened_matches(a, b) || shortened_matches(b, a)
}

/// Whether `short` is `HEAD...TAIL` and `full` begins with HEAD and ends with TAIL. The trailing dot belongs to the tail when the
/// full name was written with it.
fn shortened_matches(short: &[u8], full: &[u8]) -> bool {
    let Some(at) = memchr::memmem::find(short, b"...") else {
        return false;
    };
    let (head, tail) = (&short[..at], &short[at + 3..]);
    let full = without_dot(full);
    let tail = without_dot(tail);
    head.len() >= 8
        && !tail.is_empty()
        && full.len() >= head.len() + tail.len()
        && full[..head.len()].eq_ignore_ascii_case(head)
        && full[full.len() - tail.len()..].eq_ignore_ascii_case(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_without_case_dot_and_length() {
        assert!(same_name(b"MX1.Example.NET", b"mx1.example.net."));
        assert!(same_name(
            b"example-com.mail.p...on1.example.net.",
            b"example-com.mail.protection.region1.example.net."
        ));
        assert!(!same_name(b"mx1.example.net", b"mx2.example.net"));
        assert!(!same_name(b"a...b", b"axxxb"));
    }

    #[test]
    fn an_address_decides_before_the_name() {
        let relay = Peer {
            name: b"relay.example.onion",
            address: b"192.0.2.1",
            port: Some(25),
        };
        let summary = Peer {
            name: b"relay.example.org",
            address: b"192.0.2.1",
            port: Some(25),
        };
        assert!(relay.matches(&summary));
        assert!(!relay.matches(&Peer {
            port: Some(587),
            ..summary
        }));
        assert!(!relay.matches(&Peer {
            address: b"192.0.2.2",
            ..relay
        }));
    }
}
