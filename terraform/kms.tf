# An optional customer managed key. Without it, keys that AWS owns encrypt everything at rest.

locals {
  key_arn = !var.enable_customer_managed_key ? null : coalesce(var.kms_key_arn, one(aws_kms_key.this[*].arn))

  # The services that use the key on their own account, not on a caller's behalf. All others need permission in their
  # own policy.
  key_services = {
    logs = {
      principal = "logs.${var.region}.amazonaws.com"
      condition = { ArnLike = { "kms:EncryptionContext:aws:logs:arn" = "arn:${local.partition}:logs:${var.region}:${local.account_id}:log-group:*" } }
    }
    # The state machine's log.
    deliveries = {
      principal = "delivery.logs.amazonaws.com"
      condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }
    }
    alarms = {
      principal = "cloudwatch.amazonaws.com"
      condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }
    }
  }
}

resource "aws_kms_key" "this" {
  count = var.enable_customer_managed_key && var.kms_key_arn == null ? 1 : 0

  description             = "Encrypts the data of ${local.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 30

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid       = "AccountDecides"
        Effect    = "Allow"
        Principal = { AWS = "arn:${local.partition}:iam::${local.account_id}:root" }
        Action    = "kms:*"
        Resource  = "*"
      }
      ], [
      for sid, service in local.key_services : {
        Sid       = sid
        Effect    = "Allow"
        Principal = { Service = service.principal }
        Action    = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
        Resource  = "*"
        Condition = service.condition
      }
    ])
  })
}

resource "aws_kms_alias" "this" {
  count = length(aws_kms_key.this)

  name          = "alias/${local.name}"
  target_key_id = aws_kms_key.this[0].key_id
}
