#!/usr/bin/env python3
"""Breaks each safety property of the deployment in a copy, and sees that a check fails for each.

    mutations.py COPY --zips DIR --local LOCAL.json --order-saga EXECUTABLE [--one-by-one]

COPY contains everything that Terraform reads: terraform/ (initialised), statemachine/, functions/, the tables'
crates/*/table.json and openapi.yaml. Each mutation names what it breaks, the check that must fail, and a part
of that check's output, so that a failure for another reason does not count.

A Terraform run takes seconds and reports everything that it finds, so mutations with the same check are made
together, and the output must name each of them. A mutation that it does not name is made alone before it counts
as missed. `--one-by-one` makes each alone from the start.
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
    # How to change the copy.
    mutate: object
    # Whether the check stops at it, before it would see another one.
    stops: bool = False


def test(name, says, file, old, new):
    return Mutation(name, "test", says, replaced(f"terraform/{file}", old, new))


def refusals(name, says, file, old, new):
    return Mutation(name, "refusals", says, replaced(f"terraform/{file}", old, new))


def concurrency(name, says, file, old, new):
    return Mutation(name, "concurrency", says, replaced(f"terraform/{file}", old, new))


def identity(name, says, file, old, new):
    return Mutation(name, "identity", says, replaced(f"terraform/{file}", old, new))


def console(name, says, file, old, new):
    return Mutation(name, "console", says, replaced(f"terraform/{file}", old, new))


def payments(name, says, file, old, new):
    return Mutation(name, "payments", says, replaced(f"terraform/{file}", old, new))


def plan(name, says, file, old, new):
    return Mutation(name, "plan", says, replaced(f"terraform/{file}", old, new))


def replaced(file, old, new):
    """Replaces a text in a file."""

    def mutate(tree):
        text = (tree / file).read_text()
        if old not in text:
            raise SystemExit(f"{file} does not contain {old!r} any more")
        (tree / file).write_text(text.replace(old, new, 1))

    return mutate


def edited(file, edit):
    """Changes the JSON of a file."""

    def mutate(tree):
        value = json.loads((tree / file).read_text())
        edit(value)
        (tree / file).write_text(json.dumps(value, indent=2))

    return mutate


def put(file, *path):
    """Sets a field of a JSON file, which may be new, to the last element of the path."""
    *parents, field, value = path

    def edit(root):
        for name in parents:
            root = root[name]
        root[field] = value

    return edited(file, edit)


def drop(file, *path):
    """Removes a field of a JSON file."""
    *parents, field = path

    def edit(root):
        for name in parents:
            root = root[name]
        del root[field]

    return edited(file, edit)


def together(*mutations):
    def mutate(tree):
        for each in mutations:
            each(tree)

    return mutate


CAPTURE = "functions/capture-payment/function.json"
INTAKE = "functions/intake/function.json"
PERSIST = "functions/persist-order/function.json"
POST = "functions/post-accounting/function.json"
QUERY = "functions/query-orders/function.json"
RECOVER = "functions/recover-orders/function.json"
RESERVE = "functions/reserve-inventory/function.json"
ORDERS = "crates/orders/table.json"

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
    test("a shop that does everything", "Operations need a token, not a key", "variables.tf", '    shop = { scopes = ["submit", "read"] }', '    shop = { scopes = ["submit", "read", "operations"] }'),
    # The tables.
    test("no point-in-time recovery", "restorable", "dynamodb.tf", "enabled                 = true", "enabled                 = false"),
    test("no deletion protection", "refuse to be deleted", "dynamodb.tf", "= var.enable_deletion_protection", "= false"),
    test("an unprotected default", "refuse to be deleted", "variables.tf", 'protected from deletion. Before you destroy a stack, switch it off and apply."\n  type        = bool\n  default     = true', 'protected from deletion."\n  type        = bool\n  default     = false'),
    test("no stream", "stream of both images", "dynamodb.tf", '"NEW_AND_OLD_IMAGES"', '"KEYS_ONLY"'),
    test("no index", "the indexes that its table.json declares", "dynamodb.tf", "for_each = each.value.indexes", "for_each = {}"),
    test("an index that is rewritten with its order", "with keys alone", "dynamodb.tf", '"KEYS_ONLY"', '"ALL"'),
    Mutation(
        "an index dropped with its attribute and its use",
        "plan",
        "the table orders is",
        together(
            drop(ORDERS, "indexes", "orders_by_county"),
            drop(ORDERS, "attributes", "county_shard"),
            drop(QUERY, "uses", "tables", "orders", "indexes", "orders_by_county"),
        ),
    ),
    Mutation("an index on another key", "plan", "the table orders is", put(ORDERS, "indexes", "orders_by_store", "sort", "due_ms")),
    Mutation("orders that expire", "test", "Orders never expire", put(ORDERS, "ttl", "expires_at")),
    Mutation("orders that expire, by the local stack", "plan", "the table orders is", put(ORDERS, "ttl", "expires_at")),
    # The queues.
    Mutation("the dead-letter queue unwired", "test", "end in the dead-letter queue", put(RECOVER, "queues", "overflow", "redrive", "to", "parked")),
    Mutation("no dead-letter queue at all", "test", "has to have a dead-letter queue", drop(RECOVER, "queues", "overflow", "redrive")),
    Mutation("an outage that kills messages", "test", "half an hour", put(RECOVER, "queues", "overflow", "redrive", "max_receives", 5)),
    Mutation("dead letters that are gone at once", "test", "kept for 14 days", put(RECOVER, "queues", "overflow-dead", "retention_days", 1)),
    Mutation("messages that come back too soon", "test", "six times", put(RECOVER, "queues", "overflow", "visibility_seconds", 60)),
    Mutation("a queue of another patience", "plan", "the queue overflow is", put(RECOVER, "queues", "overflow", "visibility_seconds", 400)),
    plan("a redrive that is not the declared one", "the queue overflow is", "messaging.tf", "each.value.max_receives", "each.value.max_receives + 1"),
    Mutation("a larger batch", "plan", "the batch received from overflow is 100", put(RECOVER, "receives", "overflow", "batch", 100)),
    test("plain queues", "has to be encrypted", "messaging.tf", "? null : true", "? null : false"),
    test("plain HTTP", "by TLS", "messaging.tf", '{ "aws:SecureTransport" = "false" }', '{ "aws:SecureTransport" = "true" }'),
    test("whole batches that come back", "must not bring back", "messaging.tf", 'function_response_types = ["ReportBatchItemFailures"]', "function_response_types = []"),
    # The functions.
    test("x86_64 by default", "arm64 by default", "variables.tf", 'default     = "arm64"', 'default     = "x86_64"'),
    test("unpublished functions", "published, traced", "lambda.tf", "publish = true", "publish = false"),
    Mutation("an intake that outlives its caller", "test", "before API Gateway gives up", put(INTAKE, "timeout", "seconds", 30)),
    Mutation("a task that outlives its state", "test", "has to wait longer than its function runs", put(RESERVE, "timeout", "seconds", 9)),
    Mutation("a function of another patience", "plan", "the function query-orders is", put(QUERY, "timeout", "seconds", 11)),
    # The permissions.
    Mutation("a wildcard action in one function's policy", "test", "may be a wildcard", put(QUERY, "uses", "tables", "orders", "operations", ["*"])),
    test("wildcard resources in the functions' policies", "named in full", "iam.tf", 'actions = [for operation in operations : "sqs:${operation}"], resource = lookup(local.queue_arns, queue, null)', 'actions = [for operation in operations : "sqs:${operation}"], resource = "*"'),
    Mutation("a function's permission missing", "plan", "persist-order: its code calls dynamodb:UpdateItem", put(PERSIST, "uses", "tables", "orders", "operations", ["GetItem", "PutItem"])),
    Mutation("a transaction's permission missing", "plan", "reserve-inventory: its code calls dynamodb:UpdateItem", put(RESERVE, "uses", "tables", "inventory", "operations", ["GetItem", "PutItem"])),
    Mutation("a permission too many", "plan", "query-orders: its policy allows dynamodb:Scan", put(QUERY, "uses", "tables", "orders", "operations", ["BatchGetItem", "GetItem", "Scan"])),
    plan("another function's table", "query-orders: its policy names", "iam.tf", "resource = lookup(local.table_arns, table, null)", 'resource = local.table_arns["journal"]'),
    Mutation("a query of the table", "plan", "queries are on an index or a table with a sort key", put(RECOVER, "uses", "tables", "orders", "operations", ["GetItem", "PutItem", "Query", "UpdateItem"])),
    test("roles for other accounts", "Other accounts", "iam.tf", '      Principal = { Service = "scheduler.amazonaws.com" }\n      Condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }', '      Principal = { Service = "scheduler.amazonaws.com" }\n      Condition = { StringEquals = { "aws:SourceAccount" = "*" } }'),
    # The encryption key.
    plan("schedules that their service cannot decrypt", "refuse kms:Decrypt by scheduler with kms:EncryptionContext:aws:scheduler:schedule:arn", "iam.tf", 'condition = { ArnEquals = { "kms:EncryptionContext:aws:scheduler:schedule:arn" = values(local.schedule_arns) } }', 'condition = { StringEquals = { "kms:ViaService" = "scheduler.${var.region}.amazonaws.com" } }'),
    plan("undelivered runs that the queue cannot encrypt", "refuse kms:GenerateDataKey by scheduler with kms:ViaService sqs", "iam.tf", '{ actions = ["kms:Decrypt", "kms:GenerateDataKey"], condition = local.through_queues }', '{ actions = ["kms:Decrypt"], condition = local.through_queues }'),
    plan("settings that Lambda cannot decrypt", "refuse kms:Decrypt by function query-orders with kms:EncryptionContext:aws:lambda:FunctionArn", "iam.tf", 'condition = { ArnLike = { "kms:EncryptionContext:aws:lambda:FunctionArn" = [local.function_arns[name], "${local.function_arns[name]}:*"] } }', 'condition = { StringEquals = { "kms:ViaService" = "lambda.${var.region}.amazonaws.com" } }'),
    plan("a key for other tables", "allow kms:Decrypt by function reserve-inventory with kms:ViaService dynamodb", "iam.tf", '= [for table in tables : lookup(local.table_names, table, "")]', "= values(local.table_names)"),
    plan("a workflow role that works through a service only", "refuse kms:Decrypt by state_machine with kms:EncryptionContext:aws:states:stateMachineArn", "iam.tf", '{ actions = ["kms:Decrypt", "kms:GenerateDataKey"], condition = { ArnLike = local.workflow_context } }', '{ actions = ["kms:Decrypt", "kms:GenerateDataKey"], condition = { StringEquals = { "kms:ViaService" = "states.${var.region}.amazonaws.com" } } }'),
    plan("a workflow role that decrypts everything", "allow kms:Decrypt by state_machine with nothing else", "iam.tf", "{ actions = [\"kms:GenerateDataKey\"], condition = local.log_delivery_context }", '{ actions = ["kms:Decrypt", "kms:GenerateDataKey"], condition = {} }'),
    plan("a key for every log group", "allow kms:Decrypt by logs.us-east-1.amazonaws.com with kms:EncryptionContext:aws:logs:arn", "kms.tf", ') : "arn:${local.partition}:logs:${var.region}:${local.account_id}:log-group:${group}"', ') : "arn:${local.partition}:logs:${var.region}:${local.account_id}:log-group:*${substr(group, 0, 0)}"'),
    plan("a firewall's log without a key", "log-group:aws-waf-logs-order-saga-production", "kms.tf", "var.enable_waf ? [local.waf_log_group] : []", "[]"),
    plan("log lines that cannot be delivered", "refuse kms:Decrypt by delivery.logs.amazonaws.com", "kms.tf", "condition = local.log_delivery_context", 'condition = { StringEquals = { "aws:SourceAccount" = local.account_id } }'),
    plan("alarms that the topic cannot encrypt", "refuse kms:GenerateDataKeyWithoutPlaintext by cloudwatch.amazonaws.com", "kms.tf", 'actions   = ["kms:Decrypt", "kms:GenerateDataKey*"]', 'actions   = ["kms:Decrypt"]'),
    # The payment provider's key.
    Mutation("a key that nobody may read", "plan", "capture-payment: its code calls secretsmanager:GetSecretValue", drop(CAPTURE, "uses", "secrets")),
    Mutation("a key that another function may read", "plan", "query-orders: its policy allows secretsmanager:GetSecretValue", put(QUERY, "uses", "secrets", ["payment_gateway"])),
    plan("a key that its reader may change", "capture-payment: its policy allows secretsmanager:PutSecretValue", "iam.tf", 'actions = ["secretsmanager:GetSecretValue"]', 'actions = ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"]'),
    plan("every secret with a name that begins alike", "capture-payment: its policy allows reading arn:aws:secretsmanager:us-east-1:123456789012:secret:order-saga/payment-gateway-a1b2c3*", "iam.tf", "resource = local.secrets[secret].resource }", 'resource = "${local.secrets[secret].resource}*" }'),
    plan("a key that its reader cannot find", "capture-payment: its policy allows reading arn:aws:secretsmanager:us-east-1:123456789012:secret:order-saga/payment-gateway-a1b2c3, but its environment names []", "locals.tf", '"${upper(replace(secret, "-", "_"))}_SECRET_ARN"', '"${upper(replace(secret, "-", "_"))}_SECRET"'),
    payments("a partial ARN that allows nothing", "appends a hyphen and six characters", "locals.tf", '? arn : "${arn}-??????"', '? arn : "${arn}"'),
    payments("a partial ARN that allows longer names", "appends a hyphen and six characters", "locals.tf", '"${arn}-??????"', '"${arn}-*"'),
    payments("a complete ARN taken for a partial one", "and nothing but this secret", "locals.tf", 'can(regex("-[A-Za-z0-9]{6}$", arn)) ? arn', 'can(regex("-[A-Z]{6}$", arn)) ? arn'),
    plan("a secret's key for other secrets", "allow kms:Decrypt by function capture-payment with kms:ViaService secretsmanager.us-east-1.amazonaws.com, kms:EncryptionContext:SecretARN arn:aws:secretsmanager:us-east-1:123456789012:secret:another-", "iam.tf", '          ArnLike      = { "kms:EncryptionContext:SecretARN" = local.secrets[secret].resource }\n', ""),
    plan("a secret's key for every caller", "allow kms:Decrypt by function capture-payment with kms:EncryptionContext:SecretARN", "iam.tf", '          StringEquals = { "kms:ViaService" = "secretsmanager.${var.region}.amazonaws.com" }\n', ""),
    plan("a secret that its reader cannot decrypt", "refuse kms:Decrypt by function capture-payment with kms:ViaService secretsmanager", "iam.tf", 'for use in local.function_secret_key_uses[each.key] : {', "for use in [] : {"),
    test("a price list that nobody asked for", "would refuse every order", "locals.tf", 'var.enforce_price_list ? "enforced" : null', '"enforced"'),
    test("a payment provider that nobody configured", "no function must believe that there is one", "locals.tf", "payment_capture = var.payment_secret_arn == null ? null : var.payment_capture", "payment_capture = var.payment_capture"),
    Mutation("an intake that knows no payment provider", "payments", "unless it knows that there is a payment provider", drop(INTAKE, "uses", "settings")),
    payments("a setting that reaches nobody", "Exactly the functions that declare the setting", "locals.tf", 'upper(replace(setting, "-", "_")) => local', 'setting => local'),
    payments("payments captured at the hand-over by default", "payments are captured before the order is confirmed", "variables.tf", 'default     = "confirmation"', 'default     = "fulfilment"'),
    refusals("secrets by a wildcard", "one_secret_and_not_several", "variables.tf", "secret:[A-Za-z0-9/_+=.@-]+$", "secret:[*A-Za-z0-9/_+=.@-]+$"),
    refusals("a secret of another region", "a_secret_is_in_the_region_of_its_readers", "variables.tf", ":secretsmanager:${var.region}:[0-9]", ":secretsmanager:[a-z0-9-]+:[0-9]"),
    payments("refused payments that ring nothing", "An alarm on payments is missing", "alarms.tf", 'metric = "PaymentRefused"', 'metric = "PaymentDeclined"'),
    payments("refunds that fail silently", "An alarm on payments is missing", "alarms.tf", '        "${function}-undo-refused" = {', '        "${function}-refused" = {'),
    plan("an alarm on a metric that nobody writes", "watches PaymentWasRefused, which the code of capture-payment does not write", "alarms.tf", 'metric = "PaymentRefused"', 'metric = "PaymentWasRefused"'),
    plan("a metric that nobody shows", "neither the dashboard nor an alarm shows OrdersJoined by intake", "dashboard.tf", '["OrdersAccepted", "OrdersJoined"]', '["OrdersAccepted"]'),
    plan("a widget on a metric that nobody writes", "Cold starts watches ColdStart, which the code of authorize does not write", "dashboard.tf", 'metrics = [for key, metric in local.own : metric if endswith(key, "/ColdStarts")]', 'metrics = [["OrderSaga", "ColdStart", "FunctionName", local.function_names["authorize"]]]'),
    plan("reasons that nobody counts by", "watches OrdersCancelled by ['Cause', 'FunctionName']", "dashboard.tf", "{OrderSaga,FunctionName,${dimension}}", "{OrderSaga,FunctionName,Cause}"),
    plan("an alarm on another stack's metric", 'the alarm payments-lapsing is on', "alarms.tf", 'metric = "PaymentsLapsing", dimensions = local.recovery_dimensions', 'metric = "PaymentsLapsing", dimensions = { FunctionName = "recover-orders" }'),
    test("alarms on payments that there cannot be", "alarms on payments must cost nothing", "alarms.tf", '&& contains(keys(local.secrets), "payment_gateway")', ""),
    # The API.
    Mutation("a route dropped", "test", "those of openapi.yaml", drop(INTAKE, "routes", "POST /orders/{orderId}/cancel")),
    test("routes without a key", "needs an API key", "api.tf", "api_key_required     = true", "api_key_required     = false"),
    test("customers' ids in the access log", "or the ids in paths", "api.tf", '"$context.resourcePath"', '"$context.path"'),
    test("a log group that nobody owns", "that this stack does not own", "api.tf", 'logging_level = "OFF"', 'logging_level = "ERROR"'),
    test("bodies in the gateway's log", "must not log bodies", "api.tf", "data_trace_enabled     = false", "data_trace_enabled     = true"),
    test("bodies checked by the gateway", "The functions check bodies", "api.tf", "validate_request_body       = false", "validate_request_body       = true"),
    test("the gateway's own error bodies", "problem documents", "api.tf", "'application/problem+json'", "'application/json'"),
    plan("a deployment that every apply repeats", "a second apply would deploy it again", "api.tf", "      local.gateway_problems,\n      [for", "      local.gateway_problems,\n      aws_api_gateway_method.this,\n      [for"),
    # Names that regions share, and costs.
    plan("a function's role that regions share", 'aws_iam_role.function["intake"] is called order-saga-production-intake', "iam.tf", '"${local.function_names[each.key]}-${local.region_name}"', "local.function_names[each.key]"),
    plan("a scheduler's role that regions share", "aws_iam_role.scheduler is called order-saga-production-scheduler", "iam.tf", '"${local.name}-scheduler-${local.region_name}"', '"${local.name}-scheduler"'),
    plan("a role with a name that is too long", "AWS allows 64", "iam.tf", '"${local.name}-state-machine-${local.region_name}"', '"${local.name}-role-of-the-state-machine-${local.region_name}"'),
    plan("a dashboard that regions share", "aws_cloudwatch_dashboard.this[0] is called", "dashboard.tf", "dashboard_name = local.global_name", "dashboard_name = local.name"),
    plan("a budget that regions share", "aws_budgets_budget.this[0] is called", "budget.tf", "name         = local.global_name", "name         = local.name"),
    plan("a budget that matches no cost", "aws_budgets_budget.this[0] filters costs by", "budget.tf", 'format("user:Project$%s", local.tags.Project)', '"user:Project$${var.name}"'),
    # Who may call.
    identity("a route that asks nobody", "has to ask the authorizer", "api.tf", 'authorization        = "CUSTOM"', 'authorization        = "NONE"'),
    identity("keys that are read from a header", "under which key a request counts", "api.tf", 'api_key_source = "AUTHORIZER"', 'api_key_source = "HEADER"'),
    identity("an authorizer that refuses keys", "A key has to be enough", "identity.tf", '"context.identity.sourceIp"', '"method.request.header.Authorization"'),
    identity("an answer for one caller that is kept for others", "cached by the token", "identity.tf", ': "method.request.header.Authorization"', ': "context.identity.sourceIp"'),
    identity("keys in the settings", "by the key's digest", "identity.tf", "nonsensitive(sha256(aws_api_gateway_api_key.client[name].value))", "nonsensitive(aws_api_gateway_api_key.client[name].value)"),
    identity("a key for operations", "must get no key", "identity.tf", 'var.enable_operations_keys || !contains(client.scopes, "operations")', "true"),
    identity("a usage key that the plan does not know", "each tenant's usage key", "identity.tf", "value       = local.usage_keys[each.key]", "value       = sha256(each.key)"),
    identity("id tokens that are accepted", "Only access tokens", "identity.tf", '"access" : var.token_use', '"id" : var.token_use'),
    identity("a scope that says who the customer is", "may leave a scope out", "identity.tf", 'customer_id = { name = "cognito:groups"', 'customer_id = { name = "scope"'),
    identity("users who sign up by themselves", "Only the shop may make users", "identity.tf", "allow_admin_create_user_only = true", "allow_admin_create_user_only = false"),
    console("pages that anyone may read", "Only this distribution may read", "console.tf", '"AWS:SourceArn" = aws_cloudfront_distribution.console[0].arn', '"AWS:SourceArn" = "*"'),
    console("a bucket that can be made public", "Nobody may make the bucket public", "console.tf", "restrict_public_buckets = true", "restrict_public_buckets = false"),
    console("a bucket that is read without TLS", "refuse requests without TLS", "console.tf", '{ "aws:SecureTransport" = "false" }', '{ "aws:SecureTransport" = "true" }'),
    console("answers of the API that are cached", "must not be cached", "console.tf", "local.cloudfront_policies.caching_disabled", "local.cloudfront_policies.caching_optimized"),
    console("an API that is called without TLS", "call the API's stage with TLS", "console.tf", 'origin_protocol_policy = "https-only"', 'origin_protocol_policy = "http-only"'),
    console("pages that may send data anywhere", "load and send nothing but its own", "console.tf", "connect-src 'self' ${local.sign_in_url}", "connect-src *"),
    console("pages without a policy", "have to have the policy", "console.tf", "response_headers_policy_id = aws_cloudfront_response_headers_policy.console[0].id", 'response_headers_policy_id = "none"'),
    console("tokens in an address", "get a code, and cannot keep a secret", "console.tf", 'allowed_oauth_flows                  = ["code"]', 'allowed_oauth_flows                  = ["implicit"]'),
    console("codes that go elsewhere", "A code may go to the console alone", "console.tf", 'callback_urls                        = ["${local.console_url}/console"]', 'callback_urls                        = ["https://example.com"]'),
    console("a console whose tokens are refused", "take the console's tokens", "identity.tf", ", aws_cognito_user_pool_client.console[*].id)", ")"),
    identity("keys in an output", "no output may show a key", "outputs.tf", "var.enable_api_key_output ?", "true ?"),
    refusals("keys for production's operations", "production_s_operations_need_a_token", "variables.tf", '!(var.enable_operations_keys && var.environment == "production")', '!(var.enable_operations_keys && var.environment == "staging")'),
    refusals("an issuer without an audience", "an_issuer_s_tokens_for_others_are_not_accepted", "variables.tf", "var.token_issuer == null || length(var.token_audiences) > 0", "var.token_issuer == null || length(var.token_audiences) >= 0"),
    # The firewall.
    plan("an address that is blocked before its client's rate", "rule address-rate blocks at 2000 requests", "waf.tf", "coalesce(var.waf_requests_per_five_minutes, 2 * local.waf_requests_per_key)", "2000"),
    plan("a key that is blocked at its client's rate", "rule key-rate blocks at", "waf.tf", "waf_requests_per_key = 2 * local", "waf_requests_per_key = local"),
    plan("a firewall that does not know keys", "has to limit each key", "waf.tf", 'name = "x-api-key"\n            text_transformation', 'name = "user-agent"\n            text_transformation'),
    refusals("an address limit below a client's rate", "the_firewall_lets_through_what_a_client_may_send", "variables.tf", "coalesce(var.waf_requests_per_five_minutes, 1) >= local.waf_requests_per_key", "coalesce(var.waf_requests_per_five_minutes, 1) >= 10"),
    plan("refused requests that nobody counts", "looks for code, which the access log does not have", "log_metrics.tf", '"{ $.status =', '"{ $.code ='),
    plan("refused requests that ring no alarm", "no alarm watches Status429", "alarms.tf", 'metric = "Status${status}"', 'metric = "Status403"'),
    # Recovery and alarms.
    refusals("alarms of production that reach nobody", "production_s_alarms_reach_somebody", "variables.tf", 'var.environment != "production" || length(var.alarm_emails) > 0', 'var.environment != "production" || length(var.alarm_emails) >= 0'),
    test("no schedule", "every minute", "scheduler.tf", '"ENABLED"', '"DISABLED"'),
    Mutation("a schedule that is rare", "test", "every minute", put(RECOVER, "schedule", "every_minutes", 5)),
    Mutation("failed runs that nobody sees", "test", "has to be seen", put(RECOVER, "schedule", "failures", "parked")),
    test("a widget beyond the dashboard's grid", "beyond its grid", "dashboard.tf", "x = column * floor(24 / length(content.widgets))", "x = column * 8"),
    plan("an alarm that the runbook does not have", "the runbook has no section for the alarm orders-given-up", "alarms.tf", "try(each.value.runbook, each.key)", 'try(each.value.runbook, replace(each.key, "given-up", "gone"))'),
    test("failed orders that ring nothing", "An alarm is missing", "alarms.tf", "      orders-failed = {", "      orders-which-failed = {"),
    plan("a share of orders that nobody counts", "watches OrdersBroken, which the code of persist-order does not write", "alarms.tf", 'failed = "OrdersFailed"', 'failed = "OrdersBroken"'),
    test("starts that fail and ring nothing", "An alarm is missing", "alarms.tf", '"${function}-starts-failed"', '"${function}-starts"'),
    test("throttled indexes that nobody sees", "a table's metrics leave out its indexes", "alarms.tf", "concat([null], keys(options.indexes))", "[null]"),
    test("a second parked order that rings nothing", "also the second one", "alarms.tf", "metric = \"NumberOfMessagesSent\"", "metric = \"ApproximateNumberOfMessagesVisible\""),
    Mutation(
        "dead letters counted as sent",
        "test",
        "also the second one",
        together(
            replaced("terraform/alarms.tf", "length(options.dead_letters_of) == 0 ? null : {", "length(options.dead_letters_of) >= 0 ? null : {"),
            replaced("terraform/alarms.tf", "length(options.dead_letters_of) > 0 ? null : {", "length(options.dead_letters_of) < 0 ? null : {"),
        ),
    ),
    test("dead letters that only stand there", "by the growth of their queue", "alarms.tf", "DIFF(visible + hidden)", "visible + hidden"),
    test("refused starts that ring nothing", "Refused starts have to ring", "alarms.tf", 'metric = "ThrottledEvents", dimensions = { APIName = operation }', 'metric = "ExecutionThrottled", dimensions = local.state_machine_dimensions'),
    test("steps that crash and ring nothing", "An alarm is missing", "alarms.tf", '"${function}-crashes" =>', '"${function}-crashed" =>'),
    plan("crashes counted in another function's log", "the crashes of capture-payment are counted in /aws/lambda/order-saga-production-intake", "log_metrics.tf", "log_group_name = aws_cloudwatch_log_group.function[each.key].name", 'log_group_name = aws_cloudwatch_log_group.function["intake"].name'),
    plan("crashes that nobody counts", "watches persist-order-crashes in OrderSaga/order-saga-production, which nothing publishes", "log_metrics.tf", 'name      = "${each.key}-crashes"', 'name      = "${each.key}-stops"'),
    # What the alarms ring for.
    plan("an alarm without a case", "nothing says what the alarm orders-lost must ring for", "alarms.tf", "      orders-given-up = {", "      orders-lost = {"),
    plan("queued orders by their age", "overflow-waits does not ring for this: a message that no receiver can process", "alarms.tf", 'visible = "ApproximateNumberOfMessagesVisible", hidden = "ApproximateNumberOfMessagesNotVisible" } :\n          id => { namespace = "AWS/SQS", metric = metric, dimensions = { QueueName = lookup', 'visible = "ApproximateAgeOfOldestMessage", hidden = "ApproximateAgeOfOldestMessage" } :\n          id => { namespace = "AWS/SQS", metric = metric, dimensions = { QueueName = lookup'),
    plan("every outage's queue", "overflow-waits rings for this: an outage's orders", "alarms.tf", "seconds    = 60, periods = 15, datapoints = 15", "seconds    = 60, periods = 15, datapoints = 3"),
    plan("a parked order that is forgotten", "orders-parked does not ring for this: a parked order, and then a run that could not count", "alarms.tf", "seconds = 300, periods = 1, datapoints = 1, missing = \"ignore\"", "seconds = 300, periods = 1, datapoints = 1, missing = \"notBreaching\""),
    plan("refusals that ring", "orders-failed rings for this: as many cancelled orders", "alarms.tf", '100 * failed / (confirmed', '100 * cancelled / (confirmed'),
    plan("a crash that counts as a refusal", "persist-order-crashes does not ring", "alarms.tf", 'metric = "${function}-crashes", dimensions = {}', 'metric = "${function}-crash", dimensions = {}'),
    plan("dead letters that somebody looks at", "overflow-dead-arrivals rings for this: a dead letter that somebody looks at", "alarms.tf", "DIFF(visible + hidden)", "DIFF(hidden)"),
    plan("a backlog of a minute", "recovery-backlog rings for this", "alarms.tf", "periods = 10, datapoints = 10", "periods = 10, datapoints = 9"),
    plan("a quiet hour's wrong keys", "api-403 rings for this: somebody who tries keys", "alarms.tf", "IF(requests > 100, ", "IF(requests > 10, "),
    # Who may run how many instances.
    concurrency("an intake without a cap", "Intake has to be capped", "concurrency.tf", "contains(local.waiting_functions, name) ? local.waiting_concurrency :", "contains(local.waiting_functions, name) ? -1 :"),
    concurrency("steps that intake can starve", "Intake has to be capped", "concurrency.tf", "contains(local.quick_functions, name) ? local.quick_concurrency :", ""),
    concurrency("an authorizer that queries can starve", "Intake has to be capped", "concurrency.tf", "quick_functions   = concat(local.state_functions, local.authorizers)", "quick_functions   = local.state_functions"),
    concurrency("a recovery that intake can starve", "Intake has to be capped", "concurrency.tf", "contains(local.worker_functions, name) ? local.worker_concurrency :", ""),
    concurrency("more reserved than AWS lends", "AWS keeps 100 instances unreserved", "concurrency.tf", "unreserved_concurrency = 100", "unreserved_concurrency = 10"),
    concurrency("orders that no instance is left for", "have to be refused before them", "concurrency.tf", "order_burst = min(var.requests_per_second, local.reserves_concurrency ? local.waiting_concurrency", "order_burst = min(var.requests_per_second, local.reserves_concurrency ? 5000"),
    concurrency("a share of a few instances", "A share of a few instances is of no use", "concurrency.tf", "+ 20 * (length", "+ 1 * (length"),
    test("a new account that nothing limits", "leave half of the account's 10 instances to the steps", "concurrency.tf", "var.account_concurrency / 2 / local.order_seconds", "var.account_concurrency / local.order_seconds"),
    refusals("a quota that is not there", "no_more_is_reserved_than_aws_lends", "lambda.tf", "<= var.account_concurrency - local.unreserved_concurrency", "<= var.account_concurrency"),
    test("queued orders that fail silently", "An alarm is missing", "alarms.tf", "      overflow-failures = {", "      overflow-other = {"),
    plan("alarms that the README does not count", "README.md counts", "alarms.tf", "concat([null], keys(options.indexes))", "[null]"),
    test("alarms that tell nobody", "has to tell somebody", "alarms.tf", "  alarm_actions = [aws_sns_topic.alarms.arn]\n", "  alarm_actions = []\n"),
    test("silence that is no alarm", "must not fall silent", "alarms.tf", 'missing = "breaching"', 'missing = "notBreaching"'),
]

# Declarations that contradict each other: Terraform makes no plan from them.
CONTRADICTIONS = [
    Mutation("a function without a declaration", "plan", "functions/query-orders has no function.json", lambda tree: (tree / QUERY).unlink()),
    Mutation("a declaration without a function", "plan", "functions/query-orders has a function.json but no Cargo.toml", lambda tree: (tree / QUERY).with_name("Cargo.toml").unlink()),
    Mutation("a declaration that is no JSON", "plan", f"{QUERY} is not valid JSON", replaced(QUERY, '"kind"', "kind"), stops=True),
    Mutation("an unknown kind", "plan", f'{INTAKE}: the kind "cron" is not one of', put(INTAKE, "kind", "cron")),
    Mutation("a table that nobody declares", "plan", f"{INTAKE}: uses.tables names the table stores", put(INTAKE, "uses", "tables", "stores", {"operations": ["GetItem"]})),
    Mutation("a fence in a table that nobody declares", "plan", f"{POST}: step.fence.table names the table postings", put(POST, "step", "fence", "table", "postings")),
    Mutation("an index that its table does not have", "plan", f"{QUERY}: uses.tables.orders.indexes names the index orders_by_day", put(QUERY, "uses", "tables", "orders", "indexes", "orders_by_day", ["Query"])),
    Mutation("an index dropped and still used", "plan", f"index work_by_due, which {ORDERS} does not declare", drop(ORDERS, "indexes", "work_by_due")),
    Mutation("a queue that nobody declares", "plan", f"{INTAKE}: uses.queues names the queue late", put(INTAKE, "uses", "queues", "late", ["SendMessage"])),
    Mutation("a secret that is not defined", "plan", f"{INTAKE}: uses.secrets names the secret card_reader, which locals.tf does not define", put(INTAKE, "uses", "secrets", ["card_reader"])),
    Mutation("a setting that is not defined", "plan", f"{INTAKE}: uses.settings names the setting opening_hours, which locals.tf does not define", put(INTAKE, "uses", "settings", ["opening_hours"])),
    Mutation("a received queue that nobody declares", "plan", f"{RECOVER}: receives names the queue late", put(RECOVER, "receives", "late", {"batch": 1})),
    Mutation("a dead-letter queue that nobody declares", "plan", f"{RECOVER}: queues.overflow.redrive.to names the queue dead", put(RECOVER, "queues", "overflow", "redrive", "to", "dead")),
    Mutation("failed runs into a queue that nobody declares", "plan", f"{RECOVER}: schedule.failures names the queue dead", put(RECOVER, "schedule", "failures", "dead")),
    Mutation("a route to a function that is no api", "plan", f"{PERSIST}: the kind record takes no routes", put(PERSIST, "routes", {"GET /records": {"scopes": ["operations"]}})),
    Mutation("a schedule of a function that is no worker", "plan", f"{INTAKE}: the kind api takes no schedule", put(INTAKE, "schedule", {"every_minutes": 1, "input": {}})),
    Mutation("messages for a function that is no worker", "plan", f"{RESERVE}: the kind step takes no receives", put(RESERVE, "receives", {"parked": {"batch": 1}})),
    Mutation("a route without a method", "plan", f'{INTAKE}: the route "/orders" is not a method and a path', put(INTAKE, "routes", "/orders", {"scopes": ["submit"]})),
    Mutation("a route of two functions", "plan", f"{INTAKE} and {QUERY}: each declares the route GET /orders", put(INTAKE, "routes", "GET /orders", {"scopes": ["submit"]})),
    Mutation("a queue of two functions", "plan", "each declares the queue parked", put(INTAKE, "queues", {"parked": {"description": "", "visibility_seconds": 30, "retention_days": 14}})),
    Mutation("a table of two owners", "plan", "each declares the table orders", lambda tree: shutil.copy(tree / ORDERS, tree / "functions/intake/table.json")),
    Mutation("a key of no attribute", "plan", f"{ORDERS}: a key names the attribute due_ms", drop(ORDERS, "attributes", "due_ms")),
    Mutation("an attribute of no key", "plan", f"{ORDERS}: attributes has status", put(ORDERS, "attributes", "status", "S")),
    Mutation("a state that calls no function", "plan", "names ${PostAccountingFunctionArn}, but no function", put(POST, "kind", "record-of-postings")),
    Mutation("a definition of a function that is not there", "plan", "names ${BookDeliveryFunctionArn}, but no function", replaced(ASL, "${PostAccountingFunctionArn}", "${BookDeliveryFunctionArn}")),
]


def states(definition):
    """Every state of a definition by name, including those of branches."""
    for name, state in definition["States"].items():
        yield name, state
        for branch in state.get("Branches", []):
            yield from states(branch)


def reachable(branch):
    """The states that some way through a branch reaches."""
    reached, following = set(), [branch["StartAt"]]
    while following:
        name = following.pop()
        if name in reached:
            continue
        reached.add(name)
        state = branch["States"][name]
        choices = [*state.get("Choices", []), *state.get("Catch", []), state]
        following += [choice[key] for choice in choices for key in ("Next", "Default") if key in choice]
    return reached


def without_catch(name):
    """Removes the state's Catch, and the states in its branch that only the Catch leads to: an unreachable state is
    an error itself, and would hide whether the missing Catch is noticed."""

    def edit(definition):
        del dict(states(definition))[name]["Catch"]
        for state in definition["States"].values():
            for branch in state.get("Branches", []):
                if name in branch["States"]:
                    reached = reachable(branch)
                    branch["States"] = {at: branch["States"][at] for at in branch["States"] if at in reached}

    return edit


def definition_mutations():
    """Removes the Catch of each state that has one, for the lint, and of the first one also for Terraform's test."""
    caught = [name for name, state in states(json.loads((ROOT / ASL).read_text())) if "Catch" in state]
    for name in caught:
        yield Mutation(f"no Catch on {name}", "lint", name, edited(ASL, without_catch(name)))
    yield Mutation(f"no Catch on {caught[0]}, in Terraform", "test", "catch States.ALL", edited(ASL, without_catch(caught[0])))


# The checks that are tests of Terraform, and their files.
TESTS = {"concurrency": "concurrency", "console": "console", "identity": "identity", "payments": "payments", "refusals": "refusals", "test": "safety"}


class Checks:
    def __init__(self, arguments):
        self.arguments = arguments

    def run(self, check, tree):
        """The check's exit code and its whole output."""
        terraform = ["terraform", f"-chdir={tree}/terraform"]
        if check in TESTS:
            return self.command([*terraform, "test", "-no-color", f"-filter=tests/{TESTS[check]}.tftest.hcl"])
        if check == "lint":
            return self.command([self.arguments.order_saga, "lint", f"{tree}/{ASL}"])
        # Only for plans: it fixes what the tests of who may call look at.
        shutil.copy(ROOT / "tests/terraform/plan_override.tf", f"{tree}/terraform")
        planned = f"{tree}/plan"
        code, output = self.command([*terraform, "plan", "-no-color", "-lock=false", "-var-file=environments/production.tfvars", f"-out={planned}"])
        if code:
            return code, output
        code, output = self.command([*terraform, "show", "-json", planned])
        if code:
            return code, output
        pathlib.Path(f"{planned}.json").write_text(output)
        compare = [sys.executable, ROOT / "tests/terraform/check_plan.py", f"{planned}.json"]
        return self.command([*compare, "--zips", self.arguments.zips, "--local", self.arguments.local])

    @staticmethod
    def command(command):
        done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout


def groups(mutations, largest):
    """The mutations grouped by check, with different messages, at most `largest` in a group."""
    made = []
    for mutation in mutations:
        for group in made:
            fits = group[0].check == mutation.check and len(group) < largest and not (mutation.stops or group[0].stops)
            if fits and all(mutation.says not in other.says and other.says not in mutation.says for other in group):
                group.append(mutation)
                break
        else:
            made.append([mutation])
    return made


def is_made(mutation, tree, alone):
    """Changes the copy, and returns whether that was possible: another mutation may have changed the same place."""
    try:
        mutation.mutate(tree)
    except (KeyError, OSError, SystemExit, ValueError):
        if alone:
            raise
        return False
    return True


def attempt(mutations, checks):
    """For each mutation what is wrong with the check, or None if it failed because of it; all are made together."""
    with tempfile.TemporaryDirectory() as directory:
        tree = pathlib.Path(directory)
        shutil.copytree(checks.arguments.copy, tree, symlinks=True, dirs_exist_ok=True)
        made = [mutation for mutation in mutations if is_made(mutation, tree, alone=len(mutations) == 1)]
        code, output = checks.run(mutations[0].check, tree)
    # Terraform wraps its messages.
    plain = " ".join(output.replace("│", " ").split())
    for mutation in mutations:
        if mutation not in made:
            yield "another mutation of its group changed what it changes"
        elif code == 0:
            yield "the check passed"
        elif mutation.says not in plain:
            yield f"the check failed, but its output does not contain {mutation.says!r}:\n{output[-3000:]}"
        else:
            yield None


def try_group(group, checks):
    """The mutations of a group, each with what is wrong with its check, and the number of runs."""
    found, runs = ["not tried"] * len(group), 0
    if len(group) > 1:
        found, runs = list(attempt(group, checks)), 1
    for index, mutation in enumerate(group):
        if found[index]:
            found[index] = next(attempt([mutation], checks))
            runs += 1
    return zip(group, found), runs


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("copy", type=pathlib.Path)
    parser.add_argument("--zips", required=True, type=pathlib.Path)
    parser.add_argument("--local", required=True, type=pathlib.Path)
    parser.add_argument("--order-saga", required=True, type=pathlib.Path)
    parser.add_argument("--only", default="", help="run only mutations whose name contains this")
    parser.add_argument("--one-by-one", action="store_true", help="make each mutation alone")
    arguments = parser.parse_args()
    checks = Checks(arguments)
    mutations = [mutation for mutation in [*SAFETY, *CONTRADICTIONS, *definition_mutations()] if arguments.only in mutation.name]

    # A check that fails anyway would seem to notice every mutation.
    (arguments.copy / "terraform/plan_override.tf").unlink(missing_ok=True)
    for check in sorted({mutation.check for mutation in mutations}):
        with tempfile.TemporaryDirectory() as directory:
            tree = pathlib.Path(directory)
            shutil.copytree(arguments.copy, tree, symlinks=True, dirs_exist_ok=True)
            code, output = checks.run(check, tree)
        if code:
            raise SystemExit(f"the check {check} fails without any mutation:\n{output[-5000:]}")

    failed = runs = 0
    grouped = groups(mutations, 1 if arguments.one_by_one else 12)
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        started = time.monotonic()
        for tried, took in pool.map(lambda group: try_group(group, checks), grouped):
            runs += took
            for mutation, wrong in tried:
                print(f"{'MISSED' if wrong else 'caught'}  {mutation.name} (by {mutation.check})", flush=True)
                if wrong:
                    failed += 1
                    print(wrong, flush=True)
    print(f"{len(mutations) - failed} of {len(mutations)} mutations caught in {runs} runs, {time.monotonic() - started:.0f} s")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
