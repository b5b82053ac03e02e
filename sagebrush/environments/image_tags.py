"""Which release of AWS's images a tag names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sagebrush.environments import releases
from sagebrush.environments.releases import PRINCIPALS, Release, numbers

_VERSION = r"\d+(?:\.\d+)+"
_FORMS: Mapping[str, re.Pattern[str]] = {
    # 0.23-1-cpu-py3, 1.2-1, 0.20.0-cpu-py3
    "container": re.compile(rf"(?P<version>{_VERSION}(?:-\d+)?)(?:-|$)"),
    # 1.13.1-gpu-py39-cu117-ubuntu20.04-sagemaker, 2.4.1
    "framework": re.compile(rf"(?P<version>{_VERSION})(?:-|$)"),
    # 1.13.1-transformers4.26.0-cpu-py39-ubuntu20.04
    "transformers": re.compile(
        rf"(?P<framework>{_VERSION})-(?:optimum[\d.]+-)?transformers(?P<version>{_VERSION})(?:-|$)"
    ),
}
_FORM = {
    "scikit-learn": "container",
    "xgboost": "container",
    "pytorch": "framework",
    "tensorflow": "framework",
    "huggingface-pytorch": "transformers",
    "huggingface-tensorflow": "transformers",
}
"""Family -> the form of its tags."""
_PYTHON = re.compile(r"(?:^|-)py(\d)(\d{1,2})(?:-|$)")


@dataclass(frozen=True)
class Tag:
    """What a tag promises."""

    version: str
    """The first of its family: of transformers, the framework or the container."""
    framework: str = ""
    """The framework's version in a Hugging Face image's tag."""
    python: str = ""


def read(family: str, tag: str) -> Tag | None:
    """What the `tag` of a `family`'s image promises; None where it names no version."""
    found = _FORMS[_FORM[family]].match(tag)
    if found is None:
        return None
    python = _PYTHON.search(tag)
    words = found.groupdict()
    return Tag(
        words["version"],
        words.get("framework") or "",
        f"{python[1]}.{python[2]}" if python else "",
    )


def release(family: str, tag: Tag, table: Iterable[Release]) -> Release | None:
    """The release that the tag names; None for one that is newer than the table.

    A short version names the newest of its beginning, as AWS's aliases do (1.13: 1.13.1); one that
    the table lacks, the nearest below it, or else the oldest.
    """
    ours = sorted((each for each in table if each.family == family), key=_place)
    if not ours or numbers(tag.version) > numbers(ours[-1].version):
        return None
    wanted = (numbers(tag.version), numbers(tag.framework))
    begun = [each for each in ours if _begins(each, tag)]
    same = [each for each in begun if each.python == tag.python]  # 1.4-2 came for two Pythons
    exact = [each for each in begun if _place(each) == wanted]
    below = [each for each in ours if _place(each) <= wanted]
    return (same or exact or begun or below or ours[:1])[-1]


def between(family: str, tag: Tag, nearest: Release) -> Release | None:
    """The release of the tag's own versions, where `nearest`, which the table has, is another and
    there are older and newer ones; else None."""
    if _begins(nearest, tag):
        return None
    return releases.between(family, *(_whole(v) for v in (tag.version, tag.framework)))


def _whole(version: str) -> str:
    """The version with three numbers: 2.15 is 2.15.0."""
    return version + ".0" * (2 - version.count(".")) if version else ""


def promises(family: str, tag: Tag, found: Release | None) -> dict[str, str]:
    """Python and the principal packages -> the version that the tag promises; `found` is its
    release, if there is one."""
    pins = dict(found.pins) if found else {}
    if "tensorflow" in pins:  # of which Keras is a part until 2.15
        pins.setdefault("keras", _keras(pins["tensorflow"]))
    exact = found is not None and _begins(found, tag)
    if not exact:  # a version that the table lacks is its own word; of a container, before its dash
        version = tag.version.partition("-")[0]
        pins = dict(zip(PRINCIPALS[family], (version, tag.framework), strict=False))
    python = tag.python if "." in tag.python else (found.python if found else "")
    return {**pins, **({"Python": python} if python else {})}


def _keras(tensorflow: str) -> str:
    """The beginning of the version of Keras that came with that TensorFlow."""
    major, minor = numbers(tensorflow)[:2]
    return f"{major}.{minor}" if (major, minor) < (2, 16) else "3"


def _begins(release: Release, tag: Tag) -> bool:
    version, framework = numbers(tag.version), numbers(tag.framework)
    return (
        numbers(release.version)[: len(version)] == version
        and numbers(release.framework)[: len(framework)] == framework
    )


def _place(release: Release) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return numbers(release.version), numbers(release.framework)
