//! Just enough JSON to take a log line out of an object of one line: strings with their escapes undone, anything else stepped over.
//!
//! It does not check what it steps over beyond brackets and strings.

/// Without the blanks before it.
pub(super) fn skip_blanks(text: &[u8]) -> &[u8] {
    text.trim_ascii_start()
}

/// A JSON string with its escapes undone, and the rest after its closing quote.
pub(super) fn parse_string(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = text.strip_prefix(b"\"")?;
    let mut out = Vec::with_capacity(rest.len());
    loop {
        let at = memchr::memchr2(b'"', b'\\', rest)?;
        out.extend_from_slice(&rest[..at]);
        if rest[at] == b'"' {
            return Some((out, &rest[at + 1..]));
        }
        rest = unescape(&rest[at + 1..], &mut out)?;
    }
}

/// Undoes one escape, of which the backslash is gone.
fn unescape<'a>(text: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (&kind, rest) = text.split_first()?;
    let byte = match kind {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 8,
        b'f' => 12,
        b'"' | b'\\' | b'/' => kind,
        b'u' => return unescape_unicode(rest, out),
        _ => return None,
    };
    out.push(byte);
    Some(rest)
}

/// `XXXX`, or `XXXX\uXXXX` for a character outside the first 65 536. Half a pair becomes U+FFFD.
fn unescape_unicode<'a>(text: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (first, rest) = parse_hex4(text)?;
    let low = rest
        .strip_prefix(b"\\u")
        .and_then(parse_hex4)
        .filter(|(low, _)| (0xdc00..0xe000).contains(low));
    let (code, rest) = match low {
        Some((low, rest)) if (0xd800..0xdc00).contains(&first) => {
            (0x1_0000 + ((first - 0xd800) << 10) + (low - 0xdc00), rest)
        }
        _ => (first, rest),
    };
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    Some(rest)
}

fn parse_hex4(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_at_checked(4)?;
    let value = digits
        .iter()
        .try_fold(0, |sum, &b| Some(sum * 16 + char::from(b).to_digit(16)?))?;
    Some((value, rest))
}

/// Steps over a value of no interest, without checking more than its brackets and strings.
pub(super) fn skip_value(text: &[u8]) -> Option<&[u8]> {
    if text.starts_with(b"\"") {
        return skip_string(text);
    }
    let (mut depth, mut rest) = (0_usize, text);
    loop {
        match rest.first()? {
            b'"' => {
                rest = skip_string(rest)?;
                continue;
            }
            b'[' | b'{' => depth += 1,
            b',' | b'}' | b']' if depth == 0 => return (rest.len() < text.len()).then_some(rest),
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        rest = &rest[1..];
    }
}

/// A JSON string as it is written, between its quotes, and the rest: for names, which need no escapes.
pub(super) fn parse_name(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = skip_string(text)?;
    Some((&text[1..text.len() - rest.len() - 1], rest))
}

fn skip_string(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text.strip_prefix(b"\"")?;
    loop {
        let at = memchr::memchr2(b'"', b'\\', rest)?;
        if rest[at] == b'"' {
            return Some(&rest[at + 1..]);
        }
        rest = rest.get(at + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ok_names_and_values_are_stepped_over() {
        assert_eq!(
            parse_name(br#""a\"b" rest"#),
            Some((&br#"a\"b"#[..], &b" rest"[..]))
        );
        assert_eq!(skip_value(br#"["x]\\",{"a":[1]}],1"#), Some(&b",1"[..]));
        assert_eq!(skip_value(b"null}"), Some(&b"}"[..]));
    }

    #[test]
    fn err_unfinished_strings() {
        for text in [&b"\""[..], b"\"a", b"\"a\\", b"\"a\\\"", b"a"] {
            assert_eq!(parse_name(text), None);
            assert_eq!(parse_string(text), None);
        }
    }
}
