//! The way in: from log files through framing, parser and session into the store, in one pass and bounded memory.
//!
//! Data, position and open sessions are committed together, so that a run that dies is as if it had ended at its last commit.

mod journal;
mod parsed;
mod reader;
mod told;
mod writer;

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use chrono::{DateTime, Datelike};
use clap::Args;

use crate::input::{self, Found, Journal, Problem, ProblemKind, Source, Timing, Zone};
use crate::output::{Printer, Progress};
use crate::report::peer::Retention;
use crate::session::{Network, Own, Tracker};
use crate::settings::Settings;
use crate::store::{Batch, Store};

use self::reader::Reader;
pub(super) use self::reader::remembered;
use self::told::Intake;
use self::writer::Writer;
use super::Environment;

/// Days that evidence is kept if nothing is set.
const EVIDENCE_DAYS: u32 = 90;

/// Options of everything that reads logs.
#[derive(Clone, Debug, Args)]
pub struct ReadingArgs {
    /// Log files, directories of them, patterns such as 'mail.log*', or - for standard input [default: /var/log/mail.log*, /var/log/maillog*, else the systemd journal]
    #[arg(value_name = "LOG")]
    pub logs: Vec<PathBuf>,
    /// Read the systemd journal of this machine, through journalctl; done by itself where there is no log file
    #[arg(long)]
    pub journal: bool,
    /// A network whose hosts are not correspondents; replaces loopback and the log's own host. May be given again
    #[arg(long, value_name = "NET")]
    pub own_network: Vec<Network>,
    /// A domain we receive mail for, with its subdomains. May be given again
    #[arg(long, value_name = "DOMAIN")]
    pub own_domain: Vec<String>,
    /// Keep the full addresses of correspondents in the store
    #[arg(long)]
    pub correspondents: bool,
    /// Zone of stamps that name none: local, utc, or an offset such as +01:00. For a place with summer time run TZ=Europe/Berlin tlsnag ...
    #[arg(long, value_name = "ZONE")]
    pub timezone: Option<String>,
    /// Year of the first line of a log that writes none [default: found from the file's age and the ids in it]
    #[arg(long, value_name = "YEAR")]
    pub year: Option<i32>,
}

/// How often the logs are looked at again when one is rotated away before it could be opened.
const PASSES: u32 = 5;

/// Reads what is new. A second run at the same time waits for the first to end, and then finds little or nothing new.
pub(super) fn read_logs(args: &ReadingArgs, environment: &Environment) -> anyhow::Result<Intake> {
    let plan = Plan::new(args, environment)?;
    // Before anything is made: without a log there is nothing to store.
    let found = journal::find(args, plan.named, environment)?;
    let _lock = lock(&environment.store)?;
    let mut store = Store::open(&environment.store)?;
    let intake = read_passes(args, &plan, found, environment, &mut store)?;
    store.expire_evidence(retention(&store, environment)?.before)?;
    Ok(intake)
}

/// Reads what is new in logs of one year into a store that is open already: for tests of the whole way in. Stamps without a zone are
/// UTC; nothing is said but warnings.
pub fn read_into(
    store: &mut Store,
    logs: &[PathBuf],
    year: i32,
    now: i64,
) -> anyhow::Result<Intake> {
    let args = ReadingArgs {
        logs: logs.to_vec(),
        journal: false,
        own_network: Vec::new(),
        own_domain: Vec::new(),
        correspondents: true,
        timezone: Some("utc".to_owned()),
        year: Some(year),
    };
    let environment = Environment {
        settings: Settings::default(),
        store: PathBuf::new(),
        printer: Printer { quiet: true },
        progress: false,
        now,
    };
    let plan = Plan::new(&args, &environment)?;
    let found = journal::find(&args, plan.named, &environment)?;
    read_passes(&args, &plan, found, &environment, store)
}

/// Reads what was found, and looks again if a log was rotated away meanwhile.
fn read_passes(
    args: &ReadingArgs,
    plan: &Plan<'_>,
    found: (Found, Option<Journal>),
    environment: &Environment,
    store: &mut Store,
) -> anyhow::Result<Intake> {
    let mut found = Some(found);
    let mut intake = Intake::default();
    for pass in 1..=PASSES {
        let (logs, journal) = match found.take() {
            Some(found) => found,
            None => journal::find(args, plan.named, environment)?,
        };
        let pass = Pass {
            // What comes through a pipe comes once.
            is_last: pass == PASSES || logs.sources.iter().any(Source::is_stream),
            logs,
            journal,
        };
        if read_pass(plan, pass, environment, store, &mut intake)? {
            break;
        }
    }
    Ok(intake)
}

/// What was found to read.
struct Pass {
    logs: Found,
    journal: Option<Journal>,
    is_last: bool,
}

/// What to read, and how.
struct Plan<'a> {
    named: &'a [PathBuf],
    own: Own,
    timing: Timing,
    keep_correspondents: bool,
}

impl<'a> Plan<'a> {
    fn new(args: &'a ReadingArgs, environment: &'a Environment) -> anyhow::Result<Plan<'a>> {
        let settings = &environment.settings;
        check_year(args.year, environment.now)?;
        Ok(Plan {
            named: match args.logs.is_empty() {
                true => &settings.logs,
                false => &args.logs,
            },
            own: own(args, environment)?,
            timing: Timing {
                zone: zone(args.timezone.as_deref().or(settings.timezone.as_deref()))?,
                year: args.year,
                now: environment.now,
            },
            keep_correspondents: args.correspondents || settings.correspondents,
        })
    }
}

/// Reads what is new in the logs. `false` if one was rotated away before it could be opened: then what comes after it
/// is left for the next pass, which finds it under its new name. In the last pass it is said instead.
fn read_pass(
    plan: &Plan<'_>,
    pass: Pass,
    environment: &Environment,
    store: &mut Store,
    intake: &mut Intake,
) -> anyhow::Result<bool> {
    let Pass {
        logs,
        journal,
        is_last,
    } = pass;
    let bookmarks = store.bookmarks()?;
    let remembered = bookmarks
        .iter()
        .map(remembered)
        .collect::<anyhow::Result<Vec<_>>>()?;
    let (ordered, problems) = input::order(logs.sources, &remembered, &plan.timing);
    let problems = [logs.problems, problems].concat();
    if !is_last && problems.iter().any(|p| p.kind == ProblemKind::Replaced) {
        return Ok(false);
    }
    report_problems(&problems, plan.named, environment)?;
    let mut tracker = Tracker::new(plan.own.clone(), plan.keep_correspondents);
    let open = store.open_sessions()?;
    if !open.is_empty() {
        tracker
            .restore(&open)
            .context("the store's open sessions cannot be read")?;
    }
    let total = ordered.iter().map(|o| o.source.size).sum();
    intake.unchanged = 0;
    intake.counts.at = environment.now;
    let counted = intake.counts;
    let mut batch = Batch::new(plan.keep_correspondents);
    batch.know_shapes(store.shapes()?);
    let next_source = store.first_free_source()?;
    let journal = match journal {
        Some(journal) => {
            let reading = journal::begin(store, &tracker, &bookmarks, next_source)?;
            Some((journal, reading))
        }
        None => None,
    };
    std::thread::scope(|scope| {
        let mut reader = Reader {
            writer: Writer::start(scope, store, batch),
            tracker,
            emissions: Vec::new(),
            intake,
            progress: Progress::new(total, environment.progress),
            printer: environment.printer,
            bookmarks: Vec::new(),
            done: 0,
            since_commit: 0,
            counted,
            next_source,
        };
        let read = reader.read_all(&ordered, &bookmarks, journal, is_last);
        // That nothing can be written is the reason for what may have come of it.
        reader.finish(read)
    })
}

/// How long log lines are kept in this store. Counted from the newest record: an archive read today must not lose its proof tomorrow.
pub(super) fn retention(store: &Store, environment: &Environment) -> anyhow::Result<Retention> {
    let days = environment.settings.evidence_days.unwrap_or(EVIDENCE_DAYS);
    let newest = store.newest()?.min(environment.now);
    Ok(Retention {
        days,
        before: newest - i64::from(days) * 86_400,
    })
}

/// Waits until no other run reads logs into this store. The lock ends with the process, whatever becomes of it; the empty file
/// beside the store stays.
pub(super) fn lock(store: &Path) -> anyhow::Result<File> {
    // Refuses what is no store, and makes the directory, before a file is put there.
    drop(Store::open(store)?);
    let path = store.with_added_extension("lock");
    let failed = || format!("cannot lock the store with {}", path.display());
    let file = File::options()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&path)
        .with_context(failed)?;
    file.lock().with_context(failed)?;
    Ok(file)
}

/// A file that was asked for by name and cannot be read ends the run before anything is written; of one that was only come upon, the
/// user is told.
fn report_problems(
    problems: &[Problem],
    named: &[PathBuf],
    environment: &Environment,
) -> anyhow::Result<()> {
    for problem in problems.iter().filter(|p| p.is_failure()) {
        if problem.is_fatal() && named.contains(&problem.path) {
            bail!("{problem}");
        }
        environment.printer.warning(&problem.to_string());
    }
    Ok(())
}

fn own(args: &ReadingArgs, environment: &Environment) -> anyhow::Result<Own> {
    let settings = &environment.settings;
    let networks = if args.own_network.is_empty() {
        let parse = |text: &String| {
            text.parse::<Network>()
                .map_err(|e| anyhow::anyhow!("own_networks: {e}"))
        };
        settings
            .own_networks
            .iter()
            .map(parse)
            .collect::<anyhow::Result<_>>()?
    } else {
        args.own_network.clone()
    };
    let domains = if args.own_domain.is_empty() {
        &settings.own_domains
    } else {
        &args.own_domain
    };
    let domains = domains
        .iter()
        .map(|d| d.trim_matches('.').to_ascii_lowercase())
        .collect();
    Ok(Own { networks, domains })
}

/// Logs of mail servers with TLS began in this year.
const FIRST_YEAR: i32 = 1998;

fn check_year(year: Option<i32>, now: i64) -> anyhow::Result<()> {
    let last = DateTime::from_timestamp(now, 0).map_or(i32::MAX, |t| t.year());
    match year {
        Some(year) if !(FIRST_YEAR..=last).contains(&year) => {
            bail!("--year: expected a year from {FIRST_YEAR} to {last}, found {year}")
        }
        _ => Ok(()),
    }
}

fn zone(text: Option<&str>) -> anyhow::Result<Zone> {
    match text.map(str::to_ascii_lowercase).as_deref() {
        None | Some("local") => Ok(Zone::Local),
        Some("utc" | "z") => Ok(Zone::Utc),
        Some(offset) => {
            let offset: chrono::FixedOffset = offset.parse().with_context(|| {
                format!(
                    "--timezone: expected local, utc or an offset such as +01:00, found `{offset}`; for a place with summer time: TZ=Europe/Berlin tlsnag ..."
                )
            })?;
            Ok(Zone::Fixed(offset.local_minus_utc()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ok_zones() {
        assert_eq!(zone(None).ok(), Some(Zone::Local));
        assert_eq!(zone(Some("UTC")).ok(), Some(Zone::Utc));
        assert_eq!(zone(Some("+01:00")).ok(), Some(Zone::Fixed(3600)));
        assert!(zone(Some("Europe/Nowhere")).is_err());
    }
}
