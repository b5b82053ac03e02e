"""Descriptions of jobs in words: how long they ran, what they cost, what they wait for."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from typing import Any

from sagebrush.commands import running
from sagebrush.compute.base import Limits
from sagebrush.scheduler import members
from sagebrush.scheduler.instances import instance

Doc = Mapping[str, Any]


def instances(doc: Doc) -> list[tuple[str, int]]:
    """(instance type, how many) of each group of a training job, or of another job's cluster. Raises
    KeyError for what has none."""
    config = doc.get("ResourceConfig") or doc.get("TransformResources")
    config = config or doc["ProcessingResources"]["ClusterConfig"]
    return [
        (group["InstanceType"], group["InstanceCount"]) for group in members.groups(dict(config))
    ]


def machines(doc: Doc) -> str:
    """The same in words: `2 × ml.m5.large`."""
    return ", ".join(f"{n} × {kind}" if n > 1 else kind for kind, n in instances(doc))


def scaled(type_name: str, limits: Limits) -> str:
    """What an instance really has here if that is less than its type's; else ""."""
    try:
        whole = instance(type_name)
    except LookupError:
        return ""
    if (limits.cpu, limits.memory, len(limits.gpus)) == (whole.cpus, whole.memory, whole.gpus):
        return ""
    lacking = f", {len(limits.gpus) or 'no'} GPU" if len(limits.gpus) < whole.gpus else ""
    cpu = f"{limits.cpu:.3g} of {whole.cpus:g} vCPU"
    return f"{cpu}, {_gib(limits.memory)} of {_gib(whole.memory)} GiB{lacking}"


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f}".removesuffix(".0")


def took(doc: Doc) -> float | None:
    """Seconds from the job's start (its creation, where it never started) to its end; None before."""
    if "TrainingTimeInSeconds" in doc:
        return float(doc["TrainingTimeInSeconds"])
    if (end := doc.get("TrainingEndTime")) is None:
        return None
    return (end - doc.get("TrainingStartTime", doc["CreationTime"])).total_seconds()


def price(doc: Doc) -> float | None:
    """Dollars an hour for all of the job's instances, by AWS's list; None where that has no price.

    Managed spot is the same price for fewer billable seconds (DescribeTrainingJob,
    BillableTimeInSeconds).
    """
    total = 0.0
    for kind, count in instances(doc):
        try:
            each = instance(kind).price
        except LookupError:
            each = None
        if each is None:
            return None
        total += each * count
    return total


def cost(doc: Doc) -> float | None:
    """Dollars that AWS would have charged for the instances, including a warm pool's time after the
    job; None when the price is unknown."""
    hourly, billable = price(doc), doc.get("BillableTimeInSeconds")
    if hourly is None or billable is None:
        return None
    kept = doc.get("WarmPoolStatus", {}).get("ResourceRetainedBillableTimeInSeconds", 0)
    return hourly * (billable + kept) / 3600


def dollars(amount: float) -> str:
    """An amount of money, with the digits that it needs."""
    if 0 < amount < 0.0001:
        return "under $0.0001"
    return f"${amount:.2f}" if amount >= 1 else f"${amount:.4f}"


def unpriced(types: Iterable[str]) -> list[str]:
    """Those of the types that have no known price, each once."""
    found: list[str] = []
    for name in types:
        try:
            known = instance(name).price is not None
        except LookupError:
            known = False
        if not known and name not in found:
            found.append(name)
    return found


def savings(doc: Doc) -> float | None:
    """Per cent that managed spot training saved, as AWS defines it; None for other jobs."""
    whole, billable = doc.get("TrainingTimeInSeconds"), doc.get("BillableTimeInSeconds")
    if not doc.get("EnableManagedSpotTraining") or not whole or billable is None:
        return None
    return (1 - billable / whole) * 100


def status_message(doc: Doc) -> str:
    """The job's latest status message."""
    past = doc.get("SecondaryStatusTransitions") or [{}]
    return past[-1].get("StatusMessage", "")


def details(doc: Doc, now: dt.datetime) -> str:
    """One line on a training job: what it waits for, how long it trains, what it took and cost."""
    if doc["TrainingJobStatus"] in ("Completed", "Failed", "Stopped"):
        return "; ".join(ended(doc))
    if doc.get("SecondaryStatus") == "Training":
        since = doc["SecondaryStatusTransitions"][-1]["StartTime"]
        spent = running.span((now - since).total_seconds())
        return f"training for {spent} on {machines(doc)}"
    return status_message(doc)


def of_any(doc: Doc, cost: str = "") -> str:
    """One line on a resource of any kind, from what AWS's descriptions have in common: how long it
    took, what it would have cost, why it failed, what it waits for (which Sagebrush puts into a job's
    ExitMessage), its type."""
    said: list[str] = []
    if (end := when(doc, "EndTime")) is not None:
        begun = when(doc, "StartTime") or doc["CreationTime"]
        said.append(f"took {running.span((end - begun).total_seconds())} here")
    elif waits := doc.get("ExitMessage"):
        said.append(waits)
    elif of_type := doc.get("InstanceType", ""):
        said.append(of_type)
    if cost:
        said.append(cost)
    if reason := doc.get("FailureReason"):
        said.append(_gist(reason)[:120])
    return "; ".join(said)


def when(doc: Doc, word: str) -> dt.datetime | None:
    """The time whose name ends so (`ProcessingEndTime`, `TransformEndTime`)."""
    found = (value for name, value in doc.items() if name.endswith(word))
    return next((value for value in found if isinstance(value, dt.datetime)), None)


def ended(doc: Doc) -> list[str]:
    """A line on an ended training job."""
    said: list[str] = []
    if (seconds := took(doc)) is not None:
        said.append(f"took {running.span(seconds)} here")
    if (amount := cost(doc)) is not None:
        said.append(f"{dollars(amount)} on AWS")
    elif "BillableTimeInSeconds" in doc:
        lacking = unpriced(name for name, _ in instances(doc))
        said.append(f"no price known for {', '.join(lacking)}")
    if (saved := savings(doc)) is not None:
        said.append(f"managed spot savings {saved:.1f}%")
    if reason := doc.get("FailureReason"):
        said.append(_gist(reason)[:120])
    return said


def _gist(reason: str) -> str:
    """The most informative line of a FailureReason: of a traceback the error itself, of AWS's
    toolkit's text its ErrorMessage, not the command after it."""
    found = re.search(r'ErrorMessage "(.+?)"\nCommand "', reason, re.DOTALL)
    return (found[1] if found else reason).strip().splitlines()[-1]
