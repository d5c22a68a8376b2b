# One function per crate in functions/. `build.sh` builds their zips.

resource "aws_cloudwatch_log_group" "function" {
  for_each = local.functions

  name              = local.function_log_groups[each.key]
  retention_in_days = var.log_retention_days
  kms_key_id        = local.key_arn
}

resource "aws_lambda_function" "this" {
  for_each = local.functions

  function_name = local.function_names[each.key]
  description   = each.value.description
  role          = aws_iam_role.function[each.key].arn

  filename = "${local.zip_dir}/${each.key}/bootstrap.zip"
  # A plan works without the zips; an apply needs them.
  source_code_hash = try(filebase64sha256("${local.zip_dir}/${each.key}/bootstrap.zip"), null)

  runtime       = "provided.al2023"
  handler       = "bootstrap"
  architectures = [var.architecture]
  memory_size   = each.value.memory_mb
  timeout       = each.value.timeout_seconds
  # Each change becomes a version, which can be named and rolled back to.
  publish = true

  reserved_concurrent_executions = local.reserved_concurrency[each.key]

  kms_key_arn = local.key_arn

  environment {
    variables = each.value.environment
  }

  logging_config {
    log_format            = "JSON"
    application_log_level = var.log_level
    system_log_level      = "WARN"
    log_group             = aws_cloudwatch_log_group.function[each.key].name
  }

  tracing_config {
    mode = "Active"
  }

  lifecycle {
    precondition {
      condition     = local.reserved_together == 0 || local.reserved_together <= var.account_concurrency - local.unreserved_concurrency
      error_message = "The functions would reserve ${local.reserved_together} instances. AWS keeps ${local.unreserved_concurrency} unreserved, so that needs a quota of ${local.reserved_together + local.unreserved_concurrency}; account_concurrency is ${var.account_concurrency}. Lower an entry of function_reserved_concurrency."
    }
  }

  # A version may be called as soon as it exists, so its permissions must exist first.
  depends_on = [aws_iam_role_policy.function_calls, aws_iam_role_policy.function_runtime]
}

resource "aws_lambda_alias" "live" {
  for_each = local.live_functions

  name             = local.alias
  description      = "What the API, the schedules and the queues call"
  function_name    = aws_lambda_function.this[each.key].function_name
  function_version = lookup(var.function_versions, each.key, aws_lambda_function.this[each.key].version)
}

# A schedule invokes asynchronously. A failed run is not repeated: the next one is due soon and finds the same
# work.
resource "aws_lambda_function_event_invoke_config" "schedule" {
  for_each = local.schedules

  function_name                = aws_lambda_function.this[each.key].function_name
  qualifier                    = aws_lambda_alias.live[each.key].name
  maximum_event_age_in_seconds = 60
  maximum_retry_attempts       = 0

  dynamic "destination_config" {
    for_each = each.value.failures[*]
    content {
      on_failure {
        destination = aws_sqs_queue.this[destination_config.value].arn
      }
    }
  }
}
