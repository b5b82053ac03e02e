"""What becomes of an endpoint, or an inference component, whose steps raise again and again. Pure.

The loop gives a step up after some tries. A deployment goes back then, as one that fails does, and
stays under way meanwhile, so that no other one overtakes it; whatever it is, its steps go on.
"""

from __future__ import annotations

from typing import cast

from sagebrush.engine.kinds import moment
from sagebrush.errors import Doc
from sagebrush.services.sagemaker.hosting.deployment import shifting
from sagebrush.services.sagemaker.hosting.plan import Deploying, Entry, Fleet, plan_of
from sagebrush.services.sagemaker.hosting.replica import REASON
from sagebrush.store.rows import Next, Row

SOON, LATER = 1.0, 60.0
"""Seconds until the next step: of a deployment that turns back, of whatever goes on as it was."""


def given_up(row: Row, reason: str, now: float) -> Next:
    """The step after the last that was tried: one that is Deleting stays so; a deployment rolls back;
    one that serves is InService; another is Failed, and its replicas end."""
    doc: Doc = {"FailureReason": reason, "LastModifiedTime": moment(now)}
    plan = plan_of(row)
    active, pending = plan.get("active"), plan.get("pending")
    if row.status == "Deleting":
        return Next(None, doc, due=LATER)
    if active is None:
        kept = [_kept(entry, pending) for entry in plan["replicas"]]
        return Next("Failed", doc, {"pending": None, "replicas": kept}, due=SOON)
    if pending is None:
        return Next("InService", doc, due=LATER)
    deploying = plan.get("deployment") or new_deployment(None, now)
    due = LATER if "back" in deploying else SOON
    back = deploying.get("back") or reason[:REASON]
    changes: Doc = {"deployment": {**deploying, "back": back}, "stuck": True}
    return Next("RollingBack", doc, changes, due=due)


def new_deployment(config: Doc | None, now: float) -> Deploying:
    """The beginning of a deployment by that DeploymentConfig."""
    return {"config": config or {}, "step": 1, "stage": shifting.CREATING, "since": now}


def _kept(entry: Entry, fleet: Fleet | None) -> Entry:
    """The entry, which knows what it runs though its fleet goes."""
    variants = {v["name"]: v for v in (fleet or {}).get("variants", ())}
    known = variants.get(entry["variant"])
    return cast(Entry, {"was": known, **entry} if known is not None else entry)
