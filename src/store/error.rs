//! What can go wrong with a store, and the sentence for it.

use std::fmt;
use std::path::PathBuf;

use rusqlite::ErrorCode;

/// Why a store could not be opened, read or written.
#[derive(Debug)]
pub enum Error {
    /// There is no store at this path.
    Missing(PathBuf),
    /// The file is something else.
    NotAStore(PathBuf),
    /// The store was written by a later version of this program.
    Newer {
        /// Which store.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The latest this program knows.
        known: i64,
    },
    /// The file or its directory cannot be used.
    CannotOpen {
        /// Which store.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A copy could not be written.
    CannotCopy {
        /// Where to.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Somebody else is writing.
    Busy,
    /// Somebody else has written since this one began to read.
    Changed,
    /// No room is left for it.
    Full,
    /// It cannot be written; what SQLite said.
    Unwritable(String),
    /// SQLite finds the file damaged.
    Damaged(String),
    /// Anything else SQLite says.
    Sqlite(rusqlite::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Missing(path) => {
                write!(
                    f,
                    "there is no store at {} yet: run `tlsnag import` or `tlsnag audit` first",
                    path.display()
                )
            }
            Error::NotAStore(path) => write!(f, "{} is not a tlsnag store", path.display()),
            Error::Newer { path, found, known } => write!(
                f,
                "the store {} has version {found}, this tlsnag knows versions up to {known}: it was written by a newer tlsnag",
                path.display()
            ),
            Error::CannotOpen { path, reason } => {
                write!(f, "cannot open the store {}: {reason}", path.display())
            }
            Error::CannotCopy { path, reason } => {
                write!(f, "cannot copy the store to {}: {reason}", path.display())
            }
            Error::Busy => write!(
                f,
                "the store is busy: another tlsnag is writing to it, try again later"
            ),
            Error::Changed => write!(
                f,
                "another tlsnag has changed the store meanwhile: nothing more was written, run this one again"
            ),
            Error::Full => write!(
                f,
                "no room is left on the disk: what this step found was not written, and the next run goes on after the step before; \
                 make room and run it again"
            ),
            Error::Unwritable(what) => write!(
                f,
                "{what}: what this step found was not written, and the next run goes on after the step before; \
                 look at the disk and at the permissions of the directory"
            ),
            Error::Damaged(what) => write!(f, "the store is damaged: {what}"),
            Error::Sqlite(error) => write!(f, "the store: {error}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Busy,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Error::Damaged(error.to_string())
            }
            Some(ErrorCode::DiskFull) => Error::Full,
            Some(ErrorCode::SystemIoFailure | ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
                Error::Unwritable(error.to_string())
            }
            _ => Error::Sqlite(error),
        }
    }
}
