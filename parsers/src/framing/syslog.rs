//! What stands between the stamp and the text: `host tag[pid]: text`, and what syslog daemons make of it.
//!
//! ```text
//!  mail postfix/smtp[123]: text                    RFC 3164
//!  postfix/smtp[123]: text                         the same without host
//!  <mail.info> mail postfix/smtp[123]: text        FreeBSD -v, -vv (`<2.6>`)
//!  mail mail.info postfix/smtp[123]: text          busybox; with -S without host
//!  mail postfix/smtp[123]: [ID 801593 mail.info] text       Solaris
//!  mail postfix/smtp[123] <Notice>: text           macOS
//!  0x1a2b Default 0x0 123 0 smtp: text             macOS `log show`
//!  INFO    postfix/smtp[123]: text                 container images: the level instead of the host
//!  [postfix/smtpd] text                            metalog: no process id
//!  mail postfix/submissions/smtpd[12345 text       tag cut at 32 bytes
//!  mail last message repeated 3 times              also `syslogd: last message repeated 3 times`
//!  mail dovecot[1]: message repeated 3 times: [ text]
//!  mail Message forwarded from other: postfix/smtp[123]: text
//! ```
//!
//! It does not join what was split and does not undo the escapes of a syslog daemon (`#012`): a literal `#` is not escaped, so that
//! nobody could tell.

use crate::record::Record;
use crate::scan::{find_last_octet, find_octet};
use crate::stamp::Stamp;

use super::time::count_digits;

/// Where `%syslogtag:1:32%` of rsyslog's forwarding template cuts.
const TAG_LIMIT: usize = 32;

/// Host, program, process id and text.
#[derive(Clone, Copy)]
pub(super) struct Body<'a> {
    host: &'a [u8],
    program: &'a [u8],
    pid: Option<u32>,
    text: &'a [u8],
}

impl<'a> Body<'a> {
    pub(super) fn record(self, stamp: Stamp) -> Record<'a> {
        let Body {
            host,
            program,
            pid,
            text,
        } = self;
        Record {
            stamp,
            host,
            program,
            pid,
            text,
            times: 1,
        }
    }
}

/// What can follow a stamp.
pub(super) enum Rest<'a> {
    Body(Body<'a>),
    Repeated { host: &'a [u8], times: u32 },
    Noise,
}

/// ` host tag[pid]: text` and nothing else; the caller has a slower way for the rest.
#[inline]
pub(super) fn parse_plain(rest: &[u8]) -> Option<Body<'_>> {
    let rest = rest.strip_prefix(b" ")?;
    let (host, rest) = rest.split_at(find_octet(rest, b' ')?);
    let strange = !host.first()?.is_ascii_alphanumeric()
        || host.ends_with(b":")
        || is_level(host)
        || is_priority(host)
        || is_stream(host);
    if strange {
        return None;
    }
    let rest = &rest[1..];
    if rest.first()?.is_ascii_whitespace() {
        return None;
    }
    let (word, text) = split_word(rest);
    let (program, pid) = parse_tag(word.strip_suffix(b":")?)?;
    Some(Body {
        host,
        program,
        pid,
        text,
    })
}

/// What a container runtime writes where others write the host.
fn is_stream(word: &[u8]) -> bool {
    word == b"stdout" || word == b"stderr"
}

/// Everything that may follow a stamp; `rest` begins with the blank after it.
pub(super) fn parse_rest(rest: &[u8]) -> Option<Rest<'_>> {
    let rest = rest.strip_prefix(b" ")?;
    if let Some(body) = parse_macos_show(rest) {
        return Some(Rest::Body(body));
    }
    let rest = strip_angle_priority(rest);
    let (host, rest) = split_host(rest);
    let (host, rest) = forwarded(host, rest);
    let (word, after) = split_word(rest);
    let rest = if is_priority(word) {
        after.trim_ascii_start()
    } else {
        rest
    };
    if let Some(times) = repeat_count(rest) {
        return Some(Rest::Repeated { host, times });
    }
    if rest.starts_with(b"-- MARK --") || is_restart(host, rest) {
        return Some(Rest::Noise);
    }
    let body = parse_tagged(rest)?;
    Some(Rest::Body(Body { host, ..body }))
}

/// `tag[pid]: text` inside an envelope that has a stamp of its own; a tag without process id is not enough there.
pub(super) fn parse_stampless(text: &[u8]) -> Option<Body<'_>> {
    let (_, rest) = Some(split_word(text))
        .filter(|(word, _)| is_level(word))
        .unwrap_or((b"", text));
    parse_tagged(rest.trim_ascii_start()).filter(|body| body.pid.is_some())
}

/// The host, which is empty if a level, a priority, a tag or another blank stands in its place.
fn split_host(rest: &[u8]) -> (&[u8], &[u8]) {
    let (word, after) = split_word(rest);
    if word.is_empty() || is_level(word) {
        return (b"", after.trim_ascii_start());
    }
    let no_host = is_priority(word)
        || word.starts_with(b"[")
        || word.ends_with(b":")
        || repeat_count(rest).is_some();
    if no_host {
        (b"", rest)
    } else {
        (word, after.trim_ascii_start())
    }
}

/// `Message forwarded from other: ` (AIX, FreeBSD): the other host is the one that wrote the line.
fn forwarded<'a>(host: &'a [u8], rest: &'a [u8]) -> (&'a [u8], &'a [u8]) {
    let from = rest
        .strip_prefix(b"Message forwarded from ")
        .or_else(|| rest.strip_prefix(b"Forwarded from "));
    from.and_then(|from| {
        let (other, rest) = split_word(from);
        Some((other.strip_suffix(b":")?, rest))
    })
    .unwrap_or((host, rest))
}

/// `tag[pid]: text` in all its spellings, without host.
fn parse_tagged(rest: &[u8]) -> Option<Body<'_>> {
    let (word, text) = split_word(rest);
    let host: &[u8] = b"";
    if let Some(program) = word.strip_prefix(b"[").and_then(|w| w.strip_suffix(b"]")) {
        return is_plain_tag(program).then_some(Body {
            host,
            program,
            pid: None,
            text,
        });
    }
    if let Some(tag) = word.strip_suffix(b":") {
        let (program, pid) = parse_tag(tag)?;
        return Some(Body {
            host,
            program,
            pid,
            text,
        });
    }
    if let Some(text) = strip_macos_level(text).filter(|_| word.ends_with(b"]")) {
        let (program, pid) = parse_tag(word)?;
        return Some(Body {
            host,
            program,
            pid,
            text,
        });
    }
    let (program, pid) = parse_cut_tag(word)?;
    Some(Body {
        host,
        program,
        pid,
        text,
    })
}

/// `postfix/smtp[123]` or `postfix/smtp`; the name may hold colons (`postfix/127.0.0.1:10025/smtpd`).
#[inline]
pub(super) fn parse_tag(tag: &[u8]) -> Option<(&[u8], Option<u32>)> {
    let Some(open) = tag.strip_suffix(b"]") else {
        return is_plain_tag(tag).then_some((tag, None));
    };
    let at = find_last_octet(open, b'[')?;
    let pid = parse_number(&open[at + 1..])?;
    (at > 0).then_some((&open[..at], Some(pid)))
}

/// A tag of exactly 32 bytes whose end was cut off. A process id that may lack digits is not one.
fn parse_cut_tag(word: &[u8]) -> Option<(&[u8], Option<u32>)> {
    if word.len() != TAG_LIMIT {
        return None;
    }
    if word.ends_with(b"]") {
        return parse_tag(word);
    }
    let at = memchr::memchr(b'[', word)?;
    let digits = &word[at + 1..];
    (at > 0 && count_digits(digits) == digits.len()).then_some((&word[..at], None))
}

/// Whether a word without process id can be the name of a program.
fn is_plain_tag(tag: &[u8]) -> bool {
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"/._-@:+()".contains(b);
    !tag.is_empty() && tag.iter().all(allowed) && tag.iter().any(u8::is_ascii_alphabetic)
}

/// The word up to the next blank, and what follows the blank.
#[inline]
pub(super) fn split_word(text: &[u8]) -> (&[u8], &[u8]) {
    match find_octet(text, b' ') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, b""),
    }
}

/// Digits only, as a number that fits.
#[inline]
pub(super) fn parse_number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    let mut number = 0_u32;
    for b in digits {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(digit.into())?;
    }
    Some(number)
}

/// `<22>` in front of everything.
pub(super) fn strip_priority(line: &[u8]) -> &[u8] {
    let Some(rest) = line.strip_prefix(b"<") else {
        return line;
    };
    match count_digits(rest) {
        n @ 1..=3 if rest.get(n) == Some(&b'>') => &rest[n + 1..],
        _ => line,
    }
}

/// FreeBSD's `<mail.info> ` or `<2.6> ` before the host.
fn strip_angle_priority(rest: &[u8]) -> &[u8] {
    let (word, after) = split_word(rest);
    let inside = word.strip_prefix(b"<").and_then(|w| w.strip_suffix(b">"));
    match inside.and_then(|w| {
        w.iter()
            .position(|&b| b == b'.')
            .map(|at| (&w[..at], &w[at + 1..]))
    }) {
        Some((facility, severity)) if is_label(facility) && is_label(severity) => after,
        _ => rest,
    }
}

fn is_label(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().all(u8::is_ascii_alphanumeric)
}

/// macOS's `<Notice>: ` after the tag.
fn strip_macos_level(text: &[u8]) -> Option<&[u8]> {
    let (word, after) = split_word(text);
    let level = word.strip_prefix(b"<")?.strip_suffix(b">:")?;
    is_label(level).then_some(after)
}

/// The columns of macOS `log show`: thread, type, activity, process id, time to live, process, text.
fn parse_macos_show(rest: &[u8]) -> Option<Body<'_>> {
    let (thread, rest) = split_word(rest);
    let (kind, rest) = split_word(
        thread
            .starts_with(b"0x")
            .then_some(rest)?
            .trim_ascii_start(),
    );
    let (activity, rest) = split_word(rest.trim_ascii_start());
    let (pid, rest) = split_word(rest.trim_ascii_start());
    let (_, rest) = split_word(rest.trim_ascii_start());
    let (process, text) = split_word(rest.trim_ascii_start());
    let program = process.strip_suffix(b":").filter(|p| is_plain_tag(p))?;
    let shaped = is_label(kind) && activity.starts_with(b"0x");
    shaped.then_some(Body {
        host: b"",
        program,
        pid: Some(parse_number(pid)?),
        text,
    })
}

/// Solaris's `[ID 801593 mail.info] ` before the text.
#[inline]
pub(super) fn strip_message_id(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"[ID ")
        .and_then(behind_id)
        .unwrap_or(text)
}

fn behind_id(id: &[u8]) -> Option<&[u8]> {
    let digits = count_digits(id);
    let (word, after) = split_word(id[digits..].strip_prefix(b" ").unwrap_or(b""));
    let known = digits > 0 && word.strip_suffix(b"]").is_some_and(is_priority);
    known.then_some(after)
}

/// Whether the text may be one of the next two: nearly all begin in another way.
#[inline]
pub(super) fn may_be_repeated(text: &[u8]) -> bool {
    matches!(text.first(), Some(b'l' | b'-' | b'm'))
}

/// `last message repeated N times`, with or without macOS's dashes around it.
pub(super) fn repeat_count(text: &[u8]) -> Option<u32> {
    let text = text.strip_prefix(b"--- ").unwrap_or(text);
    let (times, rest) = split_word(text.strip_prefix(b"last message repeated ")?);
    (rest == b"times" || rest == b"time" || rest == b"times ---").then(|| parse_number(times))?
}

/// `message repeated N times: [ TEXT]`, whose end may have been cut off.
pub(super) fn repeated_text(text: &[u8]) -> Option<(u32, &[u8])> {
    let (times, rest) = split_word(text.strip_prefix(b"message repeated ")?);
    let inner = rest.strip_prefix(b"times: [")?;
    let inner = inner.strip_suffix(b"]").unwrap_or(inner);
    Some((parse_number(times)?, inner.trim_ascii_start()))
}

/// Notices of log daemons and log rotation that say nothing about mail and lose nothing. What they say about lost lines is kept.
const NOISE: &[(&[u8], &[u8])] = &[
    (b"newsyslog", b"logfile turned over"),
    (b"syslogd", b"restart"),
    (b"syslogd", b"exiting on signal"),
    (b"rsyslogd", b"[origin "),
    (b"syslog-ng", b"Configuration reload"),
    (b"syslog", b"-- MARK --"),
    (b"rsyslogd", b"-- MARK --"),
];

/// Whether a record is such a notice.
#[inline]
pub(super) fn is_noise(program: &[u8], text: &[u8]) -> bool {
    matches!(program.first(), Some(b'n' | b'r' | b's'))
        && NOISE
            .iter()
            .any(|(name, start)| *name == program && text.starts_with(start))
}

/// `syslogd 1.5.0: restart.`: the version stands between the name and its colon.
fn is_restart(host: &[u8], rest: &[u8]) -> bool {
    let rest = if host == b"syslogd" {
        rest
    } else {
        rest.strip_prefix(b"syslogd ").unwrap_or(b"")
    };
    rest.ends_with(b": restart.") || rest.ends_with(b": restart")
}

const LEVELS: &[&[u8]] = &[
    b"DEBUG",
    b"INFO",
    b"NOTICE",
    b"WARN",
    b"WARNING",
    b"ERR",
    b"ERROR",
    b"CRIT",
    b"CRITICAL",
    b"ALERT",
    b"EMERG",
    b"FATAL",
    b"PANIC",
];

/// Whether a word is a level in capitals, which some formatters write where the host belongs.
fn is_level(word: &[u8]) -> bool {
    word.first().is_some_and(u8::is_ascii_uppercase) && LEVELS.contains(&word)
}

const FACILITIES: &[&[u8]] = &[
    b"auth",
    b"authpriv",
    b"console",
    b"cron",
    b"daemon",
    b"ftp",
    b"kern",
    b"lpr",
    b"mail",
    b"news",
    b"ntp",
    b"security",
    b"syslog",
    b"user",
    b"uucp",
    b"local0",
    b"local1",
    b"local2",
    b"local3",
    b"local4",
    b"local5",
    b"local6",
    b"local7",
];
const SEVERITIES: &[&[u8]] = &[
    b"emerg", b"panic", b"alert", b"crit", b"err", b"error", b"warn", b"warning", b"notice",
    b"info", b"debug",
];

/// `mail.info`. A host could be called so; then it is known as no host, which does no harm: it is the same for all its lines.
pub(super) fn is_priority(word: &[u8]) -> bool {
    let Some(at) = find_octet(&word[..word.len().min(10)], b'.') else {
        return false;
    };
    let severity = &word[at + 1..];
    severity.len() <= 7 && SEVERITIES.contains(&severity) && FACILITIES.contains(&&word[..at])
}
