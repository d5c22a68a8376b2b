# A first stack in a new AWS account, in which at most 10 instances of functions may run at once.
#
# Nothing can be reserved then, and API Gateway lets through some 16 orders a second. Further requests get 429 with
# Retry-After. Ask AWS for a higher quota in Service Quotas (Lambda, "Concurrent executions"), and set account_concurrency
# to it once you have it.

environment = "staging"

# Use your own account id. Without this line, Terraform asks AWS.
account_id = "123456789012"

account_concurrency = 10

alarm_emails       = ["you@example.com"]
monthly_budget_usd = 50
log_retention_days = 14

# One tenth of the quota is one instance, so few batches of the overflow queue run at once.
overflow_maximum_concurrency = 2

table_max_read_units  = 500
table_max_write_units = 500
requests_per_second   = 20
