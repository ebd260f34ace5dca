//! Lines of the queue manager and of error(8).
//!
//! ```text
//! 4jXlwW1Kvyz1c6S7: from=<sender@example.com>, size=354, nrcpt=1 (queue active)
//! 6A45DA4E06D: to=<i@example.org>, relay=none, delay=0.09, ..., status=deferred (delivery temporarily suspended: TEXT)
//! ```
//!
//! The second one repeats what an earlier attempt said: no session took place. Everything else here is about queues.

use crate::event::{Delivery, Event, Line, Transport};
use crate::lex::end_of_address;
use crate::mta::postfix::{queue_id, smtp, starts_with_any, trace};

/// What the queue manager says behind a queue id that tells nothing more.
const QUEUED_IRRELEVANT: &[&[u8]] = &[
    b"removed",
    b"from=<",
    b"skipped, still being delivered",
    b"sender non-delivery notification",
    b"conversion",
    b"requeued",
];

/// The same without a queue id. Its warnings are about queue files, transports and delivery agents.
const IRRELEVANT: &[&[u8]] = &[
    b"warning: ",
    b"fatal: ",
    b"error: ",
    b"panic: ",
    b"statistics: ",
];

/// A line of qmgr(8).
pub(super) fn parse(text: &[u8]) -> Line<'_> {
    if starts_with_any(text, IRRELEVANT) {
        return Line::Irrelevant;
    }
    match queue_id(text) {
        Some((id, rest)) => parse_queued(text, id, rest),
        None if trace::is_trace(text) => Line::Irrelevant,
        None => Line::Unrecognised,
    }
}

fn parse_queued<'a>(text: &'a [u8], id: &'a [u8], rest: &'a [u8]) -> Line<'a> {
    if let Some(sender) = rest.strip_prefix(b"from=<").and_then(sender) {
        return Line::Event(Event::Sender {
            queue_id: id,
            sender,
        });
    }
    if rest.starts_with(b"to=<") {
        return parse_echo(text);
    }
    if starts_with_any(rest, QUEUED_IRRELEVANT) || trace::is_trace(text) {
        return Line::Irrelevant;
    }
    Line::Unrecognised
}

/// The address of `from=<...>, size=`; other lines with `from=<` tell that a message was given up.
fn sender(text: &[u8]) -> Option<&[u8]> {
    end_of_address(text, &[b", size="]).map(|end| &text[..end])
}

/// A line of error(8): an echo of an earlier failure, or mail an administrator has refused.
pub(super) fn parse_echo(text: &[u8]) -> Line<'_> {
    match smtp::parse(text, false) {
        Line::Event(Event::Delivery(
            delivery @ Delivery {
                transport: Transport::Echo,
                ..
            },
        )) => Line::Event(Event::Delivery(delivery)),
        _ => Line::Irrelevant,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Relay;
    use crate::reason::Reason;

    #[test]
    fn ok_sender() {
        let p = |text: &'static str| match parse(text.as_bytes()) {
            Line::Event(Event::Sender { queue_id, sender }) => Some((queue_id, sender)),
            _ => None,
        };
        let id = &b"4jXlwW1Kvyz1c6S7"[..];
        assert_eq!(
            p("4jXlwW1Kvyz1c6S7: from=<a@example.com>, size=354, nrcpt=1 (queue active)"),
            Some((id, &b"a@example.com"[..]))
        );
        assert_eq!(
            p("4jXlwW1Kvyz1c6S7: from=<>, size=354, nrcpt=1 (queue active)"),
            Some((id, &b""[..]))
        );
        assert_eq!(
            p("4jXlwW1Kvyz1c6S7: from=<\"x>, size=1\"@b>, size=3"),
            Some((id, &b"\"x>, size=1\"@b"[..]))
        );
        assert_eq!(
            p("4jXlwW1Kvyz1c6S7: from=<a@example.com>, status=expired, returned to sender"),
            None
        );
    }

    #[test]
    fn an_echo_is_no_attempt() {
        let text = "6A45DA4E06D: to=<i@example.org>, relay=none, delay=0.09, delays=0.06/0.02/0/0, dsn=4.7.4, status=deferred (delivery temporarily suspended: connect to mx[192.0.2.1]:25: Connection refused)";
        let Line::Event(Event::Delivery(d)) = parse(text.as_bytes()) else {
            panic!("not a delivery")
        };
        assert_eq!(
            (d.transport, d.reason, d.relay),
            (Transport::Echo, Reason::SuspendedEcho, Relay::None)
        );
        assert_eq!(parse_echo(text.as_bytes()), parse(text.as_bytes()));
        assert_eq!(parse_echo(b"6A45DA4E06D: to=<i@example.org>, relay=none, delay=0, delays=0/0/0/0, dsn=5.0.0, status=bounced (no such domain)"), Line::Irrelevant);
    }

    #[test]
    fn the_rest_is_known_or_not() {
        assert_eq!(parse(b"6A45DA4E06D: removed"), Line::Irrelevant);
        assert_eq!(
            parse(b"warning: connect to transport private/x: No such file or directory"),
            Line::Irrelevant
        );
        assert_eq!(parse(b"6A45DA4E06D: something new"), Line::Unrecognised);
    }
}
