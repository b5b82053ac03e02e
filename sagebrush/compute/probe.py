"""Tells what this host can isolate by running the whole sandbox around a program that does nothing."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from sagebrush.compute.base import Exited, Gone, Spec


@dataclass(frozen=True)
class Check:
    """One thing that was tried; `cure` says what a person can do about a failure."""

    check: str
    ok: bool
    detail: str = ""
    cure: str = ""


def works() -> bool:
    """Whether the whole sandbox works here."""
    return sandboxed().ok


def sandboxed() -> Check:
    """The sandbox, tried."""
    try:
        ended = run(["/bin/sh", "-c", "exit 0"])
    except (OSError, ValueError) as error:
        return Check("sandbox", False, str(error))
    if ended.code == 0 and not ended.reason:
        return Check("sandbox", True, "every step of the sandbox worked")
    return Check("sandbox", False, ended.reason or f"the program ended with {ended.code}")


def run(argv: list[str], seconds: float = 20.0) -> Exited:
    """How `argv` ended in a sandbox of its own, with everything on."""
    from sagebrush.compute.local import LocalBackend

    done = threading.Event()
    with tempfile.TemporaryDirectory(prefix="sagebrush-probe-") as directory:
        jobs = Path(directory) / "jobs"
        jobs.mkdir()
        backend = LocalBackend(jobs, lambda *_: None, lambda _: done.set(), isolation="sandbox")
        try:
            backend.launch(
                Spec(
                    key="probe",
                    argv=argv,
                    env={"PATH": "/usr/bin:/bin"},
                    root=jobs / "probe",
                    listeners=("aws", "credentials", "egress"),
                    time_limit=seconds,
                    grace=0,
                )
            )
            while not isinstance(state := backend.poll("probe"), Exited | Gone):
                done.wait(seconds)
                done.clear()
            backend.forget("probe")
        finally:
            backend.close()
    return state if isinstance(state, Exited) else Exited(125, "sandbox: it never started")
