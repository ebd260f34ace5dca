//! Entries of the systemd journal, as `journalctl -o json --all` writes them: one JSON object a line.
//!
//! ```text
//! {"__CURSOR":"s=6f..;i=1a;b=0c..;m=..;t=..;x=..","__REALTIME_TIMESTAMP":"1762074001123456","_BOOT_ID":"0c..","_HOSTNAME":"mail",
//!  "SYSLOG_IDENTIFIER":"postfix/smtp","SYSLOG_PID":"123","_PID":"123","MESSAGE":"text", ...}
//! ```
//!
//! A field is text, or an array of bytes where it is not printable, or an array of several such values, of which the first one
//! counts, or null where it was too long for a `journalctl` without `--all`. What the sender claims (`SYSLOG_PID`) is preferred to
//! what the kernel saw (`_PID`): behind a relay of log records only the claim names the mail server's process.
//!
//! The text is escaped, so an [`Entry`] owns its parts. The export format (`-o export`) is not read.

use chrono::DateTime;

use crate::record::{Framed, Record};
use crate::stamp::Stamp;

use super::json::{parse_name, parse_string, skip_blanks, skip_value};

/// What every entry has, and no other JSON line: inside a string its quotes would be escaped.
const MARK: &[u8] = b"\"__REALTIME_TIMESTAMP\"";
/// What an entry in the export format begins with.
const EXPORT: &[u8] = b"__CURSOR=";
/// How far the sender's clock may be from the journal's to be believed, in microseconds.
const BELIEVABLE: i64 = 60 * SECOND;
const SECOND: i64 = 1_000_000;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands in its journal; empty if not told.
    pub cursor: Vec<u8>,
    /// The run of the machine it was written in: process numbers begin anew with each.
    pub boot: Vec<u8>,
    /// The machine.
    pub host: Vec<u8>,
    /// When it was sent, or else received.
    pub stamp: Stamp,
    program: Vec<u8>,
    pid: Option<u32>,
    message: Option<Value>,
}

/// A field.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Bytes(Vec<u8>),
    /// There is one, but `journalctl` left it out.
    Withheld,
}

/// Whether a line is to be read by [`parse_entry`], whole or not.
pub fn is_entry(line: &[u8]) -> bool {
    line.first() == Some(&b'{') && memchr::memmem::find(line, MARK).is_some()
}

/// Whether a file that begins with this is in the export format.
pub fn is_export(start: &[u8]) -> bool {
    start.starts_with(EXPORT)
}

/// Reads one entry. `None` for anything that is not a whole JSON object with the time of an entry.
pub fn parse_entry(line: &[u8]) -> Option<Entry> {
    let mut fields = Fields::default();
    let mut rest = skip_blanks(line).strip_prefix(b"{")?;
    loop {
        let (name, after) = parse_name(skip_blanks(rest))?;
        let value = skip_blanks(skip_blanks(after).strip_prefix(b":")?);
        rest = match fields.slot(name) {
            Some(slot) => {
                let (value, rest) = parse_value(value)?;
                slot.get_or_insert(value);
                rest
            }
            None => skip_value(value)?,
        };
        rest = match skip_blanks(rest) {
            [b',', after @ ..] => after,
            [b'}', after @ ..] if skip_blanks(after).is_empty() => return fields.entry(),
            _ => return None,
        };
    }
}

/// The fields that are read, as far as they have come.
#[derive(Default)]
struct Fields {
    cursor: Option<Value>,
    boot: Option<Value>,
    received: Option<Value>,
    sent: Option<Value>,
    host: Option<Value>,
    tag: Option<Value>,
    command: Option<Value>,
    claimed_pid: Option<Value>,
    pid: Option<Value>,
    message: Option<Value>,
}

impl Fields {
    fn slot(&mut self, name: &[u8]) -> Option<&mut Option<Value>> {
        Some(match name {
            b"__CURSOR" => &mut self.cursor,
            b"_BOOT_ID" => &mut self.boot,
            b"__REALTIME_TIMESTAMP" => &mut self.received,
            b"_SOURCE_REALTIME_TIMESTAMP" => &mut self.sent,
            b"_HOSTNAME" => &mut self.host,
            b"SYSLOG_IDENTIFIER" => &mut self.tag,
            b"_COMM" => &mut self.command,
            b"SYSLOG_PID" => &mut self.claimed_pid,
            b"_PID" => &mut self.pid,
            b"MESSAGE" => &mut self.message,
            _ => return None,
        })
    }

    fn entry(self) -> Option<Entry> {
        let received: i64 = number(self.received)?;
        let sent = number(self.sent).filter(|sent: &i64| {
            sent.checked_sub(received)
                .is_some_and(|apart| apart.abs() <= BELIEVABLE)
        });
        Some(Entry {
            cursor: bytes(self.cursor),
            boot: bytes(self.boot),
            host: bytes(self.host),
            stamp: Stamp::Zoned(sent.unwrap_or(received).div_euclid(SECOND)),
            program: bytes(self.tag.or(self.command)),
            pid: number(self.claimed_pid).or_else(|| number(self.pid)),
            message: self.message,
        })
    }
}

fn bytes(value: Option<Value>) -> Vec<u8> {
    match value {
        Some(Value::Bytes(bytes)) => bytes,
        Some(Value::Withheld) | None => Vec::new(),
    }
}

fn number<T: std::str::FromStr>(value: Option<Value>) -> Option<T> {
    std::str::from_utf8(&bytes(value)).ok()?.trim().parse().ok()
}

/// A value of any kind; of several values the first.
fn parse_value(text: &[u8]) -> Option<(Value, &[u8])> {
    let Some(inner) = text.strip_prefix(b"[").map(skip_blanks) else {
        return parse_single(text);
    };
    let rest = skip_value(text)?;
    let value = match inner.first()? {
        b'0'..=b'9' | b']' => Value::Bytes(parse_bytes(inner)?),
        b'[' => Value::Bytes(parse_bytes(&inner[1..])?),
        _ => parse_single(inner)?.0,
    };
    Some((value, rest))
}

fn parse_single(text: &[u8]) -> Option<(Value, &[u8])> {
    match text.first()? {
        b'"' => parse_string(text).map(|(bytes, rest)| (Value::Bytes(bytes), rest)),
        b'n' => Some((Value::Withheld, text.strip_prefix(b"null")?)),
        _ => {
            let rest = skip_value(text)?;
            let written = text[..text.len() - rest.len()].trim_ascii_end();
            Some((Value::Bytes(written.to_vec()), rest))
        }
    }
}

/// The numbers of an array of bytes, up to its closing bracket.
fn parse_bytes(inner: &[u8]) -> Option<Vec<u8>> {
    let inner = &inner[..memchr::memchr(b']', inner)?];
    if inner.trim_ascii().is_empty() {
        return Some(Vec::new());
    }
    inner
        .split(|b| *b == b',')
        .map(|digits| std::str::from_utf8(digits.trim_ascii()).ok()?.parse().ok())
        .collect()
}

impl Entry {
    /// The record in it. An entry without a message says nothing; one whose message was left out is no record.
    pub fn framed(&self) -> Framed<'_> {
        let text = match &self.message {
            Some(Value::Bytes(text)) => text,
            Some(Value::Withheld) => return Framed::Unframed,
            None => return Framed::Noise,
        };
        super::frame_record(Record {
            stamp: self.stamp,
            host: &self.host,
            program: &self.program,
            pid: self.pid,
            text,
            times: 1,
        })
    }

    /// The entry as a line of a text log, to be shown as proof: `2025-11-02T09:00:01+00:00 host tag[pid]: text`.
    pub fn render_line(&self) -> Vec<u8> {
        let time = match self.stamp {
            Stamp::Zoned(instant) => DateTime::from_timestamp(instant, 0),
            Stamp::Local(_) | Stamp::Yearless { .. } | Stamp::Missing => None,
        };
        let mut line = time
            .map(|t| t.format("%Y-%m-%dT%H:%M:%S+00:00").to_string())
            .unwrap_or_default()
            .into_bytes();
        for part in [b" ", self.host.as_slice(), b" ", self.program.as_slice()] {
            line.extend_from_slice(part);
        }
        if let Some(pid) = self.pid {
            line.extend_from_slice(format!("[{pid}]").as_bytes());
        }
        line.extend_from_slice(b": ");
        if let Some(Value::Bytes(text)) = &self.message {
            line.extend_from_slice(text);
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An entry with these fields beside the usual ones; a field named here comes first and counts.
    fn entry(fields: &str) -> Option<Entry> {
        let comma = if fields.is_empty() { "" } else { "," };
        let line = format!(
            r#"{{{fields}{comma}"__CURSOR":"s=1;i=2","_BOOT_ID":"b1","__REALTIME_TIMESTAMP":"1762074001123456","PRIORITY":"6","_HOSTNAME":"mail","X":["a]",[1]],"SYSLOG_IDENTIFIER":"postfix/smtp","_PID":"123","_COMM":"smtp"}}"#
        );
        assert!(is_entry(line.as_bytes()));
        parse_entry(line.as_bytes())
    }

    fn line(fields: &str) -> String {
        let entry = entry(fields).map(|e| e.render_line()).unwrap_or_default();
        String::from_utf8_lossy(&entry).into_owned()
    }

    #[test]
    fn ok_an_entry_is_the_line_that_a_syslog_daemon_would_have_written() {
        let e = entry(r#""MESSAGE":"a \"b\" \u00e4""#).unwrap();
        assert_eq!(
            (e.cursor.as_slice(), e.boot.as_slice()),
            (&b"s=1;i=2"[..], &b"b1"[..])
        );
        let text = e.render_line();
        assert_eq!(
            String::from_utf8_lossy(&text),
            "2025-11-02T09:00:01+00:00 mail postfix/smtp[123]: a \"b\" ä"
        );
        assert_eq!(e.framed(), super::super::parse_line(&text));
    }

    #[test]
    fn ok_every_way_to_write_a_message() {
        let text = |message: &str| {
            let all = line(&format!(r#""MESSAGE":{message}"#));
            all.split_once(": ").map(|(_, text)| text.to_owned())
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(text(r#""plain""#), some("plain"));
        assert_eq!(text("[104,105]"), some("hi"));
        assert_eq!(text("[ 104 , 105 ]"), some("hi"));
        assert_eq!(text("[]"), some(""));
        assert_eq!(text(r#"["one","two"]"#), some("one"));
        assert_eq!(text(r#"[[104,105],"two"]"#), some("hi"));
        assert_eq!(text(r#""\u001b[1mbold""#), some("\u{1b}[1mbold"));
    }

    #[test]
    fn ok_a_message_that_is_missing_and_one_that_was_left_out() {
        assert_eq!(entry("").unwrap().framed(), Framed::Noise);
        assert_eq!(
            entry(r#""MESSAGE":null"#).unwrap().framed(),
            Framed::Unframed
        );
    }

    #[test]
    fn ok_whose_process() {
        let start = |fields: &str| line(fields).split_off("2025-11-02T09:00:01+00:00 ".len());
        assert_eq!(start(""), "mail postfix/smtp[123]: ");
        assert_eq!(start(r#""SYSLOG_PID":"77""#), "mail postfix/smtp[77]: ");
        assert_eq!(start(r#""SYSLOG_PID":"x""#), "mail postfix/smtp[123]: ");
        let bare =
            br#"{"__REALTIME_TIMESTAMP":"1762074001123456","_COMM":"sendmail","MESSAGE":"x"}"#;
        let bare = parse_entry(bare).unwrap();
        let Framed::Record(record) = bare.framed() else {
            panic!("{bare:?}")
        };
        assert_eq!(
            (record.program, record.pid, record.host),
            (&b"sendmail"[..], None, &b""[..])
        );
    }

    #[test]
    fn ok_the_senders_clock_is_believed_within_a_minute() {
        let at = |sent: &str| {
            entry(&format!(r#""_SOURCE_REALTIME_TIMESTAMP":"{sent}""#))
                .unwrap()
                .stamp
        };
        assert_eq!(at("1762073999000000"), Stamp::Zoned(1_762_073_999));
        assert_eq!(at("1762070000000000"), Stamp::Zoned(1_762_074_001));
        assert_eq!(at("-9223372036854775808"), Stamp::Zoned(1_762_074_001));
    }

    #[test]
    fn ok_the_line_of_a_container_is_taken_out() {
        let e = entry(r#""SYSLOG_IDENTIFIER":"0123456789ab","MESSAGE":"Nov 02 10:00:01 inner postfix/smtp[9]: x""#).unwrap();
        let Framed::Record(record) = e.framed() else {
            panic!("{e:?}")
        };
        assert_eq!(
            (record.host, record.program, record.pid),
            (&b"inner"[..], &b"postfix/smtp"[..], Some(9))
        );
        assert_eq!(record.stamp, Stamp::Zoned(1_762_074_001));
    }

    #[test]
    fn err_parse_entry() {
        let bad: &[&[u8]] = &[
            b"",
            b"{",
            b"{}",
            br#"{"MESSAGE":"x"}"#,
            br#"{"__REALTIME_TIMESTAMP":"soon"}"#,
            br#"{"__REALTIME_TIMESTAMP":"1"} more"#,
            br#"{"__REALTIME_TIMESTAMP":"1","MESSAGE":"x"#,
            br#"{"__REALTIME_TIMESTAMP":"1","MESSAGE":[1,2"#,
            br#"{"__REALTIME_TIMESTAMP":"1","MESSAGE":[256]}"#,
            br#"{"__REALTIME_TIMESTAMP":"1","MESSAGE":[1,-2]}"#,
            br#"{"__REALTIME_TIMESTAMP":"1","MESSAGE":nul}"#,
            br#"{"__REALTIME_TIMESTAMP":"1","MESSAGE":[[[1]]]}"#,
        ];
        for line in bad {
            assert_eq!(parse_entry(line), None, "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn ok_neither_docker_nor_a_quotation_is_an_entry() {
        assert!(!is_entry(br#"{"log":"x\n","stream":"stdout"}"#));
        assert!(!is_entry(
            br#"{"log":"say \"__REALTIME_TIMESTAMP\" again\n"}"#
        ));
        assert!(is_export(b"__CURSOR=s=1\n__REALTIME_TIMESTAMP=1\n"));
    }
}
