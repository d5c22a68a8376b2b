# The order API. It is a REST API because only REST APIs have keys, usage plans, request validation and WAF.
# Everything follows from `local.routes`.

locals {
  route_parts = {
    for route, options in local.routes : route => {
      method     = split(" ", route)[0]
      path       = split(" ", route)[1]
      function   = options.function
      parameters = options.parameters
    }
  }

  # Every path that must exist, by depth: "/orders", "/orders/{orderId}", …. A resource cannot refer to another
  # instance of itself, so each depth has its own resource.
  route_paths = distinct(flatten([
    for parts in values(local.route_parts) : [
      for depth in range(1, length(split("/", parts.path))) : join("/", slice(split("/", parts.path), 0, depth + 1))
    ]
  ]))
  paths_by_depth = { for depth in range(1, 6) : depth => toset([for path in local.route_paths : path if length(split("/", path)) - 1 == depth]) }

  resource_ids = merge(
    { "/" = aws_api_gateway_rest_api.this.root_resource_id },
    { for path, resource in aws_api_gateway_resource.depth_1 : path => resource.id },
    { for path, resource in aws_api_gateway_resource.depth_2 : path => resource.id },
    { for path, resource in aws_api_gateway_resource.depth_3 : path => resource.id },
    { for path, resource in aws_api_gateway_resource.depth_4 : path => resource.id },
    { for path, resource in aws_api_gateway_resource.depth_5 : path => resource.id },
  )

  # API Gateway's own answers, in the form of the functions' problem documents.
  gateway_problems = {
    # A path or a method that no route has. AWS calls it a missing authentication token.
    MISSING_AUTHENTICATION_TOKEN = { status = 404, type = "route-not-found", title = "There is no such resource", retry = null }
    RESOURCE_NOT_FOUND           = { status = 404, type = "route-not-found", title = "There is no such resource", retry = null }
    # No token and no key, or one that is not valid.
    UNAUTHORIZED = { status = 401, type = "unauthorized", title = "The request needs a valid token or API key", retry = null }
    # The authorizer could not say. Nothing was done.
    AUTHORIZER_FAILURE             = { status = 503, type = "unavailable", title = "The caller cannot be identified at the moment; send it again with the same key", retry = 5 }
    AUTHORIZER_CONFIGURATION_ERROR = { status = 503, type = "unavailable", title = "The caller cannot be identified at the moment; send it again with the same key", retry = 5 }
    # The authorizer named a usage key that the usage plan does not have.
    INVALID_API_KEY        = { status = 403, type = "forbidden", title = "The request is not allowed", retry = null }
    ACCESS_DENIED          = { status = 403, type = "forbidden", title = "The request is not allowed", retry = null }
    WAF_FILTERED           = { status = 403, type = "forbidden", title = "The request is not allowed", retry = null }
    BAD_REQUEST_PARAMETERS = { status = 400, type = "invalid-request", title = "A parameter is missing or invalid", retry = null }
    BAD_REQUEST_BODY       = { status = 400, type = "malformed-body", title = "The request body cannot be read", retry = null }
    REQUEST_TOO_LARGE      = { status = 413, type = "body-too-large", title = "The request body is larger than any order", retry = null }
    UNSUPPORTED_MEDIA_TYPE = { status = 415, type = "unsupported-media-type", title = "The request body has to be application/json", retry = null }
    THROTTLED              = { status = 429, type = "too-many-requests", title = "Too many requests at once; send it again with the same key", retry = 1 }
    QUOTA_EXCEEDED         = { status = 429, type = "too-many-requests", title = "The client has used up its requests for today", retry = 3600 }
    # The function may have done its work anyway. Or Lambda refused to run it, because its instances are all in use.
    INTEGRATION_TIMEOUT = { status = 504, type = "unavailable", title = "Whether the order was taken is unknown; send it again with the same key", retry = 5 }
    INTEGRATION_FAILURE = { status = 503, type = "unavailable", title = "Whether the order was taken is unknown; send it again with the same key", retry = 5 }
    DEFAULT_4XX         = { status = null, type = "invalid-request", title = "The request cannot be answered", retry = null }
    DEFAULT_5XX         = { status = null, type = "unavailable", title = "Whether the order was taken is unknown; send it again with the same key", retry = 5 }
  }
}

resource "aws_api_gateway_rest_api" "this" {
  name                         = local.name
  description                  = "Orders"
  disable_execute_api_endpoint = !var.enable_execute_api_endpoint
  # The authorizer says under which key a request counts. A key in a header is only a credential, and only the authorizer's.
  api_key_source = "AUTHORIZER"

  endpoint_configuration {
    types = ["REGIONAL"]
  }

  lifecycle {
    create_before_destroy = true

    precondition {
      condition     = alltrue([for path in local.route_paths : length(split("/", path)) - 1 <= 5])
      error_message = "A route's path can have at most five segments; for more, add a depth to api.tf."
    }
  }
}

resource "aws_api_gateway_resource" "depth_1" {
  for_each = local.paths_by_depth[1]

  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_rest_api.this.root_resource_id
  path_part   = basename(each.value)
}

resource "aws_api_gateway_resource" "depth_2" {
  for_each = local.paths_by_depth[2]

  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_resource.depth_1[dirname(each.value)].id
  path_part   = basename(each.value)
}

resource "aws_api_gateway_resource" "depth_3" {
  for_each = local.paths_by_depth[3]

  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_resource.depth_2[dirname(each.value)].id
  path_part   = basename(each.value)
}

resource "aws_api_gateway_resource" "depth_4" {
  for_each = local.paths_by_depth[4]

  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_resource.depth_3[dirname(each.value)].id
  path_part   = basename(each.value)
}

resource "aws_api_gateway_resource" "depth_5" {
  for_each = local.paths_by_depth[5]

  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_resource.depth_4[dirname(each.value)].id
  path_part   = basename(each.value)
}

# Parameters only: for a wrong body the gateway would answer with one sentence, whatever is wrong with it.
resource "aws_api_gateway_request_validator" "parameters" {
  name                        = "parameters"
  rest_api_id                 = aws_api_gateway_rest_api.this.id
  validate_request_parameters = true
  validate_request_body       = false
}

resource "aws_api_gateway_method" "this" {
  for_each = local.route_parts

  rest_api_id          = aws_api_gateway_rest_api.this.id
  resource_id          = local.resource_ids[each.value.path]
  http_method          = each.value.method
  authorization        = "CUSTOM"
  authorizer_id        = aws_api_gateway_authorizer.this.id
  api_key_required     = true
  request_validator_id = aws_api_gateway_request_validator.parameters.id

  request_parameters = merge(
    { for parameter in regexall("{(\\w+)}", each.value.path) : "method.request.path.${parameter[0]}" => true },
    { for parameter, required in each.value.parameters : "method.request.${parameter}" => required },
  )
}

resource "aws_api_gateway_integration" "this" {
  for_each = local.route_parts

  rest_api_id             = aws_api_gateway_rest_api.this.id
  resource_id             = aws_api_gateway_method.this[each.key].resource_id
  http_method             = aws_api_gateway_method.this[each.key].http_method
  type                    = "AWS_PROXY"
  integration_http_method = "POST"
  uri                     = aws_lambda_alias.live[each.value.function].invoke_arn
  # AWS's own limit. Intake answers earlier.
  timeout_milliseconds = 29000
}

resource "aws_lambda_permission" "api" {
  for_each = local.route_parts

  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  function_name = aws_lambda_function.this[each.value.function].function_name
  qualifier     = aws_lambda_alias.live[each.value.function].name
  # This route at every stage. A parameter in the path becomes a wildcard.
  source_arn = "${local.execution_arn}/*/${each.value.method}${replace(each.value.path, "/{\\w+}/", "*")}"
}

resource "aws_api_gateway_gateway_response" "this" {
  for_each = local.gateway_problems

  rest_api_id   = aws_api_gateway_rest_api.this.id
  response_type = each.key
  status_code   = each.value.status

  response_parameters = merge(
    {
      "gatewayresponse.header.Content-Type"  = "'application/problem+json'"
      "gatewayresponse.header.Cache-Control" = "'no-store'"
    },
    each.value.retry == null ? {} : { "gatewayresponse.header.Retry-After" = "'${each.value.retry}'" },
    # https://www.rfc-editor.org/rfc/rfc6750#section-3
    each.key != "UNAUTHORIZED" ? {} : { "gatewayresponse.header.WWW-Authenticate" = "'Bearer realm=\"orders\"'" },
  )

  response_templates = {
    # $context.error.messageString is a JSON string, quotes included.
    "application/json" = join("", [
      "{\"type\":\"urn:order-saga:problem:${each.value.type}\",\"title\":\"${each.value.title}\"",
      each.value.status == null ? "" : ",\"status\":${each.value.status}",
      contains(["BAD_REQUEST_PARAMETERS", "BAD_REQUEST_BODY"], each.key) ? ",\"detail\":$context.error.messageString" : "",
      ",\"requestId\":\"$context.requestId\"}",
    ])
  }
}

resource "aws_api_gateway_deployment" "this" {
  rest_api_id = aws_api_gateway_rest_api.this.id

  # A deployment is a snapshot, so everything that changes what it serves must trigger a new one: the routes, the
  # functions that they call, and this file. Attributes of resources do not belong here. What AWS answers for them on the
  # next refresh is not what was written, so a second apply would deploy the same API again.
  triggers = {
    description = sha256(jsonencode([
      local.route_parts,
      local.gateway_problems,
      [for parts in values(local.route_parts) : "${lookup(local.function_arns, parts.function, "")}:${local.alias}"],
      var.authorizer_cache_seconds,
      filesha256("${path.module}/api.tf"),
      filesha256("${path.module}/identity.tf"),
    ]))
  }

  # A snapshot of all this. The integrations are made after the methods, and those after the paths.
  depends_on = [aws_api_gateway_integration.this, aws_api_gateway_gateway_response.this]

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudwatch_log_group" "api" {
  name              = local.api_log_group
  retention_in_days = var.log_retention_days
  kms_key_id        = local.key_arn
}

resource "aws_api_gateway_account" "this" {
  count = length(aws_iam_role.api_gateway)

  cloudwatch_role_arn = aws_iam_role.api_gateway[0].arn

  # API Gateway checks that the role may write.
  depends_on = [aws_iam_role_policy_attachment.api_gateway]
}

resource "aws_api_gateway_stage" "this" {
  rest_api_id          = aws_api_gateway_rest_api.this.id
  deployment_id        = aws_api_gateway_deployment.this.id
  stage_name           = local.stage
  xray_tracing_enabled = true

  # Who asked for what, how it ended and how long it took. The route says what was asked for: the path itself contains
  # the ids of customers. They are personal data, and so are addresses, subjects of tokens and bodies.
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.api.arn
    format = jsonencode({
      requestId          = "$context.requestId"
      extendedRequestId  = "$context.extendedRequestId"
      traceId            = "$context.xrayTraceId"
      requestTime        = "$context.requestTime"
      apiKeyId           = "$context.identity.apiKeyId"
      tenant             = "$context.authorizer.tenant"
      method             = "$context.httpMethod"
      route              = "$context.resourcePath"
      status             = "$context.status"
      responseLength     = "$context.responseLength"
      latencyMs          = "$context.responseLatency"
      authorizerMs       = "$context.authorizer.latency"
      authorizerError    = "$context.authorizer.error"
      integrationMs      = "$context.integration.latency"
      integrationStatus  = "$context.integration.integrationStatus"
      integrationError   = "$context.integration.error"
      integrationRequest = "$context.integration.requestId"
      error              = "$context.error.responseType"
      validationError    = "$context.error.validationErrorString"
      waf                = "$context.waf.status"
    })
  }

  depends_on = [aws_api_gateway_account.this]
}

resource "aws_api_gateway_method_settings" "this" {
  rest_api_id = aws_api_gateway_rest_api.this.id
  stage_name  = aws_api_gateway_stage.this.stage_name
  method_path = "*/*"

  settings {
    metrics_enabled = true
    # API Gateway would make a log group of its own, which has no key, never expires and outlives the stack. The access
    # log already says of each request how it ended, and which error there was in between.
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/rest-api-execution-logging.html
    logging_level = "OFF"
    # It would log whole orders.
    data_trace_enabled     = false
    throttling_rate_limit  = var.requests_per_second
    throttling_burst_limit = var.requests_per_second
  }
}

# The functions that wait for the workflow are not asked for more than their instances can take.
resource "aws_api_gateway_method_settings" "waiting" {
  for_each = { for route, parts in local.route_parts : route => parts if contains(local.waiting_functions, parts.function) }

  rest_api_id = aws_api_gateway_rest_api.this.id
  stage_name  = aws_api_gateway_stage.this.stage_name
  method_path = "${trimprefix(each.value.path, "/")}/${each.value.method}"

  # A method's own settings replace the stage's.
  settings {
    metrics_enabled        = true
    logging_level          = "OFF"
    data_trace_enabled     = false
    throttling_rate_limit  = local.order_rate
    throttling_burst_limit = local.order_burst
  }

  depends_on = [aws_api_gateway_method_settings.this]
}

# --- Limits ---------------------------------------------------------------------------------------

resource "aws_api_gateway_usage_plan" "this" {
  name        = local.name
  description = "The request limits of each client of ${local.name}"

  api_stages {
    api_id = aws_api_gateway_rest_api.this.id
    stage  = aws_api_gateway_stage.this.stage_name
  }

  throttle_settings {
    rate_limit  = var.client_requests_per_second
    burst_limit = var.client_burst_requests
  }

  dynamic "quota_settings" {
    for_each = var.client_requests_per_day[*]
    content {
      limit  = quota_settings.value
      period = "DAY"
    }
  }
}

# --- Custom domain name ---------------------------------------------------------------------------

resource "aws_api_gateway_domain_name" "this" {
  count = var.domain_name == null ? 0 : 1

  domain_name              = var.domain_name
  regional_certificate_arn = var.domain_certificate_arn
  security_policy          = "TLS_1_2"

  endpoint_configuration {
    types = ["REGIONAL"]
  }
}

resource "aws_api_gateway_base_path_mapping" "this" {
  count = length(aws_api_gateway_domain_name.this)

  api_id      = aws_api_gateway_rest_api.this.id
  stage_name  = aws_api_gateway_stage.this.stage_name
  domain_name = aws_api_gateway_domain_name.this[0].domain_name
}

resource "aws_route53_record" "this" {
  count = var.domain_zone_id == null ? 0 : 1

  zone_id = var.domain_zone_id
  name    = var.domain_name
  type    = "A"

  alias {
    name                   = aws_api_gateway_domain_name.this[0].regional_domain_name
    zone_id                = aws_api_gateway_domain_name.this[0].regional_zone_id
    evaluate_target_health = false
  }
}
