"""Runs one job on a LocalBackend and tells how it went; also a program, for an ordinary user."""

from __future__ import annotations

import json
import queue
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sagebrush.compute.base import Bind, Exited, Gone, Limits, Pending, Running, Spec
from sagebrush.compute.local import probe
from sagebrush.compute.local.backend import LocalBackend

PYTHON = "/usr/bin/python3"
WAIT = 60.0


class Jobs:
    """A LocalBackend whose jobs can be waited for."""

    def __init__(self, home: Path, isolation: str = "sandbox", **given: Any) -> None:
        self.directory = home / "jobs"
        self.directory.mkdir(parents=True, exist_ok=True)
        self.attached: queue.Queue[tuple[str, str, socket.socket]] = queue.Queue()
        self._changed = threading.Condition()
        self.backend = LocalBackend(
            self.directory,
            self._attach,
            self._on_change,
            isolation,
            **{"networked": lambda: probe.networked().ok, **given},
        )

    def _attach(self, spec: Spec, name: str, listener: socket.socket) -> Callable[[], None]:
        self.attached.put((spec.key, name, listener))
        return listener.close

    def _on_change(self, key: str) -> None:
        with self._changed:
            self._changed.notify_all()

    def spec(self, argv: list[str], key: str = "job", **given: Any) -> Spec:
        """A Spec of this backend; cwd is the job's own in either isolation."""
        root = self.directory / key
        cwd = "/opt/ml" if self.backend.isolation == "sandbox" else str(root / "ml")
        env = {"PATH": "/usr/bin:/bin", **given.pop("env", {})}
        return Spec(**{"key": key, "argv": argv, "env": env, "root": root, "cwd": cwd, **given})

    def launch(self, argv: list[str], key: str = "job", **given: Any) -> None:
        """`argv` has been launched."""
        self.backend.launch(self.spec(argv, key, **given))

    def until(self, test: Callable[[], Any]) -> Any:
        """What `test` returned once that was true; it is asked at every change and now and then."""
        import time

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
            assert isinstance(state, Pending | Running), state
            return state if isinstance(state, Running) else None

        return self.until(test)

    def text(self, key: str = "job") -> str:
        """The job's whole log."""
        return "\n".join(line.text for line in self.backend.logs(key, 0, 1_000_000))

    def says(self, text: str, key: str = "job") -> None:
        """Returns once the log holds `text`."""

        def test() -> bool:
            state = self.backend.poll(key)
            found = text in self.text(key)
            assert found or not isinstance(state, Exited), (state, self.text(key))
            return found

        self.until(test)


@dataclass(frozen=True)
class Outcome:
    """How a job went."""

    code: int
    reason: str
    log: str
    peak_memory: int


Run = Callable[..., Outcome]


def outcome(home: Path, argv: list[str], given: dict[str, Any]) -> Outcome:
    """How `argv` went in a sandbox; `given` are further members of its Spec, as plain values."""
    given = dict(given)
    if "limits" in given:
        given["limits"] = Limits(**given["limits"])
    given["binds"] = tuple(Bind(Path(s), *how) for s, *how in given.get("binds", ()))
    staged = given.pop("staged", {})
    jobs = Jobs(home)
    try:
        spec = jobs.spec(argv, **given)
        for name, text in staged.items():
            path = spec.root / "ml" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        jobs.backend.launch(spec)
        ended = jobs.ended()
        return Outcome(ended.code, ended.reason, jobs.text(), ended.peak_memory)
    finally:
        jobs.backend.forget("job")
        jobs.backend.close()


if __name__ == "__main__":
    place = Path(tempfile.mkdtemp(dir=sys.argv[1]))
    try:
        print(json.dumps(asdict(outcome(place, *json.loads(sys.argv[2])))))
    finally:
        shutil.rmtree(place, ignore_errors=True)
