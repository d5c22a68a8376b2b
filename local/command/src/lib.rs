//! The `order-saga` command: its subcommands.

pub mod audit;
pub mod demo;
pub mod execute;
pub mod explore;
pub mod lint;
pub mod otlp;
pub mod recover;
pub mod serve;
pub mod token;
pub mod trace;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

/// A saga on AWS Step Functions: every order is confirmed everywhere or rolled back everywhere.
///
/// Runs the deployed definition and the deployed handlers in one process; needs no AWS account. Without
/// a command it runs `demo`.
///
/// Exit status: 0 all is well, 1 something is broken, 2 the command could not do its work.
#[derive(Debug, Parser)]
#[command(name = "order-saga", version)]
pub struct Cli {
    /// How log lines are written to standard error: `text` to read them, `json` as the functions write them on AWS.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// What to do; `demo` if omitted.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object each.
    Json,
}

/// What to do. `--help` shows the documentation of each command's `Args`.
#[derive(Debug, Subcommand)]
#[allow(missing_docs, reason = "a variant's own comment would replace that of its Args in --help")]
pub enum Command {
    Demo(demo::Args),
    Serve(serve::Args),
    Audit(audit::Args),
    Execute(execute::Args),
    Explore(explore::Args),
    Lint(lint::Args),
    Recover(recover::Args),
    Trace(trace::Args),
    Token(token::Args),
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The demo's orders could not be run.
    #[error(transparent)]
    Demo(#[from] local_explorer::RunError),
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
    /// See [`trace::TraceError`].
    #[error(transparent)]
    Trace(#[from] trace::TraceError),
    /// See [`token::TokenError`].
    #[error(transparent)]
    Token(#[from] token::TokenError),
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
        Command::Trace(args) => trace::run(args).await?,
        Command::Token(args) => {
            token::run(&args).await?;
            true
        }
    };
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
