//! `tlsnag import`: reads what is new in the logs into the store, and says how much of it was understood and what it cannot tell.

use clap::Args;

use crate::report::format;
use crate::report::summary::cannot_tell;
use crate::store::Store;

use super::intake::{self, ReadingArgs};
use super::period::PeriodArgs;
use super::report::newest_day;
use super::{Environment, Status};

/// Arguments of `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// What to read, and how.
    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// Runs the command.
pub(super) fn run(args: &ImportArgs, environment: &Environment) -> anyhow::Result<Status> {
    let intake = intake::read_logs(&args.reading, environment)?;
    environment.printer.remark(&intake.to_string());
    if intake.sources > 0 && !environment.printer.quiet {
        let told = limits(environment)?;
        if !told.is_empty() {
            environment.printer.remark(&told);
        }
    }
    Ok(Status::Done)
}

/// What the log cannot tell, and what would make it tell.
fn limits(environment: &Environment) -> anyhow::Result<String> {
    let store = Store::open_existing(&environment.store)?;
    let scope = PeriodArgs::default().scope(environment.now, newest_day(&store)?)?;
    let mut told = String::new();
    format::text::render_notes(&mut told, &cannot_tell(&store, &scope)?);
    Ok(told.trim_end().to_string())
}
