//! Takes lines through framing, parser and session, and hands over what comes of them; knows how far each source was read.

use std::sync::atomic::Ordering;

use anyhow::{Context, bail};
use maillog::shape::shape;
use maillog::{Framed, Line};
use serde::{Deserialize, Serialize};

use crate::input::{
    self, Clock, Fingerprint, Joined, Joiner, Journal, Lines, Opened, Ordered, Remembered,
};
use crate::outcome::{Emission, Outcome};
use crate::output::{Printer, Progress};
use crate::session::{Place, Tracker};
use crate::store::{Bookmark, RunCounts};

use super::journal;
use super::parsed::{self, Ahead, End, ParsedLine};
use super::told::Intake;
use super::writer::{Commit, Item, Writer};

/// At most so many bytes of log go into one transaction: a run that is cut off reads no more of them again.
const COMMIT_BYTES: u64 = 256 * 1024 * 1024;
/// In place of a shape: there is no telling what may be in such a line.
const NO_LOG_LINE: &str = "(not a log line)";

/// What is remembered of a source beside its fingerprint.
#[derive(Serialize, Deserialize)]
pub(super) struct SourceState {
    pub(super) first: Option<i64>,
    pub(super) clock: Clock,
    pub(super) joiner: Joiner,
    /// Of a journal only.
    #[serde(default, skip_serializing_if = "journal::Position::is_none")]
    pub(super) journal: journal::Position,
}

/// One run over all sources.
pub(super) struct Reader<'s> {
    pub(super) writer: Writer<'s>,
    pub(super) tracker: Tracker,
    pub(super) emissions: Vec<Emission>,
    pub(super) intake: &'s mut Intake,
    pub(super) progress: Progress,
    pub(super) printer: Printer,
    /// Positions to be written with the next commit.
    pub(super) bookmarks: Vec<Bookmark>,
    /// Bytes of finished sources, for the progress bar.
    pub(super) done: u64,
    pub(super) since_commit: u64,
    /// What was counted up to the last commit.
    pub(super) counted: RunCounts,
    /// The number of the next source that was never read.
    pub(super) next_source: i64,
}

impl Reader<'_> {
    /// Reads what is new in each source, in their order, and in the journal. `false` if one was rotated away before it could be opened.
    pub(super) fn read_all(
        &mut self,
        ordered: &[Ordered],
        bookmarks: &[Bookmark],
        journal: Option<(Journal, journal::Reading)>,
        is_last: bool,
    ) -> anyhow::Result<bool> {
        for source in ordered {
            let bookmark = match source.known_as.and_then(|at| bookmarks.get(at)) {
                Some(known) => known.clone(),
                None => self.new_bookmark(),
            };
            let path = source.source.name();
            match source.lines() {
                _ if source.unchanged => self.intake.unchanged += 1,
                Ok(lines) => self
                    .read(source, lines, bookmark)
                    .with_context(|| format!("reading {path}"))?,
                Err(error) if input::is_replaced(&error) && !is_last => return Ok(false),
                Err(error) => {
                    self.printer.warning(&format!(
                        "cannot read {path}: {error}; the next run tries again"
                    ));
                    break;
                }
            }
        }
        if let Some((journal, reading)) = journal {
            self.read_journal(&journal, reading)?;
        }
        Ok(true)
    }

    fn new_bookmark(&mut self) -> Bookmark {
        self.next_source += 1;
        Bookmark {
            id: self.next_source - 1,
            ..Bookmark::default()
        }
    }

    /// Reads one source from where it was left.
    fn read(
        &mut self,
        ordered: &Ordered,
        lines: Lines<Opened>,
        mut bookmark: Bookmark,
    ) -> anyhow::Result<()> {
        // A file that came again through a pipe is still that file.
        if bookmark.path.is_empty() || !ordered.source.is_stream() {
            bookmark.path = ordered.source.path.display().to_string();
            let kind = if ordered.source.is_stream() {
                "stdin"
            } else {
                "file"
            };
            bookmark.kind = kind.to_owned();
        }
        let mut state = state_of(ordered, &bookmark)?;
        let (start, before) = (lines.position(), std::mem::take(&mut bookmark.file));
        let end = self.read_lines(ordered, lines, &mut bookmark, &mut state)?;
        self.done += ordered.source.size;
        if let Some(file) = ordered.source.file.filter(|_| end.error.is_none()) {
            bookmark.file = serde_json::to_string(&file)?;
        }
        let bytes = end.position - start;
        self.intake.counts.bytes += bytes;
        if bytes == 0 {
            self.intake.unchanged += 1;
            // Nothing to read, and next time nothing to look at.
            if bookmark.offset > 0 && bookmark.file != before {
                self.bookmarks.push(bookmark);
            }
            return Ok(());
        }
        self.intake.sources += 1;
        let path = &ordered.source.path;
        let guess = ordered.guessed_year.map(|year| (path.clone(), year));
        self.intake.guessed_years.extend(guess);
        update(&mut bookmark, end.fingerprint, &state)?;
        self.bookmarks.push(bookmark);
        Ok(())
    }

    /// Takes in the lines of a source, to its end or as far as it can be read.
    fn read_lines(
        &mut self,
        ordered: &Ordered,
        lines: Lines<Opened>,
        bookmark: &mut Bookmark,
        state: &mut SourceState,
    ) -> anyhow::Result<End> {
        let path = &ordered.source.path;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        self.progress.reading(&name.escape_debug().to_string());
        let read = lines.reader().progress();
        let ahead = Ahead::of(lines)?;
        loop {
            let block = match ahead.next()? {
                Ok(block) => block,
                Err(end) => {
                    if let Some(error) = &end.error {
                        // What came before is whole lines, and the next run goes on after them.
                        let path = ordered.source.name();
                        self.printer.warning(&format!(
                            "{path} cannot be read to its end: {error}; what came before it counts"
                        ));
                    }
                    return Ok(end);
                }
            };
            for line in block.lines() {
                if line.offset == 0 && maillog::framing::journal::is_export(line.bytes) {
                    bail!(
                        "expected lines of a log, found a journal in the export format; write it with: journalctl -o json --all SYSLOG_FACILITY=2"
                    );
                }
                bookmark.lines += 1;
                self.line(state, bookmark.id, line, &mut bookmark.last_seen);
                self.since_commit += line.bytes.len() as u64 + 1;
            }
            self.progress.at(self.done + read.load(Ordering::Relaxed));
            if let Some(here) = block.stop().filter(|_| self.is_to_commit()) {
                update(bookmark, Some(here), state)?;
                self.bookmarks.push(bookmark.clone());
                self.commit()?;
            }
            ahead.done(block);
        }
    }

    /// One line through framing, parser and session.
    pub(super) fn line(
        &mut self,
        state: &mut SourceState,
        source: i64,
        line: &ParsedLine<'_>,
        latest: &mut i64,
    ) {
        self.intake.counts.lines += 1;
        let Some((joined, says)) = joined(&mut state.joiner, line) else {
            self.intake.counts.irrelevant += 1;
            return;
        };
        let raw = joined.shown;
        let record = match joined.framed {
            Framed::Record(record) => record,
            Framed::Repeated { .. } | Framed::Noise => {
                self.intake.counts.irrelevant += 1;
                return;
            }
            Framed::Unframed => {
                self.stranger(raw, NO_LOG_LINE, *latest);
                return;
            }
        };
        let resolved = state.clock.resolve(record.stamp);
        state.first = state.first.or(resolved);
        let at = resolved.unwrap_or(*latest);
        *latest = at;
        if joined.restarted {
            self.tracker
                .begin_anew(record.host, at, &mut self.emissions);
        } else {
            self.tracker.see(record.host, at, &mut self.emissions);
        }
        match says {
            Line::Irrelevant => self.intake.counts.irrelevant += 1,
            Line::Unrecognised => {
                self.stranger(raw, &shape(record.program, record.text), at);
            }
            Line::Event(event) => {
                self.intake.counts.understood += 1;
                // A repetition says nothing new: what happens again has another queue id or another process.
                if record.times == 1 {
                    let place = Place {
                        source,
                        offset: joined.offset,
                    };
                    let out = &mut self.emissions;
                    self.tracker.take(&record, &event, at, place, raw, out);
                    self.collect();
                }
            }
        }
    }

    fn stranger(&mut self, raw: &[u8], shape: &str, at: i64) {
        self.writer.count(Item::Shape(shape.to_owned(), at));
        self.intake.counts.unrecognised += 1;
        if self.intake.stranger.is_none() {
            let text: String = String::from_utf8_lossy(raw)
                .chars()
                .take(160)
                .flat_map(char::escape_debug)
                .collect();
            self.intake.stranger = Some(text);
        }
    }

    /// Hands over what the session stage gave out, without what is ours.
    pub(super) fn collect(&mut self) {
        for emission in self.emissions.drain(..) {
            match emission {
                Emission::Outcome(Outcome {
                    internal: true,
                    count,
                    ..
                }) => self.intake.internal += u64::from(count),
                emission => {
                    if let Emission::Outcome(outcome) = &emission {
                        self.intake.counts.outcomes += u64::from(outcome.count);
                    }
                    self.writer.count(Item::Found(emission));
                }
            }
        }
    }

    /// Everything given out must be with the data it belongs to: what is saved as open no longer holds it.
    fn gather(&mut self) {
        self.tracker.tell_heard(&mut self.emissions);
        self.collect();
    }

    /// Whether as much was found, or read, as goes into one transaction.
    pub(super) fn is_to_commit(&self) -> bool {
        self.since_commit >= COMMIT_BYTES || self.writer.is_full()
    }

    /// Writes what was found so far, how far each source was read, and what is open, all or nothing.
    pub(super) fn commit(&mut self) -> anyhow::Result<()> {
        self.since_commit = 0;
        self.gather();
        self.intake.counts.sources = self.intake.sources;
        let run = self.intake.counts.since(&self.counted);
        self.counted = self.intake.counts;
        self.writer.commit(Commit {
            bookmarks: std::mem::take(&mut self.bookmarks),
            sessions: self.tracker.save()?,
            run,
        })
    }

    /// Writes the rest, unless reading failed, and waits until all is written.
    pub(super) fn finish(mut self, read: anyhow::Result<bool>) -> anyhow::Result<bool> {
        let committed = match read {
            Ok(_) if !self.bookmarks.is_empty() => self.commit(),
            _ => Ok(()),
        };
        self.progress.finish();
        // The writer goes on to add up the days gone by, which takes memory of its own.
        drop(self.tracker);
        self.writer.finish()?;
        committed?;
        read
    }
}

/// A line with what it says, in the light of those before it if it takes them. `None`: a part was kept, its end is still to come.
fn joined<'a>(joiner: &'a mut Joiner, line: &ParsedLine<'a>) -> Option<(Joined<'a>, Line<'a>)> {
    if let Some((framed, says)) = line.said {
        let joined = Joined {
            offset: line.offset,
            framed,
            shown: line.bytes,
            restarted: false,
        };
        return Some((joined, says));
    }
    let joined = joiner.frame(line.offset, line.bytes)?;
    Some((joined, parsed::parse_framed(&joined.framed)))
}

fn state_of(ordered: &Ordered, bookmark: &Bookmark) -> anyhow::Result<SourceState> {
    let clock = ordered.clock.clone();
    match ordered.known_as {
        Some(_) => Ok(SourceState {
            clock,
            ..serde_json::from_str(&bookmark.state)?
        }),
        None => Ok(SourceState {
            // The first record that is read tells, so that it makes no difference in how many runs.
            first: None,
            clock,
            joiner: Joiner::default(),
            journal: journal::Position::default(),
        }),
    }
}

fn update(
    bookmark: &mut Bookmark,
    at: Option<Fingerprint>,
    state: &SourceState,
) -> anyhow::Result<()> {
    if let Some(at) = at {
        bookmark.head_len = at.head_len;
        bookmark.head_hash = at.head_hash;
        bookmark.offset = at.offset;
        bookmark.tail_len = at.tail_len;
        bookmark.tail_hash = at.tail_hash;
    }
    bookmark.first_seen = state.first.unwrap_or(0);
    bookmark.state = serde_json::to_string(state)?;
    Ok(())
}

pub(in crate::command) fn remembered(bookmark: &Bookmark) -> anyhow::Result<Remembered> {
    let state: SourceState = serde_json::from_str(&bookmark.state)
        .with_context(|| format!("the store's bookmark of {}", bookmark.path))?;
    Ok(Remembered {
        path: bookmark.path.clone().into(),
        fingerprint: fingerprint(bookmark),
        first: state.first,
        latest: bookmark.last_seen,
        clock: state.clock,
        file: serde_json::from_str(&bookmark.file).ok(),
    })
}

fn fingerprint(bookmark: &Bookmark) -> Fingerprint {
    Fingerprint {
        head_len: bookmark.head_len,
        head_hash: bookmark.head_hash,
        offset: bookmark.offset,
        tail_len: bookmark.tail_len,
        tail_hash: bookmark.tail_hash,
    }
}
