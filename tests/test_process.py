"""The server process: a signal ends it, whenever it comes."""

from __future__ import annotations

import errno
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from sagebrush import process

ENDS = """
import os, pathlib, signal, sys
from sagebrush import process

class Served:
    def start(self): pass
    def stop(self): pass
    def stop_jobs(self, impatient): pass
    def state(self): return dict.fromkeys(("version", "pid", "port", "tls_port", "isolation"), 1)

def on_call(frame, event, called):
    if event == "c_call" and called.__name__ in ("acquire", "recv"):
        sys.setprofile(None)
        os.kill(os.getpid(), signal.SIGTERM)

# What waits for a signal, by a lock or a socket, gets it just before.
sys.exit(process.run(pathlib.Path(sys.argv[1]), Served, lambda state: sys.setprofile(on_call)))
"""


def test_a_signal_just_before_the_wait_for_one_is_heard(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    subprocess.run([sys.executable, "-c", ENDS, str(tmp_path)], check=True, timeout=60)


def test_a_log_on_a_full_disk_says_nothing_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuses(error: Exception) -> None:
        handler = process.LogFile(tmp_path / "log")
        handler.setFormatter(Refusing(error))
        handler.handle(logging.LogRecord("n", logging.INFO, __file__, 1, "text", None, None))
        handler.close()

    refuses(OSError(errno.ENOSPC, "No space left on device"))
    assert capsys.readouterr().err == ""
    refuses(TypeError("not all arguments converted"))
    assert "Logging error" in capsys.readouterr().err


class Refusing(logging.Formatter):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def format(self, record: logging.LogRecord) -> str:
        raise self.error
