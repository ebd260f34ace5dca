//! `tlsnag import`: reads what is new in the logs into the store, and says how much of it was understood.

use clap::Args;

use super::intake::{self, ReadingArgs};
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
    Ok(Status::Done)
}
