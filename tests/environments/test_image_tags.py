from __future__ import annotations

import pytest

from sagebrush.environments import image_tags
from sagebrush.environments.image_tags import Tag
from sagebrush.environments.releases import Release


def _release(family: str, version: str, framework: str = "", **pins: str) -> Release:
    named = {name.replace("_", "-"): value for name, value in pins.items()}
    return Release(family, version, "3.9", "2023-01-01", named, framework)


TABLE = (
    _release("huggingface-pytorch", "4.17.0", "1.10.2", transformers="4.17.0", torch="1.10.2"),
    _release("huggingface-pytorch", "4.26.0", "1.13.1", transformers="4.26.0", torch="1.13.1"),
    _release("pytorch", "1.9.1", torch="1.9.1"),
    _release("pytorch", "1.13.0", torch="1.13.0"),
    _release("pytorch", "1.13.1", torch="1.13.1"),
    _release("scikit-learn", "0.23-1", scikit_learn="0.23.2"),
    _release("scikit-learn", "1.2-1", scikit_learn="1.2.1"),
)


@pytest.mark.parametrize(
    ("family", "tag", "found"),
    [
        ("pytorch", "1.13.1-gpu-py39-cu117-ubuntu20.04-sagemaker", Tag("1.13.1", "", "3.9")),
        ("pytorch", "2.3-cpu-py311", Tag("2.3", "", "3.11")),
        ("tensorflow", "2.4.1", Tag("2.4.1")),
        ("scikit-learn", "0.23-1-cpu-py3", Tag("0.23-1")),
        ("scikit-learn", "0.20.0-cpu-py3", Tag("0.20.0")),
        ("xgboost", "1.7-1", Tag("1.7-1")),
        (
            "huggingface-pytorch",
            "1.13.1-transformers4.26.0-gpu-py39-cu117-ubuntu20.04",
            Tag("4.26.0", "1.13.1", "3.9"),
        ),
        ("pytorch", "latest", None),
        ("pytorch", "", None),
        ("xgboost", "1", None),
        ("huggingface-pytorch", "1.13.1-gpu-py39", None),
    ],
)
def test_what_a_tag_promises(family: str, tag: str, found: Tag | None) -> None:
    assert image_tags.read(family, tag) == found


@pytest.mark.parametrize(
    ("family", "tag", "environment"),
    [
        ("pytorch", Tag("1.13.1"), "pytorch-1.13.1"),
        ("pytorch", Tag("1.13"), "pytorch-1.13.1"),  # AWS's alias of the newest
        ("pytorch", Tag("1.13.2"), None),  # newer than the table
        ("pytorch", Tag("1.12.1"), "pytorch-1.9.1"),  # what the table lacks: the nearest below
        ("pytorch", Tag("0.4.1"), "pytorch-1.9.1"),  # older than the table
        ("scikit-learn", Tag("1.2-1"), "scikit-learn-1.2-1"),
        ("scikit-learn", Tag("1.0-1"), "scikit-learn-0.23-1"),
        ("huggingface-pytorch", Tag("4.26.0", "1.13.1"), "huggingface-pytorch-4.26.0-1.13.1"),
        ("huggingface-pytorch", Tag("4.26", "1.13"), "huggingface-pytorch-4.26.0-1.13.1"),
        ("huggingface-pytorch", Tag("4.26.0", "1.12"), "huggingface-pytorch-4.17.0-1.10.2"),
        ("tensorflow", Tag("2.4.1"), None),  # no release of the family
    ],
)
def test_the_release_of_a_tag(family: str, tag: Tag, environment: str | None) -> None:
    found = image_tags.release(family, tag, TABLE)
    assert (found and found.environment) == environment


def test_promises_are_the_tags_own_words() -> None:
    exact, old = TABLE[4], TABLE[2]
    assert image_tags.promises("pytorch", Tag("1.13"), exact) == {
        "torch": "1.13.1",
        "Python": "3.9",
    }
    found = image_tags.promises("pytorch", Tag("1.12.1", "", "3.8"), old)
    assert found == {"torch": "1.12.1", "Python": "3.8"}
    assert image_tags.promises("pytorch", Tag("9.0"), None) == {"torch": "9.0"}
    container = image_tags.promises("scikit-learn", Tag("1.2-1"), TABLE[6])
    assert container == {"scikit-learn": "1.2.1", "Python": "3.9"}
    both = image_tags.promises("huggingface-pytorch", Tag("4.99.0", "2.99.0", "3.12"), None)
    assert both == {"transformers": "4.99.0", "torch": "2.99.0", "Python": "3.12"}
