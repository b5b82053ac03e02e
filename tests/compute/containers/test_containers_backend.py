"""Containers under a real Podman: the contract, ends of every kind, limits, networks, restarts."""

from __future__ import annotations

import dataclasses
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import podman_service
import pytest
from podman_service import IMAGE, Podman

from sagebrush.commands.job import shell as job_shell
from sagebrush.compute.base import Exited, Gone, Limits, Pending, Running, Spec
from sagebrush.compute.containers import container
from sagebrush.compute.containers.backend import OciBackend
from sagebrush.compute.containers.engines import Engine, Engines, Host
from sagebrush.compute.local import usage
from sagebrush.net import dial

pytestmark = pytest.mark.full  # an engine takes a second for each step; nothing else runs there

WAIT = 60.0
SHELL = ("/bin/sh", "-c")


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    with podman_service.served() as found:
        yield found


class Containers:
    """A backend whose jobs can be waited for, and that can be made anew as by a restart."""

    def __init__(self, jobs: Path, url: str) -> None:
        self.jobs = jobs
        self.asked: list[Host] = []
        self.engines = Engines({"DOCKER_HOST": url})
        self._changed = threading.Condition()
        self.backend = self._backend()

    def _backend(self) -> OciBackend:
        return OciBackend(self.jobs, self.engines, self._tell, self._outside)

    def _tell(self, _key: str) -> None:
        with self._changed:
            self._changed.notify_all()

    def _outside(self, _spec: Spec, host: Host) -> Mapping[str, str]:
        self.asked.append(host)
        return {"AWS_ENDPOINT_URL": f"http://{host.name}:1"}

    @property
    def engine(self) -> Engine:
        found = self.engines.find()
        assert found is not None
        return found

    def restart(self) -> None:
        """As after a restart of the server."""
        self.backend.close()
        self.backend = self._backend()

    def spec(self, argv: tuple[str, ...], key: str = "job", **given: Any) -> Spec:
        """A Spec whose `argv` are the image's own arguments."""
        made: dict[str, Any] = {"image": IMAGE, "listeners": ("aws",), "env": {}, **given}
        return Spec(key=key, argv=argv, root=self.jobs / key, **made)

    def shell(self, text: str, key: str = "job", **given: Any) -> None:
        """A job that runs `text` has been launched."""
        self.backend.launch(self.spec((text,), key, entrypoint=SHELL, **given))

    def until(self, test: Callable[[], Any]) -> Any:
        """What `test` returned once that was true; it is asked at every change and now and then."""
        limit = time.monotonic() + WAIT
        with self._changed:
            while not (found := test()):
                self._changed.wait(0.05)
                if time.monotonic() > limit:
                    raise TimeoutError(test)
        return found

    def ended(self, key: str = "job") -> Exited:
        """How the job ended, once it has."""

        def test() -> Exited | None:
            state = self.backend.poll(key)
            assert not isinstance(state, Gone)
            return state if isinstance(state, Exited) else None

        return self.until(test)

    def running(self, key: str = "job") -> Running:
        """The job's state once it runs."""

        def test() -> Running | None:
            state = self.backend.poll(key)
            assert isinstance(state, Pending | Running), (state, self.text(key))
            return state if isinstance(state, Running) else None

        return self.until(test)

    def text(self, key: str = "job") -> str:
        """The job's whole log."""
        return "\n".join(line.text for line in self.backend.logs(key, 0, 1_000_000))

    def says(self, text: str, key: str = "job") -> None:
        """Returns once the log holds `text`."""
        self.until(lambda: text in self.text(key))

    def close(self) -> None:
        """Nothing of any job runs."""
        for directory in self.jobs.iterdir():
            self.backend.forget(directory.name)
        self.backend.close()


@pytest.fixture
def jobs(podman: Podman, tmp_path: Path) -> Iterator[Containers]:
    made = Containers(tmp_path / "jobs", podman.url)
    made.jobs.mkdir()
    yield made
    made.close()
    assert not podman.run("ps", "--all", "--quiet", "--filter", f"label={container.HOME}")


def ask(address: str, request: bytes, patience: float = 20.0) -> bytes:
    """What the container's port answers, once something listens there."""
    until = time.monotonic() + patience
    while True:
        try:
            with dial.connect_sync(address, 5.0) as sock:
                sock.sendall(request)
                if found := b"".join(iter(lambda: sock.recv(65536), b"")):
                    return found
        except (ConnectionError, TimeoutError):
            if time.monotonic() > until:
                raise
        assert time.monotonic() < until, "no answer"
        time.sleep(0.05)


# ---- the contract


def test_an_image_trains_by_the_contract(jobs: Containers) -> None:
    spec = jobs.spec(("train",), env={"TRAINING_JOB_NAME": "mine"}, banner="as asked")
    words = spec.root / "ml" / "input" / "data" / "train" / "words.txt"
    words.parent.mkdir(parents=True)
    (spec.root / "ml" / "model").mkdir()
    words.write_text("hello")
    jobs.backend.launch(spec)
    found = jobs.ended()
    assert (found.code, found.reason) == (0, ""), jobs.text()
    assert (spec.root / "ml" / "model" / "words.txt").read_text() == "hello"
    assert jobs.text() == "as asked\ntrained mine"
    assert 0 < found.started <= found.ended <= time.time()


def test_the_container_is_given_what_the_spec_says(jobs: Containers) -> None:
    jobs.shell(
        "hostname; nproc; echo $COLOUR $AWS_ENDPOINT_URL; ls /opt/ml; df -m /dev/shm | tail -1",
        env={"COLOUR": "red"},
        limits=Limits(cpu=1, memory=128 << 20, pids=64),
    )
    assert jobs.ended().code == 0
    gateway = jobs.engine.gateway
    assert jobs.asked[0] == Host(gateway, gateway)
    lines = jobs.text().splitlines()
    assert lines[0] == "algo-1"
    assert lines[2] == f"red http://{gateway}:1"
    assert "2048" in lines[-1]


def test_limits_reach_the_engine(jobs: Containers) -> None:
    limits = Limits(cpu=0.5, memory=96 << 20, pids=33)
    jobs.shell("sleep 60", limits=limits)
    jobs.shell("sleep 60", key="shared", limits=dataclasses.replace(limits, cpu=2, share=True))
    found = {}
    for key in ("job", "shared"):
        jobs.running(key)
        with jobs.engine.client() as client:
            info = container.inspect(client, jobs.spec((), key))
        assert info is not None
        found[key] = info["HostConfig"]
    assert found["job"]["Memory"] == found["job"]["MemorySwap"] == 96 << 20
    assert (found["job"]["NanoCpus"], found["job"]["PidsLimit"]) == (500_000_000, 33)
    assert (found["shared"]["NanoCpus"], found["shared"]["CpuShares"]) == (0, 2048)


def test_without_an_entry_point_the_image_decides(jobs: Containers) -> None:
    jobs.backend.launch(jobs.spec(("dance",)))
    assert jobs.ended().code == 64
    assert jobs.text() == "neither train nor serve: dance"


def test_an_image_with_a_user_of_its_own_can_write_its_model(
    jobs: Containers, podman: Podman
) -> None:
    podman.make("localhost/own-user:1", "USER 1234")
    spec = jobs.spec(
        ("id -u; cat /opt/ml/input/data/x; echo m > /opt/ml/model/m",),
        entrypoint=SHELL,
        image="localhost/own-user:1",
    )
    for name in ("input/data", "model"):
        (spec.root / "ml" / name).mkdir(parents=True, mode=0o700)
    (spec.root / "ml" / "input" / "data" / "x").write_text("data")
    (spec.root / "ml" / "input" / "data" / "x").chmod(0o600)
    jobs.backend.launch(spec)
    assert jobs.ended().code == 0, jobs.text()
    assert jobs.text() == "1234\ndata"
    assert (spec.root / "ml" / "model" / "m").stat().st_uid == 1234


def test_files_of_an_engine_of_roots_are_given_to_the_user(jobs: Containers) -> None:
    spec = jobs.spec((), key="given")
    model = spec.root / "ml" / "model"
    model.mkdir(parents=True)
    (model / "m").write_text("m")
    with jobs.engine.client() as client:
        container.give_back(client, spec, 4321, 4322)
    assert [(model / "m").stat().st_uid, model.stat().st_gid] == [4321, 4322]


# ---- ends


def test_the_exit_status_outlives_the_container(jobs: Containers, podman: Podman) -> None:
    jobs.shell("echo bye; exit 3")
    assert jobs.ended().code == 3
    jobs.until(lambda: not podman.run("ps", "--all", "--quiet"))
    jobs.restart()
    found = jobs.backend.poll("job")
    assert isinstance(found, Exited)
    assert (found.code, found.reason) == (3, "")
    assert jobs.text() == "bye"


def test_too_much_memory_is_told(jobs: Containers) -> None:
    grow = "x=aaaaaaaaaaaaaaaa; while true; do x=$x$x; done"
    jobs.shell(grow, limits=Limits(memory=128 << 20))
    found = jobs.ended()
    assert (found.code, found.reason) == (137, "oom")
    assert found.peak_memory > 100 << 20


def test_stop_lets_it_end_by_itself(jobs: Containers) -> None:
    jobs.shell("trap 'echo saved; exit 5' TERM; echo ready; while true; do sleep 0.05; done")
    jobs.says("ready")
    jobs.backend.stop("job", 30)
    jobs.backend.stop("job", 30)
    found = jobs.ended()
    assert (found.code, found.reason) == (5, "stopped")
    assert jobs.text() == "ready\nsaved"


def test_who_ignores_the_stop_is_killed_after_its_grace(jobs: Containers) -> None:
    jobs.shell("trap '' TERM; echo ready; while true; do sleep 0.05; done")
    jobs.says("ready")
    before = time.monotonic()
    jobs.backend.stop("job", 1)
    found = jobs.ended()
    assert (found.code, found.reason) == (137, "stopped")
    assert time.monotonic() - before >= 1


def test_the_time_limit_stops_it(jobs: Containers) -> None:
    jobs.shell(
        "trap 'echo saved; exit 0' TERM; while true; do sleep 0.05; done", time_limit=0.5, grace=30
    )
    found = jobs.ended()
    assert (found.code, found.reason) == (0, "timeout")
    assert jobs.text() == "saved"


def test_a_container_that_somebody_removed_is_lost(jobs: Containers, podman: Podman) -> None:
    jobs.shell("echo ready; sleep 60")
    jobs.says("ready")
    podman.run("rm", "--force", "--time", "0", container.name(jobs.spec(())))
    found = jobs.ended()
    assert (found.code, found.reason) == (-9, "lost")


def test_an_image_that_cannot_be_pulled_is_named(jobs: Containers) -> None:
    spec = dataclasses.replace(jobs.spec(("train",)), image="localhost:1/no/such:9")
    before = time.monotonic()
    jobs.backend.launch(spec)
    assert time.monotonic() - before < 10
    assert isinstance(jobs.backend.poll("job"), Pending)
    found = jobs.ended()
    assert (found.code, found.reason.split(":")[0]) == (125, "sandbox")
    assert found.message.startswith("pull: localhost:1/no/such:9: ")
    assert "refused" in found.message


def test_an_entry_point_that_is_not_there_is_told(jobs: Containers) -> None:
    jobs.backend.launch(jobs.spec((), entrypoint=("/no/such",)))
    found = jobs.ended()
    assert found.reason.startswith("sandbox: exec: ")
    assert "/no/such" in found.message


def test_a_job_stopped_before_its_image_came_never_starts(jobs: Containers) -> None:
    spec = dataclasses.replace(jobs.spec(("train",)), image="localhost:1/no/such:9")
    jobs.backend.launch(spec)
    jobs.backend.stop("job", 30)
    assert jobs.ended().code != 0


def test_without_an_engine_it_waits(tmp_path: Path) -> None:
    jobs = Containers(tmp_path, f"unix://{tmp_path}/none.sock")
    jobs.backend.launch(jobs.spec(("train",)))
    time.sleep(0.2)
    assert isinstance(jobs.backend.poll("job"), Pending)
    assert jobs.backend.adopt() == ["job"]
    jobs.backend.close()


# ---- networks


def test_a_port_is_reached_from_this_machine(jobs: Containers) -> None:
    jobs.backend.launch(jobs.spec(("serve",), port=8080))
    address = jobs.running().address
    assert address.startswith("tcp:127.0.0.1:")
    assert ask(address, b"GET /ping HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\nok")
    post = b"POST /invocations HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello"
    assert ask(address, post).endswith(b"\r\n\r\nHELLO")


def test_an_isolated_job_has_no_network(jobs: Containers) -> None:
    jobs.shell("ip -o address; ip route; echo $AWS_ENDPOINT_URL.", listeners=())
    assert jobs.ended().code == 0
    assert "eth0" not in jobs.text()
    assert jobs.text().endswith("\n.")
    assert not jobs.asked


def test_an_isolated_port_is_reached_and_reaches_nothing(jobs: Containers, podman: Podman) -> None:
    with socket.create_server(("0.0.0.0", 0)) as here:
        target = f"{jobs.engine.gateway} {here.getsockname()[1]}"
        serve = f"nc -w 2 {target} </dev/null; echo reached $?; exec nc -ll -p 8080 -e /bin/answer"
        jobs.shell(serve, listeners=(), port=8080)
        address = jobs.running().address
        assert ask(address, b"GET /ping HTTP/1.0\r\n\r\n").endswith(b"ok")
        jobs.says("reached 1")
    jobs.backend.forget("job")
    assert container.name(jobs.spec(())) not in podman.run("network", "ls")


# ---- restarts


def test_a_restart_changes_nothing_for_the_container(jobs: Containers) -> None:
    jobs.backend.launch(jobs.spec(("serve",), port=8080))
    before = jobs.running()
    jobs.restart()
    assert jobs.backend.adopt() == ["job"]
    assert jobs.backend.poll("job") == before
    assert ask(before.address, b"GET /ping HTTP/1.0\r\n\r\n").endswith(b"ok")
    jobs.until(lambda: len(jobs.asked) > 1)  # what listens for containers is there again


def test_what_ended_while_nobody_looked_is_told(jobs: Containers, podman: Podman) -> None:
    jobs.shell("echo one; sleep 1; echo two; exit 4")
    jobs.says("one")
    jobs.backend.close()
    jobs.until(lambda: not podman.run("ps", "--quiet"))
    jobs.restart()
    jobs.backend.adopt()
    assert jobs.ended().code == 4
    assert jobs.text() == "one\ntwo"


def test_a_stop_is_not_forgotten_by_a_restart(jobs: Containers) -> None:
    jobs.shell("trap '' TERM; echo ready; while true; do sleep 0.05; done")
    jobs.says("ready")
    jobs.backend.stop("job", 1)
    jobs.restart()
    jobs.backend.adopt()
    found = jobs.ended()
    assert (found.code, found.reason) == (137, "stopped")


def test_no_line_is_doubled_or_lost_by_restarts(jobs: Containers) -> None:
    jobs.shell("i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line $i; done; printf end")
    for _ in range(5):
        time.sleep(0.05)
        jobs.restart()
        jobs.backend.adopt()
    assert jobs.ended().code == 0
    assert jobs.text() == "".join(f"line {i}\n" for i in range(1, 3001)) + "end"


def test_the_same_key_is_the_same_container(jobs: Containers, podman: Podman) -> None:
    jobs.shell("echo once; sleep 60")
    jobs.says("once")
    jobs.shell("echo twice")
    jobs.restart()
    jobs.shell("echo thrice")
    assert isinstance(jobs.backend.poll("job"), Running)
    assert len(podman.run("ps", "--all", "--quiet").splitlines()) == 1


def test_containers_of_forgotten_jobs_go(jobs: Containers, podman: Podman) -> None:
    jobs.shell("sleep 60")
    jobs.running()
    jobs.backend.close()
    for file in os.listdir(jobs.jobs / "job"):
        if file != "ml":
            (jobs.jobs / "job" / file).unlink()
    jobs.restart()
    jobs.backend.adopt()
    jobs.until(lambda: not podman.run("ps", "--all", "--quiet"))
    assert isinstance(jobs.backend.poll("job"), Gone)


# ---- the engine


def test_the_engine_says_which_images_it_knows(jobs: Containers) -> None:
    assert jobs.engine.podman
    assert jobs.engines.known(IMAGE)
    assert jobs.engines.known("docker.io/somebody/else:1")
    assert not jobs.engines.known("pytorch-trainng:2.1"), "a slip of the pen is told at once"
    private = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-lern:1"
    assert not jobs.engines.known(private)


def test_an_engine_elsewhere_is_none() -> None:
    assert Engines({"DOCKER_HOST": "tcp://192.0.2.1:2375"}).find() is None
    assert Engines({"DOCKER_HOST": "ssh://somebody@192.0.2.1"}).find() is None


# ---- looked into


def test_what_a_container_uses_is_counted(jobs: Containers) -> None:
    jobs.shell("echo up; while :; do :; done", limits=Limits(cpu=1, memory=128 << 20))
    jobs.says("up")
    place = jobs.jobs / "job"
    jobs.until(lambda: (found := usage.usage(place)) and found.cpu > 0.2)
    found = usage.usage(place)
    assert found
    assert 0 < found.memory < 128 << 20
    assert found.processes >= 1
    jobs.backend.stop("job", 0)
    jobs.ended()
    assert usage.usage(place) is None


def test_a_shell_in_a_container_is_the_engines(
    jobs: Containers,
    podman: Podman,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    jobs.shell("echo mine > /tmp/mine.txt; echo up; sleep 1000")
    jobs.says("up")
    monkeypatch.setenv("DOCKER_HOST", podman.url)
    command = ["sh", "-c", "cat /tmp/mine.txt; exit 3"]
    assert job_shell._contained(jobs.jobs / "job", command, terminal=False) == 3
    assert capfd.readouterr().out == "mine\n"
