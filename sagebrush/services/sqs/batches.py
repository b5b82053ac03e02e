"""Batches: their entries, and answers of those that did well and those that failed.

Source: Amazon SQS API Reference, the Batch operations.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from sagebrush.errors import AwsError, Doc

MOST = 10
"""Entries of a batch, and messages of one answer."""
_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
T = TypeVar("T")


def entries(request: Doc, shape: str) -> list[Doc]:
    """The entries of the request. Raises EmptyBatchRequest, TooManyEntriesInBatchRequest,
    InvalidBatchEntryId, BatchEntryIdsNotDistinct."""
    found = request.get("Entries") or []
    if not found:
        raise AwsError("EmptyBatchRequest", f"There should be at least one {shape} in the request.")
    if len(found) > MOST:
        raise AwsError(
            "TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are {MOST}. You have sent {len(found)}.",
        )
    ids = [entry["Id"] for entry in found]
    if any(not _ID.fullmatch(each) for each in ids):
        raise AwsError(
            "InvalidBatchEntryId",
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It"
            " can be at most 80 letters long.",
        )
    if twice := [each for each in ids if ids.count(each) > 1]:
        raise AwsError("BatchEntryIdsNotDistinct", f"Id {twice[0]} repeated.")
    return found


def failure(entry: Doc, error: AwsError) -> Doc:
    """The entry among those that failed."""
    return {"Id": entry["Id"], "SenderFault": True, "Code": error.code, "Message": error.message}


def outcome(done: list[Doc], failed: list[Doc]) -> Doc:
    """A batch's answer: of the two lists those that hold anything, as AWS answers."""
    found: Doc = {"Successful": done, "Failed": failed}
    return {name: entries for name, entries in found.items() if entries}


def after(written: Future[T], result: Callable[[T], Doc]) -> Future[Doc]:
    """The future of `result` of what `written` answers."""
    answer = Future[Doc]()
    answer.set_running_or_notify_cancel()  # a client that leaves does not undo what was started

    def done(future: Future[T]) -> None:
        try:
            answer.set_result(result(future.result()))
        except Exception as error:
            answer.set_exception(error)

    written.add_done_callback(done)
    return answer
