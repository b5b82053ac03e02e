"""Policy documents: what is refused, and in which of AWS's words."""

from __future__ import annotations

import json

import pytest

from sagebrush.access import grammar, policy

BUCKET = "arn:aws:s3:::pictures"
SYNTAX = "Syntax errors in policy."
LEGACY = "The policy failed legacy parsing"
VERSION = "Policy document must be version 2012-10-17 or greater."
VENDOR = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
COLON = "Actions/Condition can contain only one colon."
ACTIONS = "Policy statement must contain actions."
RESOURCES = "Policy statement must contain resources."
UNIQUE = "Statement IDs (SID) in a single policy must be unique."
REGEXES = "Resource vendor must be fully qualified and cannot contain regexes."
IAM_PATHS = (
    'IAM resource path must either be "*" or start with user/, federated-user/, role/, group/,'
    " instance-profile/, mfa/, server-certificate/, policy/, sms-mfa/, saml-provider/,"
    " oidc-provider/, report/, access-report/."
)


def said(**changes):
    """A statement that is right but for the changes; None leaves an element out."""
    right = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": BUCKET, **changes}
    return {name: value for name, value in right.items() if value is not None}


def written(*statements, **top):
    """The document's text; one statement stands without a list."""
    told = statements[0] if len(statements) == 1 else list(statements)
    document = {"Version": "2012-10-17", "Statement": told, **top}
    return json.dumps({name: value for name, value in document.items() if value is not None})


def refusal(text, kind=grammar.MANAGED):
    with pytest.raises(policy.Malformed) as info:
        grammar.parse(text, kind)
    return str(info.value)


def on(resource):
    return refusal(written(said(Resource=resource)))


@pytest.mark.parametrize(
    "text",
    [
        "plain words",
        json.dumps("plain words"),
        "[]",
        "{}",
        '{"Version": "2012-10-17"}',
        written(),
        written("words"),
        written(said(), Version="2013-10-17"),
        written(said(), Colour="red"),
        written(said(), Id=["a"]),
        written(said(), Id={}),
        written(said(Colour="red")),
        written(said(Sid={})),
        written(said(Sid=[])),
        written(said(Effect=None)),
        written(said(Effect="Perhaps")),
        written(said(Effect=1)),
        written(said(Action={})),
        written(said(Action=[[]])),
        written(said(Action=1)),
        written(said(NotAction="iam:GetRole")),
        written(said(Action=[], NotAction="iam:GetRole")),
        written(said(NotResource="*")),
        written(said(NotResource=[])),
        written(said(Resource={"a": BUCKET})),
        written(said(Resource=["words", {}])),
        written(said(Condition=[])),
        written(said(Condition="words")),
        written(said(Condition={"DateLessThan": "words"})),
        written(said(Condition={"DateLessThan": []})),
        written(said(Condition={"DateLessThan": {"a": {}}})),
        written(said(Action=None, Condition={"DateLessThan": {"a": {}}})),
        written(said(Condition={"StringSame": {"a": "1"}})),
        written(said(Condition={"ForAnyValue::StringEquals": {"a": "1"}})),
        written(said(Condition={"ForSomeValue:StringEquals": {"a": "1"}})),
        written(said(Condition=[{"StringEquals": {"a": "1"}}])),
        written(said(Condition={"NumericEquals": {"a": float("inf")}})),
    ],
)
def test_the_form_of_elements_comes_first(text):
    assert refusal(text) == SYNTAX


def test_managed_policies_need_the_newer_version():
    for version in (None, "2008-10-17"):
        for statement in (said(), said(Effect="DENY"), said(Action=None)):
            assert refusal(written(statement, Version=version)) == VERSION
        assert grammar.parse(written(said(), Version=version))  # an inline one need not have it


@pytest.mark.parametrize(
    "statement",
    [
        said(Effect="allow"),
        said(Effect="DENY", Resource="arn:aws:s3:us-east-1::b"),
        said(Resource="arn:aws:s3::b"),
        said(Resource=None, NotResource="arn:aws:s3::b"),
        said(Action=None, Resource="arn:aws:s3::b"),
        said(Resource="arn:awss3::b"),
        said(Resource="arn:aws::b"),
        said(Resource="arn:aws::::b"),
        said(Resource=None, Action=None, Condition={"DateEquals": {"a": "soon"}}),
        said(Resource="arn:wrong:s3:::b", Condition={"DateEquals": {"a": "soon"}}),
    ],
)
def test_the_older_parser_refuses_before_the_rest_is_read(statement):
    assert refusal(written(statement)) == LEGACY


def test_dates():
    def dated(text):
        return written(said(Condition={"DateLessThanEqualsIfExists": {"a": [text]}}))

    for right in (
        "2017-07-01T00:00:00Z", "2016-12-13T21:20:37.593194+00:00", "2016-12-13t2:00:00.5+23",
        "2020-01", "01T", "-292275054", "0", "9223372036854775807",
    ):  # fmt: skip
        assert grammar.parse(dated(right))
    for wrong in (
        "soon", "", "234-13", "2016-12-32", "2016-12-13T24", "2016-12-13t2:00:00.5+1",
        "2016-12-13T2:00:00.1999999999Z", "2016-12-13T2:60", "9223372036854775808",
        "9" * 5000,
    ):  # fmt: skip
        assert refusal(dated(wrong)) == LEGACY


def test_resources_are_named_by_arns():
    for words in ("words", "", "some words"):
        assert on(words) == f'Resource {words} must be in ARN format or "*".'
        assert on([words]) == f'Resource {words} must be in ARN format or "*".'
    assert on("x:aws:s3:::b") == 'Resource x:aws:s3:::b must be in ARN format or "*".'
    for resource, shown in {
        "a:b": "b:*:*:*:*",
        "a:b:c": "b:c:*:*:*",
        "a:b:c:d:e:f:g:h": "b:c:d:e:f:g:h",
        "aws:s3:::b": "s3:::b:*",
        "s3::b/*": ":b/*:*:*:*",
        "arn:aws2:s3:::b": "aws2:s3:::b",
    }.items():
        partition = shown.partition(":")[0]
        assert on(resource) == f'Partition "{partition}" is not valid for resource "arn:{shown}".'
    found = on(["arn:wrong:s3:::b", "arn:wrong:s3::b"])
    assert found == 'Partition "wrong" is not valid for resource "arn:wrong:s3:::b".'
    for resource in ("arn:aws", "arn:aws:s*:::b", "arn:aws:*:*:*:b"):
        assert on(resource) == REGEXES


def test_iam_and_s3_have_no_regions():
    resource = "arn:aws:iam:us-east-1::user/ann"
    assert on(resource) == f"IAM resource {resource} cannot contain region information."
    resource = "arn:aws:s3:us-east-1::b"
    assert on(resource) == f"Resource {resource} can not contain region information."
    assert on("arn:aws:iam:::ann") == IAM_PATHS
    for right in (
        "arn:aws:iam::123456789012:*", "arn:aws:iam::*:role/a/*", "arn:aws:iam::*:ro*",
        "arn:aws:s3:us-west-2:123456789012:accesspoint/mine/object/*", "arn:aws:s33:::b",
        "arn:aws:fdsasf", "arn:aws:ec2:us-east-1::b", "arn:aws:rds:region:account-id:db/*",
        "arn:aws:s3:::b/home/${aws:userid}/*",
    ):  # fmt: skip
        assert grammar.parse(written(said(Resource=[right, "*"])))


@pytest.mark.parametrize(
    ("message", "statements"),
    [
        (UNIQUE, [said(Sid="one"), {"Sid": "one", "Effect": "Allow"}]),
        (ACTIONS, [said(Action=None)]),
        (ACTIONS, [said(Action=[])]),
        (ACTIONS, [{"Effect": "Allow"}]),
        (ACTIONS, [{"Effect": "Deny"}, said()]),
        (RESOURCES, [said(Resource=None)]),
        (RESOURCES, [said(Resource=[])]),
        (RESOURCES, [said(), said(Resource=None)]),
        (VENDOR, [said(Action="everything")]),
        (VENDOR, [said(Action="everything", Resource=None)]),
        (VENDOR, [said(Action=None, NotAction="")]),
        ("Vendor a b is not valid", [said(Action="a b:Get")]),
        ("Vendor  is not valid", [said(Action=":Get")]),
        (COLON, [said(Action="s3:Get:Object")]),
        (COLON, [said(Action="s3s:Get"), said(Action="s:3:Get")]),
        ('Resource words must be in ARN format or "*".', [said(Action="s:3:G", Resource="words")]),
        ("Policy document should not specify a principal.", [said(Principal="*")]),
    ],
)
def test_ids_then_actions_then_resources(message, statements):
    assert refusal(written(*statements)) == message


def test_statement_ids_are_letters_and_digits():
    assert "must be alpha-numeric" in refusal(written(said(Sid="not-this")))
    assert grammar.parse(written(said(Sid=""), said(Sid=""), said(Sid="Letters1")))


def test_what_is_odd_but_right():
    for changes in (
        {"Action": "iam: any words "},
        {"Action": "*", "Resource": "*"},
        {"Action": "aws-portal.x:View"},
        {"Action": None, "NotAction": "s3:GetObject", "Resource": None, "NotResource": ["*"]},
        {"Condition": {}},
        {"Condition": {"StringSame": {}, "DateEquals": {}}},
        {"Condition": {"DateEquals": {"a": []}}},
        {"Condition": {"Bool": {"aws:SecureTransport": False}, "NumericEquals": {"a": [1, 2.5]}}},
        {"Condition": {"ForAnyValue:StringEqualsIfExists": {"a": "b"}}},
    ):
        assert grammar.parse(written(said(**changes), Id="any"), grammar.MANAGED)


def test_an_empty_condition_forbids_nothing():
    document = grammar.parse(written(said(Effect="Deny", Condition={"StringSame": {}})))
    found = policy.evaluate([document], "me", "s3:GetObject", BUCKET, {})
    assert found.verdict == policy.EXPLICIT_DENY


def test_trust_policies():
    def trust(**changes):
        given = {"Principal": {"Service": "sagemaker.amazonaws.com"}, **changes}
        statement = said(**{"Action": "sts:AssumeRole", "Resource": None, **given})
        return written(statement, Version=None)

    assert grammar.parse(trust(), grammar.TRUST)
    for message, changes in {
        "Missing required field Principal": {"Principal": None},
        "Missing required field Action": {"Action": None},
        "Has prohibited field Resource": {"Resource": "*"},
        "AssumeRole policy must not contain resources.": {"NotResource": "*"},
        "AssumeRole policy may only specify STS AssumeRole actions.": {"Action": "s3:GetObject"},
        'Invalid principal in policy: "AWS":"nobody"': {"Principal": {"AWS": "nobody"}},
    }.items():
        assert refusal(trust(**changes), grammar.TRUST) == message
