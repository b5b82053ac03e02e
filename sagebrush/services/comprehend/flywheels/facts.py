"""The facts of flywheels, their data sets and iterations, which run no process: processing jobs do."""

from __future__ import annotations

from sagebrush.facts import WithoutProcesses


class Resource(WithoutProcesses):
    """AWS calls the status of each of them `Status`."""

    @property
    def status_member(self) -> str:
        return "Status"


class Numbered(Resource):
    """An iteration goes by its id, and has no ARN of its own."""

    @property
    def id_member(self) -> str:
        return f"{self.noun}Id"

    @property
    def arn_member(self) -> str:
        return "FlywheelArn"


FLYWHEEL = Resource(
    service="comprehend",
    kind="flywheel",
    noun="Flywheel",
    label="flywheel",
    listed="",  # described in a member of its own
    busy=("CREATING", "UPDATING", "DELETING"),
    ended=("ACTIVE", "FAILED"),
)
DATASET = Resource(
    service="comprehend",
    kind="flywheel-dataset",
    noun="Dataset",
    label="flywheel-dataset",
    listed="",
    busy=("CREATING",),
    ended=("COMPLETED", "FAILED"),
)
ITERATION = Numbered(
    service="comprehend",
    kind="flywheel-iteration",
    noun="FlywheelIteration",
    label="flywheel-iteration",
    listed="",
    busy=("TRAINING", "EVALUATING", "STOP_REQUESTED"),
    ended=("COMPLETED", "FAILED", "STOPPED"),
)
