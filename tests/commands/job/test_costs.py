"""What resources would have cost on AWS, from descriptions as AWS gives them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagebrush import services
from sagebrush.commands.job import costs, table, trials
from sagebrush.commands.job.costs import Bill, Cost
from sagebrush.facts import Running
from sagebrush.scheduler.instances import PRICES_OF, instance

NOW = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
LARGE = instance("ml.m5.large").price or 0.0


def kind(noun: str) -> Running:
    return next(each for each in services.running().values() if each.noun == noun)


class Client:
    """Knows one endpoint configuration, and a tuning job's two trials."""

    def __init__(self, *summaries: dict[str, Any]) -> None:
        self.summaries = summaries

    def describe_endpoint_config(self, EndpointConfigName: str) -> dict[str, Any]:
        if EndpointConfigName == "gone":
            raise ClientError({"Error": {"Code": "ValidationException"}}, "DescribeEndpointConfig")
        variant = {"VariantName": "A", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        return {"ProductionVariants": [variant]}

    def get_paginator(self, operation: str) -> Client:
        assert operation == "list_training_jobs_for_hyper_parameter_tuning_job"
        return self

    def paginate(self, **asked: Any) -> list[dict[str, Any]]:
        return [{"TrainingJobSummaries": list(self.summaries)}]


def cost(noun: str, doc: dict[str, Any]) -> Cost | None:
    return costs.of(kind(noun), doc, Client(), NOW)


def endpoint(**more: Any) -> dict[str, Any]:
    return {
        "EndpointName": "live", "EndpointConfigName": "c", "EndpointStatus": "InService",
        "CreationTime": NOW - HOUR,
        "ProductionVariants": [{"VariantName": "A", "DesiredInstanceCount": 3}], **more,
    }  # fmt: skip


def test_an_endpoint_costs_since_its_creation_at_its_present_size() -> None:
    found = cost("Endpoint", endpoint())
    assert found
    assert found.amount == pytest.approx(3 * LARGE)
    assert str(found) == f"${3 * LARGE:.4f} on AWS so far"
    assert cost("Endpoint", endpoint(EndpointStatus="Creating")) is None
    assert cost("Endpoint", endpoint(EndpointConfigName="gone")) is None


def test_a_notebook_instance_costs_since_its_start_and_nothing_while_stopped() -> None:
    doc = {"NotebookInstanceName": "n", "InstanceType": "ml.t3.medium", "CreationTime": NOW,
           "NotebookInstanceStatus": "InService", "LastModifiedTime": NOW - 2 * HOUR}  # fmt: skip
    assert str(cost("NotebookInstance", doc)) == "$0.1000 on AWS since its start"
    assert cost("NotebookInstance", {**doc, "NotebookInstanceStatus": "Stopped"}) is None


def test_other_jobs_cost_from_start_to_end() -> None:
    cluster = {"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2}}
    doc = {"ProcessingJobName": "p", "ProcessingResources": cluster, "CreationTime": NOW - 9 * HOUR}
    assert cost("ProcessingJob", doc) is None  # it waits
    ran = {**doc, "ProcessingStartTime": NOW - 3 * HOUR, "ProcessingEndTime": NOW - 2 * HOUR}
    found = cost("ProcessingJob", ran)
    assert found
    assert found.amount == pytest.approx(2 * LARGE)
    transform = {"TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
                 "TransformStartTime": NOW - HOUR, "TransformEndTime": NOW}  # fmt: skip
    found = cost("ProcessingJob", transform)  # a kind to come: the members are AWS's
    assert found
    assert found.amount == pytest.approx(LARGE)


def training(kind_of: str, **more: Any) -> dict[str, Any]:
    return {"ResourceConfig": {"InstanceType": kind_of, "InstanceCount": 1}, **more}


def test_a_type_without_a_price_is_named_and_not_counted() -> None:
    bill = Bill()
    assert bill.lines() == []
    bill.add(
        "TrainingJob",
        "old",
        cost("TrainingJob", training("ml.c4.xlarge", BillableTimeInSeconds=3600)),
    )
    bill.add(
        "TrainingJob",
        "new",
        cost("TrainingJob", training("ml.m5.large", BillableTimeInSeconds=3600)),
    )
    unknown = cost("TrainingJob", training("ml.m8i.large", BillableTimeInSeconds=3600))
    assert str(unknown) == "no price known for ml.m8i.large"
    bill.add("TrainingJob", "which", unknown)
    bill.add("TrainingJob", "waits", cost("TrainingJob", training("ml.m5.large")))
    assert bill.lines() == [
        "together would have cost $0.3940 on AWS"
        f" (us-east-1 on demand, prices of 2025-01-12 and {PRICES_OF})",
        "not counted, for want of a known price: ml.m8i.large",
    ]


def test_trials_are_counted_once_spot_at_its_price() -> None:
    """A tuning job costs what its training jobs cost; those are in the table too."""
    trial = {"TrainingJobName": "t-1", "TrainingJobStatus": "Completed",
             "TrainingStartTime": NOW - HOUR, "TrainingEndTime": NOW,
             "TunedHyperParameters": {"rate": "0.1"}}  # fmt: skip
    doc = {
        "HyperParameterTuningJobName": "t", "HyperParameterTuningJobStatus": "Completed",
        "HyperParameterTuningJobConfig": {"ResourceLimits": {}}, "TrainingJobStatusCounters": {},
        "BestTrainingJob": {"TrainingJobName": "t-1"},
        "TrainingJobDefinition": training("ml.m5.large", EnableManagedSpotTraining=True),
    }  # fmt: skip
    tuned = [trial, {**trial, "TrainingJobName": "t-2"}]
    client, bill = Client(*tuned), Bill()
    bill.add("TrainingJob", "t-1", Cost(1.0, ("ml.m5.large",)))
    said = table._told(client, kind("HyperParameterTuningJob"), doc, NOW, bill)
    spot = instance("ml.m5.large").spot_price or 0.0
    assert said == f"0 training jobs; ${2 * spot:.4f} on AWS"
    assert bill.costs["TrainingJob", "t-1"].amount == 1.0
    assert bill.costs["TrainingJob", "t-2"].amount == pytest.approx(spot)
    lines = trials.lines(doc, tuned)
    assert [line.split() for line in lines] == [
        ["t-1", "Completed", "(best)", "1", "h", "rate", "0.1"],
        ["t-2", "Completed", "1", "h", "rate", "0.1"],
    ]
