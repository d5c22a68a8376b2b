# Where the emulator differs from AWS. Terraform merges this file into the configuration when it lies
# beside it, which it does in a copy for the tests only.

locals {
  # It starts no execution by an alias.
  workflow_arn = local.state_machine_arn

  # Its queues are on this machine.
  queue_urls = { for queue, resource in aws_sqs_queue.this : queue => resource.url }
}

# It makes keys by explicit value only.
resource "aws_api_gateway_api_key" "client" {
  value = "emulator-key-of-the-client-${each.key}"
}

# It speaks HTTP, and it enforces policies: TLS only would be nobody.
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

# It takes no notice of a Parallel state's Assign, and of a Succeed state's Output. emulator.tf has the
# definition in words that it understands.
resource "aws_sfn_state_machine" "this" {
  definition = jsonencode(merge(local.definition, { States = local.emulated_states }))
}
