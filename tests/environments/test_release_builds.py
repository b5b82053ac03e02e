"""Environments of AWS's releases: resolved at first need, checked, and made anew where that is due."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from sagebrush.environments import interpreters, locks, resolution
from sagebrush.environments.releases import Release
from sagebrush.environments.store import BuildFailed
from tests.environments.uvscript import Builder, builder, waited

__all__ = ["builder"]

RELEASE = "scikit-learn-0.23-1"
LOCKED = "pathlib.Path(sys.argv[sys.argv.index('-o') + 1]).write_text('scikit-learn==0.24.0\\n')"


def test_a_release_is_resolved_at_first_need_and_stays_as_it_was(builder: Builder) -> None:
    builder.sync("pass", LOCKED)
    first = builder.new().build(RELEASE)
    lock = locks.text(builder.root, RELEASE)
    assert lock.splitlines() == ["# python 3.9", "scikit-learn==0.24.0"]
    assert builder.imported == [("sklearn",)]
    builder.sync("pass", "sys.exit(1)")  # an index that has other versions meanwhile
    assert builder.new().build(RELEASE) == first
    shown = {each.name: each for each in builder.new().known()}
    assert shown[RELEASE].released == "2020-10-18"
    (built,) = builder.new().builds()
    assert (built.name, built.directory) == (RELEASE, first.path)
    builder.new().drop(built)
    assert not first.path.exists()
    assert locks.text(builder.root, RELEASE) == lock
    assert builder.new().remove(RELEASE)
    with pytest.raises(locks.NoLock):
        locks.text(builder.root, RELEASE)


def test_a_release_that_cannot_be_had_is_told(builder: Builder) -> None:
    asked = "'scikit' in pathlib.Path(sys.argv[-1]).read_text()"
    builder.sync("pass", f"sys.exit(1) if {asked} else {LOCKED}")
    with pytest.raises(
        BuildFailed, match=r"scikit-learn 0\.23-1 cannot be had for Python 3\.9, .*"
    ):
        builder.new().build(RELEASE)
    assert not (builder.root / locks.RELEASES).exists()


def test_a_shipped_release_has_the_python_of_its_lock(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []
    here = interpreters.probe(Path(sys.executable))
    monkeypatch.setattr(interpreters, "find", lambda _, wanted=(): asked.append(wanted) or here)
    builder.new().build("scikit-learn-1.2-1")
    assert asked
    assert set(asked) == {("3.11",)}
    assert not builder.imported, "the project's own lock was tried when it was made"


def test_a_release_whose_package_cannot_be_imported_says_which_and_why(builder: Builder) -> None:
    builder.sync("pass", LOCKED)
    builder.unimportable = {
        "module": "sklearn",
        "error": "ImportError: cannot import name 'x' from 'scipy'",
        "packages": ["scipy", "scikit-learn", "sklearn"],
    }
    with pytest.raises(BuildFailed) as error:
        builder.new().build(RELEASE)
    assert str(error.value).startswith(
        f"environment {RELEASE}: its sklearn cannot be imported: ImportError: cannot import name 'x'"
        " from 'scipy' (among scikit-learn 0.24.0)."
    )
    assert f"image build --again {RELEASE}" in str(error.value)
    assert not builder.new().builds()
    assert not list(builder.root.glob(".building-*"))


def older(builder: Builder, name: str) -> None:
    """The environment's lock was made two days ago."""
    file = builder.root / locks.RELEASES / f"{name}.txt"
    then = file.stat().st_mtime - 2 * locks.TRIED
    os.utime(file, (then, then))


def test_a_lock_that_stands_for_now_is_made_anew_after_a_day(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where PyTorch's index did not answer; what is there is used until then."""
    first, second = locks.for_now("# python 3.9\na==1\n", "no\nanswer"), "# python 3.9\na==2\n"
    assert first.splitlines() == ["# python 3.9", "# for now: no answer", "a==1"]
    made, answers = builder.new(), [first]

    def resolved(*_: object) -> str:
        if not answers:
            raise resolution.Unresolved("no index answers")
        return answers.pop()

    monkeypatch.setattr(resolution, "lock", resolved)
    before = made.build(RELEASE)
    assert made.build(RELEASE) == before
    assert made.ready(RELEASE) == before
    older(builder, RELEASE)
    assert made.build(RELEASE) == before, "in vain"
    assert not locks.due(builder.root, RELEASE), "and tried again tomorrow"
    older(builder, RELEASE)
    answers.append(second)
    assert made.ready(RELEASE) == before, "a job does not wait for it"
    after = waited(made, RELEASE)
    assert after.path != before.path
    assert locks.text(builder.root, RELEASE) == second
    older(builder, RELEASE)
    assert made.build(RELEASE) == after, "this one stays"


def test_a_release_is_resolved_again_on_request(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder.sync("pass", LOCKED)
    made = builder.new()
    first = made.build(RELEASE)
    builder.sync("pass", LOCKED.replace("0.24.0", "0.24.2"))
    assert made.build(RELEASE, again=True).path != first.path
    assert "scikit-learn==0.24.2" in locks.text(builder.root, RELEASE)
    builder.sync("pass", "sys.exit(1)")
    with pytest.raises(BuildFailed):
        made.build(RELEASE, again=True)
    assert "scikit-learn==0.24.2" in locks.text(builder.root, RELEASE)
    with pytest.raises(BuildFailed, match="nlp is no release of AWS's"):
        made.build("nlp", again=True)


def test_a_release_between_two_is_resolved_or_else_the_one_below_stands(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, below = "tensorflow-2.14.2", "tensorflow-2.14.1"
    asked: list[str] = []

    def unresolved(release: Release, *_: object) -> str:
        asked.append(release.environment)
        raise resolution.Unresolved("no index answers")

    monkeypatch.setattr(resolution, "lock", unresolved)
    monkeypatch.setattr(resolution, "x86", lambda: True)
    made = builder.new()
    made.build(name)
    assert asked == [name]
    pins = locks.pins(locks.text(builder.root, name))
    assert pins == locks.pins(locks.text(builder.root, below))
    assert locks.FOR_NOW in locks.text(builder.root, name)
    assert name in [each.name for each in made.known()]
    with pytest.raises(BuildFailed, match="no index answers"):
        made.build("pytorch-1.4.1")
