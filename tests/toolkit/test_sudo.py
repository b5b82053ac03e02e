"""The stand-in for sudo finds its command behind sudo's options and runs it, with no more rights."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sagebrush.toolkit.sudo import SUDO


@pytest.fixture
def sudo(tmp_path: Path) -> str:
    file = tmp_path / "sudo"
    file.write_text(SUDO)
    file.chmod(0o755)
    return str(file)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("echo a", "a\n"),
        ("-E -H -n echo a", "a\n"),
        ("-EHn -u root echo a", "a\n"),
        ("-uroot -nu root -g users echo a", "a\n"),
        ("--user root --group=users --preserve-env=A,B --set-home --non-interactive echo a", "a\n"),
        ("-p prompt -C 3 -- echo -u", "-u\n"),
        ("A=1 B=2 -- sh -c echo${IFS}$A$B", "12\n"),
        ("-v", ""),
        ("-n -l", ""),
        ("-k", ""),
        ("-k echo a", "a\n"),
        ("-i pwd", "/\n"),
    ],
)
def test_the_command_runs(sudo: str, words: str, said: str) -> None:
    done = subprocess.run(
        [sudo, *words.split()],
        env={"PATH": "/usr/bin:/bin", "HOME": "/"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, said, "")


def test_its_status_and_input_are_the_commands(sudo: str) -> None:
    assert subprocess.run([sudo, "sh", "-c", "exit 3"]).returncode == 3
    done = subprocess.run([sudo, "-u", "ec2-user", "-s"], input=b"exit 4", capture_output=True)
    assert done.returncode == 4
