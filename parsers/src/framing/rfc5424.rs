//! RFC 5424 as it is found on disk.
//!
//! ```text
//! <22>1 2025-11-02T10:00:01.003Z host postfix/smtp 123 - [a@1 k="v\]"] BOM text
//! 1 2025-11-02T10:00:01.003Z host postfix/smtp 123 - -  text         priority left out
//! 2025-11-02T10:00:01.003Z host postfix/smtp 123 - - text            version left out too
//! ```
//!
//! `-` stands for a value that is not there. Structured data is stepped over, not read. The priority was taken off before.

use crate::record::Record;
use crate::stamp::Stamp;

use super::syslog::{parse_number, split_word};
use super::time::parse_iso;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Reads a line whose priority, if any, was taken off. `None` if any of the seven fields is missing.
pub(super) fn parse(line: &[u8]) -> Option<Record<'_>> {
    let (stamp, rest) = match line.strip_prefix(b"1 ") {
        Some(rest) => parse_stamp(rest)?,
        None => parse_iso(line)?,
    };
    let (host, rest) = split_word(rest.strip_prefix(b" ")?);
    let (program, rest) = split_word(rest);
    let (process, rest) = split_word(rest);
    let (_message_id, rest) = split_word(rest);
    let text = skip_structured_data(rest)?;
    // a BSD tag ends with a colon; a text that happens to have a dash as its third word is not RFC 5424
    if host.is_empty()
        || program.is_empty()
        || process.is_empty()
        || program.ends_with(b":")
        || host.ends_with(b":")
    {
        return None;
    }
    let text = text.trim_ascii_start();
    let text = text.strip_prefix(BOM).unwrap_or(text).trim_ascii_start();
    Some(Record {
        stamp,
        host: or_nil(host),
        program: or_nil(program),
        pid: parse_number(process),
        text,
        times: 1,
    })
}

fn parse_stamp(text: &[u8]) -> Option<(Stamp, &[u8])> {
    match text {
        [b'-', b' ', ..] => Some((Stamp::Missing, &text[1..])),
        _ => parse_iso(text),
    }
}

fn or_nil(field: &[u8]) -> &[u8] {
    if field == b"-" { b"" } else { field }
}

/// What follows `-` or `[id k="v" ...]...`; in a value, `\` takes the meaning from the next byte.
fn skip_structured_data(text: &[u8]) -> Option<&[u8]> {
    if let Some(rest) = text.strip_prefix(b"-") {
        return (rest.is_empty() || rest.starts_with(b" ")).then_some(rest);
    }
    let (mut inside, mut quoted, mut escaped) = (false, false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if inside => quoted = !quoted,
            b']' if inside && !quoted => inside = false,
            b'[' if !inside => inside = true,
            _ if inside => {}
            b' ' if at > 0 => return Some(&text[at..]),
            _ => return None,
        }
    }
    (!inside && !text.is_empty()).then_some(b"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(data: &[u8]) -> Option<String> {
        skip_structured_data(data).map(|t| String::from_utf8_lossy(t).into_owned())
    }

    #[test]
    fn ok_structured_data() {
        assert_eq!(text(b"- x"), Some(" x".to_owned()));
        assert_eq!(text(b"-"), Some(String::new()));
        assert_eq!(
            text(br#"[a@1 k="v\]\"\\" l="] x"][b] text"#),
            Some(" text".to_owned())
        );
        assert_eq!(text(b"[a]"), Some(String::new()));
    }

    #[test]
    fn err_structured_data() {
        for data in ["", "-x", "[a", "[a k=\"v] text", "text", "[a]b c"] {
            assert_eq!(text(data.as_bytes()), None, "{data}");
        }
    }
}
