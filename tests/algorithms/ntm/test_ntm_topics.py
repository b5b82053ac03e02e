"""Topics in the log: uniqueness, and AWS's lines."""

from __future__ import annotations

import numpy as np
import pytest
from ntm import topics
from ntm.topics import Scores

TOPS = np.array([[0, 1], [3, 2], [3, 2]])
WORDS = ["apple", "pear", "wheel", "car"]


def test_a_word_that_several_topics_have_on_top_is_less_unique() -> None:
    assert topics.uniqueness(TOPS).tolist() == [1.0, 0.5, 0.5]


def test_chances_are_those_of_each_topic() -> None:
    found = topics.softmax(np.array([[1000.0, 1000.0], [0.0, np.log(3)]]))
    assert found == pytest.approx(np.array([[0.5, 0.5], [0.25, 0.75]]))


def test_the_lines_are_awss() -> None:
    unique = topics.uniqueness(TOPS)
    scores = Scores(TOPS, unique, np.array([0.5, 0.25, 0.25]))
    assert topics.lines(scores, WORDS) == [
        "Topics from epoch:final (num_topics:3) [wetc 0.33, tu 0.67]:",
        "[0.50, 1.00] apple pear",
        "[0.25, 0.50] car wheel",
        "[0.25, 0.50] car wheel",
    ]
    assert topics.lines(Scores(TOPS, unique), None)[:2] == [
        "Topics from epoch:final (num_topics:3) [tu 0.67]:",
        "[1.00] 0 1",
    ]
