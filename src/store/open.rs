//! Opens and creates stores. Refuses what is not one and what a later version wrote; never repairs.
//!
//! A store is created for its owner alone (mode 0600, missing directories 0700); SQLite gives its side files the same mode.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::panic::resume_unwind;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::schema::{APPLICATION_ID, MIGRATIONS, VERSION};
use super::{Error, Result, Store};

/// How long to wait for another writer.
const PATIENCE: Duration = Duration::from_secs(10);

impl Store {
    /// Opens the store for import, and creates it if there is none.
    pub fn open(path: &Path) -> Result<Store> {
        create_file(path).map_err(|error| cannot_open(path, &error))?;
        Store::at(path)
    }

    /// Opens a store that must exist.
    pub fn open_existing(path: &Path) -> Result<Store> {
        match fs::metadata(path) {
            Ok(file) if file.is_file() && file.len() == 0 => {
                Err(Error::Missing(path.to_path_buf()))
            }
            Ok(_) => Store::at(path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(Error::Missing(path.to_path_buf()))
            }
            Err(error) => Err(cannot_open(path, &error)),
        }
    }

    /// A store that is gone with the process.
    pub fn in_memory() -> Result<Store> {
        Store::prepared(Connection::open_in_memory()?, Path::new(":memory:"))
    }

    /// Checks the file from end to end, as SQLite sees it.
    pub fn integrity(&self) -> Result<()> {
        let verdict: String =
            self.connection
                .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        match verdict.as_str() {
            "ok" => Ok(()),
            _ => Err(Error::Damaged(verdict)),
        }
    }

    fn at(path: &Path) -> Result<Store> {
        // SQLite's own message says nothing of why.
        fs::File::open(path).map_err(|error| cannot_open(path, &error))?;
        if path.is_dir() {
            return Err(Error::NotAStore(path.to_path_buf()));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = match fs::OpenOptions::new().append(true).open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::ReadOnlyFilesystem => {
                open_unwritable(path)
            }
            _ => Connection::open_with_flags(path, flags),
        };
        let connection = opened.map_err(|error| Error::CannotOpen {
            path: path.to_path_buf(),
            reason: error.to_string(),
        })?;
        Store::prepared(connection, path).map_err(|error| match error {
            Error::Full | Error::Unwritable(_) => Error::CannotOpen {
                path: path.to_path_buf(),
                reason: error.to_string(),
            },
            other => other,
        })
    }

    /// The same store once more, to be read by a second thread; `None` where that is not to be had, as of one in memory.
    pub(super) fn beside(&self) -> Option<Store> {
        let path = self.path();
        let is_shared = !path.is_empty() && !self.connection.is_readonly("main").ok()?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = is_shared.then(|| Connection::open_with_flags(path, flags).ok())??;
        connection.busy_timeout(PATIENCE).ok()?;
        connection.pragma_update(None, "cache_size", -8000).ok()?;
        Some(Store {
            connection,
            generation: self.generation,
            run_row: None,
        })
    }

    /// Reads two things in the same way, at once where there is a second core.
    pub(super) fn both_at_once<D: Copy + Send, T: Send>(
        &self,
        [one, other]: [D; 2],
        read: impl Fn(&Store, D) -> Result<T> + Sync,
    ) -> Result<[T; 2]> {
        let Some(beside) = self.beside() else {
            return Ok([read(self, one)?, read(self, other)?]);
        };
        std::thread::scope(|scope| {
            let read = &read;
            let worker = scope.spawn(move || read(&beside, other));
            let one = read(self, one);
            let other = worker.join().unwrap_or_else(|panic| resume_unwind(panic));
            Ok([one?, other?])
        })
    }

    /// Where it lies; empty if in memory.
    pub fn path(&self) -> &str {
        self.connection.path().unwrap_or_default()
    }

    fn prepared(mut connection: Connection, path: &Path) -> Result<Store> {
        connection.busy_timeout(PATIENCE)?;
        let version = refuse_what_is_not_ours(&connection, path)?;
        // Rows are written with the numbers of rows that were just found or made; to look each of them up again is 3 % of an import.
        connection.execute_batch(
            "PRAGMA cache_size = -5000; PRAGMA temp_store = MEMORY; PRAGMA secure_delete = ON; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF;",
        )?;
        if version < VERSION {
            connection.execute_batch("PRAGMA page_size = 8192;")?;
            connection.pragma_update(None, "application_id", APPLICATION_ID)?;
            connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
            migrate(&mut connection)?;
        }
        connection.set_prepared_statement_cache_capacity(64);
        let mut store = Store {
            connection,
            generation: 0,
            run_row: None,
        };
        store.generation = store.written()?;
        Ok(store)
    }
}

/// Opens a store on a file system that is mounted read-only. Nobody writes there, and SQLite could not make the files it shares a
/// store with others by: it is told so (`immutable`), unless changes wait beside the store that could not be taken in then.
fn open_unwritable(path: &Path) -> rusqlite::Result<Connection> {
    let mut changes = path.as_os_str().to_owned();
    changes.push("-wal");
    let waiting = fs::metadata(changes).is_ok_and(|m| m.len() > 0);
    let escaped: String = path
        .to_string_lossy()
        .chars()
        .map(|c| match c {
            '%' => "%25".into(),
            '?' => "%3f".into(),
            '#' => "%23".into(),
            other => other.to_string(),
        })
        .collect();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let immutable = if waiting { "" } else { "&immutable=1" };
    Connection::open_with_flags(format!("file:{escaped}?mode=ro{immutable}"), flags)
}

/// The schema version of a store; 0 of an empty file.
fn refuse_what_is_not_ours(connection: &Connection, path: &Path) -> Result<i64> {
    let number = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i64>(0));
    let tables =
        number("SELECT COUNT(*) FROM sqlite_schema").map_err(|error| match Error::from(error) {
            Error::Damaged(_) => Error::NotAStore(path.to_path_buf()),
            other => other,
        })?;
    if number("PRAGMA application_id")? != i64::from(APPLICATION_ID) {
        return if tables == 0 {
            Ok(0)
        } else {
            Err(Error::NotAStore(path.to_path_buf()))
        };
    }
    let found = number("PRAGMA user_version")?;
    if found > VERSION {
        return Err(Error::Newer {
            path: path.to_path_buf(),
            found,
            known: VERSION,
        });
    }
    Ok(found)
}

fn migrate(connection: &mut Connection) -> Result<()> {
    MIGRATIONS
        .to_latest(connection)
        .map_err(|error| match error {
            rusqlite_migration::Error::RusqliteError { err, .. } => Error::from(err),
            other => Error::Damaged(other.to_string()),
        })
}

fn create_file(path: &Path) -> std::io::Result<()> {
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)?;
    }
    match fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => make_private(path),
        done => done.map(|_| ()),
    }
}

/// Takes away what others may do with a store, or with an empty file that becomes one. What is no store is left as it is, and so is
/// a file of somebody else's: opening it says what is wrong.
fn make_private(path: &Path) -> std::io::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 == 0 || !is_store_or_empty(path).unwrap_or(false) {
        return Ok(());
    }
    match fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700)) {
        Err(error) if error.kind() != std::io::ErrorKind::PermissionDenied => Err(error),
        _ => Ok(()),
    }
}

/// Whether a file is a store, by the application id in its head (SQLite file format, section 1.3: four bytes at offset 68).
pub fn is_store(path: &Path) -> std::io::Result<bool> {
    let mut head = Vec::new();
    fs::File::open(path)?.take(72).read_to_end(&mut head)?;
    Ok(head.get(68..72) == Some(&APPLICATION_ID.to_be_bytes()))
}

fn is_store_or_empty(path: &Path) -> std::io::Result<bool> {
    Ok(fs::metadata(path)?.len() == 0 || is_store(path)?)
}

fn cannot_open(path: &Path, error: &std::io::Error) -> Error {
    Error::CannotOpen {
        path: path.to_path_buf(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_new_store_is_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b/tlsnag.db");
        let store = Store::open(&path).unwrap();
        store.integrity().unwrap();
        let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        for side in ["-wal", "-shm"] {
            let file = directory.path().join(format!("a/b/tlsnag.db{side}"));
            assert!(!file.exists() || mode(&file) == 0o600);
        }
        drop(store);
        Store::open_existing(&path).unwrap();
    }

    fn sentence(result: Result<Store>) -> String {
        result.map_or_else(|e| e.to_string(), |_| "no error".into())
    }

    #[test]
    fn err_what_is_not_a_store() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        assert!(sentence(Store::open_existing(&path)).contains("no store at"));
        fs::write(&path, "").unwrap();
        assert!(sentence(Store::open_existing(&path)).contains("no store at"));
        fs::write(&path, "x".repeat(5000)).unwrap();
        assert!(sentence(Store::open(&path)).ends_with("is not a tlsnag store"));
        assert!(sentence(Store::open(directory.path())).ends_with("is not a tlsnag store"));
        fs::remove_file(&path).unwrap();
        Connection::open(&path)
            .unwrap()
            .execute_batch("CREATE TABLE t (a)")
            .unwrap();
        assert!(sentence(Store::open(&path)).ends_with("is not a tlsnag store"));
        assert!(sentence(Store::open(&path.join("below"))).contains("cannot open the store"));
    }

    #[test]
    fn err_a_store_of_a_newer_version() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tlsnag.db");
        let store = Store::open(&path).unwrap();
        store
            .connection
            .pragma_update(None, "user_version", VERSION + 1)
            .unwrap();
        drop(store);
        let said = sentence(Store::open(&path));
        assert!(
            said.contains(&format!(
                "has version {}, this tlsnag knows versions up to {VERSION}",
                VERSION + 1
            )),
            "{said}"
        );
    }
}
