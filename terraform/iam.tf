# Who may do what. A function's role allows only what its code calls (`function_calls`, which a check compares
# with the code) and what Lambda does on its behalf (`function_runtime`).
#
# Roles and policies are replaced before the former ones are destroyed, so that nothing is without a role meanwhile.

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
      [
        # The ARN of one secret; see secrets in locals.tf. An asterisk would also match longer names.
        # https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_examples.html#auth-and-access_examples_wildcard
        for secret in declared.uses.secrets :
        { actions = ["secretsmanager:GetSecretValue"], resource = local.secrets[secret].resource }
        if contains(keys(local.secrets), secret)
      ],
    )
  }

  # X-Ray has no resource-level permissions. https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html
  trace_statement = {
    Effect   = "Allow"
    Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    Resource = "*"
  }

  # How each function's role uses the customer managed key: its own environment, and what it reads and writes. A
  # service that calls KMS on the caller's behalf is named in kms:ViaService. Lambda calls KMS with the role itself when
  # it decrypts the environment, so kms:ViaService would refuse that.
  function_key_uses = {
    for name, declared in local.declarations : name => concat(
      [
        # https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars-encryption.html
        # A published version has its number at the end.
        {
          actions   = ["kms:Decrypt"]
          condition = { ArnLike = { "kms:EncryptionContext:aws:lambda:FunctionArn" = [local.function_arns[name], "${local.function_arns[name]}:*"] } }
        },
      ],
      [
        # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
        for tables in [keys(declared.uses.tables)] : {
          actions = ["kms:Decrypt"]
          condition = {
            StringEquals = {
              "kms:ViaService"                               = "dynamodb.${var.region}.amazonaws.com"
              "kms:EncryptionContext:aws:dynamodb:tableName" = [for table in tables : lookup(local.table_names, table, "")]
            }
          }
        } if length(tables) > 0
      ],
      [
        # A sender generates data keys and reads them back, a receiver only reads them.
        # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
        for queues in [{
          sends    = concat(keys(declared.uses.queues), [for schedule in declared.schedules : schedule.failures if schedule.failures != null])
          receives = keys(declared.receives)
          }] : {
          actions   = concat(["kms:Decrypt"], length(queues.sends) > 0 ? ["kms:GenerateDataKey"] : [])
          condition = local.through_queues
        } if length(queues.sends) + length(queues.receives) > 0
      ],
      [
        # Other calls of the workflow do not decrypt anything for their caller.
        # https://docs.aws.amazon.com/step-functions/latest/dg/encryption-at-rest.html
        for operation in declared.uses.workflow : {
          actions = ["kms:Decrypt"]
          condition = {
            StringEquals = { "kms:ViaService" = "states.${var.region}.amazonaws.com" }
            ArnLike      = local.workflow_context
          }
        } if operation == "StartSyncExecution"
      ],
    )
  }

  # How each function's role uses the keys of its secrets: Secrets Manager decrypts a secret on its reader's behalf, in
  # the context of the secret's ARN. AWS's own key for Secrets Manager needs no permission.
  # https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
  function_secret_key_uses = {
    for name, declared in local.declarations : name => [
      for secret in declared.uses.secrets : {
        key_arn = local.secrets[secret].key_arn
        condition = {
          StringEquals = { "kms:ViaService" = "secretsmanager.${var.region}.amazonaws.com" }
          ArnLike      = { "kms:EncryptionContext:SecretARN" = local.secrets[secret].resource }
        }
      } if try(local.secrets[secret].key_arn, null) != null
    ]
  }

  # Step Functions calls KMS with the state machine's role itself: kms:ViaService would refuse that.
  # https://docs.aws.amazon.com/step-functions/latest/dg/encryption-at-rest.html
  state_machine_key_uses = [
    { actions = ["kms:Decrypt", "kms:GenerateDataKey"], condition = { ArnLike = local.workflow_context } },
    { actions = ["kms:GenerateDataKey"], condition = local.log_delivery_context },
  ]

  # EventBridge Scheduler decrypts a schedule's input with the schedule's role, not on anyone's behalf: kms:ViaService
  # would refuse that. https://docs.aws.amazon.com/scheduler/latest/UserGuide/encryption-rest.html
  # It sends what it could not deliver with the same role, as any other sender.
  # https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
  scheduler_key_uses = concat(
    [
      {
        actions   = ["kms:Decrypt"]
        condition = { ArnEquals = { "kms:EncryptionContext:aws:scheduler:schedule:arn" = values(local.schedule_arns) } }
      },
    ],
    [
      for queues in [[for schedule in values(local.schedules) : schedule.failures if schedule.failures != null]] :
      { actions = ["kms:Decrypt", "kms:GenerateDataKey"], condition = local.through_queues } if length(queues) > 0
    ],
  )

  through_queues   = { StringEquals = { "kms:ViaService" = "sqs.${var.region}.amazonaws.com" } }
  workflow_context = { "kms:EncryptionContext:aws:states:stateMachineArn" = [local.state_machine_arn, "${local.state_machine_arn}:*"] }

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

  name        = "${local.function_names[each.key]}-${local.region_name}"
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

  lifecycle {
    create_before_destroy = true
  }
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

  lifecycle {
    create_before_destroy = true
  }
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
          Resource = "arn:${local.partition}:logs:${var.region}:${local.account_id}:log-group:${local.function_log_groups[each.key]}:log-stream:*"
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
      flatten([
        for key_arn in local.key_arn[*] : [
          for use in local.function_key_uses[each.key] : { Effect = "Allow", Action = use.actions, Resource = key_arn, Condition = use.condition }
        ]
      ]),
      [
        for use in local.function_secret_key_uses[each.key] : { Effect = "Allow", Action = ["kms:Decrypt"], Resource = use.key_arn, Condition = use.condition }
      ],
    )
  })

  lifecycle {
    create_before_destroy = true
  }
}

# --- State machine --------------------------------------------------------------------------------

resource "aws_iam_role" "state_machine" {
  name        = "${local.name}-state-machine-${local.region_name}"
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

  lifecycle {
    create_before_destroy = true
  }
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
      ],
      flatten([
        for key_arn in local.key_arn[*] : [
          for use in local.state_machine_key_uses : { Effect = "Allow", Action = use.actions, Resource = key_arn, Condition = use.condition }
        ]
      ]),
    )
  })

  lifecycle {
    create_before_destroy = true
  }
}

# --- Schedule -------------------------------------------------------------------------------------

resource "aws_iam_role" "scheduler" {
  name        = "${local.name}-scheduler-${local.region_name}"
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

  lifecycle {
    create_before_destroy = true
  }
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
      flatten([
        for key_arn in local.key_arn[*] : [
          for use in local.scheduler_key_uses : { Effect = "Allow", Action = use.actions, Resource = key_arn, Condition = use.condition }
        ]
      ]),
    )
  })

  lifecycle {
    create_before_destroy = true
  }
}

# --- API Gateway's logs ---------------------------------------------------------------------------

resource "aws_iam_role" "api_gateway" {
  count = var.enable_api_gateway_account ? 1 : 0

  name        = "${local.name}-api-gateway-${local.region_name}"
  description = "API Gateway's logs in this account and region"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "apigateway.amazonaws.com" }
    }]
  })

  lifecycle {
    create_before_destroy = true
  }
}

# The role serves every API of the account, whatever its log group is called, so it has AWS's own policy for this.
resource "aws_iam_role_policy_attachment" "api_gateway" {
  count = length(aws_iam_role.api_gateway)

  role       = aws_iam_role.api_gateway[0].name
  policy_arn = "arn:${local.partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"

  lifecycle {
    create_before_destroy = true
  }
}
