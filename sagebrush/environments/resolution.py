"""Locks of AWS's image releases: a release's packages as of its date, on a Python that has them.

`uv pip compile --exclude-newer DATE` resolves what an index had on the day of the release. Where no
Python of this host has a wheel of the promised version, the lowest version above it that has one
stands in, of the same major version if there is any, with the packages of that version's time.
"""

from __future__ import annotations

import platform
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from sagebrush.compute.local import gpus
from sagebrush.environments import interpreters, locks, releases, uvtool
from sagebrush.environments.releases import Release, numbers
from sagebrush.environments.uvtool import UvFailed
from sagebrush.toolkit.packages import wheels
from sagebrush.toolkit.packages.tied import BREAKS

PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13")
"""What jobs' toolkits run on; older ones have no wheels of boto3 that finds an endpoint by itself."""
COMMON = (
    "setuptools<81",  # with pkg_resources, which packages of those years import
    "boto3",
    "pip",
    "numpy",
    "pandas",
    "scipy",
    "scikit-learn",
    "joblib",
    "pyyaml",
    "requests",
)
USUAL = ("numpy", "pandas", "scipy", "scikit-learn")
"""What nearly every script imports: no image is without it."""
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "scikit-learn": ("matplotlib",),
    "xgboost": ("matplotlib", "pyarrow"),
    "pytorch": ("matplotlib", "tensorboard", "torchvision"),
    "tensorflow": ("matplotlib", "tensorboard"),
    "huggingface-pytorch": (
        "accelerate", "datasets", "evaluate", "peft", "sentencepiece", "tensorboard", "tokenizers",
    ),
    "huggingface-tensorflow": ("datasets", "evaluate", "sentencepiece", "tensorboard", "tokenizers"),
}  # fmt: skip
"""Family -> what its images have besides their pins, each where the release's time had it."""
CLIENT = ("boto3", "pip", "setuptools<81")
"""What a job cannot do without."""
CLIENTS = ("boto3", "botocore", "s3transfer", "jmespath", "awscrt", "pip")
"""As new as may be: jobs reach S3 by AWS_ENDPOINT_URL, which older ones do not know."""
TORCH = (
    "torch",
    "torchvision",
    "typing-extensions",
    "setuptools",
    "sympy",
    "mpmath",
    "networkx",
    "filelock",
)
"""As new as may be where a newer torch stands under an older library."""
OTHERWISE = (
    "UV_RESOLUTION", "UV_PRERELEASE", "UV_TORCH_BACKEND", "UV_OVERRIDE", "UV_EXCLUDE_NEWER",
    "UV_EXCLUDE_NEWER_PACKAGE", "UV_EXCLUDE", "UV_NO_BINARY", "UV_ONLY_BINARY",
)  # fmt: skip
"""Variables by which a user has uv resolve otherwise: the lock is kept for all."""
UNREACHED = re.compile(
    r"failed to fetch|error sending request|timed? ?out|dns error|connection|tunnel", re.IGNORECASE
)
"""What uv says where an index does not answer, which is no word on what it has."""
STEP, LAST = timedelta(days=120), timedelta(days=5 * 365)
"""How far apart, and how far, later dates are tried for what stands in."""


class Unresolved(Exception):
    """No Python here has what the release promises, nor what could stand in; the text says why."""


@dataclass(frozen=True)
class Shipped:
    """How the lock of a release that the project ships is made (`./run lock`)."""

    python: str = "3.11"
    when: str = ""
    """A later date than the release's, which what is `wanted` needs."""
    wanted: tuple[str, ...] = ()


SHIPPED: Mapping[str, Shipped] = {
    # of the next one's date, whose files it then shares
    "huggingface-pytorch-4.48.0-2.3.0": Shipped(when="2025-03-19"),
    "huggingface-pytorch-4.49.0-2.5.1": Shipped(),
    "scikit-learn-1.2-1": Shipped(when="2023-06-01", wanted=("pandas>=2",)),
    "tensorflow-2.14.1": Shipped(),
}
"""The releases that most notebooks use -> how their locks are made, for every host alike."""


@dataclass(frozen=True)
class _Way:
    """Where torch comes from: its pin, uv's options, what is as new as may be, and the Pythons."""

    torch: str
    options: tuple[str, ...]
    free: tuple[str, ...]
    pythons: tuple[str, ...]


def lock(
    release: Release,
    environ: Mapping[str, str],
    root: Path,
    report: Callable[[str], None] = lambda _doing: None,
    descriptor: int = -1,
) -> str:
    """The pinned requirements of `release` for this host; its first line names the Python. A second
    one says that it stands for now alone, where PyTorch's index did not answer (`locks.due`).

    `environ` are this process's variables, `root` the environments' folder; uv keeps `descriptor`, a
    lock, open. Raises Unresolved.
    """
    with tempfile.TemporaryDirectory(prefix=".resolving-", dir=root) as scratch:
        return _Resolver(release, environ, Path(scratch), report, descriptor=descriptor).lock()


def x86() -> bool:
    """Whether this host has wheels of `tensorflow-cpu`; elsewhere `tensorflow` is the CPU build."""
    return sys.platform == "linux" and platform.machine() in ("x86_64", "AMD64")


def ship(name: str, environ: Mapping[str, str], root: Path) -> str:
    """The lock of the environment `name` of SHIPPED, for every host. Raises Unresolved."""
    release, how = releases.named(name), SHIPPED[name]
    assert release is not None
    with tempfile.TemporaryDirectory(dir=root) as scratch:
        return _Resolver(release, environ, Path(scratch), print, ("--universal",)).shipped(how)


class _Resolver:
    def __init__(
        self,
        release: Release,
        environ: Mapping[str, str],
        root: Path,
        report: Callable[[str], None],
        options: tuple[str, ...] = (),
        descriptor: int = -1,
    ) -> None:
        """uv's files are in `root`."""
        self.release, self.report, self.options = release, report, options
        self.host = environ
        self.descriptor = descriptor
        variables = uvtool.resolving(uvtool.variables(environ, root.parent))
        self.environ = {k: v for k, v in variables.items() if k not in OTHERWISE}
        self.environ["UV_PYTHON_DOWNLOADS"] = "never"
        self.pythons: dict[str, interpreters.Interpreter] = {}
        self.root = root
        self.released = date.fromisoformat(release.released)
        self.pinned = dict(release.pins)
        everywhere = bool(options)
        if "tensorflow" in self.pinned and (everywhere or (x86() and not gpus.found(environ))):
            self.pinned["tensorflow-cpu"] = self.pinned.pop("tensorflow")
        self.name = next(n for n in (release.principal[0], "tensorflow-cpu") if n in self.pinned)
        self.why = ""
        self.probing = False
        """Whether it is only being asked if an index answers."""
        self.lacking = ""
        """What could not be reached, without which the lock stands for now alone."""
        self.dated = True
        """Whether the index tells when packages were published."""

    def lock(self) -> str:
        self.report("looking for Python interpreters")
        self.pythons = interpreters.found(self.host, PYTHONS)
        if not self.pythons:
            raise Unresolved(f"no Python from {PYTHONS[0]} to {PYTHONS[-1]} was found")
        self._ask_for_dates(next(iter(self.pythons)))
        for way in self._ways(nearest(self.release.python, self.pythons)):
            text = self._exact(way) or self._stand_in(way)
            if text is not None:
                return locks.for_now(text, self.lacking) if self.lacking else text
        raise Unresolved(
            f"{self.release.family} {self.release.version} cannot be had for Python"
            f" {', '.join(self.pythons)}, nor anything that could stand in: {self.why}"
        )

    def _ask_for_dates(self, python: str) -> None:
        """Learns whether the index tells when packages were published; raises Unresolved where none
        answers at all, before every Python is tried in vain."""
        self.probing = True
        dated = self._run(["pip"], python, date.today())
        if not dated and not self._run(["pip"], python, None):
            raise Unresolved(
                f"{self.release.family} {self.release.version} is resolved at its first need, which"
                f" takes a package index, and none answers: {self.why}"
            )
        self.dated, self.probing = bool(dated), False

    def shipped(self, how: Shipped) -> str:
        """The lock with the torch of today, which every environment of the project has."""
        way = self._newest((how.python,)) if "torch" in self.pinned else _Way("", (), (), ())
        pins = self._pins(way)
        for name in (re.split(r"\W", each)[0] for each in how.wanted):
            pins.pop(name, None)
        when = date.fromisoformat(how.when) if how.when else self.released
        base = locks.pins(locks.text(self.root, "base"))
        client = {name: base[name] for name in CLIENTS if name in base}
        for chosen in (pins, self._main(pins)):
            wanted = _wanted({**chosen, **client}, (*COMMON, *FAMILIES[self.release.family]))
            text = self._run([*wanted, *how.wanted], how.python, when, way.options, way.free)
            if text is not None:
                return f"# python {how.python}\n{text}"
        raise Unresolved(f"{self.release.environment}: {self.why}")

    def _ways(self, pythons: tuple[str, ...]) -> Iterator[_Way]:
        asked = self.pinned.get("torch")
        if asked is None:
            yield _Way("", (), (), pythons)
            return
        if gpus.found(self.host):
            yield _Way(asked, (), (), pythons)
        elif self._pytorch_answers(pythons[-1]):
            yield _Way(asked, ("--torch-backend", "cpu"), (), pythons)
        else:
            self.lacking = f"PyTorch's own index, which has torch {asked} for CPUs, did not answer"
        has = interpreters.with_torch(self.host) or tuple(p for p in PYTHONS if p != "3.9")
        yield self._newest(tuple(p for p in pythons if p in has))

    def _pytorch_answers(self, python: str) -> bool:
        """Whether PyTorch's own index, which alone has CPU builds of old versions, can be reached."""
        patient, hasty = self.environ, {"UV_HTTP_RETRIES": "1", "UV_HTTP_TIMEOUT": "10"}
        self.environ, self.probing = {**patient, **hasty}, True
        try:
            return bool(self._run(["torch"], python, None, ("--no-deps", "--torch-backend", "cpu")))
        finally:
            self.environ, self.probing = patient, False

    def _newest(self, pythons: tuple[str, ...]) -> _Way:
        """The torch that the project's own environments have."""
        return _Way(locks.pins(locks.text(self.root, "pytorch"))["torch"], (), TORCH, pythons)

    def _exact(self, way: _Way) -> str | None:
        """The lock with the promised versions; None where no Python has them."""
        pins = self._pins(way)
        for python in way.pythons:
            if text := self._resolved(pins, python, self.released, way):
                return text
        return None

    def _stand_in(self, way: _Way) -> str | None:
        """The lock with the nearest version of the principal package; None where there is none."""
        name, asked = self.name, self.pinned[self.name]
        torch = way.torch and (f"torch=={way.torch}" if way.free else f"torch>={way.torch}")
        for end in (f",<{int(asked.split('.')[0]) + 1}", ""):
            nearest_ones: dict[str, dict[str, str]] = {}
            for python in way.pythons:
                first = torch if way.free and name == "torch" else f"{name}>={asked}{end}"
                wanted = [first, *([torch] if torch and name != "torch" else ())]
                text = self._run(wanted, python, None, (*way.options, "--resolution=lowest-direct"))
                if text:
                    nearest_ones[python] = self._main(locks.pins(text))
            for python in sorted(nearest_ones, key=lambda p: numbers(nearest_ones[p][name])):
                pins = nearest_ones[python]
                for when in _later(self.released):
                    if text := self._resolved(pins, python, when, way):
                        return text
        return None

    def _pins(self, way: _Way) -> dict[str, str]:
        return {**self.pinned, **({"torch": way.torch} if way.torch else {})}

    def _main(self, pins: Mapping[str, str]) -> dict[str, str]:
        """Of `pins` what the image's tags promise."""
        principals = (self.name, "torch", "tensorflow", "tensorflow-cpu")
        return {each: version for each, version in pins.items() if each in principals}

    def _resolved(self, pins: Mapping[str, str], python: str, when: date, way: _Way) -> str | None:
        """The lock of all that the image has, else of what its tags promise and the usual, else of
        what they promise alone; None where not even that can be had."""
        main = self._main(pins)
        more = (*COMMON, *FAMILIES[self.release.family])
        self.report(f"resolving for Python {python} as of {when}")
        least = self._run(_wanted(main, CLIENT), python, when, way.options, way.free)
        if least is None:
            return None
        when = self._with_the_usual(main, python, when, way)
        for chosen in (pins, main):
            text = self._run(_wanted(chosen, more), python, when, way.options, way.free)
            if text is not None:
                return f"# python {python}\n{text}"
        # The release's time lacks some of them for this Python.
        kept, chosen = CLIENT, main
        if text := self._run(_wanted(pins, CLIENT), python, when, way.options, way.free):
            chosen, least = pins, text
        for name in more:
            wanted = _wanted(chosen, (*kept, name))
            if text := self._run(wanted, python, when, way.options, way.free):
                kept, least = (*kept, name), text
        return f"# python {python}\n{least}"

    def _with_the_usual(self, main: Mapping[str, str], python: str, when: date, way: _Way) -> date:
        """The first day from `when` on as of which this Python has the usual packages too; `when`
        where there is none.

        A Python newer than the release had no wheels of them on its day: torch 1.5's of 2020 on
        Python 3.11, which alone may have the torch that stands in.
        """
        wanted = _wanted(main, (*CLIENT, *USUAL))
        for later in _later(when) if self.dated else (when,):
            if later != when:
                self.report(f"resolving for Python {python} as of {later}")
            if self._run(wanted, python, later, way.options, way.free):
                return later
        return when

    def _run(
        self,
        wanted: Sequence[str],
        python: str,
        when: date | None,
        options: Sequence[str] = (),
        free: Sequence[str] = (),
    ) -> str | None:
        """uv's lock of the requirements `wanted`; None where there is none."""
        source = self.root / "wanted.in"
        command = ["pip", "compile", "-q", "--no-header", "--no-annotate", "--no-emit-index-url"]
        command += ["--prerelease", "if-necessary-or-explicit"]
        if not any(option.startswith("--resolution") for option in options):
            command.append("--resolution=highest")
        here = self.pythons.get(python)
        which = ["--python", str(here.executable)] if here else ["--python-version", python]
        command += [*which, *options, *self.options]
        command += ["--excludes", str(locks.shipped("cuda-excludes.txt"))]
        command += wheels.only_binary(())
        target, bounds = source.with_suffix(".lock"), source.with_suffix(".bounds")
        if when is not None and not self.dated:
            command += ["-c", str(bounds)]
        elif when is not None:
            command += ["--exclude-newer", when.isoformat()]
            for name in (*CLIENTS, *free):
                command += ["--exclude-newer-package", f"{name}={date.today() + timedelta(days=1)}"]
        try:
            source.write_text("".join(f"{line}\n" for line in wanted))
            before = [f"{name}<{v}" for name, v, day in BREAKS if when and when < day]
            bounds.write_text("".join(f"{line}\n" for line in before))
            target.unlink(missing_ok=True)  # uv keeps to what its output file holds
            arguments = [*command, "-o", str(target), str(source)]
            uvtool.run(arguments, self.environ, lock=self.descriptor)
            return target.read_text()
        except UvFailed as error:
            self.why = str(error)
            if UNREACHED.search(self.why) and not self.probing:
                raise Unresolved(f"{self.release.environment}: {self.why}") from error
            return None


def _wanted(pins: Mapping[str, str], others: Iterable[str]) -> list[str]:
    """The requirements: what is pinned, and the `others` in any version."""
    pinned = [f"{name}=={version}" for name, version in pins.items()]
    return pinned + [name for name in others if name not in pins]


def nearest(asked: str, found: Iterable[str]) -> tuple[str, ...]:
    """The Pythons `found`, nearest to `asked` first; of two equally near, the newer."""
    minor = lambda version: int(version.partition(".")[2])  # noqa: E731
    return tuple(sorted(found, key=lambda v: (abs(minor(v) - minor(asked)), -minor(v))))


def _later(start: date) -> Iterator[date]:
    """Dates from `start` on at which what stands in may be found."""
    when = start
    while when <= min(start + LAST, date.today()):
        yield when
        when += STEP
