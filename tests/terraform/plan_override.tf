# The functions' settings contain the ids of API keys, which are known only once the keys exist, so a plan would omit
# all settings. Terraform merges this file into the configuration when it is in the same folder, which it is only in
# a copy, for the plans that are compared with the code.

locals {
  api_clients = "{}"
}
