# How an account's quota of instances is divided.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  account_id  = "123456789012"
  environment = "staging"
}

run "a_quota_is_divided_between_those_who_wait_and_those_who_work" {
  variables {
    account_concurrency = 1000
    requests_per_second = 5000
  }
  assert {
    condition = { for name, function in aws_lambda_function.this : name => function.reserved_concurrent_executions } == {
      intake            = 446
      persist-order     = 89
      reserve-inventory = 89
      post-accounting   = 89
      capture-payment   = 89
      recover-orders    = 7
      authorize         = 89
      query-orders      = -1
      manage-stock      = -1
      manage-accounts   = -1
    }
    error_message = "Intake has to be capped, and the steps, the authorizer and recovery need instances that nobody else can take."
  }
  assert {
    condition     = sum([for function in aws_lambda_function.this : max(0, function.reserved_concurrent_executions)]) <= 900
    error_message = "AWS keeps 100 instances unreserved."
  }
  assert {
    condition     = alltrue([for method in aws_api_gateway_method_settings.waiting : method.settings[0].throttling_rate_limit == 1784 && method.settings[0].throttling_burst_limit == 446])
    error_message = "Orders that intake's instances cannot take have to be refused before them."
  }
}

run "a_small_quota_is_not_divided" {
  variables {
    account_concurrency = 150
  }
  assert {
    condition     = alltrue([for function in aws_lambda_function.this : function.reserved_concurrent_executions == -1])
    error_message = "A share of a few instances is of no use."
  }
}

run "a_function_can_be_stopped" {
  variables {
    account_concurrency           = 1000
    function_reserved_concurrency = { intake = 0 }
  }
  assert {
    condition     = aws_lambda_function.this["intake"].reserved_concurrent_executions == 0 && aws_lambda_function.this["persist-order"].reserved_concurrent_executions == 89
    error_message = "An entry of function_reserved_concurrency has to replace what follows from the quota, and nothing else."
  }
}
