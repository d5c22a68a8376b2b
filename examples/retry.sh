#!/usr/bin/env bash
# Places an order through an outage: retry.sh [KEY]. curl tries again on 408, 429, 500, 502, 503 and 504, on
# timeouts and, asked to, on connections that fail; it waits as Retry-After says, else 1 s, 2 s, 4 s and so on.
# The key is the same each time, so it is one order.
source "$(dirname "$0")/lib.sh"
key=${1:-$(date +%s)-$RANDOM$RANDOM}

# Into a file, which each attempt begins anew; a pipe would have the bodies of all of them.
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
echo "placing an order under the key $key" >&2
api "$BASE_URL/orders" --header 'content-type: application/json' --header "idempotency-key: $key" --data "$order" \
    --retry 6 --retry-connrefused --retry-max-time 120 --output "$answer" || { cat "$answer" && exit 1; }
jq . "$answer"
