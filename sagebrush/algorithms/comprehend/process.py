"""An asynchronous job of Comprehend: documents from S3 through the models, results to S3.

Run as `python -m comprehend.process ARGUMENTS` (`told`) in a processing job, as the job's data access role.
Memory is bounded by a few batches of documents, whatever the input.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from . import corpus, failures, package, program, results, storage
from .custom import downloads, serving
from .custom.records import Records
from .documents import Document
from .failures import JobFailed
from .program import Stopping, say
from .results import Answer, Form, Results
from .storage import Storage
from .told import Told

EVERY = 30.0
"""Seconds between two lines of progress in the log."""


class Analyser(Protocol):
    """Texts to documents of AWS's shape (`nlp.analyser`)."""

    def answer(self, task: str, language: str, texts: Sequence[str]) -> list[dict[str, Any]]:
        """One for each text."""
        ...


def work(told: Told, folder: Path, stopping: Stopping) -> None:
    """The results of every document are in S3, or of those up to a stop. Raises JobFailed."""
    package.nlp()
    if told.model:
        custom = _custom(downloads.model(told.model, folder))
        done(storage.connect(), custom, told, folder, stopping, Records(custom.kind))
        return
    analyser = importlib.import_module("nlp.analyser").Analyser(package.models())
    done(storage.connect(), analyser, told, folder, stopping)


def _custom(folder: Path) -> serving.Custom:
    """The custom model in the folder. Raises JobFailed where it cannot be used here."""
    try:
        return serving.load(folder)
    except Exception as error:
        _refuse(error)
        raise


def done(
    given: Storage,
    analyser: Analyser,
    told: Told,
    folder: Path,
    stopping: Stopping,
    written_as: Form | None = None,
) -> int:
    """How many documents have results in S3, each as `written_as` has it, or else as the job's redaction
    does. Raises JobFailed."""
    corpus.check(given, told)

    def put(name: str, file: Path) -> None:
        given.put(told.output[0], told.place + name, file)

    form = written_as or record_of(told.redaction)
    with closing(results.KINDS[told.results](folder, put, form)) as written:
        count = _analysed(given, analyser, told, written, stopping)
        written.finish()
    say(f"{count} documents are analysed and stored")
    return count


def _analysed(
    given: Storage, analyser: Analyser, told: Told, written: Results, stopping: Stopping
) -> int:
    """How many documents have a result, which is written."""
    count, said = 0, time.monotonic()
    for batch in corpus.ahead(corpus.batches(corpus.read(given, told)), stopping):
        for document, answer in answered(analyser, told, batch):
            written.add(document, answer)
        count += len(batch)
        if time.monotonic() - said > EVERY:
            say(f"{count} documents are analysed")
            said = time.monotonic()
    return count


def answered(
    analyser: Analyser, told: Told, batch: Sequence[Document]
) -> list[tuple[Document, Answer]]:
    """Each document with its answer, in order. One on which the models fail is told as an error, and the
    others have their answers. Raises JobFailed where a model is missing."""
    readable = [each for each in batch if each.error is None]
    answers = iter(_answers(analyser, told, readable))
    found: list[tuple[Document, Answer]] = []
    for each in batch:
        answer = next(answers) if each.error is None else {}
        if answer is None:
            each, answer = replace(each, error=failures.UNREADABLE), {}
        found.append((each, answer))
    return found


def _answers(
    analyser: Analyser, told: Told, readable: Sequence[Document]
) -> list[Mapping[str, Any] | None]:
    if not readable:
        return []
    try:
        texts = [each.text for each in readable]
        return list(analyser.answer(told.task, told.language, texts))
    except Exception as error:
        _refuse(error)
        if len(readable) == 1:
            say(f"A document could not be analysed: {program.where(error)}")
            return [None]
    return [answer for each in readable for answer in _answers(analyser, told, [each])]


def _refuse(error: Exception) -> None:
    """Raises JobFailed for an error that every document would meet."""
    if isinstance(error, FileNotFoundError) and error.filename:
        words = f"MODEL_NOT_AVAILABLE: The model file {Path(error.filename).name} is not installed."
        raise JobFailed(words) from error
    if type(error).__name__ in ("ModelMissing", "UnknownTask"):  # of a module found at run time
        words = f"MODEL_NOT_AVAILABLE: There is no model for this: {error}."
        raise JobFailed(words) from error
    if type(error).__name__ == "OtherEncoder":
        words = f"MODEL_NOT_AVAILABLE: {error}"
        raise JobFailed(words) from error
    if isinstance(error, MemoryError):
        raise error


def record_of(redaction: Mapping[str, Any] | None) -> Form:
    """What is written of each document: its record, or the document itself without its personal data."""
    return results.record if redaction is None else _Redacted(redaction)


class _Redacted:
    """Documents by a RedactionConfig, each with its line's own ending."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        package.nlp()
        self._span = importlib.import_module("nlp.spans").Span
        redaction = importlib.import_module("nlp.pii.redaction")
        mode = redaction.Mode(config.get("MaskMode", "MASK"))
        self._redact = partial(
            redaction.redact,
            mode=mode,
            character=config.get("MaskCharacter", "*"),
            types=config["PiiEntityTypes"],
        )

    def __call__(self, document: Document, answer: Answer) -> str:
        if document.error is failures.EMPTY:
            return document.ending
        if document.error is not None:
            return results.record(document, answer)
        spans = [
            self._span(each["BeginOffset"], each["EndOffset"], each["Type"])
            for each in answer["Entities"]
        ]
        return self._redact(document.text, spans) + document.ending


if __name__ == "__main__":
    sys.exit(program.run(work, sys.argv[1:]))
