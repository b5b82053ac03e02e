"""A topics detection job of Comprehend: documents from S3, their topics by the algorithm `lda`, tables to S3.

Run as `python -m comprehend.topics ARGUMENTS` (`told`) in a processing job whose environment is that of the
algorithm. Source: Amazon Comprehend developer guide, "Topic modeling".
"""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from contract.errors import ClientError
from contract.job import Job

from . import corpus, program, results, storage
from .failures import JobFailed
from .program import Stopping, say
from .storage import Storage
from .told import Told
from .topic_words import Counts

TERMS = 10
"""Words of a topic that are told."""
LEAST = 1e-3
"""The share of a document from which on a topic of it is told."""
ALPHA = 1.0
SWEEPS = 100
FEW_WORDS = "INPUT_TOO_SMALL: The input has no document with three words to tell topics by."


def work(told: Told, folder: Path, stopping: Stopping) -> None:
    """The tables are in S3. Raises JobFailed."""
    given = storage.connect()
    names, counts = read(given, told, stopping)
    say(f"{counts.documents} documents are read")
    beta, mixtures, words = model(counts, told.topics, stopping)
    found = write(folder, (beta, mixtures), words, names)
    archive = folder / results.Archive.NAME
    results.pack(archive, found)
    given.put(told.output[0], told.output[1], archive)


def read(given: Storage, told: Told, stopping: Stopping) -> tuple[list[str], Counts]:
    """The documents' names, and their words. What cannot be read is left out. Raises JobFailed."""
    corpus.check(given, told)
    names, counts = list[str](), Counts()
    for batch in corpus.ahead(corpus.batches(corpus.read(given, told)), stopping):
        for each in batch:
            if each.error is None:
                names.append(each.file if each.line is None else f"{each.file}:{each.line}")
                counts.add(each.text)
    return names, counts


def model(counts: Counts, topics: int, stopping: Stopping) -> tuple[Any, Any, Sequence[str]]:
    """((topics, words) chances of words, (documents, topics) shares of topics, the words), the topics of
    the most words first: as many topics as asked, or as there are documents for. Raises JobFailed."""
    from lda import documents, memory, spectral
    from lda.decomposition import Limits

    chosen = counts.vocabulary()
    matrix = _matrix(counts, [number for _, number in chosen])
    long = int((np.asarray(matrix.sum(1)).ravel() >= 3).sum())
    if not long:
        raise JobFailed(FEW_WORDS)
    topics = min(topics, long, len(chosen))
    processors, limit = Job(Path(), {}, {}).resources()
    try:
        memory.check(limit, topics, len(chosen), matrix.shape[0], matrix.nnz, processors)
    except ClientError as error:
        raise JobFailed(f"INTERNAL_SERVER_ERROR: {error}") from error
    found = spectral.estimate(matrix, topics, ALPHA, Limits()).model
    parts = documents.parts(matrix, processors)
    refined = documents.refine(parts, found, SWEEPS, stopped=stopping)
    made = refined.model.ordered()
    mixtures, _ = documents.infer(matrix, made, processors)
    say(f"{topics} topics of {len(chosen)} words after {refined.sweeps} sweeps")
    return made.beta, mixtures, [word for word, _ in chosen]


def _matrix(counts: Counts, numbers: Sequence[int]) -> Any:
    """The documents as a csr_matrix of the words with those numbers."""
    from scipy.sparse import csr_matrix  # pyright: ignore[reportMissingImports]

    column = np.full(counts.numbers + 1, -1, np.int32)
    column[np.asarray(numbers, np.int64)] = np.arange(len(numbers), dtype=np.int32)
    words = column[np.frombuffer(counts.words, np.int32)] if counts.words else np.zeros(0, np.int32)
    kept = words >= 0
    ends = np.concatenate([[0], np.cumsum(kept)])[np.frombuffer(counts.ends, np.int64)]
    values = np.frombuffer(counts.counts, np.int32)[kept] if counts.words else np.zeros(0, np.int32)
    shape = (counts.documents, max(len(numbers), 1))
    return csr_matrix((values.astype(np.float64), words[kept], ends), shape=shape)


def write(
    folder: Path, found: tuple[Any, Any], words: Sequence[str], names: Sequence[str]
) -> dict[str, Path]:
    """The tables, by their names in the archive; `found` are the chances of words and the documents'
    shares of topics."""
    beta, mixtures = found
    terms, shares = folder / "topic-terms.csv", folder / "doc-topics.csv"
    with terms.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(("topic", "term", "weight"))
        for topic, chances in enumerate(beta):
            for word in np.argsort(-chances, kind="stable")[:TERMS]:
                rows.writerow((f"{topic:03}", words[word], float(chances[word])))
    with shares.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(("docname", "topic", "proportion"))
        for name, mixture in zip(names, mixtures, strict=True):
            for topic in np.argsort(-mixture, kind="stable"):
                if mixture[topic] >= LEAST:
                    rows.writerow((name, f"{topic:03}", round(float(mixture[topic]), 9)))
    return {terms.name: terms, shares.name: shares}


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(program.run(work, sys.argv[1:]))
