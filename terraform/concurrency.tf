# Who may run how many instances at once.
#
# A function that waits for the workflow holds an instance while the steps that it waits for need instances of their own.
# If both share the account's limit and a store stalls, the waiting ones take every instance that becomes free, the steps
# starve, and nothing recovers after the stall. So the waiting functions are capped, and the steps and recovery have
# instances that nobody else can take. A reservation costs nothing.
#
# Of the account's limit,
#   - 100 stay unreserved, as AWS demands, for the queries and for other stacks;
#   - each function that works for the queues or a schedule gets as many as its queue's batches, and 2: one for the
#     schedule, and one for an operator;
#   - half of the rest is the cap on the functions that wait, shared among them: 446 of 1,000;
#   - the other half belongs to the functions of the workflow's states and to the authorizer, shared among them: 89 each of
#     1,000. A call takes some 15 ms, so that is enough for thousands of orders a second. The authorizer answers before
#     every request, and queries that wait for a stalled table must not take its instances.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html

locals {
  unreserved_concurrency = 100

  # By what they do, as they declare it.
  waiting_functions = [for name, declared in local.declarations : name if contains(declared.uses.workflow, "StartSyncExecution")]
  state_functions   = values(local.task_functions)
  authorizers       = [for name, declared in local.declarations : name if declared.kind == "authorizer"]
  quick_functions   = concat(local.state_functions, local.authorizers)
  worker_functions  = [for name, declared in local.declarations : name if declared.kind == "worker"]

  worker_concurrency = var.overflow_maximum_concurrency + 2
  shared_concurrency = var.account_concurrency - local.unreserved_concurrency - local.worker_concurrency * length(local.worker_functions)

  # With less, a function's share would be too small to be of use. Then nothing is reserved, and the rate of orders is
  # limited instead.
  least_concurrency    = local.unreserved_concurrency + local.worker_concurrency * length(local.worker_functions) + 20 * (length(local.quick_functions) + length(local.waiting_functions))
  reserves_concurrency = var.account_concurrency >= local.least_concurrency

  waiting_concurrency = floor(local.shared_concurrency / 2 / max(1, length(local.waiting_functions)))
  quick_concurrency   = floor(local.shared_concurrency / 2 / max(1, length(local.quick_functions)))

  # How many instances each function may have; -1 for a function that shares what is not reserved.
  reserved_concurrency = {
    for name in keys(local.declarations) : name => lookup(
      var.function_reserved_concurrency, name,
      !local.reserves_concurrency ? -1 :
      contains(local.waiting_functions, name) ? local.waiting_concurrency :
      contains(local.quick_functions, name) ? local.quick_concurrency :
      contains(local.worker_functions, name) ? local.worker_concurrency :
      -1
    )
  }
  reserved_together = sum([for reserved in values(local.reserved_concurrency) : max(0, reserved)])

  # How long an order keeps an instance busy, in seconds, as README's costs have it: the function that waits for 0.25 s,
  # and four calls of the states' functions.
  waiting_seconds = 0.25
  order_seconds   = local.waiting_seconds + 4 * 0.015

  # How many orders per second the instances can take: the cap on those that wait; without one, half of the account's
  # limit, so that the other half is left for retries, queries and recovery.
  orders_per_second = floor(local.reserves_concurrency ? local.waiting_concurrency / local.waiting_seconds : var.account_concurrency / 2 / local.order_seconds)

  # The rate and burst of the routes of functions that wait. Beyond them, API Gateway answers 429 with Retry-After, and
  # no instance is taken.
  order_rate  = min(var.requests_per_second, local.orders_per_second)
  order_burst = min(var.requests_per_second, local.reserves_concurrency ? local.waiting_concurrency : ceil(var.account_concurrency / 2))
}
