"""The names and ARNs of buses and rules, and EventBridge's errors about them. Pure."""

from __future__ import annotations

import json
import re

from sagebrush.aws.names import Arn
from sagebrush.errors import AwsError, Doc
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

BUS, RULE = "event-bus", "event-rule"
"""Kinds of rows. A rule's row is called `<bus>/<rule>`; the default bus has a row only where something
was said of it."""
DEFAULT = "default"
SERVICE = "events.amazonaws.com"
TOO_MANY = "The requested resource exceeds the maximum number allowed."
_BUS = re.compile(r"[/.\-_A-Za-z0-9]{1,256}")


def place_of_bus(ctx: Ctx, given: str | None) -> tuple[str, str, str]:
    """The account, region and name of the bus that a request names, by its name or ARN; the default
    one where it names none. Raises ValidationException."""
    if not given:
        return ctx.account, ctx.region, DEFAULT
    if not given.startswith("arn:"):
        return ctx.account, ctx.region, given
    arn = Arn.parse(given)
    kind, _, name = arn.resource.partition("/") if arn else ("", "", "")
    if arn is None or (arn.service, kind) != ("events", "event-bus") or not _BUS.fullmatch(name):
        raise invalid(
            f"Parameter {given} is not valid. Reason: Provided Arn is not in correct format."
        )
    return arn.account, arn.region, name


def own_bus(ctx: Ctx, given: str | None) -> str:
    """The name of the bus of this account and region that a request names. Raises
    ResourceNotFoundException for one that is not there."""
    account, region, name = place_of_bus(ctx, given)
    if (account, region) != (ctx.account, ctx.region) or not bus_exists(ctx, name):
        raise no_bus(name)
    return name


def bus_exists(ctx: Ctx, name: str) -> bool:
    """Whether there is a bus of that name in the context's account and region."""
    return name == DEFAULT or ctx.world.rows.get(ctx.account, ctx.region, BUS, name) is not None


def bus_arn(account: str, region: str, name: str) -> str:
    """The bus's ARN."""
    return str(Arn("events", region, account, f"event-bus/{name}"))


def rule_arn(account: str, region: str, bus: str, name: str) -> str:
    """The rule's ARN: that of a custom bus's rule names the bus."""
    path = name if bus == DEFAULT else f"{bus}/{name}"
    return str(Arn("events", region, account, f"rule/{path}"))


def rule_row_name(bus: str, name: str) -> str:
    """What the rule's row is called."""
    return f"{bus}/{name}"


def row_of_arn(ctx: Ctx, text: str) -> tuple[str, str] | None:
    """The kind and the name of the row that an ARN of a bus or a rule of this account and region is
    of."""
    arn = Arn.parse(text)
    if arn is None or (arn.service, arn.account, arn.region) != ("events", ctx.account, ctx.region):
        return None
    kind, _, path = arn.resource.partition("/")
    if kind == "event-bus":
        return BUS, path
    if kind == "rule" and path:
        return RULE, path if "/" in path else rule_row_name(DEFAULT, path)
    return None


def rule(ctx: Ctx, bus: str, name: str) -> Row:
    """The rule's row. Raises ResourceNotFoundException."""
    row = ctx.world.rows.get(ctx.account, ctx.region, RULE, rule_row_name(bus, name))
    if row is None:
        raise no_rule(bus, name)
    return row


def rules_of(ctx: Ctx, bus: str) -> list[Row]:
    """The bus's rules, by name."""
    found = ctx.world.rows.select(RULE, account=ctx.account, texts={"doc.EventBusName": bus})
    return sorted((row for row in found if row.region == ctx.region), key=lambda row: row.name)


def page(request: Doc, found: list[Doc] | list[str], member: str, most: int = 100) -> Doc:
    """The page of `found` that the request's token names, in `member`. Raises ValidationException."""
    token, size = request.get("NextToken"), request.get("Limit", most)
    start = 0
    if token is not None:
        if not re.fullmatch(r"[0-9]{1,9}", token, re.ASCII):
            raise invalid("The value of parameter NextToken is not valid.")
        start = int(token)
    more = {"NextToken": str(start + size)} if start + size < len(found) else {}
    return {member: found[start : start + size], **more}


def invalid(message: str) -> AwsError:
    """AWS's error for a request that is wrong."""
    return AwsError("ValidationException", message)


def no_bus(name: str) -> AwsError:
    """AWS's error for a bus that is not there."""
    return AwsError("ResourceNotFoundException", f"Event bus {name} does not exist.")


def no_rule(bus: str, name: str) -> AwsError:
    """AWS's error for a rule that is not there."""
    return AwsError("ResourceNotFoundException", f"Rule {name} does not exist on EventBus {bus}.")


def limit() -> AwsError:
    """AWS's error for one resource too many."""
    return AwsError("LimitExceededException", TOO_MANY)


def tags_of(request: Doc) -> dict[str, str]:
    """The request's tags. Raises ValidationException for a key twice or reserved."""
    given = request.get("Tags") or ()
    found = {tag["Key"]: tag["Value"] for tag in given}
    if len(found) < len(given):
        raise invalid("Invalid parameter: Duplicated keys are not allowed.")
    if any(key.lower().startswith("aws:") for key in found):
        raise invalid("Invalid parameter: Tag keys must not begin with aws:")
    return found


def compact(value: object) -> str:
    """JSON as EventBridge sends it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
