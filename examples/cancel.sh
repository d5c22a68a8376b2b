#!/usr/bin/env bash
# Cancels an order and prints it: cancel.sh ORDER_ID. Repeating it is harmless.
source "$(dirname "$0")/lib.sh"
order_id=${1:?the id of an order}

api --request POST "$BASE_URL/orders/$order_id/cancel" | jq
