"""What a map run gives back: results of its child executions, as values and as files in S3. Pure.

Sources: Step Functions developer guide, "ResultWriter (Map)" (transformations, files, manifest), "Map
state in Distributed mode" (outputs, failed executions); API reference, "DescribeExecution".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sagebrush.asl.values import PAYLOAD_LIMIT, read, write
from sagebrush.errors import Doc
from sagebrush.services.states.program import plan_of
from sagebrush.services.states.tasks.values import instant
from sagebrush.store.execution_values import Run

INCLUDED = {"Included": True}
GROUPS = ("FAILED", "PENDING", "SUCCEEDED")
"""The kinds of result files, in the manifest's order."""
FILE_LIMIT = 5 << 30
"""Bytes of a result file at most: what one PutObject of S3 takes. A further file of its kind follows."""
_END = object()
THRESHOLD = "States.ExceedToleratedFailureThreshold"
EXCEEDED = "The specified tolerated failure threshold was exceeded"


def described(run: Run) -> Doc:
    """A child execution with its metadata, as results without a transformation have it."""
    ok, plan = run.status == "SUCCEEDED", plan_of(run)
    told: Doc = {
        "Cause": run.cause,
        "Error": run.error,
        "ExecutionArn": run.arn,
        "Input": run.input,
        "InputDetails": INCLUDED,
        "Name": run.name,
        "Output": run.output,
        "OutputDetails": INCLUDED if ok else None,
        "RedriveCount": plan.get("redrives", 0),
        "RedriveStatus": "NOT_REDRIVABLE" if ok else "REDRIVABLE_BY_MAP_RUN",
        "RedriveStatusReason": f"Execution is {run.status} and cannot be redriven" if ok else None,
        "StartDate": instant(run.started),
        "StateMachineArn": plan.get("machine", ""),
        "Status": run.status,
        "StopDate": None if run.stopped is None else instant(run.stopped),
    }
    return {name: value for name, value in told.items() if value is not None}


def pending(text: str) -> Doc:
    """An item, or a batch, for which no execution began. `text`: its input."""
    return {"Input": text, "InputDetails": INCLUDED, "Status": "PENDING"}


def transformed(run: Run, how: str) -> Iterator[Any]:
    """The results of one child: a failed one is described whatever the transformation."""
    if how == "NONE" or run.status != "SUCCEEDED":
        yield described(run)
        return
    output = read(run.output or "null")
    if how == "FLATTEN" and isinstance(output, list):
        yield from output
    else:
        yield output


def transformation(writer: Doc | None) -> str:
    """NONE, COMPACT or FLATTEN: what the writer asks for, or the default."""
    config = (writer or {}).get("WriterConfig") or {}
    return config.get("Transformation") or ("NONE" if exported(writer) else "COMPACT")


def exported(writer: Doc | None) -> bool:
    """Whether results go to S3."""
    return bool(writer and "Resource" in writer)


def in_lines(writer: Doc | None) -> bool:
    """Whether results are JSON Lines."""
    return ((writer or {}).get("WriterConfig") or {}).get("OutputType") == "JSONL"


class TooLarge(Exception):
    """The results are more than a state may return."""


def gathered(runs: Iterable[Run], writer: Doc | None) -> Any:
    """The results as the Map state's output: an array, or a text of JSON Lines. Raises TooLarge."""
    how = transformation(writer)
    found: list[Any] = []
    size = 2
    for run in runs:
        for value in transformed(run, how):
            size += len(write(value).encode()) + 1
            if size > PAYLOAD_LIMIT + 1:
                raise TooLarge
            found.append(value)
    if in_lines(writer):
        return "".join(write(value) + "\n" for value in found)
    return found


def group_of(run: Run) -> str:
    """In which files the execution's result is."""
    return "SUCCEEDED" if run.status == "SUCCEEDED" else "FAILED"


def files(values: Iterable[Any], lines: bool, limit: int = FILE_LIMIT) -> Iterator[Iterator[bytes]]:
    """The pieces of one result file after the other, none larger than `limit` bytes unless one value
    is; each file is to be read to its end before the next. No file where there are no values."""
    iterator = iter(values)
    ahead = [next(iterator, _END)]

    def pieces() -> Iterator[bytes]:
        before, size = b"" if lines else b"[", 1
        while ahead[0] is not _END:
            text = write(ahead[0]).encode() + (b"\n" if lines else b"")
            more = len(before) + len(text)
            if size > 1 and size + more > limit:
                break
            yield before + text
            size += more
            before = b"" if lines else b","
            ahead[0] = next(iterator, _END)
        if not lines:
            yield b"]"

    while ahead[0] is not _END:
        yield pieces()


def folder(writer: Doc, map_run: str) -> tuple[str, str]:
    """(bucket, prefix of the files): the writer's prefix, and the map run's id."""
    given = writer.get("Parameters") or {}
    prefix = str(given.get("Prefix") or "").strip("/")
    name = map_run.rpartition(":")[2]
    return str(given.get("Bucket") or ""), f"{prefix}/{name}" if prefix else name


def manifest(bucket: str, map_run: str, files: dict[str, list[Doc]]) -> Doc:
    """The content of manifest.json; `files`: Key and Size of the files of each kind."""
    listed = {group: files.get(group, []) for group in GROUPS}
    return {"DestinationBucket": bucket, "MapRunArn": map_run, "ResultFiles": listed}


def output(map_run: str, bucket: str, key: str) -> Doc:
    """The output of a Map state whose results went to S3."""
    return {"MapRunArn": map_run, "ResultWriterDetails": {"Bucket": bucket, "Key": key}}
