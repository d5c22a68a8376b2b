#!/usr/bin/env python3
"""The emulator's state, and the scenarios that need AWS around the API.

    scenarios.py inventory                 what exists, one line each
    scenarios.py secret                    stores the payment provider's key, and prints the secret's ARN
    scenarios.py load TF_OUTPUTS.json      stores tests/emulator/stock.json
    scenarios.py run TF_OUTPUTS.json       the scenarios
    scenarios.py calls TF_OUTPUTS.json F   how many times the function F was invoked, by its log
    scenarios.py forget                    deletes the payment provider's key

The emulator is at AWS_ENDPOINT_URL, and a server with Stripe's API at STRIPE_URL. It enforces the policies of the functions' roles. So a missing permission
fails a scenario, and scenarios make a service unreachable by denying it.
"""

import json
import os
import pathlib
import sys
import time
import traceback
import urllib.error
import urllib.request
import uuid

import botocore.session

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/payments"))
from stripe import KEY, Stripe  # noqa: E402

SECRET = "payment-provider"
PATIENCE_S = 60

# What the scenarios send, and what must be in no log line.
PERSONAL = ["jane.doe.4711", "elm-street-county"]
SECRETS = ["key-that-nobody-has-1234567890", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJqYW5lIn0.c2lnbmF0dXJl"]

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]


def client(service):
    return botocore.session.get_session().create_client(service, endpoint_url=ENDPOINT)


def pages(service, operation, key):
    return [item for page in client(service).get_paginator(operation).paginate() for item in page.get(key, [])]


def inventory():
    """Everything that a stack consists of, by kind and name."""
    for name in pages("dynamodb", "list_tables", "TableNames"):
        yield f"table {name}"
    for url in client("sqs").list_queues().get("QueueUrls", []):
        yield f"queue {url}"
    for function in pages("lambda", "list_functions", "Functions"):
        yield f"function {function['FunctionName']}"
    for mapping in pages("lambda", "list_event_source_mappings", "EventSourceMappings"):
        yield f"event source {mapping['EventSourceArn']}"
    for machine in pages("stepfunctions", "list_state_machines", "stateMachines"):
        yield f"state machine {machine['name']}"
    for api in pages("apigateway", "get_rest_apis", "items"):
        yield f"API {api['name']}"
    for key in pages("apigateway", "get_api_keys", "items"):
        yield f"API key {key['name']}"
    for plan in pages("apigateway", "get_usage_plans", "items"):
        yield f"usage plan {plan['name']}"
    for schedule in pages("scheduler", "list_schedules", "Schedules"):
        yield f"schedule {schedule['Name']}"
    for role in pages("iam", "list_roles", "Roles"):
        yield f"role {role['RoleName']}"
    for group in pages("logs", "describe_log_groups", "logGroups"):
        yield f"log group {group['logGroupName']}"
    for alarm in pages("cloudwatch", "describe_alarms", "MetricAlarms"):
        yield f"alarm {alarm['AlarmName']}"
    for dashboard in client("cloudwatch").list_dashboards().get("DashboardEntries", []):
        yield f"dashboard {dashboard['DashboardName']}"
    for secret in pages("secretsmanager", "list_secrets", "SecretList"):
        yield f"secret {secret['Name']}"
    for topic in pages("sns", "list_topics", "Topics"):
        yield f"topic {topic['TopicArn']}"


class Stack:
    def __init__(self, outputs):
        self.outputs = {name: output["value"] for name, output in json.loads(pathlib.Path(outputs).read_text()).items()}
        # https://ID.execute-api.REGION.amazonaws.com/STAGE, which is the emulator here.
        host, self.stage = self.outputs["api_url"].removeprefix("https://").split("/")
        self.host = host.split(".")[0] + ".execute-api.localhost:" + ENDPOINT.rsplit(":", 1)[1]
        self.key = self.outputs["api_keys"]["everything"]

    def function(self, name):
        return self.outputs["function_names"][name]

    def request(self, method, path, body=None, headers=None, key=True):
        headers = {"Host": self.host, "Content-Type": "application/json", **(headers or {})}
        if key:
            headers["x-api-key"] = self.key
        request = urllib.request.Request(f"{ENDPOINT}/{self.stage}{path}", method=method, headers=headers)
        request.data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return answer.status, answer.headers, json.loads(answer.read())
        except urllib.error.HTTPError as answer:
            return answer.code, answer.headers, json.loads(answer.read())

    def place(self, key, named=None, **fields):
        headers = {"Idempotency-Key": key, **({"X-Correlation-Id": named} if named else {})}
        body = {"customerId": "demo123", "items": [{"productId": "PLENTY", "quantity": 1, "price": 10}], "totalAmount": 10}
        return self.request("POST", "/orders", {**body, **fields}, headers)

    def status(self, order_id):
        code, _, order = self.request("GET", f"/orders/{order_id}")
        return order["status"] if code == 200 else None

    def recover(self):
        """Does what recovery's schedule does every minute: calls its target with its input."""
        schedules = client("scheduler")
        targets = [schedules.get_schedule(Name=schedule["Name"])["Target"] for schedule in schedules.list_schedules()["Schedules"]]
        (target,) = [target for target in targets if f":{self.function('recover-orders')}:" in target["Arn"]]
        answer = client("lambda").invoke(FunctionName=target["Arn"], Payload=target["Input"].encode())
        payload = json.loads(answer["Payload"].read())
        assert answer["StatusCode"] == 200 and "FunctionError" not in answer, payload
        return payload

    def take_up(self, order_id):
        """Retries an order as an operator does, by the runbook."""
        command = json.dumps({"action": "take_up", "order_id": order_id}).encode()
        answer = client("lambda").invoke(FunctionName=self.function("recover-orders"), Qualifier="live", Payload=command)
        taken = json.loads(answer["Payload"].read())
        assert taken == "started", taken

    def log_lines(self, groups=None):
        """Every line of these log groups, or of all."""
        pages = client("logs").get_paginator("filter_log_events")
        if groups is None:
            groups = [group["logGroupName"] for group in client("logs").describe_log_groups()["logGroups"]]
            assert len(groups) > len(self.outputs["function_names"]), groups
        return [event["message"] for group in groups for page in pages.paginate(logGroupName=group) for event in page["events"]]

    def calls(self, function):
        """How many times a function was invoked."""
        return sum(line.startswith("START ") for line in self.log_lines([f"/aws/lambda/{self.function(function)}"]))

    def role(self, function):
        """The name of a function's role."""
        return client("lambda").get_function_configuration(FunctionName=self.function(function))["Role"].rpartition("/")[2]

    def refuse_dynamodb(self, *functions):
        return Refusal([self.role(function) for function in functions])


class Refusal:
    """Makes DynamoDB refuse the functions with these roles while it lasts."""

    def __init__(self, roles):
        self.roles = roles

    def __enter__(self):
        deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "dynamodb:*", "Resource": "*"}]}
        for role in self.roles:
            client("iam").put_role_policy(RoleName=role, PolicyName="refused", PolicyDocument=json.dumps(deny))

    def __exit__(self, *_):
        for role in self.roles:
            client("iam").delete_role_policy(RoleName=role, PolicyName="refused")


def eventually(wanted, look):
    """Looks until it sees what is wanted; otherwise fails with what it saw last."""
    ends = time.monotonic() + PATIENCE_S
    while (seen := look()) != wanted:
        assert time.monotonic() < ends, f"saw {seen!r} in the end, not {wanted!r}"
        time.sleep(0.2)


def load(stack):
    dynamodb = client("dynamodb")
    data = json.loads(pathlib.Path(__file__).with_name("stock.json").read_text())
    for stock in data["stock"]:
        item = {
            "pk": {"S": f"STOCK#{stock['storeId']}#{stock['sku']}"},
            "store_id": {"S": stock["storeId"]},
            "sku": {"S": stock["sku"]},
            "available": {"N": str(stock["onHand"])},
            "reserved": {"N": "0"},
        }
        dynamodb.put_item(TableName=stack.outputs["table_names"]["inventory"], Item=item)
    for account in data["accounts"]:
        item = {
            "pk": {"S": f"ACCOUNT#{account['customerId']}"},
            "sk": {"S": "TERMS"},
            "customer_id": {"S": account["customerId"]},
            "currency": {"S": account["currency"]},
            "credit_limit_minor": {"N": str(round(account["creditLimit"] * 100))},
            "on_hold": {"BOOL": account["onHold"]},
            "receivable_minor": {"N": "0"},
        }
        dynamodb.put_item(TableName=stack.outputs["table_names"]["journal"], Item=item)


# --- The scenarios ----------------------------------------------------------------------------------


def a_request_without_a_credential_is_refused_as_a_problem_document(stack):
    for headers in [{}, {"x-api-key": "nobody-has-this-key-000000"}, {"authorization": "Bearer nonsense"}]:
        code, answered, problem = stack.request("GET", "/orders/00000000000000000000000000000000", headers=headers, key=False)
        assert code == 401, (code, problem)
        assert answered["Content-Type"] == "application/problem+json", answered
        assert answered["WWW-Authenticate"] == 'Bearer realm="orders"', answered
        assert problem["type"] == "urn:order-saga:problem:unauthorized" and problem["status"] == 401, problem


def the_deployed_workflow_calls_published_versions_only(stack):
    machine = client("stepfunctions").describe_state_machine(stateMachineArn=stack.outputs["state_machine_arn"])
    assert machine["type"] == "EXPRESS", machine
    definition = json.loads(machine["definition"])
    text = json.dumps(definition)
    called = {part.split('"')[0] for part in text.split('"FunctionName": "')[1:]}
    assert all(arn.rsplit(":", 1)[1].isdigit() for arn in called), called
    declared = {path.parent.name: json.loads(path.read_text())["kind"] for path in ROOT.glob("functions/*/function.json")}
    tasks = {stack.function(name) for name, kind in declared.items() if kind in ["record", "step"]}
    assert {arn.rsplit(":", 2)[1] for arn in called} == tasks, called


def recovery_finds_nothing_to_do_when_all_is_well(stack):
    report = stack.recover()
    assert report["left"] == 0 and report["failed_looks"] == 0 and report["parked"] == 0, report


def an_order_that_dynamodb_refuses_waits_in_the_overflow_queue(stack):
    # Recovery is stopped too, because it would handle the message before the order is seen waiting.
    with stack.refuse_dynamodb("intake", "persist-order", "recover-orders"):
        code, headers, order = stack.place(f"overflow-{uuid.uuid4()}")
        assert (code, order["status"]) == (202, "PENDING"), (code, order)
        order_id = order["orderId"]
        assert headers["Location"].endswith(f"/orders/{order_id}"), headers
        assert stack.status(order_id) is None, "it has no record yet"
    eventually("CONFIRMED", lambda: stack.status(order_id))


def an_order_whose_step_stays_unreachable_is_kept_and_restarted_by_an_operator(stack):
    with stack.refuse_dynamodb("reserve-inventory"):
        code, _, order = stack.place(f"unreachable-{uuid.uuid4()}")
        assert (code, order["status"]) == (202, "PENDING"), (code, order)
        assert stack.status(order["orderId"]) == "PENDING", "a store that is down cancels nobody's order"
    # The schedule would wait five minutes, until no execution can be alive. An operator need not wait.
    stack.take_up(order["orderId"])
    eventually("CONFIRMED", lambda: stack.status(order["orderId"]))


def an_order_that_intake_had_to_write_itself_is_started_by_the_schedule(stack):
    with stack.refuse_dynamodb("persist-order"):
        code, _, order = stack.place(f"unstarted-{uuid.uuid4()}")
        assert (code, order["status"]) == (202, "PENDING"), (code, order)
    report = stack.recover()
    assert report["taken"].get("started", 0) >= 1, report
    eventually("CONFIRMED", lambda: stack.status(order["orderId"]))


def an_order_whose_stock_cannot_be_consumed_yet_is_handed_over_anyway(stack):
    _, _, order = stack.place(f"picked-{uuid.uuid4()}")
    path = f"/orders/{order['orderId']}"
    with stack.refuse_dynamodb("reserve-inventory"):
        code, _, handed_over = stack.request("POST", f"{path}/fulfil")
        assert (code, handed_over["status"]) == (202, "FULFILLING"), (code, handed_over)
        code, _, problem = stack.request("POST", f"{path}/cancel")
        assert (code, problem["type"]) == (409, "urn:order-saga:problem:order-fulfilled"), (code, problem)
    # It is due at once.
    stack.recover()
    eventually("FULFILLED", lambda: stack.status(order["orderId"]))


def a_poison_message_ends_in_the_dead_letter_queue_alone(stack):
    sqs = client("sqs")
    urls = stack.outputs["queue_urls"]
    # Both in one batch: an order, and a text that is not an order.
    with stack.refuse_dynamodb("intake", "persist-order", "recover-orders"):
        _, _, order = stack.place(f"with-poison-{uuid.uuid4()}")
        sqs.send_message(QueueUrl=urls["overflow"], MessageBody="this is not an order")
    eventually("CONFIRMED", lambda: stack.status(order["orderId"]))

    def dead_letters():
        received = sqs.receive_message(QueueUrl=urls["overflow-dead"], WaitTimeSeconds=1, VisibilityTimeout=0).get("Messages", [])
        return [message["Body"] for message in received]

    eventually(["this is not an order"], dead_letters)


def a_payment_is_captured_with_the_key_from_the_secret_and_refunded_when_the_order_is_cancelled(stack):
    stripe = Stripe(os.environ["STRIPE_URL"])
    payment = stripe.authorise(1000)
    code, _, order = stack.place(f"paid-{uuid.uuid4()}", paymentTerms="AUTHORIZED", paymentReference=payment)
    assert (code, order["status"]) == (201, "CONFIRMED"), (code, order)
    assert stripe.read(payment) == ("succeeded", 0), stripe.read(payment)
    code, _, cancelled = stack.request("POST", f"/orders/{order['orderId']}/cancel")
    assert (code, cancelled["status"]) == (200, "CANCELLED"), (code, cancelled)
    assert stripe.read(payment) == ("succeeded", 1000), stripe.read(payment)


def a_payment_of_another_amount_refuses_the_order(stack):
    stripe = Stripe(os.environ["STRIPE_URL"])
    payment = stripe.authorise(1001)
    code, _, problem = stack.place(f"mismatched-{uuid.uuid4()}", paymentTerms="AUTHORIZED", paymentReference=payment)
    assert (code, problem["reason"]) == (409, "PAYMENT_MISMATCH"), (code, problem)
    assert stripe.read(payment) == ("requires_capture", 0), stripe.read(payment)


def a_paid_order_is_handed_over(stack):
    payment = Stripe(os.environ["STRIPE_URL"]).authorise(1000)
    _, _, order = stack.place(f"paid-{uuid.uuid4()}", paymentTerms="AUTHORIZED", paymentReference=payment)
    code, _, handed_over = stack.request("POST", f"/orders/{order['orderId']}/fulfil")
    assert (code, handed_over["status"]) == (200, "FULFILLED"), (code, handed_over)


def an_order_is_found_in_the_logs_of_all_functions_by_its_correlation_id_alone(stack):
    name = f"basket-{uuid.uuid4()}"
    with stack.refuse_dynamodb("reserve-inventory"):
        _, headers, order = stack.place(f"followed-{uuid.uuid4()}", named=name, customerId=PERSONAL[0], countyId=PERSONAL[1])
        assert headers["X-Correlation-Id"] == name, headers
    stack.take_up(order["orderId"])
    eventually("CONFIRMED", lambda: stack.status(order["orderId"]))
    lines = [json.loads(line) for line in stack.log_lines() if name in line]
    assert all(line["correlation_id"] == name and line["order_id"] == order["orderId"] for line in lines), lines
    assert {line["service"] for line in lines} == {"intake", "persist-order", "reserve-inventory", "post-accounting"}, lines
    # A task's line says where in the workflow it ran, in both executions.
    executions = {line["execution"] for line in lines if "execution" in line}
    assert len(executions) == 2 and all(order["orderId"] in execution for execution in executions), executions


def no_log_line_names_a_person_or_has_a_secret(stack):
    """Runs last, on the lines of all scenarios."""
    stack.place(f"wrong-{uuid.uuid4()}", customerId=f"{PERSONAL[0]}?", comment=PERSONAL[1])
    for headers in [{"x-api-key": SECRETS[0]}, {"authorization": f"Bearer {SECRETS[1]}"}]:
        stack.request("GET", f"/customers/{PERSONAL[0]}/orders", headers=headers, key=False)
    lines = stack.log_lines()
    assert any("order_id" in line for line in lines), "there are no lines to look at"
    for secret in [*PERSONAL, *SECRETS, "demo123", KEY, *stack.outputs["api_keys"].values()]:
        found = [line for line in lines if secret in line]
        assert not found, f"{len(found)} lines have what must be in none, the first one: {found[0]}"


SCENARIOS = [
    a_request_without_a_credential_is_refused_as_a_problem_document,
    the_deployed_workflow_calls_published_versions_only,
    recovery_finds_nothing_to_do_when_all_is_well,
    an_order_that_dynamodb_refuses_waits_in_the_overflow_queue,
    an_order_whose_step_stays_unreachable_is_kept_and_restarted_by_an_operator,
    an_order_that_intake_had_to_write_itself_is_started_by_the_schedule,
    an_order_whose_stock_cannot_be_consumed_yet_is_handed_over_anyway,
    a_poison_message_ends_in_the_dead_letter_queue_alone,
    a_payment_is_captured_with_the_key_from_the_secret_and_refunded_when_the_order_is_cancelled,
    a_payment_of_another_amount_refuses_the_order,
    a_paid_order_is_handed_over,
    an_order_is_found_in_the_logs_of_all_functions_by_its_correlation_id_alone,
    no_log_line_names_a_person_or_has_a_secret,
]


def run(stack):
    failed = 0
    for scenario in SCENARIOS:
        started = time.monotonic()
        try:
            scenario(stack)
            print(f"ok      {scenario.__name__} ({time.monotonic() - started:.1f} s)", flush=True)
        except Exception:
            failed += 1
            print(f"FAILED  {scenario.__name__}\n{traceback.format_exc()}", flush=True)
    print(f"{len(SCENARIOS) - failed} passed, {failed} failed")
    return failed


def main():
    match sys.argv[1:]:
        case ["inventory"]:
            print("\n".join(sorted(inventory())))
        case ["secret"]:
            print(client("secretsmanager").create_secret(Name=SECRET, SecretString=KEY)["ARN"])
        case ["forget"]:
            client("secretsmanager").delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)
        case ["calls", outputs, function]:
            print(Stack(outputs).calls(function))
        case ["load", outputs]:
            load(Stack(outputs))
        case ["run", outputs]:
            sys.exit(1 if run(Stack(outputs)) else 0)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
