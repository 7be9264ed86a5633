//! The binary `millstream`: the one place that wires logs, stores, the engine and the API together.

mod args;
mod client;
mod completions;
mod components;
mod config;
mod failure;
mod new;
mod output;
mod pipeline;
mod plugin;
mod project;
mod run;
mod serve;
mod signals;
mod topic;
mod wiring;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

/// The host allocates whole columns on many threads, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    output::init_logging(&cli.log);
    let output = cli.output;
    let outcome = match cli.command {
        Command::Serve(command) => serve::serve(command, output),
        Command::Run(command) => run::run(command, output),
        Command::Plugin { command } => plugin::run(command, output),
        Command::Pipeline { command } => pipeline::run(command, output),
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
