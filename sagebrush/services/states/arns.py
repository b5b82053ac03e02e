"""Names and ARNs of Step Functions, and their refusals in the service's words.

Sources: Service Authorization Reference, "AWS Step Functions" (forms of ARNs); API reference,
"CreateStateMachine" (names); wordings as recorded (localstack test_sfn_api, test_sfn_api_activities).
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

from sagebrush.aws.names import Arn
from sagebrush.errors import AwsError
from sagebrush.world import Ctx

_FORBIDDEN = re.compile(r'[\s<>{}\[\]?*"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f\ufffe\uffff\ud800-\udfff]')
_ROLE = re.compile(r"arn:aws[\w-]*:iam::\d{12}:role/.+")


def invalid_arn(why: str) -> AwsError:
    return AwsError("InvalidArn", f"Invalid Arn: '{why}'")


def no_machine(arn: str) -> AwsError:
    return AwsError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")


def no_execution(arn: str) -> AwsError:
    return AwsError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")


def no_activity(arn: str) -> AwsError:
    return AwsError("ActivityDoesNotExist", f"Activity Does Not Exist: '{arn}'")


def not_found(arn: str) -> AwsError:
    return AwsError("ResourceNotFound", f"Resource not found: '{arn}'")


def being_deleted(arn: str) -> AwsError:
    return AwsError("StateMachineDeleting", f"State Machine is being deleted: '{arn}'")


@dataclass(frozen=True)
class Named:
    """What an ARN of Step Functions names: its type, its name, and what follows after further colons."""

    arn: str
    type: str
    name: str
    rest: str = ""
    region: str = ""
    account: str = ""

    @property
    def machine(self) -> str:
        """The ARN of the state machine whose version or alias this is."""
        return self.arn.removesuffix(f":{self.rest}") if self.rest else self.arn


def read(arn: str, *types: str) -> Named:
    """The parts of an ARN of one of the types; raises InvalidArn."""
    found = Arn.parse(arn)
    if found is None or not found.partition.startswith("aws"):
        raise invalid_arn(f"Invalid ARN prefix: {arn}")
    if found.service != "states":
        raise invalid_arn(f"Invalid ARN service: {arn}")
    kind, _, name = found.resource.partition(":")
    if kind not in types:
        raise invalid_arn(f"Resource type not valid in this context: {kind}")
    name, _, rest = name.partition(":")
    if not name:
        raise invalid_arn(f"Invalid ARN: {arn}")
    return Named(arn, kind, name, rest, found.region, found.account)


def machine(ctx: Ctx, arn: str) -> Named:
    """The state machine, version or alias of that ARN. Raises InvalidArn, StateMachineDoesNotExist."""
    found = read(arn, "stateMachine")
    if (found.account, found.region) != (ctx.account, ctx.region):
        raise no_machine(arn)
    return found


def execution(ctx: Ctx, arn: str) -> Named:
    """The execution of that ARN. Raises InvalidArn, ExecutionDoesNotExist."""
    found = read(arn, "execution")
    if (found.account, found.region) != (ctx.account, ctx.region):
        raise no_execution(arn)
    return found


def check_name(name: str) -> None:
    """Raises InvalidName."""
    if not name or len(name) > 80 or _FORBIDDEN.search(name):
        raise AwsError("InvalidName", f"Invalid Name: '{name}'")


def check_role(arn: str) -> None:
    """Raises InvalidArn."""
    if not _ROLE.fullmatch(arn):
        raise AwsError("InvalidArn", f"Invalid Role Arn: '{arn}'")


def made(ctx: Ctx, resource: str) -> str:
    """The ARN of a resource of the caller's account and region: `stateMachine:NAME`."""
    return str(Arn("states", ctx.region, ctx.account, resource))


def execution_arn(machine_arn: str, name: str, express: bool) -> str:
    """The ARN of an execution. Those of Express workflows are never used twice."""
    if not express:
        return f"{machine_arn.replace(':stateMachine:', ':execution:', 1)}:{name}"
    return f"{machine_arn.replace(':stateMachine:', ':express:', 1)}:{name}:{uuid.uuid4()}"
