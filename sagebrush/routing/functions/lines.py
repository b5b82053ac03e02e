"""What Lambda itself writes to a function's log, as text and as JSON. Pure.

Source: AWS Lambda Developer Guide, "Understanding the Lambda execution environment lifecycle" and
"Lambda Telemetry API Event schema reference".
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime

from sagebrush.errors import Doc


@dataclass(frozen=True)
class Report:
    """The figures of one invocation; seconds, and MB."""

    duration: float
    memory: int
    used: str
    """MB, as text: what the shim puts in its place (`compute.shim.tied.PEAK`), or a number."""
    init: float | None = None
    """What the environment's beginning took, for its first invocation."""
    status: str = "success"
    error: str = ""

    @property
    def billed(self) -> int:
        """Milliseconds, begun ones whole; the beginning counts since August 2025."""
        return math.ceil((self.duration + (self.init or 0.0)) * 1000)


def began(runtime: str, arn: str, at: float, as_json: bool) -> str:
    """An environment begins."""
    if as_json:
        record = {
            "initializationType": "on-demand",
            "phase": "init",
            "runtimeVersion": runtime,
            "runtimeVersionArn": arn,
        }
        return _json(at, "platform.initStart", record)
    return f"INIT_START Runtime Version: {runtime}\tRuntime Version ARN: {arn}\n"


def begun(seconds: float, error: str, at: float, as_json: bool, phase: str = "init") -> str:
    """The beginning failed: ahead of the invocation (`init`), or within it, where it is tried again
    (`invoke`)."""
    status = "timeout" if error == TIMED_OUT else "error"
    took = seconds * 1000
    if as_json:
        record = {
            "initializationType": "on-demand",
            "phase": phase,
            "status": status,
            "errorType": error,
            "metrics": {"durationMs": round(took, 3)},
        }
        return _json(at, "platform.initReport", record)
    kind = "" if status == "timeout" else f"\tError Type: {error}"
    return f"INIT_REPORT Init Duration: {took:.2f} ms\tPhase: {phase}\tStatus: {status}{kind}\n"


def started(request_id: str, version: str, at: float, as_json: bool) -> str:
    """An invocation begins."""
    if as_json:
        return _json(at, "platform.start", {"requestId": request_id, "version": version})
    return f"START RequestId: {request_id} Version: {version}\n"


def ended(request_id: str, report: Report, at: float, as_json: bool) -> str:
    """An invocation has ended."""
    took = report.duration * 1000
    if as_json:
        metrics: Doc = {
            "durationMs": round(took, 3),
            "billedDurationMs": report.billed,
            "memorySizeMB": report.memory,
            "maxMemoryUsedMB": _USED,
        }
        if report.init is not None:
            metrics["initDurationMs"] = round(report.init * 1000, 3)
        record: Doc = {"requestId": request_id, "metrics": metrics, "status": report.status}
        if report.error:
            record["errorType"] = report.error
        return _json(at, "platform.report", record).replace(f'"{_USED}"', report.used)
    words = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {took:.2f} ms",
        f"Billed Duration: {report.billed} ms",
        f"Memory Size: {report.memory} MB",
        f"Max Memory Used: {report.used} MB",
    ]
    if report.init is not None:
        words.append(f"Init Duration: {report.init * 1000:.2f} ms")
    if report.status == "timeout":
        words.append("Status: timeout")
    elif report.status == "error" and report.error.startswith("Runtime."):
        words += ["Status: error", f"Error Type: {report.error}"]
    reported = "\t".join(words)
    return f"END RequestId: {request_id}\n{reported}\t\n"


TIMED_OUT = "Sandbox.Timedout"
_USED = "used"


def stamp(at: float) -> str:
    """The time as Lambda writes it: `2026-11-30T03:19:44.123Z`."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S}.{int(at * 1000) % 1000:03d}Z"


def timed_out(request_id: str, seconds: float, at: float, as_json: bool) -> str:
    """The invocation took too long, as a line of its own; JSON logs have it in the report alone."""
    if as_json:
        return ""
    return f"{stamp(at)} {request_id} Task timed out after {seconds:.2f} seconds\n\n"


def exited(request_id: str, kind: str, message: str, as_json: bool) -> str:
    """The runtime ended in an invocation, or could not be started for it: one event of two lines, which
    a carriage return parts (`toolkit.lambda_`)."""
    return "" if as_json else f"RequestId: {request_id} Error: {message}\r{kind}\n"


def _json(at: float, kind: str, record: Doc) -> str:
    return json.dumps({"time": stamp(at), "type": kind, "record": record}) + "\n"
