"""XGBoost's hyperparameters: read from their strings and checked in the words of AWS's container.

Source: Amazon SageMaker AI Developer Guide, XGBoost hyperparameters; the names, ranges and messages of
github.com/aws/sagemaker-xgboost-container.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contract.errors import ClientError

MAXIMISED = (
    "accuracy", "auc", "aucpr", "balanced_accuracy", "f1", "f1_binary", "f1_macro", "map", "ndcg",
    "precision", "r2", "recall", "precision_macro", "precision_micro", "recall_macro", "recall_micro",
)  # fmt: skip
"""Evaluation metrics of which more is better."""
MINIMISED = (
    "aft-nloglik", "cox-nloglik", "error", "gamma-deviance", "gamma-nloglik",
    "interval-regression-accuracy", "logloss", "mae", "mape", "merror", "mlogloss", "mphe", "mse",
    "poisson-nloglik", "rmse", "rmsle", "tweedie-nloglik",
)  # fmt: skip
"""Evaluation metrics of which less is better."""
METRICS = (*MAXIMISED, *MINIMISED)
OBJECTIVES = [
    "aft_loss_distribution", "binary:logistic", "binary:logitraw", "binary:hinge", "count:poisson",
    "multi:softmax", "multi:softprob", "rank:pairwise", "rank:ndcg", "rank:map", "reg:linear",
    "reg:squarederror", "reg:logistic", "reg:gamma", "reg:pseudohubererror", "reg:squaredlogerror",
    "reg:tweedie", "reg:absoluteerror", "survival:aft", "survival:cox",
]  # fmt: skip
GROWERS = (
    "grow_colmaker", "distcol", "grow_histmaker", "grow_local_histmaker", "grow_quantile_histmaker",
)  # fmt: skip
TREE_UPDATERS = (*GROWERS, "grow_skmaker", "sync", "refresh", "prune")
LINEAR_UPDATERS = ("shotgun", "coord_descent")
ALIASES = {
    "learning_rate": "eta",
    "min_split_loss": "gamma",
    "reg_lambda": "lambda",
    "reg_alpha": "alpha",
}
"""Another name of XGBoost's own for a hyperparameter -> the guide's."""
TUNING = "_tuning_objective_metric"
BOTH = ["true", "false"]


@dataclass(frozen=True)
class Range:
    """The numbers from `least` to `most`, each end open or closed."""

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None

    def __contains__(self, value: float) -> bool:
        return not (
            (self.least is not None and not value >= self.least)
            or (self.most is not None and not value <= self.most)
            or (self.above is not None and not value > self.above)
            or (self.below is not None and not value < self.below)
        )

    def __str__(self) -> str:
        first = f"({'-inf' if self.above is None else self.above}"
        first = f"[{self.least}" if self.least is not None else first
        last = f"{'+inf' if self.below is None else self.below})"
        last = f"{self.most}]" if self.most is not None else last
        return f"{first}, {last}"


@dataclass(frozen=True)
class Parameter:
    """How a hyperparameter's text is read, and what it may be."""

    read: Callable[[str], Any]
    allowed: Any
    each: bool = False
    """Whether `allowed` holds for each of a list."""


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        value = float(text)  # tuning jobs may send whole numbers as 5.0
        if not value.is_integer():
            raise
        return int(value)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _signs(text: str) -> tuple[int, ...]:
    found = ast.literal_eval(text)
    return tuple(found) if isinstance(found, (list, tuple)) else (found,)


def _groups(text: str) -> list[list[int]]:
    found = ast.literal_eval(text)
    if not isinstance(found, (list, tuple)) or not all(
        isinstance(group, (list, tuple)) and all(type(each) is int for each in group)
        for group in found
    ):
        raise ValueError(text)
    return [list(group) for group in found]


def _whole(**ends: float) -> Parameter:
    return Parameter(_integer, Range(**ends))


def _real(**ends: float) -> Parameter:
    return Parameter(float, Range(**ends))


def _choice(values: Sequence[str]) -> Parameter:
    return Parameter(str, list(values))


_SHARE = {"above": 0, "most": 1}
_FLAG = {"least": 0, "most": 1}
TABLE: Mapping[str, Parameter] = {
    "num_round": _whole(least=1),
    "csv_weights": _whole(**_FLAG),
    "early_stopping_rounds": _whole(least=1),
    "booster": _choice(("gbtree", "gblinear", "dart")),
    "silent": _whole(**_FLAG),
    "verbosity": _whole(least=0, most=3),
    "nthread": _whole(least=1),
    "eta": _real(**_FLAG),
    "gamma": _real(least=0),
    "max_depth": _whole(least=0),
    "min_child_weight": _real(least=0),
    "max_delta_step": _real(least=0),
    "subsample": _real(**_SHARE),
    "colsample_bytree": _real(**_SHARE),
    "colsample_bylevel": _real(**_SHARE),
    "colsample_bynode": _real(**_SHARE),
    "lambda": _real(least=0),
    "alpha": _real(least=0),
    "tree_method": _choice(("auto", "exact", "approx", "hist", "gpu_hist")),
    "sketch_eps": _real(above=0, below=1),
    "scale_pos_weight": _real(above=0),
    "updater": Parameter(_names, [*TREE_UPDATERS, *LINEAR_UPDATERS], each=True),
    "dsplit": _choice(("row", "col")),
    "refresh_leaf": _whole(**_FLAG),
    "process_type": _choice(("default", "update")),
    "grow_policy": _choice(("depthwise", "lossguide")),
    "max_leaves": _whole(least=0),
    "max_bin": _whole(least=0),
    "predictor": _choice(("auto", "cpu_predictor", "gpu_predictor")),
    "monotone_constraints": Parameter(_signs, [-1, 0, 1], each=True),
    "interaction_constraints": Parameter(_groups, Range(least=0)),
    "sample_type": _choice(("uniform", "weighted")),
    "normalize_type": _choice(("tree", "forest")),
    "rate_drop": _real(**_FLAG),
    "one_drop": _whole(**_FLAG),
    "skip_drop": _real(**_FLAG),
    "lambda_bias": _real(**_FLAG),
    "tweedie_variance_power": _real(above=1, below=2),
    "objective": _choice(OBJECTIVES),
    "num_class": _whole(least=2),
    "base_score": _real(least=0),
    "_kfold": _whole(least=2),
    "_num_cv_round": _whole(least=1),
    TUNING: _choice([f"validation:{name}" for name in METRICS]),
    "eval_metric": Parameter(_names, METRICS, each=True),
    "seed": _whole(above=-(2**31), below=2**31 - 1),
    "num_parallel_tree": _whole(least=1),
    "save_model_on_termination": _choice(BOTH),
    "aft_loss_distribution": _choice(("normal", "logistic", "extreme")),
    "aft_loss_distribution_scale": _real(least=0),
    "single_precision_histogram": _choice(BOTH),
    "deterministic_histogram": _choice(BOTH),
    "sampling_method": _choice(("uniform", "gradient_based")),
    "prob_buffer_row": _real(above=1.0),
    "use_dask_gpu_training": _choice(BOTH),
}
"""The hyperparameters of AWS's container; what is not given is left to XGBoost's own defaults, which are
those of the guide. `_kfold` and `_num_cv_round` ask for cross validation."""


def read(given: Mapping[str, str]) -> dict[str, Any]:
    """Each hyperparameter of `given` (names to strings) -> its value; raises ClientError.

    Names of the platform (`sagemaker_…`) are passed over.
    """
    texts = {ALIASES.get(name, name): _plain(value) for name, value in given.items()}
    texts = {
        name: text
        for name, text in texts.items()
        if not name.startswith("sagemaker_") and (name in TABLE or not name.startswith("_"))
    }
    if "num_round" not in texts:
        raise ClientError("Missing required hyperparameter: num_round")
    values: dict[str, Any] = {}
    for name, text in texts.items():
        if name not in TABLE:
            raise ClientError(f"Extraneous hyperparameter found: {name}")
        try:
            values[name] = TABLE[name].read(text)
        except (ValueError, SyntaxError, OverflowError, RecursionError, MemoryError) as error:
            raise ClientError(
                f"Hyperparameter {name}: could not parse value (caused by {type(error).__name__})"
            ) from None
    for name, value in values.items():
        _check_range(name, value)
    _check_together(values)
    return values


def _plain(value: object) -> str:
    """The text of a value; SDKs that send JSON put quotes around strings."""
    text = str(value).strip()
    if text.startswith('"'):
        try:
            return str(json.loads(text))
        except ValueError:
            return text
    return text


def _check_range(name: str, value: Any) -> None:
    """Raises ClientError for a value out of its range."""
    allowed = TABLE[name].allowed
    if name == "eval_metric":
        for metric in value:
            _check_metric(metric)
    elif name == "interaction_constraints":
        if any(element not in allowed for group in value for element in group):
            raise ClientError(f"Hyperparameter {name}: value {value} not in range {allowed}")
    elif TABLE[name].each:
        if any(element not in allowed for element in value):
            raise ClientError(f"Hyperparameter {name}: value {value} not in range {allowed}")
    elif value not in allowed:
        raise ClientError(f"Hyperparameter {name}: {value} is not in {allowed}")


def _check_metric(metric: str) -> None:
    if "<function" in metric:
        raise ClientError(f"User defined evaluation metric {metric} is not supported yet.")
    name, at, threshold = (part.strip() for part in metric.partition("@"))
    if not at:
        if metric not in METRICS:
            raise ClientError(
                f"Hyperparameter eval_metric: value {[metric]} not in range {list(METRICS)}"
            )
        return
    if name not in ("error", "ndcg", "map"):
        raise ClientError(
            f"Metric '{metric}' is not supported. Parameter 'eval_metric' with customized threshold"
            " should be one of these options: 'error', 'ndcg', 'map'."
        )
    try:
        float(threshold)
    except ValueError:
        raise ClientError(f"Threshold value 't' in '{name}@t' expects float input.") from None


def _check_together(values: Mapping[str, Any]) -> None:
    """Raises ClientError for hyperparameters that exclude or need one another."""
    objective = values.get("objective", "reg:squarederror")
    if objective in ("multi:softmax", "multi:softprob") and "num_class" not in values:
        raise ClientError("Require input for parameter 'num_class' for multi-classification")
    metrics = values.get("eval_metric", ())
    if "auc" in metrics and not objective.startswith(
        ("binary:", "rank:", "multi:", "reg:logistic")
    ):
        raise ClientError(
            "Metric 'auc' can only be applied for classification and ranking problems."
        )
    if "aft-nloglik" in metrics and objective != "survival:aft":
        raise ClientError("Metric 'aft-nloglik' can only be applied for 'survival:aft' objective.")
    if "updater" in values:
        _check_updaters(values["updater"], values.get("booster"), values.get("process_type"))
    method = values.get("tree_method")
    if "monotone_constraints" in values and method not in ("exact", "hist"):
        raise ClientError(
            "monotone_constraints can be used only when the tree_method parameter is set to either"
            " 'exact' or 'hist'."
        )
    if "interaction_constraints" in values and method not in ("exact", "hist", "approx"):
        raise ClientError(
            "interaction_constraints can be used only when the tree_method parameter is set to either"
            " 'exact', 'hist' or 'approx'."
        )


def _check_updaters(updaters: Sequence[str], booster: str | None, process: str | None) -> None:
    if booster == "gblinear":
        if len(updaters) != 1 or updaters[0] not in LINEAR_UPDATERS:
            raise ClientError(
                "Linear updater should be one of these options: 'shotgun', 'coord_descent'."
            )
    elif process == "update":
        if not set(updaters) <= {"refresh", "prune"}:
            raise ClientError(
                "process_type 'update' can only be used with updater 'refresh' and 'prune'"
            )
    elif not set(updaters) <= set(TREE_UPDATERS):
        raise ClientError(
            "Tree updater should be selected from these options: 'grow_colmaker', 'distcol',"
            " 'grow_histmaker', 'grow_local_histmaker', 'grow_skmaker', 'grow_quantile_histmaker',"
            " 'sync', 'refresh', 'prune', 'shortgun', 'coord_descent'."
        )
    elif sum(name in GROWERS for name in updaters) > 1:
        raise ClientError(
            "Only one tree grow plugin can be selected. Choose one from the"
            "following: 'grow_colmaker', 'distcol', 'grow_histmaker',"
            " 'grow_local_histmaker', 'grow_skmaker'"
        )
