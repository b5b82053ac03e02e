"""What resources would have cost on AWS: on demand in us-east-1, at prices that have a date.

Of training jobs the billable seconds count, as DescribeTrainingJob has them: managed spot savings are
in them. Processing and other jobs cost from their start to their end, endpoints from their creation
until now at their present size, notebook instances since their last start ("Amazon SageMaker
pricing": instances are billed while they run). Volumes, requests and data transfer are left out.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from sagebrush.commands.job import facts
from sagebrush.facts import Running
from sagebrush.scheduler.instances import PRICES_OF, Instance, instance

ANSWERING = ("InService", "Updating", "SystemUpdating", "RollingBack", "UpdateRollbackFailed")
"""Statuses of an endpoint whose instances run."""
Doc = Mapping[str, Any]
SPAN = {"Endpoint": " so far", "NotebookInstance": " since its start"}
"""Noun -> what is said of a cost that grows."""


@dataclass(frozen=True)
class Cost:
    """What one resource would have cost."""

    amount: float | None
    """US dollars; None where a type has no known price."""
    types: tuple[str, ...]
    """The types of its instances."""
    span: str = ""
    """What the amount is of, where it grows: ` so far`."""

    def __str__(self) -> str:
        if self.amount is None:
            return f"no price known for {', '.join(facts.unpriced(self.types))}"
        return f"{facts.dollars(self.amount)} on AWS{self.span}"


@dataclass
class Bill:
    """What the resources of a table would have cost together, each counted once."""

    costs: dict[tuple[str, str], Cost] = field(default_factory=dict)
    """(noun, name) -> its cost."""

    def add(self, noun: str, name: str, cost: Cost | None) -> None:
        """The resource is counted."""
        if cost is not None:
            self.costs[noun, name] = cost

    def told(self) -> str:
        """The sum as one line of a table has it; "" where nothing cost anything."""
        known = [cost.amount for cost in self.costs.values() if cost.amount is not None]
        return f"{facts.dollars(sum(known))} on AWS" if known else ""

    def lines(self) -> list[str]:
        """The sum in words, and what has no price; none where nothing cost anything."""
        known = [cost for cost in self.costs.values() if cost.amount is not None]
        lacking = sorted(
            {name for cost in self.costs.values() for name in facts.unpriced(cost.types)}
        )
        said = []
        if known:
            total = sum(cost.amount or 0.0 for cost in known)
            types = [name for cost in known for name in cost.types]
            amount = facts.dollars(total)
            said.append(f"together would have cost {amount} on AWS ({basis(types)})")
        if lacking:
            said.append(f"not counted, for want of a known price: {', '.join(lacking)}")
        return said


def together(bills: Mapping[str, Bill]) -> Bill:
    """One bill of those of several regions, where the same names are other resources."""
    return Bill(
        {
            (noun, f"{region} {name}"): cost
            for region, bill in bills.items()
            for (noun, name), cost in bill.costs.items()
        }
    )


def of(kind: Running, doc: Doc, client: Any, now: dt.datetime) -> Cost | None:
    """What a resource of any kind would have cost until now; None for what has not run, and for a
    tuning job, whose training jobs cost."""
    if kind.noun == "TrainingJob":
        cost = facts.cost(doc)
        billed = "BillableTimeInSeconds" in doc
        types = tuple(name for name, _ in facts.instances(doc))
        return Cost(cost, types) if billed else None
    groups = instances(kind.noun, doc, client)
    seconds = _seconds(kind.noun, doc, now)
    if not groups or seconds is None:
        return None
    types = tuple(name for name, _ in groups)
    return Cost(priced(groups, seconds), types, SPAN.get(kind.noun, ""))


def instances(noun: str, doc: Doc, client: Any) -> list[tuple[str, int]]:
    """(instance type, how many) of a resource; [] where it has none of its own."""
    if noun == "Endpoint":
        counts = {v["VariantName"]: v.get("DesiredInstanceCount", 0) for v in _variants(doc)}
        with suppress(ClientError):  # the configuration may be deleted before its endpoint
            config = client.describe_endpoint_config(EndpointConfigName=doc["EndpointConfigName"])
            return [
                (v["InstanceType"], counts.get(v["VariantName"], 0))
                for v in _variants(config)
                if "InstanceType" in v
            ]
        return []
    if noun == "NotebookInstance":
        return [(doc["InstanceType"], 1)]
    with suppress(KeyError):
        return facts.instances(doc)
    return []


def priced(groups: Iterable[tuple[str, int]], seconds: float) -> float | None:
    """US dollars for instances that run so long; None where a type has no known price."""
    prices = [(_instance(name), count) for name, count in groups]
    if any(each is None or each.price is None for each, _ in prices):
        return None
    return sum((each.price or 0.0) * n for each, n in prices if each) * seconds / 3600


def hourly(groups: Iterable[tuple[str, int]]) -> str:
    """The price of instances an hour in words, or that none is known."""
    groups = list(groups)
    types = [name for name, _ in groups]
    amount = priced(groups, 3600)
    if amount is None:
        return f"no price known for {', '.join(facts.unpriced(types))}"
    return f"{facts.dollars(amount)} an hour ({basis(types)})"


def basis(types: Iterable[str]) -> str:
    """Which prices those of the types are, with their day."""
    days = {each.priced for name in types if (each := _instance(name)) and each.priced}
    return f"us-east-1 on demand, prices of {' and '.join(sorted(days)) or PRICES_OF}"


def _instance(name: str) -> Instance | None:
    try:
        return instance(name)
    except LookupError:
        return None


def _variants(doc: Doc) -> list[Doc]:
    """Production variants, and shadow ones, whose instances cost as much."""
    return [*doc.get("ProductionVariants", ()), *doc.get("ShadowProductionVariants", ())]


def _seconds(noun: str, doc: Doc, now: dt.datetime) -> float | None:
    """For how long the instances of a resource, no training job, have run; None where they have not,
    or nothing tells."""
    if noun == "Endpoint":
        live = doc["EndpointStatus"] in ANSWERING
        return (now - doc["CreationTime"]).total_seconds() if live else None
    if noun == "NotebookInstance":
        live = doc["NotebookInstanceStatus"] == "InService"
        return (now - doc["LastModifiedTime"]).total_seconds() if live else None
    begun = facts.when(doc, "StartTime")
    return ((facts.when(doc, "EndTime") or now) - begun).total_seconds() if begun else None
