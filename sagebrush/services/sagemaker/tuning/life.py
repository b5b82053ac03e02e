"""The life of a tuning job: trials are planned, made, watched and stopped until enough is known.

Each step reads what became of the trials, stops those that are hopeless, and plans as many as may
run. A trial is planned, under its name, in one step and made in the next, so that a server that is
killed between the two finds the training job again and makes none twice. The training jobs make
this job's row due when they end or report a value; it asks by itself only now and then.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.scheduler import members
from sagebrush.services.sagemaker.jobs import share_of_host
from sagebrush.services.sagemaker.jobs.steps import ENDED
from sagebrush.services.sagemaker.training import operations as training
from sagebrush.services.sagemaker.training import warm_pool
from sagebrush.services.sagemaker.tuning import trials as tuning_trials
from sagebrush.services.sagemaker.tuning.trials import PLANNED, Definition
from sagebrush.store.rows import Next, Row
from sagebrush.tuning import stopping
from sagebrush.tuning.ask import RUNNING, Strategy, Trial, ask
from sagebrush.tuning.stopping import Band
from sagebrush.world import Ctx, World

log = logging.getLogger(__name__)

WATCH = 30.0
"""Seconds between looks at trials of which nothing was told: a safeguard, their news come at once."""
LEARNING = ("Bayesian", "Hyperband")
"""Strategies that choose a trial by what others said."""
HOPELESS = 5
"""Trials of which none had an objective after which a tuning job has failed, as AWS's does."""
NO_METRIC = (
    "No objective metrics found after running {count} training jobs. Please ensure that the custom"
    " algorithm is emitting the objective metric as defined by the regular expression provided."
)
NO_SUCCESS = (
    "No training job succeeded after {count} attempts. Please take a look at the training job"
    " failures to get more details."
)


@dataclass
class Work:
    """One step over a tuning job: its row, and the trials as this step changes them."""

    world: World
    row: Row
    trials: list[Doc]
    definitions: list[Definition]

    @property
    def ctx(self) -> Ctx:
        """Acts as the tuning job's role, which is also its trials'."""
        return self.world.service_ctx(self.definitions[0].doc["RoleArn"])

    @property
    def config(self) -> Doc:
        return self.row.doc["HyperParameterTuningJobConfig"]

    @property
    def limits(self) -> Doc:
        return self.config["ResourceLimits"]

    @property
    def maximize(self) -> bool:
        return self.definitions[0].maximize

    def of(self, entry: Doc) -> Definition:
        """The definition of a trial."""
        return self.definitions[entry["d"]]

    def live(self) -> list[Doc]:
        """The trials that are not over."""
        return [entry for entry in self.trials if not tuning_trials.ended(entry)]


def reconcile(world: World, row: Row) -> Next:
    """The next step of the tuning job."""
    if row.status in ENDED:
        return Next()
    trials = [dict(entry) for entry in row.plan["trials"]]
    work = Work(world, row, trials, tuning_trials.definitions(row.doc))
    end = row.plan.get("end")
    if "stop" in row.plan:
        end = end or ["Stopped", ""]
    refused = _make(work, wanted=end is None)
    _look(work)
    plan: Doc = {"trials": work.trials}
    if isinstance(refused, str):
        end = end or ["Failed", refused]
    end = end or _over(work)
    doc = _told(work, plan)
    if end:
        plan["end"] = end
        return _wind_down(work, end, doc, plan)
    _early(work)
    planned = [] if refused else _plan(work)
    work.trials += planned
    due = 0.0 if planned else WATCH
    return Next(doc={**doc, **_told(work, plan)}, plan=plan, due=min(due, _left(work)))


def fail(world: World, row: Row, reason: str) -> Next:
    """The tuning job has failed for `reason`, and its trials are asked to stop."""
    work = Work(world, row, [dict(e) for e in row.plan["trials"]],
                tuning_trials.definitions(row.doc))  # fmt: skip
    for entry in work.live():
        _stop(work, entry)
    return _end(work, ["Failed", reason], {}, {})


# Trials -------------------------------------------------------------------------------------------


def _make(work: Work, wanted: bool) -> str | bool:
    """Planned trials are training jobs, but for those not `wanted` any more, which are dropped.

    The reason when one cannot be made at all; True where only a quota is in the way for now.
    """
    for entry in [entry for entry in work.trials if entry["s"] == PLANNED]:
        if tuning_trials.job_of(work.world, work.row, entry):
            entry["s"] = "InProgress"  # made before the server ended
            continue
        if not wanted:
            work.trials.remove(entry)
            continue
        definition = work.of(entry)
        request = tuning_trials.request(definition, entry["n"], entry["c"])
        if tags := tuning_trials.tags(work.row):
            request["Tags"] = tags
        also = {
            "TuningJobArn": work.row.doc["HyperParameterTuningJobArn"],
            share_of_host.AT_ONCE: work.limits["MaxParallelTrainingJobs"],
        }
        ctx = work.world.service_ctx(definition.doc["RoleArn"])
        try:
            training.create(ctx, request, work.row.doc["HyperParameterTuningJobArn"], also)
        except AwsError as error:
            if error.status >= 500:
                raise
            if error.code == "ResourceLimitExceeded":
                log.info("tuning job %s: %s", work.row.name, error.message)
                return True
            work.trials.remove(entry)
            return f"The training job {entry['n']} could not be created: {error.message}"
        entry["s"] = "InProgress"
    return False


def _look(work: Work) -> None:
    """Each trial's entry says what became of it."""
    order = max((entry.get("o", 0) for entry in work.trials), default=0)
    for entry in work.live():
        job = tuning_trials.job_of(work.world, work.row, entry)
        if job is None:
            if entry["s"] != PLANNED:  # somebody deleted it
                entry["s"] = "Stopped"
            continue
        entry["s"] = job.status if job.status != "Deleting" else "Stopped"
        if not tuning_trials.ended(entry):
            continue
        order += 1
        entry["o"] = order
        value = tuning_trials.final(job, work.of(entry).metric)
        if value is not None and job.status != "Failed":
            entry["v"] = value
        if job.status == "Failed" and _internal(job):
            entry["retry"] = True


def _internal(job: Row) -> bool:
    return str(job.doc.get("FailureReason", "")).startswith("InternalServerError")


def _stop(work: Work, entry: Doc) -> None:
    """The trial is asked to stop; that it just ended is fine."""
    try:
        training.stop_training_job(work.ctx, {"TrainingJobName": entry["n"]})
    except AwsError as error:
        if error.status >= 500:
            raise


def _early(work: Work) -> None:
    """Trials that are not promising are being stopped, each new value of theirs looked at once."""
    hyperband = work.config["Strategy"] == "Hyperband"
    if not hyperband and work.config.get("TrainingJobEarlyStoppingType") != "Auto":
        return
    for entry in [e for e in work.live() if e["s"] == "InProgress" and not e.get("early")]:
        values = tuning_trials.curve(work.world, work.row, entry, work.of(entry).metric)
        seen = entry.get("e", 0)
        if len(values) <= seen:
            continue
        stop = (_halved if hyperband else _below_median)(work, entry, values, seen)
        entry["e"] = len(values)
        if stop:
            _stop(work, entry)


def _below_median(work: Work, entry: Doc, values: tuple[float, ...], seen: int) -> bool:
    definition = work.of(entry)
    others = [
        tuning_trials.curve(work.world, work.row, other, definition.metric)
        for other in work.trials
        if other["d"] == entry["d"] and tuning_trials.succeeded(other)
    ]
    stop = stopping.worse_than_median(values, others, definition.maximize, seen)
    if stop:
        entry["early"] = True
    return stop


def _halved(work: Work, entry: Doc, values: tuple[float, ...], seen: int) -> bool:
    band = _band(work, entry["d"])
    same = [other for other in work.trials if other["d"] == entry["d"] and other["s"] != PLANNED]
    known = [
        (Trial({}, RUNNING, None, values) if other is entry else _bare(other), other.get("k", {}))
        for other in same
    ]
    place = same.index(entry)
    stop, kept = stopping.halved(band, _strategy(work, entry["d"]), known, place, seen)
    entry["k"] = kept
    if stop and len(values) < band.most:  # else it has had all that a trial may have
        entry["early"] = True
    return stop


def _bare(entry: Doc) -> Trial:
    """A trial as Hyperband compares it: by what was kept of it."""
    return replace(tuning_trials.trial(entry), config={})


def _band(work: Work, place: int) -> Band:
    given = work.config.get("StrategyConfig", {}).get("HyperbandStrategyConfig", {})
    most = given.get("MaxResource") or stopping.resource(work.definitions[place].static)
    return Band(given.get("MinResource", 1), most or stopping.LARGEST, f"{work.row.name}-{place}")


def _strategy(work: Work, place: int) -> Strategy:
    seed = work.config.get("RandomSeed", work.row.plan["seed"])
    kind = work.row.doc.get("WarmStartConfig", {}).get("WarmStartType")
    maximize = work.definitions[place].maximize
    return Strategy(work.config["Strategy"], maximize, seed + place, kind == "TransferLearning")


def _plan(work: Work) -> list[Doc]:
    """Entries for as many further trials as may run: definitions take turns."""
    room = min(
        _at_once(work) - len(work.live()),
        work.limits["MaxNumberOfTrainingJobs"] - len(work.trials),
    )
    found: list[Doc] = []
    spent: set[int] = set()
    while len(found) < room and len(spent) < len(work.definitions):
        counts = [
            (sum(e["d"] == place for e in (*work.trials, *found)), place)
            for place in range(len(work.definitions))
            if place not in spent
        ]
        place = min(counts)[1]
        batch = room if len(work.definitions) == 1 else 1
        configs = ask(work.definitions[place].space, _strategy(work, place),
                      _known(work, place, found), batch)  # fmt: skip
        if len(configs) < batch:
            spent.add(place)
        for config in configs:
            name = tuning_trials.name(work.row, len(work.trials) + len(found) + 1)
            found.append({"n": name, "d": place, "c": dict(config), "s": PLANNED})
    return found


def _at_once(work: Work) -> int:
    """How many trials there are at once: as many as may, but of a search that learns from trials no
    more than run beside one another here. One that only waits was chosen knowing too little."""
    most = work.limits["MaxParallelTrainingJobs"]
    if work.config["Strategy"] not in LEARNING:
        return most
    found = []
    for definition in work.definitions:
        resources = tuning_trials.resources(definition.doc) or {}
        types = [member.type for member in members.members("", resources)]
        found.append(share_of_host.beside(work.world, types, most))
    return max(found)


def _known(work: Work, place: int, new: Sequence[Doc]) -> list[Trial]:
    """What the strategy is told of a definition: its parents' trials and its own."""
    pruning = work.config["Strategy"] == "Hyperband" or (
        work.config.get("TrainingJobEarlyStoppingType") == "Auto"
    )
    metric = work.definitions[place].metric
    found = []
    for entry in (*work.row.plan.get("warm", ()), *work.trials, *new):
        if entry["d"] != place:
            continue
        values: tuple[float, ...] = ()
        if pruning and entry.get("early"):
            values = tuning_trials.curve(work.world, work.row, entry, metric)
        found.append(replace(tuning_trials.trial(entry, values), parent=entry.get("p", "")))
    return found


# The end ------------------------------------------------------------------------------------------


def _left(work: Work) -> float:
    """Seconds that the tuning job may still run."""
    most = work.limits.get("MaxRuntimeInSeconds")
    if most is None:
        return float("inf")
    return max(0.0, work.row.created + most - work.world.clock())


def _over(work: Work) -> list[str] | None:
    """Why no further trial is needed, as the status that the job ends in and a reason; else None."""
    over = [entry for entry in work.trials if tuning_trials.ended(entry)]
    good = [entry for entry in over if tuning_trials.succeeded(entry)]
    if not good and len(over) >= HOPELESS and not _any_value(work):
        return _failed(over)
    if _left(work) <= 0:
        return ["Completed" if good else "Stopped", ""]
    if not work.live() and _exhausted(work):
        return ["Completed", ""] if good else _failed(over)
    return ["Completed", ""] if good and _satisfied(work) else None


def _failed(over: Sequence[Doc]) -> list[str]:
    """The failure of a job none of whose trials, which are `over`, had an objective."""
    silent = any(entry["s"] in ("Completed", "Stopped") for entry in over)
    return ["Failed", (NO_METRIC if silent else NO_SUCCESS).format(count=len(over))]


def _exhausted(work: Work) -> bool:
    return len(work.trials) >= work.limits["MaxNumberOfTrainingJobs"]


def _any_value(work: Work) -> bool:
    """Whether a trial that runs has reported the objective."""
    for entry in work.live():
        job = tuning_trials.job_of(work.world, work.row, entry)
        if job and tuning_trials.final(job, work.of(entry).metric) is not None:
            return True
    return False


def _satisfied(work: Work) -> bool:
    """Whether one of the job's completion criteria is met."""
    criteria: Doc = work.config.get("TuningJobCompletionCriteria", {})
    found = _progress(work)
    if stopping.reached(found.best, criteria.get("TargetObjectiveMetricValue"), work.maximize):
        return True
    stale: Doc | None = criteria.get("BestObjectiveNotImproving")
    if stale is not None:
        most = stale.get("MaxNumberOfTrainingJobsNotImproving", stopping.PATIENCE)
        if found.stale >= most:
            return True
    converged = criteria.get("ConvergenceDetected", {}).get("CompleteOnConvergence") == "Enabled"
    return converged and found.converged


def _progress(work: Work) -> stopping.Progress:
    values = [entry["v"] for entry in tuning_trials.in_order(work.trials)]
    return stopping.progress(values, work.maximize)


def _told(work: Work, plan: Doc) -> Doc:
    """The members that tell how far the job is; `plan` keeps when it first seemed to converge."""
    found = _progress(work)
    details: Doc = {"NumberOfTrainingJobsObjectiveNotImproving": found.stale}
    since: Any = work.row.plan.get("converged") or plan.get("converged")
    if since is None and found.converged:
        since = plan["converged"] = work.world.clock()
    if since is not None:
        details["ConvergenceDetectedTime"] = moment(since)
    told: Doc = {**tuning_trials.counters(work.trials), "TuningJobCompletionDetails": details}
    changed = {k: v for k, v in told.items() if work.row.doc.get(k) != v}
    if changed:
        changed["LastModifiedTime"] = moment(work.world.clock())
    return changed


def _wind_down(work: Work, end: list[str], doc: Doc, plan: Doc) -> Next:
    """What still runs is being stopped; the job has ended once nothing does."""
    live = work.live()
    for entry in live:
        if entry["s"] == "InProgress":
            _stop(work, entry)
    if live:
        return Next(doc=doc, plan=plan, due=WATCH)
    return _end(work, end, doc, plan)


def _end(work: Work, end: list[str], doc: Doc, plan: Doc) -> Next:
    now = moment(work.world.clock())
    status, reason = end
    doc = {**doc, "HyperParameterTuningEndTime": now, "LastModifiedTime": now}
    if status == "Failed":
        doc["FailureReason"] = reason[:1024]
    tuning_trials.forget(work.world, work.row)
    _dismiss(work)
    return Next(status, doc, plan)


def _dismiss(work: Work) -> None:
    """No process waits for a further trial, unless its trial asked for that by a period of its own."""
    rows = work.world.rows
    for pool in rows.select(warm_pool.KIND.name, warm_pool.FREE):
        job = rows.by_id(pool.plan["job"])
        if job and job.plan.get("tuner") == work.row.id and not warm_pool.keep_alive(job):
            warm_pool.extend(work.world, job, 0)
