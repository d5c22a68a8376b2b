locals {
  name = "${var.name}-${var.environment}"
  # For what an account has only once, not once per region: roles, dashboards and budgets. A role's name has at most 64
  # characters, so the region's hyphens are left out.
  region_name = replace(var.region, "-", "")
  global_name = "${local.name}-${local.region_name}"
  account_id  = var.account_id != null ? var.account_id : one(data.aws_caller_identity.current[*].account_id)
  partition   = startswith(var.region, "cn-") ? "aws-cn" : startswith(var.region, "us-gov-") ? "aws-us-gov" : "aws"

  tags = merge(var.tags, {
    Project     = var.name
    Environment = var.environment
    ManagedBy   = "terraform"
  })

  # --- Tables -----------------------------------------------------------------------------------

  # By name. `path` is the declaring file.
  tables = {
    for name, declared in { for path, table in local.table_files : table.name => merge(table, { path = path })... } : name => {
      path       = declared[0].path
      hash_key   = declared[0].key.partition
      range_key  = try(declared[0].key.sort, null)
      attributes = declared[0].attributes
      indexes = {
        for index, key in try(declared[0].indexes, {}) : index => {
          hash_key  = key.partition
          range_key = try(key.sort, null)
        }
      }
      ttl_attribute = try(declared[0].ttl, null)
    }
  }

  # --- Queues -----------------------------------------------------------------------------------

  declared_queues = merge([for declared in values(local.declarations) : declared.queues]...)

  queues = {
    for name, declared in local.declared_queues : name => merge(declared, {
      retention_seconds = declared.retention_days * 86400
      dead_letters_of   = [for source, options in local.declared_queues : source if options.dead_letter == name]
    })
  }

  # The functions that receive from a queue, by queue.
  receivers = merge([
    for function, declared in local.declarations : {
      for queue, options in declared.receives : queue => { function = function, batch = options.batch }
    }
  ]...)

  # --- Settings and secrets ---------------------------------------------------------------------

  # What a function may name in `uses.settings`. A setting that is null is not configured, and no function gets it.
  settings = {
    operations_keys = tostring(var.enable_operations_keys)
    payment_capture = var.payment_secret_arn == null ? null : var.payment_capture
    price_list      = var.enforce_price_list ? "enforced" : null
    stock_spreading = var.stock_spreading
    tokens          = local.tokens
  }

  # What a function may name in `uses.secrets`, and which secret that is; null if it is not configured. A person creates
  # it: if Terraform created or read it, its value would be in Terraform's state.
  secret_arns = { payment_gateway = var.payment_secret_arn }
  secret_keys = { payment_gateway = var.payment_secret_key_arn }

  # The configured secrets. `resource` is the ARN for policies: a partial ARN lacks the hyphen and the six random
  # characters that Secrets Manager appends to the name. Secrets Manager also takes an ARN that ends like this for
  # a complete one. https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot.html#ARN_secretnamehyphen
  secrets = {
    for name, arn in local.secret_arns : name => {
      arn      = arn
      resource = can(regex("-[A-Za-z0-9]{6}$", arn)) ? arn : "${arn}-??????"
      key_arn  = local.secret_keys[name]
    } if arn != null
  }

  # --- Functions --------------------------------------------------------------------------------

  zip_dir = coalesce(var.function_zip_dir, "${path.module}/../target/lambda")

  functions = {
    for name, declared in local.declarations : name => {
      description     = declared.description
      memory_mb       = declared.memory_mb
      timeout_seconds = declared.timeout_seconds
      environment = merge(
        declared.kind == "authorizer" ? { API_CLIENTS = local.api_clients } : {},
        { for table in keys(declared.uses.tables) : "${upper(replace(table, "-", "_"))}_TABLE" => lookup(local.table_names, table, null) },
        { for queue in keys(declared.uses.queues) : "${upper(replace(queue, "-", "_"))}_QUEUE_URL" => lookup(local.queue_urls, queue, null) },
        length(declared.uses.workflow) > 0 ? { STATE_MACHINE_ARN = local.workflow_arn } : {},
        { for setting in declared.uses.settings : upper(replace(setting, "-", "_")) => local.settings[setting] if lookup(local.settings, setting, null) != null },
        { for secret in declared.uses.secrets : "${upper(replace(secret, "-", "_"))}_SECRET_ARN" => local.secrets[secret].arn if contains(keys(local.secrets), secret) },
      )
    }
  }

  # The functions that the definition calls, by their placeholder in it: PersistOrderFunctionArn is persist-order.
  task_functions = {
    for name, declared in local.declarations : "${join("", [for word in split("-", name) : title(word)])}FunctionArn" => name
    if try(!local.function_kinds[declared.kind].live, false)
  }

  # The functions that are called by their alias. The others are called by the versions that the definition names,
  # so rolling it back rolls them back too.
  live_functions = toset([for name, declared in local.declarations : name if try(local.function_kinds[declared.kind].live, false)])

  alias = "live"

  # The schedules, by the function that they run.
  schedules = merge([
    for function, declared in local.declarations : { for schedule in declared.schedules : function => schedule }
  ]...)

  # A schedule has its function's name, except recovery's: renaming an existing schedule would replace it.
  schedule_names = { for function in keys(local.schedules) : function => lookup({ recover-orders = "recovery" }, function, function) }

  # --- Names ------------------------------------------------------------------------------------

  # ARNs and URLs are built from names, not read from resources. So a plan shows every policy and setting in full, and
  # two resources may refer to each other.
  table_names    = { for table in keys(local.tables) : table => "${local.name}-${table}" }
  table_arns     = { for table, name in local.table_names : table => "arn:${local.partition}:dynamodb:${var.region}:${local.account_id}:table/${name}" }
  queue_names    = { for queue in keys(local.queues) : queue => "${local.name}-${queue}" }
  queue_arns     = { for queue, name in local.queue_names : queue => "arn:${local.partition}:sqs:${var.region}:${local.account_id}:${name}" }
  queue_urls     = { for queue, name in local.queue_names : queue => "https://sqs.${var.region}.amazonaws.com${local.partition == "aws-cn" ? ".cn" : ""}/${local.account_id}/${name}" }
  function_names = { for function in keys(local.declarations) : function => "${local.name}-${function}" }
  function_arns  = { for function, name in local.function_names : function => "arn:${local.partition}:lambda:${var.region}:${local.account_id}:function:${name}" }

  # A log group's ARN is the encryption context in which CloudWatch Logs uses the key, so kms.tf needs them all.
  function_log_groups     = { for function, name in local.function_names : function => "/aws/lambda/${name}" }
  api_log_group           = "/aws/apigateway/${local.name}"
  state_machine_log_group = "/aws/vendedlogs/states/${local.name}" # see state_machine.tf
  waf_log_group           = "aws-waf-logs-${local.name}"           # AWS requires this prefix.

  schedule_arns = { for function, name in local.schedule_names : function => "arn:${local.partition}:scheduler:${var.region}:${local.account_id}:schedule/default/${local.name}-${name}" }

  state_machine_arn = "arn:${local.partition}:states:${var.region}:${local.account_id}:stateMachine:${local.name}"
  # Executions are started by the alias.
  workflow_arn = "${local.state_machine_arn}:${local.alias}"

  # --- API --------------------------------------------------------------------------------------

  stage         = "v1"
  execution_arn = "arn:${local.partition}:execute-api:${var.region}:${local.account_id}:${aws_api_gateway_rest_api.this.id}"

  route_form = "^[A-Z]+ /\\S+$"

  # `parameters` are the headers and query strings of a route, and whether API Gateway rejects requests without
  # them. It never does, because a function reports better what is missing. Path parameters are always required.
  # The functions check the bodies: their answers name every wrong field.
  routes = merge([
    for function, declared in local.declarations : {
      for route, options in declared.routes : route => {
        function = function
        parameters = merge(
          { for header in options.headers : "header.${header}" => false },
          { for name in options.query : "querystring.${name}" => false },
        )
      } if can(regex(local.route_form, route))
    }
  ]...)
}
