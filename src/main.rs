//! Runs the program: arguments in, exit status out. The map of the stages is in `lib.rs`.

use std::process::ExitCode;

use clap::Parser;

use tlsnag::cli::Cli;
use tlsnag::{command, output};

fn main() -> ExitCode {
    match command::run(Cli::parse()) {
        Ok(command::Status::Done) => ExitCode::SUCCESS,
        Ok(command::Status::SomethingToDo) => ExitCode::from(1),
        Err(error) => {
            output::error(&error);
            ExitCode::from(2)
        }
    }
}
