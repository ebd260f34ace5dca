//! `to=` lines: what became of one or more recipients (`logdelivery` in `deliver.c`).
//!
//! ```text
//! QID: to=<ann@example.net>, ctladdr=<me@example.com> (1000/1000), delay=00:00:02, xdelay=00:00:02, mailer=esmtp, pri=120345,
//!     relay=mx1.example.net. [192.0.2.25], dsn=2.0.0, stat=Sent (OK id=1tQ2aB-0001x2-3Y)
//! QID: to=<i@example.net>,<j@example.net>, [more], delay=00:00:02, ...         the rest of the recipients on a line of their own
//! QID: to=..., mailer=esmtp, tls_verify=OK, tls_version=TLSv1.3, cipher=..., pri=30345, relay=...        some builds
//! QID: to=..., relay=mx.example.org. [203.0.113.25], dsn=5.0.0, reply=530 5.7.0 Must issue a STARTTLS command first, stat=Service unavailable
//! QID: to=..., relay=mx.example.org., dsn=4.0.0, stat=Deferred                 no address: a remembered failure, nobody connected
//! QID: to=..., relay=local, dsn=2.0.0, stat=Sent
//! ```
//!
//! `reply=` (8.16) is the peer's, and what follows `Sent (` and often `Deferred: `. A reply of the peer begins with its code; what
//! begins otherwise is ours, and so is a text of our own rules that differs from `reply=`.
//!
//! Not read: the four short lines of systems with a `SYSLOG_BUFSIZE` below 256.

use crate::dsn::{Dsn, Status};
use crate::event::{Delivery, Event, Line, Recipients, Relay, Scope, StatedTls, Transport};
use crate::lex::{self, after, digits, field, find};
use crate::mta::sendmail::client::decision;
use crate::mta::sendmail::lex::{coded, find_unquoted, is_this_host, peer};
use crate::mta::sendmail::tls::verification;
use crate::reason::{Cause, Reason};
use crate::scan::find_octet;
use crate::tls::{Protocol, Verification};

/// Mailers that carry mail no further than this machine, or out of the realm of SMTP.
const LOCAL_MAILERS: &[&[u8]] = &[
    b"local",
    b"prog",
    b"*file*",
    b"*include*",
    b"procmail",
    b"usenet",
    b"uucp",
    b"error",
    b"discard",
];

/// Starts of `stat=` that are no outcome.
const NO_OUTCOME: &[&[u8]] = &[b"queued", b"quarantined", b"discarded"];

/// `tls_verify=` of sessions in clear: not offered or not tried, refused for now, switched off for a second try.
const PLAIN: &[&[u8]] = &[b"NONE", b"TEMP", b"CLEAR", b"PROTOCOL"];

/// What becomes of a connection, in our own words: the start of `stat=`, without `Deferred: `.
const CONNECTIONS: &[(&[u8], Reason)] = &[
    (b"Connection reset by ", Reason::LostConnection),
    (b"Connection refused by ", Reason::NoSession),
    (b"Connection timed out with ", Reason::NoSession),
    (b"Operation timed out with ", Reason::NoSession),
    (b"No route to host", Reason::NoSession),
    (b"Network is unreachable", Reason::NoSession),
    (b"Network is down", Reason::NoSession),
    (b"Host is down", Reason::NoSession),
    (b"Name server: ", Reason::NoSession),
    (b"Host unknown", Reason::NoSession),
    (b"host map: lookup ", Reason::NoSession),
];

/// Among these, the failed look-ups: no host, so none to be remembered either.
const LOOKUPS: &[&[u8]] = &[b"Name server: ", b"Host unknown", b"host map: lookup "];

/// The codes our rules give to their texts.
const OWN_CODES: &[u16] = &[403, 454, 503, 554];

/// The text behind `to=`. `None` if it is not whole.
pub(super) fn parse<'a>(queue_id: &'a [u8], text: &'a [u8]) -> Option<Line<'a>> {
    let end = find_unquoted(text, b", delay=")?;
    let fields = Fields::parse(&text[end + 2..])?;
    if NO_OUTCOME.iter().any(|n| fields.stat.starts_with(n)) {
        return Some(Line::Irrelevant);
    }
    let recipients = &text[..end];
    let recipients =
        find_unquoted(recipients, b", ctladdr=").map_or(recipients, |at| &recipients[..at]);
    Some(Line::Event(Event::Delivery(
        fields.delivery(queue_id, Recipients::list(recipients)),
    )))
}

/// What stands between the recipients and the end.
#[derive(Default)]
struct Fields<'a> {
    xdelay: Option<f32>,
    mailer: &'a [u8],
    verify: Option<&'a [u8]>,
    version: &'a [u8],
    cipher: &'a [u8],
    relay: &'a [u8],
    dsn: Option<Dsn>,
    reply: Option<&'a [u8]>,
    stat: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Fields come in a fixed order, and the two that hold a peer's words come last.
    fn parse(text: &'a [u8]) -> Option<Fields<'a>> {
        let (mut fields, mut rest) = (Fields::default(), text);
        loop {
            if let Some(stat) = rest.strip_prefix(b"stat=") {
                fields.stat = stat;
                return Some(fields);
            }
            if let Some(reply) = rest.strip_prefix(b"reply=") {
                let (reply, stat) = reply.split_at(find(reply, b", stat=")?);
                fields.reply = Some(reply.strip_suffix(b", STS=OK").unwrap_or(reply));
                fields.stat = stat.strip_prefix(b", stat=")?;
                return Some(fields);
            }
            rest = match field(rest) {
                Some(((key, value), rest)) => {
                    fields.set(key, value);
                    rest
                }
                None => after(b", ", rest)?,
            };
        }
    }

    fn set(&mut self, key: &[u8], value: &'a [u8]) {
        match key {
            b"xdelay" => self.xdelay = seconds(value),
            b"mailer" => self.mailer = value,
            b"tls_verify" => self.verify = Some(value),
            b"tls_version" => self.version = value,
            b"cipher" => self.cipher = value,
            b"relay" => self.relay = value,
            b"dsn" => self.dsn = Dsn::parse(value),
            _ => {}
        }
    }

    fn delivery(&self, queue_id: &'a [u8], recipients: Recipients<'a>) -> Delivery<'a> {
        let (relay, status) = (self.relay(), self.status());
        let echo = self.is_echo(&relay);
        let (reason, cause) = if echo {
            (Reason::SuspendedEcho, Cause::Unknown)
        } else {
            self.reason(status)
        };
        let answered = !echo && self.is_answered(status, &relay);
        Delivery {
            queue_id,
            recipients,
            relay,
            transport: if echo {
                Transport::Echo
            } else {
                Transport::Smtp
            },
            reused: false,
            seconds: self.xdelay,
            tls: self.tls(&relay, answered),
            dsn: self.dsn,
            status,
            reason,
            cause,
            answered,
            scope: Scope::Process,
            proves_logging: self.stat.starts_with(b"Deferred") && !is_submission(&relay),
        }
    }

    fn relay(&self) -> Relay<'a> {
        if LOCAL_MAILERS.contains(&self.mailer)
            || self.mailer.starts_with(b"cyrus")
            || self.relay == b"local"
        {
            return Relay::Local;
        }
        peer(self.relay).map_or(Relay::None, |(peer, _)| Relay::Peer(peer))
    }

    /// Never by the code alone: `dsn=5.7.1` stands beside `Deferred` too.
    fn status(&self) -> Status {
        match (self.stat, self.dsn) {
            (stat, _) if stat.starts_with(b"Sent") => Status::Sent,
            (stat, _) if stat.starts_with(b"Deferred") => Status::Deferred,
            (_, Some(Dsn(4, ..))) => Status::Deferred,
            _ => Status::Bounced,
        }
    }

    /// What stands behind `Deferred: `, or all of `stat=`; nothing for a bare `Deferred`.
    fn words(&self) -> &'a [u8] {
        match self.stat.strip_prefix(b"Deferred") {
            Some(rest) => rest.strip_prefix(b": ").unwrap_or(rest),
            None => self.stat,
        }
    }

    /// A named host without an address: its failure is remembered from an earlier message.
    fn is_echo(&self, relay: &Relay<'_>) -> bool {
        let named = matches!(relay, Relay::Peer(peer) if peer.address.is_empty());
        named
            && self.stat.starts_with(b"Deferred")
            && !LOOKUPS.iter().any(|l| self.words().starts_with(l))
    }

    /// The text of one of our rules, if the words are that.
    fn own_text(&self) -> Option<&'a [u8]> {
        let words = self.words();
        let (_, text) = coded(words).filter(|(code, _)| OWN_CODES.contains(code))?;
        let repeated = self.reply == Some(words);
        (!repeated && decision(text).is_some()).then_some(text)
    }

    fn reason(&self, status: Status) -> (Reason, Cause) {
        if status == Status::Sent {
            return (Reason::None, Cause::Unknown);
        }
        if let Some(decision) = self.own_text().and_then(decision) {
            return match decision.reason {
                // Nothing was offered, or the peer's last words were a refusal of STARTTLS: our text is the same.
                Reason::TlsRequiredNotOffered if self.is_refused() => {
                    (Reason::StarttlsRefused, Cause::Unknown)
                }
                reason => (reason, decision.cause),
            };
        }
        let words = self.words();
        let lost = words.is_empty();
        let known = CONNECTIONS
            .iter()
            .find(|(start, _)| words.starts_with(start));
        let reason = match (known, self.said()) {
            (Some((_, reason)), _) => *reason,
            (None, Some((421, _))) => Reason::LostConnection,
            (None, Some((code, text))) if self.demands_tls(code, text) => Reason::PeerRequiresTls,
            (None, None) if lost => Reason::LostConnection,
            _ => Reason::Other,
        };
        (reason, Cause::Unknown)
    }

    /// The peer's reply: as such since 8.16, before only behind `Deferred: `.
    fn said(&self) -> Option<(u16, &'a [u8])> {
        match self.reply {
            Some(reply) => coded(reply),
            None => coded(self.words()).filter(|_| self.own_text().is_none()),
        }
    }

    fn is_refused(&self) -> bool {
        self.said()
            .is_some_and(|(code, _)| (400..600).contains(&code))
    }

    /// 530 is the code of RFC 3207. Others are believed if they say what they want; 50x speaks of a command it does not know.
    fn demands_tls(&self, code: u16, text: &[u8]) -> bool {
        let named = has_word(text, b"STARTTLS") || has_word(text, b"TLS");
        let permanent = !matches!(self.dsn, Some(Dsn(class, ..)) if class != 5);
        let wanted = code == 530
            || [
                &b"must"[..],
                b"require",
                b"required",
                b"requires",
                b"need",
                b"mandatory",
            ]
            .iter()
            .any(|w| has_word(text, w));
        named && permanent && wanted && (510..600).contains(&code)
    }

    /// Whether the peer answered mail commands, rather than the greeting, EHLO or STARTTLS.
    fn is_answered(&self, status: Status, relay: &Relay<'_>) -> bool {
        let met = matches!(relay, Relay::Peer(peer) if !peer.address.is_empty());
        let said =
            met && self.own_text().is_none() && self.said().is_some_and(|(code, _)| code != 421);
        // What Sendmail writes of a greeting or an EHLO that was refused (`smtpinit`). A peer may say it of a recipient, too: then nothing is known.
        let greeting = self.dsn == Some(Dsn(5, 5, 0));
        status == Status::Sent || said && !greeting
    }

    /// What builds with `_FFR_LOG_MORE2` write. `NONE` is also written where no session came about.
    fn tls(&self, relay: &Relay<'_>, answered: bool) -> StatedTls<'a> {
        let (Some(verify), Relay::Peer(_)) = (self.verify, relay) else {
            return StatedTls::Elsewhere;
        };
        if PLAIN.contains(&verify) {
            return if answered {
                StatedTls::Plaintext { by_policy: false }
            } else {
                StatedTls::Elsewhere
            };
        }
        match verification(verify) {
            Verification::NotStated => StatedTls::Elsewhere,
            // set where STARTTLS failed, too
            _ if verify == b"DANE_TEMP" && self.version == b"NONE" => StatedTls::Elsewhere,
            verification => StatedTls::Encrypted {
                verification,
                protocol: Protocol::parse(self.version),
                cipher: if self.cipher == b"NONE" {
                    b""
                } else {
                    self.cipher
                },
                dane_downgraded: false,
            },
        }
    }
}

/// Whether the submission program of this machine may have written the line.
fn is_submission(relay: &Relay<'_>) -> bool {
    matches!(relay, Relay::Peer(peer) if is_this_host(peer))
}

/// `HH:MM:SS`, or `D+HH:MM:SS`.
fn seconds(value: &[u8]) -> Option<f32> {
    let (days, clock) = match find_octet(value, b'+') {
        Some(at) => (digits(&value[..at]).0, &value[at + 1..]),
        None => (0, value),
    };
    let two_digits_each = clock.try_into().ok().and_then(lex::clock);
    let [hours, minutes, seconds] = two_digits_each.or_else(|| numbers(clock))?;
    let minutes = (days as f32 * 24.0 + hours as f32) * 60.0 + minutes as f32;
    Some(minutes * 60.0 + seconds as f32)
}

/// Three numbers with colons between them.
fn numbers(text: &[u8]) -> Option<[u32; 3]> {
    let (first, rest) = digits(text);
    let (second, rest) = digits(rest.strip_prefix(b":")?);
    let (third, rest) = digits(rest.strip_prefix(b":")?);
    rest.is_empty().then_some([first, second, third])
}

/// Whether `word` stands in the text, in any case and not inside another word.
fn has_word(text: &[u8], word: &[u8]) -> bool {
    let mut words = text.split(|b| !b.is_ascii_alphanumeric());
    words.any(|w| w.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::Peer;

    /// A delivery with these fields from `relay=` on.
    fn tail(text: &str) -> String {
        format!(
            "<ann@example.net>, delay=00:00:02, xdelay=00:00:02, mailer=esmtp, pri=30345, {text}"
        )
    }

    fn delivery(text: &str) -> Delivery<'_> {
        match parse(b"Q", text.as_bytes()) {
            Some(Line::Event(Event::Delivery(d))) => d,
            other => panic!("not a delivery: {other:?}"),
        }
    }

    const MX: &str = "relay=mx.example.org. [203.0.113.25]";

    fn reason(text: &str) -> (Status, Reason, bool) {
        let text = tail(&format!("{MX}, {text}"));
        let d = delivery(&text);
        (d.status, d.reason, d.answered)
    }

    #[test]
    fn ok_sent() {
        let d = delivery(
            "<a@example.net>,<b@example.net>, [more], ctladdr=<me@example.com> (1000/1000), delay=1+02:03:04, xdelay=1+00:00:02, mailer=esmtp, pri=1, relay=example-com.mail.p...on1.example.net. [IPv6:2001:db8::25], dsn=2.0.0, reply=250 2.0.0 ok, STS=OK, stat=Sent (ok, relay=evil. [203.0.113.66], STARTTLS failed)",
        );
        let recipients: Vec<_> = d.recipients.iter().collect();
        assert_eq!(recipients, [&b"a@example.net"[..], b"b@example.net"]);
        let mx = Peer {
            name: b"example-com.mail.p...on1.example.net.",
            address: b"2001:db8::25",
            port: None,
        };
        assert_eq!(
            (d.relay, d.seconds, d.dsn),
            (Relay::Peer(mx), Some(86402.0), Some(Dsn(2, 0, 0)))
        );
        assert_eq!(
            (d.status, d.reason, d.answered, d.tls),
            (Status::Sent, Reason::None, true, StatedTls::Elsewhere)
        );
        assert_eq!((d.scope, d.proves_logging), (Scope::Process, false));
    }

    #[test]
    fn ok_reason_from_our_own_words() {
        use {Reason::*, Status::*};
        assert_eq!(
            reason("dsn=4.7.0, stat=Deferred: 454 4.7.0 TLS handshake failed."),
            (Deferred, HandshakeFailed, false)
        );
        assert_eq!(
            reason("dsn=4.0.0, stat=Deferred: 403 4.7.0 TLS handshake."),
            (Deferred, HandshakeFailed, false)
        );
        assert_eq!(
            reason("dsn=4.0.0, stat=Deferred: 454 4.7.0 DANE: missing STARTTLS."),
            (Deferred, TlsRequiredNotOffered, false)
        );
        assert_eq!(
            reason(
                "dsn=4.7.0, reply=454 4.7.0 TLS not available due to local problem, stat=Deferred: 454 4.7.0 encryption too weak 0 less than 112"
            ),
            (Deferred, StarttlsRefused, false)
        );
        assert_eq!(
            reason("dsn=4.4.2, stat=Deferred: Connection reset by mx.example.org."),
            (Deferred, LostConnection, false)
        );
        assert_eq!(
            reason("dsn=4.0.0, stat=Deferred: Connection timed out with mx.example.org."),
            (Deferred, NoSession, false)
        );
        assert_eq!(
            reason("dsn=4.0.0, stat=Deferred"),
            (Deferred, LostConnection, false)
        );
        assert_eq!(
            reason("dsn=5.1.2, stat=Host unknown (Name server: a.test: host not found)"),
            (Bounced, NoSession, false)
        );
    }

    #[test]
    fn ok_reason_from_the_peers_words() {
        use {Reason::*, Status::*};
        // the peer says what we would say
        assert_eq!(
            reason(
                "dsn=4.7.0, reply=454 4.7.0 TLS handshake failed., stat=Deferred: 454 4.7.0 TLS handshake failed."
            ),
            (Deferred, Other, true)
        );
        assert_eq!(
            reason("dsn=4.2.0, reply=450 4.2.0 Greylisted, stat=Deferred: 450 4.2.0 Greylisted"),
            (Deferred, Other, true)
        );
        assert_eq!(
            reason("dsn=4.2.0, stat=Deferred: 450 4.2.0 Greylisted"),
            (Deferred, Other, true)
        );
        assert_eq!(
            reason("dsn=4.0.0, reply=421 4.7.0 try later, stat=Deferred: 421 4.7.0 try later"),
            (Deferred, LostConnection, false)
        );
        assert_eq!(
            reason(
                "dsn=5.0.0, reply=530 5.7.0 Must issue a STARTTLS command first, stat=Service unavailable"
            ),
            (Bounced, PeerRequiresTls, true)
        );
        assert_eq!(
            reason("dsn=5.7.0, reply=554 5.7.0 TLS is required, stat=Service unavailable"),
            (Bounced, PeerRequiresTls, true)
        );
        assert_eq!(
            reason(
                "dsn=5.7.0, reply=500 5.5.1 Command unrecognized: \"STARTTLS\", stat=Service unavailable"
            ),
            (Bounced, Other, true)
        );
        assert_eq!(
            reason("dsn=5.7.1, reply=530 5.7.1 Authentication required, stat=Service unavailable"),
            (Bounced, Other, true)
        );
        assert_eq!(
            reason("dsn=5.1.1, reply=550 5.1.1 No such user, stat=User unknown"),
            (Bounced, Other, true)
        );
        assert_eq!(
            reason("dsn=5.5.0, reply=554 5.3.2 No service, stat=Service unavailable"),
            (Bounced, Other, false)
        );
        assert_eq!(reason("stat=User unknown"), (Bounced, Other, false));
        assert_eq!(
            reason("dsn=4.3.0, stat=Operating system error"),
            (Deferred, Other, false)
        );
    }

    #[test]
    fn a_host_without_address_was_not_connected_to() {
        let p = |text: &str| {
            let text = tail(text);
            let d = delivery(&text);
            (d.transport, d.reason, d.proves_logging)
        };
        assert_eq!(
            p("relay=mx.example.org., dsn=4.0.0, stat=Deferred"),
            (Transport::Echo, Reason::SuspendedEcho, true)
        );
        assert_eq!(
            p("relay=mx.example.org., dsn=4.0.0, stat=Deferred: Connection reset by mx."),
            (Transport::Echo, Reason::SuspendedEcho, true)
        );
        assert_eq!(
            p(
                "relay=example.org, dsn=4.0.0, stat=Deferred: Name server: example.org.: host name lookup failure"
            ),
            (Transport::Smtp, Reason::NoSession, true)
        );
        assert_eq!(
            p(
                "relay=[127.0.0.1] [127.0.0.1], dsn=4.0.0, stat=Deferred: Connection refused by [127.0.0.1]"
            ),
            (Transport::Smtp, Reason::NoSession, false)
        );
    }

    #[test]
    fn ok_relay() {
        let p = |text: &'static str| delivery(text).relay;
        assert_eq!(
            p("<me@x>, delay=00:00:00, mailer=local, pri=1, relay=local, dsn=2.0.0, stat=Sent"),
            Relay::Local
        );
        assert_eq!(
            p("/dev/null, delay=00:00:00, mailer=*file*, pri=1, dsn=2.0.0, stat=Sent"),
            Relay::Local
        );
        assert_eq!(
            p("\"| /bin/x a, delay=1\", delay=00:00:00, mailer=prog, pri=1, dsn=2.0.0, stat=Sent"),
            Relay::Local
        );
        assert_eq!(
            p("<me@x>, delay=00:00:00, mailer=esmtp, pri=1, dsn=5.0.0, stat=Mail Rejected"),
            Relay::None
        );
    }

    #[test]
    fn ok_stated_tls() {
        let p = |verify: &str, stat: &str| {
            let text = format!(
                "<a@b>, delay=00:00:02, xdelay=00:00:02, mailer=esmtp, tls_verify={verify}, pri=1, {MX}, dsn=2.0.0, stat={stat}"
            );
            match delivery(&text).tls {
                StatedTls::Encrypted {
                    verification,
                    protocol,
                    ..
                } => (verification.name(), protocol),
                StatedTls::Plaintext { .. } => ("plaintext", None),
                StatedTls::Elsewhere => ("elsewhere", None),
                _ => ("", None),
            }
        };
        assert_eq!(
            p(
                "OK, tls_version=TLSv1.3, cipher=TLS_AES_256_GCM_SHA",
                "Sent (ok)"
            ),
            ("trusted", Some(Protocol::Tls13))
        );
        assert_eq!(p("FAIL", "Sent (ok)"), ("untrusted", None));
        assert_eq!(
            p("NONE, tls_version=NONE, cipher=NONE", "Sent (ok)"),
            ("plaintext", None)
        );
        assert_eq!(
            p("NONE", "Deferred: Connection refused by mx."),
            ("elsewhere", None)
        );
        assert_eq!(
            p("SOFTWARE", "Deferred: 454 4.7.0 TLS handshake failed."),
            ("elsewhere", None)
        );
    }

    #[test]
    fn ok_no_outcome() {
        let queued = parse(
            b"Q",
            b"<l@example.net>, delay=00:00:00, mailer=esmtp, pri=30345, stat=queued",
        );
        assert_eq!(queued, Some(Line::Irrelevant));
    }

    #[test]
    fn err_delivery() {
        for bad in [
            "",
            "<a@b>",
            "<a@b>, delay=",
            "<a@b>, delay=00:00:01, mailer=esmtp",
            "<a@b>, delay=1, reply=250 ok",
        ] {
            assert_eq!(parse(b"Q", bad.as_bytes()), None, "{bad}");
        }
        for bad in ["", "1", "1:2", "1:2:3:4", "a:b:c"] {
            assert_eq!(seconds(bad.as_bytes()).filter(|s| *s > 0.0), None, "{bad}");
        }
    }
}
