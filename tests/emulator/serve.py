#!/usr/bin/env python3
"""Runs the emulator, with two differences from AWS removed.

Express executions may be started under the same name any number of times; each is a separate execution.
https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
The saga relies on that. The emulator treats names as unique, as they are for Standard executions.

A function behind API Gateway is given the id of the API key that a request came with.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
The functions rely on that. The emulator checks the key but does not pass it on.
"""

import contextvars
import uuid

from ministack.app import main
from ministack.services import apigateway_v1, stepfunctions

start_execution = stepfunctions._start_execution


def start_express_execution(data):
    machine = stepfunctions._state_machines.get(stepfunctions._resolve_state_machine_arn(data.get("stateMachineArn", "")))
    if machine is not None and machine.get("type") == "EXPRESS":
        data = {**data, "name": f"{data.get('name', '')}-{uuid.uuid4().hex[:8]}"}
    return start_execution(data)


stepfunctions._start_execution = start_express_execution

api_key = contextvars.ContextVar("api_key", default=None)
check_api_key = apigateway_v1._check_api_key
build_lambda_event = apigateway_v1._build_lambda_event_v1


def check_and_note_api_key(*arguments):
    error, key = check_api_key(*arguments)
    api_key.set(key)
    return error, key


def build_lambda_event_with_api_key(*arguments, **options):
    event = build_lambda_event(*arguments, **options)
    if (key := api_key.get()) is not None:
        event["requestContext"]["identity"].update({"apiKey": key["value"], "apiKeyId": key["id"]})
    return event


apigateway_v1._check_api_key = check_and_note_api_key
apigateway_v1._build_lambda_event_v1 = build_lambda_event_with_api_key

if __name__ == "__main__":
    main()
