//! What a fault does to an invocation.

use std::fmt;

use engine::TaskError;
use local_aws::BoxFuture;
use local_stack::functions::{Invoked, lambda_error};
use local_stack::lambda::{Functions, Invocation};

use super::fault::FaultKind;

/// What the faults of an invocation need from outside.
pub trait Surroundings: fmt::Debug + Send + Sync {
    /// Runs a hung invocation when it is to land.
    fn hold<'a>(&'a self, landing: BoxFuture<'a, Invoked>) -> BoxFuture<'a, Invoked>;
    /// Kills an execution.
    fn kill(&self, execution_arn: &str);
    /// Starts an execution a second time.
    fn start_beside(&self, execution_arn: &str);
}

/// Runs an invocation that this fault strikes.
pub async fn strike(
    kind: FaultKind,
    invocation: Invocation,
    functions: &Functions,
    surroundings: &dyn Surroundings,
) -> Invoked {
    let Invocation { function, payload, execution, .. } = invocation;
    match kind {
        FaultKind::NotDelivered => Err(TaskError::new("Lambda.ServiceException", "not delivered")),
        FaultKind::Throttled => Err(TaskError::new("Lambda.TooManyRequestsException", "throttled")),
        FaultKind::CrashedBefore => Err(out_of_memory()),
        FaultKind::CrashedAfter => {
            let _ = functions.invoke(&function, payload).await;
            Err(out_of_memory())
        }
        FaultKind::AnswerLost => {
            let _ = functions.invoke(&function, payload).await;
            Err(TaskError::new("Lambda.ClientExecutionTimeoutException", "the answer was lost"))
        }
        FaultKind::DeliveredTwice => {
            let first = functions.invoke(&function, payload.clone()).await;
            let _ = functions.invoke(&function, payload).await;
            first
        }
        FaultKind::Hung => surroundings.hold(Box::pin(functions.invoke(&function, payload))).await,
        FaultKind::ExecutionDies => {
            surroundings.kill(&execution);
            std::future::pending().await
        }
        FaultKind::ExecutionTwice => {
            surroundings.start_beside(&execution);
            functions.invoke(&function, payload).await
        }
        _ => functions.invoke(&function, payload).await,
    }
}

fn out_of_memory() -> TaskError {
    let cause = "The cause could not be determined because Lambda did not return an error type.";
    TaskError { error: "Lambda.Unknown".to_owned(), ..lambda_error("Lambda.Unknown", cause) }
}
