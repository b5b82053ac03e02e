"""Libraries that fit only releases of one another of about the same time, whatever they declare.

transformers 4.30 imports parts of accelerate and peft that later releases of those no longer have,
and none of the three forbids it. Where a layer replaces one of a set, the others come along: each
in a version published before the replaced one's month and SLACK days after it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

SLACK = 60
"""Days after a library's month in which what fits it appeared."""
FIRST = 2008
"""The year before which nothing was published."""
BREAKS = (
    ("numpy", "2", date(2024, 6, 16)),
    ("pyarrow", "21", date(2025, 7, 18)),
    ("pandas", "3", date(2026, 1, 21)),
    ("setuptools", "82", date(2026, 2, 8)),  # it has no pkg_resources any more
)
"""Packages under the sets, versions from which on older code breaks, and when those were
published."""
NEEDS: Mapping[str, tuple[str, str]] = {"pyarrow": ("numpy", "2")}
"""Package -> what its versions from BREAKS on need without declaring it, and from which version."""
UNDECLARED = ("setuptools",)
"""Those that older code imports without declaring that it needs them."""


@dataclass(frozen=True)
class Index:
    """What is asked of the package index, through uv."""

    until: Callable[[str, date], str | None]
    """(requirement, day) -> the newest version of what was published until that day, if any."""
    nearest: Callable[[str, str], str]
    """(name, requirement) -> the oldest version for the requirement that has a wheel for this
    Python, or ""."""


@dataclass(frozen=True)
class Tied:
    """A set of libraries; the first one is the cause where the user's file names none."""

    modules: Mapping[str, tuple[str, ...]]
    """Normalised name -> the modules whose import shows a broken pair."""
    dated: bool = True
    """Whether only dates tell what fits; else the libraries' own requirements do."""
    alike: tuple[str, ...] = ()
    """Names of one and the same library."""
    declared: tuple[str, ...] = ()
    """Members of which the others say what they need; time may give way to that."""
    leaves: tuple[str, ...] = ()
    """Members that no other one imports: what breaks them alone is told, and ends nothing."""
    compiled: Mapping[str, str] = field(default_factory=dict)
    """Member that is of use only as a wheel, whose first one for a Python may be younger -> the
    member that declares which it needs."""


SETS = (
    Tied(
        {
            "transformers": ("transformers.modeling_utils", "transformers.trainer"),
            "sentence-transformers": ("sentence_transformers",),
            "datasets": ("datasets",),
            "accelerate": ("accelerate",),
            "peft": ("peft",),
            "evaluate": ("evaluate",),
            "tokenizers": ("tokenizers",),
            "huggingface-hub": ("huggingface_hub",),
        },
        declared=("tokenizers", "huggingface-hub"),
        leaves=("sentence-transformers", "evaluate"),
        compiled={"tokenizers": "transformers"},
    ),
    Tied(
        {
            "tensorflow": ("tensorflow",),
            "tensorflow-cpu": ("tensorflow",),
            "keras": ("keras",),
        },
        alike=("tensorflow", "tensorflow-cpu"),
    ),
    Tied(
        {"torch": ("torch",), "torchvision": ("torchvision",), "torchaudio": ("torchaudio",)},
        dated=False,
    ),
)


@dataclass(frozen=True)
class Bond:
    """What comes along with the replaced library `cause`."""

    tied: Tied
    cause: str
    version: str
    members: Mapping[str, str]
    """The others of its set -> `<=` the version that each may have, "" without a limit."""
    limits: tuple[str, ...] = ()
    """Constraints on packages under the set, of that time."""
    absent: tuple[str, ...] = ()
    """Members that had no release yet: the environment's stay, and do not count."""
    dated: bool = False
    """Whether the time of `cause` is known."""

    def told(self) -> str:
        """The cause with its version."""
        return f"{self.cause} {self.version}"

    def brought(self) -> list[str]:
        """The names of what may come along."""
        return [*self.members, *(text.partition("<")[0] for text in self.limits)]


def pinned(requirement: str) -> bool:
    """Whether a requirement says more of the version than that it may not be older."""
    return bool(re.search(r"==|~=|<", requirement.partition(";")[0]))


def ranged(requirement: str) -> bool:
    """Whether a requirement says anything of the version."""
    return bool(re.search(r"[<>=~]", requirement.partition(";")[0]))


def older(version: str, other: str) -> bool:
    """Whether the release `version` comes before `other`, as far as their numbers tell."""
    first, second = (
        [int(part) for part in re.findall(r"\d+", re.split(r"[^\d.]", text)[0])]
        for text in (version, other)
    )
    return first < second


def undeclared(present: Mapping[str, str], named: Mapping[str, str]) -> list[str]:
    """Constraints on what may come new over the environment `present`, where that has an older
    version of what newer releases need: a pyarrow that runs with its NumPy 1."""
    first = {name: version for name, version, _ in BREAKS}
    return [
        f"{name}<{first[name]}"
        for name, (under, least) in NEEDS.items()
        if name not in present and not ranged(named.get(name, ""))
        if under in present and older(present[under], least)
    ]


def bonds(
    named: Mapping[str, str],
    delta: Mapping[str, str],
    present: Mapping[str, str],
    index: Index,
    today: date,
) -> list[Bond]:
    """A Bond for each set of which the packages `delta` replace something that is `present`, where
    other members are present that the requirements `named` do not pin."""
    found = []
    for tied in SETS:
        replaced = _replaced(tied, delta, present)
        if not replaced:
            continue
        cause = _cause(replaced, named)
        alike = tied.alike if cause in tied.alike else (cause,)
        others = [
            name
            for name in tied.modules
            if name in present and name not in alike and not pinned(named.get(name, ""))
        ]
        bond = Bond(tied, cause, delta[cause], dict.fromkeys(others, ""))
        # What the environment has fits what is newer, or the newer one says what it needs.
        had = next(present[name] for name in (cause, *alike) if name in present)
        if tied.dated and older(bond.version, had):
            bond = _of_its_time(bond, named, index, today)
        found.append(bond)
    return found


def _replaced(tied: Tied, delta: Mapping[str, str], present: Mapping[str, str]) -> list[str]:
    there = {name for name in tied.modules if name in present}
    if there & set(tied.alike):
        there |= set(tied.alike)
    return [name for name in tied.modules if name in delta and name in there]


def _cause(replaced: list[str], named: Mapping[str, str]) -> str:
    """The one whose version the user's file decides."""
    sure = [name for name in replaced if pinned(named.get(name, ""))]
    asked = [name for name in replaced if name in named]
    return (sure or asked or replaced)[0]


def _of_its_time(bond: Bond, named: Mapping[str, str], index: Index, today: date) -> Bond:
    """`bond` with its members limited by dates, where the index tells those."""
    month = published(f"{bond.cause}=={bond.version}", index, today)
    if month is None:
        return bond
    until, later = (
        day + timedelta(days=SLACK) for day in (month, max(_compiled(bond, month, index, today)))
    )
    compiled = bond.tied.compiled
    if any(needing in bond.members for needing in compiled.values()):
        until = later
    newest = {
        name: index.until(name, later if name in compiled else until) for name in bond.members
    }
    for name, version in newest.items():
        asked = named.get(name, "")
        if ranged(asked):  # no older than the file wants it
            least = index.nearest(name, asked)
            newest[name] = least if least and older(version or "", least) else version
    return replace(
        bond,
        members={name: f"<={version}" for name, version in newest.items() if version},
        limits=tuple(
            f"{name}<{first}"
            for name, first, day in BREAKS
            if month <= day and not ranged(named.get(name, ""))
        ),
        absent=tuple(name for name, version in newest.items() if not version),
        dated=True,
    )


def _compiled(bond: Bond, month: date, index: Index, today: date) -> list[date]:
    """When each compiled member had its first wheel for this Python, of those from `month` on."""
    found = [month]
    for name in bond.tied.compiled:
        version = index.until(name, month + timedelta(days=SLACK)) if name in bond.members else None
        least = index.nearest(name, f"{name}>={version}") if version else ""
        if least and least != version:
            found.append(published(f"{name}=={least}", index, today) or month)
    return found


def published(requirement: str, index: Index, today: date) -> date | None:
    """The first day of the month until which the release was published; None for an index that
    tells no dates."""
    low, high = FIRST * 12, today.year * 12 + today.month  # the first of the next month
    if index.until(requirement, _first(high)) is None:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if index.until(requirement, _first(middle)) is None:
            low = middle
        else:
            high = middle
    return _first(high)


def _first(month: int) -> date:
    return date(month // 12, month % 12 + 1, 1)
