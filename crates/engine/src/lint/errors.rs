//! The names by which an invocation fails without the function's naming an error of its own.

use crate::failure::TIMEOUT;

/// The errors by which Step Functions or Lambda say that they could not run the function, or did not
/// get its answer. They say nothing about the order: a saga retries them, and waits until they are
/// over. Some last until somebody corrects a deployment. Even that delays orders and cancels none.
///
/// Behind `Lambda.` are the errors of Lambda's Invoke call, see
/// <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>, "Errors". Left out are those that
/// the content of a request can cause: it would cause them again.
pub const TRANSIENT_LAMBDA_ERRORS: [&str; 45] = [
    // The service: Lambda is at fault or busy, or did not answer. Retry these, says
    // <https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html>, "Handling
    // transient Lambda service exceptions".
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
    // Quotas: the account's are used up.
    "Lambda.ServiceQuotaExceededException",
    // Permissions: the state machine's role may not invoke the function. AWS has been seen to say
    // `Lambda.AWSLambdaException` here; these are the names of the language and of the API.
    "States.Permissions",
    "Lambda.AccessDeniedException",
    // Deployment: the function or its version is missing, being changed, or not to be called so.
    // A zip without an executable `bootstrap` is one, too.
    "Runtime.InvalidEntrypoint",
    "Lambda.ResourceNotFoundException",
    "Lambda.ResourceConflictException",
    "Lambda.ResourceNotReadyException",
    "Lambda.NoPublishedVersionException",
    "Lambda.ModeNotSupportedException",
    // Recursion: Lambda stops what it takes for a loop of functions.
    "Lambda.RecursiveInvocationException",
    // Package: the code or its runtime cannot be loaded.
    "Lambda.InvalidRuntimeException",
    "Lambda.RuntimeAliasDeletedException",
    "Lambda.RuntimeVersionDeletedException",
    "Lambda.InvalidZipFileException",
    "Lambda.CodeArtifactUserPendingException",
    "Lambda.CodeArtifactUserFailedException",
    "Lambda.CodeArtifactUserDeletedException",
    // Snapshots: none to start from.
    "Lambda.SnapStartNotReadyException",
    "Lambda.SnapStartTimeoutException",
    "Lambda.SnapStartException",
    "Lambda.SnapStartRegenerationFailureException",
    // Keys: the environment variables cannot be decrypted.
    "Lambda.KMSAccessDeniedException",
    "Lambda.KMSDisabledException",
    "Lambda.KMSInvalidStateException",
    "Lambda.KMSNotFoundException",
    // Network: the function cannot join its VPC.
    "Lambda.EC2AccessDeniedException",
    "Lambda.EC2ThrottledException",
    "Lambda.EC2UnexpectedException",
    "Lambda.ENILimitReachedException",
    "Lambda.ENINotReadyException",
    "Lambda.InvalidSecurityGroupIDException",
    "Lambda.InvalidSubnetIDException",
    "Lambda.SubnetIPAddressLimitReachedException",
    // File systems: not mounted, or stuck.
    "Lambda.EFSIOException",
    "Lambda.EFSMountConnectivityException",
    "Lambda.EFSMountFailureException",
    "Lambda.EFSMountTimeoutException",
    "Lambda.S3FilesMountConnectivityException",
    "Lambda.S3FilesMountFailureException",
    "Lambda.S3FilesMountTimeoutException",
];

/// What is said of a function that crashed, took too long or does not start. It does not say what the
/// function did, so nobody knows.
///
/// See <https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html>, "Handling
/// transient Lambda service exceptions", and
/// <https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html>.
pub(super) const UNKNOWN_FAILURES: [&str; 5] =
    [TIMEOUT, "Lambda.Unknown", "Runtime.ExitError", "Runtime.Unknown", "Sandbox.Timedout"];

/// The errors of Lambda's Invoke call that a request causes itself.
pub(super) const REQUEST_ERRORS: [&str; 6] = [
    "Lambda.DurableExecutionAlreadyStartedException",
    "Lambda.InvalidParameterValueException",
    "Lambda.InvalidRequestContentException",
    "Lambda.RequestTooLargeException",
    "Lambda.SerializedRequestEntityTooLargeException",
    "Lambda.UnsupportedMediaTypeException",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_error_is_of_one_kind() {
        let all = [&TRANSIENT_LAMBDA_ERRORS[..], &UNKNOWN_FAILURES, &REQUEST_ERRORS].concat();
        let names: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(names.len(), all.len());
    }

    /// What the content of a request causes would come again, and what crashed may have run.
    #[test]
    fn what_an_order_can_cause_and_what_may_have_run_is_not_transient() {
        for error in TRANSIENT_LAMBDA_ERRORS {
            let is_of_function = ["Runtime.ExitError", "Runtime.Unknown", "Sandbox.Timedout"].contains(&error);
            assert!(!is_of_function && error != "States.Timeout" && error != "Lambda.Unknown", "{error}");
            let is_of_content = ["TooLarge", "MediaType", "RequestContent", "ParameterValue"];
            assert!(is_of_content.iter().all(|words| !error.contains(words)), "{error}");
        }
    }
}
