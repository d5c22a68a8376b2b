//! The rate limit, which stands in for API Gateway's throttling.

use std::num::NonZeroU32;
use std::sync::Arc;

use api::{Kind, Problem};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::front::respond;
use crate::{console, docs};

/// The paths for anyone who operates the stack.
const OPERATION: &str = "/_local/";

/// The paths of another deployment, which has limits of its own.
const DEPLOYMENT: &str = "/_api/";

/// Limits the API to so many requests per second, and rejects the excess with 429. As at a stage of API Gateway, the
/// requests of a whole second may come at once.
///
/// The stack's own paths are not limited: a deployment does not have them, and a page takes several requests.
pub fn limited(router: Router, requests_per_second: NonZeroU32) -> Router {
    let limiter = Arc::new(RateLimiter::direct(Quota::per_second(requests_per_second)));
    router.layer(middleware::from_fn_with_state(limiter, limit))
}

async fn limit(State(limiter): State<Arc<DefaultDirectRateLimiter>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if path.starts_with(OPERATION)
        || path.starts_with(DEPLOYMENT)
        || docs::has(path)
        || console::has(path)
        || limiter.check().is_ok()
    {
        next.run(request).await
    } else {
        respond(Problem::new(Kind::TooManyRequests).answer())
    }
}
