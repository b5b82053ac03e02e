"""Environments whose uv is a script of the test's."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from sagebrush.environments import interpreters, uvtool
from sagebrush.environments.environment import Environment
from sagebrush.environments.store import Environments
from sagebrush.toolkit.packages import import_check

FAKE_UV = """#!{python}
import os, pathlib, sys, time
log = pathlib.Path({log!r})
with log.open("a") as out:
    out.write(" ".join(sys.argv[1:]) + "\\n")
if sys.argv[1] == "venv":
    target = pathlib.Path(sys.argv[-1])
    (target / "bin").mkdir(parents=True)
    (target / "bin" / "python").symlink_to(sys.argv[sys.argv.index("--python") + 1])
    (target / "lib").mkdir()
elif sys.argv[1:3] == ["pip", "sync"]:
    {sync}
elif sys.argv[1:3] == ["pip", "compile"]:
    {compile}
else:
    sys.exit(1)
"""


class Builder:
    """Environments whose uv is a script: it writes down what it was asked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.log, self.uv = folder / "environments", folder / "log", folder / "uv"
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        here = interpreters.probe(Path(sys.executable))
        monkeypatch.setattr(uvtool.uv, "find_uv_bin", lambda: str(self.uv))
        monkeypatch.setattr(interpreters, "find", lambda *_: here)
        self.imported: list[tuple[str, ...]] = []
        self.unimportable: dict[str, object] | None = None
        monkeypatch.setattr(import_check, "asked", self._imports)
        self.sync("pass")

    def _imports(
        self, python: str, modules: Sequence[str], work: Path, options: Sequence[str]
    ) -> dict[str, object] | None:
        assert Path(python).exists()
        assert list(options) == ["-B"], "bytecode would name a folder that is renamed"
        self.imported.append(tuple(modules))
        return self.unimportable

    def sync(self, code: str, compiled: str = "pass") -> None:
        """`uv pip sync` runs `code`."""
        words = {"log": str(self.log), "sync": code, "compile": compiled}
        self.uv.write_text(FAKE_UV.format(python=sys.executable, **words))
        self.uv.chmod(0o755)

    def compiles(self, lock: str, failure: str = "") -> None:
        """`uv pip compile` writes `lock`, or says `failure`."""
        out = f"pathlib.Path(sys.argv[-1]).write_text({lock!r})"
        self.sync("pass", f"print({failure!r}); sys.exit(1)" if failure else out)

    def new(self) -> Environments:
        return Environments(self.root, self.environ)

    @property
    def calls(self) -> list[str]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [" ".join(line.split()[:2]) for line in lines]


@pytest.fixture
def builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Builder:
    return Builder(tmp_path, monkeypatch)


def waited(made: Environments, name: str) -> Environment:
    """The environment once its background build is over."""
    for thread in threading.enumerate():
        if thread.name == f"build-{name}":
            thread.join(60)
    found = made.ready(name)
    assert found is not None
    return found
