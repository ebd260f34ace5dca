//! `tlsnag audit [LOG...]`: reads what is new, then prints the summary. The main job, and the line for cron.

use clap::Args;

use crate::cli::DigestArg;
use crate::store::Store;

use super::intake::{self, ReadingArgs};
use super::period::PeriodArgs;
use super::report::{self, MailArgs, PrintArgs};
use super::{Environment, Status, campaign, digest};

/// Arguments of `audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// What to read, and how.
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Which span of time and direction the summary is about.
    #[command(flatten)]
    pub period: PeriodArgs,
    /// How to print the summary.
    #[command(flatten)]
    pub print: PrintArgs,
    /// Whom to mail it to.
    #[command(flatten)]
    pub mail: MailArgs,
    /// For a daily run of cron: print (or mail) what is news at once, all in all when a week (Monday to Sunday) or a month is over, and
    /// else nothing
    #[arg(long, value_enum, value_name = "HOW-OFTEN",
          conflicts_with_all = ["since", "until", "all", "only_if_action", "format", "output"])]
    pub digest: Option<DigestArg>,
}

/// Runs the command.
pub(super) fn run(args: &AuditArgs, environment: &Environment) -> anyhow::Result<Status> {
    let intake = intake::read_logs(&args.reading, environment)?;
    environment.printer.remark(&intake.to_string());
    let mut store = Store::open_existing(&environment.store)?;
    campaign::after_import(&mut store, environment)?;
    if let Some(how_often) = args.digest {
        return digest::run(&store, (args, how_often), environment);
    }
    if !args.mail.mail_to.is_empty() {
        let how = (&args.mail, &args.print);
        return report::mail(&store, "summary", &args.period, how, environment);
    }
    report::print(&store, "summary", &args.period, &args.print, environment)
}
