"""What an engine tells of images, and of programs that it cannot start."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagebrush.compute.base import Exited, Spec
from sagebrush.compute.containers import holder, images, tied
from sagebrush.compute.containers.engines import Engine
from sagebrush.routing.functions import failures

ID = "sha256:" + "1" * 64
MANIFEST = "sha256:" + "2" * 64


@pytest.mark.parametrize(
    "name", ["host:5000/team/f:1", "host:5000/team/f", f"host:5000/team/f@{MANIFEST}"]
)
def test_an_image_is_named_by_its_manifest(name: str) -> None:
    told = {
        "Id": ID,
        "RepoDigests": [f"other/f@sha256:{'3' * 64}", f"host:5000/team/f@{MANIFEST}"],
        "Config": {"Entrypoint": ["/run"], "Cmd": ["app.handler"], "Env": ["PATH=/bin", "A=b=c"]},
    }
    found = images.read(name, told)
    assert found.resolved == f"host:5000/team/f@{MANIFEST}"
    assert (found.id, found.digest) == (ID, "2" * 64)
    assert (found.entrypoint, found.command) == (("/run",), ("app.handler",))
    assert found.variables == {"PATH", "A"}


def test_one_that_was_never_pushed_is_named_by_its_configuration() -> None:
    found = images.read("mine:1", {"Id": "1" * 64, "RepoDigests": None, "Config": None})
    assert (found.resolved, found.id, found.command) == (f"mine@{ID}", ID, ())


RUNC = "runc: runc create failed: unable to start container process: "


@pytest.mark.parametrize(
    ("words", "kind", "message"),
    [
        (f'{RUNC}exec: "/b/r": stat /b/r: no such file or directory: OCI runtime', "Entrypoint",
         "fork/exec /b/r: no such file or directory"),
        (f'{RUNC}exec: "/b/r": permission denied: OCI permission denied', "Entrypoint",
         "fork/exec /b/r: permission denied"),
        (f'{RUNC}chdir to cwd ("/w") set in config.json failed: permission denied', "WorkingDir",
         "chdir /w: permission denied"),
    ],
)  # fmt: skip
def test_why_a_program_does_not_start(words: str, kind: str, message: str) -> None:
    spec = Spec("k", ("a",), {}, Path("/k"), entrypoint=("/b/r",), cwd="/w")
    told = tied.unstarted(words, spec)
    exited = Exited(125, f"sandbox: {told}", told)
    assert failures.of_exit(exited) == (f"Runtime.Invalid{kind}", message)


def test_a_name_that_is_nowhere_and_what_is_no_programs_fault() -> None:
    spec = Spec("k", ("python", "-m"), {}, Path("/k"))
    told = tied.unstarted(f'{RUNC}exec: "python": executable file not found in $PATH: OCI', spec)
    kind, words = failures.of_exit(Exited(125, f"sandbox: {told}", told))
    assert (kind, words) == (
        "Runtime.InvalidEntrypoint", 'exec: "python": executable file not found in $PATH',
    )  # fmt: skip
    told = tied.unstarted(f"{RUNC}error setting rlimit type 7: operation not permitted", spec)
    assert failures.of_exit(Exited(125, f"sandbox: {told}", told))[0] == "Runtime.Unknown"


def test_engines_that_cannot_keep_functions_apart_are_refused() -> None:
    assert "neither Docker nor Podman" in tied.lacking(None)
    for engine in (
        Engine("unix:///d", "1.41", "Docker Desktop 27", desktop=True),
        Engine("unix:///p", "1.41", "Podman 5", podman=True, rootless=True),
        Engine("tcp://127.0.0.1:1", "1.41", "Podman 5", podman=True),
    ):
        assert engine.name in tied.lacking(engine)


def test_what_holds_a_network_is_a_program() -> None:
    found = holder.program()
    assert (found[:4], len(found)) == (b"\x7fELF", 129)
