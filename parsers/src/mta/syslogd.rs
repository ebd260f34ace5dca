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
use crate::lex::{digits, find_entry};
use crate::record::Record;

/// Programs that speak of lost records. `rsyslogd` may be followed by the number of the message (`rsyslogd-2177`).
const DAEMONS: &[&[u8]] = &[
    b"rsyslogd",
    b"systemd-journald",
    b"systemd-journal",
    b"journal",
    b"syslogd",
    b"syslog-ng",
];

/// What each says about it, and whether the loss only begins there. Of several marks in a text the first one in this list counts.
const MARKS: &[(&[u8], bool)] = &[
    (b"begin to drop messages", true),
    (b"begins to drop messages", true),
    (b"messages lost", false),
    (b"due to rate-limiting", false),
    (b"Suppressed ", false),
    (b"Forwarding to syslog missed", false),
    (b"corrupted or uncleanly shut down", false),
    (b" suspended", false),
    // an action: what came since it was suspended may be gone
    (b" resumed (module", false),
    (b"queue full, dropping", true),
    (b"discarding", true),
    (b"discarded", false),
];

/// Words that a number of records stands behind.
const BEFORE_NUMBER: &[&[u8]] = &[b" lost ", b"Suppressed ", b"syslog missed "];

/// A mark of lost records, or nothing of interest.
pub(super) fn parse<'a>(record: &Record<'a>) -> Line<'a> {
    let mark = speaks_of_loss(record.program)
        .then(|| {
            MARKS
                .iter()
                .find(|(m, _)| find_entry(record.text, m).is_some())
        })
        .flatten();
    let Some((_, goes_on)) = mark else {
        return Line::Irrelevant;
    };
    Line::Event(Event::Loss {
        records: count(record.text),
        pid: number_after(b"from pid ", record.text)
            .or_else(|| number_after(b"[pid: ", record.text)),
        goes_on: *goes_on,
    })
}

fn speaks_of_loss(program: &[u8]) -> bool {
    let numbered = program
        .strip_prefix(b"rsyslogd-")
        .is_some_and(|number| number.iter().all(u8::is_ascii_digit));
    numbered || DAEMONS.contains(&program)
}

fn count(text: &[u8]) -> Option<u64> {
    let before = BEFORE_NUMBER.iter().find_map(|w| number_after(w, text));
    before
        .or_else(|| number_before(b" messages lost", text))
        .map(u64::from)
}

fn number_after(word: &[u8], text: &[u8]) -> Option<u32> {
    let rest = &text[find_entry(text, word)? + word.len()..];
    rest.first()?.is_ascii_digit().then(|| digits(rest).0)
}

fn number_before(word: &[u8], text: &[u8]) -> Option<u32> {
    let head = &text[..find_entry(text, word)?];
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
    fn every_mark_of_lost_records_is_known() {
        let cases = [
            (
                "rsyslogd",
                "imuxsock lost 57 messages from pid 5121 due to rate-limiting",
                Some(57),
                Some(5121),
                false,
            ),
            (
                "rsyslogd-2177",
                "imuxsock lost 57 messages from pid 5121 due to rate-limiting",
                Some(57),
                Some(5121),
                false,
            ),
            (
                "rsyslogd-2177",
                "imuxsock begins to drop messages from pid 5121 due to rate-limiting",
                None,
                Some(5121),
                true,
            ),
            (
                "rsyslogd",
                "imuxsock[pid: 5121, name: /usr/lib/postfix/sbin/smtp]: begin to drop messages due to rate-limiting [v8.2302.0 try https://www.rsyslog.com/e/2177 ]",
                None,
                Some(5121),
                true,
            ),
            (
                "rsyslogd",
                "imuxsock[pid: 5121, name: smtp]: 57 messages lost due to rate-limiting (500 allowed within 5 seconds)",
                Some(57),
                Some(5121),
                false,
            ),
            (
                "rsyslogd",
                "imjournal: begin to drop messages due to rate-limiting",
                None,
                None,
                true,
            ),
            (
                "rsyslogd",
                "imjournal: 1200 messages lost due to rate-limiting (20000 allowed within 600 seconds)",
                Some(1200),
                None,
                false,
            ),
            (
                "rsyslogd",
                "imudp(*:514): 12 messages lost due to rate-limiting",
                Some(12),
                None,
                false,
            ),
            (
                "rsyslogd",
                "action 'action-0-builtin:omfile' suspended (module 'builtin:omfile'), next retry is later",
                None,
                None,
                false,
            ),
            (
                "rsyslogd",
                "action 'action-0-builtin:omfwd' resumed (module 'builtin:omfwd') [v8.2302.0]",
                None,
                None,
                false,
            ),
            (
                "rsyslogd",
                "main Q: queue is full, discarding message",
                None,
                None,
                true,
            ),
            (
                "systemd-journald",
                "Suppressed 1530 messages from postfix.service",
                Some(1530),
                None,
                false,
            ),
            (
                "systemd-journal",
                "Suppressed 3 messages from /system.slice/postfix.service",
                Some(3),
                None,
                false,
            ),
            (
                "systemd-journald",
                "Forwarding to syslog missed 12 messages.",
                Some(12),
                None,
                false,
            ),
            (
                "systemd-journald",
                "File /var/log/journal/x/system.journal corrupted or uncleanly shut down, renaming and replacing.",
                None,
                None,
                false,
            ),
            (
                "syslog-ng",
                "Destination queue full, dropping messages; queue_len='10000'",
                None,
                None,
                true,
            ),
        ];
        for (program, text, records, pid, goes_on) in cases {
            let expected = Line::Event(Event::Loss {
                records,
                pid,
                goes_on,
            });
            assert_eq!(p(program, text), expected, "{program}: {text}");
        }
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
        let statistics =
            "Log statistics; processed='src.internal(s#0)=1', dropped='dst.file(d#0)=0'";
        assert_eq!(p("syslog-ng", statistics), Line::Irrelevant);
        assert_eq!(p("rsyslogd-x", "1 messages lost"), Line::Irrelevant);
    }
}
