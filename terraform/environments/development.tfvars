# A stack for trying things out that is easy to remove.

environment = "development"

# Use your own account id. Without this line, Terraform asks AWS.
account_id = "123456789012"

# Keys are enough for trying things out.
enable_operations_keys = true
enable_api_key_output  = true
api_clients = {
  shop       = { scopes = ["submit", "read"] }
  operations = { scopes = ["operations"] }
}

enable_deletion_protection = false
recovery_period_days       = 1
log_level                  = "DEBUG"
log_retention_days         = 7
# The console then shows each state's input and output. Orders here are made up.
include_execution_data = true

table_max_read_units  = 200
table_max_write_units = 200
requests_per_second   = 50
