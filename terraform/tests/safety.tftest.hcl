# What is safe by default. Only the environment is chosen here.

mock_provider "aws" {
  source = "./tests/mocks"
}

override_resource {
  target = aws_lambda_function.this["persist-order"]
  values = { arn = "arn:aws:lambda:us-east-1:123456789012:function:p", qualified_arn = "arn:aws:lambda:us-east-1:123456789012:function:p:3", version = "3" }
}

override_resource {
  target = aws_lambda_function.this["reserve-inventory"]
  values = { arn = "arn:aws:lambda:us-east-1:123456789012:function:r", qualified_arn = "arn:aws:lambda:us-east-1:123456789012:function:r:4", version = "4" }
}

override_resource {
  target = aws_lambda_function.this["post-accounting"]
  values = { arn = "arn:aws:lambda:us-east-1:123456789012:function:a", qualified_arn = "arn:aws:lambda:us-east-1:123456789012:function:a:5", version = "5" }
}

override_resource {
  target = aws_sqs_queue.this["overflow-dead"]
  values = { arn = "arn:aws:sqs:us-east-1:123456789012:order-saga-production-overflow-dead" }
}

override_resource {
  target = aws_sqs_queue.this["overflow"]
  values = { arn = "arn:aws:sqs:us-east-1:123456789012:order-saga-production-overflow" }
}

override_resource {
  target = aws_sqs_queue.this["recovery-dead"]
  values = { arn = "arn:aws:sqs:us-east-1:123456789012:order-saga-production-recovery-dead" }
}

variables {
  account_id   = "123456789012"
  environment  = "production"
  alarm_emails = ["on-call@example.com"]
}

run "safe_by_default" {
  # --- State machine ------------------------------------------------------------------------------

  assert {
    condition     = aws_sfn_state_machine.this.type == "EXPRESS"
    error_message = "The state machine has to be an Express one."
  }
  assert {
    condition     = aws_sfn_state_machine.this.logging_configuration[0].level == "ALL"
    error_message = "The console draws Express executions from a log of level ALL only."
  }
  assert {
    condition     = !aws_sfn_state_machine.this.logging_configuration[0].include_execution_data
    error_message = "Orders must not be logged."
  }
  assert {
    condition     = startswith(aws_cloudwatch_log_group.state_machine.name, "/aws/vendedlogs/states/")
    error_message = "The log group has to be under /aws/vendedlogs/states/."
  }
  assert {
    condition     = aws_sfn_state_machine.this.tracing_configuration[0].enabled
    error_message = "X-Ray has to be on."
  }
  assert {
    condition     = aws_sfn_state_machine.this.publish
    error_message = "Each change has to be a version."
  }
  assert {
    condition = toset(flatten(regexall("\"FunctionName\": *\"([^\"]*)\"", aws_sfn_state_machine.this.definition))) == toset([
      for name, function in aws_lambda_function.this : function.qualified_arn
      if contains(["record", "step"], jsondecode(file("${path.module}/../functions/${name}/function.json")).kind)
    ])
    error_message = "The definition has to name published versions of its functions, and all of them."
  }
  assert {
    condition     = alltrue([for arn in flatten(regexall("\"FunctionName\": *\"([^\"]*)\"", aws_sfn_state_machine.this.definition)) : can(regex(":[0-9]+$", arn))])
    error_message = "The definition must not call $LATEST."
  }
  assert {
    condition = alltrue(flatten([
      for state in concat(
        values(jsondecode(aws_sfn_state_machine.this.definition).States),
        flatten([
          for state in values(jsondecode(aws_sfn_state_machine.this.definition).States) : [
            for branch in try(state.Branches, []) : values(branch.States)
          ]
        ]),
        ) : [
        contains(["Task", "Parallel"], state.Type) ? try(contains(reverse(state.Catch)[0].ErrorEquals, "States.ALL"), false) : true
      ]
    ]))
    error_message = "Every Task and Parallel has to catch States.ALL, last."
  }
  assert {
    condition     = length(aws_sfn_alias.live.routing_configuration) == 1 && aws_sfn_alias.live.routing_configuration[0].weight == 100
    error_message = "The alias has to lead to the version that was just published."
  }
  assert {
    condition     = endswith(aws_lambda_function.this["intake"].environment[0].variables.STATE_MACHINE_ARN, ":live") && endswith(aws_lambda_function.this["recover-orders"].environment[0].variables.STATE_MACHINE_ARN, ":live")
    error_message = "Executions have to be started by the alias, or no version can be shifted."
  }

  # --- Tables -------------------------------------------------------------------------------------

  assert {
    condition     = alltrue([for table in aws_dynamodb_table.this : table.point_in_time_recovery[0].enabled && table.point_in_time_recovery[0].recovery_period_in_days == 35])
    error_message = "Every table has to be restorable to any second of the last 35 days."
  }
  assert {
    condition     = alltrue([for table in aws_dynamodb_table.this : table.deletion_protection_enabled])
    error_message = "Every table has to refuse to be deleted."
  }
  assert {
    condition     = alltrue([for table in aws_dynamodb_table.this : table.billing_mode == "PAY_PER_REQUEST" && table.on_demand_throughput[0].max_write_request_units > 0 && table.on_demand_throughput[0].max_read_request_units > 0])
    error_message = "Every table has to be on demand, with a bound."
  }
  assert {
    condition     = alltrue([for table in aws_dynamodb_table.this : table.stream_enabled && table.stream_view_type == "NEW_AND_OLD_IMAGES"])
    error_message = "Every table has to have a stream of both images."
  }
  assert {
    condition = { for name, table in aws_dynamodb_table.this : name => toset([for index in table.global_secondary_index : "${index.name} ${index.projection_type}"]) } == {
      for declared in [for source in fileset("${path.module}/..", "{crates,functions}/*/table.json") : jsondecode(file("${path.module}/../${source}"))] :
      declared.name => toset([for index in keys(try(declared.indexes, {})) : "${index} KEYS_ONLY"])
    }
    error_message = "Every table has to have the indexes that its table.json declares, with keys alone."
  }
  assert {
    condition     = alltrue([for table in ["inventory", "journal", "payments"] : aws_dynamodb_table.this[table].ttl[0].enabled && aws_dynamodb_table.this[table].ttl[0].attribute_name == "expires_at"])
    error_message = "Fences of closed orders have to expire."
  }
  assert {
    condition     = length(aws_dynamodb_table.this["orders"].ttl) == 0
    error_message = "Orders never expire."
  }

  # --- Queues -------------------------------------------------------------------------------------

  assert {
    condition     = alltrue([for queue in aws_sqs_queue.this : queue.sqs_managed_sse_enabled])
    error_message = "Every queue has to be encrypted."
  }
  assert {
    condition     = jsondecode(aws_sqs_queue_redrive_policy.this["overflow"].redrive_policy).deadLetterTargetArn == aws_sqs_queue.this["overflow-dead"].arn
    error_message = "A message that cannot be processed has to end in the dead-letter queue."
  }
  assert {
    condition     = length(setsubtract(keys(aws_lambda_event_source_mapping.this), keys(aws_sqs_queue_redrive_policy.this))) == 0
    error_message = "Every queue that a function receives from has to have a dead-letter queue."
  }
  assert {
    condition     = jsondecode(aws_sqs_queue_redrive_allow_policy.this["overflow-dead"].redrive_allow_policy).sourceQueueArns == [aws_sqs_queue.this["overflow"].arn]
    error_message = "The dead-letter queue has to accept messages of the overflow queue only."
  }
  assert {
    condition     = aws_sqs_queue.this["overflow"].visibility_timeout_seconds * jsondecode(aws_sqs_queue_redrive_policy.this["overflow"].redrive_policy).maxReceiveCount >= 4 * 1800
    error_message = "An outage of half an hour must use up at most a quarter of a message's receives."
  }
  assert {
    condition     = alltrue([for queue, redrive in aws_sqs_queue_redrive_policy.this : aws_sqs_queue.this[queue].visibility_timeout_seconds * jsondecode(redrive.redrive_policy).maxReceiveCount < aws_sqs_queue.this[queue].message_retention_seconds])
    error_message = "A message has to reach the dead letters before its retention ends."
  }
  assert {
    condition     = alltrue([for name, queue in aws_sqs_queue.this : queue.message_retention_seconds == 1209600 if !contains(keys(aws_lambda_event_source_mapping.this), name)])
    error_message = "Messages for a person have to be kept for 14 days."
  }
  assert {
    condition     = aws_sqs_queue.this["overflow"].message_retention_seconds <= 1209600 / 2
    error_message = "A dead letter's retention counts from its first enqueueing, so retention in the queue has to be at most 7 days."
  }
  assert {
    condition     = alltrue([for queue, receiver in local.receivers : aws_sqs_queue.this[queue].visibility_timeout_seconds >= 6 * aws_lambda_function.this[receiver.function].timeout])
    error_message = "The visibility timeout has to be six times the function's timeout."
  }
  assert {
    condition = length(aws_sqs_queue_policy.this) == length(aws_sqs_queue.this) && alltrue([
      for policy in aws_sqs_queue_policy.this : anytrue([
        for statement in jsondecode(policy.policy).Statement : statement.Effect == "Deny" && statement.Principal == "*" && statement.Action == "sqs:*" && statement.Condition.Bool["aws:SecureTransport"] == "false"
      ])
    ])
    error_message = "Every queue has to refuse requests that do not come by TLS."
  }
  assert {
    condition     = alltrue([for source in aws_lambda_event_source_mapping.this : contains(source.function_response_types, "ReportBatchItemFailures")])
    error_message = "One poison message must not bring back its batch."
  }
  assert {
    condition     = alltrue([for source in aws_lambda_event_source_mapping.this : source.scaling_config[0].maximum_concurrency <= 10])
    error_message = "A queue must not overrun a recovering store."
  }

  # --- Functions ----------------------------------------------------------------------------------

  assert {
    condition     = toset(keys(aws_lambda_function.this)) == toset([for crate in fileset("${path.module}/../functions", "*/Cargo.toml") : dirname(crate)])
    error_message = "There has to be one function per crate in functions/."
  }
  assert {
    condition     = alltrue([for function in aws_lambda_function.this : function.architectures == tolist(["arm64"]) && function.runtime == "provided.al2023"])
    error_message = "Functions run on arm64 by default."
  }
  assert {
    condition     = alltrue([for function in aws_lambda_function.this : function.publish && function.tracing_config[0].mode == "Active" && function.logging_config[0].log_format == "JSON"])
    error_message = "Functions are published, traced, and log JSON."
  }
  assert {
    condition     = alltrue([for name, function in aws_lambda_function.this : function.logging_config[0].log_group == aws_cloudwatch_log_group.function[name].name && aws_cloudwatch_log_group.function[name].retention_in_days == 30])
    error_message = "Every function has its own log group, with retention."
  }
  assert {
    condition     = aws_lambda_function.this["intake"].timeout > 25
    error_message = "Intake has to have time for its 20 s and what follows."
  }
  assert {
    condition     = alltrue([for permission in aws_lambda_permission.api : alltrue([for function in aws_lambda_function.this : function.timeout < 29 if function.function_name == permission.function_name])])
    error_message = "A function behind the API has to answer before API Gateway gives up."
  }
  assert {
    condition = alltrue([
      for state in jsondecode(aws_sfn_state_machine.this.definition).States :
      state.Type == "Task" ? state.TimeoutSeconds > 6 : true
    ]) && alltrue([for name, function in aws_lambda_function.this : function.timeout == 6 if !contains(keys(aws_lambda_alias.live), name)])
    error_message = "A task's state has to wait longer than its function runs, and the function longer than its own 5 s."
  }
  assert {
    condition     = alltrue([for function in aws_lambda_function.this : function.reserved_concurrent_executions == -1])
    error_message = "A new account cannot reserve concurrency, so nothing may be reserved by default."
  }
  assert {
    condition     = length(aws_api_gateway_method_settings.waiting) > 0 && alltrue([for method in aws_api_gateway_method_settings.waiting : method.settings[0].throttling_rate_limit == 16 && method.settings[0].throttling_burst_limit == 5])
    error_message = "Where nothing can be reserved, the rate of orders has to leave half of the account's 10 instances to the steps."
  }
  assert {
    condition     = length(distinct([for name in keys(aws_lambda_function.this) : aws_iam_role.function[name].name])) == length(aws_lambda_function.this)
    error_message = "Every function has to have its own role."
  }
  assert {
    condition     = alltrue([for name, alias in aws_lambda_alias.live : alias.function_version == "7"])
    error_message = "The aliases have to lead to the versions that were just published."
  }

  # --- Permissions --------------------------------------------------------------------------------

  assert {
    condition = alltrue(flatten([
      for policy in concat(values(aws_iam_role_policy.function_calls), values(aws_iam_role_policy.function_runtime), [aws_iam_role_policy.scheduler, aws_iam_role_policy.state_machine]) : [
        for statement in jsondecode(policy.policy).Statement : [
          for action in flatten([statement.Action]) : !strcontains(action, "*")
        ]
      ]
    ]))
    error_message = "No action may be a wildcard."
  }
  assert {
    condition = alltrue(flatten([
      for policy in values(aws_iam_role_policy.function_calls) : [
        for statement in jsondecode(policy.policy).Statement : [
          for resource in flatten([statement.Resource]) : !strcontains(resource, "*")
        ]
      ]
    ]))
    error_message = "The resources that a function calls have to be named in full."
  }
  assert {
    condition = alltrue(flatten([
      for policy in concat(values(aws_iam_role_policy.function_runtime), [aws_iam_role_policy.scheduler, aws_iam_role_policy.state_machine]) : [
        for statement in jsondecode(policy.policy).Statement :
        !contains(flatten([statement.Resource]), "*") || alltrue([for action in flatten([statement.Action]) : can(regex("^(xray:|logs:(Create|Get|Update|Delete|List)LogDeliver|logs:PutResourcePolicy|logs:Describe)", action))])
      ]
    ]))
    error_message = "Only X-Ray and log delivery, which have no resource-level permissions, may name every resource."
  }
  assert {
    condition = alltrue([
      for role in [aws_iam_role.state_machine, aws_iam_role.scheduler] :
      jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "123456789012"
    ])
    error_message = "Other accounts must not use a role through its service."
  }

  # --- API ----------------------------------------------------------------------------------------

  assert {
    condition = toset(keys(aws_api_gateway_method.this)) == toset(flatten([
      for path, methods in yamldecode(file("${path.module}/../openapi.yaml")).paths : [
        for method in keys(methods) : "${upper(method)} ${path}" if contains(["delete", "get", "patch", "post", "put"], method)
      ]
    ]))
    error_message = "The routes have to be those of openapi.yaml."
  }
  assert {
    condition     = alltrue([for method in aws_api_gateway_method.this : method.api_key_required && method.request_validator_id == aws_api_gateway_request_validator.parameters.id])
    error_message = "Every route needs an API key and a check of its parameters."
  }
  assert {
    condition     = !anytrue([for client in values(var.api_clients) : contains(client.scopes, "operations")])
    error_message = "By default no client must have the scope operations."
  }
  assert {
    condition     = aws_api_gateway_request_validator.parameters.validate_request_parameters && !aws_api_gateway_request_validator.parameters.validate_request_body
    error_message = "The gateway has to check parameters only. The functions check bodies, because their answers are precise."
  }
  assert {
    condition     = aws_api_gateway_method.this["GET /orders/{orderId}"].request_parameters["method.request.path.orderId"]
    error_message = "Path parameters have to be required."
  }
  assert {
    condition     = tolist(aws_api_gateway_rest_api.this.endpoint_configuration[0].types) == tolist(["REGIONAL"])
    error_message = "The API has to be regional."
  }
  assert {
    condition     = !aws_api_gateway_method_settings.this.settings[0].data_trace_enabled && aws_api_gateway_method_settings.this.settings[0].metrics_enabled
    error_message = "The gateway must not log bodies, and has to have metrics."
  }
  assert {
    condition     = alltrue([for field in ["requestId", "apiKeyId", "latencyMs", "integrationError", "status"] : contains(keys(jsondecode(aws_api_gateway_stage.this.access_log_settings[0].format)), field)])
    error_message = "An access log line has to be JSON with the fields that an investigation starts from."
  }
  assert {
    condition     = length(setintersection(values(jsondecode(aws_api_gateway_stage.this.access_log_settings[0].format)), ["$context.identity.sourceIp", "$context.identity.userAgent", "$context.path"])) == 0
    error_message = "The access log must not have clients' addresses or the ids in paths: they are personal data."
  }
  assert {
    condition     = aws_api_gateway_method_settings.this.settings[0].logging_level == "OFF"
    error_message = "API Gateway must not write to a log group that this stack does not own."
  }
  assert {
    condition     = aws_api_gateway_stage.this.xray_tracing_enabled
    error_message = "X-Ray has to be on."
  }
  assert {
    condition     = alltrue([for response in aws_api_gateway_gateway_response.this : response.response_parameters["gatewayresponse.header.Content-Type"] == "'application/problem+json'"])
    error_message = "The gateway's own errors have to be problem documents."
  }
  assert {
    condition = alltrue([
      for response in aws_api_gateway_gateway_response.this :
      startswith(jsondecode(replace(response.response_templates["application/json"], "$context.error.messageString", "\"x\"")).type, "urn:order-saga:problem:")
    ])
    error_message = "The gateway's problem documents have to be JSON of the API's own kinds."
  }
  assert {
    condition     = aws_api_gateway_usage_plan.this.throttle_settings[0].rate_limit == 50 && toset(keys(aws_api_gateway_usage_plan_key.client)) == toset(keys(var.api_clients))
    error_message = "Every client has to have a key and a rate."
  }

  # --- Recovery -----------------------------------------------------------------------------------

  assert {
    condition     = aws_scheduler_schedule.this["recover-orders"].schedule_expression == "rate(1 minute)" && alltrue([for schedule in aws_scheduler_schedule.this : schedule.state == "ENABLED" && schedule.flexible_time_window[0].mode == "OFF"])
    error_message = "Recovery has to run every minute."
  }
  assert {
    condition     = jsondecode(aws_scheduler_schedule.this["recover-orders"].target[0].input).action == "recover"
    error_message = "The schedule has to send the event that the function reads."
  }
  assert {
    condition     = aws_scheduler_schedule.this["recover-orders"].target[0].dead_letter_config[0].arn == aws_sqs_queue.this["recovery-dead"].arn && aws_lambda_function_event_invoke_config.schedule["recover-orders"].destination_config[0].on_failure[0].destination == aws_sqs_queue.this["recovery-dead"].arn
    error_message = "A run that could not be started, or failed, has to be seen."
  }

  # --- Observability ------------------------------------------------------------------------------

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : contains(alarm.alarm_actions, aws_sns_topic.alarms.arn)])
    error_message = "Every alarm has to tell somebody."
  }
  assert {
    condition     = aws_sns_topic.alarms.kms_master_key_id == null
    error_message = "CloudWatch cannot publish to a topic that is encrypted with AWS's own key for SNS."
  }
  assert {
    condition = length(setsubtract([
      "executions-failed", "executions-timed-out", "start-execution-throttled", "start-sync-execution-throttled", "orders-parked", "parked-messages", "overflow-dead-messages", "recovery-dead-messages",
      "overflow-failures", "recovery-backlog", "recovery-failures", "recovery-silent", "orders-failed", "overflow-waits", "intake-starts-failed", "recover-orders-starts-failed", "api-5xx", "api-403", "api-429", "api-latency",
      "intake-throttles", "persist-order-throttles", "intake-errors", "persist-order-crashes", "orders-writes-throttled",
    ], keys(aws_cloudwatch_metric_alarm.this))) == 0
    error_message = "An alarm is missing."
  }
  assert {
    condition = toset([
      for alarm in aws_cloudwatch_metric_alarm.this : "${alarm.metric_name} ${alarm.dimensions.TableName} ${try(alarm.dimensions.GlobalSecondaryIndexName, "")}" if alarm.namespace == "AWS/DynamoDB"
      ]) == toset(flatten([
        for table in aws_dynamodb_table.this : [
          for index in concat([""], [for index in table.global_secondary_index : index.name]) : [
            for metric in ["ReadThrottleEvents", "WriteThrottleEvents"] : "${metric} ${table.name} ${index}"
          ]
        ]
    ]))
    error_message = "Every table and every index has to have alarms on throttling: a table's metrics leave out its indexes."
  }
  assert {
    condition = {
      for name, alarm in aws_cloudwatch_metric_alarm.this : trimsuffix(name, "-arrivals") => alarm.metric_name == "NumberOfMessagesSent" && try(alarm.dimensions.QueueName, "") == aws_sqs_queue.this[trimsuffix(name, "-arrivals")].name
      if endswith(name, "-arrivals")
      } == {
      for name in keys(aws_sqs_queue.this) : name => !contains([for redrive in aws_sqs_queue_redrive_policy.this : jsondecode(redrive.redrive_policy).deadLetterTargetArn], aws_sqs_queue.this[name].arn)
      if !contains(keys(aws_lambda_event_source_mapping.this), name)
    }
    error_message = "Each message for a person has to ring, also the second one. NumberOfMessagesSent leaves out the dead letters that SQS moves."
  }
  assert {
    condition     = contains([for query in aws_cloudwatch_metric_alarm.this["overflow-dead-arrivals"].metric_query : query.expression], "DIFF(visible + hidden)")
    error_message = "Dead letters that SQS moves have to be counted by the growth of their queue."
  }
  assert {
    condition     = length([for alarm in aws_cloudwatch_metric_alarm.this : alarm if alarm.metric_name == "ExecutionThrottled"]) == 0 && alltrue([for name in ["StartExecution", "StartSyncExecution"] : anytrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.metric_name == "ThrottledEvents" && try(alarm.dimensions.APIName, "") == name])])
    error_message = "Refused starts have to ring: Step Functions counts them by API, not by state machine."
  }
  assert {
    condition     = alltrue([for name, alarm in aws_cloudwatch_metric_alarm.this : alarm.treat_missing_data == lookup({ recovery-silent = "breaching", orders-parked = "ignore", payments-lapsing = "ignore" }, name, "notBreaching")])
    error_message = "Missing data is fine, except that recovery must not fall silent, and that what it cannot count is not gone."
  }
  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.namespace != "OrderSaga" || contains([for function in aws_lambda_function.this : function.function_name], try(alarm.dimensions.FunctionName, ""))])
    error_message = "The functions' own metrics have their function's name as their dimension."
  }
  assert {
    condition     = length(jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets) > 15
    error_message = "The dashboard has to show every row."
  }
  assert {
    condition     = alltrue([for widget in jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets : widget.x + widget.width <= 24])
    error_message = "CloudWatch refuses a widget beyond its grid of 24 columns."
  }

  # --- What is off by default -----------------------------------------------------------------------

  assert {
    condition     = length(aws_wafv2_web_acl.this) + length(aws_kms_key.this) + length(aws_budgets_budget.this) + length(aws_api_gateway_domain_name.this) == 0
    error_message = "Whatever costs extra has to be off by default."
  }
  assert {
    condition = !anytrue([
      for policy in concat(values(aws_iam_role_policy.function_calls), values(aws_iam_role_policy.function_runtime), [aws_iam_role_policy.scheduler, aws_iam_role_policy.state_machine]) :
      strcontains(policy.policy, "secretsmanager")
    ])
    error_message = "Without a payment provider, nobody may read a secret."
  }
  assert {
    condition     = alltrue([for function in aws_lambda_function.this : try(function.environment[0].variables.PAYMENT_CAPTURE, "") == "" && !contains(keys(function.environment[0].variables), "PAYMENT_GATEWAY_SECRET_ARN")])
    error_message = "Without a payment provider, no function must believe that there is one."
  }
  assert {
    condition     = length([for alarm in aws_cloudwatch_metric_alarm.this : alarm if alarm.namespace == "OrderSaga" && can(regex("^Payment", alarm.metric_name))]) == 0
    error_message = "Without a payment provider, alarms on payments must cost nothing."
  }
  assert {
    condition     = alltrue([for function in aws_lambda_function.this : !contains(keys(function.environment[0].variables), "PRICE_LIST")])
    error_message = "A price list that nobody asked for would refuse every order."
  }
}
