//! Time stamps at the start of a line.
//!
//! ```text
//! Nov  2 10:00:01          RFC 3164; also `Nov 02`, `Nov 2`, and with a fraction of a second
//! 2025-11-02T10:00:01.123456+01:00     RFC 3339; zone also `Z`, `+0100`, `+01`, or missing; `_` or a blank for the `T`
//! Sun 2025-11-02 10:00:01 CET          journalctl -o short-full, with-unit
//! Sun Nov  2 10:00:01 2025             OpenWrt logread
//! 2013 Jun 10 06:27:30.123             a syslog-ng template
//! 1762074001.123456                    journalctl -o short-unix
//! @400000006907280b12345678            TAI64N (multilog)
//! ```
//!
//! Fractions are dropped: a second is the unit of everything after this. Zone abbreviations other than UTC and GMT are dropped too,
//! because they do not name one offset.

use chrono::{Datelike, NaiveDate, TimeDelta};

use crate::lex;
use crate::stamp::Stamp;

/// Days from 0000-12-31 to 1970-01-01 in chrono's count.
const EPOCH_DAY: i64 = 719_163;
/// What a TAI64 label has on top of Unix seconds, the way daemontools writes it.
const TAI64_EPOCH: u64 = (1 << 62) + 10;

const WEEKDAYS: [&[u8]; 7] = [
    b"Mon ", b"Tue ", b"Wed ", b"Thu ", b"Fri ", b"Sat ", b"Sun ",
];

/// Any stamp, and the rest of the line right behind it.
pub(super) fn parse_stamp(text: &[u8]) -> Option<(Stamp, &[u8])> {
    match text.first()? {
        b'A'..=b'Z' => parse_bsd(text).or_else(|| parse_weekday(text)),
        b'0'..=b'9' => parse_iso(text)
            .or_else(|| parse_year_first(text))
            .or_else(|| parse_unix(text)),
        b'@' => parse_tai64n(text),
        _ => None,
    }
}

/// `Nov  2 10:00:01`, `Nov 02 10:00:01.123456`, `Nov 2 10:00:01`.
#[inline]
pub(super) fn parse_bsd(text: &[u8]) -> Option<(Stamp, &[u8])> {
    let (name, rest) = text.split_first_chunk()?;
    let (month, days) = month(name)?;
    let (day, rest) = parse_day(rest)?;
    let (second, rest) = parse_time(rest)?;
    (day <= days).then_some((Stamp::Yearless { month, day, second }, rest))
}

/// Number and length of a month.
fn month(name: &[u8; 3]) -> Option<(u8, u8)> {
    Some(match name {
        b"Jan" => (1, 31),
        b"Feb" => (2, 29),
        b"Mar" => (3, 31),
        b"Apr" => (4, 30),
        b"May" => (5, 31),
        b"Jun" => (6, 30),
        b"Jul" => (7, 31),
        b"Aug" => (8, 31),
        b"Sep" => (9, 30),
        b"Oct" => (10, 31),
        b"Nov" => (11, 30),
        b"Dec" => (12, 31),
        _ => return None,
    })
}

/// The day of the month between its blanks.
fn parse_day(text: &[u8]) -> Option<(u8, &[u8])> {
    let (day, rest) = match text {
        [b' ', b' ', d, b' ', rest @ ..] | [b' ', d, b' ', rest @ ..] => {
            (two_digits(b'0', *d)?, rest)
        }
        [b' ', t, d, b' ', rest @ ..] => (two_digits(*t, *d)?, rest),
        _ => return None,
    };
    (day > 0).then_some((u8::try_from(day).ok()?, rest))
}

/// `10:00:01` with an optional fraction, as seconds since midnight.
#[inline]
fn parse_time(text: &[u8]) -> Option<(u32, &[u8])> {
    let (clock, rest) = text.split_first_chunk()?;
    let [hour, minute, second] = lex::clock(clock)?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let rest = match rest {
        [b'.', digits @ ..] => &digits[count_digits(digits)..],
        _ => rest,
    };
    Some((hour * 3600 + minute * 60 + second, rest))
}

/// RFC 3339 and its relatives. Without a zone it is local time.
pub(super) fn parse_iso(text: &[u8]) -> Option<(Stamp, &[u8])> {
    let [
        y1,
        y2,
        y3,
        y4,
        b'-',
        m1,
        m2,
        b'-',
        d1,
        d2,
        b'T' | b' ' | b'_',
        rest @ ..,
    ] = text
    else {
        return None;
    };
    let year = two_digits(*y1, *y2)? * 100 + two_digits(*y3, *y4)?;
    let date = NaiveDate::from_ymd_opt(
        i32::try_from(year).ok()?,
        two_digits(*m1, *m2)?,
        two_digits(*d1, *d2)?,
    )?;
    let (second, rest) = parse_time(rest)?;
    Some(match parse_zone(rest) {
        Some((offset, rest)) => (instant(date, second, offset), rest),
        None => (local(date, second)?, rest),
    })
}

/// `Z`, `+01:00`, `+0100`, `-05`: seconds east of Greenwich.
fn parse_zone(text: &[u8]) -> Option<(i64, &[u8])> {
    let (sign, digits) = match text {
        [b'Z', rest @ ..] => return Some((0, rest)),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, minutes, rest) = match digits {
        [h1, h2, b':', m1, m2, rest @ ..] => (two_digits(*h1, *h2)?, two_digits(*m1, *m2)?, rest),
        [h1, h2, m1 @ b'0'..=b'9', m2, rest @ ..] => {
            (two_digits(*h1, *h2)?, two_digits(*m1, *m2)?, rest)
        }
        [h1, h2, rest @ ..] => (two_digits(*h1, *h2)?, 0, rest),
        _ => return None,
    };
    (hours <= 15 && minutes <= 59).then_some((sign * i64::from(hours * 3600 + minutes * 60), rest))
}

/// Stamps that begin with the day of the week: `Sun 2025-11-02 10:00:01 CET`, `Sun Nov  2 10:00:01 2025`.
fn parse_weekday(text: &[u8]) -> Option<(Stamp, &[u8])> {
    let text = WEEKDAYS.iter().find_map(|day| text.strip_prefix(*day))?;
    if let Some((stamp, rest)) = parse_bsd(text) {
        let (year, rest) = parse_year(rest.strip_prefix(b" ")?)?;
        return Some((Stamp::Local(stamp.in_year(year)?), rest));
    }
    let (stamp, rest) = parse_iso(text)?;
    let (Stamp::Local(civil), [b' ', zone @ ..]) = (stamp, rest) else {
        return Some((stamp, rest));
    };
    let (zone, rest) = zone.split_at(memchr::memchr(b' ', zone)?);
    Some(match zone {
        b"UTC" | b"GMT" => (Stamp::Zoned(civil.and_utc().timestamp()), rest),
        _ => match parse_zone(zone) {
            Some((offset, b"")) => (Stamp::Zoned(civil.and_utc().timestamp() - offset), rest),
            _ => (stamp, rest),
        },
    })
}

/// `2013 Jun 10 06:27:30.123`.
fn parse_year_first(text: &[u8]) -> Option<(Stamp, &[u8])> {
    let (year, rest) = parse_year(text)?;
    let (stamp, rest) = parse_bsd(rest.strip_prefix(b" ")?)?;
    Some((Stamp::Local(stamp.in_year(year)?), rest))
}

/// Four digits.
fn parse_year(text: &[u8]) -> Option<(i32, &[u8])> {
    let [y1, y2, y3, y4, rest @ ..] = text else {
        return None;
    };
    let year = two_digits(*y1, *y2)? * 100 + two_digits(*y3, *y4)?;
    Some((i32::try_from(year).ok()?, rest))
}

/// `1762074001.123456`: nine or ten digits, a full stop, and the fraction.
fn parse_unix(text: &[u8]) -> Option<(Stamp, &[u8])> {
    let (whole, rest) = text.split_at(count_digits(text));
    let fraction = rest.strip_prefix(b".")?;
    let digits = count_digits(fraction);
    if !(9..=10).contains(&whole.len()) || digits == 0 {
        return None;
    }
    let seconds = whole
        .iter()
        .fold(0_i64, |sum, b| sum * 10 + i64::from(b - b'0'));
    Some((Stamp::Zoned(seconds), &fraction[digits..]))
}

/// `@` and 24 hexadecimal digits: 16 for the second, 8 for the nanosecond.
fn parse_tai64n(text: &[u8]) -> Option<(Stamp, &[u8])> {
    let (label, rest) = text.strip_prefix(b"@")?.split_at_checked(24)?;
    let label = std::str::from_utf8(label)
        .ok()
        .filter(|l| l.bytes().all(|b| b.is_ascii_hexdigit()))?;
    let seconds = u64::from_str_radix(&label[..16], 16)
        .ok()?
        .checked_sub(TAI64_EPOCH)?;
    // a label of the far future is no time stamp but some other word of 24 digits
    let seconds = i64::try_from(seconds).ok().filter(|&s| s < 1 << 36)?;
    Some((Stamp::Zoned(seconds), rest))
}

fn instant(date: NaiveDate, second: u32, offset: i64) -> Stamp {
    Stamp::Zoned(
        (i64::from(date.num_days_from_ce()) - EPOCH_DAY) * 86_400 + i64::from(second) - offset,
    )
}

fn local(date: NaiveDate, second: u32) -> Option<Stamp> {
    Some(Stamp::Local(
        date.and_hms_opt(0, 0, 0)? + TimeDelta::seconds(second.into()),
    ))
}

fn two_digits(tens: u8, ones: u8) -> Option<u32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then_some(u32::from(tens) * 10 + u32::from(ones))
}

pub(super) fn count_digits(text: &[u8]) -> usize {
    text.iter().take_while(|b| b.is_ascii_digit()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(text: &str) -> Option<Stamp> {
        parse_stamp(text.as_bytes()).map(|(stamp, rest)| {
            assert!(
                rest.is_empty() || rest[0] == b' ',
                "left over: {:?}",
                String::from_utf8_lossy(rest)
            );
            stamp
        })
    }

    fn civil(text: &str) -> Option<Stamp> {
        Some(Stamp::Local(
            chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap(),
        ))
    }

    #[test]
    fn ok_bsd() {
        let second = Some(Stamp::Yearless {
            month: 11,
            day: 2,
            second: 36_001,
        });
        for text in [
            "Nov  2 10:00:01",
            "Nov 02 10:00:01",
            "Nov 2 10:00:01",
            "Nov 02 10:00:01.123456",
        ] {
            assert_eq!(stamp(text), second, "{text}");
        }
        assert_eq!(
            stamp("Feb 29 23:59:60"),
            Some(Stamp::Yearless {
                month: 2,
                day: 29,
                second: 86_400
            })
        );
    }

    #[test]
    fn ok_iso() {
        let instant = Some(Stamp::Zoned(1_762_074_001));
        let zoned = [
            "2025-11-02T10:00:01.123456+01:00",
            "2025-11-02T10:00:01+0100",
            "2025-11-02T10:00:01+01",
            "2025-11-02T09:00:01.123Z",
            "2025-11-02T09:00:01Z",
            "2025-11-02T04:00:01-05:00",
            "2025-11-02 10:00:01.123456+0100",
            "1762074001.123456",
            "@4000000069071d9b1dcd6500",
            "Sun 2025-11-02 09:00:01 UTC host",
            "Sun 2025-11-02 12:00:01 +03 host",
        ];
        for text in zoned {
            assert_eq!(stamp(text), instant, "{text}");
        }
    }

    #[test]
    fn ok_year_without_zone() {
        let local = [
            "2025-11-02T10:00:01.5",
            "2025-11-02_10:00:01.5",
            "Sun 2025-11-02 10:00:01 CET host",
            "Sun Nov  2 10:00:01 2025",
            "2025 Nov 02 10:00:01.123",
        ];
        for text in local {
            assert_eq!(stamp(text), civil("2025-11-02 10:00:01"), "{text}");
        }
    }

    #[test]
    fn err_stamps() {
        let not_stamps = [
            "Nov 31 10:00:01",
            "Nov  0 10:00:01",
            "Nov  2 24:00:01",
            "Nov  2 10:60:01",
            "Nov  2 10:00",
            "Okt 02 10:00:01",
            "nov  2 10:00:01",
            "2025-13-02T10:00:01Z",
            "2025-02-29T10:00:01Z",
            "2013 Jun",
            "12345.6",
            "@40000000",
            "@ffffffffffffffff00000000",
            "Feb 29 2025",
            "",
        ];
        for text in not_stamps {
            assert_eq!(stamp(text), None, "{text}");
        }
    }
}
