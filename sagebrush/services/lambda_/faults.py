"""Lambda's errors, in its own words. Source: Lambda API reference, "Common errors" and each operation's."""

from __future__ import annotations

from sagebrush.errors import AwsError, Missing


def invalid(words: str) -> AwsError:
    """InvalidParameterValueException (400)."""
    return AwsError("InvalidParameterValueException", words, Type="User")


def conflict(words: str) -> AwsError:
    """ResourceConflictException (409)."""
    return AwsError("ResourceConflictException", words, 409, Type="User")


def missing(words: str) -> AwsError:
    """ResourceNotFoundException (404)."""
    return Missing("ResourceNotFoundException", words, 404, Type="User")


def no_function(arn: str) -> AwsError:
    """The error for a function, version or alias that is not there."""
    return missing(f"Function not found: {arn}")


def stale(where: str = "GetFunction/GetAlias") -> AwsError:
    """PreconditionFailedException (412), for a RevisionId that is not the latest; `where` is the operation
    that tells that."""
    return AwsError(
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. Call the"
        f" {where} API to retrieve the latest Revision Id",
        412,
        Type="User",
    )


def unsupported(what: str) -> AwsError:
    """The refusal of what Sagebrush lacks, by name."""
    return invalid(f"Sagebrush does not support {what} yet.")


def validation(*broken: str) -> AwsError:
    """ValidationException (400) of these broken constraints."""
    count = f"{len(broken)} validation error{'s' if len(broken) > 1 else ''} detected: "
    return AwsError("ValidationException", count + "; ".join(broken))


def too_large(words: str) -> AwsError:
    """RequestTooLargeException (413)."""
    return AwsError("RequestTooLargeException", words, 413, Type="User")
