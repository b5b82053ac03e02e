"""What live jobs use is published to CloudWatch as AWS's instance metrics.

Source: "SageMaker AI metrics in Amazon CloudWatch", instance metrics of jobs and endpoints
(developer guide). AWS samples once a minute, here it is more often.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import defaultdict
from collections.abc import Iterator

from sagebrush.compute.local import gpus
from sagebrush.compute.local import usage as counted
from sagebrush.compute.local.usage import Usage
from sagebrush.engine import running
from sagebrush.engine.running import Live
from sagebrush.facts import Metrics
from sagebrush.routing import concurrency
from sagebrush.store.generations import Outdated
from sagebrush.store.series import Point
from sagebrush.world import World

log = logging.getLogger(__name__)

SECONDS = 10.0
"""Between two looks at all that lives."""


class Sampler:
    """A thread that looks at what lives, now and then. No fault of its own reaches a job."""

    def __init__(self, world: World, seconds: float = SECONDS) -> None:
        self._world = world
        self._seconds = seconds
        self._before: dict[str, Usage] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="usage", daemon=True)

    def start(self) -> None:
        """It looks from now on."""
        self._thread.start()

    def stop(self) -> None:
        """It looks no more. Stopping twice, or before the start, is fine."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            try:
                self.sample()
            except Outdated:
                pass  # of what has just been deleted
            except Exception:  # for example a full disk: the next sample is as good
                log.exception("what jobs use could not be told")

    def sample(self) -> int:
        """What each live instance has used since the last look is in the series; how many did."""
        return self._world.db.generations.begun(self._sample)()

    def _sample(self) -> int:
        kinds = self._world.kinds
        told = {name: kind.metrics for name, kind in kinds.items() if kind.metrics}
        found = [each for each in running.live(self._world.rows, kinds) if each.kind in told]
        cards = counted.gpus(os.environ) if found and gpus.devices(os.environ) else {}
        before, self._before = self._before, {}
        points: dict[tuple[str, str], list[Point]] = defaultdict(list)
        for each in found:
            now = counted.usage(self._world.settings.home / "jobs" / each.key, cards)
            if now is None:
                continue
            self._before[each.key] = now
            points[each.account, each.region] += _points(
                (told[each.kind], each), before.get(each.key), now, self._world.clock()
            )
        for (account, region), new in points.items():
            self._world.series.append(account, region, new)
        self._world.tallies.look(self._world.endpoints.all())
        for endpoint in self._world.endpoints.all():
            demand, at = self._world.forward.demand, self._world.clock()
            if said := list(concurrency.points(endpoint, demand, at)):
                self._world.series.append(*endpoint.name[:2], said)
        return len(self._before)


def _points(
    of: tuple[Metrics, Live], before: Usage | None, now: Usage, at: float
) -> Iterator[Point]:
    """The instance metrics of one look."""
    metrics, each = of
    values = {
        "CPUUtilization": counted.rate(before, now),
        "MemoryUtilization": 100.0 * now.memory / now.limit if now.limit else 0.0,
        "DiskUtilization": now.disk,
    }
    if now.gpus:  # each counts to 100, as each CPU does
        values["GPUUtilization"] = sum(gpu.busy for gpu in now.gpus)
        full = [100.0 * gpu.used / gpu.memory for gpu in now.gpus if gpu.memory]
        values["GPUMemoryUtilization"] = sum(full)
    where = metrics.dimensions(each.name, each.host)
    for name, value in values.items():
        yield Point(metrics.namespace, name, at, value, where, "Percent")
