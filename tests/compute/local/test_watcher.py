"""A backend that is closed, of which a thread that outlives it still asks; one that comes before a
supervisor of the last server's."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from sagebrush.compute import record
from sagebrush.compute.base import Gone, Pending, Spec
from sagebrush.compute.local.backend import LocalBackend
from sagebrush.compute.local.watcher import ShimJob
from tests.compute.live_jobs import Jobs


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


@pytest.mark.ordinary
def test_what_is_stopped_before_its_supervisor_shows_never_runs(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server was killed right after a launch, and the next one is asked to stop the job before its
    supervisor holds its lock: nobody would end it later."""
    gate = jobs.directory.parent / "gate"
    os.mkfifo(gate)
    given = jobs.backend.launcher.configuration

    def held_up(spec: Spec) -> dict[str, Any]:
        found = given(spec)
        late = ["/bin/sh", "-c", f'read x < "{gate}"; exec "$@"', "late"]
        return {**found, "limits": {**found["limits"], "prefix": late}}

    monkeypatch.setattr(jobs.backend.launcher, "configuration", held_up)
    jobs.launch(["/bin/sh", "-c", "echo ran"])
    after = Jobs(jobs.directory.parent, jobs.backend.isolation)
    try:
        assert after.backend.poll("job") == Gone()
        after.backend.stop("job", 5)
        gate.write_text("on\n")
        assert jobs.ended().reason == "stopped"
        assert jobs.text() == ""
    finally:
        after.backend.close()
