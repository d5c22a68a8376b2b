# An optional customer managed key. Without it, keys that AWS owns encrypt everything at rest.

locals {
  key_arn = !var.enable_customer_managed_key ? null : coalesce(var.kms_key_arn, one(aws_kms_key.this[*].arn))

  # The services that use the key on their own account, not on a caller's behalf. Each has the statement that its own
  # documentation asks for. Everyone else needs permission in their own policy: see iam.tf.
  key_services = {
    # CloudWatch Logs encrypts each log group in the context of its ARN.
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    logs = {
      principal = "logs.${var.region}.amazonaws.com"
      actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
      condition = {
        ArnEquals = {
          "kms:EncryptionContext:aws:logs:arn" = [
            for group in concat(
              values(local.function_log_groups), [local.api_log_group, local.state_machine_log_group],
              var.enable_waf ? [local.waf_log_group] : [],
            ) : "arn:${local.partition}:logs:${var.region}:${local.account_id}:log-group:${group}"
          ]
        }
      }
    }
    # An encrypted state machine encrypts its log lines for log delivery, with its role's kms:GenerateDataKey. To
    # decrypt them, log delivery has to name the same encryption context.
    # https://docs.aws.amazon.com/step-functions/latest/dg/encryption-at-rest.html
    deliveries = {
      principal = "delivery.logs.amazonaws.com"
      actions   = ["kms:Decrypt"]
      condition = local.log_delivery_context
    }
    # Alarms publish to the encrypted topic.
    # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services
    alarms = {
      principal = "cloudwatch.amazonaws.com"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey*"]
      condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }
    }
  }

  log_delivery_context = { StringLike = { "kms:EncryptionContext:SourceArn" = "arn:${local.partition}:logs:${var.region}:${local.account_id}:*" } }
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
        Action    = service.actions
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
