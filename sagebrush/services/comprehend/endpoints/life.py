"""The life of an endpoint of Comprehend's: one endpoint of SageMaker, created, changed, deleted and followed.

Statuses are AWS's: CREATING, IN_SERVICE, UPDATING, DELETING, FAILED. The endpoint of SageMaker has this one's
ARN as its parent, so a change of its status makes this one due (`store.rows`). A step that is repeated after a
crash finds what it began by its name, which is in the plan.
"""

from __future__ import annotations

from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.comprehend import arns
from sagebrush.services.comprehend.endpoints import child, scaling
from sagebrush.services.comprehend.endpoints.plan import Version, plan_of
from sagebrush.services.comprehend.training import usable
from sagebrush.store.rows import Next, Row
from sagebrush.world import World

SOON, STARTING, WATCH, FULL = 1.0, 10.0, 60.0, 30.0
"""Seconds between looks at what has just begun, at what starts (a safeguard: its end is told), and at one that
serves; and between tries of what a quota forbids."""
INTERNAL = "The endpoint could not be served."


def reconcile(world: World, row: Row) -> Next:
    """The next step of the endpoint (`engine.kinds.Reconcile`)."""
    if row.status == "FAILED":
        return Next()
    found = child.find(world, row)
    if row.status == "DELETING":
        return _delete(world, row, found)
    try:
        return _step(world, row, found)
    except AwsError as error:
        if error.status >= 500:
            raise
        if error.code == "ResourceLimitExceeded":
            return Next(due=FULL)
        if found is not None and row.status == "UPDATING":
            return _kept(world, row, found, error.message)
        return _failed(world, error.message)


def fail(world: World, row: Row, reason: str) -> Next:
    """The endpoint has failed for a reason of the server's own; one that is deleted is tried again."""
    if row.status == "DELETING":
        return Next(due=WATCH)
    return _failed(world, f"INTERNAL_SERVER_ERROR: {reason}")


def _failed(world: World, message: str) -> Next:
    return Next("FAILED", {"Message": message, "LastModifiedTime": moment(world.clock())})


def _step(world: World, row: Row, found: Doc | None) -> Next:
    """What is wanted is begun, or has come to its end. Raises AwsError as SageMaker does."""
    wanted = plan_of(row)["wanted"]["number"]
    if found is None:
        child.create(world, row)
        return Next(plan={"asked": wanted}, due=SOON)
    if found["EndpointStatus"] == "Failed":
        return _failed(world, found.get("FailureReason") or INTERNAL)
    if found["EndpointStatus"] != "InService":
        return Next(due=STARTING)
    if found["EndpointConfigName"] != child.named(row, wanted):
        if plan_of(row).get("asked") == wanted:
            return _kept(world, row, found, found.get("FailureReason") or INTERNAL)
        child.deploy(world, row)
        return Next(plan={"asked": wanted}, due=SOON)
    if child.units(found) != row.doc["DesiredInferenceUnits"]:
        child.scale(world, row)
        return Next(due=SOON)
    return _watched(world, row) if row.status == "IN_SERVICE" else _served(world, row)


def _served(world: World, row: Row) -> Next:
    """What was wanted is served."""
    wanted, before = plan_of(row)["wanted"], plan_of(row).get("serving")
    plan: Doc = {"serving": wanted}
    if before is not None and before["number"] != wanted["number"]:
        child.forget(world, row, before["number"])
        plan["refused"] = None
    return Next("IN_SERVICE", _settled(world, row), plan, due=WATCH)


def _settled(world: World, row: Row) -> Doc:
    """What was desired is what is there."""
    doc = row.doc
    return {
        "ModelArn": doc["DesiredModelArn"],
        "CurrentInferenceUnits": doc["DesiredInferenceUnits"],
        "DataAccessRoleArn": doc.get("DesiredDataAccessRoleArn") or doc.get("DataAccessRoleArn"),
        "LastModifiedTime": moment(world.clock()),
        "Message": None,
    }


def _kept(world: World, row: Row, found: Doc, why: str) -> Next:
    """What was wanted cannot be served, and what was before still is."""
    wanted, serving = plan_of(row)["wanted"], plan_of(row).get("serving", plan_of(row)["wanted"])
    plan: Doc = {"wanted": serving, "asked": serving["number"]}
    if wanted["number"] != serving["number"]:
        child.forget(world, row, wanted["number"])
        plan["refused"] = wanted["archive"]
    doc = {
        "DesiredModelArn": row.doc["ModelArn"],
        "DesiredDataAccessRoleArn": row.doc.get("DataAccessRoleArn"),
        "DesiredInferenceUnits": child.units(found),
        "CurrentInferenceUnits": child.units(found),
        "LastModifiedTime": moment(world.clock()),
        "FlywheelArn": serving.get("flywheel", row.doc.get("FlywheelArn")) or None,
        "Message": f"The update failed: {why}",
    }
    return Next("IN_SERVICE", doc, plan, due=WATCH)


def _watched(world: World, row: Row) -> Next:
    """An endpoint of a flywheel serves the flywheel's active model."""
    flywheel = row.doc.get("FlywheelArn")
    if flywheel is None:
        return Next(due=WATCH)
    try:
        ctx = world.service_ctx(region=row.region, account=row.account)
        active = usable.of_flywheel(ctx, flywheel)
    except AwsError as error:
        if error.status >= 500:
            raise
        return Next(due=WATCH)  # the flywheel is gone, or its model: what serves goes on
    refused = plan_of(row).get("refused")
    if active.arn == row.doc["DesiredModelArn"]:
        if refused is None:
            return Next(due=WATCH)
        return Next(plan={"refused": None}, due=WATCH)  # what was refused is active no more
    if active.archive == refused:
        return Next(due=WATCH)
    wanted: Version = {
        "number": plan_of(row)["wanted"]["number"] + 1,
        "archive": active.archive,
        "flywheel": flywheel,
    }
    return Next("UPDATING", {"DesiredModelArn": active.arn}, {"wanted": wanted}, due=0.0)


def _delete(world: World, row: Row, found: Doc | None) -> Next:
    """The endpoint is gone when SageMaker's is, with its models and configurations."""
    if found is None:
        plan = plan_of(row)
        for version in (plan["wanted"], plan.get("serving")):
            if version is not None:
                child.forget(world, row, version["number"])
        scaling.deregister(world, row, arns.of(row))
        world.rows.delete(row.id)
        return Next()
    if found["EndpointStatus"] != "Deleting":
        try:
            child.delete(world, row)
        except AwsError as error:
            if error.status >= 500:
                raise
    return Next(due=SOON)
