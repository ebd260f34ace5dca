//! `tlsnag report changes --alert`: what is new since the last time, for cron. Prints nothing if nothing is.
//!
//! What was told is kept in the store itself, so that each store has its own news, and only once the answer has been printed: a run that
//! could not tell does not count.

use anyhow::{Context, bail};

use crate::query::changes::{closed, find_changes};
use crate::query::news::{Told, find_news};
use crate::report;
use crate::store::Store;

use super::report::{ReportArgs, newest_day, print_whole};
use super::{Environment, Status};

/// Runs it: status 1 if there was news.
pub(super) fn run(
    store: &Store,
    args: &ReportArgs,
    environment: &Environment,
) -> anyhow::Result<Status> {
    if args.name != "changes" {
        bail!(
            "--alert is for changes only: expected `tlsnag report changes --alert`, found `{}`",
            args.name
        );
    }
    let asked = args.period.scope(environment.now, newest_day(store)?)?;
    let scope = closed(store, &asked)?;
    if scope.period.from_day.is_none() {
        bail!(
            "--alert looks at a span of days: leave --all out, or name the first day with --since"
        );
    }
    let changes = find_changes(store, &scope)?;
    let told = read(&store.told()?)?;
    let (news, memory) = find_news(&changes, &told);
    let table = report::news::build(&changes, &news);
    if let Some(table) = &table
        && !print_whole(table, "changes", &scope, &args.print, environment)?
    {
        // Nobody read it.
        return Ok(Status::Done);
    }
    if let Some(memory) = memory {
        let text = serde_json::to_string(&memory)?;
        store
            .save_told(&text)
            .context("what was told could not be kept: it will be told again")?;
    }
    Ok(match table {
        Some(_) => Status::SomethingToDo,
        None => Status::Done,
    })
}

fn read(text: &str) -> anyhow::Result<Vec<Told>> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_str(text).context(
        "the store says in a way this tlsnag does not know what was told before: was a newer one used on it?",
    )
}
