//! Makes log lines fit to be shown to strangers: who wrote to whom is nobody's business there, and nothing in them can break a letter.
//!
//! What is left is what proves the claim: the times, the hosts, the addresses of machines, the codes and what was said about TLS.

use unicode_width::UnicodeWidthChar;

/// In place of what is taken out.
const GONE: &str = "...";

/// Fields whose value is about a person or a message, whatever it looks like.
const FIELDS: &[&str] = &[
    "from=",
    "to=",
    "orig_to=",
    "ctladdr=",
    "msgid=",
    "message-id=",
    "resent-message-id=",
    "sasl_username=",
    "sasl_sender=",
    "sasl_method=",
    "authid=",
    "subject=",
    "helo=",
    "ruleset=",
    "arg1=",
];

/// A line without persons, of visible characters only. Domains in `keep` stay.
pub fn redact(line: &str, keep: &[&str]) -> String {
    let line = without_fields(&visible(line), keep);
    without_addresses(&line, keep)
}

/// A text in which everything shows: control and direction characters come out as escapes.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let hidden = c.is_control() || (!c.is_ascii() && c.width().unwrap_or(0) == 0);
        match hidden {
            true => out.extend(c.escape_unicode()),
            false => out.push(c),
        }
    }
    out
}

/// Empties the fields of persons, but for the domain of a mail address.
fn without_fields(line: &str, keep: &[&str]) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((at, field)) = next_field(rest) {
        let (before, value) = rest.split_at(at + field.len());
        out.push_str(before);
        // A value ends with its bracket, or where the next one begins.
        let end = match value.strip_prefix('<') {
            Some(inner) => inner.find('>').map_or(value.len(), |end| end + 2),
            None => value.find([',', ';', ' ']).unwrap_or(value.len()),
        };
        let (value, after) = value.split_at(end);
        out.push_str(&domain_only(value, keep));
        rest = after;
    }
    out.push_str(rest);
    out
}

fn next_field(text: &str) -> Option<(usize, &'static str)> {
    let is_start = |at: usize| text[..at].ends_with([' ', ',', ';', ':', '(']) || at == 0;
    FIELDS
        .iter()
        .filter_map(|field| {
            let at = text
                .match_indices(field)
                .map(|(at, _)| at)
                .find(|at| is_start(*at))?;
            Some((at, *field))
        })
        .min()
}

/// `<ann@a.example>` as `<...@a.example>`.
fn domain_only(value: &str, keep: &[&str]) -> String {
    let (open, close) = match value.starts_with('<') {
        true => ("<", ">"),
        false => ("", ""),
    };
    let domain = value
        .rsplit_once('@')
        .map(|(_, domain)| domain.trim_end_matches('>'))
        .filter(|domain| is_kept(domain, keep));
    match (domain, value.is_empty() || value == "<>") {
        (_, true) => value.to_string(),
        (Some(domain), _) => format!("{open}{GONE}@{domain}{close}"),
        (None, _) => format!("{open}{GONE}{close}"),
    }
}

fn is_kept(domain: &str, keep: &[&str]) -> bool {
    keep.iter().any(|name| name.eq_ignore_ascii_case(domain))
}

/// Takes local parts away wherever they stand, also in what a server has said.
fn without_addresses(line: &str, keep: &[&str]) -> String {
    let is_local = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.\\\"".contains(c);
    let is_domain = |c: char| c.is_alphanumeric() || c == '-' || c == '.';
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find('@') {
        let (before, after) = rest.split_at(at);
        let end = after[1..]
            .find(|c| !is_domain(c))
            .map_or(after.len(), |end| end + 1);
        let domain = after[1..end].trim_end_matches('.');
        let kept = match before.strip_suffix(GONE) {
            Some(kept) => kept,
            None => before.trim_end_matches(is_local),
        };
        out.push_str(kept);
        match (kept.len() < before.len(), is_kept(domain, keep)) {
            (true, true) => out.push_str(&format!("{GONE}{}", &after[..end])),
            (true, false) => out.push_str(GONE),
            // An at sign with nobody before it.
            (false, _) => out.push_str(&after[..end]),
        }
        rest = &after[end..];
    }
    out.push_str(rest);
    out
}

/// A line in pieces of at most `width` columns, the later ones indented; what is more than `lines` pieces is left out, and it shows.
pub fn fold(line: &str, width: usize, lines: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for word in line.split_inclusive(' ') {
        let mut word = word;
        loop {
            let at = pieces.len() - 1;
            let room = width.saturating_sub(pieces[at].chars().count());
            let length = word.trim_end().chars().count();
            if length <= room {
                pieces[at].push_str(word);
                break;
            }
            if pieces[at].trim().is_empty() {
                // One word as long as a line: cut.
                let cut = word
                    .char_indices()
                    .nth(room)
                    .map_or(word.len(), |(at, _)| at);
                pieces[at].push_str(&word[..cut]);
                word = &word[cut..];
            }
            pieces.push("  ".to_string());
        }
    }
    let mut pieces: Vec<String> = pieces
        .into_iter()
        .map(|p| p.trim_end().to_string())
        .filter(|p| !p.is_empty())
        .collect();
    if pieces.len() > lines {
        pieces.truncate(lines);
        if let Some(last) = pieces.last_mut() {
            let short: String = last.chars().take(width.saturating_sub(4)).collect();
            *last = format!("{short} {GONE}");
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn persons_are_gone_and_the_proof_stays() {
        let keep = ["a.example"];
        for (line, expected) in [
            (
                "Nov 20 10:00:01 mx postfix/smtp[1]: 4F: to=<ann.b@a.example>, orig_to=<secret@us.example>, relay=mx.a.example[192.0.2.1]:25, dsn=2.0.0, status=sent (250 ok for <ann.b@a.example>)",
                "Nov 20 10:00:01 mx postfix/smtp[1]: 4F: to=<...@a.example>, orig_to=<...>, relay=mx.a.example[192.0.2.1]:25, dsn=2.0.0, status=sent (250 ok for <...@a.example>)",
            ),
            (
                "sm-mta[7]: x: to=ann@a.example,bob@c.example, ctladdr=joe (1000/1000), delay=00:00:01, stat=Deferred: 403 4.7.0 TLS handshake failed",
                "sm-mta[7]: x: to=...@a.example,..., ctladdr=... (1000/1000), delay=00:00:01, stat=Deferred: 403 4.7.0 TLS handshake failed",
            ),
            (
                "x: from=<\"a b\"@us.example>, msgid=<123@us.example>, sasl_username=joe, host b.example[192.0.2.2] said: 550 joe+tag@c.example unknown",
                "x: from=<...>, msgid=<...>, sasl_username=..., host b.example[192.0.2.2] said: 550 ... unknown",
            ),
            ("x: from=<>, size=3", "x: from=<>, size=3"),
            (
                "TLSv1.3 with cipher x (256/256 bits) at @ noon",
                "TLSv1.3 with cipher x (256/256 bits) at @ noon",
            ),
        ] {
            assert_eq!(redact(line, &keep), expected);
        }
    }

    #[test]
    fn nothing_hidden_is_left() {
        let hostile = "a\r\nBcc: x\u{1b}[31m\u{202e}\u{200b}b";
        assert_eq!(
            visible(hostile),
            "a\\u{d}\\u{a}Bcc: x\\u{1b}[31m\\u{202e}\\u{200b}b"
        );
        assert_eq!(visible("B\u{fc}cher \u{1f4e7}"), "B\u{fc}cher \u{1f4e7}");
    }

    #[test]
    fn lines_are_folded_and_cut_where_it_shows() {
        assert_eq!(fold("one two three", 8, 9), ["one two", "  three"]);
        assert_eq!(
            fold(&"x".repeat(25), 10, 9),
            ["xxxxxxxxxx", "  xxxxxxxx", "  xxxxxxx"]
        );
        let long = fold(&"word ".repeat(60), 40, 3);
        assert_eq!(long.len(), 3);
        assert!(
            long[2].ends_with(" ...") && long.iter().all(|l| l.chars().count() <= 40),
            "{long:?}"
        );
        assert_eq!(fold("", 10, 3), Vec::<String>::new());
    }
}
