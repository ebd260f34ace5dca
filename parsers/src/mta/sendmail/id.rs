//! Queue ids: where one stands before a text, and the time that one holds.
//!
//! ```text
//! 6AMNvpM0018629      YMDhms, two characters of a sequence, process id: since 8.10
//! AAA12345            before
//! NOQUEUE             no message yet
//! ```
//!
//! The first six characters are the time the id was made, in UTC in every version (`assign_queueid` in `queue.c`), with the year
//! modulo 60. On a `from=` line that is the time of the line, to the second for a small message; a retry keeps its id for days.

use chrono::{NaiveDate, NaiveDateTime};

use crate::lex::digits;
use crate::scan::Octets;

/// The characters of an id in the order of their values. Year to hour stay below 60.
const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Period of the year in an id.
const YEARS: i32 = 60;

/// Shortest and longest id: three letters and five digits; eight characters and a process id of up to ten digits.
const LENGTHS: std::ops::RangeInclusive<usize> = 8..=18;

/// The longest `QID[2]: ` there is.
const LONGEST_PART: usize = 18 + "[4294967295]: ".len();

/// The queue id before a text and the text behind `: `; an empty id if there is none.
pub(super) fn strip_queue_id(text: &[u8]) -> (&[u8], &[u8]) {
    let (word, rest) = split_word(text);
    match rest.strip_prefix(b": ") {
        Some(rest) if is_shaped(word) => (word, rest),
        _ => (b"", text),
    }
}

/// Letters and digits at the start of a text, as far as an id can go, and what follows them.
fn split_word(text: &[u8]) -> (&[u8], &[u8]) {
    let head = &text[..text.len().min(LENGTHS.end() + 1)];
    text.split_at(Octets::ALPHANUMERIC.span(head))
}

/// Whether letters and digits are a queue id, or the word that stands for none.
fn is_shaped(word: &[u8]) -> bool {
    let number = || word[word.len() - 5..].iter().all(u8::is_ascii_digit);
    LENGTHS.contains(&word.len()) && number() || word == b"NOQUEUE"
}

/// The part number of a line that Sendmail split (`QID[2]: `, `[1]: `), and the text behind it.
pub(super) fn strip_part(text: &[u8]) -> Option<(u32, &[u8])> {
    let (id, rest) = split_word(text);
    let inside = rest.strip_prefix(b"[")?;
    let (part, rest) = digits(inside);
    let numbered = rest.len() < inside.len();
    let rest = rest.strip_prefix(b"]: ")?;
    let whole = numbered && text.len() - rest.len() <= LONGEST_PART;
    (whole && (id.is_empty() || is_shaped(id))).then_some((part, rest))
}

/// When the id was made, in UTC. The year is the one nearest to `year` that the id allows.
///
/// `None` for `NOQUEUE`, ids from before 8.10, and whatever else holds no time.
pub fn queue_id_time(id: &[u8], year: i32) -> Option<NaiveDateTime> {
    if id.len() < 13 || !is_shaped(id) || split_word(id).0 != id {
        return None;
    }
    let mut parts = [0u8; 6];
    for (part, byte) in parts.iter_mut().zip(id) {
        *part = u8::try_from(ALPHABET.iter().position(|a| a == byte)?).ok()?;
    }
    let [y, month, day, hour, minute, second] = parts.map(u32::from);
    let year = nearest_year(y, year)?;
    // a leap second is written as 60
    NaiveDate::from_ymd_opt(year, month + 1, day)?.and_hms_opt(hour, minute, second.min(59))
}

/// The year nearest to `near` whose distance from 1900 is `y` modulo 60.
fn nearest_year(y: u32, near: i32) -> Option<i32> {
    let written = 1900 + i32::try_from(y).ok().filter(|y| *y < YEARS)?;
    let ahead = (written - near % YEARS).rem_euclid(YEARS);
    near.checked_add(if ahead > YEARS / 2 {
        ahead - YEARS
    } else {
        ahead
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ok_queue_id_time() {
        let p = |id: &str, year| queue_id_time(id.as_bytes(), year).map(|t| t.to_string());
        assert_eq!(
            p("6AMNvpM0018629", 2026).as_deref(),
            Some("2026-11-22 23:57:51")
        );
        assert_eq!(
            p("6AMNvpM0018629", 2025).as_deref(),
            Some("2026-11-22 23:57:51")
        );
        assert_eq!(
            p("6AMNvpM0018629", 2055).as_deref(),
            Some("2026-11-22 23:57:51")
        );
        assert_eq!(
            p("sA2988aB004109", 2015).as_deref(),
            Some("2014-11-02 09:08:08")
        );
        // 31 February
        assert_eq!(p("01V000AA1234567", 2020), None);
        assert_eq!(
            p("00V000AA1234567", 2020).as_deref(),
            Some("2020-01-31 00:00:00")
        );
        // a leap second
        assert_eq!(
            p("gBVNxyAA123456", 2002).as_deref(),
            Some("2002-12-31 23:59:59")
        );
    }

    #[test]
    fn err_queue_id_time() {
        for bad in [
            "",
            "NOQUEUE",
            "AAA12345",
            "6AMNvpM00186ab",
            "xyz000AA123456",
            "6CMNvpM0018629",
            "6A0NvpM0018629",
        ] {
            assert_eq!(queue_id_time(bad.as_bytes(), 2026), None, "{bad}");
        }
        for year in [i32::MIN, i32::MAX, -1, 0] {
            let _ = queue_id_time(b"6AMNvpM0018629", year);
        }
    }

    #[test]
    fn ok_strip() {
        assert_eq!(
            strip_queue_id(b"6AMNvpM0018629: to=x"),
            (b"6AMNvpM0018629".as_slice(), b"to=x".as_slice())
        );
        assert_eq!(
            strip_queue_id(b"NOQUEUE: connect from x"),
            (b"NOQUEUE".as_slice(), b"connect from x".as_slice())
        );
        for whole in [
            &b"STARTTLS: read error=timeout"[..],
            b"AUTH: available",
            b"a b: c",
            b"",
            b": x",
            b"STARTTLS=client: error:1",
        ] {
            assert_eq!(strip_queue_id(whole), (b"".as_slice(), whole));
        }
        assert_eq!(
            strip_part(b"[1]: tls_clt_features=x ..."),
            Some((1, b"tls_clt_features=x ...".as_slice()))
        );
        assert_eq!(
            strip_part(b"6AMNvpM0018629[12]: ... x"),
            Some((12, b"... x".as_slice()))
        );
        for none in [
            &b"[192.0.2.1]: x"[..],
            b"[]: x",
            b"6AMNvpM0018629: a [1]: b",
            b"a",
            b"]: ",
        ] {
            assert_eq!(strip_part(none), None);
        }
    }
}
