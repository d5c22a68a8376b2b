#!/usr/bin/env python3
"""Runs the emulator, with one difference to AWS taken out.

An Express execution may be started by the same name any number of times; each is an execution of its own.
https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
The saga relies on that, and the emulator knows it of Standard ones only, where names are unique.
"""

import uuid

from ministack.app import main
from ministack.services import stepfunctions

start_execution = stepfunctions._start_execution


def start_express_execution(data):
    machine = stepfunctions._state_machines.get(stepfunctions._resolve_state_machine_arn(data.get("stateMachineArn", "")))
    if machine is not None and machine.get("type") == "EXPRESS":
        data = {**data, "name": f"{data.get('name', '')}-{uuid.uuid4().hex[:8]}"}
    return start_execution(data)


stepfunctions._start_execution = start_express_execution

if __name__ == "__main__":
    main()
