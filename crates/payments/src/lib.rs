//! The payments table, and the gateway to the payment provider.
//!
//! | module | knows |
//! |---|---|
//! | [`table`] | the items and their keys |
//! | [`desk`] | what a function other than the step asks about a payment |
//! | [`gateway`] | what the provider can be asked for, and how it fails |
//! | [`lapsing`] | the payments that lapse before long |
//! | [`stripe`] | Stripe's REST API |
//! | [`secret`] | the provider's key, in Secrets Manager |
//! | [`settings`] | whether there is a provider, and when payments are captured |
//!
//! The step captures and refunds: `functions/capture-payment`.

pub mod desk;
pub mod gateway;
pub mod lapsing;
pub mod secret;
pub mod settings;
pub mod stripe;
pub mod table;

pub use desk::{Desk, HandOver, Replaced};
pub use gateway::{Answer, Gateway, GatewayError, Payment, PaymentStatus};
pub use lapsing::Lapsing;
pub use secret::Secret;
pub use settings::Capture;
pub use stripe::Stripe;
pub use table::{PaymentEffect, PaymentTerms, claim_key, fence_key};
