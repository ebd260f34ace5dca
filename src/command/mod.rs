//! The commands: each assembles the stages for one purpose. Nothing else knows more than one stage.

mod alert;
pub mod audit;
pub mod campaign;
mod check;
mod digest;
pub mod doctor;
pub mod forget;
pub mod import;
pub mod intake;
mod mailed;
pub mod peer;
mod period;
pub mod policy;
pub mod report;
pub mod store;
mod templates;
pub mod whatif;

use std::path::PathBuf;

use crate::cli::{Cli, Command, Common};
use crate::clock;
use crate::output::Printer;
use crate::settings::Settings;

/// How a run ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Done.
    Done,
    /// Done, and there is something to act on; only where it was asked for.
    SomethingToDo,
}

/// What every command is given.
struct Environment {
    settings: Settings,
    store: PathBuf,
    printer: Printer,
    progress: bool,
    /// Seconds since 1970 UTC.
    now: i64,
}

impl Environment {
    fn of(common: &Common) -> anyhow::Result<Environment> {
        let settings = Settings::load(common.config.as_deref())?;
        let store = settings.store_path(common.store.as_deref())?;
        let printer = Printer {
            quiet: common.quiet,
        };
        Ok(Environment {
            settings,
            store,
            printer,
            progress: !common.no_progress && !common.quiet,
            now: clock::now()?,
        })
    }
}

/// Runs what was typed.
pub fn run(cli: Cli) -> anyhow::Result<Status> {
    let environment = Environment::of(&cli.common)?;
    match cli.command {
        Command::Audit(args) => audit::run(&args, &environment),
        Command::Import(args) => import::run(&args, &environment),
        Command::Report(args) => report::run(&args, &environment),
        Command::Peer(args) => peer::run(&args, &environment),
        Command::Whatif(args) => whatif::run(&args, &environment),
        Command::Policy(args) => policy::run(&args, &environment),
        Command::Campaign(args) => campaign::run(&args, &environment),
        Command::Doctor(args) => doctor::run(&args, &environment),
        Command::Store(args) => store::run(&args, &environment),
        Command::Forget(args) => forget::run(&args, &environment),
    }
}
