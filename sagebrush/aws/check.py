"""Checks parameters against the model's constraints, with AWS's messages."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from botocore.model import OperationModel

from sagebrush.aws.patterns import compiled
from sagebrush.aws.scalars import epoch_seconds
from sagebrush.aws.shapes import Node, input_of
from sagebrush.errors import AwsError, Doc
from sagebrush.store.spool import Spooled

CODES = {
    "iam": "ValidationError",
    "sts": "ValidationError",
    "cloudwatch": "ValidationError",
    "sagemaker-runtime": "ValidationError",
    "logs": "InvalidParameterException",
    "ecr": "InvalidParameterException",
}
"""Service -> the code of its constraint errors, where it is not ValidationException."""

S3_CHOICES = {
    "ACL": ("InvalidArgument", "The canned ACL is not valid"),
    "ChecksumAlgorithm": (
        "InvalidRequest",
        "Checksum algorithm provided is unsupported. Please try again with any of the valid types:"
        " [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
    ),
    "ChecksumType": ("InvalidRequest", "Value for x-amz-checksum-type header is invalid."),
    "MetadataDirective": ("InvalidArgument", "Unknown metadata directive."),
    "ObjectAttributes": ("InvalidArgument", "Invalid attribute name specified."),
    "ObjectOwnership": ("InvalidArgument", "Invalid x-amz-object-ownership header"),
    "TaggingDirective": ("InvalidArgument", "Unknown tagging directive."),
}
"""S3's headers that take one of a few values -> the code and message for any other value."""

LOCAL_PATHS = {
    "CodeRepositoryNameOrUrl": "https?://([^/]+)/?(.*)$|(file://)?/.+|[a-zA-Z0-9](-*[a-zA-Z0-9])*",
    "GitConfigUrl": "https?://([^/]+)/?.{3,1016}|(file://)?/.+",
}
"""Shapes of Git repositories -> their pattern here: also a path on this machine, and plain HTTP."""

FINITE = ("sagemaker", "application-autoscaling")
"""Services no number of whose parameters may be NaN or infinite, which JSON can name as texts: no
weight, size or threshold means anything then. CloudWatch has words of its own."""
OWN_WORDS = frozenset({"Runtime"})
"""Shapes of Lambda's whose enumeration its operations check, in words of their own."""
MOST_MATCHED = 20_000
"""Characters up to which any value is matched with its pattern."""
LANGUAGES = ("ar", "hi", "ko", "zh-TW", "ja", "zh", "de", "pt", "en", "it", "fr", "es")
"""The codes of Comprehend in the order in which AWS was recorded to tell them."""
QUOTED_BY_NAME = frozenset({"RoutingConfigurationListItem"})
"""Structures that AWS was recorded to quote as `Name(member=value, ...)` (localstack
test_sfn_api_aliasing), where others are `{member=value, ...}`."""
_MOST_ERRORS = 20
_LONGEST_VALUE = 2_048
_NUMBERS = ("integer", "long", "float", "double")
_SCALAR = ("string", "boolean", "timestamp", "blob", *_NUMBERS)


def check(op: OperationModel, params: Doc) -> None:
    """Returns when `params` meet every constraint of the operation's input.

    Raises AwsError: `2 validation errors detected: Value …; Value …`. S3 differs: it checks only
    that required members are present and that some headers have a known value, with messages of its
    own.
    """
    node = input_of(op)
    if node is None:
        return
    service = op.service_model.service_name
    if service == "s3":
        _check_s3(node, params)
        return
    if service == "sqs":
        _check_sqs(node, params)
    if service == "comprehend":
        _check_language(node, params)
    errors: list[str] = []
    found = _structure(node, params, "")
    if service in FINITE:
        found = itertools.chain(found, _infinite(node, params, ""))
    for error in found:
        errors.append(_not_null(error) if service == "lambda" else error)
        if len(errors) == _MOST_ERRORS:
            break
    if errors:
        count = f"{len(errors)} validation error{'s' if len(errors) > 1 else ''} detected: "
        raise AwsError(CODES.get(service, "ValidationException"), count + "; ".join(errors))


def _not_null(error: str) -> str:
    """The error as Lambda words it: what is said of the elements of a list or a map ends so."""
    if "must satisfy constraint: [" not in error:
        return error
    return f"{error.removesuffix(']')}, Member must not be null]"


def _check_sqs(node: Node, params: Doc) -> None:
    """SQS names the first member that is missing, alone (recorded: localstack test_task_service_sqs
    `test_send_message_empty_body`)."""
    for name in node.required:
        if params.get(name) is None:
            words = f"The request must contain the parameter {name}."
            raise AwsError("MissingParameter", words)


def _check_language(node: Node, params: Doc) -> None:
    """Comprehend tells of a language code that it does not know alone, without the usual beginning and
    without one space (recorded: moto test_comprehend
    `test_detect_detect_key_phrases_invalid_languagecode`)."""
    member, code = node.members.get("LanguageCode"), params.get("LanguageCode")
    if member is not None and isinstance(code, str) and code not in member.enum:
        known = ", ".join(each for each in LANGUAGES if each in member.enum)
        words = "failed to satisfy constraint: Member must satisfy enum value set:"
        shown = code[:_LONGEST_VALUE]
        raise AwsError("ValidationException", f"Value '{shown}' at 'languageCode'{words} [{known}]")


def _check_s3(node: Node, params: Doc) -> None:
    for name, member in node.members.items():
        value = params.get(name)
        if value is None and name in node.required:
            if name == node.payload:
                raise AwsError("MissingRequestBodyError", "Request Body is empty")
            if member.location or member.kind == "blob":
                words = f"A required parameter is missing: {member.wire}"
                raise AwsError("InvalidRequest", words)
            raise _not_xml()
        if value is not None and not member.location and _lacks(member, value):
            raise _not_xml()
        if value is not None and name in S3_CHOICES and member.location:
            _check_choice(name, member, value)


def _check_choice(name: str, member: Node, value: Any) -> None:
    values, enum = ([value], member.enum) if not member.item else (value, member.item.enum)
    for text in values:
        # S3 accepts the names of algorithms, which SDKs write themselves, in either case.
        if text not in enum and (name != "ChecksumAlgorithm" or text.upper() not in enum):
            code, message = S3_CHOICES[name]
            raise AwsError(code, message, ArgumentName=member.wire, ArgumentValue=text[:200])


def _not_xml() -> AwsError:
    return AwsError(
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema",
    )


def _lacks(node: Node, value: Any) -> bool:
    """Whether a required member is missing in `value`, at any depth."""
    if node.kind == "structure":
        if any(value.get(name) is None for name in node.required):
            return True
        return any(_lacks(node.members[n], v) for n, v in value.items() if v is not None)
    if node.kind == "list" and node.element.kind not in _SCALAR:
        return any(_lacks(node.element, item) for item in value)
    return False


# ---- one value -------------------------------------------------------------------------------


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]


def _structure(node: Node, value: Doc, path: str) -> Iterator[str]:
    for name in node.required:
        if value.get(name) is None and not node.members[name].event_stream:
            yield _message(None, f"{path}{_lower(name)}", "Member must not be null")
    for name, item in value.items():
        member = node.members.get(name)
        if item is not None and member is not None:
            yield from _errors(member, item, path + _lower(name))


def _infinite(node: Node, value: Any, path: str) -> Iterator[str]:
    """The messages about numbers within `value` that are none, or infinite."""
    if node.kind in ("float", "double"):
        if isinstance(value, float) and not math.isfinite(value):
            yield _message(value, path, "Member must be a finite number")
    elif node.kind == "structure":
        for name, item in value.items():
            member = node.members.get(name)
            if item is not None and member is not None:
                yield from _infinite(member, item, f"{path}{'.' if path else ''}{_lower(name)}")
    elif node.kind == "list" and node.element.kind not in ("string", "blob"):
        for index, item in enumerate(value, 1):
            if item is not None:
                yield from _infinite(node.element, item, f"{path}.{index}.member")


def _errors(node: Node, value: Any, path: str) -> Iterator[str]:
    """The messages about `value` and everything within it."""
    if node.constrained and node.shape not in OWN_WORDS:
        for constraint in _broken(node, value):
            yield _message(_named(node, value), path, constraint, _hidden(node))
    if node.kind == "structure":
        yield from _structure(node, value, path + ".")
    elif node.kind == "list":
        yield from _elements(node, value, path)
    elif node.kind == "map":
        yield from _entries(node, value, path)


def _elements(node: Node, value: list[Any], path: str) -> Iterator[str]:
    element = node.element
    if element.kind in _SCALAR:
        if element.constrained and any(x is None or _any(element, x) for x in value):
            rules = ", ".join(_rules(element))
            yield _message(
                value, path, f"Member must satisfy constraint: [{rules}]", _hidden(element)
            )
        return
    for index, item in enumerate(value, 1):
        if item is None:
            yield _message(None, f"{path}.{index}.member", "Member must not be null")
        else:
            yield from _errors(element, item, f"{path}.{index}.member")


def _entries(node: Node, value: Doc, path: str) -> Iterator[str]:
    key, element = node.key, node.element
    if key is not None and key.constrained and any(_any(key, k) for k in value):
        rules = ", ".join(_rules(key))
        yield _message(value, path, f"Map keys must satisfy constraint: [{rules}]", _hidden(key))
    if element.kind in _SCALAR:
        if element.constrained and any(x is None or _any(element, x) for x in value.values()):
            rules = ", ".join(_rules(element))
            words = f"Map value must satisfy constraint: [{rules}]"
            yield _message(value, path, words, _hidden(element))
        return
    for name, item in value.items():
        if item is not None:
            yield from _errors(element, item, f"{path}.{name}.member")


def _hidden(node: Node) -> bool:
    return bool(node.metadata.get("sensitive"))


def _any(node: Node, value: Any) -> bool:
    return next(_broken(node, value), None) is not None


def _broken(node: Node, value: Any) -> Iterator[str]:
    """The constraints that `value` itself violates, in AWS's words."""
    metadata = node.metadata
    if node.enum and value not in node.enum:
        yield _enum(metadata["enum"])
    pattern = _pattern(node)
    if pattern and isinstance(value, str) and not _too_long(node, value):
        regex = compiled(pattern)
        if regex and not regex.fullmatch(value):
            yield f"Member must satisfy regular expression pattern: {pattern}"
    lowest, highest = metadata.get("min"), metadata.get("max")
    if lowest is None and highest is None:
        return
    size = _measure(node, value)
    if highest is not None and size > highest:
        yield _limit(node, "less", highest)
    if lowest is not None and size < lowest:
        yield _limit(node, "greater", lowest)


def _pattern(node: Node) -> str | None:
    """The pattern that values must match; "" or None for none."""
    return LOCAL_PATHS.get(node.shape) or node.metadata.get("pattern")


def _too_long(node: Node, value: str) -> bool:
    """Whether a value is so far beyond its length that matching it would only cost time.

    Many of the models' patterns take quadratic time.
    """
    highest = node.metadata.get("max", MOST_MATCHED)
    return len(value) > longest_matched(highest)


def longest_matched(highest: int) -> int:
    """The length up to which a value limited to `highest` characters is matched with its
    pattern."""
    return min(max(2 * highest, 256), MOST_MATCHED)


def _rules(node: Node) -> Iterator[str]:
    """Every constraint of `node`, in AWS's words and order."""
    metadata = node.metadata
    if "max" in metadata:
        yield _limit(node, "less", metadata["max"])
    if "min" in metadata:
        yield _limit(node, "greater", metadata["min"])
    if "pattern" in metadata:
        yield f"Member must satisfy regular expression pattern: {_pattern(node)}"
    if "enum" in metadata:
        yield _enum(metadata["enum"])


def _limit(node: Node, side: str, limit: float) -> str:
    noun = "value" if node.kind in _NUMBERS else "length"
    shown = float(limit) if node.kind in ("float", "double") else limit
    return f"Member must have {noun} {side} than or equal to {shown}"


def _enum(values: list[str]) -> str:
    told = _TOLD.get(frozenset(values), values)
    return f"Member must satisfy enum value set: [{', '.join(told)}]"


_STATUSES = ("SUCCEEDED", "TIMED_OUT", "PENDING_REDRIVE", "ABORTED", "FAILED", "RUNNING")
_TOLD: dict[frozenset[str], tuple[str, ...]] = {frozenset(_STATUSES): _STATUSES}
"""Values of enums in the order in which AWS was recorded to tell them, where it is not the model's
(localstack test_sfn_api `test_state_machine_status_filter`)."""


def _measure(node: Node, value: Any) -> float:
    """What `min` and `max` limit: a number itself, characters, bytes or entries."""
    if node.kind in _NUMBERS:
        return value
    if isinstance(value, Spooled):
        return value.size
    if isinstance(value, str) and not value.isascii():
        return len(value.encode("utf-16-le", "surrogatepass")) // 2
    return len(value)


# ---- words -----------------------------------------------------------------------------------


def _message(value: Any, path: str, constraint: str, hidden: bool = False) -> str:
    shown = "null" if value is None else f"'{_java(value)[:_LONGEST_VALUE]}'"
    shown = "Value" if hidden else f"Value {shown}"
    return f"{shown} at '{path}' failed to satisfy constraint: {constraint}"


def _named(node: Node, value: Any) -> Any:
    """The value; a list of what is quoted with the structure's name, as its quotation."""
    if node.kind != "list" or node.element.shape not in QUOTED_BY_NAME:
        return value
    name = node.element.shape
    told = (", ".join(f"{k}={_java(v)}" for k, v in each.items()) for each in value)
    return "[" + ", ".join(f"{name}({each})" for each in told) + "]"


def _java(value: Any) -> str:
    """`value` in the form of Java's toString, as AWS quotes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}={_java(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_java(item) for item in value) + "]"
    if isinstance(value, bytes | Spooled):
        size = len(value) if isinstance(value, bytes) else value.size
        return f"java.nio.HeapByteBuffer[pos=0 lim={size} cap={size}]"
    if isinstance(value, datetime):
        return str(epoch_seconds(value))
    return "null" if value is None else str(value)
