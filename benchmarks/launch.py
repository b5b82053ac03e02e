"""Job launch: from `launch` to the program's first line, beside the floor of starting it by hand.

    python benchmarks/launch.py [RUNS]

Prints the median and the least of RUNS (default 20) in milliseconds, alternating the four ways so
that the machine's mood falls on all alike.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from sagebrush.compute.base import Exited, Running, Spec
from sagebrush.compute.local import probe
from sagebrush.compute.local.backend import LocalBackend

Way = Callable[[str], dict[str, float]]
PROGRAM = ["/bin/date", "+%s.%N"]


class Launcher:
    """Launches jobs with one isolation and tells how long each stage took."""

    def __init__(self, home: Path, isolation: str) -> None:
        self.changed = threading.Event()
        self.jobs = home / "jobs"
        self.jobs.mkdir(parents=True)
        self.backend = LocalBackend(
            self.jobs, lambda *_: None, lambda _: self.changed.set(), isolation
        )

    def once(self, key: str) -> dict[str, float]:
        """Milliseconds from `launch` to its return, the exec, the first line, the end known."""
        root = self.jobs / key
        cwd = "/opt/ml" if self.backend.isolation == "sandbox" else str(root / "ml")
        listeners = ("aws", "credentials", "egress")
        spec = Spec(key, PROGRAM, {}, root, cwd=cwd, listeners=listeners)
        begun, wall = time.perf_counter(), time.time()
        self.backend.launch(spec)
        returned = time.perf_counter() - begun
        while not isinstance(state := self.backend.poll(key), Exited):
            self.changed.wait(1)
            self.changed.clear()
        known = time.perf_counter() - begun
        assert state.code == 0, state
        (line,) = self.backend.logs(key)
        return {
            "launch() returns": returned * 1000,
            "program runs": (state.started - wall) * 1000,
            "program's first line": (float(line.text) - wall) * 1000,
            "end known": known * 1000,
        }

    def poll(self) -> float:
        """Microseconds of a `poll` of a running job."""
        root = self.jobs / "poll"
        self.backend.launch(Spec("poll", ["/bin/sleep", "60"], {}, root, cwd="/"))
        while not isinstance(self.backend.poll("poll"), Running):
            self.changed.wait(0.1)
        begun = time.perf_counter()
        for _ in range(1000):
            self.backend.poll("poll")
        took = time.perf_counter() - begun
        self.backend.forget("poll")
        return took * 1000


def by_hand() -> dict[str, float]:
    """Starting the program and reading its line, with nothing around it."""
    begun, wall = time.perf_counter(), time.time()
    done = subprocess.run(PROGRAM, capture_output=True, text=True, check=True)
    known = time.perf_counter() - begun
    return {"program's first line": (float(done.stdout) - wall) * 1000, "end known": known * 1000}


def interpreter() -> dict[str, float]:
    """An interpreter that does nothing: the floor of a supervisor written in Python."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], check=True)
    return {"end known": (time.perf_counter() - begun) * 1000}


def main() -> None:
    """Prints the table and, as its last line, the figures as JSON."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory(prefix="sagebrush-benchmark-") as place:
        ways: dict[str, Way] = {
            "by hand": lambda _: by_hand(),
            "an idle interpreter": lambda _: interpreter(),
        }
        launchers: dict[str, Launcher] = {}
        for isolation in ("process", "sandbox") if probe.sandboxed().ok else ("process",):
            launcher = launchers[isolation] = Launcher(Path(place) / isolation, isolation)
            ways[isolation] = launcher.once
        figures: dict[str, dict[str, list[float]]] = {way: {} for way in ways}
        for number in range(runs):
            for way, run in ways.items():
                for stage, value in run(f"job-{number}").items():
                    figures[way].setdefault(stage, []).append(value)
        load = os.getloadavg()[0]
        print(f"ms, median (least) of {runs}; load {load:.1f} on {os.cpu_count()} processors")
        for way, stages in figures.items():
            for stage, values in stages.items():
                print(f"{way:20} {stage:22} {statistics.median(values):7.1f} ({min(values):.1f})")
        for isolation, launcher in launchers.items():
            print(f"{isolation:20} {'poll (µs)':22} {launcher.poll():7.1f}")
            launcher.backend.close()
    medians = {
        way: {stage: round(statistics.median(values), 2) for stage, values in stages.items()}
        for way, stages in figures.items()
    }
    print(json.dumps(medians))


if __name__ == "__main__":
    main()
