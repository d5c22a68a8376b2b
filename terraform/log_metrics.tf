# What is counted in logs, because no service has a metric for it.

# --- Crashes of tasks -----------------------------------------------------------------------------

# Lambda's report of an invocation that did not succeed is a system log of level WARN. Its error is the function's own one
# if the function answered: our names never begin like Lambda's.
# https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html#platform-report
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
resource "aws_cloudwatch_log_metric_filter" "crashes" {
  for_each = toset(local.state_functions)

  name           = "crashes"
  log_group_name = aws_cloudwatch_log_group.function[each.key].name
  pattern        = "{ $.type = \"platform.report\" && ($.record.status = \"timeout\" || $.record.errorType = \"Runtime.*\" || $.record.errorType = \"Sandbox.*\" || $.record.errorType = \"Extension.*\") }"

  metric_transformation {
    namespace = local.log_namespace
    name      = "${each.key}-crashes"
    value     = "1"
    unit      = "Count"
  }
}

# --- Requests that are refused --------------------------------------------------------------------

locals {
  refused_statuses = {
    "401" = "no token and no key, or one that is not valid. A client's token has expired, the issuer has rotated its keys, or someone is guessing. Look for authorizerError in the access log, and for the reasons in the log of authorize."
    "403" = "the caller may not do this, or the firewall blocks them. Look for error and waf in the access log."
    "429" = "a client sends more than its rate or its daily quota, or all of them send more than requests_per_second. Look for apiKeyId in the access log."
  }

  # What is counted in logs. A metric filter cannot add the stack as a dimension.
  log_namespace = "OrderSaga/${local.name}"
}

# API Gateway has no metric for single statuses, but the access log has them. A metric costs nothing in hours without such
# a request. https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
resource "aws_cloudwatch_log_metric_filter" "refused" {
  for_each = local.refused_statuses

  name           = "status-${each.key}"
  log_group_name = aws_cloudwatch_log_group.api.name
  pattern        = "{ $.status = \"${each.key}\" }"

  metric_transformation {
    namespace = local.log_namespace
    name      = "Status${each.key}"
    value     = "1"
    unit      = "Count"
  }
}
