"""Notebook instances where no sandbox can be had: their port is the host's own, so a token guards it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagebrush.environments.store import BuildFailed, Environments
from tests.faults.stand import ROLE, Stand, until
from tests.needs import missing
from tests.notebook_browser import Browser

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    found = Stand(tmp_path / "home", isolation="process", notebook_environments="base")
    environments = Environments(Path(found.environment()["SAGEBRUSH_ENVIRONMENTS"]))
    for name in ("base", "jupyter", "sagemaker2"):
        try:
            environments.build(name)
        except BuildFailed as error:
            missing(f"the environment {name} cannot be built: {error}")
    yield found.up()
    found.clean()


def status(url: str) -> int:
    try:
        return urllib.request.urlopen(url, timeout=10).status
    except urllib.error.HTTPError as error:
        return error.code


def test_only_the_gateway_opens_it(stand: Stand) -> None:
    sm, name = stand.sm, {"NotebookInstanceName": "desk"}
    sm.create_notebook_instance(**name, InstanceType="ml.t3.medium", RoleArn=ROLE)

    def serving() -> bool:
        found = sm.describe_notebook_instance(**name)
        assert found["NotebookInstanceStatus"] != "Failed", found["FailureReason"]
        return found["NotebookInstanceStatus"] == "InService"

    until(serving, "the instance", 120)
    (directory,) = stand.live()
    port = json.loads((directory / "spec.json").read_text())["spec"]["port"]
    assert status(f"http://127.0.0.1:{port}/api/kernels") == 403
    browser = Browser(sm.create_presigned_notebook_instance_url(**name)["AuthorizedUrl"])
    assert browser.enter() == 200
    cell = "import boto3, os; print(boto3.client('sts').get_caller_identity()['Arn'], os.getcwd())"
    said, _ = browser.execute(cell)
    assert "assumed-role/SagebrushExecutionRole/" in said
    assert said.rstrip().endswith("/volume")
    sm.stop_notebook_instance(**name)
    until(lambda: not stand.live(), "its end")
