# The options, and what each changes.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  account_id  = "123456789012"
  environment = "staging"
}

run "rolling_back_leads_every_execution_to_the_earlier_version" {
  variables {
    state_machine_previous_version = 4
    state_machine_previous_percent = 100
    function_versions              = { intake = "3" }
  }
  assert {
    condition     = length(aws_sfn_alias.live.routing_configuration) == 1 && aws_sfn_alias.live.routing_configuration[0].state_machine_version_arn == "arn:aws:states:us-east-1:123456789012:stateMachine:order-saga-staging:4" && aws_sfn_alias.live.routing_configuration[0].weight == 100
    error_message = "The alias has to lead to version 4 only."
  }
  assert {
    condition     = aws_lambda_alias.live["intake"].function_version == "3" && aws_lambda_alias.live["query-orders"].function_version == "7"
    error_message = "A pinned alias has to lead to its version, and the others to the published ones."
  }
}

run "a_new_version_can_be_shifted_to_gradually" {
  variables {
    state_machine_previous_version = 4
    state_machine_previous_percent = 90
  }
  assert {
    condition = { for route in aws_sfn_alias.live.routing_configuration : element(split(":", route.state_machine_version_arn), 7) => route.weight } == {
      "4" = 90
      "5" = 10
    }
    error_message = "The alias has to lead to both versions."
  }
}

run "a_customer_managed_key_encrypts_everything" {
  variables {
    enable_customer_managed_key = true
  }
  assert {
    condition     = aws_kms_key.this[0].enable_key_rotation
    error_message = "The key has to rotate."
  }
  assert {
    condition     = alltrue([for table in aws_dynamodb_table.this : table.server_side_encryption[0].kms_key_arn == aws_kms_key.this[0].arn])
    error_message = "The tables have to use the key."
  }
  assert {
    condition     = alltrue([for queue in aws_sqs_queue.this : queue.kms_master_key_id == aws_kms_key.this[0].arn])
    error_message = "The queues have to use the key."
  }
  assert {
    condition     = alltrue(concat([for group in aws_cloudwatch_log_group.function : group.kms_key_id == aws_kms_key.this[0].arn], [aws_cloudwatch_log_group.api.kms_key_id == aws_kms_key.this[0].arn, aws_cloudwatch_log_group.state_machine.kms_key_id == aws_kms_key.this[0].arn]))
    error_message = "The logs have to use the key."
  }
  assert {
    condition     = aws_sfn_state_machine.this.encryption_configuration[0].kms_key_id == aws_kms_key.this[0].arn && alltrue([for function in aws_lambda_function.this : function.kms_key_arn == aws_kms_key.this[0].arn])
    error_message = "The state machine and the functions' settings have to use the key."
  }
  # tests/terraform/key_use.py checks who may use the key.
}

run "an_existing_key_is_used_instead" {
  variables {
    enable_customer_managed_key = true
    kms_key_arn                 = "arn:aws:kms:us-east-1:123456789012:key/theirs"
  }
  assert {
    condition     = length(aws_kms_key.this) == 0 && aws_dynamodb_table.this["orders"].server_side_encryption[0].kms_key_arn == "arn:aws:kms:us-east-1:123456789012:key/theirs"
    error_message = "The given key has to be used."
  }
}

run "the_firewall_limits_rates_and_keeps_keys_out_of_its_log" {
  variables {
    enable_waf = true
  }
  assert {
    condition     = toset([for rule in aws_wafv2_web_acl.this[0].rule : rule.name]) == toset(["address-rate", "key-rate", "common", "known-bad-inputs"])
    error_message = "The firewall has to have its four rules."
  }
  assert {
    condition     = contains([for field in aws_wafv2_web_acl_logging_configuration.this[0].redacted_fields : field.single_header[0].name], "x-api-key")
    error_message = "API keys must not be logged."
  }
  assert {
    condition     = aws_wafv2_web_acl_association.this[0].resource_arn == aws_api_gateway_stage.this.arn
    error_message = "The firewall has to be in front of the API."
  }
}

run "a_domain_of_ones_own_takes_tls_1_2_only" {
  variables {
    domain_name                 = "orders.example.com"
    domain_certificate_arn      = "arn:aws:acm:us-east-1:123456789012:certificate/1"
    domain_zone_id              = "Z1"
    enable_execute_api_endpoint = false
  }
  assert {
    condition     = aws_api_gateway_domain_name.this[0].security_policy == "TLS_1_2" && aws_route53_record.this[0].name == "orders.example.com"
    error_message = "The domain has to be served, with TLS 1.2 at least."
  }
  assert {
    condition     = aws_api_gateway_rest_api.this.disable_execute_api_endpoint && output.api_url == "https://orders.example.com"
    error_message = "The API's own address has to be closed."
  }
}

run "a_budget_tells_before_it_is_used_up" {
  variables {
    monthly_budget_usd = 100
    alarm_emails       = ["a@example.com"]
  }
  assert {
    condition     = length(aws_budgets_budget.this[0].notification) == 2 && length(aws_sns_topic_subscription.email) == 1
    error_message = "The budget has to tell of actual and forecasted costs."
  }
}

run "a_stack_without_extras" {
  variables {
    enable_api_gateway_account = false
    enable_dashboard           = false
    enable_deletion_protection = false
    architecture               = "x86_64"
  }
  assert {
    condition     = length(aws_api_gateway_account.this) + length(aws_iam_role.api_gateway) + length(aws_cloudwatch_dashboard.this) == 0
    error_message = "Resources that are switched off must not be created."
  }
  assert {
    condition     = alltrue([for table in aws_dynamodb_table.this : !table.deletion_protection_enabled]) && alltrue([for function in aws_lambda_function.this : function.architectures == tolist(["x86_64"])])
    error_message = "The options have to be applied."
  }
}
