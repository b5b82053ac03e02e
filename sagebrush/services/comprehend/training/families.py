"""The two kinds of custom models, as one table: what AWS's operations of each are called and bound.

Sources: Amazon Comprehend API reference (names, members); developer guide, "Guidelines and quotas" and
"Custom classification" (the codes in the output's place).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

TRAINED = ("TRAINED", "TRAINED_WITH_WARNING")
ENDED = (*TRAINED, "STOPPED", "IN_ERROR")
TRAINING = ("SUBMITTED", "TRAINING", "STOP_REQUESTED")
DELETING = "DELETING"
ACTIVE = 10
"""Models of one kind that an account may have in training at once in a region."""


@dataclass(frozen=True)
class Family:
    """One kind of custom models."""

    kind: str
    """`Row.kind` and the type in ARNs."""
    noun: str
    """As in operation names."""
    label: str
    """What messages call one."""
    name_member: str
    code: str
    """As in the place of its output, and in the names of its processing jobs."""
    metadata: str
    """The member with what training found."""
    members: tuple[str, ...]
    """Members of the request that its description has beside those of both kinds."""
    job: str
    """`Row.kind` of the asynchronous jobs that may use one."""
    first: str
    """The one filter by time whose answers begin with the oldest."""

    @property
    def arn_member(self) -> str:
        return f"{self.noun}Arn"

    @property
    def properties(self) -> str:
        """The member that holds a description; lists add `List`."""
        return f"{self.noun}Properties"

    @property
    def endpoint(self) -> str:
        """`Row.kind` of its endpoints."""
        return f"{self.kind}-endpoint"


CLASSIFIER = Family(
    kind="document-classifier",
    noun="DocumentClassifier",
    label="document classifier",
    name_member="DocumentClassifierName",
    code="CLR",
    metadata="ClassifierMetadata",
    members=("Mode", "OutputDataConfig"),
    job="document-classification-job",
    first="SubmitTimeBefore",
)
RECOGNIZER = Family(
    kind="entity-recognizer",
    noun="EntityRecognizer",
    label="entity recognizer",
    name_member="RecognizerName",
    code="REC",
    metadata="RecognizerMetadata",
    members=(),
    job="entities-detection-job",
    first="SubmitTimeAfter",
)
FAMILIES: Mapping[str, Family] = {family.kind: family for family in (CLASSIFIER, RECOGNIZER)}
"""`Row.kind` -> the family."""


def name_of(name: str, version: str | None) -> str:
    """`Row.name` of a model."""
    return f"{name}/version/{version}" if version else name


def base(name: str) -> str:
    """The name without the version."""
    return name.partition("/")[0]


def output(uri: str, account: str, family: Family, model: str) -> str:
    """The URI at which the output of a training is, given the one of the request and the model's id."""
    return f"{uri.rstrip('/')}/{account}-{family.code}-{model}/output/output.tar.gz"
