"""Metric values and tracebacks out of a job's log."""

from __future__ import annotations

import time
from typing import Any

import pytest

from sagebrush.compute.base import LogLine
from sagebrush.workload import log_lines


def lines(*texts: str) -> list[LogLine]:
    return [LogLine(n, 1000 * n, text) for n, text in enumerate(texts)]


def test_values_are_first_groups_that_are_finite_numbers() -> None:
    patterns = log_lines.compiled(
        [{"Name": "loss", "Regex": r"loss=(\S+)"}, {"Name": "bare", "Regex": r"^\d+$"}]
    )
    found = log_lines.values(
        lines("loss=0.5", "loss=nan loss=1", "loss=1e-3", "42", "no"), patterns
    )
    assert found == [("loss", 0.0, 0.5), ("loss", 2.0, 0.001), ("bare", 3.0, 42.0)]


def test_a_tab_is_also_what_it_is_in_awss_logs() -> None:
    patterns = log_lines.compiled(
        [
            {"Name": "auc", "Regex": r".*\[[0-9]+\].*#011validation-auc:(\S+)"},
            {"Name": "own", "Regex": r"train-auc:(\S+)\t"},
        ]
    )
    found = log_lines.values(lines("[3]\ttrain-auc:0.5\tvalidation-auc:0.25"), patterns)
    assert found == [("auc", 0.0, 0.25), ("own", 0.0, 0.5)]


def test_a_bad_expression_names_its_metric() -> None:
    with pytest.raises(ValueError, match=r"^broken: "):
        log_lines.compiled([{"Name": "broken", "Regex": "("}])


def test_a_hostile_expression_does_not_hold_up_the_server() -> None:
    slow = r"(?:a|a|a)*(?:a|aa)*(?:b|bb)*(?:a|aa|aaa)*x(\d)"
    patterns = log_lines.compiled(
        [{"Name": "slow", "Regex": slow}, {"Name": "n", "Regex": "n=(.)"}]
    )
    begun = time.monotonic()
    found = log_lines.values(lines(*["a" * 4000 + "c"] * 50, "n=3"), patterns)
    assert time.monotonic() - begun < 5
    assert found == [("n", 50.0, 3.0)]


def test_a_busy_server_does_not_lose_a_value() -> None:
    (name, pattern) = log_lines.compiled([{"Name": "n", "Regex": "n=(.)"}])[0]

    class Slow:
        """An expression that takes long when it is tried first, as any may on a busy host."""

        tried = 0

        def search(self, text: str, timeout: float, **settings: Any) -> Any:
            self.tried += 1
            if self.tried == 1:
                raise TimeoutError
            return pattern.search(text, timeout=timeout, **settings)

    slow: Any = Slow()
    assert log_lines.values(lines("n=1", "n=2"), [(name, slow)]) == [
        ("n", 0.0, 1.0),
        ("n", 1.0, 2.0),
    ]


def test_the_last_traceback_is_found() -> None:
    text = [
        "Traceback (most recent call last):", "  File a", "KeyError: 1", "", "During handling",
        "Traceback (most recent call last):", "  File b", "    x = 1", "ValueError: two", "bye",
    ]  # fmt: skip
    assert log_lines.traceback_of(text) == "\n".join(text[5:9])
    assert log_lines.traceback_of(["one", "two", " "]) == "two"
    assert log_lines.traceback_of([]) == ""
    assert log_lines.traceback_of(["Sagebrush: image i runs as environment base"]) == ""


def test_a_launcher_that_fails_with_its_child_is_not_the_cause() -> None:
    text = [
        "Traceback (most recent call last):", 'File "train.py", line 5, in <module>', "raise x",
        "^^^^", "RuntimeError: asked to fail", "Command failed. Traceback: Traceback (most recent",
        "Traceback (most recent call last):", '  File "utils.py"', "    raise y",
        "subprocess.CalledProcessError: Command '['python']' returned 1",
    ]  # fmt: skip
    assert log_lines.traceback_of(text) == "\n".join(text[:5])
    assert log_lines.traceback_of(text[6:]) == "\n".join(text[6:])


def test_a_rank_of_several_is_the_cause_not_its_launcher() -> None:
    launcher = [
        "Traceback (most recent call last):", 'File "torch/distributed/run.py", line 1', "raise y",
        "torch.distributed.elastic.multiprocessing.errors.ChildFailedError:", "=====",
        "train.py FAILED", "Root Cause (first observed failure):", "exitcode  : 1 (pid: 27)",
    ]  # fmt: skip
    ranks = [
        "[rank1]: Traceback (most recent call last):", "[rank0]: Traceback (most recent call last):",
        '[rank1]:   File "train.py", line 5, in <module>', '[rank0]:   File "train.py", line 9',
        "[rank1]: ValueError: no", "[rank0]: RuntimeError: Connection closed by peer",
    ]  # fmt: skip
    told = log_lines.traceback_of([*ranks[::2], *launcher])
    assert told.splitlines()[0] == "Traceback (most recent call last):"
    assert told.splitlines()[-1] == "ValueError: no"
    # the other one failed because this one had: it is not the cause though it comes last
    assert log_lines.traceback_of([*ranks, *launcher]) == told
    assert log_lines.echo(log_lines.traceback_of([*ranks[1::2], *launcher]))
    mpi = [
        f"[1,3]<stderr>:{line}" for line in ("Traceback (most recent call last):", "KeyError: 1")
    ]
    assert log_lines.traceback_of([*mpi, "mpirun detected", "=="]).endswith("\nKeyError: 1")


def test_an_exception_of_another_name_ends_its_traceback_too() -> None:
    text = ["Traceback (most recent call last):", '  File "a"', "    f()", "mine.Oops", "bye"]
    assert log_lines.traceback_of(text) == "\n".join(text[:4])


def test_a_message_of_several_lines_is_told_whole() -> None:
    text = [
        "Traceback (most recent call last):", '  File "a"',
        "botocore.exceptions.ParamValidationError: Parameter validation failed:",
        "Invalid length for parameter Name, value: 1", "", "bye",
    ]  # fmt: skip
    assert log_lines.traceback_of(text) == "\n".join(text[:4])
    empty = [*text[:2], "ValueError:"]
    assert log_lines.traceback_of(empty) == "\n".join(empty)
