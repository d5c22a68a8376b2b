"""Who may use the customer managed keys, by evaluating the planned policies: the stack's own key, and the key of the
payment provider's secret.

A request names its principal, its action, the service that makes it on the principal's behalf (kms:ViaService) and
its encryption context. It is decided as AWS decides it within one account: by the key's policy, and for a role also
by the role's own policies if the key's policy leaves the decision to the account.
https://docs.aws.amazon.com/kms/latest/developerguide/policy-evaluation.html

The requests that must be allowed follow from the resources that use the key, by what the documentation of each
service says that it does. The others must be refused.
"""

import collections
import fnmatch
import json
import re

Request = collections.namedtuple("Request", "principal action context")

OTHER_ACCOUNT = "210987654321"


def as_list(value):
    return value if isinstance(value, list) else [value]


def glob(pattern, text):
    """An asterisk stands for any text, and a question mark for one character. A bracket is only a bracket."""
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


def glob_arn(pattern, text):
    """As glob, but an asterisk does not cross the first five colons of an ARN."""
    patterns, texts = pattern.split(":", 5), text.split(":", 5)
    return len(patterns) == len(texts) and all(map(glob, patterns, texts))


OPERATORS = {
    "ArnEquals": glob_arn,
    "ArnLike": glob_arn,
    "StringEquals": lambda pattern, text: pattern == text,
    "StringLike": glob,
}


def met(condition, context):
    """Whether a request fulfils a condition. A key that the request does not have fulfils none."""
    return all(
        key in context and any(OPERATORS[operator](pattern, context[key]) for pattern in as_list(patterns))
        for operator, keys in condition.items()
        for key, patterns in keys.items()
    )


def applies(statement, request, key):
    return (
        any(glob(action.lower(), request.action.lower()) for action in as_list(statement["Action"]))
        and any(glob(resource, key) for resource in as_list(statement["Resource"]))
        and met(statement.get("Condition", {}), request.context)
    )


class Policies:
    def __init__(self, plan, key, of_key):
        self.root = f"arn:{plan.partition}:iam::{plan.account}:root"
        self.key, self.of_key = key, of_key
        self.of_roles = collections.defaultdict(list)
        for address, values in plan.resources.items():
            if address.startswith("aws_iam_role_policy."):
                self.of_roles[role_of(address)] += json.loads(values["policy"])["Statement"]

    def allow(self, request):
        effects = []
        for statement in self.of_key:
            if not applies(statement, request, self.key):
                continue
            principal = statement["Principal"]
            if principal.get("Service") == request.principal:
                effects.append(statement["Effect"])
            elif principal.get("AWS") == self.root and request.principal in self.of_roles:
                of_role = self.of_roles[request.principal]
                effects += [each["Effect"] for each in of_role if applies(each, request, self.key)]
        return "Allow" in effects and "Deny" not in effects


def role_of(address):
    """A role's name here: aws_iam_role_policy.function_calls["intake"] is a policy of function intake."""
    resource, _, rest = address.removeprefix("aws_iam_role_policy.").partition("[")
    function = rest.strip('"]')
    return f"function {function}" if function else resource


class Requests:
    """Requests on a key with this policy: those that must be allowed, and those that must not."""

    def __init__(self, plan, key, of_key):
        self.plan, self.key = plan, key
        self.allowed, self.refused = [], []
        self.policies = Policies(plan, key, of_key)

    def allow(self, principal, actions, **context):
        self.allowed += [Request(principal, f"kms:{action}", self.context(context)) for action in actions.split()]

    def refuse(self, principal, actions, **context):
        self.refused += [Request(principal, f"kms:{action}", self.context(context)) for action in actions.split()]

    def context(self, given):
        """`via` is the calling service, `account` its customer, and `of` the encryption context, which is a pair."""
        context = {}
        if "via" in given:
            context["kms:ViaService"] = f"{given['via']}.{self.plan.region}.amazonaws.com"
        if "account" in given:
            context["aws:SourceAccount"] = given["account"]
        if "of" in given:
            name, value = given["of"]
            context[f"kms:EncryptionContext:{name}"] = value
        return context

    def wrong(self, what):
        """The requests that the policies decide wrongly."""
        for expected, made in ((True, self.allowed), (False, self.refused)):
            for request in made:
                if self.policies.allow(request) != expected:
                    context = ", ".join(f"{name} {value}" for name, value in request.context.items()) or "nothing else"
                    yield f"{what} policies {'refuse' if expected else 'allow'} {request.action} by {request.principal} with {context}"


class StackRequests(Requests):
    """What the services ask of the stack's key, as they document it."""

    def __init__(self, plan, key, of_key):
        super().__init__(plan, key, of_key)
        self.users()
        self.others()

    def users(self):
        """Every resource that is encrypted with the key, and who has to use the key for it."""
        for address, values in self.plan.resources.items():
            if self.key not in json.dumps(values) or address.startswith(("aws_iam_role_policy.", "aws_kms_")):
                continue
            kind = address.split(".")[0]
            use = getattr(self, f"use_{kind.removeprefix('aws_')}", None)
            if use is None:
                raise SystemExit(f"{address} uses the key, but this check does not know who needs the key for it")
            use(address, values)

    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    def use_cloudwatch_log_group(self, address, values):
        logs = f"logs.{self.plan.region}.amazonaws.com"
        actions = "Encrypt Decrypt ReEncryptFrom ReEncryptTo GenerateDataKey DescribeKey"
        self.allow(logs, actions, of=("aws:logs:arn", self.plan.arn("logs", f"log-group:{values['name']}")))

    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
    def use_dynamodb_table(self, address, values):
        of = ("aws:dynamodb:tableName", values["name"])
        for function in self.plan.instances("aws_lambda_function.this"):
            uses = values["name"] in self.plan.environment(function).values()
            (self.allow if uses else self.refuse)(f"function {function}", "Decrypt", via="dynamodb", of=of)
            self.refuse(f"function {function}", "Decrypt", of=of)
        self.refuse("scheduler", "Decrypt", via="dynamodb", of=of)
        self.refuse("state_machine", "Decrypt", via="dynamodb", of=of)

    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
    def use_sqs_queue(self, address, values):
        queue = self.plan.arn("sqs", values["name"])
        for role, statements in self.policies.of_roles.items():
            granted = {action for each in statements if queue in as_list(each["Resource"]) for action in as_list(each["Action"])}
            if "sqs:SendMessage" in granted:
                self.allow(role, "GenerateDataKey Decrypt", via="sqs", of=("aws:sqs:arn", queue))
            if "sqs:ReceiveMessage" in granted:
                self.allow(role, "Decrypt", via="sqs", of=("aws:sqs:arn", queue))

    # https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars-encryption.html
    def use_lambda_function(self, address, values):
        name = values["function_name"].removeprefix(self.plan.prefix)
        arn = self.plan.arn("lambda", f"function:{values['function_name']}")
        for of in (arn, f"{arn}:7"):
            self.allow(f"function {name}", "Decrypt", of=("aws:lambda:FunctionArn", of))
        self.refuse(f"function {name}", "Encrypt GenerateDataKey", of=("aws:lambda:FunctionArn", arn))
        self.refuse(f"function {name}", "Decrypt", of=("aws:lambda:FunctionArn", f"{arn}-of-another-stack"))

    # https://docs.aws.amazon.com/step-functions/latest/dg/encryption-at-rest.html
    def use_sfn_state_machine(self, address, values):
        of = ("aws:states:stateMachineArn", self.plan.arn("states", f"stateMachine:{values['name']}"))
        self.allow("state_machine", "Decrypt GenerateDataKey", of=of)
        for function in self.plan.instances("aws_lambda_function.this"):
            calls = json.dumps(self.policies.of_roles[f"function {function}"])
            decide = self.allow if "states:StartSyncExecution" in calls else self.refuse
            decide(f"function {function}", "Decrypt", via="states", of=of)
        # The literal asterisk is what the documentation shows.
        delivered = ("SourceArn", self.plan.arn("logs", "*"))
        self.allow("state_machine", "GenerateDataKey", of=delivered)
        self.allow("delivery.logs.amazonaws.com", "Decrypt", of=delivered)
        self.refuse("delivery.logs.amazonaws.com", "GenerateDataKey Encrypt", of=delivered)

    # https://docs.aws.amazon.com/scheduler/latest/UserGuide/encryption-rest.html
    def use_scheduler_schedule(self, address, values):
        of = ("aws:scheduler:schedule:arn", self.plan.arn("scheduler", f"schedule/default/{values['name']}"))
        self.allow("scheduler", "Decrypt", of=of)
        self.refuse("scheduler", "GenerateDataKey Encrypt", of=of)

    # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    def use_sns_topic(self, address, values):
        self.allow("cloudwatch.amazonaws.com", "Decrypt GenerateDataKey GenerateDataKeyWithoutPlaintext", account=self.plan.account)
        self.refuse("cloudwatch.amazonaws.com", "Encrypt", account=self.plan.account)

    def others(self):
        """Requests that no resource of this stack makes."""
        logs = f"logs.{self.plan.region}.amazonaws.com"
        self.refuse(logs, "Decrypt GenerateDataKey", of=("aws:logs:arn", self.plan.arn("logs", "log-group:/aws/lambda/another")))
        self.refuse(logs, "Decrypt GenerateDataKey")
        self.refuse("delivery.logs.amazonaws.com", "Decrypt")
        self.refuse("delivery.logs.amazonaws.com", "Decrypt", of=("SourceArn", self.plan.arn("logs", "*").replace(self.plan.account, OTHER_ACCOUNT)))
        self.refuse("cloudwatch.amazonaws.com", "Decrypt GenerateDataKey", account=OTHER_ACCOUNT)
        self.refuse("scheduler", "Decrypt", of=("aws:scheduler:schedule:arn", self.plan.arn("scheduler", "schedule/default/another")))
        self.refuse("state_machine", "Decrypt GenerateDataKey", of=("aws:states:stateMachineArn", self.plan.arn("states", "stateMachine:another")))
        for service in ("apigateway", "dynamodb", "lambda", "scheduler", "sns", "sqs", "states", "wafv2"):
            self.refuse(f"{service}.amazonaws.com", "Decrypt GenerateDataKey Encrypt", account=self.plan.account)
        for role in self.policies.of_roles:
            self.refuse(role, "Decrypt Encrypt GenerateDataKey CreateGrant PutKeyPolicy")
            self.refuse(role, "Decrypt", via="s3")
            # Only a sender or a receiver of messages comes through SQS.
            if not re.search(r"sqs:(Send|Receive)Message", json.dumps(self.policies.of_roles[role])):
                self.refuse(role, "Decrypt GenerateDataKey", via="sqs")


class SecretRequests(Requests):
    """What Secrets Manager asks of a secret's key, for whoever reads the secret.
    https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html"""

    def __init__(self, plan, key, of_key, secret):
        super().__init__(plan, key, of_key)
        # AWS appends six characters to a name.
        of = ("SecretARN", secret if re.search(r"-[A-Za-z0-9]{6}$", secret) else f"{secret}-a1b2c3")
        for role, statements in self.policies.of_roles.items():
            reads = any("secretsmanager:GetSecretValue" in as_list(each["Action"]) for each in statements)
            (self.allow if reads else self.refuse)(role, "Decrypt", via="secretsmanager", of=of)
            self.refuse(role, "Encrypt GenerateDataKey CreateGrant PutKeyPolicy", via="secretsmanager", of=of)
            self.refuse(role, "Decrypt", of=of)
            self.refuse(role, "Decrypt", via="dynamodb", of=of)
            self.refuse(role, "Decrypt", via="secretsmanager")
            for another in (f"{of[1]}-d4e5f6", of[1].replace(":secret:", ":secret:another-")):
                self.refuse(role, "Decrypt", via="secretsmanager", of=("SecretARN", another))


def check_key(plan):
    """The requests on the stack's key that the planned policies decide wrongly. A plan without a key of its own has
    none."""
    if "aws_kms_key.this[0]" not in plan.resources:
        return
    of_key = json.loads(plan.resources["aws_kms_key.this[0]"]["policy"])["Statement"]
    requests = StackRequests(plan, plan.arn("kms", "key/planned"), of_key)
    if not requests.allowed:
        yield "nothing in the plan uses its key"
    yield from requests.wrong("the key's")


def check_secret_key(plan):
    """The same for the key of the payment provider's secret. The stack does not own this key: its policy has to leave
    the decision to the account."""
    key, secret = plan.variables.get("payment_secret_key_arn"), plan.variables.get("payment_secret_arn")
    if key is None:
        return
    root = f"arn:{plan.partition}:iam::{plan.account}:root"
    of_key = [{"Effect": "Allow", "Principal": {"AWS": root}, "Action": "kms:*", "Resource": "*"}]
    requests = SecretRequests(plan, key, of_key, secret)
    if not requests.allowed:
        yield f"nobody reads the secret {secret}, whose key is configured"
    yield from requests.wrong("the secret's key's")
