"""Several instances of one job: they reach each other and nobody else, start together, leave nothing."""

from __future__ import annotations

import json
import os
import signal
import socket
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from sagebrush.compute.base import Bind, Exited, Gone, Pending, Running, Spec, Unsupported
from sagebrush.compute.containers.backend import OciBackend
from sagebrush.compute.containers.engines import Engines
from sagebrush.compute.local import sandbox
from sagebrush.compute.shim import network
from sagebrush.environments.environment import Environment
from sagebrush.net import dial
from tests.built_environments import pytorch  # noqa: F401
from tests.compute.live_jobs import PYTHON, Jobs

pytestmark = pytest.mark.ordinary
NAMES = ("algo-1", "algo-2", "algo-3")
REACH = """
import errno, json, os, socket, sys, threading, time
def reach(host, port, seconds=5):
    limit = time.monotonic() + seconds
    while True:  # whoever listens there may be starting
        try:
            with socket.create_connection((host, port), seconds) as link: return link.recv(64).decode()
        except ConnectionRefusedError:
            if time.monotonic() > limit: return "ECONNREFUSED"
            time.sleep(0.02)
        except OSError as error: return errno.errorcode.get(error.errno, str(error))
def answer(server):
    while True:
        link, _ = server.accept()
        with link: link.sendall(socket.gethostname().encode())
def listen(*ports):
    for port in ports:
        server = socket.create_server(("0.0.0.0", port), backlog=64)
        threading.Thread(target=answer, args=(server,), daemon=True).start()
def done(found): print(json.dumps(found), flush=True); time.sleep(600)
"""
HANG = "import time; print('up', flush=True); time.sleep(600)"
real = pytest.mark.sandbox


class Cluster:
    """Jobs of several instances on one backend; their names are those of their networks."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs

    @staticmethod
    def key(job: str, name: str) -> str:
        number = name.partition("-")[2]
        return job if number == "1" else f"{job}.{number}"

    def launch(
        self, program: str, job: str = "t", names: tuple[str, ...] = NAMES, of: tuple[str, ...] = ()
    ) -> list[str]:
        """The instances `names` of a job that has the instances `of`; their keys."""
        keys = [self.key(job, name) for name in names]
        for key, name in zip(keys, names, strict=True):
            argv = [PYTHON, "-c", textwrap.dedent(program)]
            self.jobs.launch(argv, key, hostname=name, peers=of or names, network=job)
        return keys

    def said(self, key: str) -> dict[str, str]:
        """What `done` printed there."""

        def test() -> bool:
            assert not isinstance(self.jobs.backend.poll(key), Exited), self.jobs.text(key)
            return "{" in self.jobs.text(key)

        self.jobs.until(test)
        return json.loads(self.jobs.text(key).splitlines()[-1])

    def until(self, test: Callable[[], object]) -> None:
        self.jobs.until(test)

    def waits(self, key: str) -> None:
        """The instance is at the barrier: its sandbox is being built, its program does not run."""
        state = self.jobs.directory / key / "state.json"
        self.until(lambda: state.exists() and json.loads(state.read_text())["phase"] == "starting")

    def shim(self, key: str) -> int:
        return json.loads((self.jobs.directory / key / "state.json").read_text())["shim"]

    def forget(self, *keys: str) -> None:
        for key in keys:
            self.jobs.backend.forget(key)


@pytest.fixture
def cluster(tmp_path: Path, sandboxed: None) -> Iterator[Cluster]:
    """A backend with the sandbox; what ran is gone afterwards."""
    made = Cluster(Jobs(tmp_path / "home"))
    yield made
    made.forget(*(path.name for path in made.jobs.directory.iterdir()))
    made.jobs.backend.close()


def spaces_of(pid: str) -> dict[str, str]:
    """The network namespaces that the process is in or has open: name -> where it is open."""
    found = {}
    for folder in (f"/proc/{pid}/fd", f"/proc/{pid}/ns"):
        try:
            found |= {os.readlink(f"{folder}/{n}"): f"{folder}/{n}" for n in os.listdir(folder)}
        except OSError:
            continue
    return {name: place for name, place in found.items() if name.startswith("net:")}


def processes() -> list[str]:
    return [name for name in os.listdir("/proc") if name.isdigit()]


@contextmanager
def held(cluster: Cluster, *keys: str) -> Iterator[dict[str, int]]:
    """The network namespaces of the shims of `keys`: name -> how many shims have it.

    They are kept open: the name of one that is gone is soon another's.
    """
    with ExitStack() as kept:
        found: dict[str, int] = {}
        for key in keys:
            for name, place in spaces_of(str(cluster.shim(key))).items():
                kept.callback(os.close, os.open(place, os.O_RDONLY))
                found[name] = found.get(name, 0) + 1
        yield found


def holders(spaces: Iterable[str]) -> list[str]:
    """The processes other than this one that are in one of those namespaces or have it open."""
    own = str(os.getpid())
    return [pid for pid in processes() if pid != own and set(spaces) & set(spaces_of(pid))]


def cwd(pid: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/cwd").removesuffix(" (deleted)") + "/"
    except OSError:
        return ""


def works_in(directory: Path) -> list[str]:
    """The processes whose working directory is `directory` or beneath it."""
    return [pid for pid in processes() if cwd(pid).startswith(f"{directory}/")]


def switches(cluster: Cluster) -> list[str]:
    return works_in(cluster.jobs.directory / "t.net")


# -- addresses and names


def test_each_has_an_address_by_its_place() -> None:
    assert network.addresses(NAMES)["algo-3"] == "10.88.0.3"
    assert network.hosts(NAMES).splitlines() == [
        "10.88.0.1 algo-1",
        "10.88.0.2 algo-2",
        "10.88.0.3 algo-3",
    ]
    assert network.hosts(()) == ""


def hosts_file(**given: object) -> list[str]:
    values = {"key": "k", "argv": ["true"], "env": {}, "root": Path("/data/jobs/k"), **given}
    steps = sandbox.plan(Spec(**values), sandbox.HostPaths())  # pyright: ignore[reportArgumentType]
    return next(step[2] for step in steps if step[:2] == ["file", "/etc/hosts"]).splitlines()


def test_the_own_name_means_the_shared_interface() -> None:
    assert "127.0.0.1 localhost algo-1" in hosts_file()
    found = hosts_file(peers=NAMES, hostname="algo-2")
    assert "127.0.0.1 localhost" in found
    assert "10.88.0.2 algo-2" in found
    assert len([line for line in found if "algo-2" in line]) == 1


def test_peers_are_reached_without_the_proxy() -> None:
    env = {"HTTP_PROXY": "http://127.0.0.1:3128", "NO_PROXY": "localhost"}
    assert network.environment(env, ())["NO_PROXY"] == "localhost"
    found = network.environment(env, ("algo-1", "algo-2"))
    assert found["NO_PROXY"] == "localhost,algo-1,10.88.0.1,algo-2,10.88.0.2"
    assert "no_proxy" not in found


def test_process_mode_has_no_networks(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "home", "process")
    assert not jobs.backend.networks
    with pytest.raises(Unsupported, match="need the sandbox"):
        jobs.launch(["true"], peers=NAMES, network="job")
    assert jobs.backend.poll("job") == Gone()
    jobs.backend.close()


def test_containers_have_no_networks(tmp_path: Path) -> None:
    backend = OciBackend(tmp_path, Engines(), lambda _: None, lambda *_: {})
    spec = Spec("t", ["train"], {}, tmp_path / "t", image="mine", peers=NAMES, network="t")
    with pytest.raises(Unsupported, match="one instance only"):
        backend.launch(spec)
    assert not (tmp_path / "t").exists()
    backend.close()


@real
def test_this_host_has_networks(cluster: Cluster) -> None:
    assert cluster.jobs.backend.networks
    many = tuple(f"algo-{n}" for n in range(1, 256))
    with pytest.raises(Unsupported, match="255 instances"):
        cluster.launch(HANG, names=("algo-1",), of=many)
    with pytest.raises(ValueError, match="algo-9"):
        cluster.launch(HANG, names=("algo-9",), of=NAMES)


# -- who reaches whom


@real
def test_instances_reach_each_other_by_name_on_any_port(cluster: Cluster) -> None:
    keys = cluster.launch(
        REACH
        + """
listen(80, 8080, 29500)
found = {f"{name}:{port}": reach(name, port)
         for name in ("algo-1", "algo-2", "algo-3") for port in (80, 8080, 29500)}
found["self"] = socket.gethostbyname(socket.gethostname())
found["interfaces"] = ",".join(name for _, name in socket.if_nameindex())
done(found)
"""
    )
    for number, key in enumerate(keys, 1):
        found = cluster.said(key)
        assert found.pop("self") == f"10.88.0.{number}"
        assert found.pop("interfaces") == "lo,eth0"
        assert len(found) == 9
        assert all(name == place.partition(":")[0] for place, name in found.items())


@real
def test_nobody_else_is_reached(cluster: Cluster) -> None:
    """A second job has the same addresses, and one more; the host listens everywhere."""
    other = (*NAMES, "algo-4")
    listens = cluster.launch(REACH + "listen(7777)\ndone({'up': 'yes'})", "other", other)
    for key in listens:
        cluster.said(key)
    with socket.create_server(("0.0.0.0", 0)) as server:
        port = server.getsockname()[1]
        places = [("algo-1", 7777), ("10.88.0.4", 7777), ("10.88.0.254", port), ("127.0.0.1", port)]
        places += [(address, port) for address in own_addresses()]
        keys = cluster.launch(
            REACH
            + f"done({{f'{{host}}:{{port}}': reach(host, port, 1) for host, port in {places!r}}})"
        )
        found = cluster.said(keys[1])
    assert found.pop("algo-1:7777") == "ECONNREFUSED"  # its own algo-1, where nothing listens
    assert found.pop("10.88.0.4:7777") in ("EHOSTUNREACH", "timed out")
    assert found.pop(f"10.88.0.254:{port}") in ("EHOSTUNREACH", "timed out")
    assert found.pop(f"127.0.0.1:{port}") == "ECONNREFUSED"
    assert set(found.values()) <= {"ENETUNREACH"}


def own_addresses() -> list[str]:
    """This host's addresses by which others reach it, and one of the world."""
    found = ["1.1.1.1"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            found.append(probe.getsockname()[0])
        except OSError:
            pass
    return found


@real
def test_an_isolated_job_has_its_peers_all_the_same(cluster: Cluster) -> None:
    """As EnableNetworkIsolation says: "except for calls between peers within a training cluster"."""
    keys = cluster.launch(
        REACH
        + "listen(5000)\n"
        + "done({'peer': reach('algo-2', 5000), 'aws': reach('127.0.0.1', 4566, 0.1)})",
        names=("algo-1", "algo-2"),
    )
    assert cluster.said(keys[0]) == {"peer": "algo-2", "aws": "ECONNREFUSED"}


# -- all or none


@real
def test_no_program_starts_before_all_are_there(cluster: Cluster) -> None:
    first = cluster.launch(HANG, names=NAMES[:2], of=NAMES)
    for key in first:
        cluster.waits(key)
        assert cluster.jobs.backend.poll(key) == Pending()
        assert cluster.jobs.text(key) == ""
    before = time.time()
    keys = first + cluster.launch(HANG, names=NAMES[2:], of=NAMES)
    for key in keys:
        assert cluster.jobs.running(key).started >= before


@real
def test_launching_again_changes_nothing(cluster: Cluster) -> None:
    keys = cluster.launch(HANG)
    started = [cluster.jobs.running(key).started for key in keys]
    cluster.launch(HANG)
    assert [cluster.jobs.running(key).started for key in keys] == started


@real
def test_who_waits_in_vain_ends_and_says_so(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "PATIENCE", 0.5)
    keys = cluster.launch(HANG, names=NAMES[:2], of=NAMES)
    reason = "sandbox: network: only algo-1, algo-2 came of 3 instances in 0.5 s"
    assert [cluster.jobs.ended(key).reason for key in keys] == [reason] * 2
    (late,) = cluster.launch(HANG, names=NAMES[2:], of=NAMES)
    began = time.monotonic()
    assert cluster.jobs.ended(late).reason == reason
    assert time.monotonic() - began < 60
    assert cluster.jobs.text(late) == ""


@real
def test_a_supervisor_killed_at_the_barrier_ends_all(cluster: Cluster) -> None:
    keys = cluster.launch(HANG, names=NAMES[:2], of=NAMES)
    for key in keys:
        cluster.waits(key)
    os.kill(cluster.shim(keys[0]), signal.SIGKILL)
    assert cluster.jobs.ended(keys[0]).reason == "lost"
    assert cluster.jobs.ended(keys[1]).reason.startswith("sandbox: network: algo-1 ended before")


@real
def test_a_switch_that_is_killed_ends_all(cluster: Cluster) -> None:
    keys = cluster.launch(HANG, names=NAMES[:2], of=NAMES)
    for key in keys:
        cluster.waits(key)
    (pid,) = switches(cluster)
    os.kill(int(pid), signal.SIGKILL)
    for key in keys:
        assert cluster.jobs.ended(key).reason == "sandbox: network: its switch ended"


@real
def test_a_job_that_is_stopped_at_the_barrier_is_stopped(cluster: Cluster) -> None:
    keys = cluster.launch(HANG, names=NAMES[:2], of=NAMES)
    for key in keys:
        cluster.waits(key)
    began = time.monotonic()
    cluster.jobs.backend.stop(keys[0], 60)
    assert [cluster.jobs.ended(key).reason for key in keys] == ["stopped"] * 2
    (late,) = cluster.launch(HANG, names=NAMES[2:], of=NAMES)
    assert cluster.jobs.ended(late).reason == "stopped"
    assert time.monotonic() - began < 60


# -- restarts and deaths


@real
def test_the_next_server_launches_the_rest(tmp_path: Path, cluster: Cluster) -> None:
    first = cluster.launch(HANG, names=NAMES[:1], of=NAMES)
    cluster.waits(first[0])
    cluster.jobs.backend.close()
    cluster.jobs = Jobs(tmp_path / "home")
    assert cluster.jobs.backend.adopt() == first
    keys = cluster.launch(HANG)
    assert [type(cluster.jobs.running(key)) for key in keys] == [Running] * 3


@real
def test_a_network_whose_switch_never_began_gets_one(cluster: Cluster) -> None:
    """The server was killed after it had bound the socket."""
    place = cluster.jobs.directory / "t.net"
    place.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as bound, dial.short(place / network.CONTROL) as name:
        bound.bind(name)
    for key in cluster.launch(HANG):
        cluster.jobs.running(key)


@real
def test_the_others_notice_when_a_supervisor_is_killed(cluster: Cluster) -> None:
    keys = cluster.launch(
        REACH
        + """
me = socket.gethostname()
if me == "algo-3":
    server = socket.create_server((me, 6000))
    held = [server.accept() for _ in range(2)]
    print("{}", flush=True)
    time.sleep(600)
while True:
    try: link = socket.create_connection(("algo-3", 6000), 5); break
    except ConnectionRefusedError: time.sleep(0.02)
print("connected", flush=True)
link.settimeout(30)
try: print("end", link.recv(1))
except ConnectionResetError: print("end reset")
"""
    )
    for key in keys[:2]:
        cluster.jobs.says("connected", key)
    cluster.said(keys[2])
    with held(cluster, *keys) as spaces:
        assert sorted(spaces.values()) == [1, 1, 1, 3]  # each one's own, and the bridge's
        began = time.monotonic()
        os.kill(cluster.shim(keys[2]), signal.SIGKILL)
        assert cluster.jobs.ended(keys[2]).reason == "lost"
        assert [cluster.jobs.ended(key).code for key in keys[:2]] == [0, 0]
        assert "end" in cluster.jobs.text(keys[0])
        assert time.monotonic() - began < 60
        cluster.until(lambda: not holders(spaces))


@real
def test_the_bridge_lives_as_long_as_any_instance(cluster: Cluster) -> None:
    keys = cluster.launch(REACH + "listen(5000)\ndone({'up': 'yes'})")
    for key in keys:
        cluster.said(key)
    cluster.until(lambda: not switches(cluster))
    cluster.jobs.backend.stop(keys[0], 0)
    cluster.jobs.ended(keys[0])
    with held(cluster, *keys[1:]) as spaces:
        (shared,) = [name for name, count in spaces.items() if count == 2]
        cluster.until(lambda: len(holders([shared])) == 2)  # the switch has ended
        cluster.forget(*keys)
        cluster.until(lambda: not holders(spaces))


@real
def test_twenty_networks_leave_nothing_behind(cluster: Cluster) -> None:
    interfaces = socket.if_nameindex()
    for number in range(20):
        keys = cluster.launch(HANG, f"t{number}")
        for key in keys:
            cluster.jobs.running(key)
        with held(cluster, *keys) as spaces:
            assert len(spaces) == 4
            cluster.forget(*keys)
            cluster.until(lambda found=spaces: not holders(found))
        assert not (cluster.jobs.directory / f"t{number}.net").exists()
    cluster.until(lambda: not works_in(cluster.jobs.directory))
    assert socket.if_nameindex() == interfaces


@real
def test_a_network_that_is_removed_ends_its_switch(cluster: Cluster) -> None:
    (key,) = cluster.launch(HANG, names=NAMES[:1], of=NAMES)
    cluster.waits(key)
    assert switches(cluster)
    cluster.forget(key)
    cluster.until(lambda: not switches(cluster))
    assert not (cluster.jobs.directory / "t.net").exists()


# -- what it is for


@real
@pytest.mark.full
@pytest.mark.timeout(300)
def test_torch_reduces_over_three_instances(cluster: Cluster, pytorch: Environment) -> None:  # noqa: F811
    program = """
import os, socket, time, torch, torch.distributed as dist
rank = int(socket.gethostname().partition("-")[2]) - 1
dist.init_process_group("gloo", init_method="tcp://algo-1:29500", rank=rank, world_size=3)
total = torch.full((1 << 20,), float(rank + 1))
began = time.monotonic()
dist.all_reduce(total)
print("sum", total[0].item(), total[-1].item(), f"{time.monotonic() - began:.3f} s", flush=True)
dist.destroy_process_group()
"""
    binds = tuple(Bind(prefix, str(prefix)) for prefix in pytorch.prefixes)
    env = {"GLOO_SOCKET_IFNAME": network.INTERFACE, "OMP_NUM_THREADS": "1"}
    keys = [Cluster.key("t", name) for name in NAMES]
    for key, name in zip(keys, NAMES, strict=True):
        argv = [str(pytorch.python), "-c", program]
        given = {"hostname": name, "peers": NAMES, "network": "t", "binds": binds, "env": env}
        cluster.jobs.launch(argv, key, **given)
    limit = time.monotonic() + 200
    while any(not isinstance(cluster.jobs.backend.poll(key), Exited) for key in keys):
        assert time.monotonic() < limit
        time.sleep(0.2)
    for key in keys:
        assert cluster.jobs.ended(key).code == 0, cluster.jobs.text(key)
        assert "sum 6.0 6.0" in cluster.jobs.text(key)
