#!/usr/bin/env bash
# Places an order that is paid by a card, and prints it: pay.sh [CARD]. On the local stack, whose cards are good, declined,
# expired and slow: the checkout authorises the card, and the order captures the payment.
source "$(dirname "$0")/lib.sh"
card=${1:-good}

payment=$(api --request POST "$BASE_URL/_local/payments" --header 'content-type: application/json' \
    --data "{\"amount\":1299.99,\"currency\":\"USD\",\"card\":\"$card\"}" | jq --raw-output .paymentReference)
api --request POST "$BASE_URL/orders" --header 'content-type: application/json' --header "idempotency-key: pay-$payment" \
    --data "{\"customerId\":\"demo123\",\"paymentTerms\":\"AUTHORIZED\",\"paymentReference\":\"$payment\",
             \"items\":[{\"productId\":\"LAPTOP001\",\"quantity\":1,\"price\":1299.99}],\"totalAmount\":1299.99}" | jq
