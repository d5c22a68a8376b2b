//! The order API over HTTP on this machine, as API Gateway is to a deployment.
//!
//! | module | knows |
//! |---|---|
//! | [`front`] | the declared routes, and the stack's own paths |
//! | [`console`] | the console's files |
//! | [`inspect`] | what the console reads: executions, records, faults |
//! | [`origin`] | which pages may call |
//! | [`deployment`] | another deployment, for the console's operations |
//! | [`docs`] | the API's description, and the page that shows it and tries it |
//! | [`payments`] | the checkout of the local payment provider |
//! | [`rate`] | the optional rate limit |
//! | [`tokens`] | the local token issuer |

pub mod console;
pub mod deployment;
pub mod docs;
pub mod front;
pub mod inspect;
pub mod origin;
pub mod payments;
pub mod rate;
pub mod tokens;
