variable "account_id" {
  description = "The AWS account id. If it is not set, Terraform asks AWS for it. If it is set, the plan of a new stack works offline."
  type        = string
  default     = null

  validation {
    condition     = var.account_id == null || can(regex("^[0-9]{12}$", var.account_id))
    error_message = "Must be 12 digits."
  }
}

variable "account_concurrency" {
  description = "How many instances of functions may run at once in the account and region: Lambda's quota, which is 10 in a new account and can be raised to 1,000 and more. From about 200 on, part of it is reserved for the workflow's steps, the authorizer and recovery, and intake is capped, so that a stall cannot starve them; below, the rate of orders is limited instead."
  type        = number
  default     = 10

  validation {
    condition     = var.account_concurrency >= 10 && floor(var.account_concurrency) == var.account_concurrency
    error_message = "Must be a whole number, and at least 10, the least that AWS gives."
  }
}

variable "alarm_emails" {
  description = "The e-mail addresses that receive alarms. Each has to confirm its subscription once. Production requires at least one."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for email in var.alarm_emails : can(regex("^[^@ ]+@[^@ ]+$", email))])
    error_message = "Each must be an e-mail address."
  }
  validation {
    condition     = var.environment != "production" || length(var.alarm_emails) > 0
    error_message = "Production requires at least one address: otherwise its alarms reach nobody."
  }
}

variable "api_clients" {
  description = "The clients of the API, by name. Each gets an API key, unless it has the scope `operations` or authorizer_cache_seconds leaves only tokens; with a user pool, each gets a client id and a secret for tokens too. `scopes` says what it may do: `submit` (place, read and cancel orders), `read` (read orders, list a customer's) and `operations` (the shop's own staff: every tenant's orders, their hand-over, stock and accounts). `tenant` says whose orders it places and sees; the default is a tenant named after the client. Clients of one tenant share their orders and idempotency keys, and a renamed tenant sees none of its former orders. `customer_id` binds it to one customer, whose idempotency keys are then its own. `client_id` is its id at the token_issuer, if it gets tokens there; no person may sign in through it, because all its tokens stand for the client."
  type = map(object({
    scopes      = set(string)
    tenant      = optional(string)
    customer_id = optional(string)
    client_id   = optional(string)
  }))
  default = {
    shop = { scopes = ["submit", "read"] }
  }

  validation {
    condition     = alltrue([for name in keys(var.api_clients) : can(regex("^[a-z][a-z0-9-]{0,31}$", name))])
    error_message = "A client's name must be a lower-case letter followed by up to 31 lower-case letters, digits and hyphens."
  }

  validation {
    condition     = alltrue([for client in values(var.api_clients) : length(client.scopes) > 0 && length(setsubtract(client.scopes, ["submit", "read", "operations"])) == 0])
    error_message = "A client must have one or more of the scopes submit, read and operations, and no others."
  }

  validation {
    condition     = alltrue([for client in values(var.api_clients) : client.customer_id == null || !contains(client.scopes, "operations")])
    error_message = "A client with a customer_id cannot have the scope operations, which sees every customer's orders."
  }

  validation {
    condition     = alltrue([for client in values(var.api_clients) : alltrue([for id in [client.tenant, client.customer_id] : id == null || can(regex("^[A-Za-z0-9._:@+-]{1,64}$", id))])])
    error_message = "A tenant and a customer_id must be 1 to 64 characters from A-Z, a-z, 0-9 and . _ - : @ +."
  }

  validation {
    condition     = var.enable_operations_keys || var.enable_user_pool || alltrue([for client in values(var.api_clients) : client.client_id != null || !contains(client.scopes, "operations")])
    error_message = "Operations need a token, not a key: use enable_user_pool, or token_issuer with the client's client_id. Outside production, enable_operations_keys allows keys."
  }

  validation {
    condition     = alltrue([for client in values(var.api_clients) : client.client_id == null || var.token_issuer != null])
    error_message = "client_id requires token_issuer, which knows the client by it."
  }

  # The authorizer gets it in its environment, which holds 4 KB: once by the digests of the keys, which have 64 characters,
  # and with tokens once more by the clients' ids.
  validation {
    condition     = (var.enable_user_pool || var.token_issuer != null ? 2 : 1) * (length(jsonencode(var.api_clients)) + 90 * length(var.api_clients)) + 90 * length(var.token_tenants) <= 3000
    error_message = "Too many clients and tenants for the authorizer's environment. Use an issuer of tokens whose claims name the tenant and the scopes."
  }
}

variable "architecture" {
  description = "The functions' processor: arm64, which costs a fifth less, or x86_64. Build the zips for the same one."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "Must be arm64 or x86_64."
  }
}

variable "authorizer_cache_seconds" {
  description = "For how many seconds API Gateway keeps what the authorizer says about a token; 0 asks it about each request. With caching, API Gateway itself answers 401 to every request without an Authorization header, so it is for shops that have tokens only: no client gets a key. A token is accepted for up to this long after it has expired."
  type        = number
  default     = 0

  validation {
    condition     = var.authorizer_cache_seconds >= 0 && var.authorizer_cache_seconds <= 300 && floor(var.authorizer_cache_seconds) == var.authorizer_cache_seconds
    error_message = "Must be a whole number from 0 to 300: longer, and expired tokens would go on being accepted."
  }
  validation {
    condition     = var.authorizer_cache_seconds == 0 || var.enable_user_pool || var.token_issuer != null
    error_message = "Caching leaves only tokens, so it requires enable_user_pool or token_issuer."
  }
}

variable "client_burst_requests" {
  description = "How many requests a client may send in a burst above its rate."
  type        = number
  default     = 100

  validation {
    condition     = var.client_burst_requests >= 1
    error_message = "Must be at least 1."
  }
}

variable "client_requests_per_day" {
  description = "How many requests a client may send per day; null for no quota."
  type        = number
  default     = null

  validation {
    condition     = var.client_requests_per_day == null || coalesce(var.client_requests_per_day, 1) >= 1
    error_message = "Must be at least 1, or null."
  }
}

variable "client_requests_per_second" {
  description = "How many requests a client may send per second on average. API Gateway applies it on a best-effort basis; it is not a security boundary."
  type        = number
  default     = 50

  validation {
    condition     = var.client_requests_per_second >= 1
    error_message = "Must be at least 1."
  }
}

variable "console_certificate_arn" {
  description = "The ACM certificate of console_domain_name. CloudFront takes certificates of us-east-1 only."
  type        = string
  default     = null

  validation {
    condition     = (var.console_certificate_arn == null) == (var.console_domain_name == null)
    error_message = "console_certificate_arn and console_domain_name belong together."
  }
}

variable "console_domain_name" {
  description = "The console's own domain name, for example `console.example.com`. Let the name lead to the distribution's address. Without it, the console is at an address of CloudFront's, whose certificate also serves old versions of TLS."
  type        = string
  default     = null
}

variable "console_price_class" {
  description = "From which of CloudFront's locations the console is served: `PriceClass_100` is North America and Europe, `PriceClass_All` is everywhere."
  type        = string
  default     = "PriceClass_100"

  validation {
    condition     = contains(["PriceClass_100", "PriceClass_200", "PriceClass_All"], var.console_price_class)
    error_message = "Must be PriceClass_100, PriceClass_200 or PriceClass_All."
  }
}

variable "domain_certificate_arn" {
  description = "The ARN of the ACM certificate of `domain_name`, in the same region. Required with `domain_name`."
  type        = string
  default     = null

  validation {
    condition     = (var.domain_certificate_arn == null) == (var.domain_name == null)
    error_message = "Set both domain_name and domain_certificate_arn, or neither."
  }
}

variable "domain_name" {
  description = "Your own domain name for the API; null for none. Its DNS record is created if `domain_zone_id` is set."
  type        = string
  default     = null
}

variable "domain_zone_id" {
  description = "The Route 53 zone for the DNS record of `domain_name`; null if its DNS is elsewhere."
  type        = string
  default     = null

  validation {
    condition     = var.domain_zone_id == null || var.domain_name != null
    error_message = "domain_zone_id requires domain_name."
  }
}

variable "enable_api_gateway_account" {
  description = "Whether to set the role with which API Gateway writes logs. An account has one such role per region: only one stack may set it, and without it no API can write logs."
  type        = bool
  default     = true
}

variable "enable_api_key_output" {
  description = "Whether the output api_keys shows the clients' keys, for trying things out. They are in the state in any case."
  type        = bool
  default     = false

  validation {
    condition     = !(var.enable_api_key_output && var.environment == "production")
    error_message = "Must be false in production: whoever reads the outputs would have every client's key."
  }
}

variable "enable_console" {
  description = "Whether to host the console's pages for the shop's staff, with sign-in at the user pool; requires enable_user_pool. A user needs the groups `scope:operations` and `tenant:NAME`."
  type        = bool
  default     = false

  validation {
    condition     = !var.enable_console || var.enable_user_pool
    error_message = "enable_console requires enable_user_pool, where people sign in."
  }
}

variable "enable_customer_managed_key" {
  description = "Whether to encrypt everything at rest with a KMS key of this stack, which rotates each year, instead of keys that AWS owns. It costs a dollar a month, and a fee for each request that misses a cache."
  type        = bool
  default     = false
}

variable "enable_dashboard" {
  description = "Whether to create the CloudWatch dashboard. An account has three free ones; each further one costs 3 dollars a month."
  type        = bool
  default     = true
}

variable "enable_deletion_protection" {
  description = "Whether the tables are protected from deletion. Before you destroy a stack, switch it off and apply."
  type        = bool
  default     = true
}

variable "enable_execute_api_endpoint" {
  description = "Whether the API also answers at its own address besides `domain_name`. If not, clients cannot bypass what protects your domain."
  type        = bool
  default     = true

  validation {
    condition     = var.enable_execute_api_endpoint || var.domain_name != null
    error_message = "Without domain_name the API would have no address."
  }
}

variable "enable_operations_keys" {
  description = "Whether a client with an API key may have the scope operations. Otherwise operations need a token. Not allowed in production, because a key does not expire and names nobody."
  type        = bool
  default     = false

  validation {
    condition     = !(var.enable_operations_keys && var.environment == "production")
    error_message = "Must be false in production, where operations need a token."
  }
}

variable "enable_user_pool" {
  description = "Whether to create a Cognito user pool that issues the API's tokens. Each of api_clients gets a client id and a secret there. Users are in the groups `tenant:NAME`, `scope:NAME` and `customer:ID`; a pool has at most 10,000 groups, so for more customers use an issuer of your own."
  type        = bool
  default     = false

  validation {
    condition     = !var.enable_user_pool || var.token_issuer == null
    error_message = "Set enable_user_pool or token_issuer, not both: tokens have one issuer."
  }
}

variable "enable_waf" {
  description = "Whether to put a web application firewall in front of the API: rate limits per IP address and per key, and AWS's rules against common attacks. From 9 dollars a month."
  type        = bool
  default     = false
}

variable "environment" {
  description = "What this stack is for: development, staging or production. It is part of every name, so several stacks fit in one account."
  type        = string

  validation {
    condition     = contains(["development", "staging", "production"], var.environment)
    error_message = "Must be development, staging or production."
  }
}

variable "function_reserved_concurrency" {
  description = "How many instances of a function may run at once, by function, instead of what follows from account_concurrency; 0 stops the function."
  type        = map(number)
  default     = {}

  validation {
    condition     = alltrue([for limit in values(var.function_reserved_concurrency) : limit >= 0])
    error_message = "Must not be negative."
  }
  validation {
    condition     = alltrue([for name in keys(var.function_reserved_concurrency) : contains(keys(local.function_arns), name)])
    error_message = "Each key must be the name of a function, such as intake."
  }
}

variable "function_versions" {
  description = "Rolls a function back: pins its `live` alias to a published version, by function. Without an entry, the alias leads to the version that this apply publishes. The task functions are pinned by the state machine's version instead."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.function_versions) : contains(local.live_functions, name)])
    error_message = "Each key must be the name of a function with a live alias: ${join(", ", local.live_functions)}."
  }
  validation {
    condition     = alltrue([for version in values(var.function_versions) : can(regex("^[1-9][0-9]*$", version))])
    error_message = "A published version is a number; $LATEST is not one."
  }
}

variable "function_zip_dir" {
  description = "The folder of the functions' zips; null for where `build.sh` puts them by default."
  type        = string
  default     = null
}

variable "include_execution_data" {
  description = "Whether executions are logged with their input and output. These are orders: who bought what, for how much. Not allowed in production."
  type        = bool
  default     = false

  validation {
    condition     = !(var.include_execution_data && var.environment == "production")
    error_message = "Must be false in production, which does not log personal data."
  }
}

variable "kms_key_arn" {
  description = "Your own KMS key, instead of one that this stack creates; requires enable_customer_managed_key. Its policy must allow what the policy in kms.tf allows: use by CloudWatch Logs for the log groups of this stack, by log delivery, by CloudWatch alarms, and by roles whose IAM policies permit it."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || var.enable_customer_managed_key
    error_message = "kms_key_arn requires enable_customer_managed_key."
  }
}

variable "log_level" {
  description = "The functions' log level: DEBUG or INFO."
  type        = string
  default     = "INFO"

  validation {
    # The functions' own metrics are log lines of level INFO. At WARN their alarms would see nothing.
    condition     = contains(["DEBUG", "INFO"], var.log_level)
    error_message = "Must be DEBUG or INFO: the functions' own metrics are log lines of level INFO."
  }
}

variable "log_retention_days" {
  description = "How long logs are kept, in days."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "CloudWatch Logs allows 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400 or 545 days, or 2, 3, 5 to 10 years (731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)."
  }
}

variable "monthly_budget_usd" {
  description = "The monthly budget in US dollars; null for none. `alarm_emails` are told at 80 % of it, and when the forecast exceeds it. Activate the tag Project as a cost allocation tag. The budget counts all stacks with this `name`."
  type        = number
  default     = null

  validation {
    condition     = var.monthly_budget_usd == null || coalesce(var.monthly_budget_usd, 1) > 0
    error_message = "Must be more than 0, or null."
  }
  validation {
    condition     = var.monthly_budget_usd == null || length(var.alarm_emails) > 0
    error_message = "A budget requires alarm_emails, which it notifies."
  }
}

variable "name" {
  description = "The first part of every resource's name."
  type        = string
  default     = "order-saga"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.name))
    error_message = "Must be a lower-case letter followed by 1 to 19 lower-case letters, digits and hyphens: AWS limits the length of the names built from it."
  }
}

variable "overflow_maximum_concurrency" {
  description = "The maximum number of batches processed at once, for each queue that a function receives from, such as the overflow queue. A few, so that a recovering store is not overrun."
  type        = number
  default     = 5

  validation {
    condition     = var.overflow_maximum_concurrency >= 2 && var.overflow_maximum_concurrency <= 1000
    error_message = "Must be from 2 to 1000, as AWS requires."
  }
}

variable "enforce_price_list" {
  description = "Whether intake refuses orders whose prices are not those of the price list (`PUT /stores/{storeId}/prices/{sku}`). Without it, a client states the prices of its order. Enter the prices first: an article without one cannot be ordered. While the list cannot be read, orders are answered with 503 and not queued."
  type        = bool
  default     = false
}

variable "stock_spreading" {
  description = "When the stock of a hot article is spread over shards: `automatic`, also by the orders that meet each other there, or `manual`, only with `PUT /stores/{storeId}/stock/{sku}/spread`. Set it to automatic once no execution of a release without shards runs any more, and back to manual before you merge all stock to go back to such a release."
  type        = string
  default     = "manual"

  validation {
    condition     = contains(["automatic", "manual"], var.stock_spreading)
    error_message = "Must be automatic or manual."
  }
}

variable "payment_capture" {
  description = "When an authorised payment is captured: at `confirmation`, before the order is confirmed, or at `fulfilment`, when the goods are handed over. An order keeps the setting that it was placed with. It has no effect without payment_secret_arn."
  type        = string
  default     = "confirmation"

  validation {
    condition     = contains(["confirmation", "fulfilment"], var.payment_capture)
    error_message = "Must be confirmation or fulfilment."
  }
}

variable "payment_returns_per_hour" {
  description = "How many payments may be refunded or released in an hour before an alarm rings. Customers cancel some orders, so it should be above what is usual in your shop. It has no effect without payment_secret_arn."
  type        = number
  default     = 20

  validation {
    condition     = var.payment_returns_per_hour >= 1
    error_message = "Must be at least 1."
  }
}

variable "payment_secret_arn" {
  description = "The ARN of the Secrets Manager secret that holds the payment provider's API key as its text; null for no payment provider. Create the secret yourself, in this region: Terraform only knows its ARN, so the key is never in Terraform's state. The ARN may lack the random suffix, but only if the secret's name does not end in a hyphen and six letters or digits."
  type        = string
  default     = null

  validation {
    # Wildcards are no characters of a name, so the functions' policies name one secret.
    condition     = var.payment_secret_arn == null || can(regex("^arn:${local.partition}:secretsmanager:${var.region}:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+$", var.payment_secret_arn))
    error_message = "Must be the ARN of a Secrets Manager secret in this stack's region, such as arn:${local.partition}:secretsmanager:${var.region}:123456789012:secret:payment-gateway-a1b2c3. The key itself must not be here."
  }
}

variable "payment_secret_key_arn" {
  description = "The ARN of the KMS key that encrypts the secret of payment_secret_arn, if it is a customer managed one; null for AWS's own key for Secrets Manager. The key's policy must leave the permission to the account's IAM policies."
  type        = string
  default     = null

  validation {
    # An IAM policy that names an alias allows nothing. https://docs.aws.amazon.com/kms/latest/developerguide/cmks-in-iam-policies.html
    condition     = var.payment_secret_key_arn == null || can(regex("^arn:${local.partition}:kms:${var.region}:[0-9]{12}:key/[A-Za-z0-9-]+$", var.payment_secret_key_arn))
    error_message = "Must be the ARN of a KMS key in this stack's region, such as arn:${local.partition}:kms:${var.region}:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab. An alias is not enough."
  }
  validation {
    condition     = var.payment_secret_key_arn == null || var.payment_secret_arn != null
    error_message = "payment_secret_key_arn requires payment_secret_arn."
  }
}

variable "recovery_period_days" {
  description = "For how many days back the tables can be restored to any second."
  type        = number
  default     = 35

  validation {
    condition     = var.recovery_period_days >= 1 && var.recovery_period_days <= 35
    error_message = "Must be from 1 to 35 days, as AWS requires."
  }
}

variable "region" {
  description = "The AWS region."
  type        = string
  default     = "us-east-1"
}

variable "requests_per_second" {
  description = "How many requests per second the API accepts on each route, from all clients together. Orders may be limited further: to what account_concurrency can serve."
  type        = number
  default     = 500

  validation {
    condition     = var.requests_per_second >= 1
    error_message = "Must be at least 1."
  }
}

variable "state_machine_log_level" {
  description = "Which events of an execution are logged: ALL, ERROR or FATAL. The console draws an Express execution from its log, so it draws every execution only with ALL."
  type        = string
  default     = "ALL"

  validation {
    condition     = contains(["ALL", "ERROR", "FATAL"], var.state_machine_log_level)
    error_message = "Must be ALL, ERROR or FATAL. OFF is not allowed, because the log is all that remains of an Express execution."
  }
}

variable "state_machine_previous_percent" {
  description = "The percentage of executions that run state_machine_previous_version. 100 rolls back; 90, then 50, then 0 shifts to the new version gradually."
  type        = number
  default     = 0

  validation {
    condition     = var.state_machine_previous_percent >= 0 && var.state_machine_previous_percent <= 100 && floor(var.state_machine_previous_percent) == var.state_machine_previous_percent
    error_message = "Must be a whole number from 0 to 100."
  }
  validation {
    condition     = var.state_machine_previous_percent == 0 || var.state_machine_previous_version != null
    error_message = "Requires state_machine_previous_version."
  }
}

variable "state_machine_previous_version" {
  description = "An earlier published version of the state machine, for state_machine_previous_percent of the executions. It includes the versions of the functions that it names."
  type        = number
  default     = null

  validation {
    condition     = var.state_machine_previous_version == null || coalesce(var.state_machine_previous_version, 1) >= 1
    error_message = "Must be at least 1: versions are counted from 1."
  }
}

variable "table_max_read_units" {
  description = "The maximum read units per second of each table. It bounds the cost of a mistake."
  type        = number
  default     = 4000

  validation {
    condition     = var.table_max_read_units >= 1
    error_message = "Must be at least 1."
  }
}

variable "table_max_write_units" {
  description = "The maximum write units per second of each table. It bounds the cost of a mistake. A prepaid order of one line takes at most 13, over all tables."
  type        = number
  default     = 4000

  validation {
    condition     = var.table_max_write_units >= 1
    error_message = "Must be at least 1."
  }
}

variable "tags" {
  description = "Additional tags for every resource."
  type        = map(string)
  default     = {}
}

variable "token_algorithms" {
  description = "The algorithms with which the issuer signs tokens."
  type        = list(string)
  default     = ["RS256"]

  validation {
    condition     = length(var.token_algorithms) > 0 && length(setsubtract(var.token_algorithms, ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"])) == 0
    error_message = "Each must be the algorithm of a public key: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or EdDSA."
  }
}

variable "token_audiences" {
  description = "Whom tokens must be for: one of these is in a token's `aud`, or is the `client_id` of a token without `aud`. The clients of the user pool are added by themselves."
  type        = set(string)
  default     = []

  validation {
    condition     = var.token_issuer == null || length(var.token_audiences) > 0
    error_message = "token_issuer requires at least one audience: otherwise a token for any other service of the issuer would be accepted here."
  }
}

variable "token_customer_claim" {
  description = "The claim with the one customer that a token is for, and how its values begin. It has no effect with a user pool, which has groups."
  type        = object({ name = string, prefix = optional(string, "") })
  default     = { name = "customer_id" }
}

variable "token_customer_required" {
  description = "Whether a person's token must name a customer, unless it has the scope operations. If not, a token without a customer acts for its whole tenant."
  type        = bool
  default     = true
}

variable "token_issuer" {
  description = "The issuer of tokens, exactly as in their `iss`; null for no tokens, or for those of the user pool."
  type        = string
  default     = null

  validation {
    condition     = var.token_issuer == null || can(regex("^https://[^ ]+[^ /]$", var.token_issuer))
    error_message = "Must be an https address without a slash at its end, as most issuers write it."
  }
}

variable "token_jwks_url" {
  description = "Where the issuer publishes its keys; null for `/.well-known/jwks.json` at the issuer. `/.well-known/openid-configuration` names it as `jwks_uri`."
  type        = string
  default     = null

  validation {
    condition     = var.token_jwks_url == null || can(regex("^https://[^ ]+$", var.token_jwks_url))
    error_message = "Must be an https address: anyone who can change the keys can sign tokens."
  }
  validation {
    condition     = var.token_jwks_url == null || var.token_issuer != null
    error_message = "token_jwks_url requires token_issuer."
  }
}

variable "token_scopes_claim" {
  description = "The claim with what a token allows, and how its values begin: `orders/submit` with the prefix `orders/`. It has no effect with a user pool, which has groups."
  type        = object({ name = string, prefix = optional(string, "") })
  default     = { name = "scope", prefix = "orders/" }
}

variable "token_tenant_claim" {
  description = "The claim with a token's tenant, and how its values begin. A token without a tenant is refused with 403. It has no effect with a user pool, which has groups."
  type        = object({ name = string, prefix = optional(string, "") })
  default     = { name = "tenant" }
}

variable "token_tenants" {
  description = "The tenants that tokens may name, besides those of api_clients. Each has a usage key of its own. A token of another tenant is refused with 403."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for tenant in var.token_tenants : can(regex("^[A-Za-z0-9._:@+-]{1,64}$", tenant))])
    error_message = "A tenant must be 1 to 64 characters from A-Z, a-z, 0-9 and . _ - : @ +."
  }
}

variable "token_use" {
  description = "What a token's `token_use` must be; null if the issuer does not set it. With a user pool it is `access`."
  type        = string
  default     = null
}

variable "user_pool_callback_urls" {
  description = "Where the user pool leads people after they have signed in. Without any, only clients get tokens."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for url in var.user_pool_callback_urls : can(regex("^(https://|http://localhost)", url))])
    error_message = "Each must be an https address, or http on localhost."
  }
}

variable "waf_requests_per_five_minutes" {
  description = "How many requests one IP address may send in five minutes before the firewall blocks it; null for four times what a client may send. The firewall also blocks a key at twice what a client may send."
  type        = number
  default     = null

  validation {
    condition     = var.waf_requests_per_five_minutes == null || coalesce(var.waf_requests_per_five_minutes, 1) >= local.waf_requests_per_key
    error_message = "Must be at least ${local.waf_requests_per_key}, or null: a client may send ${var.client_requests_per_second} requests/s for 300 s and a burst of ${var.client_burst_requests}, which is ${local.client_requests_per_five_minutes}, and the firewall blocks its key at twice that. A lower limit would block a client's address first."
  }
}
