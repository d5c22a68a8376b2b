//! Steps whose effect is in somebody else's service: a payment provider, a carrier, an ERP.
//!
//! Such a service takes part in no transaction of ours. It loses answers, answers late, forgets idempotency keys, and
//! replays errors under them. So its object is the truth about the effect, and the fence is the truth about what this
//! order may still do to it.
//!
//! ```text
//!          action: read, verify, claim        call, then read         compensation: cancel or refund, then read
//!   absent ─────────────────────────▶ INTENDED ─────────▶ APPLIED ──┬─▶ CANCELLING ─────────▶ CANCELLED
//!                                        └──────────────────────────┘   won before anything is taken back
//!   absent ──────────────────────────────────────────────────────────────────────────────────▶ CANCELLED
//!                                                            a tombstone: the remote side is left alone
//!                                                         APPLIED ─────▶ CONSUMED   (consumption)
//! ```
//!
//! 1. **Claim.** The action reads the remote object and verifies that it is meant for this order. One transaction then
//!    writes the fence, with everything that a compensation needs, and a claim on the object that never expires. A
//!    mismatch writes neither. A compensation touches only what its order has claimed: otherwise a second order that
//!    names the first one's payment would refund it.
//! 2. **Call.** The key of a call is made of the order, the action and a generation. After anything but a success, the
//!    object is read, and what is there is adopted. Only a read that shows no effect may advance the generation, by
//!    compare-and-set, and only after an error that the service may replay under the key. A call without an answer is
//!    repeated under its own key: it may still be on its way.
//! 3. **Refusal.** It ends the try and leaves `INTENDED`, because an earlier try may still land.
//! 4. **Compensation.** It wins `CANCELLING`, cancels or takes back, and writes `CANCELLED` only after a read shows that
//!    nothing is left and nothing can happen any more.
//!
//! **What the remote side must promise**, and no more: cancelling is final; what happened can be read, strongly
//! consistent; an effect and its cancellation exclude each other; a key, while the service remembers it, stands for one
//! call.
//!
//! | module | knows |
//! |---|---|
//! | [`step`] | what a step with a remote effect has to define |
//! | [`fence`] | the stored fence, the claim, and the writes that move them on |
//! | [`protocol`] | action, compensation and consumption |
//! | [`function`] | such a step as a Lambda function |

pub mod fence;
pub mod function;
pub mod protocol;
pub mod step;

pub use function::{ExternalFunction, Observe, Observed};
pub use protocol::External;
pub use step::{CallError, ExternalStep, Moment, Standing};
