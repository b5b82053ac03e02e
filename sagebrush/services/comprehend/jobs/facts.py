"""The facts of asynchronous jobs, which run no process: their processing jobs do."""

from __future__ import annotations

from sagebrush.facts import Stop, WithoutProcesses
from sagebrush.services.comprehend.jobs.families import BUSY, ENDED, FAMILIES, Family


class Job(WithoutProcesses):
    """Comprehend's jobs go by ids, and their members do not have the noun."""

    @property
    def id_member(self) -> str:
        return "JobId"

    @property
    def arn_member(self) -> str:
        return "JobArn"

    @property
    def status_member(self) -> str:
        return "JobStatus"


def _facts(family: Family) -> Job:
    stop = Stop(f"Stop{family.job}", when=("SUBMITTED", "IN_PROGRESS"), until=BUSY)
    return Job(
        service="comprehend",
        kind=family.kind,
        noun=family.job,
        label=family.kind,
        listed="",  # described and listed in members of their own
        busy=BUSY,
        ended=ENDED,
        stop=stop if family.stops else None,  # what is left ends with its processing job
    )


JOBS = {kind: _facts(family) for kind, family in FAMILIES.items()}
"""`Row.kind` -> the facts, of every family."""
