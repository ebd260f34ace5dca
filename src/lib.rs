//! tlsnag: which correspondents does this mail server exchange mail with in clear, why, and who can mend it.
//!
//! The stages, each of which knows only those before it:
//!
//! ```text
//! bytes  -> input    files, compression, positions, years   -> line
//! line   -> maillog  (package) framing, mail server grammar -> Event
//! Event  -> session  what several lines say together        -> Outcome
//! Outcome-> store    SQLite, one transaction per batch      -> rows
//! rows   -> query    one function, one question             -> typed rows
//!        -> report   columns, order; report::format         -> text
//!        -> campaign who is written to, and why             -> letters
//! ```
//!
//! `command` alone assembles stages, `output` alone prints, `clock` alone knows the time.

pub mod campaign;
pub mod cli;
pub mod clock;
pub mod command;
pub mod input;
pub mod mail;
pub mod outcome;
pub mod output;
pub mod query;
pub mod report;
pub mod session;
pub mod settings;
pub mod store;
