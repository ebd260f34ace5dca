//! The systemd journal on its way in: when it is read instead of log files, where it goes on, and what is missing in between.
//!
//! The same events may stand in the journal and in log files that a syslog daemon writes beside it, so one of the two is read. What log
//! files have told of a host before its journal is read for the first time is not taken from the journal again.

use std::io;
use std::path::PathBuf;

use anyhow::bail;
use maillog::Stamp;
use maillog::framing::journal::{Entry, parse_entry};
use serde::{Deserialize, Serialize};

use crate::input::{self, Clock, Entries, Found, JOURNAL_DIRECTORIES, Joiner, Journal, Zone};
use crate::store::{Bookmark, Store};

use super::super::Environment;
use super::parsed::ParsedLine;
use super::reader::{Reader, SourceState};
use super::{ReadingArgs, Tracker};

/// What marks the bookmark of the journal.
const KIND: &str = "journal";

/// Where reading a journal goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// The last entry read; empty if none was.
    cursor: String,
    /// Hosts, by the first label of their names, and up to when log files have told of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    told: Vec<(String, i64)>,
}

impl Position {
    /// Of everything that is no journal.
    pub(super) fn is_none(&self) -> bool {
        *self == Position::default()
    }
}

/// What to read: the log files and the journal that the command line, else the settings, else this machine name.
pub(super) fn find(
    args: &ReadingArgs,
    named: &[PathBuf],
    environment: &Environment,
) -> anyhow::Result<(Found, Option<Journal>)> {
    let journal = Journal::of_this_machine();
    let set = environment.settings.journal && args.logs.is_empty();
    if (args.journal || set) && !named.is_empty() && (set || !args.logs.is_empty()) {
        bail!(
            "the journal and log files together: a syslog daemon writes the same events into both, and they would be counted twice. Name log files, or read the journal ({})",
            if set {
                "journal = true in the settings"
            } else {
                "--journal"
            }
        );
    }
    if args.journal || set {
        journal.has_mail()?;
        return Ok((Found::default(), Some(journal)));
    }
    if !named.is_empty() {
        return Ok((input::find_sources(named)?, None));
    }
    find_unnamed(&past(environment), input::find_default_sources(), journal)
}

/// What this store was fed with before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Past {
    journal: bool,
    default_logs: bool,
}

fn past(environment: &Environment) -> Past {
    // A store that cannot be read is told of when it is written.
    let bookmarks = Store::open_existing(&environment.store)
        .and_then(|store| store.bookmarks())
        .unwrap_or_default();
    Past {
        journal: bookmarks.iter().any(|b| b.kind == KIND),
        default_logs: bookmarks.iter().any(|b| input::is_default_log(&b.path)),
    }
}

/// Nothing was named: what was read before, else log files, else the journal.
fn find_unnamed(
    past: &Past,
    logs: Found,
    journal: Journal,
) -> anyhow::Result<(Found, Option<Journal>)> {
    if past.journal {
        journal.has_mail()?;
        return Ok((Found::default(), Some(journal)));
    }
    if !logs.sources.is_empty() {
        return Ok((logs, None));
    }
    let tried = match journal_if_kept(past, &logs, &journal) {
        Ok(()) => return Ok((Found::default(), Some(journal))),
        Err(why) => format!("\nand for a systemd journal: {why}"),
    };
    bail!("{}", input::no_log_found(&logs, &tried))
}

/// Whether the journal may be read without being asked for; if not, why.
fn journal_if_kept(past: &Past, logs: &Found, journal: &Journal) -> Result<(), String> {
    if logs.is_denied() {
        return Err("not read instead of a log file that is there".into());
    }
    if past.default_logs {
        return Err(
            "not read without --journal, because this store was fed from log files so far; it would go on where they ended".into(),
        );
    }
    if !Journal::is_kept_in(JOURNAL_DIRECTORIES) {
        return Err(format!("neither {}", JOURNAL_DIRECTORIES.join(" nor ")));
    }
    match journal.has_mail() {
        Ok(true) => Ok(()),
        Ok(false) => Err("it has no record of a mail server (SYSLOG_FACILITY=2)".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// What may be missing before the next entry.
enum Seam {
    /// Nothing.
    Whole,
    /// The first entry must be the one that was read last.
    Expected,
    /// A line that was no whole entry stood there.
    Damaged,
}

/// One reading of the journal.
pub(super) struct Reading {
    bookmark: Bookmark,
    state: SourceState,
    seam: Seam,
    /// Bytes of this run that were read before.
    again: u64,
    /// Lines that are new.
    new: u64,
}

/// Where the journal was left, or its beginning. `id`: its number, if it was never read.
pub(super) fn begin(
    store: &Store,
    tracker: &Tracker,
    bookmarks: &[Bookmark],
    id: i64,
) -> anyhow::Result<Reading> {
    let (bookmark, state) = match bookmarks.iter().find(|b| b.kind == KIND) {
        Some(known) => (known.clone(), serde_json::from_str(&known.state)?),
        None => {
            let bookmark = Bookmark {
                id,
                path: KIND.to_owned(),
                kind: KIND.to_owned(),
                ..Bookmark::default()
            };
            let state = SourceState {
                first: None,
                clock: Clock::new(Zone::Utc),
                joiner: Joiner::default(),
                journal: Position {
                    told: told(store, tracker)?,
                    ..Position::default()
                },
            };
            (bookmark, state)
        }
    };
    let seam = match state.journal.cursor.is_empty() {
        true => Seam::Whole,
        false => Seam::Expected,
    };
    Ok(Reading {
        bookmark,
        state,
        seam,
        again: 0,
        new: 0,
    })
}

/// Up to when log files have told of each host.
fn told(store: &Store, tracker: &Tracker) -> anyhow::Result<Vec<(String, i64)>> {
    let mut told: Vec<(String, i64)> = Vec::new();
    let outcomes = store.newest_of_hosts()?;
    let records = tracker.hosts().map(|(name, at)| (name.to_owned(), at));
    for (name, at) in outcomes.into_iter().chain(records) {
        let label = first_label(name.as_bytes());
        match told.iter_mut().find(|(known, _)| *known == label) {
            Some((_, known)) => *known = at.max(*known),
            None => told.push((label, at)),
        }
    }
    Ok(told)
}

impl Reader<'_> {
    /// Reads what is new in the journal.
    pub(super) fn read_journal(
        &mut self,
        journal: &Journal,
        mut reading: Reading,
    ) -> anyhow::Result<()> {
        let base = reading.bookmark.offset;
        self.progress.reading(KIND);
        let mut entries = journal.entries(&reading.state.journal.cursor)?;
        let ended = match self.read_entries(&mut reading, &mut entries)? {
            Some(error) => Err(format!("journalctl cannot be heard: {error}")),
            None => entries.end().map_err(|error| error.to_string()),
        };
        match ended {
            Ok(None) => {}
            // A damaged journal file stays damaged: cron need not hear of it each day.
            Ok(Some(words)) => self.printer.remark(&format!("journalctl says: {words}")),
            Err(why) if reading.new == 0 => bail!("{why}; nothing new was read"),
            Err(why) => self.printer.warning(&format!(
                "{why}; what came before it counts, and the next run goes on there"
            )),
        }
        if reading.new == 0 {
            self.intake.unchanged += 1;
            return Ok(());
        }
        self.intake.counts.bytes += reading.bookmark.offset - base;
        self.intake.sources += 1;
        let bookmark = reading.bookmark()?;
        self.bookmarks.push(bookmark);
        Ok(())
    }

    /// All entries that come, as far as they come; why the last one did not, if the pipe broke.
    fn read_entries(
        &mut self,
        reading: &mut Reading,
        entries: &mut Entries,
    ) -> anyhow::Result<Option<io::Error>> {
        let base = reading.bookmark.offset;
        loop {
            let line = match entries.next_line() {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(None),
                Err(error) => return Ok(Some(error)),
            };
            self.since_commit += line.bytes.len() as u64 + 1;
            // Offsets count what is new, however many runs it took.
            self.journal_line(reading, base + line.offset - reading.again, line.bytes);
            reading.bookmark.offset = base + entries.position() - reading.again;
            if self.is_to_commit() {
                self.bookmarks.push(reading.bookmark()?);
                self.commit()?;
            }
        }
    }

    /// One line of `journalctl`: an entry, unless something is wrong.
    fn journal_line(&mut self, reading: &mut Reading, offset: u64, line: &[u8]) {
        // `-- No entries --`
        if line.starts_with(b"-- ") || self.is_told(reading, line) {
            reading.again += line.len() as u64 + 1;
            return;
        }
        reading.new += 1;
        reading.bookmark.lines += 1;
        let (state, bookmark) = (&mut reading.state, &mut reading.bookmark);
        let line = ParsedLine {
            offset,
            bytes: line,
            said: None,
        };
        self.line(state, bookmark.id, &line, &mut bookmark.last_seen);
        match state.joiner.entry() {
            Some(entry) => state.journal.cursor = text(&entry.cursor),
            None => {
                if let Seam::Whole = reading.seam {
                    reading.seam = Seam::Damaged;
                }
            }
        }
        if bookmark.first_seen == 0 {
            bookmark.first_seen = bookmark.last_seen;
            state.first = Some(bookmark.first_seen);
        }
    }

    /// Whether an entry was read before, here or in a log file. If it is the first one after something that is missing, that is told.
    fn is_told(&mut self, reading: &mut Reading, line: &[u8]) -> bool {
        if matches!(reading.seam, Seam::Whole) && reading.state.journal.told.is_empty() {
            return false;
        }
        let Some(entry) = parse_entry(line) else {
            return false;
        };
        let position = &mut reading.state.journal;
        let expected = matches!(reading.seam, Seam::Expected);
        if expected && position.cursor == text(&entry.cursor) {
            reading.seam = Seam::Whole;
            return true;
        }
        let Stamp::Zoned(at) = entry.stamp else {
            return false;
        };
        let label = first_label(&entry.host);
        if let Some(told) = position.told.iter().position(|(host, _)| *host == label) {
            if at <= position.told[told].1 {
                position.cursor = text(&entry.cursor);
                return true;
            }
            position.told.swap_remove(told);
            self.missing(&entry, at, 0, false);
        }
        match std::mem::replace(&mut reading.seam, Seam::Whole) {
            Seam::Whole => {}
            Seam::Expected => self.missing(&entry, at, 0, true),
            Seam::Damaged => self.missing(&entry, at, 1, false),
        }
        false
    }

    /// Before this entry others are missing; for a long time, if it is not known how many, so that nothing goes on after them.
    fn missing(&mut self, entry: &Entry, at: i64, records: u64, for_long: bool) {
        if for_long {
            self.tracker
                .begin_anew(&entry.host, at, &mut self.emissions);
            self.printer.warning(
                "the last entry read is gone from the journal, and others after it may be: what happened in between is not known",
            );
        } else {
            self.tracker.see(&entry.host, at, &mut self.emissions);
        }
        self.tracker.lose(at, records, &mut self.emissions);
        self.collect();
    }
}

impl Reading {
    /// To be stored.
    fn bookmark(&mut self) -> anyhow::Result<Bookmark> {
        self.bookmark.state = serde_json::to_string(&self.state)?;
        Ok(self.bookmark.clone())
    }
}

fn text(cursor: &[u8]) -> String {
    String::from_utf8_lossy(cursor).into_owned()
}

/// Syslog daemons write `mail` where the journal has `mail.example.org`, or the reverse.
fn first_label(host: &[u8]) -> String {
    let label = host.split(|b| *b == b'.').next().unwrap_or_default();
    String::from_utf8_lossy(label).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ok_what_was_read_before_is_read_again_and_log_files_come_first() {
        let log = concat!(env!("CARGO_MANIFEST_DIR"), "/sample-logs/edge/rivals.log");
        let logs = || input::find_sources(&[log.into()]).unwrap();
        let unread = Past::default();
        let found = find_unnamed(&unread, logs(), Journal::of_this_machine());
        assert!(found.is_ok_and(|(found, journal)| !found.sources.is_empty() && journal.is_none()));
    }

    #[test]
    fn err_a_store_fed_from_log_files_does_not_turn_to_the_journal_by_itself() {
        let past = Past {
            journal: false,
            default_logs: true,
        };
        let error = find_unnamed(&past, Found::default(), Journal::of_this_machine())
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default();
        for words in [
            "/var/log/mail.log",
            "/var/log/maillog",
            "--journal",
            "log files so far",
        ] {
            assert!(error.contains(words), "`{words}` is not in: {error}");
        }
    }

    #[test]
    fn ok_one_host_has_one_first_label() {
        assert_eq!(first_label(b"Mail.example.org"), first_label(b"mail"));
        assert_ne!(first_label(b"mail2"), first_label(b"mail"));
    }
}
