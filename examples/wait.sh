#!/usr/bin/env bash
# Places an order without waiting for its decision, then reads the answer's Location until the order is decided:
# wait.sh [KEY].
source "$(dirname "$0")/lib.sh"
key=${1:-$(date +%s)-$RANDOM$RANDOM}

# The answer's headers, and a function that prints one of them.
headers=$(mktemp)
trap 'rm -f "$headers"' EXIT
header() { tr -d '\r' <"$headers" | sed -n "s/^$1: *//Ip"; }

api "$BASE_URL/orders" --header 'content-type: application/json' --header "idempotency-key: $key" \
    --header 'prefer: respond-async' --data "$order" --dump-header "$headers" --output /dev/null
# Location is relative to the host, so it already includes the stage's path.
location=$(grep -oE '^https?://[^/]+' <<<"$BASE_URL")$(header location)
etag=$(header etag)
echo "accepted; reading $location" >&2

for _ in {1..60}; do
    # An unchanged order is answered without a body: 304. An order in the overflow queue does not exist yet: 404.
    answer=$(api "$location" --header "if-none-match: $etag" --dump-header "$headers") || grep -q ' 404' "$headers"
    etag=$(header etag)
    # A problem document's status is a number, and an unchanged order has no body.
    decided=$(jq 'select((.status | type) == "string" and .status != "PENDING" and .status != "CANCELLING")' <<<"$answer")
    if [[ -n $decided ]]; then
        echo "$decided"
        exit
    fi
    sleep 0.5
done
echo "not decided yet" >&2
exit 1
