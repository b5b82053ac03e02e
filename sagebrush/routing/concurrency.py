"""The concurrency metrics of serverless endpoints, from the requests that are inside them.

Source: developer guide, "Alarms and logs for tracking metrics from serverless endpoints" and "Amazon
SageMaker AI metrics in Amazon CloudWatch".
"""

from __future__ import annotations

from collections.abc import Iterator

from sagebrush.routing.demand import Demand
from sagebrush.routing.endpoints import Elastic, Endpoint
from sagebrush.routing.tallies import NAMESPACE
from sagebrush.store.series import Point


def points(endpoint: Endpoint, demand: Demand, now: float) -> Iterator[Point]:
    """The metrics of the endpoint since they were last asked for; none unless it is serverless."""
    for variant in endpoint.variants:
        elastic = variant.elastic
        if elastic is None or elastic.limit is None:
            continue
        dimensions = {"EndpointName": endpoint.name[2], "VariantName": variant.name}
        for metric, value, unit in _values(elastic, demand.counted((endpoint.name, ""))):
            yield Point(NAMESPACE, metric, now, value, dimensions, unit)


def _values(elastic: Elastic, counted: tuple[int, int, int]) -> Iterator[tuple[str, float, str]]:
    """(metric, value, unit); `counted`: what `Demand.counted` says."""
    inside, begun, spilled = counted
    limit, provisioned = elastic.limit or 1, elastic.provisioned
    yield "ServerlessConcurrentExecutionsUtilization", inside / limit, "None"
    if not provisioned:
        return
    handled = min(inside, provisioned)
    yield "ServerlessProvisionedConcurrencyExecutions", float(handled), "Count"
    yield "ServerlessProvisionedConcurrencyUtilization", handled / provisioned, "None"
    if begun:
        kept = begun - spilled
        yield "ServerlessProvisionedConcurrencyInvocations", float(kept), "Count"
        yield "ServerlessProvisionedConcurrencySpilloverInvocations", float(spilled), "Count"
