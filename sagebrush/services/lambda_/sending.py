"""What functions' execution roles may send to: destinations, dead-letter queues, sources."""

from __future__ import annotations

from sagebrush.access import policy, principals
from sagebrush.aws.names import Arn
from sagebrush.errors import Doc
from sagebrush.services.lambda_ import faults
from sagebrush.world import Ctx

ACTIONS = {
    "sqs": "sqs:SendMessage",
    "sns": "sns:Publish",
    "lambda": "lambda:InvokeFunction",
    "events": "events:PutEvents",
}
WORDS = {"sqs": "SendMessage on SQS", "sns": "Publish on SNS"}
"""Dead-letter targets -> how AWS's refusal names the call."""


def may_send(ctx: Ctx, role: str, target: Arn) -> bool:
    """Whether the role's policies let it send to the target."""
    return may(ctx, role, ACTIONS[target.service], str(target))


def check_letters(ctx: Ctx, role: str, config: Doc | None) -> None:
    """Returns where the role may send to the dead-letter queue or topic, if there is one. Raises
    InvalidParameterValueException."""
    text = (config or {}).get("TargetArn")
    if not text:
        return
    arn = Arn.parse(text)
    if arn is None or arn.service not in WORDS:
        raise faults.invalid(f"Unsupported dead-letter target: {text}")
    if not may_send(ctx, role, arn):
        raise faults.invalid(
            f"The provided execution role does not have permissions to call {WORDS[arn.service]}"
        )


def may(ctx: Ctx, role: str, action: str, resource: str) -> bool:
    """Whether the role's policies allow the action on the resource."""
    own = ctx.as_role(role)
    held, limits = principals.powers(ctx.world, own.caller)
    keys = {name.lower(): value for name, value in principals.keys(own).items()}
    decided = [
        policy.evaluate(each, own.caller.arn, action, resource, keys)
        for each in (held, *(bound for _, bound in limits))
    ]
    return all(each.allowed for each in decided)
