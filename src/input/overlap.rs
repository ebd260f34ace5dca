//! Two logs into which one syslog daemon wrote the same records: `mail.log` and `mail.err`, `syslog` and `mail.log`.
//!
//! They have other names and other beginnings, so they are not the same content; read both, and everything counts twice. They are
//! found by their lines: stamp, host, process id and text of the first record of the one stand in the other, word for word. That is
//! looked for only where it can be: in logs of the same host and the same time that are not rotated files of each other.
//!
//! This compares what is read in one run. A log whose records came in by another one in an earlier run is not found out.

use std::io::{self, Read};
use std::path::Path;

use maillog::Framed;
use memchr::memmem::Finder;

use super::join::{Joined, Joiner};
use super::lines::{LastLine, Lines};
use super::order::{Ordered, read_block};
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

/// Leaves out the logs whose records are in another one too. Of two that hold the same, the larger is kept.
pub(super) fn without_excerpts(ordered: Vec<Ordered>, problems: &mut Vec<Problem>) -> Vec<Ordered> {
    let mut kept: Vec<(Ordered, Option<Extent>)> = ordered
        .into_iter()
        .map(|o| {
            // Of what is not read nothing can count twice.
            let extent = extent(&o.source).filter(|_| !o.unchanged);
            (o, extent)
        })
        .collect();
    // the smallest first: what holds all of another one is larger
    kept.sort_by_key(|(o, _)| o.source.size);
    let mut at = 0;
    while at < kept.len() {
        match found_elsewhere(&kept, at) {
            None => at += 1,
            Some(kind) => {
                let path = kept.remove(at).0.source.path;
                problems.push(Problem { path, kind });
            }
        }
    }
    kept.into_iter().map(|(ordered, _)| ordered).collect()
}

/// What is wrong with the log at `at` if its first record is in another one.
fn found_elsewhere(logs: &[(Ordered, Option<Extent>)], at: usize) -> Option<ProblemKind> {
    let (log, extent) = &logs[at];
    let extent = extent.as_ref()?;
    let of_one_host = |(other, its): &&(Ordered, Option<Extent>)| {
        its.as_ref()
            .is_some_and(|its| its.host == extent.host && its.family != extent.family)
            && !std::ptr::eq(other, log)
    };
    let others: Vec<_> = logs.iter().filter(of_one_host).collect();
    let (first, its) = others
        .iter()
        .filter(|(other, _)| is_within(log.first, other))
        .find(|(other, _)| holds(&other.source, &extent.first_line))
        .and_then(|(other, its)| Some((other, its.as_ref()?)))?;
    // the last record may be in another of the rotated files
    let last = last_line(&log.source)?;
    let mut rotated = others.iter().filter(|(_, other)| {
        other
            .as_ref()
            .is_some_and(|other| other.family == its.family)
    });
    let path = first.source.path.clone();
    Some(
        match rotated.any(|(other, _)| holds(&other.source, &last)) {
            true => ProblemKind::Within(path),
            false => ProblemKind::Overlaps(path),
        },
    )
}

/// Whether an instant can be in a log, by the time of its first record and of the file.
fn is_within(instant: Option<i64>, log: &Ordered) -> bool {
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
    let family = family(Path::new(source.path.file_name()?).to_str()?);
    let start = source.open().ok()?.take(SEARCHED);
    let (first_line, host) = records(start).next()?;
    Some(Extent {
        family,
        host,
        first_line,
    })
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
