#!/usr/bin/env bash
# Lists a customer's orders, newest first, page by page, one line each:
# list.sh CUSTOMER_ID [PAGE_SIZE].
source "$(dirname "$0")/lib.sh"
customer_id=${1:?the id of a customer}
page_size=${2:-20}

cursor=
while :; do
    page=$(api --get "$BASE_URL/customers/$customer_id/orders" --data-urlencode "limit=$page_size" \
        ${cursor:+--data-urlencode "cursor=$cursor"})
    jq --raw-output '.orders[] | [.createdAt, .orderId, .status, "\(.totalAmount) \(.currency)"] | @tsv' <<<"$page"
    # The list ends when there is no next cursor. Pages before that may be short.
    cursor=$(jq --raw-output '.nextCursor // empty' <<<"$page")
    [[ -n $cursor ]] || break
done
