# Where the emulator differs from AWS. Terraform merges this file into the configuration when it is in the same
# folder, which it is only in a copy for the tests.

locals {
  # It cannot start an execution through an alias.
  workflow_arn = local.state_machine_arn

  # Its queues are on this machine.
  queue_urls = { for queue, resource in aws_sqs_queue.this : queue => resource.url }

  # The issuer's keys are on this machine, without TLS. The emulator does not count requests by usage keys.
  tokens = var.tokens
}

# It creates keys only from explicit values.
resource "aws_api_gateway_api_key" "client" {
  value = "emulator-key-of-the-client-${each.key}"
}

# It serves HTTP and enforces policies, so a policy that requires TLS would refuse every call.
resource "aws_sqs_queue_policy" "this" {
  for_each = {}
}

# It has no saved queries.
resource "aws_cloudwatch_query_definition" "this" {
  for_each = {}
}

# A test does not wait ten hours for a poison message to reach the dead letters.
resource "aws_sqs_queue" "this" {
  visibility_timeout_seconds = each.key == "overflow" ? 3 : each.value.visibility_seconds
}

resource "aws_sqs_queue_redrive_policy" "this" {
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.this[each.value.dead_letter].arn
    maxReceiveCount     = 4
  })
}

# It ignores a Parallel state's Assign and a Succeed state's Output. emulator.tf has an equivalent definition that it
# understands.
resource "aws_sfn_state_machine" "this" {
  definition = jsonencode(merge(local.definition, { States = local.emulated_states }))
}

# The payment provider is a server on this machine.
resource "aws_lambda_function" "this" {
  environment {
    variables = merge(each.value.environment, { PAYMENT_GATEWAY_URL = var.payment_gateway_url })
  }
}
