"""A tiny encoder is trained, exported, and reads texts: the whole path in an environment with torch."""

from __future__ import annotations

from typing import Any

import pytest

from sagebrush.environments.environment import Environment
from tests.built_environments import huggingface  # noqa: F401
from tests.nlp.training.printed import printed

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def found(
    huggingface: Environment,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """What the program printed."""
    return printed(huggingface, "tiny_encoder.py", tmp_path_factory.mktemp("tiny"))


def test_the_graph_computes_what_torch_does(found: dict[str, Any]) -> None:
    assert found["apart"] < 1e-3


def test_every_kind_of_task_is_learned_also_with_int8_weights(found: dict[str, Any]) -> None:
    figures = found["figures"]
    assert figures["sentiment"][" accuracy"] > 0.9
    assert figures["targeted"][" macro F1"] > 0.9
    assert figures["names"][" all F1"] > 0.95
    assert figures["toxicity"][" PROFANITY F1"] > 0.95
    assert min(found["agreement"].values()) > 0.9


def test_two_learnings_become_one(found: dict[str, Any]) -> None:
    assert found["soup"] == {"rising": True, "last": 1.0}


def test_one_pass_serves_all_analyses(found: dict[str, Any]) -> None:
    mixed, praise = found["scores"]
    assert max(mixed, key=mixed.__getitem__) == "MIXED"
    assert max(praise, key=praise.__getitem__) == "POSITIVE"
    assert [max(each, key=each.__getitem__) for each in found["targets"]] == [
        "POSITIVE",
        "NEGATIVE",
    ]
    assert found["toxicity"][0]["TOXICITY"] > 0.5 > found["toxicity"][1]["TOXICITY"]
    assert set(found["toxicity"][2].values()) == {0.0}
    assert found["windows"][0] == 1 < found["windows"][1]


def test_states_lie_over_the_text(found: dict[str, Any]) -> None:
    (begins, ends, size), (none, _, nothing) = found["states"]
    assert begins == [0, 5, 8, 12]
    assert ends == [4, 7, 12, 13]
    assert size == [4, 48]
    assert (none, nothing) == ([], [0, 0])


def test_no_answer_depends_on_other_texts(found: dict[str, Any]) -> None:
    assert found["same alone"]


def test_texts_that_break_tokenisers_keep_their_offsets(found: dict[str, Any]) -> None:
    assert all(found["awkward hold"])
    assert found["awkward sums"] == pytest.approx([1.0] * len(found["awkward sums"]))
    assert found["awkward windows"][:3] == [0, 0, 0]
    assert found["awkward windows"][4] == 1
    assert found["awkward windows"][5] > 100
