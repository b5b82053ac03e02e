"""What requests to endpoints of custom text models consume, as CloudWatch metrics of Comprehend's namespace."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sagebrush.routing.pending import Pending
from sagebrush.routing.sample_sets import Samples
from sagebrush.store.series import Point, Series

NAMESPACE = "AWS/Comprehend"
UNITS = {"InferenceUtilization": "Percent"}
"""Units of metrics that are no counts."""
Counts = dict[tuple[str, str], Samples]
"""(endpoint's ARN, metric) -> its samples."""


class UnitCounts:
    """Samples of the endpoints of all accounts; noted in the event loop's thread."""

    def __init__(self, series: Series, clock: Callable[[], float]) -> None:
        self._series = series
        self._clock = clock
        self._pending: Pending[Counts] = Pending(series, clock, dict, self._store)
        self.drop, self.flush = self._pending.drop, self._pending.flush

    def note(self, arn: str, values: Mapping[str, float]) -> None:
        """The values are samples of these metrics of the endpoint."""
        now, counts = self._clock(), self._pending.counts
        for metric, value in values.items():
            counts.setdefault((arn, metric), Samples(now)).add(value)
        self._pending.flush_later()

    def _store(self, counts: Counts) -> None:
        for (arn, metric), of in counts.items():
            _, _, _, region, account, _ = arn.split(":", 5)
            unit, named = UNITS.get(metric, "Count"), {"EndpointArn": arn}
            spread = (of.count, of.least, of.most)
            point = Point(NAMESPACE, metric, of.at, of.total, named, unit, *spread)
            self._series.append(account, region, [point])
