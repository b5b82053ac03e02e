"""Directories that several jobs see in real sandboxes, each as its own."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from sagebrush.compute.base import Bind, Spec
from sagebrush.compute.local import sandbox
from sagebrush.compute.local.sandbox import HostPaths
from tests.compute.conftest import ORDINARY
from tests.compute.live_jobs import Run

PYTHON = "/usr/bin/python3"

real = pytest.mark.sandbox


def test_a_bind_apart_comes_after_what_it_lies_in_and_keeps_changes_in_the_jobs_directory() -> None:
    bind = Bind(Path("/data/shared"), "/opt/ml/model", False, apart=True)
    spec = Spec("k", ["true"], {}, Path("/data/jobs/k"), binds=(bind,))
    steps = sandbox.plan(spec, HostPaths())
    step = ["apart", "/data/shared", "/opt/ml/model", "/data/jobs/k/apart/opt-ml-model"]
    assert step in steps
    assert steps.index(step) > steps.index(["bind", "/data/jobs/k/ml", "/opt/ml", "rw"])


CHANGES = """
import os, shutil
os.chdir("/opt/ml/model")
print(sorted(os.listdir(".")), open("weights").read(), open("code/run").read())
print({os.stat(each).st_uid == os.getuid() for each in (".", "weights", "code", "code/run")})
open("weights", "a").write(" more")
os.chmod("code/run", 0o755)
open("code/run", "r+").write("RUN")
os.utime("weights", (1, 1))
os.unlink("gone")
shutil.rmtree("tree")
os.makedirs("tree/new")
open("tree/new/file", "w").write("new")
os.rename("moved", "code/moved")
os.mkfifo("fifo")
print(open("weights").read(), open("code/run").read(), os.access("code/run", os.X_OK))
print(sorted(os.listdir(".")), sorted(os.listdir("code")), sorted(os.listdir("/opt/ml")))
"""


@real
def test_what_jobs_change_in_a_directory_that_they_share_is_each_ones_own(
    run: Run, request: pytest.FixtureRequest
) -> None:
    """And it belongs to them: they may do with it what they may with a copy."""
    with tempfile.TemporaryDirectory(prefix="sagebrush-apart-") as place:
        shared, other = Path(place) / "shared", Path(place) / "other"
        files = {"weights": "w", "gone": "g", "moved": "m", "tree/old": "o", "code/run": "run"}
        for name, text in files.items():
            (shared / name).parent.mkdir(parents=True, exist_ok=True)
            (shared / name).write_text(text)
            (shared / name).chmod(0o600)
        # another name of each file, as another job's directory has it
        shutil.copytree(shared, other, copy_function=os.link)
        if request.node.callspec.params["run"] == "ordinary user":  # whose server made them
            for path in (Path(place), *Path(place).rglob("*")):
                os.chown(path, ORDINARY, ORDINARY)
        before = {path: path.lstat() for path in (shared, *shared.rglob("*"))}
        results = [
            run(
                [PYTHON, "-c", CHANGES],
                binds=[[str(each), "/opt/ml/model", False, False, True]],
                staged={"model/hidden": "", "input/x": ""},
            )
            for each in (shared, shared, other)
        ]
        for done in results:
            assert (done.code, done.reason) == (0, ""), done
            assert done.log.splitlines() == [
                "['code', 'gone', 'moved', 'tree', 'weights'] w run",
                "{True}",
                "w more RUN True",
                "['code', 'fifo', 'tree', 'weights'] ['moved', 'run'] ['input', 'model']",
            ]
        assert {name: (shared / name).read_text() for name in files} == files
        after = {path: path.lstat() for path in (shared, *shared.rglob("*"))}
        same = ("st_mode", "st_uid", "st_gid", "st_size", "st_mtime_ns", "st_ctime_ns", "st_nlink")
        assert before.keys() == after.keys()
        for path, was in before.items():
            assert all(getattr(was, each) == getattr(after[path], each) for each in same), path


@real
def test_a_job_cannot_reach_what_lies_beneath_a_directory_that_it_shares(run: Run) -> None:
    """The step before overlayfs's own, and the folder of its changes, are not to be seen."""
    with tempfile.TemporaryDirectory(prefix="sagebrush-apart-") as shared:
        os.chmod(shared, 0o755)
        tell = "import os; print(sum(' /opt/ml/model ' in line for line in open('/proc/mounts')),"
        tell += " os.path.exists('/opt/ml/apart'))\n"
        tell += "import ctypes; print(ctypes.CDLL(None).umount2(b'/opt/ml/model', 2))"
        done = run(
            [PYTHON, "-c", tell],
            binds=[[shared, "/opt/ml/model", False, False, True]],
            staged={"model/x": ""},
        )
    assert done.log.splitlines()[0].endswith("False")
    assert done.log.splitlines()[1] == "-1"


@real
def test_a_directory_to_share_whose_path_overlayfs_would_misread_is_refused(run: Run) -> None:
    with tempfile.TemporaryDirectory(prefix="sagebrush,lowerdir=") as shared:
        os.chmod(shared, 0o755)
        done = run(
            ["/bin/true"],
            binds=[[shared, "/opt/ml/model", False, False, True]],
            staged={"model/x": ""},
        )
    assert done.reason.startswith(f"sandbox: apart {shared}: a path has one of")
