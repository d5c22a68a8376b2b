# The alarms. docs/runbook.md has a section for each, and tests/terraform/alarms.py what it must ring for.
#
# Rejecting an order (out of stock, over its credit limit) is a success of the saga, so no alarm counts it. Missing
# data is fine, because it means that nothing happens. The exception is recovery: it runs every minute and must not
# fall silent, and what it counts stays as it was if a run cannot count it.

resource "aws_sns_topic" "alarms" {
  name = "${local.name}-alarms"
  # Not AWS's own key for SNS: its policy does not allow CloudWatch, so alarms would reach nobody. Alarms contain no
  # order data.
  kms_master_key_id = local.key_arn
}

resource "aws_sns_topic_policy" "alarms" {
  arn = aws_sns_topic.alarms.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Alarms"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = local.topic_arn
        Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }
      },
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = local.topic_arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

resource "aws_sns_topic_subscription" "email" {
  for_each = var.alarm_emails

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.value
}

locals {
  topic_arn = "arn:${local.partition}:sns:${var.region}:${local.account_id}:${local.name}-alarms"

  state_machine_dimensions = { StateMachineArn = local.state_machine_arn }
  api_dimensions           = { ApiName = aws_api_gateway_rest_api.this.name, Stage = local.stage }
  recovery_dimensions      = { FunctionName = lookup(local.function_names, "recover-orders", "") }
  record_dimensions        = { FunctionName = lookup(local.function_names, "persist-order", "") }

  # The step that captures payments, if there is a payment provider.
  payment_steps = [
    for function, declared in local.declarations : function
    if declared.kind == "step" && contains(declared.uses.secrets, "payment_gateway") && contains(keys(local.secrets), "payment_gateway")
  ]

  # Each description says what the alarm means and what to do. An alarm rings when `datapoints` of the last `periods`,
  # each of `seconds`, are beyond the threshold. It watches one metric, or the `expression` over several.
  alarms = merge(
    {
      executions-failed = {
        description = "Executions end before their orders are finished: a service is unreachable or slow. The orders stay open, and recovery retries them. Look for the failing state in the state machine's log."
        namespace   = "AWS/States", metric = "ExecutionsFailed", dimensions = local.state_machine_dimensions
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
        seconds     = 60, periods = 5, datapoints = 3, missing = "notBreaching"
      }
      executions-timed-out = {
        description = "An execution reached the state machine's time limit, although its retries fit well within it. Its order stays open, and recovery retries it."
        namespace   = "AWS/States", metric = "ExecutionsTimedOut", dimensions = local.state_machine_dimensions
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
        seconds     = 60, periods = 1, datapoints = 1, missing = "notBreaching"
      }
      orders-parked = {
        description = "An order can be neither finished nor rolled back, or could not be started for a day. Its id is in the parked queue. Fix the cause, then retry the order: invoke recover-orders with the action take_up."
        namespace   = "OrderSaga", metric = "OrdersParked", dimensions = local.recovery_dimensions
        statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = 0
        # A run that cannot count them says nothing about them.
        seconds = 300, periods = 1, datapoints = 1, missing = "ignore"
      }
      orders-given-up = {
        description = "Recovery gave up on an order after its last attempt, and is cancelling it."
        namespace   = "OrderSaga", metric = "OrdersGivenUp", dimensions = local.recovery_dimensions
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
        seconds     = 300, periods = 1, datapoints = 1, missing = "notBreaching"
      }
      orders-failed = {
        description = "More than one decided order in a hundred was cancelled because a step failed twice, and not because it refused the order. The metric OrdersFailed says which state failed, and the workflow's log why."
        expression  = "100 * failed / (confirmed + cancelled)"
        metrics = {
          for id, metric in { confirmed = "OrdersConfirmed", cancelled = "OrdersCancelled", failed = "OrdersFailed" } :
          id => { namespace = "OrderSaga", metric = metric, dimensions = local.record_dimensions, statistic = "Sum" }
        }
        comparison = "GreaterThanThreshold", threshold = 1
        seconds    = 300, periods = 3, datapoints = 2, missing = "notBreaching"
      }
      recovery-backlog = {
        description = "Recovery cannot keep up: each minute, some orders that are due are left for its next run."
        namespace   = "OrderSaga", metric = "OrdersLeft", dimensions = local.recovery_dimensions
        statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = 0
        seconds     = 60, periods = 10, datapoints = 10, missing = "notBreaching"
      }
      recovery-failures = {
        description = "Recovery cannot read or write orders, read the payments that lapse, or send the message about a parked order."
        namespace   = "OrderSaga", metric = "RecoveryFailures", dimensions = local.recovery_dimensions
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
        seconds     = 60, periods = 5, datapoints = 3, missing = "notBreaching"
      }
      recovery-silent = {
        description = "Recovery has not run for ten minutes, although it is due every minute. Open orders stay open."
        namespace   = "OrderSaga", metric = "OrdersLeft", dimensions = local.recovery_dimensions
        statistic   = "SampleCount", comparison = "LessThanThreshold", threshold = 1
        seconds     = 300, periods = 2, datapoints = 2, missing = "breaching"
      }
      overflow-conflicts = {
        description = "A queued order was dropped, because its key has been used for another order since. Its client was told 202, and will get 422 if it tries again."
        namespace   = "OrderSaga", metric = "OverflowConflicts", dimensions = local.recovery_dimensions
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
        seconds     = 300, periods = 1, datapoints = 1, missing = "notBreaching"
      }
      overflow-failures = {
        description = "Recovery cannot process queued orders: DynamoDB does not take them, or a message is no order. They come back to the queue overflow until they reach the dead letters."
        namespace   = "OrderSaga", metric = "OverflowFailures", dimensions = local.recovery_dimensions
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
        seconds     = 60, periods = 15, datapoints = 3, missing = "notBreaching"
      }
      api-5xx = {
        description = "More than one request in a hundred is answered with 5xx. Their clients do not know whether their orders were taken, and send them again."
        namespace   = "AWS/ApiGateway", metric = "5XXError", dimensions = local.api_dimensions
        statistic   = "Average", comparison = "GreaterThanThreshold", threshold = 0.01
        seconds     = 60, periods = 5, datapoints = 3, missing = "notBreaching"
      }
      api-latency = {
        description = "More than one request in a hundred takes over 5 s: steps are being retried, or functions start cold."
        namespace   = "AWS/ApiGateway", metric = "Latency", dimensions = local.api_dimensions
        statistic   = "p99", comparison = "GreaterThanThreshold", threshold = 5000
        seconds     = 60, periods = 5, datapoints = 3, missing = "notBreaching"
      }
    },
    merge([
      # Whatever payment_capture is: an order keeps the setting that it was placed with, so a payment may still be
      # captured at the hand-over after the setting has changed.
      for function in local.payment_steps : {
        "${function}-refused" = {
          runbook     = "payment-refused"
          description = "A payment could not be captured when its order was handed over: the card was declined, or the authorisation lapsed or was cancelled. Nobody has paid, and the order is parked. Keep the goods if they are still there. Ask the customer for another payment and put it in this one's place, which is cancelled then: PUT /orders/{orderId}/payment. Then retry the order: invoke recover-orders with the action take_up."
          namespace   = "OrderSaga", metric = "PaymentRefused", dimensions = { FunctionName = local.function_names[function] }
          statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
          seconds     = 300, periods = 1, datapoints = 1, missing = "notBreaching"
          event       = true
        }
        "${function}-undo-refused" = {
          runbook     = "payment-undo-refused"
          description = "The payment provider refuses to refund or release the payment of a cancelled order. The customer does not have the money back, and the order is parked. Give it back in the provider's dashboard, then retry the order: invoke recover-orders with the action take_up."
          namespace   = "OrderSaga", metric = "PaymentUndoRefused", dimensions = { FunctionName = local.function_names[function] }
          statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
          seconds     = 300, periods = 1, datapoints = 1, missing = "notBreaching"
          event       = true
        }
        # Over an hour, because a single cancelled order is nothing unusual.
        "${function}-returns" = {
          runbook     = "payment-returns"
          description = "More than ${var.payment_returns_per_hour} payments were refunded or released within an hour (payment_returns_per_hour): many customers cancel, cards are declined, or orders fail after their payment. Look at the reasons of the cancelled orders, and at the alarm orders-given-up."
          namespace   = "OrderSaga", metric = "PaymentsReturned", dimensions = { FunctionName = local.function_names[function] }
          statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = var.payment_returns_per_hour
          seconds     = 3600, periods = 1, datapoints = 1, missing = "notBreaching"
        }
        payments-lapsing = {
          description = "A payment that is to be captured at the hand-over lapses within a day, or has lapsed. Hand the order over or cancel it before that: afterwards, nobody pays for it, unless an operator puts another payment in its place. The index lapsing_by_time of the table payments has these orders."
          namespace   = "OrderSaga", metric = "PaymentsLapsing", dimensions = local.recovery_dimensions
          statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = 0
          seconds     = 300, periods = 1, datapoints = 1, missing = "ignore"
        }
      }
    ]...),
    {
      # By API, for the whole account: a refused start belongs to no state machine. ExecutionThrottled counts throttled
      # state transitions, which Express workflows do not have.
      # https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
      for operation in distinct(flatten([for declared in values(local.declarations) : declared.uses.workflow])) :
      "${lower(replace(operation, "/([a-z])([A-Z])/", "$1-$2"))}-throttled" => {
        runbook     = "throttled-starts"
        description = "Step Functions refuses calls of ${operation} in this account: its rate limit is reached, by this stack or by another. The orders stay open, and recovery retries them. If it lasts, lower requests_per_second or ask AWS for a higher limit."
        namespace   = "AWS/States", metric = "ThrottledEvents", dimensions = { APIName = operation }
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
        seconds     = 60, periods = 5, datapoints = 3, missing = "notBreaching"
      }
    },
    {
      for function, declared in local.declarations : "${function}-starts-failed" => {
        runbook     = "starts-failed"
        description = "${function} could not start the workflow for an order: Step Functions refused the start, or did not answer. The order stays open. Recovery retries a refused start every minute and parks the order after a day; a start without an answer counts as an attempt. The function's log has the reason: a permission, a limit, a deleted alias."
        namespace   = "OrderSaga", metric = "StartsFailed", dimensions = { FunctionName = local.function_names[function] }
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
        seconds     = 300, periods = 1, datapoints = 1, missing = "notBreaching"
      } if length(declared.uses.workflow) > 0
    },
    {
      # 4XXError does not tell them apart from requests for orders that do not exist. Few requests are no share.
      for status, meaning in local.refused_statuses : "api-${status}" => {
        description = "More than one request in twenty is answered with ${status}: ${meaning}"
        expression  = "IF(requests > 100, 100 * FILL(refused, 0) / requests, 0)"
        metrics = {
          requests = { namespace = "AWS/ApiGateway", metric = "Count", dimensions = local.api_dimensions, statistic = "Sum" }
          refused  = { namespace = local.log_namespace, metric = "Status${status}", dimensions = {}, statistic = "Sum" }
        }
        comparison = "GreaterThanThreshold", threshold = 5
        seconds    = 300, periods = 3, datapoints = 2, missing = "notBreaching"
      }
    },
    {
      # https://docs.aws.amazon.com/waf/latest/developerguide/waf-metrics.html
      for name, rule in {
        firewall-blocks-key = {
          metric      = "${local.name}-key-rate", threshold = 0, periods = 1
          description = "The firewall blocks a client's key, because it sends at twice its rate (client_requests_per_second). Its orders are refused with 403."
        }
        firewall-blocks-address = {
          metric      = "${local.name}-address-rate", threshold = 0, periods = 1
          description = "The firewall blocks an address (waf_requests_per_five_minutes): an attack, or more clients behind one address than expected."
        }
        # Scanners try their luck with every address on the internet, so a few blocked requests mean nothing.
        firewall-blocks-many = {
          metric      = "ALL", threshold = 500, periods = 3
          description = "The firewall has blocked more than 500 requests in each period of five minutes. Its log says which rule blocks them: if they are orders, a rule is wrong."
        }
        } : name => {
        description = rule.description
        namespace   = "AWS/WAFV2", metric = "BlockedRequests", dimensions = { WebACL = local.name, Region = var.region, Rule = rule.metric }
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = rule.threshold
        seconds     = 300, periods = rule.periods, datapoints = rule.periods, missing = "notBreaching"
      } if var.enable_waf
    },
    {
      # ApproximateAgeOfOldestMessage forgets a message that was received more than three times, which is just the one that
      # cannot be processed. That the queue does not get empty, it cannot hide.
      # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
      for queue in keys(local.receivers) : "${queue}-waits" => {
        runbook     = "messages-wait"
        description = "${try(local.queues[queue].description, "")}: the queue ${queue} has not been empty for 15 minutes, so ${local.receivers[queue].function} cannot process its messages."
        expression  = "visible + hidden"
        metrics = {
          for id, metric in { visible = "ApproximateNumberOfMessagesVisible", hidden = "ApproximateNumberOfMessagesNotVisible" } :
          id => { namespace = "AWS/SQS", metric = metric, dimensions = { QueueName = lookup(local.queue_names, queue, "") }, statistic = "Maximum" }
        }
        comparison = "GreaterThanThreshold", threshold = 0
        seconds    = 60, periods = 15, datapoints = 15, missing = "notBreaching"
      }
    },
    {
      # No function receives from these queues, so each message in them needs a person. A dead letter's retention counts
      # from when it was first enqueued, so part of it has already passed.
      for queue, options in local.queues : "${queue}-messages" => {
        runbook     = "messages-for-people"
        description = "${options.description}: the queue ${queue} has a message and keeps it for at least ${options.retention_days - max(0, [for source in options.dead_letters_of : local.queues[source].retention_days]...)} days from now."
        namespace   = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", dimensions = { QueueName = local.queue_names[queue] }
        statistic   = "Maximum", comparison = "GreaterThanThreshold", threshold = 0
        seconds     = 60, periods = 1, datapoints = 1, missing = "notBreaching"
      } if !contains(keys(local.receivers), queue)
    },
    {
      # The alarm above keeps ringing until its queue is empty, so it cannot tell of a second message. This one can.
      # NumberOfMessagesSent leaves out dead letters that SQS moves, so their number is compared with the minute before,
      # including those that a person is looking at.
      # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
      for queue, options in local.queues : "${queue}-arrivals" => merge(
        {
          runbook     = "messages-for-people"
          description = "${options.description}: another message has arrived in the queue ${queue}. ${queue}-messages rings as long as one is there."
          comparison  = "GreaterThanThreshold", threshold = 0
          seconds     = 60, periods = 1, datapoints = 1, missing = "notBreaching"
          event       = true
        },
        length(options.dead_letters_of) == 0 ? null : {
          expression = "DIFF(visible + hidden)"
          metrics = {
            for id, metric in { visible = "ApproximateNumberOfMessagesVisible", hidden = "ApproximateNumberOfMessagesNotVisible" } :
            id => { namespace = "AWS/SQS", metric = metric, dimensions = { QueueName = local.queue_names[queue] }, statistic = "Maximum" }
          }
        },
        length(options.dead_letters_of) > 0 ? null : {
          namespace = "AWS/SQS", metric = "NumberOfMessagesSent", dimensions = { QueueName = local.queue_names[queue] }
          statistic = "Sum"
        },
      ) if !contains(keys(local.receivers), queue)
    },
    {
      for function in keys(local.functions) : "${function}-throttles" => {
        runbook     = "function-throttles"
        description = "Lambda throttles ${function}: its concurrency limit or the account's is reached."
        namespace   = "AWS/Lambda", metric = "Throttles", dimensions = { FunctionName = local.function_names[function] }
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
        seconds     = 60, periods = 5, datapoints = 3, missing = "notBreaching"
      }
    },
    {
      # A task function reports refusals as errors, so its errors do not ring an alarm. A function that serves the API, a
      # schedule or a queue has an answer to everything, so an error means that it crashed. The authorizer's 401 is an error,
      # too; its crashes are 5xx answers of the API.
      for function in local.live_functions : "${function}-errors" => {
        runbook     = "function-errors"
        description = "${function} crashed or reached its time limit."
        namespace   = "AWS/Lambda", metric = "Errors", dimensions = { FunctionName = local.function_names[function] }
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
        seconds     = 60, periods = 5, datapoints = 2, missing = "notBreaching"
      } if local.declarations[function].kind != "authorizer"
    },
    {
      # A task's refusals are errors too, so its crashes are counted in its log.
      for function in local.state_functions : "${function}-crashes" => {
        runbook     = "task-crashes"
        description = "${function} crashed, ran out of memory or reached its time limit. The workflow tries its state once more; if that fails too, the order is cancelled (orders-failed)."
        namespace   = local.log_namespace, metric = "${function}-crashes", dimensions = {}
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
        seconds     = 300, periods = 1, datapoints = 1, missing = "notBreaching"
      }
    },
    {
      # TableName alone leaves out indexes, and a throttled index refuses its table's writes.
      # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
      for alarm in flatten([
        for table, options in local.tables : [
          for index in concat([null], keys(options.indexes)) : [
            for metric, what in { ReadThrottleEvents = "reads", WriteThrottleEvents = "writes" } : {
              name                                   = join("-", concat([table], index[*], [what, "throttled"]))
              of                                     = index == null ? "the table ${table}" : "the index ${index} of the table ${table}"
              metric                                 = metric
              dimensions                             = merge({ TableName = local.table_names[table] }, index == null ? {} : { GlobalSecondaryIndexName = index })
            }
          ]
        ]
        ]) : alarm.name => {
        runbook     = "table-throttled"
        description = "DynamoDB throttles ${alarm.of}: its limit (table_max_read_units, table_max_write_units) or that of one partition is reached."
        namespace   = "AWS/DynamoDB", metric = alarm.metric, dimensions = alarm.dimensions
        statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0
        seconds     = 60, periods = 5, datapoints = 3, missing = "notBreaching"
      }
    },
  )
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name        = "${local.name}-${each.key}"
  alarm_description = "${each.value.description} What to do: docs/runbook.md#${try(each.value.runbook, each.key)}"

  namespace   = try(each.value.namespace, null)
  metric_name = try(each.value.metric, null)
  dimensions  = try(each.value.dimensions, null)
  period      = can(each.value.expression) ? null : each.value.seconds

  statistic          = try(startswith(each.value.statistic, "p"), true) ? null : each.value.statistic
  extended_statistic = try(startswith(each.value.statistic, "p"), false) ? each.value.statistic : null

  dynamic "metric_query" {
    for_each = try([each.value.expression], [])
    content {
      id          = "result"
      expression  = metric_query.value
      label       = each.key
      return_data = true
    }
  }

  dynamic "metric_query" {
    for_each = try(each.value.metrics, {})
    content {
      id = metric_query.key
      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.metric
        dimensions  = metric_query.value.dimensions
        period      = each.value.seconds
        stat        = metric_query.value.statistic
      }
    }
  }

  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = each.value.datapoints
  treat_missing_data  = each.value.missing

  alarm_actions = [aws_sns_topic.alarms.arn]
  # That nothing else has arrived is no news.
  ok_actions = try(each.value.event, false) ? [] : [aws_sns_topic.alarms.arn]
}
