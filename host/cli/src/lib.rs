//! The command line of Millstream: the one place that wires logs, stores, the engine and the API together.
//!
//! A library, so that a binary that tests the host wires it in the same way.

mod args;
mod client;
mod completions;
mod components;
mod config;
mod conformance;
mod failure;
mod interpreters;
mod new;
mod output;
mod pipeline;
mod plugin;
mod project;
mod run;
mod savepoint;
mod serve;
mod signals;
mod sinks;
mod state;
mod test;
mod topic;
mod wiring;

use std::{process::ExitCode, sync::Arc};

use clap::Parser;
use millstream_runtime::Probe;

use args::{Cli, Command};

/// Does what the command line of this process says, and returns what the process ends with.
pub fn main() -> ExitCode {
    main_with(None)
}

/// The same with a probe that is told of every step of a server's workers, for binaries that test the host.
pub fn main_with(probe: Option<Arc<dyn Probe>>) -> ExitCode {
    let cli = Cli::parse();
    output::init_logging(&cli.log);
    let output = cli.output;
    let outcome = match cli.command {
        Command::Serve(command) => serve::serve(command, output, probe),
        Command::Run(command) => run::run(command, output),
        Command::Test(command) => test::run(&command, output),
        Command::Plugin { command } => plugin::run(command, output),
        Command::Pipeline { command } => pipeline::run(command, output),
        Command::Savepoint { command } => savepoint::run(command, output),
        Command::State { command } => state::run(command, output),
        Command::Conformance(command) => conformance::run(&command, output),
        Command::Topic(command) => topic::run(command, output),
        Command::New { command } => new::run(command, output),
        Command::Schema => completions::schema(),
        Command::Completions { shell } => completions::write(shell),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}
