//! Lines inside JSON objects: Docker's `json-file` log driver.
//!
//! ```text
//! {"log":"Nov 02 10:00:01 mail postfix/smtp[123]: text\n","stream":"stdout","time":"2025-11-02T09:00:01.123456789Z"}
//! ```
//!
//! The text is escaped, so it needs a buffer of its own: [`unwrap_json`] makes one, and [`Unwrapped::framed`] frames what is in it.
//! A line of more than 16 KiB is cut into several records, of which only the last one ends with a line feed; joining them is for
//! the reader of the file.

use crate::record::Framed;
use crate::stamp::Stamp;

use super::json::{parse_string, skip_blanks, skip_value};
use super::time::parse_iso;

/// A line taken out of its JSON object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwrapped {
    /// When the container's output was read.
    pub stamp: Stamp,
    /// `stdout` or `stderr`.
    pub stream: Vec<u8>,
    /// The line, without line feed.
    pub text: Vec<u8>,
    /// Whether it goes on in the next record of the stream.
    pub partial: bool,
}

impl Unwrapped {
    /// Frames the inner line, with the outer stamp where that one tells more.
    pub fn framed(&self) -> Framed<'_> {
        frame_within(&self.text, self.stamp)
    }
}

/// Frames the line inside an envelope whose stamp is `outer`.
pub fn frame_within(line: &[u8], outer: Stamp) -> Framed<'_> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    super::parse_inner(line, outer, 1).unwrap_or(Framed::Unframed)
}

/// Reads one record of Docker's `json-file` driver. `None` for anything that is not a whole JSON object with a string `log` and a
/// `stream`: what collectors write has no line feed at the end of a whole line.
pub fn unwrap_json(line: &[u8]) -> Option<Unwrapped> {
    let mut rest = skip_blanks(line).strip_prefix(b"{")?;
    let (mut text, mut stream, mut stamp) = (None, None, Stamp::Missing);
    loop {
        let (key, after) = parse_string(skip_blanks(rest))?;
        let value = skip_blanks(skip_blanks(after).strip_prefix(b":")?);
        rest = match key.as_slice() {
            b"log" => parse_string(value).map(|(v, after)| keep(&mut text, Some(v), after))?,
            b"stream" => parse_string(value).map(|(v, after)| keep(&mut stream, Some(v), after))?,
            b"time" => {
                parse_string(value).map(|(v, after)| keep(&mut stamp, stamp_of(&v), after))?
            }
            _ => skip_value(value)?,
        };
        rest = match skip_blanks(rest) {
            [b',', after @ ..] => after,
            [b'}', after @ ..] if skip_blanks(after).is_empty() => break,
            _ => return None,
        };
    }
    let (mut text, stream) = (text?, stream?);
    let partial = text.pop_if(|last| *last == b'\n').is_none();
    Some(Unwrapped {
        stamp,
        stream,
        text,
        partial,
    })
}

fn keep<'a, T>(slot: &mut T, value: T, rest: &'a [u8]) -> &'a [u8] {
    *slot = value;
    rest
}

fn stamp_of(text: &[u8]) -> Stamp {
    parse_iso(text).map_or(Stamp::Missing, |(stamp, _)| stamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ok_unwrap_json() {
        let line = br#"{"log":"a \u003cb@c\u003e \"q\" \\ \u00e4 \ud83d\ude00\n","stream":"stdout","attrs":{"a":["}",1]},"time":"2025-11-02T09:00:01.123456789Z"}"#;
        let unwrapped = unwrap_json(line).unwrap();
        assert_eq!(
            String::from_utf8(unwrapped.text).unwrap(),
            "a <b@c> \"q\" \\ ä 😀"
        );
        assert_eq!(unwrapped.stream, b"stdout");
        assert_eq!(unwrapped.stamp, Stamp::Zoned(1_762_074_001));
        assert!(!unwrapped.partial);
    }

    #[test]
    fn ok_part_of_a_long_line() {
        assert!(
            unwrap_json(br#"{"log":"first half","stream":"stdout"}"#)
                .unwrap()
                .partial
        );
    }

    #[test]
    fn err_unwrap_json() {
        let bad: &[&[u8]] = &[
            b"",
            b"{",
            b"{}",
            b"text",
            br#"{"log":1}"#,
            br#"{"log":"x"#,
            br#"{"log":"x\"}"#,
            br#"{"log":"x\u12"}"#,
            br#"{"log":"x"} more"#,
            br#"{"stream":"stdout"}"#,
            br#"{"log":"x\n"}"#,
            br#"{"log":"x","a":}"#,
        ];
        for line in bad {
            assert_eq!(unwrap_json(line), None, "{}", String::from_utf8_lossy(line));
        }
    }
}
