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

DISABLED = (
    "\nhint: Wheels are required for `numpy` because building from source is disabled for `numpy`"
    " (i.e., with `--no-build-package numpy`)"
)
UNUSABLE = (
    "Because numpy==1.19.5 has no usable wheels and you require numpy==1.19.5, we can conclude that"
    f" your requirements are unsatisfiable.\n{DISABLED}"
)
SEVERAL = (
    "Because all of:\n    numpy<=1.9.3\n    numpy>=1.10.4,<=1.19.5\nhave no usable wheels and you"
    f" require numpy<1.20, we can conclude that your requirements are unsatisfiable.\n{DISABLED}"
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
        (
            UNUSABLE,
            "1.23.2",
            f"numpy 1.19.5 has no wheel for {PYTHON} and is not compiled from source here; pin a"
            " version that has one (1.23.2 or newer), or use an image with an older Python",
        ),
        (
            SEVERAL,
            "1.23.2",
            f"numpy has no version that would do with a wheel for {PYTHON}, and is not compiled from"
            " source here; ask for one that has (1.23.2 or newer), or use an image with an older"
            " Python",
        ),
        (ALONE, "1.19.5", ""),
        ("Because you require pandas<3 and pandas>3.1, it is unsatisfiable.", "3.1", ""),
    ],
    ids=[
        "compiled",
        "what its build needs",
        "no source",
        "none later",
        "not compiled",
        "none",
        "wanted so",
        "another",
    ],
)
def test_the_package_the_interpreter_and_the_cure_are_named(
    said: str, nearest: str, sentence: str
) -> None:
    assert wheels.sentence(said, lambda name, requirement: nearest) == sentence


def test_what_a_file_wants_compiled_is_compiled() -> None:
    refused = wheels.only_binary(["--prefer-binary", "--no-binary=numpy,pandas"])
    assert refused[::2] == ["--only-binary"] * (len(wheels.COMPILED) - 2)
    assert set(wheels.COMPILED) - set(refused[1::2]) == {"numpy", "pandas"}
    assert wheels.only_binary(["--no-binary :all:"]) == []
