//! `policy`: the map that follows from the evidence, as a text that a mail server reads and as a difference to the one in use.
//!
//! | file | does |
//! |---|---|
//! | `plan` | which entries a map has by the evidence, and why others are not in it |
//! | `file` | the map in use: which lines are ours, and the text with ours brought up to date |
//! | `head` | what stands above our lines: what they are, by which evidence, how to switch them on and back |
//! | `shown` | the difference as a table |
//! | `reject` | what clients are told where TLS is required of them |
//!
//! Nothing is written here. What is known of each peer is `query::policy`'s business.

mod file;
mod head;
mod plan;
pub mod reject;
mod shown;

pub(in crate::report) use head::listed;

pub use crate::query::policy::{Rules, Server};

use crate::query::policy::InUse;

use crate::outcome::Direction;
use crate::store::{Result, Store};

use super::table::Table;

/// What the mail server does where the map says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// It uses TLS where it can: the map names those of whom it is required.
    May,
    /// It requires TLS: the map names those of whom it is not.
    Encrypt,
}

/// Which map is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// For mail we send or receive.
    pub direction: Direction,
    /// What holds without an entry; of no meaning inbound.
    pub base: Base,
    /// How evidence becomes an entry.
    pub rules: Rules,
    /// Where the map lies or will lie, for the instructions in it.
    pub path: Option<String>,
}

/// The map, and what it changes.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The whole text: the operator's lines, then ours.
    pub text: Vec<u8>,
    /// The difference to the map in use.
    pub table: Table,
    /// Why there is nothing to say, if there is not.
    pub refusal: Option<String>,
}

/// The map for a question, given the text of the one in use.
pub fn build(store: &Store, question: &Question, current: Option<&[u8]>) -> Result<Answer> {
    let in_use = file::in_use(question, current.unwrap_or_default());
    let plan = plan::plan(store, question, &in_use)?;
    let head = head::head(question, &plan);
    let merged = file::merge(&plan, &head, current, question.rules.today);
    let table = shown::table(question, &plan, &merged, current.is_some());
    Ok(Answer {
        text: merged.text,
        table,
        refusal: plan.refusal,
    })
}

#[cfg(test)]
mod tests;
