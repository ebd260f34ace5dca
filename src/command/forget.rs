//! `tlsnag forget`: deletes what the store holds about a peer or a person, or what is old. Deleted is deleted: the pages are
//! overwritten.

use anyhow::bail;
use clap::Args;

use crate::outcome::day_of;
use crate::store::{Forgotten, Store};

use super::{Environment, Status, period};

/// Arguments of `forget`.
#[derive(Debug, Args)]
pub struct ForgetArgs {
    /// A domain, host name or IP address, or the full address of a correspondent
    #[arg(value_name = "NAME", required_unless_present = "older_than")]
    pub name: Option<String>,
    /// Everything from before this day: 2026-11-01, or 365d for what is older than a year
    #[arg(long, value_name = "DAY", conflicts_with = "name")]
    pub older_than: Option<String>,
}

/// Runs the command.
pub(super) fn run(args: &ForgetArgs, environment: &Environment) -> anyhow::Result<Status> {
    let mut store = Store::open_existing(&environment.store)?;
    let (what, forgotten) = match (&args.name, &args.older_than) {
        (Some(name), _) if name.contains('@') => (name.clone(), store.forget_address(name)?),
        (Some(name), _) => (name.clone(), store.forget_peer(name)?),
        (None, Some(day)) => {
            let day = period::parse_day(day, day_of(environment.now))?;
            (
                format!("all before {}", period::date(day)),
                store.forget_older_than(day)?,
            )
        }
        (None, None) => bail!("say what to forget: a name, or --older-than DAY"),
    };
    if forgotten == Forgotten::default() {
        bail!("the store holds nothing about {}", what.escape_debug());
    }
    let Forgotten {
        peers,
        daily,
        evidence,
        correspondents,
    } = forgotten;
    environment.printer.result(&format!(
        "Forgotten about {}: peers {peers}, daily counts {daily}, occurrences with log lines {evidence}, correspondents {correspondents}.\n",
        what.escape_debug()
    ))?;
    Ok(Status::Done)
}
