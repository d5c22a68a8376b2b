# The authorizer's settings contain the digests of API keys and the ids of clients, and the policies contain the encryption key's ARN. Both are known
# only once the resources exist, so a plan would omit all settings and policies. Terraform merges this file into the
# configuration when it is in the same folder, which it is only in a copy, for the plans that are compared with the code.

locals {
  api_clients = "{}"
  tokens      = "{}"

  key_arn = !var.enable_customer_managed_key ? null : coalesce(var.kms_key_arn, "arn:${local.partition}:kms:${var.region}:${local.account_id}:key/planned")
}
