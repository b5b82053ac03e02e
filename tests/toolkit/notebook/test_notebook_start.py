"""The real toolkit/notebook/notebook.py: scripts, clones, configuration; a stand-in is where Jupyter was."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import sagebrush

TOOLKIT = Path(sagebrush.__file__).parent / "toolkit" / "notebook"
ARN = "arn:aws:sagemaker:us-east-1:123456789012:notebook-instance/nb"
CONFIG_ARN = "arn:aws:sagemaker:us-east-1:123456789012:notebook-instance-lifecycle-config/lc"
STAND_IN = "import json, os, sys; json.dump([sys.argv[1:], dict(os.environ)], open('ran', 'w'))"


class Desk:
    """An instance's directories, and runs of its process."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ml, self.home, self.volume = root / "ml", root / "home", root / "volume"
        self.orders: dict[str, Any] = {
            "arn": ARN,
            "hooks": [],
            "repositories": [],
            "default": "",
            "memory": 4 << 30,
            "root_access": True,
        }
        for path in (self.ml / "config", self.ml / "output", self.home, self.volume):
            path.mkdir(parents=True)
        (root / "lib" / "jupyterlab").mkdir(parents=True)
        (root / "lib" / "jupyterlab" / "__main__.py").write_text(STAND_IN)

    def hook(self, name: str, script: str | bytes) -> None:
        content = script.encode() if isinstance(script, str) else script
        text = base64.b64encode(content).decode()
        self.orders["hooks"].append({"name": name, "content": text, "arn": CONFIG_ARN})

    def run(self, **environ: str) -> tuple[int, str]:
        """(exit status, output) of the instance's process."""
        (self.ml / "config" / "notebook.json").write_text(json.dumps(self.orders))
        env = {
            "PATH": f"{self.home}/.local/bin:{os.environ['PATH']}",
            "HOME": str(self.home),
            "PYTHONPATH": str(self.root / "lib"),
            "SAGEBRUSH_ML": str(self.ml),
            "SAGEBRUSH_VOLUME": str(self.volume),
            "TMPDIR": str(self.root),
            **environ,
        }
        done = subprocess.run(
            [sys.executable, "-P", str(TOOLKIT / "notebook.py")],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stdout

    @property
    def served(self) -> tuple[list[str], dict[str, str]]:
        """Arguments and environment of the server that ran."""
        found = json.loads((self.home / "ran").read_text())
        return found[0], found[1]

    @property
    def failure(self) -> str:
        return (self.ml / "output" / "failure").read_text()

    def log(self, hook: str) -> str:
        return (self.ml / "output" / f"LifecycleConfig{hook}.log").read_text(errors="replace")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_it_becomes_the_server(desk: Desk) -> None:
    assert desk.run() == (0, "")
    arguments, environ = desk.served
    assert "--ServerApp.port=8888" in arguments
    assert "--ServerApp.ip=127.0.0.1" in arguments
    assert "--IdentityProvider.token=" in arguments
    assert environ["JUPYTER_CONFIG_PATH"] == str(desk.ml / "config/jupyter")
    assert not (desk.ml / "output/failure").exists()


def test_without_a_sandbox_port_and_token_are_given(desk: Desk) -> None:
    desk.run(SAGEMAKER_BIND_TO_PORT="23456", JUPYTER_TOKEN="t0ken")
    arguments, environ = desk.served
    assert "--ServerApp.port=23456" in arguments
    assert not [each for each in arguments if "token" in each]  # others can read a command line
    assert environ["JUPYTER_TOKEN"] == "t0ken"


def configuration(desk: Desk) -> dict[str, dict[str, Any]]:
    """What Jupyter would read from the file that was written."""
    found: dict[str, dict[str, Any]] = {}

    class Config:
        def __getattr__(self, name: str) -> dict[str, Any]:
            return found.setdefault(name, {})

    file = desk.ml / "config/jupyter/jupyter_server_config.py"
    path = list(sys.path)
    exec(compile(file.read_text(), str(file), "exec"), {"get_config": Config})
    assert sys.path == [*path, str(TOOLKIT)]
    sys.path.pop()
    return found


def test_jupyter_is_told_where_the_volume_is(desk: Desk) -> None:
    desk.run()
    found = configuration(desk)
    assert found["ServerApp"]["root_dir"] == str(desk.volume)
    assert found["ServerApp"]["default_url"] == "/lab"
    assert found["ServerApp"]["jpserver_extensions"] == {"notebook_activity": True}
    assert found["ResourceUseDisplay"]["mem_limit"] == 4 << 30


def test_scripts_run_in_order_and_their_output_is_kept(desk: Desk) -> None:
    desk.hook("OnCreate", "echo made; echo 1 > /home/ec2-user/SageMaker/made")
    desk.hook("OnStart", "cat /home/ec2-user/SageMaker/made; echo oops >&2; pwd")
    code, _ = desk.run()
    assert code == 0
    assert desk.log("OnCreate") == "made\n"
    assert desk.log("OnStart") == f"1\noops\n{desk.home}\n"
    assert desk.served[0]


def test_what_scripts_put_into_the_profile_is_jupyters_too(desk: Desk) -> None:
    desk.hook("OnStart", "echo 'export TEAM=\"blue sky\"' > /etc/profile.d/team.sh; > /var/log/a")
    assert desk.run() == (0, "lifecycle configuration: OnStart runs\n")
    environ = desk.served[1]
    assert environ["TEAM"] == "blue sky"
    assert environ["HOME"] == str(desk.home)
    assert (desk.ml / "system/log/a").exists()  # not the host's, where there is no sandbox


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("#!/usr/bin/env python3\nimport sys\nprint('python', sys.argv[1:])\n", "python []\n"),
        ("#! /bin/sh -e\ncase $0,$- in */OnStart_*,*e*) echo yes ;; esac\n", "yes\n"),
        ("echo ${BASH_VERSION:+bash}\n", "bash\n"),  # no such line: as a shell does it
        (b"#!/bin/bash\nprintf '\xe9\\n'\n", "\ufffd\n"),  # the bytes are the script's
        ("", ""),
    ],
    ids=["python", "its argument and its name", "none", "not UTF-8", "empty"],
)
def test_a_script_is_read_by_what_its_first_line_names(
    desk: Desk, script: str | bytes, told: str
) -> None:
    desk.hook("OnStart", script)
    assert desk.run()[0] == 0, desk.failure
    assert desk.log("OnStart") == told


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("#!/no/such/python", "/no/such/python: bad interpreter: No such file or directory"),
        ("#!/tmp -x", "/tmp: bad interpreter: Permission denied"),
        ("#!/bin/bash\r", "/bin/bash^M: bad interpreter: No such file or directory"),
    ],
)
def test_a_wrong_interpreter_is_told_in_aws_words(desk: Desk, line: str, why: str) -> None:
    desk.hook("OnStart", f"{line}\necho ran\n")
    assert desk.run()[0] == 1
    assert "OnStart ended with exit code 126. Please check your CloudWatch" in desk.failure
    first, *more = desk.log("OnStart").splitlines()
    assert re.fullmatch(rf"/bin/bash: /\S+/OnStart_[\d-]{{16}}\w{{8}}: {re.escape(why)}", first)
    assert first in desk.failure
    assert ("CR LF" in "".join(more)) == line.endswith("\r")


@pytest.mark.parametrize("line", ["#!/bin/bash", "#!/usr/bin/env python3", "cd /"])
def test_windows_line_ends_are_told_as_the_cause(desk: Desk, line: str) -> None:
    desk.hook("OnStart", f"{line}\r\nexit 1\r\n")
    assert desk.run()[0] == 1
    assert "end in CR LF, as Windows writes them" in desk.failure.splitlines()[-1]


def test_scripts_written_for_root_run_as_the_only_user(desk: Desk) -> None:
    script = """
sudo -u ec2-user -i <<'EOF'
echo here $PWD
EOF
sudo echo plain
sudo -Hu ec2-user echo both
sudo NAME=value bash -c 'echo $NAME'
"""
    desk.hook("OnStart", script)
    assert desk.run()[0] == 0
    assert desk.log("OnStart") == f"here {desk.home}\nplain\nboth\nvalue\n"
    assert (desk.home / ".local/bin/sudo").exists()


def test_without_root_access_only_scripts_have_it(desk: Desk) -> None:
    desk.orders["root_access"] = False
    desk.hook("OnStart", "sudo echo yes")
    assert desk.run()[0] == 0
    assert desk.log("OnStart") == "yes\n"
    assert not (desk.home / ".local/bin/sudo").exists()


def test_a_script_that_fails_is_told_with_its_last_lines(desk: Desk) -> None:
    desk.hook("OnCreate", "seq 1 20; echo the cause >&2; exit 3")
    desk.hook("OnStart", "touch /home/ec2-user/SageMaker/never")
    code, output = desk.run()
    assert code == 1
    assert desk.failure.startswith(
        f"Notebook Instance Lifecycle Config '{CONFIG_ARN}' for Notebook Instance '{ARN}' failed:"
        " OnCreate ended with exit code 3."
    )
    assert desk.failure.endswith("19\n20\nthe cause")
    assert "the cause" in output
    assert not (desk.volume / "never").exists()
    assert not (desk.home / "ran").exists()


def test_a_script_that_takes_too_long_is_ended(desk: Desk) -> None:
    desk.orders["limit"] = 0.5
    desk.hook("OnStart", "echo begun; sleep 60")
    before = time.monotonic()
    code, _ = desk.run()
    assert code == 1
    assert time.monotonic() - before < 30
    assert "took longer than 0.5 seconds (OnStart)" in desk.failure
    assert desk.failure.endswith("begun")


def test_what_a_script_leaves_in_the_background_goes_on(desk: Desk) -> None:
    mark = desk.root / "late"
    desk.hook("OnStart", f"nohup bash -c 'sleep 1; touch {mark}' >/dev/null 2>&1 &")
    assert desk.run()[0] == 0
    limit = time.monotonic() + 20
    while not mark.exists():
        assert time.monotonic() < limit
        time.sleep(0.05)


def test_a_long_reason_keeps_its_ends(desk: Desk) -> None:
    desk.hook("OnStart", "printf 'x%.0s' {1..5000}; echo; echo the end; exit 1")
    desk.run()
    assert len(desk.failure) <= 1024
    assert desk.failure.startswith("Notebook Instance")
    assert desk.failure.endswith("the end")


# ---- repositories


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "source" / "analysis"
    path.mkdir(parents=True)
    git = ["git", "-C", str(path), "-c", "user.name=n", "-c", "user.email=e@example.com"]
    for arguments in (
        ["init", "-q", "-b", "main"],
        ["commit", "-q", "--allow-empty", "-m", "first"],
        ["branch", "other"],
    ):
        subprocess.run([*git, *arguments], check=True)
    return path


def clone_of(desk: Desk, url: object, directory: str = "analysis", branch: str = "") -> None:
    order = {"url": str(url), "directory": directory, "branch": branch}
    desk.orders["repositories"].append(order)


def test_repositories_are_cloned_once(desk: Desk, repository: Path) -> None:
    clone_of(desk, repository)
    desk.orders["default"] = "analysis"
    assert desk.run()[0] == 0
    assert (desk.volume / "analysis" / ".git").is_dir()
    assert configuration(desk)["ServerApp"]["default_url"] == "/lab/tree/analysis"
    (desk.volume / "analysis" / "mine").write_text("work")
    assert desk.run()[0] == 0
    assert (desk.volume / "analysis" / "mine").read_text() == "work"
    assert sorted(os.listdir(desk.volume)) == ["analysis"]


def test_a_branch_is_checked_out(desk: Desk, repository: Path) -> None:
    clone_of(desk, repository, branch="other")
    assert desk.run()[0] == 0
    head = (desk.volume / "analysis" / ".git" / "HEAD").read_text()
    assert head.strip() == "ref: refs/heads/other"


def test_a_clone_that_fails_is_told_in_gits_words(desk: Desk, tmp_path: Path) -> None:
    clone_of(desk, tmp_path / "none")
    code, _ = desk.run()
    assert code == 1
    assert "could not be cloned" in desk.failure
    assert "does not exist" in desk.failure
    assert os.listdir(desk.volume) == []


def test_a_password_in_a_url_is_not_told(desk: Desk) -> None:
    clone_of(desk, "http://me:s3cret@127.0.0.1:9/x/analysis")
    code, output = desk.run()
    assert code == 1
    assert "s3cret" not in desk.failure + output


# ---- activity


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, TOOLKIT / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_terminal_runs_something_while_its_shell_has_a_child() -> None:
    activity = load("notebook_activity")
    shell = subprocess.Popen(["bash", "-c", "read; sleep 60; true"], stdin=subprocess.PIPE)
    try:
        terminal = SimpleNamespace(ptyproc=SimpleNamespace(pid=shell.pid))
        terminals = SimpleNamespace(terminals={"1": terminal})
        assert activity.running(None) == 0
        assert activity.running(terminals) == 0
        assert shell.stdin
        shell.stdin.write(b"\n")
        shell.stdin.flush()
        limit = time.monotonic() + 20
        while not activity.running(terminals):
            assert time.monotonic() < limit
            time.sleep(0.01)
    finally:
        subprocess.run(["pkill", "-P", str(shell.pid)])
        shell.kill()
        shell.communicate()
    assert not activity.has_children(shell.pid)


def test_busy_and_starting_kernels_count_as_use() -> None:
    activity = load("notebook_activity")
    started = SimpleNamespace(timestamp=lambda: 5.0)
    states = ("idle", "busy", "starting", "dead", None)
    kernels = [{"execution_state": s, "last_activity": "1970-01-01T00:00:09Z"} for s in states]
    assert activity.activity(kernels, {"started": started}) == {
        "kernels": 5,
        "busy_kernels": 3,
        "terminals_running": 0,
        "last_activity": 9.0,
    }
    assert activity.activity([], {"started": started})["last_activity"] == 5.0


def test_programs_left_running_are_seen_and_idle_helpers_are_not(tmp_path: Path) -> None:
    """1 adopts; 2 is the server, 3 its kernel, 4 its terminal; what else runs is somebody's."""
    activity = load("notebook_activity")

    def process(pid: int, parent: int, ticks: int = 0, state: str = "S") -> None:
        folder = tmp_path / str(pid)
        folder.mkdir(exist_ok=True)
        fields = f"{state} {parent} " + "0 " * 9 + f"{ticks} 0 0"
        (folder / "stat").write_text(f"{pid} (a (name) here) {fields}")

    used: dict[int, int] = {}

    def seen() -> int:
        return activity.programs(2, {3}, used, tmp_path)

    for pid, parent in ((1, 0), (2, 1), (3, 2), (4, 2), (5, 4), (99, 98), (98, 0)):
        process(pid, parent)
    assert seen() == 0, "terminals are counted otherwise; other trees are not ours"
    process(6, 3, ticks=400)
    assert seen() == 1, "a kernel's child at work"
    assert seen() == 0, "the same, idle since"
    process(6, 3, ticks=900)
    process(7, 1)
    process(8, 1, state="Z")
    assert seen() == 2, "at work again, and one left running"
    (tmp_path / "7" / "stat").unlink()
    assert seen() == 0
