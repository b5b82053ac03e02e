"""Commands over the resources of several regions: which they show, and which a name means."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from sagebrush.access import accounts
from sagebrush.commands import jobs, logs, notebook, places, running, status
from sagebrush.commands.running import CommandError
from sagebrush.store.rows import Row
from tests.conftest import Server

Run = Callable[..., str]
GROUP = "/aws/sagemaker/TrainingJobs"
LAB = "000000000001"
"""Another account."""


def insert(server: Server, region: str, kind: str, name: str, **doc: Any) -> None:
    """An ended resource, as its own kind would store it."""
    account = doc.pop("account", server.app.settings.account)
    of = f"arn:aws:sagemaker:{region}:{account}:{kind}/{name}"
    now = "2026-01-01T00:00:00Z"
    given = {"CreationTime": now, "LastModifiedTime": now, **doc}
    given = {
        **given,
        **({"TrainingJobArn": of, "TrainingJobName": name} if kind == "training-job" else {}),
        **({"NotebookInstanceArn": of, "NotebookInstanceName": name} if "note" in kind else {}),
    }
    final = "Stopped" if "note" in kind else "Completed"
    plan = {"tags": {}, "id": f"{region[:2]}x{len(name)}", "tokens": {}}
    server.world.rows.insert(Row(account, region, kind, name, final, given, plan))


@pytest.fixture(scope="module")
def filled(server: Server) -> Server:
    """A server with resources in three regions."""
    for region, name in (
        ("us-east-1", "both"), ("eu-west-1", "both"), ("eu-west-1", "irish"),
        ("eu-west-1", "twice"), ("us-west-2", "twice"),
    ):  # fmt: skip
        insert(
            server, region, "training-job", name, SecondaryStatus="Completed",
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1},
        )  # fmt: skip
        server.world.streams.register(
            server.app.settings.account, region, GROUP, f"{name}/algo-1", f"t-{region}-{name}"
        )
    insert(server, "eu-west-1", "notebook-instance", "desk", InstanceType="ml.t3.medium")
    accounts.add(server.world, LAB, "lab")
    for region, name in (("us-west-2", "irish"), ("sa-east-1", "theirs")):
        insert(
            server, region, "training-job", name, SecondaryStatus="Completed", account=LAB,
            AlgorithmSpecification={"TrainingImage": "i", "TrainingInputMode": "File"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1},
        )  # fmt: skip
    server.world.samples.made("sagemaker-sample-files")
    where = {"LocationConstraint": "eu-west-1"}
    s3 = server.client("s3", region_name="eu-west-1")
    s3.create_bucket(Bucket="irish", CreateBucketConfiguration=where)
    return server


@pytest.fixture
def command(
    filled: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs a command as a user would, and returns what it prints."""
    here = running.Server(os.getpid(), "127.0.0.1", filled.app.port, 0)
    monkeypatch.setattr(running, "settings", lambda: filled.app.settings)
    monkeypatch.setattr(running, "find", lambda _: here)

    def run(module: ModuleType, *words: str) -> str:
        parser = argparse.ArgumentParser()
        module.configure(parser)
        assert module.run(parser.parse_args(words)) == 0
        return capsys.readouterr().out

    return run


def test_status_counts_what_each_region_has(command: Run) -> None:
    said = command(status).splitlines()
    assert "  eu-west-1  1 bucket, 1 notebook instance, 3 training jobs" in said
    assert "  us-west-2  2 training jobs" in said  # of all accounts
    known = json.loads(command(status, "--json"))["regions"]
    assert known["us-east-1"] == {"training-job": 1}  # no bucket: AWS's public ones are not counted


def test_the_table_has_all_regions(command: Run) -> None:
    lines = [line.split()[:3] for line in command(jobs).splitlines()]
    assert ["job", "us-east-1", "both"] in lines
    assert ["job", "us-west-2", "twice"] in lines
    assert ["notebook", "eu-west-1", "desk"] in lines
    assert not any("sa-east-1" in line or "theirs" in line for line in lines)
    assert len(command(jobs, "-n", "2").splitlines()) == 3  # two jobs, a notebook


def test_a_name_means_the_one_that_there_is(command: Run, filled: Server) -> None:
    assert ":eu-west-1:" in command(jobs, "show", "desk")
    assert "desk  Stopped" in command(notebook, "list")
    assert command(notebook, "idle", "desk").startswith("notebook desk runs until")
    chosen, here = filled.app.settings, running.Server(1, "127.0.0.1", 1, 0)
    assert places.region_of(chosen, here, "irish") == "eu-west-1"
    assert places.region_of(chosen, here, "both") == "us-east-1"  # the server's own
    assert places.region_of(chosen, here, "both", "eu-west-1") == "eu-west-1"
    assert places.region_of(chosen, here, "new") == "us-east-1"


def test_a_name_in_several_regions_has_to_be_told(command: Run) -> None:
    with pytest.raises(CommandError, match="twice is in eu-west-1 and in us-west-2: say which by"):
        command(logs, "job", "twice")
    assert command(logs, "job", "twice", "--region", "us-west-2") == ""
    with pytest.raises(CommandError, match="no job named twice in us-east-1"):
        command(logs, "job", "twice", "--region", "us-east-1")


def test_what_there_is_in_all_regions_is_said_of_an_unknown_name(command: Run) -> None:
    for module, words in ((jobs, ["show"]), (logs, [])):
        with pytest.raises(
            CommandError, match=r"there is no job.* named iris; near it: irish"
        ) as told:
            command(module, *words, "iris")
        lines = [line.split()[:3] for line in str(told.value).splitlines()]
        assert ["job", "eu-west-1", "irish"] in lines
        assert ["job", "us-west-2", "twice"] in lines
        assert ["notebook", "eu-west-1", "desk"] in lines
        assert "theirs" not in str(told.value)
    with pytest.raises(CommandError, match="there is no job named twice in us-east-1; near it"):
        command(jobs, "show", "job", "twice", "--region", "us-east-1")
    with pytest.raises(CommandError, match=r"(?s)which job.*us-west-2"):
        command(logs, "job")


def test_another_account_is_asked_by_its_name(command: Run) -> None:
    lines = [line.split()[:3] for line in command(jobs, "--account", "lab").splitlines()]
    assert sorted(lines[:2]) == [["job", "sa-east-1", "theirs"], ["job", "us-west-2", "irish"]]
    assert not any("both" in line or "desk" in line for line in lines)
    for words in (("--account", LAB, "show", "theirs"), ("show", "theirs", "--account", "lab")):
        assert "job  theirs" in command(jobs, *words)
    assert command(notebook, "list", "--account", "lab").startswith("no notebook")
    with pytest.raises(CommandError, match=r"there is no .* named both") as told:
        command(logs, "both", "--account", "lab")
    assert "theirs" in str(told.value)
    with pytest.raises(CommandError, match="there is no account nobody"):
        command(jobs, "--account", "nobody")
