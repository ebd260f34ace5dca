//! `tlsnag peer NAME`: all that is known about one domain, host, address or organisation, with proof.

use anyhow::bail;
use clap::Args;

use crate::query::Period;
use crate::report;
use crate::store::Store;

use super::period::PeriodArgs;
use super::report::PrintArgs;
use super::{Environment, Status, intake};

/// Arguments of `peer`.
#[derive(Debug, Args)]
pub struct PeerArgs {
    /// A domain, host name, IP address or organisation
    pub name: String,
    /// Which span of time and direction; all time if none is given.
    #[command(flatten)]
    pub period: PeriodArgs,
    /// How to print it.
    #[command(flatten)]
    pub print: PrintArgs,
}

/// Runs the command.
pub(super) fn run(args: &PeerArgs, environment: &Environment) -> anyhow::Result<Status> {
    let store = Store::open_existing(&environment.store)?;
    let mut scope = args
        .period
        .scope(environment.now, super::report::newest_day(&store)?)?;
    if args.period.since.is_none() && args.period.until.is_none() {
        // A peer's history is short enough to be shown from its beginning.
        scope.period = Period::default();
    }
    let retention = intake::retention(&store, environment)?;
    let Some(table) = report::peer::build(&store, &args.name, &scope, retention)? else {
        let name = args.name.escape_debug();
        bail!(
            "nothing is known about `{name}`: expected a domain, host, address or organisation of a peer; `tlsnag report domains --all` lists them"
        );
    };
    super::report::write(&table, "peer", &scope, &args.print, environment)
}
