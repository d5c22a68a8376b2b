//! The rate limit: what API Gateway's throttling is to a deployment.

use std::num::NonZeroU32;
use std::sync::Arc;

use api::{Kind, Problem};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::front::respond;

/// Where whoever runs the stack looks after it; never held up.
const OWN_PATHS: &str = "/_local/";

/// The same router, which answers at most so many requests in a second, and the others with 429. As
/// at a stage of API Gateway, a burst may take all of a second's requests at once.
pub fn limited(router: Router, requests_per_second: NonZeroU32) -> Router {
    let limiter = Arc::new(RateLimiter::direct(Quota::per_second(requests_per_second)));
    router.layer(middleware::from_fn_with_state(limiter, limit))
}

async fn limit(State(limiter): State<Arc<DefaultDirectRateLimiter>>, request: Request, next: Next) -> Response {
    if request.uri().path().starts_with(OWN_PATHS) || limiter.check().is_ok() {
        next.run(request).await
    } else {
        respond(Problem::new(Kind::TooManyRequests).answer())
    }
}
