//! Lines of smtp(8) and lmtp(8): deliveries, and attempts that were not the last word.
//!
//! ```text
//! QID: to=<R>[, orig_to=<R0>], relay=HOST[ADDR]:PORT[, conn_use=N], delay=D, delays=a/b/c/d[, tls=F], dsn=X.Y.Z, status=S (TEXT)
//! QID: TEXT                                      the attempt at one host failed, and there is another one
//! connect to HOST[ADDR]:PORT: TEXT
//! Host offered STARTTLS: [HOST]                  smtp_tls_note_starttls_offer
//! discarding EHLO keywords: 8BITMIME STARTTLS
//! warning: MX name 'H' does not match STS MX pattern for 'D'
//! ```
//!
//! `delays=` and `dsn=` are there since 2.3, `tls=` since 3.11. A line cut off before `status=` is not recognised.

use crate::dsn::{Dsn, Status};
use crate::event::{
    AttemptFailed, Delivery, Event, Line, Offered, Recipients, Relay, Scope, StatedTls, Transport,
};
use crate::lex::{bracketed_peer, decimal, digits, end_of_address, field, find, peer, relay};
use crate::mta::postfix::{has_word, queue_id, starts_with_any, tls, trace, without_severity};
use crate::peer::Peer;
use crate::reason::{Cause, Reason};
use crate::tls::{Side, Verification};

/// What stands between the start of a text of [`TEXTS`] and its `then`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    /// Nothing.
    Nobody,
    /// The host that was tried.
    Host,
    /// `HOST:PORT`.
    HostPort,
    /// A domain, not a host.
    Domain,
}

/// One text of ours about a failed attempt.
struct Text {
    start: &'static [u8],
    names: Names,
    then: &'static [u8],
    reason: Reason,
    cause: Cause,
}

const fn text(start: &'static [u8], reason: Reason, cause: Cause) -> Text {
    Text {
        start,
        names: Names::Nobody,
        then: b"",
        reason,
        cause,
    }
}

const fn host(start: &'static [u8], then: &'static [u8], reason: Reason) -> Text {
    Text {
        start,
        names: Names::Host,
        then,
        reason,
        cause: Cause::Unknown,
    }
}

const fn domain(start: &'static [u8], then: &'static [u8]) -> Text {
    Text {
        start,
        names: Names::Domain,
        then,
        reason: Reason::NoSession,
        cause: Cause::Unknown,
    }
}

/// Our own words about failed attempts; the first that fits counts. What a peer wrote stands behind them and is not looked at.
const TEXTS: &[Text] = &[
    text(
        b"Cannot start TLS: handshake failure",
        Reason::HandshakeFailed,
        Cause::Unknown,
    ),
    host(b"host ", b" said: ", Reason::Other),
    host(
        b"lost connection with ",
        b" while receiving the STARTTLS response",
        Reason::StarttlsLostConnection,
    ),
    host(
        b"lost connection with ",
        b" while receiving the initial server greeting",
        Reason::LostBeforeTls,
    ),
    host(
        b"lost connection with ",
        b" while performing the ",
        Reason::LostBeforeTls,
    ),
    host(b"lost connection with ", b" while ", Reason::LostConnection),
    host(
        b"conversation with ",
        b" timed out while receiving the STARTTLS response",
        Reason::StarttlsLostConnection,
    ),
    host(
        b"conversation with ",
        b" timed out while receiving the initial server greeting",
        Reason::LostBeforeTls,
    ),
    host(
        b"conversation with ",
        b" timed out while performing the ",
        Reason::LostBeforeTls,
    ),
    host(
        b"conversation with ",
        b" timed out while ",
        Reason::LostConnection,
    ),
    host(
        b"TLS is required, but was not offered by host ",
        b"",
        Reason::TlsRequiredNotOffered,
    ),
    host(
        b"TLS is required, but host ",
        b" refused to start TLS: ",
        Reason::StarttlsRefused,
    ),
    text(
        b"TLS is required, but our TLS engine is unavailable",
        Reason::LocalConfigError,
        Cause::OwnEngine,
    ),
    text(
        b"TLS is required, but unavailable",
        Reason::LocalConfigError,
        Cause::OwnEngine,
    ),
    text(
        b"Server certificate not verified",
        Reason::CertVerifyFailed,
        Cause::Unknown,
    ),
    text(
        b"Server certificate not trusted",
        Reason::CertVerifyFailed,
        Cause::Unknown,
    ),
    text(
        b"Server certificate could not be verified",
        Reason::CertVerifyFailed,
        Cause::Unknown,
    ),
    text(
        b"client TLS configuration problem",
        Reason::LocalConfigError,
        Cause::OwnConfiguration,
    ),
    Text {
        start: b"TLSA lookup error for ",
        names: Names::HostPort,
        then: b"",
        reason: Reason::DaneTlsaLookupError,
        cause: Cause::Unknown,
    },
    text(
        b"non DNSSEC destination",
        Reason::DaneOnlyUnusable,
        Cause::Unknown,
    ),
    text(
        b"no TLSA records found",
        Reason::DaneOnlyUnusable,
        Cause::Unknown,
    ),
    text(
        b"TLSA records unusable",
        Reason::DaneOnlyUnusable,
        Cause::TlsaUnusable,
    ),
    host(b"host ", b" refused to talk to me: ", Reason::NoSession),
    host(b"connect to ", b":", Reason::NoSession),
    text(
        b"Host or domain name not found",
        Reason::NoSession,
        Cause::Unknown,
    ),
    text(b"Host not found", Reason::NoSession, Cause::Unknown),
    text(
        b"Host found but no data record",
        Reason::NoSession,
        Cause::Unknown,
    ),
    text(
        b"Name service error for ",
        Reason::NoSession,
        Cause::Unknown,
    ),
    text(
        b"Malformed or unexpected name server reply",
        Reason::NoSession,
        Cause::Unknown,
    ),
    text(
        b"unable to look up host ",
        Reason::NoSession,
        Cause::Unknown,
    ),
    text(
        b"unable to find primary relay for ",
        Reason::NoSession,
        Cause::Unknown,
    ),
    text(
        b"all network protocols are disabled",
        Reason::NoSession,
        Cause::Unknown,
    ),
    domain(b"mail for ", b" loops back to myself"),
    domain(b"Domain ", b" does not accept mail (nullMX)"),
    text(
        b"delivery temporarily suspended: ",
        Reason::SuspendedEcho,
        Cause::Unknown,
    ),
    text(
        b"server unavailable or unable to receive mail",
        Reason::LocalConfigError,
        Cause::OwnConfiguration,
    ),
    // an offer the sender's request can do without: nothing failed
    host(
        b"Sender requested REQUIRETLS, but REQUIRETLS support was not offered by host ",
        b"",
        Reason::None,
    ),
    host(
        b"Sender requested REQUIRETLS, but TLS service was not offered by host ",
        b"",
        Reason::RequiretlsViolation,
    ),
    host(
        b"Sender requested REQUIRETLS, but host ",
        b" refused to start TLS: ",
        Reason::RequiretlsViolation,
    ),
    text(
        b"Sender requested REQUIRETLS, but my configured ",
        Reason::RequiretlsViolation,
        Cause::OwnConfiguration,
    ),
    text(
        b"Sender requested REQUIRETLS, but ",
        Reason::RequiretlsViolation,
        Cause::Unknown,
    ),
    host(
        b"SMTPUTF8 is required, but was not offered by host ",
        b"",
        Reason::Other,
    ),
    text(
        b"SASL authentication failed; ",
        Reason::Other,
        Cause::Unknown,
    ),
    text(b"Authentication failed: ", Reason::Other, Cause::Unknown),
    text(b"message size ", Reason::Other, Cause::Unknown),
    text(b"protocol error", Reason::Other, Cause::Unknown),
    host(b"Protocol error: host ", b" said: ", Reason::Other),
    text(b"bad ", Reason::Other, Cause::Unknown),
];

/// What a text says.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Why<'a> {
    reason: Reason,
    cause: Cause,
    peer: Option<Peer<'a>>,
    answered: bool,
}

/// The first row of [`TEXTS`] that fits.
fn why(text: &[u8]) -> Option<Why<'_>> {
    let first = text.first();
    TEXTS
        .iter()
        .filter(|t| t.start.first() == first)
        .find_map(|row| row.fit(text))
}

impl Text {
    fn fit<'a>(&self, text: &'a [u8]) -> Option<Why<'a>> {
        let rest = text.strip_prefix(self.start)?;
        let (rest, peer) = self.name(rest)?;
        let rest = rest.strip_prefix(self.then)?;
        let answered = self.then == b" said: ";
        let reason = if answered && demands_tls(rest) {
            Reason::PeerRequiresTls
        } else {
            self.reason
        };
        Some(Why {
            reason,
            cause: self.cause,
            peer,
            answered,
        })
    }

    fn name<'a>(&self, rest: &'a [u8]) -> Option<(&'a [u8], Option<Peer<'a>>)> {
        match self.names {
            Names::Nobody => Some((rest, None)),
            Names::Host => peer(rest).ok().map(|(rest, peer)| (rest, Some(peer))),
            Names::HostPort => {
                let (rest, peer) = peer(rest).ok()?;
                let port = rest.strip_prefix(b":").map(|r| digits(r).0);
                let port = port.and_then(|p| u16::try_from(p).ok()).or(peer.port);
                Some((b"", Some(Peer { port, ..peer })))
            }
            Names::Domain => peer(rest).ok().map(|(rest, _)| (rest, None)),
        }
    }
}

/// Whether the peer answered MAIL with the refusal of RFC 3207. The reply is the peer's, so only its code and this one claim of
/// it are believed. `530 5.7.0 Authentication required` is another demand.
fn demands_tls(reply: &[u8]) -> bool {
    let Some(reply) = reply.strip_suffix(b" (in reply to MAIL FROM command)") else {
        return false;
    };
    let named = contains_folded(reply, b"starttls");
    let coded = find(reply, b"5.7.0").is_some() && !contains_folded(reply, b"authent");
    reply.starts_with(b"530") && (named || coded)
}

fn contains_folded(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len())
        .any(|w| w.eq_ignore_ascii_case(word))
}

/// What may stand behind a queue id and tells nothing about TLS or a host.
const QUEUED_IRRELEVANT: &[&[u8]] = &[
    b"enabling PIX workarounds: ",
    b"lowering ",
    b"sender non-delivery notification",
    b"passing ",
    b"replace: header ",
    b"replace: body ",
    b"breaking line > ",
    b"Host offered ",
    b"conversion of ",
];

/// Lines without a queue id that tell nothing more. A warning about a policy lookup is followed by the delivery line that counts.
const IRRELEVANT: &[&[u8]] = &[
    b"warning: TLS policy lookup ",
    b"warning: _",
    b"warning: DANE TLSA lookup problem: ",
    b"warning: DNSSEC status lookup error for ",
    b"warning: DNSSEC validation may be unavailable",
    b"warning: reason: ",
    b"warning: opportunistic TLS encryption is not appropriate",
    b"warning: host ",
    b"warning: hostname ",
    b"warning: numeric ",
    b"warning: no MX host for ",
    b"warning: mailer loop",
    b"warning: valid_hostname",
    b"warning: malformed ",
    b"warning: smtp_tls_policy_maps, ",
    b"warning: TLS policy table, ",
    b"warning: smtp_helo: TLS is required but unavailable",
    b"warning: smtp_connect_",
    b"warning: SASL ",
    b"warning: relayhost configuration problem",
    b"warning: unable to look up ",
    b"warning: Unable to look up ",
    b"warning: database ",
    b"warning: dict_",
    b"warning: close ",
    b"warning: dns_",
    b"warning: DNS ",
    b"warning: dane ",
    b"warning: private/",
    b"warning: connect to private/",
    b"warning: connect to /",
    b"warning: problem talking to ",
    b"warning: premature end-of-input",
    b"warning: timeout on ",
    b"warning: network_biopair_interop",
    b"warning: unexpected protocol ",
    b"warning: inet_protocols",
    b"warning: process ",
    b"warning: psc_",
    b"warning: tls_",
    b"warning: Postfix ",
    b"warning: run-time library ",
    b"warning: symlink ",
    b"warning: unreasonable ",
    b"warning: no entropy ",
    b"warning: cannot ",
    b"warning: bad ",
    b"warning: mail_queue_enter",
    b"warning: DANE",
    b"warning: STS",
    b"fatal: ",
    b"panic: ",
    b"error: ",
    b"SMTPS wrappermode (TCP port 465) requires setting ",
    b"using backwards-compatible default setting ",
    b"statistics: ",
    b"mapping DSN status ",
    b"CommonName ",
    b"Peer certificate ",
    b"Peer verification: ",
    b"Server certificate could not be ",
];

/// A line of smtp(8), or lmtp(8).
pub(super) fn parse(text: &[u8], lmtp: bool) -> Line<'_> {
    let line = match queue_id(text) {
        Some((id, rest)) if !is_word(id) => parse_queued(id, rest, lmtp),
        _ => parse_unqueued(text),
    };
    // dear, and rare: the tables of known chatter are only asked about what nothing else knows
    match line {
        Line::Unrecognised if starts_with_any(text, IRRELEVANT) || trace::is_trace(text) => {
            Line::Irrelevant
        }
        line => line,
    }
}

/// Words that begin lines and look like queue ids.
fn is_word(id: &[u8]) -> bool {
    matches!(
        id,
        b"warning" | b"error" | b"fatal" | b"panic" | b"TLSRPT" | b"Verified" | b"Unverified"
    )
}

fn parse_queued<'a>(id: &'a [u8], rest: &'a [u8], lmtp: bool) -> Line<'a> {
    if let Some(rest) = rest.strip_prefix(b"to=<") {
        let delivery = parse_delivery(id, rest, lmtp).map(Event::Delivery);
        return delivery.map_or(Line::Unrecognised, Line::Event);
    }
    match why(rest) {
        Some(Why {
            reason: Reason::None,
            ..
        }) => Line::Irrelevant,
        Some(why) => Line::Event(attempt_failed(id, why)),
        None if starts_with_any(rest, QUEUED_IRRELEVANT) => Line::Irrelevant,
        None => Line::Unrecognised,
    }
}

fn attempt_failed<'a>(queue_id: &'a [u8], why: Why<'a>) -> Event<'a> {
    let Why {
        reason,
        cause,
        peer,
        ..
    } = why;
    Event::AttemptFailed(AttemptFailed {
        queue_id,
        peer,
        reason,
        cause,
        repeated_by_delivery: false,
    })
}

fn parse_unqueued(text: &[u8]) -> Line<'_> {
    if let Some(line) = tls::parse_common(text, Side::Client) {
        return line;
    }
    if let Some(rest) = text.strip_prefix(b"connect to ")
        && bracketed_peer(rest).is_ok_and(|(rest, _)| rest.starts_with(b": "))
    {
        return why(text).map_or(Line::Unrecognised, |why| {
            Line::Event(attempt_failed(b"", why))
        });
    }
    if let Some(rest) = text.strip_prefix(b"discarding EHLO keywords: ") {
        let ours = Line::Event(Event::PlainByPolicy {
            peer: Peer::default(),
        });
        return if has_word(rest, b"STARTTLS") {
            ours
        } else {
            Line::Irrelevant
        };
    }
    let event = parse_offered(text).or_else(|| parse_sts(text));
    event.map_or(Line::Unrecognised, Line::Event)
}

/// `Host offered STARTTLS: [HOST]`. Postfix notes it only while it stays in clear.
fn parse_offered(text: &[u8]) -> Option<Event<'_>> {
    let name = text
        .strip_prefix(b"Host offered STARTTLS: [")?
        .strip_suffix(b"]")?;
    Some(Event::Offered(Offered {
        peer: Peer::named(name),
        taken: false,
        always_written: false,
    }))
}

/// `warning: MX name 'H' does not match STS MX pattern for 'D'`.
fn parse_sts(text: &[u8]) -> Option<Event<'_>> {
    let (_, text) = without_severity(text);
    let rest = text.strip_prefix(b"MX name '")?;
    let at = find(rest, b"' does not match STS MX pattern for '")?;
    let peer = Some(Peer::named(&rest[..at]));
    let why = Why {
        reason: Reason::StsMxMismatch,
        cause: Cause::Unknown,
        peer,
        answered: false,
    };
    Some(attempt_failed(b"", why))
}

/// The words behind `status=`. Not `expired`, which only qmgr(8) writes.
const STATUSES: &[(&[u8], Status)] = &[
    (b"sent", Status::Sent),
    (b"deferred", Status::Deferred),
    (b"bounced", Status::Bounced),
    (b"SOFTBOUNCE", Status::Deferred),
    (b"deliverable", Status::Probed),
    (b"undeliverable", Status::Probed),
    (b"undeliverable-but-not-cached", Status::Probed),
];

/// What stands between the recipients and `status=`.
struct Fields<'a> {
    relay: Relay<'a>,
    reused: bool,
    seconds: Option<f32>,
    tls: StatedTls<'a>,
    dsn: Option<Dsn>,
}

/// A delivery line from behind `to=<`.
fn parse_delivery<'a>(queue_id: &'a [u8], text: &'a [u8], lmtp: bool) -> Option<Delivery<'a>> {
    let (recipient, rest) = split_recipient(text)?;
    let (fields, rest) = parse_fields(rest)?;
    let (word, text) = split_status(rest);
    let (_, status) = STATUSES.iter().find(|(name, _)| *name == word)?;
    let accepted = matches!(word, b"sent" | b"deliverable");
    let why = if accepted {
        ACCEPTED
    } else {
        why(text).unwrap_or(OTHER)
    };
    let echo = why.reason == Reason::SuspendedEcho;
    Some(Delivery {
        queue_id,
        recipients: Recipients::one(recipient),
        relay: match (fields.relay, why.peer) {
            // no connection came about, but our own words name the host that was tried
            (Relay::None, Some(peer)) => Relay::Peer(peer),
            (relay, _) => relay,
        },
        transport: match (echo, lmtp) {
            (true, _) => Transport::Echo,
            (_, true) => Transport::Lmtp,
            _ => Transport::Smtp,
        },
        reused: fields.reused,
        seconds: fields.seconds,
        tls: fields.tls,
        dsn: fields.dsn,
        status: *status,
        reason: why.reason,
        cause: why.cause,
        answered: why.answered,
        scope: Scope::Message,
        proves_logging: false,
    })
}

/// The text of an accepted recipient is the peer's alone.
const ACCEPTED: Why<'static> = Why {
    reason: Reason::None,
    cause: Cause::Unknown,
    peer: None,
    answered: true,
};

/// A text with no bearing on TLS.
const OTHER: Why<'static> = Why {
    reason: Reason::Other,
    cause: Cause::Unknown,
    peer: None,
    answered: false,
};

/// The recipient, and what follows it and the address it was written to at first.
fn split_recipient(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = end_of_address(text, &[b", relay=", b", orig_to=<"])?;
    let (recipient, rest) = (&text[..end], &text[end + 3..]);
    let Some(original) = rest.strip_prefix(b"orig_to=<") else {
        return Some((recipient, rest));
    };
    let end = end_of_address(original, &[b", relay="])?;
    Some((recipient, &original[end + 3..]))
}

/// The fields up to `status=`, in any order, and what follows it.
fn parse_fields(mut rest: &[u8]) -> Option<(Fields<'_>, &[u8])> {
    let mut fields = Fields {
        relay: Relay::None,
        reused: false,
        seconds: None,
        tls: StatedTls::Elsewhere,
        dsn: None,
    };
    loop {
        if let Some(status) = rest.strip_prefix(b"status=") {
            return Some((fields, status));
        }
        let ((key, value), tail) = field(rest)?;
        match key {
            b"relay" => fields.relay = relay(value),
            b"conn_use" => fields.reused = digits(value).0 >= 2,
            b"delays" => fields.seconds = parse_seconds(value),
            b"tls" => fields.tls = parse_tls(value),
            b"dsn" => fields.dsn = Dsn::parse(value),
            _ => {}
        }
        rest = tail;
    }
}

/// The last two of `delays=a/b/c/d`: setting up the connection, and sending.
fn parse_seconds(value: &[u8]) -> Option<f32> {
    let mut parts = value.rsplit(|b| *b == b'/');
    let send = decimal(parts.next()?)?;
    Some(decimal(parts.next()?)? + send)
}

/// `sent (250 ok)`: the word, and the text without its parentheses, the last of which may have been cut off.
fn split_status(rest: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr(b' ', rest).unwrap_or(rest.len());
    let (word, text) = rest.split_at(end);
    let text = text.strip_prefix(b" (").unwrap_or(b"");
    (word, text.strip_suffix(b")").unwrap_or(text))
}

/// Names in the first half of `tls=` that mean a session under TLS.
const LEVELS: &[&[u8]] = &[
    b"may",
    b"encrypt",
    b"fingerprint",
    b"halfdane",
    b"dane",
    b"dane-only",
    b"verify",
    b"secure",
];

/// `tls=F[/F]` with `F = [!]NAME[:FINAL][?]`. The second half is about REQUIRETLS and counts only where it was violated.
fn parse_tls(value: &[u8]) -> StatedTls<'_> {
    let mut halves = value.splitn(2, |b| *b == b'/');
    let level = halves.next().unwrap_or(b"");
    let violated = level.starts_with(b"!") || halves.next().is_some_and(|h| h.starts_with(b"!"));
    if violated {
        return StatedTls::Violated;
    }
    if level.ends_with(b"?") {
        return StatedTls::Undecided;
    }
    let mut names = level.splitn(2, |b| *b == b':');
    let (name, result) = (names.next().unwrap_or(b""), names.next().unwrap_or(b""));
    match (name, result) {
        (b"none", _) => StatedTls::Plaintext { by_policy: true },
        (_, b"none" | b"nostarttls" | b"noencryption") => StatedTls::Plaintext { by_policy: false },
        _ if LEVELS.contains(&name) => StatedTls::Encrypted {
            verification: Verification::NotStated,
            protocol: None,
            cipher: b"",
            dane_downgraded: name.starts_with(b"dane") && matches!(result, b"encrypt" | b"may"),
        },
        _ => StatedTls::Elsewhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(text: &str) -> Option<Delivery<'_>> {
        match parse(text.as_bytes(), false) {
            Line::Event(Event::Delivery(d)) => Some(d),
            _ => None,
        }
    }

    const MX: Peer<'static> = Peer {
        name: b"mx.example.org",
        address: b"203.0.113.25",
        port: Some(25),
    };

    /// A deferred delivery with this text.
    fn deferred(text: &str) -> (Reason, Cause, bool) {
        let line = format!(
            "A1B2C3D4: to=<a@example.org>, relay=none, delay=1, delays=0/0/1/0, dsn=4.0.0, status=deferred ({text})"
        );
        let d = delivery(&line).expect("a delivery");
        (d.reason, d.cause, d.answered)
    }

    #[test]
    fn ok_delivery() {
        let d = delivery("4jXlwZ021Cz1c6SS: to=<\"b, relay=evil\"@example.net>, orig_to=<list@example.com>, relay=mx.example.org[203.0.113.25]:25, conn_use=2, delay=1.5, delays=0.1/0/0.75/0.5, tls=may, dsn=2.0.0, status=sent (250 2.0.0 Ok)").expect("a delivery");
        assert_eq!(d.queue_id, b"4jXlwZ021Cz1c6SS");
        assert_eq!(d.recipients.text, b"\"b, relay=evil\"@example.net");
        assert_eq!(
            (d.relay, d.transport, d.reused, d.seconds),
            (Relay::Peer(MX), Transport::Smtp, true, Some(1.25))
        );
        assert_eq!(
            (d.status, d.dsn, d.reason, d.answered),
            (Status::Sent, Some(Dsn(2, 0, 0)), Reason::None, true)
        );
        assert!(matches!(
            d.tls,
            StatedTls::Encrypted {
                dane_downgraded: false,
                ..
            }
        ));
    }

    #[test]
    fn ok_delivery_of_old_versions_and_cut_lines() {
        let d = delivery("A1B2C3D4: to=<a@example.org>, relay=mx.example.org[203.0.113.25], delay=1, status=sent (250 ok)").expect("a delivery");
        assert_eq!(
            (d.relay, d.dsn, d.seconds),
            (Relay::Peer(Peer { port: None, ..MX }), None, None)
        );
        let d = delivery("A1B2C3D4:   to=<>, relay=none, delay=1, status=bounced (Host not fou")
            .expect("a delivery");
        assert_eq!(
            (d.recipients.text, d.relay, d.reason),
            (&b""[..], Relay::None, Reason::Other)
        );
        for cut in [
            "A1B2C3D4: to=<a@b>, relay=mx[1]:25, delay=1, dsn=2.0.0, stat",
            "A1B2C3D4: to=<a@b>, relay=mx[1]:25, delay=1, dsn=2.0.0, status=se",
            "A1B2C3D4: to=<a@b",
        ] {
            assert_eq!(parse(cut.as_bytes(), false), Line::Unrecognised, "{cut}");
        }
    }

    #[test]
    fn no_peer_can_forge_a_field() {
        let d = delivery("A1B2C3D4: to=<a@b>, relay=mx.example.org[203.0.113.25]:25, delay=0.5, delays=0/0/0.3/0.1, dsn=2.0.0, status=sent (250 ok Verified TLS connection established to mx.example.org[203.0.113.25]:25: TLSv1.3, tls=secure, dsn=2.0.0, status=bounced (x))").expect("a delivery");
        assert_eq!(
            (d.tls, d.status, d.reason),
            (StatedTls::Elsewhere, Status::Sent, Reason::None)
        );
        let d = delivery("A1B2C3D4: to=<a@b>, relay=mx.example.org[203.0.113.25]:25, delay=0.5, dsn=5.0.0, status=bounced (host mx.example.org[203.0.113.25] said: 550 Cannot start TLS: handshake failure 530 5.7.0 STARTTLS (in reply to RCPT TO command))").expect("a delivery");
        assert_eq!((d.reason, d.answered), (Reason::Other, true));
    }

    #[test]
    fn ok_relay_of_a_failed_connection() {
        let d = delivery("A1B2C3D4: to=<a@b>, relay=none, delay=30, delays=0/0/30/0, dsn=4.4.1, status=deferred (connect to mx.example.org[203.0.113.25]:25: Connection timed out)").expect("a delivery");
        assert_eq!((d.relay, d.reason), (Relay::Peer(MX), Reason::NoSession));
        let d = delivery("A1B2C3D4: to=<a@b>, relay=none, delay=30, dsn=4.7.5, status=deferred (TLSA lookup error for mx.example.org:25)").expect("a delivery");
        assert_eq!(
            (d.relay, d.reason),
            (
                Relay::Peer(Peer { address: b"", ..MX }),
                Reason::DaneTlsaLookupError
            )
        );
    }

    #[test]
    fn ok_reasons() {
        let unknown = |reason| (reason, Cause::Unknown, false);
        for (text, reason) in [
            (
                "Cannot start TLS: handshake failure",
                Reason::HandshakeFailed,
            ),
            (
                "TLS is required, but was not offered by host mx[192.0.2.1]",
                Reason::TlsRequiredNotOffered,
            ),
            (
                "TLS is required, but host mx[192.0.2.1] refused to start TLS: 454 no",
                Reason::StarttlsRefused,
            ),
            ("Server certificate not verified", Reason::CertVerifyFailed),
            ("Server certificate not trusted", Reason::CertVerifyFailed),
            ("non DNSSEC destination", Reason::DaneOnlyUnusable),
            ("no TLSA records found", Reason::DaneOnlyUnusable),
            (
                "lost connection with mx[192.0.2.1] while receiving the STARTTLS response",
                Reason::StarttlsLostConnection,
            ),
            (
                "conversation with mx[192.0.2.1] timed out while receiving the STARTTLS response",
                Reason::StarttlsLostConnection,
            ),
            (
                "conversation with mx[192.0.2.1] timed out while receiving the initial server greeting",
                Reason::LostBeforeTls,
            ),
            (
                "lost connection with mx[192.0.2.1] while performing the EHLO handshake",
                Reason::LostBeforeTls,
            ),
            (
                "lost connection with mx[192.0.2.1] while sending MAIL FROM",
                Reason::LostConnection,
            ),
            (
                "host mx[192.0.2.1] refused to talk to me: 421 4.3.2 no",
                Reason::NoSession,
            ),
            (
                "Host or domain name not found. Name service error for name=x type=MX: Host not found",
                Reason::NoSession,
            ),
            (
                "unable to look up host x: Name or service not known",
                Reason::NoSession,
            ),
            (
                "mail for example.org loops back to myself",
                Reason::NoSession,
            ),
            (
                "Domain example.org does not accept mail (nullMX)",
                Reason::NoSession,
            ),
            (
                "delivery temporarily suspended: Cannot start TLS: handshake failure",
                Reason::SuspendedEcho,
            ),
            (
                "Sender requested REQUIRETLS, but TLS service was not offered by host mx[192.0.2.1]",
                Reason::RequiretlsViolation,
            ),
            (
                "Sender requested REQUIRETLS, but no server was found that supports REQUIRETLS. x",
                Reason::RequiretlsViolation,
            ),
            ("temporary lookup error", Reason::Other),
        ] {
            assert_eq!(deferred(text), unknown(reason), "{text}");
        }
        let own = |cause| (Reason::LocalConfigError, cause, false);
        assert_eq!(
            deferred("TLS is required, but our TLS engine is unavailable"),
            own(Cause::OwnEngine)
        );
        assert_eq!(
            deferred("client TLS configuration problem"),
            own(Cause::OwnConfiguration)
        );
        assert_eq!(
            deferred("server unavailable or unable to receive mail"),
            own(Cause::OwnConfiguration)
        );
    }

    #[test]
    fn ok_demands_of_the_peer() {
        let p = |reply: &str| deferred(&format!("host mx[192.0.2.1] said: {reply}")).0;
        assert_eq!(
            p("530 5.7.0 Must issue a STARTTLS command first (in reply to MAIL FROM command)"),
            Reason::PeerRequiresTls
        );
        assert_eq!(
            p("530-Please use STARTTLS 530 now (in reply to MAIL FROM command)"),
            Reason::PeerRequiresTls
        );
        assert_eq!(
            p("530 5.7.0 Encryption required (in reply to MAIL FROM command)"),
            Reason::PeerRequiresTls
        );
        assert_eq!(
            p("530 5.7.0 Authentication Required (in reply to MAIL FROM command)"),
            Reason::Other
        );
        assert_eq!(
            p("450 4.2.0 try STARTTLS (in reply to MAIL FROM command)"),
            Reason::Other
        );
        assert_eq!(
            p("530 5.7.0 Must issue a STARTTLS command first (in reply to RCPT TO command)"),
            Reason::Other
        );
    }

    #[test]
    fn ok_tls() {
        let p = |value: &'static str| match parse_tls(value.as_bytes()) {
            StatedTls::Encrypted {
                dane_downgraded: true,
                ..
            } => "downgraded",
            StatedTls::Encrypted { .. } => "encrypted",
            StatedTls::Plaintext { by_policy: true } => "policy",
            StatedTls::Plaintext { by_policy: false } => "plaintext",
            StatedTls::Violated => "violated",
            StatedTls::Undecided => "undecided",
            StatedTls::Elsewhere => "elsewhere",
        };
        for (value, expected) in [
            ("may", "encrypted"),
            ("dane-only", "encrypted"),
            ("halfdane", "encrypted"),
            ("dane:halfdane", "encrypted"),
            ("dane:encrypt", "downgraded"),
            ("may:none", "plaintext"),
            ("none", "policy"),
            ("may?", "undecided"),
            ("unknown?", "undecided"),
            ("!encrypt", "violated"),
            ("!dane-only", "violated"),
            ("dane/requiretls", "encrypted"),
            ("dane/requiretls?", "encrypted"),
            ("may/requiretls:none", "encrypted"),
            ("may:none/requiretls:none", "plaintext"),
            ("dane/!requiretls:nostarttls", "violated"),
            ("encrypt/(requiretls)", "encrypted"),
            ("", "elsewhere"),
            ("tomorrow", "elsewhere"),
        ] {
            assert_eq!(p(value), expected, "{value}");
        }
    }

    #[test]
    fn ok_attempts_and_notes() {
        let p = |text: &'static str| parse(text.as_bytes(), false);
        let failed = |queue_id, peer, reason| {
            Line::Event(Event::AttemptFailed(AttemptFailed {
                queue_id,
                peer,
                reason,
                cause: Cause::Unknown,
                repeated_by_delivery: false,
            }))
        };
        assert_eq!(
            p("A1B2C3D4: Cannot start TLS: handshake failure"),
            failed(b"A1B2C3D4", None, Reason::HandshakeFailed)
        );
        assert_eq!(
            p(
                "A1B2C3D4: lost connection with mx.example.org[203.0.113.25] while performing the EHLO handshake"
            ),
            failed(
                b"A1B2C3D4",
                Some(Peer { port: None, ..MX }),
                Reason::LostBeforeTls
            )
        );
        assert_eq!(
            p("connect to mx.example.org[203.0.113.25]:25: Network is unreachable"),
            failed(b"", Some(MX), Reason::NoSession)
        );
        assert_eq!(
            p("warning: MX name 'mx9.example.org' does not match STS MX pattern for 'example.org'"),
            failed(
                b"",
                Some(Peer::named(b"mx9.example.org")),
                Reason::StsMxMismatch
            )
        );
        assert_eq!(
            p("Host offered STARTTLS: [mx]"),
            Line::Event(Event::Offered(Offered {
                peer: Peer::named(b"mx"),
                taken: false,
                always_written: false
            }))
        );
        assert_eq!(
            p("discarding EHLO keywords: 8BITMIME STARTTLS"),
            Line::Event(Event::PlainByPolicy {
                peer: Peer::default()
            })
        );
        assert_eq!(p("discarding EHLO keywords: CHUNKING"), Line::Irrelevant);
        assert_eq!(
            p("A1B2C3D4: enabling PIX workarounds: disable_esmtp for mx[192.0.2.1]:25"),
            Line::Irrelevant
        );
        assert_eq!(
            p(
                "A1B2C3D4: Sender requested REQUIRETLS, but REQUIRETLS support was not offered by host mx[192.0.2.1]"
            ),
            Line::Irrelevant
        );
        assert_eq!(
            p("warning: TLS policy lookup for example.net/mx: TLSA lookup error for mx:25"),
            Line::Irrelevant
        );
        assert_eq!(p("A1B2C3D4: something new"), Line::Unrecognised);
    }
}
