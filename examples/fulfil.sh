#!/usr/bin/env bash
# Hands a confirmed order over, as the store does, and prints it: fulfil.sh ORDER_ID. To do it twice does no
# harm. It takes a key with the scope operations.
source "$(dirname "$0")/lib.sh"
order_id=${1:?the id of an order}

api --request POST "$BASE_URL/orders/$order_id/fulfil" | jq
