//! The order API over HTTP on this machine, as API Gateway is to a deployment.
//!
//! | module | knows |
//! |---|---|
//! | [`front`] | the declared routes over HTTP, and the stack's own paths |
//! | [`docs`] | the API's description, as data and as a page |
//! | [`rate`] | the rate limit of a stack that has one |

pub mod docs;
pub mod front;
pub mod rate;
