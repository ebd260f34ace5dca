//! A copy of the store, taken while others may write: what was committed when it began, and nothing half.
//!
//! What was deleted is not in the copy. It overwrites nothing.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::{Error, Result, Store};

impl Store {
    /// Writes a copy to a file that must not exist yet, for its owner alone, and opens it as a store.
    pub fn copy_to(&self, path: &Path) -> Result<()> {
        let failed = |reason: String| Error::CannotCopy {
            path: path.to_path_buf(),
            reason,
        };
        let Some(text) = path.to_str() else {
            return Err(failed("expected a file name in UTF-8".into()));
        };
        // SQLite fills an empty file as it is, mode and all.
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::AlreadyExists => failed(
                    "it exists already, and nothing is overwritten; name another file".into(),
                ),
                _ => failed(error.to_string()),
            })?;
        self.fill(text, path).inspect_err(|_| {
            // What is half is worse than nothing; should it stay, the error is told all the same.
            let _ = fs::remove_file(path);
        })?;
        file.sync_all().map_err(|error| failed(error.to_string()))
    }

    fn fill(&self, text: &str, path: &Path) -> Result<()> {
        self.connection.execute("VACUUM INTO ?1", [text])?;
        let copy = Store::open_existing(path)?;
        // As every store, so that readers and a writer do not wait for each other. VACUUM INTO leaves the mode behind.
        copy.connection
            .query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        copy.integrity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Class;
    use crate::store::fixture::{self, outbound};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_copy_is_the_same_store_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("it's a copy.db");
        let store = fixture::store([outbound("a.example")
            .plaintext(Class::PlaintextNotOffered)
            .build()]);
        store.copy_to(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let copy = Store::open_existing(&path).unwrap();
        assert_eq!(copy.digest().unwrap(), store.digest().unwrap());
        let mode: String = copy
            .connection
            .query_row("PRAGMA journal_mode", [], |row| row.get(0))
            .unwrap();
        assert_eq!(mode, "wal");
    }

    #[test]
    fn err_nothing_is_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("copy.db");
        fs::write(&path, "precious").unwrap();
        let error = Store::in_memory().unwrap().copy_to(&path).unwrap_err();
        assert!(error.to_string().contains("exists already"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        let nowhere = directory.path().join("none/copy.db");
        assert!(Store::in_memory().unwrap().copy_to(&nowhere).is_err());
    }
}
