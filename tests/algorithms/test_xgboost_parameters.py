"""XGBoost's hyperparameters: AWS's names, ranges and words; and its bytes as numbers."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import sagemaker_xgboost
from contract.errors import ClientError
from sagemaker_xgboost import folds, metrics, parameters, tables

LINEAR = {"num_round": "10"}
FOLDER = Path(next(iter(sagemaker_xgboost.__path__)))


def refused(**given: str) -> str:
    with pytest.raises(ClientError) as error:
        parameters.read({**LINEAR, **given})
    return str(error.value)


def test_strings_become_values_and_the_platforms_names_are_passed_over() -> None:
    found = parameters.read(
        {
            "num_round": "5.0",
            "eta": '"0.2"',
            "reg_alpha": "1",
            "eval_metric": "auc, error@0.3",
            "objective": "binary:logistic",
            "_tuning_objective_metric": "validation:auc",
            "sagemaker_job_name": "x",
            "_other": "y",
            "monotone_constraints": "(1, -1)",
            "interaction_constraints": "[[0, 1], [2]]",
            "tree_method": "hist",
        }
    )
    assert found == {
        "num_round": 5,
        "eta": 0.2,
        "alpha": 1.0,
        "eval_metric": ["auc", "error@0.3"],
        "objective": "binary:logistic",
        "_tuning_objective_metric": "validation:auc",
        "monotone_constraints": (1, -1),
        "interaction_constraints": [[0, 1], [2]],
        "tree_method": "hist",
    }


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"eta": "1.5"}, "Hyperparameter eta: 1.5 is not in [0, 1]"),
        ({"gamma": "-1"}, "Hyperparameter gamma: -1.0 is not in [0, +inf)"),
        ({"subsample": "0"}, "Hyperparameter subsample: 0.0 is not in (0, 1]"),
        ({"eta": "nan"}, "Hyperparameter eta: nan is not in [0, 1]"),
        ({"num_round": "0"}, "Hyperparameter num_round: 0 is not in [1, +inf)"),
        ({"max_depth": "deep"}, "Hyperparameter max_depth: could not parse value (caused by ValueError)"),
        ({"colour": "red"}, "Extraneous hyperparameter found: colour"),
        ({"booster": "tree"}, "Hyperparameter booster: tree is not in ['gbtree', 'gblinear', 'dart']"),
        ({"objective": "multi:softmax"}, "Require input for parameter 'num_class' for multi-classif"),
        ({"eval_metric": "auc"}, "Metric 'auc' can only be applied for classification and ranking"),
        ({"eval_metric": "mae@2"}, "Metric 'mae@2' is not supported. Parameter 'eval_metric' with"),
        ({"eval_metric": "ndcg@x"}, "Threshold value 't' in 'ndcg@t' expects float input."),
        ({"monotone_constraints": "(1,)"}, "monotone_constraints can be used only when the tree_m"),
        ({"updater": "prune,foo"}, "Hyperparameter updater: value ['prune', 'foo'] not in range"),
        ({"updater": "shotgun"}, "Tree updater should be selected from these options: 'grow_colm"),
        ({"monotone_constraints": "__import__('os')"}, "Hyperparameter monotone_constraints: could"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_the_containers_words(given: dict[str, str], words: str) -> None:
    assert refused(**given).startswith(words)


def test_num_round_is_required() -> None:
    with pytest.raises(ClientError, match=r"^Missing required hyperparameter: num_round$"):
        parameters.read({"eta": "0.1"})


def test_metrics_and_tunable_parameters_are_those_that_the_algorithm_has() -> None:
    named = [each["Name"] for each in json.loads((FOLDER / "metrics.json").read_text())]
    assert len(named) == len(set(named)) <= 40  # the limit of MetricDefinitions
    assert {name.partition(":")[2] for name in named} <= set(parameters.METRICS)
    assert set(json.loads((FOLDER / "tunable.json").read_text())) <= set(parameters.TABLE)
    page = (Path(__file__).parents[2] / "docs" / "xgboost.md").read_text()
    exceptions = page.partition("(its job evaluates the objective), but for ")[2].partition(
        ", which"
    )[0]
    read = {name.removeprefix("validation:") for name in named if name.startswith("validation:")}
    assert set(re.findall(r"`([\w-]+)`", exceptions)) == set(parameters.METRICS) - read


@pytest.mark.parametrize("text", ['[["a"]]', "(" * 9000, "[" * 99999, "1" * 5000])
def test_constraints_that_are_none(text: str) -> None:
    for name in ("interaction_constraints", "monotone_constraints"):
        given = {"num_round": "1", "tree_method": "hist", name: text}
        with pytest.raises(ClientError, match=name):
            parameters.read(given)


def test_libsvm_has_weights_queries_and_columns_from_zero() -> None:
    found = tables.libsvm(io.BytesIO(b"1:0.5 qid:3 0:1 4:-2.5e1\n0:2 qid:4 # none\n"))
    assert found.labels.tolist() == [1, 0]
    assert found.weights is not None
    assert found.weights.tolist() == [0.5, 2]
    assert found.groups is not None
    assert found.groups.tolist() == [3, 4]
    assert (found.columns.tolist(), found.values.tolist()) == ([0, 4], [1, -25])
    assert (found.ends.tolist(), found.width) == ([0, 2, 2], 5)
    plain = tables.libsvm(io.BytesIO(b"1 1:2\n-1\n"))
    assert (plain.labels.tolist(), plain.weights) == ([1, -1], None)
    for line in (b"1,2,3", b"1 a:2", b"1 2", b"one 1:2", b"1 1:2 3:"):
        with pytest.raises(ValueError, match="is not 'LIBSVM' format"):
            tables.libsvm(io.BytesIO(b"0 1:1\n" + line + b"\n"))


def test_the_containers_own_metrics() -> None:
    labels, chances = np.array([0.0, 1, 1, 0]), np.array([0.2, 0.9, 0.4, 0.6])
    score = lambda name: metrics.score(name, labels, chances, "binary:logistic")  # noqa: E731
    assert score("accuracy") == score("balanced_accuracy") == score("f1") == 0.5
    assert score("precision") == score("recall") == score("f1_binary") == 0.5
    assert score("mse") == pytest.approx((0.04 + 0.01 + 0.36 + 0.36) / 4)
    assert score("r2") == pytest.approx(1 - 0.77)
    many = np.array([[0.1, 0.9, 0], [0.2, 0.3, 0.5], [1, 0, 0]])
    assert metrics.score("accuracy", np.array([1.0, 2, 1]), many, "multi:softprob") == 2 / 3
    with pytest.raises(ClientError, match="Target is multiclass but average='binary'"):
        metrics.score("f1_binary", np.array([1.0, 2, 1]), many, "multi:softprob")


def test_each_row_is_left_out_once_and_each_class_stands_in_each_fold() -> None:
    labels = np.array([0.0] * 6 + [1.0] * 3)
    pairs = list(folds.folds(labels, 3, 1, True, 7))
    assert sorted(np.concatenate([outside for _, outside in pairs])) == list(range(9))
    assert all(labels[outside].sum() == 1 for _, outside in pairs)
