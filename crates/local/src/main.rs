//! The `order-saga` command.

use std::io::IsTerminal;
use std::process::ExitCode;

use anstream::eprintln;
use clap::Parser;
use local::command::{self, Cli};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let ansi = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(ansi).with_writer(std::io::stderr).init();
    match command::run(cli).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", saga::task::chain(&error));
            ExitCode::from(2)
        }
    }
}
