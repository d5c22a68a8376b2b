"""A server with Stripe's API, and what a shop's checkout does with it."""

import json
import os
import pathlib
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

KEY = "sk_test_12345"
GOOD, DECLINED = "4242424242424242", "4000000000000341"
PATIENCE_S = 120


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def call(method, url, body=None, headers=None):
    """The status and the JSON of the answer, or a status of 0 if the server did not answer."""
    request = urllib.request.Request(url, method=method, data=body, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null")
    except (OSError, ValueError):
        return 0, None


def until(what, check):
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = check()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {PATIENCE_S} s")


class Stripe:
    """Stripe's API at an address."""

    def __init__(self, url):
        self.url = url
        self.process = None

    @classmethod
    def start(cls, python, work):
        """Starts a server; `python` has localstripe."""
        stripe = cls(f"http://127.0.0.1:{(port := free_port())}")
        command = [python, "-m", "localstripe", "--port", str(port), "--from-scratch"]
        log = open(pathlib.Path(work) / "stripe.log", "w")
        # It keeps its state in the temporary folder.
        stripe.process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "TMPDIR": str(work)}, cwd=work)
        until("Stripe's API", lambda: call("GET", stripe.url + "/v1/customers", headers=cls.headers())[0] == 200)
        return stripe

    def stop(self):
        self.process.kill()
        self.process.wait()

    @staticmethod
    def headers():
        return {"authorization": f"Bearer {KEY}", "content-type": "application/x-www-form-urlencoded"}

    def post(self, path, **fields):
        return call("POST", self.url + path, urllib.parse.urlencode(fields).encode(), self.headers())

    def authorise(self, amount, number=GOOD):
        """A payment that is authorised and not captured, unless the card is declined."""
        card = {"card[number]": number, "card[exp_month]": 12, "card[exp_year]": 30, "card[cvc]": 123}
        _, method = self.post("/v1/payment_methods", type="card", **card)
        fields = {"amount": amount, "currency": "usd", "payment_method": method["id"], "capture_method": "manual"}
        status, intent = self.post("/v1/payment_intents", **fields)
        assert status == 200, intent
        self.post(f"/v1/payment_intents/{intent['id']}/confirm")
        return intent["id"]

    def read(self, payment):
        """A payment's status, and how much of it was refunded."""
        query = urllib.parse.urlencode({"expand[]": "latest_charge"})
        _, intent = call("GET", f"{self.url}/v1/payment_intents/{payment}?{query}", headers=self.headers())
        charge = intent["latest_charge"] or {"amount_refunded": 0}
        return intent["status"], charge["amount_refunded"] if intent["status"] == "succeeded" else 0
