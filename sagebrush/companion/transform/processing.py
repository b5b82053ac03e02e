"""DataProcessing: what of a record goes to the model, and its answer joined with the record and filtered.

Sources: developer guide, "Associate Prediction Results with Input Records"; API reference,
DataProcessing; "Capture data from batch transform job" (InferenceId Generation).
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass

from sagebrush.companion.transform import jsonpath

TYPE_CHECKING = False  # importing typing would cost the start 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from sagebrush.companion.transform.jsonpath import Path
    from sagebrush.companion.transform.records import Payload

CSV, JSON, LINES = "text/csv", "application/json", "application/jsonlines"
FORMATS = (CSV, JSON, LINES)
INPUT, OUTPUT = "SageMakerInput", "SageMakerOutput"
csv.field_size_limit(1 << 30)  # a record's own limit is MaxPayloadInMB, not 128 KiB
ID, TIME = "SageMakerInferenceId", "SageMakerInferenceTime"
_CALLED = {CSV: "CSV", JSON: "JSON", LINES: "JSON Lines"}


class Unusable(Exception):
    """A record or an answer cannot be processed; the text says why, in AWS's words where known."""


def kind(content_type: str | None) -> str:
    """The media type without its parameters, in lower case."""
    return (content_type or "").partition(";")[0].strip().lower()


@dataclass(frozen=True)
class Processing:
    """What is done to each record before and after the model sees it."""

    content: str
    """The input's format, one of FORMATS."""
    accept: str
    """The output's."""
    before: Path
    after: Path
    join: bool
    stamp: str = ""
    """The job's start, where each record of the output gets an inference's id and this time."""

    @property
    def filters(self) -> bool:
        """Whether the model gets something else than the records."""
        return not self.before.whole

    @property
    def answers(self) -> bool:
        """Whether the output is something else than the answers."""
        return self.join or not self.after.whole or bool(self.stamp)

    def asked(self, record: bytes) -> bytes:
        """What the model gets of the record. Raises Unusable."""
        try:
            return written(self.before.select(read(record, self.content)), self.content)
        except jsonpath.Missing as error:
            raise Unusable(f"InputFilter {self.before.text}: {error}") from error
        except ValueError as error:
            raise Unusable(f"Failed to parse input as {_CALLED[self.content]}: {error}") from error

    def output(self, payload: Payload, answer: bytes, new_id: Callable[[], str]) -> bytes:
        """The records of the output for a request's answer. Raises Unusable."""
        found = self._split(answer, payload.count)
        if len(found) != payload.count:
            raise Unusable(
                f"Failed to join: the algorithm answered {len(found)} records for {payload.count}"
            )
        return b"\n".join(
            self._one(record, own, new_id) for record, own in zip(payload.parts, found, strict=True)
        )

    def _split(self, answer: bytes, count: int) -> Sequence[bytes]:
        if count == 1 and self.accept == JSON:
            return (answer,)
        lines = [line for line in answer.split(b"\n") if line.strip()]
        if self.accept == JSON and len(lines) != count:
            raise Unusable(
                "Failed to parse output from the algorithm as JSON: one document cannot be divided"
                f" among {count} records; use BatchStrategy SingleRecord or application/jsonlines"
            )
        return lines

    def _one(self, record: bytes, answer: bytes, new_id: Callable[[], str]) -> bytes:
        try:
            value = read(answer, self.accept)
        except ValueError as error:
            called = _CALLED[self.accept]
            raise Unusable(f"Failed to parse output from the algorithm as {called}") from error
        if self.join:
            try:
                value = joined(read(record, self.content), value)
            except ValueError as error:
                called = _CALLED[self.content]
                raise Unusable(f"Failed to parse input as {called}: {error}") from error
        try:
            value = self.after.select(value)
        except jsonpath.Missing as error:
            raise Unusable(f"OutputFilter {self.after.text}: {error}") from error
        if self.stamp:
            value = self._stamped(value, new_id())
        return written(value, self.accept)

    def _stamped(self, value: Any, new: str) -> Any:
        if self.accept == CSV:
            return [*(value if isinstance(value, list) else [value]), new, self.stamp]
        own = value if isinstance(value, dict) else {OUTPUT: value}
        return {**own, ID: new, TIME: self.stamp}


def joined(record: Any, answer: Any) -> Any:
    """Rows one after the other, or the answer as an attribute of the record (JoinSource Input)."""
    if isinstance(record, Row) and isinstance(answer, list):
        return Row([*record, *answer])
    if isinstance(record, dict):
        return {**record, OUTPUT: answer}
    return {INPUT: record, OUTPUT: answer}


class Row(list[str]):
    """A row of CSV: to a path an array."""


def read(data: bytes, content: str) -> Any:
    """The record as a value: a Row, or what the JSON says. Raises ValueError."""
    if content != CSV:
        try:
            return json.loads(data)
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error
    text = data.decode("utf-8-sig" if data[:1] == b"\xef" else "utf-8").rstrip("\r\n")
    if '"' not in text:
        return Row(text.split(","))
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error as error:
        raise ValueError(str(error)) from error
    return Row(rows[0] if rows else [""])


def written(value: Any, content: str) -> bytes:
    """The value as a record of that format, without a line's end."""
    if content != CSV:
        try:
            return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        except UnicodeEncodeError:  # JSON may name half a character, which UTF-8 has not
            return json.dumps(value, separators=(",", ":")).encode()
    row = [str(each) for each in (value if isinstance(value, list) else [value])]
    text = ",".join(row)
    if '"' not in text and text.count(",") == max(0, len(row) - 1) and "\n" not in text and row:
        return text.encode()
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(row)
    return out.getvalue().encode()
