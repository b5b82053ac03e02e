"""JSON texts that users hand in: inputs of executions, outputs of tasks.

Wordings as recorded (localstack test_sfn_api.test_invalid_start_execution_input): those of the
service's JSON reader.
"""

from __future__ import annotations

import json

from sagebrush import jackson
from sagebrush.asl.values import PAYLOAD_LIMIT, fits, read
from sagebrush.errors import AwsError


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
        return jackson.told(text, error)[0] if text.strip() else "Invalid execution input."
    except ValueError as error:
        return str(error)
