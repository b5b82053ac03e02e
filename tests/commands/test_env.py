"""What `sagebrush env` prints, run by real shells."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest

from sagebrush.commands import env
from sagebrush.commands.running import Server
from sagebrush.settings import Settings
from tests.needs import missing

AWKWARD = {
    "PLAIN": "http://localhost:4566",
    "SPACES": "a folder/with spaces",
    "QUOTE": 'it\'s $HOME `date` \\ "x"',
}


def shell(command: list[str], names: list[str]) -> dict[str, str]:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin", "AWS_PROFILE": "left over", "AWS_SESSION_TOKEN": "stale"},
    )
    lines = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    return {name: lines[name] for name in names if name in lines}


@pytest.mark.parametrize("evaluated", ['eval "$1"', "eval $1"], ids=["quoted", "joined"])
def test_sh_sets_and_clears(evaluated: str) -> None:
    """Joined lines (an unquoted eval) work too where no value holds a space."""
    given = AWKWARD if '"' in evaluated else {"PLAIN": AWKWARD["PLAIN"]}
    script = env.script(given, "sh")
    found = shell(["sh", "-c", f"{evaluated}; env", "sh", script], [*given, *env.STALE])
    assert found == given


def test_fish_sets_and_clears() -> None:
    fish = shutil.which("fish")
    if fish is None:
        missing("fish is not installed")
    script = env.script(AWKWARD, "fish")
    assert shell([fish, "-N", "-c", f"{script}\nenv"], [*AWKWARD, *env.STALE]) == AWKWARD


def test_powershell_doubles_quotes() -> None:
    assert env.script({"A": "it's"}, "powershell").splitlines()[0] == "$Env:A = 'it''s';"


def test_path_holds_the_folder_once_and_first() -> None:
    assert env.path_with("/ours", "") == "/ours"
    assert env.path_with("/ours", "/a:/ours:/b") == "/ours:/a:/b"


@pytest.fixture
def chosen(tmp_path: Path) -> Settings:
    return dataclasses.replace(Settings(), home=tmp_path / "home")


def test_variables_follow_the_recorded_ports(chosen: Settings) -> None:
    found = env.variables(chosen, Server(1, "127.0.0.1", 5000, 5001))
    assert found["AWS_ENDPOINT_URL"] == "http://localhost:5000"
    assert found["AWS_REGION"] == found["AWS_DEFAULT_REGION"] == "us-east-1"
    assert found["AWS_DISABLE_HOST_PREFIX_INJECTION"] == "true"
    assert "localhost:5001" in (chosen.home / "client/data/endpoints.json").read_text()
    assert "us-east-1.amazonaws.com/sagemaker-base" in found["SAGEMAKER_INTERNAL_IMAGE_URI"]
    config = Path(found["SAGEMAKER_USER_CONFIG_OVERRIDE"]).read_text()
    assert "TelemetryOptOut: true" in config
    assert "DefaultS3Bucket" not in config  # each region has its own, which the SDKs name


def test_no_shim_leaves_python_alone(chosen: Settings) -> None:
    server = Server(1, "127.0.0.1", 5000, 5001)
    found = env.variables(chosen, server, shim=False, region="eu-west-1")
    assert "PYTHONPATH" not in found
    assert "SAGEBRUSH_CLIENT_DATA" not in found
    config = Path(found["SAGEMAKER_USER_CONFIG_OVERRIDE"]).read_text()
    assert f"DefaultS3Bucket: sagemaker-eu-west-1-{chosen.account}" in config


def test_another_region(chosen: Settings) -> None:
    found = env.variables(chosen, Server(1, "127.0.0.1", 5000, 5001), region="eu-west-1")
    assert found["AWS_REGION"] == found["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert "eu-west-1.amazonaws.com/sagemaker-base" in found["SAGEMAKER_INTERNAL_IMAGE_URI"]


def test_keys_stay_the_same(chosen: Settings) -> None:
    server = Server(1, "127.0.0.1", 5000, 5001)
    assert env.variables(chosen, server) == env.variables(chosen, server)


def test_where_a_proxy_leads_out_this_machine_is_exempt() -> None:
    assert env.exempt({"HTTPS_PROXY": "", "NO_PROXY": "a.example"}) == {}
    found = env.exempt({"https_proxy": "http://proxy:1", "NO_PROXY": "a.example,localhost"})
    assert found["NO_PROXY"] == found["no_proxy"]
    assert found["NO_PROXY"].startswith("a.example,localhost,127.0.0.1,")
    assert ".localhost" in found["NO_PROXY"].split(",")
