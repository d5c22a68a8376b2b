//! The `order-saga` command: its subcommands.

pub mod audit;
pub mod demo;
pub mod execute;
pub mod explore;
pub mod lint;
pub mod recover;
pub mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A saga on AWS Step Functions, in Rust: every order is confirmed everywhere or rolled back
/// everywhere. This command runs the deployed definition and the deployed handlers in one process.
#[derive(Debug, Parser)]
#[command(name = "order-saga", version)]
pub struct Cli {
    /// What to do; a demonstration if nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run sample orders through the workflow, and show their way and what became of them.
    Demo(demo::Args),
    /// Serve the order API on this machine.
    Serve(serve::Args),
    /// Check the invariants on the tables of a data directory.
    Audit(audit::Args),
    /// Execute any definition with mocked Tasks, on a clock that jumps.
    Execute(execute::Args),
    /// Let every fault happen at every point of an order, and check what is left.
    Explore(explore::Args),
    /// Check the saga's definition, and print its longest path.
    Lint(lint::Args),
    /// Take up open orders now, or one order whether it is due or not, parked or not.
    Recover(recover::Args),
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// See [`demo::DemoError`].
    #[error(transparent)]
    Demo(#[from] demo::DemoError),
    /// See [`serve::ServeError`].
    #[error(transparent)]
    Serve(#[from] serve::ServeError),
    /// See [`audit::AuditError`].
    #[error(transparent)]
    Audit(#[from] audit::AuditError),
    /// See [`execute::ExecuteError`].
    #[error(transparent)]
    Execute(#[from] execute::ExecuteError),
    /// See [`explore::ExploreError`].
    #[error(transparent)]
    Explore(#[from] explore::ExploreError),
    /// See [`lint::LintError`].
    #[error(transparent)]
    Lint(#[from] lint::LintError),
    /// See [`recover::RecoverError`].
    #[error(transparent)]
    Recover(#[from] recover::RecoverError),
}

/// Runs the command: 0 if all is well, 1 if it found something broken.
///
/// # Errors
/// [`CommandError`], if it could not do its work.
pub async fn run(cli: Cli) -> Result<ExitCode, CommandError> {
    let is_well = match cli.command.unwrap_or_else(|| Command::Demo(demo::Args::default())) {
        Command::Demo(args) => tokio::task::block_in_place(|| demo::run(&args))?,
        Command::Serve(args) => {
            serve::run(args).await?;
            true
        }
        Command::Audit(args) => audit::run(&args)?,
        Command::Execute(args) => tokio::task::block_in_place(|| execute::run(&args))?,
        Command::Explore(args) => tokio::task::block_in_place(|| explore::run(&args))?,
        Command::Lint(args) => lint::run(&args).await?,
        Command::Recover(args) => recover::run(args).await?,
    };
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
