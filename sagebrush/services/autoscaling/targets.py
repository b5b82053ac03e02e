"""Scalable targets: registered, described, deregistered, tagged."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Mapping
from dataclasses import replace

from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc, Missing
from sagebrush.services.autoscaling import capacity, checks, resources, rows
from sagebrush.services.autoscaling.plan import plan_of
from sagebrush.services.autoscaling.resources import Dimension, invalid
from sagebrush.store.rows import Exists, Reader, Row
from sagebrush.world import Ctx, World

_MOST, MOST_TARGETS, MOST_TAGS = 50, 500, 50
"""Targets of a page; of an account and region, by dimension (quotas); tags of one."""
SUSPENDED = {
    "DynamicScalingInSuspended": False,
    "DynamicScalingOutSuspended": False,
    "ScheduledScalingSuspended": False,
}


def register_scalable_target(ctx: Ctx, request: Doc) -> Doc:
    """The target is registered, or has the bounds and suspensions that the request gives.

    Raises ValidationException and LimitExceededException.
    """
    dimension, resource = rows.place(request)
    old = rows.target(ctx, request)
    if old is None:
        return {"ScalableTargetARN": _register(ctx, request, dimension, resource)}
    least, most = _bounds(request, old.doc)
    checks.check_bounds(least, most)
    with contextlib.suppress(Missing):
        _check_zero(capacity.see(ctx, dimension, resource), least, resource)

    def change(row: Row) -> Row:
        least, most = _bounds(request, row.doc)
        checks.check_bounds(least, most)
        bounds = {"MinCapacity": least, "MaxCapacity": most}
        suspended = {**row.doc["SuspendedState"], **request.get("SuspendedState", {})}
        moved = any(row.doc[m] != v for m, v in bounds.items())
        plan = {**row.plan, "enforce": True} if moved else row.plan
        doc = {**row.doc, **bounds, "SuspendedState": suspended}
        return replace(row, doc=doc, plan=plan, due_at=ctx.world.clock())

    if ctx.world.rows.update(old.id, change) is None:  # deregistered meanwhile
        return register_scalable_target(ctx, request)
    ctx.world.wake()
    return {"ScalableTargetARN": old.doc["ScalableTargetARN"]}


def _bounds(request: Doc, before: Doc) -> tuple[int, int]:
    least, most = (request.get(m, before[m]) for m in ("MinCapacity", "MaxCapacity"))
    return least, most


def _check_zero(seen: capacity.Seen, least: int, resource: str) -> None:
    if least == 0 and not seen.to_zero:
        raise invalid(
            f"The minimum capacity of {resource} must be at least 1: of endpoints only SageMaker's"
            " asynchronous ones and those with inference components scale to zero."
        )


def _register(ctx: Ctx, request: Doc, dimension: Dimension, resource: str) -> str:
    """A new target's ARN."""
    least, most = request.get("MinCapacity"), request.get("MaxCapacity")
    checks.check_bounds(least, most)
    tags = request.get("Tags", {})
    _check_tags(tags)
    try:
        seen = capacity.see(ctx, dimension, resource)
    except Missing as error:
        of = resources.NAMES[dimension.namespace]
        raise invalid(f"{of} resource doesn't exist: {resource}. {error.message}") from error
    if seen.type.startswith(capacity.BURSTABLE):
        raise invalid(
            f"Automatic scaling is not supported for burstable instances such as {seen.type}."
        )
    assert least is not None
    _check_zero(seen, least, resource)
    _require_role(ctx, dimension.namespace)
    arn = (
        f"arn:aws:application-autoscaling:{ctx.region}:{ctx.account}:scalable-target/"
        f"{uuid.uuid4().hex}"
    )
    doc = {
        **{m: request[m] for m in rows.IDENTITY},
        "MinCapacity": least,
        "MaxCapacity": most,
        "RoleARN": rows.role_arn(ctx.account, dimension.namespace),
        "CreationTime": moment(ctx.world.clock()),
        "SuspendedState": {**SUSPENDED, **request.get("SuspendedState", {})},
        "ScalableTargetARN": arn,
    }
    name = rows.row_name(request)
    row = Row(ctx.account, ctx.region, rows.TARGET, name, rows.ACTIVE, doc, {"tags": {**tags}})

    def room(reader: Reader) -> None:
        same = [r for r in reader.select(rows.TARGET, account=ctx.account)
                if r.region == ctx.region and r.doc["ScalableDimension"] == dimension.name]  # fmt: skip
        if len(same) >= MOST_TARGETS:
            raise AwsError(
                "LimitExceededException",
                f"Cannot register more than {MOST_TARGETS} scalable targets of {dimension.name}.",
            )

    try:
        ctx.world.rows.insert(row, room)
    except Exists:  # another caller was faster
        return register_scalable_target(ctx, request)["ScalableTargetARN"]
    return arn


def _require_role(ctx: Ctx, namespace: str) -> None:
    """The service-linked role is there; the caller creates it where it is not, as on AWS."""
    own = ctx.world.service_ctx(region=ctx.region, account=ctx.account)
    name = rows.role_arn(ctx.account, namespace).rsplit("/", 1)[-1]
    try:
        own.call("iam", "GetRole", {"RoleName": name})
    except AwsError as error:
        if error.code != "NoSuchEntity":
            raise
        params = {"AWSServiceName": resources.principal(namespace)}
        ctx.call("iam", "CreateServiceLinkedRole", params)


def describe_scalable_targets(ctx: Ctx, request: Doc) -> Doc:
    """A page of the targets of a namespace."""
    found = rows.of_request(ctx, rows.TARGET, request, "ResourceId", "ResourceIds")
    made = rows.page(request, found, _MOST, lambda row: row.doc)
    return {"ScalableTargets": made.pop("Page"), **made}


def deregister_scalable_target(ctx: Ctx, request: Doc) -> None:
    """The target, its policies with their alarms, and its scheduled actions are gone.

    Raises ObjectNotFoundException.
    """
    rows.place(request)
    withdraw(ctx.world, rows.required(ctx, request, "found"))


def withdraw(world: World, row: Row) -> None:
    """The target and all that belongs to it is deleted, but for its activities. Repeatable."""
    policies = rows.of_target(world, rows.POLICY, row)
    names = [a["AlarmName"] for p in policies for a in p.doc.get("Alarms", ())]
    delete_alarms(world, row, names)
    for kind in (rows.POLICY, rows.ACTION):
        for each in rows.of_target(world, kind, row):
            world.rows.delete(each.id)
    world.rows.delete(row.id)


def delete_alarms(world: World, row: Row, names: list[str]) -> None:
    """The alarms of those names are gone."""
    for name in names:
        rows.scaler(world, row).call("cloudwatch", "DeleteAlarms", {"AlarmNames": [name]})


# Tags ---------------------------------------------------------------------------------------------


def list_tags_for_resource(ctx: Ctx, request: Doc) -> Doc:
    """The tags of a scalable target. Raises ResourceNotFoundException."""
    return {"Tags": plan_of(_tagged(ctx, request["ResourceARN"])).get("tags", {})}


def tag_resource(ctx: Ctx, request: Doc) -> None:
    """The target has these tags too. Raises ResourceNotFoundException and TooManyTagsException."""
    row = _tagged(ctx, request["ResourceARN"])

    def change(found: Row) -> Row:
        tags = {**plan_of(found).get("tags", {}), **request["Tags"]}
        _check_tags(tags)
        return replace(found, plan={**found.plan, "tags": tags})

    ctx.world.rows.update(row.id, change)


def untag_resource(ctx: Ctx, request: Doc) -> None:
    """The target has no tags of these keys. Raises ResourceNotFoundException."""
    row = _tagged(ctx, request["ResourceARN"])

    def change(found: Row) -> Row:
        old = plan_of(found).get("tags", {})
        tags = {k: v for k, v in old.items() if k not in request["TagKeys"]}
        return replace(found, plan={**found.plan, "tags": tags})

    ctx.world.rows.update(row.id, change)


def _check_tags(tags: Mapping[str, str]) -> None:
    if len(tags) > MOST_TAGS:
        raise AwsError("TooManyTagsException", f"A resource can have at most {MOST_TAGS} tags.")
    for key in tags:
        if key.lower().startswith("aws:"):
            raise invalid(f"Tag keys must not begin with aws: ({key})")


def _tagged(ctx: Ctx, arn: str) -> Row:
    texts = {"doc.ScalableTargetARN": arn}
    found = ctx.world.rows.select(rows.TARGET, account=ctx.account, texts=texts)
    if not found or found[0].region != ctx.region:
        raise AwsError("ResourceNotFoundException", f"The resource {arn} was not found.", 400)
    return found[0]
