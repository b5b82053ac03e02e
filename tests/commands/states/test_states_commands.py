"""`states list`, `show`, `graph` and `tail` on a server's own state machines."""

from __future__ import annotations

import argparse
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from sagebrush.commands import running as commands
from sagebrush.commands import states
from sagebrush.commands.running import CommandError
from sagebrush.errors import Doc
from tests.asl.driver import machine
from tests.conftest import Server, make_settings, started
from tests.waiting import until

ROLE = "arn:aws:iam::123456789012:role/SagebrushExecutionRole"
MACHINES: dict[str, Doc] = {
    "greet": machine(
        Each={
            "Type": "Map",
            "ItemsPath": "$.names",
            "ItemProcessor": machine(Greet={"Type": "Pass", "End": True}),
            "Next": "Done",
        },
        Done={"Type": "Succeed"},
    ),
    "fails": machine(F={"Type": "Fail", "Error": "Oops", "Cause": "because"}),
    "waits": machine(W={"Type": "Wait", "Seconds": 3600, "Next": "E"}, E={"Type": "Succeed"}),
    "new": machine(S={"Type": "Succeed"}),
}
RUNS = (("greet", "one"), ("greet", "two"), ("fails", "one"), ("waits", "long"))
Run = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with four machines and their executions."""
    made = started(make_settings(tmp_path_factory.mktemp("home"), isolation="process"))
    client = made.client("stepfunctions")
    arns = {
        name: client.create_state_machine(name=name, definition=json.dumps(each), roleArn=ROLE)[
            "stateMachineArn"
        ]
        for name, each in MACHINES.items()
    }
    client.create_state_machine(
        name="quick", definition=json.dumps(MACHINES["new"]), roleArn=ROLE, type="EXPRESS"
    )
    for name, execution in RUNS:
        given = json.dumps({"names": ["Ada", "Grace", "Mary"]})
        arn = client.start_execution(stateMachineArn=arns[name], name=execution, input=given)
        wanted = "RUNNING" if name == "waits" else "SUCCEEDED" if name == "greet" else "FAILED"
        look = lambda a=arn["executionArn"]: client.describe_execution(executionArn=a)  # noqa: E731
        until(lambda look=look, wanted=wanted: look()["status"] == wanted, f"{name} {execution}")
    yield made
    made.stop()


@pytest.fixture
def run(server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `states ...`: (exit status, what it printed)."""
    here = commands.Server(1, "127.0.0.1", server.app.port, 0)
    monkeypatch.setattr(commands, "settings", lambda: server.app.settings)
    monkeypatch.setattr(commands, "require", lambda _: here)
    monkeypatch.setattr(
        commands,
        "client",
        lambda _, __, service, region="": server.client(service, region_name=region or "us-east-1"),
    )

    def one(*words: str) -> tuple[int, str]:
        parser = argparse.ArgumentParser()
        states.configure(parser)
        args = parser.parse_args(words)
        return states.run(args), capsys.readouterr().out

    return one


def test_list(run: Run) -> None:
    status, said = run("list", "-n", "1")
    lines = said.splitlines()
    assert status == 0
    assert lines[0].split() == ["EXECUTION", "STATUS", "STARTED", "TOOK"]
    at = lines.index("greet (standard)")
    assert lines[at + 1].split()[:2] == ["two", "SUCCEEDED"]
    assert lines[lines.index("waits (standard)") + 1].split()[1] == "RUNNING"
    assert "  not executed yet" in lines
    assert lines[lines.index("quick (express)") + 1] == "  its log group tells of executions"
    told = json.loads(run("list", "greet", "--json")[1])
    assert [one["name"] for one in told[0]["executions"]] == ["two", "one"]


@pytest.mark.parametrize("name", ["greet", "two", "greet/two"])
def test_show_finds_a_machine_and_an_execution(run: Run, name: str) -> None:
    status, said = run("show", name)
    lines = said.splitlines()
    assert status == 0
    assert lines[0].startswith("two  SUCCEEDED")
    assert lines[1].startswith("✓ Each")
    assert lines[1].endswith("3 items: 3 done")
    assert '"Grace" → ' not in said  # unchanged by a Pass
    assert lines[-1] == "arn:aws:states:us-east-1:123456789012:execution:greet:two"
    assert run("show", lines[-1])[1].splitlines()[0].startswith("two  SUCCEEDED")


def test_show_as_json(run: Run) -> None:
    told = json.loads(run("show", "fails", "--json")[1])
    assert (told["status"], told["error"], told["cause"]) == ("FAILED", "Oops", "because")
    assert [one["name"] for one in told["states"]] == ["F"]


def test_a_name_of_several_asks_which(run: Run) -> None:
    with pytest.raises(CommandError) as error:
        run("show", "one")
    first, *ways = str(error.value).splitlines()
    assert first == "2 executions are named one; say which:"
    assert sorted(ways) == [
        f"  sagebrush states show arn:aws:states:us-east-1:123456789012:execution:{each}:one"
        for each in ("fails", "greet")
    ]


def test_an_unknown_name_says_what_is_near(run: Run) -> None:
    with pytest.raises(CommandError) as error:
        run("show", "great")
    first, second = str(error.value).splitlines()
    assert first == "there is no state machine or execution great; near it: greet"
    assert second.startswith("State machines: ")
    with pytest.raises(CommandError, match="new has not been executed yet"):
        run("show", "new")
    with pytest.raises(CommandError, match="quick is an Express state machine, which keeps no"):
        run("tail", "quick")


def test_tail_tells_how_it_ended(run: Run) -> None:
    status, said = run("tail", "greet")
    assert status == 0
    assert "✓ Each[0] / Greet succeeded after" in said
    status, said = run("tail", "fails")
    assert status == 1
    assert said.splitlines()[-1].startswith("one  FAILED")
    assert said.splitlines()[-1].endswith("Oops: because")


def test_tail_follows_until_the_end(server: Server, run: Run) -> None:
    client = server.client("stepfunctions")
    arn = "arn:aws:states:us-east-1:123456789012:execution:waits:long"
    timer = threading.Timer(0.3, lambda: client.stop_execution(executionArn=arn, error="Enough"))
    timer.start()
    status, said = run("tail", "long")
    timer.join()
    lines = said.splitlines()
    assert status == 1
    assert "● W running" in lines[0]
    assert "- W aborted after" in lines[1]
    assert lines[-1].endswith("Enough")


def test_graph_writes_both_kinds(run: Run, tmp_path: Path) -> None:
    drawn, page = tmp_path / "g.svg", tmp_path / "g.html"
    assert run("graph", "greet", "-o", str(drawn)) == (0, f"{drawn}\n")
    assert 'class="state succeeded"' in drawn.read_text()
    ElementTree.fromstring(drawn.read_text())
    assert run("graph", "new", "-o", str(page))[0] == 0
    assert "no execution" in page.read_text()
    with pytest.raises(CommandError, match=r"must end in \.svg or \.html"):
        run("graph", "greet", "-o", str(tmp_path / "g.pdf"))
