//! What is new since the last time: `tlsnag report changes --alert`, and the news that `audit --digest` tells at once. Nothing is said if
//! nothing is.
//!
//! What was told is kept in the store itself, so that each store has its own news, and only once the answer has been printed or mailed: a
//! run that could not tell does not count.

use anyhow::{Context, bail};

use crate::outcome::day_of;
use crate::query::Scope;
use crate::query::changes::{closed, find_changes};
use crate::query::news::{Told, find_news};
use crate::report::{self, Table};
use crate::store::Store;

use super::mailed::Missed;
use super::report::{ReportArgs, mail_table, newest_day, print_whole};
use super::{Environment, Status};

/// What is new.
pub(super) struct News {
    /// The days looked at.
    pub(super) scope: Scope,
    /// What to tell; `None` if there is nothing.
    pub(super) table: Option<Table>,
    /// What is to be remembered, if it is something else than before.
    memory: Option<Vec<Told>>,
}

impl News {
    /// Of the days of a scope, which must have a first one, until `today`: a record from a clock that was ahead is of no day to look at.
    pub(super) fn find(store: &Store, asked: &Scope, today: i32) -> anyhow::Result<News> {
        let mut scope = closed(store, asked)?;
        scope.period.to_day = scope.period.to_day.map(|last| last.min(today));
        let changes = find_changes(store, &scope)?;
        let told = read(&store.told()?)?;
        let (news, memory) = find_news(&changes, &told);
        Ok(News {
            scope,
            table: report::news::build(&changes, &news),
            memory,
        })
    }

    /// To be called when it was told.
    pub(super) fn remember(&self, store: &Store) -> anyhow::Result<()> {
        let Some(memory) = &self.memory else {
            return Ok(());
        };
        let text = serde_json::to_string(memory)?;
        store
            .save_told(&text)
            .context("what was told could not be kept: it will be told again")
    }
}

/// Runs `report changes --alert`: status 1 if there was news.
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
    let scope = args.period.scope(environment.now, newest_day(store)?)?;
    if scope.period.from_day.is_none() {
        bail!(
            "--alert looks at a span of days: leave --all out, or name the first day with --since"
        );
    }
    let news = News::find(store, &scope, day_of(environment.now))?;
    let mut missed = Missed::default();
    if let Some(table) = &news.table {
        if !args.mail.mail_to.is_empty() {
            let letter = ("changes", table);
            missed = mail_table(store, letter, &news.scope, &args.mail.mail_to, environment)?;
        } else if !print_whole(table, "changes", &news.scope, &args.print, environment)? {
            // Nobody read it.
            return Ok(Status::Done);
        }
    }
    news.remember(store)?;
    missed.into_result()?;
    Ok(match news.table {
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
