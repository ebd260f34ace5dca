//! Sendmail 8.12 to 8.18: which records are its own, and the file that reads each form.
//!
//! | file | lines |
//! |---|---|
//! | `tls` | `STARTTLS=client`, `STARTTLS=server`, `STARTTLS:` |
//! | `client` | rule sets on sessions we opened, offers of STARTTLS |
//! | `server` | `from=`, clients that connected, left or were turned away |
//! | `delivery` | `to=` |
//! | `id` | queue ids, and the time in them |
//! | `chatter` | starts of lines that tell nothing about TLS or a delivery |
//!
//! The tag is whatever `-L` says. Under a tag nobody knows only the forms that no other mail server writes are claimed.
//!
//! Lines of TLS name no message; a process carries any number of messages over one connection, and the failure of a handshake names
//! no host: all that is for the reader of the log, who sees the lines in their order.
//!
//! # Not read
//!
//! Parts of lines that Sendmail split (`QID[2]: ...`), except a handshake that is whole in the first part. The short lines of systems
//! with a `SYSLOG_BUFSIZE` below 256.

use crate::event::{Event, Line, Logging};
use crate::lex::{digits, find};
use crate::mta::Mta;
use crate::mta::sendmail::client::Ruling;
use crate::record::Record;

mod chatter;
mod client;
mod delivery;
mod id;
mod lex;
mod samples;
mod server;
#[cfg(test)]
mod tests;
mod tls;

pub use id::queue_id_time;

/// Sendmail.
pub const SENDMAIL: Mta = Mta {
    name: "sendmail",
    parse,
    samples: samples::SAMPLES,
};

/// Tags that packages give to Sendmail, the busiest first.
const TAGS: &[&[u8]] = &[
    b"sendmail",
    b"sm-mta",
    b"sm-mta-queue",
    b"sm-mta-runq",
    b"sm-que",
    b"sm-que-runq",
    b"sm-queue",
    b"sm-msp-queue",
    b"sm-msp",
    b"sm-msp-runq",
    b"sm-client",
];

/// Tags of the program that submits mail of this machine to the server. It has a configuration and a level of logging of its own.
const SUBMISSION_TAGS: &[&[u8]] = &[b"sm-msp-queue", b"sm-msp", b"sm-msp-runq", b"sm-client"];

fn claims(record: &Record<'_>) -> bool {
    TAGS.contains(&record.program)
        || (memchr::memchr(b'/', record.program).is_none() && is_ours(record.text))
}

/// Whether no other mail server writes this form.
fn is_ours(text: &[u8]) -> bool {
    let (queue_id, rest) = id::strip_queue_id(text);
    match rest.first() {
        Some(b'S') => rest.starts_with(b"STARTTLS=client") || rest.starts_with(b"STARTTLS=server"),
        Some(b'r') => rest.starts_with(b"ruleset=tls_"),
        Some(b't') if !queue_id.is_empty() => {
            rest.starts_with(b"to=") && find(rest, b", mailer=").is_some()
        }
        Some(b'f') if !queue_id.is_empty() => {
            rest.starts_with(b"from=")
                && find(rest, b", size=").is_some()
                && find(rest, b", class=").is_some()
        }
        _ => false,
    }
}

fn parse<'a>(record: &Record<'a>) -> Option<Line<'a>> {
    if !claims(record) {
        return None;
    }
    let line = parse_text(record.text);
    Some(if SUBMISSION_TAGS.contains(&record.program) {
        without_proof(line)
    } else {
        line
    })
}

/// What the submission program says proves nothing about the level of the server.
fn without_proof(line: Line<'_>) -> Line<'_> {
    match line {
        Line::Event(Event::Logging(_)) => Line::Irrelevant,
        Line::Event(Event::Delivery(mut delivery)) => {
            delivery.proves_logging = false;
            Line::Event(Event::Delivery(delivery))
        }
        other => other,
    }
}

/// One part of a line too long for syslog: all but the last end in ` ...`, all but the first begin with `... `.
fn parse_part(part: u32, text: &[u8]) -> Line<'_> {
    let first = text.strip_suffix(b" ...").unwrap_or(text);
    let first = first.strip_suffix(b",").unwrap_or(first);
    match first
        .strip_prefix(b"STARTTLS")
        .filter(|_| part == 1)
        .map(tls::parse)
    {
        Some(Line::Event(Event::Handshake(h))) if h.bits > 0 => Line::Event(Event::Handshake(h)),
        _ => Line::Irrelevant,
    }
}

const LOGGING: Line<'static> = Line::Event(Event::Logging(Logging::Sessions));

fn parse_text(text: &[u8]) -> Line<'_> {
    let (queue_id, rest) = id::strip_queue_id(text);
    if queue_id.is_empty()
        && let Some((part, text)) = id::strip_part(text)
    {
        return parse_part(part, text);
    }
    let line = match rest.first() {
        Some(b't') => parse_t(queue_id, rest),
        Some(b'f') => rest
            .strip_prefix(b"from=")
            .and_then(|rest| server::parse_from(queue_id, rest)),
        Some(b'S') => parse_capital(rest),
        Some(b'r') => rest
            .strip_prefix(b"ruleset=")
            .map(|rest| parse_ruling(queue_id, rest)),
        Some(b'c') => rest
            .strip_prefix(b"connect from ")
            .map(server::parse_connect),
        Some(b's') => rest.strip_prefix(b"starting daemon (").map(parse_version),
        // the end of a message at LogLevel 10
        Some(b'd') => rest.starts_with(b"done; delay=").then_some(LOGGING),
        _ => None,
    };
    line.or_else(|| server::parse_no_mail(rest))
        .unwrap_or_else(|| chatter::parse(rest))
}

fn parse_t<'a>(queue_id: &'a [u8], text: &'a [u8]) -> Option<Line<'a>> {
    if let Some(rest) = text.strip_prefix(b"to=") {
        return delivery::parse(queue_id, rest);
    }
    if let Some(rest) = text.strip_prefix(b"tls_clt_features=") {
        return Some(client::parse_features(rest));
    }
    text.starts_with(b"tls_srv_features=").then_some(LOGGING)
}

fn parse_capital(text: &[u8]) -> Option<Line<'_>> {
    if let Some(rest) = text.strip_prefix(b"STARTTLS") {
        return Some(tls::parse(rest));
    }
    server::parse_refused(text.strip_prefix(b"SMTP ")?)
}

/// The text behind `ruleset=`. Decisions on anything but TLS are known and of no interest.
fn parse_ruling<'a>(queue_id: &'a [u8], text: &'a [u8]) -> Line<'a> {
    let Some(ruling) = Ruling::parse(text) else {
        return Line::Irrelevant;
    };
    let inbound = || server::refusal(&ruling).unwrap_or(Line::Irrelevant);
    ruling.outbound(queue_id).map_or_else(inbound, Line::Event)
}

/// The text behind `starting daemon (`: `8.17.1.9): SMTP+queueing@00:10:00`.
fn parse_version(text: &[u8]) -> Line<'_> {
    let (major, rest) = digits(text);
    let (minor, rest) = digits(rest.strip_prefix(b".").unwrap_or(rest));
    let (patch, _) = digits(rest.strip_prefix(b".").unwrap_or(b""));
    match (
        u16::try_from(major),
        u16::try_from(minor),
        u16::try_from(patch),
    ) {
        (Ok(major), Ok(minor), Ok(patch)) if major > 0 => {
            Line::Event(Event::Logging(Logging::Version(major, minor, patch)))
        }
        _ => Line::Irrelevant,
    }
}
