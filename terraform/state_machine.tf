# The workflow, from the same definition that the local stack executes.

resource "aws_cloudwatch_log_group" "state_machine" {
  # Under this prefix AWS keeps one resource policy for all log groups. Otherwise each would need its own, and their
  # number is limited.
  name              = local.state_machine_log_group
  retention_in_days = var.log_retention_days
  kms_key_id        = local.key_arn
}

resource "aws_sfn_state_machine" "this" {
  name     = local.name
  role_arn = aws_iam_role.state_machine.arn
  type     = "EXPRESS"
  publish  = true

  # It names published versions of the functions, so a version of the state machine is the whole workflow: rolling back
  # to it also rolls back to the functions that it was made for.
  definition = templatefile("${path.module}/../statemachine/order-saga.asl.json", merge(
    # declarations.tf reports a placeholder that has no function.
    { for placeholder in local.placeholders : placeholder => "" },
    { for placeholder, function in local.task_functions : placeholder => aws_lambda_function.this[function].qualified_arn },
  ))

  logging_configuration {
    level                  = var.state_machine_log_level
    include_execution_data = var.include_execution_data
    log_destination        = "${aws_cloudwatch_log_group.state_machine.arn}:*"
  }

  tracing_configuration {
    enabled = true
  }

  dynamic "encryption_configuration" {
    for_each = var.enable_customer_managed_key ? [local.key_arn] : []
    content {
      type                              = "CUSTOMER_MANAGED_KMS_KEY"
      kms_key_id                        = encryption_configuration.value
      kms_data_key_reuse_period_seconds = 300
    }
  }

  # Step Functions checks at creation that the role may deliver logs.
  depends_on = [aws_iam_role_policy.state_machine]
}

resource "aws_sfn_alias" "live" {
  name        = local.alias
  description = "What intake and recovery start"

  dynamic "routing_configuration" {
    for_each = var.state_machine_previous_percent < 100 ? [aws_sfn_state_machine.this.state_machine_version_arn] : []
    content {
      state_machine_version_arn = routing_configuration.value
      weight                    = 100 - var.state_machine_previous_percent
    }
  }

  dynamic "routing_configuration" {
    for_each = var.state_machine_previous_percent > 0 ? [var.state_machine_previous_version] : []
    content {
      state_machine_version_arn = "${local.state_machine_arn}:${routing_configuration.value}"
      weight                    = var.state_machine_previous_percent
    }
  }
}
