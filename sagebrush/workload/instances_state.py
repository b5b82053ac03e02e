"""How the instances of one job stand together: one fails, all stop, and the first to fail says why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sagebrush.compute.base import Backend, Exited, Gone, Running, State
from sagebrush.scheduler.members import Member

STOPPED = ("stopped", "timeout")
"""Ends that somebody asked for: no failure of the program's."""


@dataclass(frozen=True)
class Standing:
    """What the backend says of each instance."""

    states: tuple[tuple[Member, State], ...]

    @property
    def gone(self) -> list[Member]:
        """Those of which nothing is known."""
        return [member for member, state in self.states if isinstance(state, Gone)]

    @property
    def alive(self) -> list[Member]:
        """Those that run, or will."""
        return [member for member, state in self.states if not isinstance(state, Gone | Exited)]

    @property
    def running(self) -> bool:
        """Whether a program of the job runs."""
        return any(isinstance(state, Running) for _, state in self.states)

    @property
    def ends(self) -> list[tuple[Member, Exited]]:
        """Those that ended, in the order in which they did."""
        found = [(m, state) for m, state in self.states if isinstance(state, Exited)]
        return sorted(found, key=lambda each: each[1].ended)

    @property
    def broken(self) -> bool:
        """Whether one has ended otherwise than well: the others are of no use then."""
        return any(end.code != 0 or end.reason for _, end in self.ends)

    @property
    def verdict(self) -> tuple[Member, Exited]:
        """The instance whose end is the job's: the first that failed, else one that was stopped, else
        the last of those that ended well."""
        failed = [each for each in self.ends if each[1].code != 0 or each[1].reason]
        by_itself = [each for each in failed if each[1].reason not in STOPPED]
        return (by_itself or failed or self.ends[::-1])[0]

    @property
    def peak(self) -> int:
        """The most memory that one of them used, in bytes."""
        return max((end.peak_memory for _, end in self.ends), default=0)


def stand(backend: Backend, job: Sequence[Member]) -> Standing:
    """The instances of `job` as they are now."""
    return Standing(tuple((member, backend.poll(member.key)) for member in job))


def stop(backend: Backend, standing: Standing, grace: float) -> None:
    """Every instance that lives has had SIGTERM, and gets SIGKILL after `grace` seconds. Repeatable."""
    for member in standing.alive:
        backend.stop(member.key, grace)
