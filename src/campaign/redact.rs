//! Makes log lines fit to be shown to strangers: who wrote to whom is nobody's business there, and nothing in them can break a letter.
//!
//! What is left is what proves the claim: the times, the hosts, the addresses of machines, the codes and what was said about TLS. It does not
//! know which mail server wrote the line.

use unicode_width::UnicodeWidthChar;

/// In place of what is taken out.
pub(super) const GONE: &str = "...";

/// Fields whose value is about a person or a message, whatever it looks like. A value without brackets goes on to the next field, since
/// user names and the names in certificates may have blanks and commas.
const PERSONAL: &[&str] = &[
    "from",
    "to",
    "orig_to",
    "ctladdr",
    "msgid",
    "message-id",
    "resent-message-id",
    "sasl_username",
    "sasl_sender",
    "authid",
    "authzid",
    "user",
    "helo",
    "subject",
    "subject_CN",
    "cert-subject",
    "CN",
    "issuer",
    "issuer_CN",
    "cert-issuer",
    "fingerprint",
    "pkey_fingerprint",
];

/// Fields that prove nothing here, and only make the line long.
const IDLE: &[&str] = &[
    "delay", "delays", "xdelay", "mailer", "pri", "conn_use", "size", "class", "nrcpts", "ntries",
    "daemon", "bodytype",
];

/// Fields that stay and may have an address for a value.
const NAMED: &[&str] = &[
    "relay=",
    "client=",
    "arg1=",
    "nexthop=",
    "recipient=",
    "sender=",
];

/// Where the words of the other server begin.
const REPLIES: &[&str] = &[" said: ", "status=", "stat=", "reply=", "reject="];

/// Where the fact begins for the sake of which a line is shown.
const FACTS: &[&str] = &["tls=", "status=", "stat=", "reject="];

/// Words that are not taken out of an answer, though somebody may have them as a name: they may be what the line is there for.
const TELLING: &[&str] = &[
    "tls",
    "starttls",
    "handshake",
    "certificate",
    "required",
    "offered",
    "host",
    "status",
    "sent",
    "deferred",
    "bounced",
    "queued",
];

/// A line without persons and without links, of visible characters only. Domains in `keep` stay.
pub fn redact(line: &str, keep: &[&str]) -> String {
    let mut persons = Persons::default();
    let line = persons.without_fields(&visible(line), keep);
    let line = persons.without_brackets(&line, keep);
    let line = persons.without_addresses(&line, keep);
    without_links(&persons.without_names(line))
}

/// A text in which everything shows: control and direction characters come out as escapes.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match is_hidden(c) {
            true => out.extend(c.escape_unicode()),
            false => out.push(c),
        }
    }
    out
}

fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{2028}' | '\u{2029}')
        || (!c.is_ascii() && c.width().unwrap_or(0) == 0)
}

/// Who was met in a line, so that the answer of the other server can be searched for them too.
#[derive(Default)]
struct Persons(Vec<String>);

impl Persons {
    /// Empties the fields of persons, but for the domain of a mail address, and drops those that prove nothing.
    fn without_fields(&mut self, line: &str, keep: &[&str]) -> String {
        let mut out = String::with_capacity(line.len());
        let mut rest = line;
        while let Some(field) = Field::next(rest) {
            let (before, value, after) = field.split(rest);
            match IDLE.contains(&field.name) {
                true => drop_idle(&mut out, before, field.name),
                false => {
                    out.push_str(before);
                    out.push_str(&self.domains_only(value, keep));
                }
            }
            rest = after;
        }
        out.push_str(rest);
        out
    }

    /// Each address of a list without its local part.
    fn domains_only(&mut self, value: &str, keep: &[&str]) -> String {
        if value.is_empty() || value == "<>" {
            return value.to_string();
        }
        if value.contains(' ') && !value.starts_with('<') {
            // A name in words: nothing of it stays.
            self.meet(value.split(' ').next().unwrap_or_default());
            return GONE.to_string();
        }
        let each = split_outside_quotes(value).into_iter();
        let shown: Vec<String> = each.map(|one| self.domain_only(one, keep)).collect();
        shown.join(",")
    }

    /// `<ann@a.example>` as `<...@a.example>`.
    fn domain_only(&mut self, value: &str, keep: &[&str]) -> String {
        let bare = value.strip_prefix('<');
        let inner = bare.map_or(value, |v| v.strip_suffix('>').unwrap_or(v));
        let (local, domain) = inner.rsplit_once('@').unwrap_or((inner, ""));
        self.meet(local);
        let shown = match is_kept(domain, keep) {
            true => format!("{GONE}@{domain}"),
            false => GONE.to_string(),
        };
        match bare {
            Some(_) => format!("<{shown}>"),
            None => shown,
        }
    }

    /// Empties whatever else stands between angle brackets: addresses, and the names that servers put there.
    fn without_brackets(&mut self, line: &str, keep: &[&str]) -> String {
        let mut out = String::with_capacity(line.len());
        let mut rest = line;
        while let Some(at) = rest.find('<') {
            let (before, value) = rest.split_at(at);
            let end = end_of_bracket(value);
            out.push_str(before);
            match &value[..end] {
                "<>" => out.push_str("<>"),
                other => out.push_str(&self.domain_only(other, keep)),
            }
            rest = &value[end..];
        }
        out.push_str(rest);
        out
    }

    /// Takes local parts away wherever they stand, also in what a server has said.
    fn without_addresses(&mut self, line: &str, keep: &[&str]) -> String {
        let is_domain = |c: char| c.is_alphanumeric() || c == '-' || c == '.';
        let mut out = String::with_capacity(line.len());
        let mut rest = line;
        while let Some(at) = rest.find('@') {
            let (before, after) = rest.split_at(at);
            let end = after[1..]
                .find(|c| !is_domain(c))
                .map_or(after.len(), |end| end + 1);
            let domain = after[1..end].trim_end_matches('.');
            let kept = &before[..start_of_local(before)];
            let local = &before[kept.len()..];
            out.push_str(kept);
            match (local, is_kept(domain, keep)) {
                // An at sign with nobody before it.
                ("", _) => out.push_str(&after[..end]),
                (_, true) => out.push_str(&format!("{GONE}{}", &after[..end])),
                (_, false) => out.push_str(GONE),
            }
            self.meet(local);
            rest = &after[end..];
        }
        out.push_str(rest);
        out
    }

    fn meet(&mut self, name: &str) {
        let name = name.trim_matches(['"', ' ']).to_lowercase();
        let is_word = name.chars().count() > 2 && name.chars().any(char::is_alphabetic);
        if is_word && !TELLING.contains(&name.as_str()) {
            self.0.push(name);
        }
    }

    /// Takes the same persons out of what the other server has answered: `550 no such user: ann`.
    fn without_names(&self, line: String) -> String {
        let reply = REPLIES
            .iter()
            .filter_map(|words| Some(line.find(words)? + words.len()));
        let Some(at) = reply.min() else {
            return line;
        };
        let (before, reply) = line.split_at(at);
        let words = reply.split_inclusive(|c: char| !is_name(c)).map(|word| {
            let name = word.trim_end_matches(|c: char| !is_name(c));
            match self.0.iter().any(|person| *person == name.to_lowercase()) {
                true => format!("{GONE}{}", &word[name.len()..]),
                false => word.to_string(),
            }
        });
        format!("{before}{}", words.collect::<String>())
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || "._+-".contains(c)
}

/// A `name=` of which something is to be taken out.
struct Field {
    name: &'static str,
    /// Where the value begins.
    at: usize,
}

impl Field {
    fn next(text: &str) -> Option<Field> {
        let is_start = |at: usize| at == 0 || text[..at].ends_with([' ', ',', ';', ':', '(', '/']);
        text.match_indices('=').find_map(|(equals, _)| {
            let known = PERSONAL.iter().chain(IDLE);
            let name = known
                .copied()
                .find(|name| text[..equals].ends_with(name) && is_start(equals - name.len()))?;
            Some(Field {
                name,
                at: equals + 1,
            })
        })
    }

    /// What stands before the value, the value, and the rest.
    fn split<'t>(&self, text: &'t str) -> (&'t str, &'t str, &'t str) {
        let (before, value) = text.split_at(self.at);
        let end = match (value.starts_with('<'), IDLE.contains(&self.name)) {
            (true, _) => end_of_list(value),
            (_, true) => value.find([',', ';', ' ']).unwrap_or(value.len()),
            _ => end_of_value(value),
        };
        (before, &value[..end], &value[end..])
    }
}

/// Up to `, name=` or `; name=`, else all of it.
fn end_of_value(value: &str) -> usize {
    let ends = value.match_indices([',', ';']).map(|(at, _)| at);
    let mut ends = ends.filter(|at| {
        let next = value[at + 1..].trim_start();
        let name = next.split('=').next().unwrap_or_default();
        let is_name = |c: char| c.is_ascii_lowercase() || c == '_' || c == '-';
        next.len() > name.len() && !name.is_empty() && name.chars().all(is_name)
    });
    ends.next().unwrap_or(value.len())
}

/// `<a>,<b>`: as far as it goes.
fn end_of_list(value: &str) -> usize {
    let mut end = end_of_bracket(value);
    while value[end..].starts_with(",<") {
        end += 1 + end_of_bracket(&value[end + 1..]);
    }
    end
}

/// Where a `<...>` ends; a bracket between quotes ends nothing, and neither does one after a backslash, unless there is no other.
fn end_of_bracket(value: &str) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in value.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => return at + 1,
            _ => {}
        }
    }
    value.find('>').map_or(value.len(), |at| at + 1)
}

fn split_outside_quotes(value: &str) -> Vec<&str> {
    let mut quoted = false;
    let split = value.split(|c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    split.collect()
}

/// Where the local part that ends `text` begins.
fn start_of_local(text: &str) -> usize {
    let is_local = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.\\\"".contains(c);
    match text.strip_suffix('"').and_then(|inner| inner.rfind('"')) {
        Some(at) => at,
        None if text.ends_with(GONE) => text.len() - GONE.len(),
        None => {
            let start = text.trim_end_matches(is_local).len();
            let field = NAMED.iter().find(|field| text[start..].starts_with(*field));
            start + field.map_or(0, |field| field.len())
        }
    }
}

/// Leaves one mark for all that was dropped in a row.
fn drop_idle(out: &mut String, before: &str, name: &str) {
    let kept = &before[..before.len() - name.len() - 1];
    out.push_str(kept);
    match out.ends_with(&format!("{GONE}{kept}")) {
        true => out.truncate(out.len() - kept.len()),
        false => out.push_str(GONE),
    }
}

fn is_kept(domain: &str, keep: &[&str]) -> bool {
    keep.iter().any(|name| name.eq_ignore_ascii_case(domain))
}

/// Links that a stranger's server put into an answer prove nothing, and are not ours to spread.
fn without_links(line: &str) -> String {
    let words = line
        .split_inclusive(' ')
        .map(|word| match word.find("://") {
            Some(at) => {
                let scheme = word[..at]
                    .rfind(|c: char| !c.is_ascii_alphanumeric())
                    .map_or(0, |at| at + 1);
                let end = word.find([')', ' ']).unwrap_or(word.len()).max(scheme);
                format!("{}{GONE}{}", &word[..scheme], &word[end..])
            }
            None => word.to_string(),
        });
    words.collect()
}

/// The pieces of [`fold`], without the middle of the line if it is too long: how it begins, and how the mail went, stay.
pub fn fold_shortened(line: &str, width: usize, lines: usize) -> Vec<String> {
    let pieces = fold(line, width, usize::MAX);
    let Some(fact) = FACTS.iter().filter_map(|words| line.find(words)).min() else {
        return fold(line, width, lines);
    };
    if pieces.len() <= lines {
        return pieces;
    }
    let (head, tail) = line.split_at(fact);
    let tail = fold(tail, width - 2, lines.div_ceil(2));
    let mut pieces = fold(head, width, lines - tail.len());
    pieces.extend(tail.into_iter().map(|piece| format!("  {piece}")));
    pieces
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
    let pieces = pieces.into_iter().map(|p| p.trim_end().to_string());
    let mut pieces: Vec<String> = pieces.filter(|p| !p.is_empty()).collect();
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
    use std::path::Path;

    #[test]
    fn persons_are_gone_and_the_proof_stays() {
        let keep = ["a.example"];
        for (line, expected) in [
            (
                "Nov 20 10:00:01 mx postfix/smtp[1]: 4F: to=<ann.b@a.example>, orig_to=<secret@us.example>, relay=mx.a.example[192.0.2.1]:25, delay=1.1, delays=0.1/0/0.5/0.5, dsn=2.0.0, status=sent (250 ok for <ann.b@a.example>)",
                "Nov 20 10:00:01 mx postfix/smtp[1]: 4F: to=<...@a.example>, orig_to=<...>, relay=mx.a.example[192.0.2.1]:25, ..., dsn=2.0.0, status=sent (250 ok for <...@a.example>)",
            ),
            (
                "sm-mta[7]: x: to=ann@a.example,bob@c.example, ctladdr=joe (1000/1000), delay=00:00:01, xdelay=00:00:01, mailer=esmtp, pri=1, relay=mx.a.example. [192.0.2.1], dsn=4.0.0, stat=Deferred: 403 4.7.0 TLS handshake failed",
                "sm-mta[7]: x: to=...@a.example,..., ctladdr=..., relay=mx.a.example. [192.0.2.1], dsn=4.0.0, stat=Deferred: 403 4.7.0 TLS handshake failed",
            ),
            (
                "x: from=<\"a b\"@us.example>, msgid=<123@us.example>, sasl_username=joe doe",
                "x: from=<...>, msgid=<...>, sasl_username=...",
            ),
            (
                "x: sasl_username=joe doe, sasl_sender=joe",
                "x: sasl_username=..., sasl_sender=...",
            ),
            (
                "x: host b.example[192.0.2.2] said: 550 verp=joe+tag@c.example unknown, see https://c.example/?joe (in reply)",
                "x: host b.example[192.0.2.2] said: 550 ... unknown, see ... (in reply)",
            ),
            (
                "x: to=<bob.b@a.example>, status=bounced (host mx.a.example[192.0.2.1] said: 550 no user bob.b here, see http://a.example/bob)",
                "x: to=<...@a.example>, status=bounced (host mx.a.example[192.0.2.1] said: 550 no user ... here, see ...)",
            ),
            (
                "x: to=<\"x>, relay=mx.victim.example[198.51.100.99]:25, status=sent (ok)\"@a.example>, relay=mx.a.example[192.0.2.1]:25, status=sent (250 Ok)",
                "x: to=<...@a.example>, relay=mx.a.example[192.0.2.1]:25, status=sent (250 Ok)",
            ),
            (
                "relay sendmail[738]: STARTTLS=client, cert-subject=/O=Us, Inc./CN=Ann+20Bee, cert-issuer=/CN=Lab, verifymsg=ok",
                "relay sendmail[738]: STARTTLS=client, cert-subject=..., cert-issuer=..., verifymsg=ok",
            ),
            (
                "x: ruleset=tls_server, arg1=SOFTWARE, relay=mx.a.example, reject=454 4.7.0 TLS handshake failed.",
                "x: ruleset=tls_server, arg1=SOFTWARE, relay=mx.a.example, reject=454 4.7.0 TLS handshake failed.",
            ),
            ("x: <bob>... User unknown", "x: <...>... User unknown"),
            (
                "x: <...bob> and <...> and <",
                "x: <...> and <...> and <...>",
            ),
            ("x: from=<>, size=3", "x: from=<>, ..."),
            (
                "TLSv1.3 with cipher x (256/256 bits) at @ noon",
                "TLSv1.3 with cipher x (256/256 bits) at @ noon",
            ),
        ] {
            assert_eq!(redact(line, &keep), expected);
        }
    }

    /// Every line of every sample log, with whoever stands in it.
    #[test]
    fn nobody_in_the_sample_logs_is_recognised() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-logs");
        let mut lines = 0;
        for directory in ["postfix", "sendmail", "edge"] {
            for entry in std::fs::read_dir(root.join(directory)).unwrap().flatten() {
                if entry.path().extension().is_none_or(|e| e != "log") {
                    continue;
                }
                let log = std::fs::read(entry.path()).unwrap();
                for line in String::from_utf8_lossy(&log).lines() {
                    check(line);
                    lines += 1;
                }
            }
        }
        assert!(lines > 2000, "{lines}");
    }

    fn check(line: &str) {
        let shown = redact(line, &["a.example"]);
        for (at, _) in shown.match_indices('@') {
            let before = &shown[..at];
            assert!(
                before.ends_with(GONE) || before.ends_with([' ', ':']),
                "{line}\n{shown}"
            );
        }
        for (at, _) in shown.match_indices('<') {
            assert!(
                shown[at..].starts_with("<...") || shown[at..].starts_with("<>"),
                "{line}\n{shown}"
            );
        }
        assert!(!shown.contains("://"), "{shown}");
        for fact in [
            "status=",
            " stat=",
            "relay=",
            "STARTTLS",
            "TLS connection established",
            "handshake fail",
        ] {
            // What stands in a quoted local part is no fact.
            let quoted = line.contains("=<\"") || line.contains("id=<\"");
            assert!(
                quoted || line.contains(fact) == shown.contains(fact),
                "{line}\n{shown}"
            );
        }
        // The reader of a letter sees how it went, though there is little room.
        let folded = fold_shortened(&shown, 74, 2).join("");
        for fact in ["status=", " stat="] {
            assert!(
                !shown.contains(fact) || folded.contains(fact),
                "{line}\n{folded}"
            );
        }
    }

    #[test]
    fn nothing_hidden_is_left() {
        let hostile = "a\r\nBcc: x\u{1b}[31m\u{202e}\u{200b}\u{ad}\u{e0041}b";
        assert_eq!(
            visible(hostile),
            "a\\u{d}\\u{a}Bcc: x\\u{1b}[31m\\u{202e}\\u{200b}\\u{ad}\\u{e0041}b"
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
        let told = fold_shortened(&format!("{} status=sent (ok)", "word ".repeat(60)), 40, 2);
        assert_eq!(told[1], "  status=sent (ok)");
        assert!(told[0].ends_with(" ..."), "{told:?}");
    }
}
