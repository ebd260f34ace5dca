//! Lines about clients: who connected, what they sent, whom we turned away.
//!
//! ```text
//! QID: from=<s@example.org>, size=2345, class=0, nrcpts=1, msgid=<1@example.org>, proto=ESMTPS, daemon=MTA-v4, relay=m.example.org [203.0.113.40]
//! QID: from=me, size=345, class=0, nrcpts=1, msgid=<...>, relay=me@localhost                          submitted on this machine
//! QID: m.example.org [203.0.113.40] did not issue MAIL/EXPN/VRFY/ETRN during connection to MTA-v4
//! NOQUEUE: connect from m.example.org [203.0.113.40]                                                  LogLevel 10
//! ruleset=tls_client, arg1=NO, arg2=STARTTLS, relay=m.example.org [203.0.113.40], reject=454 4.7.0 not authenticated
//! QID: ruleset=check_mail, arg1=<s@example.org>, relay=m.example.org [203.0.113.40], reject=454 4.7.0 encryption too weak 0 less than 112
//! SMTP STARTTLS command (STARTTLS) from m.example.org [203.0.113.40] tempfailed (due to previous checks)
//! ```
//!
//! `proto=` has an S for TLS and an A for a login since 8.15.1; before, it is ESMTP either way. Sender and `msgid=` are the client's
//! words: the fields behind them are read from the end of the line.

use crate::event::{Event, Line, Logging, Message};
use crate::lex::{digits, find_last, key};
use crate::mta::sendmail::client::Ruling;
use crate::mta::sendmail::lex::{find_unquoted, peer};
use crate::peer::Peer;
use crate::reason::Reason;
use crate::scan::find_octet;

/// The fields that may stand between `msgid=` and `relay=`, in their order.
const TAIL: &[&[u8]] = &[
    b"bodytype",
    b"proto",
    b"daemon",
    b"tls_verify",
    b"tls_version",
    b"cipher",
    b"auth",
    b"envid",
];

/// The text behind `from=`.
pub(super) fn parse_from<'a>(queue_id: &'a [u8], text: &'a [u8]) -> Option<Line<'a>> {
    let (sender, rest) = text.split_at(find_unquoted(text, b", size=")?);
    let head = rest.strip_prefix(b", size=")?;
    let at = find_last(head, b", relay=")?;
    let (head, relay) = (&head[..at], &head[at + b", relay=".len()..]);
    let peer = peer(relay).map(|(p, _)| p).unwrap_or_default();
    let tail = Tail::parse(head);
    let word = tail.proto.map(protocol_word);
    let local = word.is_none() || peer.address.is_empty();
    let word = word.unwrap_or_default();
    Some(Line::Event(Event::Message(Message {
        queue_id,
        sender: without_brackets(sender),
        peer: if local { Peer::default() } else { peer },
        local,
        recipients: recipients(head),
        tls: tail.tls().or(word.tls),
        modern: word.modern,
        authenticated: word.authenticated,
        daemon: tail.daemon,
    })))
}

fn without_brackets(address: &[u8]) -> &[u8] {
    let inside = address
        .strip_prefix(b"<")
        .and_then(|a| a.strip_suffix(b">"));
    inside.unwrap_or(address)
}

/// `nrcpts=` of `2345, class=0, nrcpts=1, msgid=...`: the third field, before anything a client chose.
fn recipients(head: &[u8]) -> u32 {
    let behind_comma = |text| find_octet(text, b',').map(|at| &text[at + 1..]);
    let third = behind_comma(head).and_then(behind_comma).unwrap_or(b"");
    third.strip_prefix(b" nrcpts=").map_or(0, |n| digits(n).0)
}

/// The fields behind `msgid=`.
#[derive(Default)]
struct Tail<'a> {
    proto: Option<&'a [u8]>,
    daemon: &'a [u8],
    verify: Option<&'a [u8]>,
}

impl<'a> Tail<'a> {
    /// Reads from the end, as long as the fields are known and in order: what a message id says it holds comes too late.
    fn parse(head: &'a [u8]) -> Tail<'a> {
        let (mut tail, mut rest, mut before) = (Tail::default(), head, TAIL.len());
        while let Some(at) = find_last(rest, b", ") {
            let Some((rank, value)) = ranked(&rest[at + 2..], before) else {
                break;
            };
            match TAIL[rank] {
                b"proto" => tail.proto = Some(value),
                b"daemon" => tail.daemon = value,
                b"tls_verify" => tail.verify = Some(value),
                _ => {}
            }
            (rest, before) = (&rest[..at], rank);
        }
        tail
    }

    fn tls(&self) -> Option<bool> {
        self.verify.map(|v| v != b"NONE")
    }
}

/// The place of a field, the last one of the text, in [`TAIL`], if that is before `before`, and its value.
fn ranked(text: &[u8], before: usize) -> Option<(usize, &[u8])> {
    let (key, value) = key(text)?;
    let rank = TAIL[..before].iter().position(|k| *k == key)?;
    Some((rank, value))
}

/// What a protocol word says.
#[derive(Clone, Copy, Default)]
struct Word {
    tls: Option<bool>,
    modern: bool,
    authenticated: bool,
}

/// `SMTP`, `ESMTP[S][A]`, `UTF8SMTP[S][A]`.
fn protocol_word(word: &[u8]) -> Word {
    let extended = word
        .strip_prefix(b"ESMTP")
        .or_else(|| word.strip_prefix(b"UTF8SMTP"));
    match extended {
        Some(b"S") => Word {
            tls: Some(true),
            modern: true,
            authenticated: false,
        },
        Some(b"SA") => Word {
            tls: Some(true),
            modern: true,
            authenticated: true,
        },
        Some(b"A") => Word {
            tls: Some(false),
            modern: true,
            authenticated: true,
        },
        // HELO has no STARTTLS
        None if word == b"SMTP" => Word {
            tls: Some(false),
            ..Word::default()
        },
        _ => Word::default(),
    }
}

/// `PEER did not issue MAIL/EXPN/VRFY/ETRN during connection to DAEMON`.
pub(super) fn parse_no_mail(text: &[u8]) -> Option<Line<'_>> {
    let (peer, rest) = peer(text)?;
    let daemon = rest.strip_prefix(b" did not issue MAIL/EXPN/VRFY/ETRN during connection to ")?;
    Some(Line::Event(Event::NoMail { peer, daemon }))
}

/// The text behind `connect from `. A user of this machine proves the level of logging and no more.
pub(super) fn parse_connect(text: &[u8]) -> Line<'_> {
    match peer(text) {
        Some((peer, _)) if peer.address.is_empty() => {
            Line::Event(Event::Logging(Logging::Sessions))
        }
        Some((peer, _)) => Line::Event(Event::Connect { peer }),
        None => Line::Unrecognised,
    }
}

/// `SMTP STARTTLS command (TEXT) from PEER tempfailed (due to previous checks)`, from behind `SMTP `.
pub(super) fn parse_refused(text: &[u8]) -> Option<Line<'_>> {
    let text = text.strip_prefix(b"STARTTLS command (")?;
    let text = text.strip_suffix(b" tempfailed (due to previous checks)")?;
    // TEXT is the client's
    let at = find_last(text, b") from ")?;
    let (peer, _) = peer(&text[at + b") from ".len()..])?;
    Some(rejected(peer, Reason::StarttlsRefusedByUs))
}

/// A client that our rules turned away because of TLS; `None` if because of something else.
pub(super) fn refusal<'a>(ruling: &Ruling<'a>) -> Option<Line<'a>> {
    match ruling.name {
        b"tls_client" => Some(rejected(ruling.peer, Reason::ClientCertRejected)),
        b"check_mail" if demands_tls(ruling.text) => {
            Some(rejected(ruling.peer, Reason::PlainRejected))
        }
        _ => None,
    }
}

fn rejected(peer: Peer<'_>, reason: Reason) -> Line<'_> {
    Line::Event(Event::Rejected { peer, reason })
}

/// The whole text: a sender that holds the same words is followed by more.
fn demands_tls(text: &[u8]) -> bool {
    let bits = text.strip_prefix(b"encryption too weak 0 less than ");
    text == b"authentication required"
        || bits.is_some_and(|b| !b.is_empty() && b.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &'static str) -> Message<'static> {
        match parse_from(b"Q", text.as_bytes()) {
            Some(Line::Event(Event::Message(m))) => m,
            other => panic!("not a message: {other:?}"),
        }
    }

    #[test]
    fn ok_from() {
        let m = message(
            "<s@example.org>, size=2345, class=0, nrcpts=2, msgid=<1@example.org>, bodytype=8BITMIME, proto=ESMTPS, daemon=MTA-v4, relay=me@mail.example.org [203.0.113.40] (may be forged)",
        );
        assert_eq!(
            (m.sender, m.recipients, m.daemon),
            (b"s@example.org".as_slice(), 2, b"MTA-v4".as_slice())
        );
        assert_eq!(
            (m.peer.name, m.peer.address),
            (b"".as_slice(), b"203.0.113.40".as_slice()),
            "a name that may be forged is none"
        );
        assert_eq!(
            (m.local, m.tls, m.modern, m.authenticated),
            (false, Some(true), true, false)
        );
        let m = message("me, size=345, class=0, nrcpts=1, msgid=<x@y>, relay=me@localhost");
        assert_eq!(
            (m.sender, m.local, m.peer, m.tls),
            (b"me".as_slice(), true, Peer::default(), None)
        );
        let m = message(
            "<>, size=0, class=0, nrcpts=0, proto=ESMTP, daemon=MTA, tls_verify=NO, tls_version=TLSv1.2, cipher=AES, auth=NONE, relay=[IPv6:2001:db8::1]",
        );
        assert_eq!(
            (m.sender, m.recipients, m.tls, m.modern),
            (b"".as_slice(), 0, Some(true), false)
        );
        assert_eq!(m.peer.address, b"2001:db8::1");
    }

    #[test]
    fn ok_protocol_word() {
        let p = |word: &str| {
            let w = protocol_word(word.as_bytes());
            (w.tls, w.modern, w.authenticated)
        };
        assert_eq!(p("SMTP"), (Some(false), false, false));
        assert_eq!(p("ESMTP"), (None, false, false));
        assert_eq!(p("UTF8SMTP"), (None, false, false));
        assert_eq!(p("UTF8SMTPSA"), (Some(true), true, true));
        assert_eq!(p("ESMTPA"), (Some(false), true, true));
        assert_eq!(p("ESMTPX"), (None, false, false));
    }

    #[test]
    fn a_client_cannot_forge_fields() {
        let m = message(
            r#"<"a, size=1, relay=evil [192.0.2.66]"@b>, size=7, class=0, nrcpts=1, msgid=<x, proto=ESMTPSA, daemon=MSA, relay=evil [192.0.2.66]>, proto=SMTP, daemon=MTA, relay=c.example.net [192.0.2.2]"#,
        );
        assert_eq!(
            (m.tls, m.authenticated, m.daemon, m.peer.address),
            (
                Some(false),
                false,
                b"MTA".as_slice(),
                b"192.0.2.2".as_slice()
            )
        );
        assert_eq!(
            (m.sender, m.recipients),
            (br#""a, size=1, relay=evil [192.0.2.66]"@b"#.as_slice(), 1)
        );
    }

    #[test]
    fn ok_no_mail_and_connect() {
        let peer = Peer {
            name: b"scan.example.net",
            address: b"198.51.100.9",
            port: None,
        };
        assert_eq!(
            parse_no_mail(b"scan.example.net [198.51.100.9] did not issue MAIL/EXPN/VRFY/ETRN during connection to MTA-v4"),
            Some(Line::Event(Event::NoMail { peer, daemon: b"MTA-v4" }))
        );
        assert_eq!(
            parse_connect(b"scan.example.net [198.51.100.9]"),
            Line::Event(Event::Connect { peer })
        );
        assert_eq!(
            parse_connect(b"root@localhost"),
            Line::Event(Event::Logging(Logging::Sessions))
        );
        assert_eq!(parse_connect(b""), Line::Unrecognised);
    }

    #[test]
    fn ok_refusals() {
        let p = |text: &'static str| refusal(&Ruling::parse(text.as_bytes())?);
        let peer = Peer {
            name: b"mail.example.org",
            address: b"203.0.113.40",
            port: None,
        };
        assert_eq!(
            p(
                "tls_client, arg1=NO, arg2=STARTTLS, relay=mail.example.org [203.0.113.40], reject=454 4.7.0 not authenticated"
            ),
            Some(rejected(peer, Reason::ClientCertRejected))
        );
        assert_eq!(
            p(
                "check_mail, arg1=<s@example.org>, relay=mail.example.org [203.0.113.40], reject=454 4.7.0 encryption too weak 0 less than 112"
            ),
            Some(rejected(peer, Reason::PlainRejected))
        );
        assert_eq!(
            p(
                "check_mail, arg1=<a, relay=evil [192.0.2.66], reject=454 4.7.0 authentication required>, relay=a [192.0.2.1], reject=553 no"
            ),
            None
        );
        assert_eq!(
            p(
                "check_rcpt, arg1=<a@b>, relay=a [192.0.2.1], reject=550 5.7.1 authentication required"
            ),
            None
        );
        assert_eq!(
            parse_refused(b"STARTTLS command (STARTTLS) from mail.example.org [203.0.113.40] tempfailed (due to previous checks)"),
            Some(rejected(peer, Reason::StarttlsRefusedByUs))
        );
        assert_eq!(
            parse_refused(
                b"MAIL command (x) from a [192.0.2.1] tempfailed (due to previous checks)"
            ),
            None
        );
    }

    #[test]
    fn err_from() {
        for bad in ["", "a", "a, size=", "a, size=1, class=0", "<\"a, size=1"] {
            assert_eq!(parse_from(b"Q", bad.as_bytes()), None, "{bad}");
        }
    }
}
