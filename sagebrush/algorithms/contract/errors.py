"""Who can mend a failure: the user, or this project; and the words of AWS's algorithms for both.

Source of the words: github.com/aws/sagemaker-xgboost-container, algorithm_toolkit/exceptions.py, which
its authors copied from the SDK of the closed algorithms.
"""

from __future__ import annotations


class ClientError(Exception):
    """The user's input cannot be used; the text says what and why."""


class AlgorithmError(Exception):
    """The algorithm failed, whatever the input."""


class BadRequest(ValueError):
    """An inference request cannot be answered; the text says why. The model server answers with
    `status_code`: 400, 406 (accept type) or 415 (content type)."""

    def __init__(self, message: str, status_code: int = 400) -> None:
        super().__init__(message)
        self.status_code = status_code


class NotFinite(ValueError):
    """A value of the data is NaN or infinite; the text says where."""

    def __init__(self, value: float, where: str) -> None:
        super().__init__(where)
        self.value = value


def unreadable(channel: str, content_type: str, cause: str) -> ClientError:
    """The error for data that is not what its content type says; `cause` names file, line and fault."""
    return ClientError(
        f"Unable to read data channel '{channel}'. Requested content-type is '{content_type}'."
        " Please verify the data matches the requested content-type."
        f" (caused by ValueError)\n\nCaused by: {cause}"
    )


def not_finite(channel: str, value: float, cause: str) -> ClientError:
    """The error for a missing (NaN) or infinite value; `cause` names file and line."""
    what = "missing (NaN) values" if value != value else "infinite floating point values"
    return ClientError(
        f"Unable to read data channel '{channel}'. Found {what}. Please remove any {what} in the"
        f" input data. (caused by ValueError)\n\nCaused by: {cause}"
    )


def misconfigured(cause: str) -> ClientError:
    """The error for channels that the algorithm does not have, or has not been given."""
    return ClientError(
        "Unable to initialize the algorithm. Failed to validate input data configuration."
        f" (caused by ValidationError)\n\nCaused by: {cause}"
    )


def empty(channel: str, cause: str) -> ClientError:
    """The error for a channel without data."""
    return ClientError(
        f"Unable to read data channel '{channel}'. Please verify the correct data channel"
        f" configuration is provided. (caused by ValueError)\n\nCaused by: {cause}"
    )
