//! Stripe's REST API: four calls on payment intents.
//!
//! <https://docs.stripe.com/api/payment_intents>, <https://docs.stripe.com/api/refunds/create>

use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_types::SdkConfig;
use declarations::secret_variable;
use order::{EpochMs, PaymentReference};
use reqwest::{Method, RequestBuilder, StatusCode, redirect};
use saga::aws::{MissingSetting, setting};
use serde::Deserialize;

use crate::gateway::{Answer, Gateway, GatewayError, Payment, PaymentStatus};
use crate::secret::{SECRET, Secret};

/// Where Stripe is.
const STRIPE_URL: &str = "https://api.stripe.com";

/// The environment variable with another address, for tests.
const URL_VARIABLE: &str = "PAYMENT_GATEWAY_URL";

/// The version of the API that this code was written for. <https://docs.stripe.com/api/versioning>
const VERSION: &str = "2024-06-20";

/// The time limit of a read. Stripe answers reads within some 200 ms.
const READ_TIMEOUT: Duration = Duration::from_millis(1200);

/// The time limit of any other call, which asks the card's bank. With a read before it, and the fence's requests around
/// it, it fits in a task's 5 s. A call that takes longer is not lost: the next try reads what it did.
const CALL_TIMEOUT: Duration = Duration::from_millis(2200);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How the ids of payment intents begin.
const PREFIX: &str = "pi_";

/// How long Stripe keeps an authorisation, if it does not say so.
/// <https://docs.stripe.com/payments/place-a-hold-on-a-payment-method>
const AUTHORISED_SECONDS: i64 = 7 * 24 * 60 * 60;

/// Final error codes: in its current state, the payment cannot be captured, cancelled or refunded.
/// <https://docs.stripe.com/error-codes>
const FINAL_CODES: [&str; 9] = [
    "balance_insufficient",
    "capture_charge_authorization_expired",
    "capture_unauthorized_payment",
    "charge_already_captured",
    "charge_already_refunded",
    "charge_disputed",
    "charge_expired_for_capture",
    "charge_not_refundable",
    "payment_intent_unexpected_state",
];

/// The largest part of an answer that an error repeats.
const MAX_CODE_CHARS: usize = 80;

/// The API, with its connections and its key.
#[derive(Debug, Clone)]
pub struct Stripe {
    http: reqwest::Client,
    base: String,
    secret: Secret,
}

/// The API cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    /// The HTTP client could not be made.
    #[error("cannot set up TLS for the payment provider")]
    Tls(#[from] reqwest::Error),
    /// The deployment does not say where the key is.
    #[error(transparent)]
    Secret(#[from] MissingSetting),
}

impl Stripe {
    /// The API at `base`.
    ///
    /// # Errors
    /// [`SetUpError`].
    pub fn new(base: impl Into<String>, secret: Secret) -> Result<Self, SetUpError> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            // A redirect or a proxy would take the key elsewhere.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self { http, base: base.into(), secret })
    }

    /// The API as this process's environment says, with the key in Secrets Manager.
    ///
    /// # Errors
    /// [`SetUpError`].
    pub fn from_environment(config: &SdkConfig) -> Result<Self, SetUpError> {
        let secret = Secret::new(Client::new(config), setting(&secret_variable(SECRET))?);
        Self::new(setting(URL_VARIABLE).unwrap_or_else(|_| STRIPE_URL.to_owned()), secret)
    }

    /// Reads the key and opens a connection during init. A failure here is harmless: the first order's call reports it.
    pub async fn warm_up(&self) {
        let connect = self.http.head(&self.base).timeout(READ_TIMEOUT).send();
        let (key, connected) = tokio::join!(self.secret.key(), connect);
        if let Some(reason) =
            key.err().map(|error| error.to_string()).or(connected.err().map(|error| error.to_string()))
        {
            tracing::warn!(reason, "could not reach the payment provider during init; the first payment will");
        }
    }

    /// Sends a request and reads its answer. `None` if there is no such object.
    async fn send<T: for<'de> Deserialize<'de>>(&self, request: RequestBuilder) -> Result<Option<T>, GatewayError> {
        let key = self.secret.key().await?;
        let request = request.bearer_auth(key.reveal()).header("stripe-version", VERSION);
        let answer = request.send().await.map_err(unanswered)?;
        let status = answer.status();
        if status.is_success() {
            return answer.json().await.map(Some).map_err(unanswered);
        }
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if status == StatusCode::UNAUTHORIZED {
            self.secret.forget(&key).await;
        }
        let error = answer.json::<Failure>().await.map(|failure| failure.error).unwrap_or_default();
        let failure = error.classify(status);
        if !matches!(failure, GatewayError::Declined(_) | GatewayError::Rejected(_)) {
            tracing::warn!(%status, reason = %failure, "the payment provider failed; the payment is read before the next try");
        }
        Err(failure)
    }

    fn post(&self, path: &str, key: &str) -> RequestBuilder {
        let request = self.http.request(Method::POST, format!("{}{path}", self.base)).timeout(CALL_TIMEOUT);
        // https://docs.stripe.com/api/idempotent_requests
        request.header("idempotency-key", key)
    }
}

/// The path of a payment, or of a call on it. A reference is letters, digits and underscores, so it needs no escaping.
fn path(id: &PaymentReference, call: &str) -> String {
    format!("/v1/payment_intents/{id}{call}")
}

fn missing(id: &PaymentReference) -> GatewayError {
    GatewayError::Rejected(format!("there is no payment {id}"))
}

impl Gateway for Stripe {
    fn payment<'a>(&'a self, id: &'a PaymentReference) -> Answer<'a, Option<Payment>> {
        Box::pin(async move {
            // Another reference could name another resource of Stripe's, such as its search.
            if !id.as_str().starts_with(PREFIX) {
                return Ok(None);
            }
            let (name, value) = EXPAND;
            let url = format!("{}{}?{name}={value}", self.base, path(id, ""));
            let intent: Option<Intent> = self.send(self.http.get(url).timeout(READ_TIMEOUT)).await?;
            Ok(intent.map(Payment::from))
        })
    }

    fn capture<'a>(
        &'a self,
        id: &'a PaymentReference,
        amount_minor: i64,
        currency: &'a str,
        key: &'a str,
    ) -> Answer<'a, Payment> {
        Box::pin(async move {
            let amount = units(currency, amount_minor).to_string();
            let request = self.post(&path(id, "/capture"), key);
            let request = request.form(&[("amount_to_capture", amount.as_str()), EXPAND]);
            let intent: Option<Intent> = self.send(request).await?;
            intent.map(Payment::from).ok_or_else(|| missing(id))
        })
    }

    fn cancel<'a>(&'a self, id: &'a PaymentReference, key: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            let done: Option<serde::de::IgnoredAny> = self.send(self.post(&path(id, "/cancel"), key)).await?;
            done.map(drop).ok_or_else(|| missing(id))
        })
    }

    fn refund<'a>(&'a self, id: &'a PaymentReference, key: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            let request = self.post("/v1/refunds", key).form(&[("payment_intent", id.as_str())]);
            let done: Option<serde::de::IgnoredAny> = self.send(request).await?;
            done.map(drop).ok_or_else(|| missing(id))
        })
    }
}

/// The refunds of a payment are in its charge. <https://docs.stripe.com/expand>
const EXPAND: (&str, &str) = ("expand[]", "latest_charge");

#[derive(Deserialize)]
struct Intent {
    status: String,
    amount: i64,
    currency: String,
    /// When it was created, in epoch seconds.
    created: Option<i64>,
    /// How much was captured. A payment that succeeded without saying so was captured in full.
    amount_received: Option<i64>,
    latest_charge: Option<Charge>,
}

#[derive(Deserialize)]
struct Charge {
    #[serde(default)]
    amount_refunded: i64,
    #[serde(default)]
    payment_method_details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    card: Option<Card>,
}

#[derive(Deserialize)]
struct Card {
    /// In epoch seconds.
    capture_before: Option<i64>,
}

impl From<Intent> for Payment {
    fn from(intent: Intent) -> Self {
        let currency = intent.currency.to_uppercase();
        let status = match intent.status.as_str() {
            "requires_capture" => PaymentStatus::RequiresCapture,
            "succeeded" => PaymentStatus::Succeeded,
            "canceled" => PaymentStatus::Canceled,
            _ => PaymentStatus::NotAuthorized,
        };
        let captured = match status {
            PaymentStatus::Succeeded => intent.amount_received.unwrap_or(intent.amount),
            _ => 0,
        };
        let charge = intent.latest_charge.as_ref();
        let card = charge.and_then(|charge| charge.payment_method_details.as_ref()?.card.as_ref());
        // A cancelled authorisation counts as refunded at Stripe, although nothing was captured.
        let refunded = charge.filter(|_| captured > 0).map_or(0, |charge| charge.amount_refunded);
        let capture_before = card.and_then(|card| card.capture_before);
        let capture_before = capture_before.or(intent.created.map(|created| created + AUTHORISED_SECONDS));
        Self {
            status,
            amount_minor: minor(&currency, intent.amount),
            captured_minor: minor(&currency, captured),
            refunded_minor: minor(&currency, refunded),
            currency,
            capture_before_ms: capture_before.map(|seconds| -> EpochMs { seconds * 1000 }),
        }
    }
}

/// An amount in minor units as Stripe counts it. Two currencies without decimals have two at Stripe, and one with two has
/// none: <https://docs.stripe.com/currencies#special-cases>, <https://docs.stripe.com/currencies#zero-decimal>
fn units(currency: &str, amount_minor: i64) -> i64 {
    match currency {
        "ISK" | "UGX" => amount_minor * 100,
        "MGA" => amount_minor / 100,
        _ => amount_minor,
    }
}

/// An amount as Stripe counts it in minor units. Saturates, so that an absurd amount fits no order.
fn minor(currency: &str, units: i64) -> i64 {
    match currency {
        "ISK" | "UGX" => units / 100,
        "MGA" => units.saturating_mul(100),
        _ => units,
    }
}

#[derive(Deserialize)]
struct Failure {
    error: Error,
}

/// An error as Stripe describes it. <https://docs.stripe.com/api/errors>
#[derive(Default, Deserialize)]
struct Error {
    code: Option<String>,
    decline_code: Option<String>,
    r#type: Option<String>,
}

impl Error {
    /// What an error answer says about the call. An error that is our own fault, such as a key without the permission,
    /// must not refuse an order, so it is final only if it is known to be about the payment.
    fn classify(&self, status: StatusCode) -> GatewayError {
        let text = self.text(status);
        let is = |name: &str| self.r#type.as_deref() == Some(name);
        match status {
            StatusCode::PAYMENT_REQUIRED => GatewayError::Declined(text),
            _ if is("card_error") => GatewayError::Declined(text),
            // Another call with this key is being worked on, or the object is locked by another call.
            StatusCode::CONFLICT => GatewayError::Unanswered(text),
            // The key was used for a call with other parameters, so this one needs another key.
            _ if is("idempotency_error") => GatewayError::Failed(text),
            _ if status.is_client_error() => match &self.code {
                Some(code) if FINAL_CODES.contains(&code.as_str()) => GatewayError::Rejected(text),
                _ => GatewayError::NotBegun(text),
            },
            _ => GatewayError::Failed(text),
        }
    }

    /// The names of the error, which hold no data of the customer's; its message may.
    fn text(&self, status: StatusCode) -> String {
        let names = [&self.code, &self.decline_code, &self.r#type].into_iter().flatten();
        let text = names.fold(format!("HTTP {}", status.as_u16()), |text, name| format!("{text} {name}"));
        text.chars().take(MAX_CODE_CHARS).collect()
    }
}

/// Without the address, which names the payment.
fn unanswered(error: reqwest::Error) -> GatewayError {
    GatewayError::Unanswered(saga::task::chain(&error.without_url()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payment(json: &str) -> Payment {
        serde_json::from_str::<Intent>(json).unwrap().into()
    }

    #[test]
    fn an_intent_is_read_with_its_charge() {
        let read = payment(
            r#"{"id":"pi_1","status":"succeeded","amount":1200,"currency":"usd","amount_received":1200,
            "latest_charge":{"amount_refunded":1200,"payment_method_details":{"card":{"capture_before":1760000000}}}}"#,
        );
        assert_eq!((read.status, read.captured_minor, read.refunded_minor), (PaymentStatus::Succeeded, 1200, 1200));
        assert_eq!((read.currency.as_str(), read.capture_before_ms), ("USD", Some(1_760_000_000_000)));
    }

    #[test]
    fn a_cancelled_authorisation_was_neither_captured_nor_refunded() {
        let read = payment(
            r#"{"status":"canceled","amount":1200,"currency":"usd","amount_received":0,
            "latest_charge":{"amount_refunded":1200}}"#,
        );
        assert_eq!((read.status, read.captured_minor, read.refunded_minor), (PaymentStatus::Canceled, 0, 0));
    }

    #[test]
    fn some_currencies_have_other_decimals_at_stripe() {
        let amount = |json| payment(json).amount_minor;
        assert_eq!(amount(r#"{"status":"processing","amount":50000,"currency":"isk","latest_charge":null}"#), 500);
        assert_eq!(amount(r#"{"status":"processing","amount":5,"currency":"jpy","latest_charge":null}"#), 5);
        assert_eq!(amount(r#"{"status":"processing","amount":5,"currency":"mga","latest_charge":null}"#), 500);
        for currency in ["USD", "ISK", "MGA", "KWD"] {
            assert_eq!(minor(currency, units(currency, 1_200)), 1_200, "{currency}");
        }
    }

    #[test]
    fn an_authorisation_without_an_end_lapses_seven_days_after_it_was_made() {
        let read = payment(r#"{"status":"requires_capture","amount":5,"currency":"usd","created":1760000000}"#);
        assert_eq!(read.capture_before_ms, Some((1_760_000_000 + AUTHORISED_SECONDS) * 1000));
    }
}
