provider "aws" {
  region = var.region

  # With `account_id` set, the plan of a new stack does not call AWS, so it works without a network and with any
  # credentials. An apply checks by the tables' ARNs that the credentials belong to that account.
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
