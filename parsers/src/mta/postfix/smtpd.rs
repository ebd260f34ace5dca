//! Lines of smtpd(8): clients.
//!
//! ```text
//! connect from NAME[ADDR][:PORT]
//! QID: client=NAME[ADDR][, sasl_method=..., sasl_username=...][, orig_queue_id=...][, orig_client=NAME[ADDR]]
//! [QID: |NOQUEUE: ]lost connection after STARTTLS from NAME[ADDR]         the prefix since 3.10; also `timeout`, `too many errors`
//! disconnect from NAME[ADDR] ehlo=2 starttls=1 mail=1 rcpt=1/2 ... commands=7/8     counters since 3.0
//! NOQUEUE: abort: TLS from NAME[ADDR]: No client certificate presented
//! NOQUEUE: reject: RCPT from NAME[ADDR]: 450 4.7.1 Session encryption is required; from=<...
//! warning: Refusing STARTTLS request from NAME[ADDR] for service smtp
//! ```
//!
//! What a client said (`helo=<`, `from=<`, an unknown command) is never searched. `530 Must issue a STARTTLS command first` is not
//! logged at all: only the counters show it.

use crate::event::{Disconnect, Event, Line, Transaction};
use crate::lex::{bracketed_peer, digits, find, peer, until};
use crate::mta::postfix::{queue_id, starts_with_any, tls, trace, without_severity};
use crate::reason::{Cause, Reason};
use crate::scan::find_octet;
use crate::tls::Side;

/// Ends of a session before its time, up to the last command.
const BREAKS: &[&[u8]] = &[
    b"lost connection after ",
    b"timeout after ",
    b"too many errors after ",
];

/// Warnings about clients we turned away, up to their name: our limit on new TLS sessions.
const REFUSALS: &[&[u8]] = &[
    b"Refusing STARTTLS request from ",
    b"Refusing TLS service request from ",
    b"New TLS session rate limit exceeded: ",
];

/// What may stand behind a queue id, or `NOQUEUE`, and tells nothing about TLS.
const QUEUED_IRRELEVANT: &[&[u8]] = &[
    b"reject: ",
    b"reject_warning: ",
    b"warn: ",
    b"hold: ",
    b"discard: ",
    b"filter: ",
    b"redirect: ",
    b"prepend: ",
    b"replace: ",
    b"bcc: ",
    b"info: ",
    b"permit: ",
    b"delay: ",
    b"milter-",
    b"improper command pipelining",
    b"abort: ",
    b"proxy-",
    b"sender ",
    b"uid=",
    b"Queue ",
];

/// Lines without a queue id that tell nothing more.
const IRRELEVANT: &[&[u8]] = &[
    b"warning: hostname ",
    b"warning: SASL ",
    b"warning: Connection ",
    b"warning: Message ",
    b"warning: Recipient ",
    b"warning: AUTH ",
    b"warning: non-SMTP command from ",
    b"warning: non-E",
    b"warning: Illegal address syntax from ",
    b"warning: unknown smtpd restriction",
    b"warning: restriction ",
    b"warning: access table ",
    b"warning: numeric ",
    b"warning: malformed ",
    b"warning: valid_hostname",
    b"warning: address not listed for hostname ",
    b"warning: Unable to look up ",
    b"warning: unable to look up ",
    b"warning: problem talking to ",
    b"warning: connect to ",
    b"warning: milter ",
    b"warning: dict_",
    b"warning: database ",
    b"warning: table ",
    b"warning: proxy ",
    b"warning: process ",
    b"warning: queue file size limit exceeded",
    b"warning: not enough free space",
    b"warning: smtpd_",
    b"warning: run-time library ",
    b"warning: xsasl_",
    b"warning: TLS SNI from ",
    b"warning: tls_",
    b"warning: private/",
    b"warning: public/",
    b"warning: timeout on ",
    b"warning: premature end-of-input",
    b"warning: unexpected ",
    b"warning: hash:",
    b"warning: do not list domain ",
    b"warning: support for restriction ",
    b"warning: fix ",
    b"warning: inet_protocols",
    b"warning: getpeername",
    b"warning: network_biopair_interop",
    b"warning: bad ",
    b"warning: cannot ",
    b"warning: close ",
    b"warning: no entropy ",
    b"warning: dnsblog",
    b"warning: ciphertext ",
    b"fatal: ",
    b"panic: ",
    b"error: ",
    b"improper command pipelining",
    b"discarding EHLO keywords: ",
    b"using backwards-compatible default setting ",
    b"proxy-reject: ",
    b"proxy-accept: ",
    b"statistics: ",
    b"mapping DSN status ",
    b"table ",
    b"CommonName ",
    b"auto-",
    b"sql_select ",
];

/// A line of smtpd(8).
pub(super) fn parse(text: &[u8]) -> Line<'_> {
    if let Some(event) = parse_event(text) {
        return Line::Event(event);
    }
    if let Some(line) = tls::parse_common(text, Side::Server) {
        return line;
    }
    let queued = queue_id(text).is_some_and(|(_, rest)| starts_with_any(rest, QUEUED_IRRELEVANT));
    if queued || starts_with_any(text, IRRELEVANT) || trace::is_trace(text) || is_sasl_failure(text)
    {
        return Line::Irrelevant;
    }
    Line::Unrecognised
}

/// `warning: NAME[ADDR]: SASL PLAIN authentication failed: ...`.
fn is_sasl_failure(text: &[u8]) -> bool {
    let (_, rest) = without_severity(text);
    bracketed_peer(rest).is_ok_and(|(rest, _)| rest.starts_with(b": SASL "))
}

fn parse_event(text: &[u8]) -> Option<Event<'_>> {
    match text.first()? {
        b'c' if text.starts_with(b"connect from ") => parse_connect(&text[13..]),
        b'd' if text.starts_with(b"disconnect from ") => parse_disconnect(&text[16..]),
        b'w' => parse_refusal(text),
        _ => parse_break(text).or_else(|| {
            let (id, rest) = queue_id(text)?;
            parse_queued(id, rest)
        }),
    }
}

fn parse_connect(text: &[u8]) -> Option<Event<'_>> {
    let (_, peer) = peer(text).ok()?;
    Some(Event::Connect { peer })
}

fn parse_queued<'a>(queue_id: &'a [u8], rest: &'a [u8]) -> Option<Event<'a>> {
    match rest.first()? {
        b'c' => parse_transaction(queue_id, rest.strip_prefix(b"client=")?),
        b'a' => parse_abort(rest.strip_prefix(b"abort: TLS from ")?),
        b'r' => parse_reject(rest.strip_prefix(b"reject: ")?),
        _ => parse_break(rest),
    }
}

/// `client=PEER, sasl_method=..., orig_client=...`. The login comes first if there is one: behind it may stand what the client chose
/// (`sasl_sender=`).
fn parse_transaction<'a>(queue_id: &'a [u8], text: &'a [u8]) -> Option<Event<'a>> {
    let (rest, peer) = peer(text).ok()?;
    // Postfix 2.2 writes `,sasl_method=` without a blank
    let mut parts = rest
        .split(|b| *b == b',')
        .skip(1)
        .map(|p| p.trim_ascii_start());
    let login =
        |part: &[u8]| part.starts_with(b"sasl_method=") || part.starts_with(b"sasl_username=");
    let first = parts.next().unwrap_or(b"");
    let reinjected = |part: &[u8]| part.starts_with(b"orig_client=");
    Some(Event::Transaction(Transaction {
        queue_id,
        peer,
        authenticated: login(first),
        reinjected: reinjected(first) || parts.any(reinjected),
    }))
}

/// `lost connection after COMMAND from PEER`. The command is a word of ours, even where the client's was not.
fn parse_break(text: &[u8]) -> Option<Event<'_>> {
    let rest = BREAKS.iter().find_map(|b| text.strip_prefix(*b))?;
    let (rest, command) = until(b" from ")(rest).ok()?;
    let (_, peer) = peer(rest).ok()?;
    Some(Event::Lost {
        peer,
        after: command,
    })
}

/// `PEER: No client certificate presented`.
fn parse_abort(text: &[u8]) -> Option<Event<'_>> {
    let (_, peer) = peer(text).ok()?;
    Some(Event::Rejected {
        peer,
        reason: Reason::ClientCertRejected,
    })
}

/// `COMMAND from PEER: 450 4.7.1 Session encryption is required; ...`, where our words stand right behind the codes.
fn parse_reject(text: &[u8]) -> Option<Event<'_>> {
    let (rest, _command) = until(b" from ")(text).ok()?;
    let (rest, peer) = bracketed_peer(rest).ok()?;
    let (code, rest) = digits(rest.strip_prefix(b": ")?);
    let rest = rest.strip_prefix(b" ")?;
    let (_dsn, rest) = rest.split_at(memchr::memchr(b' ', rest)?);
    let ours = (400..600).contains(&code) && rest.starts_with(b" Session encryption is required");
    let reason = if ours {
        Reason::PlainRejected
    } else {
        Reason::Other
    };
    Some(Event::Rejected { peer, reason })
}

/// Clients we refused TLS: our rate limit, or a TLS engine that did not start.
fn parse_refusal(text: &[u8]) -> Option<Event<'_>> {
    let (_, text) = without_severity(text);
    if let Some(rest) = text.strip_prefix(b"Wrapper-mode request dropped from ") {
        let broken = find(rest, b"TLS context initialization failed").is_some();
        let cause = if broken {
            Cause::OwnEngine
        } else {
            Cause::OwnRateLimit
        };
        return Some(Event::LocalFault {
            side: Some(Side::Server),
            cause,
        });
    }
    let rest = REFUSALS.iter().find_map(|r| text.strip_prefix(*r))?;
    let counted = digits(rest).1.strip_prefix(b" from ");
    let (_, peer) = peer(counted.unwrap_or(rest)).ok()?;
    Some(Event::Rejected {
        peer,
        reason: Reason::StarttlsRefusedByUs,
    })
}

/// The client, and its counters.
fn parse_disconnect(text: &[u8]) -> Option<Event<'_>> {
    let (rest, peer) = peer(text).ok()?;
    let mut disconnect = Disconnect {
        peer,
        counted: find_octet(rest, b'=').is_some(),
        ..Disconnect::default()
    };
    for counter in rest.split(|b| *b == b' ') {
        count(&mut disconnect, counter);
    }
    Some(Event::Disconnect(disconnect))
}

/// `rcpt=1/2`: accepted and given; one number if all were accepted.
fn count(disconnect: &mut Disconnect<'_>, counter: &[u8]) {
    let Some(equals) = find_octet(counter, b'=') else {
        return;
    };
    let slot = match &counter[..equals] {
        b"starttls" => &mut disconnect.starttls,
        b"mail" => &mut disconnect.mail,
        b"rcpt" => &mut disconnect.rcpt,
        b"data" => &mut disconnect.data,
        b"bdat" => &mut disconnect.bdat,
        b"auth" => &mut disconnect.auth,
        b"commands" => &mut disconnect.commands,
        _ => return,
    };
    let (accepted, rest) = digits(&counter[equals + 1..]);
    let given = rest
        .strip_prefix(b"/")
        .map_or(accepted, |total| digits(total).0);
    *slot = (accepted, given);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::Peer;

    const OUT: Peer<'static> = Peer {
        name: b"out.example.net",
        address: b"192.0.2.40",
        port: None,
    };

    fn p(text: &'static str) -> Line<'static> {
        parse(text.as_bytes())
    }

    #[test]
    fn ok_session() {
        let port = Some(51234);
        assert_eq!(
            p("connect from out.example.net[192.0.2.40]:51234"),
            Line::Event(Event::Connect {
                peer: Peer { port, ..OUT }
            })
        );
        let lost = |after| Line::Event(Event::Lost { peer: OUT, after });
        assert_eq!(
            p("lost connection after STARTTLS from out.example.net[192.0.2.40]"),
            lost(b"STARTTLS")
        );
        assert_eq!(
            p("NOQUEUE: lost connection after STARTTLS from out.example.net[192.0.2.40]"),
            lost(b"STARTTLS")
        );
        assert_eq!(
            p(
                "4B4F9A4E004: lost connection after DATA (14 bytes) from out.example.net[192.0.2.40]"
            ),
            lost(b"DATA (14 bytes)")
        );
        assert_eq!(
            p("timeout after CONNECT from out.example.net[192.0.2.40]"),
            lost(b"CONNECT")
        );
    }

    #[test]
    fn ok_disconnect() {
        let Line::Event(Event::Disconnect(d)) = p(
            "disconnect from out.example.net[192.0.2.40]:51234 ehlo=2 starttls=1/2 mail=1 rcpt=0/3 data=1 bdat=2 auth=0/1 quit=1 commands=7/8 notes=bare_lf",
        ) else {
            panic!("not a disconnect")
        };
        assert!(d.counted);
        assert_eq!(
            (
                d.starttls, d.mail, d.rcpt, d.data, d.bdat, d.auth, d.commands
            ),
            ((1, 2), (1, 1), (0, 3), (1, 1), (2, 2), (0, 1), (7, 8))
        );
        let plain = Disconnect {
            peer: OUT,
            ..Disconnect::default()
        };
        assert_eq!(
            p("disconnect from out.example.net[192.0.2.40]"),
            Line::Event(Event::Disconnect(plain))
        );
    }

    #[test]
    fn ok_transaction() {
        let t = |queue_id, authenticated, reinjected| {
            Line::Event(Event::Transaction(Transaction {
                queue_id,
                peer: OUT,
                authenticated,
                reinjected,
            }))
        };
        assert_eq!(
            p("EB580A4E0A0: client=out.example.net[192.0.2.40]"),
            t(b"EB580A4E0A0", false, false)
        );
        assert_eq!(
            p("3A452D963D: client=out.example.net[192.0.2.40],sasl_method=PLAIN,sasl_username=a"),
            t(b"3A452D963D", true, false)
        );
        assert_eq!(
            p("NOQUEUE: client=out.example.net[192.0.2.40], sasl_method=PLAIN, sasl_username=a@b"),
            t(b"NOQUEUE", true, false)
        );
        assert_eq!(
            p(
                "5B029A4E0A4: client=out.example.net[192.0.2.40], orig_queue_id=EB58, orig_client=x[192.0.2.4]"
            ),
            t(b"5B029A4E0A4", false, true)
        );
    }

    #[test]
    fn ok_rejected() {
        let r = |reason| Line::Event(Event::Rejected { peer: OUT, reason });
        assert_eq!(
            p(
                "NOQUEUE: abort: TLS from out.example.net[192.0.2.40]: No client certificate presented"
            ),
            r(Reason::ClientCertRejected)
        );
        assert_eq!(
            p(
                "NOQUEUE: reject: RCPT from out.example.net[192.0.2.40]: 450 4.7.1 Session encryption is required; from=<a@b> to=<c@d> proto=ESMTP helo=<x>"
            ),
            r(Reason::PlainRejected)
        );
        assert_eq!(
            p(
                "warning: Refusing STARTTLS request from out.example.net[192.0.2.40] for service smtp"
            ),
            r(Reason::StarttlsRefusedByUs)
        );
        assert_eq!(
            p(
                "warning: New TLS session rate limit exceeded: 12 from out.example.net[192.0.2.40] for service smtp"
            ),
            r(Reason::StarttlsRefusedByUs)
        );
    }

    #[test]
    fn no_client_can_forge_a_rejection() {
        for text in [
            "NOQUEUE: reject: RCPT from x[192.0.2.4]: 554 5.7.1 <450 4.7.1 Session encryption is required>: Helo command rejected; helo=<x>",
            "NOQUEUE: reject: RCPT from x[192.0.2.4]: 554 5.7.1 <a@b>: Relay access denied; from=<Session encryption is required> to=<a@b>",
            "NOQUEUE: reject_warning: RCPT from x[192.0.2.4]: 450 4.7.1 Session encryption is required; from=<a@b>",
        ] {
            let forged = matches!(p(text), Line::Event(Event::Rejected { reason, .. }) if reason != Reason::Other);
            assert!(!forged, "{text}");
        }
    }

    #[test]
    fn ok_own_faults() {
        let fault = |cause| {
            Line::Event(Event::LocalFault {
                side: Some(Side::Server),
                cause,
            })
        };
        assert_eq!(
            p("warning: No server certs available. TLS won't be enabled"),
            fault(Cause::OwnCertificate)
        );
        assert_eq!(
            p(
                "warning: Wrapper-mode request dropped from a[b] for service smtps. TLS context initialization failed. For details see earlier warnings in your logs."
            ),
            fault(Cause::OwnEngine)
        );
    }

    #[test]
    fn the_rest_is_known_or_not() {
        assert_eq!(
            p("warning: hostname x does not resolve to address 192.0.2.1"),
            Line::Irrelevant
        );
        assert_eq!(
            p("warning: unknown[192.0.2.1]: SASL LOGIN authentication failed: x"),
            Line::Irrelevant
        );
        assert_eq!(p("> unknown[192.0.2.1]: 250-STARTTLS"), Line::Irrelevant);
        assert_eq!(p("A1B2C3D4: something new"), Line::Unrecognised);
        assert_eq!(p("something new"), Line::Unrecognised);
    }
}
