# The budget, which counts all stacks of this name.

resource "aws_budgets_budget" "this" {
  count = var.monthly_budget_usd == null ? 0 : 1

  account_id   = local.account_id
  name         = local.global_name
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_amount = tostring(var.monthly_budget_usd)
  limit_unit   = "USD"

  # user:KEY$VALUE. In a template, a second dollar sign would escape the brace.
  # https://docs.aws.amazon.com/cli/latest/reference/budgets/create-budget.html
  cost_filter {
    name   = "TagKeyValue"
    values = [format("user:Project$%s", local.tags.Project)]
  }

  dynamic "notification" {
    for_each = { ACTUAL = 80, FORECASTED = 100 }
    content {
      notification_type          = notification.key
      comparison_operator        = "GREATER_THAN"
      threshold                  = notification.value
      threshold_type             = "PERCENTAGE"
      subscriber_email_addresses = var.alarm_emails
    }
  }
}
