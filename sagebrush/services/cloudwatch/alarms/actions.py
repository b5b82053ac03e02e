"""What an alarm does when its state changes: scaling policies are due, topics and functions are told.

An action that cannot be carried out is one that failed, in the alarm's history, with the reason.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sagebrush.access import resource_policies
from sagebrush.aws.names import Arn
from sagebrush.errors import AwsError
from sagebrush.services.cloudwatch.alarms import functions, history, messages
from sagebrush.services.cloudwatch.alarms.evaluation import ALARM, INSUFFICIENT, OK
from sagebrush.services.cloudwatch.alarms.plan import Change, plan_of
from sagebrush.store.generations import Outdated
from sagebrush.store.rows import Row
from sagebrush.world import Ctx, World

log = logging.getLogger(__name__)

POLICY = "scaling-policy"
"""The kind of the rows that an action of Application Auto Scaling makes due; each has its ARN as
PolicyARN and reads the alarm by itself."""
MEMBERS = {OK: "OKActions", ALARM: "AlarmActions", INSUFFICIENT: "InsufficientDataActions"}
_SCALING = "scalingPolicy:"


def of_state(row: Row) -> Sequence[str]:
    """The ARNs of the actions for the state that the alarm is in; none where they are disabled."""
    return row.doc.get(MEMBERS[row.doc["StateValue"]], ()) if row.doc["ActionsEnabled"] else ()


def perform(world: World, row: Row, change: Change) -> None:
    """Every action for the alarm's new state was tried, once, and the history says how each ended.

    A step whose alarm was updated meanwhile is lost, and repeated: what it did is noted in the plan.
    A server that is killed between an action and its note does that one again.
    """
    noted = plan_of(row).get("done")
    done = list(noted["actions"]) if noted and noted["at"] == change["at"] else []
    for action in of_state(row):
        if action in done:
            continue
        error, sent = None, None
        try:
            sent = _perform(world, row, change, action)
        except Outdated:
            raise
        except AwsError as failure:
            error = failure.message
        except Exception as failure:
            log.exception("the action %s of the alarm %s failed", action, row.name)
            error = f"{type(failure).__name__}: {failure}"
        done.append(action)
        held = world.rows.mark(row, {"done": {"at": change["at"], "actions": done}})
        history.acted(world, row, change, action, error, sent)
        if not held:
            return  # whoever has the alarm now does the rest


def repeat(world: World, row: Row) -> None:
    """Scaling policies for the state in which the alarm still is are due again: auto scaling actions
    are invoked for every period that an alarm remains in its state (User Guide, "Alarm actions")."""
    for action in of_state(row):
        arn = Arn.parse(action)
        if arn and arn.service == "autoscaling":
            _touch(world, row, arn, action)


def _perform(world: World, row: Row, change: Change, action: str) -> str | None:
    """The action is done; returns the message that it sent. Raises AwsError."""
    arn = Arn.parse(action)
    service = arn.service if arn else ""
    if arn and service == "autoscaling" and arn.resource.startswith(_SCALING):
        if not _touch(world, row, arn, action):
            raise AwsError("ValidationError", f"No scaling policy found for {action}")
        return None
    if arn and service == "sns":
        text = messages.message(row, change)
        ctx = world.service_ctx(region=row.region, account=row.account)
        _check_admitted(ctx, row, arn)
        try:
            ctx.call(
                "sns",
                "Publish",
                {"TopicArn": action, "Subject": messages.subject(row), "Message": text},
            )
        except KeyError as error:  # no model of the service is loaded
            raise _lacking(service) from error
        return text
    if arn and service == "lambda":
        return functions.invoke(world, row, change, arn)
    raise _lacking(service)


def _check_admitted(ctx: Ctx, row: Row, topic: Arn) -> None:
    """Raises AuthorizationError where the topic's policy does not let CloudWatch publish for the alarm."""
    source = row.doc["AlarmArn"]
    service, action = resource_policies.ALARMS, "sns:Publish"
    if not resource_policies.admits(ctx, topic, action, service, source):
        words = (
            f"{service} is not authorized to perform: SNS:Publish on resource: {topic} because no"
            " resource-based policy allows the SNS:Publish action"
        )
        raise AwsError("AuthorizationErrorException", words, 403)


def _touch(world: World, row: Row, arn: Arn, action: str) -> int:
    """The scaling policy, of the alarm's own account, is due; how many there are (0 or 1)."""
    if arn.account != row.account:
        return 0
    found = world.rows.touch_named(POLICY, (row.account, arn.region), "PolicyARN", action)
    if found:
        world.wake()
    return found


def _lacking(service: str) -> AwsError:
    return AwsError(
        "NotImplemented", f"Sagebrush does not carry out actions of the service {service or '?'}."
    )
