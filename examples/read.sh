#!/usr/bin/env bash
# Reads an order, and once more only if it has changed: read.sh ORDER_ID.
source "$(dirname "$0")/lib.sh"
order_id=${1:?the id of an order}

etags=$(mktemp)
trap 'rm -f "$etags"' EXIT
# curl keeps the ETag of the one answer for the If-None-Match of the next request.
api "$BASE_URL/orders/$order_id" --etag-save "$etags" | jq
status=$(api "$BASE_URL/orders/$order_id" --etag-compare "$etags" --write-out '%{http_code}' --output /dev/null)
echo "the same version again: $status" >&2
