# The shipped definition for an emulator that ignores a Parallel state's Assign and a Succeed state's Output: a Pass
# state after the former and instead of the latter does the same. The emulator's ARN of a function's version lacks
# the version.

locals {
  definition = jsondecode(templatefile("${path.module}/../statemachine/order-saga.asl.json", {
    for placeholder, function in local.task_functions : placeholder => "${aws_lambda_function.this[function].arn}:${aws_lambda_function.this[function].version}"
  }))

  emulated_states = merge(
    { for name, state in local.definition.States : name => state if !contains(["Parallel", "Succeed"], state.Type) },
    {
      for name, state in local.definition.States : name => merge(
        { for field, value in state : field => value if field != "Assign" },
        { Next = "${name}Assign" },
      ) if state.Type == "Parallel"
    },
    {
      for name, state in local.definition.States : "${name}Assign" => { Type = "Pass", Assign = state.Assign, Next = state.Next }
      if state.Type == "Parallel"
    },
    {
      for name, state in local.definition.States : name => { Type = "Pass", Output = state.Output, End = true }
      if state.Type == "Succeed"
    },
  )
}

variable "payment_gateway_url" {
  description = "The address of a server with Stripe's API on this machine."
  type        = string
}

variable "tokens" {
  description = "The tokens that the authorizer accepts: tests/emulator/tokens.json, with the address of the issuer's keys on this machine."
  type        = string
}
