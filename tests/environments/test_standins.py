from __future__ import annotations

from pathlib import Path

import pytest

from sagebrush.environments import standins
from sagebrush.environments.environment import Environment

EXTERNALS = "ImportError: cannot import name 'joblib' from 'sklearn.externals' (/opt/x.py)"
UNEXPECTED = ".__init__() got an unexpected keyword argument"


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
        ("0.20.0", "0.24.2", EXTERNALS, "sklearn.externals is gone"),
        ("1.0.2", "1.9.1", f"OneHotEncoder{UNEXPECTED} 'sparse'", "sparse_output"),
        ("1.0.2", "1.9.1", f"my_encoder{UNEXPECTED} 'sparse'", None),
        ("1.0.2", "1.9.1", "ValueError: the user's own", None),
        ("0.24.2", "1.0.2", EXTERNALS, None),  # it was gone already
    ],
)
def test_a_failure_says_what_a_stand_in_took_away(
    asked: str, runs: str, failure: str, words: str | None
) -> None:
    found = standins.changes({"scikit-learn": asked}, _environment(scikit_learn=runs))
    blame = standins.blame(found, failure)
    assert blame.startswith(f" (asked for scikit-learn {asked}, ran scikit-learn {runs}")
    assert (words in blame) if words else blame.endswith(f"{runs})")


OLD = {
    "scikit-learn": "0.20.0", "pandas": "0.25.3", "numpy": "1.19.5", "transformers": "4.17.0",
    "datasets": "1.18.4", "tensorflow": "2.4.1", "keras": "2.4", "torch": "1.10.2",
    "xgboost": "1.3.3", "Python": "3.7",
}  # fmt: skip
NEW = _environment(
    "3.13.1", scikit_learn="1.9.1", pandas="3.1.1", numpy="2.4.6", transformers="5.24.0",
    datasets="5.2.0", tensorflow_cpu="2.21.0", keras="3.15.1", torch="2.13.0", xgboost="3.2.0",
)  # fmt: skip


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        ("'DataFrame' object has no attribute 'append'", "use pandas.concat"),
        ("'NoneType' object has no attribute 'append'", None),
        ("module 'numpy' has no attribute 'float'.", "use int, float"),
        ("`np.float_` was removed in the NumPy 2.0 release.", "names of NumPy 1"),
        (
            f"TrainingArguments{UNEXPECTED} 'evaluation_strategy'",
            "evaluation_strategy is eval_strategy",
        ),
        (f"my_fn{UNEXPECTED} 'tokenizer'", None),
        ("cannot import name 'AdamW' from 'transformers' (x.py)", "torch.optim.AdamW"),
        ("cannot import name 'load_metric' from 'datasets' (x.py)", "evaluate.load"),
        ("Invalid filepath extension for saving.", "model.export"),
        ("module 'tensorflow' has no attribute 'estimator'", "tf.estimator is gone"),
        ("train.py: error: unrecognized arguments: --n_estimators 5", None),
        ("Weights only load failed. This file", "weights_only=False"),
        ("FileNotFoundError: torch.load(path, weights_only=True)", None),
        ("LGBMClassifier.fit() got an unexpected keyword argument 'early_stopping_rounds'", None),
        ("cannot import name 'Mapping' from 'collections' (x.py)", "collections.abc"),
        ("No module named 'distutils'", "distutils and imp"),
    ],
)
def test_what_is_gone_is_told_from_the_users_own_errors(failure: str, words: str | None) -> None:
    blame = standins.blame(standins.changes(OLD, NEW), failure)
    assert (words in blame) if words else blame.endswith("Python 3.13.1)"), blame


def test_packages_that_no_tag_names_are_told_by_their_major_version() -> None:
    asked = {"scikit-learn": "1.2.1", "numpy": "1.24.1", "pandas": "1.1.3"}
    found = standins.changes(
        asked, _environment(scikit_learn="1.2.1", numpy="1.26.4", pandas="2.0.2")
    )
    assert standins.told(found) == "stands in: pandas 2.0.2 for 1.1.3"


def test_the_name_as_an_image_says_what_stands_in() -> None:
    """DescribeEndpoint's ResolvedImage: the one member that tells how an endpoint runs."""
    versions = {
        "Python": "3.11.7",
        "torch": "2.13.0+cpu",
        "numpy": "2.4.6",
        "scikit-learn": "1.9.1",
    }
    made = Environment("base", Path("/e"), Path("/e/bin/python"), (), versions, {})
    assert made.image({}) == "sagebrush/base:Python-3.11.7-torch-2.13.0-cpu-numpy-2.4.6"
    assert made.image({"scikit-learn": "1.2.1"}) == (
        "sagebrush/base:scikit-learn-1.9.1-for-1.2.1-Python-3.11.7-torch-2.13.0-cpu"
    )
