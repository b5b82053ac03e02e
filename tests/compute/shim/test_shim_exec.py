"""Programs that visit a live job: what they see, what they may, how they and the job end."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import struct
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sagebrush.compute import record
from sagebrush.compute.base import Limits
from sagebrush.compute.shim import cgroup
from sagebrush.compute.shim import exec as visit
from sagebrush.net import dial
from tests.compute.live_jobs import Jobs

pytestmark = [pytest.mark.sandbox, pytest.mark.ordinary]
LIVES = "echo private > /tmp/visited; echo up; while [ ! -e ml-end ]; do sleep 0.05; done; exit 7"

SEEN = (b"sleep\x0060", b"ml-end")
"""What the command lines of a visitor and of the job's program hold."""


def asked(jobs: Jobs, key: str = "job") -> socket.socket:
    return dial.control(jobs.directory / key / "ctl", "exec")


def visited(jobs: Jobs, *argv: str, **env: str) -> tuple[int, str]:
    """(exit status, output) of a program beside the job."""
    read, write = os.pipe()
    null = os.open("/dev/null", os.O_RDONLY)
    with asked(jobs) as talk, open(read, errors="replace") as output:
        try:
            visit.ask(talk, argv, env, [null, write, write], tty=False)
        finally:
            os.close(write)
            os.close(null)
        said = output.read()
        word, status = visit.hear(talk)
    assert word == "exit"
    return int(status), said


def until(test: Callable[[], object]) -> None:
    limit = time.monotonic() + 20
    while not test():
        assert time.monotonic() < limit
        time.sleep(0.02)


@pytest.fixture
def live(jobs: Jobs) -> Jobs:
    """A job that lives until the file ml-end is in its working directory, and exits with 7."""
    jobs.launch(["/bin/sh", "-c", LIVES], limits=Limits(cpu=1, memory=1 << 28), env={"MINE": "yes"})
    jobs.says("up")
    jobs.running()
    return jobs


def finish(jobs: Jobs) -> int:
    (jobs.directory / "job" / "ml" / "ml-end").touch()
    return jobs.ended().code


def test_it_has_the_jobs_files_and_environment_and_its_own_status(live: Jobs) -> None:
    status, said = visited(
        live, "sh", "-c", "cat /tmp/visited; echo $MINE $ALSO; pwd; exit 5", ALSO="so"
    )
    ml = str(live.directory / "job" / "ml") if live.backend.isolation == "process" else "/opt/ml"
    assert (status, said) == (5, f"private\nyes so\n{ml}\n")
    assert visited(live, "sh", "-c", "kill -9 $$")[0] == 128 + 9
    assert finish(live) == 7


def test_a_command_that_is_not_there_is_refused(live: Jobs) -> None:
    with pytest.raises(visit.Refused, match="nowhere: No such file"):
        visited(live, "nowhere")
    assert visited(live, "true")[0] == 0


def test_without_a_command_it_is_a_shell(live: Jobs) -> None:
    read, write = os.pipe()
    their, ours = os.pipe()
    with asked(live) as talk:
        visit.ask(talk, [], {}, [their, write, write], tty=False)
        os.close(their)
        os.close(write)
        os.write(ours, b"echo $((6 * 7)); exit 4\n")
        assert os.read(read, 100) == b"42\n"
        assert visit.hear(talk) == ("exit", "4")
    os.close(ours)
    os.close(read)


@pytest.mark.parametrize("isolation", ["sandbox"], indirect=True)
def test_it_sees_the_job_and_nothing_of_the_host(live: Jobs) -> None:
    processes = visited(live, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")[1]
    assert "ml-end" in processes  # the job's own program
    assert "pytest" not in processes
    own = str(live.directory)
    assert visited(live, "ls", own)[0] != 0
    assert "eth" not in visited(live, "cat", "/proc/net/dev")[1]


@pytest.mark.parametrize("isolation", ["sandbox"], indirect=True)
def test_it_is_where_the_job_is(live: Jobs) -> None:
    """The same user, namespaces and control groups as the job's program."""
    of = "readlink /proc/{0}/ns/* ; grep -E '^(Uid|Gid|Groups|Cap|NoNew|Seccomp:)' /proc/{0}/status"
    mine = visited(live, "sh", "-c", of.format("self"))[1]
    assert mine == visited(live, "sh", "-c", of.format("2"))[1]
    assert "NoNewPrivs:\t1" in mine
    assert mine.count("0000000000000000") == 5  # no capability of any sort

    talk, read = asked(live), os.pipe()
    with talk:
        visit.ask(talk, ["sleep", "60"], {}, [read[0], read[1], read[1]], tty=False)
        told = record.read(live.directory / "job", "spec.json")
        state = record.read(live.directory / "job", "state.json")
        assert told is not None
        assert state is not None
        inside = cgroup.descendants(state["pid"])
        named = {Path(f"/proc/{pid}/cmdline").read_bytes(): pid for pid in inside}
        mine, theirs = (next(named[line] for line in named if text in line) for text in SEEN)
        groups = [Path(f"/proc/{pid}/cgroup").read_text() for pid in (mine, theirs)]
        assert groups[0] == groups[1]
        if told["shim"]["limits"]["directories"]:
            assert {mine, theirs} <= set(cgroup.members(told["shim"]["limits"]))
    for fd in read:
        os.close(fd)


@pytest.mark.parametrize("isolation", ["sandbox"], indirect=True)
@pytest.mark.parametrize(
    "attempt",
    [
        "unshare -r true",
        "mount -t tmpfs none /mnt",
        "/usr/sbin/chroot / true",
        "nsenter -t 1 -n true",
        "ls /proc/$PPID/root/",  # who started it came from outside
        "cat /proc/$PPID/environ",
        "ls -l /proc/$PPID/fd/",
        "head -c 1 /proc/$PPID/mem",
        "ls /proc/1/root/",
    ],
)
def test_it_gains_no_rights(live: Jobs, attempt: str) -> None:
    status, said = visited(live, "sh", "-c", attempt)
    assert status != 0, said
    assert any(word in said.lower() for word in ("permitted", "denied", "superuser")), said


def test_it_ends_with_the_job_whose_status_stays(live: Jobs) -> None:
    read, write = os.pipe()
    with asked(live) as talk:
        visit.ask(talk, ["sh", "-c", "echo $$; sleep 1000"], {}, [read, write, write], tty=False)
        os.close(write)
        assert os.read(read, 100)  # it runs: a job that ended before would refuse it
        began = time.monotonic()
        assert finish(live) == 7
        assert time.monotonic() - began < 500  # not for as long as the visitor would stay
        assert os.read(read, 100) == b""  # nobody holds the pipe: all of it has ended
        assert visit.hear(talk)[0] in ("", "exit")
    os.close(read)
    until(lambda: not record.held(live.directory / "job"))


def test_who_goes_away_hangs_up(live: Jobs) -> None:
    read, write = os.pipe()
    talk = asked(live)
    visit.ask(talk, ["sh", "-c", "echo up; exec sleep 1000"], {}, [read, write, write], tty=False)
    os.close(write)
    assert os.read(read, 100) == b"up\n"
    talk.close()
    assert os.read(read, 100) == b""
    os.close(read)
    assert finish(live) == 7


def test_a_visit_leaves_nothing_behind(live: Jobs) -> None:
    state = record.read(live.directory / "job", "state.json")
    assert state is not None

    def processes() -> int:
        return len(cgroup.descendants(state["shim"]))

    before = processes()
    for _ in range(6):
        assert visited(live, "true")[0] == 0
    until(lambda: processes() <= before + 2)  # in process mode the last one waits for the next
    files = len(os.listdir(f"/proc/{state['shim']}/fd"))
    assert visited(live, "true")[0] == 0
    until(lambda: len(os.listdir(f"/proc/{state['shim']}/fd")) <= files)


def test_a_terminal_has_the_size_it_is_given(live: Jobs) -> None:
    master, slave = os.openpty()
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 90, 0, 0))
    shell = "trap 'stty size' WINCH; stty size; tty -s && echo terminal; while :; do read x; done"
    with asked(live) as talk:
        visit.ask(talk, ["sh", "-c", shell], {"TERM": "dumb"}, [slave] * 3, tty=True)
        os.close(slave)
        said = b""

        def says(text: bytes) -> None:
            nonlocal said
            while text not in said:
                said += os.read(master, 1000)

        says(b"30 90\r\nterminal")
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 120, 0, 0))
        os.write(master, b"\n")
        says(b"50 120")
        os.write(master, b"\x03")  # Ctrl-C reaches what runs in the terminal
        word, status = visit.hear(talk)
        assert (word, int(status)) == ("exit", 128 + signal.SIGINT)
    os.close(master)


def test_nobody_visits_what_has_ended(live: Jobs) -> None:
    assert finish(live) == 7
    until(lambda: not record.held(live.directory / "job"))
    with pytest.raises(OSError, match="o such file"), contextlib.closing(asked(live)):
        pass
