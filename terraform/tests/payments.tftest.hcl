# What a payment provider adds. Without one, the stack is as in safety.tftest.hcl.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  account_id         = "123456789012"
  environment        = "staging"
  payment_secret_arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:order-saga/payment-gateway-a1b2c3"
}

run "a_secret_and_a_setting_are_for_the_functions_that_declare_them" {
  assert {
    condition = jsonencode({
      for function, policy in aws_iam_role_policy.function_calls : function => [
        for statement in jsondecode(policy.policy).Statement : statement if strcontains(jsonencode(statement), "secretsmanager")
      ] if strcontains(policy.policy, "secretsmanager")
      }) == jsonencode({
      for function in keys(aws_lambda_function.this) : function => [{
        Action   = ["secretsmanager:GetSecretValue"]
        Effect   = "Allow"
        Resource = var.payment_secret_arn
      }] if contains(try(jsondecode(file("${path.module}/../functions/${function}/function.json")).uses.secrets, []), "payment_gateway")
    })
    error_message = "Only functions that declare the secret may read it, and nothing but this secret."
  }
  assert {
    condition = !anytrue([
      for policy in concat(values(aws_iam_role_policy.function_runtime), [aws_iam_role_policy.scheduler, aws_iam_role_policy.state_machine]) :
      strcontains(policy.policy, "secretsmanager")
    ])
    error_message = "AWS's own key for Secrets Manager needs no permission, and no service reads the secret."
  }
  assert {
    condition = jsonencode({
      for name, function in aws_lambda_function.this : name => function.environment[0].variables.PAYMENT_GATEWAY_SECRET_ARN
      if contains(keys(function.environment[0].variables), "PAYMENT_GATEWAY_SECRET_ARN")
      }) == jsonencode({
      for name in keys(aws_lambda_function.this) : name => var.payment_secret_arn
      if contains(try(jsondecode(file("${path.module}/../functions/${name}/function.json")).uses.secrets, []), "payment_gateway")
    })
    error_message = "Exactly the functions that declare the secret have to know its ARN."
  }
  assert {
    condition = jsonencode({
      for name, function in aws_lambda_function.this : name => function.environment[0].variables.PAYMENT_CAPTURE
      if contains(keys(function.environment[0].variables), "PAYMENT_CAPTURE")
      }) == jsonencode({
      for name in keys(aws_lambda_function.this) : name => "confirmation"
      if contains(try(jsondecode(file("${path.module}/../functions/${name}/function.json")).uses.settings, []), "payment_capture")
    })
    error_message = "Exactly the functions that declare the setting have to know it: by default, payments are captured before the order is confirmed."
  }
  assert {
    condition     = alltrue([for name in ["capture-payment", "intake"] : try(aws_lambda_function.this[name].environment[0].variables.PAYMENT_CAPTURE, "") == "confirmation"])
    error_message = "Intake rejects orders with an authorised payment unless it knows that there is a payment provider."
  }
  assert {
    condition = jsonencode({
      for name, alarm in aws_cloudwatch_metric_alarm.this : name => [alarm.metric_name, alarm.dimensions.FunctionName, alarm.statistic, alarm.period, alarm.threshold]
      if alarm.namespace == "OrderSaga" && can(regex("^Payment", alarm.metric_name))
      }) == jsonencode({
      capture-payment-refused      = ["PaymentRefused", aws_lambda_function.this["capture-payment"].function_name, "Sum", 300, 0]
      capture-payment-returns      = ["PaymentsReturned", aws_lambda_function.this["capture-payment"].function_name, "Sum", 3600, 20]
      capture-payment-undo-refused = ["PaymentUndoRefused", aws_lambda_function.this["capture-payment"].function_name, "Sum", 300, 0]
      payments-lapsing             = ["PaymentsLapsing", aws_lambda_function.this["recover-orders"].function_name, "Maximum", 300, 0]
    })
    error_message = "An alarm on payments is missing, or watches something else."
  }
  assert {
    condition     = alltrue([for metric in ["PaymentRefused", "PaymentUndoRefused", "PaymentsReturned", "PaymentsLapsing"] : strcontains(aws_cloudwatch_dashboard.this[0].dashboard_body, "\"${metric}\"")])
    error_message = "The dashboard has to show payments."
  }
}

run "a_partial_arn_names_one_secret_too" {
  variables {
    payment_secret_arn     = "arn:aws:secretsmanager:us-east-1:123456789012:secret:order-saga/payment-gateway"
    payment_secret_key_arn = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  }
  assert {
    condition = one([
      for statement in jsondecode(aws_iam_role_policy.function_calls["capture-payment"].policy).Statement : statement.Resource
      if strcontains(jsonencode(statement), "secretsmanager")
    ]) == "${var.payment_secret_arn}-??????"
    error_message = "Secrets Manager appends a hyphen and six characters. An asterisk would also match longer names."
  }
  assert {
    condition     = aws_lambda_function.this["capture-payment"].environment[0].variables.PAYMENT_GATEWAY_SECRET_ARN == var.payment_secret_arn
    error_message = "Secrets Manager finds the secret by the ARN that was given."
  }
  assert {
    condition = jsonencode([
      for statement in jsondecode(aws_iam_role_policy.function_runtime["capture-payment"].policy).Statement : statement if statement.Resource == var.payment_secret_key_arn
      ]) == jsonencode([{
        Action = ["kms:Decrypt"]
        Condition = {
          ArnLike      = { "kms:EncryptionContext:SecretARN" = "${var.payment_secret_arn}-??????" }
          StringEquals = { "kms:ViaService" = "secretsmanager.us-east-1.amazonaws.com" }
        }
        Effect   = "Allow"
        Resource = var.payment_secret_key_arn
    }])
    error_message = "The secret's key may decrypt this secret only, and only for Secrets Manager."
  }
  assert {
    condition = toset([
      for name, policy in aws_iam_role_policy.function_runtime : name if strcontains(policy.policy, var.payment_secret_key_arn)
      ]) == toset([
      for name, policy in aws_iam_role_policy.function_calls : name if strcontains(policy.policy, "secretsmanager:GetSecretValue")
    ])
    error_message = "Only those who read the secret may use its key."
  }
}

run "payments_can_be_captured_at_the_hand_over" {
  variables {
    payment_capture          = "fulfilment"
    payment_returns_per_hour = 100
  }
  assert {
    condition     = alltrue([for name in ["capture-payment", "intake"] : aws_lambda_function.this[name].environment[0].variables.PAYMENT_CAPTURE == "fulfilment"])
    error_message = "The setting has to reach the functions that declare it."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["capture-payment-returns"].threshold == 100
    error_message = "A shop's usual number of returned payments must not ring."
  }
}

run "the_moment_of_capture_means_nothing_without_a_provider" {
  variables {
    payment_secret_arn = null
    payment_capture    = "fulfilment"
  }
  assert {
    condition     = alltrue([for function in aws_lambda_function.this : !contains(keys(function.environment[0].variables), "PAYMENT_CAPTURE")])
    error_message = "Without a payment provider, no function must believe that there is one."
  }
}
