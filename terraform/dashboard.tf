# What to look at first when an alarm rings, and what to search the logs with.

# --- Dashboard ------------------------------------------------------------------------------------

locals {
  # Our own metrics. crates/metrics/metrics.json declares which function writes which.
  # A mistake in a declaration must be reported as such, so a metric that it lacks is left out here.
  own = merge([
    for function, declared in local.declarations : {
      for metric, written in jsondecode(file("${path.module}/../crates/metrics/metrics.json")) :
      "${function}/${metric}" => ["OrderSaga", metric, "FunctionName", local.function_names[function]]
      if contains(written.functions, function) || contains(written.kinds, declared.kind)
    }
  ]...)
  # A metric by one more dimension, whatever its values are.
  searches = {
    for dimension, metric in { Reason = "OrdersCancelled", State = "OrdersFailed" } : dimension => [
      for key in keys(local.own) :
      [{ expression = "SEARCH('{OrderSaga,FunctionName,${dimension}} FunctionName=\"${local.function_names[dirname(key)]}\" MetricName=\"${metric}\"', 'Sum', 60)", label = "" }]
      if basename(key) == metric
    ]
  }
  # Each table's writes are the table's and those of its indexes.
  write_capacity = flatten([
    for table, options in local.tables : [
      for index in concat([null], keys(options.indexes)) :
      { dimensions = concat(["TableName", local.table_names[table]], index == null ? [] : ["GlobalSecondaryIndexName", index]) }
    ]
  ])

  # From top to bottom, the questions of somebody on call: what becomes of the orders, what do customers feel, which step is
  # it, is a limit reached, does recovery keep up, and what does it cost?
  dashboard_rows = concat([
    {
      title = "Orders, and what becomes of them"
      widgets = [
        { title = "New orders, and those sent again", stat = "Sum", metrics = [for metric in ["OrdersAccepted", "OrdersJoined"] : lookup(local.own, "intake/${metric}", [])] },
        { title = "Confirmed, cancelled, and of these failed", stat = "Sum", metrics = [for key, metric in local.own : metric if contains(["OrdersConfirmed", "OrdersCancelled", "OrdersFailed"], basename(key))] },
        { title = "Cancelled, by reason", stat = "Sum", metrics = local.searches.Reason },
        { title = "Orders recovery could not finish", stat = "Maximum", metrics = [for metric in ["OrdersParked", "OrdersGivenUp"] : lookup(local.own, "recover-orders/${metric}", [])] },
      ]
    },
    {
      title = "What customers feel"
      widgets = [
        { title = "Requests", stat = "Sum", metrics = [["AWS/ApiGateway", "Count", "ApiName", local.name, "Stage", local.stage]] },
        { title = "Rejected and failed requests", stat = "Sum", metrics = [
          ["AWS/ApiGateway", "4XXError", "ApiName", local.name, "Stage", local.stage],
          ["AWS/ApiGateway", "5XXError", "ApiName", local.name, "Stage", local.stage],
        ] },
        { title = "Requests, p50 and p99, in ms", stat = "p99", metrics = [
          ["AWS/ApiGateway", "Latency", "ApiName", local.name, "Stage", local.stage, { stat = "p50" }],
          ["AWS/ApiGateway", "Latency", "ApiName", local.name, "Stage", local.stage, { stat = "p99" }],
        ] },
        { title = "From the record to the decision, p50 and p99, in ms", stat = "p99", metrics = [
          for stat in ["p50", "p99"] : concat(lookup(local.own, "persist-order/TimeToDecision", []), [{ stat = stat }])
        ] },
      ]
    },
    {
      title = "Each step"
      widgets = [
        { title = "Sagas by outcome", stat = "Sum", metrics = [for metric in ["ExecutionsStarted", "ExecutionsSucceeded", "ExecutionsFailed", "ExecutionsTimedOut"] : ["AWS/States", metric, "StateMachineArn", local.state_machine_arn]] },
        { title = "Sagas, p50 and p99, in ms", stat = "p99", metrics = [
          ["AWS/States", "ExecutionTime", "StateMachineArn", local.state_machine_arn, { stat = "p50" }],
          ["AWS/States", "ExecutionTime", "StateMachineArn", local.state_machine_arn, { stat = "p99" }],
        ] },
        { title = "Failed orders by state, and steps undone", stat = "Sum", metrics = concat(local.searches.State, [lookup(local.own, "persist-order/StepsUndone", [])]) },
        { title = "Function errors (a task's include refusals)", stat = "Sum", metrics = [for function in keys(local.functions) : ["AWS/Lambda", "Errors", "FunctionName", local.function_names[function]]] },
        { title = "Functions, p99, in ms", stat = "p99", metrics = [for function in keys(local.functions) : ["AWS/Lambda", "Duration", "FunctionName", local.function_names[function]]] },
      ]
    },
    {
      title = "Limits"
      widgets = [
        { title = "Concurrent executions of functions", stat = "Maximum", metrics = [for function in keys(local.functions) : ["AWS/Lambda", "ConcurrentExecutions", "FunctionName", local.function_names[function]]] },
        { title = "Cold starts", stat = "Sum", metrics = [for key, metric in local.own : metric if endswith(key, "/ColdStarts")] },
        { title = "Throttled functions, and starts in the account", stat = "Sum", metrics = concat(
          [for function in keys(local.functions) : ["AWS/Lambda", "Throttles", "FunctionName", local.function_names[function]]],
          [for operation in ["StartExecution", "StartSyncExecution"] : ["AWS/States", "ThrottledEvents", "APIName", operation]],
        ) },
        { title = "Conflicts between transactions, retried", stat = "Sum", metrics = [for key, metric in local.own : metric if endswith(key, "/ConflictsRetried")] },
        { title = "Throttled writes", stat = "Sum", metrics = [for of in local.write_capacity : concat(["AWS/DynamoDB", "WriteThrottleEvents"], of.dimensions)] },
      ]
    },
    {
      title = "Recovery"
      widgets = [
        { title = "Orders retried, and left for the next run", stat = "Sum", metrics = [for metric in ["OrdersRecovered", "OrdersLeft", "RecoveryFailures"] : lookup(local.own, "recover-orders/${metric}", [])] },
        { title = "Starts of the workflow that failed", stat = "Sum", metrics = [for key, metric in local.own : metric if endswith(key, "/StartsFailed")] },
        { title = "Queued orders that were dropped, or not processed yet", stat = "Sum", metrics = [for metric in ["OverflowConflicts", "OverflowFailures"] : lookup(local.own, "recover-orders/${metric}", [])] },
        { title = "Messages waiting", stat = "Maximum", metrics = [for queue in keys(local.queues) : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", local.queue_names[queue]]] },
        { title = "Oldest queued order, in s", stat = "Maximum", metrics = [for queue in keys(local.receivers) : ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", lookup(local.queue_names, queue, "")]] },
      ]
    },
    ], [
    for function in local.payment_steps : {
      title = "Payments"
      widgets = [
        { title = "Refused at the hand-over, and refunds that are refused", stat = "Sum", metrics = [for metric in ["PaymentRefused", "PaymentUndoRefused"] : local.own["${function}/${metric}"]] },
        { title = "Refunded or released", stat = "Sum", metrics = [local.own["${function}/PaymentsReturned"]] },
        { title = "Payments that lapse within a day", stat = "Maximum", metrics = [lookup(local.own, "recover-orders/PaymentsLapsing", [])] },
      ]
    }
    ], [
    {
      title = "What it costs"
      widgets = [
        # CloudWatch has the write units of all writers anyway, so no function asks DynamoDB for them.
        { title = "Write units used, with the indexes", stat = "Sum", metrics = [for of in local.write_capacity : concat(["AWS/DynamoDB", "ConsumedWriteCapacityUnits"], of.dimensions)] },
        { title = "Bytes logged", stat = "Sum", metrics = [for group in concat(values(aws_cloudwatch_log_group.function), [aws_cloudwatch_log_group.state_machine, aws_cloudwatch_log_group.api]) : ["AWS/Logs", "IncomingBytes", "LogGroupName", group.name]] },
        { title = "Calls of functions", stat = "Sum", metrics = [for function in keys(local.functions) : ["AWS/Lambda", "Invocations", "FunctionName", local.function_names[function]]] },
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
        properties = { title = "Alarms", alarms = [for name in keys(local.alarms) : "arn:${local.partition}:cloudwatch:${var.region}:${local.account_id}:alarm:${local.name}-${name}"] }
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
