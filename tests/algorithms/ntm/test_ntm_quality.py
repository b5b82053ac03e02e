"""NTM on 20 Newsgroups: topics more coherent than those of the best peers. Needs SAGEBRUSH_EVAL_DATA."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from sagebrush.environments.environment import Environment
from tests.algorithms.ntm import corpora
from tests.built_environments import pytorch
from tests.needs import eval_data

__all__ = ["pytorch"]


@pytest.mark.nightly
@pytest.mark.full
@pytest.mark.timeout(1800)  # a minute of work, and many where the machine is busy
def test_fifty_topics_of_newsgroups_are_coherent(tmp_path: Path, pytorch: Environment) -> None:
    folder = eval_data("20news_bow")
    words = (folder / "vocab.txt").read_text().splitlines()
    with gzip.open(folder / "train.feat.gz", "rt") as lines:
        rows = [[pair.split(":") for pair in line.split()[1:]] for line in lines]
    counts = np.zeros((len(rows), len(words)), np.int64)
    for document, pairs in zip(counts, rows, strict=True):
        for word, count in pairs:
            document[int(word) - 1] += int(count)
    validation = {"a.csv": corpora.csv(counts[::10])}
    train = {"a.csv": corpora.csv(np.delete(counts, np.s_[::10], 0))}
    given = {
        "feature_dim": str(len(words)), "num_topics": "50", "mini_batch_size": "256",
        "learning_rate": "0.01", "epochs": "50",
    }  # fmt: skip
    root = corpora.prepare(tmp_path / "ml", {"train": train, "validation": validation}, given)
    with corpora.start(pytorch.python, root) as process:
        said, _ = process.communicate(timeout=1700)
    assert "STATUS 0" in said, said[-3000:]
    topics = json.loads((root / "output" / "data" / "topics.json").read_text())["topics"]
    coherence = float(np.mean([topic["npmi"] for topic in topics]))
    assert coherence > 0.24, coherence  # gensim's LDA with ten passes: 0.18
    tops = [[word for word, _ in topic["words"][:10]] for topic in topics]
    assert len(np.unique(tops)) > 0.3 * 500
