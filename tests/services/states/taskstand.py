"""A server without HTTP whose executions run: state machines are begun as the store has them."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sagebrush.app import build
from sagebrush.services.states.program import KIND
from sagebrush.store.execution_values import New, Run
from tests.conftest import make_settings
from tests.crowding import crowding

ACCOUNT, REGION = "123456789012", "us-east-1"
MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:machine"


class TaskStand:
    """A World whose executions run, and its role `work`."""

    def __init__(self, home: Path, clock: Callable[[], float] = time.time, **settings: Any) -> None:
        self.app = build(make_settings(home, isolation="process", **settings), clock)
        self.world = self.app.world
        self.ctx = self.world.service_ctx(None)
        self.region, self.account = self.ctx.region, self.ctx.account
        self.machine = f"arn:aws:states:{self.region}:{self.account}:stateMachine:machine"
        self.role = self.make_role("work", {"Effect": "Allow", "Action": "*", "Resource": "*"})
        self.app.executing.start()

    def close(self) -> None:
        self.app.stop()

    def call(self, service: str, operation: str, **params: Any) -> Any:
        return self.ctx.call(service, operation, params)

    def make_role(self, name: str, *statements: Mapping[str, Any]) -> str:
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": "sts:AssumeRole",
                    "Principal": {"Service": ["states.amazonaws.com", "sagemaker.amazonaws.com"]},
                }
            ],
        }
        arn = f"arn:aws:iam::{self.account}:role/{name}"
        if self.world.rows.get(self.account, "", "role", name) is not None:
            return arn
        self.call("iam", "CreateRole", RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        if statements:
            policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
            given = {"RoleName": name, "PolicyName": "own", "PolicyDocument": policy}
            self.call("iam", "PutRolePolicy", **given)
        return arn

    def begin(self, states: Mapping[str, Any], given: Any = None, **plan: Any) -> Run:
        """An execution that has begun; the first state is where it starts."""
        definition = {"StartAt": next(iter(states)), "States": states}
        name = uuid.uuid4().hex
        arn = f"{self.machine.replace(':stateMachine:', ':execution:')}:{name}"
        own = {"machine": self.machine, "role": self.role, "type": "STANDARD", **plan}
        text = json.dumps({} if given is None else given)
        new = New(KIND, arn, self.machine, name, json.dumps(definition), text, own)
        return self.world.executing.begin(new).result(30)[0]

    def ended(self, run: Run) -> Run:
        return self.world.executing.ended(run.arn).result(30 * crowding())

    def run(self, states: Mapping[str, Any], given: Any = None, **plan: Any) -> Run:
        return self.ended(self.begin(states, given, **plan))

    def task(self, action: str, parameters: Any, **plan: Any) -> Run:
        """The end of an execution of one Task."""
        return self.run({"Do": task(action, parameters)}, **plan)

    def history(self, run: Run) -> list[Any]:
        return list(self.world.executions.history(run.id, 1, 1_000_000, False))


def task(action: str, parameters: Any, **more: Any) -> dict[str, Any]:
    """A Task state of a service that is the last one."""
    resource = action if action.startswith("arn:") else f"arn:aws:states:::{action}"
    return {"Type": "Task", "Resource": resource, "Parameters": parameters, "End": True, **more}
