//! Whatever happens to a log between and during the runs, the store ends up as if it had been read once, whole.
//!
//! Each history is a seed: lines are written piece by piece, files are rotated by renaming or by copying and truncating, compressed,
//! moved away, or there is a journal instead; in between the program runs, twice, or is killed. `TLSNAG_HISTORIES=2000 cargo test --test cli histories` runs more.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::import::{difference, mixed_log};
use crate::journal::Journal;
use crate::sandbox::Sandbox;

/// How many histories are lived through if `TLSNAG_HISTORIES` does not say.
const HISTORIES: u64 = 200;
/// Each so many-th machine has a journal instead of files.
const JOURNAL_EACH: u64 = 10;
/// Most bytes written at once.
const PIECE: u64 = 9000;

const IMPORT: &[&str] = &[
    "import",
    "--quiet",
    "--correspondents",
    "--own-domain",
    "ours.example",
];

/// Numbers from a seed: xorshift64*, so that a history is the same everywhere.
pub struct Dice(u64);

impl Dice {
    /// Those of this seed.
    pub fn of(seed: u64) -> Dice {
        Dice((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// The next number, 0 to below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }

    /// Whether the one case in `n` has come.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// How logs are rotated on this machine.
#[derive(Clone, Copy, Debug)]
enum Rotation {
    Numbers,
    Dates,
    CopyTruncate,
}

/// A machine with a log that is written, rotated and read.
struct Machine {
    sandbox: Sandbox,
    dice: Dice,
    rotation: Rotation,
    log: Vec<u8>,
    written: usize,
    /// Plain rotated files, newest first; what is compressed or moved away is no longer among them.
    rotated: Vec<PathBuf>,
    rotations: u32,
    /// What happened, for whoever has to find out why it went wrong.
    story: Vec<String>,
}

impl Machine {
    fn new(seed: u64, log: &[u8]) -> Machine {
        let mut dice = Dice::of(seed);
        let rotation = match dice.below(3) {
            0 => Rotation::Numbers,
            1 => Rotation::Dates,
            _ => Rotation::CopyTruncate,
        };
        let sandbox = Sandbox::new();
        for directory in ["log", "old"] {
            fs::create_dir(sandbox.path(directory)).expect("writable");
        }
        Machine {
            sandbox,
            dice,
            rotation,
            log: log.to_vec(),
            written: 0,
            rotated: Vec::new(),
            rotations: 0,
            story: vec![format!("{rotation:?}")],
        }
    }

    fn live(&self) -> PathBuf {
        self.sandbox.path("log/mail.log")
    }

    fn ends_in_a_line(&self) -> bool {
        self.written == 0 || self.log[self.written - 1] == b'\n'
    }

    /// Writes the next `bytes` bytes, anywhere in a line, to `file`.
    fn write(&mut self, file: &Path, bytes: usize) {
        let end = (self.written + bytes).min(self.log.len());
        if end > self.written {
            append(file, &self.log[self.written..end]);
        }
        self.story.push(format!("write {}..{end}", self.written));
        self.written = end;
    }

    /// Writes up to the end of the line.
    fn finish_line(&mut self, file: &Path) {
        let rest = &self.log[self.written..];
        let bytes = rest
            .iter()
            .position(|b| *b == b'\n')
            .map_or(rest.len(), |n| n + 1);
        self.write(file, bytes);
    }

    /// What logrotate and the syslog daemon do.
    fn rotate(&mut self) {
        let live = self.live();
        if !live.exists() || fs::metadata(&live).is_ok_and(|m| m.len() == 0) {
            return;
        }
        self.rotations += 1;
        let first = match self.rotation {
            Rotation::Dates => self
                .sandbox
                .path(&format!("log/mail.log-202612{:02}", self.rotations)),
            _ => {
                self.shift_numbers();
                self.sandbox.path("log/mail.log.1")
            }
        };
        self.story.push(format!("rotate to {}", first.display()));
        if let Rotation::CopyTruncate = self.rotation {
            if !self.ends_in_a_line() {
                self.finish_line(&live);
            }
            fs::copy(&live, &first).expect("same directory");
            if self.dice.one_in(3) {
                self.run();
            }
            fs::write(&live, b"").expect("writable");
        } else {
            fs::rename(&live, &first).expect("same directory");
            // The daemon writes on to the old file until it is told to open the new one.
            if self.dice.one_in(2) {
                let bytes = self.dice.below(PIECE / 4) as usize;
                self.write(&first, bytes);
            }
            if self.dice.one_in(3) {
                self.run();
            }
            if !self.ends_in_a_line() {
                self.finish_line(&first);
            }
        }
        self.rotated.insert(0, first);
    }

    /// `mail.log.1` becomes `mail.log.2`, and so on, compressed ones too.
    fn shift_numbers(&mut self) {
        for number in (1..self.rotations).rev() {
            for ending in ["", ".gz", ".xz", ".zst", ".bz2"] {
                let name = |n: u32| self.sandbox.path(&format!("log/mail.log.{n}{ending}"));
                let (from, to) = (name(number), name(number + 1));
                if from.exists() {
                    fs::rename(&from, &to).expect("same directory");
                    self.rotated
                        .iter_mut()
                        .filter(|p| **p == from)
                        .for_each(|p| *p = to.clone());
                }
            }
        }
    }

    /// Compresses a rotated file; the program may run while both are there.
    fn compress(&mut self) {
        if self.rotated.is_empty() {
            return;
        }
        let file = self
            .rotated
            .remove(self.dice.below(self.rotated.len() as u64) as usize);
        self.story.push(format!("compress {}", file.display()));
        let text = fs::read(&file).expect("still there");
        let (ending, bytes) = self.pack(&text);
        let packed = PathBuf::from(format!("{}{ending}", file.display()));
        let written = fs::metadata(&file).and_then(|m| m.modified());
        fs::write(&packed, bytes).expect("writable");
        // As the compressors do.
        let copy = fs::File::options().write(true).open(packed);
        copy.and_then(|f| f.set_modified(written?))
            .expect("just made");
        if self.dice.one_in(4) {
            self.run();
        }
        fs::remove_file(file).expect("still there");
    }

    fn pack(&mut self, text: &[u8]) -> (&'static str, Vec<u8>) {
        match self.dice.below(5) {
            0 => (".xz", liblzma::encode_all(text, 0).expect("memory")),
            1 => (".zst", zstd::encode_all(text, 1).expect("memory")),
            2 => {
                let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
                out.write_all(text).expect("memory");
                (".bz2", out.finish().expect("memory"))
            }
            _ => (".gz", gzip(text, self.dice.one_in(3))),
        }
    }

    /// An operator moves a rotated file to another directory, under another name.
    fn move_away(&mut self) {
        if self.rotated.is_empty() {
            return;
        }
        let file = self
            .rotated
            .remove(self.dice.below(self.rotated.len() as u64) as usize);
        self.story.push(format!("move {}", file.display()));
        let name = format!(
            "old/archive-{}",
            self.rotations * 100 + self.dice.below(100) as u32
        );
        fs::rename(file, self.sandbox.path(&name)).expect("same file system");
    }

    /// The directories that hold a log: one that has none is a mistake of the user's.
    fn arguments(&self) -> Vec<&'static str> {
        let filled = |name: &str| {
            let mut entries = fs::read_dir(self.sandbox.path(name)).expect("made at the start");
            entries.any(|entry| entry.and_then(|e| e.metadata()).is_ok_and(|m| m.len() > 0))
        };
        let directories = ["log", "old"].into_iter().filter(|d| filled(d));
        IMPORT.iter().copied().chain(directories).collect()
    }

    fn run(&mut self) {
        self.story.push("run".into());
        let arguments = self.arguments();
        if arguments.len() == IMPORT.len() {
            return;
        }
        let ran = self.sandbox.run(&arguments);
        // A log that is one torn line so far.
        let nothing_yet = ran.err.contains("no log files in the directory");
        assert!(
            ran.status == 0 || nothing_yet,
            "{}\n{}",
            self.story.join("\n"),
            ran.err
        );
    }

    /// The power fails while the program runs.
    fn run_and_kill(&mut self) {
        let delay = Duration::from_micros(self.dice.below(12_000));
        self.story.push(format!("kill after {delay:?}"));
        let mut child = self.sandbox.start(&self.arguments());
        std::thread::sleep(delay);
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
    }

    fn live_on(&mut self) {
        match self.dice.below(16) {
            0..7 => {
                let (live, bytes) = (self.live(), self.dice.below(PIECE) as usize + 1);
                self.write(&live, bytes);
            }
            7..9 => self.rotate(),
            9..11 => self.compress(),
            11 => self.move_away(),
            12..14 => self.run(),
            14 => {
                self.run();
                self.run();
            }
            _ => self.run_and_kill(),
        }
    }
}

fn append(file: &Path, bytes: &[u8]) {
    let mut file = fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(file)
        .expect("writable");
    file.write_all(bytes).expect("writable");
}

/// Compressed, as one member or as two.
fn gzip(text: &[u8], in_two: bool) -> Vec<u8> {
    let member = |part: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(part).expect("memory");
        encoder.finish().expect("memory")
    };
    match in_two {
        true => [
            member(&text[..text.len() / 2]),
            member(&text[text.len() / 2..]),
        ]
        .concat(),
        false => member(text),
    }
}

/// All a store says, without where it was read: histories leave their lines in different files.
pub fn content(sandbox: &Sandbox) -> String {
    let store =
        tlsnag::store::Store::open_existing(&sandbox.path("store.db")).expect("the store exists");
    let digest = store.digest().expect("the store can be read");
    let placeless = digest
        .lines()
        .filter(|line| !line.starts_with("source\t"))
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            match fields[0] {
                // The last two fields are the offset and the text of the proof.
                "logging" => [&fields[..fields.len() - 2], &fields[fields.len() - 1..]]
                    .concat()
                    .join("\t"),
                "evidence" => fields
                    .iter()
                    .map(|f| without_offset(f))
                    .collect::<Vec<_>>()
                    .join("\t"),
                "sessions" => without_places(fields[1]),
                _ => line.to_owned(),
            }
        });
    let mut lines: Vec<String> = placeless.collect();
    lines.sort();
    lines.join("\n")
}

/// `1234:text` without its number.
fn without_offset(field: &str) -> &str {
    let text = field.trim_start_matches(|c: char| c.is_ascii_digit());
    text.strip_prefix(':')
        .filter(|_| text.len() < field.len())
        .unwrap_or(field)
}

fn without_places(json: &str) -> String {
    fn strip(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(map) => {
                map.remove("source");
                map.remove("offset");
                map.values_mut().for_each(strip);
            }
            serde_json::Value::Array(list) => list.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut value = serde_json::from_str(json).unwrap_or_default();
    strip(&mut value);
    value.to_string()
}

/// What one clean run makes of the whole log.
pub fn read_once(log: &[u8]) -> String {
    let sandbox = Sandbox::new();
    sandbox.write("mail.log", log);
    sandbox.run(&[IMPORT, &["mail.log"]].concat()).ok();
    content(&sandbox)
}

/// `TLSNAG_HISTORIES=2000` lives through more of them, `TLSNAG_HISTORIES=1059..1060` through this one again.
fn seeds() -> std::ops::Range<u64> {
    let asked = std::env::var("TLSNAG_HISTORIES").unwrap_or_default();
    let (from, to) = asked.split_once("..").unwrap_or(("0", &asked));
    from.parse().unwrap_or(0)..to.parse().unwrap_or(HISTORIES)
}

#[test]
fn histories_end_in_the_store_of_one_clean_import() {
    let log = mixed_log();
    let expected = read_once(&log);
    assert!(
        expected.lines().count() > 100,
        "there is something to compare"
    );
    let journal = Journal::read_once();
    for seed in seeds() {
        if seed % JOURNAL_EACH == 0 {
            journal.live_through(seed);
            continue;
        }
        let mut machine = Machine::new(seed, &log);
        while machine.written < log.len() {
            machine.live_on();
        }
        machine.run();
        let found = content(&machine.sandbox);
        if let Some(difference) = difference(&found, &expected) {
            panic!("seed {seed}: {difference}\n{}", machine.story.join("\n"));
        }
    }
}
