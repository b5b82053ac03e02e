"""Scaling policies: put, described, deleted; and a forecast, which no policy here makes."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace

from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.autoscaling import checks, readings, resources, rows, tracking_alarms
from sagebrush.services.autoscaling.checks import CONFIGS, TRACKING
from sagebrush.services.autoscaling.targets import delete_alarms
from sagebrush.store.rows import Exists, Reader, Row
from sagebrush.world import Ctx

_MOST, MOST_POLICIES = 10, 50
"""Policies of a page, and of a target (Application Auto Scaling quotas)."""


def put_scaling_policy(ctx: Ctx, request: Doc) -> Doc:
    """The policy is as the request has it, a target tracking one with its alarms.

    Raises ValidationException, ObjectNotFoundException and LimitExceededException.
    """
    dimension, _ = rows.place(request)
    owner = rows.required(ctx, request)
    old = _find(ctx, request)
    kind = request.get("PolicyType") or (old.doc["PolicyType"] if old else checks.STEP)
    if old is not None and old.doc["PolicyType"] != kind:
        raise resources.invalid("The policy type of an existing scaling policy cannot be changed.")
    if old is not None and CONFIGS[kind] not in request and kind != checks.PREDICTIVE:
        request = {**request, CONFIGS[kind]: old.doc[CONFIGS[kind]]}
    checks.check_policy(kind, request, dimension)
    _check_alone(ctx, owner, request, kind)
    config = request[CONFIGS[kind]]
    name = request["PolicyName"]
    arn = (
        old.doc["PolicyARN"] if old else rows.arn(ctx, "scalingPolicy", request, "policyName", name)
    )
    doc = {
        "PolicyARN": arn,
        "PolicyName": name,
        **{m: request[m] for m in rows.IDENTITY},
        "PolicyType": kind,
        CONFIGS[kind]: config,
        "CreationTime": old.doc["CreationTime"] if old else moment(ctx.world.clock()),
    }
    alarms = _alarms(ctx, doc, old) if kind == TRACKING else []
    if alarms:
        doc["Alarms"] = alarms
    _store(ctx, owner, request, doc)
    _enforce(ctx, owner)
    return {"PolicyARN": arn, "Alarms": alarms}


def _check_alone(ctx: Ctx, owner: Row, request: Doc, kind: str) -> None:
    """Raises ValidationException where another target tracking policy has the same metric."""
    if kind != TRACKING:
        return
    predefined = request[CONFIGS[TRACKING]].get("PredefinedMetricSpecification")
    for row in rows.of_target(ctx.world, rows.POLICY, owner):
        other = row.doc.get(CONFIGS[TRACKING], {}).get("PredefinedMetricSpecification")
        same = other and predefined and other == predefined
        if same and row.doc["PolicyName"] != request["PolicyName"]:
            raise resources.invalid(
                "Only one TargetTrackingScaling policy for a given metric specification is allowed."
            )


def _alarms(ctx: Ctx, doc: Doc, old: Row | None) -> list[Doc]:
    """The names and ARNs of the policy's alarms, put by the caller's rights; ones that it had and
    needs no more are deleted."""
    before: Sequence[Doc] = old.doc.get("Alarms", ()) if old else ()
    ids = [a["AlarmName"].rsplit("-Alarm", 1)[-1].partition("-")[2] for a in before]
    fresh = [*ids, str(uuid.uuid4()), str(uuid.uuid4())]
    made = tracking_alarms.alarms(
        doc[CONFIGS[TRACKING]],
        doc["ScalableDimension"],
        doc["ResourceId"],
        doc["PolicyARN"],
        (fresh[0], fresh[1]),
    )
    for alarm in made:
        ctx.call("cloudwatch", "PutMetricAlarm", alarm)
    names = [a["AlarmName"] for a in made]
    gone = [a["AlarmName"] for a in before if a["AlarmName"] not in names]
    if gone and old is not None:
        delete_alarms(ctx.world, old, gone)
    where = f"arn:aws:cloudwatch:{ctx.region}:{ctx.account}:alarm:"
    return [{"AlarmName": name, "AlarmARN": where + name} for name in names]


def _store(ctx: Ctx, owner: Row, request: Doc, doc: Doc) -> None:
    """The policy is stored, new or in place of itself."""

    def room(reader: Reader) -> None:
        if reader.by_id(owner.id) is None:
            raise rows.missing(f"No scalable target registered for {rows.identity(request)}")
        texts = {"doc.ResourceId": doc["ResourceId"]}
        same = reader.select(rows.POLICY, account=ctx.account, texts=texts)
        if sum(r.region == ctx.region for r in same) >= MOST_POLICIES:
            raise AwsError(
                "LimitExceededException",
                f"A scalable target can have at most {MOST_POLICIES} scaling policies.",
            )

    name = rows.row_name(request, request["PolicyName"])
    row = Row(ctx.account, ctx.region, rows.POLICY, name, rows.ACTIVE, doc, {"tags": {}})
    old = _find(ctx, request)
    if old is not None:
        ctx.world.rows.update(old.id, lambda found: replace(found, doc=doc))
        return
    try:
        ctx.world.rows.insert(row, room)
    except Exists as error:
        words = "Another request changes the same scaling policy."
        raise AwsError("ConcurrentUpdateException", words, 500) from error


def _enforce(ctx: Ctx, owner: Row) -> None:
    """The target comes within its bounds: "when scaling starts"."""

    def change(row: Row) -> Row:
        return replace(row, plan={**row.plan, "enforce": True}, due_at=ctx.world.clock())

    ctx.world.rows.update(owner.id, change)
    ctx.world.wake()


def describe_scaling_policies(ctx: Ctx, request: Doc) -> Doc:
    """A page of the policies of a namespace, those of step scaling with the alarms that call them."""
    found = rows.of_request(ctx, rows.POLICY, request, "PolicyName", "PolicyNames")

    def show(row: Row) -> Doc:
        if row.doc["PolicyType"] == TRACKING:
            return row.doc
        own = ctx.world.service_ctx(region=ctx.region, account=ctx.account)
        alarms = readings.alarms_of(own, [row])[row.doc["PolicyARN"]]
        shown = [{"AlarmName": a["AlarmName"], "AlarmARN": a["AlarmArn"]} for a in alarms]
        return {**row.doc, "Alarms": shown}

    made = rows.page(request, found, _MOST, show)
    return {"ScalingPolicies": made.pop("Page"), **made}


def delete_scaling_policy(ctx: Ctx, request: Doc) -> None:
    """The policy is gone, and the alarms that were made for it. Raises ObjectNotFoundException."""
    rows.place(request)
    row = _find(ctx, request)
    if row is None:
        raise rows.missing(
            f"No scaling policy found for {rows.identity(request)},"
            f" policy name: {request['PolicyName']}"
        )
    delete_alarms(ctx.world, row, [a["AlarmName"] for a in row.doc.get("Alarms", ())])
    ctx.world.rows.delete(row.id)


def get_predictive_scaling_forecast(ctx: Ctx, request: Doc) -> Doc:
    """Raises ValidationException: the resources here have no predictive scaling."""
    resources.check_namespace(request["ServiceNamespace"])
    raise resources.invalid(
        "GetPredictiveScalingForecast: PredictiveScaling policies are not supported for the service"
        f" namespace {request['ServiceNamespace']}."
    )


def _find(ctx: Ctx, request: Doc) -> Row | None:
    name = rows.row_name(request, request["PolicyName"])
    return ctx.world.rows.get(ctx.account, ctx.region, rows.POLICY, name)
