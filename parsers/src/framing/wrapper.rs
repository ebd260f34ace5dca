//! Lines inside lines: what containers, supervisors and terminals put around a log line.
//!
//! ```text
//! mail-1  | LINE                                          docker compose logs
//! 2025-11-02T09:00:01.123456789Z stdout F LINE            CRI: containerd, CRI-O (`P`: a part, more follows)
//! 2025-11-02T09:00:01.12345 mail.info: LINE               svlogd, in UTC
//! @4000000067260d9112345678 mail.info: LINE               multilog
//! │ LINE                                     │            k9s
//! Dec 15 13:15:02 srv mailu-smtp[4062297]: LINE           docker's syslog driver
//! ```
//!
//! The inner host, program and process id count. The outer stamp counts if it is an instant, the inner one is not, and both mean
//! the same time in some zone. Joining CRI parts needs memory and is done by the reader of the file; see [`cri_parts`].

use chrono::Datelike;

use crate::record::{Framed, Record};
use crate::scan::find_octet;
use crate::stamp::Stamp;

use super::syslog::{is_priority, split_word};
use super::time::{count_digits, parse_iso, parse_stamp};

/// How far two clocks in different zones can be apart, and an hour.
const ZONE_SPREAD: i64 = 15 * 3600;
/// The longest name of a container, in bytes.
const LONGEST_NAME: usize = 64;
/// U+2502, drawn by terminal programs at the edges.
const BAR: &[u8] = "│".as_bytes();

/// Takes one envelope off: its stamp (perhaps [`Stamp::Missing`]) and the line inside.
pub(super) fn unwrap(line: &[u8]) -> Option<(Stamp, &[u8])> {
    match line.first()? {
        b'@' => unwrap_svlogd(line),
        b'0'..=b'9' => unwrap_cri(line)
            .or_else(|| unwrap_svlogd(line))
            .or_else(|| unwrap_compose(line)),
        0xe2 => unwrap_bars(line),
        _ => unwrap_compose(line),
    }
}

/// `name  | LINE`.
fn unwrap_compose(line: &[u8]) -> Option<(Stamp, &[u8])> {
    let head = &line[..line.len().min(LONGEST_NAME + 1)];
    // the blanks are a column: at least one stands before the bar
    let (name, rest) = line.split_at(find_octet(head, b' ')?);
    let inner = match rest.trim_ascii_start() {
        [b'|'] => b"",
        [b'|', b' ', inner @ ..] => inner,
        _ => return None,
    };
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"._-".contains(b);
    (!name.is_empty() && name.iter().all(allowed)).then_some((Stamp::Missing, inner))
}

fn unwrap_cri(line: &[u8]) -> Option<(Stamp, &[u8])> {
    cri_parts(line).map(|part| (part.stamp, part.text))
}

/// A line of a container runtime's log file (Kubernetes CRI).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CriPart<'a> {
    /// When the runtime read it.
    pub stamp: Stamp,
    /// `stdout` or `stderr`: parts of one line are of one stream.
    pub stream: &'a [u8],
    /// The line, or a part of it.
    pub text: &'a [u8],
    /// Whether it goes on in the next record of the stream.
    pub partial: bool,
}

/// Reads `STAMP stdout|stderr F|P[:tags] LINE`; `None` for anything else.
pub fn cri_parts(line: &[u8]) -> Option<CriPart<'_>> {
    let (stamp, rest) = parse_iso(line)?;
    let (stream, rest) = split_word(rest.strip_prefix(b" ")?);
    if stream != b"stdout" && stream != b"stderr" {
        return None;
    }
    let (flags, text) = split_word(rest);
    let partial = match flags {
        [b'F'] | [b'F', b':', ..] => false,
        [b'P'] | [b'P', b':', ..] => true,
        _ => return None,
    };
    Some(CriPart {
        stamp,
        stream,
        text,
        partial,
    })
}

/// `STAMP mail.info: LINE`, where the stamp is UTC even though it does not say so.
fn unwrap_svlogd(line: &[u8]) -> Option<(Stamp, &[u8])> {
    let (stamp, rest) = parse_stamp(line)?;
    let stamp = match stamp {
        Stamp::Local(utc) => Stamp::Zoned(utc.and_utc().timestamp()),
        Stamp::Zoned(_) => stamp,
        Stamp::Yearless { .. } | Stamp::Missing => return None,
    };
    let rest = rest.strip_prefix(b" ")?;
    let (word, inner) = split_word(rest);
    match word.strip_suffix(b":") {
        Some(priority) if is_priority(priority) => Some((stamp, inner)),
        // multilog has no priority, and nothing but it writes such a label
        _ if line[0] == b'@' => Some((stamp, rest)),
        _ => None,
    }
}

/// `│ LINE      │`, the second bar may be missing.
fn unwrap_bars(line: &[u8]) -> Option<(Stamp, &[u8])> {
    let inner = line.strip_prefix(BAR)?.trim_ascii();
    let inner = inner.strip_suffix(BAR).unwrap_or(inner).trim_ascii();
    Some((Stamp::Missing, inner))
}

/// Whether a text might be a line of its own. Cheap, and wrong only in the direction that costs time.
#[inline]
pub(super) fn may_wrap(text: &[u8]) -> bool {
    match text {
        [b'@' | b'<' | 0xe2, ..] => true,
        [b'A'..=b'Z', b'a'..=b'z', b'a'..=b'z', b' ', ..] => true,
        [b'0'..=b'9', ..] => may_be_stamp(text) || may_be_compose(text),
        _ => may_be_compose(text),
    }
}

/// Whether more than one blank, or a bar behind it, follows the first word.
fn may_be_compose(text: &[u8]) -> bool {
    let head = &text[..text.len().min(LONGEST_NAME + 1)];
    let behind = find_octet(head, b' ').and_then(|at| text.get(at + 1));
    behind.is_some_and(|b| *b == b'|' || b.is_ascii_whitespace())
}

/// Whether digits might be a year, seconds since 1970, or the version of RFC 5424.
fn may_be_stamp(text: &[u8]) -> bool {
    let digits = count_digits(text);
    match text.get(digits) {
        Some(b'-') => digits == 4,
        Some(b' ') => matches!(digits, 1 | 4),
        Some(b'.') => matches!(digits, 9 | 10),
        _ => false,
    }
}

/// Programs that pass on, as their own, lines of others.
const RUNTIMES: &[&[u8]] = &[
    b"docker",
    b"dockerd",
    b"podman",
    b"conmon",
    b"containerd",
    b"supervisord",
    b"nerdctl",
    b"logspout",
];
/// Beginnings of the names of programs whose text is their own, although they look like the name of a container.
const OWN_TEXT: &[&[u8]] = &[
    b"postfix",
    b"sendmail",
    b"sm-",
    b"exim",
    b"opensmtpd",
    b"dovecot",
    b"amavis",
    b"php",
    b"spam",
    b"clam",
    b"open",
    b"policy",
    b"post",
    b"mail-filter",
    b"milter",
    b"cron",
    b"systemd",
    b"fail2ban",
    b"saslauthd",
    b"rspamd",
    b"logger",
];

/// Whether the program of a record is a container, so that the text is a line of some program in it.
///
/// Careful on purpose: a program that starts its text with what a stranger said must not be on the list, or strangers could write
/// records.
pub(super) fn passes_on(record: &Record<'_>) -> bool {
    let name = record.program;
    if record.pid.is_none() || OWN_TEXT.iter().any(|own| name.starts_with(own)) {
        return false;
    }
    let container_id = matches!(name.len(), 12 | 64) && name.iter().all(u8::is_ascii_hexdigit);
    let runtime = RUNTIMES.iter().any(|r| {
        name.strip_prefix(*r)
            .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    });
    let compose_name = !name.contains(&b'/') && name.iter().any(|b| matches!(b, b'-' | b'_'));
    container_id || runtime || compose_name
}

/// Gives a framed line the stamp of its envelope where that one tells more.
pub(super) fn with_outer_stamp(framed: Framed<'_>, outer: Stamp) -> Framed<'_> {
    match framed {
        Framed::Record(record) => Framed::Record(Record {
            stamp: better_stamp(outer, record.stamp),
            ..record
        }),
        Framed::Repeated { stamp, host, times } => Framed::Repeated {
            stamp: better_stamp(outer, stamp),
            host,
            times,
        },
        Framed::Noise | Framed::Unframed => framed,
    }
}

fn better_stamp(outer: Stamp, inner: Stamp) -> Stamp {
    let near = match (outer, inner) {
        (_, Stamp::Zoned(_)) | (Stamp::Missing, _) => false,
        (_, Stamp::Missing) => true,
        (Stamp::Zoned(outer), _) => is_near(outer, inner),
        (Stamp::Local(outer), Stamp::Yearless { .. }) => {
            is_near(outer.and_utc().timestamp(), inner)
        }
        (Stamp::Local(_) | Stamp::Yearless { .. }, _) => false,
    };
    if near { outer } else { inner }
}

/// Whether a civil time can mean the instant `outer` in some zone, give or take an hour.
fn is_near(outer: i64, inner: Stamp) -> bool {
    let close =
        |civil: chrono::NaiveDateTime| (civil.and_utc().timestamp() - outer).abs() <= ZONE_SPREAD;
    match inner {
        Stamp::Local(civil) => close(civil),
        Stamp::Yearless { .. } => {
            let year = chrono::DateTime::from_timestamp(outer, 0).map_or(1970, |t| t.year());
            (year - 1..=year + 1)
                .filter_map(|y| inner.in_year(y))
                .any(close)
        }
        Stamp::Zoned(_) | Stamp::Missing => false,
    }
}
