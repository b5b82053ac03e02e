"""How asynchronous invocations are retried, and where their records go. Source: Lambda API reference,
PutFunctionEventInvokeConfig; developer guide, "Configuring error handling settings for asynchronous
invocation"."""

from __future__ import annotations

from dataclasses import replace

from sagebrush.access import function_policies
from sagebrush.access.function_references import LATEST, FunctionReference
from sagebrush.aws.names import Arn
from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.lambda_ import faults, lists, permissions, rows, sending
from sagebrush.services.lambda_.plan import plan_of
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

PAGE = 50
_MEMBERS = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
TARGETS = ("sqs", "sns", "lambda", "events")
"""Services that records are sent to."""


def put_function_event_invoke_config(ctx: Ctx, request: Doc) -> Doc:
    """The configuration is what the request says, and nothing else."""
    return _stored(ctx, request, {})


def update_function_event_invoke_config(ctx: Ctx, request: Doc) -> Doc:
    """The configuration has what the request sets, beside what it had. Raises
    ResourceNotFoundException where there was none."""
    of, row = _version(ctx, request)
    held = plan_of(row).get("events", {}).get(of.qualifier or LATEST)
    if held is None:
        raise _missing(of)
    return _stored(ctx, request, held)


def _version(ctx: Ctx, request: Doc) -> tuple[FunctionReference, Row]:
    of = rows.reference(ctx, request)
    row = rows.get(ctx.world.rows, of)
    if row is None:
        raise faults.missing("The function doesn't exist.")
    try:
        permissions.check_qualifier(ctx.world.rows, row, of)
    except AwsError as error:
        raise faults.missing("The function doesn't exist.") from error
    return of, row


def _stored(ctx: Ctx, request: Doc, held: Doc) -> Doc:
    of, row = _version(ctx, request)
    given = {name: request[name] for name in _MEMBERS if request.get(name) is not None}
    if not given:
        raise faults.invalid(
            "You must specify at least one of error handling or destination setting."
        )
    for arn in destinations(given):
        _check_destination(ctx, row, of, arn, given["DestinationConfig"])
    qualifier = of.qualifier or LATEST
    new = {**held, **given, "at": ctx.world.clock()}

    def change(row: Row) -> Row:
        return rows.with_plan(row, events={**plan_of(row).get("events", {}), qualifier: new})

    rows.changed(ctx, replace(of, qualifier=""), change)
    return _shown(of, qualifier, new)


def destinations(config: Doc) -> list[str]:
    """The ARNs of the configuration's destinations."""
    given = config.get("DestinationConfig") or {}
    found = [(given.get(name) or {}).get("Destination") for name in ("OnSuccess", "OnFailure")]
    return [arn for arn in found if arn]


def _check_destination(ctx: Ctx, row: Row, of: FunctionReference, text: str, config: Doc) -> None:
    arn = Arn.parse(text)
    if arn is None or arn.service not in (*TARGETS, "s3"):
        raise faults.invalid(f"The provided destination config {_words(config)} is invalid.")
    named = function_policies.of_arn(text)
    if named is not None and rows.get(ctx.world.rows, named) is None:
        raise faults.invalid(f"The destination ARN {text} is invalid.")
    if arn.service == "s3":
        raise faults.unsupported("buckets as destinations of asynchronous invocations")
    if text.removesuffix(f":{LATEST}") == of.arn:
        raise faults.invalid("You can't specify the function as a destination for itself.")
    if not sending.may_send(ctx, row.doc["Role"], arn):
        raise faults.invalid(
            f"The function's execution role does not have permissions to call"
            f" {sending.ACTIONS[arn.service].partition(':')[2]} on {text}"
        )


def _words(config: Doc) -> str:
    """The configuration in the form of Java's toString, as AWS quotes it."""
    parts: list[str] = []
    for name in ("OnSuccess", "OnFailure"):
        given = config.get(name)
        shown = f"{name}(destination={given.get('Destination')})" if given else "null"
        parts.append(f"{name[0].lower()}{name[1:]}={shown}")
    return f"DestinationConfig({', '.join(parts)})"


def _missing(of: FunctionReference) -> AwsError:
    return faults.missing(
        f"The function {of.arn}:{of.qualifier or LATEST} doesn't have an EventInvokeConfig"
    )


def _shown(of: FunctionReference, qualifier: str, held: Doc) -> Doc:
    config = held.get("DestinationConfig") or {}
    shown = {name: config.get(name) or {} for name in ("OnSuccess", "OnFailure")}
    return {
        "LastModified": moment(held["at"]),
        "FunctionArn": f"{of.arn}:{qualifier}",
        "DestinationConfig": shown,
        **{name: held[name] for name in _MEMBERS[:2] if name in held},
    }


def get_function_event_invoke_config(ctx: Ctx, request: Doc) -> Doc:
    """The configuration. Raises ResourceNotFoundException."""
    of = rows.reference(ctx, request)
    row = rows.get(ctx.world.rows, of)
    qualifier = of.qualifier or LATEST
    held = plan_of(row).get("events", {}).get(qualifier) if row else None
    if held is None:
        raise _missing(of)
    return _shown(of, qualifier, held)


def list_function_event_invoke_configs(ctx: Ctx, request: Doc) -> Doc:
    """A page of the function's configurations."""
    of = replace(rows.reference(ctx, request), qualifier="")
    row = rows.get(ctx.world.rows, of)
    if row is None:
        raise faults.no_function(of.arn)
    found = [
        _shown(of, name, held) for name, held in sorted(plan_of(row).get("events", {}).items())
    ]
    return lists.page(found, "FunctionEventInvokeConfigs", request, PAGE)


def delete_function_event_invoke_config(ctx: Ctx, request: Doc) -> None:
    """There is no configuration. Raises ResourceNotFoundException where there was none."""
    of = rows.reference(ctx, request)
    qualifier = of.qualifier or LATEST

    def change(row: Row) -> Row:
        held = plan_of(row).get("events", {})
        if qualifier not in held:
            raise _missing(of)
        return rows.with_plan(row, events={k: v for k, v in held.items() if k != qualifier})

    row = rows.get(ctx.world.rows, of)
    if row is None or ctx.world.rows.update(row.id, change) is None:
        raise _missing(of)
