# The console's pages for the shop's staff: a private bucket behind CloudFront, which also passes the API's requests on.
# So pages and API have one origin. People sign in at the user pool.

locals {
  console_dir = "${path.module}/../console"

  # What the browser loads, except for the page itself.
  console_files = var.enable_console ? {
    for file in fileset(local.console_dir, "**") : file => lookup(local.console_types, element(split(".", file), -1), null)
    if contains(keys(local.console_types), element(split(".", file), -1)) && file != "index.html"
  } : {}

  console_types = {
    css  = "text/css; charset=utf-8"
    html = "text/html; charset=utf-8"
    js   = "text/javascript; charset=utf-8"
    mjs  = "text/javascript; charset=utf-8"
    svg  = "image/svg+xml"
  }

  # The first part of each route's path, so that a new route needs nothing here.
  console_api_paths = toset([for path in local.route_paths : path if length(split("/", path)) == 2])

  console_url = !var.enable_console ? null : var.console_domain_name == null ? "https://${aws_cloudfront_distribution.console[0].domain_name}" : "https://${var.console_domain_name}"

  sign_in_url = var.enable_user_pool ? "https://${aws_cognito_user_pool_domain.this[0].domain}.auth.${var.region}.amazoncognito.com" : null

  console_sign_in = !var.enable_console ? "" : jsonencode({
    authorize = "${local.sign_in_url}/oauth2/authorize"
    token     = "${local.sign_in_url}/oauth2/token"
    logout    = "${local.sign_in_url}/logout"
    clientId  = aws_cognito_user_pool_client.console[0].id
    scope     = "openid ${aws_cognito_resource_server.this[0].identifier}/call"
  })

  # AWS's own policies have the same ids in every account. A data source would need AWS for a plan.
  # https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html
  cloudfront_policies = {
    caching_optimized = "658327ea-f89d-4fab-a63d-7e88639e58f6"
    caching_disabled  = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    # Host must be the API's own.
    all_but_host = "b689b0a8-53d0-40ab-baf2-68738e2966ac"
  }

  # The import map is the page's only inline script. Besides its own origin, a page may send requests to the user pool,
  # for the token.
  console_import_map = regex("<script type=\"importmap\">(.*)</script>", file("${local.console_dir}/index.html"))[0]
  console_policy = !var.enable_console ? "" : join("; ", [
    "default-src 'none'",
    "script-src 'self' 'sha256-${base64sha256(local.console_import_map)}'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self' ${local.sign_in_url}",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ])
}

# --- Pages ----------------------------------------------------------------------------------------

resource "aws_s3_bucket" "console" {
  #checkov:skip=CKV_AWS_18:CloudFront alone reads it, and the API's access log has what people do
  #checkov:skip=CKV_AWS_21:everything in it is in this repository
  #checkov:skip=CKV_AWS_144:everything in it is in this repository
  #checkov:skip=CKV_AWS_145:the pages are public code, encrypted with S3's own key
  #checkov:skip=CKV2_AWS_61:each apply replaces the files, and nothing piles up
  #checkov:skip=CKV2_AWS_62:nobody waits for its files
  count = var.enable_console ? 1 : 0

  bucket = "${local.global_name}-web-${local.account_id}"
  # Everything in it is in this repository.
  force_destroy = true
}

resource "aws_s3_bucket_public_access_block" "console" {
  count = length(aws_s3_bucket.console)

  bucket                  = aws_s3_bucket.console[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "console" {
  count = length(aws_s3_bucket.console)

  # S3 may refuse two changes of a bucket at once.
  depends_on = [aws_s3_bucket_public_access_block.console]

  bucket = aws_s3_bucket.console[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "ThisDistributionAlone"
        Effect    = "Allow"
        Principal = { Service = "cloudfront.amazonaws.com" }
        Action    = "s3:GetObject"
        Resource  = "${aws_s3_bucket.console[0].arn}/*"
        Condition = { StringEquals = { "AWS:SourceArn" = aws_cloudfront_distribution.console[0].arn } }
      },
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [aws_s3_bucket.console[0].arn, "${aws_s3_bucket.console[0].arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

resource "aws_s3_object" "console" {
  for_each = local.console_files

  bucket       = aws_s3_bucket.console[0].id
  key          = "console/${each.key}"
  source       = "${local.console_dir}/${each.key}"
  source_hash  = filemd5("${local.console_dir}/${each.key}")
  content_type = each.value
  # A file whose path has a version never changes.
  cache_control = startswith(each.key, "vendor/") ? "public, max-age=31536000, immutable" : "no-cache"
}

# The page of every view, which says where to sign in. On a local stack it says nothing.
resource "aws_s3_object" "console_page" {
  count = length(aws_s3_bucket.console)

  bucket        = aws_s3_bucket.console[0].id
  key           = "console/index.html"
  content_type  = local.console_types.html
  cache_control = "no-cache"
  content = replace(
    file("${local.console_dir}/index.html"), "<meta name=\"description\"",
    "<meta name=\"sign-in\" content=\"${replace(local.console_sign_in, "\"", "&quot;")}\">\n<meta name=\"description\"",
  )
}

# --- One origin for pages and API ---------------------------------------------------------------

resource "aws_cloudfront_origin_access_control" "console" {
  count = length(aws_s3_bucket.console)

  name                              = "${local.global_name}-console"
  origin_access_control_origin_type = "s3"
  signing_behavior                  = "always"
  signing_protocol                  = "sigv4"
}

# An address without a dot is a view, and every view is the same page.
resource "aws_cloudfront_function" "console" {
  count = length(aws_s3_bucket.console)

  name    = "${local.global_name}-console"
  runtime = "cloudfront-js-2.0"
  code    = <<-EOT
    function handler(event) {
      const request = event.request;
      if (request.uri === "/") {
        return { statusCode: 307, statusDescription: "Temporary Redirect", headers: { location: { value: "/console" } } };
      }
      if (!request.uri.split("/").pop().includes(".")) request.uri = "/console/index.html";
      return request;
    }
  EOT
}

resource "aws_cloudfront_response_headers_policy" "console" {
  count = length(aws_s3_bucket.console)

  name = "${local.global_name}-console"

  security_headers_config {
    content_security_policy {
      content_security_policy = local.console_policy
      override                = true
    }
    content_type_options {
      override = true
    }
    frame_options {
      frame_option = "DENY"
      override     = true
    }
    referrer_policy {
      referrer_policy = "no-referrer"
      override        = true
    }
    strict_transport_security {
      access_control_max_age_sec = 31536000
      # Only for this name: the shop's other names below it may not have TLS.
      include_subdomains = false
      preload            = false
      override           = true
    }
  }
}

resource "aws_cloudfront_distribution" "console" {
  #checkov:skip=CKV_AWS_68:enable_waf puts the firewall in front of the API, and the pages are public code
  #checkov:skip=CKV2_AWS_47:enable_waf puts the firewall in front of the API, and the pages are public code
  #checkov:skip=CKV_AWS_86:the API's access log has what people do; a log of the pages would only add their addresses
  #checkov:skip=CKV_AWS_305:the function leads the root to the console
  #checkov:skip=CKV_AWS_310:a second copy of the pages would help nobody while the API is away
  #checkov:skip=CKV_AWS_374:staff travel; the sign-in decides
  count = length(aws_s3_bucket.console)

  comment         = "The console of ${local.name}"
  enabled         = true
  is_ipv6_enabled = true
  http_version    = "http2and3"
  price_class     = var.console_price_class
  aliases         = var.console_domain_name[*]

  origin {
    origin_id                = "pages"
    domain_name              = aws_s3_bucket.console[0].bucket_regional_domain_name
    origin_access_control_id = aws_cloudfront_origin_access_control.console[0].id
  }

  # By name, because the stage depends on the authorizer, which depends on the console's client.
  origin {
    origin_id   = "api"
    domain_name = var.domain_name != null ? var.domain_name : "${aws_api_gateway_rest_api.this.id}.execute-api.${var.region}.amazonaws.com"
    origin_path = var.domain_name != null ? "" : "/${local.stage}"

    custom_origin_config {
      http_port              = 80
      https_port             = 443
      origin_protocol_policy = "https-only"
      origin_ssl_protocols   = ["TLSv1.2"]
      # As long as API Gateway waits for an answer.
      origin_read_timeout = 30
    }
  }

  default_cache_behavior {
    target_origin_id           = "pages"
    viewer_protocol_policy     = "redirect-to-https"
    allowed_methods            = ["GET", "HEAD"]
    cached_methods             = ["GET", "HEAD"]
    compress                   = true
    cache_policy_id            = local.cloudfront_policies.caching_optimized
    response_headers_policy_id = aws_cloudfront_response_headers_policy.console[0].id

    function_association {
      event_type   = "viewer-request"
      function_arn = aws_cloudfront_function.console[0].arn
    }
  }

  dynamic "ordered_cache_behavior" {
    for_each = local.console_api_paths
    content {
      path_pattern             = "${ordered_cache_behavior.value}*"
      target_origin_id         = "api"
      viewer_protocol_policy   = "https-only"
      allowed_methods          = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
      cached_methods           = ["GET", "HEAD"]
      compress                 = true
      cache_policy_id          = local.cloudfront_policies.caching_disabled
      origin_request_policy_id = local.cloudfront_policies.all_but_host
    }
  }

  # By default CloudFront caches errors for ten seconds, even where it caches nothing else, so one caller's error would be
  # another caller's answer.
  # https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/HTTPStatusCodes.html
  dynamic "custom_error_response" {
    for_each = [400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504]
    content {
      error_code            = custom_error_response.value
      error_caching_min_ttl = 0
    }
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = var.console_domain_name == null
    acm_certificate_arn            = var.console_certificate_arn
    minimum_protocol_version       = var.console_domain_name == null ? null : "TLSv1.2_2021"
    ssl_support_method             = var.console_domain_name == null ? null : "sni-only"
  }
}

# --- Sign-in --------------------------------------------------------------------------------------

# It has no secret, because a page cannot keep one: the code is bound to the page that asked for it (PKCE).
resource "aws_cognito_user_pool_client" "console" {
  count = length(aws_s3_bucket.console)

  name                                 = "console"
  user_pool_id                         = aws_cognito_user_pool.this[0].id
  generate_secret                      = false
  allowed_oauth_flows_user_pool_client = true
  allowed_oauth_flows                  = ["code"]
  allowed_oauth_scopes                 = ["openid", "${aws_cognito_resource_server.this[0].identifier}/call"]
  callback_urls                        = ["${local.console_url}/console"]
  logout_urls                          = ["${local.console_url}/console"]
  supported_identity_providers         = ["COGNITO"]
  explicit_auth_flows                  = ["ALLOW_REFRESH_TOKEN_AUTH"]
  prevent_user_existence_errors        = "ENABLED"
  enable_token_revocation              = true
  # The pages keep no refresh token, so people sign in anew after it. Within the pool's own session that needs no password.
  # As long as every token of the pool.
  access_token_validity = 15

  token_validity_units {
    access_token = "minutes"
  }
}
