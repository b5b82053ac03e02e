from __future__ import annotations

from pathlib import Path

import pytest

from sagebrush.environments import standins
from sagebrush.environments.environment import Environment


def _environment(python: str = "3.11.7", **packages: str) -> Environment:
    named = {name.replace("_", "-"): version for name, version in packages.items()}
    path = Path("/nowhere")
    return Environment("one", path, path, (), versions={"Python": python}, packages=named)


def test_what_runs_in_another_version_stands_in() -> None:
    environment = _environment(transformers="4.26.0", torch="2.13.0+cpu")
    asked = {"transformers": "4.26", "torch": "1.13.1", "Python": "3.9", "absent": "1.0"}
    found = standins.changes(asked, environment)
    assert standins.told(found) == "stands in: torch 2.13.0 for 1.13.1, Python 3.11.7 for 3.9"


def test_what_was_asked_for_needs_no_word() -> None:
    environment = _environment(scikit_learn="1.2.1", tensorflow_cpu="2.14.1")
    asked = {"scikit-learn": "1.2.1", "tensorflow": "2.14", "Python": "3.11"}
    found = standins.changes(asked, environment)
    assert found == ()
    assert standins.told(found) == standins.blame(found, "any failure") == ""


@pytest.mark.parametrize(
    ("asked", "runs", "failure", "words"),
    [
        ("0.20.0", "0.24.2", "ImportError: sklearn.externals", "sklearn.externals is gone"),
        ("1.0.2", "1.9.1", "unexpected keyword argument 'sparse'", "sparse_output"),
        ("1.0.2", "1.9.1", "ValueError: the user's own", None),
        ("0.24.2", "1.0.2", "ImportError: sklearn.externals", None),  # it was gone already
    ],
)
def test_a_failure_says_what_a_stand_in_took_away(
    asked: str, runs: str, failure: str, words: str | None
) -> None:
    found = standins.changes({"scikit-learn": asked}, _environment(scikit_learn=runs))
    blame = standins.blame(found, failure)
    assert blame.startswith(f" (asked for scikit-learn {asked}, ran scikit-learn {runs}")
    assert (words in blame) if words else blame.endswith(f"{runs})")
