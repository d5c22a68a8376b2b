# What to look at first when an alarm rings, and what to search the logs with.

# --- Dashboard ------------------------------------------------------------------------------------

locals {
  # From top to bottom, the questions of somebody on call: are orders coming in, what becomes of them, how long does it
  # take, is a limit reached, does recovery keep up, and do payments succeed?
  dashboard_rows = concat([
    {
      title = "Orders"
      widgets = [
        { title = "Requests", stat = "Sum", metrics = [["AWS/ApiGateway", "Count", "ApiName", local.name, "Stage", local.stage]] },
        { title = "Rejected and failed requests", stat = "Sum", metrics = [
          ["AWS/ApiGateway", "4XXError", "ApiName", local.name, "Stage", local.stage],
          ["AWS/ApiGateway", "5XXError", "ApiName", local.name, "Stage", local.stage],
        ] },
        { title = "Sagas started", stat = "Sum", metrics = [["AWS/States", "ExecutionsStarted", "StateMachineArn", local.state_machine_arn]] },
        { title = "Confirmed, cancelled, and of these failed", stat = "Sum", metrics = [for metric in ["OrdersConfirmed", "OrdersCancelled", "OrdersFailed"] : ["OrderSaga", metric, "FunctionName", local.record_dimensions.FunctionName]] },
      ]
    },
    {
      title = "What becomes of them"
      widgets = [
        { title = "Sagas by outcome", stat = "Sum", metrics = [for metric in ["ExecutionsSucceeded", "ExecutionsFailed", "ExecutionsTimedOut"] : ["AWS/States", metric, "StateMachineArn", local.state_machine_arn]] },
        { title = "Function errors (a task's include refusals)", stat = "Sum", metrics = [for function in keys(local.functions) : ["AWS/Lambda", "Errors", "FunctionName", local.function_names[function]]] },
        { title = "Orders recovery could not finish", stat = "Maximum", metrics = [for metric in ["OrdersParked", "OrdersGivenUp"] : ["OrderSaga", metric, "FunctionName", local.recovery_dimensions.FunctionName]] },
      ]
    },
    {
      title = "How long it takes"
      widgets = [
        { title = "Requests, p50 and p99, in ms", stat = "p99", metrics = [
          ["AWS/ApiGateway", "Latency", "ApiName", local.name, "Stage", local.stage, { stat = "p50" }],
          ["AWS/ApiGateway", "Latency", "ApiName", local.name, "Stage", local.stage, { stat = "p99" }],
        ] },
        { title = "Sagas, p50 and p99, in ms", stat = "p99", metrics = [
          ["AWS/States", "ExecutionTime", "StateMachineArn", local.state_machine_arn, { stat = "p50" }],
          ["AWS/States", "ExecutionTime", "StateMachineArn", local.state_machine_arn, { stat = "p99" }],
        ] },
        { title = "Functions, p99, in ms", stat = "p99", metrics = [for function in keys(local.functions) : ["AWS/Lambda", "Duration", "FunctionName", local.function_names[function]]] },
      ]
    },
    {
      title = "Limits"
      widgets = [
        { title = "Concurrent executions of functions", stat = "Maximum", metrics = [for function in keys(local.functions) : ["AWS/Lambda", "ConcurrentExecutions", "FunctionName", local.function_names[function]]] },
        { title = "Throttled functions, and starts in the account", stat = "Sum", metrics = concat(
          [for function in keys(local.functions) : ["AWS/Lambda", "Throttles", "FunctionName", local.function_names[function]]],
          [for operation in ["StartExecution", "StartSyncExecution"] : ["AWS/States", "ThrottledEvents", "APIName", operation]],
        ) },
        { title = "Write units used, and throttled writes", stat = "Sum", metrics = concat(
          [for table in keys(local.tables) : ["AWS/DynamoDB", "ConsumedWriteCapacityUnits", "TableName", local.table_names[table]]],
          [for table in keys(local.tables) : ["AWS/DynamoDB", "WriteThrottleEvents", "TableName", local.table_names[table]]],
          [
            for pair in flatten([for table, options in local.tables : [for index in keys(options.indexes) : { table = table, index = index }]]) :
            ["AWS/DynamoDB", "WriteThrottleEvents", "TableName", local.table_names[pair.table], "GlobalSecondaryIndexName", pair.index]
          ],
        ) },
      ]
    },
    {
      title = "Recovery"
      widgets = [
        { title = "Orders retried, and left for the next run", stat = "Sum", metrics = [for metric in ["OrdersRecovered", "OrdersLeft", "RecoveryFailures"] : ["OrderSaga", metric, "FunctionName", local.recovery_dimensions.FunctionName]] },
        { title = "Starts of the workflow that failed", stat = "Sum", metrics = [for function, declared in local.declarations : ["OrderSaga", "StartsFailed", "FunctionName", local.function_names[function]] if length(declared.uses.workflow) > 0] },
        { title = "Messages waiting", stat = "Maximum", metrics = [for queue in keys(local.queues) : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", local.queue_names[queue]]] },
        { title = "Oldest queued order, in s", stat = "Maximum", metrics = [for queue in keys(local.receivers) : ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", lookup(local.queue_names, queue, "")]] },
      ]
    },
    ], [
    for function in local.payment_steps : {
      title = "Payments"
      widgets = [
        { title = "Refused at the hand-over, and refunds that are refused", stat = "Sum", metrics = [for metric in ["PaymentRefused", "PaymentUndoRefused"] : ["OrderSaga", metric, "FunctionName", local.function_names[function]]] },
        { title = "Refunded or released", stat = "Sum", metrics = [["OrderSaga", "PaymentsReturned", "FunctionName", local.function_names[function]]] },
        { title = "Payments that lapse within a day", stat = "Maximum", metrics = [["OrderSaga", "PaymentsLapsing", "FunctionName", local.recovery_dimensions.FunctionName]] },
      ]
    }
  ])
}

resource "aws_cloudwatch_dashboard" "this" {
  count = var.enable_dashboard ? 1 : 0

  dashboard_name = local.global_name
  dashboard_body = jsonencode({
    widgets = concat(
      [{
        type       = "alarm", x = 0, y = 0, width = 24, height = 3
        properties = { title = "Alarms", alarms = [for alarm in values(aws_cloudwatch_metric_alarm.this) : alarm.arn] }
      }],
      flatten([
        for row, content in local.dashboard_rows : concat(
          [{
            type       = "text", x = 0, y = 3 + row * 7, width = 24, height = 1
            properties = { markdown = "## ${content.title}" }
          }],
          [
            for column, widget in content.widgets : {
              type = "metric", x = column * floor(24 / length(content.widgets)), y = 4 + row * 7, width = floor(24 / length(content.widgets)), height = 6
              properties = {
                title   = widget.title
                region  = var.region
                view    = "timeSeries"
                stat    = widget.stat
                period  = 60
                metrics = widget.metrics
                yAxis   = { left = { min = 0 } }
              }
            }
          ],
        )
      ]),
    )
  })
}

# --- Saved queries --------------------------------------------------------------------------------

resource "aws_cloudwatch_query_definition" "this" {
  for_each = {
    "unfinished executions" = {
      log_groups = [aws_cloudwatch_log_group.state_machine.name]
      query      = <<-EOT
        fields @timestamp, execution_arn, type, details.error, details.cause
        | filter type in ["ExecutionFailed", "ExecutionTimedOut", "TaskFailed", "TaskTimedOut", "EvaluationFailed"]
        | sort @timestamp desc
        | limit 200
      EOT
    }
    "one order in the functions" = {
      log_groups = [for group in values(aws_cloudwatch_log_group.function) : group.name]
      query      = <<-EOT
        fields @timestamp, service, level, message, state, attempt, reason
        | filter order_id = "PUT THE ORDER'S ID HERE" or correlation_id = "OR THE CLIENT'S X-CORRELATION-ID HERE"
        | sort @timestamp asc
        | limit 500
      EOT
    }
    "slow and failed requests" = {
      log_groups = [aws_cloudwatch_log_group.api.name]
      query      = <<-EOT
        fields @timestamp, method, route, status, latencyMs, integrationMs, integrationError, requestId, traceId
        | filter status >= 500 or latencyMs > 3000
        | sort @timestamp desc
        | limit 200
      EOT
    }
  }

  name            = "${local.name}/${each.key}"
  log_group_names = each.value.log_groups
  query_string    = each.value.query
}
