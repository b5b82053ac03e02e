"""The families of asynchronous jobs, as one table: what AWS's operations of each are called and bound.

Sources: Amazon Comprehend API reference (names, members); developer guide, "Guidelines and quotas"
(sizes; a KB is 1,024 bytes, as its messages say); examples of the AWS CLI's `list-…-jobs` (the codes in
the output's place).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

KB, MB, GB = 1 << 10, 1 << 20, 1 << 30
ENDED = ("COMPLETED", "FAILED", "STOPPED")
BUSY = ("SUBMITTED", "IN_PROGRESS", "STOP_REQUESTED")
ACTIVE = 10
"""Jobs of one family that an account may have at once in a region."""


@dataclass(frozen=True)
class Limits:
    """How much a job reads. AWS's quotas."""

    document: int
    """Bytes of a document."""
    total: int = 5 * GB
    """Bytes of all files."""
    files: int = 1_000_000
    """Files, where each is a document."""
    lines: int | None = None
    """Lines of all files, where each is a document; None: no limit."""
    least: int = 0
    """Bytes of all files at least."""


@dataclass(frozen=True)
class Family:
    """One kind of asynchronous job."""

    noun: str
    """As in operation names, without what follows it (`SentimentDetection`)."""
    code: str
    """As in the place of its output (`SENTIMENT`)."""
    task: str
    """What the models are asked for: the name of the synchronous operation."""
    limits: Limits
    members: tuple[str, ...] = ()
    """Members of the request that its description has beside those of every family."""
    results: str = "archive"
    """What it writes: `archive` (output.tar.gz with one file `output`), `archive-files` (with a file
    for each input), `files` (a file for each input), `tables` (output.tar.gz with tables)."""
    stops: bool = True
    """Whether AWS has a Stop operation."""
    language: bool = True
    """Whether a request names the documents' language."""

    @property
    def job(self) -> str:
        """As in operation names (`SentimentDetectionJob`)."""
        return f"{self.noun}Job"

    @property
    def kind(self) -> str:
        """`Row.kind` and the type in ARNs: `sentiment-detection-job`."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", self.job).lower()

    @property
    def properties(self) -> str:
        """The member that holds a description; lists add `List`."""
        return f"{self.job}Properties"


EVERY = Limits(document=MB)
SENTIMENT = Family("SentimentDetection", "SENTIMENT", "DetectSentiment", Limits(document=5 * KB))
TARGETED = Family(
    "TargetedSentimentDetection",
    "TS",
    "DetectTargetedSentiment",
    Limits(document=10 * KB, total=300 * MB, files=30_000, lines=30_000),
    results="archive-files",
)
ENTITIES = Family(
    "EntitiesDetection",
    "NER",
    "DetectEntities",
    Limits(document=MB, lines=1_000_000),
    ("EntityRecognizerArn", "FlywheelArn"),
)
KEY_PHRASES = Family("KeyPhrasesDetection", "KP", "DetectKeyPhrases", EVERY)
LANGUAGE = Family(
    "DominantLanguageDetection", "LANGUAGE", "DetectDominantLanguage", EVERY, language=False
)
PII = Family(
    "PiiEntitiesDetection",
    "PII",
    "DetectPiiEntities",
    EVERY,
    ("Mode", "RedactionConfig"),
    results="files",
)
TOPICS = Family(
    "TopicsDetection",
    "TOPICS",
    "DetectTopics",
    Limits(document=100 * MB, lines=1_000_000, least=500),
    ("NumberOfTopics",),
    results="tables",
    stops=False,
    language=False,
)
CLASSIFICATION = Family(
    "DocumentClassification",
    "CLN",
    "ClassifyDocument",
    Limits(document=10 * MB, lines=1_000_000),
    ("DocumentClassifierArn", "FlywheelArn"),
    stops=False,
    language=False,
)
FAMILIES = {
    family.kind: family
    for family in (
        SENTIMENT, TARGETED, ENTITIES, KEY_PHRASES, LANGUAGE, PII, TOPICS, CLASSIFICATION,
    )
}  # fmt: skip
"""`Row.kind` -> the family."""
EVENTS = Family(
    "EventsDetection", "EVENTS", "DetectEvents", Limits(document=10 * KB), ("TargetEventTypes",)
)
"""AWS has closed it to new customers, and so is it here: it has operations and never a job."""


def output(uri: str, account: str, family: Family, job_id: str) -> str:
    """The URI at which a job's output is, given the one of the request; of PII that of a folder."""
    whole = f"{uri.rstrip('/')}/{account}-{family.code}-{job_id}/output/"
    return whole if family.results == "files" else f"{whole}output.tar.gz"
