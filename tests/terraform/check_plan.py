#!/usr/bin/env python3
"""Compares a Terraform plan with the code that it deploys.

    check_plan.py PLAN.json --zips DIR --local LOCAL.json

Permissions: the actions in each function's policy must be exactly those that its code calls. The calls are
read from the compiled function: the linker keeps an operation's name only if something that can run refers to
it, so this is reachability as the compiler sees it, through every crate. A transaction is authorised by its
writes. Their kinds are read from the sources of the function, of the crates that own the tables it writes, and
of the fences. A secret may be read only by functions whose code reads secrets, only if the plan's variables name
it, and no other secret may be.

Metrics: the alarms and the dashboard show those metrics of the functions that crates/metrics/metrics.json declares, by their
dimensions, and all of them; and the code of each function writes those that it declares.

Names and settings that are wrong only on AWS: a role's name that two regions share, a budget that matches no cost, a
deployment that every apply repeats.

Alarms: each rings for the failure that it is there for, and not for another. See alarms.py.

The key: each service that uses the customer managed key must be allowed to, and nobody else. See key_use.py.

The local stack: `cargo run --example local_stack` prints its shape. The plan must have the same tables (keys,
attributes, indexes, time to live), queues (visibility timeout, redrive), time limits of functions, and batch
sizes of received messages.

Prints every difference, and exits with 1 if there is any.
"""

import argparse
import json
import pathlib
import re
import sys
import zipfile

from alarms import check_alarms
from key_use import as_list, check_key, check_secret_key

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Services by the prefix of their operations' names on the wire, with all of their operations, so that a name is
# recognised even if other text follows it in the executable.
SERVICES = {
    "DynamoDB_20120810": (
        "dynamodb",
        "BatchExecuteStatement BatchGetItem BatchWriteItem DeleteItem DescribeTable ExecuteStatement"
        " ExecuteTransaction GetItem PutItem Query Scan TransactGetItems TransactWriteItems UpdateItem",
    ),
    "AmazonSQS": (
        "sqs",
        "ChangeMessageVisibility ChangeMessageVisibilityBatch DeleteMessage DeleteMessageBatch"
        " GetQueueAttributes GetQueueUrl PurgeQueue ReceiveMessage SendMessage SendMessageBatch",
    ),
    "AWSStepFunctions": (
        "states",
        "DescribeExecution DescribeStateMachine GetExecutionHistory ListExecutions SendTaskFailure"
        " SendTaskHeartbeat SendTaskSuccess StartExecution StartSyncExecution StopExecution",
    ),
    "secretsmanager": (
        "secretsmanager",
        "BatchGetSecretValue CancelRotateSecret CreateSecret DeleteResourcePolicy DeleteSecret DescribeSecret"
        " GetRandomPassword GetResourcePolicy GetSecretValue ListSecretVersionIds ListSecrets PutResourcePolicy"
        " PutSecretValue RemoveRegionsFromReplication ReplicateSecretToRegions RestoreSecret RotateSecret"
        " StopReplicationToReplica TagResource UntagResource UpdateSecret UpdateSecretVersionStage"
        " ValidateResourcePolicy",
    ),
}

READ_SECRET = "secretsmanager:GetSecretValue"

# The writes that a transaction can contain, by the names of their builders, and the action that each needs.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
TRANSACTION_WRITES = {
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
    "Delete": "dynamodb:DeleteItem",
    "ConditionCheck": "dynamodb:ConditionCheckItem",
}


def called_operations(zip_path):
    """The (service, operation) pairs in a compiled function."""
    executable = zipfile.ZipFile(zip_path).read("bootstrap")
    called = set()
    for prefix, (service, operations) in SERVICES.items():
        known = sorted(operations.split(), key=len, reverse=True)
        # A lookahead, because one name may follow another without a gap. A prefix is also the beginning of an
        # endpoint's name, and the end of a crate's.
        for match in re.finditer(rb"(?<!://)(?<!aws_sdk_)" + re.escape(prefix.encode()) + rb"\.(?=([A-Za-z]+))", executable):
            text = match.group(1).decode()
            operation = next((name for name in known if text.startswith(name)), None)
            if operation is None:
                raise SystemExit(f"{zip_path} calls {prefix}.{text}, which this check does not know")
            called.add((service, operation))
    return called


def transaction_actions(function):
    """The actions that the writes of a function's transactions need: its own, those of the crates that own the
    tables it writes, and the fences'."""
    manifest = (ROOT / "functions" / function / "Cargo.toml").read_text()
    owners = [table.parent for table in (ROOT / "crates").glob("*/table.json")]
    used = [owner for owner in owners if re.search(rf"^{re.escape(owner.name)}(\.workspace)?\s*=", manifest, re.M)]
    folders = [ROOT / "functions" / function, *used, ROOT / "crates/saga"]
    sources = [source for folder in folders for source in (folder / "src").rglob("*.rs")]
    text = "\n".join(source.read_text() for source in sources)
    return {action for kind, action in TRANSACTION_WRITES.items() if re.search(rf"\b{kind}::builder\(\)", text)}


def called_actions(function, zip_path):
    actions = set()
    for service, operation in called_operations(zip_path):
        if operation == "TransactWriteItems":
            actions |= transaction_actions(function)
        elif operation == "TransactGetItems":
            actions.add(f"{service}:GetItem")
        else:
            actions.add(f"{service}:{operation}")
    return actions


class Plan:
    def __init__(self, path):
        plan = json.loads(pathlib.Path(path).read_text())
        resources = plan["planned_values"]["root_module"]["resources"]
        self.resources = {resource["address"]: resource.get("values", {}) for resource in resources}
        self.variables = {name: variable.get("value") for name, variable in plan["variables"].items()}
        # Every name begins with the name of the stack.
        self.prefix = self.resources["aws_sfn_state_machine.this"]["name"] + "-"
        # Any ARN of this stack names its partition, its region and its account.
        workflow = self.instances("aws_iam_role_policy.function_calls")["intake"]["policy"]
        _, self.partition, _, self.region, self.account = re.search(r"arn:[^\"]*:states:[^\"]*", workflow).group().split(":")[:5]

        self.project = self.resources["aws_sfn_state_machine.this"]["tags_all"]["Project"]

    def arn(self, service, rest):
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{rest}"

    def instances(self, kind):
        """The instances of a resource, by key."""
        pattern = re.compile(rf'{re.escape(kind)}\["(.*)"\]')
        found = {match.group(1): values for address, values in self.resources.items() if (match := pattern.fullmatch(address))}
        if not found:
            raise SystemExit(f"the plan has no {kind}")
        return found

    def environment(self, function):
        """A function's environment variables."""
        return self.instances("aws_lambda_function.this")[function]["environment"][0]["variables"] or {}

    @property
    def secrets(self):
        """The ARNs of the secrets that this deployment is configured with."""
        return {value for name, value in self.variables.items() if name.endswith("_secret_arn") and value}


def check_permissions(plan, zips):
    policies = plan.instances("aws_iam_role_policy.function_calls")
    functions = plan.instances("aws_lambda_function.this")
    crates = {manifest.parent.name for manifest in (ROOT / "functions").glob("*/Cargo.toml")}
    if crates != set(functions):
        yield f"functions/ has {sorted(crates)}, the plan has {sorted(functions)}"
    for function in sorted(functions):
        # A function that calls nothing has no policy for its calls.
        statements = json.loads(policies[function]["policy"])["Statement"] if function in policies else []
        granted = {action for statement in statements for action in as_list(statement["Action"])}
        called = called_actions(function, zips / function / "bootstrap.zip")
        # A function that has a policy and no call is a sign that this check does not find calls any more. The authorizer
        # has neither.
        if not called and function in policies:
            yield f"{function}: found no AWS call in its executable"
        if not plan.secrets:
            # Without a secret, the code does not get as far as reading one.
            called.discard(READ_SECRET)
        for action in sorted(called - granted):
            yield f"{function}: its code calls {action}, but its policy does not allow it"
        for action in sorted(granted - called):
            yield f"{function}: its policy allows {action}, but its code never calls it"

        # A DynamoDB action is granted only on tables that the function's environment names.
        sorted_tables = {table["name"] for table in plan.instances("aws_dynamodb_table.this").values() if table["range_key"]}
        variables = plan.environment(function)
        tables = {value for name, value in variables.items() if name.endswith("_TABLE")}
        for statement in statements:
            for resource in as_list(statement["Resource"]):
                if ":dynamodb:" in resource and resource.split(":table/")[1].split("/")[0] not in tables:
                    yield f"{function}: its policy names {resource}, but its environment names {sorted(tables)}"
                is_query = "dynamodb:Query" in as_list(statement["Action"])
                is_sorted = resource.rpartition("/")[2] in sorted_tables
                if "/index/" in resource and not is_query or is_query and "/index/" not in resource and not is_sorted:
                    yield f"{function}: queries are on an index or a table with a sort key, and everything else on the table: {resource}"

        # A secret is granted only if the function's environment names it, and the other way round.
        secrets = {value for name, value in variables.items() if name.endswith("_SECRET_ARN")}
        for arn in sorted(secrets - plan.secrets):
            yield f"{function}: its environment names the secret {arn}, which the variables do not"
        readable = {
            resource
            for statement in statements
            for resource in as_list(statement["Resource"])
            if any(action.startswith("secretsmanager:") for action in as_list(statement["Action"]))
        }
        for resource in sorted(readable - set(map(policy_arn, secrets))):
            yield f"{function}: its policy allows reading {resource}, but its environment names {sorted(secrets)}"
        for arn in sorted(secrets):
            if policy_arn(arn) not in readable:
                yield f"{function}: its environment names the secret {arn}, which its policy does not allow it to read"


def policy_arn(secret):
    """A secret's ARN as a policy needs it: with its random suffix, or with a question mark for each character of it.
    https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_examples.html"""
    return secret if re.search(r"-[A-Za-z0-9]{6}$", secret) else f"{secret}-??????"


def check_deployment(plan):
    """A trigger that is known before anything exists consists of what is written, not of what AWS answers."""
    if not plan.resources["aws_api_gateway_deployment.this"].get("triggers"):
        yield "the API's deployment is triggered by what AWS answers, so a second apply would deploy it again"


# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
LONGEST_ROLE_NAME = 64
# The longest names of an environment and of a region.
LONGEST = {"environment": "development", "region": "apsoutheast1", "name": "n" * 20}


def check_names(plan):
    """What is global in an account must have a name of its own in each region: roles, dashboards and budgets."""
    region = plan.region.replace("-", "")
    for address, values in plan.resources.items():
        kind = address.split(".")[0]
        name = {"aws_iam_role": "name", "aws_cloudwatch_dashboard": "dashboard_name", "aws_budgets_budget": "name"}.get(kind)
        if name is None:
            continue
        if region not in values[name]:
            yield f"{address} is called {values[name]}, as in every other region of the account"
        stack = plan.prefix.removesuffix("-")
        longest = values[name].replace(stack, f"{LONGEST['name']}-{LONGEST['environment']}").replace(region, LONGEST["region"])
        if kind == "aws_iam_role" and len(longest) > LONGEST_ROLE_NAME:
            yield f"{address} could be called {longest}, which has {len(longest)} characters; AWS allows {LONGEST_ROLE_NAME}"


def check_budget(plan):
    """A tag filter has the form user:KEY$VALUE, with a tag that the resources have."""
    for address, values in plan.resources.items():
        if address.startswith("aws_budgets_budget."):
            tag = f"user:Project${plan.project}"
            filters = [(each["name"], each["values"]) for each in values["cost_filter"]]
            if filters != [("TagKeyValue", [tag])]:
                yield f"{address} filters costs by {filters}, not by the tag {tag}"


def check_firewall(plan):
    """The firewall must let through what the usage plan lets a client send, with room for its retries, and must limit
    each key and each address."""
    acl = plan.resources.get("aws_wafv2_web_acl.this[0]")
    if acl is None:
        return
    (throttle,) = plan.resources["aws_api_gateway_usage_plan.this"]["throttle_settings"]
    limits = {}
    for rule in acl["rule"]:
        for rate in rule["statement"][0]["rate_based_statement"]:
            keys = [header["name"] for key in rate["custom_key"] for header in key["header"]]
            limits[tuple(keys) or rate["aggregate_key_type"]] = rate["limit"]
            allowed = rate["evaluation_window_sec"] * throttle["rate_limit"] + throttle["burst_limit"]
            if rate["limit"] < 2 * allowed:
                yield f"the firewall's rule {rule['name']} blocks at {rate['limit']} requests, but a client may send {allowed}, and retries"
    if set(limits) != {("x-api-key",), "IP"} or limits["IP"] <= limits["x-api-key",]:
        yield f"the firewall has to limit each key, and less strictly each address, but limits {limits}"


def check_log_metrics(plan):
    """Each metric that is counted in a log has an alarm. Those of the access log are counted by a field that it has, and
    a function's crashes in its own log."""
    (access_log,) = plan.resources["aws_api_gateway_stage.this"]["access_log_settings"]
    published = set()
    for name, metric_filter in plan.instances("aws_cloudwatch_log_metric_filter.crashes").items():
        (metric,) = metric_filter["metric_transformation"]
        published.add((metric["namespace"], metric["name"]))
        if metric_filter["log_group_name"] != plan.instances("aws_lambda_function.this")[name]["logging_config"][0]["log_group"]:
            yield f"the crashes of {name} are counted in {metric_filter['log_group_name']}"
    for name, metric_filter in plan.instances("aws_cloudwatch_log_metric_filter.refused").items():
        (metric,) = metric_filter["metric_transformation"]
        published.add((metric["namespace"], metric["name"]))
        (field,) = re.findall(r"\$\.(\w+)", metric_filter["pattern"])
        if json.loads(access_log["format"]).get(field) != f"$context.{field}":
            yield f"the metric filter {name} looks for {field}, which the access log does not have"
    watched = {
        (metric["namespace"], metric["metric_name"])
        for alarm in plan.instances("aws_cloudwatch_metric_alarm.this").values()
        for metric in [metric for query in alarm["metric_query"] for metric in query["metric"]] or [alarm]
    }
    for namespace, name in sorted(published - watched):
        yield f"no alarm watches {name} in {namespace}"
    for namespace, name in sorted(watched - published):
        if namespace.startswith("OrderSaga/"):
            yield f"an alarm watches {name} in {namespace}, which nothing publishes"


# Our own metrics are in this namespace, under the name of the function that writes them.
OWN_NAMESPACE = "OrderSaga"


def dashboard_metrics(plan):
    """The metrics on the dashboard, as (title, namespace, name, dimensions)."""
    for dashboard in filter(None, [plan.resources.get("aws_cloudwatch_dashboard.this[0]")]):
        for widget in json.loads(dashboard["dashboard_body"])["widgets"]:
            title = widget["properties"].get("title")
            for metric in widget["properties"].get("metrics", []):
                if isinstance(metric[0], dict):
                    # A search names the dimensions, and the values of some.
                    for schema, name in re.findall(r"SEARCH\('\{([^}]*)\}.*?MetricName=\"(\w+)\"", metric[0]["expression"]):
                        namespace, *dimensions = schema.split(",")
                        values = dict(re.findall(r'(\w+)="([^"]*)"', metric[0]["expression"]))
                        yield title, namespace, name, {dimension: values.get(dimension) for dimension in dimensions}
                    continue
                namespace, name, *dimensions = [part for part in metric if not isinstance(part, dict)]
                yield title, namespace, name, dict(zip(dimensions[::2], dimensions[1::2]))


def check_own_metrics(plan):
    """What the alarms and the dashboard show of our own metrics, the code writes, by these dimensions; and what the code
    writes, they show. A metric that nobody writes rings no alarm, and missing data counts as fine."""
    declared = json.loads((ROOT / "crates/metrics/metrics.json").read_text())
    for options in declared.values():
        kinds = {path.parent.name: json.loads(path.read_text())["kind"] for path in (ROOT / "functions").glob("*/function.json")}
        options["functions"] += sorted(function for function, kind in kinds.items() if kind in options["kinds"])
    names = {values["function_name"]: name for name, values in plan.instances("aws_lambda_function.this").items()}
    shown = [
        (f"the alarm {name}", metric["namespace"], metric["metric_name"], metric["dimensions"] or {})
        for name, alarm in plan.instances("aws_cloudwatch_metric_alarm.this").items()
        for metric in [metric for query in alarm["metric_query"] for metric in query["metric"]] or [alarm]
    ]
    shown += [(f"the dashboard's {title}", *metric) for title, *metric in dashboard_metrics(plan)]
    seen = set()
    for place, namespace, metric, dimensions in shown:
        if namespace != OWN_NAMESPACE:
            continue
        function = names.get(dimensions.get("FunctionName"))
        if function is None:
            yield f"{place} is on {dimensions}, which is not a function of this stack"
        elif metric not in declared or function not in declared[metric]["functions"]:
            yield f"{place} watches {metric}, which the code of {function} does not write"
        elif not set(dimensions) - {"FunctionName"} <= set(declared[metric]["by"]):
            yield f"{place} watches {metric} by {sorted(dimensions)}, but the code writes it by {declared[metric]['by']}"
        seen.add((metric, function, *sorted(set(dimensions) - {"FunctionName"})))
    if "aws_cloudwatch_dashboard.this[0]" in plan.resources:
        for metric, options in declared.items():
            written = {(metric, function) for function in options["functions"]}
            written |= {(metric, function, dimension) for function in options["functions"] for dimension in options["by"]}
            for missing in sorted(written - seen):
                if not (metric.startswith("Payment") and not plan.secrets):
                    yield f"neither the dashboard nor an alarm shows {' by '.join(missing)}"

    # The declaration is what the sources say.
    for metric, options in declared.items():
        for function in options["functions"]:
            sources = [source.read_text() for folder in crates_of(function) for source in folder.rglob("*.rs")]
            if not any(f"Metric::{metric}" in source for source in sources):
                yield f"metrics.json says that {function} writes {metric}, but its code does not"
            for dimension in options["by"]:
                if not any(re.search(rf'by\(\s*"{dimension}",[^;]*?Metric::{metric}\b', source) for source in sources):
                    yield f"metrics.json says that {function} writes {metric} by {dimension}, but its code does not"


def crates_of(function):
    """The source folders of a function, and of the crates that it depends on."""
    folders, found = [ROOT / "functions" / function], []
    while folders:
        folder = folders.pop()
        found.append(folder / "src")
        manifest = (folder / "Cargo.toml").read_text().partition("[dev-dependencies]")[0]
        used = [ROOT / "crates" / crate for crate in re.findall(r"^([a-z]+)\.workspace = true", manifest, re.M)]
        folders += [crate for crate in used if crate.is_dir() and crate / "src" not in found and crate not in folders]
    return [folder for folder in found if folder != ROOT / "crates/metrics/src"]


def check_runbook(plan):
    """Every alarm leads to its section of the runbook."""
    sections = set(re.findall(r"^## `?([a-z0-9-]+)`?$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE))
    for name, alarm in plan.instances("aws_cloudwatch_metric_alarm.this").items():
        if alarm["alarm_description"].rpartition("docs/runbook.md#")[2] not in sections:
            yield f"the runbook has no section for the alarm {name}"


def is_extra(name, alarm):
    """Whether an alarm is of an option: the firewall's, and those on payments."""
    return name.startswith("firewall-") or alarm["namespace"] == OWN_NAMESPACE and alarm["metric_name"].startswith("Payment")


def check_alarm_costs(plan):
    """The README counts what the alarms cost: each metric that an alarm watches. Those of options are extra."""
    alarms = plan.instances("aws_cloudwatch_metric_alarm.this")
    watched = sum(
        max(1, sum(1 for query in alarm["metric_query"] if query["metric"])) for name, alarm in alarms.items() if not is_extra(name, alarm)
    )
    (counted,) = re.findall(r"\| alarms \| (\d+) metrics × \$0\.10 \|", (ROOT / "README.md").read_text())
    if watched != int(counted):
        yield f"the alarms watch {watched} metrics, but README.md counts {counted}"


def planned_tables(plan):
    planned = {}
    for name, table in plan.instances("aws_dynamodb_table.this").items():
        planned[name] = {
            "table": {
                "keys": [key for key in (table["hash_key"], table["range_key"]) if key],
                "attributes": {attribute["name"]: attribute["type"] for attribute in table["attribute"]},
                "indexes": {
                    index["name"]: {
                        "keys": [key for key in (index["hash_key"], index["range_key"]) if key],
                        "projection": index["projection_type"],
                    }
                    for index in table.get("global_secondary_index", [])
                },
            },
            "ttl": next((ttl["attribute_name"] for ttl in table.get("ttl", []) if ttl["enabled"]), None),
        }
    return planned


def planned_queues(plan):
    redrives = {
        queue: json.loads(policy["redrive_policy"]) for queue, policy in plan.instances("aws_sqs_queue_redrive_policy.this").items()
    }
    planned = {}
    for key, queue in plan.instances("aws_sqs_queue.this").items():
        redrive = redrives.get(key)
        planned[queue["name"].removeprefix(plan.prefix)] = {
            "visibility_seconds": queue["visibility_timeout_seconds"],
            "redrive": redrive and {
                "to": redrive["deadLetterTargetArn"].rsplit(":", 1)[1].removeprefix(plan.prefix),
                "max_receives": redrive["maxReceiveCount"],
            },
        }
    return planned


def planned_functions(plan):
    return {name: {"timeout_seconds": function["timeout"]} for name, function in plan.instances("aws_lambda_function.this").items()}


def planned_batches(plan):
    return {queue: source["batch_size"] for queue, source in plan.instances("aws_lambda_event_source_mapping.this").items()}


# What is compared, by its name in LOCAL.json: a word for one of them, and how to read them from a plan.
COMPARED = {
    "tables": ("the table", planned_tables),
    "queues": ("the queue", planned_queues),
    "functions": ("the function", planned_functions),
    "batches": ("the batch received from", planned_batches),
}


def check_local(plan, local):
    if set(local) != set(COMPARED):
        yield f"the local stack prints {sorted(local)}, but this check compares {sorted(COMPARED)}"
    for part in sorted(set(local) & set(COMPARED)):
        noun, read = COMPARED[part]
        planned = read(plan)
        for name in sorted(set(planned) | set(local[part])):
            if planned.get(name) != local[part].get(name):
                yield f"{noun} {name} is {json.dumps(planned.get(name))} in the plan, but {json.dumps(local[part].get(name))} on the local stack"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plan")
    parser.add_argument("--zips", required=True, type=pathlib.Path)
    parser.add_argument("--local", required=True, type=pathlib.Path)
    arguments = parser.parse_args()
    plan = Plan(arguments.plan)
    findings = [
        *check_permissions(plan, arguments.zips),
        *check_key(plan),
        *check_secret_key(plan),
        *check_deployment(plan),
        *check_names(plan),
        *check_budget(plan),
        *check_firewall(plan),
        *check_log_metrics(plan),
        *check_own_metrics(plan),
        *check_alarms(plan.instances("aws_cloudwatch_metric_alarm.this")),
        *check_runbook(plan),
        *check_alarm_costs(plan),
        *check_local(plan, json.loads(arguments.local.read_text())),
    ]
    for finding in findings:
        print(finding)
    if findings:
        sys.exit(1)
    print(
        f"{len(planned_functions(plan))} functions have the permissions that their code uses, and no others;"
        f" they, {len(planned_tables(plan))} tables and {len(planned_queues(plan))} queues are the local stack's"
    )


if __name__ == "__main__":
    main()
