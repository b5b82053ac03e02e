"""One process of a group."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Member:
    """A process among those of the group, and where the group's tracker answers."""

    rank: int
    """Its place among the hosts, the first of which runs the tracker."""
    size: int
    """The number of members."""
    place: str
    """The tracker's address."""
    port: int
    wait: int
    """Seconds in which the members must find one another."""
