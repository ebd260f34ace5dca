//! From files to lines: finds logs, inflates them, cuts them into lines, and says when and where.
//!
//! | file | does |
//! |---|---|
//! | `source` | which files there are, and whether they are logs at all |
//! | `compression` | what a file is compressed with, and the text inside |
//! | `stream` | standard input, which can be read only once |
//! | `rotation` | what the names of rotated files tell |
//! | `lines` | blocks to lines, each with its offset; where to go on next time |
//! | `identity` | knows a file again by what is in it: after rotation, renaming, compression |
//! | `year` | stamps to UTC: the year that is missing, the zone, the hour that comes twice |
//! | `hint` | the year that queue and message ids know |
//! | `join` | records that a container runtime cut into parts, and journal entries |
//! | `journal` | the systemd journal, through `journalctl` |
//! | `order` | oldest source first, each content once |
//! | `overlap` | two logs into which a syslog daemon wrote the same records |
//!
//! Offsets count uncompressed bytes. Everything needed to go on at a line boundary is in three values that can be stored: a
//! [`Fingerprint`], a [`Clock`] and a [`Joiner`]. Nothing is printed, nothing is written, and the time of day comes in as a value.

mod ahead;
mod compression;
mod hint;
pub mod identity;
pub mod join;
pub mod journal;
pub mod lines;
pub mod order;
mod overlap;
mod rotation;
pub mod source;
mod stream;
pub mod year;

pub use compression::Compression;
pub use identity::{Fingerprint, Match};
pub use join::{Joined, Joiner, stands_alone};
pub use journal::{Entries, JOURNAL_DIRECTORIES, Journal, JournalError};
pub use lines::{LastLine, Line, Lines};
pub use order::{Ordered, Remembered, Timing, order};
pub use source::{
    FileState, Found, Opened, Problem, ProblemKind, Source, find_default_sources, find_sources,
    is_default_log, is_replaced, no_log_found,
};
pub use stream::Stream;
pub use year::{Clock, Scan, Zone};
