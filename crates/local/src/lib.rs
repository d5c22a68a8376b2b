//! The local stack and the `order-saga` command: the whole system in one process, with no AWS
//! account, no container and no second program.
//!
//! | module | knows |
//! |---|---|
//! | [`aws`] | DynamoDB and SQS in this process, reached by the real SDK clients |
//! | [`stack`] | the shipped definition and the shipped handlers, wired up |
//! | [`explore`] | every fault at every point of an order, on the shipped code |
//! | [`front`] | HTTP requests as API Gateway's events |
//! | [`docs`] | the API's description, as data and as a page |
//! | [`seed`] | the stock and accounts that a new stack begins with |
//! | [`policy`] | what the saga's definition is held to |
//! | [`rate`] | the rate limit of a stack that has one |
//! | [`audit`] | the invariants, checked on the tables themselves |
//! | [`trace`] | an execution's history as the console would draw it |
//! | [`command`] | the subcommands of `order-saga` |

pub mod audit;
pub mod aws;
pub mod command;
pub mod docs;
pub mod explore;
pub mod front;
pub mod policy;
pub mod rate;
pub mod seed;
pub mod stack;
pub mod trace;
