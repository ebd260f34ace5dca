//! Takes the envelope off a line: when, which host, which program and process, and the text it wrote.
//!
//! | file | reads |
//! |---|---|
//! | `time` | every spelling of a time stamp |
//! | `syslog` | `host tag[pid]: text` and its variations (BSD, Solaris, FreeBSD, busybox, macOS, journalctl's text formats) |
//! | `rfc5424` | `host app procid msgid [structured data] text` |
//! | `wrapper` | lines inside lines: containers, supervisors, log collectors |
//! | `docker` | lines inside JSON, which need a buffer of their own |
//! | `journal` | entries of the systemd journal as JSON, the same |
//! | `template` | records as JSON objects, as templates of syslog daemons and log collectors write them |
//! | `json` | what the three need of JSON |
//!
//! Bytes in, slices of the same bytes out. No year is guessed, no zone assumed, and text that a program wrote is never searched for
//! something that looks like an envelope, unless the program around it is one that passes on what others say.
//!
//! # Not read
//!
//! Webmin's tab-separated export (newest line first), web user interfaces with US dates, months in other languages than English,
//! `key="value"` records of appliances, output of `grep -n`. They are [`Framed::Unframed`]: counted, never guessed at.

pub mod docker;
pub mod journal;
mod json;
mod rfc5424;
mod syslog;
pub mod template;
mod time;
mod wrapper;

use crate::record::{Framed, Record};
use crate::stamp::Stamp;

pub use wrapper::{CriPart, cri_parts};

/// How many envelopes may stand around a record.
const MAX_DEPTH: u8 = 3;

/// Frames one line, without its line feed.
///
/// A carriage return at its end and NUL bytes before it are dropped. Lines that are JSON objects have to be unwrapped first, with
/// [`docker::unwrap_json`], [`journal::parse_entry`] or [`template::parse_object`]; here they are [`Framed::Unframed`].
pub fn parse_line(line: &[u8]) -> Framed<'_> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if let Some(framed) = parse_common(line) {
        return framed;
    }
    let line = without_nuls(line);
    if is_noise(line) {
        return Framed::Noise;
    }
    parse_at_depth(line, 0).unwrap_or(Framed::Unframed)
}

/// The two forms nearly all lines have: a stamp with or without year, then `host tag[pid]: text`.
fn parse_common(line: &[u8]) -> Option<Framed<'_>> {
    let (stamp, rest) = match line.first()? {
        b'A'..=b'Z' => time::parse_bsd(line)?,
        b'0'..=b'9' => time::parse_iso(line)?,
        _ => return None,
    };
    let record = syslog::parse_plain(rest)?.record(stamp);
    (!wrapper::may_wrap(record.text)).then(|| finish(record))
}

/// The stamp of a line without the rest of it, as far as that is cheap: for those who count years before they read.
pub fn parse_stamp(line: &[u8]) -> Stamp {
    let line = without_nuls(line);
    if let Some((stamp, _)) = time::parse_bsd(line) {
        return stamp;
    }
    if line.first() == Some(&b'{') {
        return stamp_in_json(line);
    }
    match parse_line(line) {
        Framed::Record(record) => record.stamp,
        Framed::Repeated { stamp, .. } => stamp,
        Framed::Noise | Framed::Unframed => Stamp::Missing,
    }
}

/// The stamp of a line inside a JSON object.
fn stamp_in_json(line: &[u8]) -> Stamp {
    if journal::is_entry(line) {
        journal::parse_entry(line).map_or(Stamp::Missing, |entry| entry.stamp)
    } else {
        let stamp = docker::unwrap_json(line).map(|unwrapped| unwrapped.stamp);
        let stamp = stamp.or_else(|| template::parse_object(line).map(|object| object.stamp));
        stamp.unwrap_or(Stamp::Missing)
    }
}

/// Any known form, with `depth` envelopes already taken off.
fn parse_at_depth(line: &[u8], depth: u8) -> Option<Framed<'_>> {
    if depth > MAX_DEPTH {
        return None;
    }
    if let Some((outer, inner)) = wrapper::unwrap(line) {
        return parse_inner(inner, outer, depth + 1);
    }
    let line = syslog::strip_priority(line);
    if let Some(record) = rfc5424::parse(line) {
        return Some(finish(record));
    }
    let (stamp, rest) = time::parse_stamp(line)?;
    let record = match syslog::parse_rest(rest)? {
        syslog::Rest::Body(body) => body.record(stamp),
        syslog::Rest::Repeated { host, times } => {
            return Some(Framed::Repeated { stamp, host, times });
        }
        syslog::Rest::Noise => return Some(Framed::Noise),
    };
    Some(inner_of(&record, depth).unwrap_or_else(|| finish(record)))
}

/// What an envelope holds. Inside one, the stamp may be missing: `tag[pid]: text` is enough.
fn parse_inner(inner: &[u8], outer: Stamp, depth: u8) -> Option<Framed<'_>> {
    let inner = without_nuls(inner);
    if is_noise(inner) {
        return Some(Framed::Noise);
    }
    let framed = parse_at_depth(inner, depth)
        .or_else(|| Some(finish(syslog::parse_stampless(inner)?.record(outer))))?;
    Some(wrapper::with_outer_stamp(framed, outer))
}

/// The record that a container's log daemon passed on in the text of a record of its own.
fn inner_of<'a>(outer: &Record<'a>, depth: u8) -> Option<Framed<'a>> {
    let inner = match wrapper::unwrap(outer.text) {
        Some((_, inner)) => inner,
        None => outer.text,
    };
    let Some(Framed::Record(record)) = parse_at_depth(inner, depth + 1) else {
        return None;
    };
    let whole = record.pid.is_some() && record.stamp != Stamp::Missing;
    let known =
        wrapper::passes_on(outer) || (record.pid == outer.pid && record.program == outer.program);
    (whole && known).then(|| wrapper::with_outer_stamp(Framed::Record(record), outer.stamp))
}

/// A record that came without a line around it, perhaps with a container's line in its text.
fn frame_record(record: Record<'_>) -> Framed<'_> {
    inner_of(&record, 0).unwrap_or_else(|| finish(record))
}

/// What remains to be done when host, program and text are known: the marks that stand in the text.
fn finish(mut record: Record<'_>) -> Framed<'_> {
    record.text = syslog::strip_message_id(record.text);
    if syslog::is_noise(record.program, record.text) {
        return Framed::Noise;
    }
    if !syslog::may_be_repeated(record.text) {
        return Framed::Record(record);
    }
    if let Some(times) = syslog::repeat_count(record.text) {
        return Framed::Repeated {
            stamp: record.stamp,
            host: record.host,
            times,
        };
    }
    if let Some((times, text)) = syslog::repeated_text(record.text) {
        (record.times, record.text) = (times, text);
    }
    Framed::Record(record)
}

/// The line after a run of NUL bytes, which a crash or a truncated file leaves before a good line.
fn without_nuls(line: &[u8]) -> &[u8] {
    let start = line.iter().position(|&b| b != 0).unwrap_or(line.len());
    &line[start..]
}

/// Lines without a stamp that no program wrote.
const NOISE: &[&[u8]] = &[
    b"-- Journal begins at ",
    b"-- Logs begin at ",
    b"-- Boot ",
    b"-- Reboot --",
    b"-- cursor: ",
    b"-- No entries --",
    b"-- MARK --",
];

/// Whether the whole line says nothing.
fn is_noise(line: &[u8]) -> bool {
    line.trim_ascii().is_empty() || (line[0] == b'-' && NOISE.iter().any(|n| line.starts_with(n)))
}

#[cfg(test)]
mod tests;
