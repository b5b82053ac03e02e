"""The queue's decisions over values: order, backfill, eviction, GPUs; nobody starves, nothing is overdrawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sagebrush.compute.host import Host
from sagebrush.scheduler import placement, queue
from sagebrush.scheduler.placement import Entry, Placement
from sagebrush.scheduler.queue import Start, Step
from tests.scheduler import onehost

GIB = 1 << 30
LAPTOP = Host(2, 8 * GIB)
SERVER = Host(16, 64 * GIB, (0, 1, 2, 3))


def job(key: str, cpu: float = 2, **more: Any) -> Entry:
    number = int("".join(c for c in key if c.isdigit()) or 0)
    return Entry(key, cpu, **{"memory": GIB, "seq": number, **more})


def endpoint(key: str, memory: int = GIB, **more: Any) -> Entry:
    return job(key, 0, memory=memory, **more)


def notebook(key: str, memory: int = GIB, **more: Any) -> Entry:
    return endpoint(key, memory, yields=True, **more)


def starts(of: Host, held: Sequence[Entry], *waiting: Entry, now: float = 0.0) -> list[str]:
    return [start.key for start in decide(of, held, waiting, now).starts]


def decide(of: Host, held: Sequence[Entry], waiting: Sequence[Entry], now: float) -> Step:
    """On one host: what the queue decides, which is what it decided when it knew no other."""
    new = queue.decide([of], held, waiting, now)
    was = onehost.decide(of, _then(held), _then(waiting), now)
    assert all(set(start.placement.hosts) == {of.id} for start in new.starts)
    assert [(start.key, start.placement.gpus) for start in new.starts] == list(was.starts)
    assert (new.evicts, new.head, new.promised) == (was.evicts, was.head, was.promised)
    return new


def _then(entries: Sequence[Entry]) -> list[onehost.Entry]:
    names = [field.name for field in fields(onehost.Entry)]
    return [onehost.Entry(**{name: getattr(each, name) for name in names}) for each in entries]


@pytest.mark.parametrize(
    ("held", "ask", "may"),
    [
        ([], job("k"), True),
        ([job("j")], job("k"), False),
        ([job("j", 1)], job("k", 1), True),
        ([job("j")], endpoint("e"), True),
        ([endpoint(f"e{n}") for n in range(3)], job("k"), True),
        ([endpoint("e", 7 * GIB)], job("k", memory=2 * GIB), False),
        ([notebook("n", 7 * GIB)], job("k", memory=8 * GIB), True),
        ([notebook("n", 7 * GIB), job("j")], job("k", 0.1, memory=8 * GIB), False),
        ([notebook("n", 7 * GIB)], endpoint("e", 2 * GIB), False),
        ([], job("k", 96, memory=384 * GIB), True),  # no more than the host is counted
        ([job("j", 0.5)], job("k"), False),
        ([], job("k", gpus=2), True),  # a host without GPUs: refused or allowed before
    ],
)
def test_who_may_start(held: list[Entry], ask: Entry, may: bool) -> None:
    assert starts(LAPTOP, held, ask) == ([ask.key] if may else [])


def test_jobs_go_by_priority_then_arrival() -> None:
    waiting = [job("j1"), job("j2", priority=5), job("j3"), job("j4", priority=5)]
    assert starts(LAPTOP, [], *waiting) == ["j2"]
    assert starts(Host(4, 8 * GIB), [], *waiting) == ["j2", "j4"]
    assert starts(Host(8, 8 * GIB), [], *waiting) == ["j2", "j4", "j1", "j3"]


def test_the_role_that_holds_less_goes_first() -> None:
    four = Host(4, 8 * GIB)
    held = [job("a0", 1, role="a", seconds=9.0)]
    waiting = [job("a1", 1, role="a"), job("a2", 1, role="a"), job("b3", 1, role="b")]
    assert starts(four, held, *waiting) == ["b3", "a1", "a2"]
    memory = [job("a0", 1, role="a", memory=6 * GIB), job("b0", 2, role="b")]
    assert starts(four, memory, job("a1", 1, role="a"), job("b2", 1, role="b")) == ["b2"]


def test_a_small_job_passes_only_where_the_large_one_is_not_delayed() -> None:
    four = Host(4, 8 * GIB)
    held = [job("run", 3, seconds=100.0)]
    large = job("j1", 4)
    assert starts(four, held, large, job("j2", 1, seconds=99.0)) == ["j2"]
    assert starts(four, held, large, job("j2", 1, seconds=101.0)) == []
    assert starts(four, held, large, job("j2", 1)) == []  # nobody knows how long
    beside = job("j1", 3)
    assert starts(four, held, beside, job("j2", 1)) == ["j2"]  # fits beside it for ever


def test_nobody_passes_a_job_whose_promise_is_past() -> None:
    four = Host(4, 8 * GIB)
    held = [job("run", 3, seconds=100.0)]
    step = decide(four, held, [job("j1", 4)], 10.0)
    assert (step.head, step.promised) == ("j1", 100.0)
    late = job("j1", 4, promised=100.0)
    assert starts(four, [replace(held[0], seconds=500.0)], late, job("j2", 1, seconds=1.0)) == [
        "j2"
    ]
    overdue = [replace(held[0], seconds=500.0)]
    assert starts(four, overdue, late, job("j2", 1, seconds=1.0), now=101.0) == []


def test_a_job_behind_one_that_ends_at_no_known_time_waits() -> None:
    held = [job("run", 1)]
    assert starts(LAPTOP, held, job("j1", 2), job("j2", 1, seconds=1.0)) == []


def test_what_waits_for_an_endpoints_memory_or_gpu_holds_up_no_other_job() -> None:
    held = [endpoint("e", 7 * GIB)]
    large, small = job("j1", memory=4 * GIB), job("j2", seconds=60.0)
    assert starts(LAPTOP, held, large, small) == ["j2"]
    one = Host(4, 8 * GIB, (0,))
    gpu = endpoint("e", gpus=1, held=(0,))
    assert starts(one, [gpu], job("j1", gpus=1), job("j2", seconds=60.0)) == ["j2"]
    running = job("run", 3, seconds=10.0)
    behind = [job("j1", gpus=1), job("j2", 4), job("j3", 1, seconds=60.0)]
    step = decide(one, [gpu, running], behind, 0.0)
    assert (step.starts, step.head, step.promised) == ((), "j2", 10.0)  # the next has its promise


def test_spot_jobs_come_last_and_give_way() -> None:
    assert starts(LAPTOP, [], job("s1", spot=True, priority=9), job("j2")) == ["j2"]
    four = Host(4, 8 * GIB)
    old = job("s1", 2, spot=True, started=1.0, seconds=1e6)
    new = job("s2", 2, spot=True, started=2.0, seconds=1e6)
    step = decide(four, [old, new], [job("j3", 2)], 5.0)
    assert (step.starts, step.evicts) == ((), ("s2",))
    assert step.promised == 5.0 + placement.GRACE
    told = replace(new, evicted=5.0)
    again = decide(four, [old, told], [job("j3", 2), job("s4", 1, spot=True)], 6.0)
    assert (again.starts, again.evicts) == ((), ())
    assert decide(four, [old, new], [job("j3", 4)], 5.0).evicts == ("s2", "s1")
    assert decide(four, [old, new], [job("s3", 2, spot=True)], 5.0).evicts == ()
    firm = job("j0", 1, seconds=50.0)
    assert decide(four, [firm, new], [job("j3", 4)], 5.0).evicts == ()  # it would not help


def test_as_few_as_can_be_give_way() -> None:
    eight = Host(8, 64 * GIB)
    held = [
        job("s1", 4, spot=True, started=1.0, seconds=1e6),
        job("s2", 1, spot=True, started=2.0, seconds=1e6),
        job("s3", 1, spot=True, started=3.0, seconds=1e6),
        job("s4", 2, spot=True, started=4.0, seconds=1e6),
    ]
    assert decide(eight, held, [job("j5", 4)], 5.0).evicts == ("s1",)
    assert decide(eight, held, [job("j5", 3)], 5.0).evicts == ("s1",)
    assert decide(eight, held[1:], [job("j5", 7)], 5.0).evicts == ("s4", "s3")


def test_an_idle_pool_gives_way_to_anyone() -> None:
    pool = job("p1", 2, idle=True, started=1.0)
    for ask in (job("j2"), job("s2", spot=True), endpoint("e2", 8 * GIB), notebook("n2", 8 * GIB)):
        assert decide(LAPTOP, [pool], [ask], 5.0).evicts == ("p1",), ask.key
    spot = job("s0", 1, spot=True, started=0.0, seconds=1e6)
    both = [spot, replace(pool, cpu=1)]
    assert decide(LAPTOP, both, [job("j2", 1)], 5.0).evicts == ("p1",)


def test_a_pool_takes_only_what_nobody_waits_for() -> None:
    pool = job("p1", 1, idle=True)
    assert starts(LAPTOP, [], pool, job("j2", 1)) == ["j2", "p1"]
    assert starts(LAPTOP, [job("j0", 1, seconds=9.0)], pool, job("j2")) == []
    spot = job("s0", 2, spot=True, started=0.0, seconds=1e6)
    assert decide(LAPTOP, [spot], [pool], 5.0) == Step()
    assert starts(LAPTOP, [endpoint("e0", 7 * GIB)], pool, endpoint("e2", 2 * GIB)) == []


def test_what_leaves_for_an_endpoint_is_not_taken_by_jobs() -> None:
    held = [job("s1", 1, spot=True, memory=4 * GIB, started=1.0, seconds=1e6)]
    ask = endpoint("e2", 6 * GIB)
    assert decide(LAPTOP, held, [ask], 5.0).evicts == ("s1",)
    told = [replace(held[0], evicted=5.0)]
    others = [job("j3", 1, memory=4 * GIB, seconds=9.0), job("s4", 1, spot=True, memory=4 * GIB)]
    assert decide(LAPTOP, told, [ask, *others], 6.0).starts == ()
    assert starts(LAPTOP, [], ask, *others, now=7.0) == ["e2"]


def test_no_job_takes_the_gpu_that_the_head_has_once_others_have_left() -> None:
    two = Host(8, 8 * GIB, (0, 1))
    told = [job("s1", 1, spot=True, gpus=1, held=(0,), started=1.0, seconds=1e6, evicted=5.0)]
    behind = [job("j2", 1, gpus=2), job("j3", 1, gpus=1, seconds=60.0), job("j4", 1, seconds=60.0)]
    assert starts(two, told, *behind, now=6.0) == ["j4"]


def test_endpoints_and_notebooks_wait_in_lanes_of_their_own() -> None:
    held = [endpoint("e0", 7 * GIB)]
    assert starts(LAPTOP, held, endpoint("e1", 2 * GIB), endpoint("e2")) == []
    assert starts(LAPTOP, held, notebook("n1", 2 * GIB), endpoint("e2")) == ["e2"]
    assert starts(LAPTOP, held, endpoint("e1", 2 * GIB), notebook("n2")) == []
    assert starts(LAPTOP, held, endpoint("e1", 2 * GIB), job("j2")) == ["j2"]
    one = Host(4, 8 * GIB, (0,))
    gpu = [endpoint("e0", gpus=1, held=(0,))]
    assert starts(one, gpu, endpoint("e1", gpus=1), endpoint("e2")) == ["e2"]
    assert starts(LAPTOP, [], endpoint("e1", 5 * GIB), endpoint("e2", 5 * GIB, priority=1)) == [
        "e2"
    ]


def test_gpus_are_whole_and_have_one_holder() -> None:
    held = [job("j0", 1, gpus=1, held=(1,), seconds=10.0)]
    step = decide(SERVER, held, [job("j1", 1, gpus=2), job("j2", 1, gpus=2)], 0.0)
    assert step.starts == (Start("j1", Placement(("local",), (0, 2))),)
    assert step.head == "j2"
    assert step.promised == 10.0


# ---- histories


@dataclass
class Plant:
    """A host over time: jobs arrive, run as long as they say at most, and go."""

    of: Host
    now: float = 0.0
    held: list[Entry] = field(default_factory=list)
    waiting: list[Entry] = field(default_factory=list)
    begun: dict[str, float] = field(default_factory=dict)
    promises: dict[str, float] = field(default_factory=dict)

    def step(self) -> None:
        """One decision, applied and checked."""
        done = decide(self.of, self.held, self.waiting, self.now)
        asked = {each.key: each for each in self.waiting}
        for start in done.starts:
            started = replace(
                placement.clamp([self.of], asked[start.key]),
                hosts=start.placement.hosts,
                held=start.placement.gpus,
                started=self.now,
                promised=None,
            )
            assert len(started.held) == started.gpus
            self.held.append(started)
            self.begun[start.key] = self.now
        holders = {each.key: each for each in self.held}
        for key in done.evicts:
            assert holders[key].spot or holders[key].idle
        self.held = [
            replace(each, evicted=self.now) if each.key in done.evicts else each
            for each in self.held
        ]
        self.waiting = [each for each in self.waiting if each.key not in self.begun]
        if done.head and done.promised is not None:
            self.promises.setdefault(done.head, done.promised)
        self.waiting = [
            replace(
                each, promised=done.promised, first=self.now if each.first is None else each.first
            )
            if each.key == done.head
            else each
            for each in self.waiting
        ]
        self.check()

    def check(self) -> None:
        """No more is held than there is, and no GPU twice."""
        assert sum(each.cpu for each in self.held) <= self.of.cpus + 1e-6
        assert sum(each.memory for each in self.held if not each.yields) <= self.of.memory
        gpus = [number for each in self.held for number in each.held]
        assert len(gpus) == len(set(gpus))
        assert set(gpus) <= set(self.of.gpus)
        again = decide(self.of, self.held, self.waiting, self.now)
        assert not again.starts, "who could start did"
        assert not again.evicts

    def go_on(self, until: float) -> None:
        """Everything that ends before `until` has, each at its time."""
        while True:
            ends = [(each.end(self.now), each.key) for each in self.held if not each.shares]
            first = min(ends, default=(math.inf, ""))
            if first[0] > until:
                break
            self.now = max(self.now, first[0])
            self.held = [each for each in self.held if each.key != first[1]]
            self.step()
        self.now = max(self.now, until)


SIZES = st.tuples(
    st.sampled_from([0.5, 1.0, 2.0, 4.0, 16.0]),
    st.integers(1, 40),
    st.sampled_from([0, 0, 0, 1, 2, 4]),
    st.floats(1.0, 300.0),
    st.sampled_from(["a", "b", "c"]),
    st.integers(-1, 1),
    st.sampled_from(["job", "job", "job", "spot", "endpoint", "notebook", "pool", "idle"]),
)


@pytest.mark.costs("plays random histories")
@given(st.lists(st.tuples(SIZES, st.floats(0.0, 60.0), st.booleans()), min_size=1, max_size=25))
@example(  # a spot job took, again and again, what it had been told to leave to a notebook
    [((0.5, 1, 0, 1.0, "a", 0, "job"), 0.0, False)] * 3
    + [((0.5, 31, 0, 1.0, "a", 0, "spot"), 0.0, False)] * 2
    + [((0.5, 32, 0, 1.0, "a", 0, "notebook"), 0.0, False)]
)
def test_no_history_overdraws_the_host(events: list[tuple[Any, float, bool]]) -> None:
    plant = Plant(SERVER)
    for number, ((cpu, memory, gpus, seconds, role, rank, kind), pause, leaves) in enumerate(
        events
    ):
        shares = kind in ("endpoint", "notebook")
        plant.waiting.append(
            Entry(
                f"k{number}", 0 if shares else cpu, memory * GIB, gpus, kind == "notebook", role,
                rank, kind == "spot", kind == "idle", seconds, number,
            )
        )  # fmt: skip
        plant.step()
        if kind == "pool":  # its job has ended, and it is kept
            plant.held = [replace(h, idle=True) if h.key == f"k{number}" else h for h in plant.held]
            plant.step()
        if leaves and plant.held:
            plant.held.pop(number % len(plant.held))
            plant.step()
        plant.go_on(plant.now + pause)
    for _ in range(len(events) + 1):  # what started since shares or is idle too
        plant.go_on(plant.now + 1e6)
        plant.held = [each for each in plant.held if not (each.shares or each.idle)]
        plant.step()
    assert plant.waiting == [], "everybody had a turn"


JOBS = st.tuples(
    st.sampled_from([1.0, 2.0, 4.0, 16.0]),
    st.integers(1, 64),
    st.floats(1.0, 300.0),
    st.floats(0, 90),
)


@pytest.mark.costs("plays random histories")
@given(st.lists(JOBS, min_size=2, max_size=25))
def test_a_promise_is_kept_where_estimates_are(jobs: list[tuple[float, int, float, float]]) -> None:
    plant = Plant(SERVER)
    for number, (cpu, memory, seconds, pause) in enumerate(jobs):
        role = "abc"[number % 3]
        entry = Entry(f"k{number}", cpu, memory * GIB, role=role, seconds=seconds, seq=number)
        plant.waiting.append(entry)
        plant.step()
        plant.go_on(plant.now + pause)
    plant.go_on(plant.now + 1e6)
    assert len(plant.begun) == len(jobs)
    for key, promised in plant.promises.items():
        assert plant.begun[key] <= promised + 1e-6


@pytest.mark.parametrize("roles", [("a", "a"), ("a", "b")])
@pytest.mark.parametrize("known", [True, False])
def test_a_large_job_is_not_starved_by_a_stream_of_small_ones(
    roles: tuple[str, str], known: bool
) -> None:
    """Not even where its role holds more than theirs, for ever, and they run longer than they say."""
    plant = Plant(Host(4, 64 * GIB))
    plant.held = [job("forever", 1, role=roles[0], seconds=1e9)]
    plant.waiting = [job("large", 3, role=roles[0], seq=1, seconds=60.0)]
    seconds = 10.0 if known else math.inf
    for number in range(2, 400):
        plant.waiting.append(job(f"k{number}", 1, role=roles[1], seq=number, seconds=seconds))
        plant.step()
        plant.now += 4.0
        ended = [each for each in plant.held if each.cpu == 1 and each.key != "forever"]
        for each in ended:
            if plant.now - each.started > 14.0:  # longer than promised
                plant.held.remove(each)
                plant.step()
        if "large" in plant.begun:
            break
    assert plant.begun.get("large", math.inf) < 200.0
