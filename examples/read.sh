#!/usr/bin/env bash
# Reads an order, and then again only if it has changed: read.sh ORDER_ID.
source "$(dirname "$0")/lib.sh"
order_id=${1:?the id of an order}

etags=$(mktemp)
trap 'rm -f "$etags"' EXIT
# curl saves the ETag of the first answer, and sends it as the If-None-Match of the second request.
api "$BASE_URL/orders/$order_id" --etag-save "$etags" | jq
status=$(api "$BASE_URL/orders/$order_id" --etag-compare "$etags" --write-out '%{http_code}' --output /dev/null)
echo "the same version again: $status" >&2
