//! A step's whole `main`.

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use clock::WallClock;
use declarations::{Step as Declaration, table_variable};

use crate::external::{ExternalFunction, ExternalStep, Observe};
use crate::function::StepFunction;
use crate::step::{Item, Step};
use crate::{aws, task};

/// Serves the step that the function `name` declares, until Lambda ends the process: reads the name of the
/// fences' table from the environment, opens the connection during init, and answers the state machine.
///
/// # Errors
/// A missing declaration or setting, and errors of the Lambda Runtime API.
pub async fn serve_step<S: Step>(
    name: &str,
    step: impl FnOnce(Client, String) -> S,
) -> Result<(), lambda_runtime::Error> {
    let Setting { declaration, client, table, .. } = Setting::of(name).await?;
    let step = step(client.clone(), table.clone());
    task::serve(StepFunction::new(declaration, step, client, table, WallClock::System)).await
}

/// Serves a step with a remote effect. `step` makes it from the AWS configuration, for the step's own clients; `observe`
/// is told what the remote side did.
///
/// # Errors
/// Those of `step`, a missing declaration or setting, and errors of the Lambda Runtime API.
pub async fn serve_external_step<S, F>(
    name: &str,
    step: impl FnOnce(SdkConfig) -> F,
    observe: Observe,
) -> Result<(), lambda_runtime::Error>
where
    S: ExternalStep,
    F: Future<Output = Result<S, lambda_runtime::Error>>,
{
    let Setting { declaration, config, client, table } = Setting::of(name).await?;
    let function = ExternalFunction::new(declaration, step(config).await?, client, table, WallClock::System);
    task::serve(function.observed_by(observe)).await
}

/// What every step's function runs on.
struct Setting {
    declaration: &'static Declaration,
    config: SdkConfig,
    client: Client,
    table: String,
}

impl Setting {
    async fn of(name: &str) -> Result<Self, lambda_runtime::Error> {
        logging::init(name);
        let declaration = declarations::function(name).and_then(|function| function.step.as_ref());
        let declaration = declaration.ok_or_else(|| format!("functions/{name}/function.json declares no step"))?;
        let table = aws::setting(&table_variable(&declaration.fence.table))?;
        let absent = declaration.fence.key.keys().map(|name| (name.clone(), AttributeValue::S("-".to_owned())));
        let config = aws::config().await;
        let client = aws::dynamodb(&config, &table, absent.collect::<Item>()).await;
        Ok(Self { declaration, config, client, table })
    }
}
