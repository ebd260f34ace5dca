//! The command line: what can be typed, and nothing of what it does.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::command::{
    audit, campaign, doctor, forget, import, peer, policy, report, store, whatif,
};

/// Finds out which correspondents this mail server exchanges mail with in clear, why, and who can mend it.
///
/// Reads the logs of Postfix and Sendmail into one SQLite file and answers from it. Every claim can be shown with the log
/// lines behind it; where the log cannot tell, it says so.
#[derive(Debug, Parser)]
#[command(name = "tlsnag", version, disable_help_subcommand = false, after_help = EXIT)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Options of every command.
    #[command(flatten)]
    pub common: Common,
}

const EXIT: &str = "Exit status: 0 done; 1 done, and there is something to act on (only with --exit-code or --alert); 2 could not.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read what is new in the logs, then print the summary: the main job, and the line for cron
    Audit(audit::AuditArgs),
    /// Read what is new in the logs into the store
    Import(import::ImportArgs),
    /// Answer one question from the store: a table as text, JSON, CSV, Markdown or HTML
    Report(report::ReportArgs),
    /// All that is known about one domain, host, address or organisation, with the log lines that prove it
    Peer(peer::PeerArgs),
    /// Whom we would lose if we required TLS, what would become of their mail, and how to set it
    Whatif(whatif::WhatifArgs),
    /// The TLS policy map that follows from the evidence, for Postfix or Sendmail, and what it changes in the one in use
    Policy(policy::PolicyArgs),
    /// Write to those who can mend it: plan, read, send, follow up
    Campaign(campaign::CampaignArgs),
    /// What the answers rest on: is TLS logged, is the log whole, does our own side work, is the store sound, and what cures it
    Doctor(doctor::DoctorArgs),
    /// Look after the store: what it holds, a copy of it, whether it is whole
    Store(store::StoreArgs),
    /// Delete what the store holds about a peer or a person, or what is old
    Forget(forget::ForgetArgs),
}

/// Options of every command.
#[derive(Debug, Args)]
pub struct Common {
    /// The store [default: /var/lib/tlsnag/tlsnag.db for root, else tlsnag/tlsnag.db in the XDG state directory]
    #[arg(long, global = true, env = "TLSNAG_STORE", value_name = "FILE")]
    pub store: Option<PathBuf>,
    /// The configuration file [default: /etc/tlsnag.toml, if it exists]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print results and errors only
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Draw no progress bar
    #[arg(long, global = true)]
    pub no_progress: bool,
}

/// How a table is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// For people, at most 100 columns wide
    #[default]
    Text,
    /// For programs, documented and versioned
    Json,
    /// For spreadsheets
    Csv,
    /// For wikis and tickets
    Markdown,
    /// For a browser: one file without scripts; `report` alone makes a page of everything
    Html,
    /// For Prometheus, from a file: the counts of `report summary`
    Prometheus,
}

/// How often all is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DigestArg {
    /// When a week is over, Monday to Sunday
    Weekly,
    /// When a month is over
    Monthly,
}

impl DigestArg {
    /// What is over then.
    pub fn span(self) -> &'static str {
        match self {
            DigestArg::Weekly => "week",
            DigestArg::Monthly => "month",
        }
    }
}

/// Which way the mail went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DirectionArg {
    /// Mail we sent
    Out,
    /// Mail we received
    In,
    /// Both
    #[default]
    Both,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
