"""What a transform job's driver is told: the file that says it, and what the model's containers add."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from sagebrush.companion.transform import jsonpath
from sagebrush.companion.transform.processing import CSV, Processing, kind
from sagebrush.companion.transform.records import MIB, Cut

TYPE_CHECKING = False  # importing typing's rest would cost the start
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

PAYLOAD = 6
"""MaxPayloadInMB where neither the request nor the container says."""
TOGETHER = 100
"""The most that MaxConcurrentTransforms * MaxPayloadInMB may be."""


class Data(TypedDict):
    """DataProcessing, with the job's start where each output gets an inference's id."""

    before: str
    after: str
    join: bool
    stamp: str


class Plan(TypedDict):
    """The driver's file; the members that a request may leave out are None then."""

    region: str
    objects: list[tuple[str, str, int, str, str]]
    """Bucket, key, bytes, ETag, and the path under the output's prefix, without `.out`."""
    bucket: str
    prefix: str
    """Where the output goes; the prefix is "" or ends with a slash."""
    containers: list[str]
    """The addresses of the model's containers, in their order."""
    split: str
    gzip: bool
    content_type: str | None
    accept: str | None
    lines: bool
    """Whether each answer is a line of its own (AssembleWith Line)."""
    strategy: str | None
    concurrency: int | None
    payload: int | None
    """MaxPayloadInMB; 0 for no limit."""
    timeout: int
    retries: int
    data: Data | None


@dataclass(frozen=True)
class Way:
    """How the instance sends records, all three decided."""

    concurrency: int
    payload: int
    strategy: str

    def told(self) -> str:
        """As AWS's data-log says it."""
        words = {"MultiRecord": "MULTI_RECORD", "SingleRecord": "SINGLE_RECORD"}[self.strategy]
        return (
            f"MaxConcurrentTransforms={self.concurrency}, MaxPayloadInMB={self.payload},"
            f" BatchStrategy={words}"
        )


def way(plan: Plan, answers: Sequence[Mapping[str, Any]]) -> Way:
    """The request's values, else those of the containers' /execution-parameters, else AWS's defaults.

    Of several containers each must take what is sent: the smallest number counts. Source: developer
    guide, "Use Your Own Inference Code with Batch Transform".
    """
    payload = plan["payload"]
    if payload is None:
        payload = _least(answers, "MaxPayloadInMB") or PAYLOAD
    concurrency = plan["concurrency"] or _least(answers, "MaxConcurrentTransforms") or 1
    if not plan["concurrency"] and payload:  # what a container wishes must fit the limit too
        concurrency = max(1, min(concurrency, TOGETHER // payload))
    return Way(concurrency, min(payload, TOGETHER), plan["strategy"] or _strategy(answers))


def _least(answers: Sequence[Mapping[str, Any]], member: str) -> int:
    """0 where a container does not say."""
    found = [answer.get(member) for answer in answers]
    usable = [n for n in found if isinstance(n, int) and not isinstance(n, bool) and n > 0]
    return min(usable) if len(usable) == len(found) and usable else 0


def _strategy(answers: Sequence[Mapping[str, Any]]) -> str:
    single = any(
        str(answer.get("BatchStrategy", "")).upper().replace("_", "") == "SINGLERECORD"
        for answer in answers
    )
    return "SingleRecord" if single else "MultiRecord"


def processing(plan: Plan) -> Processing | None:
    """The job's DataProcessing; None where records and answers pass as they are."""
    data = plan["data"]
    if data is None:
        return None
    content, accept = kind(plan["content_type"]), kind(plan["accept"])
    before = jsonpath.parse(data["before"], content == CSV)
    after = jsonpath.parse(data["after"], accept == CSV)
    made = Processing(content, accept, before, after, data["join"], data["stamp"])
    return made if made.filters or made.answers else None


def cut(plan: Plan, chosen: Way, made: Processing | None) -> Cut:
    """How objects become requests."""
    limit = chosen.payload * MIB or None
    return Cut(
        plan["split"],
        chosen.strategy,
        limit,
        made.asked if made and made.filters else None,
        made is not None and made.answers,
    )
