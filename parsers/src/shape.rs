//! The shape of a log line: what is left of its text when all that differs from one occurrence to the next is taken out.
//!
//! Shapes are for counting lines that nobody reads, and may be kept and shown for long: they name no person and no host. What may be
//! a name is taken for one, so a shape says less than its line. It does not say what the line means; that is [`crate::mta`].

/// More of a line makes no difference between shapes.
const MOST_WORDS: usize = 16;
/// A longer word is an id or a name.
const LONGEST_WORD: usize = 20;

/// What stands between these was put in by somebody, or differs each time.
const GROUPS: &[(u8, u8)] = &[
    (b'(', b')'),
    (b'[', b']'),
    (b'<', b'>'),
    (b'"', b'"'),
    (b'{', b'}'),
];

/// Words after which a name comes, with or without brackets.
const BEFORE_NAMES: &[&str] = &[
    "account",
    "alias",
    "by",
    "domain",
    "file",
    "for",
    "from",
    "group",
    "helo",
    "host",
    "hostname",
    "list",
    "login",
    "mailbox",
    "name",
    "of",
    "owner",
    "recipient",
    "sender",
    "to",
    "uid",
    "user",
    "username",
    "with",
];

/// The shape of what `program` wrote: `postfix/smtpd: warning: hostname * does not resolve to * *`.
pub fn shape(program: &[u8], text: &[u8]) -> String {
    let mut out = String::with_capacity(96);
    for byte in program.iter().take(2 * LONGEST_WORD) {
        out.push(match byte {
            // Ports and instances have numbers.
            b'0'..=b'9' => 'N',
            b if b.is_ascii_alphabetic() || matches!(b, b'/' | b'-' | b'_') => char::from(*b),
            _ => '*',
        });
    }
    out.push(':');
    let mut rest = text.trim_ascii();
    let mut a_name_comes = false;
    for _ in 0..MOST_WORDS {
        if rest.is_empty() {
            return out;
        }
        out.push(' ');
        rest = word(rest, &mut a_name_comes, &mut out).trim_ascii_start();
    }
    if !rest.is_empty() {
        out.push_str(" ...");
    }
    out
}

/// Writes the shape of the first word, and gives back what comes after it.
fn word<'t>(text: &'t [u8], a_name_comes: &mut bool, out: &mut String) -> &'t [u8] {
    let is_end = |b: &u8| b.is_ascii_whitespace() || GROUPS.iter().any(|(open, _)| open == b);
    let end = text.iter().position(is_end).unwrap_or(text.len());
    let (plain, mut rest) = text.split_at(end);
    // `name[address]` is one name.
    let is_name = matches!(rest.first(), Some(b'[')) && !plain.ends_with(b"=");
    if !plain.is_empty() {
        write_plain(plain, *a_name_comes || is_name, out);
    }
    *a_name_comes = BEFORE_NAMES
        .iter()
        .any(|before| plain.eq_ignore_ascii_case(before.as_bytes()));
    // What the other side said is its own.
    if plain == b"said:" {
        return b"";
    }
    while let Some((open, close)) = rest
        .first()
        .and_then(|b| GROUPS.iter().find(|(open, _)| open == b))
    {
        out.extend([char::from(*open), '*', char::from(*close)]);
        rest = after_group(rest, *open, *close);
        let tail = rest
            .iter()
            .position(is_end)
            .map_or(rest, |end| &rest[..end]);
        if !tail.is_empty() {
            write_plain(tail, tail.len() > 1, out);
            rest = &rest[tail.len()..];
        }
    }
    rest
}

/// What comes after a group that `text` begins with; nothing if the group has no end.
fn after_group(text: &[u8], open: u8, close: u8) -> &[u8] {
    let mut depth = 0u32;
    for (at, byte) in text.iter().enumerate() {
        if *byte == close && at > 0 {
            depth -= 1;
            if depth == 0 {
                return &text[at + 1..];
            }
        } else if *byte == open {
            depth += 1;
        }
    }
    b""
}

/// Writes a word without brackets: as it is if it can be neither a name nor a number.
fn write_plain(word: &[u8], is_name: bool, out: &mut String) {
    if let Some(at) = word.iter().position(|b| *b == b'=')
        && is_ordinary(&word[..at])
    {
        push(out, &word[..at]);
        out.push_str("=*");
        return;
    }
    let length = word
        .iter()
        .rposition(|b| !matches!(b, b',' | b':' | b';' | b'.' | b'!'))
        .map_or(0, |at| at + 1);
    let (core, tail) = word.split_at(length);
    match core {
        b"" => {}
        _ if is_name || !is_ordinary(core) => out.push('*'),
        _ => push(out, core),
    }
    push(out, tail);
}

/// A word of a language: letters, and what joins them.
fn is_ordinary(word: &[u8]) -> bool {
    let letters = |b: &u8| b.is_ascii_alphabetic() || matches!(b, b'-' | b'_' | b'\'');
    // Capitals within a word, or nothing but capitals of a hexadecimal number: an id.
    let capitals = word.iter().skip(1).any(u8::is_ascii_uppercase);
    let lower = word.iter().any(u8::is_ascii_lowercase);
    let hex = word.len() > 4 && word.iter().all(u8::is_ascii_hexdigit);
    let is_id = hex || (capitals && lower && word.len() > 9);
    !word.is_empty() && word.len() <= LONGEST_WORD && word.iter().all(letters) && !is_id
}

fn push(out: &mut String, ascii: &[u8]) {
    out.extend(ascii.iter().copied().map(char::from));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        shape(b"postfix/smtpd", text.as_bytes())
    }

    #[test]
    fn what_differs_each_time_is_taken_out() {
        for (text, expected) in [
            (
                "warning: hostname mx1.example.org does not resolve to address 192.0.2.1",
                "postfix/smtpd: warning: hostname * does not resolve to * *",
            ),
            (
                "4A1B01: client=mx.example.org[192.0.2.1], sasl_username=anna",
                "postfix/smtpd: *: client=*[*], sasl_username=*",
            ),
            (
                "too many errors after RCPT from mx.example.org[192.0.2.1]",
                "postfix/smtpd: too many errors after RCPT from *[*]",
            ),
            (
                "host mx.example.org said: 550 anna is not here",
                "postfix/smtpd: host * said:",
            ),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
        assert_eq!(shape(b"smtp25", b""), "smtpNN:");
    }

    #[test]
    fn no_name_is_left_in_a_shape() {
        for text in [
            "warning: mail for anna is undeliverable",
            "user anna logged in",
            "to=<anna@example.org>, from=anna",
            "anna@example.org unknown",
            "\"anna\" (anna (anna) anna",
            "lost [anna] anna[192.0.2.1] anna.example /home/anna",
            "alias anna: not found, uid=anna {anna}",
            "x<anna",
            "helo=<anna>anna",
        ] {
            assert!(!of(text).contains("anna"), "{text}: {}", of(text));
        }
    }

    #[test]
    fn a_shape_is_short_and_harmless() {
        let long = "word ".repeat(4000);
        assert!(of(&long).len() < 150 && of(&long).ends_with(" ..."));
        let hostile = shape(b"p\x1b[31m\xff", b"\x1b]0;x\x07 \xe2\x80\xae =cmd| ]) > }");
        assert!(
            hostile.is_ascii() && !hostile.bytes().any(|b| b.is_ascii_control()),
            "{hostile}"
        );
    }
}
