"""The result files of a map run, written to S3 as the machine's role.

Source: Step Functions developer guide, "ResultWriter (Map)".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sagebrush.asl.values import write
from sagebrush.errors import Doc
from sagebrush.services.states.map_runs import results
from sagebrush.store.execution_values import Run
from sagebrush.world import Ctx

Children = Callable[[], Iterator[Run]]
"""Reads the child executions, in the order of their items; may be called again."""


def export(ctx: Ctx, writer: Doc, map_run: str, children: Children, left: Iterable[str]) -> Doc:
    """The Map state's output, once all files are written. `left`: inputs for which no execution began.

    Raises AwsError as PutObject does.
    """
    bucket, folder = results.folder(writer, map_run)
    how, lines = results.transformation(writer), results.in_lines(writer)
    groups: dict[str, Iterable[Any]] = {
        "FAILED": _of(children(), "FAILED", how),
        "PENDING": (results.pending(text) for text in left),
        "SUCCEEDED": _of(children(), "SUCCEEDED", how),
    }
    ending = "jsonl" if lines else "json"
    files: dict[str, list[Doc]] = {}
    for group, values in groups.items():
        for number, pieces in enumerate(results.files(values, lines)):
            key = f"{folder}/{group}_{number}.{ending}"
            size = _put(ctx, bucket, key, pieces)
            files.setdefault(group, []).append({"Key": key, "Size": size})
    key = f"{folder}/manifest.json"
    text = write(results.manifest(bucket, map_run, files)).encode()
    _put(ctx, bucket, key, [text])
    return results.output(map_run, bucket, key)


def _of(children: Iterator[Run], group: str, how: str) -> Iterator[Any]:
    for run in children:
        if results.group_of(run) == group:
            yield from results.transformed(run, how)


def _put(ctx: Ctx, bucket: str, key: str, pieces: Iterable[bytes]) -> int:
    """The object's size; its bytes are never all in memory."""
    spool = ctx.world.objects.spool(("CRC64NVME",))
    try:
        for piece in pieces:
            ahead = spool.write(piece)
            if ahead is not None:
                ahead.result()
        body = spool.finish()
    except BaseException:
        spool.abort()
        raise
    try:
        ctx.call("s3", "PutObject", {"Bucket": bucket, "Key": key, "Body": body})
    except BaseException:
        ctx.world.objects.drop(body)
        raise
    return body.size
