"""Which runtimes functions may name, and which AWS has retired. Pure.

Source: Lambda developer guide, "Lambda runtimes" (supported and deprecated runtimes, with the dates from
which on functions of them can be created no more); botocore's enumeration lists all that ever were.
"""

from __future__ import annotations

import hashlib

from sagebrush.errors import AwsError
from sagebrush.services.lambda_ import faults

VALID = (
    "nodejs20.x", "python3.14", "provided.al2023", "python3.12", "python3.13", "nodejs24.x",
    "nodejs22.x", "java17", "nodejs16.x", "java25", "dotnet8", "python3.10", "java11", "python3.11",
    "dotnet6", "java21", "nodejs18.x", "provided.al2", "ruby3.3", "ruby3.4", "java8.al2", "ruby3.2",
    "python3.8", "python3.9",
)  # fmt: skip
"""Those that AWS's message about an unknown one lists, in its order."""
RETIRED = (
    "nodejs", "nodejs4.3", "nodejs4.3-edge", "nodejs6.10", "nodejs8.10", "nodejs10.x", "nodejs12.x",
    "nodejs14.x", "python2.7", "python3.6", "python3.7", "java8", "dotnetcore1.0", "dotnetcore2.0",
    "dotnetcore2.1", "dotnetcore3.1", "go1.x", "ruby2.5", "ruby2.7", "provided",
)  # fmt: skip
"""Those of which AWS lets nobody create or update a function any more."""
RUN_HERE = ("python", "nodejs", "provided")
"""Families that Sagebrush runs: the others need a runtime of AWS's that no host has."""


def check(runtime: str, image: bool = False) -> None:
    """Returns for a runtime that a function may name; raises InvalidParameterValueException."""
    if runtime in RETIRED:
        raise faults.invalid(
            f"The runtime parameter of {runtime} is no longer supported for creating or updating AWS"
            " Lambda functions. We recommend you use a supported runtime while creating or updating"
            " functions."
        )
    if runtime not in VALID:
        raise unknown(runtime)
    if not image and not runtime.startswith(RUN_HERE):
        raise faults.unsupported(
            f"the runtime {runtime} (it runs python3.x, nodejs*.x where the host has Node.js, and"
            " provided.al2, provided.al2023)"
        )


def unknown(runtime: str) -> AwsError:
    """The error for a runtime that is none."""
    return faults.invalid(
        f"Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value"
        f" set: [{', '.join(VALID)}] or be a valid ARN"
    )


def version_arn(runtime: str, region: str) -> str:
    """The ARN that stands for the runtime's version; Sagebrush has one version of each."""
    digest = hashlib.sha256(f"sagebrush {runtime}".encode()).hexdigest()
    return f"arn:aws:lambda:{region}::runtime:{digest}"
