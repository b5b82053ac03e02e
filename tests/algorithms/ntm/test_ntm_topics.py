"""Topics by their words: top ones, uniqueness, distances, and the lines of the log."""

from __future__ import annotations

import numpy as np
import pytest
from ntm import topics
from ntm.topics import Scores

WEIGHTS = np.array([[3.0, 0.0, 0.0], [2.0, 0.0, 0.5], [0.0, 4.0, 3.0], [1.0, 5.0, 4.0]])
WORDS = ["apple", "pear", "wheel", "car"]


def test_the_heaviest_words_of_each_column_are_on_top_best_first() -> None:
    assert topics.top(WEIGHTS, 2).tolist() == [[0, 1], [3, 2], [3, 2]]
    assert topics.top(WEIGHTS, 20).shape == (3, 4)


def test_a_word_that_several_topics_have_on_top_is_less_unique() -> None:
    assert topics.uniqueness(topics.top(WEIGHTS, 2)).tolist() == [1.0, 0.5, 0.5]


def test_distances_are_those_of_jensen_and_shannon() -> None:
    found = topics.distances(np.array([[50.0, 0.0, 50.0], [0.0, 50.0, 0.0]]))
    assert found == pytest.approx(np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]), abs=1e-6)
    near = topics.distances(WEIGHTS)
    assert near[1, 2] < near[0, 1]
    assert (near == near.T).all()


def test_the_lines_are_awss() -> None:
    tops = topics.top(WEIGHTS, 2)
    unique = topics.uniqueness(tops)
    scores = Scores(tops, unique, np.array([0.5, 0.25, 0.25]))
    assert topics.lines(scores, WORDS) == [
        "Topics from epoch:final (num_topics:3) [wetc 0.33, tu 0.67]:",
        "[0.50, 1.00] apple pear",
        "[0.25, 0.50] car wheel",
        "[0.25, 0.50] car wheel",
    ]
    assert topics.lines(Scores(tops, unique), None)[:2] == [
        "Topics from epoch:final (num_topics:3) [tu 0.67]:",
        "[1.00] 0 1",
    ]


def test_plots_get_words_shares_and_distances() -> None:
    shares, npmi = np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.2, 0.3])
    found = topics.document(WEIGHTS, shares, npmi, None)
    assert (found["algorithm"], found["vocabulary"]) == ("ntm", False)
    first = found["topics"][0]  # pyright: ignore[reportIndexIssue]
    assert [word for word, _ in first["words"]] == ["#0", "#1", "#3", "#2"]
    assert sum(weight for _, weight in first["words"]) == pytest.approx(1, abs=1e-5)
    assert (first["share"], first["npmi"]) == (0.5, 0.1)
    assert np.array(found["distances"]).shape == (3, 3)
