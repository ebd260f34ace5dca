//! The target that takes its input for a log file and goes the whole way, from the file into a store.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use tlsnag::command::intake::read_into;
use tlsnag::input::{Compression, find_sources};
use tlsnag::store::Store;

/// The present, 2026-11-24, and the year of the first line of a log that writes none.
const NOW: u64 = 1_795_500_000;
const YEAR: i32 = 2026;
/// Where files cost the least.
const MEMORY: &str = "/dev/shm";

/// Two bytes that say where to cut, and a log file.
///
/// Read twice it must give the same store as read once, and so it must if it is read up to the cut first and as a whole then.
pub fn importer(input: &[u8]) {
    let Some(([high, low], log)) = input.split_first_chunk() else {
        return;
    };
    let cut = usize::from(u16::from_be_bytes([*high, *low])) % (log.len() + 1);
    let Ok(directory) = directory() else { return };
    let path = directory.path().join("mail.log");

    let Some(mut whole) = Run::new(&path) else {
        return;
    };
    whole.read(log);
    let once = whole.digest();
    whole.read(log);
    assert_same(&whole.digest(), &once, "read twice");

    if is_plain(&path) {
        let Some(mut parts) = Run::new(&path) else {
            return;
        };
        parts.read(&log[..cut]);
        parts.read(log);
        assert_same(&parts.digest(), &once, &format!("cut at {cut}"));
    }
}

/// Shows the lines that differ; a digest is long.
fn assert_same(found: &str, expected: &str, what: &str) {
    if let Some(pair) = found.lines().zip(expected.lines()).find(|(a, b)| a != b) {
        assert_eq!(pair.0, pair.1, "{what}");
    }
    assert_eq!(found.lines().count(), expected.lines().count(), "{what}");
}

fn directory() -> std::io::Result<tempfile::TempDir> {
    tempfile::tempdir_in(MEMORY).or_else(|_| tempfile::tempdir())
}

/// Half of a compressed file is not the beginning of a log.
fn is_plain(path: &Path) -> bool {
    find_sources(&[path.to_path_buf()]).is_ok_and(|found| {
        found
            .sources
            .iter()
            .all(|source| source.compression == Compression::Plain)
    })
}

/// A store, and the file that is read into it.
struct Run<'a> {
    store: Store,
    path: &'a Path,
    /// Files are told apart by the time they were written: each writing has its own, in all runs the same.
    written: u64,
}

impl Run<'_> {
    /// An empty store, if there is memory for one.
    fn new(path: &Path) -> Option<Run<'_>> {
        let store = Store::in_memory().ok()?;
        Some(Run {
            store,
            path,
            written: NOW - 100,
        })
    }

    /// Writes the file and reads it. A file that is no log is not read, which is no fault.
    fn read(&mut self, log: &[u8]) {
        if self.write(log).is_ok() {
            let logs: [PathBuf; 1] = [self.path.to_path_buf()];
            // OK to cast: far below 2^63.
            let done = read_into(&mut self.store, &logs, YEAR, NOW as i64);
            assert!(done.is_ok() || !is_plain(self.path), "{done:?}");
        }
    }

    fn write(&mut self, log: &[u8]) -> std::io::Result<()> {
        let mut file = File::create(self.path)?;
        file.write_all(log)?;
        self.written += 1;
        file.set_modified(UNIX_EPOCH + Duration::from_secs(self.written))
    }

    fn digest(&self) -> String {
        self.store.digest().unwrap_or_default()
    }
}
