//! `tlsnag store`: what is in the store, a copy of it, whether it is whole.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::{Args, Subcommand};

use crate::query::Scope;
use crate::report::store::{self, Facts};
use crate::store::Store;

use super::check::checks;
use super::report::{PrintArgs, write};
use super::{Environment, Status};

/// Arguments of `store`.
#[derive(Debug, Args)]
pub struct StoreArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub what: What,
}

/// What can be done with a store.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Where it lies, how large it is, what it holds, and what of that is personal
    Info(PrintArgs),
    /// Copy it to a new file, for its owner alone; an import may be running
    Backup {
        /// The copy; must not exist yet
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Read it from end to end: is the file whole, does it agree with itself? Status 2 if not
    Check(PrintArgs),
}

/// Runs the command.
pub(super) fn run(args: &StoreArgs, environment: &Environment) -> anyhow::Result<Status> {
    let path = &environment.store;
    let store = Store::open_existing(path)?;
    match &args.what {
        What::Info(print) => info(&store, print, environment),
        What::Backup { file } => {
            store.copy_to(file)?;
            environment.printer.remark(&format!(
                "Copied {} to {}.",
                path.display(),
                file.display().to_string().escape_debug()
            ));
            Ok(Status::Done)
        }
        What::Check(print) => check(&store, print, environment),
    }
}

fn info(store: &Store, print: &PrintArgs, environment: &Environment) -> anyhow::Result<Status> {
    let contents = store.contents()?;
    let scope = store::scope(&contents);
    let facts = Facts {
        path: &environment.store,
        bytes: size(&environment.store),
        contents,
        runs: store.runs()?,
        sources: store.newest_bookmarks()?,
    };
    write(&store::info(&facts), "store", &scope, print, environment)
}

/// The file, and what SQLite has not yet written into it.
fn size(path: &Path) -> u64 {
    let mut beside = path.as_os_str().to_owned();
    beside.push("-wal");
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    length(path) + length(Path::new(&beside))
}

fn check(store: &Store, print: &PrintArgs, environment: &Environment) -> anyhow::Result<Status> {
    let checks = checks(store);
    let table = store::check(&environment.store, &checks);
    let status = write(&table, "store", &Scope::ALL, print, environment)?;
    let broken: Vec<&str> = checks
        .iter()
        .filter(|c| !c.wrong.is_empty())
        .map(|c| c.name)
        .collect();
    if !broken.is_empty() {
        bail!(
            "the store is broken ({}): put back a copy, or move it away and read the logs again; `tlsnag doctor` has the line",
            broken.join(", ")
        );
    }
    Ok(status)
}
