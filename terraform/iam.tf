# Who may do what. A function's role allows only what its code calls (`function_calls`, which a check compares
# with the code) and what Lambda does on its behalf (`function_runtime`).

locals {
  # What the code of each function calls, according to its function.json. A transaction needs the action of each
  # write in it; the transaction itself has no action.
  function_calls = {
    for name, declared in local.declarations : name => concat(
      flatten([
        for table, use in declared.uses.tables : concat(
          [
            for operations in [use.operations] :
            { actions = [for operation in operations : "dynamodb:${operation}"], resource = lookup(local.table_arns, table, null) }
            if length(operations) > 0
          ],
          [
            for index, operations in use.indexes :
            { actions = [for operation in operations : "dynamodb:${operation}"], resource = "${lookup(local.table_arns, table, "")}/index/${index}" }
          ],
        )
      ]),
      [
        for queue, operations in declared.uses.queues :
        { actions = [for operation in operations : "sqs:${operation}"], resource = lookup(local.queue_arns, queue, null) }
      ],
      [
        # Starts by an alias are authorised on the state machine's ARN.
        for operations in [declared.uses.workflow] :
        { actions = [for operation in operations : "states:${operation}"], resource = local.state_machine_arn }
        if length(operations) > 0
      ],
    )
  }

  # X-Ray has no resource-level permissions. https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html
  trace_statement = {
    Effect   = "Allow"
    Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    Resource = "*"
  }

  # What the data services do with the customer managed key on the caller's behalf. The key can be used only
  # through them.
  key_statements = [
    for key_arn in local.key_arn[*] : {
      Effect   = "Allow"
      Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource = key_arn
      Condition = {
        StringEquals = {
          "kms:ViaService" = [for service in ["dynamodb", "lambda", "sqs", "states"] : "${service}.${var.region}.amazonaws.com"]
        }
      }
    }
  ]

  # What Lambda does on a function's behalf besides writing logs and traces: it receives the function's messages, and
  # sends failed runs to their queue.
  function_deliveries = {
    for name, declared in local.declarations : name => concat(
      [
        for queue in keys(declared.receives) : {
          actions  = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
          resource = lookup(local.queue_arns, queue, null)
        }
      ],
      [
        for schedule in declared.schedules : { actions = ["sqs:SendMessage"], resource = lookup(local.queue_arns, schedule.failures, null) }
        if schedule.failures != null
      ],
    )
  }
}

# --- Functions ------------------------------------------------------------------------------------

resource "aws_iam_role" "function" {
  for_each = local.functions

  name        = local.function_names[each.key]
  description = "The ${each.key} function of ${local.name}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })

  depends_on = [terraform_data.declarations]
}

resource "aws_iam_role_policy" "function_calls" {
  # A policy cannot be empty.
  for_each = { for name, calls in local.function_calls : name => calls if length(calls) > 0 }

  name = "calls"
  role = aws_iam_role.function[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      for statement in each.value : {
        Effect   = "Allow"
        Action   = statement.actions
        Resource = statement.resource
      }
    ]
  })
}

resource "aws_iam_role_policy" "function_runtime" {
  for_each = local.functions

  name = "runtime"
  role = aws_iam_role.function[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = "arn:${local.partition}:logs:${var.region}:${local.account_id}:log-group:/aws/lambda/${local.function_names[each.key]}:log-stream:*"
        },
        local.trace_statement,
      ],
      [
        for statement in local.function_deliveries[each.key] : {
          Effect   = "Allow"
          Action   = statement.actions
          Resource = statement.resource
        }
      ],
      local.key_statements,
    )
  })
}

# --- State machine --------------------------------------------------------------------------------

resource "aws_iam_role" "state_machine" {
  name        = "${local.name}-state-machine"
  description = "The state machine of ${local.name}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "states.amazonaws.com" }
      # Keeps state machines of other accounts from using the role through the service.
      Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "state_machine" {
  name = "workflow"
  role = aws_iam_role.state_machine.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Effect = "Allow"
        Action = "lambda:InvokeFunction"
        # Every published version, but not $LATEST: an earlier version of the state machine calls earlier ones.
        Resource = [for function in sort(values(local.task_functions)) : "${local.function_arns[function]}:*"]
      },
      {
        # Log delivery has no resource-level permissions.
        # https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
        Effect = "Allow"
        Action = [
          "logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies",
          "logs:GetLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:UpdateLogDelivery",
        ]
        Resource = "*"
      },
      {
        Effect   = "Allow"
        Action   = concat(local.trace_statement.Action, ["xray:GetSamplingRules", "xray:GetSamplingTargets"])
        Resource = "*"
      },
      ], [
      # Used directly too: an encrypted state machine encrypts its log lines for delivery.
      # https://docs.aws.amazon.com/step-functions/latest/dg/encryption-at-rest.html
      for key_arn in local.key_arn[*] : {
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = key_arn
      }
    ])
  })
}

# --- Schedule -------------------------------------------------------------------------------------

resource "aws_iam_role" "scheduler" {
  name        = "${local.name}-scheduler"
  description = "The schedules of ${local.name}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "scheduler.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "scheduler" {
  name = "recovery"
  role = aws_iam_role.scheduler.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        for function in keys(local.schedules) : {
          Effect   = "Allow"
          Action   = "lambda:InvokeFunction"
          Resource = "${local.function_arns[function]}:${local.alias}"
        }
      ],
      [
        for queue in distinct([for schedule in values(local.schedules) : schedule.failures if schedule.failures != null]) : {
          Effect   = "Allow"
          Action   = "sqs:SendMessage"
          Resource = lookup(local.queue_arns, queue, null)
        }
      ],
      local.key_statements,
    )
  })
}

# --- API Gateway's logs ---------------------------------------------------------------------------

resource "aws_iam_role" "api_gateway" {
  count = var.enable_api_gateway_account ? 1 : 0

  name        = "${local.name}-api-gateway"
  description = "API Gateway's logs in this account and region"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "apigateway.amazonaws.com" }
    }]
  })
}

# The role serves every API of the account, whatever its log group is called, so it has AWS's own policy for this.
resource "aws_iam_role_policy_attachment" "api_gateway" {
  count = length(aws_iam_role.api_gateway)

  role       = aws_iam_role.api_gateway[0].name
  policy_arn = "arn:${local.partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
}
