# An optional web application firewall in front of the API.

locals {
  # The most that a usage plan lets one client send in five minutes: its rate for 300 seconds, and one burst.
  client_requests_per_five_minutes = ceil(300 * var.client_requests_per_second + var.client_burst_requests)

  # The usage plan answers a client that sends too much with 429, and counts only what it lets through. The firewall counts
  # every request, the retries too, so it blocks a key only at twice that.
  waf_requests_per_key = 2 * local.client_requests_per_five_minutes

  # Several clients may share an address, for example behind one NAT gateway.
  waf_requests_per_address = coalesce(var.waf_requests_per_five_minutes, 2 * local.waf_requests_per_key)
}

resource "aws_wafv2_web_acl" "this" {
  count = var.enable_waf ? 1 : 0

  name        = local.name
  description = "In front of the API of ${local.name}"
  scope       = "REGIONAL"

  default_action {
    allow {}
  }

  # The largest body that an order may have.
  association_config {
    request_body {
      api_gateway {
        default_size_inspection_limit = "KB_64"
      }
    }
  }

  # Whatever keys an address sends, and also without one.
  rule {
    name     = "address-rate"
    priority = 0

    action {
      block {}
    }

    statement {
      rate_based_statement {
        aggregate_key_type    = "IP"
        evaluation_window_sec = 300
        limit                 = local.waf_requests_per_address
      }
    }

    visibility_config {
      metric_name                = "${local.name}-address-rate"
      cloudwatch_metrics_enabled = true
      sampled_requests_enabled   = false
    }
  }

  # One client, from however many addresses. Requests without the header are not counted here.
  # https://docs.aws.amazon.com/waf/latest/developerguide/waf-rule-statement-type-rate-based-aggregation-options.html
  rule {
    name     = "key-rate"
    priority = 1

    action {
      block {}
    }

    statement {
      rate_based_statement {
        aggregate_key_type    = "CUSTOM_KEYS"
        evaluation_window_sec = 300
        limit                 = local.waf_requests_per_key

        custom_key {
          header {
            name = "x-api-key"
            text_transformation {
              priority = 0
              type     = "NONE"
            }
          }
        }
      }
    }

    visibility_config {
      metric_name                = "${local.name}-key-rate"
      cloudwatch_metrics_enabled = true
      sampled_requests_enabled   = false
    }
  }

  rule {
    name     = "common"
    priority = 2

    override_action {
      none {}
    }

    statement {
      managed_rule_group_statement {
        vendor_name = "AWS"
        name        = "AWSManagedRulesCommonRuleSet"

        # It blocks bodies above 8 KB, but an order of fifty lines can be larger. Intake has its own limit.
        rule_action_override {
          name = "SizeRestrictions_BODY"
          action_to_use {
            count {}
          }
        }
      }
    }

    visibility_config {
      metric_name                = "${local.name}-common"
      cloudwatch_metrics_enabled = true
      sampled_requests_enabled   = false
    }
  }

  rule {
    name     = "known-bad-inputs"
    priority = 3

    override_action {
      none {}
    }

    statement {
      managed_rule_group_statement {
        vendor_name = "AWS"
        name        = "AWSManagedRulesKnownBadInputsRuleSet"
      }
    }

    visibility_config {
      metric_name                = "${local.name}-known-bad-inputs"
      cloudwatch_metrics_enabled = true
      sampled_requests_enabled   = false
    }
  }

  visibility_config {
    metric_name                = local.name
    cloudwatch_metrics_enabled = true
    # A sample would contain whole requests, including their keys.
    sampled_requests_enabled = false
  }
}

resource "aws_wafv2_web_acl_association" "this" {
  count = length(aws_wafv2_web_acl.this)

  resource_arn = aws_api_gateway_stage.this.arn
  web_acl_arn  = aws_wafv2_web_acl.this[0].arn
}

resource "aws_cloudwatch_log_group" "waf" {
  count = length(aws_wafv2_web_acl.this)

  name              = local.waf_log_group
  retention_in_days = var.log_retention_days
  kms_key_id        = local.key_arn
}

resource "aws_wafv2_web_acl_logging_configuration" "this" {
  count = length(aws_wafv2_web_acl.this)

  resource_arn            = aws_wafv2_web_acl.this[0].arn
  log_destination_configs = [aws_cloudwatch_log_group.waf[0].arn]

  dynamic "redacted_fields" {
    for_each = ["authorization", "idempotency-key", "x-api-key"]
    content {
      single_header {
        name = redacted_fields.value
      }
    }
  }

  # Requests that pass are already in the access log.
  logging_filter {
    default_behavior = "DROP"

    filter {
      behavior    = "KEEP"
      requirement = "MEETS_ANY"

      condition {
        action_condition {
          action = "BLOCK"
        }
      }

      condition {
        action_condition {
          action = "COUNT"
        }
      }
    }
  }
}
