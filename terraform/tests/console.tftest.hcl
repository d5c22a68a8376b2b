# The console's hosting: private pages, one origin, sign-in at the user pool.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  account_id       = "123456789012"
  environment      = "staging"
  enable_user_pool = true
  enable_console   = true
}

run "without_it_there_is_nothing" {
  variables {
    enable_console = false
  }
  assert {
    condition     = length(aws_s3_bucket.console) + length(aws_s3_object.console) + length(aws_cloudfront_distribution.console) + length(aws_cognito_user_pool_client.console) == 0 && output.console_url == null
    error_message = "Nothing of the console may exist."
  }
}

run "the_pages_are_private_and_only_the_distribution_reads_them" {
  assert {
    condition     = alltrue([for block in [aws_s3_bucket_public_access_block.console[0]] : block.block_public_acls && block.block_public_policy && block.ignore_public_acls && block.restrict_public_buckets])
    error_message = "Nobody may make the bucket public."
  }
  assert {
    condition     = jsondecode(aws_s3_bucket_policy.console[0].policy).Statement[0].Condition.StringEquals["AWS:SourceArn"] == aws_cloudfront_distribution.console[0].arn && jsondecode(aws_s3_bucket_policy.console[0].policy).Statement[0].Action == "s3:GetObject"
    error_message = "Only this distribution may read the pages."
  }
  assert {
    condition     = jsondecode(aws_s3_bucket_policy.console[0].policy).Statement[1].Effect == "Deny" && jsondecode(aws_s3_bucket_policy.console[0].policy).Statement[1].Condition.Bool["aws:SecureTransport"] == "false"
    error_message = "The bucket has to refuse requests without TLS."
  }
  assert {
    condition     = one(aws_cloudfront_origin_access_control.console).signing_behavior == "always"
    error_message = "CloudFront has to sign each request to the bucket."
  }
}

run "every_file_of_the_console_is_there_with_its_type" {
  assert {
    condition     = aws_s3_object.console_page[0].key == "console/index.html" && contains(keys(aws_s3_object.console), "sign-in.js") && alltrue([for object in aws_s3_object.console : object.content_type != null])
    error_message = "Each page needs a type."
  }
  assert {
    condition     = !anytrue([for file in keys(aws_s3_object.console) : endswith(file, ".md") || endswith(file, "tsconfig.json")])
    error_message = "Only what the browser loads belongs there."
  }
  assert {
    condition     = aws_s3_object.console["vendor/preact-11.2.0/preact.mjs"].cache_control == "public, max-age=31536000, immutable" && aws_s3_object.console["main.js"].cache_control == "no-cache"
    error_message = "A release has to be seen at once."
  }
}

run "the_api_has_the_pages_origin_and_is_never_cached" {
  assert {
    condition     = toset([for behaviour in aws_cloudfront_distribution.console[0].ordered_cache_behavior : behaviour.path_pattern]) == toset(["/accounts*", "/counties*", "/customers*", "/orders*", "/stores*"])
    error_message = "Each route's requests have to reach the API."
  }
  assert {
    condition     = alltrue([for behaviour in aws_cloudfront_distribution.console[0].ordered_cache_behavior : behaviour.target_origin_id == "api" && behaviour.cache_policy_id == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad" && behaviour.viewer_protocol_policy == "https-only"])
    error_message = "An answer of the API must not be cached, and no request may go without TLS."
  }
  assert {
    condition     = alltrue([for origin in aws_cloudfront_distribution.console[0].origin : origin.custom_origin_config[0].origin_protocol_policy == "https-only" && origin.origin_path == "/v1" if origin.origin_id == "api"])
    error_message = "CloudFront has to call the API's stage with TLS."
  }
  assert {
    condition     = alltrue([for error in [500, 502, 503, 504] : contains([for kept in aws_cloudfront_distribution.console[0].custom_error_response : kept.error_code if kept.error_caching_min_ttl == 0], error)])
    error_message = "An error that one caller gets must not be another one's answer."
  }
}

run "the_policy_allows_no_third_party" {
  assert {
    condition     = aws_cloudfront_response_headers_policy.console[0].security_headers_config[0].content_security_policy[0].content_security_policy == "default-src 'none'; script-src 'self' 'sha256-4BepXWcTUN6Hr9c6CaSc14Iz2xS+HJjSWH+sjPIalvg='; style-src 'self'; img-src 'self' data:; connect-src 'self' https://order-saga-staging-123456789012.auth.us-east-1.amazoncognito.com; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    error_message = "A page may load and send nothing but its own, besides the user pool's token."
  }
  assert {
    condition     = aws_cloudfront_response_headers_policy.console[0].security_headers_config[0].strict_transport_security[0].access_control_max_age_sec == 31536000 && aws_cloudfront_response_headers_policy.console[0].security_headers_config[0].content_type_options[0].override
    error_message = "Browsers have to come back with TLS, and must not guess types."
  }
  assert {
    condition     = aws_cloudfront_distribution.console[0].default_cache_behavior[0].response_headers_policy_id == aws_cloudfront_response_headers_policy.console[0].id
    error_message = "The pages have to have the policy."
  }
}

run "people_sign_in_with_a_code_and_without_a_secret" {
  assert {
    condition     = aws_cognito_user_pool_client.console[0].allowed_oauth_flows == toset(["code"]) && aws_cognito_user_pool_client.console[0].generate_secret == false
    error_message = "The pages get a code, and cannot keep a secret."
  }
  assert {
    condition     = aws_cognito_user_pool_client.console[0].callback_urls == toset(["https://d111111abcdef8.cloudfront.net/console"])
    error_message = "A code may go to the console alone."
  }
  assert {
    condition     = strcontains(aws_s3_object.console_page[0].content, "<meta name=\"sign-in\" content=\"{&quot;authorize&quot;:&quot;https://order-saga-staging-123456789012.auth.us-east-1.amazoncognito.com/oauth2/authorize&quot;,&quot;clientId&quot;:&quot;${aws_cognito_user_pool_client.console[0].id}&quot;")
    error_message = "The pages have to know where people sign in."
  }
  assert {
    condition     = contains(jsondecode(aws_lambda_function.this["authorize"].environment[0].variables.TOKENS).audiences, aws_cognito_user_pool_client.console[0].id)
    error_message = "The authorizer has to take the console's tokens."
  }
}

run "a_domain_of_its_own_takes_tls_1_2_only" {
  variables {
    console_domain_name     = "console.example.com"
    console_certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/1"
  }
  assert {
    condition     = aws_cloudfront_distribution.console[0].viewer_certificate[0].minimum_protocol_version == "TLSv1.2_2021" && aws_cloudfront_distribution.console[0].aliases == toset(["console.example.com"]) && output.console_url == "https://console.example.com"
    error_message = "The console has to be at its own name."
  }
  assert {
    condition     = aws_cognito_user_pool_client.console[0].callback_urls == toset(["https://console.example.com/console"])
    error_message = "A code may go to the console alone."
  }
}

run "it_needs_the_user_pool" {
  command = plan
  variables {
    enable_user_pool = false
  }
  expect_failures = [var.enable_console]
}
