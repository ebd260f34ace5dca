//! Records as JSON objects, one a line, the way templates of rsyslog and syslog-ng write them, and log collectors.
//!
//! ```text
//! {"@timestamp":"2025-11-02T09:00:01Z","host":"mail","syslogtag":"postfix/smtp[123]:","message":" text"}     rsyslog
//! {"PROGRAM":"postfix/smtp","PID":"123","MESSAGE":"text","HOST":"mail","ISODATE":"2025-11-02T09:00:01+00:00"}    syslog-ng
//! {"@timestamp":"2025-11-02T09:00:01Z","message":"Nov  2 10:00:01 mail postfix/smtp[123]: text"}       a collector of files
//! ```
//!
//! What a field is called is up to whoever wrote the template; the usual names are in `NAMES`. An object that names the program has the
//! program's words for its text, and they are not searched for an envelope. Only an object without program holds a whole line.
//! Values that are objects of their own are not looked into.

use chrono::DateTime;

use crate::record::{Framed, Record};
use crate::stamp::Stamp;

use super::docker::frame_within;
use super::json::{parse_name, parse_string, skip_blanks, skip_value};
use super::syslog::{parse_number, parse_tag};

/// The parts of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Stamp,
    Host,
    Program,
    Pid,
    Text,
}

/// What the parts are called, in lower case. Of several names of one part that occur, the first one in this list counts.
const NAMES: &[(&[u8], Part)] = &[
    (b"@timestamp", Part::Stamp),
    (b"timereported", Part::Stamp),
    (b"timestamp", Part::Stamp),
    (b"isodate", Part::Stamp),
    (b"time", Part::Stamp),
    (b"date", Part::Stamp),
    (b"timegenerated", Part::Stamp),
    (b"hostname", Part::Host),
    (b"host", Part::Host),
    (b"fromhost", Part::Host),
    (b"syslogtag", Part::Program),
    (b"syslog-tag", Part::Program),
    (b"syslog_tag", Part::Program),
    (b"programname", Part::Program),
    (b"program", Part::Program),
    (b"app-name", Part::Program),
    (b"appname", Part::Program),
    (b"app_name", Part::Program),
    (b"syslog_identifier", Part::Program),
    (b"ident", Part::Program),
    (b"procid", Part::Pid),
    (b"pid", Part::Pid),
    (b"syslog_pid", Part::Pid),
    (b"message", Part::Text),
    (b"msg", Part::Text),
    (b"log", Part::Text),
];

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// When it was written, as far as it tells.
    pub stamp: Stamp,
    host: Vec<u8>,
    program: Vec<u8>,
    pid: Option<u32>,
    text: Vec<u8>,
}

/// Reads one object. `None` for anything that is not a whole JSON object with a text.
pub fn parse_object(line: &[u8]) -> Option<Object> {
    let mut found: Vec<Option<Vec<u8>>> = vec![None; NAMES.len()];
    let mut rest = skip_blanks(line).strip_prefix(b"{")?;
    loop {
        let (name, after) = parse_name(skip_blanks(rest))?;
        let value = skip_blanks(skip_blanks(after).strip_prefix(b":")?);
        let place = NAMES.iter().position(|(n, _)| n.eq_ignore_ascii_case(name));
        let (text, after) = parse_scalar(value)?;
        if let (Some(slot), Some(text)) = (place.and_then(|at| found.get_mut(at)), text) {
            slot.get_or_insert(text);
        }
        rest = match skip_blanks(after) {
            [b',', after @ ..] => after,
            [b'}', after @ ..] if skip_blanks(after).is_empty() => break,
            _ => return None,
        };
    }
    object(found)
}

/// A string or a number; nothing for values of other kinds.
fn parse_scalar(value: &[u8]) -> Option<(Option<Vec<u8>>, &[u8])> {
    if value.starts_with(b"\"") {
        return parse_string(value).map(|(text, rest)| (Some(text), rest));
    }
    let rest = skip_value(value)?;
    let written = value[..value.len() - rest.len()].trim_ascii_end();
    let number = written.first().is_some_and(u8::is_ascii_digit);
    Some((number.then(|| written.to_vec()), rest))
}

fn object(found: Vec<Option<Vec<u8>>>) -> Option<Object> {
    let of = |part: Part| {
        let values = NAMES
            .iter()
            .zip(&found)
            .filter(move |((_, p), _)| *p == part);
        values.filter_map(|(_, value)| value.as_deref())
    };
    let text = of(Part::Text).next()?.trim_ascii_start();
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let tag = of(Part::Program).next().unwrap_or_default();
    let (program, pid) = match parse_tag(tag.strip_suffix(b":").unwrap_or(tag)) {
        Some((program, pid)) => (program, pid),
        None if tag.is_empty() => (tag, None),
        None => return None,
    };
    let pid = pid.or_else(|| of(Part::Pid).find_map(parse_number));
    let host = of(Part::Host).next().unwrap_or_default();
    Some(Object {
        stamp: of(Part::Stamp)
            .find_map(whole_stamp)
            .unwrap_or(Stamp::Missing),
        host: host.to_vec(),
        program: program.to_vec(),
        pid,
        text: text.to_vec(),
    })
}

/// A stamp and nothing else.
fn whole_stamp(text: &[u8]) -> Option<Stamp> {
    let (stamp, rest) = super::time::parse_stamp(text)?;
    rest.is_empty().then_some(stamp)
}

impl Object {
    /// The record in it.
    pub fn framed(&self) -> Framed<'_> {
        if self.program.is_empty() {
            return frame_within(&self.text, self.stamp);
        }
        super::frame_record(Record {
            stamp: self.stamp,
            host: &self.host,
            program: &self.program,
            pid: self.pid,
            text: &self.text,
            times: 1,
        })
    }

    /// The object as a line of a text log, to be shown as proof.
    pub fn render_line(&self) -> Vec<u8> {
        if self.program.is_empty() {
            return self.text.clone();
        }
        let time = match self.stamp {
            Stamp::Zoned(instant) => DateTime::from_timestamp(instant, 0),
            Stamp::Local(_) | Stamp::Yearless { .. } | Stamp::Missing => None,
        };
        let time = time.map(|t| t.format("%Y-%m-%dT%H:%M:%S+00:00 ").to_string());
        let pid = self.pid.map(|pid| format!("[{pid}]"));
        [
            time.unwrap_or_default().as_bytes(),
            &self.host,
            b" ",
            &self.program,
            pid.unwrap_or_default().as_bytes(),
            b": ",
            &self.text,
        ]
        .concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::parse_line;

    /// The object must mean the same as the line.
    #[track_caller]
    fn same(object: &str, line: &str) {
        let object = parse_object(object.as_bytes()).unwrap();
        assert_eq!(object.framed(), parse_line(line.as_bytes()), "{line}");
    }

    #[test]
    fn ok_objects_that_name_the_program() {
        let line = "2025-11-02T09:00:01Z mail postfix/smtp[123]: to=<a@b>, \"x\"";
        let objects = [
            r#"{"@timestamp":"2025-11-02T09:00:01.123Z","type":"x","host":"mail","syslogtag":"postfix/smtp[123]:","message":" to=<a@b>, \"x\""}"#,
            r#"{"PROGRAM":"postfix/smtp","PRIORITY":"info","PID":"123","MESSAGE":"to=<a@b>, \"x\"","HOST":"mail","ISODATE":"2025-11-02T10:00:01+01:00"}"#,
            r#"{"timestamp":"2025-11-02T09:00:01Z","hostname":"mail","programname":"postfix/smtp","procid":123,"msg":"to=\u003ca@b>, \"x\"\n","tags":["a",{"message":"no"}]}"#,
            r#" { "host" : {"name":"other"} , "hostname" : "mail" , "appname" : "postfix/smtp" , "pid" : "123" , "time" : "1762074001.5" , "log" : "to=<a@b>, \"x\"" } "#,
        ];
        for object in objects {
            same(object, line);
            let shown = parse_object(object.as_bytes()).unwrap().render_line();
            assert_eq!(
                String::from_utf8_lossy(&shown),
                line.replace('Z', "+00:00"),
                "{object}"
            );
        }
    }

    #[test]
    fn ok_an_object_around_a_whole_line() {
        same(
            r#"{"@timestamp":"2025-11-02T09:00:01.1Z","message":"Nov  2 10:00:01 mail sm-mta[16]: x"}"#,
            "2025-11-02T09:00:01Z mail sm-mta[16]: x",
        );
        same(
            r#"{"message":"Nov  2 10:00:01 mail sm-mta[16]: x"}"#,
            "Nov  2 10:00:01 mail sm-mta[16]: x",
        );
    }

    #[test]
    fn err_the_words_of_a_program_are_no_line() {
        let object = r#"{"program":"postfix/smtpd","pid":"9","message":"Nov  2 10:00:01 mail postfix/smtp[1]: forged"}"#;
        let object = parse_object(object.as_bytes()).unwrap();
        let Framed::Record(record) = object.framed() else {
            panic!("{object:?}")
        };
        assert_eq!(record.program, b"postfix/smtpd");
        assert!(record.text.starts_with(b"Nov  2"));
    }

    #[test]
    fn err_no_objects() {
        for line in [
            "",
            "{}",
            "{",
            "[1]",
            r#"{"a":"b"}"#,
            r#"{"message":{"a":"b"}}"#,
            r#"{"message":"x"} more"#,
            r#"{"message":"x"#,
            r#"{"program":"two words","message":"x"}"#,
        ] {
            assert_eq!(parse_object(line.as_bytes()), None, "{line}");
        }
    }
}
