"""Words for topic models: which count, and which tell nothing."""

from __future__ import annotations

import pytest

from sagebrush.algorithms.comprehend import topic_words
from sagebrush.algorithms.comprehend.topic_words import Counts


def counted(*texts: str) -> Counts:
    counts = Counts()
    for text in texts:
        counts.add(text)
    return counts


def words(counts: Counts) -> list[str]:
    return [word for word, _ in counts.vocabulary()]


def test_words_are_letters_in_lower_case() -> None:
    found = counted("The Café's 3 coffees, x2 COFFEES!", "nothing", "else entirely")
    assert sorted(words(found)) == ["café", "coffees", "entirely", "nothing"]
    coffees = found.known["coffees"]
    place = list(found.words).index(coffees)
    assert found.counts[place] == 2
    assert list(found.ends) == [0, 2, 3, 4]


def test_words_of_most_documents_and_of_one_are_left_out() -> None:
    texts = [f"common word{'ab'[n % 2]} single{chr(97 + n)}" for n in range(topic_words.FEW)]
    assert sorted(words(counted(*texts))) == ["worda", "wordb"]


def test_of_few_documents_a_word_of_one_counts() -> None:
    assert sorted(words(counted("cats purr", "dogs bark"))) == ["bark", "cats", "dogs", "purr"]


def test_the_vocabulary_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_words, "MOST_WORDS", 2)
    assert words(counted("aa bb cc", "bb cc", "cc dd", "dd", "ee", "ff")) == ["cc", "bb"]


def test_what_was_seen_once_is_forgotten_where_words_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(topic_words, "KNOWN", 3)
    found = counted("aa bb", "aa cc dd", "bb ee", "aa")
    assert "aa" in found.known
    assert "cc" not in found.known
    assert len(set(found.words)) == found.numbers, "a number is one word's forever"
    assert found.documents == 4
