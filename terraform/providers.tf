provider "aws" {
  region = var.region

  # With `account_id` given, a plan asks AWS nothing, and so works without a network and with any
  # credentials. That the credentials belong to that account is checked on the first table's ARN.
  skip_credentials_validation = var.account_id != null
  skip_requesting_account_id  = var.account_id != null
  skip_metadata_api_check     = var.account_id != null

  default_tags {
    tags = local.tags
  }
}

data "aws_caller_identity" "current" {
  count = var.account_id == null ? 1 : 0
}
