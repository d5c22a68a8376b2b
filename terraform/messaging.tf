# The queues, their dead-letter queues, and the functions that receive from them.

resource "aws_sqs_queue" "this" {
  for_each = local.queues

  name                       = local.queue_names[each.key]
  message_retention_seconds  = each.value.retention_seconds
  visibility_timeout_seconds = each.value.visibility_seconds

  # One or the other: a queue is always encrypted.
  sqs_managed_sse_enabled           = var.enable_customer_managed_key ? null : true
  kms_master_key_id                 = local.key_arn
  kms_data_key_reuse_period_seconds = var.enable_customer_managed_key ? 300 : null

  depends_on = [terraform_data.declarations]
}

# Separate resources, because a queue and its dead-letter queue refer to each other. Each is made after all of the
# queues, because its `queue_url` is read from them.
resource "aws_sqs_queue_redrive_policy" "this" {
  for_each = { for queue, options in local.queues : queue => options if options.dead_letter != null }

  queue_url = aws_sqs_queue.this[each.key].url
  redrive_policy = jsonencode({
    deadLetterTargetArn = local.queue_arns[each.value.dead_letter]
    maxReceiveCount     = each.value.max_receives
  })
}

resource "aws_sqs_queue_redrive_allow_policy" "this" {
  for_each = local.queues

  queue_url = aws_sqs_queue.this[each.key].url
  redrive_allow_policy = jsonencode(merge(
    { redrivePermission = length(each.value.dead_letters_of) == 0 ? "denyAll" : "byQueue" },
    length(each.value.dead_letters_of) == 0 ? {} : { sourceQueueArns = [for source in each.value.dead_letters_of : local.queue_arns[source]] },
  ))
}

resource "aws_sqs_queue_policy" "this" {
  for_each = local.queues

  queue_url = aws_sqs_queue.this[each.key].url
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = local.queue_arns[each.key]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

resource "aws_lambda_event_source_mapping" "this" {
  for_each = local.receivers

  event_source_arn = aws_sqs_queue.this[each.key].arn
  function_name    = aws_lambda_alias.live[each.value.function].arn
  batch_size       = each.value.batch
  # Only the messages that failed come back, not their whole batch.
  function_response_types = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = var.overflow_maximum_concurrency
  }

  # Lambda checks at creation that the role may receive.
  depends_on = [aws_iam_role_policy.function_runtime]
}
