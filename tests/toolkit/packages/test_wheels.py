"""Packages that have no wheel: uv's own words, and the sentence made of them."""

from __future__ import annotations

import sys

import pytest

from sagebrush.toolkit.packages import wheels

PYTHON = "Python {}.{}".format(*sys.version_info[:2])
BUILT = """error: Failed to download and build `scikit-learn==0.23.2`
Failed to install requirements from `build-system.requires`
Failed to build `numpy==1.17.3`
The build backend returned an error
"""
ALONE = "Failed to build `numpy==1.19.5`\nThe build backend returned an error\n"
UNPUBLISHED = (
    "Because tensorflow==2.4.0 has no wheels with a\nmatching Python ABI tag (e.g., `cp311`) and you"
    " require tensorflow==2.4.0, we can conclude that your requirements are unsatisfiable."
)


@pytest.mark.parametrize(
    ("said", "nearest", "sentence"),
    [
        (
            ALONE,
            "1.23.2",
            f"numpy 1.19.5 has no wheel for {PYTHON} and could not be compiled; pin a version that"
            " has one (1.23.2 or newer), or use an image with an older Python",
        ),
        (
            BUILT,
            "1.1.3",
            f"scikit-learn 0.23.2 has no wheel for {PYTHON} and could not be compiled (its build"
            " needs numpy 1.17.3, which could not be compiled either); pin a version that has one"
            " (1.1.3 or newer), or use an image with an older Python",
        ),
        (
            UNPUBLISHED,
            "2.12.0",
            f"tensorflow 2.4.0 has no wheel for {PYTHON} and is not published as source; pin a"
            " version that has one (2.12.0 or newer), or use an image with an older Python",
        ),
        (
            ALONE,
            "",
            f"numpy 1.19.5 has no wheel for {PYTHON} and could not be compiled; use an image with an"
            " older Python",
        ),
        (ALONE, "1.19.5", ""),
        ("Because you require pandas<3 and pandas>3.1, it is unsatisfiable.", "3.1", ""),
    ],
    ids=["compiled", "what its build needs", "no source", "none later", "wanted so", "another"],
)
def test_the_package_the_interpreter_and_the_cure_are_named(
    said: str, nearest: str, sentence: str
) -> None:
    assert wheels.sentence(said, lambda name, requirement: nearest) == sentence
