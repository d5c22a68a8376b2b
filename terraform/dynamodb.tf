# The tables, as declared in the table.json of each owner.

resource "aws_dynamodb_table" "this" {
  for_each = local.tables

  name         = local.table_names[each.key]
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = each.value.hash_key
  range_key    = each.value.range_key

  deletion_protection_enabled = var.enable_deletion_protection

  # For whatever follows a decision: events, notifications, analytics. No step waits for the stream.
  stream_enabled   = true
  stream_view_type = "NEW_AND_OLD_IMAGES"

  dynamic "attribute" {
    for_each = each.value.attributes
    content {
      name = attribute.key
      type = attribute.value
    }
  }

  dynamic "global_secondary_index" {
    for_each = each.value.indexes
    content {
      name      = global_secondary_index.key
      hash_key  = global_secondary_index.value.hash_key
      range_key = global_secondary_index.value.range_key
      # With keys alone, a change of status rewrites only the work index. A page reads what it shows by key.
      projection_type = "KEYS_ONLY"

      # An index with a lower limit than its table would throttle the table's writes.
      on_demand_throughput {
        max_read_request_units  = var.table_max_read_units
        max_write_request_units = var.table_max_write_units
      }
    }
  }

  on_demand_throughput {
    max_read_request_units  = var.table_max_read_units
    max_write_request_units = var.table_max_write_units
  }

  point_in_time_recovery {
    enabled                 = true
    recovery_period_in_days = var.recovery_period_days
  }

  # Without this block the table is still encrypted, with a key that AWS owns.
  dynamic "server_side_encryption" {
    for_each = var.enable_customer_managed_key ? [local.key_arn] : []
    content {
      enabled     = true
      kms_key_arn = server_side_encryption.value
    }
  }

  # Deletes the fences of closed orders. Orders and journal entries do not have this attribute.
  dynamic "ttl" {
    for_each = each.value.ttl_attribute == null ? [] : [each.value.ttl_attribute]
    content {
      enabled        = true
      attribute_name = ttl.value
    }
  }

  depends_on = [terraform_data.declarations]

  lifecycle {
    postcondition {
      # All ARNs here contain account_id, so an apply with another account's credentials must stop here.
      condition     = split(":", self.arn)[4] == local.account_id
      error_message = "The credentials do not belong to the account in account_id."
    }
  }
}
