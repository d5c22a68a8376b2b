# The stack of a real shop.

environment = "production"

# Use your own account id. Without this line, Terraform asks AWS.
account_id = "123456789012"

# Lambda's quota in this account and region. Ask AWS for it in Service Quotas ("Concurrent executions") before you apply:
# what is reserved follows from it.
account_concurrency = 1000

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
# Operations and customers have tokens of this pool. Each client above may get tokens there, too.
enable_user_pool           = true
token_tenants              = ["shop"]
user_pool_callback_urls    = ["https://shop.example.com/signed-in"]
client_requests_per_second = 200
client_burst_requests      = 400

# Cards are charged when the goods are handed over. Create the secret first, as the README says, or leave out these lines:
# without them, orders with an authorised payment are rejected. The second line is for a secret that is encrypted with a
# key of your own.
payment_secret_arn     = "arn:aws:secretsmanager:us-east-1:123456789012:secret:order-saga/payment-gateway-a1b2c3"
payment_secret_key_arn = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
payment_capture        = "fulfilment"
