//! Records that a container runtime wrapped, and cut when they were long.
//!
//! Docker's `json-file` cuts at 16 KiB and marks the last part by a line feed; CRI marks parts with `P` and the last one with `F`.
//! Entries of the systemd journal and records written by templates are taken out of their JSON. Any other line goes straight to [`maillog::framing`], so that this can
//! stand in front of every source.
//!
//! What is kept between lines is one unfinished line for each stream, and in which run of each machine the last entry was written. It
//! is part of the state of a source.

use std::mem::take;

use maillog::framing::docker::{frame_within, unwrap_json};
use maillog::framing::journal::{Entry, is_entry, parse_entry};
use maillog::framing::template::{Object, parse_object};
use maillog::framing::{cri_parts, parse_line};
use maillog::{Framed, Record, Stamp};
use serde::{Deserialize, Serialize};

/// More than this of one line is not kept; mail servers write 2 KiB at most.
const MAX_KEPT: usize = 64 * 1024;
/// How many machines' runs are remembered; a journal that was collected from several has as many.
const MAX_BOOTS: usize = 256;

/// Puts parts together and frames what is whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joiner {
    unfinished: Vec<Unfinished>,
    /// Machine and its run, of journal entries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    boots: Vec<(Vec<u8>, Vec<u8>)>,
    /// The journal entry given last, and the same as a line.
    #[serde(skip)]
    entry: Option<(Entry, Vec<u8>)>,
    /// The record of a template given last, and the same as a line.
    #[serde(skip)]
    object: Option<(Object, Vec<u8>)>,
    /// The line given last: its buffer is used again.
    #[serde(skip)]
    whole: Vec<u8>,
}

/// The parts of a line of which more follow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Unfinished {
    stream: Vec<u8>,
    offset: u64,
    /// Seconds since 1970, of the first part.
    instant: Option<i64>,
    text: Vec<u8>,
}

/// A line that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined<'a> {
    /// Where its first part stands.
    pub offset: u64,
    /// What it is.
    pub framed: Framed<'a>,
    /// How to show it: as it stands in the log, or for records in JSON, which are long, as a line.
    pub shown: &'a [u8],
    /// The record is the first of another run of its machine: what was going on there before is over.
    pub restarted: bool,
}

impl Joiner {
    /// Frames a line. `None`: a part was kept, its end is still to come.
    pub fn frame<'a>(&'a mut self, offset: u64, line: &'a [u8]) -> Option<Joined<'a>> {
        if is_entry(line) {
            return Some(self.frame_entry(offset, line));
        }
        self.entry = None;
        let (offset, framed) = match line.first() {
            Some(b'{') => match unwrap_json(line) {
                Some(part) => {
                    self.add(offset, part.stamp, part.stream, &part.text, part.partial)?
                }
                None => return Some(self.frame_object(offset, line)),
            },
            _ => self.frame_line(offset, line)?,
        };
        Some(Joined {
            offset,
            framed,
            shown: line,
            restarted: false,
        })
    }

    fn frame_object<'a>(&'a mut self, offset: u64, line: &'a [u8]) -> Joined<'a> {
        self.object = parse_object(line).map(|object| {
            let shown = object.render_line();
            (object, shown)
        });
        let (framed, shown) = match &self.object {
            Some((object, shown)) => (object.framed(), shown.as_slice()),
            None => (Framed::Unframed, line),
        };
        Joined {
            offset,
            framed,
            shown,
            restarted: false,
        }
    }

    /// The journal entry that was framed last; `None` if the last line was none, or not a whole one.
    pub fn entry(&self) -> Option<&Entry> {
        self.entry.as_ref().map(|(entry, _)| entry)
    }

    fn frame_entry<'a>(&'a mut self, offset: u64, line: &'a [u8]) -> Joined<'a> {
        self.entry = parse_entry(line).map(|entry| {
            let shown = entry.render_line();
            (entry, shown)
        });
        let Some((entry, shown)) = &self.entry else {
            return Joined {
                offset,
                framed: Framed::Unframed,
                shown: line,
                restarted: false,
            };
        };
        let framed = entry.framed();
        let restarted = matches!(framed, Framed::Record(Record { host, .. })
            if is_restarted(&mut self.boots, host, &entry.boot));
        Joined {
            offset,
            framed,
            shown,
            restarted,
        }
    }

    fn frame_line<'a>(&'a mut self, offset: u64, line: &'a [u8]) -> Option<(u64, Framed<'a>)> {
        let part = if stands_alone(line) {
            None
        } else {
            cri_parts(line)
        };
        match part {
            Some(part) if part.partial || self.is_unfinished(part.stream) => self.add(
                offset,
                part.stamp,
                part.stream.to_vec(),
                part.text,
                part.partial,
            ),
            _ => Some((offset, parse_line(line))),
        }
    }

    fn is_unfinished(&self, stream: &[u8]) -> bool {
        self.unfinished.iter().any(|u| u.stream == stream)
    }

    fn add(
        &mut self,
        offset: u64,
        stamp: Stamp,
        stream: Vec<u8>,
        text: &[u8],
        partial: bool,
    ) -> Option<(u64, Framed<'_>)> {
        let at = self.unfinished.iter().position(|u| u.stream == stream);
        let mut line = at
            .map(|at| self.unfinished.swap_remove(at))
            .unwrap_or_else(|| {
                let instant = if let Stamp::Zoned(instant) = stamp {
                    Some(instant)
                } else {
                    None
                };
                Unfinished {
                    stream,
                    offset,
                    instant,
                    text: take(&mut self.whole),
                }
            });
        if at.is_none() {
            line.text.clear();
        }
        line.text
            .extend_from_slice(&text[..text.len().min(MAX_KEPT.saturating_sub(line.text.len()))]);
        if partial {
            self.unfinished.push(line);
            return None;
        }
        self.whole = line.text;
        let outer = line.instant.map_or(Stamp::Missing, Stamp::Zoned);
        Some((line.offset, frame_within(&self.whole, outer)))
    }
}

/// Whether a machine's last entry was of another run. Machines that are new, and entries that do not name a run, tell nothing.
fn is_restarted(boots: &mut Vec<(Vec<u8>, Vec<u8>)>, host: &[u8], boot: &[u8]) -> bool {
    if boot.is_empty() {
        return false;
    }
    if let Some((_, known)) = boots.iter_mut().find(|(name, _)| name == host) {
        let restarted = known != boot;
        if restarted {
            *known = boot.to_vec();
        }
        return restarted;
    }
    if boots.len() == MAX_BOOTS {
        boots.remove(0);
    }
    boots.push((host.to_vec(), boot.to_vec()));
    false
}

/// Whether [`Joiner::frame`] makes of a line what [`maillog::framing::parse_line`] does, whatever came before it.
pub fn stands_alone(line: &[u8]) -> bool {
    match line.first() {
        Some(b'{') => false,
        Some(b'0'..=b'9') => !is_cri(line),
        _ => true,
    }
}

/// Whether the second word is that of a CRI record.
fn is_cri(line: &[u8]) -> bool {
    memchr::memchr(b' ', line).is_some_and(|at| line[at + 1..].starts_with(b"std"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Vec<(u64, i64, String)> {
        let mut joiner = Joiner::default();
        let mut out = Vec::new();
        for (offset, line) in lines.iter().enumerate() {
            // stored and loaded again at every boundary
            let stored = serde_json::to_string(&joiner).unwrap();
            joiner = serde_json::from_str(&stored).unwrap();
            if let Some(Joined {
                offset,
                framed: Framed::Record(r),
                ..
            }) = joiner.frame(offset as u64, line.as_bytes())
            {
                let Stamp::Zoned(instant) = r.stamp else {
                    panic!("{:?}", r.stamp)
                };
                out.push((
                    offset,
                    instant,
                    String::from_utf8_lossy(r.text).into_owned(),
                ));
            }
        }
        out
    }

    #[test]
    fn ok_docker_record_split() {
        let lines = [
            r#"{"log":"Nov 02 10:00:01 h postfix/smtp[1]: one, ","stream":"stdout","time":"2025-11-02T09:00:01.1Z"}"#,
            r#"{"log":"Nov 02 10:00:01 h postfix/smtp[1]: other\n","stream":"stderr","time":"2025-11-02T09:00:01.1Z"}"#,
            r#"{"log":"two\n","stream":"stdout","time":"2025-11-02T09:00:02.1Z"}"#,
            r#"{"log":"Nov 02 10:00:03 h postfix/smtp[1]: three\n","stream":"stdout","time":"2025-11-02T09:00:03.1Z"}"#,
        ];
        let text = |s: &str| s.to_owned();
        let expected = [
            (1, 1_762_074_001, text("other")),
            (0, 1_762_074_001, text("one, two")),
            (3, 1_762_074_003, text("three")),
        ];
        assert_eq!(read(&lines), expected);
    }

    #[test]
    fn ok_cri_p_p_f() {
        let lines = [
            "2025-11-02T09:00:01.1Z stdout P Nov 02 10:00:01 h postfix/smtp[1]: a",
            "2025-11-02T09:00:01.1Z stdout P b",
            "2025-11-02T09:00:01.1Z stdout F c",
            "2025-11-02T09:00:01.1Z stdout F Nov 02 10:00:01 h postfix/smtp[1]: d",
            "2025-11-02T09:00:01.1Z host postfix/smtp[1]: e",
        ];
        let texts: Vec<_> = read(&lines).into_iter().map(|(o, _, t)| (o, t)).collect();
        assert_eq!(
            texts,
            [
                (0, "abc".to_owned()),
                (3, "d".to_owned()),
                (4, "e".to_owned())
            ]
        );
    }

    #[test]
    fn ok_journal_entries_and_a_machine_that_was_started_anew() {
        let entry = |host: &str, boot: &str, message: &str| {
            format!(
                r#"{{"__CURSOR":"c","__REALTIME_TIMESTAMP":"1762074001123456","_BOOT_ID":"{boot}","_HOSTNAME":"{host}","SYSLOG_IDENTIFIER":"postfix/smtp","_PID":"7","MESSAGE":"{message}"}}"#
            )
        };
        let mut joiner = Joiner::default();
        let mut read = |line: &str| {
            let stored = serde_json::to_string(&joiner).unwrap();
            joiner = serde_json::from_str(&stored).unwrap();
            let joined = joiner.frame(0, line.as_bytes()).unwrap();
            let shown = String::from_utf8_lossy(joined.shown).into_owned();
            (shown, joined.restarted, joiner.entry().is_some())
        };
        let shown = |host: &str, text: &str| {
            format!("2025-11-02T09:00:01+00:00 {host} postfix/smtp[7]: {text}")
        };
        assert_eq!(
            read(&entry("h", "b1", "one")),
            (shown("h", "one"), false, true)
        );
        assert_eq!(
            read(&entry("other", "b9", "x")),
            (shown("other", "x"), false, true)
        );
        assert_eq!(
            read(&entry("h", "b1", "two")),
            (shown("h", "two"), false, true)
        );
        assert_eq!(
            read(&entry("h", "b2", "three")),
            (shown("h", "three"), true, true)
        );
        assert_eq!(
            read(&entry("h", "b2", "four")),
            (shown("h", "four"), false, true)
        );
        let torn = &entry("h", "b2", "five")[..150];
        assert_eq!(read(torn), (torn.to_owned(), false, false));
    }
}
