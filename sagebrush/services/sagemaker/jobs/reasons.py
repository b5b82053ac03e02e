"""FailureReason: why a training job failed, in one text of at most 1,024 characters."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from sagebrush.compute.base import Backend, Exited, Limits
from sagebrush.scheduler.members import Member
from sagebrush.workload import dirfd, log_lines

FULL = 16 << 20
"""Bytes of free disk below which it is called full; some are kept back for rows (`store.db`)."""
LIMIT = 1024
"""Characters of a FailureReason, and of /opt/ml/output/failure ("How Amazon SageMaker AI Signals
Algorithm Success and Failure" in the developer guide: the first 1,024)."""


def platform(state: Exited) -> str:
    """The reason where the platform, not the job, is to blame."""
    if state.reason == "lost":
        return (
            "InternalServerError: We encountered an internal error. Please try again. (The job's"
            " processes are gone and no exit status was recorded: lost.)"
        )
    step = state.message or state.reason.removeprefix("sandbox:").strip()
    if step.startswith("exec: "):  # the request named something that cannot be executed
        why = step.removeprefix("exec: ")
        return f"ClientError: the container's entry point could not be run: {why}"[:LIMIT]
    if step.startswith("pull: "):
        return f"ClientError: the image could not be pulled: {step.removeprefix('pull: ')}"[:LIMIT]
    return f"InternalServerError: the job could not be started: {step}"[:LIMIT]


def of_instance(name: str, reason: str) -> str:
    """`reason` with the name of the instance that it is about."""
    kind, colon, rest = reason.partition(": ")
    if not colon or " " in kind:
        return f"{name}: {reason}"[:LIMIT]
    return (reason if name in rest else f"{kind}: {name}: {rest}")[:LIMIT]


def algorithm(
    backend: Backend,
    where: tuple[Member, Path],
    state: Exited,
    limits: Limits,
    seen: int,
    note: Callable[[str], str] = lambda _text: "",
) -> str:
    """The reason when a job's program failed: out of memory, its failure file, its traceback.

    `where` is the instance's name and its directory; `note(text)` is what is to be added at the end of
    a failure with that text.
    """
    member, root = where
    key = member.key
    if state.reason == "oom":
        return out_of_memory(state, limits, member.name)
    if state.reason == "input":
        return f"ClientError: Data download failed:{state.message}"[:LIMIT]
    code = state.code if state.code >= 0 else 128 - state.code
    text, logged = failure_file(root), False
    if not text or log_lines.WRAPPER in text:
        trace = log_lines.traceback_of(log_lines.tail(backend, key, seen)).strip()
        logged = not text or log_lines.WRAPPER in trace
        # SDK v3's launcher writes of itself: the script's own exception is the cause
        text = trace if logged else f"{trace.rsplit(chr(10), 1)[-1]}\n{text}"
    if not text and shutil.disk_usage(root).free < FULL:  # so its log could not be kept either
        text = "No space left on device: the disk is full, and the program could say no more"
    end = f", exit code: {code}{note(text)}"
    # built-in algorithms write whether the user or the algorithm is at fault
    whose = "" if text.startswith(("ClientError:", "AlgorithmError:")) else "AlgorithmError: "
    room = LIMIT - len(whose) - len(end)
    if logged and len(text) > room:  # of a long traceback the end says what happened
        return f"{whose}…{text[-(room - 1) :]}{end}"
    return f"{whose}{text[:room]}{end}"


def out_of_memory(state: Exited, limits: Limits, name: str = "algo-1") -> str:
    """Names the instance, the size that was exceeded and the instance type."""
    size = f"{limits.memory / 2**30:.3g} GiB of {limits.name}"
    peak = f"peak {state.peak_memory / 2**20:.0f} MiB, " if state.peak_memory else ""
    return (
        f"OutOfMemory: {name} exceeded {size} ({peak}exit {state.code}). Please use an instance"
        " type with more memory, or reduce the size of training data processed on an instance."
    )


def failure_file(root: Path) -> str:
    """The text of /opt/ml/output/failure, when it is a regular file; "" otherwise."""
    try:
        with dirfd.opened(root / "ml") as ml:
            return dirfd.read_text(ml, ("output", "failure"), LIMIT)
    except OSError:
        return ""
