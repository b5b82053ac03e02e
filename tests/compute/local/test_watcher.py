"""What a backend that is closed does when a thread that outlives it still asks."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from pathlib import Path

from sagebrush.compute import record
from sagebrush.compute.base import Gone, Pending, Spec
from sagebrush.compute.local.backend import LocalBackend
from sagebrush.compute.local.watcher import ShimJob


def backend(home: Path) -> LocalBackend:
    return LocalBackend(home, lambda *_: None, lambda key: None, "process")


def written(home: Path, key: str) -> Spec:
    """A job that the last server launched."""
    spec = Spec(key=key, argv=["true"], env={}, root=home / key)
    spec.root.mkdir(parents=True)
    held = {"spec": record.to_json(spec), "shim": {"mode": "process", "limits": {}}}
    (spec.root / "spec.json").write_text(json.dumps(held))
    return spec


def test_a_closed_backend_watches_no_job_and_raises_nothing(
    tmp_path: Path,
) -> None:
    made, spec = backend(tmp_path), written(tmp_path, "j")
    ours, theirs = socket.socketpair()
    made._watcher.watch(ShimJob(spec, mode="process", link=ours))
    made.close()
    lock = os.open(spec.root / "shim.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with theirs, socket.socket(socket.AF_UNIX) as shim:
        shim.bind(str(spec.root / "ctl"))
        shim.listen()
        assert made.poll("j") == Pending()
        late, other = socket.socketpair()
        with other:
            made._watcher.watch(ShimJob(spec, mode="process", link=late))
            assert other.recv(1) == b"", "its connection is closed"
    os.close(lock)


def test_a_job_is_stopped_whose_supervisor_is_only_starting(tmp_path: Path) -> None:
    made, spec = backend(tmp_path), written(tmp_path, "j")
    assert made.poll("j") == Gone()
    made.stop("j", 5.0)
    assert (spec.root / "stop").exists()
    made.stop("never", 5.0)
    assert not (tmp_path / "never").exists()
    made.close()
