//! The error names of invocations that fail without an error of the function itself.

use crate::failure::TIMEOUT;

/// The errors of Step Functions or Lambda when they could not run the function or did not get its answer.
/// They say nothing about the order, so a saga retries them and waits until they are over. Some last until
/// somebody fixes a deployment. Even those delay orders and cancel none.
///
/// After `Lambda.` come the errors of Lambda's Invoke call, see
/// <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>, "Errors". Those that the content of a
/// request can cause are left out, because a retry would cause them again.
pub const TRANSIENT_LAMBDA_ERRORS: [&str; 45] = [
    // The service: Lambda is at fault or busy, or did not answer. Retry these, says
    // <https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html>, "Handling
    // transient Lambda service exceptions".
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
    // Quotas: the account has used them up.
    "Lambda.ServiceQuotaExceededException",
    // Permissions: the state machine's role may not invoke the function. AWS has been seen to report
    // `Lambda.AWSLambdaException` here; these are the names of the language and of the API.
    "States.Permissions",
    "Lambda.AccessDeniedException",
    // Deployment: the function or its version is missing, being changed, or cannot be called this way.
    // A zip without an executable `bootstrap` belongs here too.
    "Runtime.InvalidEntrypoint",
    "Lambda.ResourceNotFoundException",
    "Lambda.ResourceConflictException",
    "Lambda.ResourceNotReadyException",
    "Lambda.NoPublishedVersionException",
    "Lambda.ModeNotSupportedException",
    // Recursion: Lambda stops what looks like a loop of functions.
    "Lambda.RecursiveInvocationException",
    // Package: the code or its runtime cannot be loaded.
    "Lambda.InvalidRuntimeException",
    "Lambda.RuntimeAliasDeletedException",
    "Lambda.RuntimeVersionDeletedException",
    "Lambda.InvalidZipFileException",
    "Lambda.CodeArtifactUserPendingException",
    "Lambda.CodeArtifactUserFailedException",
    "Lambda.CodeArtifactUserDeletedException",
    // Snapshots: there is none to start from.
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

/// The errors of a function that crashed, took too long or does not start. They do not say what the
/// function did, so nobody knows.
///
/// See <https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html>, "Handling
/// transient Lambda service exceptions", and
/// <https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html>.
pub(super) const UNKNOWN_FAILURES: [&str; 5] =
    [TIMEOUT, "Lambda.Unknown", "Runtime.ExitError", "Runtime.Unknown", "Sandbox.Timedout"];

/// The errors of Lambda's Invoke call that the request itself causes.
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

    /// An error that a request's content causes would recur, and a function that crashed may have run.
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
