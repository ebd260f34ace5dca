//! The way in: from log files through framing, parser and session into the store, in one pass and bounded memory.
//!
//! Data, position and open sessions are committed together, so that a run that dies is as if it had ended at its last commit.

mod journal;
mod writer;

use std::fmt;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use anyhow::{Context, bail};
use chrono::{DateTime, Datelike};
use clap::Args;
use maillog::shape::shape;
use maillog::{Framed, Line};
use serde::{Deserialize, Serialize};

use crate::input::{
    self, Clock, Fingerprint, Found, Joined, Joiner, Journal, Lines, Opened, Ordered, Problem,
    ProblemKind, Remembered, Source, Timing, Zone,
};
use crate::outcome::{Emission, Outcome};
use crate::output::{Printer, Progress};
use crate::report::peer::Retention;
use crate::session::{Network, Own, Place, Tracker};
use crate::settings::Settings;
use crate::store::{Batch, Bookmark, RunCounts, Store};

use self::writer::{Commit, Item, Writer};
use super::Environment;

/// How many bytes of log go into one transaction.
const COMMIT_BYTES: u64 = 64 * 1024 * 1024;
/// Days that evidence is kept if nothing is set.
const EVIDENCE_DAYS: u32 = 90;
/// In place of a shape: there is no telling what may be in such a line.
const NO_LOG_LINE: &str = "(not a log line)";
/// How many bytes to read between two looks at the progress bar.
const PROGRESS_BYTES: u64 = 1024 * 1024;

/// Options of everything that reads logs.
#[derive(Clone, Debug, Args)]
pub struct ReadingArgs {
    /// Log files, directories of them, patterns such as 'mail.log*', or - for standard input [default: /var/log/mail.log*, /var/log/maillog*, else the systemd journal]
    #[arg(value_name = "LOG")]
    pub logs: Vec<PathBuf>,
    /// Read the systemd journal of this machine, through journalctl; done by itself where there is no log file
    #[arg(long)]
    pub journal: bool,
    /// A network whose hosts are not correspondents; replaces loopback and the log's own host. May be given again
    #[arg(long, value_name = "NET")]
    pub own_network: Vec<Network>,
    /// A domain we receive mail for, with its subdomains. May be given again
    #[arg(long, value_name = "DOMAIN")]
    pub own_domain: Vec<String>,
    /// Keep the full addresses of correspondents in the store
    #[arg(long)]
    pub correspondents: bool,
    /// Zone of stamps that name none: local, utc, or an offset such as +01:00
    #[arg(long, value_name = "ZONE")]
    pub timezone: Option<String>,
    /// Year of the first line of a log that writes none [default: found from the file's age and its queue ids]
    #[arg(long, value_name = "YEAR")]
    pub year: Option<i32>,
}

/// What a run has read.
#[derive(Debug, Default)]
pub struct Intake {
    /// Logs that had something new.
    pub sources: u64,
    /// Logs that had nothing new.
    pub unchanged: u64,
    /// The counts that are stored too.
    pub counts: RunCounts,
    /// Deliveries and sessions of our own hosts and users, left out.
    pub internal: u64,
    /// A line of a mail server that was not recognised, if there was one.
    pub stranger: Option<String>,
    /// Logs that write no year, and the year each is taken to begin in.
    pub guessed_years: Vec<(PathBuf, i32)>,
}

impl fmt::Display for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let c = &self.counts;
        if self.sources == 0 {
            return write!(
                f,
                "Nothing new in {}.",
                plural(self.unchanged, "log", "logs")
            );
        }
        write!(
            f,
            "Read {}, {}: ",
            plural(self.sources, "log", "logs"),
            megabytes(c.bytes)
        )?;
        write!(
            f,
            "{} lines, of which {} understood, {} of no interest",
            grouped(c.lines),
            grouped(c.understood),
            grouped(c.irrelevant)
        )?;
        match &self.stranger {
            None => write!(f, ", none unrecognised.")?,
            Some(line) => write!(
                f,
                ", {} not recognised.\n  The first of them: {line}",
                grouped(c.unrecognised)
            )?,
        }
        write!(
            f,
            "\nFound {} deliveries and sessions with correspondents",
            grouped(c.outcomes)
        )?;
        match self.internal {
            0 => write!(f, "."),
            internal => write!(
                f,
                "; left out {} of our own hosts and users.",
                grouped(internal)
            ),
        }?;
        for (path, year) in &self.guessed_years {
            let path = path.display();
            write!(
                f,
                "\n{path} writes no year; by the age of the file it begins in {year} (if not, read it into a new store with --year)."
            )?;
        }
        Ok(())
    }
}

fn plural(n: u64, one: &str, many: &str) -> String {
    if n == 1 {
        format!("1 {one}")
    } else {
        format!("{} {many}", grouped(n))
    }
}

/// A number in groups of three: 1 234 567.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

fn megabytes(bytes: u64) -> String {
    if bytes < 1_000_000 {
        format!("{} kB", bytes.div_ceil(1000))
    } else {
        format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
    }
}

/// What is remembered of a source beside its fingerprint.
#[derive(Serialize, Deserialize)]
struct SourceState {
    first: Option<i64>,
    clock: Clock,
    joiner: Joiner,
    /// Of a journal only.
    #[serde(default, skip_serializing_if = "journal::Position::is_none")]
    journal: journal::Position,
}

/// How often the logs are looked at again when one is rotated away before it could be opened.
const PASSES: u32 = 5;

/// Reads what is new. A second run at the same time waits for the first to end, and then finds little or nothing new.
pub(super) fn read_logs(args: &ReadingArgs, environment: &Environment) -> anyhow::Result<Intake> {
    let plan = Plan::new(args, environment)?;
    // Before anything is made: without a log there is nothing to store.
    let found = journal::find(args, plan.named, environment)?;
    let _lock = lock(&environment.store)?;
    let mut store = Store::open(&environment.store)?;
    let intake = read_passes(args, &plan, found, environment, &mut store)?;
    store.expire_evidence(retention(&store, environment)?.before)?;
    Ok(intake)
}

/// Reads what is new in logs of one year into a store that is open already: for tests of the whole way in. Stamps without a zone are
/// UTC; nothing is said but warnings.
pub fn read_into(
    store: &mut Store,
    logs: &[PathBuf],
    year: i32,
    now: i64,
) -> anyhow::Result<Intake> {
    let args = ReadingArgs {
        logs: logs.to_vec(),
        journal: false,
        own_network: Vec::new(),
        own_domain: Vec::new(),
        correspondents: true,
        timezone: Some("utc".to_owned()),
        year: Some(year),
    };
    let environment = Environment {
        settings: Settings::default(),
        store: PathBuf::new(),
        printer: Printer { quiet: true },
        progress: false,
        now,
    };
    let plan = Plan::new(&args, &environment)?;
    let found = journal::find(&args, plan.named, &environment)?;
    read_passes(&args, &plan, found, &environment, store)
}

/// Reads what was found, and looks again if a log was rotated away meanwhile.
fn read_passes(
    args: &ReadingArgs,
    plan: &Plan<'_>,
    found: (Found, Option<Journal>),
    environment: &Environment,
    store: &mut Store,
) -> anyhow::Result<Intake> {
    let mut found = Some(found);
    let mut intake = Intake::default();
    for pass in 1..=PASSES {
        let (logs, journal) = match found.take() {
            Some(found) => found,
            None => journal::find(args, plan.named, environment)?,
        };
        let pass = Pass {
            // What comes through a pipe comes once.
            is_last: pass == PASSES || logs.sources.iter().any(Source::is_stream),
            logs,
            journal,
        };
        if read_pass(plan, pass, environment, store, &mut intake)? {
            break;
        }
    }
    Ok(intake)
}

/// What was found to read.
struct Pass {
    logs: Found,
    journal: Option<Journal>,
    is_last: bool,
}

/// What to read, and how.
struct Plan<'a> {
    named: &'a [PathBuf],
    own: Own,
    timing: Timing,
    keep_correspondents: bool,
}

impl<'a> Plan<'a> {
    fn new(args: &'a ReadingArgs, environment: &'a Environment) -> anyhow::Result<Plan<'a>> {
        let settings = &environment.settings;
        check_year(args.year, environment.now)?;
        Ok(Plan {
            named: match args.logs.is_empty() {
                true => &settings.logs,
                false => &args.logs,
            },
            own: own(args, environment)?,
            timing: Timing {
                zone: zone(args.timezone.as_deref().or(settings.timezone.as_deref()))?,
                year: args.year,
                now: environment.now,
            },
            keep_correspondents: args.correspondents || settings.correspondents,
        })
    }
}

/// Reads what is new in the logs. `false` if one was rotated away before it could be opened: then what comes after it
/// is left for the next pass, which finds it under its new name. In the last pass it is said instead.
fn read_pass(
    plan: &Plan<'_>,
    pass: Pass,
    environment: &Environment,
    store: &mut Store,
    intake: &mut Intake,
) -> anyhow::Result<bool> {
    let Pass {
        logs,
        journal,
        is_last,
    } = pass;
    let bookmarks = store.bookmarks()?;
    let remembered = bookmarks
        .iter()
        .map(remembered)
        .collect::<anyhow::Result<Vec<_>>>()?;
    let (ordered, problems) = input::order(logs.sources, &remembered, &plan.timing);
    let problems = [logs.problems, problems].concat();
    if !is_last && problems.iter().any(|p| p.kind == ProblemKind::Replaced) {
        return Ok(false);
    }
    report_problems(&problems, plan.named, environment)?;
    let mut tracker = Tracker::new(plan.own.clone(), plan.keep_correspondents);
    let open = store.open_sessions()?;
    if !open.is_empty() {
        tracker
            .restore(&open)
            .context("the store's open sessions cannot be read")?;
    }
    let total = ordered.iter().map(|o| o.source.size).sum();
    intake.unchanged = 0;
    intake.counts.at = environment.now;
    let counted = intake.counts;
    let mut batch = Batch::new(plan.keep_correspondents);
    batch.know_shapes(store.shapes()?);
    let next_source = store.first_free_source()?;
    let journal = match journal {
        Some(journal) => {
            let reading = journal::begin(store, &tracker, &bookmarks, next_source)?;
            Some((journal, reading))
        }
        None => None,
    };
    std::thread::scope(|scope| {
        let mut reader = Reader {
            writer: Writer::start(scope, store, batch),
            tracker,
            emissions: Vec::new(),
            intake,
            progress: Progress::new(total, environment.progress),
            printer: environment.printer,
            bookmarks: Vec::new(),
            done: 0,
            since_commit: 0,
            counted,
            next_source,
        };
        let read = reader.read_all(&ordered, &bookmarks, journal, is_last);
        // That nothing can be written is the reason for what may have come of it.
        reader.finish(read)
    })
}

/// How long log lines are kept in this store. Counted from the newest record: an archive read today must not lose its proof tomorrow.
pub(super) fn retention(store: &Store, environment: &Environment) -> anyhow::Result<Retention> {
    let days = environment.settings.evidence_days.unwrap_or(EVIDENCE_DAYS);
    let newest = store.newest()?.min(environment.now);
    Ok(Retention {
        days,
        before: newest - i64::from(days) * 86_400,
    })
}

/// Waits until no other run reads logs into this store. The lock ends with the process, whatever becomes of it; the empty file
/// beside the store stays.
pub(super) fn lock(store: &Path) -> anyhow::Result<File> {
    // Refuses what is no store, and makes the directory, before a file is put there.
    drop(Store::open(store)?);
    let path = store.with_added_extension("lock");
    let failed = || format!("cannot lock the store with {}", path.display());
    let file = File::options()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&path)
        .with_context(failed)?;
    file.lock().with_context(failed)?;
    Ok(file)
}

/// A file that was asked for by name and cannot be read ends the run before anything is written; of one that was only come upon, the
/// user is told.
fn report_problems(
    problems: &[Problem],
    named: &[PathBuf],
    environment: &Environment,
) -> anyhow::Result<()> {
    for problem in problems.iter().filter(|p| p.is_failure()) {
        if problem.is_fatal() && named.contains(&problem.path) {
            bail!("{problem}");
        }
        environment.printer.warning(&problem.to_string());
    }
    Ok(())
}

fn own(args: &ReadingArgs, environment: &Environment) -> anyhow::Result<Own> {
    let settings = &environment.settings;
    let networks = if args.own_network.is_empty() {
        let parse = |text: &String| {
            text.parse::<Network>()
                .map_err(|e| anyhow::anyhow!("own_networks: {e}"))
        };
        settings
            .own_networks
            .iter()
            .map(parse)
            .collect::<anyhow::Result<_>>()?
    } else {
        args.own_network.clone()
    };
    let domains = if args.own_domain.is_empty() {
        &settings.own_domains
    } else {
        &args.own_domain
    };
    let domains = domains
        .iter()
        .map(|d| d.trim_matches('.').to_ascii_lowercase())
        .collect();
    Ok(Own { networks, domains })
}

/// Logs of mail servers with TLS began in this year.
const FIRST_YEAR: i32 = 1998;

fn check_year(year: Option<i32>, now: i64) -> anyhow::Result<()> {
    let last = DateTime::from_timestamp(now, 0).map_or(i32::MAX, |t| t.year());
    match year {
        Some(year) if !(FIRST_YEAR..=last).contains(&year) => {
            bail!("--year: expected a year from {FIRST_YEAR} to {last}, found {year}")
        }
        _ => Ok(()),
    }
}

fn zone(text: Option<&str>) -> anyhow::Result<Zone> {
    match text.map(str::to_ascii_lowercase).as_deref() {
        None | Some("local") => Ok(Zone::Local),
        Some("utc" | "z") => Ok(Zone::Utc),
        Some(offset) => {
            let offset: chrono::FixedOffset = offset.parse().with_context(|| {
                format!(
                    "--timezone: expected local, utc or an offset such as +01:00, found `{offset}`"
                )
            })?;
            Ok(Zone::Fixed(offset.local_minus_utc()))
        }
    }
}

pub(super) fn remembered(bookmark: &Bookmark) -> anyhow::Result<Remembered> {
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

/// One run over all sources.
struct Reader<'s> {
    writer: Writer<'s>,
    tracker: Tracker,
    emissions: Vec<Emission>,
    intake: &'s mut Intake,
    progress: Progress,
    printer: Printer,
    /// Positions to be written with the next commit.
    bookmarks: Vec<Bookmark>,
    /// Bytes of finished sources, for the progress bar.
    done: u64,
    since_commit: u64,
    /// What was counted up to the last commit.
    counted: RunCounts,
    /// The number of the next source that was never read.
    next_source: i64,
}

impl Reader<'_> {
    /// Reads what is new in each source, in their order, and in the journal. `false`: see [`read_pass`].
    fn read_all(
        &mut self,
        ordered: &[Ordered],
        bookmarks: &[Bookmark],
        journal: Option<(Journal, journal::Reading)>,
        is_last: bool,
    ) -> anyhow::Result<bool> {
        for source in ordered {
            let bookmark = match source.known_as.and_then(|at| bookmarks.get(at)) {
                Some(known) if known.first_seen == 0 => Bookmark {
                    first_seen: source.first.unwrap_or(0),
                    ..known.clone()
                },
                Some(known) => known.clone(),
                None => self.new_bookmark(source),
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

    fn new_bookmark(&mut self, source: &Ordered) -> Bookmark {
        self.next_source += 1;
        Bookmark {
            id: self.next_source - 1,
            first_seen: source.first.unwrap_or(0),
            ..Bookmark::default()
        }
    }

    /// Reads one source from where it was left.
    fn read(
        &mut self,
        ordered: &Ordered,
        mut lines: Lines<Opened>,
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
        let read = lines.reader().progress();
        self.progress.reading(
            &ordered
                .source
                .path
                .file_name()
                .map_or_else(String::new, |n| {
                    n.to_string_lossy().escape_debug().to_string()
                }),
        );
        let (start, mut shown, mut whole) = (lines.position(), 0, true);
        loop {
            let line = match lines.next_line() {
                Ok(Some(line)) => line,
                Ok(None) => break,
                Err(error) => {
                    // What came before is whole lines, and the next run goes on after them.
                    let path = ordered.source.name();
                    self.printer.warning(&format!(
                        "{path} cannot be read to its end: {error}; what came before it counts"
                    ));
                    whole = false;
                    break;
                }
            };
            if line.offset == 0 && maillog::framing::journal::is_export(line.bytes) {
                bail!(
                    "expected lines of a log, found a journal in the export format; write it with: journalctl -o json --all SYSLOG_FACILITY=2"
                );
            }
            let place = Place {
                source: bookmark.id,
                offset: line.offset,
            };
            bookmark.lines += 1;
            self.line(&mut state, place, line.bytes, &mut bookmark.last_seen);
            let length = line.bytes.len() as u64 + 1;
            self.since_commit += length;
            shown += length;
            if shown >= PROGRESS_BYTES {
                shown = 0;
                self.progress.at(self.done + read.load(Ordering::Relaxed));
            }
            if self.since_commit >= COMMIT_BYTES {
                update(&mut bookmark, lines.fingerprint(), &state)?;
                self.bookmarks.push(bookmark.clone());
                self.commit()?;
            }
        }
        self.done += ordered.source.size;
        let before = std::mem::take(&mut bookmark.file);
        if let Some(file) = ordered.source.file.filter(|_| whole) {
            bookmark.file = serde_json::to_string(&file)?;
        }
        let bytes = lines.position() - start;
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
        update(&mut bookmark, lines.fingerprint(), &state)?;
        self.bookmarks.push(bookmark);
        Ok(())
    }

    /// One line through framing, parser and session.
    fn line(&mut self, state: &mut SourceState, place: Place, raw: &[u8], latest: &mut i64) {
        self.intake.counts.lines += 1;
        let Some(Joined {
            offset,
            framed,
            shown: raw,
            restarted,
        }) = state.joiner.frame(place.offset, raw)
        else {
            self.intake.counts.irrelevant += 1;
            return;
        };
        let record = match framed {
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
        let at = state.clock.resolve(record.stamp).unwrap_or(*latest);
        *latest = at;
        if restarted {
            self.tracker
                .begin_anew(record.host, at, &mut self.emissions);
        } else {
            self.tracker.see(record.host, at, &mut self.emissions);
        }
        match maillog::mta::parse_text(&record) {
            (_, Line::Irrelevant) => self.intake.counts.irrelevant += 1,
            (_, Line::Unrecognised) => {
                self.stranger(raw, &shape(record.program, record.text), at);
            }
            (_, Line::Event(event)) => {
                self.intake.counts.understood += 1;
                // A repetition says nothing new: what happens again has another queue id or another process.
                if record.times == 1 {
                    self.tracker.take(
                        &record,
                        &event,
                        at,
                        Place { offset, ..place },
                        raw,
                        &mut self.emissions,
                    );
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
    fn collect(&mut self) {
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

    /// Writes what was found so far, how far each source was read, and what is open, all or nothing.
    fn commit(&mut self) -> anyhow::Result<()> {
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
    fn finish(mut self, read: anyhow::Result<bool>) -> anyhow::Result<bool> {
        let committed = match read {
            Ok(_) if !self.bookmarks.is_empty() => self.commit(),
            _ => Ok(()),
        };
        self.progress.finish();
        self.writer.finish()?;
        committed?;
        read
    }
}

fn state_of(ordered: &Ordered, bookmark: &Bookmark) -> anyhow::Result<SourceState> {
    let joiner = match ordered.known_as {
        Some(_) => serde_json::from_str::<SourceState>(&bookmark.state)?.joiner,
        None => Joiner::default(),
    };
    Ok(SourceState {
        first: ordered.first,
        clock: ordered.clock.clone(),
        joiner,
        journal: journal::Position::default(),
    })
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
    bookmark.state = serde_json::to_string(state)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!(
            (grouped(7), grouped(1234), grouped(1_234_567)),
            ("7".to_owned(), "1 234".to_owned(), "1 234 567".to_owned())
        );
        assert_eq!(
            (megabytes(999), megabytes(12_345_678)),
            ("1 kB".to_owned(), "12.3 MB".to_owned())
        );
        assert_eq!(
            Intake {
                unchanged: 1,
                ..Intake::default()
            }
            .to_string(),
            "Nothing new in 1 log."
        );
    }

    #[test]
    fn ok_zones() {
        assert_eq!(zone(None).ok(), Some(Zone::Local));
        assert_eq!(zone(Some("UTC")).ok(), Some(Zone::Utc));
        assert_eq!(zone(Some("+01:00")).ok(), Some(Zone::Fixed(3600)));
        assert!(zone(Some("Europe/Nowhere")).is_err());
    }
}
