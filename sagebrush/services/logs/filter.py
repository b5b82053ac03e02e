"""CloudWatch Logs filter patterns over unstructured text: terms, phrases, regexes.

Source: CloudWatch Logs User Guide, "Filter pattern syntax". Patterns over JSON (`{ … }`) and over
space-delimited fields (`[ … ]`) are refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sagebrush.errors import AwsError
from sagebrush.workload import expressions

_TERM = re.compile(r'\s*([?-]?)(?:"((?:[^"\\]|\\.)*)"|%((?:[^%])*)%|(\S+))')


def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """A test for messages: all plain terms, none with `-`, and one of those with `?` if there are
    any.

    Terms are case sensitive. Raises InvalidParameterException for a pattern that it cannot parse.
    """
    text = pattern.strip()
    if text[:1] in ("{", "["):
        raise AwsError(
            "InvalidParameterException",
            "Filter patterns over JSON or space-delimited fields are not implemented.",
        )
    every: list[Callable[[str], bool]] = []
    some: list[Callable[[str], bool]] = []
    position = 0
    while position < len(text):
        found = _TERM.match(text, position)
        if found is None:
            raise AwsError("InvalidParameterException", "Invalid filter pattern")
        position = found.end()
        sign, test = found[1], _test(found)
        if sign == "?":
            some.append(test)
        elif sign == "-":
            every.append(lambda message, test=test: not test(message))
        else:
            every.append(test)
    return lambda message: (
        all(test(message) for test in every) and (not some or any(test(message) for test in some))
    )


def _test(found: re.Match[str]) -> Callable[[str], bool]:
    if found[3] is not None:
        try:
            expression = expressions.compiled(found[3])
        except ValueError as error:
            raise _invalid(str(error)) from error
        return lambda message: _found(expression, message)
    term = found[4] if found[2] is None else re.sub(r"\\(.)", r"\1", found[2])
    return lambda message: term in message


def _found(expression: expressions.Pattern, message: str) -> bool:
    """Whether the expression finds anything; raises InvalidParameterException where it takes too
    long for one message, as it would for the next."""
    try:
        return expressions.search(expression, message) is not None
    except TimeoutError as error:
        raise _invalid("its regular expression takes too long") from error


def _invalid(why: str) -> AwsError:
    return AwsError("InvalidParameterException", f"Invalid filter pattern: {why}")
