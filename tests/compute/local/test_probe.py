"""What the probe says of hosts, and this host's own probe."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagebrush.compute.base import Exited
from sagebrush.compute.local import probe
from sagebrush.compute.local.limits import Layout
from sagebrush.compute.local.probe import Check, Facts

pytestmark = pytest.mark.ordinary

DENIED = "sandbox: user namespace: Operation not permitted"


def facts(**given: object) -> Facts:
    return Facts(**{"system": "linux", "python": "/usr/bin/python3.12", **given})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (facts(system="darwin"), "Lima"),
        (facts(system="win32"), "WSL2"),
        (facts(container=True, apparmor_restricts=True), "--privileged"),
        (facts(apparmor_restricts=True), "profile sagebrush /usr/bin/python3.12"),
        (facts(apparmor_restricts=True), "kernel.apparmor_restrict_unprivileged_userns=0"),
        (facts(clone_forbidden=True), "kernel.unprivileged_userns_clone=1"),
        (facts(no_namespaces=True), "user.max_user_namespaces"),
        (facts(root=True), "CAP_SYS_ADMIN"),
        (facts(), "as root"),
    ],
)
def test_the_cure_fits_the_host(given: Facts, words: str) -> None:
    assert words in probe.cure(DENIED, given)


def test_facts_are_read_from_the_kernel(tmp_path: Path) -> None:
    for name, text in (
        ("kernel/apparmor_restrict_unprivileged_userns", "1\n"),
        ("kernel/unprivileged_userns_clone", "0\n"),
        ("user/max_user_namespaces", "0\n"),
    ):
        path = tmp_path / "proc/sys" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / ".dockerenv").touch()
    read = Facts.read(tmp_path)
    assert read.container
    assert read.apparmor_restricts
    assert read.clone_forbidden
    assert read.no_namespaces
    nothing = Facts.read(tmp_path / "empty")
    assert not any((nothing.container, nothing.apparmor_restricts, nothing.no_namespaces))


def test_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Check("sandbox", False, "sandbox: pivot_root: Operation not permitted", "do this")
    monkeypatch.setattr(probe, "sandboxed", lambda: answer)
    assert probe.choose("process") == probe.choose("auto") == "process"
    with pytest.raises(probe.CannotIsolate, match=r"pivot_root.*do this"):
        probe.choose("sandbox")
    answer = Check("sandbox", True)
    assert probe.choose("auto") == probe.choose("sandbox") == "sandbox"
    assert probe.choose("process") == "process"


def test_a_watchdog_is_told_with_its_reason() -> None:
    check = probe._limits(Layout(why="nothing writable"))
    assert not check.ok
    assert "nothing writable" in check.detail
    assert check.cure
    assert probe._limits(Layout("v2")).ok


def test_unreadable_files_are_told(tmp_path: Path) -> None:
    for name in ("toolkit", "algorithms"):
        (tmp_path / name).mkdir(mode=0o755)
        (tmp_path / name / "file.py").touch(mode=0o644)
    assert probe._readable(tmp_path).ok
    (tmp_path / "toolkit" / "file.py").chmod(0o600)
    check = probe._readable(tmp_path)
    assert not check.ok
    assert str(tmp_path / "toolkit" / "file.py") in check.detail
    assert "chmod" in check.cure


def test_a_kernel_without_bridges_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = Exited(125, "sandbox: network: bridge: Operation not supported")
    monkeypatch.setattr(probe, "_run", lambda *_: [(failed, "")] * 2)
    check = probe.networked()
    assert not check.ok
    assert "jobs of one instance only" in check.detail
    assert "bridge: Operation not supported" in check.detail
    assert "modprobe" in check.cure


@pytest.mark.sandbox
def test_every_promise_holds_here(sandboxed: None) -> None:
    found = list(probe.selftest())
    assert [check for check in found if not check.ok] == []
    assert {"memory limit", "files of the host are absent"} <= {check.check for check in found}
