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
use authorize::Authorizer;
use authorize::settings::{SettingsError, TokenSettings};
use clock::WallClock;
use tokio::net::TcpListener;
use tokio::signal;

use local_explorer::live::LiveFaults;
use local_http::deployment::Deployment;
use local_http::front::{self, Front};
use local_http::rate;
use local_http::tokens::LocalIssuer;
use local_payments::LocalGateway;
use local_stack::seed::{Seed, SeedError};
use local_stack::{self as stack, Options, PaymentLayer, Payments, Stack, StackError, schedule};
use local_traces::Tracer;
use payments::{Capture, Gateway, Secret, Stripe};

use crate::otlp::Otlp;

/// Serve the order API on this machine, until Ctrl-C.
///
/// The console is at `/console`, the API's description at `/docs`. Recovery runs in the background.
#[derive(Debug, clap::Args)]
#[command(after_long_help = FILE_FORMS)]
pub struct Args {
    /// The address to listen on, as IP:PORT; port 0 takes a free port.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Keep the data in this directory. Without it, data is in memory and lost when the process ends.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The initial stock and customer accounts, as JSON; loaded once, into new tables. Without it, a
    /// built-in sample is loaded.
    #[arg(long, value_name = "FILE")]
    pub stock: Option<PathBuf>,
    /// Answer at most N requests per second, and reject the rest with 429. Without it, there is no limit.
    #[arg(long, value_name = "N")]
    pub requests_per_second: Option<NonZeroU32>,
    /// The clients that may call the API with a key, as JSON. Without it, there are three, with the API
    /// keys `shop-key`, `wholesale-key` and `operations-key`. A request without a key and without a token
    /// may do everything.
    #[arg(long, value_name = "FILE")]
    pub clients: Option<PathBuf>,
    /// Accept the tokens of another issuer, with these settings as JSON. Without it, the tokens of
    /// `order-saga token` are accepted.
    #[arg(long, value_name = "FILE")]
    pub tokens: Option<PathBuf>,
    /// When authorised payments are captured.
    #[arg(long, value_name = "WHEN", default_value = "confirmation")]
    pub payments: CapturedAt,
    /// Use Stripe's API at this address instead of the built-in payment provider, with the key in the environment
    /// variable `STRIPE_KEY`. Use a test key.
    #[arg(long, value_name = "URL")]
    pub stripe: Option<String>,
    /// Reject orders whose prices are not those of the price list, as `enforce_price_list` does on AWS.
    #[arg(long)]
    pub price_list: bool,
    /// Let the console's operations act on the deployment whose API is at this address. Enter its key in the console.
    #[arg(long, value_name = "URL")]
    pub api: Option<String>,
    /// Send a trace of each request to the OpenTelemetry collector at this address, such as `http://localhost:4318`, with
    /// OTLP over HTTP. The collector's headers are in the environment variable `OTEL_EXPORTER_OTLP_HEADERS`.
    #[arg(long, value_name = "URL")]
    pub otlp: Option<String>,
}

/// When authorised payments are captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum CapturedAt {
    /// Before the order is confirmed.
    Confirmation,
    /// When the goods are handed over.
    Fulfilment,
    /// Never: there is no payment provider, and orders with an authorised payment are rejected.
    None,
}

impl CapturedAt {
    fn setting(self) -> Option<Capture> {
        match self {
            Self::Confirmation => Some(Capture::Confirmation),
            Self::Fulfilment => Some(Capture::Fulfilment),
            Self::None => None,
        }
    }
}

/// The environment variable with Stripe's key. A command line can be seen by every user of the machine.
const STRIPE_KEY: &str = "STRIPE_KEY";

/// Stripe's API in place of the built-in payment provider.
#[derive(Debug)]
struct AtStripe(Stripe);

impl PaymentLayer for AtStripe {
    fn before(&self, _provider: LocalGateway) -> Arc<dyn Gateway> {
        Arc::new(self.0.clone())
    }
}

/// The clients of a stack that is started without `--clients`.
const SAMPLE_CLIENTS: &str = include_str!("sample-clients.json");

const FILE_FORMS: &str = r#"The stock file:
  {"stock": [{"storeId": "main", "sku": "LAPTOP001", "onHand": 100}],
   "accounts": [{"customerId": "acme-wholesale", "creditLimit": 5000.00, "currency": "USD", "onHold": false}]}

The clients file, by API key. Scopes are submit, read and operations; a client without customer_id may use any customer:
  {"wholesale-key": {"tenant": "wholesale", "scopes": ["submit", "read"], "customer_id": "acme-wholesale"}}

The tokens file names the issuer and the claims that count. Tokens without the customer's claim act for their whole tenant:
  {"issuer": "https://issuer.example.com", "jwks_url": "https://issuer.example.com/jwks.json",
   "audiences": ["orders"], "algorithms": ["RS256"],
   "claims": {"tenant": {"name": "tenant"}, "scopes": {"name": "scope", "prefix": "orders/"},
              "customer_id": {"name": "customer_id"}}}"#;

/// The API could not be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The stack could not be started.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The stock could not be loaded.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// The clients' or the tokens' file cannot be read.
    #[error("cannot read the {what} file {}", .path.display())]
    File {
        /// Which one.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The tokens' file is not valid.
    #[error("the tokens file does not have the format that `order-saga serve --help` shows")]
    Tokens(#[source] SettingsError),
    /// The clients' file has the wrong format.
    #[error("the clients file does not have the format that `order-saga serve --help` shows")]
    Clients(#[source] NotCallers),
    /// There is no key for Stripe.
    #[error("set {STRIPE_KEY} to the key for Stripe's API; use a test key")]
    NoStripeKey,
    /// Stripe's API cannot be used.
    #[error(transparent)]
    Stripe(#[from] payments::stripe::SetUpError),
    /// The deployment cannot be reached.
    #[error("cannot set TLS up for the deployment's API")]
    Api(#[source] reqwest::Error),
    /// Spans cannot be sent.
    #[error("cannot send spans to {url}")]
    Otlp {
        /// The collector's address.
        url: String,
        /// Why.
        source: opentelemetry_otlp::ExporterBuildError,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}; choose another address with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The server failed.
    #[error("the HTTP server failed")]
    Http(#[source] io::Error),
}

/// Serves until Ctrl-C or SIGTERM. Requests in flight are answered first, unless that takes too long or
/// the signal comes again.
///
/// # Errors
/// [`ServeError`].
pub async fn run(args: Args) -> Result<(), ServeError> {
    // The files are read first, so that a wrong one leaves no data behind.
    let seed = match &args.stock {
        Some(path) => Seed::read(path)?,
        None => Seed::sample()?,
    };
    let authorizer = Authorizer::new(callers(args.clients.as_deref())?, true);
    let tokens = args.tokens.as_deref().map(tokens).transpose()?;
    let layer = args.stripe.as_deref().map(stripe).transpose()?;
    let options = match &args.data {
        Some(dir) => Options::in_dir(dir)?,
        None => Options::in_memory()?,
    };
    let otlp = args.otlp.as_deref().map(collector).transpose()?;
    let faults = Arc::new(LiveFaults::default());
    let options = Options {
        payments: Payments { capture: args.payments.setting(), layer, ..options.payments },
        price_list: args.price_list,
        layers: vec![Arc::<LiveFaults>::clone(&faults)],
        invocations: Some(Arc::<LiveFaults>::clone(&faults)),
        tracer: otlp.as_ref().map(|otlp| Tracer::new(Arc::<Otlp>::clone(otlp))),
        ..options
    };
    let stack = Stack::open(options)?;
    faults.connect(stack.clone());
    seed.store(&aws_sdk_dynamodb::Client::new(&stack::config(&stack.services))).await?;
    let listener =
        TcpListener::bind(args.listen).await.map_err(|source| ServeError::Listen { address: args.listen, source })?;
    let address = listener.local_addr().unwrap_or(args.listen);
    let kept = args.data.map_or_else(|| "memory".to_owned(), |dir| dir.display().to_string());
    eprintln!("order-saga listens on http://{address} (data in {kept}; press Ctrl-C to stop)\n");
    eprintln!("Open the address in a browser to see the console, or place an order from here:\n");
    eprintln!(
        "  curl -i http://{address}/orders -H 'content-type: application/json' -H 'idempotency-key: my-first' \\\n    \
         -d '{{\"customerId\":\"demo123\",\"items\":[{{\"productId\":\"LAPTOP001\",\"quantity\":1,\"price\":1299.99}}],\
         \"totalAmount\":1299.99}}'\n"
    );
    let deployment = args.api.map(|url| Deployment::new(url.trim_end_matches('/').to_owned()));
    let deployment = deployment.transpose().map_err(ServeError::Api)?;
    let background = schedule::spawn(&stack);
    // Listening everywhere, it can be reached at the loopback address.
    let own = if address.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], address.port())) } else { address };
    let issuer = tokens.is_none().then(|| LocalIssuer::at(&format!("http://{own}")));
    let tokens = tokens.or_else(|| issuer.as_ref().map(LocalIssuer::settings));
    let authorizer = match tokens {
        Some(tokens) => authorizer.with_tokens(tokens).map_err(ServeError::Tokens)?,
        None => authorizer,
    };
    let authorizer = Arc::new(authorizer);
    let router = front::router(Front { stack, authorizer: Arc::clone(&authorizer), issuer, faults, deployment });
    let router = match args.requests_per_second {
        Some(requests_per_second) => rate::limited(router, requests_per_second),
        None => router,
    };
    // The keys may be this server's own, so they are read once it answers.
    tokio::spawn(async move { authorizer.warm_up(WallClock::System.now_ms()).await });
    let served = axum::serve(listener, router).with_graceful_shutdown(stop());
    tokio::select! {
        served = served => served.map_err(ServeError::Http)?,
        () = lose_patience() => eprintln!("stopping without waiting for a client that has not finished its request"),
    }
    background.abort();
    if let Some(otlp) = otlp {
        tokio::task::block_in_place(|| otlp.finish());
    }
    eprintln!("stopped");
    Ok(())
}

fn collector(url: &str) -> Result<Arc<Otlp>, ServeError> {
    Otlp::to(url).map_err(|source| ServeError::Otlp { url: url.to_owned(), source })
}

fn stripe(url: &str) -> Result<Arc<dyn PaymentLayer>, ServeError> {
    let key = std::env::var(STRIPE_KEY).map_err(|_| ServeError::NoStripeKey)?;
    Ok(Arc::new(AtStripe(Stripe::new(url.trim_end_matches('/'), Secret::given(key))?)))
}

fn callers(path: Option<&Path>) -> Result<Callers, ServeError> {
    let text = match path {
        Some(path) => &read("clients", path)?,
        None => SAMPLE_CLIENTS,
    };
    Callers::by_key(text).map_err(ServeError::Clients)
}

fn tokens(path: &Path) -> Result<TokenSettings, ServeError> {
    TokenSettings::read(&read("tokens", path)?).map_err(ServeError::Tokens)
}

fn read(what: &'static str, path: &Path) -> Result<String, ServeError> {
    fs::read_to_string(path).map_err(|source| ServeError::File { what, path: path.to_owned(), source })
}

/// How long requests in flight may take once the server stops: as long as API Gateway waits for an answer.
const GRACE: Duration = Duration::from_secs(29);

/// Ends [`GRACE`] after the signal to stop, or at a second signal. A client that sends half a request and
/// then nothing would otherwise keep the server running forever.
async fn lose_patience() {
    stop().await;
    tokio::select! {
        () = tokio::time::sleep(GRACE) => {}
        () = stop() => {}
    }
}

/// Ends at Ctrl-C or, on Unix, SIGTERM.
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
