"""What a classifier's training takes, known before it begins, and what would fit."""

from __future__ import annotations

import re

import pytest

from sagebrush.algorithms.blazingtext import classifier_memory
from sagebrush.algorithms.blazingtext.parameters import ClientError, Parameters

WANTED = Parameters(mode="supervised")  # 2,000,000 buckets of 100: 763 MiB
GIB = 1 << 30


def told(words: str) -> dict[str, int]:
    """The hyperparameters that the error's text proposes."""
    return {name: int(value) for name, value in re.findall(r"(vector_dim|buckets)=(\d+)", words)}


def test_a_models_file_must_fit() -> None:
    classifier_memory.check_file(WANTED, GIB)
    with pytest.raises(
        ClientError, match=r"take 763 MiB in model.bin, and the instance has 512"
    ) as e:
        classifier_memory.check_file(WANTED, GIB // 2)
    room = told(str(e.value))
    assert room == {"vector_dim": 67, "buckets": 1342177}
    for name, value in room.items():
        classifier_memory.check_file(Parameters(**{**WANTED.__dict__, name: value}), GIB // 2)


def test_without_n_grams_there_are_no_buckets() -> None:
    classifier_memory.check_file(Parameters(mode="supervised", word_ngrams=1), 1)


def test_rows_that_the_text_needs_must_fit_twice_where_the_best_are_kept() -> None:
    classifier_memory.check_matrix(100_000, 1_500_000, 0, WANTED, GIB)
    twice = Parameters(mode="supervised", early_stopping=True)
    with pytest.raises(
        ClientError, match="100000 words and 1500000 n-grams of 100 dimensions"
    ) as e:
        classifier_memory.check_matrix(100_000, 1_500_000, 0, twice, GIB)
    fits = Parameters(**{**twice.__dict__, **told(str(e.value))})
    classifier_memory.check_matrix(100_000, 1_500_000, 0, fits, GIB)


def test_texts_must_fit() -> None:
    classifier_memory.check_text(100 << 20, WANTED, GIB)
    with pytest.raises(ClientError, match=r"texts of 2.0 GiB .* the instance has 1.0 GiB"):
        classifier_memory.check_text(2 * GIB, WANTED, GIB)


def test_nothing_is_proposed_where_nothing_fits() -> None:
    with pytest.raises(ClientError, match="larger instance type or a larger min_count"):
        classifier_memory.check_matrix(10_000_000, 0, GIB, WANTED, GIB)
