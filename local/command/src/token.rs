//! `order-saga token`.

use anstream::println;
use local_http::tokens::{DEFAULT_EXPIRY_S, DEFAULT_TENANT};
use reqwest::StatusCode;
use serde_json::{Value, json};

/// Print a token for the API of a running `order-saga serve`, which signs it.
///
/// Send it as `Authorization: Bearer TOKEN`. It is valid until it expires or the server ends.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What the token allows: submit, read or operations. Can be given several times.
    #[arg(long, value_name = "SCOPE", required = true)]
    pub scope: Vec<String>,
    /// The one customer that it is for. Without it, it is for all customers of the tenant.
    #[arg(long, value_name = "ID")]
    pub customer: Option<String>,
    /// The tenant that it is for.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_TENANT)]
    pub tenant: String,
    /// How long it is valid.
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_EXPIRY_S)]
    pub expires_in: u32,
    /// The address of the running server.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub server: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// There is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The server did not answer.
    #[error("no answer from {server}; is `order-saga serve` running there?")]
    NoAnswer {
        /// Its address.
        server: String,
        /// Why.
        source: reqwest::Error,
    },
    /// The server refused.
    #[error("the server signs no such token: {0}")]
    Refused(String),
}

/// Prints the token.
///
/// # Errors
/// [`TokenError`].
pub async fn run(args: &Args) -> Result<(), TokenError> {
    let mut request = json!({ "tenant": args.tenant, "scopes": args.scope, "expiresInSeconds": args.expires_in });
    if let Some(customer) = &args.customer {
        request["customerId"] = customer.as_str().into();
    }
    let no_answer = |source| TokenError::NoAnswer { server: args.server.clone(), source };
    let url = format!("{}/_local/token", args.server.trim_end_matches('/'));
    let http = reqwest::Client::builder().no_proxy().build().map_err(no_answer)?;
    let answer = http.post(url).json(&request).send().await.map_err(no_answer)?;
    let status = answer.status();
    let body: Value = answer.json().await.map_err(no_answer)?;
    match body["token"].as_str().filter(|_| status == StatusCode::CREATED) {
        Some(_) if args.json => println!("{body}"),
        Some(token) => println!("{token}"),
        None => return Err(TokenError::Refused(reason(&body))),
    }
    Ok(())
}

/// What a problem document says, with each rule that was broken.
fn reason(problem: &Value) -> String {
    let errors = problem["errors"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let broken: Vec<String> =
        errors.map(|error| format!("{} {}", text(&error["pointer"]), text(&error["detail"]))).collect();
    if broken.is_empty() {
        format!("{} {}", text(&problem["title"]), text(&problem["detail"]))
    } else {
        broken.join("; ")
    }
}
