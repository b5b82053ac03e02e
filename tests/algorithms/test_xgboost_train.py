"""XGBoost's training jobs in the environment of its newest image, all in one process."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sagebrush.environments.environment import Environment
from tests.algorithms.xgboost_data import (
    csv,
    libsvm,
    parquet,
    piped,
    recordio,
    rows,
    run_all,
    stage,
)

TRAIN, TEST = rows(300), rows(100, 1)
BINARY = {"objective": "binary:logistic", "num_round": "4", "max_depth": "3"}
CSV = "text/csv"
Files = Mapping[str, tuple[str, Mapping[str, bytes]]]
PLAIN: Files = {"train": (CSV, {"a.csv": csv(TRAIN)})}
GOOD: Mapping[str, tuple[Files, Mapping[str, str]]] = {
    "csv": (
        {
            "train": (CSV, {"a.csv": csv(TRAIN[:99]), "sub/b": csv(TRAIN[99:]), "_SUCCESS": b"x"}),
            "validation": ("csv", {"v.csv": csv(TEST)}),
        },
        {**BINARY, "eval_metric": "error,auc,accuracy"},
    ),
    "stopped": (
        {"train": ("", {"a": libsvm(TRAIN)}), "validation": ("libsvm", {"v": libsvm(TEST)})},
        {
            **BINARY, "_tuning_objective_metric": "validation:auc", "early_stopping_rounds": "2",
            "num_round": "50",
        },
    ),
    "ranking": (
        {"train": ("text/libsvm", {"a": libsvm(TRAIN, 10)})},
        {"objective": "rank:pairwise", "num_round": "2", "eval_metric": "ndcg@5"},
    ),
    "weights": (
        {"train": (CSV, {"a": csv([[r[0], 0.5, *r[1:]] for r in TRAIN])})},
        {**BINARY, "csv_weights": "1", "num_round": "2"},
    ),
    "folds": (PLAIN, {**BINARY, "_kfold": "3", "num_round": "2"}),
    "missing": ({"train": (CSV, {"a": b"1,2,\n0,,3\n" * 30})}, {**BINARY, "num_round": "1"}),
    "survival": (
        {"train": (CSV, {"a": csv([[r[0] + 1, *r[1:]] for r in TRAIN])})},
        {"objective": "survival:aft", "num_round": "2", "eval_metric": "aft-nloglik"},
    ),
}  # fmt: skip
BAD: Mapping[str, tuple[Files, Mapping[str, str], str]] = {
    "header": ({"train": (CSV, {"a": b"y,x\n1,2\n"})}, BINARY,
               "Failed to load csv data with exception:\na: line 1, column 1: 'y' is not a number: CSV"),
    "text": ({"train": (CSV, {"a": b"1,2\n0,b\n"})}, BINARY, "Failed to load csv data with exception:\na:"
             " line 2, column 2: 'b' is not a number"),
    "short": ({"train": (CSV, {"a": b"1,2,3\n0,1\n"})}, BINARY, "Failed to load csv data with exception:"
              "\na: line 2: expected 3 columns, saw 2"),
    "label": ({"train": (CSV, {"a": b"1,2,3\n,1,2\n"})}, BINARY, "Failed to load csv data with exception:"
              "\nLabel contains NaN, infinity or a value too large (row 2 of the channel"),
    "range": ({"train": (CSV, {"a": b"1,2,3\n2,1,2\n"})}, BINARY,
              "label must be in [0,1] for logistic regression"),
    "empty": ({"train": (CSV, {"a": b""})}, BINARY, "No data in training channel path "),
    "unvalidated": ({**PLAIN, "validation": (CSV, {"a": b""})}, BINARY,
                    "No data in validation channel path "),
    "narrow": ({**PLAIN, "validation": (CSV, {"a": b"1,2,3\n"})}, BINARY,
               "The validation channel has 2 features, the training channel 5: feature_names mism"),
    "default": ({"train": ("", {"data.csv": csv(TRAIN)})}, BINARY, "First line '1,"),
    "lacking": ({"test": (CSV, {"a": csv(TEST)})}, BINARY, "Missing required channel: train"),
    "more": ({**PLAIN, "test": (CSV, {"a": csv(TEST)})}, BINARY, "Extraneous channel found: test"),
    "type": ({"train": ("application/json", {"a": b"{}"})}, BINARY,
             "application/json is not an accepted ContentType: csv, libsvm, parquet, recordio-protobuf,"),
    "sized": ({"train": ("text/csv;label_size=2", {"a": b"1,2\n"})}, BINARY,
              "text/csv;label_size=2 is not an accepted csv ContentType. Optional parameter label_size"),
    "one": ({"train": (CSV, {"a": b"1\n2\n"})}, BINARY, "Could not determine delimiter on line 1:"),
    "weight": ({"train": (CSV, {"a": b"1,-1,3\n0,2,1\n"})}, {**BINARY, "csv_weights": "1"}, "Failed to load"
               " csv data with exception:\na: with csv_weights the second column is each row's weight"),
    "below": ({"train": ("", {"a": b"1:-1 0:3\n0:2 0:1\n"})}, BINARY, "Weights must be positive"),
    "wide": ({"train": ("", {"a": b"1 4000000000:1\n0 0:1\n"})}, BINARY,
             "Out of memory: 4000000001 columns (one more than the highest index) take at least"),
    "queries": ({"train": ("", {"a": libsvm(TRAIN, 10)})},
                {"objective": "rank:ndcg", "num_round": "1", "_kfold": "2"}, "_kfold: rows that belong"),
    "split": ({"train": (CSV, {"a": csv(TRAIN[:3])})}, {**BINARY, "_kfold": "5"},
              "Cannot have number of splits n_splits=5 greater than the number of samples: n_samples=3."),
    "members": ({"train": (CSV, {"a": b"0,1\n0,2\n1,3\n1,4\n"})}, {**BINARY, "_kfold": "3"},
                "n_splits=3 cannot be greater than the number of members in each class."),
    "classes": (PLAIN, {**BINARY, "num_class": "2"}, "Check failed: info.labels.Size() == preds.Size()"),
    "refresh": (PLAIN, {**BINARY, "updater": "refresh"}, "Check failed: !updaters_.front()->CanModify"),
    "signs": (PLAIN, {**BINARY, "tree_method": "hist", "monotone_constraints": "(1,0,0,0,0,1)"},
              "Check failed: p.monotone_constraints.size() <= n_features"),
    "censored": (PLAIN, {"objective": "survival:aft", "num_round": "1"},
                 "survival:aft: label must be positive"),
    "gpu": (PLAIN, {**BINARY, "tree_method": "gpu_hist"}, "tree_method=gpu_hist needs a GPU"),
    "dask": (PLAIN, {**BINARY, "use_dask_gpu_training": "true"}, "use_dask_gpu_training: "),
    "eta": (PLAIN, {**BINARY, "eta": "2"}, "Hyperparameter eta: 2.0 is not in [0, 1]"),
}  # fmt: skip


def other_forms(base: Path, environment: Environment) -> list[Path]:
    """Jobs that read the rows of `whole` in other forms."""
    given = {**BINARY, "num_round": "5"}
    binary = "application/x-recordio-protobuf"
    found = [
        stage(base / "records", {"train": (binary, {"a": recordio(TRAIN)})}, given),
        stage(base / "table", {"train": ("application/x-parquet", {"a": b""})}, given),
        stage(base / "stream", {"train": (binary, {})}, given),
        stage(base / "lines", {"train": (CSV, {})}, given),
    ]
    parquet(environment.python, TRAIN, base / "table" / "input" / "data" / "train" / "a")
    piped(base / "stream", recordio(TRAIN))
    piped(base / "lines", csv(TRAIN))
    return found


@pytest.fixture(scope="module")
def ran(xgboost: Environment, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Name -> (root, exit status, log, rounds), of all jobs of this module."""
    base = tmp_path_factory.mktemp("jobs")
    roots = [stage(base / name, *job) for name, job in GOOD.items()]
    roots += [stage(base / name, *job[:2]) for name, job in BAD.items()]
    resumed = stage(base / "begun", PLAIN, {**BINARY, "num_round": "3"})
    (resumed / "checkpoints").mkdir()
    again = base / "again"  # the same /opt/ml once more, for two rounds further
    stage(again, PLAIN, {**BINARY, "num_round": "5"})
    (again / "checkpoints").symlink_to(resumed / "checkpoints")
    whole = stage(base / "whole", PLAIN, {**BINARY, "num_round": "5"})
    (whole / "checkpoints").mkdir()
    roots += [resumed, again, whole, *other_forms(base, xgboost)]
    done = run_all(xgboost.python, roots)
    return {root.name: (root, *each) for root, each in zip(roots, done, strict=True)}


@pytest.mark.costs("starts Python with XGBoost once, for all jobs of this module")
def test_the_log_has_awss_lines_and_the_model_is_good(ran: dict[str, Any]) -> None:
    _, status, log, rounds = ran["csv"]
    assert (status, rounds) == (0, 4)
    assert "Train matrix has 300 rows and 5 columns" in log
    assert "Validation matrix has 100 rows" in log
    lines = [line for line in log.splitlines() if line.startswith("[") and "#011" in line]
    assert len(lines) == 4
    value = r":\d\.\d{5}"
    names = [
        f"#011{s}-{m}{value}" for s in ("train", "validation") for m in ("error", "auc", "accuracy")
    ]
    assert re.fullmatch(rf"\[0\]{''.join(names)}", lines[0])
    assert float(lines[-1].split("validation-auc:")[1][:7]) > 0.95


@pytest.mark.parametrize("name", ["ranking", "weights", "missing", "survival"])
def test_each_form_of_data_trains(ran: dict[str, Any], name: str) -> None:
    _, status, log, rounds = ran[name]
    assert status == 0, log
    assert rounds == int(GOOD[name][1]["num_round"])


@pytest.mark.parametrize("name", ["records", "table", "stream", "lines"])
def test_other_forms_of_the_same_rows_give_the_same_trees(ran: dict[str, Any], name: str) -> None:
    root, status, log, _ = ran[name]
    assert status == 0, log
    assert (root / "trees").read_text() == (ran["whole"][0] / "trees").read_text()


def test_early_stopping_keeps_the_best_rounds(ran: dict[str, Any]) -> None:
    _, status, log, rounds = ran["stopped"]
    assert status == 0
    values = [float(v) for v in re.findall(r"validation-auc:(\S+)", log)]
    assert len(values) < 50
    assert rounds == values.index(max(values)) + 1 == len(values) - 2
    assert "logloss" not in log  # the tuning job's metric alone


def test_cross_validation_has_a_model_for_each_fold(ran: dict[str, Any]) -> None:
    root, status, log, _ = ran["folds"]
    assert status == 0
    assert sorted(p.name for p in (root / "model").iterdir()) == [
        f"xgboost-model-{n}" for n in range(3)
    ]
    assert re.search(r"^\[2\]#011train-logloss:\S+#011validation-logloss:\S+$", log, re.MULTILINE)
    lines = (root / "output" / "data" / "predictions.csv").read_text().splitlines()
    right = [label == found for label, _, found in (line.split(",") for line in lines)]
    assert len(right) == 300
    assert sum(right) > 240


def test_a_job_goes_on_from_its_last_checkpoint(ran: dict[str, Any]) -> None:
    root, status, _, rounds = ran["begun"]
    assert (status, rounds) == (0, 3)
    again, status, log, rounds = ran["again"]
    assert (status, rounds) == (0, 5)
    assert "Resuming from iteration 3" in log
    assert re.findall(r"^\[(\d+)\]#011", log, re.MULTILINE) == ["3", "4"]
    assert sorted(p.name for p in (root / "checkpoints").iterdir()) == [
        f"xgboost-checkpoint.{n}" for n in range(5)
    ]
    # The same trees as without the interruption.
    assert (again / "trees").read_text() == (ran["whole"][0] / "trees").read_text()


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_the_users_to_mend(ran: dict[str, Any], name: str) -> None:
    root, status, log, _ = ran[name]
    assert status == 2, log
    failure = (root / "output" / "failure").read_text()
    assert failure.startswith(f"ClientError: {BAD[name][2]}"), failure
