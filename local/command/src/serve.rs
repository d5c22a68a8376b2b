//! `order-saga serve`.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use anstream::eprintln;
use api::Callers;
use api::authorization::NotCallers;
use tokio::net::TcpListener;
use tokio::signal;

use local_http::front::{self, Front};
use local_http::rate;
use local_stack::seed::{Seed, SeedError};
use local_stack::{self as stack, Options, Stack, StackError, schedule};

/// Serve the order API on this machine.
#[derive(Debug, clap::Args)]
#[command(after_long_help = FILE_FORMS)]
pub struct Args {
    /// The address to listen on.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Keep the data in this directory; without it, it is gone when the process ends.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The stock and the customer accounts to begin with; loaded once, into empty tables. A sample is
    /// built in.
    #[arg(long, value_name = "FILE")]
    pub stock: Option<PathBuf>,
    /// Answer at most N requests in a second, and the others with 429; without it, all of them.
    #[arg(long, value_name = "N")]
    pub requests_per_second: Option<NonZeroU32>,
    /// Who may call the API, by API key. Three clients are built in, with the keys `shop-key`,
    /// `wholesale-key` and `operations-key`. A request without a key may do everything.
    #[arg(long, value_name = "FILE")]
    pub clients: Option<PathBuf>,
}

/// The clients of a stack that is given none.
const SAMPLE_CLIENTS: &str = include_str!("sample-clients.json");

const FILE_FORMS: &str = r#"The stock file:
  {"stock": [{"storeId": "main", "sku": "LAPTOP001", "onHand": 100}],
   "accounts": [{"customerId": "acme-wholesale", "creditLimit": 5000.00, "currency": "USD", "onHold": false}]}

The clients file, by API key; scopes are submit, read and operations, and without a customer_id it is for all customers:
  {"wholesale-key": {"tenant": "wholesale", "scopes": ["submit", "read"], "customer_id": "acme-wholesale"}}"#;

/// The API could not be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The stack could not be brought up.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The stock could not be loaded.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// The clients' file cannot be read.
    #[error("read the clients file {}", .path.display())]
    ClientsFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not of the right form.
    #[error("the clients file is not of the form that `order-saga serve --help` shows")]
    Clients(#[source] NotCallers),
    /// The address cannot be listened on.
    #[error("listen on {address}; choose another address with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The server failed.
    #[error("serve HTTP")]
    Http(#[source] io::Error),
}

/// Serves until Ctrl-C or SIGTERM; requests that are under way are answered first, unless that takes
/// too long or the signal comes again.
///
/// # Errors
/// [`ServeError`].
pub async fn run(args: Args) -> Result<(), ServeError> {
    // The files come first: one that is wrong leaves no data behind.
    let seed = match &args.stock {
        Some(path) => Seed::read(path)?,
        None => Seed::sample()?,
    };
    let callers = Arc::new(callers(args.clients.as_deref())?);
    let options = match &args.data {
        Some(dir) => Options::in_dir(dir)?,
        None => Options::in_memory()?,
    };
    let stack = Stack::open(options)?;
    seed.store(&aws_sdk_dynamodb::Client::new(&stack::config(&stack.services))).await?;
    let listener =
        TcpListener::bind(args.listen).await.map_err(|source| ServeError::Listen { address: args.listen, source })?;
    let address = listener.local_addr().unwrap_or(args.listen);
    let kept = args.data.map_or_else(|| "memory".to_owned(), |dir| dir.display().to_string());
    eprintln!("order-saga listens on http://{address} (data in {kept}; Ctrl-C stops it). Place an order:\n");
    eprintln!(
        "  curl -i http://{address}/orders -H 'content-type: application/json' -H 'idempotency-key: my-first' \\\n    \
         -d '{{\"customerId\":\"demo123\",\"items\":[{{\"productId\":\"LAPTOP001\",\"quantity\":1,\"price\":1299.99}}],\
         \"totalAmount\":1299.99}}'\n"
    );
    let background = schedule::spawn(&stack);
    let router = front::router(Front { stack, callers });
    let router = match args.requests_per_second {
        Some(requests_per_second) => rate::limited(router, requests_per_second),
        None => router,
    };
    let served = axum::serve(listener, router).with_graceful_shutdown(stop());
    tokio::select! {
        served = served => served.map_err(ServeError::Http)?,
        () = lose_patience() => eprintln!("a client has not finished its request, and is not waited for"),
    }
    background.abort();
    eprintln!("stopped");
    Ok(())
}

fn callers(path: Option<&Path>) -> Result<Callers, ServeError> {
    let text = match path {
        Some(path) => {
            &fs::read_to_string(path).map_err(|source| ServeError::ClientsFile { path: path.to_owned(), source })?
        }
        None => SAMPLE_CLIENTS,
    };
    text.parse().map_err(ServeError::Clients)
}

/// How long requests that are under way may take once the server is to stop: as long as API Gateway
/// waits for an answer.
const GRACE: Duration = Duration::from_secs(29);

/// Ends when whoever stops the server has waited long enough, or says so a second time: a client that
/// has sent half a request and then nothing would keep it for good.
async fn lose_patience() {
    stop().await;
    tokio::select! {
        () = tokio::time::sleep(GRACE) => {}
        () = stop() => {}
    }
}

/// Ends with Ctrl-C or, where there is one, SIGTERM.
async fn stop() {
    #[cfg(unix)]
    let terminate = async {
        match signal::unix::signal(signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<Option<()>>();
    tokio::select! {
        _ = signal::ctrl_c() => {}
        _ = terminate => {}
    }
}
