"""The client folder: the SDKs' STS address leads to Sagebrush, and nothing else changes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sagebrush import clientdata
from sagebrush.commands.env import CLIENT

HOSTS = """
import botocore.session
table = botocore.session.Session().get_component("endpoint_resolver")
for service, region in (("sts", "us-east-1"), ("sts", "eu-central-1"), ("s3", "us-east-1")):
    print(table.construct_endpoint(service, region)["hostname"])
"""


def python(code: str, path: list[Path], **variables: str) -> list[str]:
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, path)), **variables}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=given
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.fixture
def data(tmp_path: Path) -> str:
    clientdata.write(tmp_path / "client", 4567)
    return str(tmp_path / "client" / "data")


def test_sts_leads_to_the_tls_port(data: str) -> None:
    found = python(
        HOSTS, [CLIENT], SAGEBRUSH_CLIENT_DATA=data, AWS_ENDPOINT_URL="http://localhost:4566"
    )
    assert found == ["localhost:4567", "localhost:4567", "s3.us-east-1.amazonaws.com"]


def test_the_clis_queues_are_not_at_awss_own_host(data: str) -> None:
    code = "from awscli.customizations.overridesslcommonname import SSL_COMMON_NAMES as n; print(len(n))"
    given = {"SAGEBRUSH_CLIENT_DATA": data, "AWS_ENDPOINT_URL": "http://localhost:4566"}
    assert python(code, [CLIENT], **given) == ["0"]
    assert python(code, [CLIENT], SAGEBRUSH_CLIENT_DATA=data) != ["0"]


@pytest.mark.parametrize("missing", ["SAGEBRUSH_CLIENT_DATA", "AWS_ENDPOINT_URL"])
def test_real_aws_is_reached_without_our_variables(data: str, missing: str) -> None:
    """Someone who unsets AWS_ENDPOINT_URL wants AWS, whatever PYTHONPATH still holds."""
    given = {"SAGEBRUSH_CLIENT_DATA": data, "AWS_ENDPOINT_URL": "http://localhost:4566"}
    del given[missing]
    found = python(HOSTS, [CLIENT], **given)
    assert found[0] in ("sts.amazonaws.com", "sts.us-east-1.amazonaws.com")


def test_the_other_sitecustomize_still_runs(tmp_path: Path, data: str) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('other')\n")
    found = python(
        "print('main')",
        [CLIENT, tmp_path],
        SAGEBRUSH_CLIENT_DATA=data,
        AWS_ENDPOINT_URL="http://localhost:4566",
    )
    assert found == ["other", "main"]


def test_a_start_without_botocore_pays_nothing(data: str) -> None:
    found = python(
        "import sys; print(sorted(m for m in sys.modules if m.split('.')[0] == 'botocore'))",
        [CLIENT],
        SAGEBRUSH_CLIENT_DATA=data,
        AWS_ENDPOINT_URL="http://localhost:4566",
    )
    assert found == ["[]"]


def test_writing_twice_changes_nothing(tmp_path: Path) -> None:
    clientdata.write(tmp_path, 4567)
    before = (tmp_path / "data" / "endpoints.json").stat()
    clientdata.write(tmp_path, 4567)
    after = (tmp_path / "data" / "endpoints.json").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    clientdata.write(tmp_path, 9999)
    assert "localhost:9999" in (tmp_path / "data" / "endpoints.json").read_text()


SPEAKS = """
import logging
logging.basicConfig(level=logging.INFO, format="%(name)s:%(message)s", stream=__import__("sys").stdout)
import boto3
boto3.client("s3")
logging.getLogger("botocore.credentials").info("Found-something-else")
logging.getLogger("mine").info("Found credentials")
settings = logging.getLogger("sagemaker.config")
settings.info("Applied value from config key = SageMaker.PythonSDK.Modules.TelemetryOptOut")
settings.info("Applied value from config key = SageMaker.TrainingJob.RoleArn")
"""


def test_nothing_is_said_of_how_sagebrush_is_reached(data: str) -> None:
    """botocore and the SDKs tell at INFO of the variables that `sagebrush env` sets."""
    here = {
        "SAGEBRUSH_CLIENT_DATA": data,
        "AWS_ENDPOINT_URL": "http://localhost:4566",
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(Path(data).parent / "sagemaker.yaml"),
    }
    said = " ".join(python(SPEAKS, [CLIENT], **here))
    assert said == (
        "botocore.credentials:Found-something-else mine:Found credentials"
        " sagemaker.config:Applied value from config key = SageMaker.TrainingJob.RoleArn"
    )
    here["SAGEMAKER_USER_CONFIG_OVERRIDE"] = "/home/own.yaml"
    assert "TelemetryOptOut" in " ".join(python(SPEAKS, [CLIENT], **here))
    debugged = SPEAKS.replace("logging.INFO", "logging.DEBUG")
    assert "Found endpoint for s3" in " ".join(python(debugged, [CLIENT], **here))


def test_the_sdks_report_nothing_whatever_configuration_they_have(
    tmp_path: Path, data: str
) -> None:
    module = tmp_path / "sagemaker" / "telemetry" / "telemetry_logging.py"
    module.parent.mkdir(parents=True)
    module.write_text("def _requests_helper(url, timeout):\n    print('sent', url)\n")
    ask = (
        "import botocore.loaders\n"
        "from sagemaker.telemetry import telemetry_logging\n"
        "print(telemetry_logging._requests_helper('https://sm-pysdk-t', 2))"
    )
    path = [CLIENT, tmp_path]
    sandbox = {"SAGEBRUSH_CLIENT_DATA": data, "AWS_ENDPOINT_URL": "http://localhost:4566"}
    assert python(ask, path, **sandbox) == ["None"]
    assert python(ask, path) == ["sent", "https://sm-pysdk-t", "None"], "not ours: AWS itself"
