//! Finds and opens logs.
//!
//! A source is a file, or standard input (`-`). What it is compressed with is decided by its first bytes, not by its name
//! (`compression`); what is not unpacked here is refused with the command that helps. A directory stands for the logs
//! directly in it, a pattern (`mail.log*`) for the logs whose names fit, unless a file really has that name. Without arguments the
//! usual places of mail logs are looked at, and the rotated files beside them.
//!
//! Each file that cannot be used is a [`Problem`], and the others are read; it is an error only if none is left.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Cursor, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use anyhow::bail;
use maillog::Framed;
use serde::{Deserialize, Serialize};

use super::ahead::Ahead;
use super::compression::Compression;
use super::identity::{Fingerprint, Match, SkipTo};
use super::join::Joiner;
use super::lines::{LastLine, Lines};
use super::rotation::{date_in_name, is_sibling, rotations};
use super::stream::Stream;

/// Where mail logs are, most usual first. The first one that exists is read, with its rotated files: where there are two, they
/// hold the same records.
const DEFAULT_LOGS: &[&str] = &["/var/log/mail.log", "/var/log/maillog", "/var/log/mail"];
/// What helps where there is no log file.
const NAME_ONE: &str = "name the log file, or read the systemd journal: tlsnag audit --journal";
/// How much of a file is looked at to see whether it is a log, in uncompressed bytes.
const SNIFF: u64 = super::stream::KEPT as u64;

/// A file as it lies on its disk at one moment. It does not say what is in the file; that it is the same means that nothing has been
/// written since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    /// Last change of the content, in seconds and nanoseconds since 1970.
    modified: (i64, i64),
    size: u64,
    device: u64,
    inode: u64,
}

impl FileState {
    fn of(metadata: &fs::Metadata) -> FileState {
        FileState {
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            size: metadata.len(),
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }

    /// Last change of the content, in seconds and nanoseconds since 1970.
    pub fn modified(&self) -> (i64, i64) {
        self.modified
    }

    fn is_same_file(&self, other: &FileState) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// One log to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The file; `-` for standard input.
    pub path: PathBuf,
    /// How it is stored.
    pub compression: Compression,
    /// Bytes on disk, for progress; 0 for a pipe.
    pub size: u64,
    /// The latest time its last line can have, in seconds since 1970: the earliest of the file's modification time, the end of
    /// the day in its name (`maillog-20251102`), and the time in its gzip header. `None` for a pipe.
    pub modified: Option<i64>,
    /// The file when it was looked at; `None` for standard input.
    pub file: Option<FileState>,
    /// What to do with a last line that has no line feed: a file that is not compressed can still grow, even after rotation.
    pub last_line: LastLine,
    /// The one reader of what can be read only once; `None` for a file.
    pub stream: Option<Stream>,
    /// The log beside which it was come upon as a rotated one; `None` if it was asked for. See [`super::order()`] for whether it is read.
    pub rotated_from: Option<PathBuf>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// The logs that can be read; see [`super::order()`] for their order.
    pub sources: Vec<Source>,
    /// What was passed over, and why.
    pub problems: Vec<Problem>,
}

/// Why a file is not read. The sentence is [`Problem`]'s `Display`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub kind: ProblemKind,
}

/// What can be wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// Rotated away while it was looked at.
    Replaced,
    /// It cannot be opened or read; the system's words.
    Unreadable(String),
    /// It has no bytes. Nothing is wrong with that.
    Empty,
    /// Compressed, and it ends before anything of it can be unpacked: perhaps it is being written at this moment.
    CutShort,
    /// Compressed in a way that is not read here: name of the format, and the command that writes it to standard output.
    Compressed(&'static str, &'static str),
    /// A file of systemd's journal.
    Journal,
    /// Entries of systemd's journal in its export format.
    JournalExport,
    /// Something else than text with log lines.
    NotALog,
    /// The same content as another source, or the beginning of it.
    SameAs(PathBuf),
    /// Its records are in another source too.
    Within(PathBuf),
    /// Some of its records are in another source too, and some are not.
    Overlaps(PathBuf),
    /// A directory without logs.
    NoLogsIn,
    /// A pattern that no file fits, or none that is a log.
    NoLogsFit,
    /// What is neither a file nor a pattern that can be understood; the reason.
    BadPattern(String),
    /// A pipe whose text begins like a file that is to be read in the same run.
    BeginsLike(PathBuf),
    /// A pipe whose text begins like a log that was read before, and is different at the byte that one was read to.
    DiffersAt(u64),
}

impl Problem {
    /// Whether the user should be told that something was not read, as opposed to: there was nothing to read.
    pub fn is_failure(&self) -> bool {
        !matches!(
            self.kind,
            ProblemKind::Empty | ProblemKind::SameAs(_) | ProblemKind::Within(_)
        )
    }

    /// Whether nothing should be read at all if the user named this file: all but what heals by itself until the next run.
    pub fn is_fatal(&self) -> bool {
        self.is_failure() && self.kind != ProblemKind::CutShort
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = shown(&self.path);
        match &self.kind {
            ProblemKind::Replaced => write!(f, "{path}: {Replaced}; the next run reads it"),
            ProblemKind::Unreadable(why) => write!(f, "cannot read {path}: {why}"),
            ProblemKind::Empty => write!(f, "{path} is empty"),
            ProblemKind::CutShort => write!(
                f,
                "{path} is a compressed file that ends too early, and nothing of it can be unpacked; if it is being written, it \
                 is read by the next run"
            ),
            ProblemKind::Compressed(format, command) if path == STDIN => write!(
                f,
                "{path} is compressed with {format}, which is not read directly; unpack it first: {command} | tlsnag import -"
            ),
            ProblemKind::Compressed(format, command) => {
                write!(
                    f,
                    "{path} is compressed with {format}, which is not read directly; try: {command} {path} | tlsnag import -"
                )
            }
            ProblemKind::Journal => {
                write!(
                    f,
                    "{path} is a journal; try: journalctl --file {path} -o short-iso SYSLOG_FACILITY=2 | tlsnag import -"
                )
            }
            ProblemKind::JournalExport => {
                write!(
                    f,
                    "{path} is a journal in the export format, which is not read; write it with: journalctl -o json --all SYSLOG_FACILITY=2"
                )
            }
            ProblemKind::NotALog => write!(
                f,
                "{path} is not a mail log: expected text with syslog lines, found other data"
            ),
            ProblemKind::SameAs(other) => write!(
                f,
                "{path} has the same content as {}; it is read once",
                other.display()
            ),
            ProblemKind::Within(other) => write!(
                f,
                "the records of {path} are in {} too; they are read once",
                other.display()
            ),
            ProblemKind::Overlaps(other) => write!(
                f,
                "{path} is left out: some of its records are in {} too, and would count twice; read only one log of each server",
                other.display()
            ),
            ProblemKind::NoLogsIn => {
                write!(
                    f,
                    "no log files in the directory {path}: expected files with syslog lines directly in it"
                )
            }
            ProblemKind::NoLogsFit => write!(
                f,
                "no log files fit {path}: expected the path of a log, or a pattern with *, ? or [...] that some log's path fits"
            ),
            ProblemKind::BadPattern(why) => write!(
                f,
                "{path} is no file, nor a pattern that can be understood: {why}"
            ),
            ProblemKind::BeginsLike(other) => write!(
                f,
                "{path} begins like {}, which is to be read too: give one of them, or nothing tells what would count twice",
                shown(other)
            ),
            ProblemKind::DiffersAt(byte) => write!(
                f,
                "{path} begins like a log that was read before, but is different at byte {byte}, up to where that was read: it was \
                 edited, or put together in another order. What is new in it cannot be told from a pipe; write it to a file and \
                 import that, or pipe in only what is new"
            ),
        }
    }
}

const STDIN: &str = "standard input";

/// What a source is called in messages.
fn shown(path: &Path) -> String {
    if path.as_os_str() == "-" {
        STDIN.to_owned()
    } else {
        path.display().to_string()
    }
}

/// The sources that the arguments of a command name: files, directories, patterns, `-`. Fails if nothing at all is there to be read,
/// and says why.
pub fn find_sources(args: &[PathBuf]) -> anyhow::Result<Found> {
    let (mut found, mut logs) = (Found::default(), Vec::new());
    for path in args {
        if path.as_os_str() == "-" {
            found.add_stdin();
        } else if path.is_dir() {
            found.add_directory(path);
        } else if let Some(pattern) = pattern(path) {
            found.add_pattern(path, pattern);
        } else {
            found.add_file(path);
            logs.push(path);
        }
    }
    logs.into_iter().for_each(|log| found.add_rotated(log));
    let failures: Vec<String> = found
        .problems
        .iter()
        .filter(|p| p.is_failure())
        .map(ToString::to_string)
        .collect();
    if found.sources.is_empty() && !failures.is_empty() {
        bail!("{}", failures.join("\n"));
    }
    Ok(found)
}

/// A path that no file has, but that can be a pattern.
fn pattern(path: &Path) -> Option<&str> {
    let text = path.to_str()?;
    (text.contains(['*', '?', '[']) && fs::symlink_metadata(path).is_err()).then_some(text)
}

/// The first of the usual logs that is there, with its rotated files. There may be none: [`no_log_found`] says so.
pub fn find_default_sources() -> Found {
    find_first_of(DEFAULT_LOGS)
}

fn find_first_of(bases: &[&str]) -> Found {
    let mut found = Found::default();
    for base in bases {
        let base = Path::new(base);
        if base.is_dir() {
            found.add_directory(base);
        } else {
            siblings(base).iter().for_each(|path| found.add_file(path));
        }
        if !found.sources.is_empty() || found.is_denied() {
            break;
        }
    }
    found
}

/// The words for it when there is nothing in the usual places, and what else was tried.
pub fn no_log_found(found: &Found, also_tried: &str) -> String {
    no_log_in(DEFAULT_LOGS, found, also_tried)
}

fn no_log_in(bases: &[&str], found: &Found, also_tried: &str) -> String {
    let failures: Vec<String> = found
        .problems
        .iter()
        .filter(|p| p.is_failure())
        .map(|p| format!("\n  {p}"))
        .collect();
    format!(
        "no mail log found: looked at {} and their rotated files{}{also_tried}\n{NAME_ONE}",
        bases.join(", "),
        failures.concat()
    )
}

/// Whether a path is that of one of the usual logs, or of one of its rotated files.
pub fn is_default_log(path: &str) -> bool {
    let path = Path::new(path);
    DEFAULT_LOGS.iter().map(Path::new).any(|base| {
        let rotated = || {
            let (base, name) = (base.file_name()?.to_str()?, path.file_name()?.to_str()?);
            Some(is_sibling(base, name))
        };
        path.parent() == Some(base) || path.parent() == base.parent() && rotated() == Some(true)
    })
}

/// A log and the rotated files beside it, in the order of their names.
fn siblings(base: &Path) -> Vec<PathBuf> {
    let (Some(directory), Some(name)) = (base.parent(), base.file_name().and_then(|n| n.to_str()))
    else {
        return Vec::new();
    };
    let directory = match directory.as_os_str().is_empty() {
        true => Path::new("."),
        false => directory,
    };
    let mut found = list(directory).unwrap_or_default();
    found.retain(|path| {
        path.file_name()
            .and_then(|n| n.to_str())
            .is_some_and(|n| is_sibling(name, n))
    });
    // As the log itself was named.
    found
        .into_iter()
        .map(|path| match path.strip_prefix("./") {
            Ok(path) if !base.starts_with("./") => path.to_owned(),
            _ => path,
        })
        .collect()
}

/// The regular files of a directory that are not hidden, in the order of their names.
fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !hidden && entry.path().is_file() {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

impl Found {
    /// Whether there is something that was meant to be read and cannot be.
    pub fn is_denied(&self) -> bool {
        self.problems
            .iter()
            .any(|p| p.kind != ProblemKind::NoLogsIn && p.is_failure())
    }

    fn add_file(&mut self, path: &Path) {
        match Source::probe(path, false) {
            Ok(source) => self.sources.push(source),
            Err(kind) => self.problems.push(Problem {
                path: path.to_owned(),
                kind,
            }),
        }
    }

    /// The rotated files beside a log that is being written. Nobody asked for them: what is wrong with one is not said.
    fn add_rotated(&mut self, log: &Path) {
        let name = log.file_name().and_then(|n| n.to_str());
        if name.is_none_or(|name| rotations(name) > 0) {
            return;
        }
        for path in siblings(log) {
            let asked_for = path == log || self.sources.iter().any(|s| s.path == path);
            if !asked_for && let Ok(source) = Source::probe(&path, true) {
                let rotated_from = Some(log.to_owned());
                self.sources.push(Source {
                    rotated_from,
                    ..source
                });
            }
        }
    }

    /// Standard input, once.
    fn add_stdin(&mut self) {
        let path = PathBuf::from("-");
        let again = self.sources.iter().any(|s| s.path == path);
        let source = match again {
            true => Err(ProblemKind::SameAs(path.clone())),
            false => Source::piped(&path, io::stdin()),
        };
        match source {
            Ok(source) => self.sources.push(source),
            Err(kind) => self.problems.push(Problem { path, kind }),
        }
    }

    /// The logs in a directory.
    fn add_directory(&mut self, directory: &Path) {
        match list(directory) {
            Ok(paths) => self.add_some(&paths, directory, ProblemKind::NoLogsIn),
            Err(error) => self.problems.push(Problem {
                path: directory.to_owned(),
                kind: ProblemKind::Unreadable(error.to_string()),
            }),
        }
    }

    /// The logs whose paths fit a pattern that no shell expanded.
    fn add_pattern(&mut self, named: &Path, pattern: &str) {
        let options = glob::MatchOptions {
            require_literal_separator: true,
            require_literal_leading_dot: true,
            ..glob::MatchOptions::default()
        };
        let paths = match glob::glob_with(pattern, options) {
            Ok(paths) => paths,
            Err(error) => {
                return self.problems.push(Problem {
                    path: named.to_owned(),
                    kind: ProblemKind::BadPattern(error.to_string()),
                });
            }
        };
        let mut fitting = Vec::new();
        for path in paths {
            match path {
                Ok(path) if path.is_file() => fitting.push(path),
                Ok(_) => {}
                Err(error) => self.problems.push(Problem {
                    path: error.path().to_owned(),
                    kind: ProblemKind::Unreadable(explain(error.error())),
                }),
            }
        }
        self.add_some(&fitting, named, ProblemKind::NoLogsFit);
    }

    /// Those of some files that are logs; what is no log is passed over without a word. If there is none, that is wrong with the
    /// path that stands for them.
    fn add_some(&mut self, paths: &[PathBuf], named: &Path, none: ProblemKind) {
        let problem = |path: &Path, kind| Problem {
            path: path.to_owned(),
            kind,
        };
        let before = (self.sources.len(), self.problems.len());
        for path in paths {
            match Source::probe(path, true) {
                Ok(source) => self.sources.push(source),
                Err(ProblemKind::NotALog | ProblemKind::Empty | ProblemKind::Journal) => {}
                Err(_) if !path.exists() => {
                    self.problems.push(problem(path, ProblemKind::Replaced))
                }
                Err(kind) => self.problems.push(problem(path, kind)),
            }
        }
        if before == (self.sources.len(), self.problems.len()) {
            self.problems.push(problem(named, none));
        }
    }
}

/// What files begin with that are not read, and what to do with them.
const MAGIC: &[(&[u8], ProblemKind)] = &[
    (b"\x1f\x9d", ProblemKind::Compressed("compress", "zcat")),
    (
        b"\x04\x22\x4d\x18",
        ProblemKind::Compressed("lz4", "lz4cat"),
    ),
    (b"PK\x03\x04", ProblemKind::Compressed("zip", "unzip -p")),
    (b"LPKSHHRH", ProblemKind::Journal),
    (b"__CURSOR=", ProblemKind::JournalExport),
    (b"\x7fELF", ProblemKind::NotALog),
];
/// How much of a file is looked at for that.
const MAGIC_BYTES: usize = 16;

impl Source {
    /// What comes through a pipe: read once, from where it stands to its end. Its last line is left if it has no line feed, since the
    /// same stream may come again and be longer.
    fn piped(path: &Path, mut reader: impl Read + Send + 'static) -> Result<Source, ProblemKind> {
        let unreadable = |error: io::Error| ProblemKind::Unreadable(explain(&error));
        let mut start = [0; MAGIC_BYTES];
        let start = read_start(&mut reader, &mut start).map_err(unreadable)?;
        let compression = compression(start)?;
        let whole = Cursor::new(start.to_vec()).chain(reader);
        let stream = Stream::new(compression.unpack(whole).map_err(unreadable)?);
        match sniff(stream.head()).map_err(damaged)? {
            Sniffed::Empty => return Err(ProblemKind::Empty),
            Sniffed::Binary => return Err(ProblemKind::NotALog),
            Sniffed::Text | Sniffed::Log => {}
        }
        Ok(Source {
            path: path.to_owned(),
            compression,
            size: 0,
            modified: None,
            file: None,
            last_line: LastLine::Leave,
            stream: Some(stream),
            rotated_from: None,
        })
    }

    /// Whether this is standard input, or another pipe: it can be read only once.
    pub fn is_stream(&self) -> bool {
        self.stream.is_some()
    }

    /// What it is called in messages.
    pub fn name(&self) -> String {
        shown(&self.path)
    }

    /// Looks at a file. With `lines_required`, text without one log line is no log either.
    fn probe(path: &Path, lines_required: bool) -> Result<Source, ProblemKind> {
        let unreadable = |error: io::Error| match is_replaced(&error) {
            true => ProblemKind::Replaced,
            false => ProblemKind::Unreadable(explain(&error)),
        };
        let mut file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        // `<(command)` of a shell, or a named pipe
        if !metadata.is_file() {
            return Source::piped(path, file);
        }
        let mut start = [0; MAGIC_BYTES];
        let start = read_start(&mut file, &mut start).map_err(unreadable)?;
        let compression = compression(start)?;
        let name = path
            .file_name()
            .map(|n| n.to_string_lossy())
            .unwrap_or_default();
        // A rotated file may still get the rest of its last line; half a line is no evidence.
        let grows = compression == Compression::Plain;
        let source = Source {
            path: path.to_owned(),
            compression,
            size: metadata.len(),
            modified: latest_line(&metadata, &name, start),
            file: Some(FileState::of(&metadata)),
            last_line: if grows {
                LastLine::Leave
            } else {
                LastLine::Final
            },
            stream: None,
            rotated_from: None,
        };
        let mut start = Vec::new();
        let mut opened = source.open().map_err(unreadable)?;
        let failed = read_after_nuls(&mut opened, &mut start).err();
        match sniff((start, failed)).map_err(damaged)? {
            Sniffed::Empty => Err(ProblemKind::Empty),
            Sniffed::Binary => Err(ProblemKind::NotALog),
            Sniffed::Text if lines_required => Err(ProblemKind::NotALog),
            Sniffed::Text | Sniffed::Log => Ok(source),
        }
    }

    /// A log that was read before, if it still lies there.
    pub(super) fn read_before(path: &Path, known: &Fingerprint) -> Option<Source> {
        // A pipe has nothing to look at again, and would be waited for.
        let source = path.is_file().then(|| Source::probe(path, false).ok())??;
        let found = known.find_in(&mut source.open().ok()?).ok()?;
        matches!(found, Match::Same { .. }).then_some(source)
    }

    /// How often the file was rotated, by its name: 2 of `mail.log.2.gz`, 1 if there is a date, 0 of a log that is being written.
    pub fn rotations(&self) -> u32 {
        let name = self.path.file_name().and_then(|n| n.to_str());
        name.map_or(0, rotations)
    }

    /// Opens the file, if it is still the one that was looked at.
    fn open_file(&self) -> io::Result<File> {
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(io::Error::other(Replaced));
            }
            opened => opened?,
        };
        let now = FileState::of(&file.metadata()?);
        match self.file.is_some_and(|then| !then.is_same_file(&now)) {
            true => Err(io::Error::other(Replaced)),
            false => Ok(file),
        }
    }

    /// Opens the source at its start. For a stream see [`Stream`]: not much of it can be read again.
    pub fn open(&self) -> io::Result<Opened> {
        if let Some(stream) = &self.stream {
            return Ok(Opened {
                read: stream.progress(),
                body: Body::Stream(stream.rewind()),
                position: 0,
            });
        }
        let read = Arc::new(AtomicU64::new(0));
        let file = Counted {
            inner: self.open_file()?,
            read: Arc::clone(&read),
        };
        let body = match self.compression {
            Compression::Plain => Body::Plain(file),
            packed => Body::Packed(packed.unpack(file)?),
        };
        Ok(Opened {
            body,
            read,
            position: 0,
        })
    }
}

/// A file was rotated away between looking at it and reading it: to look again helps.
#[derive(Debug)]
struct Replaced;

impl fmt::Display for Replaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another file has taken its place: it is being rotated")
    }
}

impl std::error::Error for Replaced {}

/// Whether an error means that a file was rotated away in between.
pub fn is_replaced(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Replaced>())
}

/// What a file that begins like this is compressed with, if it can be a log at all.
fn compression(start: &[u8]) -> Result<Compression, ProblemKind> {
    if start.is_empty() {
        return Err(ProblemKind::Empty);
    }
    match MAGIC.iter().find(|(magic, _)| start.starts_with(magic)) {
        Some((_, kind)) => Err(kind.clone()),
        None => Ok(Compression::of(start)),
    }
}

/// What it means that nothing of a file could be had.
fn damaged(error: io::Error) -> ProblemKind {
    match error.kind() {
        ErrorKind::UnexpectedEof => ProblemKind::CutShort,
        _ => ProblemKind::Unreadable(explain(&error)),
    }
}

/// Looks at the start of a text, and what ended it.
/// The beginning of a file, without the NUL bytes that one that was truncated under its writer begins with.
fn read_after_nuls(reader: &mut impl Read, start: &mut Vec<u8>) -> io::Result<()> {
    loop {
        start.clear();
        reader.by_ref().take(SNIFF).read_to_end(start)?;
        if start.is_empty() || start.iter().any(|b| *b != 0) {
            return Ok(());
        }
    }
}

fn sniff((start, failed): (Vec<u8>, Option<io::Error>)) -> io::Result<Sniffed> {
    match failed {
        Some(error) if start.is_empty() => return Err(error),
        // what comes before the damage can be read; reading it will tell of the rest
        _ if start.is_empty() => return Ok(Sniffed::Empty),
        _ => {}
    }
    let mut lines = Lines::new(Cursor::new(&start), LastLine::Final);
    let mut joiner = Joiner::default();
    while let Some(line) = lines.next_line()? {
        let said_something = line.bytes.iter().any(u8::is_ascii_graphic);
        let framed = joiner
            .frame(line.offset, line.bytes)
            .map(|joined| joined.framed);
        if said_something && matches!(framed, Some(Framed::Noise)) {
            return Ok(Sniffed::Log);
        }
        if matches!(
            framed,
            None | Some(Framed::Record(_) | Framed::Repeated { .. })
        ) {
            return Ok(Sniffed::Log);
        }
    }
    // Without one whole line it may be the torn beginning of a log.
    Ok(if start.contains(&0) || start.contains(&b'\n') {
        Sniffed::Binary
    } else {
        Sniffed::Text
    })
}

enum Sniffed {
    Empty,
    Binary,
    /// Text without a log line.
    Text,
    Log,
}

/// The system's words, with what to do about the usual one.
fn explain(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied => {
            format!("{error}; run as root, or as a member of the group that owns it (often adm)")
        }
        _ => error.to_string(),
    }
}

fn read_start<'a>(file: &mut impl Read, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let mut len = 0;
    while len < buffer.len() {
        match file.read(&mut buffer[len..])? {
            0 => break,
            n => len += n,
        }
    }
    Ok(&buffer[..len])
}

/// See [`Source::modified`]. Copying a file makes its modification time too late; name and gzip header stay.
fn latest_line(metadata: &fs::Metadata, name: &str, start: &[u8]) -> Option<i64> {
    let seconds = |time: std::time::SystemTime| {
        time.duration_since(UNIX_EPOCH)
            .ok()
            .and_then(|d| i64::try_from(d.as_secs()).ok())
    };
    let written = metadata.modified().ok().and_then(seconds);
    let in_header = match start {
        [0x1f, 0x8b, _, _, a, b, c, d, ..] => {
            Some(i64::from(u32::from_le_bytes([*a, *b, *c, *d]))).filter(|t| *t > 0)
        }
        _ => None,
    };
    [written, in_header, date_in_name(name)]
        .into_iter()
        .flatten()
        .min()
}

/// An open source: inflated bytes, and how many compressed ones they took.
pub struct Opened {
    body: Body,
    read: Arc<AtomicU64>,
    position: u64,
}

enum Body {
    Plain(Counted<File>),
    Packed(Box<dyn Read + Send>),
    Stream(Stream),
}

struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(out)?;
        self.read.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

impl Opened {
    /// Bytes of the file used up so far, compressed ones if it is compressed: comparable with [`Source::size`]. The counter can be
    /// watched from elsewhere while the source is read.
    pub fn progress(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.read)
    }

    /// Reads ahead from now on what has to be unpacked: for who reads all of it.
    pub(super) fn ahead(mut self) -> io::Result<Opened> {
        self.body = match self.body {
            Body::Packed(text) => Body::Packed(Box::new(Ahead::of(text)?)),
            other => other,
        };
        Ok(self)
    }

    /// Goes to the last `bytes` of a file of this size, if one can move about in it; else stays.
    pub(super) fn go_to_last(&mut self, bytes: u64, size: u64) -> io::Result<()> {
        match self.body {
            Body::Plain(_) => self.skip_to(size.saturating_sub(bytes)),
            Body::Packed(_) | Body::Stream(_) => Ok(()),
        }
    }
}

impl Read for Opened {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = match &mut self.body {
            Body::Plain(file) => file.read(out)?,
            Body::Packed(text) => text.read(out)?,
            Body::Stream(stream) => stream.read(out)?,
        };
        self.position += n as u64;
        Ok(n)
    }
}

impl SkipTo for Opened {
    fn skip_to(&mut self, offset: u64) -> io::Result<()> {
        let ahead = offset.saturating_sub(self.position);
        if let Body::Plain(file) = &mut self.body {
            file.inner.seek(SeekFrom::Start(offset))?;
            self.read.fetch_add(ahead, Ordering::Relaxed);
            self.position = offset;
            return Ok(());
        }
        if let Body::Stream(stream) = &mut self.body {
            stream.skip_to(offset)?;
            self.position = offset;
            return Ok(());
        }
        io::copy(&mut self.take(ahead), &mut io::sink()).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::super::compression::tests::{PACKED, pack};
    use super::*;
    use tempfile::TempDir;

    const LINE: &str = "Nov  2 10:00:01 host postfix/smtp[1]: x\n";

    fn gz(text: &[u8]) -> Vec<u8> {
        pack(Compression::Gzip, text)
    }

    fn write(dir: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn names(found: &Found) -> Vec<String> {
        found
            .sources
            .iter()
            .map(|s| s.path.file_name().unwrap().to_string_lossy().into_owned())
            .collect()
    }

    fn problem(path: &Path) -> String {
        let dir = path.parent().unwrap().to_string_lossy().into_owned();
        Source::probe(path, false)
            .map_err(|kind| {
                Problem {
                    path: path.to_owned(),
                    kind,
                }
                .to_string()
                .replace(&dir, "DIR")
            })
            .unwrap_err()
    }

    #[test]
    fn ok_magic_decides_not_the_name() {
        let dir = TempDir::new().unwrap();
        let two_members = [gz(LINE.as_bytes()), gz(LINE.as_bytes())].concat();
        let source = Source::probe(&write(&dir, "mail.log", &two_members), false).unwrap();
        assert_eq!(
            (source.compression, source.last_line),
            (Compression::Gzip, LastLine::Final)
        );
        let mut text = String::new();
        let mut opened = source.open().unwrap();
        opened.read_to_string(&mut text).unwrap();
        assert_eq!(text, LINE.repeat(2));
        assert_eq!(opened.progress().load(Ordering::Relaxed), source.size);
        let source = Source::probe(&write(&dir, "x.gz", LINE.as_bytes()), false).unwrap();
        assert_eq!(source.compression, Compression::Plain);
    }

    #[test]
    fn ok_a_plain_file_leaves_its_half_line() {
        let dir = TempDir::new().unwrap();
        for name in ["mail.log", "mail.log.1", "maillog-20251102"] {
            let source = Source::probe(&write(&dir, name, LINE.as_bytes()), false).unwrap();
            assert_eq!(source.last_line, LastLine::Leave, "{name}");
        }
    }

    #[test]
    fn err_files_that_are_not_read() {
        let dir = TempDir::new().unwrap();
        let said = |name: &str, bytes: &[u8]| problem(&write(&dir, name, bytes));
        insta::assert_snapshot!(said("a.Z", b"\x1f\x9d\x90"), @"DIR/a.Z is compressed with compress, which is not read directly; try: zcat DIR/a.Z | tlsnag import -");
        insta::assert_snapshot!(said("a.bz2", b"BZh91AY"), @"DIR/a.bz2 is a compressed file that ends too early, and nothing of it can be unpacked; if it is being written, it is read by the next run");
        insta::assert_snapshot!(said("ls", b"\x7fELF\x02rest"), @"DIR/ls is not a mail log: expected text with syslog lines, found other data");
        insta::assert_snapshot!(said("x.bin", b"abc\0def\n\0"), @"DIR/x.bin is not a mail log: expected text with syslog lines, found other data");
        insta::assert_snapshot!(said("system.journal", b"LPKSHHRH...."), @"DIR/system.journal is a journal; try: journalctl --file DIR/system.journal -o short-iso SYSLOG_FACILITY=2 | tlsnag import -");
        insta::assert_snapshot!(said("mail.log", b""), @"DIR/mail.log is empty");
        assert!(
            problem(&dir.path().join("none")).starts_with("cannot read DIR/none: No such file")
        );
    }

    #[test]
    fn a_pipe_is_looked_at_like_a_file() {
        let piped = |bytes: &[u8]| Source::piped(Path::new("-"), Cursor::new(bytes.to_vec()));
        for compression in PACKED {
            let packed = pack(compression, LINE.repeat(3).as_bytes());
            let source = piped(&packed).unwrap();
            assert_eq!(
                (source.compression, source.name()),
                (compression, STDIN.to_owned())
            );
            let mut text = String::new();
            source.open().unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, LINE.repeat(3));
        }
        assert_eq!(piped(b"").unwrap_err(), ProblemKind::Empty);
        assert_eq!(piped(b"abc\0\n").unwrap_err(), ProblemKind::NotALog);
        assert_eq!(piped(b"BZh9").unwrap_err(), ProblemKind::CutShort);
        let problem = Problem {
            path: PathBuf::from("-"),
            kind: piped(b"\x1f\x9d\x90").unwrap_err(),
        };
        insta::assert_snapshot!(problem, @"standard input is compressed with compress, which is not read directly; unpack it first: zcat | tlsnag import -");
    }

    #[test]
    fn a_pattern_stands_for_the_logs_whose_names_fit() {
        let dir = TempDir::new().unwrap();
        for name in ["mail.log", "mail.log.1", ".mail.log", "mail.info"] {
            write(&dir, name, LINE.as_bytes());
        }
        write(&dir, "mail.log.old", b"no log\n");
        let of = |pattern: &str| find_sources(&[dir.path().join(pattern)]);
        assert_eq!(names(&of("mail.log*").unwrap()), ["mail.log", "mail.log.1"]);
        assert_eq!(names(&of("mail.l[op]g.?").unwrap()), ["mail.log.1"]);
        assert_eq!(names(&of("*l.log").unwrap()), ["mail.log"]);
        for pattern in ["x*", "*.old"] {
            let error = of(pattern).unwrap_err().to_string();
            assert!(error.starts_with("no log files fit "), "{error}");
        }
        let error = of("mail[").unwrap_err().to_string();
        assert!(error.contains("nor a pattern"), "{error}");
        // a file that really has such a name is meant literally
        write(&dir, "mail[1].log*", LINE.as_bytes());
        assert_eq!(names(&of("mail[1].log*").unwrap()), ["mail[1].log*"]);
    }

    #[test]
    fn ok_nul_bytes_before_a_log_line() {
        let dir = TempDir::new().unwrap();
        let bytes = [&[0; 3000][..], LINE.as_bytes()].concat();
        assert!(Source::probe(&write(&dir, "mail.log", &bytes), false).is_ok());
    }

    #[test]
    fn ok_gzip_cut_short_is_a_source_up_to_the_damage() {
        let dir = TempDir::new().unwrap();
        let text: String = (0..20_000)
            .map(|i| LINE.replace("x", &format!("{}", i * 7919)))
            .collect();
        let packed = gz(text.as_bytes());
        let source = Source::probe(
            &write(&dir, "mail.log.2.gz", &packed[..packed.len() / 2]),
            false,
        )
        .unwrap();
        let mut lines = Lines::new(source.open().unwrap(), source.last_line);
        let mut count = 0;
        let error = loop {
            match lines.next_line() {
                Ok(line) => assert!(line.is_some(), "the damage was not noticed"),
                Err(error) => break error,
            }
            count += 1;
        };
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert!(count > 5_000);
        // when the whole file is there, it goes on at the same place
        let print = lines.fingerprint().unwrap();
        let whole = Source::probe(&write(&dir, "mail.log.2.gz", &packed), false).unwrap();
        let resume_at = lines.position();
        assert_eq!(
            print.find_in(&mut whole.open().unwrap()).unwrap(),
            super::super::Match::Same { resume_at }
        );
        let mut rest = Lines::resume(whole.open().unwrap(), resume_at, LastLine::Final).unwrap();
        let mut more = 0;
        while rest.next_line().unwrap().is_some() {
            more += 1;
        }
        assert_eq!(count + more, 20_000);
    }

    #[test]
    fn ok_directory() {
        let dir = TempDir::new().unwrap();
        for name in ["mail.log", "mail.log.1", ".hidden"] {
            write(&dir, name, LINE.as_bytes());
        }
        write(&dir, "mail.log.2.gz", &gz(LINE.as_bytes()));
        write(&dir, "README", b"no log\n");
        write(&dir, "btmp", b"\0\0x\n");
        write(&dir, "mail.err", b"");
        write(&dir, "mail.log.3.bz2", b"BZh9");
        fs::create_dir(dir.path().join("sub")).unwrap();
        write(&dir, "sub/mail.log", LINE.as_bytes());
        let found = find_sources(&[dir.path().to_owned()]).unwrap();
        assert_eq!(names(&found), ["mail.log", "mail.log.1", "mail.log.2.gz"]);
        assert_eq!(found.problems.len(), 1);
    }

    #[test]
    fn err_directory_without_logs() {
        let dir = TempDir::new().unwrap();
        write(&dir, "README", b"no log\n");
        let error = find_sources(&[dir.path().to_owned()])
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("no log files in the directory"),
            "{error}"
        );
    }

    #[test]
    fn ok_default_places() {
        let dir = TempDir::new().unwrap();
        let (first, second) = (dir.path().join("mail.log"), dir.path().join("maillog"));
        let bases = [first.to_str().unwrap(), second.to_str().unwrap()];
        for name in ["maillog", "maillog-20251102", "maillog.swp"] {
            write(&dir, name, LINE.as_bytes());
        }
        assert_eq!(
            names(&find_first_of(&bases)),
            ["maillog", "maillog-20251102"]
        );
        write(&dir, "mail.log.1", LINE.as_bytes());
        assert_eq!(names(&find_first_of(&bases)), ["mail.log.1"]);
    }

    #[test]
    fn err_nothing_in_the_default_places() {
        let bases = ["/nowhere/mail.log", "/nowhere/maillog"];
        let error = no_log_in(
            &bases,
            &find_first_of(&bases),
            ", and into the journal: empty",
        );
        insta::assert_snapshot!(error, @r"
        no mail log found: looked at /nowhere/mail.log, /nowhere/maillog and their rotated files, and into the journal: empty
        name the log file, or read the systemd journal: tlsnag audit --journal
        ");
    }

    #[test]
    fn ok_one_bad_file_does_not_stop_the_others() {
        let dir = TempDir::new().unwrap();
        let args = [
            write(&dir, "mail.log", LINE.as_bytes()),
            dir.path().join("none"),
        ];
        let found = find_sources(&args).unwrap();
        assert_eq!(names(&found), ["mail.log"]);
        assert_eq!(found.problems.len(), 1);
        assert!(find_sources(&args[1..2]).is_err());
    }
}
