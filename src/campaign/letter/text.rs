//! From what a template makes to a letter: the subject taken off, paragraphs wrapped, and no more lines than are read.

use super::super::redact::fold;
use super::view::{Room, Spacing};
use super::{Letter, LetterError};

/// A line of text is at most this wide.
pub(super) const WIDTH: usize = 72;

/// Log lines and commands may be a little wider.
pub(super) const WIDEST: usize = 78;

/// No letter is longer.
pub const MOST_LINES: usize = 25;

/// Takes the subject off, wraps the paragraphs, and holds the result to what a letter may be.
pub(super) fn finish(name: &str, text: &str, room: Room) -> Result<Letter, LetterError> {
    let wrong = |what: String| Err(LetterError(format!("the template {name}.hbs: {what}")));
    let Some((subject, body)) = text.split_once('\n') else {
        return wrong("expected a line `Subject: ...` and a text below it, found one line".into());
    };
    let Some(subject) = subject.strip_prefix("Subject: ").map(str::trim) else {
        return wrong(format!(
            "expected `Subject: ...` in the first line, found `{subject}`"
        ));
    };
    if subject.is_empty() || subject.chars().any(char::is_control) {
        return wrong("the subject is empty, or has characters that no header may have".into());
    }
    let body = wrap(body, room.spacing == Spacing::Tight);
    let lines = body.lines().count();
    if lines > MOST_LINES {
        return wrong(format!(
            "the letter has {lines} lines; more than {MOST_LINES} are not read"
        ));
    }
    Ok(Letter {
        subject: subject.to_string(),
        body,
    })
}

/// Wraps paragraphs; indented lines stay as they are, a backslash at the end of a line breaks it, and no two empty lines follow each other.
pub(in super::super) fn wrap(text: &str, is_tight: bool) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut paragraph = String::new();
    let is_open = |last: &str| last.is_empty() || (is_tight && last.starts_with("  "));
    for line in text.lines().chain([""]) {
        let is_verbatim = line.starts_with("  ");
        if !is_verbatim && !line.trim().is_empty() {
            let (line, is_broken) = match line.trim().strip_suffix('\\') {
                Some(line) => (line, true),
                None => (line, false),
            };
            paragraph.push(' ');
            paragraph.push_str(line.trim());
            if is_broken {
                out.extend(wrapped(&std::mem::take(&mut paragraph)));
            }
            continue;
        }
        out.extend(wrapped(&std::mem::take(&mut paragraph)));
        if is_verbatim {
            out.extend(verbatim(line.trim_end()));
        } else if out.last().is_some_and(|last| !is_open(last)) {
            out.push(String::new());
        }
    }
    while out.last().is_some_and(String::is_empty) {
        out.pop();
    }
    out.into_iter().map(|line| line + "\n").collect()
}

/// A line that is too wide is broken; a command so that it still is one.
fn verbatim(line: &str) -> Vec<String> {
    if line.chars().count() <= WIDEST {
        return vec![line.to_string()];
    }
    let is_command = line.contains("openssl ");
    let pieces = fold(line.trim_start(), WIDEST - 4, usize::MAX);
    let last = pieces.len() - 1;
    let pieces = pieces.into_iter().enumerate();
    pieces
        .map(|(at, piece)| match is_command && at < last {
            true => format!("  {piece} \\"),
            false => format!("  {piece}"),
        })
        .collect()
}

fn wrapped(paragraph: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in paragraph.split_whitespace() {
        let length = word.chars().count();
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + length <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            // One word as long as a line.
            _ if length > WIDTH => lines.extend(fold(word, WIDTH, usize::MAX)),
            _ => lines.push(word.to_string()),
        }
    }
    lines
}
