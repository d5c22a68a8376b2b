# Who may call the API. The function authorize finds that out, by a token or an API key, and tells the other functions.

locals {
  takes_tokens = var.enable_user_pool || var.token_issuer != null

  # With caching, API Gateway answers 401 by itself to a request without a token, so a key would be worth nothing.
  takes_keys = var.authorizer_cache_seconds == 0

  clients = {
    for name, client in var.api_clients : name => merge(
      { tenant = coalesce(client.tenant, name), subject = name, scopes = client.scopes },
      client.customer_id == null ? {} : { customer_id = client.customer_id },
    )
  }

  # The clients that get a key. Operations want a token, so a client for operations gets none unless keys are allowed to it.
  key_clients = {
    for name, client in local.clients : name => client
    if local.takes_keys && (var.enable_operations_keys || !contains(client.scopes, "operations"))
  }

  # As the authorizer knows them: by the digest of the key, so that its settings reveal no keys. A key that AWS generates
  # has forty random characters, so its digest reveals nothing either.
  api_clients = jsonencode({
    for name, client in local.key_clients : nonsensitive(sha256(aws_api_gateway_api_key.client[name].value)) => client
  })

  # The tenants whose tokens are accepted.
  tenants = !local.takes_tokens ? toset([]) : setunion(var.token_tenants, [for client in values(local.clients) : client.tenant])

  # The clients that get tokens for themselves, by their id at the issuer.
  token_clients = merge(
    { for name, client in aws_cognito_user_pool_client.client : client.id => local.clients[name] },
    { for name, client in var.api_clients : client.client_id => local.clients[name] if client.client_id != null },
  )

  token_issuer = var.enable_user_pool ? "https://${join("", aws_cognito_user_pool.this[*].endpoint)}" : var.token_issuer

  # What the authorizer needs to know about tokens. functions/authorize/src/settings.rs has the form.
  tokens = !local.takes_tokens ? null : jsonencode({
    issuer     = local.token_issuer
    jwks_url   = coalesce(var.token_jwks_url, "${local.token_issuer}/.well-known/jwks.json")
    audiences  = setunion(var.token_audiences, keys(local.token_clients), aws_cognito_user_pool_client.app[*].id, aws_cognito_user_pool_client.console[*].id)
    algorithms = var.token_algorithms
    token_use  = var.enable_user_pool ? "access" : var.token_use
    claims     = local.token_claims
    clients    = local.token_clients
    usage_keys = { for tenant in local.tenants : tenant => local.usage_keys[tenant] }
  })

  # Cognito's access tokens have no attributes of the user, but they have the user's groups. Nobody can leave a group out
  # when asking for a token, unlike a scope. https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html
  token_claims = var.enable_user_pool ? {
    tenant      = { name = "cognito:groups", prefix = "tenant:" }
    scopes      = { name = "cognito:groups", prefix = "scope:" }
    customer_id = { name = "cognito:groups", prefix = "customer:", required = var.token_customer_required }
    } : {
    tenant      = { name = var.token_tenant_claim.name, prefix = var.token_tenant_claim.prefix }
    scopes      = { name = var.token_scopes_claim.name, prefix = var.token_scopes_claim.prefix }
    customer_id = { name = var.token_customer_claim.name, prefix = var.token_customer_claim.prefix, required = var.token_customer_required }
  }

  # A usage key is a name under which API Gateway counts, and not a credential: API Gateway takes it from the authorizer
  # alone, and the authorizer accepts only the keys of clients. So it need not be secret, and follows from names.
  usage_keys = { for tenant in local.tenants : tenant => sha256("${local.name}/usage/${tenant}") }
}

# --- The authorizer -------------------------------------------------------------------------------

resource "aws_api_gateway_authorizer" "this" {
  name           = local.name
  rest_api_id    = aws_api_gateway_rest_api.this.id
  type           = "REQUEST"
  authorizer_uri = aws_lambda_alias.live["authorize"].invoke_arn

  # API Gateway answers 401 by itself to a request without one of the identity sources. A token and a key are alternatives,
  # so neither may be one, unless there are tokens only. An empty list is not accepted, and an address is always there.
  identity_source                  = local.takes_keys ? "context.identity.sourceIp" : "method.request.header.Authorization"
  authorizer_result_ttl_in_seconds = var.authorizer_cache_seconds

  lifecycle {
    precondition {
      condition     = length(local.clients) == 0 || local.takes_keys || local.takes_tokens
      error_message = "authorizer_cache_seconds leaves only tokens, and no issuer of tokens is configured."
    }
  }
}

resource "aws_lambda_permission" "authorizer" {
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  function_name = aws_lambda_function.this["authorize"].function_name
  qualifier     = aws_lambda_alias.live["authorize"].name
  source_arn    = "${local.execution_arn}/authorizers/${aws_api_gateway_authorizer.this.id}"
}

# --- Keys -----------------------------------------------------------------------------------------

resource "aws_api_gateway_api_key" "client" {
  for_each = local.key_clients

  name        = "${local.name}-${each.key}"
  description = "The client ${each.key} of ${local.name}"
}

resource "aws_api_gateway_usage_plan_key" "client" {
  for_each = local.key_clients

  usage_plan_id = aws_api_gateway_usage_plan.this.id
  key_id        = aws_api_gateway_api_key.client[each.key].id
  key_type      = "API_KEY"
}

# For the requests with tokens: one usage key per tenant.
resource "aws_api_gateway_api_key" "tenant" {
  for_each = local.tenants

  name        = "${local.name}-tenant-${each.key}"
  description = "Counts the requests with tokens of the tenant ${each.key} of ${local.name}. It is no credential."
  value       = local.usage_keys[each.key]
}

resource "aws_api_gateway_usage_plan_key" "tenant" {
  for_each = local.tenants

  usage_plan_id = aws_api_gateway_usage_plan.this.id
  key_id        = aws_api_gateway_api_key.tenant[each.key].id
  key_type      = "API_KEY"
}

# --- User pool ------------------------------------------------------------------------------------

resource "aws_cognito_user_pool" "this" {
  count = var.enable_user_pool ? 1 : 0

  name                = local.name
  deletion_protection = var.enable_deletion_protection ? "ACTIVE" : "INACTIVE"
  mfa_configuration   = "OPTIONAL"

  # The groups of a user say who they are, so the shop makes the users.
  admin_create_user_config {
    allow_admin_create_user_only = true
  }

  account_recovery_setting {
    recovery_mechanism {
      name     = "verified_email"
      priority = 1
    }
  }

  password_policy {
    minimum_length                   = 14
    require_lowercase                = true
    require_numbers                  = true
    require_symbols                  = true
    require_uppercase                = true
    temporary_password_validity_days = 3
  }

  software_token_mfa_configuration {
    enabled = true
  }
}

# The address where clients get tokens.
resource "aws_cognito_user_pool_domain" "this" {
  count = length(aws_cognito_user_pool.this)

  domain       = "${local.name}-${local.account_id}"
  user_pool_id = aws_cognito_user_pool.this[0].id
}

# What a token may be asked for. It decides nothing: api_clients and the users' groups do.
resource "aws_cognito_resource_server" "this" {
  count = length(aws_cognito_user_pool.this)

  identifier   = "orders"
  name         = "The order API"
  user_pool_id = aws_cognito_user_pool.this[0].id

  scope {
    scope_name        = "call"
    scope_description = "Call the order API"
  }
}

# A client that acts for itself.
resource "aws_cognito_user_pool_client" "client" {
  for_each = { for name, client in local.clients : name => client if var.enable_user_pool }

  name                                 = each.key
  user_pool_id                         = aws_cognito_user_pool.this[0].id
  generate_secret                      = true
  allowed_oauth_flows_user_pool_client = true
  allowed_oauth_flows                  = ["client_credentials"]
  allowed_oauth_scopes                 = ["${aws_cognito_resource_server.this[0].identifier}/call"]
  # Nobody may sign in through it: a person's token would stand for the client.
  explicit_auth_flows   = ["ALLOW_REFRESH_TOKEN_AUTH"]
  access_token_validity = 15

  token_validity_units {
    access_token = "minutes"
  }
}

# The website or the app in which people sign in. It has no secret, because it could not keep one.
resource "aws_cognito_user_pool_client" "app" {
  count = var.enable_user_pool && length(var.user_pool_callback_urls) > 0 ? 1 : 0

  name                                 = "app"
  user_pool_id                         = aws_cognito_user_pool.this[0].id
  generate_secret                      = false
  allowed_oauth_flows_user_pool_client = true
  allowed_oauth_flows                  = ["code"]
  allowed_oauth_scopes                 = ["openid", "${aws_cognito_resource_server.this[0].identifier}/call"]
  callback_urls                        = var.user_pool_callback_urls
  supported_identity_providers         = ["COGNITO"]
  explicit_auth_flows                  = ["ALLOW_REFRESH_TOKEN_AUTH"]
  prevent_user_existence_errors        = "ENABLED"
  enable_token_revocation              = true
  access_token_validity                = 15

  token_validity_units {
    access_token = "minutes"
  }
}

# A user is in the group of its tenant, in those of its scopes, and, if it is a customer, in the customer's own.
resource "aws_cognito_user_group" "this" {
  for_each = var.enable_user_pool ? setunion(
    [for tenant in local.tenants : "tenant:${tenant}"],
    [for scope in ["submit", "read", "operations"] : "scope:${scope}"],
  ) : toset([])

  name         = each.key
  user_pool_id = aws_cognito_user_pool.this[0].id
}
