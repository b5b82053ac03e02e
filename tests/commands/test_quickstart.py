"""The quickstart as a user runs it, on a small file of their own."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from sagebrush.commands import quickstart, running
from sagebrush.settings import Settings

GOOD = ("lovely", "superb", "great", "touching", "clever")
BAD = ("boring", "poor", "awful", "clumsy", "empty")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """120 texts of two kinds that words tell apart."""
    rows = [
        f'"Scene {n}, {words[n % 5]}; the ending was {words[(n + n // 5) % 5]}.",{label}'
        for n in range(60)
        for label, words in (("very good", GOOD), ("bad", BAD))
    ]
    file = tmp_path / "own.csv"
    file.write_text("text,label\n" + "\n".join(rows) + "\n")
    return file


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "sagebrush", "quickstart", *map(str, words)]


def variables(folder: Path, **more: str) -> dict[str, str]:
    """A user without anything, who shares the machine's built environments."""
    environments = Path("~/.cache/sagebrush/environments").expanduser()
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "SAGEBRUSH_HOME": str(folder / "data"),
        "SAGEBRUSH_ENVIRONMENTS": os.environ.get("SAGEBRUSH_ENVIRONMENTS", str(environments)),
        "SAGEBRUSH_PORT": "0",
        **more,
    }


def test_a_server_that_was_killed_meanwhile_needs_no_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = subprocess.Popen(["sleep", "60"])
    chosen = Settings(home=tmp_path, port=0)
    monkeypatch.setattr(running, "settings", lambda: chosen)
    server = running.Server(process.pid, "127.0.0.1", 1, 2)
    monkeypatch.setattr(quickstart.up, "detach", lambda _: server)
    args = argparse.Namespace(fresh=False, keep=False)
    with quickstart.serving(args, quickstart.Book(Console(quiet=True))) as (_, found):
        assert found is server
        process.kill()
        process.wait()


def run(folder: Path, *words: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words),
        capture_output=True,
        text=True,
        env=variables(folder, **more),
        cwd=folder,
        timeout=110,
    )


STAGES = ["texts", "packages", "server", "upload", "train", "deploy", "ask", "evaluate", "compare"]


def stages(said: str) -> list[str]:
    """Those that went well."""
    return re.findall(r"✓ (\w+) +[0-9.]+ s", said)


@pytest.mark.full
def test_own_text_becomes_an_answering_endpoint(tmp_path: Path, own: Path) -> None:
    """In the isolation that is usual here; CI goes the journey in both."""
    done = run(tmp_path, "--data", own, "--at-least", "0.9", SAGEBRUSH_ISOLATION="auto")
    assert done.returncode == 0, done.stdout + done.stderr
    assert stages(done.stdout) == STAGES
    right = dict(re.findall(r"│ (.+?) +│ +([0-9.]+)% │", done.stdout))
    assert float(right["BlazingText, through the endpoint"]) >= 90
    assert "TF-IDF + linear SVM" in right
    assert (tmp_path / "out/quickstart/confusion.png").read_bytes().startswith(b"\x89PNG")
    assert "eval" in done.stdout
    assert not (tmp_path / "data/server.json").exists(), "the server it started still runs"
    assert not (tmp_path / ".aws").exists()


@pytest.mark.full
def test_the_accuracy_can_be_required(tmp_path: Path, own: Path) -> None:
    """Also the journey without isolation, which learns as much."""
    options = ("--data", own, "--fresh", "--at-least", "1.01")
    done = run(tmp_path, *options, SAGEBRUSH_ISOLATION="process")
    assert done.returncode == 1
    assert stages(done.stdout) == STAGES
    told = re.search(r"([0-9.]+)% is less than the 101.0% asked for", done.stderr)
    assert told is not None, done.stderr
    assert float(told[1]) >= 90
    assert not (tmp_path / "data").exists()


@pytest.mark.full
def test_own_text_goes_through_the_pipeline(tmp_path: Path, own: Path) -> None:
    """Lambda, Step Functions and EventBridge, as tests/examples/test_text_pipeline.py has them."""
    done = run(tmp_path, "--pipeline", "--fresh", "--data", own, SAGEBRUSH_ISOLATION="auto")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✓ Deployed" in done.stdout
    assert re.search(r"texts-\d{4}-\d{6}  SUCCEEDED  ", done.stdout)
    assert (
        'class="state succeeded" data-state="Train"'
        in (tmp_path / "out/quickstart/pipeline.html").read_text()
    )
    assert not (tmp_path / "data").exists()


def test_unusable_text_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("words,kind\na,b\n")
    done = run(tmp_path, "--data", tmp_path / "own.csv")
    assert done.returncode == 1
    assert "no column 'text' and no column 'label'" in done.stderr
    assert not (tmp_path / "data").exists()


FOR_LAMBDA = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        },
    }
)


@pytest.mark.full
def test_what_the_service_refuses_is_told(tmp_path: Path, own: Path) -> None:
    """The quickstart is told to use a role that SageMaker may not take."""
    given = variables(tmp_path)
    subprocess.run([sys.executable, "-m", "sagebrush", "up", "-d"], env=given, check=True)
    chosen = running.settings(given)
    try:
        iam = running.client(chosen, running.require(chosen), "iam")
        iam.create_role(RoleName="Nobody", AssumeRolePolicyDocument=FOR_LAMBDA)
        done = run(tmp_path, "--data", own, SAGEBRUSH_ROLE="Nobody")
    finally:
        subprocess.run([sys.executable, "-m", "sagebrush", "down"], env=given, check=True)
    assert done.returncode == 1
    assert "role/Nobody" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_being_ended_ends_its_server(tmp_path: Path, own: Path, number: int) -> None:
    process = subprocess.Popen(
        command("--data", own),
        stdout=subprocess.PIPE,
        env=variables(tmp_path),
        cwd=tmp_path,
        # tests that a shell runs in the background are told to ignore Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        until = time.monotonic() + 60
        while not (tmp_path / "data/server.json").exists() and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(number)
        # Python ends itself by the signal where that came in the middle of an exec() of text, as
        # dataclasses do; a shell says 130 for either
        assert process.wait(60) in (130, -signal.SIGINT)
    finally:
        process.kill()
        process.communicate()
    assert not (tmp_path / "data/server.json").exists()
