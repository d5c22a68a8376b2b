#!/usr/bin/env python3
"""Breaks what keeps the deployment safe, one thing at a time in a copy, and sees a check go red for it.

    mutations.py COPY --zips DIR --tables TABLES.json --order-saga EXECUTABLE

COPY holds terraform/ (initialised), statemachine/ and functions/. Each mutation names the text that it
breaks, the check that has to notice, and a part of what that check has to say, so that a check which is
red for another reason does not count.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
ASL = "statemachine/order-saga.asl.json"


@dataclasses.dataclass
class Mutation:
    name: str
    check: str
    says: str
    file: str = ""
    # A text, or several that go together.
    old: str | list = ""
    new: str | list = ""
    # For the definition, which is no text to search in: what to do to its JSON.
    edit: object = None


def test(name, says, file, old, new):
    return Mutation(name, "test", says, f"terraform/{file}", old, new)


def plan(name, says, file, old, new):
    return Mutation(name, "plan", says, f"terraform/{file}", old, new)


SAFETY = [
    # The state machine.
    test("a STANDARD workflow", "has to be an Express one", "state_machine.tf", '= "EXPRESS"', '= "STANDARD"'),
    test("log level OFF", "log of level ALL", "state_machine.tf", "= var.state_machine_log_level", '= "OFF"'),
    test("log level ERROR by default", "log of level ALL", "variables.tf", 'default     = "ALL"', 'default     = "ERROR"'),
    test("orders in the log", "must not be logged", "state_machine.tf", "= var.include_execution_data", "= true"),
    test("no X-Ray", "X-Ray has to be on", "state_machine.tf", "tracing_configuration {\n    enabled = true", "tracing_configuration {\n    enabled = false"),
    test("no version", "has to be a version", "state_machine.tf", "publish  = true", "publish  = false"),
    test("calls of $LATEST", "must not call $LATEST", "state_machine.tf", ".qualified_arn", ".arn"),
    test("starts past the alias", "started by the alias", "locals.tf", 'workflow_arn = "${local.state_machine_arn}:${local.alias}"', "workflow_arn = local.state_machine_arn"),
    # The clients.
    test("a shop that does everything", "is not the shop's website's", "variables.tf", 'shop       = { scopes = ["submit", "read"] }', 'shop       = { scopes = ["submit", "read", "operations"] }'),
    # The tables.
    test("no point-in-time recovery", "restorable", "dynamodb.tf", "enabled                 = true", "enabled                 = false"),
    test("no deletion protection", "refuse to be deleted", "dynamodb.tf", "= var.enable_deletion_protection", "= false"),
    test("an unprotected default", "refuse to be deleted", "variables.tf", 'refuse to be deleted. Switch it off, and apply, before you destroy a stack."\n  type        = bool\n  default     = true', 'refuse to be deleted."\n  type        = bool\n  default     = false'),
    test("no stream", "stream of both images", "dynamodb.tf", '"NEW_AND_OLD_IMAGES"', '"KEYS_ONLY"'),
    test("an index dropped", "its four indexes", "locals.tf", '        work_by_due        = { hash_key = "work", range_key = "due_ms" }\n', ""),
    plan(
        "an index dropped with its attributes, by the code",
        "the table orders is",
        "locals.tf",
        ['        work_by_due        = { hash_key = "work", range_key = "due_ms" }\n', '        work            = "S"\n', '        due_ms          = "N"\n'],
        ["", "", ""],
    ),
    plan("an index on another key", "the table orders is", "locals.tf", '{ hash_key = "store_shard", range_key = "created_ms" }', '{ hash_key = "store_shard", range_key = "due_ms" }'),
    plan("orders that expire", "the table orders is", "locals.tf", "ttl_attribute = null", 'ttl_attribute = "expires_at"'),
    # The queues.
    test("the dead-letter queue unwired", "end in the dead-letter queue", "locals.tf", 'dead_letter       = "overflow-dead"', 'dead_letter       = "parked"'),
    test("no dead-letter queue at all", "", "locals.tf", 'dead_letter       = "overflow-dead"', "dead_letter       = null"),
    test("an outage that kills messages", "half an hour", "locals.tf", "max_receives      = 100", "max_receives      = 5"),
    test("dead letters that are gone at once", "kept for 14 days", "locals.tf", "retention_seconds  = 14 * local.day_seconds\n      dead_letter        = null\n      max_receives       = null\n      dead_letters_of    = [\"overflow\"]", "retention_seconds  = local.day_seconds\n      dead_letter        = null\n      max_receives       = null\n      dead_letters_of    = [\"overflow\"]"),
    test("messages that come back too soon", "six times", "locals.tf", "= 6 * local.recovery_timeout_seconds", "= local.recovery_timeout_seconds"),
    test("plain queues", "has to be encrypted", "messaging.tf", "? null : true", "? null : false"),
    test("plain HTTP", "by TLS", "messaging.tf", '{ "aws:SecureTransport" = "false" }', '{ "aws:SecureTransport" = "true" }'),
    test("whole batches that come back", "must not bring back", "messaging.tf", 'function_response_types = ["ReportBatchItemFailures"]', "function_response_types = []"),
    # The functions.
    test("x86_64 by default", "arm64 by default", "variables.tf", 'default     = "arm64"', 'default     = "x86_64"'),
    test("unpublished functions", "published, traced", "lambda.tf", "publish = true", "publish = false"),
    test("an intake that outlives its caller", "before API Gateway gives up", "locals.tf", "timeout_seconds = 28", "timeout_seconds = 30"),
    # The permissions.
    test("a wildcard action in one function's policy", "may be a wildcard", "iam.tf", '["dynamodb:BatchGetItem", "dynamodb:GetItem"], resource', '["dynamodb:*"], resource'),
    test("a wildcard resource in one function's policy", "named in full", "iam.tf", '["sqs:SendMessage"], resource = local.queue_arns["parked"]', '["sqs:SendMessage"], resource = "*"'),
    plan("a function's permission missing", "intake: its code calls dynamodb:UpdateItem", "iam.tf", 'intake = [\n      { actions = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]', 'intake = [\n      { actions = ["dynamodb:GetItem", "dynamodb:PutItem"]'),
    plan("a transaction's permission missing", "reserve-inventory: its code calls dynamodb:UpdateItem", "iam.tf", 'reserve-inventory = [\n      { actions = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]', 'reserve-inventory = [\n      { actions = ["dynamodb:GetItem", "dynamodb:PutItem"]'),
    plan("a permission too many", "query-orders: its policy allows dynamodb:Scan", "iam.tf", '["dynamodb:BatchGetItem", "dynamodb:GetItem"], resource', '["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Scan"], resource'),
    plan("another function's table", "query-orders: its policy names", "iam.tf", '["dynamodb:BatchGetItem", "dynamodb:GetItem"], resource = local.table_arns["orders"]', '["dynamodb:BatchGetItem", "dynamodb:GetItem"], resource = local.table_arns["journal"]'),
    test("roles for other accounts", "Other accounts", "iam.tf", '      Principal = { Service = "scheduler.amazonaws.com" }\n      Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }', '      Principal = { Service = "scheduler.amazonaws.com" }\n      Condition = { StringEquals = { "aws:SourceAccount" = "*" } }'),
    # The API.
    test("routes without a key", "needs an API key", "api.tf", "api_key_required     = true", "api_key_required     = false"),
    test("bodies in the gateway's log", "must not log bodies", "api.tf", "data_trace_enabled     = false", "data_trace_enabled     = true"),
    test("bodies checked by the gateway", "bodies are intake's", "api.tf", "validate_request_body       = false", "validate_request_body       = true"),
    test("the gateway's own error bodies", "problem documents", "api.tf", "'application/problem+json'", "'application/json'"),
    # Recovery and alarms.
    test("no schedule", "every minute", "scheduler.tf", '"ENABLED"', '"DISABLED"'),
    test("alarms that tell nobody", "has to tell somebody", "observability.tf", "  alarm_actions = [aws_sns_topic.alarms.arn]\n", "  alarm_actions = []\n"),
    test("silence that is no alarm", "must not fall silent", "observability.tf", 'missing = "breaching"', 'missing = "notBreaching"'),
]


def states(definition):
    """Every state of a definition, those of branches included, by name."""
    for name, state in definition["States"].items():
        yield name, state
        for branch in state.get("Branches", []):
            yield from states(branch)


def without_catch(name):
    """The state without its Catch, and without the states of its own branch that only that led to: what is
    unreachable is an error by itself, and would hide whether the Catch is missed."""

    def edit(definition):
        del dict(states(definition))[name]["Catch"]
        for state in definition["States"].values():
            for branch in state.get("Branches", []):
                if name in branch["States"]:
                    branch["States"] = {name: branch["States"][name]}

    return edit


def definition_mutations():
    """Catch removed from each state that has one, as both the lint and Terraform's test see it."""
    caught = [name for name, state in states(json.loads((ROOT / ASL).read_text())) if "Catch" in state]
    for name in caught:
        yield Mutation(f"no Catch on {name}", "lint", name, edit=without_catch(name))
    yield Mutation(f"no Catch on {caught[0]}, in Terraform", "test", "catch States.ALL", edit=without_catch(caught[0]))


class Checks:
    def __init__(self, arguments):
        self.arguments = arguments

    def run(self, check, tree):
        """The check's exit code and all that it says."""
        terraform = ["terraform", f"-chdir={tree}/terraform"]
        if check == "test":
            return self.command([*terraform, "test", "-no-color", "-filter=tests/safety.tftest.hcl"])
        if check == "lint":
            return self.command([self.arguments.order_saga, "lint", f"{tree}/{ASL}"])
        planned = f"{tree}/plan"
        code, output = self.command([*terraform, "plan", "-no-color", "-lock=false", "-var-file=environments/production.tfvars", f"-out={planned}"])
        if code:
            return code, output
        code, output = self.command([*terraform, "show", "-json", planned])
        if code:
            return code, output
        pathlib.Path(f"{planned}.json").write_text(output)
        compare = [sys.executable, ROOT / "tests/terraform/check_plan.py", f"{planned}.json"]
        return self.command([*compare, "--zips", self.arguments.zips, "--tables", self.arguments.tables])

    @staticmethod
    def command(command):
        done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout


def as_list(value):
    return value if isinstance(value, list) else [value]


def mutate(mutation, tree):
    file = tree / (mutation.file or ASL)
    text = file.read_text()
    if mutation.edit:
        definition = json.loads(text)
        mutation.edit(definition)
        file.write_text(json.dumps(definition, indent=2))
        return
    for old, new in zip(as_list(mutation.old), as_list(mutation.new), strict=True):
        if old not in text:
            raise SystemExit(f"{mutation.name}: {mutation.file} does not have {old!r} any more")
        text = text.replace(old, new, 1)
    file.write_text(text)


def try_one(mutation, checks):
    """What is wrong with the check, or None if it went red for the mutation."""
    with tempfile.TemporaryDirectory() as directory:
        tree = pathlib.Path(directory)
        shutil.copytree(checks.arguments.copy, tree, symlinks=True, dirs_exist_ok=True)
        mutate(mutation, tree)
        code, output = checks.run(mutation.check, tree)
    # Terraform breaks its messages into lines.
    plain = " ".join(output.replace("│", " ").split())
    if code == 0:
        return "no check noticed"
    if mutation.says not in plain:
        return f"the check is red, but does not say {mutation.says!r}:\n{output[-3000:]}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("copy", type=pathlib.Path)
    parser.add_argument("--zips", required=True, type=pathlib.Path)
    parser.add_argument("--tables", required=True, type=pathlib.Path)
    parser.add_argument("--order-saga", required=True, type=pathlib.Path)
    parser.add_argument("--only", default="", help="only mutations with this in their name")
    arguments = parser.parse_args()
    checks = Checks(arguments)
    mutations = [mutation for mutation in [*SAFETY, *definition_mutations()] if arguments.only in mutation.name]

    # A check that is red anyway would notice anything.
    for check in sorted({mutation.check for mutation in mutations}):
        code, output = checks.run(check, arguments.copy)
        if code:
            raise SystemExit(f"the check {check} is red without any mutation:\n{output[-5000:]}")

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        started = time.monotonic()
        for mutation, wrong in zip(mutations, pool.map(lambda mutation: try_one(mutation, checks), mutations)):
            print(f"{'MISSED' if wrong else 'caught'}  {mutation.name} (by {mutation.check})", flush=True)
            if wrong:
                failed += 1
                print(wrong, flush=True)
    print(f"{len(mutations) - failed} of {len(mutations)} mutations caught, in {time.monotonic() - started:.0f} s")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
