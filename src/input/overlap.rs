//! Two logs into which one syslog daemon wrote the same records: `mail.log` and `mail.err`, `syslog` and `mail.log`.
//!
//! They have other names and other beginnings, so they are not the same content; read both, and everything counts twice. They are
//! found by their lines: stamp, host, process id and text of the first record of the one stand in the other, word for word. That is
//! looked for only where it can be: in logs of the same host and the same time that are not rotated files of each other.
//!
//! A log is compared with the others of the run, and with those that were read before as long as they lie where they lay. What came
//! through a pipe, or is gone, is not found out.

use std::io::{self, Read};
use std::path::Path;

use maillog::Framed;
use memchr::memmem::Finder;

use super::join::{Joined, Joiner};
use super::lines::{LastLine, Lines};
use super::order::{Ordered, Remembered, read_block};
use super::rotation::family;
use super::source::{Opened, Problem, ProblemKind, Source};

/// How much of its start is searched for the first record of a log, and of its end for the last one, in bytes.
const SEARCHED: u64 = 64 * 1024;
/// How much later than its file a last line may be: clocks, and a file that grows while it is looked at.
const SLACK: i64 = 26 * 3600;

/// What two logs are compared by.
struct Extent {
    family: String,
    host: Vec<u8>,
    first_line: Vec<u8>,
}

/// A log that another one is compared with.
struct Other<'a> {
    source: &'a Source,
    first: Option<i64>,
    extent: &'a Extent,
    /// It was read, or will be whatever the other one is.
    counts: bool,
}

impl Other<'_> {
    /// Whether it may hold records of a log: one of the same host that is no rotated file of the same log.
    fn may_hold(&self, extent: &Extent) -> bool {
        self.extent.host == extent.host && self.extent.family != extent.family
    }
}

/// Leaves out the logs whose records are in another one too. Of two that hold the same, the one that was read before is kept, else the
/// larger.
pub(super) fn without_excerpts(
    ordered: Vec<Ordered>,
    remembered: &[Remembered],
    problems: &mut Vec<Problem>,
) -> Vec<Ordered> {
    if ordered.iter().all(|o| o.known_as.is_some()) {
        return ordered;
    }
    let before = read_before(&ordered, remembered);
    let mut kept: Vec<(Ordered, Option<Extent>)> = ordered
        .into_iter()
        .map(|o| {
            let extent = extent(&o.source);
            (o, extent)
        })
        .collect();
    // the smallest first: what holds all of another one is larger
    kept.sort_by_key(|(o, _)| o.source.size);
    let mut at = 0;
    while at < kept.len() {
        match found_elsewhere(&kept, at, &before) {
            None => at += 1,
            Some(kind) => {
                let path = kept.remove(at).0.source.path;
                problems.push(Problem { path, kind });
            }
        }
    }
    kept.into_iter().map(|(ordered, _)| ordered).collect()
}

/// The logs that were read before and may hold records of one that is new, without those that are read on in this run, or that one of it is
/// an edited copy of: of that, only what is new is read anyway.
fn read_before(
    ordered: &[Ordered],
    remembered: &[Remembered],
) -> Vec<(Source, Option<i64>, Extent)> {
    let new: Vec<&Ordered> = ordered
        .iter()
        .filter(|o| o.known_as.is_none() && !o.source.is_stream())
        .collect();
    let is_apart = |at: usize| {
        let mut ordered = ordered.iter();
        ordered.all(|o| o.known_as != Some(at) && o.rewritten != Some(at))
    };
    let may_hold = |r: &Remembered, o: &Ordered| {
        let is_of_the_time = match (r.first, o.first, o.source.modified) {
            (Some(first), Some(from), Some(to)) => {
                first - SLACK <= to && from <= r.latest.saturating_add(SLACK)
            }
            _ => true,
        };
        is_of_the_time && family_of(&r.path) != family_of(&o.source.path)
    };
    remembered
        .iter()
        .enumerate()
        .filter(|(at, r)| is_apart(*at) && new.iter().any(|o| may_hold(r, o)))
        .filter_map(|(_, r)| {
            let source = Source::read_before(&r.path, &r.fingerprint)?;
            let extent = extent(&source)?;
            Some((source, r.first, extent))
        })
        .collect()
}

/// What is wrong with the log at `at`, which is new, if its first record is in another one, or the first record of one that counts in it.
fn found_elsewhere(
    logs: &[(Ordered, Option<Extent>)],
    at: usize,
    before: &[(Source, Option<i64>, Extent)],
) -> Option<ProblemKind> {
    let (log, extent) = &logs[at];
    let extent = extent.as_ref().filter(|_| log.known_as.is_none())?;
    let of_this_run = logs.iter().filter(|(other, _)| !std::ptr::eq(other, log));
    let of_this_run = of_this_run.filter_map(|(other, its)| {
        Some(Other {
            source: &other.source,
            first: other.first,
            extent: its.as_ref()?,
            counts: other.known_as.is_some(),
        })
    });
    let before = before.iter().map(|(source, first, extent)| Other {
        source,
        first: *first,
        extent,
        counts: true,
    });
    let others: Vec<Other<'_>> = of_this_run
        .chain(before)
        .filter(|other| other.may_hold(extent))
        .collect();
    let mut holders = others.iter().filter(|other| is_within(log.first, other));
    if let Some(holder) = holders.find(|other| holds(other.source, &extent.first_line)) {
        let path = holder.source.path.clone();
        // the last record may be in another of the rotated files
        let last = last_line(&log.source)?;
        let mut rotated = others
            .iter()
            .filter(|other| other.extent.family == holder.extent.family);
        return Some(match rotated.any(|other| holds(other.source, &last)) {
            true => ProblemKind::Within(path),
            false => ProblemKind::Overlaps(path),
        });
    }
    let whole = Other {
        source: &log.source,
        first: log.first,
        extent,
        counts: false,
    };
    let mut held = others
        .iter()
        .filter(|other| other.counts && is_within(other.first, &whole));
    held.find(|other| holds(&log.source, &other.extent.first_line))
        .map(|other| ProblemKind::Overlaps(other.source.path.clone()))
}

/// Whether an instant can be in a log, by the time of its first record and of the file.
fn is_within(instant: Option<i64>, log: &Other<'_>) -> bool {
    let bounds = (instant, log.first, log.source.modified);
    match bounds {
        (Some(at), Some(first), Some(end)) => (first - SLACK..=end + SLACK).contains(&at),
        // not known: look
        _ => true,
    }
}

fn extent(source: &Source) -> Option<Extent> {
    if source.is_stream() {
        return None;
    }
    let family = family_of(&source.path)?;
    let start = source.open().ok()?.take(SEARCHED);
    let (first_line, host) = records(start).next()?;
    Some(Extent {
        family,
        host,
        first_line,
    })
}

/// What the rotated files of a log have in common.
fn family_of(path: &Path) -> Option<String> {
    Some(family(path.file_name()?.to_str()?))
}

/// The records of a text, whole, with their hosts.
fn records(text: impl Read) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    let mut lines = Lines::new(text, LastLine::Leave);
    let mut joiner = Joiner::default();
    std::iter::from_fn(move || {
        loop {
            // damage ends it: what is there counts
            let line = lines.next_line().ok()??;
            if let Some(Joined {
                framed: Framed::Record(record),
                ..
            }) = joiner.frame(line.offset, line.bytes)
                && record.times == 1
            {
                return Some((line.bytes.to_vec(), record.host.to_vec()));
            }
        }
    })
}

/// The last record: of a file in which one can move about, from its end.
fn last_line(source: &Source) -> Option<Vec<u8>> {
    let mut opened = source.open().ok()?;
    opened.go_to_last(SEARCHED, source.size).ok()?;
    records(opened).last().map(|(line, _)| line)
}

/// Whether a log has this line.
fn holds(source: &Source, line: &[u8]) -> bool {
    let find = || -> io::Result<bool> { find_line(&mut source.open()?, line) };
    find().unwrap_or(false)
}

fn find_line(log: &mut Opened, line: &[u8]) -> io::Result<bool> {
    let finder = Finder::new(line);
    // with the end of the block before, and a line feed before the first line
    let (mut text, mut block) = (vec![b'\n'], Vec::new());
    loop {
        let ends = read_block(log, &mut block);
        text.extend_from_slice(&block);
        let is_whole = |at: usize| {
            at > 0
                && text[at - 1] == b'\n'
                && text[at + line.len()..]
                    .first()
                    .is_none_or(|next| matches!(next, b'\n' | b'\r'))
        };
        if finder.find_iter(&text).any(is_whole) {
            return Ok(true);
        }
        if ends {
            return Ok(false);
        }
        text.drain(..text.len().saturating_sub(line.len() + 1));
    }
}
