"""What Lambda writes to logs and answers of environments that end, as AWS does."""

from __future__ import annotations

import json

import pytest

from sagebrush.compute.base import Exited
from sagebrush.routing.functions import failures, lines
from sagebrush.routing.functions.lines import Report
from sagebrush.routing.functions.runtimes import NODE, PROVIDED, PYTHON, Runtime, runtime

ID = "6f747a04-97f9-4bf1-8d0e-3a8e0ba1b3ab"
AT = 1767225600.123


def test_an_invocation_is_framed_as_on_aws() -> None:
    assert lines.started(ID, "$LATEST", AT, False) == f"START RequestId: {ID} Version: $LATEST\n"
    report = Report(0.00221, 128, "38", init=0.11033)
    assert lines.ended(ID, report, AT, False) == (
        f"END RequestId: {ID}\n"
        f"REPORT RequestId: {ID}\tDuration: 2.21 ms\tBilled Duration: 113 ms\tMemory Size: 128 MB"
        "\tMax Memory Used: 38 MB\tInit Duration: 110.33 ms\t\n"
    )


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        ("success", "", ""),
        ("timeout", "Sandbox.Timedout", "\tStatus: timeout"),
        ("error", "Runtime.OutOfMemory", "\tStatus: error\tError Type: Runtime.OutOfMemory"),
        ("error", "KeyError", ""),  # what the handler raised is in its own lines
    ],
)
def test_a_report_names_what_went_wrong(status: str, error: str, words: str) -> None:
    report = Report(3.0, 128, "30", status=status, error=error)
    last = lines.ended(ID, report, AT, False).splitlines()[1]
    assert last.endswith(f"Max Memory Used: 30 MB{words}\t")


def test_json_logs_have_the_platforms_events() -> None:
    started = json.loads(lines.started(ID, "7", AT, True))
    assert started == {
        "time": "2026-01-01T00:00:00.123Z",
        "type": "platform.start",
        "record": {"requestId": ID, "version": "7"},
    }
    ended = json.loads(lines.ended(ID, Report(0.0015, 256, "40"), AT, True))
    assert ended["record"]["metrics"] == {
        "durationMs": 1.5,
        "billedDurationMs": 2,
        "memorySizeMB": 256,
        "maxMemoryUsedMB": 40,
    }


def test_a_beginning_that_failed_is_reported() -> None:
    error = "Runtime.ImportModuleError"
    assert lines.begun(0.13769, error, AT, False) == (
        "INIT_REPORT Init Duration: 137.69 ms\tPhase: init\tStatus: error"
        "\tError Type: Runtime.ImportModuleError\n"
    )
    assert lines.begun(10.0, lines.TIMED_OUT, AT, False).endswith("Status: timeout\n")


@pytest.mark.parametrize(
    ("exited", "kind", "message"),
    [
        (Exited(0), failures.EXIT, "Runtime exited without providing a reason"),
        (Exited(3), failures.EXIT, "Runtime exited with error: exit status 3"),
        (Exited(-9), failures.EXIT, "Runtime exited with error: signal: killed"),
        (Exited(-11), failures.EXIT, "Runtime exited with error: signal: segmentation fault"),
        (Exited(-9, "oom"), failures.MEMORY, "Runtime exited with error: signal: killed"),
        (None, failures.EXIT, "Runtime exited with error: signal: killed"),
        (
            Exited(125, "sandbox: …", "exec: Permission denied: /var/task/bootstrap"),
            failures.ENTRY,
            "fork/exec /var/task/bootstrap: permission denied",
        ),
        (
            Exited(125, "sandbox: …", "exec: No such file or directory: /var/task/bootstrap"),
            failures.ENTRY,
            "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]",
        ),
    ],
)
def test_the_end_of_a_runtime_has_awss_words(
    exited: Exited | None, kind: str, message: str
) -> None:
    assert failures.of_exit(exited) == (kind, message)


def test_error_documents_are_awss() -> None:
    assert failures.timeout_document(ID, 3).decode() == (
        f'{{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: {ID} Error: Task timed out'
        ' after 3.00 seconds"}'
    )
    assert json.loads(failures.too_large_document(6291556)) == {
        "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
        "errorType": "Function.ResponseSizeTooLarge",
    }
    assert failures.told(b'{"errorType": "E"}') == ("E", '{"errorType": "E"}')
    assert failures.told(b"no JSON")[0] == failures.UNREADABLE


def test_runtimes_by_identifier() -> None:
    assert runtime("python3.13") == Runtime("python3.13", PYTHON, "3.13")
    assert runtime("nodejs22.x") == Runtime("nodejs22.x", NODE, "22")
    assert runtime("provided.al2023") == Runtime("provided.al2023", PROVIDED)
    assert runtime("java21") is None
