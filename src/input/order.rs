//! Oldest source first, and each content once.
//!
//! A session may begin in one file and end in the next, so files are read in the order of their first records. That takes the year
//! of a yearless log, for which the file is gone through once ([`Scan`]); logs that write the year are only looked into.
//!
//! A log that was read before goes on where it was left. One that begins like it (4 KiB of stamps and process ids are the same) but
//! ends too early, or is different at that place, is an older copy of it, or was edited: of that, only what comes after the records
//! that were read is new.

use std::cmp::Reverse;
use std::io::{self, Cursor, ErrorKind, Read};
use std::path::PathBuf;

use maillog::Framed;

use super::compression::Compression;
use super::identity::{Fingerprint, Match, read_head};
use super::join::{Joined, Joiner};
use super::lines::Lines;
use super::overlap::without_excerpts;
use super::rotation::is_of_log;
use super::source::{FileState, Opened, Problem, ProblemKind, Source, is_replaced};
use super::year::{Clock, LARGE, Scan, Zone};

/// What dating a source needs to know.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timing {
    /// The zone of stamps that name none.
    pub zone: Zone,
    /// The year of the first line of every source, if the user says so.
    pub year: Option<i32>,
    /// The time of this run, in seconds since 1970.
    pub now: i64,
}

/// What is remembered of a log that was read before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Where it lay when it was last read.
    pub path: PathBuf,
    /// What it is known by, and how far it was read.
    pub fingerprint: Fingerprint,
    /// When its first record was written, in seconds since 1970, if known.
    pub first: Option<i64>,
    /// When the last record that was read of it was written.
    pub latest: i64,
    /// The clock as it stood at the position.
    pub clock: Clock,
    /// The file when it was read to its end.
    pub file: Option<FileState>,
}

/// A source with its place in time.
#[derive(Clone, Debug)]
pub struct Ordered {
    /// The source.
    pub source: Source,
    /// When its first record was written, in seconds since 1970; `None` if that is not known (no stamp).
    pub first: Option<i64>,
    /// For reading it from `from` on.
    pub clock: Clock,
    /// Where to go on, in uncompressed bytes; 0 for a new source.
    pub from: u64,
    /// Nothing was written to the file since it was read to its end.
    pub unchanged: bool,
    /// The year of its first line, if the log writes none and only the age of the file, or of its name, tells it.
    pub guessed_year: Option<i32>,
    /// Which of the remembered logs it is.
    pub known_as: Option<usize>,
    /// It begins like this remembered log, but is shorter or different where that one was read to: an older copy, or edited. It is
    /// read as a new source, from after the records that were read.
    pub rewritten: Option<usize>,
}

impl Ordered {
    /// Opens the source where reading goes on.
    pub fn lines(&self) -> io::Result<Lines<Opened>> {
        let opened = self.source.open()?.ahead()?;
        match self.from {
            0 => Ok(Lines::new(opened, self.source.last_line)),
            from => Lines::resume(opened, from, self.source.last_line),
        }
    }
}

/// Finds out which sources were read before, and sorts by first record, then by name; what cannot be dated comes last. Sources whose
/// content or records are also in another one are left out, and said. A log that is known is not dated again.
pub fn order(
    sources: Vec<Source>,
    remembered: &[Remembered],
    timing: &Timing,
) -> (Vec<Ordered>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut ordered = Vec::new();
    for source in without_copies(sources, &mut problems) {
        match place(&source, remembered, timing) {
            Ok(place) if is_wanted(&place, remembered) => ordered.push(place),
            Ok(_) => {}
            Err(kind) => problems.push(Problem {
                path: source.path,
                kind,
            }),
        }
    }
    let mut ordered = without_excerpts(ordered, remembered, &mut problems);
    ordered.sort_by(|a, b| {
        // Of logs that begin in the same second, the one that was written to last is the latest; of those written to in the same
        // tick of the clock, the one rotated least.
        let key = |o: &Ordered| {
            let rotations = Reverse(o.source.rotations());
            let written = o.source.file.map(|f| f.modified());
            (o.first.is_none(), o.first, written, rotations)
        };
        key(a)
            .cmp(&key(b))
            .then_with(|| a.source.path.cmp(&b.source.path))
    });
    (ordered, problems)
}

/// Whether a source was asked for, or is a rotated file beside one that was and has what the store lacks: the rest of a log that was
/// read before, or one that was written and rotated since the last run.
fn is_wanted(place: &Ordered, remembered: &[Remembered]) -> bool {
    let Some(log) = &place.source.rotated_from else {
        return true;
    };
    let read = remembered.iter().filter(|r| is_of_log(log, &r.path));
    let follows = || {
        place
            .first
            .zip(read.map(|r| r.latest).max())
            .is_some_and(|(first, latest)| first >= latest)
    };
    place.known_as.is_some() || (place.rewritten.is_none() && follows())
}

/// What a source is to the logs that were read before.
enum Known {
    Not,
    /// One of them, perhaps grown.
    As(usize),
    /// It begins like this one, and ends before the place where that was read to.
    ShorterThan(usize),
    /// It begins like this one, and is different there.
    DiffersFrom(usize),
}

fn place(
    source: &Source,
    remembered: &[Remembered],
    timing: &Timing,
) -> Result<Ordered, ProblemKind> {
    let unreadable = |error: io::Error| match is_replaced(&error) {
        true => ProblemKind::Replaced,
        false => ProblemKind::Unreadable(error.to_string()),
    };
    let new = |first, clock, from, rewritten| Ordered {
        source: source.clone(),
        first,
        clock,
        from,
        unchanged: false,
        guessed_year: None,
        known_as: None,
        rewritten,
    };
    let untouched = source
        .file
        .and_then(|file| remembered.iter().position(|r| r.file == Some(file)));
    let known = match untouched {
        Some(at) => Known::As(at),
        None => recognise(source, remembered).map_err(unreadable)?,
    };
    match (known, &source.stream) {
        (Known::Not, _) => {
            let (first, clock, guessed_year) = date(source, timing).map_err(unreadable)?;
            Ok(Ordered {
                guessed_year,
                ..new(first, clock, 0, None)
            })
        }
        (Known::As(at), _) => {
            let known = &remembered[at];
            // As long as no record was read, nothing of its time is known but what the whole file tells.
            let (first, clock) = match known.first {
                None if untouched.is_none() && !source.is_stream() && known.clock.is_fresh() => {
                    let (first, clock, _) = date(source, timing).map_err(unreadable)?;
                    (first, clock)
                }
                first => (first, known.clock_at(timing.now)),
            };
            Ok(Ordered {
                known_as: Some(at),
                unchanged: untouched.is_some(),
                ..new(first, clock, known.fingerprint.offset, None)
            })
        }
        // All of it was read to find that out, and none of it is new.
        (Known::ShorterThan(at), Some(stream)) => {
            let known = &remembered[at];
            let clock = known.clock_at(timing.now);
            Ok(new(known.first, clock, stream.end(), Some(at)))
        }
        (Known::DiffersFrom(at), Some(_)) => {
            Err(ProblemKind::DiffersAt(remembered[at].fingerprint.offset))
        }
        (Known::ShorterThan(at) | Known::DiffersFrom(at), None) => {
            let (first, clock, _) = date(source, timing).map_err(unreadable)?;
            let (from, clock) =
                what_is_later(source, clock, &remembered[at]).map_err(unreadable)?;
            Ok(new(first, clock, from, Some(at)))
        }
    }
}

impl Remembered {
    fn clock_at(&self, now: i64) -> Clock {
        let mut clock = self.clock.clone();
        clock.set_now(now);
        clock
    }
}

/// The remembered log that a source is, or else one that it begins like. Of several, the one that was read farthest; but a stream
/// that has gone by a place cannot go back there, so that for one the places are looked at in their order.
fn recognise(source: &Source, remembered: &[Remembered]) -> io::Result<Known> {
    let head = head_of(source)?;
    let mut candidates: Vec<usize> = (0..remembered.len())
        .filter(|at| remembered[*at].fingerprint.begins(&head))
        .collect();
    candidates.sort_by_key(|at| remembered[*at].fingerprint.offset);
    if !source.is_stream() {
        candidates.reverse();
    }
    let mut found = Known::Not;
    for &at in &candidates {
        let fingerprint = &remembered[at].fingerprint;
        found = match (fingerprint.find_in(&mut source.open()?), found) {
            (Ok(Match::Same { .. }), _) => Known::As(at),
            (Ok(Match::Shorter), _) => Known::ShorterThan(at),
            // a compressed file that is damaged, or not finished yet, before the position
            (Err(error), _) if error.kind() == ErrorKind::UnexpectedEof => Known::ShorterThan(at),
            (Ok(Match::Rewritten), _) => Known::DiffersFrom(at),
            (Ok(Match::Other), found) => found,
            (Err(error), _) => return Err(error),
        };
        if !source.is_stream() && matches!(found, Known::As(_)) {
            break;
        }
    }
    Ok(found)
}

/// Where in a source that begins like a remembered log the new records begin, and the clock as it stands there: after the bytes that
/// were the last to be read, wherever they stand now, else at the first record that is later than them, else at the end.
fn what_is_later(
    source: &Source,
    mut clock: Clock,
    known: &Remembered,
) -> io::Result<(u64, Clock)> {
    let mut lines = Lines::new(source.open()?, source.last_line);
    let mut joiner = Joiner::default();
    loop {
        let before = (lines.position(), clock.clone());
        let line = match lines.next_line() {
            Ok(Some(line)) => line,
            // what is wrong with the rest is found out, and told, when it is read
            Ok(None) | Err(_) => return Ok(before),
        };
        let Some(Joined {
            framed: Framed::Record(record),
            ..
        }) = joiner.frame(line.offset, line.bytes)
        else {
            continue;
        };
        let at = clock.resolve(record.stamp);
        if at.is_some_and(|at| at > known.latest) {
            return Ok(before);
        }
        let same_tail = || {
            lines.fingerprint().is_some_and(|here| {
                (here.tail_len, here.tail_hash)
                    == (known.fingerprint.tail_len, known.fingerprint.tail_hash)
            })
        };
        if at == Some(known.latest) && same_tail() {
            return Ok((lines.position(), clock));
        }
    }
}

/// When the first record of a source was written, a clock for reading it from its start, and its year if that is a guess.
fn date(source: &Source, timing: &Timing) -> io::Result<(Option<i64>, Clock, Option<i32>)> {
    let mut clock = Clock::new(timing.zone);
    let scan = match (&source.stream, source.compression) {
        // cannot be read twice: its beginning is taken for the latest that is not in the future
        (Some(stream), _) => {
            let (head, _) = stream.head();
            let whole_lines = memchr::memrchr(b'\n', &head).map_or(0, |at| at + 1);
            Scan::read(Cursor::new(&head[..whole_lines]), timing.zone)?
        }
        (None, Compression::Plain) if source.size >= LARGE => {
            Scan::sample(source.open()?, source.size, timing.zone)?
        }
        _ => Scan::read(source.open()?.ahead()?, timing.zone)?,
    };
    let guessed = clock.anchor(&scan, timing.year, None, source.modified, timing.now);
    let first = scan.first.and_then(|stamp| clock.clone().resolve(stamp));
    // A stream has no age.
    Ok((first, clock, guessed.filter(|_| !source.is_stream())))
}

/// Leaves out each source that is a copy, or the beginning, of another one: the same file named twice, `.1` beside its `.1.gz`.
fn without_copies(sources: Vec<Source>, problems: &mut Vec<Problem>) -> Vec<Source> {
    let mut kept: Vec<(Vec<u8>, Source)> = Vec::new();
    for source in sources {
        let head = head_of(&source).unwrap_or_default();
        let twin = kept
            .iter()
            .position(|(other, twin)| is_twin((&head, &source), (other, twin)));
        let Some(at) = twin else {
            kept.push((head, source));
            continue;
        };
        let twin = &mut kept[at];
        // the longer one has what the shorter one has; what is in a stream is not known yet
        let longer =
            !source.is_stream() && (twin.1.is_stream() || length(&source) > length(&twin.1));
        let dropped = if longer {
            std::mem::replace(twin, (head, source)).1
        } else {
            source
        };
        let other = twin.1.path.clone();
        let kind = match dropped.is_stream() && dropped.path != other {
            true => ProblemKind::BeginsLike(other),
            false => ProblemKind::SameAs(other),
        };
        problems.push(Problem {
            path: dropped.path,
            kind,
        });
    }
    kept.into_iter().map(|(_, source)| source).collect()
}

fn head_of(source: &Source) -> io::Result<Vec<u8>> {
    read_head(&mut source.open()?)
}

fn is_twin((head, source): (&[u8], &Source), (other, twin): (&[u8], &Source)) -> bool {
    if source.path == twin.path {
        return true;
    }
    let common = head.len().min(other.len());
    common > 0
        && head[..common] == other[..common]
        && (source.is_stream()
            || twin.is_stream()
            || one_begins_the_other(source, twin).unwrap_or(false))
}

/// Whether two sources are equal up to the end of the shorter one. A damaged one ends where the damage begins: `.1.gz` is being
/// written while `.1` is still there.
fn one_begins_the_other(a: &Source, b: &Source) -> io::Result<bool> {
    let (mut a, mut b) = (a.open()?, b.open()?);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    loop {
        let left_ends = read_block(&mut a, &mut left);
        let right_ends = read_block(&mut b, &mut right);
        let common = left.len().min(right.len());
        if left[..common] != right[..common] {
            return Ok(false);
        }
        if left_ends || right_ends {
            return Ok(true);
        }
    }
}

/// The next block of a source; whether it is the last.
pub(super) fn read_block(source: &mut Opened, block: &mut Vec<u8>) -> bool {
    block.clear();
    let failed = source.by_ref().take(BLOCK).read_to_end(block).is_err();
    failed || (block.len() as u64) < BLOCK
}

const BLOCK: u64 = 256 * 1024;

/// Uncompressed length, up to the damage if there is one; only asked for twins.
fn length(source: &Source) -> u64 {
    let Ok(mut opened) = source.open() else {
        return 0;
    };
    let (mut block, mut length) = (Vec::new(), 0);
    loop {
        let ends = read_block(&mut opened, &mut block);
        length += block.len() as u64;
        if ends {
            return length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::find_sources;
    use super::*;
    use std::fs;
    use std::io::Write;
    use std::path::PathBuf;

    const NOW: i64 = 1_795_392_000; // 2026-11-23

    fn gz(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn line(stamp: &str) -> String {
        format!("{stamp} host postfix/smtp[1]: x\n")
    }

    #[track_caller]
    fn check(files: &[(&str, Vec<u8>)], expected: &[(&str, &str)], dropped: usize) {
        let dir = tempfile::TempDir::new().unwrap();
        let paths: Vec<PathBuf> = files
            .iter()
            .map(|(name, bytes)| {
                let path = dir.path().join(name);
                fs::write(&path, bytes).unwrap();
                path
            })
            .collect();
        let found = find_sources(&paths).unwrap();
        let (ordered, problems) = order(
            found.sources,
            &[],
            &Timing {
                zone: Zone::Utc,
                year: None,
                now: NOW,
            },
        );
        let shown: Vec<(String, String)> = ordered
            .iter()
            .map(|o| {
                let day = o
                    .first
                    .and_then(|t| chrono::DateTime::from_timestamp(t, 0))
                    .map_or(String::new(), |t| t.format("%Y-%m-%d").to_string());
                (
                    o.source
                        .path
                        .file_name()
                        .unwrap()
                        .to_string_lossy()
                        .into_owned(),
                    day,
                )
            })
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(n, d)| ((*n).to_owned(), (*d).to_owned()))
            .collect();
        assert_eq!(shown, expected);
        assert_eq!(problems.len(), dropped, "{problems:?}");
    }

    #[test]
    fn ok_oldest_first_whatever_the_names() {
        let live = line("Nov 20 10:00:00") + &line("Nov 21 10:00:00");
        let older = line("Nov 10 10:00:00");
        let oldest = line("2026-10-01T10:00:00Z");
        let files = [
            ("mail.log", live.into_bytes()),
            ("mail.log.1", older.into_bytes()),
            ("mail.log.2.gz", gz(&oldest)),
        ];
        let expected = [
            ("mail.log.2.gz", "2026-10-01"),
            ("mail.log.1", "2026-11-10"),
            ("mail.log", "2026-11-20"),
        ];
        check(&files, &expected, 0);
    }

    #[test]
    fn ok_name_with_a_date_bounds_a_copied_file() {
        let text = line("Dec 31 10:00:00") + &line("Jan  1 10:00:00");
        check(
            &[("maillog-20210102", text.into_bytes())],
            &[("maillog-20210102", "2020-12-31")],
            0,
        );
    }

    #[test]
    fn ok_same_content_is_read_once() {
        let text: String = (10..20)
            .map(|d| line(&format!("Nov {d} 10:00:00")))
            .collect();
        let more = text.clone() + &line("Nov 20 10:00:00");
        let files = [
            ("a", text.clone().into_bytes()),
            ("b.gz", gz(&more)),
            ("c", text.into_bytes()),
        ];
        check(&files, &[("b.gz", "2026-11-10")], 2);
    }

    #[test]
    fn ok_same_path_named_twice() {
        let text = line("Nov 10 10:00:00").into_bytes();
        check(
            &[("a", text.clone()), ("a", text)],
            &[("a", "2026-11-10")],
            1,
        );
    }

    /// One run: what is new in these files, as `instant text`, and what to remember.
    fn run(paths: &[PathBuf], remembered: &mut Vec<Remembered>, out: &mut Vec<String>) {
        let found = find_sources(paths).unwrap();
        let (ordered, _) = order(
            found.sources,
            remembered,
            &Timing {
                zone: Zone::Utc,
                year: None,
                now: NOW,
            },
        );
        for mut source in ordered {
            let mut lines = source.lines().unwrap();
            while let Some(line) = lines.next_line().unwrap() {
                let instant = source
                    .clock
                    .resolve(maillog::framing::parse_stamp(line.bytes))
                    .unwrap();
                out.push(format!("{instant} {}", String::from_utf8_lossy(line.bytes)));
            }
            let Some(fingerprint) = lines.fingerprint() else {
                continue;
            };
            let entry = Remembered {
                path: source.source.path.clone(),
                fingerprint,
                first: source.first,
                latest: NOW,
                clock: source.clock,
                file: None,
            };
            match source.known_as {
                Some(at) => remembered[at] = entry,
                None => remembered.push(entry),
            }
        }
    }

    #[test]
    fn ok_cut_anywhere_rotated_and_compressed_gives_the_same() {
        let days = ["Nov 30", "Dec 31", "Jan  1", "Feb 10", "Dec 24", "Jan  2"];
        let text: String = (0..120)
            .map(|i| {
                format!(
                    "{} 10:00:{:02} host postfix/smtp[{i}]: x\n",
                    days[i / 20],
                    i % 20
                )
            })
            .collect();
        let dir = tempfile::TempDir::new().unwrap();
        let (live, rotated, packed) = (
            dir.path().join("mail.log"),
            dir.path().join("mail.log.1"),
            dir.path().join("mail.log.2.gz"),
        );
        let written = |path: &PathBuf, bytes: &[u8]| {
            fs::write(path, bytes).unwrap();
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_767_400_000); // 2026-01-03
            fs::File::options()
                .write(true)
                .open(path)
                .unwrap()
                .set_modified(time)
                .unwrap();
        };
        let mut whole = Vec::new();
        written(&live, text.as_bytes());
        run(std::slice::from_ref(&live), &mut Vec::new(), &mut whole);
        assert_eq!(whole.len(), 120);
        assert!(whole[0].starts_with("1732960800 ")); // 2024-11-30
        for step in [13, 52, 53, 1000, 3001] {
            let (mut remembered, mut out) = (Vec::new(), Vec::new());
            // from February 2025 on, where the age of the file tells the years
            for cut in (text.len() * 4 / 6..text.len())
                .step_by(step)
                .chain([text.len()])
            {
                written(&live, &text.as_bytes()[..cut]);
                run(std::slice::from_ref(&live), &mut remembered, &mut out);
            }
            fs::rename(&live, &rotated).unwrap();
            run(std::slice::from_ref(&rotated), &mut remembered, &mut out);
            written(&packed, &gz(&text));
            written(&live, b"");
            run(
                &[live.clone(), rotated.clone(), packed.clone()],
                &mut remembered,
                &mut out,
            );
            run(std::slice::from_ref(&packed), &mut remembered, &mut out);
            assert_eq!(out, whole, "{step}");
        }
    }

    #[test]
    fn ok_rewritten_file_is_a_new_source() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("mail.log");
        let (mut remembered, mut out) = (Vec::new(), Vec::new());
        let first = line("Nov 10 10:00:00");
        fs::write(&path, first.clone() + &line("Nov 10 10:00:01")).unwrap();
        run(std::slice::from_ref(&path), &mut remembered, &mut out);
        // longer than before, and different from the start: copytruncate
        fs::write(&path, line("Nov 11 10:00:00").repeat(9)).unwrap();
        run(std::slice::from_ref(&path), &mut remembered, &mut out);
        assert_eq!((out.len(), remembered.len()), (11, 2));
    }
}
