#!/usr/bin/env bash
# Hands over a confirmed order, as the store does, and prints it: fulfil.sh ORDER_ID. Repeating it is harmless.
# A deployment requires a key with the scope operations.
source "$(dirname "$0")/lib.sh"
order_id=${1:?the id of an order}

api --request POST "$BASE_URL/orders/$order_id/fulfil" | jq
