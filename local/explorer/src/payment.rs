//! Faults of the payment provider.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use local_payments::LocalGateway;
use local_stack::PaymentLayer;
use order::{EpochMs, PaymentReference};
use payments::{Answer, Gateway, GatewayError, Payment};

use super::fault::{AT_THE_END, FaultKind, Point};
use super::world::World;

/// After how long a caller gives up, as the client of the real provider does.
const TIMEOUT: Duration = Duration::from_millis(2200);

/// How long the provider replays an error under its key.
const REPLAYED_MS: EpochMs = 24 * 60 * 60 * 1000;

/// The layer in front of the payment provider that injects the faults.
#[derive(Debug)]
pub struct PaymentFaults {
    /// The world.
    pub world: Arc<World>,
}

impl PaymentLayer for PaymentFaults {
    fn before(&self, provider: LocalGateway) -> Arc<dyn Gateway> {
        Arc::new(Provider { world: Arc::clone(&self.world), provider, keys: Mutex::default() })
    }
}

/// The provider with its faults.
#[derive(Debug)]
struct Provider {
    world: Arc<World>,
    provider: LocalGateway,
    keys: Mutex<Keys>,
}

/// What the provider does with keys.
#[derive(Debug, Default)]
struct Keys {
    /// Until when each of these is answered with the same error.
    failing: BTreeMap<String, (GatewayError, EpochMs)>,
    /// Those that it has forgotten.
    forgotten: BTreeSet<String>,
}

/// A call that is not a read.
#[derive(Debug, Clone)]
enum Call {
    Capture { amount_minor: i64, currency: String },
    Cancel,
    Refund,
}

impl Call {
    fn name(&self) -> &'static str {
        match self {
            Self::Capture { .. } => "capture",
            Self::Cancel => "cancel",
            Self::Refund => "refund",
        }
    }

    /// Only a capture returns the payment.
    async fn apply(
        &self,
        to: &LocalGateway,
        id: &PaymentReference,
        key: &str,
    ) -> Result<Option<Payment>, GatewayError> {
        match self {
            Self::Capture { amount_minor, currency } => to.capture(id, *amount_minor, currency, key).await.map(Some),
            Self::Cancel => to.cancel(id, key).await.map(|()| None),
            Self::Refund => to.refund(id, key).await.map(|()| None),
        }
    }
}

impl Provider {
    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails, and will do so again under the same key.
    fn repeated<T>(&self, key: &str, error: GatewayError) -> Result<T, GatewayError> {
        self.keys().failing.insert(key.to_owned(), (error.clone(), self.world.now_ms() + REPLAYED_MS));
        Err(error)
    }

    async fn no_answer<T>(&self) -> Result<T, GatewayError> {
        tokio::time::sleep(TIMEOUT).await;
        Err(GatewayError::Unanswered("no answer in time".to_owned()))
    }

    async fn call(&self, id: &PaymentReference, call: Call, key: &str) -> Result<Option<Payment>, GatewayError> {
        let fault = self.world.arrive(Point::Payment { call: call.name() }).await;
        let failing = self.keys().failing.get(key).cloned();
        if let Some((error, until_ms)) = failing
            && self.world.now_ms() < until_ms
        {
            return Err(error);
        }
        // A key that was forgotten is a new one.
        let known = if self.keys().forgotten.contains(key) { format!("{key}-forgotten") } else { key.to_owned() };
        let apply = || call.apply(&self.provider, id, &known);
        let Some(fault) = fault else { return apply().await };
        match fault.kind {
            FaultKind::PaymentLost => self.no_answer().await,
            FaultKind::PaymentAnswerLost => {
                let _ = apply().await;
                self.no_answer().await
            }
            FaultKind::PaymentHung => {
                let (opened, done) = self.world.hold(fault.lands.unwrap_or(AT_THE_END));
                let (provider, id, call) = (self.provider.clone(), id.clone(), call.clone());
                tokio::spawn(async move {
                    let _ = opened.await;
                    let _ = call.apply(&provider, &id, &known).await;
                    let _ = done.send(());
                });
                self.no_answer().await
            }
            FaultKind::PaymentTwice => {
                let first = apply().await;
                let _ = apply().await;
                first
            }
            FaultKind::PaymentThrottled => Err(GatewayError::NotBegun("too many requests".to_owned())),
            FaultKind::PaymentFails | FaultKind::PaymentFailsAfter => {
                if fault.kind == FaultKind::PaymentFailsAfter {
                    let _ = apply().await;
                }
                self.repeated(key, failed())
            }
            FaultKind::PaymentForgotten => {
                let _ = apply().await;
                self.keys().forgotten.insert(key.to_owned());
                self.no_answer().await
            }
            FaultKind::PaymentDeclines => self.repeated(key, GatewayError::Declined("declined".to_owned())),
            _ => apply().await,
        }
    }
}

fn failed() -> GatewayError {
    GatewayError::Failed("internal error".to_owned())
}

impl Gateway for Provider {
    fn payment<'a>(&'a self, id: &'a PaymentReference) -> Answer<'a, Option<Payment>> {
        Box::pin(async move {
            match self.world.arrive(Point::Payment { call: "payment" }).await.map(|fault| fault.kind) {
                Some(FaultKind::PaymentLost) => self.no_answer().await,
                Some(FaultKind::PaymentThrottled) => Err(GatewayError::NotBegun("too many requests".to_owned())),
                Some(FaultKind::PaymentFails) => Err(failed()),
                _ => self.provider.payment(id).await,
            }
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
            let call = Call::Capture { amount_minor, currency: currency.to_owned() };
            let payment = self.call(id, call, key).await?;
            payment.ok_or_else(|| GatewayError::Unanswered("a capture returns the payment".to_owned()))
        })
    }

    fn cancel<'a>(&'a self, id: &'a PaymentReference, key: &'a str) -> Answer<'a, ()> {
        Box::pin(async move { self.call(id, Call::Cancel, key).await.map(drop) })
    }

    fn refund<'a>(&'a self, id: &'a PaymentReference, key: &'a str) -> Answer<'a, ()> {
        Box::pin(async move { self.call(id, Call::Refund, key).await.map(drop) })
    }
}
