//! What our own rules decide about a session that we opened, and offers of STARTTLS.
//!
//! ```text
//! ruleset=tls_server, arg1=SOFTWARE, relay=mx.example.org, reject=454 4.7.0 TLS handshake failed.
//! QID: ruleset=tls_rcpt, arg1=a@example.net, relay=mx1.example.net., reject=454 4.7.0 DANE check failed.
//! ruleset=try_tls, arg1=mx.example.org, relay=mx.example.org, status=550 5.7.1 x@example.org... do not try TLS with ...    8.17.2
//! ruleset=try_tls, arg1=mx.example.org, relay=mx.example.org, reject=550 5.7.1 ...                                         before
//! tls_clt_features=empty, stat=0, relay=mx.example.org [203.0.113.25]              before STARTTLS is sent: 8.17.1
//! tls_clt_features=(null), relay=mx.example.org [203.0.113.25]                     after the 220: 8.16
//! ```
//!
//! The texts are those of `proto.m4`. The code before them depends on the generation of `sendmail.cf`: 403 and 503, later 454 and 554.
//! They are compared as a whole or from their start: the same words further on were written by somebody else.

use crate::event::{AttemptFailed, Event, Line, Offered};
use crate::lex::{find, find_last, value_of};
use crate::mta::sendmail::lex::{coded, find_unquoted, is_this_host, peer};
use crate::mta::sendmail::tls::fault;
use crate::peer::{Peer, without_dot};
use crate::reason::{Cause, Reason};
use crate::tls::Side;

/// What one of our own texts says.
pub(super) struct Decision {
    text: &'static str,
    /// Whether `text` is all of it, or its start.
    whole: bool,
    pub(super) reason: Reason,
    pub(super) cause: Cause,
}

const fn whole(text: &'static str, reason: Reason, cause: Cause) -> Decision {
    Decision {
        text,
        whole: true,
        reason,
        cause,
    }
}

const fn start(text: &'static str, reason: Reason, cause: Cause) -> Decision {
    Decision {
        text,
        whole: false,
        reason,
        cause,
    }
}

/// Texts of our rule sets on sessions we opened. The longer of two with the same start comes first.
const DECISIONS: &[Decision] = &[
    whole(
        "TLS handshake failed.",
        Reason::HandshakeFailed,
        Cause::Unknown,
    ),
    whole("TLS handshake.", Reason::HandshakeFailed, Cause::Unknown),
    whole("STARTTLS failed.", Reason::StarttlsRefused, Cause::Unknown),
    whole(
        "TLS temporarily not available.",
        Reason::LocalConfigError,
        Cause::OwnConfiguration,
    ),
    whole(
        "STARTTLS temporarily not possible.",
        Reason::LocalConfigError,
        Cause::OwnConfiguration,
    ),
    whole(
        "DANE check failed.",
        Reason::CertVerifyFailed,
        Cause::NoMatchingTlsa,
    ),
    whole(
        "DANE check failed temporarily.",
        Reason::DaneTlsaLookupError,
        Cause::Unknown,
    ),
    whole(
        "DANE: missing STARTTLS.",
        Reason::TlsRequiredNotOffered,
        Cause::Unknown,
    ),
    start(
        "encryption too weak 0 less than ",
        Reason::TlsRequiredNotOffered,
        Cause::Unknown,
    ),
    start(
        "encryption too weak ",
        Reason::CertVerifyFailed,
        Cause::Unknown,
    ),
    whole(
        "other side does not support STARTTLS",
        Reason::TlsRequiredNotOffered,
        Cause::Unknown,
    ),
    whole(
        "authentication required",
        Reason::TlsRequiredNotOffered,
        Cause::Unknown,
    ),
    whole(
        "STARTTLS disabled locally",
        Reason::HandshakeFailed,
        Cause::Unknown,
    ),
    whole(
        "authentication failed",
        Reason::CertVerifyFailed,
        Cause::Unknown,
    ),
    whole(
        "server not authenticated.",
        Reason::CertVerifyFailed,
        Cause::Unknown,
    ),
    whole(
        "not authenticated",
        Reason::CertVerifyFailed,
        Cause::Unknown,
    ),
    whole(
        "no authentication requested",
        Reason::CertVerifyFailed,
        Cause::Unknown,
    ),
    start(
        "authentication failure ",
        Reason::CertVerifyFailed,
        Cause::Unknown,
    ),
    start("CN ", Reason::CertVerifyFailed, Cause::HostnameMismatch),
    start(
        "Cert Subject ",
        Reason::CertVerifyFailed,
        Cause::HostnameMismatch,
    ),
    start(
        "Cert Issuer ",
        Reason::CertVerifyFailed,
        Cause::UntrustedIssuer,
    ),
];

/// What follows the host name in a text that begins with `STS `.
const STS: &[Decision] = &[
    whole(
        " not listed in SANs",
        Reason::CertVerifyFailed,
        Cause::HostnameMismatch,
    ),
    whole(
        " not found in MX list",
        Reason::StsMxMismatch,
        Cause::Unknown,
    ),
];

/// `arg1=` of `tls_server`, the state of TLS, where it decides before the text does: the same text stands for several states.
const STATES: &[(&[u8], Reason)] = &[
    (b"SOFTWARE", Reason::HandshakeFailed),
    (b"CLEAR", Reason::HandshakeFailed),
    (b"PROTOCOL", Reason::StarttlsRefused),
    (b"TEMP", Reason::StarttlsRefused),
    (b"FAILURE", Reason::StarttlsLostConnection),
    (b"CONFIG", Reason::LocalConfigError),
    (b"NONE", Reason::TlsRequiredNotOffered),
    (b"DANE_NOTLS", Reason::TlsRequiredNotOffered),
    (b"DANE_TEMP", Reason::DaneTlsaLookupError),
    (b"DANE_FAIL", Reason::CertVerifyFailed),
    (b"OK", Reason::CertVerifyFailed),
    (b"TRUSTED", Reason::CertVerifyFailed),
    (b"FAIL", Reason::CertVerifyFailed),
    (b"NO", Reason::CertVerifyFailed),
    (b"NOT", Reason::CertVerifyFailed),
];

/// The decision that one of our texts stands for, without its code.
pub(super) fn decision(text: &[u8]) -> Option<&'static Decision> {
    let text = text.trim_ascii();
    if let Some(rest) = text.strip_prefix(b"STS ") {
        let host = memchr::memchr(b' ', rest).unwrap_or(rest.len());
        return find_decision(STS, &rest[host..]).or_else(|| find_decision(DECISIONS, rest));
    }
    find_decision(DECISIONS, text)
}

fn find_decision(table: &'static [Decision], text: &[u8]) -> Option<&'static Decision> {
    table.iter().find(|d| match d.whole {
        true => text == d.text.as_bytes(),
        false => text.starts_with(d.text.as_bytes()),
    })
}

/// The fields of a line of a rule set; `argument` is `arg1=`.
pub(super) struct Ruling<'a> {
    pub(super) name: &'a [u8],
    pub(super) argument: &'a [u8],
    pub(super) peer: Peer<'a>,
    /// What follows the code and the enhanced status code of `reject=`, and empty behind any other word.
    pub(super) text: &'a [u8],
}

impl<'a> Ruling<'a> {
    /// The text behind `ruleset=`. `arg1` may be an address, and hold quoted commas.
    pub(super) fn parse(text: &'a [u8]) -> Option<Ruling<'a>> {
        let (name, rest) = text.split_at(find(text, b", ")?);
        let rest = rest.strip_prefix(b", arg1=")?;
        let (argument, rest) = rest.split_at(find_unquoted(rest, b", relay=")?);
        let argument = find(argument, b", arg2=").map_or(argument, |at| &argument[..at]);
        let (peer, rest) = peer(&rest[b", relay=".len()..])?;
        let text = rest
            .strip_prefix(b", reject=")
            .and_then(coded)
            .map_or(&b""[..], |(_, text)| text);
        Some(Ruling {
            name,
            argument,
            peer,
            text,
        })
    }

    /// What a decision on a session we opened comes down to; `None` if it is about something else.
    pub(super) fn outbound(&self, queue_id: &'a [u8]) -> Option<Event<'a>> {
        match self.name {
            b"try_tls" => Some(Event::PlainByPolicy { peer: self.peer }),
            b"tls_server" => Some(Event::AttemptFailed(self.failed(b"", STATES))),
            b"tls_rcpt" => Some(Event::AttemptFailed(self.failed(queue_id, &[]))),
            _ => None,
        }
    }

    fn failed(&self, queue_id: &'a [u8], states: &[(&[u8], Reason)]) -> AttemptFailed<'a> {
        let said = decision(self.text);
        let state = states.iter().find(|(state, _)| *state == self.argument);
        let reason = state.map(|(_, reason)| *reason).or(said.map(|d| d.reason));
        let same = said.filter(|d| Some(d.reason) == reason);
        AttemptFailed {
            queue_id,
            peer: Some(self.peer),
            reason: reason.unwrap_or(Reason::Other),
            cause: same.map_or(Cause::Unknown, |d| d.cause),
            repeated_by_delivery: true,
        }
    }
}

/// Values of `tls_clt_features=` that are complaints about our own settings.
const BAD_FEATURES: &[&[u8]] = &[
    b"invalid_syntax",
    b"unknown_option",
    b"only_one_of_",
    b"TEMPFAIL",
];

/// The text behind `tls_clt_features=`.
pub(super) fn parse_features(text: &[u8]) -> Line<'_> {
    if BAD_FEATURES.iter().any(|b| text.starts_with(b)) {
        return fault(Side::Client, Cause::OwnConfiguration);
    }
    // The features are our own words and may hold anything, a host name holds no comma.
    let Some(at) = find_last(text, b", relay=") else {
        return Line::Unrecognised;
    };
    let (features, relay) = (&text[..at], &text[at + b", relay=".len()..]);
    let Some((peer, _)) = peer(relay) else {
        return Line::Unrecognised;
    };
    let (name, always_written) = (
        without_dot(peer.name),
        says_stat(features) && !is_this_host(&peer),
    );
    Line::Event(Event::Offered(Offered {
        peer: Peer { name, ..peer },
        taken: true,
        always_written,
    }))
}

/// `empty, stat=0`.
fn says_stat(features: &[u8]) -> bool {
    let rest = features.strip_prefix(b"empty, ");
    rest.is_some_and(|rest| value_of(b"stat", rest).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(text: &'static str) -> Option<(Reason, Cause, &'static [u8], &'static [u8])> {
        match Ruling::parse(text.as_bytes())?.outbound(b"Q")? {
            Event::AttemptFailed(a) => Some((a.reason, a.cause, a.peer?.name, a.queue_id)),
            _ => None,
        }
    }

    #[test]
    fn ok_tls_server() {
        let r = |text| p(text).map(|(reason, ..)| reason);
        assert_eq!(
            p("tls_server, arg1=SOFTWARE, relay=mx.example.org, reject=403 4.7.0 TLS handshake."),
            Some((
                Reason::HandshakeFailed,
                Cause::Unknown,
                b"mx.example.org".as_slice(),
                b"".as_slice()
            ))
        );
        assert_eq!(
            r(
                "tls_server, arg1=NONE, relay=mx, reject=454 4.7.0 encryption too weak 0 less than 112"
            ),
            Some(Reason::TlsRequiredNotOffered)
        );
        assert_eq!(
            r(
                "tls_server, arg1=TEMP, relay=mx, reject=454 4.7.0 encryption too weak 0 less than 112"
            ),
            Some(Reason::StarttlsRefused)
        );
        assert_eq!(
            r(
                "tls_server, arg1=CLEAR, relay=mx, reject=454 4.7.0 encryption too weak 0 less than 112"
            ),
            Some(Reason::HandshakeFailed)
        );
        assert_eq!(
            r("tls_server, arg1=FAIL, relay=mx, reject=454 4.7.0 authentication failed"),
            Some(Reason::CertVerifyFailed)
        );
        assert_eq!(
            r("tls_server, arg1=NEW, relay=mx, reject=454 4.7.0 something new"),
            Some(Reason::Other)
        );
    }

    #[test]
    fn ok_tls_rcpt() {
        assert_eq!(
            p(
                "tls_rcpt, arg1=a@example.net, relay=mx1.example.net., reject=454 4.7.0 DANE check failed."
            ),
            Some((
                Reason::CertVerifyFailed,
                Cause::NoMatchingTlsa,
                b"mx1.example.net.".as_slice(),
                b"Q".as_slice()
            ))
        );
        assert_eq!(
            p(
                r#"tls_rcpt, arg1="x, relay=evil, reject=454 4.7.0 DANE check failed."@b, relay=mx., reject=454 4.7.0 DANE: missing STARTTLS."#
            ),
            Some((
                Reason::TlsRequiredNotOffered,
                Cause::Unknown,
                b"mx.".as_slice(),
                b"Q".as_slice()
            ))
        );
    }

    #[test]
    fn ok_decision() {
        let r = |text: &str| decision(text.as_bytes()).map(|d| d.reason);
        assert_eq!(
            r(" STARTTLS disabled locally"),
            Some(Reason::HandshakeFailed)
        );
        assert_eq!(
            r("encryption too weak 56 less than 112"),
            Some(Reason::CertVerifyFailed)
        );
        assert_eq!(
            r("STS mx.example.net not found in MX list"),
            Some(Reason::StsMxMismatch)
        );
        assert_eq!(
            r("STS mx.example.net not listed in SANs"),
            Some(Reason::CertVerifyFailed)
        );
        assert_eq!(
            r("STS other side does not support STARTTLS"),
            Some(Reason::TlsRequiredNotOffered)
        );
        for other in [
            "",
            "STS ",
            "TLS handshake failed. Or not",
            "your TLS handshake failed.",
            "authentication failed for you",
        ] {
            assert_eq!(r(other), None, "{other}");
        }
    }

    #[test]
    fn our_choice_of_clear_text_is_no_failure() {
        for text in [
            "try_tls, arg1=mx.example.org, relay=mx.example.org, status=550 5.7.1 x@example.org... do not try TLS with mx.example.org [203.0.113.25]",
            "try_tls, arg1=mx.example.org, relay=mx.example.org, reject=550 5.7.1 <x@example.org>,<y@example.org>... do not try TLS with mx.example.org [203.0.113.25]",
        ] {
            let event = Ruling::parse(text.as_bytes()).and_then(|r| r.outbound(b""));
            assert_eq!(
                event,
                Some(Event::PlainByPolicy {
                    peer: Peer::named(b"mx.example.org")
                })
            );
        }
    }

    #[test]
    fn ok_features() {
        let p = |text: &'static str| match parse_features(text.as_bytes()) {
            Line::Event(Event::Offered(o)) => {
                Some((o.peer.name, o.peer.address, o.taken, o.always_written))
            }
            _ => None,
        };
        let (name, address): (&[u8], &[u8]) = (b"mx.example.org", b"203.0.113.25");
        assert_eq!(
            p("empty, stat=0, relay=mx.example.org [203.0.113.25]"),
            Some((name, address, true, true))
        );
        assert_eq!(
            p("(null), relay=mx.example.org [203.0.113.25]"),
            Some((name, address, true, false))
        );
        assert_eq!(
            p("empty, relay=mx.example.org [203.0.113.25]"),
            Some((name, address, true, false))
        );
        assert_eq!(
            p("CipherList=A:B;Options=x, y, relay=mx.example.org. [203.0.113.25]"),
            Some((name, address, true, false))
        );
        assert_eq!(
            parse_features(b"invalid_syntax=x"),
            fault(Side::Client, Cause::OwnConfiguration)
        );
        assert_eq!(parse_features(b""), Line::Unrecognised);
        assert_eq!(parse_features(b"x, relay="), Line::Unrecognised);
    }

    #[test]
    fn err_ruling() {
        for bad in [
            "",
            "tls_server",
            "tls_server, arg1=",
            "tls_server, arg1=x, relay=",
            "tls_server, arg2=x, relay=y",
        ] {
            assert!(Ruling::parse(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
