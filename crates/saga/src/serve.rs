//! A step's whole `main`.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use clock::WallClock;
use declarations::table_variable;

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
    lambda_runtime::tracing::init_default_subscriber();
    let declaration = declarations::function(name).and_then(|function| function.step.as_ref());
    let declaration = declaration.ok_or_else(|| format!("functions/{name}/function.json declares no step"))?;
    let table = aws::setting(&table_variable(&declaration.fence.table))?;
    let absent = declaration.fence.key.keys().map(|name| (name.clone(), AttributeValue::S("-".to_owned())));
    let client = aws::dynamodb(&aws::config().await, &table, absent.collect::<Item>()).await;
    let step = step(client.clone(), table.clone());
    task::serve(StepFunction::new(declaration, step, client, table, WallClock::System)).await
}
