//! `tlsnag report [NAME]`: one question answered from the store.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;

use crate::cli::FormatArg;
use crate::outcome::day_of;
use crate::output::shows_unicode;
use crate::query::Scope;
use crate::report::{self, Format, Page, Table};
use crate::store::{self, Store};

use super::period::PeriodArgs;
use super::{Environment, Status, alert, intake, mailed, templates};

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Which report; `tlsnag report list` names them all
    #[arg(default_value = "summary")]
    pub name: String,
    /// Which span of time and direction.
    #[command(flatten)]
    pub period: PeriodArgs,
    /// How to print it.
    #[command(flatten)]
    pub print: PrintArgs,
    /// Of `changes`: only what is new since the last time this was asked for; nothing and status 0 if nothing is, else status 1
    #[arg(long)]
    pub alert: bool,
    /// Whom to mail it to.
    #[command(flatten)]
    pub mail: MailArgs,
}

/// Whom a report is mailed to, and when.
#[derive(Clone, Debug, Default, Args)]
pub struct MailArgs {
    /// Mail the report to this address instead of printing it, as text with a page attached. May be given again
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["output", "format"])]
    pub mail_to: Vec<String>,
    /// ... only if there is something to act on
    #[arg(long, requires = "mail_to")]
    pub only_if_action: bool,
}

/// How and where a result is printed.
#[derive(Clone, Debug, Args)]
pub struct PrintArgs {
    /// How to print it
    #[arg(long, value_enum, default_value = "text")]
    pub format: FormatArg,
    /// Write to a file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// End with status 1 if there is something to act on
    #[arg(long)]
    pub exit_code: bool,
}

/// Runs the command.
pub(super) fn run(args: &ReportArgs, environment: &Environment) -> anyhow::Result<Status> {
    if args.name == "list" {
        environment.printer.result(&list())?;
        return Ok(Status::Done);
    }
    if report::find(&args.name).is_none() {
        let names: Vec<&str> = report::ALL.iter().map(|r| r.name).collect();
        bail!(
            "there is no report `{}`; there are: {}",
            args.name,
            names.join(", ")
        );
    }
    let store = Store::open_existing(&environment.store)?;
    if args.alert {
        return alert::run(&store, args, environment);
    }
    if args.mail.mail_to.is_empty() {
        return print(&store, &args.name, &args.period, &args.print, environment);
    }
    mail(
        &store,
        &args.name,
        &args.period,
        (&args.mail, &args.print),
        environment,
    )
}

/// Prints a report of a store.
pub(super) fn print(
    store: &Store,
    name: &str,
    period: &PeriodArgs,
    print: &PrintArgs,
    environment: &Environment,
) -> anyhow::Result<Status> {
    let Some(report) = report::find(name) else {
        bail!("there is no report `{name}`")
    };
    let scope = period.scope(environment.now, newest_day(store)?)?;
    if print.format == FormatArg::Html && report.name == report::ALL[0].name {
        let page = report::page::build(store, &scope, intake::retention(store, environment)?)?;
        let html = templates::load(environment)?.render(&page, &scope)?;
        let to_do = page.parts.first().map_or(0, |part| part.table.to_do);
        return put(&html, to_do, print, environment);
    }
    if print.format == FormatArg::Prometheus && report.name == report::ALL[0].name {
        let metrics = report::metrics::build(store, &scope)?;
        return put(&metrics, 0, print, environment);
    }
    let table = build(report, store, &scope, environment)?;
    write(&table, report.name, &scope, print, environment)
}

/// Builds a report; who is a correspondent is a matter of the settings.
fn build(
    report: &report::Report,
    store: &Store,
    scope: &Scope,
    environment: &Environment,
) -> anyhow::Result<Table> {
    let regular = environment.settings.regular_messages;
    Ok(match regular.filter(|_| report.name == "correspondents") {
        Some(regular) => report::correspondents::build(store, scope, regular)?,
        None => (report.build)(store, scope)?,
    })
}

/// Mails a report: its text, and a page with it.
pub(super) fn mail(
    store: &Store,
    name: &str,
    period: &PeriodArgs,
    (args, print): (&MailArgs, &PrintArgs),
    environment: &Environment,
) -> anyhow::Result<Status> {
    let Some(report) = report::find(name) else {
        bail!("there is no report `{name}`")
    };
    let scope = period.scope(environment.now, newest_day(store)?)?;
    let table = build(report, store, &scope, environment)?;
    let status = match print.exit_code && table.to_do > 0 {
        true => Status::SomethingToDo,
        false => Status::Done,
    };
    if args.only_if_action && table.to_do == 0 {
        return Ok(status);
    }
    let letter = (report.name, &table);
    mail_table(store, letter, &scope, &args.mail_to, environment)?.into_result()?;
    Ok(status)
}

/// What is about everything comes with the page about everything; with any other table comes a page of its own.
const ABOUT_EVERYTHING: [&str; 2] = ["summary", "digest"];

/// Mails a table to each address, with a page. An error if nobody got it.
pub(super) fn mail_table(
    store: &Store,
    (name, table): (&str, &Table),
    scope: &Scope,
    addresses: &[String],
    environment: &Environment,
) -> anyhow::Result<mailed::Missed> {
    let page = match ABOUT_EVERYTHING.contains(&name) {
        true => report::page::build(store, scope, intake::retention(store, environment)?)?,
        false => Page::of(name, table),
    };
    let letter = mailed::Report {
        headline: &table.headline,
        text: &report::format::render(Format::Text, name, scope, table),
        page: &templates::load(environment)?.render(&page, scope)?,
    };
    mailed::send_all(&letter, addresses, environment)
}

/// Prints a table where and how it is wanted.
pub(super) fn write(
    table: &Table,
    name: &str,
    scope: &Scope,
    print: &PrintArgs,
    environment: &Environment,
) -> anyhow::Result<Status> {
    let text = rendered(table, name, scope, print, environment)?;
    put(&text, table.to_do, print, environment)
}

/// Prints a table and says whether it was taken: the reader of a pipe may have gone.
pub(super) fn print_whole(
    table: &Table,
    name: &str,
    scope: &Scope,
    print: &PrintArgs,
    environment: &Environment,
) -> anyhow::Result<bool> {
    let text = rendered(table, name, scope, print, environment)?;
    match &print.output {
        Some(_) => put(&text, 0, print, environment).map(|_| true),
        None => Ok(environment.printer.answer(&text)?),
    }
}

fn rendered(
    table: &Table,
    name: &str,
    scope: &Scope,
    print: &PrintArgs,
    environment: &Environment,
) -> anyhow::Result<String> {
    let written = |format| report::format::render(format, name, scope, table);
    Ok(match print.format {
        FormatArg::Text if !shows_unicode() => {
            report::format::text::in_ascii(&written(Format::Text))
        }
        FormatArg::Text => written(Format::Text),
        FormatArg::Json => written(Format::Json),
        FormatArg::Csv => written(Format::Csv),
        FormatArg::Markdown => written(Format::Markdown),
        FormatArg::Prometheus => bail!(
            "--format prometheus is for the summary only: expected `tlsnag report --format prometheus`, found `{name}`"
        ),
        FormatArg::Html => {
            let page = Page::of(name, table);
            templates::load(environment)?.render(&page, scope)?
        }
    })
}

/// Puts a text where it is wanted.
pub(super) fn put(
    text: &str,
    to_do: usize,
    print: &PrintArgs,
    environment: &Environment,
) -> anyhow::Result<Status> {
    match &print.output {
        Some(path) => {
            replace(path, text.as_bytes())
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        None => environment.printer.result(text)?,
    }
    Ok(if print.exit_code && to_do > 0 {
        Status::SomethingToDo
    } else {
        Status::Done
    })
}

/// Writes a file whole or not at all: a web server or a metrics collector may read it at any moment. What is no plain file (a pipe, a
/// terminal) is written to.
pub(super) fn replace(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let existing = std::fs::metadata(path).ok();
    let target = match &existing {
        Some(existing) if !existing.is_file() => return std::fs::write(path, text),
        Some(_) if store::is_store(path)? => {
            return Err(std::io::Error::other(
                "expected a file to be replaced, found a store; choose another name",
            ));
        }
        Some(_) => std::fs::canonicalize(path)?,
        None => path.to_path_buf(),
    };
    let mut name = target.file_name().unwrap_or_default().to_os_string();
    name.push(".part");
    let part = target.with_file_name(name);
    let written = write_through(&part, text)
        // Who may read it is not ours to change.
        .and_then(|()| {
            existing.map_or(Ok(()), |e| std::fs::set_permissions(&part, e.permissions()))
        })
        .and_then(|()| std::fs::rename(&part, &target));
    if written.is_err() {
        std::fs::remove_file(&part).ok();
    }
    written
}

/// Writes a file and waits until the disk has it: else the name could stand for an empty file after a power failure.
fn write_through(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    file.write_all(text)?;
    file.sync_all()
}

/// The day of the newest record, if there is one.
pub(super) fn newest_day(store: &Store) -> anyhow::Result<Option<i32>> {
    let newest = store.newest()?;
    Ok((newest > 0).then(|| day_of(newest)))
}

fn list() -> String {
    report::ALL
        .iter()
        .map(|r| format!("{:<15} {}\n", r.name, r.help))
        .collect()
}
