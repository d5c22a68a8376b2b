#!/usr/bin/env python3
"""Runs the emulator, with two differences to AWS taken out.

An Express execution may be started by the same name any number of times; each is an execution of its own.
https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
The saga relies on that, and the emulator knows it of Standard ones only, where names are unique.

A function behind API Gateway is told whose API key a request came with.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
The functions rely on that, and the emulator checks the key and keeps it to itself.
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
