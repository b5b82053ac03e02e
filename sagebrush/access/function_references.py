"""How requests refer to Lambda functions: by name, by partial or whole ARN, with or without a qualifier.

Source: Lambda API reference, `FunctionName` of its operations. Parsed in one place for access checks
and operations alike. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sagebrush.access.actions.functions import FUNCTION, VERSION
from sagebrush.errors import AwsError, Doc
from sagebrush.store.rows import Row

__all__ = ["FUNCTION", "LATEST", "VERSION", "FunctionReference", "parse", "urls"]

LATEST = "$LATEST"
_REFERENCE = re.compile(
    r"(?:arn:aws[a-zA-Z-]*:lambda:)?"
    r"(?:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d):)?"
    r"(?:(?P<account>\d{12}):)?"
    r"(?:function:)?"
    r"(?P<name>[a-zA-Z0-9-_.]+)"
    r"(?::(?P<qualifier>\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9-_]+))?",
    re.ASCII,
)


@dataclass(frozen=True)
class FunctionReference:
    """A function, and which of its versions or aliases; the qualifier is "" where none was given."""

    account: str
    region: str
    name: str
    qualifier: str = ""

    @property
    def arn(self) -> str:
        """The ARN without a qualifier."""
        return f"arn:aws:lambda:{self.region}:{self.account}:function:{self.name}"

    @property
    def qualified(self) -> str:
        """The ARN with the qualifier, if there is one."""
        return f"{self.arn}:{self.qualifier}" if self.qualifier else self.arn


def parse(text: str, qualifier: str | None, account: str, region: str) -> FunctionReference:
    """What `text` and the request's own `qualifier` refer to; `account` and `region` are the caller's.

    Raises AwsError InvalidParameterValueException where the two qualifiers differ, or for what is no
    reference at all.
    """
    found = _REFERENCE.fullmatch(text)
    if found is None:
        raise AwsError(
            "InvalidParameterValueException", f"Invalid function name: {text}", Type="User"
        )
    within = found["qualifier"] or ""
    if qualifier and within and qualifier != within:
        raise AwsError(
            "InvalidParameterValueException",
            "The derived qualifier from the function name does not match the specified qualifier.",
            Type="User",
        )
    return FunctionReference(
        found["account"] or account, found["region"] or region, found["name"], qualifier or within
    )


def urls(row: Row) -> Mapping[str, Doc]:
    """Qualifier, "" for none -> configuration of the function's URL."""
    return row.plan.get("urls", {})
