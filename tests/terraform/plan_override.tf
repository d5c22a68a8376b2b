# The functions' settings have the ids of API keys, which are known once there are keys: a plan would leave
# out the settings as a whole. Terraform merges this file into the configuration when it lies beside it, which
# it does in a copy, for the plans that are compared with the code.

locals {
  api_clients = "{}"
}
