#!/usr/bin/env bash
# Places an order without waiting for its decision, and then reads it where the answer says until it is
# decided: wait.sh [KEY].
source "$(dirname "$0")/lib.sh"
key=${1:-$(date +%s)-$RANDOM$RANDOM}

# The answer's headers; the last line of one of them is its value.
headers=$(mktemp)
trap 'rm -f "$headers"' EXIT
header() { tr -d '\r' <"$headers" | sed -n "s/^$1: *//Ip"; }

api "$BASE_URL/orders" --header 'content-type: application/json' --header "idempotency-key: $key" \
    --header 'prefer: respond-async' --data "$order" --dump-header "$headers" --output /dev/null
# Location starts at the host's root, so it has the stage's path in it.
location=$(grep -oE '^https?://[^/]+' <<<"$BASE_URL")$(header location)
etag=$(header etag)
echo "accepted; reading $location" >&2

for _ in {1..60}; do
    # An order that is as it was has no body: 304. One that waits in the overflow queue is not there yet: 404.
    answer=$(api "$location" --header "if-none-match: $etag" --dump-header "$headers") || grep -q ' 404' "$headers"
    etag=$(header etag)
    # The status of a problem document is a number, and where nothing has changed there is no document.
    decided=$(jq 'select((.status | type) == "string" and .status != "PENDING" and .status != "CANCELLING")' <<<"$answer")
    if [[ -n $decided ]]; then
        echo "$decided"
        exit
    fi
    sleep 0.5
done
echo "not decided yet" >&2
exit 1
