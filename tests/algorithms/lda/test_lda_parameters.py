"""LDA's hyperparameters, as the guide's table has them."""

from __future__ import annotations

from typing import Any

import pytest
from contract.errors import ClientError

from sagebrush.algorithms.lda import memory, parameters

NEEDED = {"num_topics": "10", "feature_dim": "25", "mini_batch_size": "5400"}


def test_defaults_are_the_guides() -> None:
    found = parameters.read(NEEDED)
    assert (found.num_topics, found.feature_dim, found.mini_batch_size) == (10, 25, 5400)
    assert (found.alpha0, found.max_restarts, found.max_iterations) == (1.0, 10, 1000)
    assert found.tol == 1e-8
    assert found.refinement_sweeps == 100


def test_a_tuners_numbers_are_taken() -> None:
    given = {"num_topics": "7.0", "alpha0": "0.25", "_tuning_objective_metric": "test:pwll"}
    found = parameters.read(NEEDED | given)
    assert (found.num_topics, found.alpha0) == (7, 0.25)


@pytest.mark.parametrize("name", NEEDED)
def test_what_is_required_is_missed(name: str) -> None:
    given = {key: value for key, value in NEEDED.items() if key != name}
    with pytest.raises(ClientError, match=f"No value\\(s\\) were specified for '{name}'"):
        parameters.read(given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"num_topics": "0"}, "'0' is not valid for the 'num_topics' hyperparameter"),
        ({"num_topics": "26"}, "expects at most feature_dim, which is 25"),
        ({"alpha0": "0"}, "'0' is not valid for the 'alpha0' hyperparameter"),
        ({"alpha0": "nan"}, "'nan' is not valid for the 'alpha0' hyperparameter"),
        ({"tol": "-1"}, "'-1' is not valid for the 'tol' hyperparameter"),
        ({"max_restarts": "0"}, "'0' is not valid for the 'max_restarts' hyperparameter"),
        ({"max_iterations": "1.5"}, "'1.5' is not valid for the 'max_iterations' hyperparameter"),
        ({"mini_batch_size": "many"}, "'many' is not valid for the 'mini_batch_size'"),
        ({"topics": "3"}, "Additional hyperparameters are not allowed \\('topics' was unexpected"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ClientError, match=words):
        parameters.read(NEEDED | given)


def test_too_small_an_instance_is_told_what_would_fit() -> None:
    memory.check(4 * 2**30, 100, 20_000, 100_000, 5_000_000)
    with pytest.raises(ClientError, match=r"up to \d+\.\d GiB, the instance has 4.0 GiB") as told:
        memory.check(4 * 2**30, 1000, 20_000)
    fits = int(str(told.value).rpartition("at most ")[2].rstrip("."))
    memory.check(4 * 2**30, fits, 20_000)
    assert 200 < fits < 1000
    with pytest.raises(ClientError, match=r"with more memory\.$"):
        memory.check(2**20, 2, 10)
