"""The life of a tuning job: trials are planned, created and watched until the search is over.

Each step reads the states of the trials, stops those that are not promising, and plans as many as
may run. A trial is planned under its name in one step and created in the next, so that a server
killed between the two finds the training job again and creates no second one. The training jobs are
children (`engine.children`): this job's row is due when one's status changes or it reports a value,
and otherwise every WATCH seconds.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sagebrush.engine import children
from sagebrush.engine.kinds import arn_of, moment
from sagebrush.errors import AwsError, Doc
from sagebrush.scheduler import members
from sagebrush.services.sagemaker.jobs import share_of_host
from sagebrush.services.sagemaker.jobs.steps import ENDED
from sagebrush.services.sagemaker.training.operations import KIND as TRAINING_JOBS
from sagebrush.services.sagemaker.training.warm_pool import offers
from sagebrush.services.sagemaker.tuning import trials
from sagebrush.services.sagemaker.tuning.plan import PLANNED, Entry, plan_of, trials_of, warm_of
from sagebrush.services.sagemaker.tuning.trials import Definition
from sagebrush.store.rows import Next, Row
from sagebrush.tuning import stopping
from sagebrush.tuning.ask import RUNNING, Strategy, Trial, ask
from sagebrush.tuning.stopping import Band
from sagebrush.world import Ctx, World

log = logging.getLogger(__name__)

HANDED = {"standby": 60.0, "look": 0.5}
"""Members of each trial's plan (`training.plan`): seconds for which its process waits for the next
trial, and seconds between looks for metrics, which may stop a trial early."""
WATCH = 30.0
"""Seconds between looks at trials without news: a safeguard, since news make the row due at
once."""
LEARNING = ("Bayesian", "Hyperband")
"""Strategies that choose a trial by the results of others."""
HOPELESS = 5
"""Trials without any objective after which a tuning job fails, as AWS's does."""
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
    """One step of a tuning job: its row, and copies of its trials that the step changes."""

    world: World
    row: Row
    trials: list[Entry]
    definitions: list[Definition]

    @property
    def ctx(self) -> Ctx:
        """Acts as the service: whoever created the tuning job was allowed to, and the trials' own
        role decides what they read and write."""
        return self.world.service_ctx(region=self.row.region, account=self.row.account)

    @property
    def config(self) -> Doc:
        return self.row.doc["HyperParameterTuningJobConfig"]

    @property
    def limits(self) -> Doc:
        return self.config["ResourceLimits"]

    @property
    def maximize(self) -> bool:
        return self.definitions[0].maximize

    def of(self, entry: Entry) -> Definition:
        """The definition of a trial."""
        return self.definitions[entry.definition]

    def live(self) -> list[Entry]:
        """The trials that have not ended."""
        return [entry for entry in self.trials if not entry.ended]

    def more(self) -> bool:
        """Whether further trials may be created."""
        planned = any(entry.status == PLANNED for entry in self.trials)
        return planned or len(self.trials) < self.limits["MaxNumberOfTrainingJobs"]

    def stored(self) -> Doc:
        """The plan's member with the trials, as the row stores them."""
        return {"trials": [entry.stored() for entry in self.trials]}


def reconcile(world: World, row: Row) -> Next:
    """The next step of the tuning job: returns its document's and plan's members to change.

    Called by the loop under the row's lease, for InProgress and Stopping jobs; Completed, Failed
    and Stopped are final. The row is not changed: `Work` holds copies of its trials. Training jobs
    are created only under names that an earlier step stored, so a repeated step creates none twice.
    Raises AwsError for faults of the server (5xx), which the loop tries again.
    """
    if row.status in ENDED:
        return Next()
    work = Work(world, row, trials_of(row), trials.definitions(row.doc))
    end = plan_of(row).get("end")
    if "stop" in plan_of(row):
        end = end or ["Stopped", ""]
    refused = _make(work, wanted=end is None)
    _look(work)
    plan: Doc = {}
    if isinstance(refused, str):
        end = end or ["Failed", refused]
    end = end or _over(work)
    doc = _progress_members(work, plan)
    if end:
        plan |= {"end": end, "more": None}
        return _wind_down(work, end, doc, plan)
    _early(work)
    planned = [] if refused else _plan(work)
    work.trials += planned
    due = 0.0 if planned else WATCH
    doc |= _progress_members(work, plan)
    plan |= {**work.stored(), "more": work.more()}
    return Next(doc=doc, plan=plan, due=min(due, _left(work)))


def fail(world: World, row: Row, reason: str) -> Next:
    """The tuning job is Failed for `reason`, and its trials are asked to stop."""
    work = Work(world, row, trials_of(row), trials.definitions(row.doc))
    for entry in work.live():
        _stop(work, entry)
    return _end(work, ["Failed", reason], {}, {"more": None})


# Trials -------------------------------------------------------------------------------------------


def _make(work: Work, wanted: bool) -> str | bool:
    """Planned trials are created as training jobs, or dropped where they are not `wanted` any more.

    Returns the reason when one cannot be created at all, True where only a quota forbids it for
    now, False otherwise. Raises AwsError for faults of the server.
    """
    for entry in [entry for entry in work.trials if entry.status == PLANNED]:
        if not wanted and trials.job_of(work.world, work.row, entry) is None:
            work.trials.remove(entry)
            continue
        try:
            _create(work, entry)
        except AwsError as error:
            if error.status >= 500:
                raise
            if error.code == "ResourceLimitExceeded":
                log.info("tuning job %s: %s", work.row.name, error.message)
                return True
            work.trials.remove(entry)
            return f"The training job {entry.name} could not be created: {error.message}"
        entry.status = "InProgress"
    return False


def _create(work: Work, entry: Entry) -> None:
    """The trial's training job exists, created now or before the server was restarted."""
    request = trials.request(work.of(entry), entry.name, entry.config)
    if tags := trials.tags(work.row):
        request["Tags"] = tags
    doc = {
        "TuningJobArn": work.row.doc["HyperParameterTuningJobArn"],
        share_of_host.AT_ONCE: work.limits["MaxParallelTrainingJobs"],
    }
    children.start(work.ctx, work.row, TRAINING_JOBS, request, doc, HANDED)


def _look(work: Work) -> None:
    """Each trial's entry has the status, order and value of its training job."""
    order = max((entry.order for entry in work.trials), default=0)
    for entry in work.live():
        job = trials.job_of(work.world, work.row, entry)
        if job is None:
            if entry.status != PLANNED:  # deleted by a user
                entry.status = "Stopped"
            continue
        entry.created = entry.created or round(job.created, 3)
        entry.status = job.status if job.status != "Deleting" else "Stopped"
        if not entry.ended:
            continue
        order += 1
        entry.order = order
        value = trials.final(job, work.of(entry).metric)
        if value is not None and job.status != "Failed":
            entry.value = value
        entry.retry = job.status == "Failed" and _internal(job)


def _internal(job: Row) -> bool:
    return str(job.doc.get("FailureReason", "")).startswith("InternalServerError")


def _stop(work: Work, entry: Entry) -> None:
    """The trial is asked to stop; one that has just ended is left alone."""
    children.stop(work.ctx, TRAINING_JOBS, entry.name)


def _early(work: Work) -> None:
    """Trials that are not promising are asked to stop; each new value is examined once."""
    hyperband = work.config["Strategy"] == "Hyperband"
    if not hyperband and work.config.get("TrainingJobEarlyStoppingType") != "Auto":
        return
    for entry in [e for e in work.live() if e.status == "InProgress" and not e.early]:
        values = trials.curve(work.world, work.row, entry, work.of(entry).metric)
        seen = entry.epochs
        if len(values) <= seen:
            continue
        stop = (_halved if hyperband else _below_median)(work, entry, values, seen)
        entry.epochs = len(values)
        if stop:
            _stop(work, entry)


def _below_median(work: Work, entry: Entry, values: tuple[float, ...], seen: int) -> bool:
    definition = work.of(entry)
    others = [
        trials.curve(work.world, work.row, other, definition.metric)
        for other in work.trials
        if other.definition == entry.definition and other.succeeded
    ]
    stop = stopping.worse_than_median(values, others, definition.maximize, seen)
    if stop:
        entry.early = True
    return stop


def _halved(work: Work, entry: Entry, values: tuple[float, ...], seen: int) -> bool:
    band = _band(work, entry.definition)
    same = [
        other
        for other in work.trials
        if other.definition == entry.definition and other.status != PLANNED
    ]
    known = [
        (Trial({}, RUNNING, None, values) if other is entry else _bare(other), other.kept)
        for other in same
    ]
    place = same.index(entry)
    stop, kept = stopping.halved(band, _strategy(work, entry.definition), known, place, seen)
    entry.kept = kept
    if stop and len(values) < band.most:  # otherwise it has used all of its resource
        entry.early = True
    return stop


def _bare(entry: Entry) -> Trial:
    """A trial as Hyperband compares it: by what its entry kept."""
    return replace(trials.trial(entry), config={})


def _band(work: Work, place: int) -> Band:
    given = work.config.get("StrategyConfig", {}).get("HyperbandStrategyConfig", {})
    most = given.get("MaxResource") or stopping.resource(work.definitions[place].static)
    return Band(given.get("MinResource", 1), most or stopping.LARGEST, f"{work.row.name}-{place}")


def _strategy(work: Work, place: int) -> Strategy:
    seed = work.config.get("RandomSeed", plan_of(work.row).get("seed", 0))
    kind = work.row.doc.get("WarmStartConfig", {}).get("WarmStartType")
    maximize = work.definitions[place].maximize
    return Strategy(work.config["Strategy"], maximize, seed + place, kind == "TransferLearning")


def _plan(work: Work) -> list[Entry]:
    """Entries of as many further trials as may run; definitions take turns."""
    room = min(
        _at_once(work) - len(work.live()),
        work.limits["MaxNumberOfTrainingJobs"] - len(work.trials),
    )
    found: list[Entry] = []
    spent: set[int] = set()
    while len(found) < room and len(spent) < len(work.definitions):
        counts = [
            (sum(e.definition == place for e in (*work.trials, *found)), place)
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
            number = len(work.trials) + len(found) + 1
            found.append(Entry(children.name(work.row, f"{number:03d}"), place, dict(config)))
    return found


def _at_once(work: Work) -> int:
    """The number of trials to have at once: as many as the job allows, but for a strategy that
    learns from trials no more than run concurrently here, since one that waits was chosen from too
    few."""
    most = work.limits["MaxParallelTrainingJobs"]
    if work.config["Strategy"] not in LEARNING:
        return most
    found = []
    for definition in work.definitions:
        resources = trials.resources(definition.doc) or {}
        types = [member.type for member in members.members_of("", resources)]
        found.append(share_of_host.beside(work.world, types, most))
    return max(found)


def _known(work: Work, place: int, new: Sequence[Entry]) -> list[Trial]:
    """The trials of a definition that the strategy learns from: its parents' and its own."""
    pruning = work.config["Strategy"] == "Hyperband" or (
        work.config.get("TrainingJobEarlyStoppingType") == "Auto"
    )
    metric = work.definitions[place].metric
    found = []
    for entry in (*warm_of(work.row), *work.trials, *new):
        if entry.definition != place:
            continue
        values: tuple[float, ...] = ()
        if pruning and entry.early:
            values = trials.curve(work.world, work.row, entry, metric)
        found.append(replace(trials.trial(entry, values), parent=entry.parent))
    return found


# The end ------------------------------------------------------------------------------------------


def _left(work: Work) -> float:
    """Seconds that the tuning job may still run."""
    most = work.limits.get("MaxRuntimeInSeconds")
    if most is None:
        return float("inf")
    return max(0.0, work.row.created + most - work.world.clock())


def _over(work: Work) -> list[str] | None:
    """None while further trials are needed; else the status in which the job ends, and the
    reason."""
    over = [entry for entry in work.trials if entry.ended]
    good = [entry for entry in over if entry.succeeded]
    if not good and len(over) >= HOPELESS and not _any_value(work):
        return _failed(over)
    if _left(work) <= 0:
        return ["Completed" if good else "Stopped", ""]
    if not work.live() and _exhausted(work):
        return ["Completed", ""] if good else _failed(over)
    return ["Completed", ""] if good and _satisfied(work) else None


def _failed(over: Sequence[Entry]) -> list[str]:
    """The status and reason of a job none of whose trials (`over`) reported an objective."""
    silent = any(entry.status in ("Completed", "Stopped") for entry in over)
    return ["Failed", (NO_METRIC if silent else NO_SUCCESS).format(count=len(over))]


def _exhausted(work: Work) -> bool:
    return len(work.trials) >= work.limits["MaxNumberOfTrainingJobs"]


def _any_value(work: Work) -> bool:
    """Whether a running trial has reported the objective."""
    for entry in work.live():
        job = trials.job_of(work.world, work.row, entry)
        if job and trials.final(job, work.of(entry).metric) is not None:
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
    done = trials.in_order(work.trials)
    values = [entry.value for entry in done if entry.value is not None]
    return stopping.progress(values, work.maximize)


def _progress_members(work: Work, plan: Doc) -> Doc:
    """The document's members about the job's progress that changed; `plan` gets the time at which
    the objective first seemed to have converged."""
    found = _progress(work)
    details: Doc = {"NumberOfTrainingJobsObjectiveNotImproving": found.stale}
    since: Any = plan_of(work.row).get("converged") or plan.get("converged")
    if since is None and found.converged:
        since = plan["converged"] = work.world.clock()
    if since is not None:
        details["ConvergenceDetectedTime"] = moment(since)
    progress: Doc = {**trials.counters(work.trials), "TuningJobCompletionDetails": details}
    changed = {k: v for k, v in progress.items() if work.row.doc.get(k) != v}
    if changed:
        changed["LastModifiedTime"] = moment(work.world.clock())
    return changed


def _wind_down(work: Work, end: list[str], doc: Doc, plan: Doc) -> Next:
    """Running trials are asked to stop; the job ends once none runs."""
    live = work.live()
    for entry in live:
        if entry.status == "InProgress":
            _stop(work, entry)
    if live:
        return Next(doc=doc, plan={**plan, **work.stored()}, due=WATCH)
    return _end(work, end, doc, plan)


def _end(work: Work, end: list[str], doc: Doc, plan: Doc) -> Next:
    now = moment(work.world.clock())
    status, reason = end
    doc = {**doc, "HyperParameterTuningEndTime": now, "LastModifiedTime": now}
    if status == "Failed":
        doc["FailureReason"] = reason[:1024]
    trials.forget(work.world, work.row)
    offers.dismiss(work.world, arn_of(work.row))
    return Next(status, doc, {**plan, **work.stored()})
