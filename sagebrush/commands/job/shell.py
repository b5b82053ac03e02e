"""`jobs shell`: a shell, or one command, inside a live job, with no more rights than the job."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import termios
import threading
import tty
from collections.abc import Iterator, Sequence
from pathlib import Path

from sagebrush import services
from sagebrush.commands import places, running
from sagebrush.commands.job import inside
from sagebrush.commands.running import CommandError
from sagebrush.compute.containers import container
from sagebrush.compute.containers.engines import Engines
from sagebrush.compute.shim import exec as visit
from sagebrush.net import dial

PROMPT = "[{name}] \\u@\\h:\\w\\$ "
BLOCK = 65536
LAST = 0.2
"""Seconds for which output is still awaited after the end, where something else holds the pipe."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `jobs shell`."""
    parser.usage = "sagebrush jobs shell [--region REGION] NAME [--host algo-2] [-- COMMAND …]"
    parser.add_argument("name", metavar="NAME", help="a job, endpoint or notebook that runs")
    places.add_argument(parser)
    parser.add_argument("--host", default="", help="which of its instances (default: the first)")
    parser.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="instead of a shell"
    )


def run(args: argparse.Namespace) -> int:
    """Runs it; returns its exit status. Raises CommandError when the job cannot be entered."""
    host, command = _split(args.command, args.host)
    chosen = running.settings()
    each = inside.find(chosen, args.name, host, args.region, places.account(chosen, args))
    place = inside.directory(chosen, each)
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if (place / "container.json").exists():
        return _contained(place, command, terminal)
    env = {"TERM": os.environ.get("TERM", "dumb")} if terminal else {}
    # a job that took over a warm pool's process was launched without its variables
    if variable := services.running()[each.kind].variable:
        env[variable] = args.name
    if not command:
        env["PS1"] = PROMPT.format(name=args.name)
    try:
        talk = dial.control(place / "ctl", "exec")
    except OSError as error:
        raise CommandError(f"{args.name} has ended") from error
    talk.settimeout(None)
    with talk:
        try:
            if terminal:
                return _in_terminal(talk, command, env)
            return _by_pipes(talk, command, env)
        except visit.Refused as error:
            raise CommandError(f"{args.name}: {error}") from error


def _split(words: Sequence[str], host: str) -> tuple[str, list[str]]:
    """(host, command) from the arguments after the name, which argparse takes as the command."""
    left = list(words)
    if left[:1] == ["--host"] and left[1:2]:
        host, left = left[1], left[2:]
    elif left and left[0].startswith("--host="):
        host, left = left[0].partition("=")[2], left[1:]
    return host, left[1:] if left[:1] == ["--"] else left


def _in_terminal(talk: socket.socket, command: Sequence[str], env: dict[str, str]) -> int:
    """The program has a terminal of its own, which this terminal shows."""
    master, slave = os.openpty()
    _resize(master)
    try:
        visit.ask(talk, command, env, [slave] * 3, tty=True)
    finally:
        os.close(slave)
    before = signal.signal(signal.SIGWINCH, lambda *_: _resize(master))
    try:
        with _raw(sys.stdin.fileno()):
            return _carry(talk, {master: sys.stdout.fileno(), sys.stdin.fileno(): master})
    finally:
        signal.signal(signal.SIGWINCH, before)
        os.close(master)


def _resize(master: int) -> None:
    """The inner terminal is as large as this one."""
    with contextlib.suppress(OSError):
        size = fcntl.ioctl(sys.stdout.fileno(), termios.TIOCGWINSZ, bytes(8))
        fcntl.ioctl(master, termios.TIOCSWINSZ, size)


@contextlib.contextmanager
def _raw(fd: int) -> Iterator[None]:
    """Every key goes through as it is."""
    before = termios.tcgetattr(fd)
    try:
        tty.setraw(fd)
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def _by_pipes(talk: socket.socket, command: Sequence[str], env: dict[str, str]) -> int:
    """The program has pipes, never this process's own files or terminal."""
    theirs_in, ours_in = os.pipe()
    ours_out, theirs_out = os.pipe()
    ours_err, theirs_err = os.pipe()
    given = [theirs_in, theirs_out, theirs_err]
    try:
        visit.ask(talk, command, env, given, tty=False)
    finally:
        for fd in given:
            os.close(fd)
    threading.Thread(target=_feed, args=(ours_in,), daemon=True).start()
    return _carry(talk, {ours_out: sys.stdout.fileno(), ours_err: sys.stderr.fileno()})


def _feed(to: int) -> None:
    """Standard input is copied to the program, and its end too."""
    with contextlib.suppress(OSError):
        while data := os.read(sys.stdin.fileno(), BLOCK):
            _write(to, data)
    os.close(to)


def _carry(talk: socket.socket, ways: dict[int, int]) -> int:
    """Input and output were copied until the program ended; returns its exit status."""
    poll = select.poll()
    for fd in (talk.fileno(), *ways):
        poll.register(fd, select.POLLIN)
    status: int | None = None
    while True:
        ready = [fd for fd, _ in poll.poll(None if status is None else LAST * 1000)]
        if status is not None and not ready:
            return status
        for fd in ready:
            if fd == talk.fileno():
                poll.unregister(fd)
                status = _status(talk)
                if sys.stdin.fileno() in ways:
                    poll.unregister(sys.stdin.fileno())
                    del ways[sys.stdin.fileno()]
            elif fd in ways and not _pass_on(fd, ways[fd]):
                poll.unregister(fd)
                del ways[fd]
        if status is not None and not ways:
            return status


def _status(talk: socket.socket) -> int:
    """The program's exit status, as the job's side reports it; raises CommandError without one."""
    word, rest = visit.hear(talk)
    if word == "exit":
        return int(rest)
    raise CommandError("the job has ended")


def _pass_on(source: int, target: int) -> bool:
    """Copies some bytes; False when there will be no more."""
    try:
        data = os.read(source, BLOCK)
        _write(target, data)
    except OSError:  # a terminal whose programs have all ended
        return False
    return bool(data)


def _write(to: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(to, view) :]


def _contained(place: Path, command: Sequence[str], terminal: bool) -> int:
    """The same in a container, by the engine's own program; raises CommandError without that."""
    spec, engine = inside.spec(place), Engines().find()
    if spec is None or engine is None:
        raise CommandError("it runs in a container, and no container engine answers now")
    name = "podman" if engine.podman else "docker"
    tool = shutil.which(name)
    if tool is None:
        raise CommandError(f"it runs in a container of {engine.name}, and there is no {name} here")
    words = [tool, "--url" if engine.podman else "--host", engine.url, "exec", "-i"]
    words += [*(["-t"] if terminal else []), container.name(spec)]
    shell = ["sh", "-c", "exec $(command -v bash || echo sh)"]
    return subprocess.run([*words, *(command or shell)], check=False).returncode
