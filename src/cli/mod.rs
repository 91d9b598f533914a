//! The command line. One file for each command; this one parses and dispatches.
//!
//! Exit codes: 0 well, 1 the command failed, 2 wrong usage, 78 the configuration is wrong (EX_CONFIG).

mod annotate;
mod bench;
mod bench_triage;
mod budgets;
mod check;
mod daemon;
mod demo;
mod explain;
mod extract;
mod input;
mod lookup;
mod online;
mod replay;
mod run;
mod simulate;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::{
    config::{self, Config, ProcessEnvironment},
    telemetry,
};

/// Threat-intelligence annotation beside a SIEM's Kafka pipeline.
///
/// Finds indicators in security events, scores the new ones at threat-intelligence providers within their quotas,
/// and writes each event on, annotated. It informs decisions and never blocks anything by itself.
#[derive(Debug, Parser)]
#[command(name = "sidelight", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon between the topics of the configuration.
    Run(run::Args),
    /// Show the whole product on this machine, without any set-up.
    Demo(demo::Args),
    /// Check a configuration; reports everything that is wrong with it.
    Check(check::Args),
    /// List the indicators of each line of a file or of standard input.
    Extract(extract::Args),
    /// Annotate the lines of a file or of standard input.
    Annotate(annotate::Args),
    /// Look indicators up by hand.
    Lookup(lookup::Args),
    /// Say of one event what is found in it, what is kept back and why, what would be asked and what that costs.
    Explain(explain::Args),
    /// Show what is left of the providers' quotas.
    Budgets(budgets::Args),
    /// Put dead letters back to the topics that they came from.
    Replay(replay::Args),
    /// Answer as the providers do, for trying things out.
    Simulate(simulate::Args),
    /// Measure how many events a second this machine annotates.
    Bench(Box<bench::Args>),
}

/// Exit code of a wrong configuration (EX_CONFIG of sysexits.h).
const WRONG_CONFIG: u8 = 78;

/// Why a command ended without success.
#[derive(Debug)]
enum Failure {
    /// The configuration is wrong; the report has been written.
    Config,
    /// The log has said why.
    Logged,
    /// Anything else.
    Other(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

type Outcome = Result<(), Failure>;

/// Runs the command of the process's arguments.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Extract(args) => extract::run(&args),
        Command::Annotate(args) => annotate::run(&args),
        Command::Lookup(args) => lookup::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Budgets(args) => budgets::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Bench(args) => bench::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Config) => ExitCode::from(WRONG_CONFIG),
        Err(Failure::Logged) => ExitCode::FAILURE,
        Err(Failure::Other(error)) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(Failure::Other(error)) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// A reader that has seen enough, `sidelight extract … | head`, is no failure of ours.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe))
}

/// A line for people, on standard error.
fn say(text: &str) {
    // Nobody reads it: nothing to be done.
    writeln!(io::stderr().lock(), "{text}").ok();
}

/// Which configuration file.
#[derive(Clone, Debug, clap::Args)]
struct ConfigArgs {
    /// Configuration file.
    #[arg(long, short, value_name = "FILE", default_value = "sidelight.toml")]
    config: PathBuf,
}

/// Loads a configuration; reports what is wrong with it.
fn load(path: &Path) -> Result<Config, Failure> {
    match config::load(path, &ProcessEnvironment) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                say(&warning.to_string());
            }
            Ok(loaded.config)
        }
        Err(errors) => {
            say(&errors.to_string());
            Err(Failure::Config)
        }
    }
}

/// Loads a configuration and starts the log as it says.
fn load_and_log(path: &Path) -> Result<Config, Failure> {
    let config = load(path)?;
    telemetry::init(config.log);
    Ok(config)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_of_all_commands_are_consistent() {
        Cli::command().debug_assert();
    }
}
