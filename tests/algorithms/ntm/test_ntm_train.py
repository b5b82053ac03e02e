"""NTM's training jobs, in the environment `pytorch`: one process for all of them, for torch loads slowly."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from ntm import artefact

from sagebrush.environments.environment import Environment
from tests.algorithms.ntm import corpora
from tests.algorithms.ntm.corpora import TOPICS, VOCABULARY, WORDS, csv, documents, prepare
from tests.built_environments import pytorch

__all__ = ["pytorch"]
TRAIN = csv(documents(400))
GOOD = {
    "train": {"a.csv": csv(documents(200)), "b.csv": csv(documents(200, 1))},
    "validation": {"a.csv": csv(documents(50, 2))},
    "test": {"a.csv": csv(documents(50, 3))},
    "auxiliary": {"vocab.txt": VOCABULARY},
}
NEGATIVE = TRAIN.replace("\n", "\n-", 1).replace("-0", "-1", 1)
BAD: Mapping[str, tuple[Mapping[str, Mapping[str, str]], Mapping[str, str], str]] = {
    "no train": ({"validation": {"a.csv": TRAIN}}, {}, "'train' is a required property"),
    "other channel": ({"train": {"a.csv": TRAIN}, "extra": {"a.csv": TRAIN}}, {}, "'extra' was"),
    "empty": ({"train": {"a.csv": ""}}, {}, "only empty files"),
    "no words": ({"train": {"a.csv": csv(documents(2) * 0)}}, {}, "no document .* has a word"),
    "nan": ({"train": {"a.csv": TRAIN + "nan," * (WORDS - 1) + "1\n"}}, {}, "missing .NaN. values"),
    "negative": ({"train": {"a.csv": NEGATIVE}}, {}, "document 1 has the negative word count -1"),
    "width": ({"train": {"a.csv": TRAIN}}, {"feature_dim": "25"}, "24 features where .* is 25"),
    "vocabulary": (
        {"train": {"a.csv": TRAIN}, "auxiliary": {"vocab.txt": "one\ntwo\n"}},
        {},
        "vocab.txt has 2 words, but feature_dim is 24",
    ),
    "vocabulary's name": (
        {"train": {"a.csv": TRAIN}, "auxiliary": {"words.txt": VOCABULARY}},
        {},
        "a file named vocab.txt",
    ),
    "memory": (
        {"train": {"a.csv": TRAIN}},
        {"feature_dim": "1000000", "num_topics": "1000", "encoder_layers": "9000,9000"},
        "Out of memory: training needs about",
    ),
}


def test_bad_input_is_refused_and_good_input_gives_the_topics(
    tmp_path: Path, pytorch: Environment
) -> None:
    bad = [prepare(tmp_path / name, each[0], each[1]) for name, each in BAD.items()]
    good = prepare(tmp_path / "good", GOOD)
    with corpora.start(pytorch.python, *bad, good) as process:
        said, _ = process.communicate(timeout=100)
    statuses = re.findall(r"^STATUS (\d)$", said, re.MULTILINE)
    assert statuses == ["2"] * len(bad) + ["0"], said
    for root, (_, _, says) in zip(bad, BAD.values(), strict=True):
        failure = (root / "output" / "failure").read_text()
        assert failure.startswith("ClientError: ")
        assert re.search(says, failure), failure
    _check_log(said)
    _check_outputs(good)


def _check_log(said: str) -> None:
    """Each metric is in it, and each topic has one letter's words on top."""
    table = json.loads((corpora.ALGORITHMS / "ntm" / "metrics.json").read_text())
    found = {each["Name"]: re.findall(each["Regex"], said) for each in table}
    losses = [float(value) for value in found["validation:total_loss"]]
    assert len(losses) == len(found["train:total_loss"]) <= 15
    assert losses[-1] < losses[0]
    # A unigram model needs log(24) = 3.18 for a word, the one that made the documents about 2.2.
    assert float(found["test:total_loss"][0]) < 2.8
    assert "wetc is measured with word embeddings of the training documents" in said
    lines = re.search(
        r"epoch:final \(num_topics:4\) \[wetc [\d.]+, tu [\d.]+\]:\n((?:.*\n){4})", said
    )
    assert lines is not None, said
    tops = [line.split("] ")[-1].split()[:6] for line in lines[1].splitlines()]
    assert {frozenset(word[0] for word in top) for top in tops} == {
        frozenset(letter) for letter in "abcd"
    }


def _check_outputs(root: Path) -> None:
    """The artefact alone gives mixtures that tell the documents' topics."""
    assert [file.name for file in (root / "model").iterdir()] == ["model_algo-1"]
    model = artefact.load(root / "model" / "model_algo-1")
    assert model.topics.shape == (WORDS, TOPICS)
    pure = np.kron(np.eye(TOPICS, dtype=np.float32), np.full((1, 6), 7, np.float32))
    mixtures = model.mixtures(pure)
    assert sorted(mixtures.argmax(1).tolist()) == list(range(TOPICS))
    assert mixtures.max(1).min() > 0.5
    plotted = json.loads((root / "output" / "data" / "topics.json").read_text())
    assert plotted["vocabulary"] is True
    assert sum(topic["share"] for topic in plotted["topics"]) == pytest.approx(1, abs=1e-3)
    assert min(topic["npmi"] for topic in plotted["topics"]) > 0


@pytest.mark.full
def test_two_hosts_train_one_model(tmp_path: Path, pytorch: Environment) -> None:
    parts = {"127.0.0.1": documents(250), "localhost": documents(150, 1)}
    hosts, wanted = sorted(parts), {"epochs": "3", "batch_norm": "true"}
    roots = []
    for host, rows in parts.items():
        channels = {"train": {"a.csv": csv(rows)}}
        given = [host, *(each for each in hosts if each != host)]
        roots.append(prepare(tmp_path / host, channels, wanted, given))
    processes = [corpora.start(pytorch.python, root) for root in roots]
    for process in processes:
        said, _ = process.communicate(timeout=100)
        assert "STATUS 0" in said
        assert "with 2 host(s)" in said
    one, two = (artefact.load(artefact.find(root / "model")).topics for root in roots)
    assert one == pytest.approx(two, abs=1e-5)
