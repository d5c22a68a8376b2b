variable "account_id" {
  description = "The AWS account. Without it, AWS is asked at plan time; with it, a plan works offline."
  type        = string
  default     = null

  validation {
    condition     = var.account_id == null || can(regex("^[0-9]{12}$", var.account_id))
    error_message = "An account id has 12 digits."
  }
}

variable "alarm_emails" {
  description = "Who is told of alarms, by e-mail. Each address has to confirm its subscription once."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for email in var.alarm_emails : can(regex("^[^@ ]+@[^@ ]+$", email))])
    error_message = "Each has to be an e-mail address."
  }
}

variable "api_clients" {
  description = "Who may call the API, by name. Each gets an API key. `scopes` are what it may do: `submit` (place, read and cancel orders), `read` (read orders, list a customer's) and `operations` (the shop's own staff: every tenant's orders by store, county and status). `tenant` is whose orders it places and sees, by default a tenant of its own; clients of one tenant share their orders and idempotency keys, and a renamed tenant sees none of its former orders. `customer_id` is the one customer that it acts for, by default all of them; give such a client a tenant of its own."
  type = map(object({
    scopes      = set(string)
    tenant      = optional(string)
    customer_id = optional(string)
  }))
  default = {
    shop       = { scopes = ["submit", "read"] }
    operations = { scopes = ["operations"] }
  }

  validation {
    condition     = alltrue([for name in keys(var.api_clients) : can(regex("^[a-z][a-z0-9-]{0,31}$", name))])
    error_message = "A client's name is a lower-case letter and up to 31 lower-case letters, digits and hyphens."
  }

  validation {
    condition     = alltrue([for client in values(var.api_clients) : length(client.scopes) > 0 && length(setsubtract(client.scopes, ["submit", "read", "operations"])) == 0])
    error_message = "A client has one or more of the scopes submit, read and operations."
  }

  validation {
    condition     = alltrue([for client in values(var.api_clients) : client.customer_id == null || !contains(client.scopes, "operations")])
    error_message = "A client of one customer cannot have the scope operations, which sees every customer's orders."
  }

  validation {
    condition     = alltrue([for client in values(var.api_clients) : alltrue([for id in [client.tenant, client.customer_id] : id == null || can(regex("^[A-Za-z0-9._:@+-]{1,64}$", id))])])
    error_message = "A tenant and a customer_id are 1 to 64 characters from A-Z, a-z, 0-9 and . _ - : @ +."
  }

  # The functions have it in their environment, which holds 4 KB.
  validation {
    condition     = length(jsonencode(var.api_clients)) <= 3000
    error_message = "The functions' environment has no room for so many clients: their JSON is longer than 3,000 characters."
  }
}

variable "architecture" {
  description = "The functions' processor: arm64, which costs a fifth less, or x86_64. The zips have to be built for it."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "Must be arm64 or x86_64."
  }
}

variable "client_burst_requests" {
  description = "How many requests a client may send at once beyond its rate."
  type        = number
  default     = 100

  validation {
    condition     = var.client_burst_requests >= 1
    error_message = "Must be at least 1."
  }
}

variable "client_requests_per_day" {
  description = "How many requests a client may send in a day; null for no quota."
  type        = number
  default     = null

  validation {
    condition     = var.client_requests_per_day == null || coalesce(var.client_requests_per_day, 1) >= 1
    error_message = "Must be at least 1, or null."
  }
}

variable "client_requests_per_second" {
  description = "How many requests a client may send per second, on average. Best effort, and no security boundary."
  type        = number
  default     = 50

  validation {
    condition     = var.client_requests_per_second >= 1
    error_message = "Must be at least 1."
  }
}

variable "domain_certificate_arn" {
  description = "The ACM certificate of `domain_name`, in the same region. Needed with it."
  type        = string
  default     = null

  validation {
    condition     = (var.domain_certificate_arn == null) == (var.domain_name == null)
    error_message = "domain_name and domain_certificate_arn go together."
  }
}

variable "domain_name" {
  description = "A domain name of your own for the API; null for none. Its DNS record is made if `domain_zone_id` is given."
  type        = string
  default     = null
}

variable "domain_zone_id" {
  description = "The Route 53 zone that `domain_name` is entered into; null if its DNS is elsewhere."
  type        = string
  default     = null

  validation {
    condition     = var.domain_zone_id == null || var.domain_name != null
    error_message = "A zone is of no use without domain_name."
  }
}

variable "enable_api_gateway_account" {
  description = "Whether to set the role by which API Gateway writes logs. There is one per account and region: only one stack may set it, and without it no API can have logs."
  type        = bool
  default     = true
}

variable "enable_customer_managed_key" {
  description = "Whether everything at rest is encrypted with a KMS key of this stack, which rotates each year, instead of keys that AWS owns. It costs a dollar a month and each request that misses a cache."
  type        = bool
  default     = false
}

variable "enable_dashboard" {
  description = "Whether to make the CloudWatch dashboard. Three are free, each further one is 3 dollars a month."
  type        = bool
  default     = true
}

variable "enable_deletion_protection" {
  description = "Whether the tables refuse to be deleted. Switch it off, and apply, before you destroy a stack."
  type        = bool
  default     = true
}

variable "enable_execute_api_endpoint" {
  description = "Whether the API answers at its own address beside `domain_name`. Without it a client cannot go past what stands before your domain."
  type        = bool
  default     = true

  validation {
    condition     = var.enable_execute_api_endpoint || var.domain_name != null
    error_message = "Without domain_name there is no other address."
  }
}

variable "enable_waf" {
  description = "Whether a web application firewall stands before the API: a limit on each address's rate, and AWS's rules against common attacks. From 8 dollars a month."
  type        = bool
  default     = false
}

variable "environment" {
  description = "What this stack is for. It is part of every name, so that several stacks fit in one account."
  type        = string

  validation {
    condition     = contains(["development", "staging", "production"], var.environment)
    error_message = "Must be development, staging or production."
  }
}

variable "function_reserved_concurrency" {
  description = "How many instances of a function may run at once, by function. Without an entry there is no limit but the account's, which is 10 in a new account: there nothing can be reserved."
  type        = map(number)
  default     = {}

  validation {
    condition     = alltrue([for limit in values(var.function_reserved_concurrency) : limit >= 0])
    error_message = "Must not be negative."
  }
  validation {
    condition     = alltrue([for name in keys(var.function_reserved_concurrency) : contains(keys(local.function_arns), name)])
    error_message = "Its keys are names of functions, such as intake."
  }
}

variable "function_versions" {
  description = "Pins the `live` alias of a function to a published version, by function, to roll it back; without an entry it is the version that this apply publishes. The task functions are pinned by the state machine's version instead."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.function_versions) : contains(local.live_functions, name)])
    error_message = "Its keys are names of functions that have a live alias: ${join(", ", local.live_functions)}."
  }
  validation {
    condition     = alltrue([for version in values(var.function_versions) : can(regex("^[1-9][0-9]*$", version))])
    error_message = "A published version is a number; $LATEST is none."
  }
}

variable "function_zip_dir" {
  description = "Where `build.sh` put the functions' zips; null for where it puts them by default."
  type        = string
  default     = null
}

variable "include_execution_data" {
  description = "Whether executions are logged with their input and output, which are orders: names of customers, what they bought and for how much. Production refuses it."
  type        = bool
  default     = false

  validation {
    condition     = !(var.include_execution_data && var.environment == "production")
    error_message = "Production does not log personal data."
  }
}

variable "kms_key_arn" {
  description = "A KMS key of yours to encrypt with, instead of one that this stack makes; needs enable_customer_managed_key. Its policy has to admit CloudWatch Logs, CloudWatch alarms and EventBridge Scheduler, as kms.tf shows."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || var.enable_customer_managed_key
    error_message = "A key is used only with enable_customer_managed_key."
  }
}

variable "log_level" {
  description = "What the functions log: DEBUG or INFO."
  type        = string
  default     = "INFO"

  validation {
    # The metrics of recovery are lines of the log at INFO: at WARN their alarms would see nothing.
    condition     = contains(["DEBUG", "INFO"], var.log_level)
    error_message = "Must be DEBUG or INFO: recovery's metrics are log lines of level INFO."
  }
}

variable "log_retention_days" {
  description = "How long logs are kept, in days."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "CloudWatch Logs keeps logs for 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180 or 365 days, or for some numbers of years."
  }
}

variable "monthly_budget_usd" {
  description = "What the stack may cost in a month before `alarm_emails` are told, in US dollars; null for no budget. The tag Project has to be activated as a cost allocation tag."
  type        = number
  default     = null

  validation {
    condition     = var.monthly_budget_usd == null || coalesce(var.monthly_budget_usd, 1) > 0
    error_message = "Must be more than 0, or null."
  }
  validation {
    condition     = var.monthly_budget_usd == null || length(var.alarm_emails) > 0
    error_message = "A budget tells alarm_emails, and there are none."
  }
}

variable "name" {
  description = "The first part of every name."
  type        = string
  default     = "order-saga"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.name))
    error_message = "A lower-case letter and up to 19 lower-case letters, digits and hyphens: AWS limits the names made of it."
  }
}

variable "overflow_maximum_concurrency" {
  description = "How many batches of a queue that a function receives from, such as the overflow queue, are worked off at once, at most. Few, so that a recovering store is not overrun."
  type        = number
  default     = 5

  validation {
    condition     = var.overflow_maximum_concurrency >= 2 && var.overflow_maximum_concurrency <= 1000
    error_message = "AWS takes 2 to 1000."
  }
}

variable "recovery_period_days" {
  description = "How far back the tables can be restored to any second, in days."
  type        = number
  default     = 35

  validation {
    condition     = var.recovery_period_days >= 1 && var.recovery_period_days <= 35
    error_message = "AWS takes 1 to 35 days."
  }
}

variable "region" {
  description = "The AWS region."
  type        = string
  default     = "us-east-1"
}

variable "requests_per_second" {
  description = "How many requests the API takes per second, of all clients together."
  type        = number
  default     = 500

  validation {
    condition     = var.requests_per_second >= 1
    error_message = "Must be at least 1."
  }
}

variable "state_machine_log_level" {
  description = "What of an execution is logged: ALL, ERROR or FATAL. The console draws an Express execution from its log, and so only with ALL."
  type        = string
  default     = "ALL"

  validation {
    condition     = contains(["ALL", "ERROR", "FATAL"], var.state_machine_log_level)
    error_message = "Must be ALL, ERROR or FATAL. Without a log nothing of an Express execution is left to look at, so OFF is not offered."
  }
}

variable "state_machine_previous_percent" {
  description = "The share of executions that run state_machine_previous_version: 100 rolls back, 90, then 50, then 0 shifts to the new version gradually."
  type        = number
  default     = 0

  validation {
    condition     = var.state_machine_previous_percent >= 0 && var.state_machine_previous_percent <= 100 && floor(var.state_machine_previous_percent) == var.state_machine_previous_percent
    error_message = "Must be a whole number from 0 to 100."
  }
  validation {
    condition     = var.state_machine_previous_percent == 0 || var.state_machine_previous_version != null
    error_message = "Say which version by state_machine_previous_version."
  }
}

variable "state_machine_previous_version" {
  description = "A published version of the state machine that state_machine_previous_percent of the executions run, with the versions of the functions that it names."
  type        = number
  default     = null

  validation {
    condition     = var.state_machine_previous_version == null || coalesce(var.state_machine_previous_version, 1) >= 1
    error_message = "Versions are counted from 1."
  }
}

variable "table_max_read_units" {
  description = "The most read units per second that each table takes: a bound on what a mistake costs."
  type        = number
  default     = 4000

  validation {
    condition     = var.table_max_read_units >= 1
    error_message = "Must be at least 1."
  }
}

variable "table_max_write_units" {
  description = "The most write units per second that each table takes: a bound on what a mistake costs. An order takes at most 13 in all."
  type        = number
  default     = 4000

  validation {
    condition     = var.table_max_write_units >= 1
    error_message = "Must be at least 1."
  }
}

variable "tags" {
  description = "Further tags on everything."
  type        = map(string)
  default     = {}
}

variable "waf_requests_per_five_minutes" {
  description = "How many requests one address may send in five minutes before the firewall refuses it."
  type        = number
  default     = 2000

  validation {
    condition     = var.waf_requests_per_five_minutes >= 10
    error_message = "AWS takes 10 and more."
  }
}
