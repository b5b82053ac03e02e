"""The programs that scripts written for AWS find in a notebook instance, as such scripts call them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sagebrush.toolkit.notebook.furnish import furnish


class Home:
    """An instance's home, and scripts in it."""

    def __init__(self, root: Path) -> None:
        self.path, self.profile = root / "home", root / "profile.d"
        self.profile.mkdir()
        furnish(self.path, self.path / "SageMaker", self.profile, root / "kernels")

    def run(self, script: str) -> tuple[int, str]:
        """(exit status, output) of a script that ends at its first failure."""
        path = f"{self.path}/.local/bin:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-e", "-c", script],
            env={"PATH": path, "HOME": str(self.path)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.path,
        )
        return done.returncode, done.stdout


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_a_crontab_is_kept_and_said_not_to_run(home: Home) -> None:
    code, said = home.run('(crontab -l 2>/dev/null; echo "*/5 * * * * stop") | crontab -')
    assert code == 0
    assert said.startswith("crontab: kept, but nothing runs it here; sagebrush notebook idle")
    assert home.run("crontab -l") == (0, "*/5 * * * * stop\n")
    home.run("echo '@daily x' > table; crontab table")
    assert home.run("crontab -l") == (0, "@daily x\n")
    assert home.run("crontab -r; crontab -l") == (0, "no crontab for ec2-user\n")
    assert home.run("crontab -e")[0] == 1


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("sudo systemctl --no-block restart jupyter-server.service", 0),
        ("initctl restart jupyter-server --no-wait", 0),
        ("sudo service jupyter-server restart", 0),
        ("reboot", 0),
        ("systemctl stop amazon-ssm-agent", 0),
        ("systemctl daemon-reload", 0),
        ("systemctl is-active docker", 3),
        ("systemctl start docker", 1),
        ("service docker start", 1),
        ("sudo yum install -y bash", 0),
        ("yum install -y bash texlive-nowhere", 1),
        ("yum erase amazon-ssm-agent --assumeyes", 0),
    ],
)
def test_services_and_packages_of_the_system(home: Home, command: str, code: int) -> None:
    found, said = home.run(command)
    assert (found, said.count("\n")) == (code, 1), said


def test_login_shells_read_the_profile(home: Home) -> None:
    (home.profile / "team.sh").write_text("export TEAM=blue\n")
    assert home.run("sudo -u ec2-user -i <<'EOF'\necho $TEAM $PWD\nEOF") == (
        0,
        f"blue {home.path}\n",
    )
    assert home.run("sudo -i printenv TEAM") == (0, "blue\n")
    assert home.run("su - ec2-user -c 'echo $TEAM $1'") == (0, "blue\n")
    # a login shell whose system begins the path anew finds the programs too
    said = home.run("PATH=/usr/bin:/bin exec bash -lc 'type -P conda'")
    assert said == (0, f"{home.path}/.local/bin/conda\n")


def test_sudo_in_the_background(home: Home) -> None:
    code, said = home.run("""
        mkfifo pipe; exec 4<>pipe
        nohup sudo -b bash -c 'read line; touch late' <&4
        [ ! -e late ]; echo go >&4; until [ -e late ]; do :; done
    """)
    assert code == 0, said


@pytest.mark.parametrize(
    ("asked", "kernel"),
    [
        ("conda_python3", "python3"),
        ("conda_mxnet_p36", "python3"),
        ("conda_pytorch_p310", "pytorch"),
        ("conda_pytorch_p313", "pytorch"),
        ("conda_tensorflow2_p310", "tensorflow"),
        ("conda_tensorflow2_p312", "tensorflow"),
    ],
)
def test_kernels_have_the_names_of_awss_instances(home: Home, asked: str, kernel: str) -> None:
    link = home.path / ".local" / "share" / "jupyter" / "kernels" / asked
    assert link.readlink() == home.path.parent / "kernels" / kernel
