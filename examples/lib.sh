# Shared by the examples, which source it.

set -euo pipefail
BASE_URL=${BASE_URL:-http://127.0.0.1:8080}

# curl with the API key, if it is set. On an error it prints the body and fails. The time limit is longer than the
# API ever takes.
api() {
    curl --silent --show-error --fail-with-body --max-time 35 ${API_KEY:+--header "x-api-key: $API_KEY"} "$@"
}

order='{"customerId":"demo123","items":[{"productId":"LAPTOP001","quantity":1,"price":1299.99}],"totalAmount":1299.99}'
