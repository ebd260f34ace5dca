//! Answers as tables: which columns, in which order, in which words. What the numbers are is `query`'s business, how a table is
//! written down is [`mod@format`]'s.
//!
//! To add a report: a file with a `build` function and a line in [`ALL`]. Every format, the help and the tests follow.

mod advice;
mod breakdown;
mod change_words;
mod changes;
mod chart;
mod clients;
pub mod correspondents;
pub mod digest;
pub mod doctor;
mod domains;
mod failures;
mod findings;
pub mod format;
mod good_news;
mod hosts;
pub mod metrics;
pub mod news;
pub mod page;
pub mod peer;
mod plaintext;
pub mod policy;
mod protocols;
mod rows;
mod scoreboard;
mod share_line;
pub mod store;
pub mod summary;
mod table;
mod trend;
pub mod whatif;
mod words;

use crate::query::Scope;
use crate::store::{Result, Store};

pub use format::Format;
pub use page::Page;
pub use table::{Column, Kind, Note, Section, Table, Value};

/// One report.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// What it is asked for by.
    pub name: &'static str,
    /// One line for the help.
    pub help: &'static str,
    /// Makes it.
    pub build: fn(&Store, &Scope) -> Result<Table>,
}

/// All reports that need no argument.
pub const ALL: &[Report] = &[
    Report {
        name: "summary",
        help: "All in all: how much is encrypted, what to act on, what the log cannot tell",
        build: summary::build,
    },
    Report {
        name: "domains",
        help: "Outbound: how mail reaches each recipient domain",
        build: domains::build,
    },
    Report {
        name: "hosts",
        help: "Outbound: how mail reaches each MX host",
        build: hosts::build,
    },
    Report {
        name: "clients",
        help: "Inbound: how mail comes from each client",
        build: clients::build,
    },
    Report {
        name: "failures",
        help: "What fails because of TLS, and whose fault it is",
        build: failures::build,
    },
    Report {
        name: "plaintext",
        help: "Who exchanges mail with us in clear, and why",
        build: plaintext::build,
    },
    Report {
        name: "trend",
        help: "The share over TLS day by day, by messages and by peers, and when it changed",
        build: trend::build,
    },
    Report {
        name: "changes",
        help: "How the share over TLS moved against the period before, since when, and who carries it",
        build: changes::build,
    },
    Report {
        name: "correspondents",
        help: "Of those we exchange mail with both ways, who does so in clear",
        build: |store, scope| correspondents::build(store, scope, correspondents::REGULAR),
    },
    Report {
        name: "protocols",
        help: "Which TLS versions and ciphers are used",
        build: protocols::build,
    },
    breakdown::REPORTS[0],
    breakdown::REPORTS[1],
    breakdown::REPORTS[2],
    breakdown::REPORTS[3],
    breakdown::REPORTS[4],
    breakdown::REPORTS[5],
    breakdown::REPORTS[6],
    breakdown::REPORTS[7],
    breakdown::REPORTS[8],
    Report {
        name: "good-news",
        help: "Who got better: in clear or failing before, nothing but TLS since",
        build: good_news::build,
    },
    Report {
        name: "scoreboard",
        help: "Who has switched TLS on after a letter; with --all, who has not",
        build: scoreboard::build,
    },
];

/// The report of this name.
pub fn find(name: &str) -> Option<&'static Report> {
    ALL.iter().find(|report| report.name == name)
}

#[cfg(test)]
mod tests;
