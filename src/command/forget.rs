//! `tlsnag forget`: deletes what the store holds about a peer or a person, or what is old. Deleted is deleted: the pages are
//! overwritten.

use anyhow::bail;
use clap::Args;

use crate::outcome::day_of;
use crate::session::{Own, Tracker};
use crate::store::{Error, Forgotten, Redacted, Store};

use super::{Environment, Status, intake, period};

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
    // An import that is under way would write down again what it has already read.
    let _lock = intake::lock(&environment.store)?;
    let (what, forgotten) = match (&args.name, &args.older_than) {
        (Some(name), _) if name.contains('@') => {
            (name.clone(), store.forget_address(name, without_names)?)
        }
        (Some(name), _) => (name.clone(), store.forget_peer(name, without_names)?),
        (None, Some(day)) => {
            let day = period::parse_day(day, day_of(environment.now))?;
            (
                format!("all before {}", period::date(day)),
                store.forget_older_than(day, without_old)?,
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
        sessions,
        cases,
    } = forgotten;
    environment.printer.result(&format!(
        "Forgotten about {}: peers {peers}, daily counts {daily}, occurrences with log lines {evidence}, correspondents {correspondents}, open sessions {sessions}, of the outreach {cases}.\n",
        what.escape_debug()
    ))?;
    Ok(Status::Done)
}

/// The open sessions without what is about these names.
fn without_names(open: &str, names: &[String]) -> Redacted {
    redact(open, |tracker| tracker.forget_names(names))
}

/// The open sessions without those last heard of before `at`.
fn without_old(open: &str, at: i64) -> Redacted {
    redact(open, |tracker| tracker.forget_before(at))
}

fn redact(open: &str, forget: impl Fn(&mut Tracker) -> u64) -> Redacted {
    let unreadable = |e| Error::Damaged(format!("its open sessions cannot be read: {e}"));
    let mut tracker = Tracker::new(Own::default(), false);
    tracker.restore(open).map_err(unreadable)?;
    let taken = forget(&mut tracker);
    Ok((tracker.save().map_err(unreadable)?, taken))
}
