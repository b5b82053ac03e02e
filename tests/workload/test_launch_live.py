"""What is where in a job: a real sandbox over the base environment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import needs
import pytest

from sagebrush.compute.local import probe
from sagebrush.environments.environment import Environment
from tests.base_environment import base  # noqa: F401
from tests.conftest import make_settings, started
from tests.services.sagemaker.jobs.test_layers_live import Desk

pytestmark = pytest.mark.sandbox

SCRIPT = """
import getpass, json, os, pandas, subprocess, sys
def said(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
ask = "import sys; print(sys.prefix)"
for place in (os.path.expanduser("~"), "/opt/program", "/opt/ml/code"):
    open(os.path.join(place, "new"), "w").close()
print("told", json.dumps({
    "user": getpass.getuser(), "python": sys.executable, "home": os.path.expanduser("~"),
    "prefixes": {p: said(p, "-c", ask) for p in
                 ("python", "/opt/conda/bin/python3", "/miniconda3/bin/python")},
    "pip": said("/opt/conda/bin/pip", "--version").split()[3],
    "sudo": said("sudo", "-E", "-H", "-n", "-uroot", "--preserve-env=X", "A=1", "--", "sh", "-c",
                 "echo $A; id -un; pwd"),
    "rights": said("sudo", "sh", "-c", "grep CapEff /proc/self/status").split()[1],
}))
try:
    json.loads("{")
finally:
    pandas.DataFrame({"a": [1]})["b"]
"""


@pytest.fixture
def desk(tmp_path: Path, base: Environment) -> Iterator[Desk]:  # noqa: F811
    if probe.choose("auto") != "sandbox":
        needs.missing("this host cannot isolate jobs")
    settings = make_settings(tmp_path / "home", isolation="sandbox", environments=base.path.parent)
    made = Desk(started(settings))
    yield made
    made.server.stop()


def test_a_script_finds_what_images_of_aws_have_and_nothing_of_this_host(
    desk: Desk,
    base: Environment,  # noqa: F811
) -> None:
    found = desk.run("inside", {"train.py": SCRIPT})
    reason, log = found["FailureReason"], desk.log("inside")
    assert 'Command "/opt/conda/bin/python train.py"' in reason
    told = json.loads(next(s for s in log.splitlines() if s.startswith("told "))[5:])
    pip = told.pop("pip")
    assert told == {
        "user": "root",
        "python": "/opt/conda/bin/python",
        "home": "/root",
        "prefixes": {
            "python": "/opt/conda",
            "/opt/conda/bin/python3": "/opt/conda",
            "/miniconda3/bin/python": "/miniconda3",
        },
        "sudo": "1\nroot\n/opt/ml/code",
        "rights": "0" * 16,
    }
    packages = "/opt/conda/lib/python3"
    assert pip.startswith(packages)
    assert f'File "{packages}' in log
    assert "/json/decoder.py" in log
    for prefix in base.prefixes:
        assert str(prefix) == "/usr" or f"{prefix}/" not in f"{log}{reason}"
