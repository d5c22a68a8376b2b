//! The `order-saga` command.

use std::io::IsTerminal;
use std::process::ExitCode;

use anstream::eprintln;
use clap::Parser;
use order_saga::{Cli, Command, LogFormat};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// A local order is mostly small allocations, above all for the SDK's requests. The system's allocator
/// takes a fifth of its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    // The explorer makes everything fail that can fail, and reports the results itself.
    let level = if matches!(cli.command, Some(Command::Explore(_))) { "off" } else { "warn" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let lines = tracing_subscriber::registry().with(filter);
    match cli.log_format {
        LogFormat::Json => lines.with(logging::json(None, std::io::stderr)).init(),
        LogFormat::Text => {
            let ansi = std::io::stderr().is_terminal();
            lines.with(tracing_subscriber::fmt::layer().with_ansi(ansi).with_writer(std::io::stderr)).init();
        }
    }
    match order_saga::run(cli).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", saga::task::chain(&error));
            ExitCode::from(2)
        }
    }
}
