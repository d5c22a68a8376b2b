# The functions that run on a schedule.

resource "aws_scheduler_schedule" "this" {
  for_each = local.schedules

  name                = "${local.name}-${local.schedule_names[each.key]}"
  description         = "Runs ${each.key}"
  schedule_expression = each.value.every_minutes == 1 ? "rate(1 minute)" : "rate(${each.value.every_minutes} minutes)"
  state               = "ENABLED"
  kms_key_arn         = local.key_arn

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_alias.live[each.key].arn
    role_arn = aws_iam_role.scheduler.arn
    input    = jsonencode(each.value.input)

    # A run that cannot be started within two minutes is given up: later runs do its work.
    retry_policy {
      maximum_retry_attempts       = 2
      maximum_event_age_in_seconds = 120
    }

    dynamic "dead_letter_config" {
      for_each = each.value.failures[*]
      content {
        arn = aws_sqs_queue.this[dead_letter_config.value].arn
      }
    }
  }

  depends_on = [aws_iam_role_policy.scheduler]
}
