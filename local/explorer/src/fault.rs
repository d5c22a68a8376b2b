//! What can go wrong, and where.

use std::fmt;
use std::str::FromStr;

use strum::{EnumString, IntoStaticStr, VariantArray};

use local_aws::Api;
use local_payments::Guard;

/// The number of a point, counted from 0 in the order in which a run reaches them.
pub type PointNumber = u32;

/// A place in a run where something can go wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Point {
    /// A state invokes its function.
    Invocation {
        /// The state.
        state: String,
        /// How many times it has tried before.
        attempt: u32,
    },
    /// A function calls DynamoDB.
    Store {
        /// The operation.
        operation: String,
        /// The table.
        table: String,
    },
    /// A function calls Step Functions or SQS.
    Service {
        /// The service.
        api: Api,
        /// The operation.
        operation: String,
    },
    /// The payment step calls the payment provider.
    Payment {
        /// The call: `payment`, which reads, `capture`, `cancel` or `refund`.
        call: &'static str,
    },
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invocation { state, attempt: 0 } => write!(f, "{state}"),
            Self::Invocation { state, attempt } => write!(f, "{state}, retry {attempt}"),
            Self::Store { operation, table } => write!(f, "{operation} on {table}"),
            Self::Service { api, operation } => write!(f, "{operation} of {api}"),
            Self::Payment { call } => write!(f, "{call} at the payment provider"),
        }
    }
}

/// What goes wrong at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr, EnumString, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum FaultKind {
    /// The invocation never reaches the function, and Step Functions reports it.
    NotDelivered,
    /// The function does its work, but its answer is lost.
    AnswerLost,
    /// The invocation hangs until its state has timed out, and lands at a later point.
    Hung,
    /// The function is invoked twice and answers once.
    DeliveredTwice,
    /// Lambda throttles the invocation.
    Throttled,
    /// The function runs out of memory before it does anything.
    CrashedBefore,
    /// The function runs out of memory after doing everything.
    CrashedAfter,
    /// [`Hung`](Self::Hung), and the state's next attempt hangs as well.
    HungTwice,
    /// [`CrashedBefore`](Self::CrashedBefore), and the state's next attempt does the same.
    CrashedTwiceBefore,
    /// [`CrashedAfter`](Self::CrashedAfter), and the state's next attempt does the same.
    CrashedTwiceAfter,
    /// The execution dies without running a Catch and leaves no trace.
    ExecutionDies,
    /// A second execution with the same input starts alongside the first.
    ExecutionTwice,
    /// Recovery restarts the order in the middle of its execution.
    RecoveryRuns,
    /// DynamoDB throttles the request.
    StoreThrottled,
    /// The request is applied, but its answer is lost.
    StoreAnswerLost,
    /// The item is part of another transaction.
    StoreConflict,
    /// The same transaction is in progress.
    StoreInProgress,
    /// The request is neither applied nor answered.
    StoreTimedOut,
    /// The transaction is cancelled: a conflict on its first item, failed conditions on the others.
    MixedFirst,
    /// The transaction is cancelled: a conflict on its last item, and no failure on the others.
    MixedLast,
    /// The table does not answer for a quarter of an hour.
    Outage,
    /// The table does not answer for six hours, which is longer than recovery tries to confirm the order.
    LongOutage,
    /// The call fails and is not applied.
    CallFailed,
    /// The call is applied, but its answer is lost.
    CallAnswerLost,
    /// The call to the payment provider is lost before it arrives.
    PaymentLost,
    /// The call to the payment provider has its effect, but its answer is lost.
    PaymentAnswerLost,
    /// The call to the payment provider gets no answer, and lands at a later point.
    PaymentHung,
    /// The call to the payment provider arrives twice.
    PaymentTwice,
    /// The payment provider throttles.
    PaymentThrottled,
    /// The payment provider fails without an effect, and replays the error under the call's key for a day.
    PaymentFails,
    /// The payment provider fails after the effect, and replays the error under the call's key for a day.
    PaymentFailsAfter,
    /// The call has its effect, its answer is lost, and the payment provider forgets its key.
    PaymentForgotten,
    /// The payment provider refuses this call, and repeats the refusal under the call's key for a day.
    PaymentDeclines,
    /// The customer cancels the order, and is answered before anything else happens.
    CustomerCancels,
    /// The customer cancels the order while everything else continues.
    CustomerCancelsBeside,
    /// Someone uses the key for another body, and is answered before anything else happens.
    OtherBody,
    /// Someone uses the key for another body while everything else continues.
    OtherBodyBeside,
}

impl FaultKind {
    /// Whether it is not a fault but the event that its kind of order is about.
    pub fn is_event(self) -> bool {
        matches!(self, Self::CustomerCancels | Self::CustomerCancelsBeside | Self::OtherBody | Self::OtherBodyBeside)
    }

    /// Whether it is a refusal: the order may then be cancelled, or parked until an operator retries it.
    pub fn is_refusal(self) -> bool {
        self == Self::PaymentDeclines
    }

    /// Whether an order must survive it: it says nothing about the order, and ends within the limits of
    /// retries and recovery.
    pub fn is_transient(self) -> bool {
        let is_unknown = self.is_unknown_failure() || self.each_time().is_some();
        let is_event = matches!(self, Self::CustomerCancels | Self::CustomerCancelsBeside);
        !is_unknown && !is_event && !self.is_refusal() && self != Self::LongOutage
    }

    /// Whether it is an unknown failure of an invocation. A state before the decision is retried once after
    /// it.
    pub fn is_unknown_failure(self) -> bool {
        matches!(self, Self::Hung | Self::CrashedBefore | Self::CrashedAfter)
    }

    /// For a fault that strikes twice: what happens to each of the two attempts. A state before the decision
    /// then has no attempts left.
    pub fn each_time(self) -> Option<Self> {
        match self {
            Self::HungTwice => Some(Self::Hung),
            Self::CrashedTwiceBefore => Some(Self::CrashedBefore),
            Self::CrashedTwiceAfter => Some(Self::CrashedAfter),
            _ => None,
        }
    }

    /// Whether the invocation is delayed, and lands at a point of the schedule.
    pub fn is_held_back(self) -> bool {
        matches!(self, Self::Hung | Self::HungTwice | Self::PaymentHung)
    }

    /// The faults that a point can have, apart from events.
    pub fn at(point: &Point, guard: Guard) -> Vec<Self> {
        match point {
            Point::Payment { call: "payment" } => vec![Self::PaymentLost, Self::PaymentThrottled, Self::PaymentFails],
            // A provider that looks at nothing but keys does a call again whose key it has forgotten, and one that lands late
            // under a new generation. So these faults are left out.
            Point::Payment { .. } if guard == Guard::Keys => vec![
                Self::PaymentLost,
                Self::PaymentAnswerLost,
                Self::PaymentTwice,
                Self::PaymentThrottled,
                Self::PaymentFails,
            ],
            Point::Payment { .. } => vec![
                Self::PaymentLost,
                Self::PaymentAnswerLost,
                Self::PaymentHung,
                Self::PaymentTwice,
                Self::PaymentThrottled,
                Self::PaymentFails,
                Self::PaymentFailsAfter,
                Self::PaymentForgotten,
                Self::PaymentDeclines,
            ],
            Point::Invocation { .. } => vec![
                Self::NotDelivered,
                Self::AnswerLost,
                Self::Hung,
                Self::DeliveredTwice,
                Self::Throttled,
                Self::CrashedBefore,
                Self::CrashedAfter,
                Self::HungTwice,
                Self::CrashedTwiceBefore,
                Self::CrashedTwiceAfter,
                Self::ExecutionDies,
                Self::ExecutionTwice,
                Self::RecoveryRuns,
            ],
            Point::Store { operation, .. } => {
                let mut faults = vec![Self::StoreThrottled, Self::StoreTimedOut, Self::Outage, Self::LongOutage];
                match operation.as_str() {
                    "PutItem" | "UpdateItem" => faults.extend([Self::StoreAnswerLost, Self::StoreConflict]),
                    "TransactWriteItems" => {
                        faults.extend([
                            Self::StoreAnswerLost,
                            Self::StoreInProgress,
                            Self::MixedFirst,
                            Self::MixedLast,
                        ]);
                    }
                    _ => {}
                }
                faults
            }
            Point::Service { .. } => vec![Self::CallFailed, Self::CallAnswerLost],
        }
    }
}

/// Where a hung invocation lands if not at a point: after everything else has come to rest.
pub const AT_THE_END: PointNumber = PointNumber::MAX;

/// A fault at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The point.
    pub point: PointNumber,
    /// What goes wrong.
    pub kind: FaultKind,
    /// Where a hung invocation lands.
    pub lands: Option<PointNumber>,
}

/// A text that is not the code of a fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a fault is written POINT:KIND, for example 3:store-throttled, or 5:hung@9, not {0}")]
pub struct NotAFault(String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind: &str = self.kind.into();
        write!(f, "{}:{kind}", self.point)?;
        match self.lands {
            None => Ok(()),
            Some(AT_THE_END) => write!(f, "@end"),
            Some(point) => write!(f, "@{point}"),
        }
    }
}

impl FromStr for Fault {
    type Err = NotAFault;

    fn from_str(text: &str) -> Result<Self, NotAFault> {
        let refused = || NotAFault(text.to_owned());
        let (point, what) = text.split_once(':').ok_or_else(refused)?;
        let (kind, lands) = what.split_once('@').map_or((what, None), |(kind, lands)| (kind, Some(lands)));
        let lands = match lands {
            None => None,
            Some("end") => Some(AT_THE_END),
            Some(point) => Some(point.parse().map_err(|_| refused())?),
        };
        let point = point.parse().map_err(|_| refused())?;
        let kind: FaultKind = kind.parse().map_err(|_| refused())?;
        if kind.is_held_back() == lands.is_some() { Ok(Self { point, kind, lands }) } else { Err(refused()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_reads_back_as_its_fault() {
        for code in ["0:call-failed", "5:hung@9", "5:hung@end", "12:mixed-first"] {
            assert_eq!(code.parse::<Fault>().unwrap().to_string(), code);
        }
        for wrong in ["", "5", "5:", "x:hung@3", "5:hung", "5:throttled@3", "5:nonsense"] {
            assert!(wrong.parse::<Fault>().is_err(), "{wrong}");
        }
    }
}
