"""The pinned requirements of environments: the project's own, and those that users add by name."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from sagebrush.environments import releases

FRAMEWORKS = ("base", "pytorch", "tensorflow", "huggingface", "nlp")
"""What jobs run in and notebook kernels are made of."""
ALGORITHMS = ("algorithms", "xgboost", "comprehend")
"""What built-in algorithms, and Comprehend's models, run in beside those."""
BESIDE = ("jupyter", "sagemaker2", "sagemaker3")
"""The notebook server, and what kernels have in addition to their framework: IPython and an SDK."""
BUILT_IN = (*FRAMEWORKS, *ALGORITHMS, *BESIDE)

USERS = "definitions"
"""The folder below the environments' root that holds what users added."""
RELEASES = "releases"
"""The folder below it with the locks of releases of AWS's images that were resolved here."""
FOR_NOW = "# for now: "
"""How the second line of a lock begins that is to be made anew (`for_now`)."""
TRIED = 86400.0
"""Seconds after which that is tried."""
NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")

BULK = {
    "torch": 750,
    "tensorflow-cpu": 900,
    "tensorflow": 1300,
    "scipy": 110,
    "llvmlite": 170,
    "numba": 25,
    "pyarrow": 150,
    "xgboost": 200,
    "xgboost-cpu": 25,
    "pandas": 70,
    "scikit-learn": 45,
    "numpy": 60,
    "transformers": 70,
    "spacy": 90,
    "gensim": 90,
    "onnxruntime": 60,
    "jupyterlab": 60,
    "botocore": 30,
    "sagemaker": 40,
    "matplotlib": 30,
    "keras": 25,
    "grpcio": 35,
}
"""MiB that large packages take on disk."""
SMALL = 4
"""MiB counted for every other package."""
BYTECODE = 1.3
"""How much more a package takes with its bytecode."""

HIGHLIGHTS = (
    "torch",
    "tensorflow-cpu",
    "keras",
    "transformers",
    "datasets",
    "xgboost",
    "xgboost-cpu",
    "scikit-learn",
    "spacy",
    "nltk",
    "gensim",
    "fasttext-numpy2",
    "sagemaker",
    "jupyterlab",
    "numpy",
    "pandas",
)
"""Packages whose versions describe an environment, the most important first."""


class NoLock(Exception):
    """There is no environment of that name; the text says so."""


class BadDefinition(Exception):
    """An environment cannot be added in this way; the text says why."""


def text(root: Path, name: str) -> str:
    """The pinned requirements of the environment `name`; raises NoLock.

    The project's own are the repository's `requirements/<name>.txt` (an installed package carries
    a copy under `share/sagebrush/requirements`); users' are below `root`, and so are those of
    releases of AWS's images that the project does not ship.
    """
    if name in BUILT_IN:
        file = shipped(f"{name}.txt")
    elif of_release(root, name):
        file = _release_file(root, name)
    else:
        file = root / USERS / f"{name}.txt"
    try:
        return file.read_text()
    except OSError as error:
        known = ", ".join((*BUILT_IN, *added(root)))
        raise NoLock(f"environment {name} has no lock file; known ones: {known}") from error


def _release_file(root: Path, name: str) -> Path:
    """The lock that was resolved here, where the shipped one did not suit, else the shipped one."""
    own = root / RELEASES / f"{name}.txt"
    return own if own.exists() else shipped(f"{name}.txt")


def of_release(root: Path, name: str) -> bool:
    """Whether `name` is the environment of a release: one that is known, or one that was when it was
    resolved here."""
    known = releases.named(name) is not None
    return known or ("/" not in name and (root / RELEASES / f"{name}.txt").is_file())


def keep(root: Path, name: str, locked: str) -> None:
    """The lock of the release's environment `name` is `locked`, on this host from now on."""
    _place(root / RELEASES, name, locked)


def locked(root: Path, name: str) -> bool:
    """Whether the release's environment `name` has a lock, shipped or of this host's own."""
    return _release_file(root, name).is_file()


def kept(root: Path) -> list[str]:
    """The environments of releases whose locks are this host's own, in order."""
    return sorted(path.stem for path in (root / RELEASES).glob("*.txt"))


def of_the_project(name: str, lock: str) -> bool:
    """Whether that is the lock that the project ships for the environment."""
    file = shipped(f"{name}.txt")
    return file.is_file() and file.read_text() == lock


def for_now(lock: str, reason: str) -> str:
    """The lock with the mark that it only stands until what it lacks can be had, and why."""
    first, _, rest = lock.partition("\n")
    return f"{first}\n{FOR_NOW}{' '.join(reason.split())}\n{rest}"


def due(root: Path, name: str) -> bool:
    """Whether a lock that stands for now was made, or tried anew, longer than a day ago."""
    file = root / RELEASES / f"{name}.txt"
    try:
        old = time.time() - file.stat().st_mtime > TRIED
        return old and FOR_NOW in file.read_text()
    except OSError:
        return False


def tried(root: Path, name: str) -> None:
    """The lock that stands for now was tried anew just now, in vain."""
    with contextlib.suppress(OSError):
        os.utime(root / RELEASES / f"{name}.txt")


def forget(root: Path, name: str) -> bool:
    """This host's own lock of the release's environment `name` is gone; returns whether there was one.

    It is resolved again at the next need.
    """
    try:
        (root / RELEASES / f"{name}.txt").unlink()
    except FileNotFoundError:
        return False
    return True


def pythons(lock: str) -> tuple[str, ...]:
    """The Pythons that the lock is for, the best first; () for those of every environment."""
    found = re.match(r"# python ([\d. ]+)", lock)
    return tuple(found[1].split()) if found else ()


def shipped(file_name: str) -> Path:
    """Where the project's file `requirements/<file_name>` is on this machine."""
    file = Path(__file__).parents[2] / "requirements" / file_name
    if not file.is_file():
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            for entry in importlib.metadata.files("sagebrush") or ():
                if entry.parts[-2:] == ("requirements", file_name):
                    return Path(str(entry.locate()))
    return file


def added(root: Path) -> list[str]:
    """The names of the environments that users added, in order."""
    return sorted(path.stem for path in (root / USERS).glob("*.txt"))


def check_name(name: str) -> None:
    """Raises BadDefinition for what cannot name an environment of a user's."""
    if name in BUILT_IN:
        raise BadDefinition(f"{name} is an environment of Sagebrush's own: choose another name")
    if not NAME.fullmatch(name):
        raise BadDefinition(
            f"{name!r} cannot name an environment: lower-case letters, digits and hyphens, up to 40"
        )


def define(root: Path, name: str, locked: str) -> None:
    """The environment `name` is `locked`: pinned requirements. Raises BadDefinition."""
    check_name(name)
    _place(root / USERS, name, locked)


def _place(folder: Path, name: str, locked: str) -> None:
    """`folder`/`name`.txt holds `locked`, whole at any time."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o755)
    part = folder / f".{name}.{os.getpid()}"
    part.write_text(locked)
    part.replace(folder / f"{name}.txt")


def undefine(root: Path, name: str) -> bool:
    """The user's environment `name` is no longer defined; returns whether it was."""
    try:
        (root / USERS / f"{name}.txt").unlink()
    except FileNotFoundError:
        return False
    return True


def pins(lock: str) -> dict[str, str]:
    """Package -> version of a lock's text; where markers give several, the last."""
    return dict(re.findall(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;]+)", lock, re.MULTILINE))


def room(lock: str, present: Iterable[Mapping[str, str]]) -> int:
    """Bytes that installing `lock` needs in addition to what the environments with the pins
    `present` already hold (the same files are linked, not copied)."""
    held = {item for each in present for item in each.items()}
    missing = [name.lower() for name, version in pins(lock).items() if (name, version) not in held]
    return int(sum(BULK.get(name, SMALL) for name in missing) * BYTECODE) << 20


def digest(content: str) -> str:
    """A name for that content."""
    return hashlib.sha256(content.encode()).hexdigest()
