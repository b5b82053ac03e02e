"""AWS's releases of its images, as data: what each promised, and when it came.

Sources: the SageMaker SDK's image URIs, AWS Deep Learning Containers' release notes, the
requirements of sagemaker-scikit-learn-container and sagemaker-xgboost-container.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
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
    """The release that the environment of that name stands for, or None."""
    return _by_name().get(environment)
