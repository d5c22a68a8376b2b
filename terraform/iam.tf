# Who may do what. A function's role has what its code calls (`function_calls`, which a check compares
# with the code) and what Lambda does in its name (`function_runtime`), and nothing else.

locals {
  # For each function the actions on each resource that its code calls. A transaction needs the action of
  # each write in it; there is none for the transaction itself.
  function_calls = {
    intake = [
      { actions = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], resource = local.table_arns["orders"] },
      { actions = ["sqs:SendMessage"], resource = local.queue_arns["overflow"] },
      # An alias is authorised by the state machine's own ARN.
      { actions = ["states:StartExecution", "states:StartSyncExecution"], resource = local.state_machine_arn },
    ]
    manage-accounts = [
      { actions = ["dynamodb:GetItem", "dynamodb:UpdateItem"], resource = local.table_arns["journal"] },
    ]
    manage-stock = [
      { actions = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], resource = local.table_arns["inventory"] },
      { actions = ["dynamodb:Query"], resource = "${local.table_arns["inventory"]}/index/stock_by_store" },
    ]
    persist-order = [
      { actions = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], resource = local.table_arns["orders"] },
    ]
    post-accounting = [
      { actions = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], resource = local.table_arns["journal"] },
    ]
    query-orders = [
      { actions = ["dynamodb:BatchGetItem", "dynamodb:GetItem"], resource = local.table_arns["orders"] },
      { actions = ["dynamodb:Query"], resource = "${local.table_arns["orders"]}/index/orders_by_county" },
      { actions = ["dynamodb:Query"], resource = "${local.table_arns["orders"]}/index/orders_by_customer" },
      { actions = ["dynamodb:Query"], resource = "${local.table_arns["orders"]}/index/orders_by_store" },
      { actions = ["dynamodb:Query"], resource = "${local.table_arns["orders"]}/index/work_by_due" },
    ]
    recover-orders = [
      { actions = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], resource = local.table_arns["orders"] },
      { actions = ["dynamodb:Query"], resource = "${local.table_arns["orders"]}/index/work_by_due" },
      { actions = ["sqs:SendMessage"], resource = local.queue_arns["parked"] },
      { actions = ["states:StartExecution"], resource = local.state_machine_arn },
    ]
    reserve-inventory = [
      { actions = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], resource = local.table_arns["inventory"] },
    ]
  }

  # X-Ray knows no resources. https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html
  trace_statement = {
    Effect   = "Allow"
    Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    Resource = "*"
  }

  # What the data services do with the customer's key in the caller's name, and only through them.
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

  # What Lambda does in a function's name beside writing logs and traces.
  function_deliveries = {
    recover-orders = [
      { actions = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"], resource = local.queue_arns["overflow"] },
      { actions = ["sqs:SendMessage"], resource = local.queue_arns["recovery-dead"] },
    ]
  }
}

# --- Functions ------------------------------------------------------------------------------------

resource "aws_iam_role" "function" {
  for_each = local.functions

  name        = "${local.name}-${each.key}"
  description = "The ${each.key} function of ${local.name}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "function_calls" {
  for_each = local.functions

  name = "calls"
  role = aws_iam_role.function[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      for statement in local.function_calls[each.key] : {
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
          Resource = "arn:${local.partition}:logs:${var.region}:${local.account_id}:log-group:/aws/lambda/${local.name}-${each.key}:log-stream:*"
        },
        local.trace_statement,
      ],
      [
        for statement in lookup(local.function_deliveries, each.key, []) : {
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
      # Nobody else's state machine gets it by way of the service.
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
        # Every version, and no unpublished code: an earlier version of the machine calls earlier ones.
        Resource = [for function in sort(values(local.task_functions)) : "${local.function_arns[function]}:*"]
      },
      {
        # Log delivery knows no resources.
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
      # Directly too: an encrypted state machine encrypts its log lines for their delivery.
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
  description = "The recovery schedule of ${local.name}"

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
    Statement = concat([
      {
        Effect   = "Allow"
        Action   = "lambda:InvokeFunction"
        Resource = "${local.function_arns["recover-orders"]}:${local.alias}"
      },
      {
        Effect   = "Allow"
        Action   = "sqs:SendMessage"
        Resource = local.queue_arns["recovery-dead"]
      },
    ], local.key_statements)
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

# The role is the whole account's, whatever its APIs' log groups are called, so AWS's own policy for it.
resource "aws_iam_role_policy_attachment" "api_gateway" {
  count = length(aws_iam_role.api_gateway)

  role       = aws_iam_role.api_gateway[0].name
  policy_arn = "arn:${local.partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
}
