//! `tlsnag doctor`: what the answers rest on, what is to be looked at, and the line that cures it.

use clap::Args;

use crate::report::doctor::{self, Surroundings};
use crate::store::Store;

use super::check::checks;
use super::period::PeriodArgs;
use super::report::{PrintArgs, newest_day, write};
use super::{Environment, Status};

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Which span of time and direction.
    #[command(flatten)]
    pub period: PeriodArgs,
    /// How to print it.
    #[command(flatten)]
    pub print: PrintArgs,
}

/// Runs the command.
pub(super) fn run(args: &DoctorArgs, environment: &Environment) -> anyhow::Result<Status> {
    let store = Store::open_existing(&environment.store)?;
    let checks = checks(&store);
    // A damaged store may not even tell its newest day.
    let newest = newest_day(&store).unwrap_or_default();
    let scope = args.period.scope(environment.now, newest)?;
    let around = Surroundings {
        now: environment.now,
        path: &environment.store,
        checks: &checks,
    };
    let table = doctor::build(&store, &scope, around)?;
    write(&table, "doctor", &scope, &args.print, environment)
}
