"""A training job's process that waits, with modules loaded, for the job that it will run.

It listens on PORT inside its sandbox. One connection asks `ready`; another brings the job: a line of
JSON with `argv`, `env` and `banner`. From then on this process is that job's, for any argv.
Until then nothing of any user has run here. Standard library only.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a script: /opt/sagebrush/toolkit/training/warm.py
    sys.path[0] = str(Path(__file__).resolve().parents[3])

PORT = 7070
LIMIT = 16 << 20
"""Bytes of the message that brings a job."""


def main(argv: list[str]) -> int:
    """The exit status of the job that came; `argv` are the modules to load beforehand."""
    loaded = preloaded(argv)
    job = await_job(int(os.environ.get("SAGEMAKER_BIND_TO_PORT") or PORT), loaded)
    if job["banner"]:
        print(job["banner"], flush=True)
    os.environ.pop("SAGEMAKER_BIND_TO_PORT", None)
    os.environ.update(job["env"])  # how AWS is reached may be known from the start alone
    toolkit = str(Path(__file__).with_name("train.py"))
    if job["argv"][:2] != [sys.executable, toolkit] or len(job["argv"]) > 2:
        loaded.kill()
        loaded.wait()
        os.chdir(os.environ.get("SAGEBRUSH_ML", "/opt/ml"))
        os.execvpe(job["argv"][0], job["argv"], os.environ)
    os.chdir(os.environ.get("SAGEBRUSH_ML", "/opt/ml"))
    from sagebrush.toolkit.training import train

    return train.main(os.environ, loaded)


def preloaded(modules: list[str]) -> subprocess.Popen[bytes]:
    """An interpreter that loads `modules` and then waits for the script that it will run."""
    child = str(Path(__file__).with_name("preload.py"))
    return subprocess.Popen(
        [sys.executable, child, *modules],
        stdin=subprocess.PIPE,
        stdout=None,
        stderr=subprocess.PIPE,
    )


def await_job(port: int, loaded: subprocess.Popen[bytes]) -> dict[str, Any]:
    """The job that the platform brings. `ready` is answered once the modules are loaded."""
    # train.py is loaded while no job waits
    from sagebrush.toolkit.training import train  # noqa: F401

    # what the child says first, on the stream that will carry the script's errors
    said = os.read(loaded.stderr.fileno(), 1) if loaded.stderr else b""
    with socket.create_server(("127.0.0.1", port), backlog=4) as server:
        while True:
            talk, _ = server.accept()
            with talk:
                if (message := _received(talk)) is None:
                    continue
                if message == {"ask": "ready"}:
                    talk.sendall(b"ready\n" if said else b"cold\n")
                    continue
                talk.sendall(b"taken\n")
                return message


def _received(talk: socket.socket) -> dict[str, Any] | None:
    """The message of one connection, or None if it is not one."""
    talk.settimeout(10.0)
    data = b""
    try:
        while not data.endswith(b"\n") and len(data) < LIMIT:
            block = talk.recv(65536)
            if not block:
                return None
            data += block
        found = json.loads(data)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
