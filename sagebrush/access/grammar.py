"""The grammar of IAM policies: documents are read, and refused in AWS's words. Pure.

IAM user guide, "Grammar of the IAM JSON policy language" and "IAM JSON policy elements reference".
Of several mistakes AWS names the one that its checks find first: syntax, version, what its older
parser refuses, statement ids, actions, resources. The order here is that one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sagebrush.access.policy import (
    EVERYBODY,
    OPERATORS,
    QUANTIFIERS,
    VARIABLES,
    Malformed,
    Policy,
    Statement,
)
from sagebrush.aws.scalars import json_of

IDENTITY, MANAGED, TRUST, RESOURCE = "identity", "managed", "trust", "resource"
"""Which policy a document is: inline or of a session, managed (which needs the newer version), a role's
trust policy (which has principals in place of resources), or another resource's (which has both)."""

_TOP = frozenset({"Version", "Id", "Statement"})
_ELEMENTS = frozenset(
    {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)
_PRINCIPALS = frozenset({"Principal", "NotPrincipal"})
_SYNTAX = "Syntax errors in policy."
_LEGACY = "The policy failed legacy parsing"


def parse(text: str, kind: str = IDENTITY) -> Policy:
    """The policy in `text`; raises Malformed."""
    try:
        document = json_of(text)
    except ValueError as error:
        raise Malformed(_SYNTAX) from error
    found = _syntax(document, kind)
    if kind == MANAGED and document.get("Version") != VARIABLES:
        raise Malformed("Policy document must be version 2012-10-17 or greater.")
    _effects_and_dates(found)
    first = _resource_error(found)
    if kind != RESOURCE:  # SDKs put topics' ARNs there
        _ids(found)
    if any(not _either(statement, "Action") for statement in found):
        missing = "Missing required field Action", "Policy statement must contain actions."
        raise Malformed(missing[kind != TRUST])
    if first:
        raise Malformed(first)
    for action in (each for statement in found for each in _either(statement, "Action")):
        _check_action(action, kind)
    if kind not in (TRUST, RESOURCE) and any(
        not _either(statement, "Resource") for statement in found
    ):
        raise Malformed("Policy statement must contain resources.")
    return document


def _strings(value: Any) -> Sequence[str] | None:
    """The text or the texts of an element; None for anything else."""
    found = value if isinstance(value, list) else [value]
    return found if all(isinstance(each, str) for each in found) else None


def _either(statement: Statement, name: str) -> Sequence[str]:
    """What the statement lists under `name`, or under its negation."""
    return _strings(statement.get(name, statement.get(f"Not{name}", []))) or ()


# Syntax -------------------------------------------------------------------------------------------


def _syntax(document: Any, kind: str) -> Sequence[Statement]:
    """The statements of a document whose elements have the form that they must have."""
    if not isinstance(document, dict) or not document.keys() <= _TOP:
        raise Malformed(_SYNTAX)
    if document.get("Version", VARIABLES) not in (VARIABLES, "2008-10-17"):
        raise Malformed(_SYNTAX)
    listed = document.get("Statement")
    found = [listed] if isinstance(listed, dict) else listed
    if not isinstance(found, list) or not found or not isinstance(document.get("Id", ""), str):
        raise Malformed(_SYNTAX)
    for statement in found:
        _check_statement(statement, kind)
    return found


def _check_statement(statement: Any, kind: str) -> None:
    if not isinstance(statement, dict) or not statement.keys() <= _ELEMENTS | _PRINCIPALS:
        raise Malformed(_SYNTAX)
    for name in ("Action", "Resource", "Principal"):
        if name in statement and f"Not{name}" in statement:
            raise Malformed(_SYNTAX)
    for name in ("Action", "NotAction", "Resource", "NotResource"):
        if name in statement and _strings(statement[name]) is None:
            raise Malformed(_SYNTAX)
    effect = statement.get("Effect")
    if not isinstance(effect, str) or effect.lower() not in ("allow", "deny"):
        raise Malformed(_SYNTAX)
    if not isinstance(statement.get("Sid", ""), str):
        raise Malformed(_SYNTAX)
    _check_condition(statement.get("Condition", {}))
    if kind not in (TRUST, RESOURCE):
        if statement.keys() & _PRINCIPALS:
            raise Malformed("Policy document should not specify a principal.")
        return
    if not statement.keys() & _PRINCIPALS:
        raise Malformed("Missing required field Principal")
    _check_principal(statement.get("Principal", statement.get("NotPrincipal")))
    if kind == RESOURCE:
        return
    if "Resource" in statement:
        raise Malformed("Has prohibited field Resource")
    if "NotResource" in statement:
        raise Malformed("AssumeRole policy must not contain resources.")


def _check_condition(condition: Any) -> None:
    """Raises Malformed, but not for an unknown operator that compares nothing, as AWS does not."""
    if not isinstance(condition, dict):
        raise Malformed(_SYNTAX)
    for operator, wanted in condition.items():
        if not isinstance(wanted, dict):
            raise Malformed(_SYNTAX)
        quantifier, _, name = operator.rpartition(":")
        known = name.removesuffix("IfExists") in OPERATORS and quantifier in QUANTIFIERS
        if wanted and not known:
            raise Malformed(_SYNTAX)
        for values in wanted.values():
            listed = values if isinstance(values, list) else [values]
            if not all(_is_value(each) for each in listed):
                raise Malformed(_SYNTAX)


def _is_value(value: Any) -> bool:
    """Whether a condition may compare with it: texts, booleans, numbers that JSON has."""
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


_PRINCIPAL = re.compile(
    r"\*|\d{12}|A[A-Z0-9]{15,}"
    r"|arn:aws[a-z-]*:iam::\d{12}:(root|(user|role)/[\w+=,.@/-]+)"
    r"|arn:aws[a-z-]*:sts::\d{12}:(assumed-role/[\w+=,.@-]+|federated-user)/[\w+=,.@-]+",
    re.ASCII,
)
"""What may stand under AWS: everybody, an account, a unique id, a user, a role, a session."""


def _check_principal(element: Any) -> None:
    """Raises Malformed for names that can match nothing. Whether they exist is not checked: AWS
    refuses the ARN of a role or user that does not, but a policy written elsewhere names other
    accounts'."""
    if element == EVERYBODY:
        return
    if not isinstance(element, Mapping) or not element:
        raise Malformed(_SYNTAX)
    for kind, names in element.items():
        listed = names if isinstance(names, list) else [names]
        if kind not in ("AWS", "Service", "Federated", "CanonicalUser") or not listed:
            raise Malformed(_SYNTAX)
        for name in listed:
            known = isinstance(name, str) and (kind != "AWS" or _PRINCIPAL.fullmatch(name))
            if not known or (kind == "Service" and "*" in name):
                raise Malformed(f'Invalid principal in policy: "{kind}":"{name}"')


# What AWS's older parser refuses ------------------------------------------------------------------

_DATE = re.compile(
    r"(-?\d{1,9})(?:-(\d{1,2})(?:-(\d{1,2}))?)?"
    r"(?:T(?:(\d{1,2})(?::(\d{1,2})(?::(\d{1,2})(?:\.\d{1,9})?(?:Z|[+-]\d\d(?::\d\d)?)?)?)?)?)?",
    re.ASCII | re.IGNORECASE,
)
_RANGES = ((1, 12), (1, 31), (0, 23), (0, 59), (0, 59))
"""Of month, day, hour, minute, second."""


def _effects_and_dates(statements: Sequence[Statement]) -> None:
    for statement in statements:
        if statement["Effect"] not in ("Allow", "Deny"):
            raise Malformed(_LEGACY)
        for operator, wanted in statement.get("Condition", {}).items():
            if not operator.rpartition(":")[2].startswith("Date"):
                continue
            for values in wanted.values():
                listed = values if isinstance(values, list) else [values]
                if not all(_is_date(str(each)) for each in listed):
                    raise Malformed(_LEGACY)


def _is_date(text: str) -> bool:
    """Whether it is a moment as ISO 8601 writes it, or seconds since the epoch."""
    if text.isascii() and text.isdigit():
        return len(text) < 20 and int(text) < 2**63
    found = _DATE.fullmatch(text)
    return found is not None and all(
        low <= int(part) <= high
        for part, (low, high) in zip(found.groups()[1:], _RANGES, strict=True)
        if part is not None
    )


# Resources ----------------------------------------------------------------------------------------

_IAM_PATHS = (
    "user/", "federated-user/", "role/", "group/", "instance-profile/", "mfa/",
    "server-certificate/", "policy/", "sms-mfa/", "saml-provider/", "oidc-provider/", "report/",
    "access-report/",
)  # fmt: skip


def _resource_error(statements: Sequence[Statement]) -> str:
    """The first resource's mistake that is told after others; "" where there is none. Raises
    Malformed for what the older parser refuses before it finds one."""
    for resource in _resources(statements):
        parts = resource.split(":")
        if parts[0] == "arn" and (("::" in resource and len(parts) < 6) or parts[2:3] == [""]):
            raise Malformed(_LEGACY)
        if error := _wrong(resource):
            return error
    return ""


def _resources(statements: Sequence[Statement]) -> Iterator[str]:
    for statement in statements:
        yield from _either(statement, "Resource")


def _wrong(resource: str) -> str:
    """What is wrong with a resource's ARN; "" if nothing."""
    if resource == "*":
        return ""
    head, colon, rest = resource.partition(":")
    if not colon:
        return f'Resource {resource} must be in ARN format or "*".'
    partition, colon, rest = rest.partition(":")
    if partition not in ("aws", "*"):
        parts = [*rest.split(":", 3), *"****"][:4] if rest else [*"****"]
        return f'Partition "{partition}" is not valid for resource "arn:{partition}:{":".join(parts)}".'
    if head != "arn":
        return f'Resource {resource} must be in ARN format or "*".'
    service, _, rest = rest.partition(":")
    if not colon or "*" in service or "?" in service:
        return "Resource vendor must be fully qualified and cannot contain regexes."
    region, _, rest = rest.partition(":")
    account, _, path = rest.partition(":")
    if service == "iam":
        return _wrong_in_iam(resource, region, path)
    if service == "s3" and region and not account:  # access points and jobs have both
        return f"Resource {resource} can not contain region information."
    return ""


def _wrong_in_iam(resource: str, region: str, path: str) -> str:
    if region:
        return f"IAM resource {resource} cannot contain region information."
    start = path.partition("/")[0]
    if not path.startswith(_IAM_PATHS) and not {"*", "?"} & {*start} and "${" not in start:
        listed = ", ".join(_IAM_PATHS)
        return f'IAM resource path must either be "*" or start with {listed}.'
    return ""


# Statement ids and actions ------------------------------------------------------------------------


def _ids(statements: Sequence[Statement]) -> None:
    given = [statement["Sid"] for statement in statements if statement.get("Sid")]
    if len(given) != len(set(given)):
        raise Malformed("Statement IDs (SID) in a single policy must be unique.")
    if any(not re.fullmatch("[0-9A-Za-z]*", sid) for sid in given):
        raise Malformed(
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular"
            " expression [0-9A-Za-z]*"
        )


def _check_action(action: str, kind: str) -> None:
    if action == "*":
        return
    vendor, colon, name = action.partition(":")
    if not colon:
        raise Malformed(
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
        )
    if ":" in name:
        raise Malformed("Actions/Condition can contain only one colon.")
    if vendor != "*" and not re.fullmatch(r"[A-Za-z0-9.-]+", vendor):
        raise Malformed(f"Vendor {vendor} is not valid")
    if kind == TRUST and vendor.lower() != "sts":
        raise Malformed("AssumeRole policy may only specify STS AssumeRole actions.")
