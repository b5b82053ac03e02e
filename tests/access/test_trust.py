"""Trust policies: whom their elements speak of, under which conditions, and what comes of it; pure."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagebrush.access import grammar, policy
from sagebrush.access.policy import Decision, Principal

ROOT = "arn:aws:iam::123456789012:root"
ROLE = "arn:aws:iam::123456789012:role/team/Reader"
ID = "AROAREADERREADERREADE"
SESSION = "arn:aws:sts::123456789012:assumed-role/Reader/ann"
USER = "arn:aws:iam::123456789012:user/ann"
SAGEMAKER = "sagemaker.amazonaws.com"

ANN = Principal("123456789012", frozenset({ROLE, ID}), frozenset({SESSION}))
OWNER = Principal("123456789012", frozenset({ROLE, ID}), frozenset({SESSION, USER}))
SERVICE = Principal(service=SAGEMAKER)


def statement(
    principal: Any = None, effect: str = "Allow", action: Any = "sts:AssumeRole", **more: Any
) -> Any:
    found = {"Effect": effect, "Action": action, **more}
    return {**found, "Principal": principal} if principal is not None else found


def decide(statements, who=ANN, action="sts:AssumeRole", **context):
    given = {name.replace("__", ":"): value for name, value in context.items()}
    document = {"Version": "2012-10-17", "Statement": statements}
    return policy.evaluate([document], "", action, ROLE, given, who)


@pytest.mark.parametrize(
    ("principal", "who", "through"),
    [
        ("*", ANN, "session"),
        ({"AWS": "*"}, ANN, "session"),
        ({"AWS": ["999999999999", "*"]}, ANN, "session"),
        ({"AWS": SESSION}, ANN, "session"),
        ({"AWS": ROLE}, ANN, "role"),
        ({"AWS": ID}, ANN, "role"),
        ({"AWS": ROOT}, ANN, "account"),
        ({"AWS": "123456789012"}, ANN, "account"),
        ({"AWS": [ROOT, ROLE]}, ANN, "role"),
        ({"AWS": [ROOT, ROLE, SESSION]}, ANN, "session"),
        ({"AWS": USER}, OWNER, "session"),
        ({"AWS": USER}, ANN, ""),
        ({"AWS": "arn:aws:iam::123456789012:role/Reader"}, ANN, ""),
        ({"AWS": ROLE.replace("Reader", "reader")}, ANN, ""),
        ({"AWS": SESSION.replace("/ann", "/bob")}, ANN, ""),
        ({"AWS": "arn:aws:sts::123456789012:assumed-role/Reader/*"}, ANN, ""),
        ({"AWS": "arn:aws:iam::123456789012:*"}, ANN, ""),
        ({"AWS": "arn:aws-cn:iam::123456789012:root"}, ANN, ""),
        ({"AWS": "999999999999"}, ANN, ""),
        ({"AWS": "arn:aws:iam::999999999999:root"}, ANN, ""),
        ({"Service": SAGEMAKER}, ANN, ""),
        ({"Service": ROLE}, ANN, ""),
        ({"Service": ""}, ANN, ""),
        ({"Federated": "*"}, ANN, ""),
        ({"Federated": ROLE}, ANN, ""),
        ({"CanonicalUser": "123456789012"}, ANN, ""),
        ({}, ANN, ""),
        ({"Service": SAGEMAKER}, SERVICE, "session"),
        ({"Service": ["lambda.amazonaws.com", SAGEMAKER]}, SERVICE, "session"),
        ({"Service": "lambda.amazonaws.com"}, SERVICE, ""),
        ({"AWS": SAGEMAKER}, SERVICE, ""),
        ({"AWS": ROOT}, SERVICE, ""),
        ({"AWS": ""}, SERVICE, ""),
        ("*", SERVICE, "session"),
        ({"AWS": "*"}, SERVICE, "session"),
    ],
)
def test_whom_a_principal_element_speaks_of(principal, who, through):
    allowed = decide(statement(principal), who)
    assert (allowed.verdict, allowed.through) == (
        ("allowed", through) if through else ("implicitDeny", "")
    )
    denied = decide([statement("*"), statement(principal, "Deny")], who)
    assert denied.verdict == ("explicitDeny" if through else "allowed")


def test_the_most_direct_allow_counts():
    both = [statement({"AWS": ROOT}), statement({"AWS": ROLE})]
    assert decide(both).through == decide(both[::-1]).through == "role"
    assert decide(both).matched == ((0, 0), (0, 1))


@pytest.mark.parametrize(
    ("excepted", "who", "spared"),
    [
        ({"AWS": [ROOT, ROLE, SESSION]}, ANN, True),
        ({"AWS": [ROOT, ROLE]}, ANN, True),
        ({"AWS": ["123456789012", ID]}, ANN, True),
        ({"AWS": ROLE}, ANN, False),  # AWS looks at the account first
        ({"AWS": ROOT}, ANN, False),  # and then at the role
        ({"AWS": [ROOT, SESSION]}, ANN, False),
        ({"AWS": [ROOT, ROLE, SESSION.replace("/ann", "/bob")]}, ANN, False),
        ({"AWS": [ROOT, ROLE, "arn:aws:sts::123456789012:assumed-role/Other/bob"]}, ANN, True),
        ({"AWS": [ROOT, USER]}, OWNER, True),
        ({"AWS": [ROOT, USER]}, ANN, False),
        ({"AWS": "*"}, ANN, True),
        ("*", ANN, True),
        ({"Service": SAGEMAKER}, ANN, False),
        ({"Service": SAGEMAKER}, SERVICE, True),
        ({"AWS": [ROOT, ROLE]}, SERVICE, False),
    ],
)
def test_a_deny_with_not_principal(excepted, who, spared):
    deny = statement(effect="Deny", NotPrincipal=excepted)
    assert decide([statement("*"), deny], who).verdict == ("allowed" if spared else "explicitDeny")


@pytest.mark.parametrize(
    ("excepted", "allowed"),
    [
        ({"AWS": ROLE}, False),
        ({"AWS": SESSION}, False),
        ({"AWS": ROOT}, False),
        ("*", False),
        ({"AWS": "arn:aws:iam::123456789012:role/Other"}, True),
        ({"Service": SAGEMAKER}, True),
    ],
)
def test_an_allow_with_not_principal_leaves_out_every_name(excepted, allowed):
    assert decide(statement(NotPrincipal=excepted)).allowed == allowed


@pytest.mark.parametrize(
    ("condition", "context", "allowed"),
    [
        ({"StringEquals": {"sts:ExternalId": "right"}}, {"sts__ExternalId": "right"}, True),
        ({"StringEquals": {"sts:ExternalId": "right"}}, {"sts__ExternalId": "Right"}, False),
        ({"StringEquals": {"sts:ExternalId": "right"}}, {}, False),
        ({"StringLike": {"sts:RoleSessionName": "ci-*"}}, {"sts__RoleSessionName": "ci-1"}, True),
        ({"StringLike": {"sts:RoleSessionName": "ci-*"}}, {"sts__RoleSessionName": "me"}, False),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/team/*"}}, {}, True),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/other/*"}}, {}, False),
        (
            {"StringEquals": {"aws:RequestTag/team": "${aws:PrincipalTag/team}"}},
            {"aws__RequestTag/Team": "ml", "aws__PrincipalTag/team": "ml"},
            True,
        ),
        (
            {"ForAllValues:StringEquals": {"sts:TransitiveTagKeys": ["team"]}},
            {"sts__TransitiveTagKeys": ["team", "more"]},
            False,
        ),
        ({"StringEquals": {"aws:SourceAccount": "1"}}, {"aws__SourceAccount": "2"}, False),
        (
            {"ArnLike": {"aws:SourceArn": "a:b:c:d:e:f/*"}},
            {"aws__SourceArn": "a:b:c:d:e:f/x"},
            True,
        ),
    ],
)
def test_conditions_are_asked(condition, context, allowed):
    keys = {"aws__PrincipalArn": ROLE, **context}
    given = statement({"AWS": ROOT}, Condition=condition)
    assert decide(given, **keys).allowed == allowed
    given = [statement("*"), statement({"AWS": ROOT}, "Deny", Condition=condition)]
    assert decide(given, **keys).allowed != allowed


def test_actions_are_asked():
    both = statement("*", action=["sts:AssumeRole", "sts:TagSession"])
    assert decide(both, action="sts:TagSession").allowed
    assert not decide(both, action="sts:SetSourceIdentity").allowed
    assert decide(statement("*", action="sts:*"), action="sts:SetSourceIdentity").allowed
    assert not decide(statement("*", action="s3:*")).allowed


YES, NO, DENY = Decision("allowed"), Decision("implicitDeny"), Decision("explicitDeny")


def through(how):
    return Decision("allowed", through=how)


@pytest.mark.parametrize(
    ("trust", "held", "limit", "verdict"),
    [
        (through("account"), YES, None, "allowed"),
        (through("account"), NO, None, "implicitDeny"),
        (through("account"), YES, NO, "implicitDeny"),
        (through("account"), YES, YES, "allowed"),
        (through("role"), NO, None, "allowed"),
        (through("role"), NO, YES, "allowed"),
        (through("role"), YES, NO, "implicitDeny"),
        (through("session"), NO, None, "allowed"),
        (through("session"), NO, NO, "allowed"),
        (through("session"), DENY, None, "explicitDeny"),
        (through("session"), YES, DENY, "explicitDeny"),
        (through("role"), DENY, YES, "explicitDeny"),
        (NO, YES, YES, "implicitDeny"),
        (DENY, YES, YES, "explicitDeny"),
    ],
)
def test_trust_and_the_callers_policies_together(trust, held, limit, verdict):
    limits = () if limit is None else (limit,)
    assert policy.together(trust, held, *limits) == verdict


@pytest.mark.parametrize(
    "statement",
    [
        statement(),
        statement("me"),
        statement([]),
        statement({}),
        statement({"AWS": []}),
        statement({"AWS": "arn:aws:iam::123456789012:role/*"}),
        statement({"AWS": "arn:aws:sts::123456789012:assumed-role/Reader/*"}),
        statement({"AWS": "arn:aws:iam::*:root"}),
        statement({"AWS": "1234"}),
        statement({"AWS": 123456789012}),
        statement({"Service": "*"}),
        statement({"Aws": "*"}),
        statement("*", NotPrincipal="*"),
        statement("*", Resource="*"),
    ],
)
def test_malformed_trust_policies(statement):
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    with pytest.raises(policy.Malformed):
        grammar.parse(text, grammar.TRUST)


@pytest.mark.parametrize(
    "principal",
    [
        "*",
        {"AWS": ["*", "123456789012", ROOT, ROLE, ID, SESSION, USER]},
        {"AWS": "arn:aws:sts::123456789012:federated-user/ann", "Service": SAGEMAKER},
        {"Federated": "cognito-identity.amazonaws.com"},
    ],
)
def test_well_formed_trust_policies(principal):
    document = {"Version": "2012-10-17", "Statement": statement(principal)}
    assert grammar.parse(json.dumps(document), grammar.TRUST) == document
