"""What JSON Schema cannot say of a valid request, made true before Schemathesis sends one.

A check of Schemathesis holds the API to its word: what the description allows is accepted. But some rules
span fields, or the requests before: a total is a sum, a currency has its decimals, a key stands for one
body, a cursor is one that was handed out. So a request that is valid by the description is made valid by
those rules too. One that is meant to be invalid is sent as it is.
"""

import hashlib
import json
from decimal import ROUND_HALF_UP, Decimal

import schemathesis

# Fifty lines of the largest quantity stay below the largest amount.
MAX_PRICE = Decimal(1_000_000)

# Cursors that the API handed out, by the list that they belong to.
cursors = {}

# The accounts that were opened, by the path of their terms.
opened = set()

PRECONDITIONS = ("If-Match", "If-None-Match")


@schemathesis.hook
def before_call(ctx, case, kwargs):
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if isinstance(case.body, dict) and case.operation.label == "POST /orders":
        make_sum(case.body)
        give_key(case)
    if isinstance(case.body, dict) and case.operation.label.endswith("/adjustments"):
        give_key(case)
    if isinstance(case.body, dict) and case.operation.label == "PUT /accounts/{customerId}/terms":
        case.body["currency"] = "USD"
        case.body["creditLimit"] = as_number(cents(case.body["creditLimit"]))
    if case.operation.label.startswith("PUT "):
        # Stock that is set is there, by an adjustment; an account is opened first.
        is_new = case.operation.label.startswith("PUT /accounts") and case.formatted_path not in opened
        opened.add(case.formatted_path)
        case.headers = {name: value for name, value in (case.headers or {}).items() if name not in PRECONDITIONS}
        case.headers["If-None-Match" if is_new else "If-Match"] = "*"
    if case.query and "from" in case.query and "to" in case.query:
        # They may be anything; together they are a period.
        case.query["from"], case.query["to"] = "2026-01-31T08:00:00Z", "2026-12-31T08:00:00+05:30"
    if case.query and "cursor" in case.query:
        genuine = cursors.get(place(case))
        if genuine is None:
            del case.query["cursor"]
        else:
            case.query["cursor"] = genuine


@schemathesis.hook
def after_call(ctx, case, response):
    if response.status_code == 200 and case.path.endswith(("/orders", "/stock")):
        following = response.json().get("nextCursor")
        if following is not None:
            cursors[place(case)] = following


def place(case):
    """The list that a cursor is bound to: everything but the page's size and the cursor itself."""
    query = {name: value for name, value in (case.query or {}).items() if name not in ("limit", "cursor")}
    return json.dumps([case.path, case.path_parameters, query], sort_keys=True, default=str)


def make_sum(body):
    """Gives an order a currency with two decimals, an article a line, and the total that it has."""
    if "currency" in body:
        body["currency"] = "USD"
    total = Decimal(0)
    for number, item in enumerate(body["items"]):
        item["productId"] = f"{item['productId'][:60]}:{number}" if number else item["productId"]
        price = cents(item["price"])
        item["price"] = as_number(price)
        total += price * int(item["quantity"])
    body["totalAmount"] = as_number(total)


def cents(amount):
    """An amount in a currency with two decimals."""
    return Decimal(str(amount)).quantize(Decimal("0.01"), ROUND_HALF_UP) if amount < MAX_PRICE else MAX_PRICE


def as_number(amount):
    """An amount as Python writes it: a float has 15 digits that are exact, and these have fewer."""
    return int(amount) if amount == int(amount) else float(amount)


def give_key(case):
    """Makes the idempotency key one that no other request was sent with."""
    body = {name: value for name, value in case.body.items() if name != "clientRequestId"}
    suffix = hashlib.sha256(f"{case.formatted_path} {json.dumps(body, sort_keys=True)}".encode()).hexdigest()[:16]
    header = (case.headers or {}).get("Idempotency-Key")
    key = f"{header if header is not None else case.body.get('clientRequestId', '')}"[:200].strip().strip('"')
    key = f"{key}-{suffix}"
    if header is not None:
        case.headers["Idempotency-Key"] = key
    if "clientRequestId" in case.body:
        case.body["clientRequestId"] = key
