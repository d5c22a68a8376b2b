#!/usr/bin/env python3
"""Runs the emulator, with three differences from AWS removed.

Express executions may be started under the same name any number of times; each is a separate execution.
https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
The saga relies on that. The emulator treats names as unique, as they are for Standard executions.

With `api_key_source` AUTHORIZER, the authorizer says under which key a request counts, and no header is needed for that.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-key-source.html
The emulator still demands a key in a header, also of a request with a token. The plan's tests check the usage keys.

Lambda tells a function the log level of its `LoggingConfig`.
https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
The emulator does not.
"""

import uuid

from ministack.app import main
from ministack.services import apigateway_v1, lambda_svc, stepfunctions

start_execution = stepfunctions._start_execution


def start_express_execution(data):
    machine = stepfunctions._state_machines.get(stepfunctions._resolve_state_machine_arn(data.get("stateMachineArn", "")))
    if machine is not None and machine.get("type") == "EXPRESS":
        data = {**data, "name": f"{data.get('name', '')}-{uuid.uuid4().hex[:8]}"}
    return start_execution(data)


stepfunctions._start_execution = start_express_execution

check_api_key = apigateway_v1._check_api_key


def check_api_key_in_header(method, api_id, stage, headers):
    if apigateway_v1._rest_apis.get(api_id, {}).get("apiKeySource") == "AUTHORIZER":
        return None, None
    return check_api_key(method, api_id, stage, headers)


apigateway_v1._check_api_key = check_api_key_in_header

acquire_worker = lambda_svc.acquire_worker


def acquire_worker_with_log_level(function, config, *rest, **named):
    level = config.get("LoggingConfig", {}).get("ApplicationLogLevel", "INFO")
    variables = {**config.get("Environment", {}).get("Variables", {}), "AWS_LAMBDA_LOG_LEVEL": level}
    return acquire_worker(function, {**config, "Environment": {"Variables": variables}}, *rest, **named)


lambda_svc.acquire_worker = acquire_worker_with_log_level

if __name__ == "__main__":
    main()
