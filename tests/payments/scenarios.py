#!/usr/bin/env python3
"""The shipped handlers against a server with Stripe's API, which ignores idempotency keys: so what counts is the payment
itself, as it is read.

    scenarios.py --order-saga target/debug/order-saga --python PYTHON

PYTHON has localstripe. Starts both servers on free ports, kills `order-saga serve` in the middle of its work, and checks
every payment afterwards.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from stripe import DECLINED, KEY, Stripe, call, free_port, until

# In dollars, and in Stripe's unit.
TOTAL, TOTAL_MINOR = 20, 2000


class Shop:
    """`order-saga serve`, whose data survives a kill."""

    def __init__(self, executable, stripe, work):
        self.executable, self.stripe, self.work = executable, stripe, work
        self.process = None
        stock = {"stock": [{"storeId": "main", "sku": "A", "onHand": 100_000}]}
        (work / "stock.json").write_text(json.dumps(stock))

    def start(self, capture="confirmation"):
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        command = [self.executable, "serve", "--listen", f"127.0.0.1:{port}", "--data", self.work / "data"]
        command += ["--stock", self.work / "stock.json", "--stripe", self.stripe.url, "--payments", capture]
        log = open(self.work / "serve.log", "a")
        self.process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "STRIPE_KEY": KEY})
        until("the shop", lambda: call("GET", self.url + "/_local/audit")[0] == 200)

    def stop(self, by=signal.SIGTERM):
        if self.process:
            self.process.send_signal(by)
            self.process.wait()

    def place(self, key, payment):
        order = {
            "customerId": "demo123",
            "paymentTerms": "AUTHORIZED",
            "paymentReference": payment,
            "items": [{"productId": "A", "quantity": 1, "price": TOTAL}],
            "totalAmount": TOTAL,
        }
        headers = {"content-type": "application/json", "idempotency-key": key}
        return call("POST", self.url + "/orders", json.dumps(order).encode(), headers)

    def post(self, path):
        return call("POST", self.url + path, b"")

    def settle(self):
        """Retries open orders until every order is decided."""

        def is_settled():
            self.post("/_local/recover")
            status, audit = call("GET", self.url + "/_local/audit")
            open_orders = ["PENDING", "CANCELLING", "FULFILLING"]
            return status == 200 and not any(audit["orders"].get(name) for name in open_orders) and audit

        return until("every order decided", is_settled)


def check(what, found, expected):
    if found != expected:
        raise AssertionError(f"{what}: {found!r}, expected {expected!r}")


def captured(shop, stripe):
    payment = stripe.authorise(TOTAL_MINOR)
    status, order = shop.place("captured", payment)
    check("the answer", (status, order["status"]), (201, "CONFIRMED"))
    check("the payment", stripe.read(payment), ("succeeded", 0))
    return order["orderId"], payment


def a_good_card_is_captured(shop, stripe):
    captured(shop, stripe)


def a_declined_card_refuses_the_order(shop, stripe):
    payment = stripe.authorise(TOTAL_MINOR, DECLINED)
    status, problem = shop.place("declined", payment)
    check("the answer", (status, problem.get("reason")), (409, "PAYMENT_NOT_AUTHORIZED"))


def a_payment_of_another_amount_is_left_alone(shop, stripe):
    payment = stripe.authorise(TOTAL_MINOR + 1)
    status, problem = shop.place("mismatch", payment)
    check("the answer", (status, problem["reason"]), (409, "PAYMENT_MISMATCH"))
    check("the payment", stripe.read(payment), ("requires_capture", 0))


def a_cancelled_order_is_refunded_in_full(shop, stripe):
    order_id, payment = captured(shop, stripe)
    status, order = shop.post(f"/orders/{order_id}/cancel")
    check("the answer", (status, order["status"]), (200, "CANCELLED"))
    check("the payment", stripe.read(payment), ("succeeded", TOTAL_MINOR))


def of_two_hundred_orders_on_a_hundred_payments_a_hundred_are_paid(shop, stripe):
    payments = [stripe.authorise(TOTAL_MINOR) for _ in range(100)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        orders = [(f"shared-{number}-{twin}", payment) for number, payment in enumerate(payments) for twin in "ab"]
        answers = list(pool.map(lambda order: shop.place(*order), orders))
    shop.settle()
    outcomes = [shop.place(*order)[1] for order in orders]
    confirmed = [outcome for outcome in outcomes if outcome["status"] == "CONFIRMED"]
    check("confirmed", len(confirmed), 100)
    reasons = {outcome.get("reason") for outcome in outcomes if outcome["status"] == "CANCELLED"}
    # Which one it is depends on whether the other order has captured the payment yet.
    check("the reasons", reasons <= {"PAYMENT_MISMATCH", "PAYMENT_NOT_AUTHORIZED"}, True)
    check("the payments", {stripe.read(payment) for payment in payments}, {("succeeded", 0)})
    check("the answers", all(status in (201, 202, 409) for status, _ in answers), True)


def killed_in_between_no_money_is_taken_without_an_order(shop, stripe):
    payments = [stripe.authorise(TOTAL_MINOR) for _ in range(60)]
    for round_, start in enumerate(range(0, 60, 20)):
        some = payments[start : start + 20]
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            orders = [(f"killed-{start + number}", payment) for number, payment in enumerate(some)]
            placing = [pool.submit(shop.place, *order) for order in orders]
            time.sleep(0.05 + 0.1 * round_)
            shop.stop(signal.SIGKILL)
            concurrent.futures.wait(placing)
        shop.start()
    shop.settle()
    orders = [(f"killed-{number}", payment) for number, payment in enumerate(payments)]
    standings = set()
    for key, payment in orders:
        _, outcome = shop.place(key, payment)
        standings.add((outcome["status"], *stripe.read(payment)))
    fitting = {("CONFIRMED", "succeeded", 0), ("CANCELLED", "canceled", 0), ("CANCELLED", "succeeded", TOTAL_MINOR)}
    check("the payments that do not fit their orders", standings - fitting, set())


def captured_at_the_hand_over(shop, stripe):
    shop.stop()
    shop.start("fulfilment")
    payment, lapsed = stripe.authorise(TOTAL_MINOR), stripe.authorise(TOTAL_MINOR)
    status, order = shop.place("later", payment)
    check("the answer", (status, order["status"]), (201, "CONFIRMED"))
    check("the payment", stripe.read(payment), ("requires_capture", 0))
    status, order = shop.post(f"/orders/{order['orderId']}/fulfil")
    check("the hand-over", (status, order["status"]), (200, "FULFILLED"))
    check("the payment", stripe.read(payment), ("succeeded", 0))

    _, order = shop.place("lapsed", lapsed)
    stripe.post(f"/v1/payment_intents/{lapsed}/cancel")
    status, problem = shop.post(f"/orders/{order['orderId']}/fulfil")
    check("the hand-over", (status, problem["type"]), (409, "urn:order-saga:problem:payment-lapsed"))


SCENARIOS = [
    a_good_card_is_captured,
    a_declined_card_refuses_the_order,
    a_payment_of_another_amount_is_left_alone,
    a_cancelled_order_is_refunded_in_full,
    of_two_hundred_orders_on_a_hundred_payments_a_hundred_are_paid,
    killed_in_between_no_money_is_taken_without_an_order,
    captured_at_the_hand_over,
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--order-saga", required=True, help="the executable")
    parser.add_argument("--python", required=True, help="a Python with localstripe")
    parser.add_argument("--only", default="", help="only scenarios whose name has this in it")
    arguments = parser.parse_args()
    chosen = [scenario for scenario in SCENARIOS if arguments.only in scenario.__name__]
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for scenario in chosen:
            work = pathlib.Path(folder) / scenario.__name__
            work.mkdir()
            stripe = shop = None
            started = time.monotonic()
            try:
                stripe = Stripe.start(arguments.python, work)
                shop = Shop(os.path.abspath(arguments.order_saga), stripe, work)
                shop.start()
                scenario(shop, stripe)
                audit = shop.settle()
                check("the audit", audit["findings"], [])
                print(f"ok      {scenario.__name__} ({time.monotonic() - started:.0f} s)", flush=True)
            except Exception as error:
                failed += 1
                print(f"FAILED  {scenario.__name__}: {error!r}", flush=True)
                print("\n".join((work / "serve.log").read_text().splitlines()[-20:]), flush=True)
            finally:
                if shop:
                    shop.stop(signal.SIGKILL)
                if stripe:
                    stripe.stop()
    print(f"{len(chosen) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
