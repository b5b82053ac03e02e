"""What is done by a processing job of Comprehend's account, begun and followed by the row that it is for.

The processing job has the row's ARN as its parent, so its end makes that row due (`store.rows`); when it
leaves the queue is looked at. A step that is repeated after a crash finds it by its name.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace

from sagebrush.errors import AwsError, Doc
from sagebrush.services.comprehend import arns, fleet
from sagebrush.store.rows import Next, Row
from sagebrush.world import StartedBy, World

CHILD = "processing-job"
"""The type in the ARN of what does the work."""
QUEUED, RUNNING, FULL = 1.0, 30.0, 30.0
"""Seconds between looks at a processing job that waits, at one that runs (a safeguard: its end is told),
and between tries to create one that a quota forbids."""
SETTLED = 10.0
"""Seconds after which a row fails that lacks an input or a permission: AWS looks at one minutes after it
was submitted, so scripts describe and stop it meanwhile, or complete a role's policy."""
NOTICE = 2.0
"""Seconds that a row which has begun nothing says that its stop was requested, as AWS's do for longer."""
STOPPED = "The job was stopped with the server that ran it."
INTERNAL = "INTERNAL_SERVER_ERROR: "
"""How AWS's error codes of documents call what is the service's fault."""
GONE = f"{INTERNAL}What did the job is gone."
PLATFORM = ("OutOfMemory:", "InternalServerError:", "ClientError:")
"""How FailureReasons begin that SageMaker wrote itself; the program's own words are its message."""
NEVER = "CapacityError:"
"""How SageMaker's refusal of what this host can never have begins; other limits pass."""
ARGUMENT, ARGUMENTS = 256, 100
"""Characters of an argument at most, and arguments (CreateProcessingJob)."""


class Full(Exception):
    """A quota forbids another processing job for now."""


def find(world: World, row: Row, name: str) -> Doc | None:
    """The description of the row's processing job of that name; None where there is none, or it is not
    the row's."""
    there = world.rows.get(fleet.ctx(world).account, row.region, CHILD, name)
    if there is None or there.parent != arns.as_parent(row):
        return None
    wanted = {"ProcessingJobName": there.name}
    try:
        return fleet.ctx(world, row.region).call("sagemaker", "DescribeProcessingJob", wanted)
    except AwsError as error:
        if error.status >= 500:
            raise
        return None  # it was deleted meanwhile


def start(world: World, row: Row, lacking: str, request: Callable[[World, Row], Doc]) -> Next | str:
    """The step after which the row's processing job is there, or is tried again; else why the row has
    failed: `lacking` (an input or a permission, "" for none) once it had time to come, or SageMaker's
    refusal. Raises AwsError for what may pass (5xx)."""
    if lacking:
        left = row.created + SETTLED - world.clock()
        return Next(due=left) if left > 0 else lacking
    try:
        refused = begin(world, row, request(world, row))
    except Full:
        return Next(due=FULL)
    return f"{INTERNAL}{refused}" if refused else Next(plan={"started": True}, due=QUEUED)


def begin(world: World, row: Row, request: Doc) -> str:
    """The processing job of CreateProcessingJob's request is there: ""; else why SageMaker refuses it.
    Raises Full, and AwsError for what may pass (5xx)."""
    ctx = replace(fleet.ctx(world, row.region), started_by=StartedBy(arns.as_parent(row)))
    try:
        world.dispatch(ctx, "sagemaker", "CreateProcessingJob", request)
    except AwsError as error:
        if error.status >= 500:
            raise
        if error.code == "ResourceLimitExceeded" and not error.message.startswith(NEVER):
            raise Full from error
        return error.message
    return ""


def reason(child: Doc) -> str:
    """The Message of what a failed processing job was for: what its program said, which names no
    document, or what SageMaker says of its process. Of a program's traceback nothing is told."""
    said = child.get("ExitMessage", "")
    why = child.get("FailureReason", "")
    if why.startswith(PLATFORM):
        return f"{INTERNAL}{why}"
    return said or f"{INTERNAL}The job's program failed."


def stop(world: World, row: Row, child: Doc) -> float:
    """The row's processing job was told to stop, if it had not ended; seconds to the next look at it."""
    if child["ProcessingJobStatus"] == "InProgress":
        wanted = {"ProcessingJobName": child["ProcessingJobName"]}
        try:
            fleet.ctx(world, row.region).call("sagemaker", "StopProcessingJob", wanted)
        except AwsError as error:
            if error.status >= 500:
                raise
            return QUEUED  # it has just ended
    return RUNNING


def packed(document: Doc) -> list[str]:
    """The document as arguments of a program: base64 of its JSON, cut to what one may hold.

    In base64 no path in a key looks like one that process mode rewrites (`/opt/ml`).
    """
    text = base64.urlsafe_b64encode(json.dumps(document).encode()).decode()
    return [text[start : start + ARGUMENT] for start in range(0, len(text), ARGUMENT)]
