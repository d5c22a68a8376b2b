locals {
  name       = "${var.name}-${var.environment}"
  account_id = var.account_id != null ? var.account_id : one(data.aws_caller_identity.current[*].account_id)
  partition  = startswith(var.region, "cn-") ? "aws-cn" : startswith(var.region, "us-gov-") ? "aws-us-gov" : "aws"

  tags = merge(var.tags, {
    Project     = var.name
    Environment = var.environment
    ManagedBy   = "terraform"
  })

  # --- Tables -----------------------------------------------------------------------------------

  # As the local stack creates them; a check compares the two.
  tables = {
    orders = {
      hash_key  = "order_id"
      range_key = null
      attributes = {
        order_id        = "S"
        tenant_customer = "S"
        store_shard     = "S"
        county_shard    = "S"
        work            = "S"
        created_ms      = "N"
        due_ms          = "N"
      }
      indexes = {
        orders_by_customer = { hash_key = "tenant_customer", range_key = "created_ms" }
        orders_by_store    = { hash_key = "store_shard", range_key = "created_ms" }
        orders_by_county   = { hash_key = "county_shard", range_key = "created_ms" }
        work_by_due        = { hash_key = "work", range_key = "due_ms" }
      }
      ttl_attribute = null
    }
    inventory = {
      hash_key      = "pk"
      range_key     = null
      attributes    = { pk = "S", sku = "S", store_id = "S" }
      indexes       = { stock_by_store = { hash_key = "store_id", range_key = "sku" } }
      ttl_attribute = "expires_at"
    }
    journal = {
      hash_key      = "pk"
      range_key     = "sk"
      attributes    = { pk = "S", sk = "S" }
      indexes       = {}
      ttl_attribute = "expires_at"
    }
  }

  # --- Queues -----------------------------------------------------------------------------------

  day_seconds = 86400

  # Six times the function's timeout, so that no message comes back while its batch may still be worked
  # on. https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
  overflow_visibility_seconds = 6 * local.recovery_timeout_seconds

  queues = {
    # Orders that DynamoDB did not take. A receive that fails comes back after the visibility timeout, so
    # 100 of them outlast an outage of ten hours.
    overflow = {
      visibility_seconds = local.overflow_visibility_seconds
      # A dead letter keeps the time of its first enqueueing: of the 14 days there, at least ten are left.
      retention_seconds = 4 * local.day_seconds
      dead_letter       = "overflow-dead"
      max_receives      = 100
      dead_letters_of   = []
    }
    overflow-dead = {
      visibility_seconds = 30
      retention_seconds  = 14 * local.day_seconds
      dead_letter        = null
      max_receives       = null
      dead_letters_of    = ["overflow"]
    }
    # Orders that can be neither finished nor rolled back, for a person. The work index keeps them
    # beyond the queue's retention.
    parked = {
      visibility_seconds = 30
      retention_seconds  = 14 * local.day_seconds
      dead_letter        = null
      max_receives       = null
      dead_letters_of    = []
    }
    # Runs of recovery that the schedule could not start, or that failed.
    recovery-dead = {
      visibility_seconds = 30
      retention_seconds  = 14 * local.day_seconds
      dead_letter        = null
      max_receives       = null
      dead_letters_of    = []
    }
  }

  # --- Functions --------------------------------------------------------------------------------

  zip_dir = coalesce(var.function_zip_dir, "${path.module}/../target/lambda")

  # What the functions behind the API know of its clients: by key id, which is no secret. API Gateway
  # sees to it that a request has one of these keys.
  api_clients = jsonencode({
    for name, client in var.api_clients : aws_api_gateway_api_key.client[name].id => merge(
      { tenant = coalesce(client.tenant, name), scopes = client.scopes },
      client.customer_id == null ? {} : { customer_id = client.customer_id },
    )
  })

  # Memory buys processor time: at 128 MB the TLS handshake of a cold start takes most of a second, at
  # 256 MB half of that, and a warm call costs the same, for it waits and does not compute.
  functions = {
    intake = {
      description = "POST /orders: takes an order, starts its saga, answers"
      memory_mb   = 256
      # It waits up to 20 s for the saga, and then reads, writes or queues the order, each within 2.2 s.
      # API Gateway gives up after 29 s.
      timeout_seconds = 28
      environment = {
        API_CLIENTS        = local.api_clients
        ORDERS_TABLE       = local.table_names["orders"]
        OVERFLOW_QUEUE_URL = local.queue_urls["overflow"]
        STATE_MACHINE_ARN  = local.workflow_arn
      }
    }
    manage-accounts = {
      description = "Accounts and the journal, for operations"
      memory_mb   = 256
      # A few looks and writes, each within 2.2 s.
      timeout_seconds = 15
      environment = {
        API_CLIENTS   = local.api_clients
        JOURNAL_TABLE = local.table_names["journal"]
      }
    }
    manage-stock = {
      description = "The stock, for operations: read, list, adjust, set"
      memory_mb   = 256
      # An adjustment is tried six times if orders are in its way, which takes up to 2.5 s.
      timeout_seconds = 15
      environment = {
        API_CLIENTS     = local.api_clients
        INVENTORY_TABLE = local.table_names["inventory"]
      }
    }
    persist-order = {
      description     = "The order record: persist, confirm, cancel, close, complete"
      memory_mb       = 256
      timeout_seconds = local.task_timeout_seconds
      environment     = { ORDERS_TABLE = local.table_names["orders"] }
    }
    post-accounting = {
      description     = "The journal: post and reverse"
      memory_mb       = 256
      timeout_seconds = local.task_timeout_seconds
      environment     = { JOURNAL_TABLE = local.table_names["journal"] }
    }
    query-orders = {
      description = "GET: orders as they stand"
      memory_mb   = 256
      # Reads, each within 2.2 s.
      timeout_seconds = 10
      environment = {
        API_CLIENTS  = local.api_clients
        ORDERS_TABLE = local.table_names["orders"]
      }
    }
    recover-orders = {
      description     = "The schedule and the overflow queue: takes up open orders"
      memory_mb       = 256
      timeout_seconds = local.recovery_timeout_seconds
      environment = {
        ORDERS_TABLE      = local.table_names["orders"]
        PARKED_QUEUE_URL  = local.queue_urls["parked"]
        STATE_MACHINE_ARN = local.workflow_arn
      }
    }
    reserve-inventory = {
      description     = "The stock: reserve, release, consume"
      memory_mb       = 256
      timeout_seconds = local.task_timeout_seconds
      environment     = { INVENTORY_TABLE = local.table_names["inventory"] }
    }
  }

  # A task answers within 5 s, as a transient error if need be. This is a little longer, and a little
  # shorter than the state's TimeoutSeconds: a function that Lambda ends is a crash, which cancels.
  task_timeout_seconds = 6

  # A run of recovery ends by itself after 50 s.
  recovery_timeout_seconds = 60

  # The functions that the definition names, by the placeholder that stands for them there.
  task_functions = {
    PersistOrderFunctionArn     = "persist-order"
    ReserveInventoryFunctionArn = "reserve-inventory"
    PostAccountingFunctionArn   = "post-accounting"
  }

  # The functions that are called by their alias. The others are called by the versions that the
  # definition names, so that rolling it back rolls them back with it.
  live_functions = { for name, function in local.functions : name => function if !contains(values(local.task_functions), name) }

  alias = "live"

  # --- Names ------------------------------------------------------------------------------------

  # ARNs and URLs are made of names, and not read from resources: a plan then shows every policy and every
  # setting in full, and two things may refer to each other.
  table_names   = { for table in ["orders", "inventory", "journal"] : table => "${local.name}-${table}" }
  table_arns    = { for table, name in local.table_names : table => "arn:${local.partition}:dynamodb:${var.region}:${local.account_id}:table/${name}" }
  queue_names   = { for queue in ["overflow", "overflow-dead", "parked", "recovery-dead"] : queue => "${local.name}-${queue}" }
  queue_arns    = { for queue, name in local.queue_names : queue => "arn:${local.partition}:sqs:${var.region}:${local.account_id}:${name}" }
  queue_urls    = { for queue, name in local.queue_names : queue => "https://sqs.${var.region}.amazonaws.com${local.partition == "aws-cn" ? ".cn" : ""}/${local.account_id}/${name}" }
  function_arns = { for function in ["intake", "manage-accounts", "manage-stock", "persist-order", "post-accounting", "query-orders", "recover-orders", "reserve-inventory"] : function => "arn:${local.partition}:lambda:${var.region}:${local.account_id}:function:${local.name}-${function}" }

  state_machine_arn = "arn:${local.partition}:states:${var.region}:${local.account_id}:stateMachine:${local.name}"
  # What starts are addressed to.
  workflow_arn = "${local.state_machine_arn}:${local.alias}"

  # --- API --------------------------------------------------------------------------------------

  stage         = "v1"
  execution_arn = "arn:${local.partition}:execute-api:${var.region}:${local.account_id}:${aws_api_gateway_rest_api.this.id}"

  # What every list takes, and those that go by time.
  page_parameters   = { "querystring.cursor" = false, "querystring.limit" = false }
  period_parameters = { "querystring.from" = false, "querystring.to" = false }

  # What is set by the version that was read of it.
  precondition_parameters = { "header.If-Match" = false, "header.If-None-Match" = false }

  # One entry a route; nothing else has to be changed for a further one. `parameters` are the query
  # strings and headers that it knows, and whether API Gateway refuses requests without them; what a path
  # has in braces is required by itself. Bodies are the functions' business, whose answers name every
  # wrong field.
  routes = {
    "POST /orders" = {
      function   = "intake"
      parameters = { "header.Idempotency-Key" = false, "header.Prefer" = false }
    }
    "GET /orders" = {
      function   = "query-orders"
      parameters = merge(local.page_parameters, local.period_parameters, { "querystring.status" = false, "querystring.storeId" = false })
    }
    "GET /orders/{orderId}" = {
      function   = "query-orders"
      parameters = { "header.If-None-Match" = false }
    }
    "GET /customers/{customerId}/orders" = {
      function   = "query-orders"
      parameters = merge(local.page_parameters, local.period_parameters)
    }
    "GET /stores/{storeId}/orders" = {
      function   = "query-orders"
      parameters = merge(local.page_parameters, local.period_parameters)
    }
    "GET /counties/{countyId}/orders" = {
      function   = "query-orders"
      parameters = merge(local.page_parameters, local.period_parameters)
    }
    "POST /orders/{orderId}/cancel" = {
      function   = "intake"
      parameters = {}
    }
    "POST /orders/{orderId}/fulfil" = {
      function   = "intake"
      parameters = {}
    }
    "GET /orders/{orderId}/journal" = {
      function   = "manage-accounts"
      parameters = {}
    }
    "GET /stores/{storeId}/stock" = {
      function   = "manage-stock"
      parameters = merge(local.page_parameters, { "querystring.availableBelow" = false })
    }
    "GET /stores/{storeId}/stock/{sku}" = {
      function   = "manage-stock"
      parameters = { "header.If-None-Match" = false }
    }
    "PUT /stores/{storeId}/stock/{sku}" = {
      function   = "manage-stock"
      parameters = local.precondition_parameters
    }
    # The key is a must, and the function says so in better words than the gateway.
    "POST /stores/{storeId}/stock/{sku}/adjustments" = {
      function   = "manage-stock"
      parameters = { "header.Idempotency-Key" = false }
    }
    "GET /accounts/{customerId}" = {
      function   = "manage-accounts"
      parameters = { "header.If-None-Match" = false }
    }
    "GET /accounts/{customerId}/terms" = {
      function   = "manage-accounts"
      parameters = { "header.If-None-Match" = false }
    }
    "PUT /accounts/{customerId}/terms" = {
      function   = "manage-accounts"
      parameters = local.precondition_parameters
    }
  }
}
