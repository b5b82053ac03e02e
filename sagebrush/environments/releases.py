"""AWS's releases of its images, as data: what each promised, and when it came.

Sources: the SageMaker SDK's image URIs, AWS Deep Learning Containers' release notes, the
requirements of sagemaker-scikit-learn-container and sagemaker-xgboost-container.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("releases.json")
PRINCIPALS: Mapping[str, tuple[str, ...]] = {
    "scikit-learn": ("scikit-learn",),
    "xgboost": ("xgboost",),
    "pytorch": ("torch",),
    "tensorflow": ("tensorflow",),
    "huggingface-pytorch": ("transformers", "torch"),
    "huggingface-tensorflow": ("transformers", "tensorflow"),
}
"""Family -> the packages that its tags promise, the first of them first."""
BETWEEN = ("huggingface-pytorch", "huggingface-tensorflow", "pytorch", "tensorflow")
"""The families whose tags name the versions of packages, not of a container."""


@dataclass(frozen=True)
class Release:
    """A release of an image."""

    family: str
    """`scikit-learn`, `pytorch`, `tensorflow`, `huggingface-pytorch`, `huggingface-tensorflow` or
    `xgboost`."""
    version: str
    """What its tags name first: the version of transformers, the framework or the container."""
    python: str
    released: str
    """YYYY-MM-DD."""
    pins: Mapping[str, str] = field(hash=False)
    """Principal packages -> version, as far as they are known."""
    framework: str = ""
    """The framework's version, of a Hugging Face image."""

    @property
    def environment(self) -> str:
        """The name of the environment that stands for it: `huggingface-pytorch-4.26.0-1.13.1`."""
        return "-".join(filter(None, (self.family, self.version, self.framework)))

    @property
    def principal(self) -> tuple[str, str]:
        """The first package that its tags promise, and its version."""
        name = PRINCIPALS[self.family][0]
        return name, self.pins[name]

    @property
    def main(self) -> dict[str, str]:
        """The packages that its tags promise -> version."""
        return {name: self.pins[name] for name in PRINCIPALS[self.family]}


def numbers(version: str) -> tuple[int, ...]:
    """The numbers of a version, in order, to compare by: 1.2-1 and 1.2.1 alike; none of `+cpu`."""
    return tuple(map(int, re.findall(r"\d+", version.partition("+")[0])))


@cache
def table() -> tuple[Release, ...]:
    """Every release, by family, version and framework."""
    return tuple(Release(**values) for values in json.loads(TABLE.read_text()))


@cache
def _by_name() -> Mapping[str, Release]:
    return {each.environment: each for each in table()}


def named(environment: str) -> Release | None:
    """The release that the environment of that name stands for, or None; one between two releases of
    the table may be meant (`between`)."""
    if found := _by_name().get(environment):
        return found
    match = _NAMED.fullmatch(environment)
    return between(match["family"], match["version"], match["framework"] or "") if match else None


_NAMED = re.compile(
    rf"(?P<family>{'|'.join(BETWEEN)})-(?P<version>\d+\.\d+\.\d+)(?:-(?P<framework>\d+\.\d+\.\d+))?"
)


def between(family: str, version: str, framework: str = "") -> Release | None:
    """The release of exactly these versions, as of the day of the one below it, where the table has
    an older and a newer one but none of them; None for others, and for containers' own numbers.

    AWS makes more releases than its lists name: transformers 4.30.1 between 4.28.1 and 4.37.0.
    """
    ours = [each for each in table() if each.family == family] if family in BETWEEN else []
    names = PRINCIPALS.get(family, ())
    wanted = (numbers(version), numbers(framework))
    places = [(numbers(each.version), numbers(each.framework)) for each in ours]
    if not ours or bool(framework) != (len(names) > 1) or wanted in places:
        return None
    if not min(places) < wanted < max(places):
        return None
    pins = dict(zip(names, filter(None, (version, framework)), strict=True))
    found = Release(family, version, "", "", pins, framework)
    lower = below(found)
    return replace(found, python=lower.python, released=lower.released)


def below(release: Release) -> Release:
    """The newest release of the table that is older than one between two of them."""
    wanted = (numbers(release.version), numbers(release.framework))
    place = lambda each: (numbers(each.version), numbers(each.framework))  # noqa: E731
    ours = [each for each in table() if each.family == release.family and place(each) < wanted]
    return max(ours, key=place)
