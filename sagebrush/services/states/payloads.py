"""JSON texts that users hand in: inputs of executions, outputs of tasks.

Wordings as recorded (localstack test_sfn_api.test_invalid_start_execution_input): those of the
service's JSON reader.
"""

from __future__ import annotations

import json
import re

from sagebrush.asl.values import PAYLOAD_LIMIT, fits, read
from sagebrush.errors import AwsError

_WORD = re.compile(r"[^\W\d][\w$]*")


def check_input(text: str) -> None:
    """Raises InvalidExecutionInput."""
    why = problem(text)
    if why is not None:
        raise AwsError("InvalidExecutionInput", f"Invalid State Machine Execution Input: '{why}'")
    _check_size(text, "input")


def check_output(text: str) -> None:
    """Raises InvalidOutput."""
    why = problem(text)
    if why is not None:
        raise AwsError("InvalidOutput", f"Invalid Output: '{why}'")
    _check_size(text, "output")


def _check_size(text: str, member: str) -> None:
    if not fits(text):
        raise AwsError(
            "ValidationException",
            f"1 validation error detected: Value at '{member}' failed to satisfy constraint: Member"
            f" must have length less than or equal to {PAYLOAD_LIMIT}",
        )


def problem(text: str) -> str | None:
    """Why the text is not JSON, in the words of the service's reader; None where it is."""
    try:
        read(text)
        return None
    except json.JSONDecodeError as error:
        return _told(text, error)
    except ValueError as error:
        return str(error)


def _told(text: str, error: json.JSONDecodeError) -> str:
    rest = text[error.pos :]
    message = error.msg
    if message.startswith(
        "Illegal trailing comma"
    ):  # Python 3.13 names the comma, AWS what follows it
        rest = rest[1:].lstrip(" \t\n\r")
        message = "Expecting property name" if rest.startswith("}") else "Expecting value"
    if not text.strip():
        return "Invalid execution input."
    if not rest:
        return "Unexpected end-of-input"
    word = _WORD.match(rest)
    if message.startswith("Expecting property name"):
        return f"{_character(rest)}: was expecting double-quote to start field name"
    if message == "Expecting value" and word is not None:
        return (
            f"Unrecognized token '{word[0]}': was expecting (JSON String, Number, Array, Object or"
            " token 'null', 'true' or 'false')"
        )
    if message == "Expecting value":
        return (
            f"{_character(rest)}: expected a valid value (JSON String, Number, Array, Object or"
            " token 'null', 'true' or 'false')"
        )
    if message == "Expecting ',' delimiter":
        return f"{_character(rest)}: was expecting comma to separate entries"
    if message == "Expecting ':' delimiter":
        return f"{_character(rest)}: was expecting a colon to separate field name and value"
    return message


def _character(rest: str) -> str:
    return f"Unexpected character ('{rest[0]}' (code {ord(rest[0])}))"
