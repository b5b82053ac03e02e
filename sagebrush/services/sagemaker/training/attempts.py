"""Further attempts of a training job, after an interruption of its spot instances or an internal
error. Each has keys and logs of its own and begins from the last checkpoint in S3."""

from __future__ import annotations

import logging

from sagebrush.aws.names import short_id
from sagebrush.compute.base import Exited
from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.scheduler import capacity
from sagebrush.scheduler.members import Member
from sagebrush.services.sagemaker.training import cluster, spot
from sagebrush.services.sagemaker.training.plan import ATTEMPT, plan_of
from sagebrush.services.sagemaker.training.status import onward, status_doc
from sagebrush.store.rows import Next, Row
from sagebrush.workload import stage, upload
from sagebrush.world import World

log = logging.getLogger(__name__)

NETWORK = "sandbox: network"
"""The start of the reason of an instance that could not connect to its peers."""
UNBEGUN = 2
"""Further attempts of a job whose instances could not connect to each other."""


def interrupted(world: World, row: Row, why: str, news: Doc | None = None) -> Next:
    """The attempt's checkpoints are in S3 and its capacity is released; the job waits for capacity
    for its next attempt."""
    job, now = cluster.members(row), world.clock()
    roots = [cluster.root(world, member) for member in job]
    _save(world, row)
    capacity.release(world, plan_of(row)["key"])
    for root in roots:
        for part in ("ml", "tmp"):
            stage.remove(root / part)
    ran = longest(_ends(world, job))
    text = f"Spot interruption: the training job was interrupted, {why}; {onward(row)}"
    doc = status_doc(row.doc, now, "Interrupted", text)
    tags = {k: v for k, v in plan_of(row).get("tags", {}).items() if k != spot.INTERRUPT}
    plan = {
        **(news or {}),
        **anew(row),
        "tags": tags,
        "attempts": plan_of(row).get("attempts", 0) + 1,
        "spent": spot.spent(row, now),
        "ran": plan_of(row).get("ran", 0.0) + max(ran, 0.0),
    }
    return Next(doc={**doc, "LastModifiedTime": moment(now)}, plan=plan, due=0.0)


def _save(world: World, row: Row) -> None:
    """The attempt's checkpoints are in S3, as far as the job's role may store them."""
    roots = cluster.roots(world, row)
    if not plan_of(row).get("launched") or not all((root / "ml").is_dir() for root in roots):
        return
    try:
        cluster.results(world, row).checkpoints(plan_of(row).get("kept_until", 0.0))
    except (upload.UploadError, AwsError) as error:
        if isinstance(error, AwsError) and error.status >= 500:
            raise  # a fault of the store may be temporary
        log.warning("training job %s: checkpoints were not saved: %s", row.name, error)


def _ends(world: World, job: tuple[Member, ...]) -> list[Exited]:
    found = [world.backend.poll(member.key) for member in job]
    return [state for state in found if isinstance(state, Exited)]


def longest(ends: list[Exited]) -> float:
    """Seconds that the one of them which ran longest ran; one that was ended before it began ran
    for none."""
    return max((end.ended - end.started for end in ends if end.started), default=0.0)


def anew(row: Row) -> Doc:
    """Returns the plan's members to change for a new attempt: a new key, and of the members of the
    attempt before only the totals."""
    past = [*plan_of(row).get("past", ()), [plan_of(row)["key"], plan_of(row).get("instances")]]
    return {
        **dict.fromkeys(ATTEMPT),
        "stage": "start",
        "key": f"t-{short_id()}",
        "past": past,
        "begun_last": plan_of(row).get("begun", 0.0),
    }


def again(world: World, row: Row, state: Exited) -> Next | None:
    """The step that restarts the job with a log of its own, where its RetryStrategy allows it,
    or where none of its instances had begun (the server was killed while it launched them); else
    None."""
    tries = plan_of(row).get("retries", 0) + 1
    allowed = row.doc.get("RetryStrategy", {}).get("MaximumRetryAttempts", 0)
    if state.reason.startswith(NETWORK):
        allowed = max(allowed, UNBEGUN)
    if tries > allowed:
        return None
    _save(world, row)
    now = world.clock()
    text = f"Restarting the training job after an internal error (attempt {tries})"
    plan = {**anew(row), "retries": tries, "spent": spot.spent(row, now)}
    # MaxRuntimeInSeconds is for all attempts; when a lost one began to train is not known
    plan["ran"] = plan_of(row).get("ran", 0.0) + now - plan_of(row).get("begun", now)
    return Next(doc=status_doc(row.doc, now, "Restarting", text), plan=plan, due=0.0)
