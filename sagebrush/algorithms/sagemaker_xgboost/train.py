"""XGBoost's training job: /opt/ml in, `xgboost-model` out. Run as `python -m sagemaker_xgboost.train`."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xgboost  # pyright: ignore[reportMissingImports]
from contract.errors import ClientError
from contract.job import Job, run

from . import boosting, cluster, data, folds, log, metrics, parameters
from .boosting import Plan, Surroundings
from .data import Table

OURS = (
    "num_round", "csv_weights", "early_stopping_rounds", "silent", "save_model_on_termination",
    "use_dask_gpu_training", "eval_metric", "dsplit", parameters.TUNING, "_kfold", "_num_cv_round",
)  # fmt: skip
"""Hyperparameters that are not XGBoost's own, or are given to it otherwise."""
MARGINS, TREE = 12, 1024
"""Bytes of a row for each class (a margin and two gradients), and of a tree at least."""
COLUMN, EXACT_COLUMN = 300, 20
"""Bytes of a column that the trees' builders take at least, whatever it holds: 370 and 24 were measured,
with 3.2.0 on matrices of 5 and of 20 million columns."""
IMPORTANCE = "feature_importance.json"


@dataclass(frozen=True)
class Tables:
    """What a job trains on."""

    train: Table
    validation: Table | None


def train(job: Job) -> None:
    """The model is in the model's folder; raises ClientError for whatever the user can mend."""
    # XGBoost's warnings name their own place; Python's, which calls them, says nothing.
    warnings.formatwarning = lambda message, *_rest, **_more: f"{message}\n"
    log.info(f"Running XGBoost Sagemaker in algorithm mode (XGBoost {xgboost.__version__})")
    values = parameters.read(job.hyperparameters)
    _check_gpu(values)
    data.check(job.channels)
    if len(job.hosts) > 1:
        _check_cluster(values)
    weighted = bool(values.get("csv_weights"))
    first = data.read(job.channels["train"], weighted)
    given = job.channels.get("validation")
    second = data.read(given, weighted) if given else None
    if len(job.hosts) > 1:
        _together(job, values, first, second)
        return
    if first is None:
        raise ClientError(f"No data in training channel path {job.channels['train'].folder}")
    if given and second is None:
        raise ClientError(f"No data in validation channel path {given.folder}")
    log.info("Single node training.")
    _fit(job, values, Tables(first, second), Surroundings(stopping=job.stopping))


def _check_gpu(values: Mapping[str, Any]) -> None:
    """Raises ClientError for a GPU that this XGBoost cannot use."""
    if values.get("use_dask_gpu_training") == "true":
        raise ClientError(
            "use_dask_gpu_training: distributed GPU training through Dask is not here; leave it out"
        )
    asked = [
        name for name in ("tree_method", "predictor") if str(values.get(name)).startswith("gpu_")
    ]
    built = getattr(xgboost, "build_info", dict)().get("USE_CUDA", True)
    if asked and not (built and os.environ.get("CUDA_VISIBLE_DEVICES", "") != ""):
        raise ClientError(
            f"{asked[0]}={values[asked[0]]} needs a GPU, and"
            f" {'this instance has none' if built else 'this XGBoost is built for CPUs'}: use"
            f" {'tree_method=hist' if asked[0] == 'tree_method' else 'predictor=auto'}"
        )


def _check_cluster(values: Mapping[str, Any]) -> None:
    """Raises ClientError for what several instances cannot do."""
    if values.get("tree_method") == "exact":
        raise ClientError(
            "tree_method exact does not train on several instances: use hist or approx"
        )
    # Both build each instance's model of its own part, which was seen of 0.72 to 3.0.5.
    if "grow_colmaker" in values.get("updater", ()):
        raise ClientError("updater grow_colmaker does not train on several instances")
    if values.get("booster") == "gblinear":
        raise ClientError("booster gblinear does not train on several instances: use one")
    if "_kfold" in values:
        raise ClientError("_kfold: cross validation runs on one instance")


def _together(job: Job, values: dict[str, Any], first: Table | None, second: Table | None) -> None:
    """The model of all instances that have data; the first of them saves it."""
    hosts, host = list(job.hosts), job.host
    log.info(f"Distributed node training with {len(hosts)} hosts: {hosts}")
    lacking = "training" if first is None else ""
    if "validation" in job.channels and second is None:
        lacking = lacking or "validation"
    width = max((table.width for table in (first, second) if table is not None), default=0)
    dense = any(table and isinstance(table.features, np.ndarray) for table in (first, second))
    with cluster.joined(hosts, host):
        mine = {"host": host, "data": not lacking, "width": width, "dense": dense}
        told = cluster.told(mine, hosts)
        ready = [each["host"] for each in told if each["data"]]
        _check_widths([each for each in told if each["data"]])
        if len(ready) == len(hosts):
            assert first is not None
            around = _among(job, leads=host == hosts[0])
            wide = max(each["width"] for each in told)
            _fit(job, values, _widened(Tables(first, second), wide), around)
            return
    if lacking:
        log.warning(
            f"Host {host} does not have {lacking} data. Will broadcast to cluster and this host {host}"
            " will not be used in distributed training. Please divide the data across instances"
            " properly."
        )
        if not ready:
            raise ClientError(f"No host has {lacking} data: no data in the channel")
        return
    assert first is not None
    wide = max(each["width"] for each in told)
    tables = _widened(Tables(first, second), wide)
    if len(ready) == 1:
        _fit(job, values, tables, Surroundings(stopping=job.stopping))
        return
    with cluster.joined(ready, host, cluster.PORT + 1):
        _fit(job, values, tables, _among(job, leads=host == ready[0]))


def _among(job: Job, leads: bool) -> Surroundings:
    """Training as one of several instances."""
    return Surroundings(leads=leads, average=cluster.mean, keep=cluster.keep, stopping=job.stopping)


def _check_widths(told: Sequence[Mapping[str, Any]]) -> None:
    """Raises ClientError where the instances' rows differ in their columns, which only sparse ones may."""
    if any(each["dense"] for each in told) and len({each["width"] for each in told}) > 1:
        widths = ", ".join(f"{each['host']} {each['width']}" for each in told)
        raise ClientError(
            f"The instances' data differ in their number of features ({widths}): every file of a"
            " channel has the same columns"
        )


def _widened(tables: Tables, width: int) -> Tables:
    """The tables, sparse ones with that many columns."""
    both = [
        table and replace(table, features=data.widened(table.features, width))
        for table in (tables.train, tables.validation)
    ]
    assert both[0] is not None
    return Tables(both[0], both[1])


def _fit(job: Job, values: dict[str, Any], tables: Tables, around: Surroundings) -> None:
    """The model of these tables is saved by the instance that leads."""
    if tables.validation is not None:
        tables = _widened(tables, max(tables.train.width, tables.validation.width))
        widths = [each.width for each in (tables.train, tables.validation) if each is not None]
        if len(set(widths)) > 1:
            raise ClientError(
                f"The validation channel has {widths[1]} features, the training channel {widths[0]}:"
                " feature_names mismatch"
            )
    _check_labels(values, tables)
    _check_memory(values, (len(tables.train), tables.train.width), job.resources()[1])
    rows, columns = len(tables.train), tables.train.width
    log.info(f"Train matrix has {rows} rows and {columns} columns")
    if tables.validation is not None:
        log.info(f"Validation matrix has {len(tables.validation)} rows")
    plan = _plan(job, values, tables.validation is not None)
    if values.get("save_model_on_termination") == "true" and around.leads:
        around = replace(around, saved_always=job.model)
    if "_kfold" in values:
        _cross_validate(job, values, tables, plan, around)
        return
    objective = str(values.get("objective", ""))
    sets = [(_matrix(tables.train, objective), "train")]
    if tables.validation is not None:
        sets.append((_matrix(tables.validation, objective), "validation"))
    booster = boosting.train(plan, sets, around)
    if around.leads:
        boosting.save(booster, job.model / plan.name)
        _save_importance(booster, job.output)
        log.info(f"Stored trained model at {job.model / plan.name}")


def _plan(job: Job, values: Mapping[str, Any], validated: bool) -> Plan:
    """How the job's hyperparameters have a model trained."""
    wanted = list(values.get("eval_metric", ()))
    tuned = str(values.get(parameters.TUNING, "")).partition(":")[2]
    if tuned:
        log.info(f"Setting up HPO optimized metric to be : {tuned}")
    # One order on all hosts, as the container has it.
    union = sorted({*wanted, tuned}) if wanted and tuned else wanted or ([tuned] if tuned else [])
    own = {name: value for name, value in values.items() if name not in OURS}
    if boosting.VERSION < (1, 0) and "silent" in values:
        own["silent"] = values["silent"]
    elif values.get("silent") == 1:
        own.setdefault("verbosity", 0)
    processors = job.resources()[0]
    # OpenMP ends a process that asks for more threads than the system has.
    own["nthread"] = min(own.get("nthread", processors), 4 * processors)
    if "updater" in own:
        own["updater"] = ",".join(own["updater"])
    for name in ("monotone_constraints", "interaction_constraints"):
        if name in own:
            own[name] = str(own[name])
    if built_in := [name for name in union if name not in metrics.CUSTOM]:
        own["eval_metric"] = built_in
    watched = tuned or (wanted[-1] if wanted else _default_metric(values)) if validated else ""
    return Plan(
        own,
        values["num_round"],
        [name for name in union if name in metrics.CUSTOM],
        values.get("early_stopping_rounds"),
        watched,
        _checkpoints(job),
    )


def _default_metric(values: Mapping[str, Any]) -> str:
    """The metric that XGBoost evaluates where none is asked for."""
    objective = values.get("objective", "reg:squarederror")
    logistic = "logloss" if boosting.VERSION >= (1, 3) else "error"
    multiple = "mlogloss" if boosting.VERSION >= (1, 3) else "merror"
    named = {
        "binary:logistic": logistic, "binary:logitraw": logistic, "binary:hinge": "error",
        "multi:softmax": multiple, "multi:softprob": multiple, "count:poisson": "poisson-nloglik",
        "rank:pairwise": "map", "rank:ndcg": "ndcg", "rank:map": "map", "reg:gamma": "gamma-nloglik",
        "reg:pseudohubererror": "mphe", "reg:squaredlogerror": "rmsle", "reg:absoluteerror": "mae",
        "reg:tweedie": f"tweedie-nloglik@{values.get('tweedie_variance_power', 1.5):g}",
        "survival:aft": "aft-nloglik", "survival:cox": "cox-nloglik",
    }  # fmt: skip
    return named.get(objective, "rmse")


def _checkpoints(job: Job) -> Path | None:
    """The folder of checkpoints, where the job has one."""
    config = job.root / "input" / "config" / "checkpointconfig.json"
    if config.is_file():
        local = Path(json.loads(config.read_text() or "{}").get("LocalPath") or job.checkpoints)
        return local if local.is_dir() else job.checkpoints
    return job.checkpoints if job.checkpoints.is_dir() else None


def _check_labels(values: Mapping[str, Any], tables: Tables) -> None:
    """Raises ClientError for labels that the objective does not have."""
    objective = str(values.get("objective", ""))
    labels = [table.labels for table in (tables.train, tables.validation) if table is not None]
    least = min(float(each.min()) for each in labels)
    most = max(float(each.max()) for each in labels)
    if objective in ("binary:logistic", "binary:logitraw", "reg:logistic", "binary:hinge"):
        if least < 0 or most > 1:
            raise ClientError("label must be in [0,1] for logistic regression")
    elif objective.startswith("multi:"):
        whole = all((each == np.floor(each)).all() for each in labels)
        if least < 0 or most >= values["num_class"] or not whole:
            raise ClientError("SoftmaxMultiClassObj: label must be in [0, num_class).")
    elif objective == "survival:aft" and least <= 0:
        raise ClientError("survival:aft: label must be positive: it is a time that was observed")
    elif objective in ("count:poisson", "reg:tweedie") and least < 0:
        name = "PoissonRegression" if objective == "count:poisson" else "TweedieRegression"
        raise ClientError(f"{name}: label must be nonnegative")


def _check_memory(values: Mapping[str, Any], size: tuple[int, int], has: int) -> None:
    """Raises ClientError where the classes' margins and gradients, one round's trees, or what trees are
    built of for each column, cannot be held. `size`: rows and columns."""
    rows, columns = size
    exact = values.get("tree_method") == "exact" or values.get("booster") == "gblinear"
    least = columns * (EXACT_COLUMN if exact else COLUMN)
    if least > has:
        raise ClientError(
            f"Out of memory: {columns} columns (one more than the highest index) take at least"
            f" {least / 2**30:.3g} GiB, and the instance has {has / 2**30:.3g} GiB. Number the columns"
            " without gaps"
        )
    classes, trees = values.get("num_class", 1), values.get("num_parallel_tree", 1)
    needs = classes * (rows * MARGINS + trees * TREE)
    if needs > has:
        raise ClientError(
            f"Out of memory: num_class={classes} and num_parallel_tree={trees} with {rows} rows take at"
            f" least {needs / 2**30:.3g} GiB, and the instance has {has / 2**30:.3g} GiB. It holds"
            f" {has // (rows * MARGINS + TREE)} classes with one tree each"
        )


def _matrix(table: Table, objective: str) -> Any:
    """The table as XGBoost's matrix. For `survival:aft` each label is a time that was observed: the
    formats have no place for the two ends of a censored one."""
    try:
        found = xgboost.DMatrix(
            np.ascontiguousarray(table.features)
            if isinstance(table.features, np.ndarray)
            else table.features,
            label=table.labels,
            weight=table.weights,
        )
    except xgboost.core.XGBoostError as error:
        if "Weights must be" in str(error):
            raise ClientError("Weights must be positive values.") from None
        if "inf" not in str(error):
            raise
        raise ClientError(
            "Input data contains `inf` or a value too large: features must be finite, or empty where"
            " they are missing"
        ) from None
    if objective == "survival:aft":
        for end in ("label_lower_bound", "label_upper_bound"):
            found.set_float_info(end, table.labels)
    if table.groups is not None:
        ends = np.flatnonzero(np.diff(table.groups)) + 1
        found.set_group(np.diff(np.concatenate(([0], ends, [len(table)]))))
    return found


def _cross_validate(
    job: Job, values: Mapping[str, Any], tables: Tables, plan: Plan, around: Surroundings
) -> None:
    """One model for each fold of training and validation data together."""
    parts = [table for table in (tables.train, tables.validation) if table is not None]
    whole = parts[0] if len(parts) == 1 else data.joined(parts)
    objective = str(values.get("objective", "reg:squarederror"))
    repeats = values.get("_num_cv_round", 1)
    kept = folds.Predictions(whole.labels, repeats, objective)

    def one(inside: Any, outside: Any, number: int) -> tuple[Any, dict[tuple[str, str], float]]:
        last: dict[tuple[str, str], float] = {}
        own = plan.checkpoints and plan.checkpoints / f"model-{number}"
        if own is not None:
            own.mkdir(exist_ok=True)
        folded = replace(plan, name=f"{boosting.MODEL}-{number}", checkpoints=own, told=last.update)
        sets = [(inside, "train"), (outside, "validation")]
        return boosting.train(folded, sets, around), last

    asked = (values["_kfold"], repeats)
    seed = values.get("seed", 0) % 2**31
    folds.check(whole.labels, values["_kfold"], kept.classifies, whole.groups is not None)
    models = folds.run(_matrix(whole, objective), whole.labels, asked, kept, one, plan.rounds, seed)
    kept.save(job.output)
    for number, model in enumerate(models):
        boosting.save(model, job.model / f"{boosting.MODEL}-{number}")


def _save_importance(booster: Any, folder: Path) -> None:
    """How much each feature counts, by XGBoost's measures, is in feature_importance.json."""
    found = {}
    for kind in ("weight", "gain", "cover", "total_gain", "total_cover"):
        try:
            found[kind] = booster.get_score(importance_type=kind)
        except ValueError:  # of a linear model, which has no trees
            continue
    folder.mkdir(parents=True, exist_ok=True)
    (folder / IMPORTANCE).write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(run(train))
