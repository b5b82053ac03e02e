"""What `logging` is set up for in a function, as Lambda's Python runtimes do: request ids, and text
or JSON.

Source: AWS Lambda Developer Guide, "Log and monitor Python Lambda functions" and "Advanced logging
controls".
"""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

_SECONDS = "%Y-%m-%dT%H:%M:%S"
_TEXT = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
_OWN = frozenset(
    (
        "name", "msg", "args", "levelname", "levelno", "pathname", "filename", "module", "exc_info",
        "exc_text", "stack_info", "lineno", "funcName", "created", "msecs", "relativeCreated",
        "thread", "threadName", "processName", "process", "aws_request_id", "taskName",
    )
)  # fmt: skip
"""Attributes of records that are not the function's own (`extra`)."""


class _Handler(logging.Handler):
    """Writes to the function's output, whatever that is at the time."""

    def __init__(self, request_id: Callable[[], str]) -> None:
        super().__init__()
        self._request_id = request_id

    def emit(self, record: logging.LogRecord) -> None:
        record.aws_request_id = self._request_id()
        # a record of several lines is one event: the log knows lines, and shows this as a new line
        sys.stdout.write(self.format(record).replace("\n", "\r") + "\n")


class _Json(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, timezone.utc)
        found: dict[str, Any] = {
            "timestamp": f"{at.strftime(_SECONDS)}.{at.microsecond // 1000:03d}Z",
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
        }
        kind, error, trace = record.exc_info or (None, None, None)
        if kind is not None:
            found |= {
                "stackTrace": traceback.format_tb(trace),
                "errorType": kind.__name__,
                "errorMessage": str(error),
            }
        found["requestId"] = getattr(record, "aws_request_id", None)
        if kind is not None:
            found["location"] = f"{record.pathname}:{record.funcName}:{record.lineno}"
        more = {n: v for n, v in record.__dict__.items() if n not in _OWN and n not in found}
        kept = {name: value for name, value in {**found, **more}.items() if value is not None}
        return json.dumps(kept, ensure_ascii=False, default=str)


def set_up(as_json: bool, level: str, request_id: Callable[[], str]) -> logging.Handler:
    """The root logger writes to the function's log, from `level` on ("" leaves it as it is), by the
    handler that is returned."""
    logging.Formatter.converter = time.gmtime
    handler = _Handler(request_id)
    handler.setFormatter(_Json() if as_json else logging.Formatter(_TEXT, _SECONDS))
    logger = logging.getLogger()
    if wanted := {"TRACE": "DEBUG", "FATAL": "CRITICAL"}.get(level, level):
        logger.setLevel(wanted)
    logger.addHandler(handler)
    return handler
