"""The rounds of boosting: the log's lines, early stopping, checkpoints.

The loop is our own over Booster.update and eval_set, which every version of XGBoost has: its callbacks
were others before 1.3. Source of what it prints, keeps and stops by: `xgboost.train`, and
github.com/aws/sagemaker-xgboost-container (`callback.py`, `checkpointing.py`).
"""

from __future__ import annotations

import os
import pickle
import re
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xgboost  # pyright: ignore[reportMissingImports]
from contract.errors import AlgorithmError, ClientError

from . import log, metrics
from .parameters import MAXIMISED

MODEL = "xgboost-model"
CHECKPOINT = "xgboost-checkpoint"
KEPT = 5
"""Checkpoints that are kept."""
VERSION = tuple(map(int, re.findall(r"\d+", xgboost.__version__)[:2]))
SAVES_ITSELF = (1, 3)
"""The version from which the model is saved in XGBoost's own format, pickled before."""
CUSTOMERS = (
    "should be greater equal to",
    "label must be in [0,1] for logistic regression", "label must be in [0, num_class)",
    "feature_names mismatch", "Check failed: preds.size() == info.labels_.size()",
    "the dataset only contains pos or neg samples", "base_score must be in (0,1)",
    "label must be nonnegative", "label must be positive", "should be greater equal to 0",
    "Label contains NaN", "Invalid Input", "valid values are", "Invalid Parameter",
    "expect value for", "exceed bound", "Unknown objective function", "Unknown metric function",
    "num_class", "label must be", "must be", "Group", "group", "qid", "Invalid shape of labels",
    "can not be used to", "No more tree left for updating", "size of monotone constraint",
    "labels_lower_bound_", "does not support data matrices with",
)  # fmt: skip
"""What stands in those of XGBoost's messages that the user can mend."""


@dataclass(frozen=True)
class Plan:
    """What one model is trained by."""

    parameters: Mapping[str, Any]
    """XGBoost's own."""
    rounds: int
    metrics: Sequence[str] = ()
    """Metrics of the container's own, to be computed beside XGBoost's."""
    patience: int | None = None
    """Rounds without a better value of `watched` after which it stops."""
    watched: str = ""
    """The validation metric by which it stops early; "" for none."""
    checkpoints: Path | None = None
    name: str = MODEL
    """The file of the model."""
    told: Callable[[dict[tuple[str, str], float]], object] = lambda scores: None
    """Called with each round's scores."""


@dataclass(frozen=True)
class Surroundings:
    """Where a model is trained: alone, or as one of several instances."""

    leads: bool = True
    """Whether this instance prints and saves."""
    average: Callable[[float], float] = lambda value: value
    """The mean of a value over all instances."""
    keep: Callable[[Any], object] = lambda booster: None
    """Called with the Booster after each round."""
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set when the job is asked to stop."""
    saved_always: Path | None = None
    """The folder into which the model is written after each round, for a job that is killed."""


def train(plan: Plan, sets: Sequence[tuple[Any, str]], around: Surroundings) -> Any:
    """The Booster; `sets` are (DMatrix, name), the training set first. Raises ClientError for what the
    user can mend, and AlgorithmError."""
    try:
        return _train(plan, sets, around)
    except (xgboost.core.XGBoostError, ValueError) as error:
        said = error.args[0] if error.args else ""
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(error)
        text = text.split("Stack trace")[0].strip()
        text = re.sub(r"^\[[\d:]+\] \S+: ", "", text)
        if any(each in text for each in CUSTOMERS):
            raise ClientError(text) from None
        raise AlgorithmError(f"XGB train call failed with exception:\n {text}") from error


def _train(plan: Plan, sets: Sequence[tuple[Any, str]], around: Surroundings) -> Any:
    first, booster = _begun(plan, [matrix for matrix, _ in sets])
    stopper = Stopper(plan)
    evaluated = list(sets)
    for number in range(first, plan.rounds):
        booster.update(sets[0][0], number)
        scores = _scores(booster, plan, evaluated, number, around.average)
        around.keep(booster)
        plan.told(scores)
        line = _line(number, scores)
        if around.leads:
            print(line, flush=True)
            if plan.checkpoints is not None:
                _keep(booster, plan.checkpoints, number)
            if around.saved_always is not None:
                save(booster, around.saved_always / plan.name)
        if stopper.reached(number, scores, line):
            break
        if around.stopping.is_set():
            log.warning(f"The job was asked to stop: the model of {number + 1} rounds is saved")
            break
    return stopper.best_of(booster, around.leads)


def _begun(plan: Plan, matrices: Sequence[Any]) -> tuple[int, Any]:
    """The number of the first round to train and the Booster as it is before."""
    number, path = latest(plan.checkpoints)
    if path is None:
        return 0, xgboost.Booster(_pairs(plan.parameters), list(matrices))
    log.info(f"Checkpoint loaded from {path}")
    log.info(f"Resuming from iteration {number + 1}")
    return number + 1, xgboost.Booster(
        _pairs(plan.parameters), list(matrices), model_file=bytearray(path.read_bytes())
    )


def _pairs(parameters: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """(name, value) of each parameter, once for each of a list: before 1.2 a Booster takes no list."""
    return [
        (name, each)
        for name, value in parameters.items()
        for each in (value if isinstance(value, list) else [value])
    ]


def _scores(
    booster: Any,
    plan: Plan,
    sets: Sequence[tuple[Any, str]],
    number: int,
    average: Callable[[float], float],
) -> dict[tuple[str, str], float]:
    """(name of the set, metric) -> value, in the order of AWS's lines."""
    found = booster.eval_set(list(sets), number)
    text = found.decode() if isinstance(found, bytes) else found
    scores = {}
    for item in text.split("\t")[1:]:
        name, _, value = item.rpartition(":")
        scores[tuple(name.split("-", 1))] = float(value)
    for matrix, name in sets if plan.metrics else ():
        predictions = np.asarray(booster.predict(matrix))
        objective = str(plan.parameters.get("objective", ""))
        for metric in plan.metrics:
            value = metrics.score(metric, matrix.get_label(), predictions, objective)
            scores[name, metric] = average(value)
    order = [name for _, name in sets]
    return dict(sorted(scores.items(), key=lambda item: order.index(item[0][0])))


def _line(number: int, scores: Mapping[tuple[str, str], float]) -> str:
    parts = [f"{name}-{metric}:{value:.5f}" for (name, metric), value in scores.items()]
    return log.TAB.join([f"[{number}]", *parts])


class Stopper:
    """Early stopping by one metric of the validation set."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._best: float | None = None
        self._round = -1
        self._line = ""
        self._stopped = False
        if plan.patience and plan.watched and VERSION < SAVES_ITSELF:
            print(
                f"Will train until validation-{plan.watched} hasn't improved in {plan.patience}"
                " rounds.\n"
            )

    def reached(self, number: int, scores: Mapping[tuple[str, str], float], line: str) -> bool:
        """Whether the round of these scores is the last."""
        value = scores.get(("validation", self._plan.watched))
        if not self._plan.patience or value is None:
            return False
        better = self._best is None or (
            value > self._best
            if self._plan.watched.split("@")[0] in MAXIMISED
            else value < self._best
        )
        if better:
            self._best, self._round, self._line = value, number, line
        self._stopped = number - self._round >= self._plan.patience
        return self._stopped

    def best_of(self, booster: Any, told: bool) -> Any:
        """The Booster of the best round, which its attributes name."""
        if self._best is None:
            return booster
        if self._stopped and told and VERSION < SAVES_ITSELF:
            print(f"Stopping. Best iteration:\n{self._line}\n", flush=True)
        booster.set_attr(best_iteration=str(self._round), best_score=str(self._best))
        trees = int(self._plan.parameters.get("num_parallel_tree", 1))
        if VERSION < SAVES_ITSELF:
            booster.best_iteration, booster.best_score = self._round, self._best
            booster.best_ntree_limit = (self._round + 1) * trees  # read by what serves it
            return booster
        if self._plan.parameters.get("booster") == "gblinear":
            return booster  # which has no rounds to leave out
        best = booster[: self._round + 1]
        best.set_attr(best_iteration=str(self._round), best_score=str(self._best))
        return best


def save(booster: Any, path: Path) -> None:
    """The model is at `path`, whole at any time: pickled by versions before 1.3-1, as AWS's are, and in
    XGBoost's own format since."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if VERSION >= SAVES_ITSELF:
        _write(path, _raw(booster))
    else:
        _write(path, pickle.dumps(booster, protocol=4))


def _raw(booster: Any) -> bytes:
    """The Booster in the format that its `save_model` chooses for a file without an extension."""
    return bytes(booster.save_raw("ubj") if VERSION >= (2, 1) else booster.save_raw())


def _write(path: Path, content: bytes) -> None:
    handle, part = tempfile.mkstemp(dir=path.parent, suffix=".sagemaker-ignore")
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    os.chmod(part, 0o644)
    os.replace(part, path)


def _keep(booster: Any, folder: Path, number: int) -> None:
    """The checkpoint of the round is in the folder, older ones than the last few are gone."""
    _write(folder / f"{CHECKPOINT}.{number}", _raw(booster))
    old = folder / f"{CHECKPOINT}.{number - KEPT}"
    if old.exists():
        old.unlink()


def latest(folder: Path | None) -> tuple[int, Path | None]:
    """The last round that a readable checkpoint in the folder holds, and its file; -1 and None."""
    if folder is None or not folder.is_dir():
        return -1, None
    found = {}
    for path in folder.iterdir():
        name, _, number = path.name.partition(".")
        if name == CHECKPOINT and number.isdigit():
            found[int(number)] = path
    for number in sorted(found, reverse=True):
        try:
            xgboost.Booster(model_file=bytearray(found[number].read_bytes()))
        except (xgboost.core.XGBoostError, ValueError):
            log.warning(f"The checkpoint {found[number]} cannot be read; an older one is tried")
            continue
        return number, found[number]
    return -1, None
