# Who may call the API: the authorizer, its settings, and the keys under which requests count.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  account_id  = "123456789012"
  environment = "staging"
}

run "keys_alone" {
  variables {
    api_clients = {
      web  = { scopes = ["submit", "read"], tenant = "shop" }
      acme = { scopes = ["read"], customer_id = "acme-wholesale" }
    }
  }
  assert {
    condition     = aws_api_gateway_rest_api.this.api_key_source == "AUTHORIZER"
    error_message = "The authorizer has to say under which key a request counts."
  }
  assert {
    condition     = alltrue([for method in aws_api_gateway_method.this : method.authorization == "CUSTOM" && method.authorizer_id == aws_api_gateway_authorizer.this.id])
    error_message = "Every route has to ask the authorizer."
  }
  assert {
    condition     = aws_api_gateway_authorizer.this.type == "REQUEST" && aws_api_gateway_authorizer.this.authorizer_uri == aws_lambda_alias.live["authorize"].invoke_arn
    error_message = "The authorizer has to be the function authorize."
  }
  assert {
    condition     = aws_api_gateway_authorizer.this.authorizer_result_ttl_in_seconds == 0 && aws_api_gateway_authorizer.this.identity_source == "context.identity.sourceIp"
    error_message = "A key has to be enough: no header may be an identity source, and nothing may be cached."
  }
  assert {
    condition     = aws_lambda_permission.authorizer.qualifier == "live" && endswith(aws_lambda_permission.authorizer.source_arn, ":a1b2c3d4e5/authorizers/${aws_api_gateway_authorizer.this.id}")
    error_message = "Only this API's authorizer may invoke the function."
  }
  assert {
    condition = jsondecode(aws_lambda_function.this["authorize"].environment[0].variables.API_CLIENTS) == {
      (sha256(aws_api_gateway_api_key.client["web"].value))  = { tenant = "shop", subject = "web", scopes = ["read", "submit"] }
      (sha256(aws_api_gateway_api_key.client["acme"].value)) = { tenant = "acme", subject = "acme", scopes = ["read"], customer_id = "acme-wholesale" }
    }
    error_message = "The authorizer has to know each key's tenant, scopes and customer, by the key's digest."
  }
  assert {
    condition     = !anytrue([for name, function in aws_lambda_function.this : contains(keys(try(function.environment[0].variables, {})), "API_CLIENTS") if name != "authorize"])
    error_message = "Only the authorizer may know clients."
  }
  assert {
    condition     = !contains(keys(aws_lambda_function.this["authorize"].environment[0].variables), "TOKENS") && length(aws_api_gateway_api_key.tenant) == 0
    error_message = "Without an issuer no token may be accepted."
  }
  assert {
    condition     = aws_lambda_function.this["authorize"].environment[0].variables.OPERATIONS_KEYS == "false"
    error_message = "Operations need a token."
  }
  assert {
    condition     = output.api_keys == null && output.api_key_ids == { for client, key in aws_api_gateway_api_key.client : client => key.id }
    error_message = "By default no output may show a key."
  }
  assert {
    condition     = strcontains(aws_api_gateway_gateway_response.this["UNAUTHORIZED"].response_parameters["gatewayresponse.header.WWW-Authenticate"], "Bearer realm=")
    error_message = "401 has to say how to authenticate."
  }
  assert {
    condition     = !contains(keys(aws_cloudwatch_metric_alarm.this), "authorize-errors") && contains(keys(aws_cloudwatch_metric_alarm.this), "api-401")
    error_message = "A 401 is an error of the function, so its errors must ring nothing; many of them must."
  }
}

run "an_issuer_of_ones_own" {
  variables {
    token_issuer            = "https://issuer.example.com/shop"
    token_jwks_url          = "https://issuer.example.com/shop/keys"
    token_audiences         = ["orders"]
    token_algorithms        = ["ES256"]
    token_tenants           = ["market"]
    token_customer_claim    = { name = "customer" }
    token_customer_required = false
    api_clients = {
      shop       = { scopes = ["submit", "read"] }
      operations = { scopes = ["operations"], client_id = "ops-1" }
    }
  }
  assert {
    condition = jsondecode(aws_lambda_function.this["authorize"].environment[0].variables.TOKENS) == {
      issuer     = "https://issuer.example.com/shop"
      jwks_url   = "https://issuer.example.com/shop/keys"
      audiences  = ["ops-1", "orders"]
      algorithms = ["ES256"]
      token_use  = null
      claims = {
        tenant      = { name = "tenant", prefix = "" }
        scopes      = { name = "scope", prefix = "orders/" }
        customer_id = { name = "customer", prefix = "", required = false }
      }
      clients = { ops-1 = { tenant = "operations", subject = "operations", scopes = ["operations"] } }
      usage_keys = {
        market     = sha256("order-saga-staging/usage/market")
        operations = sha256("order-saga-staging/usage/operations")
        shop       = sha256("order-saga-staging/usage/shop")
      }
    }
    error_message = "The authorizer has to know the issuer, its claims, the clients and the usage keys."
  }
  assert {
    condition     = toset(keys(aws_api_gateway_api_key.client)) == toset(["shop"])
    error_message = "A client for operations must get no key."
  }
  assert {
    condition = (
      { for tenant, key in aws_api_gateway_api_key.tenant : tenant => key.value } == jsondecode(aws_lambda_function.this["authorize"].environment[0].variables.TOKENS).usage_keys
      && { for tenant, key in aws_api_gateway_usage_plan_key.tenant : tenant => key.key_id } == { for tenant, key in aws_api_gateway_api_key.tenant : tenant => key.id }
    )
    error_message = "The usage plan has to have each tenant's usage key: API Gateway answers 403 to a key that it does not know."
  }
}

run "a_user_pool" {
  variables {
    enable_user_pool        = true
    token_tenants           = ["shop"]
    user_pool_callback_urls = ["https://shop.example.com/signed-in"]
    api_clients             = { operations = { scopes = ["operations"] } }
  }
  assert {
    condition     = jsondecode(aws_lambda_function.this["authorize"].environment[0].variables.TOKENS).issuer == "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_a1b2c3d4e"
    error_message = "The issuer has to be the pool."
  }
  assert {
    condition     = jsondecode(aws_lambda_function.this["authorize"].environment[0].variables.TOKENS).jwks_url == "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_a1b2c3d4e/.well-known/jwks.json"
    error_message = "The keys have to be the pool's."
  }
  assert {
    condition = (
      jsondecode(aws_lambda_function.this["authorize"].environment[0].variables.TOKENS).token_use == "access"
      && toset(jsondecode(aws_lambda_function.this["authorize"].environment[0].variables.TOKENS).audiences) == toset([aws_cognito_user_pool_client.client["operations"].id, aws_cognito_user_pool_client.app[0].id])
    )
    error_message = "Only access tokens of the pool's own clients may be accepted."
  }
  assert {
    condition     = alltrue([for claim in ["tenant", "scopes", "customer_id"] : jsondecode(aws_lambda_function.this["authorize"].environment[0].variables.TOKENS).claims[claim].name == "cognito:groups"]) && jsondecode(aws_lambda_function.this["authorize"].environment[0].variables.TOKENS).claims.customer_id.required
    error_message = "A user's groups have to say who it is: anyone who asks for a token may leave a scope out."
  }
  assert {
    condition     = aws_cognito_user_pool_client.client["operations"].generate_secret && aws_cognito_user_pool_client.client["operations"].allowed_oauth_flows == toset(["client_credentials"])
    error_message = "A client has to act for itself only."
  }
  assert {
    condition     = !aws_cognito_user_pool_client.app[0].generate_secret && aws_cognito_user_pool_client.app[0].allowed_oauth_flows == toset(["code"])
    error_message = "A website must not have a secret, and must not get tokens in an address."
  }
  assert {
    condition     = aws_cognito_user_pool.this[0].deletion_protection == "ACTIVE" && aws_cognito_user_pool.this[0].admin_create_user_config[0].allow_admin_create_user_only
    error_message = "Only the shop may make users, and nobody may delete them all by mistake."
  }
  assert {
    condition     = toset(keys(aws_cognito_user_group.this)) == toset(["scope:operations", "scope:read", "scope:submit", "tenant:operations", "tenant:shop"])
    error_message = "Each tenant and each scope has to have a group."
  }
}

run "tokens_only_and_cached" {
  variables {
    authorizer_cache_seconds = 60
    token_issuer             = "https://issuer.example.com"
    token_audiences          = ["orders"]
  }
  assert {
    condition     = aws_api_gateway_authorizer.this.authorizer_result_ttl_in_seconds == 60 && aws_api_gateway_authorizer.this.identity_source == "method.request.header.Authorization"
    error_message = "What is cached has to be cached by the token."
  }
  assert {
    condition     = length(aws_api_gateway_api_key.client) == 0 && aws_lambda_function.this["authorize"].environment[0].variables.API_CLIENTS == "{}"
    error_message = "A key would be refused before the authorizer sees it, so nobody must get one."
  }
}

run "keys_for_operations_in_development" {
  variables {
    enable_operations_keys = true
    enable_api_key_output  = true
    api_clients            = { operations = { scopes = ["operations"] } }
  }
  assert {
    condition     = aws_lambda_function.this["authorize"].environment[0].variables.OPERATIONS_KEYS == "true" && output.api_keys["operations"] == aws_api_gateway_api_key.client["operations"].value
    error_message = "Outside production keys may be used for trying things out."
  }
}
