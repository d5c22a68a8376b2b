# What is rejected before any resource is created.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  account_id   = "123456789012"
  environment  = "production"
  alarm_emails = ["on-call@example.com"]
}

run "production_logs_no_orders" {
  command = plan
  variables {
    include_execution_data = true
  }
  expect_failures = [var.include_execution_data]
}

run "executions_are_never_without_a_log" {
  command = plan
  variables {
    state_machine_log_level = "OFF"
  }
  expect_failures = [var.state_machine_log_level]
}

run "recoverys_metrics_are_log_lines" {
  command = plan
  variables {
    log_level = "ERROR"
  }
  expect_failures = [var.log_level]
}

run "no_more_is_reserved_than_aws_lends" {
  command = plan
  variables {
    account_concurrency           = 1000
    function_reserved_concurrency = { query-orders = 100 }
  }
  expect_failures = [aws_lambda_function.this]
}

run "a_quota_is_at_least_what_aws_gives" {
  command = plan
  variables {
    account_concurrency = 5
  }
  expect_failures = [var.account_concurrency]
}

run "latest_is_no_version" {
  command = plan
  variables {
    function_versions = { intake = "$LATEST" }
  }
  expect_failures = [var.function_versions]
}

run "a_task_function_is_not_pinned_by_itself" {
  command = plan
  variables {
    function_versions = { persist-order = "3" }
  }
  expect_failures = [var.function_versions]
}

run "a_share_needs_a_version" {
  command = plan
  variables {
    state_machine_previous_percent = 10
  }
  expect_failures = [var.state_machine_previous_percent]
}

run "a_domain_needs_a_certificate" {
  command = plan
  variables {
    domain_name = "orders.example.com"
  }
  expect_failures = [var.domain_certificate_arn]
}

run "an_api_has_an_address" {
  command = plan
  variables {
    enable_execute_api_endpoint = false
  }
  expect_failures = [var.enable_execute_api_endpoint]
}

run "production_s_alarms_reach_somebody" {
  command = plan
  variables {
    alarm_emails = []
  }
  expect_failures = [var.alarm_emails]
}

run "the_firewall_lets_through_what_a_client_may_send" {
  command = plan
  variables {
    client_requests_per_second    = 200
    client_burst_requests         = 400
    waf_requests_per_five_minutes = 120799
  }
  expect_failures = [var.waf_requests_per_five_minutes]
}

run "a_budget_tells_somebody" {
  command = plan
  variables {
    environment        = "staging"
    alarm_emails       = []
    monthly_budget_usd = 10
  }
  expect_failures = [var.monthly_budget_usd]
}

run "another_environment_is_a_typing_error" {
  command = plan
  variables {
    environment = "prod"
  }
  expect_failures = [var.environment]
}

run "logs_are_kept_for_times_that_aws_knows" {
  command = plan
  variables {
    log_retention_days = 31
  }
  expect_failures = [var.log_retention_days]
}

run "another_account_s_credentials_are_noticed" {
  variables {
    account_id = "210987654321"
  }
  expect_failures = [aws_dynamodb_table.this]
}

run "a_client_may_do_something_that_there_is" {
  command = plan
  variables {
    api_clients = { shop = { scopes = ["submit", "everything"] } }
  }
  expect_failures = [var.api_clients]
}

run "a_client_may_do_something" {
  command = plan
  variables {
    api_clients = { shop = { scopes = [] } }
  }
  expect_failures = [var.api_clients]
}

run "operations_are_not_for_a_client_of_one_customer" {
  command = plan
  variables {
    api_clients = { acme = { scopes = ["read", "operations"], customer_id = "acme" } }
  }
  expect_failures = [var.api_clients]
}

run "a_tenant_is_part_of_a_key" {
  command = plan
  variables {
    api_clients = { shop = { scopes = ["submit"], tenant = "a#b" } }
  }
  expect_failures = [var.api_clients]
}

run "the_clients_fit_in_a_function_s_environment" {
  command = plan
  variables {
    api_clients = { for number in range(50) : "client-${number}" => { scopes = ["submit", "read"] } }
  }
  expect_failures = [var.api_clients]
}

run "stock_is_spread_in_one_of_two_ways" {
  command = plan
  variables {
    stock_spreading = "always"
  }
  expect_failures = [var.stock_spreading]
}

run "a_payment_is_captured_at_one_of_two_moments" {
  command = plan
  variables {
    payment_capture = "shipment"
  }
  expect_failures = [var.payment_capture]
}

run "the_payment_provider_s_key_itself_is_no_variable" {
  command = plan
  variables {
    payment_secret_arn = "the-key-itself"
  }
  expect_failures = [var.payment_secret_arn]
}

run "a_secret_s_name_is_no_arn" {
  command = plan
  variables {
    payment_secret_arn = "order-saga/payment-gateway"
  }
  expect_failures = [var.payment_secret_arn]
}

run "one_secret_and_not_several" {
  command = plan
  variables {
    payment_secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:order-saga/*"
  }
  expect_failures = [var.payment_secret_arn]
}

run "a_secret_is_in_the_region_of_its_readers" {
  command = plan
  variables {
    payment_secret_arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:payment-gateway-a1b2c3"
  }
  expect_failures = [var.payment_secret_arn]
}

run "a_parameter_is_no_secret" {
  command = plan
  variables {
    payment_secret_arn = "arn:aws:ssm:us-east-1:123456789012:parameter/payment-gateway"
  }
  expect_failures = [var.payment_secret_arn]
}

run "an_alias_of_a_key_allows_nothing" {
  command = plan
  variables {
    payment_secret_arn     = "arn:aws:secretsmanager:us-east-1:123456789012:secret:payment-gateway-a1b2c3"
    payment_secret_key_arn = "arn:aws:kms:us-east-1:123456789012:alias/payments"
  }
  expect_failures = [var.payment_secret_key_arn]
}

run "a_secret_s_key_needs_a_secret" {
  command = plan
  variables {
    payment_secret_key_arn = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  }
  expect_failures = [var.payment_secret_key_arn]
}

run "returned_payments_can_be_counted" {
  command = plan
  variables {
    payment_returns_per_hour = 0
  }
  expect_failures = [var.payment_returns_per_hour]
}

run "production_s_operations_need_a_token" {
  command = plan
  variables {
    enable_operations_keys = true
  }
  expect_failures = [var.enable_operations_keys]
}

run "operations_need_a_token" {
  command = plan
  variables {
    api_clients = { operations = { scopes = ["operations"] } }
  }
  expect_failures = [var.api_clients]
}

run "production_s_keys_are_in_no_output" {
  command = plan
  variables {
    enable_api_key_output = true
  }
  expect_failures = [var.enable_api_key_output]
}

run "tokens_have_one_issuer" {
  command = plan
  variables {
    enable_user_pool = true
    token_issuer     = "https://issuer.example.com"
    token_audiences  = ["orders"]
  }
  expect_failures = [var.enable_user_pool]
}

run "an_issuer_s_tokens_for_others_are_not_accepted" {
  command = plan
  variables {
    token_issuer = "https://issuer.example.com"
  }
  expect_failures = [var.token_audiences]
}

run "an_issuer_s_keys_come_over_tls" {
  command = plan
  variables {
    token_issuer    = "https://issuer.example.com"
    token_audiences = ["orders"]
    token_jwks_url  = "http://issuer.example.com/keys"
  }
  expect_failures = [var.token_jwks_url]
}

run "tokens_are_signed_with_private_keys" {
  command = plan
  variables {
    token_algorithms = ["RS256", "HS256"]
  }
  expect_failures = [var.token_algorithms]
}

run "caching_is_for_tokens" {
  command = plan
  variables {
    authorizer_cache_seconds = 60
  }
  expect_failures = [var.authorizer_cache_seconds]
}

run "expired_tokens_are_not_accepted_for_long" {
  command = plan
  variables {
    authorizer_cache_seconds = 3600
    enable_user_pool         = true
  }
  expect_failures = [var.authorizer_cache_seconds]
}

run "a_client_id_is_an_issuer_s" {
  command = plan
  variables {
    api_clients = { shop = { scopes = ["submit"], client_id = "shop-1" } }
  }
  expect_failures = [var.api_clients]
}
