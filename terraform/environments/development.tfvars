# A stack to try things on, which is easily removed.

environment = "development"

# Yours. Without this line, AWS is asked.
account_id = "123456789012"

enable_deletion_protection = false
recovery_period_days       = 1
log_level                  = "DEBUG"
log_retention_days         = 7
# The console then shows what each state was given and what it answered. Orders here are made up.
include_execution_data = true

table_max_read_units  = 200
table_max_write_units = 200
requests_per_second   = 50
