"""The facts of endpoints of custom models, which run no process: SageMaker's endpoints do."""

from __future__ import annotations

from sagebrush.facts import WithoutProcesses

BUSY = ("CREATING", "UPDATING", "DELETING")
"""Statuses in which an endpoint takes no other change."""


class Endpoint(WithoutProcesses):
    """Descriptions of Comprehend's endpoints have `Status`, without the noun."""

    @property
    def status_member(self) -> str:
        return "Status"


def _facts(kind: str) -> Endpoint:
    return Endpoint(
        service="comprehend",
        kind=kind,
        noun="Endpoint",
        label=kind,
        listed="",  # one operation lists those of both kinds
        busy=(*BUSY, "IN_SERVICE"),
        ended=("FAILED",),
    )


CLASSIFIER = _facts("document-classifier-endpoint")
RECOGNIZER = _facts("entity-recognizer-endpoint")
