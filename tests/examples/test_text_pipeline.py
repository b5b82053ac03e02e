"""The example text_pipeline: its parts alone, and the whole with a server that is killed on the way."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from sagebrush.asl.validation import read_machine
from sagebrush.commands.states.layout import plan
from tests.faults.stand import Stand
from tests.needs import ROOT
from tests.waiting import until

FOLDER = ROOT / "sagebrush" / "examples" / "text_pipeline"
STATES = [
    "Begin", "Split", "Train", "Evaluate", "Read evaluation", "Good enough?", "Create model",
    "Create configuration", "Create endpoint", "Look", "In service?", "Deployed",
]  # fmt: skip
"""In the order of their first entry."""


def module(path: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A file of the example, as the program that runs it loads it."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.syspath_prepend(str(FOLDER))
    spec = importlib.util.spec_from_file_location(f"example_{Path(path).stem}", FOLDER / path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_messages_are_cleaned(monkeypatch: pytest.MonkeyPatch) -> None:
    messages, clean = module("messages.py", monkeypatch), module("functions/clean.py", monkeypatch)
    raw = messages.raw()
    assert raw == messages.raw()
    rows, left_out = clean.clean(raw)
    assert len(rows) + sum(left_out.values()) == len(list(csv.DictReader(io.StringIO(raw))))
    assert {label for label, _ in rows} == set(messages.SAID)
    assert left_out["twice"] > 20
    assert left_out["too short"] > 5
    assert not any(re.search(r"[<>A-Z]|&\w+;|  ", text) for _, text in rows)
    assert clean.tokens("<b>Don't</b>&nbsp;WAIT, it's 5&euro;") == "don't wait , it's 5 €"


def test_the_machine_is_valid_and_can_be_drawn() -> None:
    text = re.sub(r"\$\{\w+\}", "1", (FOLDER / "machine.asl.json").read_text())
    read_machine(text)
    laid = plan(json.loads(text), {})
    assert {box.key for box in laid.boxes} >= set(STATES)


@pytest.fixture
def stand(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stand]:
    """A server as a user starts it, of the isolation that is usual here if the test names none."""
    isolation = getattr(request, "param", "auto")
    made = Stand(tmp_path / "home", isolation=isolation, stop_grace=2)
    try:
        yield made.up()
    finally:
        made.clean()


def begun(stand: Stand, *words: str) -> subprocess.Popen[str]:
    """The example runs against the server."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(stand.home.parent),
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{stand.state['port']}",
        "AWS_ACCESS_KEY_ID": stand.key[0],
        "AWS_SECRET_ACCESS_KEY": stand.key[1],
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    return subprocess.Popen(
        [sys.executable, str(FOLDER / "pipeline.py"), *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
    )  # fmt: skip


UPLOADED = "uploaded"
"""Stands for the moment at which the file is in the bucket, and its function begins."""


def entered(stand: Stand, state: str) -> bool:
    """Whether the execution has entered that state, which a server that is busy may not say."""
    arn = "arn:aws:states:us-east-1:123456789012:execution:texts-one:texts-one"
    try:
        if state == UPLOADED:
            stand.s3.head_object(Bucket="texts-one-123456789012", Key="raw/texts-one.csv")
            return True
        pages = stand.client("stepfunctions").get_paginator("get_execution_history")
        events = [event for page in pages.paginate(executionArn=arn) for event in page["events"]]
    except (ClientError, BotoCoreError):
        return False
    names = [
        e["stateEnteredEventDetails"]["name"] for e in events if "stateEnteredEventDetails" in e
    ]
    return state in names


def ended(process: subprocess.Popen[str]) -> str:
    """What the example printed; it ended well."""
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said
    return said


def first_seen(history: list[dict[str, Any]]) -> list[str]:
    """The states in the order of their first entry, but for the one that waits."""
    details = [e["stateEnteredEventDetails"] for e in history if "stateEnteredEventDetails" in e]
    names = [each["name"] for each in details]
    return [name for name in dict.fromkeys(names) if name != "Wait"]


def judged(stand: Stand, said: str) -> None:
    """Everything happened once, the model is good, and the endpoint answers rightly."""
    found = re.search(r"accuracy ([0-9.]+)% .*largest label: ([0-9.]+)%", said)
    assert found is not None, said
    assert float(found[1]) >= 80 > float(found[2])
    assert re.search(r"(8|9|10) of 10 held-back texts rightly; “.+”: (\w+), \d+%", said), said
    assert "SageMaker Endpoint State Change: IN_SERVICE" in said
    sagemaker, states = stand.client("sagemaker"), stand.client("stepfunctions")
    trained = sagemaker.list_training_jobs()["TrainingJobSummaries"]
    assert [each["TrainingJobStatus"] for each in trained] == ["Completed"]
    processed = sagemaker.list_processing_jobs()["ProcessingJobSummaries"]
    assert [each["ProcessingJobStatus"] for each in processed] == ["Completed", "Completed"]
    (machine,) = states.list_state_machines()["stateMachines"]
    (execution,) = states.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"]
    pages = states.get_paginator("get_execution_history").paginate(
        executionArn=execution["executionArn"]
    )
    history = [event for page in pages for event in page["events"]]
    assert [event["id"] for event in history] == list(range(1, len(history) + 1))
    assert first_seen(history) == STATES
    jobs = [e for e in history if e["type"] == "TaskSubmitted"]
    assert len(jobs) == 3


def removed(stand: Stand) -> None:
    """`remove` leaves nothing but jobs."""
    ended(begun(stand, "remove", "texts-one"))
    assert stand.s3.list_buckets()["Buckets"] == []
    assert stand.client("lambda").list_functions()["Functions"] == []
    assert stand.client("events").list_rules()["Rules"] == []
    assert stand.client("sagemaker").list_models()["Models"] == []
    names = [each["RoleName"] for each in stand.client("iam").list_roles()["Roles"]]
    assert "texts-one" not in names
    until(lambda: not stand.client("sagemaker").list_endpoints()["Endpoints"], "no endpoint")


@pytest.mark.full
@pytest.mark.costs("two processing jobs, a training job and an endpoint, and a server twice")
@pytest.mark.parametrize(
    ("stand", "state"), [("process", ""), ("auto", "Train")], indirect=["stand"]
)
def test_the_whole(stand: Stand, state: str) -> None:
    """The server is killed once while that state runs ("": never), and started again.

    CI runs it with the usual isolation and without a kill as well, by the quickstart.
    """
    killed_in(stand, state)


@pytest.mark.nightly
@pytest.mark.costs("the whole example, for each of its states")
@pytest.mark.parametrize("state", [UPLOADED, *(each for each in STATES if each != "Train")])
def test_a_kill_in_every_state(stand: Stand, state: str) -> None:
    killed_in(stand, state)


@pytest.mark.nightly
@pytest.mark.costs("the whole example, and a server that starts again and again")
@pytest.mark.parametrize("seed", range(3))
def test_kills_at_any_moment(stand: Stand, seed: int) -> None:
    """Five times; AWS's SDKs give up retries where a service fails too often ("retry quota")."""
    source = random.Random(seed)
    process = begun(stand, "run", "texts-one", "--keep")
    try:
        for _ in range(5):
            with suppress(subprocess.TimeoutExpired):
                process.wait(source.uniform(0.2, 2.5))
                break
            stand.kill()
            stand.up()
        said = ended(process)
    finally:
        process.kill()
    judged(stand, said)
    removed(stand)


def killed_in(stand: Stand, state: str) -> None:
    process = begun(stand, "run", "texts-one", "--keep")
    try:
        if state:
            until(lambda: entered(stand, state) or process.poll() is not None, state, 120)
            stand.kill()
            time.sleep(0.2)  # requests of the example find nobody
            stand.up()
        said = ended(process)
    finally:
        process.kill()
    judged(stand, said)
    removed(stand)
