//! The `authorize` Lambda function.

use api::Callers;
use authorize::settings::{OPERATIONS_KEYS, TOKENS, TokenSettings, operations_keys};
use authorize::{Authorizer, answer};
use aws_lambda_events::apigw::ApiGatewayCustomAuthorizerRequestTypeRequest;
use clock::WallClock;
use declarations::{CALLERS_VARIABLE, setting_variable};
use lambda_runtime::{LambdaEvent, Runtime, service_fn};
use metrics::Metric;
use saga::aws::setting;
use tracing::Instrument;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    logging::init(env!("CARGO_PKG_NAME"));
    let callers: Callers = setting(CALLERS_VARIABLE)?.parse()?;
    let operations_keys = operations_keys(&setting(&setting_variable(OPERATIONS_KEYS))?)?;
    let authorizer = Authorizer::new(callers, operations_keys);
    // Without the setting, the API takes keys only.
    let authorizer = match setting(&setting_variable(TOKENS)) {
        Ok(tokens) => authorizer.with_tokens(TokenSettings::read(&tokens)?)?,
        Err(_) => authorizer,
    };
    authorizer.warm_up(WallClock::System.now_ms()).await;
    metrics::emit(&[(Metric::ColdStarts, 1)], WallClock::System.now_ms());
    let authorizer = &authorizer;
    let serving = service_fn(move |event: LambdaEvent<ApiGatewayCustomAuthorizerRequestTypeRequest>| {
        let invocation = logging::invocation(&event.context);
        let answered = async move { answer::answer(authorizer, &event.payload, WallClock::System.now_ms()).await };
        answered.instrument(invocation)
    });
    Runtime::new(serving).run().await
}
