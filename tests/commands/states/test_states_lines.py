"""Trees as text: what a user reads of an execution that ended, that failed, and that runs."""

from __future__ import annotations

import json
import re

import pytest
from rich.console import Console

from sagebrush.asl import steps
from sagebrush.commands.states import lines, tail
from sagebrush.commands.states.document import document
from sagebrush.commands.states.lines import Row, Shown
from sagebrush.commands.states.tree import Attempt, Line, Tree, Visit
from sagebrush.commands.states.works import of
from tests.asl.driver import Run, machine, ran, started
from tests.commands.states.pipeline import Worker, begun


def told(run: Run, data: bool = True) -> list[str]:
    found = Tree(run.definition).add(run.events)
    return lines.plain(lines.rows(found, Shown(run.now, data=data)))


def ended(broken: str = "") -> Run:
    run = begun()
    return run.finish(Worker(run, broken))


def test_a_tree_in_a_file() -> None:
    rows = told(ended(), data=False)
    assert rows[:4] == [
        "✓ Read manifest                 Task       2.5 s  s3:getObject texts",
        "✓ Prepare                       Parallel   5.6 s",
        "├ ✓ Languages                   Map        5.6 s  7 items: 7 done",
        "│ ├ ✓ [0]                                  5.2 s",
    ]
    assert "│ └ … 2 more items (--items N)" in rows
    assert "✓ In service?                   Choice      0 ms  2nd visit, to Smoke test" in rows
    assert "└ ✓ [1] Ask                     Task      400 ms  function ask-endpoint" in rows


def test_errors_are_told_where_they_happened() -> None:
    rows = told(ended("Train"), data=False)
    at = next(n for n, row in enumerate(rows) if row.startswith("! Train"))
    assert rows[at].endswith("caught, training job texts-7, 3rd try")
    assert rows[at + 1] == "  KeyError: no such word"
    assert rows[-2:] == ["✗ Give up                       Fail        0 ms", "  PipelineFailed"]


def test_what_was_not_entered_is_shown_while_it_can_be() -> None:
    run = begun()
    assert any(row.startswith("· Evaluate ") for row in told(run))
    run.happen(steps.Stopped())
    assert not any("Evaluate" in row for row in told(run))


def test_data_is_shown_where_it_changes() -> None:
    states = machine(
        A={"Type": "Pass", "Next": "B"}, B={"Type": "Pass", "Result": [1], "End": True}
    )
    assert told(ran(states, '{"n": 1}')) == [
        "✓ A  Pass  0 ms",
        '  {"n": 1} → {"n":1}',
        "✓ B  Pass  0 ms",
        "  → [1]",
    ]


def test_words_of_others_do_not_steer_the_terminal() -> None:
    evil = "\x1b[2J\x9b31m\r\u202e"
    states = machine(
        A={"Type": "Pass", "Result": evil, "Next": "F"},
        F={"Type": "Fail", "Error": evil, "Cause": evil},
    )
    run = started(states)
    found = Tree(run.definition).add(run.events)
    rows = lines.rows(found, Shown(run.now))
    named = lines.Row("SUCCEEDED", evil, said=evil, notes=(("dim", evil),))
    followed = "\n".join(tail.changes(found, {}))
    for text in (
        "\n".join(lines.plain([*rows, named])), lines.styled([*rows, named]).plain, followed,
    ):  # fmt: skip
        assert "\ufffd[2J" in text
        assert not set(text) & set("\x1b\x9b\r\u202e")
    assert lines.reason(evil, None) == "\ufffd[2J\ufffd31m\ufffd\ufffd"


def test_columns_are_those_of_a_terminal() -> None:
    rows = [lines.Row("SUCCEEDED", name, "Pass", "1 ms") for name in ("测试", "e\u0301", "abcd")]
    assert [lines.cells(row[: row.index("Pass")]) for row in lines.plain(rows)] == [8, 8, 8]
    assert lines.shortened_end("你好你好", 6) == "你好…"
    long = [lines.Row("SUCCEEDED", name, "Pass", "1 ms") for name in ("a" * 60, "b")]
    for columns, place in ((0, 46), (200, 46), (50, 27)):
        assert lines.styled(long, columns).plain.split("\n")[1].index("Pass") == place


def test_map_runs_are_told_as_far_as_they_are_known() -> None:
    visit = Visit("M", "Map", Line(()), 0.0, length=0, map_run="arn")
    assert lines.iterations(visit, {}) == "a map run"
    counts = {"total": 70, "succeeded": 69, "failed": 1}
    told = lines.iterations(visit, {"arn": {"itemCounts": counts}})
    assert told == "70 items in a map run: 69 succeeded, 1 failed"


def test_colours_change_no_word() -> None:
    run = ended("Train")
    rows = lines.rows(Tree(run.definition).add(run.events), Shown(run.now, data=False))
    console = Console(force_terminal=True, width=200, color_system="truecolor")
    with console.capture() as written:
        console.print(lines.styled(rows), end="")
    assert "\x1b[" in written.get()
    bare = re.sub(r"\x1b\[[0-9;]*m", "", written.get())
    assert [row.rstrip() for row in bare.rstrip().split("\n")] == lines.plain(rows)


def test_a_live_tree_fits_the_terminal() -> None:
    run, answered = begun(), 0
    worker = Worker(run)
    while answered < 9:
        key, task = run.tasks.popitem()
        run.happen(steps.TaskStarted(key), worker(task))
        answered += 1
    rows = lines.rows(Tree(run.definition).add(run.events), Shown(run.now, data=False))
    for room in (8, 20, 30):
        shown = tail.fitting(rows, room)
        assert sum(1 + len(row.notes) for row in shown) <= room
        assert any(row.status == "RUNNING" for row in shown)
        count = sum(int(r.name.split()[0]) for r in shown if r.name.endswith(" more"))
        assert count + len([r for r in shown if r.status]) >= len([r for r in rows if r.status])


def test_changes_are_told_once() -> None:
    run = ended()
    found, said = Tree(run.definition), dict[int, str]()
    half = len(run.events) // 2
    first = tail.changes(found.add(run.events[:half]), said)
    assert tail.changes(found, said) == []
    rest = tail.changes(found.add(run.events[half:]), said)
    assert any("✓ Read manifest succeeded after 2.5 s, s3:getObject texts" in row for row in first)
    assert any("Prepare[1] / Languages[0] / Tokenise" in row for row in [*first, *rest])
    assert "✓ Done succeeded after 0 ms" in rest[-1]


def test_a_document() -> None:
    run = ended()
    told = json.loads(json.dumps(document(Tree(run.definition).add(run.events))))
    assert (told["status"], told["seconds"]) == ("SUCCEEDED", 36.4)
    prepared = told["states"][1]
    languages = prepared["branches"][0]["states"][0]
    assert [each["index"] for each in languages["items"]] == list(range(7))
    assert told["states"][3]["work"] == {"kind": "training job", "name": "texts-7"}


@pytest.mark.parametrize(
    ("resource", "parameters", "expected"),
    [
        ("sagemaker:createHyperParameterTuningJob.sync", {"HyperParameterTuningJobName": "t"}, "tuning job t"),
        ("aws-sdk:sagemaker:describeEndpoint", {"EndpointName": "e"}, "describe endpoint e"),
        ("lambda:invoke", {"FunctionName": "arn:aws:lambda:r:1:function:f:2"}, "function f:2"),
        ("arn:aws:lambda:r:1:function:f", {}, "function f"),
        ("arn:aws:states:r:1:activity:a", {}, "activity a"),
        ("sqs:sendMessage.waitForTaskToken", {"QueueUrl": "http://h/1/q"}, "sqs:sendMessage q"),
        ("states:startExecution.sync:2", {"StateMachineArn": "arn:aws:states:r:1:stateMachine:m"}, "execution of m"),
        ("events:putEvents", {"Entries": []}, "events:putEvents"),
    ],
)  # fmt: skip
def test_what_a_task_started(resource: str, parameters: object, expected: str) -> None:
    assert str(of(Attempt(0.0, resource, json.dumps(parameters)))) == expected


def test_cut_parameters_name_nothing() -> None:
    assert str(of(Attempt(0.0, "sagemaker:createModel", '{"ModelName": "m'))) == "model"


def test_a_row_is_plain_data() -> None:
    assert lines.plain([Row("RUNNING", "A", "Task", "1 s", "x")]) == ["● A  Task  1 s  x"]
    assert [lines.ordinal(n) for n in (1, 2, 3, 4, 11, 21)] == [
        "1st", "2nd", "3rd", "4th", "11th", "21st",
    ]  # fmt: skip
