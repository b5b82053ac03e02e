"""LDA on 20 Newsgroups: topics as coherent as those of the best peers. Needs SAGEBRUSH_EVAL_DATA."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from sagebrush.environments.environment import Environment
from tests.algorithms.lda import corpora
from tests.needs import eval_data


@pytest.mark.full
@pytest.mark.timeout(900)  # seconds of work, and minutes where the machine is busy
def test_fifty_topics_of_newsgroups_are_coherent(tmp_path: Path, algorithms: Environment) -> None:
    folder = eval_data("20news_bow")
    words = len((folder / "vocab.txt").read_text().splitlines())
    with gzip.open(folder / "train.feat.gz", "rt") as lines:
        rows = [[pair.split(":") for pair in line.split()[1:]] for line in lines]
    counts = np.zeros((len(rows), words))
    for document, pairs in zip(counts, rows, strict=True):
        for word, count in pairs:
            document[int(word) - 1] += int(count)
    given = {"num_topics": 50, "feature_dim": words, "mini_batch_size": len(rows)}
    kind = "application/x-recordio-protobuf"
    root = corpora.written(tmp_path / "ml", given, ("train", kind, corpora.records(counts)))
    done = corpora.run(algorithms.python, "-m", "lda.train", timeout=800, SAGEBRUSH_ML=str(root))
    assert done.returncode == 0, done.stderr
    topics = json.loads((root / "output" / "data" / "topics.json").read_text())["topics"]
    coherence = float(np.mean([topic["npmi"] for topic in topics]))
    tops = [[word for word, _ in topic["words"][:10]] for topic in topics]
    assert coherence > 0.21, coherence  # gensim's LDA: 0.19
    assert len(np.unique(tops)) > 0.8 * 500
