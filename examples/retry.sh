#!/usr/bin/env bash
# Places an order during an outage: retry.sh [KEY]. curl retries on 408, 429, 500, 502, 503 and 504, on timeouts and,
# with --retry-connrefused, on refused connections. It waits as Retry-After says, or 1 s, 2 s, 4 s and so on. The key
# is the same each time, so it is one order.
source "$(dirname "$0")/lib.sh"
key=${1:-$(date +%s)-$RANDOM$RANDOM}

# Into a file, because each attempt overwrites it. A pipe would get the bodies of all attempts.
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
echo "placing an order under the key $key" >&2
api "$BASE_URL/orders" --header 'content-type: application/json' --header "idempotency-key: $key" --data "$order" \
    --retry 6 --retry-connrefused --retry-max-time 120 --output "$answer" || { cat "$answer" && exit 1; }
jq . "$answer"
