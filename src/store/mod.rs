//! The store: one SQLite file with what was found out, how far each log was read, and which sessions are still open.
//!
//! | file | does |
//! |---|---|
//! | `schema` | tables and views, as an append-only list of migrations |
//! | `open` | opens and creates, refuses what is not ours |
//! | `batch` | collects outcomes in memory, counted |
//! | `commit` | writes a batch, the read positions and the open sessions in one transaction |
//! | `peer_row` | the rows of peers, and how an import finds them |
//! | `past` | the days gone by, added up |
//! | `packed` | the counts of each day gone by in one piece |
//! | `numbered` | the counts by number, for questions about very many |
//! | `exchanged` | how much mail went to and came from each peer |
//! | `peers` | the names of the peers met there |
//! | `relay` | whether one host takes nearly all our mail |
//! | `bookmark` | how far each source was read |
//! | `evidence` | which proof lines are kept, and for how long |
//! | `health` | when each log host was heard of, where its clock stepped back |
//! | `shape` | which lines were not recognised |
//! | `check`, `agreement` | whether the store is whole and agrees with itself |
//! | `copy` | a copy of the store, while others write |
//! | `contents` | what is in it, in numbers |
//! | `forget` | deletes |
//! | `outreach` | whom we wrote to, about what, and what came of it |
//! | `addressees` | whom to write to, and who does not want it |
//! | `answered` | what an answer does to a case, all of it or nothing |
//! | `told` | what an operator has been told of |
//! | `secret` | a random number of its own |
//! | `digest` | the content as text, for comparing stores |
//! | `organisation` | the registrable domain of a host name |
//!
//! It decides nothing about TLS, with one exception that only the whole can decide: what the silence of a log means (view
//! `facts`). The schema is documented in `docs/store.md`.

pub mod addressees;
mod agreement;
pub mod answered;
mod batch;
mod bookmark;
mod check;
mod commit;
mod contents;
mod copy;
mod digest;
mod error;
mod evidence;
mod exchanged;
#[cfg(test)]
pub(crate) mod fixture;
mod forget;
mod health;
mod intern;
pub mod numbered;
mod open;
mod organisation;
pub mod outreach;
mod packed;
mod past;
mod peer_row;
pub mod peers;
pub mod relay;
mod schema;
mod secret;
mod shape;
#[cfg(test)]
mod tests;
mod told;
pub mod words;

use rusqlite::Connection;

pub use batch::Batch;
pub use bookmark::{Bookmark, RunCounts};
pub use check::Check;
pub use contents::Contents;
pub use error::Error;
pub use evidence::Claim;
pub use exchanged::Exchanged;
pub use forget::{Forgotten, Redacted};
pub use open::is_store;
pub use organisation::{public_suffix, registrable};
pub use shape::Shape;

/// What the functions of this stage return.
pub type Result<T> = std::result::Result<T, Error>;

/// An open store.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    /// How often the store was written when this one last looked. A commit that finds another number was overtaken.
    generation: i64,
    /// The row of this run's counts, once there is one.
    run_row: Option<i64>,
}

impl Store {
    /// The connection, for the stage that asks the questions.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// Reads a number that is never negative.
pub fn natural(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.unsigned_abs())
}
