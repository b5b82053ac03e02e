"""Locks of releases against a small index: which Python, which versions, what stands in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from sagebrush.environments import interpreters, locks, resolution, uvtool
from sagebrush.environments.interpreters import Interpreter
from sagebrush.environments.releases import Release
from sagebrush.environments.resolution import Unresolved, lock, nearest

WHEELS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "scikit-learn": {
        "0.24.0": ("3.9", "2020-12-22"),
        "0.24.2": ("3.9", "2021-04-28"),
        "1.0.2": ("3.9 3.10", "2021-12-25"),
        "1.2.1": ("3.9 3.10 3.11", "2023-01-24"),
    },
    "transformers": {"4.26.0": ("3.9 3.10 3.11", "2023-01-25")},
    "torch": {"1.13.1": ("3.9 3.10", "2022-12-15"), "2.13.0": ("3.10 3.11", "2026-06-01")},
    "datasets": {"2.9.0": ("3.9 3.10 3.11", "2023-01-26")},
    "boto3": {"1.44.5": ("3.9 3.10 3.11", "2026-11-01")},
    "pip": {"20.2": ("3.9 3.10 3.11", "2018-01-01")},
    "setuptools": {"50.0": ("3.9 3.10 3.11", "2018-01-01")},
}
"""Package -> version -> the Pythons that have a wheel, and when it was published."""


class Index:
    """Stands for uv: answers `pip compile` from WHEELS."""

    def __init__(self, pytorch: bool) -> None:
        self.pytorch = pytorch
        """Whether PyTorch's own index answers."""
        self.answers = self.dated = True
        self.asked = 0

    def run(self, arguments: Sequence[str], environ: Mapping[str, str], lock: int) -> str:
        assert lock == 7
        assert environ["UV_PYTHON_DOWNLOADS"] == "never"
        self.asked += 1
        if "--torch-backend" in arguments and not self.pytorch:
            raise uvtool.UvFailed("PyTorch's index does not answer")
        if not self.answers:
            raise uvtool.UvFailed("connection refused")
        if "--exclude-newer" in arguments and not self.dated:
            raise uvtool.UvFailed("it is missing an upload date")
        python = Path(arguments[arguments.index("--python") + 1]).name
        before = self._before(arguments)
        lowest = "--resolution=lowest-direct" in arguments
        lines = []
        if "-c" in arguments:
            self.bounds = Path(arguments[arguments.index("-c") + 1]).read_text().split()
        for line in Path(arguments[-1]).read_text().splitlines():
            name = re.split(r"[<>=]", line)[0]
            fitting = [
                version
                for version, (pythons, day) in WHEELS.get(name, {}).items()
                if python in pythons.split()
                and day <= before.get(name, before[""])
                and _fits(version, line.removeprefix(name))
            ]
            if not fitting:
                raise uvtool.UvFailed(f"{line} has no usable wheels for {python}")
            lines.append(f"{name}=={fitting[0 if lowest else -1]}")
        Path(arguments[arguments.index("-o") + 1]).write_text("\n".join(sorted(lines)) + "\n")
        return ""

    @staticmethod
    def _before(arguments: Sequence[str]) -> dict[str, str]:
        found = {"": "9999"}
        for option, value in pairwise(arguments):
            if option == "--exclude-newer":
                found[""] = value
            if option == "--exclude-newer-package":
                name, _, day = value.partition("=")
                found[name] = day
        return found


def _fits(version: str, bounds: str) -> bool:
    key = lambda text: tuple(map(int, text.split(".")))  # noqa: E731
    for operator, wanted in re.findall(r"(==|>=|<)([\d.]+)", bounds):
        have, want = key(version), key(wanted)
        if not {"==": have == want, ">=": have >= want, "<": have < want}[operator]:
            return False
    return True


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Index:
    found = Index(pytorch=False)
    monkeypatch.setattr(uvtool, "run", found.run)
    here = {
        v: Interpreter(Path(f"/pythons/{v}"), Path("/"), v, "") for v in ("3.9", "3.10", "3.11")
    }
    monkeypatch.setattr(interpreters, "found", lambda *_: here)
    monkeypatch.setattr(resolution.gpus, "found", lambda _environ: [])
    monkeypatch.setattr(resolution, "COMMON", ("boto3", "pip", "scikit-learn"))
    monkeypatch.setattr(resolution, "USUAL", ("scikit-learn",))
    return found


def _release(
    family: str, python: str, day: str, pins: Mapping[str, str], framework: str = ""
) -> Release:
    version = next(iter(pins.values()))
    return Release(family, version, python, day, pins, framework)


def _resolved(release: Release, root: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    text = lock(release, {}, root, descriptor=7)
    return locks.pythons(text), locks.pins(text)


def test_the_promised_version_is_locked_on_the_nearest_python(index: Index, tmp_path: Path) -> None:
    release = _release("scikit-learn", "3.8", "2023-02-23", {"scikit-learn": "1.2.1"})
    pythons, pins = _resolved(release, tmp_path)
    assert pythons == ("3.9",)
    assert pins["scikit-learn"] == "1.2.1"
    assert pins["boto3"] == "1.44.5"  # newer than the release: jobs need one that finds S3 here
    assert not list(tmp_path.iterdir())


def test_a_python_without_the_wheel_is_passed_over(index: Index, tmp_path: Path) -> None:
    release = _release("scikit-learn", "3.11", "2022-05-26", {"scikit-learn": "1.0.2"})
    pythons, pins = _resolved(release, tmp_path)
    assert (pythons, pins["scikit-learn"]) == (("3.10",), "1.0.2")


def test_the_lowest_above_of_the_same_major_version_stands_in(index: Index, tmp_path: Path) -> None:
    release = _release("scikit-learn", "3.7", "2020-10-18", {"scikit-learn": "0.23.2"})
    pythons, pins = _resolved(release, tmp_path)
    assert (pythons, pins["scikit-learn"]) == (("3.9",), "0.24.0")


def test_another_major_version_stands_in_where_there_is_none(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = {"3.11": Interpreter(Path("/pythons/3.11"), Path("/"), "3.11", "")}
    monkeypatch.setattr(interpreters, "found", lambda *_: here)
    release = _release("scikit-learn", "3.7", "2020-10-18", {"scikit-learn": "0.23.2"})
    assert _resolved(release, tmp_path)[1]["scikit-learn"] == "1.2.1"


@pytest.mark.parametrize(("answers", "torch"), [(True, "1.13.1"), (False, "2.13.0")])
def test_old_torch_comes_from_pytorchs_own_index_alone(
    index: Index, tmp_path: Path, answers: bool, torch: str
) -> None:
    index.pytorch = answers
    pins = {"transformers": "4.26.0", "torch": "1.13.1", "datasets": "2.9.0"}
    release = _release("huggingface-pytorch", "3.9", "2023-03-17", pins, "1.13.1")
    text = lock(release, {}, tmp_path, descriptor=7)
    found = locks.pins(text)
    assert (locks.FOR_NOW in text) is not answers, "without it the lock is to be made anew"
    assert (found["transformers"], found["torch"]) == ("4.26.0", torch)
    assert found["datasets"] == "2.9.0"
    assert "accelerate" not in found  # what that time's index lacks is left out, one by one


def test_a_version_newer_than_the_day_is_locked_at_a_later_one(
    index: Index, tmp_path: Path
) -> None:
    """As of a release between two of the table, whose own day nobody knows."""
    release = _release("scikit-learn", "3.9", "2021-12-25", {"scikit-learn": "1.2.1"})
    pythons, pins = _resolved(release, tmp_path)
    assert (pythons, pins["scikit-learn"]) == (("3.9",), "1.2.1")


def test_nothing_that_could_stand_in_is_said(index: Index, tmp_path: Path) -> None:
    release = _release("xgboost", "3.7", "2021-05-31", {"xgboost": "1.3.3"})
    with pytest.raises(
        Unresolved, match=r"xgboost 1\.3\.3 cannot be had for Python 3\.9, 3\.10, 3"
    ):
        lock(release, {}, tmp_path, descriptor=7)


def test_an_index_without_dates_gives_the_pins_and_the_bounds_of_that_time(
    index: Index, tmp_path: Path
) -> None:
    index.dated = False
    release = _release("scikit-learn", "3.9", "2023-02-23", {"scikit-learn": "1.2.1"})
    assert _resolved(release, tmp_path)[1]["scikit-learn"] == "1.2.1"
    assert index.bounds == ["numpy<2", "pyarrow<21", "pandas<3", "setuptools<82"]


def test_where_no_index_answers_that_is_said_at_once(index: Index, tmp_path: Path) -> None:
    index.answers = False
    release = _release("scikit-learn", "3.9", "2023-02-23", {"scikit-learn": "1.2.1"})
    with pytest.raises(Unresolved, match="takes a package index, and none answers: connection"):
        lock(release, {}, tmp_path, descriptor=7)
    assert index.asked == 2


def test_of_two_pythons_equally_near_the_newer_comes_first() -> None:
    assert nearest("3.10", ("3.9", "3.11", "3.12")) == ("3.11", "3.9", "3.12")


def test_shipped_locks_are_of_known_releases() -> None:
    for name, how in resolution.SHIPPED.items():
        text = locks.shipped(f"{name}.txt").read_text()
        assert locks.pythons(text) == (how.python,)
        release = resolution.releases.named(name)
        assert release is not None
        principal, version = release.principal
        pins = locks.pins(text)
        assert pins.get(principal, pins.get(f"{principal}-cpu")) == version


def test_an_old_torch_on_a_newer_python_comes_with_the_usual_packages(
    index: Index, tmp_path: Path
) -> None:
    """torch 1.5's day has no NumPy for the Python of the torch that stands in."""
    release = _release("pytorch", "3.6", "2020-05-07", {"torch": "1.5.0"})
    pythons, pins = _resolved(release, tmp_path)
    assert (pythons, pins["torch"]) == (("3.10",), "2.13.0")
    assert pins["scikit-learn"] == "1.0.2"  # 3.10 has none before December 2021
