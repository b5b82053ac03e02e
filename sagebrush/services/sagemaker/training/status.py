"""A training job's progress in DescribeTrainingJob: SecondaryStatus, its transitions and
messages."""

from __future__ import annotations

from sagebrush.engine.kinds import moment
from sagebrush.environments import standins
from sagebrush.errors import Doc
from sagebrush.scheduler.position import Position
from sagebrush.services.sagemaker.training.plan import plan_of
from sagebrush.store.rows import Row
from sagebrush.world import World

STARTING = "Starting the training job"
ENDS = {
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "MaxWaitTimeExceeded": "Training job wait time exceeded what its StoppingCondition allows",
}
"""The secondary status in which a job ends -> the message of that status."""


def artifact(request: Doc) -> str:
    """The URI of the model: `<S3OutputPath>/<job>/output/model.tar.gz`."""
    output = request["OutputDataConfig"]
    name = "model/" if output.get("CompressionType") == "NONE" else "model.tar.gz"
    return f"{output['S3OutputPath'].rstrip('/')}/{request['TrainingJobName']}/output/{name}"


def begin(now: float) -> Doc:
    """The status members of a new job."""
    return status_doc({}, now, "Starting", STARTING)


def status_doc(doc: Doc, now: float, status: str, message: str) -> Doc:
    """The document's members after the job enters `status`, or gets a new message in it."""
    past = [dict(t) for t in doc.get("SecondaryStatusTransitions", ())]
    if past and past[-1]["Status"] == status:
        past[-1]["StatusMessage"] = message
    else:
        if past:
            past[-1]["EndTime"] = moment(now)
        past.append({"Status": status, "StartTime": moment(now), "StatusMessage": message})
    return {"SecondaryStatus": status, "SecondaryStatusTransitions": past}


def onward(row: Row) -> str:
    """How the interrupted job goes on, as part of a sentence."""
    checkpoints = row.doc.get("CheckpointConfig")
    if not checkpoints:
        return "it starts again from the beginning, for it has no CheckpointConfig"
    path = checkpoints.get("LocalPath", "/opt/ml/checkpoints")
    return f"it starts again from {path}, which is kept in {checkpoints['S3Uri']}"


def after_interruptions(row: Row) -> str:
    """What the log of a further attempt begins with; "" for the first one's."""
    number = plan_of(row).get("attempts", 0)
    if not number:
        return ""
    return f"Sagebrush: after spot interruption {number} of this job: {onward(row)}"


def waiting(row: Row, turn: Position, now: float) -> Doc:
    """The document's members of a job that waits in the queue."""
    return status_doc(row.doc, now, "Starting", f"{STARTING}: {turn.words}")


def entered(world: World, row: Row, to: str, words: str) -> Doc:
    """The document's members of a job that enters the stage `to`, or that waits in `queue` or
    `start` for what `words` say. A job that is being stopped stays Stopping."""
    now, doc, plan = world.clock(), row.doc, plan_of(row)
    if to == "queue":
        return status_doc(doc, now, "Starting", f"{STARTING}: {words}")
    if to == "start":
        return status_doc(doc, now, "Starting", words)
    if row.status == "Stopping":
        return {}
    if to == "download":
        again = plan.get("attempts") and doc.get("SecondaryStatus") == "Interrupted"
        if plan.get("waiting") or again:  # it no longer waits, and its transitions say so
            doc = {**doc, **status_doc(doc, now, "Starting", STARTING)}
        return status_doc(doc, now, "Downloading", "Downloading input data")
    if to == "train":
        text = "Training image download completed. Training in progress."
        environment = world.environments.built(plan["environment"])
        if environment is not None:
            text += f" It runs as environment {environment.told()}."
            if words := standins.told(standins.changes(plan.get("asked", {}), environment)):
                text += f" {words[0].upper()}{words[1:]}."
        return status_doc(doc, now, "Training", text)
    return status_doc(doc, now, "Uploading", "Uploading generated training model")
