"""The fixtures for tests of users' own code, used as users do: by pytest in a project of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sagebrush.commands.running import alive
from sagebrush.environments.environment import Environment
from tests.base_environment import base  # noqa: F401
from tests.waiting import until

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parent.parent
ENVIRONMENTS = Path(
    os.environ.get("SAGEBRUSH_ENVIRONMENTS", "~/.cache/sagebrush/environments")
).expanduser()
"""Looked up here: a `pytester` has a home of its own, in which all would be built anew."""
BLOCK = re.compile(r"```python\n# (test_\w+)\.py\n(.*?)```", re.DOTALL)


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project in which Sagebrush is installed, of a user who works with the real AWS."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("SAGEBRUSH_ENVIRONMENTS", str(ENVIRONMENTS))
    for name, value in {
        "AWS_PROFILE": "production",
        "AWS_SESSION_TOKEN": "real",
        "AWS_ENDPOINT_URL_S3": "http://production.invalid",
        "AWS_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # of these tests, not of the project's
    return pytester


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Pytest in a process of its own, with the plugin."""
    return project.runpytest_subprocess(
        "-p", "sagebrush.pytest_plugin", "-p", "no:cacheprovider", *arguments
    )


ISOLATED = """
import os, subprocess, sys
import boto3, pytest

@pytest.fixture(scope="session")
def sagebrush_settings():
    return {"region": "us-west-2", "isolation": "process", "gpu_as_cpu": True}

SEEN = []

def names():
    return [b["Name"] for b in boto3.client("s3").list_buckets()["Buckets"]]

@pytest.mark.parametrize("number", range(3))
def test_each_has_an_empty_account(sagebrush, number):
    assert names() == []
    boto3.client("s3").create_bucket(
        Bucket="mine", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
    )
    boto3.resource("s3").Object("mine", "k").put(Body=b"x")
    SEEN.append(sagebrush.endpoint_url)
    assert len(set(SEEN)) == 1, "one server for all"

def test_without_it_all_is_as_it_was():
    assert os.environ["AWS_PROFILE"] == "production"
    assert os.environ["AWS_REGION"] == "eu-west-1"
    assert os.environ["AWS_ENDPOINT_URL_S3"] == "http://production.invalid"
    assert "AWS_ENDPOINT_URL" not in os.environ
    assert boto3.DEFAULT_SESSION is None

def test_what_the_object_says(sagebrush):
    assert sagebrush.region == "us-west-2"
    who = boto3.client("sts").get_caller_identity()
    assert who["Account"] == sagebrush.account_id
    assert boto3.client("iam").list_roles()["Roles"][0]["Arn"] == sagebrush.role_arn
    for name in sagebrush.variables:
        os.environ.pop(name)  # its own clients need none
    assert sagebrush.client("s3").list_buckets()["Buckets"] == []

def test_programs_find_it_too(sagebrush):
    code = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == sagebrush.account_id, done.stderr

def test_sts_is_found_where_the_sagemaker_sdks_look(sagebrush):
    from botocore.loaders import create_loader
    from botocore.regions import EndpointResolver
    resolver = EndpointResolver(create_loader().load_data("endpoints"))
    host = resolver.construct_endpoint("sts", sagebrush.region)["hostname"]
    client = boto3.client("sts", endpoint_url=f"https://{host}")
    assert client.get_caller_identity()["Account"] == sagebrush.account_id

def test_a_proxy_of_the_tests_machine_is_passed_by(monkeypatch, request):
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:1")
    request.getfixturevalue("sagebrush")
    assert names() == []
"""
MODULE = """
import boto3, pytest

def test_first(sagebrush_module):
    assert boto3.client("s3").list_buckets()["Buckets"] == []
    boto3.client("s3").create_bucket(
        Bucket="shared", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
    )

def test_second(sagebrush_module):
    boto3.client("s3").head_bucket(Bucket="shared")

def test_not_both(sagebrush_module, sagebrush):
    pass
"""


@pytest.mark.full
@pytest.mark.costs("a server, in an interpreter of pytest's own")
def test_each_test_has_an_empty_account(project: pytest.Pytester) -> None:
    project.makeconftest(ISOLATED.partition("SEEN")[0])
    project.makepyfile(test_isolated=ISOLATED, test_module=MODULE)
    done = run(project)
    done.assert_outcomes(passed=10, errors=1)
    done.stdout.fnmatch_lines(["*sagebrush would empty the account of sagebrush_module*"])


@pytest.mark.full
@pytest.mark.costs("a server, a training job, in an interpreter of pytest's own")
def test_the_examples_of_the_page_pass(project: pytest.Pytester, base: Environment) -> None:  # noqa: F811
    found = dict(BLOCK.findall((ROOT / "docs" / "testing.md").read_text()))
    assert set(found) == {"test_upload", "test_training"}
    # the base environment runs the script as well: the version's own may not be built here
    found["test_training"] = found["test_training"].replace(":1.2-1-cpu-py3", "")
    project.makepyfile(**found)
    run(project).assert_outcomes(passed=3)


IDLE = """
import sys

def test_nothing_is_imported():
    assert not {"boto3", "sagebrush.testing", "sagebrush.app", "http.client"} & set(sys.modules)
"""


def test_it_costs_nothing_where_it_is_not_used(project: pytest.Pytester) -> None:
    project.makepyfile(IDLE)
    run(project, "-p", "no:hypothesispytest", "-p", "no:xdist", "-p", "no:cov").assert_outcomes(
        passed=1
    )


WORKERS = """
import os, pytest

@pytest.mark.parametrize("number", range(4))
def test_its_worker_has_a_server(sagebrush, sagebrush_server, number):
    place = sagebrush_server.home
    assert place.name == os.environ["PYTEST_XDIST_WORKER"]
    sagebrush.client("s3").create_bucket(Bucket="same")
"""


@pytest.mark.full
@pytest.mark.costs("two servers, in interpreters of pytest's own")
def test_each_worker_has_a_server_and_its_data_is_kept(
    project: pytest.Pytester, tmp_path: Path
) -> None:
    project.makepyfile(WORKERS)
    kept = tmp_path / "kept"
    run(project, "-n", "2", f"--sagebrush-home={kept}").assert_outcomes(passed=4)
    assert sorted(path.name for path in kept.iterdir()) == ["gw0", "gw1"]
    assert "emptied" in (kept / "gw0" / "logs" / "server.log").read_text()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "sagebrush.db").touch()
    done = run(project, f"--sagebrush-home={tmp_path / 'other'}", "-x")
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*holds something that was not made for tests*"])


@pytest.mark.full
def test_the_server_ends_with_tests_that_are_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from sagebrush.testing import Server;"
        " Server.start(Path(sys.argv[1])); print('up', flush=True); time.sleep(60)"
    )
    tests = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "home")],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with tests:
        assert tests.stdout is not None
        assert tests.stdout.readline() == b"up\n"
        server = int((tmp_path / "home" / "lock").read_text())
        assert alive(server)
        tests.send_signal(signal.SIGKILL)
    until(lambda: not alive(server), "the server ends", 30)
    assert not (tmp_path / "home" / "server.json").exists()
