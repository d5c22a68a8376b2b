"""Makes Schemathesis's valid requests follow the rules that JSON Schema cannot express.

Schemathesis checks that the API accepts what its description allows. But some rules span several fields or
requests: a total is a sum, a currency has its decimals, a key stands for one body, a cursor was issued by the
API. So requests that are valid by the description are made valid by these rules too. Requests that are meant
to be invalid are sent unchanged.
"""

import hashlib
import json
import re
from decimal import ROUND_HALF_UP, Decimal

import requests
import schemathesis

# Fifty lines of the largest quantity stay below the largest amount.
MAX_AMOUNT = Decimal(1_000_000)

# Ten thousand adjustments of this size leave stock below its limit.
MAX_STEP = 1_000_000

# Cursors that the API issued, by the list that they belong to.
cursors = {}


@schemathesis.hook
def before_call(ctx, case, kwargs):
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if case.operation.label == "POST /orders":
        make_payable(case.body)
        make_sum(case.body)
    if case.operation.path.endswith("/terms") and isinstance(case.body, dict):
        # An account keeps its currency, so all requests agree on one.
        case.body["currency"] = "USD"
        case.body["creditLimit"] = as_number(exact(case.body["creditLimit"], "USD"))
    if "/prices/" in case.operation.path and isinstance(case.body, dict):
        case.body["price"] = as_number(exact(case.body["price"], case.body["currency"]))
    if case.operation.path.endswith("/adjustments") and isinstance(case.body, dict):
        # Stock has an upper limit, and earlier requests have added to it, so steps are small.
        difference = int(case.body["difference"])
        case.body["difference"] = max(-MAX_STEP, min(difference, MAX_STEP))
    if case.operation.method == "post" and isinstance(case.body, dict):
        give_key(case)
    if case.operation.method == "put":
        state_version(case)
    if case.query and case.operation.label == "GET /orders":
        name_store(case.query)
    if case.query and "from" in case.query and "to" in case.query:
        # Each may be anything, but together they must be a period.
        case.query["from"], case.query["to"] = "2026-01-31T08:00:00Z", "2026-12-31T08:00:00+05:30"
    if case.query and "cursor" in case.query:
        genuine = cursors.get(place(case))
        if genuine is None:
            del case.query["cursor"]
        else:
            case.query["cursor"] = genuine


@schemathesis.hook
def after_call(ctx, case, response):
    if response.status_code == 200 and case.operation.method == "get":
        following = response.json().get("nextCursor")
        if following is not None:
            cursors[place(case)] = following


def place(case):
    """The list that a cursor is bound to: everything except the page size and the cursor itself."""
    query = {name: value for name, value in (case.query or {}).items() if name not in ("limit", "cursor")}
    return target(case) + json.dumps(query, sort_keys=True, default=str)


def target(case):
    return json.dumps([case.path, case.path_parameters], sort_keys=True, default=str)


def name_store(query):
    """The pick list needs a store; the other lists by status take none."""
    if query.get("status") == "CONFIRMED":
        query.setdefault("storeId", "main")
    else:
        query.pop("storeId", None)


def state_version(case):
    """Sets the version that was just read, or creates the first one."""
    for name in ("If-Match", "If-None-Match"):
        case.headers.pop(name, None)
    known = requests.get(case.as_transport_kwargs()["url"], timeout=30).headers.get("etag")
    if known is None:
        case.headers["If-None-Match"] = "*"
    else:
        case.headers["If-Match"] = known


def make_payable(body):
    """Gives an order with an authorised payment a total above 0, and a payment's id as its reference."""
    if body.get("paymentTerms") == "AUTHORIZED":
        body["paymentReference"] = re.sub("[^A-Za-z0-9_]", "_", body.get("paymentReference", "pi_1"))[:64]
        body["items"][0]["price"] = max(body["items"][0]["price"], 1)


def make_sum(body):
    """Gives an order prices in its currency's decimals, a different article in each line, and the right total."""
    currency = body.get("currency", "USD")
    total = Decimal(0)
    for number, item in enumerate(body["items"]):
        item["productId"] = f"{item['productId'][:60]}:{number}" if number else item["productId"]
        price = exact(item["price"], currency)
        item["price"] = as_number(price)
        total += price * int(item["quantity"])
    body["totalAmount"] = as_number(total)


def exact(amount, currency):
    """An amount that the currency has: of cents in dollars, and a whole one in every other currency."""
    unit = Decimal("0.01") if currency == "USD" else Decimal(1)
    return Decimal(str(min(amount, MAX_AMOUNT))).quantize(unit, ROUND_HALF_UP)


def as_number(amount):
    """An amount as a Python number. Floats are exact to 15 digits, and amounts have fewer."""
    return int(amount) if amount == int(amount) else float(amount)


def give_key(case):
    """Makes the idempotency key unique to this body."""
    body = {name: value for name, value in case.body.items() if name != "clientRequestId"}
    content = target(case) + json.dumps(body, sort_keys=True)
    suffix = hashlib.sha256(content.encode()).hexdigest()[:16]
    header = (case.headers or {}).get("Idempotency-Key")
    key = f"{header if header is not None else case.body.get('clientRequestId', '')}"[:200].strip().strip('"')
    key = f"{key}-{suffix}"
    if header is not None:
        case.headers["Idempotency-Key"] = key
    if "clientRequestId" in case.body:
        case.body["clientRequestId"] = key
