output "alarm_topic_arn" {
  description = "The SNS topic of all alarms. Add further subscriptions to it."
  value       = aws_sns_topic.alarms.arn
}

output "api_key_ids" {
  description = "The id of each client's API key. `aws apigateway get-api-key --include-value` shows the key itself to anyone whose role may read it."
  value       = { for client, key in aws_api_gateway_api_key.client : client => key.id }
}

output "api_keys" {
  description = "Each client's API key, for the x-api-key header; null unless enable_api_key_output."
  value       = var.enable_api_key_output ? { for client, key in aws_api_gateway_api_key.client : client => key.value } : null
  sensitive   = true
}

output "api_url" {
  description = "The API's address: `POST {api_url}/orders`."
  value       = var.domain_name == null ? aws_api_gateway_stage.this.invoke_url : "https://${var.domain_name}"
}

output "console_domain_target" {
  description = "Where the name console_domain_name has to lead: CloudFront's address of the console; null without a console."
  value       = one(aws_cloudfront_distribution.console[*].domain_name)
}

output "console_url" {
  description = "The console's address; null without enable_console."
  value       = local.console_url
}

output "dashboard_url" {
  description = "The dashboard in the console; null if there isn't one."
  value       = var.enable_dashboard ? "https://${var.region}.console.aws.amazon.com/cloudwatch/home?region=${var.region}#dashboards/dashboard/${local.global_name}" : null
}

output "executions_url" {
  description = "The state machine's executions in the console."
  value       = "https://${var.region}.console.aws.amazon.com/states/home?region=${var.region}#/statemachines/view/${local.state_machine_arn}?type=express"
}

output "function_names" {
  description = "The functions' names."
  value       = { for function, resource in aws_lambda_function.this : function => resource.function_name }
}

output "function_versions" {
  description = "The version of each function that this apply published or found."
  value       = { for function, resource in aws_lambda_function.this : function => resource.version }
}

output "queue_urls" {
  description = "The queues' URLs."
  value       = { for queue, resource in aws_sqs_queue.this : queue => resource.url }
}

output "state_machine_arn" {
  description = "The state machine's ARN."
  value       = aws_sfn_state_machine.this.arn
}

output "state_machine_log_group" {
  description = "The log group with every event of the workflow's executions, for `order-saga trace ORDER_ID --aws`."
  value       = aws_cloudwatch_log_group.state_machine.name
}

output "state_machine_version_arn" {
  description = "The version of the state machine that this apply published or found."
  value       = aws_sfn_state_machine.this.state_machine_version_arn
}

output "table_names" {
  description = "The tables' names."
  value       = { for table, resource in aws_dynamodb_table.this : table => resource.name }
}

output "token_url" {
  description = "Where the user pool's clients get tokens; null without a user pool."
  value       = var.enable_user_pool ? "https://${aws_cognito_user_pool_domain.this[0].domain}.auth.${var.region}.amazoncognito.com/oauth2/token" : null
}

output "user_pool_client_ids" {
  description = "The user pool's id of each client. `aws cognito-idp describe-user-pool-client` shows its secret to anyone whose role may read it."
  value       = { for client, resource in aws_cognito_user_pool_client.client : client => resource.id }
}

output "user_pool_id" {
  description = "The user pool's id; null if there isn't one."
  value       = one(aws_cognito_user_pool.this[*].id)
}
