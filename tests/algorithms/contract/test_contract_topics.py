"""Topics by their words: names, top ones, distances, and what plots read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from contract import channels, topics
from contract.errors import ClientError

WEIGHTS = np.array([[3.0, 2.0, 0.0, 1.0], [0.0, 0.0, 4.0, 5.0], [0.0, 0.5, 3.0, 4.0]])
CHANCES = np.exp(WEIGHTS) / np.exp(WEIGHTS).sum(1, keepdims=True)


def vocabulary(folder: Path, content: bytes, size: int, kind: str = "text/plain") -> list[str]:
    (folder / "auxiliary").mkdir()
    (folder / "auxiliary" / "vocab.txt").write_bytes(content)
    (folder / "auxiliary" / "read.me").write_bytes(b"\xff")
    found = channels.read({"auxiliary": {"ContentType": kind}}, folder)
    return topics.vocabulary(found["auxiliary"], size)


def test_a_vocabulary_is_one_word_a_line(tmp_path: Path) -> None:
    content = "\ufeffone\r\ntwo\u2028words\n\nfour\n\n".encode()
    assert vocabulary(tmp_path, content, 4) == ["one", "two\u2028words", "", "four"]


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"one\ntwo\n", "text/plain", "vocab.txt has 2 words, but feature_dim is 3"),
        (b"", "", "must contain|only empty files|has 0 words|a file named vocab.txt"),
        (b"a\nb\n\xff", "text/plain", "vocab.txt: 'utf-8' codec"),
        (b"a\nb\nc", "text/csv", "must be text/plain, not text/csv"),
    ],
)
def test_a_bad_vocabulary_is_told(tmp_path: Path, content: bytes, kind: str, words: str) -> None:
    with pytest.raises(ClientError, match=words):
        vocabulary(tmp_path, content, 3, kind)


def test_the_heaviest_words_of_each_topic_are_on_top_best_first() -> None:
    assert topics.top(WEIGHTS, 2).tolist() == [[0, 1], [3, 2], [3, 2]]
    assert topics.top(WEIGHTS, 20).shape == (3, 4)
    assert topics.top(np.zeros((1, 3)), 3).tolist() == [[0, 1, 2]]


def test_distances_are_those_of_jensen_and_shannon() -> None:
    found = topics.distances(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]))
    assert found == pytest.approx(np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]), abs=1e-6)
    near = topics.distances(CHANCES)
    assert near[1, 2] < near[0, 1]
    assert (near == near.T).all()


def test_plots_get_words_shares_and_distances() -> None:
    shares, npmi = np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.2, 0.3])
    found = topics.document("ntm", CHANCES, shares, npmi, None)
    assert (found["algorithm"], found["vocabulary"]) == ("ntm", False)
    first = found["topics"][0]
    assert [word for word, _ in first["words"]] == ["#0", "#1", "#3", "#2"]
    assert sum(weight for _, weight in first["words"]) == pytest.approx(1, abs=1e-5)
    assert (first["share"], first["npmi"]) == (0.5, 0.1)
    assert np.array(found["distances"]).shape == (3, 3)
    named = topics.document("lda", CHANCES, shares, npmi, ["a", "b", "c", "d"])
    assert named["topics"][1]["words"][0][0] == "d"
