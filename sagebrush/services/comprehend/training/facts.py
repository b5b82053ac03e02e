"""The facts of custom models, which run no process: their processing jobs do."""

from __future__ import annotations

from sagebrush.facts import WithoutProcesses
from sagebrush.services.comprehend.training import families
from sagebrush.services.comprehend.training.families import DELETING, ENDED, TRAINING, Family


class Model(WithoutProcesses):
    """Comprehend's models go by ARNs, and their status has no noun."""

    @property
    def id_member(self) -> str:
        return self.arn_member

    @property
    def status_member(self) -> str:
        return "Status"


def _facts(family: Family) -> Model:
    return Model(
        service="comprehend",
        kind=family.kind,
        noun=family.noun,
        label=family.kind,
        listed="",  # described and listed in members of their own
        busy=(*TRAINING, DELETING),
        ended=ENDED,
        stop=None,  # what trains ends with its processing job
    )


CLASSIFIER = _facts(families.CLASSIFIER)
RECOGNIZER = _facts(families.RECOGNIZER)
