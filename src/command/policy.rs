//! `tlsnag policy`: the map that follows from the evidence, its difference to the one in use, and how to write it.
//!
//! A file is written only where `--write` names it.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};

use crate::cli::FormatArg;
use crate::outcome::{Direction, day_of};
use crate::report::policy::{self, Answer, Base, Question, Rules, Server, reject};
use crate::store::Store;

use super::report::{PrintArgs, put, replace, write};
use super::{Environment, Status};

const EXAMPLES: &str = "Examples:
  tlsnag policy --for postfix                                     the map, on standard output
  tlsnag policy --for postfix --current /etc/postfix/tls_policy   what it would change
  tlsnag policy --for postfix --write /etc/postfix/tls_policy && postmap /etc/postfix/tls_policy
  tlsnag policy --for sendmail --write /etc/mail/access && makemap hash /etc/mail/access < /etc/mail/access
  tlsnag policy --for postfix --base encrypt                      exceptions for a server that requires TLS of all
  tlsnag policy --for postfix --inbound                           clients to whom STARTTLS is better not offered
  tlsnag policy --for postfix --reject-text https://example.org/tls";

/// Arguments of `policy`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct PolicyArgs {
    /// The mail server the map is for; the logs of that server count
    #[arg(long = "for", value_enum, value_name = "SERVER")]
    pub server: ServerArg,
    /// For mail we receive: clients whose TLS with us fails, and who do not fall back to clear text
    #[arg(long, conflicts_with = "base")]
    pub inbound: bool,
    /// What the server does where the map says nothing
    #[arg(long, value_enum, default_value = "may")]
    pub base: BaseArg,
    /// Show the difference to this map [default: the one --write names]
    #[arg(long, value_name = "FILE")]
    pub current: Option<PathBuf>,
    /// Write the map to this file, whole or not at all; lines that are not ours stay
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Require TLS after so many days with mail over TLS and nothing else
    #[arg(long, value_name = "K", default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..=366))]
    pub days: u32,
    /// ... and so many mails within the last DAYS of --expire; with --inbound, failed sessions
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    pub messages: u64,
    /// An entry ends so many days after the last evidence for it
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(i32).range(1..=366))]
    pub expire: i32,
    /// Print the configuration that tells clients of a page where TLS is required of them, and no map
    #[arg(long, value_name = "URL", conflicts_with_all = ["current", "write", "inbound"])]
    pub reject_text: Option<String>,
    /// How to print it: the map as text, or its entries and changes
    #[arg(long, value_enum, default_value = "text")]
    pub format: FormatArg,
    /// End with status 1 if the map in use should change
    #[arg(long)]
    pub exit_code: bool,
}

/// Which mail server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ServerArg {
    /// smtp_tls_policy_maps, or smtpd_discard_ehlo_keyword_address_maps (a cidr table)
    Postfix,
    /// The access map: TLS_Srv, Try_TLS, or Srv_Features
    Sendmail,
}

/// What holds without an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BaseArg {
    /// TLS where it can be had: the map names those of whom it is required
    May,
    /// TLS is required: the map names those of whom it is not
    Encrypt,
}

impl PolicyArgs {
    fn server(&self) -> Server {
        match self.server {
            ServerArg::Postfix => Server::Postfix,
            ServerArg::Sendmail => Server::Sendmail,
        }
    }

    fn question(&self, now: i64) -> Question {
        let path = self.write.as_ref().or(self.current.as_ref());
        Question {
            direction: match self.inbound {
                true => Direction::Inbound,
                false => Direction::Outbound,
            },
            base: match self.base {
                BaseArg::May => Base::May,
                BaseArg::Encrypt => Base::Encrypt,
            },
            rules: Rules {
                server: self.server(),
                days: self.days,
                messages: self.messages,
                expire: self.expire,
                today: day_of(now),
            },
            path: path
                .and_then(|p| std::path::absolute(p).ok())
                .and_then(|p| p.to_str().map(str::to_owned)),
        }
    }

    fn print(&self) -> PrintArgs {
        PrintArgs {
            format: self.format,
            output: None,
            exit_code: self.exit_code,
        }
    }
}

/// Runs the command.
pub(super) fn run(args: &PolicyArgs, environment: &Environment) -> anyhow::Result<Status> {
    if let Some(url) = &args.reject_text {
        reject::check(url).map_err(|wrong| anyhow::anyhow!("--reject-text: {wrong}"))?;
        environment
            .printer
            .result(&reject::text(args.server(), url))?;
        return Ok(Status::Done);
    }
    let current = read_current(args)?;
    let store = Store::open_existing(&environment.store)?;
    let question = args.question(environment.now);
    let answer = policy::build(&store, &question, current.as_deref())?;
    if let Some(path) = &args.write {
        put_map(path, &answer, current.as_deref(), environment)?;
    }
    show(args, &answer, &question, current.is_some(), environment)
}

/// The map in use. A file that would be written over is read first: it may hold lines that are not ours.
fn read_current(args: &PolicyArgs) -> anyhow::Result<Option<Vec<u8>>> {
    let read = |path: &Path| {
        std::fs::read(path).with_context(|| format!("cannot read the map {}", path.display()))
    };
    match (&args.current, &args.write) {
        (Some(current), Some(write)) if write.exists() && !is_same(current, write) => bail!(
            "--write {} would lose what stands in that file: expected the file that --current names ({}) or a new one",
            write.display(),
            current.display()
        ),
        (Some(current), _) => read(current).map(Some),
        (None, Some(write)) if write.exists() => read(write).map(Some),
        _ => Ok(None),
    }
}

fn is_same(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    real(a).is_some() && real(a) == real(b)
}

/// Writes the map, unless that would change nothing.
fn put_map(
    path: &Path,
    answer: &Answer,
    current: Option<&[u8]>,
    environment: &Environment,
) -> anyhow::Result<()> {
    if path.exists() && current == Some(answer.text.as_slice()) {
        environment
            .printer
            .remark(&format!("{} is up to date", path.display()));
        return Ok(());
    }
    replace(path, &answer.text).with_context(|| format!("cannot write {}", path.display()))?;
    environment
        .printer
        .remark(&format!("wrote {}", path.display()));
    Ok(())
}

/// The map itself where there is none to differ from, else the difference.
fn show(
    args: &PolicyArgs,
    answer: &Answer,
    question: &Question,
    in_use: bool,
    environment: &Environment,
) -> anyhow::Result<Status> {
    if args.format != FormatArg::Text || in_use || args.write.is_some() {
        let scope = question.rules.history();
        return write(&answer.table, "policy", &scope, &args.print(), environment);
    }
    if let Some(refusal) = &answer.refusal {
        environment
            .printer
            .remark(&format!("no entry is added: {refusal}"));
    }
    let text = String::from_utf8_lossy(&answer.text);
    put(&text, answer.table.to_do, &args.print(), environment)
}
