"""The frame around the programs of Comprehend's jobs: signals, exit status, and what is told of a failure.

What a program says, in its log or of its failure, has nothing of a document: of an error that nobody
foresaw it tells the type and the place in the code.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

from . import told
from .failures import JobFailed
from .told import Told

Stopping = Callable[[], bool]
Work = Callable[[Told, Path, Stopping], None]
"""(job, folder for its files, whether to end with what there is)."""
MESSAGE = 1024
"""Bytes that are told."""


class Stopped(Exception):
    """The work was told to stop, and leaves nothing."""


def run(work: Work, arguments: list[str]) -> int:
    """The exit status of the work on the job that the arguments tell of, as `framed` has it."""
    return framed(lambda folder, stopping: work(told.read(arguments), folder, stopping))


def framed(work: Callable[[Path, Stopping], None]) -> int:
    """The exit status of the work: 0, also where it was stopped, else 1 with the job's Message in
    /opt/ml/output/message. `work` takes a folder for its files, and whether to end."""
    stopping = threading.Event()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda _number, _frame: stopping.set())
    root = Path(os.environ.get("SAGEBRUSH_ML", "/opt/ml"))
    folder = root / "processing" / "work"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        work(folder, stopping.is_set)
    except Stopped:
        say("Stopped")
    except JobFailed as error:
        return _failed(root, str(error))
    except Exception as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else where(error)
        return _failed(root, f"INTERNAL_SERVER_ERROR: The job failed: {why}.")
    return 0


def where(error: BaseException) -> str:
    """The type of the error and the place that raised it; its own text may quote a document."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"


def say(text: str) -> None:
    """The job's log has the text."""
    print(text, file=sys.stderr, flush=True)


def _failed(root: Path, message: str) -> int:
    say(message)
    folder = root / "output"
    folder.mkdir(parents=True, exist_ok=True)
    text = message.encode()[:MESSAGE].decode(errors="ignore")
    (folder / "message").write_text(text, encoding="utf-8")
    (folder / "failure").write_text(text, encoding="utf-8")
    return 1
