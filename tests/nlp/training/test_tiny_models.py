"""Tiny models of languages and of syntax are trained, written, and read texts, in an environment."""

from __future__ import annotations

from typing import Any

import pytest

from sagebrush.environments.environment import Environment
from tests.built_environments import huggingface  # noqa: F401
from tests.nlp.training.printed import printed

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def found(huggingface: Environment, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:  # noqa: F811
    """What the program printed."""
    return printed(huggingface, "tiny_models.py", tmp_path_factory.mktemp("tiny"))


def test_the_graph_computes_what_torch_does(found: dict[str, Any]) -> None:
    assert found["syntax"]["apart"] < 2e-3  # weights lie in the file in half precision


def test_parts_of_speech_and_noun_phrases_are_learned(found: dict[str, Any]) -> None:
    syntax = found["syntax"]
    assert syntax["figures"]["tokens_f1"] == 1
    assert syntax["figures"]["upos_f1"] > 0.99
    assert syntax["figures"]["phrases_f1"] > 0.99
    assert syntax["tags"] == [
        ["The", "DET"], ["old", "ADJ"], ["dog", "NOUN"], ["sees", "VERB"], ["a", "DET"], ["cat", "NOUN"], [".", "PUNCT"],
    ]  # fmt: skip
    assert syntax["phrases"] == ["The old dog", "a cat"]
    assert syntax["ranked"] == ["old dog", "cat"]


def test_no_answer_depends_on_other_texts(found: dict[str, Any]) -> None:
    assert found["syntax"]["same alone"]


def test_texts_that_break_tokenisers_keep_their_offsets(found: dict[str, Any]) -> None:
    assert found["syntax"]["offsets"]
    *short, one_word, many = found["syntax"]["counts"][:6]
    assert short == [0, 0, 0, 3]
    assert 1 <= one_word <= 10  # one for each of its windows at most
    assert many == 4000


def test_the_card_names_the_share_alike_licence(found: dict[str, Any]) -> None:
    assert found["syntax"]["card"] >= 2


def test_languages_are_learned(found: dict[str, Any]) -> None:
    assert found["language"]["languages"] == ["de", "en", "he"]
    assert all(0.9 < each <= 1 + 1e-6 for each in found["language"]["sums"])
