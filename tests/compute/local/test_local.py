"""LocalBackend's promises, in both isolations."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagebrush.compute import record
from sagebrush.compute.base import Exited, Gone, Limits, Running
from sagebrush.compute.local import launcher, limits
from sagebrush.compute.shim import landlock
from sagebrush.net import dial
from tests.compute.live_jobs import PYTHON, Jobs

pytestmark = pytest.mark.ordinary

HANDLER = """
import os, signal, sys, time
def stop(*_):
    os.write(1, b"saved\\n"); sys.exit(9)
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
while True: time.sleep(60)
"""
STUBBORN = "trap '' TERM; echo ready; while :; do sleep 1; done"
SERVER = """
import os, socket
port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))
with socket.create_server(("127.0.0.1", port)) as server:
    print("ready", flush=True)
    while True:
        talk, _ = server.accept()
        with talk: talk.sendall(talk.recv(100).upper())
"""


def sh(text: str) -> list[str]:
    return ["/bin/sh", "-c", text]


def state_of(jobs: Jobs) -> dict[str, int]:
    return json.loads((jobs.directory / "job" / "state.json").read_text())


def alive(pid: int) -> bool:
    """Whether the process runs (one that ended but was not reaped does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_exit_code_log_and_times(jobs: Jobs) -> None:
    before = time.time()
    jobs.launch(sh("echo one; echo two >&2; printf three; exit 3"))
    ended = jobs.ended()
    assert (ended.code, ended.reason) == (3, "")
    assert before <= ended.started <= ended.ended <= time.time()
    assert ended.peak_memory > 0
    lines = jobs.backend.logs("job")
    assert [line.text for line in lines] == ["one", "two", "three"]
    assert [line.offset for line in lines] == [0, 4, 8]
    assert all(before * 1000 - 1 <= line.ms <= ended.ended * 1000 + 1 for line in lines)
    assert jobs.backend.logs("job", lines[1].end) == lines[2:]
    assert jobs.backend.logs("job", 0, 1) == lines[:1]


def test_the_banner_stands_first(jobs: Jobs) -> None:
    jobs.launch(sh("echo one"), banner="scaled down")
    jobs.ended()
    assert jobs.text() == "scaled down\none"


def test_an_unknown_key_is_gone(jobs: Jobs) -> None:
    assert jobs.backend.poll("nobody") == Gone()
    jobs.backend.stop("nobody", 1)
    assert jobs.backend.logs("nobody") == []


def test_launching_twice_runs_once(jobs: Jobs) -> None:
    for _ in range(3):
        jobs.launch(sh("echo ran"))
    jobs.ended()
    jobs.launch(sh("echo ran"))
    assert jobs.text() == "ran"


@pytest.mark.full
def test_a_supervisor_that_comes_second_changes_nothing(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server was killed right after a launch; the next launched the job before its supervisor
    showed."""
    jobs.launch(sh("echo ready; sleep 600"))
    jobs.says("ready")
    after = Jobs(jobs.directory.parent, jobs.backend.isolation)
    find = after.backend._find
    answers = iter([Gone()])
    monkeypatch.setattr(after.backend, "_find", lambda key: next(answers, None) or find(key))
    after.launch(sh("echo ready; sleep 600"))
    try:
        assert isinstance(after.running(), Running)
        assert not (jobs.directory / "job" / "exit.json").exists()
        assert jobs.text() == "ready"
        after.backend.stop("job", 0)
        assert after.ended().reason == "stopped"
    finally:
        after.backend.close()


def test_a_program_that_is_not_there(jobs: Jobs) -> None:
    jobs.launch(["/no/such/program"])
    ended = jobs.ended()
    assert ended.code != 0
    assert ended.reason.startswith("sandbox: exec: No such file or directory")


@pytest.mark.parametrize("line", ["#!/no/such/bash", "#!/bin/sh\r"])
def test_a_program_whose_interpreter_is_not_there(jobs: Jobs, line: str) -> None:
    spec = jobs.spec([])
    program = Path(spec.root) / "ml" / "run"
    program.parent.mkdir(parents=True)
    program.write_text(f"{line}\ntrue\n")
    program.chmod(0o755)
    jobs.launch([f"{spec.cwd}/run"])
    named = line[2:].replace("\r", "^M")
    words = f"{named}: bad interpreter: No such file or directory: {spec.cwd}/run"
    assert jobs.ended().reason == f"sandbox: exec: {words}"


def test_killed_job_tells_its_signal(jobs: Jobs) -> None:
    jobs.launch(sh("kill -KILL $$"))
    assert (jobs.ended().code, jobs.ended().reason) == (-9, "")


def test_job_killed_from_outside(jobs: Jobs) -> None:
    jobs.launch(sh("echo ready; sleep 600"))
    jobs.says("ready")
    os.kill(state_of(jobs)["pid"], signal.SIGKILL)
    assert jobs.ended().code == -9


def test_stop_with_a_handler(jobs: Jobs) -> None:
    jobs.launch([PYTHON, "-c", HANDLER])
    jobs.says("ready")
    jobs.backend.stop("job", 60)
    jobs.backend.stop("job", 60)
    assert (jobs.ended().code, jobs.ended().reason) == (9, "stopped")
    assert jobs.text() == "ready\nsaved"


def test_stop_without_a_handler_ends_at_once(jobs: Jobs) -> None:
    jobs.launch(sh("echo ready; exec sleep 600"))
    jobs.says("ready")
    jobs.backend.stop("job", 60)
    assert (jobs.ended().code, jobs.ended().reason) == (-15, "stopped")


def test_stop_ignored_kills_after_the_grace(jobs: Jobs) -> None:
    jobs.launch(sh(STUBBORN))
    jobs.says("ready")
    begun = time.monotonic()
    jobs.backend.stop("job", 0.3)
    assert (jobs.ended().code, jobs.ended().reason) == (-9, "stopped")
    assert 0.25 <= time.monotonic() - begun < 10


def test_a_process_that_is_to_end_begins_no_job(jobs: Jobs) -> None:
    jobs.launch(sh(STUBBORN))
    jobs.says("ready")
    begin = lambda: dial.control(jobs.directory / "job" / "ctl", "begin 600")  # noqa: E731
    with begin() as talk:
        assert talk.recv(8) == b"ok\n"
    (jobs.directory / "job" / "stop").touch()  # a stop that is not read yet
    with begin() as talk:
        assert talk.recv(8) == b""
    jobs.backend.stop("job", 60)
    with begin() as talk:
        assert talk.recv(8) == b""
    jobs.backend.stop("job", 0)
    assert jobs.ended().reason == "stopped"


def test_stopped_before_it_listens(jobs: Jobs) -> None:
    jobs.launch(sh("sleep 600"))
    jobs.backend.stop("job", 0)
    assert jobs.ended().reason == "stopped"
    assert jobs.ended().code != 0


def test_time_limit(jobs: Jobs) -> None:
    jobs.launch(sh(STUBBORN), time_limit=0.3, grace=0.2)
    ended = jobs.ended()
    assert (ended.code, ended.reason) == (-9, "timeout")
    assert ended.ended - ended.started >= 0.45


def test_the_whole_tree_ends_with_the_job(jobs: Jobs) -> None:
    jobs.launch(sh("setsid sleep 600 & echo $!; sleep 0.2; exit 0"))
    ended = jobs.ended()
    assert ended.code == 0
    jobs.until(lambda: not record.held(jobs.directory / "job"))
    jobs.until(lambda: survivors(jobs) == [])


def survivors(jobs: Jobs) -> list[str]:
    """Processes that still use the job's directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if str(jobs.directory) in os.readlink(path):
                found.append(path.parent.name)
        except OSError:
            continue
    return found


def test_a_killed_shim_is_lost_and_takes_the_job_along(jobs: Jobs) -> None:
    jobs.launch(sh("(setsid sleep 600 &) ; echo ready; sleep 600"))
    jobs.says("ready")
    state = state_of(jobs)
    os.kill(state["shim"], signal.SIGKILL)
    ended = jobs.ended()
    assert (ended.code, ended.reason) == (-9, "lost")
    jobs.until(lambda: not alive(state["pid"]))
    jobs.until(lambda: survivors(jobs) == [])


def test_a_new_server_takes_over(jobs: Jobs, tmp_path: Path) -> None:
    program = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from collections.abc import Iterator
from pathlib import Path
from tests.compute.live_jobs import Jobs
jobs = Jobs(Path({str(tmp_path / "home")!r}), {jobs.backend.isolation!r})
jobs.launch(["/bin/sh", "-c", "echo ready; while [ ! -e go ]; do sleep 0.05; done; exit 42"])
jobs.says("ready")
import os; os.kill(os.getpid(), 9)
"""
    first = subprocess.run([sys.executable, "-c", program], timeout=60)
    assert first.returncode == -9
    assert jobs.backend.adopt() == ["job"]
    assert isinstance(jobs.backend.poll("job"), Running)
    assert jobs.text() == "ready"
    (jobs.directory / "job" / "ml" / "go").touch()
    assert (jobs.ended().code, jobs.ended().reason) == (42, "")


def test_a_job_that_ended_between_servers(jobs: Jobs, tmp_path: Path) -> None:
    jobs.launch(sh("echo told; exit 5"))
    jobs.ended()
    second = Jobs(tmp_path / "home", jobs.backend.isolation)
    state = second.backend.poll("job")
    assert isinstance(state, Exited)
    assert (state.code, second.text()) == (5, "told")
    assert second.backend.adopt() == []
    second.backend.close()


def test_lost_between_servers(jobs: Jobs, tmp_path: Path) -> None:
    jobs.launch(sh("echo ready; sleep 600"))
    jobs.says("ready")
    jobs.backend.close()
    os.kill(state_of(jobs)["shim"], signal.SIGKILL)
    second = Jobs(tmp_path / "home", jobs.backend.isolation)
    ended = second.ended()
    assert (ended.code, ended.reason) == (-9, "lost")
    second.backend.close()


def test_others_reach_its_port(jobs: Jobs) -> None:
    jobs.launch([PYTHON, "-c", SERVER], port=8080)
    jobs.says("ready")
    address = jobs.running().address
    with dial.connect_sync(address) as talk:
        talk.sendall(b"hello")
        assert talk.recv(100) == b"HELLO"


def test_a_port_where_nobody_listens(jobs: Jobs) -> None:
    jobs.launch(sh("sleep 600"), port=8080)
    address = jobs.running().address
    with pytest.raises(dial.Refused):
        dial.connect_sync(address)
    jobs.backend.stop("job", 0)
    jobs.ended()
    with pytest.raises(dial.Refused):
        dial.connect_sync(address)


def test_poll_is_cheap(jobs: Jobs) -> None:
    jobs.launch(sh("sleep 600"))
    jobs.running()
    best = min(_timed(jobs) for _ in range(5))
    assert best < 100e-6


def _timed(jobs: Jobs) -> float:
    begun = time.perf_counter()
    for _ in range(200):
        jobs.backend.poll("job")
    return (time.perf_counter() - begun) / 200


def test_the_log_is_capped_and_offsets_stay(jobs: Jobs) -> None:
    jobs.launch(
        [PYTHON, "-c", "for i in range(60000): print(f'line {i:06d}')"], log_limit=128 * 1024
    )
    jobs.ended()
    lines = jobs.backend.logs("job", 0, 1_000_000)
    numbers = [int(line.text.split()[1]) for line in lines]
    assert numbers == list(range(numbers[0], 60000))
    assert all(line.offset == number * 12 for line, number in zip(lines, numbers, strict=True))
    kept = sum(path.stat().st_size for path in (jobs.directory / "job").glob("log.*"))
    assert 64 * 1024 <= kept <= 200 * 1024


def test_many_jobs_at_once(jobs: Jobs) -> None:
    for number in range(20):
        jobs.launch(sh(f"exit {number}"), key=f"job-{number}")
    assert [jobs.ended(f"job-{number}").code for number in range(20)] == list(range(20))


def test_a_long_path_to_the_jobs(tmp_path: Path, isolation: str) -> None:
    deep = tmp_path / ("d" * 80) / ("e" * 80)
    jobs = Jobs(deep, isolation)
    jobs.launch([PYTHON, "-c", SERVER], port=8080)
    jobs.says("ready")
    jobs.backend.close()
    again = Jobs(deep, isolation)
    with dial.connect_sync(again.running().address) as talk:
        talk.sendall(b"x")
        assert talk.recv(10) == b"X"
    again.backend.stop("job", 0)
    assert again.ended().reason == "stopped"
    again.backend.close()


def test_memory_limit_tells_oom(jobs: Jobs) -> None:
    size = 100 << 20
    hog = "import time; held = bytearray(400 << 20); time.sleep(5)"
    jobs.launch([PYTHON, "-c", hog], limits=Limits(memory=size))
    ended = jobs.ended()
    assert ended.reason == "oom"
    assert ended.code != 0
    assert ended.peak_memory >= size * 0.9


def test_where_the_shim_watches_memory_only_the_largest_process_ends(jobs: Jobs) -> None:
    """A notebook's kernels do not end with the one that took too much."""
    jobs.backend.launcher.layout = limits.Layout("watchdog")
    hog = "import time; held = bytearray(400 << 20); time.sleep(60)"
    parent = f"""
import subprocess, sys
code = subprocess.run([sys.executable, "-c", {hog!r}]).returncode
print("the child ended with", code, flush=True)
"""
    jobs.launch([PYTHON, "-c", parent], limits=Limits(memory=150 << 20, spare=True))
    ended = jobs.ended()
    assert (ended.code, ended.reason) == (0, "")
    assert jobs.text() == "the child ended with -9"


def test_what_it_needs_outside_in_process_mode(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path, "process", outside=lambda spec: {"GATEWAY": f"for {spec.role}"})
    jobs.launch(sh('echo "$GATEWAY"'), key="one", listeners=("aws",), role="me")
    jobs.launch(sh('echo "$GATEWAY"'), key="two", role="me")
    jobs.ended("one")
    jobs.ended("two")
    assert (jobs.text("one"), jobs.text("two")) == ("for me", "")
    jobs.backend.close()


@pytest.mark.parametrize("isolation", ["sandbox"], indirect=True)
def test_listeners_are_served_and_wait_for_the_next_server(jobs: Jobs, tmp_path: Path) -> None:
    client = """
import socket
for _ in range(2):
    with socket.create_connection(("127.0.0.1", 4566)) as talk:
        print(talk.recv(100).decode(), flush=True)
"""
    jobs.launch([PYTHON, "-c", client], listeners=("aws",))
    answer(jobs, b"first")
    jobs.says("first")
    jobs.backend.close()
    second = Jobs(tmp_path / "home")
    assert second.backend.adopt() == ["job"]
    answer(second, b"second")
    assert second.ended().code == 0
    assert second.text() == "first\nsecond"
    second.backend.close()


def answer(jobs: Jobs, data: bytes) -> None:
    _, name, listener = jobs.attached.get(timeout=30)
    assert name == "aws"
    listener.settimeout(30)
    talk: socket.socket
    talk, _ = listener.accept()
    with talk:
        talk.sendall(data)
    listener.close()


@pytest.mark.parametrize("isolation", ["process"], indirect=True)
def test_process_mode_confines_writes_where_the_kernel_can(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not landlock.version():
        pytest.skip("this kernel has no Landlock")
    # wherever the tests' own files lie, most often beneath /tmp: `shared` stands for it here
    outside, shared = tmp_path / "outside", tmp_path / "shared"
    outside.mkdir()
    shared.mkdir()
    monkeypatch.setattr(launcher, "WRITABLE", (str(shared), "/dev", "/proc"))
    jobs.launch(
        sh(
            f"echo x > inside && cat inside; echo y > {shared}/file && cat {shared}/file;"
            f" echo x > {outside}/file || echo refused; ln {shared}/file {outside}/link || echo too"
        )
    )
    assert jobs.ended().code == 0
    said = [line for line in jobs.text().splitlines() if len(line) < 10]
    assert said == ["x", "y", "refused", "too"]
    assert os.listdir(outside) == []
    assert os.listdir(shared) == ["file"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_hides_no_exit_status(small_disk: Path, isolation: str) -> None:
    jobs = Jobs(small_disk, isolation)
    fill = "dd if=/dev/zero of=full bs=64k 2>/dev/null; echo printed; exit 7"
    jobs.launch(sh(fill), log_limit=64 * 1024)
    ended = jobs.ended()
    assert (ended.code, ended.reason) == (7, "")
    jobs.backend.forget("job")
    jobs.backend.close()


@pytest.mark.parametrize("isolation", ["sandbox"], indirect=True)
def test_nothing_stays_behind_when_the_directory_is_removed_under_it(jobs: Jobs) -> None:
    jobs.launch(sh("echo ready; sleep 600"), limits=Limits(memory=100 << 20))
    jobs.says("ready")
    jobs.running()  # so the supervisor writes nothing more there
    told = record.read(jobs.directory / "job", "spec.json")
    assert told is not None
    groups = told["shim"]["limits"]["directories"]
    state = state_of(jobs)
    shutil.rmtree(jobs.directory / "job")
    os.kill(state["pid"], signal.SIGKILL)
    jobs.until(lambda: not alive(state["shim"]))
    assert [group for group in groups if os.path.exists(group)] == []
