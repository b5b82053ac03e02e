"""The outbox: events become deliveries, deliveries are sent, retried and given up.

One thread, woken by commits and never polling, and a pool that sends. An event is removed in the
transaction that stores its deliveries, a delivery in one after it was sent: after a kill both go on
where they were, and a message may come twice, never not at all. Each target has a few threads at most,
so that a slow one holds up no other; what waits is read a few at a time, whatever its number.
"""

from __future__ import annotations

import heapq
import logging
import random
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from types import MappingProxyType

from sagebrush.engine.targets import failures, sending
from sagebrush.engine.targets.failures import Again
from sagebrush.engine.turns import Turns
from sagebrush.store.db import Tx
from sagebrush.store.deliveries import Delivery, Waiting, long_of, ordered, target_of
from sagebrush.store.events import Event, Stored
from sagebrush.store.generations import Outdated
from sagebrush.store.series import Point
from sagebrush.world import World

log = logging.getLogger(__name__)

Consumer = Callable[[World, Event], Sequence[Delivery]]
"""What is to be sent because of an event; called outside a transaction, may run twice."""
FAILED, BURIED, LOST = "failed", "buried", "lost"
"""How a delivery ends that its target never got: given up; its dead letter came; that was given up too."""
Ends = Callable[[Delivery, str, float], Sequence[Point]]
"""The metrics of a delivery that ended so (FAILED, BURIED, LOST) at that time."""
THREADS = 32
"""Deliveries that are sent at the same time, at most."""
EACH = 4
"""And to one target."""
LONG, LONG_EACH = 24, 12
"""Of THREADS those that may wait for operations that take minutes, in all and for one account: the
others go on."""
AHEAD = 32
"""Deliveries of one lane, and events, that are read at a time."""
GIVE_UP = 8
"""Times that the deliveries of an event cannot be made before it is given up."""
PAUSE = 1.0
"""Seconds until a lane goes on whose outcome could not be stored."""
SLOWEST = 60.0
"""Seconds between looks at most: a clock that was set is survived."""


@dataclass
class _Lane:
    """What is known in memory of the deliveries of one lane."""

    ready: deque[tuple[int, Waiting]] = field(default_factory=deque)
    """Read and not begun, with the generation in which they were read."""
    taken: set[int] = field(default_factory=set)
    """The ids of those that are ready or being sent."""
    threads: int = 0
    later: float | None = None
    """When it is to be looked at again, whoever looks before."""


class Outbox:
    """Consumes the events and makes the deliveries of one server."""

    def __init__(
        self,
        world: World,
        consumers: Sequence[Consumer],
        chance: Callable[[], float] = random.random,
        ends: Mapping[str, Ends] = MappingProxyType({}),
    ) -> None:
        """`chance` gives numbers from 0 to 1, for pauses; `ends`: who sends -> what is counted."""
        self._world = world
        self._consumers = tuple(consumers)
        self._chance = chance
        self._ends = ends
        self._guard = threading.Lock()
        """Held for what follows."""
        self._lanes: dict[str, _Lane] = {}
        self._open: dict[str, None] = {}
        """Lanes to be looked at, in order."""
        self._later: list[tuple[float, str]] = []
        """When lanes are to be looked at again: a heap."""
        self._blocked: dict[str, dict[str, None]] = {}
        """Target -> its lanes that wait for one of its threads."""
        self._targets: Counter[str] = Counter()
        """Target -> the threads that send to it."""
        self._long: Counter[str] = Counter()
        """Account -> the threads that may wait long on its behalf."""
        self._patient: dict[str, None] = {}
        """Lanes that wait for one of those."""
        self._running: set[Future[None]] = set()
        words = "the outbox could not read or change what waits"
        self._turns = Turns("outbox", THREADS, self._turn, words)

    # ---- life

    def start(self) -> None:
        """Goes on with what an earlier server left, and sends what comes, until `stop`."""
        self._listen()
        self._turns.start()

    def _listen(self) -> None:
        self._world.events.stored = self._turns.wake
        self._world.deliveries.stored = self._told
        self._told(self._world.deliveries.lanes())

    def stop(self, timeout: float = 10.0) -> None:
        """Begins nothing more and waits up to `timeout` seconds for what is being sent; the rest is
        sent by the next server. Repeatable."""
        self._turns.stop(lambda: self._running, timeout)

    def held(self) -> AbstractContextManager[None]:
        """Nothing is consumed or begun within; what is being sent goes on."""
        return self._turns.held()

    def run_once(self) -> int:
        """Everything that is due is consumed and sent, in this thread; how many deliveries were tried.
        For tests, which pass their own clock."""
        self._listen()
        tried = 0
        while True:
            while self._consume():
                pass
            found = [(lane, self._fill(lane)) for lane in self._world.deliveries.lanes()]
            if not any(lane.ready for _, lane in found):
                return tried
            for name, lane in found:
                while (next_ := self._next(lane)) is not None:
                    self._deliver(name, lane, *next_)
                    tried += 1

    def _told(self, lanes: Sequence[str]) -> None:
        with self._guard:
            self._open.update(dict.fromkeys(lanes))
        self._turns.wake()

    def _turn(self) -> float:
        """Consumes events and gives lanes to threads; the seconds until there may be more to do."""
        if self._consume():
            self._turns.wake()
        self._begin()
        now, sleeps = self._world.clock(), [SLOWEST]
        with self._guard:
            if self._later:
                sleeps.append(self._later[0][0] - now)
        due = self._world.events.next_due()
        if due is not None:
            sleeps.append(due - now)
        return max(0.0, min(sleeps))

    # ---- events

    def _consume(self) -> bool:
        """The deliveries of some events are stored in their place; whether there may be more."""
        events = self._world.events
        generation = self._world.db.generations.now
        found = events.due(AHEAD)
        with self._world.db.generations.of(generation):
            made = [(each, wanted) for each in found if (wanted := self._made(each)) is not None]
            if made:
                with suppress(Outdated):  # all was deleted
                    self._world.db.write(lambda tx: self._store_in(tx, made))
        return len(found) == AHEAD

    def _store_in(self, tx: Tx, made: Sequence[tuple[Stored, Sequence[Delivery]]]) -> None:
        events, deliveries = self._world.events, self._world.deliveries
        for stored, wanted in made:
            if events.take_in(tx, stored.number):
                deliveries.put_in(tx, wanted)

    def _made(self, stored: Stored) -> list[Delivery] | None:
        """What all consumers want to send; None where one of them failed: it is asked again later,
        with all others."""
        try:
            return [
                each for consume in self._consumers for each in consume(self._world, stored.event)
            ]
        except Outdated:
            return None
        except Exception:
            event = stored.event
            log.exception("the event %s (%s) could not be consumed", event.id, event.detail_type)
            if stored.failures + 1 >= GIVE_UP:
                log.error("the event %s is given up: %s", event.id, event)
                return []
            pause = min(2.0**stored.failures, SLOWEST)
            self._world.events.postpone(stored.number, self._world.clock() + pause)
            return None

    # ---- deliveries

    def _begin(self) -> None:
        """Lanes with something to send have threads, as far as there are any."""
        now = self._world.clock()
        with self._guard:
            while self._later and self._later[0][0] <= now:
                name = heapq.heappop(self._later)[1]
                self._open[name] = None
                if name in self._lanes:
                    self._lanes[name].later = None
            self._running = {each for each in self._running if not each.done()}
        while not self._turns.stopping and (name := self._pick()) is not None:
            lane = self._fill(name)
            with self._guard:
                self._start(name, lane)
                self._unblock(target_of(name))

    def _pick(self) -> str | None:
        """The next lane whose target has a thread to spare; None where there is none."""
        with self._guard:
            while self._open and sum(self._targets.values()) < THREADS:
                name = next(iter(self._open))
                del self._open[name]
                target = target_of(name)
                if self._targets[target] >= EACH:
                    self._blocked.setdefault(target, {})[name] = None
                elif not self._spare(name):
                    self._patient[name] = None
                else:
                    return name
        return None

    def _spare(self, name: str) -> int:
        """The threads that the lane may have besides what its target has; under the guard."""
        spare, account = THREADS - sum(self._targets.values()), long_of(name)
        if account:
            spare = min(spare, LONG - sum(self._long.values()), LONG_EACH - self._long[account])
        return spare

    def _unblock(self, target: str) -> None:
        """As many lanes of the target are to be looked at as it has threads to spare; under the
        guard."""
        waiting = self._blocked.get(target, {})
        for _ in range(min(len(waiting), EACH - self._targets[target])):
            name = next(iter(waiting))
            del waiting[name]
            self._open[name] = None
        if not waiting:
            self._blocked.pop(target, None)
        if not self._targets[target]:
            del self._targets[target]

    def _fill(self, name: str) -> _Lane:
        """The lane, with what may be sent now among `ready`; where that is nothing, it is looked at
        again when there is."""
        with self._guard:
            lane = self._lanes.setdefault(name, _Lane())
            taken = set(lane.taken)  # of those, one may be done before it is read, and be read
        if taken and ordered(name):  # whoever sends the one before looks again
            return lane
        generation = self._world.db.generations.now
        found = self._world.deliveries.due(name, AHEAD + len(taken))
        later = None if found else self._world.deliveries.next_due(name)
        with self._guard:
            for each in found:
                if each.id not in taken and len(lane.ready) < AHEAD:
                    lane.ready.append((generation, each))
                    lane.taken.add(each.id)
            if later is not None and (lane.later is None or later < lane.later):
                lane.later = later
                heapq.heappush(self._later, (later, name))
            if later is None and lane.later is None and not lane.taken:
                self._lanes.pop(name, None)
        return lane

    def _start(self, name: str, lane: _Lane) -> None:
        """As many threads as it may have send what is ready in the lane; under the guard."""
        target = target_of(name)
        most = 1 if ordered(name) else EACH
        wanted = min(most - lane.threads, EACH - self._targets[target], len(lane.ready))
        for _ in range(min(wanted, self._spare(name))):
            lane.threads += 1
            self._targets[target] += 1
            if account := long_of(name):
                self._long[account] += 1
            future = self._turns.pool.submit(self._work, name, lane)
            self._running.add(future)

    def _work(self, name: str, lane: _Lane) -> None:
        """Sends what is ready in the lane."""
        try:
            while not self._turns.stopping and (next_ := self._next(lane)) is not None:
                self._deliver(name, lane, *next_)
        except Exception:  # a full disk, say; what was sent will be sent again
            log.exception("what became of a delivery to %s could not be stored", name)
            self._turns.paused(PAUSE)
        finally:
            target = target_of(name)
            with self._guard:
                lane.threads -= 1
                self._targets[target] -= 1
                self._open[name] = None
                if account := long_of(name):
                    self._long[account] -= 1
                    self._open.update(self._patient)
                    self._patient.clear()
                self._unblock(target)
            self._turns.wake()

    def _next(self, lane: _Lane) -> tuple[int, Waiting] | None:
        with self._guard:
            return lane.ready.popleft() if lane.ready else None

    def _deliver(self, name: str, lane: _Lane, generation: int, waiting: Waiting) -> None:
        """One try of one delivery, and what becomes of it is stored. Never raises, but for what is
        wrong with the database."""
        again = True
        try:
            with self._world.db.generations.of(generation):
                again = self._try(waiting)
        except Outdated:
            log.info("a delivery to %s was dropped: all was deleted", target_of(name))
        finally:
            with self._guard:
                lane.taken.discard(waiting.id)
                if again and ordered(name):  # the others wait for this one
                    lane.taken -= {each.id for _, each in lane.ready}
                    lane.ready.clear()

    def _try(self, waiting: Waiting) -> bool:
        """One try; whether the delivery still waits."""
        world, deliveries = self._world, self._world.deliveries
        world.db.generations.check()
        try:
            sending.send(world, waiting)
        except Outdated:
            raise
        except Exception as error:
            failure = failures.failure_of(error)
            if failure.code == "INTERNAL_ERROR":
                log.exception("a delivery to %s failed", waiting.delivery.target)
            decided = failures.after(waiting, failure, world.clock(), self._chance())
            if isinstance(decided, Again):
                deliveries.retry(waiting.id, decided.due)
                return True
            instead = failures.dead_letter(waiting, failure, decided.exhausted)
            if not instead:
                log.warning(
                    "a delivery to %s on behalf of %s was given up: %s",
                    waiting.delivery.target, waiting.delivery.source_arn, failure.message,
                )  # fmt: skip
            ended = LOST if waiting.delivery.letter else FAILED
            deliveries.give_up(waiting.id, instead, self._counted(waiting.delivery, ended))
            return False
        if waiting.delivery.letter:
            deliveries.done(waiting.id, self._counted(waiting.delivery, BURIED))
        else:
            deliveries.done(waiting.id)
        return False

    def _counted(self, delivery: Delivery, ended: str) -> Callable[[Tx], object]:
        """The metrics of the delivery's end are stored."""
        world, ends = self._world, self._ends.get(delivery.principal)
        points = ends(delivery, ended, world.clock()) if ends is not None else ()

        def store(tx: Tx) -> None:
            if points:
                world.series.append_in(tx, delivery.account, delivery.region, points)

        return store

    def idle(self) -> bool:
        """Whether nothing is being sent, and nothing could be before a time comes or something is
        stored."""
        with self._guard:
            quiet = not self._open and not self._targets and not self._turns.woken
        return quiet and self._world.events.next_due() is None
