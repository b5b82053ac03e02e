"""Packages without a wheel for this Python that could not be compiled: which, and what helps."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable

COMPILED = (
    "accelerate", "grpcio", "h5py", "matplotlib", "numpy", "pandas", "pillow", "protobuf", "pyarrow",
    "scikit-learn", "scipy", "sentencepiece", "tensorflow", "tensorflow-cpu", "tokenizers", "torch",
    "torchvision", "transformers", "xgboost",
)  # fmt: skip
"""Never compiled from source: that takes minutes, and fails for want of a compiler or of old headers.
Pure Python packages without a wheel are built in a second, and are not among them."""
BUILD = re.compile(r"Failed to (?:download and )?build `([^`=\s]+)==([^`\s]+)`")
"""uv's words for a source that could not be compiled; the first is what was wanted, the others
what its own build needs."""
ABSENT = re.compile(
    r"\b([A-Za-z0-9][A-Za-z0-9._-]*)==(\S+) has no wheels with a matching (?:Python|platform)"
)
"""uv's words for a package that is not published as source."""

UNUSABLE = re.compile(r"\b([A-Za-z0-9][A-Za-z0-9._-]*)==(\S+) has no usable wheels")
DISABLED = re.compile(r"Wheels are required for `([^`]+)` because building from source is disabled")
"""uv's words for one of COMPILED without a wheel: for one version, and for all that would do."""

NEVER = "is not compiled from source here"
OLDER = "an image with an older Python"


def only_binary(options: Iterable[str]) -> list[str]:
    """uv's arguments by which none of COMPILED is built, but those for which the `options` of a
    requirements file ask for it (`--no-binary numpy`, `--no-binary :all:`)."""
    values = [o.replace("=", " ", 1).partition(" ") for o in options]
    asked = {v.strip() for name, _, v in values if name == "--no-binary"}
    asked = {name for each in asked for name in each.split(",")}
    kept = () if ":all:" in asked else (name for name in COMPILED if name not in asked)
    return [part for name in kept for part in ("--only-binary", name)]


def sentence(explanation: str, nearest: Callable[[str, str], str]) -> str:
    """What the user has to know of uv's explanation; "" where it is about something else.

    `nearest` is given a name and a requirement: the oldest version for it that has a wheel, "" where
    none has.
    """
    words = " ".join(explanation.split())
    python = "Python {}.{}".format(*sys.version_info[:2])
    if built := BUILD.findall(words):
        name, version = built[0]
        needed = [f"{n} {v}" for n, v in built[1:] if (n, v) != built[0]]
        how = "could not be compiled"
        if needed:
            how += f" (its build needs {needed[-1]}, which could not be compiled either)"
    elif absent := ABSENT.search(words):
        (name, version), how = absent.groups(), "is not published as source"
    elif unusable := UNUSABLE.search(words):
        (name, version), how = unusable.groups(), NEVER
    elif "no usable wheels" in words and (disabled := DISABLED.search(words)):
        name, version, how = disabled[1], "", NEVER
    else:
        return ""
    if not version:  # of several, none has one
        found = nearest(name, name)
        cure = f"ask for one that has ({found} or newer), or use" if found else "use"
        return f"{name} has no version that would do with a wheel for {python}, and {how}; {cure} {OLDER}"
    found = nearest(name, f"{name}>={version}")
    if found == version:
        return ""  # it has one: compiling was asked for
    cure = f"pin a version that has one ({found} or newer), or use" if found else "use"
    return f"{name} {version} has no wheel for {python} and {how}; {cure} {OLDER}"
