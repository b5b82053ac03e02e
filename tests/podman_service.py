"""A Podman of the tests' own: private storage, a socket, an image of busybox, all removed at the end.

Flags and settings that work in virtual machines and containers without systemd: docs/sandbox.md.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import needs
import pytest

from sagebrush.compute.containers.engines import Engines

IMAGE = "localhost/sagebrush-test:1"
LIMIT = 20000
"""Open files and processes: Podman's own default may be above what root may set."""
LOCK = "sagebrush-test-podman.lock"
ENTRY = """\
#!/bin/sh
# The contract of an image of one's own: `train` reads /opt/ml/input, `serve` answers on 8080.
case $1 in
train)
    cat /opt/ml/input/data/train/words.txt > /opt/ml/model/words.txt
    echo "trained $TRAINING_JOB_NAME"
    ;;
serve)
    echo "serving"
    exec nc -ll -p 8080 -e /bin/answer
    ;;
*) echo "neither train nor serve: $*"; exit 64 ;;
esac
"""
ANSWER = """\
#!/bin/sh
# One request: the body in capitals, after the words of the model.
read -r method path rest
length=0
while read -r name value && [ -n "$name" ] && [ "$name" != "$(printf '\\r')" ]; do
    case $name in [Cc]ontent-[Ll]ength:) length=$(printf %s "$value" | tr -d '\\r') ;; esac
done
case $path in
/ping) body=ok ;;
*) body="$(cat /opt/ml/model/words.txt 2>/dev/null)$(head -c "$length" | tr a-z A-Z)" ;;
esac
printf 'HTTP/1.1 200 OK\\r\\nContent-Type: text/plain\\r\\nConnection: close\\r\\n'
printf 'Content-Length: %s\\r\\n\\r\\n%s' "${#body}" "$body"
"""


@dataclass(frozen=True)
class Podman:
    """A service that answers at `url`."""

    url: str
    command: tuple[str, ...]
    env: dict[str, str]
    files: Path
    """The archive of the image's files."""

    def make(self, image: str, *changes: str) -> None:
        """There is an image of those files with these instructions (`USER 7`)."""
        words = [word for change in ("ENV PATH=/bin", *changes) for word in ("--change", change)]
        self.run("import", *words, str(self.files), image)

    def run(self, *arguments: str, **given: object) -> str:
        """What `podman ARGUMENTS` printed."""
        done = subprocess.run(
            [*self.command, *arguments],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            **given,  # type: ignore[arg-type]
        )
        return done.stdout.strip()


@contextlib.contextmanager
def served() -> Iterator[Podman]:
    """A service and the image `IMAGE`; skips (or fails, where promised) without what it needs."""
    if os.geteuid() != 0:
        pytest.skip("containers are tested by root: Podman without root needs set-up of the host")
    for program in ("podman", "runc", "busybox", "iptables"):
        if shutil.which(program) is None:
            needs.missing(f"no {program}: containers are not tested")
    with open(Path("/tmp") / LOCK, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one network bridge for all
        place = Path(tempfile.mkdtemp(prefix="sb-podman-"))
        with _unchanged_network():
            podman = _podman(place)
            with open(place / "service.log", "wb") as said:
                service = subprocess.Popen(
                    [*podman.command, "system", "service", "--time=0", podman.url],
                    env=podman.env,
                    cwd=place,  # conmon writes a file `oom` where it works
                    stdout=said,
                    stderr=subprocess.STDOUT,
                )
            try:
                _build(podman, place)
                _await(podman.url, service, place / "service.log")
                yield podman
            finally:
                service.terminate()
                service.wait(20)
                with contextlib.suppress(subprocess.SubprocessError):
                    podman.run("rm", "--all", "--force", "--time", "0")
                _remove(place)


def _podman(place: Path) -> Podman:
    (place / "containers.conf").write_text(
        "[containers]\n"
        f'default_ulimits = ["nofile={LIMIT}:{LIMIT}", "nproc={LIMIT}:{LIMIT}"]\n'
        "[engine]\n"
        'cgroup_manager = "cgroupfs"\nevents_logger = "file"\nruntime = "runc"\n'
        "[network]\n"
        'network_backend = "netavark"\n'
    )
    command = (
        *("podman", "--root", f"{place}/storage", "--runroot", f"{place}/run"),
        *("--tmpdir", f"{place}/tmp", "--network-config-dir", f"{place}/networks"),
        *("--storage-driver", "overlay"),
    )
    env = {"PATH": os.environ["PATH"], "HOME": str(place), "XDG_RUNTIME_DIR": str(place)}
    env["CONTAINERS_CONF"] = str(place / "containers.conf")
    return Podman(f"unix://{place}/podman.sock", command, env, place / "image.tar")


def _build(podman: Podman, place: Path) -> None:
    """The image from nothing: busybox, an entry point and what answers requests."""
    root = place / "image"
    for folder in ("bin", "tmp", "etc", "root"):
        (root / folder).mkdir(parents=True)
    busybox = shutil.which("busybox")
    assert busybox
    shutil.copy(busybox, root / "bin" / "busybox")
    for name in subprocess.check_output([busybox, "--list"], text=True).split():
        link = root / "bin" / name
        if not link.exists():
            link.symlink_to("busybox")
    for path, text in (("bin/entry", ENTRY), ("bin/answer", ANSWER)):
        file = root / path
        file.write_text(text)
        file.chmod(0o755)
    with tarfile.open(podman.files, "w") as tar:
        tar.add(root, ".")
    try:
        podman.make(IMAGE, 'ENTRYPOINT ["/bin/entry"]')
    except subprocess.CalledProcessError as error:
        needs.missing(f"podman does not work here: {error.stderr}")


def _await(url: str, service: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 60
    while Engines({"DOCKER_HOST": url}).find() is None:
        if service.poll() is not None or time.monotonic() > until:
            needs.missing(f"podman's service does not answer: {log.read_text()[-500:]}")
        time.sleep(0.02)


def _remove(place: Path) -> None:
    """The storage is gone, with what is still mounted in it."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in sorted((m for m in mounts if m.startswith(f"{place}/")), reverse=True):
        subprocess.run(["umount", "-l", mount], check=False)
    shutil.rmtree(place, ignore_errors=True)
    for parent in Path("/sys/fs/cgroup").glob("**/libpod_parent"):
        for group in sorted(filter(Path.is_dir, (parent, *parent.rglob("*"))), reverse=True):
            with contextlib.suppress(OSError):
                group.rmdir()


@contextlib.contextmanager
def _unchanged_network() -> Iterator[None]:
    """Afterwards bridges, firewall rules and forwarding are as they were."""
    forward = Path("/proc/sys/net/ipv4/ip_forward")
    links, forwarded = set(os.listdir("/sys/class/net")), forward.read_text()
    rules = subprocess.run(["iptables-save"], capture_output=True, check=False)
    try:
        yield
    finally:
        for link in set(os.listdir("/sys/class/net")) - links:
            if link.startswith("podman"):
                subprocess.run(["ip", "link", "delete", link], check=False)
        if rules.returncode == 0:
            _restore(rules.stdout)
        with contextlib.suppress(OSError):
            forward.write_text(forwarded)


def _restore(rules: bytes) -> None:
    """The firewall's tables are those of `rules`; those that it does not name are empty."""
    now = subprocess.run(["iptables-save"], capture_output=True, check=False).stdout
    tables = {line for line in now.splitlines() if line.startswith(b"*")}
    missing = tables - set(rules.splitlines())
    empty = b"".join(table + b"\nCOMMIT\n" for table in sorted(missing))
    subprocess.run(["iptables-restore"], input=rules + empty, check=False)
