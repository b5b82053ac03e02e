"""What CreateHyperParameterTuningJob checks beyond the model's constraints, and fills in.

Sources: Amazon SageMaker AI Developer Guide, Define Hyperparameter Ranges, Resource Limits for
Automatic Model Tuning, Understand the hyperparameter tuning strategies; API reference,
HyperParameterTuningJobConfig. Where AWS's own words are known (from reports of users), they are
used.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

from sagebrush.errors import AwsError, Doc
from sagebrush.services.sagemaker.training import built_in
from sagebrush.services.sagemaker.training import checks as training_checks
from sagebrush.services.sagemaker.training.checks import refuse
from sagebrush.services.sagemaker.tuning import trials
from sagebrush.services.sagemaker.tuning.plan import Entry, trials_of
from sagebrush.services.sagemaker.tuning.trials import OBJECTIVE, Definition
from sagebrush.store.rows import Row
from sagebrush.tuning import stopping
from sagebrush.tuning.space import MEMBERS, BadRange, Choice, Number, Range, guess, ranges_of
from sagebrush.world import Ctx

AT_ONCE = 100
"""Tuning jobs of an account that may run at once, and training jobs of one tuning job."""
TUNED, HYPERPARAMETERS = 30, 100
"""Hyperparameters that may be tuned, and all hyperparameters of a training job."""
JOBS = {"Random": 10_000}
"""Most training jobs of one tuning job, by strategy, as far as AWS raises the quota."""
MOST = 750
"""The same for the other strategies."""
LONGEST = 30 * 24 * 3600
"""Seconds that a tuning job may run."""
WORD = "hyperparameter tuning job"


def limit(resource: str, most: int, used: int, more: int, unit: str) -> NoReturn:
    """Raises ResourceLimitExceeded in AWS's words."""
    raise AwsError(
        "ResourceLimitExceeded",
        f"The account-level service limit '{resource}' is {most} {unit}, with current utilization"
        f" of {used} {unit} and a request delta of {more} {unit}.",
    )


def validate(request: Doc) -> tuple[Doc, list[Definition]]:
    """The request as it will be carried out, with the ranges and limits found by Autotune, and its
    definitions. Raises ValidationException or ResourceLimitExceeded for errors in the request
    alone."""
    _shape(request)
    prepared = _autotuned(request)
    strategy = prepared["HyperParameterTuningJobConfig"]["Strategy"]
    try:
        found = trials.definitions(prepared)
    except BadRange as error:
        refuse(f"Invalid hyperparameter range: {error}.")
    for definition in found:
        _ranges(definition, strategy)
    _alike(found)
    config = _limits(prepared, found)
    _stopping(config, found)
    for definition in found:
        training_checks.validate(_trial(definition))
    return {**prepared, "HyperParameterTuningJobConfig": config}, found


def check(ctx: Ctx, prepared: Doc, found: list[Definition]) -> Doc:
    """The request as AWS describes it. Raises ValidationException or ResourceLimitExceeded where
    its training jobs would name something that does not exist."""
    return _described(prepared, [_objective(ctx, definition) for definition in found])


def _shape(request: Doc) -> None:
    """One definition with the job's own ranges and objective, or several with theirs."""
    config = request["HyperParameterTuningJobConfig"]
    if ("TrainingJobDefinition" in request) == ("TrainingJobDefinitions" in request):
        refuse("Specify exactly one of TrainingJobDefinition and TrainingJobDefinitions.")
    several = request.get("TrainingJobDefinitions", ())
    names = [each.get("DefinitionName") for each in several]
    if None in names:
        refuse("DefinitionName is required for each of the TrainingJobDefinitions.")
    if len(set(names)) < len(names):
        refuse("The DefinitionName of each of the TrainingJobDefinitions must be unique.")
    for member in ("HyperParameterTuningJobObjective", "ParameterRanges"):
        if several and config.get(member):
            own = "TuningObjective" if member.endswith("Objective") else "HyperParameterRanges"
            refuse(
                f"{member} cannot be set with TrainingJobDefinitions: set {own} in each of them."
            )
    for each, _, objective in trials.pieces(request):
        if objective is None:
            refuse(
                "A metric is required for this hyperparameter tuning job objective. Provide a"
                " HyperParameterTuningJobObjective, or a TuningObjective in each definition."
            )
        if "ResourceConfig" in each and "HyperParameterTuningResourceConfig" in each:
            refuse(
                "Specify either ResourceConfig or HyperParameterTuningResourceConfig in a training"
                " job definition, not both."
            )


def _autotuned(request: Doc) -> Doc:
    """The request with ranges for its AutoParameters."""
    auto = any(r.get("AutoParameters") for _, r, _ in trials.pieces(request))
    if not request.get("Autotune"):
        if auto:
            refuse("AutoParameters can be set only if Autotune is enabled.")
        return request
    config = dict(request["HyperParameterTuningJobConfig"])
    made = []
    for each, ranges, _ in trials.pieces(request):
        guessed, left = guess(ranges.get("AutoParameters", ()))
        merged = dict(ranges)
        for member, more in ranges_of(guessed).items():
            merged[member] = [*ranges.get(member, ()), *more]
        static = {**each.get("StaticHyperParameters", {}), **left}
        made.append({**each, "StaticHyperParameters": static, "HyperParameterRanges": merged})
    if "TrainingJobDefinition" in request:
        (alone,) = made
        config["ParameterRanges"] = alone.pop("HyperParameterRanges")
        changed: Doc = {"TrainingJobDefinition": alone}
    else:
        changed = {"TrainingJobDefinitions": made}
    if config["Strategy"] != "Hyperband":
        config.setdefault("TrainingJobEarlyStoppingType", "Auto")
    criteria = {
        "ConvergenceDetected": {"CompleteOnConvergence": "Enabled"},
        **config.get("TuningJobCompletionCriteria", {}),
    }
    config["TuningJobCompletionCriteria"] = criteria
    return {**request, **changed, "HyperParameterTuningJobConfig": config}


def _ranges(definition: Definition, strategy: str) -> None:
    space, static = definition.space, definition.static
    if not space.ranges:
        refuse("At least one hyperparameter range is required: ParameterRanges names none.")
    if len(space.ranges) > TUNED:
        limit("Number of hyperparameters that can be searched", TUNED, 0, len(space.ranges),
              "Hyperparameters")  # fmt: skip
    for name in space.names:
        if name in static:
            refuse(f"The hyperparameter [{name}] is both static and tuned: define it either in"
                   " StaticHyperParameters or in ParameterRanges.")  # fmt: skip
        if name == OBJECTIVE:
            refuse(f"The hyperparameter name [{OBJECTIVE}] is reserved by SageMaker.")
    if len(space.ranges) + len(static) + 1 > HYPERPARAMETERS:
        refuse(
            f"A training job can have up to {HYPERPARAMETERS} hyperparameters, with"
            f" {OBJECTIVE}, which is added; this one has {len(space.ranges) + len(static) + 1}."
        )
    if strategy == "Grid" and any(isinstance(r, Number) for r in space.ranges):
        refuse(
            "The Grid strategy supports only categorical hyperparameters: give"
            " CategoricalParameterRanges instead of integer or continuous ranges."
        )


def _alike(found: list[Definition]) -> None:
    if len({definition.kind for definition in found}) > 1:
        refuse("The TuningObjective of all TrainingJobDefinitions must have the same Type.")


def _limits(request: Doc, found: list[Definition]) -> Doc:
    """The job's configuration with the number of training jobs that it may launch."""
    config = request["HyperParameterTuningJobConfig"]
    limits = dict(config["ResourceLimits"])
    strategy, parallel = config["Strategy"], limits["MaxParallelTrainingJobs"]
    wanted = limits.get("MaxNumberOfTrainingJobs")
    ceiling = JOBS.get(strategy, MOST)
    combinations = sum(definition.space.count for definition in found)
    if strategy == "Grid":
        if wanted not in (None, combinations):
            refuse(
                f"For the Grid strategy MaxNumberOfTrainingJobs, [{wanted}], must be equal to the"
                f" total number of distinct combinations of categorical values, [{combinations}]."
            )
        wanted = int(combinations)
    elif wanted is not None and combinations < wanted:
        refuse(
            "You don't have enough combinations of hyperparameter ranges. The total number of"
            f" hyperparameter combinations for the provided ranges [{combinations:.1f}] must be"
            f" equal or greater than the value of MaxNumberOfJobs, [{wanted}]. Provide additional"
            " ranges."
        )
    if wanted is None:
        tuned = max(len(definition.space.ranges) for definition in found)
        ample = 10 * (tuned + 1) if request.get("Autotune") else MOST
        wanted = int(min(ample, MOST, combinations))
        parallel = min(parallel, wanted)
    if wanted > ceiling:
        limit(f"Number of training jobs per {WORD}", ceiling, 0, wanted, "Training Jobs")
    if parallel > AT_ONCE:
        limit(f"Number of parallel training jobs per {WORD}", AT_ONCE, 0, parallel,
              "Training Jobs")  # fmt: skip
    if parallel > wanted and strategy != "Grid":
        refuse(
            f"The value of MaxParallelTrainingJobs, [{parallel}], must be equal or less than the"
            f" value of MaxNumberOfTrainingJobs, [{wanted}]."
        )
    if limits.get("MaxRuntimeInSeconds", 0) > LONGEST:
        refuse(f"MaxRuntimeInSeconds must be at most 30 days ({LONGEST} seconds).")
    limits |= {"MaxNumberOfTrainingJobs": wanted, "MaxParallelTrainingJobs": parallel}
    return {"TrainingJobEarlyStoppingType": "Off", **config, "ResourceLimits": limits}


def _stopping(config: Doc, found: list[Definition]) -> None:
    """Raises ValidationException for early stopping or Hyperband settings that do not fit the
    strategy."""
    band = config.get("StrategyConfig", {}).get("HyperbandStrategyConfig")
    if config["Strategy"] != "Hyperband":
        if band is not None:
            refuse("HyperbandStrategyConfig can be set only if Hyperband is the Strategy.")
        return
    if config["TrainingJobEarlyStoppingType"] != "Off":
        refuse(
            "TrainingJobEarlyStoppingType must be Off to use Hyperband: the strategy has its own"
            " early stopping mechanism."
        )
    for definition in found:
        most = (band or {}).get("MaxResource") or stopping.resource(definition.static)
        if most is None:
            refuse(
                "MaxResource is required for the Hyperband strategy: set it in"
                " HyperbandStrategyConfig, or set one of the static hyperparameters"
                f" {', '.join(stopping.INFERRED)}."
            )
        least = (band or {}).get("MinResource", 1)
        if not least <= most <= stopping.LARGEST:
            refuse(
                f"Hyperband's MaxResource, [{most}], must be between MinResource, [{least}], and"
                f" {stopping.LARGEST}."
            )


def middle(definition: Definition) -> dict[str, str]:
    """A configuration of the definition: the middle of each range."""
    return definition.space.text({each.name: each.at(0.5) for each in definition.space.ranges})


def _trial(definition: Definition) -> Doc:
    """CreateTrainingJob's request for a trial of the definition, to be checked. Its checkpoints are
    at the definition's own URI, not at a trial's URI under it, which the user did not name."""
    request = trials.request(definition, "tuning-trial", middle(definition))
    checkpoints = {k: v for k, v in definition.doc.items() if k == "CheckpointConfig"}
    return training_checks.defaults({**request, **checkpoints})


def _objective(ctx: Ctx, definition: Definition) -> list[Doc]:
    """The metrics of the definition's training jobs. Raises an error unless such a job can be
    created and reports the objective."""
    image = training_checks.check(ctx, _trial(definition))
    spec = definition.doc["AlgorithmSpecification"]
    known = list(training_checks.with_metrics(spec, image).get("MetricDefinitions", ()))
    if definition.metric not in {each["Name"] for each in known}:
        if image.algorithm is not None:
            refuse(
                f"The objective metric for the {WORD}, [{definition.metric}], isn't valid for the"
                f" [{spec['TrainingImage']}] algorithm. Choose a valid objective metric."
            )
        refuse(
            "A metric is required for this hyperparameter tuning job objective. Provide a metric in"
            f" the metric definitions. (The objective is [{definition.metric}]; MetricDefinitions"
            f" define {[each['Name'] for each in known]}.)"
        )
    _tunable(definition, image.algorithm, spec.get("TrainingImage", ""))
    return known


def _tunable(definition: Definition, algorithm: str | None, image: str) -> None:
    """Raises ValidationException for hyperparameters that cannot be tuned in a built-in
    algorithm."""
    known = built_in.tunable(algorithm) if algorithm else None
    if known is None:
        return
    bad = [name for name in definition.space.names if name not in known]
    if bad:
        refuse(
            f"The {WORD} you requested has the following untunable hyperparameters:"
            f" [{', '.join(bad)}]. For the algorithm, {image}, you can tune only"
            f" [{', '.join(known)}]. Delete untunable hyperparameters."
        )


def _described(request: Doc, metrics: list[list[Doc]]) -> Doc:
    """The request as AWS describes it, which SDK v2's `attach` relies on.

    Static hyperparameters hold the objective, algorithms their own metrics, ranges all their kinds,
    and there is a ResourceConfig although the SDK's `fit` sends another member.
    """

    def described(each: Doc, objective: Doc | None, known: list[Doc]) -> Doc:
        assert objective is not None
        static = {**each.get("StaticHyperParameters", {}), OBJECTIVE: objective["MetricName"]}
        spec = {**each["AlgorithmSpecification"], "MetricDefinitions": known}
        definition = {**each, "StaticHyperParameters": static, "AlgorithmSpecification": spec}
        if resources := trials.resources(each):
            definition["ResourceConfig"] = resources
        if "HyperParameterRanges" in each:
            definition["HyperParameterRanges"] = _whole(each["HyperParameterRanges"])
        return definition

    config = dict(request["HyperParameterTuningJobConfig"])
    if "ParameterRanges" in config:
        config["ParameterRanges"] = _whole(config["ParameterRanges"])
    made = [
        described(each, objective, known)
        for (each, _, objective), known in zip(trials.pieces(request), metrics, strict=True)
    ]
    member = "TrainingJobDefinition"
    several = {f"{member}s": made} if f"{member}s" in request else {member: made[0]}
    return {**request, **several, "HyperParameterTuningJobConfig": config}


def _whole(ranges: Doc) -> Doc:
    return {**{member: [] for member in MEMBERS}, **ranges}


# Warm start ---------------------------------------------------------------------------------------


def parents(request: Doc, found: list[tuple[str, Row | None]], words: str) -> list[Row]:
    """The parents of a warm start, of which each was looked for; raises ValidationException.

    Source: Developer Guide, Run a Warm Start Hyperparameter Tuning Job, "Restrictions". `words` is
    the not-found message, with {name}.
    """
    rows = []
    for name, row in found:
        if row is None:
            refuse(words.format(name=name))
        if row.status not in ("Completed", "Stopped", "Failed"):
            refuse(
                f"The parent {WORD} [{name}] is in status {row.status}. All parent jobs must be in"
                " a terminal state (Completed, Stopped or Failed) before you start a warm start job."
            )
        rows.append(row)
    if len({row.name for row in rows}) < len(rows):
        refuse("WarmStartConfig: a parent hyperparameter tuning job is named twice.")
    mine = {each.name: each for each in trials.definitions(request)}
    kind = request["WarmStartConfig"]["WarmStartType"]
    for row in rows:
        theirs = {each.name: each for each in trials.definitions(row.doc)}
        pairs = [(one, theirs[name]) for name, one in mine.items() if name in theirs]
        if len(mine) == len(theirs) == 1:
            pairs = [(next(iter(mine.values())), next(iter(theirs.values())))]
        if not pairs:
            refuse(f"The parent {WORD} [{row.name}] has no training job definition of this job's.")
        for own, other in pairs:
            _inherited(own, other, row.name, kind)
    launched = sum(len(trials_of(row)) for row in rows)
    config = request["HyperParameterTuningJobConfig"]
    ceiling = JOBS.get(config["Strategy"], MOST)
    more = config["ResourceLimits"]["MaxNumberOfTrainingJobs"]
    if launched + more > ceiling:
        limit(f"Number of training jobs per {WORD}", ceiling, launched, more, "Training Jobs")
    return rows


def _inherited(own: Definition, other: Definition, parent: str, kind: str) -> None:
    """Raises ValidationException where a definition differs from its parent's in what must be the
    same."""
    if (own.metric, own.kind) != (other.metric, other.kind):
        refuse(
            f"The objective metric of a warm start job must be the same as for all its parent jobs:"
            f" [{other.metric}], {other.kind} in [{parent}]."
        )
    mine = {*own.space.names, *own.static} - {OBJECTIVE}
    theirs = {*other.space.names, *other.static} - {OBJECTIVE}
    if len(mine) != len(theirs):
        refuse(
            "The total number of static plus tunable hyperparameters must remain the same as in all"
            f" parent jobs: it is {len(mine)}, and {len(theirs)} in [{parent}]."
        )
    types = {each.name: _type(each) for each in other.space.ranges}
    for each in own.space.ranges:
        if types.get(each.name, _type(each)) != _type(each):
            refuse(
                f"The type of the hyperparameter [{each.name}] cannot be changed: it is"
                f" {types[each.name]} in the parent job [{parent}]."
            )
    if kind != "IdenticalDataAndAlgorithm":
        return
    a, b = (each.doc["AlgorithmSpecification"].get("TrainingImage") for each in (own, other))
    if (a or "").partition(":")[0] != (b or "").partition(":")[0]:
        refuse(
            f"WarmStartType IdenticalDataAndAlgorithm needs the training image of the parent job"
            f" [{parent}], {b}; use TransferLearning for another."
        )
    if _data(own) != _data(other):
        refuse(
            "WarmStartType IdenticalDataAndAlgorithm needs the input data of the parent job"
            f" [{parent}]; use TransferLearning for other data."
        )


def _type(each: Range) -> str:
    if isinstance(each, Choice):
        return "categorical"
    return "integer" if each.whole else "continuous"


def _data(definition: Definition) -> set[tuple[str, str]]:
    return {
        (channel["ChannelName"], channel["DataSource"].get("S3DataSource", {}).get("S3Uri", ""))
        for channel in definition.doc.get("InputDataConfig", ())
        if channel["ChannelName"] not in ("code", "sm_drivers")
    }


def warm(request: Doc, rows: list[Row]) -> list[Entry]:
    """The parents' trials as entries of this job: with its definition, the values, and the parent.

    A hyperparameter that was static in the parent had its value in every trial.
    """
    found: list[Entry] = []
    mine = trials.definitions(request)
    for row in rows:
        theirs = trials.definitions(row.doc)
        for entry in trials_of(row):
            if not entry.succeeded:
                continue
            other = theirs[entry.definition]
            for place, own in enumerate(mine):
                if own.name != other.name and not len(mine) == len(theirs) == 1:
                    continue
                values = {**other.static, **entry.config}
                config = {name: values[name] for name in own.space.names if name in values}
                known = Entry(entry.name, place, config, entry.status, entry.value, len(found))
                found.append(replace(known, parent=row.name))
    return found
