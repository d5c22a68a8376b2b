# The stack of a real shop.

environment = "production"

# Use your own account id. Without this line, Terraform asks AWS.
account_id = "123456789012"

alarm_emails       = ["on-call@example.com"]
monthly_budget_usd = 500

enable_waf                  = true
enable_customer_managed_key = true
log_retention_days          = 90

api_clients = {
  shop       = { scopes = ["submit", "read"] }
  wholesale  = { scopes = ["submit", "read"], customer_id = "acme-wholesale" }
  operations = { scopes = ["operations"] }
}
client_requests_per_second = 200
client_burst_requests      = 400
