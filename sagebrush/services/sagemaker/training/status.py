"""What DescribeTrainingJob says of a job's progress: SecondaryStatus, its transitions and messages."""

from __future__ import annotations

from sagebrush.engine.kinds import moment
from sagebrush.errors import Doc
from sagebrush.scheduler.capacity import Turn
from sagebrush.store.rows import Row


def artifact(request: Doc) -> str:
    """Where the model goes: `<S3OutputPath>/<job>/output/model.tar.gz`."""
    output = request["OutputDataConfig"]
    name = "model/" if output.get("CompressionType") == "NONE" else "model.tar.gz"
    return f"{output['S3OutputPath'].rstrip('/')}/{request['TrainingJobName']}/output/{name}"


def begin(now: float) -> Doc:
    """The status members of a new job."""
    return status_doc({}, now, "Starting", "Starting the training job")


def status_doc(doc: Doc, now: float, status: str, message: str) -> Doc:
    """SecondaryStatus and its transitions after the job entered `status` (or says more in it)."""
    past = [dict(t) for t in doc.get("SecondaryStatusTransitions", ())]
    if past and past[-1]["Status"] == status:
        past[-1]["StatusMessage"] = message
    else:
        if past:
            past[-1]["EndTime"] = moment(now)
        past.append({"Status": status, "StartTime": moment(now), "StatusMessage": message})
    return {"SecondaryStatus": status, "SecondaryStatusTransitions": past}


def waiting(row: Row, turn: Turn, now: float) -> Doc:
    """The status members of a job that waits its turn."""
    return status_doc(row.doc, now, "Starting", f"Starting the training job: {turn.words}")
