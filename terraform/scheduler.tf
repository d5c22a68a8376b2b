# Recovery, every minute: often enough that an order whose start was lost is decided soon, and so cheap
# when there is nothing to do that it does not matter.

resource "aws_scheduler_schedule" "recovery" {
  name                = "${local.name}-recovery"
  description         = "Takes up open orders"
  schedule_expression = "rate(1 minute)"
  state               = "ENABLED"
  kms_key_arn         = local.key_arn

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_alias.live["recover-orders"].arn
    role_arn = aws_iam_role.scheduler.arn
    input    = jsonencode({ action = "recover" })

    # What could not be started within two minutes is left to the runs that came since.
    retry_policy {
      maximum_retry_attempts       = 2
      maximum_event_age_in_seconds = 120
    }

    dead_letter_config {
      arn = aws_sqs_queue.this["recovery-dead"].arn
    }
  }

  depends_on = [aws_iam_role_policy.scheduler]
}
