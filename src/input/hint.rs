//! The year that an id knows.
//!
//! ```text
//! 4jXlwW0Qzzz1: to=<...>       Postfix with enable_long_queue_ids: seconds since 1970 in base 52
//! 6AMNvpM0018629: to=<...>     Sendmail: year modulo 60, month, day, hour, minute, second in UTC
//! 4B8D517C: message-id=<20260302091044.4B8D517C@mail.example>
//!                              Postfix, of a bounce or what a program of the host sends: time in UTC and queue id (cleanup_message.c)
//! ```
//!
//! A message is in the queue for some days at most, so its id tells the year of a line that names it. Believed only if month and day
//! of id and line agree: a word that merely looks like an id does not do that. A message id may be anybody's; one that ends in the
//! queue id was made here, when the message had come in.

use std::ops::Range;

use chrono::{NaiveDate, NaiveDateTime};
use maillog::{Framed, Stamp};

const DAY: i64 = 86_400;
/// How long a message may have been queued when the line was written.
const QUEUED: i64 = 8 * DAY;
/// Zones and clocks.
const AHEAD: i64 = 26 * 3600;

const POSTFIX_DIGITS: &[u8] = b"0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";
const SENDMAIL_DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The year of a yearless line whose text begins with a queue id that tells it.
pub(super) fn year_of(line: &[u8]) -> Option<i32> {
    let Framed::Record(record) = maillog::framing::parse_line(line) else {
        return None;
    };
    let end = memchr::memchr(b':', record.text.get(..40).unwrap_or(record.text))?;
    let id = &record.text[..end];
    let queued = postfix_instant(id)
        .or_else(|| sendmail_instant(id))
        .or_else(|| message_instant(id, &record.text[end..]))?;
    let year = chrono::Datelike::year(&chrono::DateTime::from_timestamp(queued, 0)?);
    (year - 1..=year + 1).find(|year| fits(record.stamp, *year, queued))
}

fn fits(stamp: Stamp, year: i32, queued: i64) -> bool {
    let age = |written: NaiveDateTime| written.and_utc().timestamp() - queued;
    stamp
        .in_year(year)
        .map(age)
        .is_some_and(|age| (-AHEAD..=QUEUED).contains(&age))
}

fn digit(digits: &[u8], byte: u8) -> Option<u32> {
    digits
        .iter()
        .position(|d| *d == byte)
        .and_then(|at| u32::try_from(at).ok())
}

/// Six or more digits of the second, four of the microsecond, `z`, inode.
fn postfix_instant(id: &[u8]) -> Option<i64> {
    let z = memchr::memrchr(b'z', id)?;
    if z < 10 || !id.iter().all(|b| POSTFIX_DIGITS.contains(b)) {
        return None;
    }
    // six digits last until 2600; the inode has no `z`, so that the last one is the separator
    id[..6].iter().try_fold(0, |sum, b| {
        Some(sum * 52 + i64::from(digit(POSTFIX_DIGITS, *b)?))
    })
}

/// `YMDhms`, two more, and a process id of at least six digits.
fn sendmail_instant(id: &[u8]) -> Option<i64> {
    let [y, m, d, hour, minute, second, _, _, pid @ ..] = id else {
        return None;
    };
    if !(6..=7).contains(&pid.len()) || !pid.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = |b: &u8| digit(SENDMAIL_DIGITS, *b);
    let year = i32::try_from(value(y)?).ok()?;
    // modulo 60: 30 to 59 are 1990 to 2019, 0 to 29 are 2020 to 2049
    let year = if year >= 30 { 1960 + year } else { 2020 + year };
    let date = NaiveDate::from_ymd_opt(year, value(m)? + 1, value(d)?)?;
    Some(
        date.and_hms_opt(value(hour)?, value(minute)?, value(second)?)?
            .and_utc()
            .timestamp(),
    )
}

/// `: message-id=<`, fourteen digits, a dot, the queue id, `@`.
fn message_instant(id: &[u8], rest: &[u8]) -> Option<i64> {
    const DIGITS: usize = 14;
    let rest = rest.strip_prefix(b": ")?;
    let rest = rest.strip_prefix(b"resent-").unwrap_or(rest);
    let (time, rest) = rest
        .strip_prefix(b"message-id=<")?
        .split_at_checked(DIGITS)?;
    let own = rest.strip_prefix(b".")?.strip_prefix(id)?;
    if id.is_empty() || !own.starts_with(b"@") || !time.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |range: Range<usize>| {
        let grow = |sum, digit: &u8| sum * 10 + u32::from(digit - b'0');
        time[range].iter().fold(0, grow)
    };
    let year = i32::try_from(number(0..4)).ok()?;
    let date = NaiveDate::from_ymd_opt(year, number(4..6), number(6..8))?;
    Some(
        date.and_hms_opt(number(8..10), number(10..12), number(12..14))?
            .and_utc()
            .timestamp(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ok_ids_of_known_time() {
        assert_eq!(postfix_instant(b"4jXlwW0Qzzz1"), Some(1_795_390_923)); // 2026-11-22 23:42:03
        assert_eq!(sendmail_instant(b"6AMNvpM0018629"), Some(1_795_391_871)); // 2026-11-22 23:57:51
    }

    #[test]
    fn ok_year_of_lines() {
        let year = |line: &str| year_of(line.as_bytes());
        assert_eq!(
            year("Nov 22 23:42:03 mail postfix/smtp[1]: 4jXlwW0Qzzz1: to=<a@b>"),
            Some(2026)
        );
        assert_eq!(
            year("Nov 23 01:57:51 mail sm-mta[1]: 6AMNvpM0018629: from=<a@b>"),
            Some(2026)
        );
        assert_eq!(
            year("Jan  2 01:57:51 mail sm-mta[1]: 0BUNvpM0018629: to=<a@b>"),
            Some(2021)
        );
        assert_eq!(
            year("Jun  1 00:00:00 mail sm-mta[1]: sA29s2aB004300: to=<a@b>"),
            None
        );
    }

    #[test]
    fn a_message_id_made_here_tells_the_year_and_no_other_does() {
        let year = |id: &str| {
            let line = format!("Nov 23 00:55:08 mx1 postfix/cleanup[12]: {id}");
            year_of(line.as_bytes())
        };
        let own = "314CA70F: message-id=<20261122235508.314CA70F@mx1.ours.example>";
        assert_eq!(year(own), Some(2026));
        assert_eq!(
            year("314CA70F: resent-message-id=<20261122235508.314CA70F@mx1>"),
            Some(2026)
        );
        for other in [
            "314CA70F: message-id=<20261122235508.992AD198@smtp4.example>",
            "314CA70F: message-id=<20261122235508.314CA70FF@mx1>",
            "314CA70F: message-id=<20260722235508.314CA70F@mx1>",
            "314CA70F: message-id=<20261322235508.314CA70F@mx1>",
            "314CA70F: message-id=<2026112223550.314CA70F@mx1>",
            "314CA70F: message-id=<2026",
            ": message-id=<20261122235508.@mx1>",
        ] {
            assert_eq!(year(other), None, "{other}");
        }
    }

    #[test]
    fn err_no_ids() {
        for id in [
            "NOQUEUE",
            "D912210E50D7",
            "4jXlwW",
            "",
            "connect from x",
            "6AMNvpM001862x",
            "6ZMNvpM0018629",
            "Aaaaaaaaaaza",
        ] {
            assert_eq!(
                (
                    postfix_instant(id.as_bytes()),
                    sendmail_instant(id.as_bytes())
                ),
                (None, None),
                "{id}"
            );
        }
    }
}
