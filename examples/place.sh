#!/usr/bin/env bash
# Places an order and prints it: place.sh [KEY]. Sending the same key again means the same order.
source "$(dirname "$0")/lib.sh"
key=${1:-$(date +%s)-$RANDOM$RANDOM}

echo "placing an order under the key $key" >&2
api "$BASE_URL/orders" --header 'content-type: application/json' --header "idempotency-key: $key" --data "$order" | jq
