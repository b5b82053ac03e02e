"""IAM policies: what a set of them decides about one action on one resource. Pure.

IAM user guide, "Policy evaluation logic", "AWS JSON policy elements: Principal", "... NotPrincipal"
and "IAM JSON policy elements: condition operators".
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from sagebrush.access.wildcards import LITERAL, PLAIN, like

Statement = Mapping[str, Any]
Policy = Mapping[str, Any]
Value = str | Sequence[str]
Context = Mapping[str, Value]


class Lookup(Protocol):
    """Condition keys in lower case -> values, found as they are asked for."""

    def get(self, name: str, /) -> Value | None: ...


Fill = Callable[[str], str | None]
"""A text of a policy -> the same with its variables in place; None where one has no value."""
VARIABLES = "2012-10-17"
"""The version of policies that have variables; in the other one, which a policy without a Version
has, they are plain text (IAM user guide, "IAM JSON policy elements: Version")."""
ALLOWED, IMPLICIT_DENY, EXPLICIT_DENY = "allowed", "implicitDeny", "explicitDeny"

ADMINISTRATOR: Policy = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}

ACCOUNT, ROLE, SESSION = "account", "role", "session"
"""How a resource's policy names who is allowed: by the account, by the role, or directly (the
session, the user, the service, everybody)."""


class Malformed(ValueError):
    """The text is no policy; the text says why."""


@dataclass(frozen=True)
class Principal:
    """The caller, by the names that the Principal element of a resource's policy may have for
    it."""

    account: str = ""
    """Twelve digits; empty for a service."""
    role: frozenset[str] = frozenset()
    """ARN and unique id of the role behind a session."""
    session: frozenset[str] = frozenset()
    """ARNs of the session itself and of the user."""
    service: str = ""
    """`sagemaker.amazonaws.com`; empty for others."""

    @property
    def accounts(self) -> frozenset[str]:
        """The account's two names, the number and the ARN of its root."""
        if not self.account:
            return frozenset()
        return frozenset((self.account, f"arn:aws:iam::{self.account}:root"))


@dataclass(frozen=True)
class Decision:
    """What the policies decide, and the positions (policy, statement) that decided it."""

    verdict: str
    matched: tuple[tuple[int, int], ...] = ()
    through: str = ""
    """For a resource's policy that allows: ACCOUNT, ROLE or SESSION, the most direct of them."""

    @property
    def allowed(self) -> bool:
        return self.verdict == ALLOWED


def evaluate(
    policies: Sequence[Policy],
    principal: str,
    action: str,
    resource: str,
    context: Context | Lookup,
    who: Principal | None = None,
) -> Decision:
    """What the policies decide: an explicit deny wins, then an allow; otherwise it is denied.

    The function is pure: `policies` and `context` are only read. A condition with an unknown
    operator never holds. Keys of a `context` that is a mapping are matched without case, and
    `aws:PrincipalArn` is the principal unless it is given. With `who` the policies are the
    resource's own (a role's trust policy): a statement applies only where its Principal or
    NotPrincipal element matches `who`.
    """
    keys = _caseless(context, principal) if isinstance(context, Mapping) else context
    allows: list[tuple[int, int]] = []
    denies: list[tuple[int, int]] = []
    through = ""
    for number, policy in enumerate(policies):
        fill: Fill = partial(_filled, keys=keys) if policy.get("Version") == VARIABLES else str
        for place, statement in enumerate(statements(policy)):
            named = _named(statement, who) if who else SESSION
            if who:  # the resource is what the policy is attached to
                statement = {"Resource": "*", **statement}
            if named and applies(statement, action, resource, keys, fill):
                if statement.get("Effect") == "Allow":
                    allows.append((number, place))
                    through = max(through, named, key=_DIRECTNESS.index)
                else:
                    denies.append((number, place))
    if denies:
        return Decision(EXPLICIT_DENY, tuple(denies))
    if not allows:
        return Decision(IMPLICIT_DENY)
    return Decision(ALLOWED, tuple(allows), through if who else "")


def together(trust: Decision, held: Decision, *limits: Decision) -> str:
    """The verdict of a trust policy, an identity's policies and what limits those, in one account.

    A deny in any of them wins, and the trust policy must allow. Where it names the account, the
    identity's policies must allow too; where it names the role, only the `limits` (permissions
    boundary, session policies) must; where it names the session or everybody, it suffices (IAM user
    guide, "Policy evaluation logic", resource-based policies; "Principal", all principals).
    """
    others = [held, *limits]
    if any(each.verdict == EXPLICIT_DENY for each in (trust, *others)):
        return EXPLICIT_DENY
    needed = {SESSION: [], ROLE: others[1:]}.get(trust.through, others)
    return ALLOWED if all(each.allowed for each in (trust, *needed)) else IMPLICIT_DENY


def _caseless(context: Context, principal: str) -> Lookup:
    keys = {name.lower(): value for name, value in context.items()}
    keys.setdefault("aws:principalarn", principal)
    return keys


def statements(policy: Policy) -> Sequence[Statement]:
    """The statements of a policy, which may hold one without a list."""
    return _listed(policy.get("Statement"))


def applies(statement: Statement, action: str, resource: str, keys: Lookup, fill: Fill) -> bool:
    """Whether the statement is about this action on this resource. `keys` are lower case."""
    return (
        _action_matches(statement, action)
        and _resource_matches(statement, resource, fill)
        and all(
            _condition_holds(operator, wanted, keys, fill)
            for operator, wanted in statement.get("Condition", {}).items()
        )
    )


def _action_matches(statement: Statement, action: str) -> bool:
    action = action.lower()
    if "NotAction" in statement:
        return not any(like(pattern.lower(), action) for pattern in _listed(statement["NotAction"]))
    return any(like(pattern.lower(), action) for pattern in _listed(statement.get("Action")))


def _resource_matches(statement: Statement, resource: str, fill: Fill) -> bool:
    negative = "NotResource" in statement
    patterns = _listed(statement.get("NotResource" if negative else "Resource"))
    filled = [fill(pattern) for pattern in patterns]
    if negative and None in filled and statement.get("Effect") == "Allow":
        return False  # what it spares cannot be told, so it allows nothing; a Deny spares nothing
    return any(text is not None and like(text, resource) for text in filled) != negative


# Principals ---------------------------------------------------------------------------------------

_DIRECTNESS = ("", ACCOUNT, ROLE, SESSION)


EVERYBODY = "*"
"""Services too, whether it stands alone or as {"AWS": "*"}."""


def _named(statement: Statement, who: Principal) -> str:
    """How a statement of a resource's policy names `who`: ACCOUNT, ROLE, SESSION, or "" if not at
    all."""
    negative = "NotPrincipal" in statement
    accounts, services = _principals(statement.get("NotPrincipal" if negative else "Principal"))
    if EVERYBODY in accounts or who.service in services:
        return "" if negative else SESSION
    if not negative:
        return _directness(accounts, who)
    listed = _spared if statement.get("Effect") == "Deny" else _directness
    return "" if listed(accounts, who) else SESSION


def _principals(element: Any) -> tuple[frozenset[str], frozenset[str]]:
    """The names under AWS and under Service; other kinds of principals do not exist here."""
    if isinstance(element, str):
        return frozenset((element,)), frozenset()
    found = element if isinstance(element, Mapping) else {}
    accounts, services = (
        frozenset(name for name in _listed(found.get(kind)) if isinstance(name, str) and name)
        for kind in ("AWS", "Service")
    )
    return accounts, services


def principals(policy: Policy) -> frozenset[str]:
    """All names under AWS in a trust policy's Principal and NotPrincipal elements."""
    elements = [
        statement.get(name)
        for statement in statements(policy)
        for name in ("Principal", "NotPrincipal")
    ]
    return frozenset().union(*(_principals(element)[0] for element in elements))


def rename(document: Policy, names: Mapping[str, str]) -> None:
    """The trust policy has other names for some principals under AWS."""
    for statement in statements(document):
        for name in ("Principal", "NotPrincipal"):
            element = statement.get(name)
            if not isinstance(element, dict) or "AWS" not in element:
                continue
            found = element["AWS"]
            listed = [names.get(each, each) for each in _listed(found)]
            element["AWS"] = listed if isinstance(found, list) else listed[0]


def _directness(names: frozenset[str], who: Principal) -> str:
    """The most direct way in which `names` name `who`; "" if they do not."""
    known = ((who.session, SESSION), (who.role, ROLE), (who.accounts, ACCOUNT))
    return next((how for own, how in known if not own.isdisjoint(names)), "")


def _spared(names: frozenset[str], who: Principal) -> bool:
    """Whether a Deny with NotPrincipal leaves `who` alone.

    AWS looks at the account first, then at the role, then at the session, and each must be listed;
    all sessions of a listed role are spared unless some of them are listed.
    """
    if who.accounts.isdisjoint(names):
        return False
    if who.role.isdisjoint(names):
        return any(name in names and ":user/" in name for name in who.session)
    roles = {name.rpartition("/")[0] for name in who.session if ":assumed-role/" in name}
    sessions = {name for name in names if name.rpartition("/")[0] in roles}
    return not sessions or not who.session.isdisjoint(sessions)


# Variables ----------------------------------------------------------------------------------------


def _filled(text: str, keys: Lookup) -> str | None:
    """`text` with policy variables (`${aws:username}`) in place; None where one has no value.

    Such a text is equal to nothing and like nothing: no positive operator holds for it, and a negated
    one does (IAM user guide, "IAM policy elements: Variables and tags", variables with no value).
    """
    if "${" not in text:
        return text
    unknown = []

    def value(match: re.Match[str]) -> str:
        name, comma, default = match[1].partition(",")
        if name in ("*", "?", "$"):
            return name.translate(LITERAL)
        found = keys.get(name.strip().lower())
        if not isinstance(found, str):
            found = default.strip().strip("'")
            if not comma:
                unknown.append(name)
        return found.translate(LITERAL)

    filled = re.sub(r"\$\{([^{}]*)\}", value, text)  # linear: a brace within ends it
    return None if unknown else filled


def _listed(value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    return value if isinstance(value, list | tuple) else (value,)


# Conditions ---------------------------------------------------------------------------------------


def _date(text: str) -> float:
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return float(text)
    moment = dt.datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


def _within(wanted: str, given: str) -> bool:
    return ipaddress.ip_address(given) in ipaddress.ip_network(wanted, strict=False)


def _arn_like(wanted: str, given: str) -> bool:
    left, right = wanted.split(":", 5), given.split(":", 5)
    return len(left) == len(right) == 6 and all(map(like, left, right))


def _compared(kind: Callable[[str], float], how: str) -> Callable[[str, str], bool]:
    def test(wanted: str, given: str) -> bool:
        left, right = kind(given), kind(wanted)
        return {
            "Equals": left == right,
            "LessThan": left < right,
            "LessThanEquals": left <= right,
            "GreaterThan": left > right,
            "GreaterThanEquals": left >= right,
        }[how]

    return test


_ORDERS = ("Equals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
_TESTS: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda wanted, given: wanted == given,
    "StringEqualsIgnoreCase": lambda wanted, given: wanted.lower() == given.lower(),
    "StringLike": like,
    "Bool": lambda wanted, given: wanted.lower() == given.lower(),
    "BinaryEquals": lambda wanted, given: wanted == given,
    "IpAddress": _within,
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    **{f"Numeric{how}": _compared(float, how) for how in _ORDERS},
    **{f"Date{how}": _compared(_date, how) for how in _ORDERS},
}
_NEGATIVE: Mapping[str, str] = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "NotIpAddress": "IpAddress",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
}
OPERATORS = frozenset({*_TESTS, *_NEGATIVE, "Null"})
QUANTIFIERS = frozenset({"", "ForAllValues", "ForAnyValue"})


def _condition_holds(operator: str, wanted: Mapping[str, Any], keys: Lookup, fill: Fill) -> bool:
    """Whether every key of one condition block holds; of an unknown operator none does."""
    quantifier, _, name = operator.rpartition(":")
    if_exists = name.endswith("IfExists")
    name = name.removesuffix("IfExists")
    for key, values in wanted.items():
        given = keys.get(key.lower())
        if given is not None and not isinstance(given, str) and not given:
            given = None  # a list of nothing is no value
        filled = [fill(_plain(value)) for value in _listed(values)]
        texts = [text for text in filled if text is not None]
        if name == "Null":
            if any((given is None) != (text.lower() == "true") for text in texts):
                return False
        elif given is None:
            if not (if_exists or _holds_without(quantifier, name)):
                return False
        elif not _values_hold(quantifier, name, texts, _listed(given)):
            return False
    return not wanted or (name in OPERATORS and quantifier in QUANTIFIERS)


def _holds_without(quantifier: str, name: str) -> bool:
    """Whether the operator holds for a key that the request does not have."""
    if quantifier == "ForAllValues":
        return True
    return quantifier != "ForAnyValue" and name in _NEGATIVE


def _values_hold(quantifier: str, name: str, wanted: Sequence[str], given: Sequence[str]) -> bool:
    """Whether the operator holds for the values of a key.

    Without a quantifier several values are as "any of them" for a positive operator, and as "none
    of them is one of the wanted" for a negated one.
    """
    negative = name in _NEGATIVE
    test = _TESTS.get(_NEGATIVE.get(name, name))
    if test is None:
        return False

    if test not in (like, _arn_like):
        wanted = [text.translate(PLAIN) for text in wanted]

    def one(value: str) -> bool:
        try:
            return any(test(text, value) for text in wanted) != negative
        except ValueError:  # not a number, a date or an address
            return negative

    every = quantifier == "ForAllValues" or (negative and quantifier != "ForAnyValue")
    return all(map(one, given)) if every else any(map(one, given))


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
