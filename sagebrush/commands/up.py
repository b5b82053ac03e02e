"""`up`: the server runs, in this terminal or in the background."""

from __future__ import annotations

import argparse
import errno
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sagebrush.commands import running
from sagebrush.commands.running import CommandError, Server
from sagebrush.settings import Settings

START_SECONDS = 60.0
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
OUTPUT = "logs/up.log"
"""What the server in the background prints; what it logs is in `logs/server.log`."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `up`."""
    parser.add_argument("-d", "--detach", action="store_true", help="run in the background")
    parser.add_argument("--host", help="address to bind (default 127.0.0.1 and ::1)")
    parser.add_argument("--port", type=int, help="HTTP port; TLS is on the next (default 4566)")
    parser.add_argument("--home", type=Path, help="data directory")
    parser.add_argument(
        "--insecure", action="store_const", const=True, help="allow plain HTTP beyond this machine"
    )


def run(args: argparse.Namespace) -> int:
    """Starts the server; returns when it ended, or with --detach when it answers."""
    chosen = running.settings(
        home=args.home, host=args.host, port=args.port, insecure=args.insecure
    )
    if server := running.find(chosen):
        raise CommandError(f"already running (pid {server.pid}) at {server.url}")
    if args.detach:
        server = detach(chosen)
        state = running.state(chosen)
        print(banner(state, server.url))
        return 0
    return _foreground(chosen)


def detach(chosen: Settings) -> Server:
    """The server runs in the background and answers; raises CommandError with its last words."""
    log = chosen.home / OUTPUT
    try:
        for folder in (chosen.home, log.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        output = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    except OSError as error:
        raise unwritable(chosen, error) from error
    argv = [sys.executable, "-m", "sagebrush", "up", "--home", str(chosen.home)]
    argv += ["--host", chosen.host, "--port", str(chosen.port)]
    argv += ["--insecure"] if chosen.insecure else []
    with open(output, "ab") as out:
        start = out.tell()
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    try:
        server = _answering(chosen, process)
    except BaseException:
        process.terminate()
        process.wait()  # so that nothing of it is left when this process has ended
        raise
    if server is not None:
        return server
    if process.poll() is None:
        process.terminate()
        raise CommandError(f"the server did not answer within {START_SECONDS:.0f} s; see {log}")
    said = log.read_bytes()[start:].decode(errors="replace").strip().removeprefix("sagebrush: ")
    raise CommandError(said or f"the server ended at once (status {process.returncode})")


def _answering(chosen: Settings, process: subprocess.Popen[bytes]) -> Server | None:
    """The server once it answers; None when it ended or takes too long."""
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        server = running.find(chosen)
        if server and server.pid == process.pid and running.health(chosen, server):
            return server
        time.sleep(0.05)
    return None


def _foreground(chosen: Settings) -> int:
    from sagebrush import app

    try:
        return app.run(chosen, lambda state: print(banner(state), flush=True))
    except OSError as error:
        if error.errno in UNWRITABLE or error.filename is not None:
            raise unwritable(chosen, error) from error
        if error.errno not in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
            raise
        raise CommandError(refusal(chosen, error)) from error
    except RuntimeError as error:
        raise CommandError(str(error)) from error


def unwritable(chosen: Settings, error: OSError) -> CommandError:
    """Why the data directory cannot be used, and what chooses another."""
    return CommandError(
        f"the data directory {chosen.home} cannot be used: {error.strerror}; name another: --home, "
        "or SAGEBRUSH_HOME"
    )


def refusal(chosen: Settings, error: OSError) -> str:
    """Why the address could not be bound, and the flag that chooses another."""
    if error.errno == errno.EADDRINUSE:
        for port in (chosen.port, chosen.port + 1):
            if running.taken(port):
                who = running.occupant(port)
                return f"port {port} is taken by {who}; choose another: sagebrush up --port 4600"
    return f"cannot listen on {chosen.host} port {chosen.port}: {error.strerror or error}"


def banner(state: Mapping[str, Any], url: str = "") -> str:
    """The few lines that are printed at the start."""
    server = running.server(state)
    lines = [
        f"Sagebrush {state.get('version', '')} answers at {url or server.url}"
        f" (TLS: {server.tls_port})",
        f"  data       {state.get('home', '')}",
        f"  isolation  {state.get('isolation', 'unknown')}",
        *(f"  ! {warning}" for warning in state.get("warnings", ())),
        '  in your shell: eval "$(sagebrush env)"',
    ]
    return "\n".join(lines)
