//! What syslog daemons say about records they lost: after such a mark a missing line proves nothing.
//!
//! ```text
//! rsyslogd: imuxsock lost 57 messages from pid 5121 due to rate-limiting
//! rsyslogd: imuxsock[pid: 5121, name: /usr/lib/postfix/smtp]: begin to drop messages due to rate-limiting
//! rsyslogd: imjournal: 1200 messages lost due to rate-limiting (20000 allowed within 600 seconds)
//! systemd-journald[211]: Suppressed 1530 messages from postfix.service
//! rsyslogd: action 'action-0-builtin:omfile' suspended (module 'builtin:omfile'), next retry is ...
//! ```
//!
//! The words are the daemon's own and hold no text of a remote party, so they are searched, not anchored.

use crate::event::{Event, Line};
use crate::lex::{after, digits, find};
use crate::record::Record;

/// Programs that speak of lost records.
const DAEMONS: &[&[u8]] = &[
    b"rsyslogd",
    b"systemd-journald",
    b"systemd-journal",
    b"journal",
    b"syslogd",
    b"syslog-ng",
];

/// What each says about it.
const MARKS: &[&[u8]] = &[
    b"messages lost",
    b"due to rate-limiting",
    b"Suppressed ",
    b" suspended",
    b"discarding",
    b"discarded",
];

/// Words that a number of records stands behind.
const BEFORE_NUMBER: &[&[u8]] = &[b" lost ", b"Suppressed "];

/// A mark of lost records, or nothing of interest.
pub(super) fn parse<'a>(record: &Record<'a>) -> Line<'a> {
    let program = record.program;
    let speaks = DAEMONS.contains(&program) && MARKS.iter().any(|m| find(record.text, m).is_some());
    if !speaks {
        return Line::Irrelevant;
    }
    Line::Event(Event::Loss {
        records: count(record.text),
        pid: number_after(b"from pid ", record.text)
            .or_else(|| number_after(b"[pid: ", record.text)),
    })
}

fn count(text: &[u8]) -> Option<u64> {
    let before = BEFORE_NUMBER.iter().find_map(|w| number_after(w, text));
    before
        .or_else(|| number_before(b" messages lost", text))
        .map(u64::from)
}

fn number_after(word: &[u8], text: &[u8]) -> Option<u32> {
    let rest = after(word, text)?;
    rest.first()?.is_ascii_digit().then(|| digits(rest).0)
}

fn number_before(word: &[u8], text: &[u8]) -> Option<u32> {
    let head = &text[..find(text, word)?];
    let len = head.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    (len > 0).then(|| digits(&head[head.len() - len..]).0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::Stamp;

    fn p(program: &'static str, text: &'static str) -> Line<'static> {
        let (program, text) = (program.as_bytes(), text.as_bytes());
        parse(&Record {
            stamp: Stamp::Missing,
            host: b"",
            program,
            pid: None,
            text,
            times: 1,
        })
    }

    #[test]
    fn ok_loss() {
        let lost = |records, pid| Line::Event(Event::Loss { records, pid });
        assert_eq!(
            p(
                "rsyslogd",
                "imuxsock lost 57 messages from pid 5121 due to rate-limiting"
            ),
            lost(Some(57), Some(5121))
        );
        assert_eq!(
            p(
                "rsyslogd",
                "imuxsock begins to drop messages from pid 5121 due to rate-limiting"
            ),
            lost(None, Some(5121))
        );
        assert_eq!(
            p(
                "rsyslogd",
                "imjournal: 1200 messages lost due to rate-limiting (20000 allowed within 600 seconds)"
            ),
            lost(Some(1200), None)
        );
        assert_eq!(
            p(
                "systemd-journald",
                "Suppressed 1530 messages from postfix.service"
            ),
            lost(Some(1530), None)
        );
        assert_eq!(
            p(
                "rsyslogd",
                "action 'action-0-builtin:omfile' suspended (module 'x'), next retry is later"
            ),
            lost(None, None)
        );
    }

    #[test]
    fn other_programs_and_other_words_say_nothing() {
        assert_eq!(
            p("rsyslogd", "[origin software=\"rsyslogd\"] start"),
            Line::Irrelevant
        );
        assert_eq!(
            p("dovecot", "Suppressed 3 messages from x"),
            Line::Irrelevant
        );
    }
}
