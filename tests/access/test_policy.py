"""IAM evaluation: deny over allow, patterns, conditions; pure."""

from __future__ import annotations

import pytest

from sagebrush.access import grammar, policy, wildcards

ME = "arn:aws:sts::123456789012:assumed-role/Role/me"


def decide(statements, action="s3:GetObject", resource="arn:aws:s3:::b/k", **context):
    document = {"Version": "2012-10-17", "Statement": statements}
    given = {name.replace("__", ":"): value for name, value in context.items()}
    return policy.evaluate([document], ME, action, resource, given).verdict


def allow(**more):
    return {"Effect": "Allow", "Action": "s3:*", "Resource": "*", **more}


def test_nothing_is_an_implicit_deny():
    assert policy.evaluate([], ME, "s3:GetObject", "*", {}).verdict == "implicitDeny"
    assert decide([]) == "implicitDeny"


def test_deny_wins_wherever_it_stands():
    deny = {"Effect": "Deny", "Action": "s3:Get*", "Resource": "*"}
    assert decide([deny, allow()]) == decide([allow(), deny]) == "explicitDeny"
    assert decide([deny, allow()], "s3:PutObject") == "allowed"
    apart = [{"Statement": [allow()]}, {"Statement": deny}]
    assert policy.evaluate(apart, ME, "s3:GetObject", "*", {}).matched == ((1, 0),)


@pytest.mark.parametrize(
    ("pattern", "action", "matches"),
    [
        ("*", "s3:GetObject", True),
        ("s3:*", "s3:GetObject", True),
        ("S3:getobject", "s3:GetObject", True),
        ("s3:Get*", "s3:PutObject", False),
        ("s3:?etObject", "s3:GetObject", True),
        ("s3:GetObject", "s3:GetObjectTagging", False),
        ("sagemaker:*", "s3:GetObject", False),
        (["sagemaker:*", "s3:GetObject"], "s3:GetObject", True),
        ([], "s3:GetObject", False),
    ],
)
def test_actions(pattern, action, matches):
    assert decide([allow(Action=pattern)], action) == ("allowed" if matches else "implicitDeny")
    inverse = {"Effect": "Allow", "NotAction": pattern, "Resource": "*"}
    assert decide([inverse], action) == ("implicitDeny" if matches else "allowed")


@pytest.mark.parametrize(
    ("pattern", "resource", "matches"),
    [
        ("*", "arn:aws:s3:::b/k", True),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/k/with/more", True),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b", False),
        ("arn:aws:s3:::B/*", "arn:aws:s3:::b/k", False),
        ("arn:aws:s3:::b?/*", "arn:aws:s3:::b1/k", True),
        ("arn:aws:s3:::b/[ab]", "arn:aws:s3:::b/a", False),
        ("arn:aws:s3:::b/[ab]", "arn:aws:s3:::b/[ab]", True),
        ("arn:aws:s3:::b/a.c", "arn:aws:s3:::b/abc", False),
        (["x", "arn:aws:s3:::b/k"], "arn:aws:s3:::b/k", True),
        ("arn:aws:s3:::${aws:username}/*", "arn:aws:s3:::ann/k", True),
        ("arn:aws:s3:::${aws:username}/*", "arn:aws:s3:::bob/k", False),
        ("arn:aws:s3:::${aws:nothing}/*", "arn:aws:s3:::/k", False),
        ("arn:aws:s3:::${aws:nothing, 'none'}/*", "arn:aws:s3:::none/k", True),
        ("arn:aws:s3:::${*}/k", "arn:aws:s3:::x/k", False),
        ("arn:aws:s3:::${*}/k", "arn:aws:s3:::*/k", True),
    ],
)
def test_resources(pattern, resource, matches):
    found = decide([allow(Resource=pattern)], resource=resource, aws__username="ann")
    assert found == ("allowed" if matches else "implicitDeny")
    inverse = {"Effect": "Allow", "Action": "s3:*", "NotResource": pattern}
    found = decide([inverse], resource=resource, aws__username="ann")
    unknown = "${aws:nothing}" in pattern  # what it spares cannot be told
    assert found == ("implicitDeny" if matches or unknown else "allowed")
    spared = {**inverse, "Effect": "Deny"}
    found = decide([allow(), spared], resource=resource, aws__username="ann")
    assert found == ("allowed" if matches else "explicitDeny")


@pytest.mark.parametrize(
    ("operator", "holds"),
    [
        ("StringEquals", False),
        ("StringLike", False),
        ("StringEqualsIfExists", False),
        ("ForAnyValue:StringEquals", False),
        ("StringNotEquals", True),
        ("StringNotLike", True),
        ("ForAllValues:StringNotLike", True),
        ("ArnNotLike", True),
    ],
)
def test_a_variable_without_a_value_is_equal_to_nothing(operator, holds):
    """IAM user guide: inverted operators do match against a null value."""
    when = {operator: {"aws:username": "${aws:PrincipalTag/team}"}}
    assert decide([allow(Condition=when)], aws__username="\x00") == (
        "allowed" if holds else "implicitDeny"
    )


def test_a_hostile_pattern_takes_no_longer_than_another():
    """Run as a regular expression each of these takes minutes at least."""
    stars = "*a" * 200 + "*b"
    assert decide([allow(Resource="arn:" + stars)], resource="arn:" + "a" * 2000) == "implicitDeny"
    assert decide([allow(Action="s3:" + stars)], "s3:" + "a" * 2000) == "implicitDeny"
    when = {"StringLike": {"aws:useragent": "*a?" * 200 + "*b"}}
    assert decide([allow(Condition=when)], aws__useragent="a" * 4000) == "implicitDeny"
    assert decide([allow(Condition=when)], aws__useragent="ac" * 300 + "b") == "allowed"


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("ab*ba", "aba", False),
        ("*a*", "a", True),
        ("*ab*ab*", "abab", True),
        ("*ab*ab*", "abb", False),
        ("**", "", True),
        ("?*", "", False),
        ("?*?", "ab", True),
        ("*?b*", "b", False),
        ("a?c*", "a\nc\n", True),
        ("", "", True),
        ("", "a", False),
    ],
)
def test_stars_and_question_marks(pattern, text, fits):
    assert wildcards.like(pattern, text) is fits


CONDITIONS = [
    ("StringEquals", "a", "a", True),
    ("StringEquals", "a", "A", False),
    ("StringEquals", ["a", "b"], "b", True),
    ("StringEquals", "a*", "abc", False),
    ("StringEquals", "a", None, False),
    ("StringNotEquals", "a", "b", True),
    ("StringNotEquals", ["a", "b"], "b", False),
    ("StringNotEquals", "a", None, True),
    ("StringEqualsIgnoreCase", "a", "A", True),
    ("StringNotEqualsIgnoreCase", "a", "A", False),
    ("StringLike", "a*", "abc", True),
    ("StringNotLike", "a*", "abc", False),
    ("StringEqualsIfExists", "a", None, True),
    ("StringEqualsIfExists", "a", "b", False),
    ("NumericEquals", 10, "10.0", True),
    ("NumericLessThan", 10, "9", True),
    ("NumericLessThan", 10, "10", False),
    ("NumericLessThanEquals", 10, "10", True),
    ("NumericGreaterThan", 10, "11", True),
    ("NumericGreaterThanEquals", 10, "9", False),
    ("NumericNotEquals", 10, "9", True),
    ("NumericEquals", 10, "ten", False),
    ("DateLessThan", "2026-01-01T00:00:00Z", "2025-12-31T23:59:59Z", True),
    ("DateGreaterThan", "2026-01-01T00:00:00Z", "1767225601", True),
    ("DateEquals", "2026-01-01", "2026-01-01T00:00:00Z", True),
    ("DateLessThan", "soon", "2026-01-01T00:00:00Z", False),
    ("Bool", True, "true", True),
    ("Bool", "false", "true", False),
    ("IpAddress", "10.0.0.0/8", "10.1.2.3", True),
    ("IpAddress", ["192.168.0.0/16", "10.0.0.1"], "10.0.0.1", True),
    ("IpAddress", "10.0.0.0/8", "::1", False),
    ("NotIpAddress", "10.0.0.0/8", "11.0.0.1", True),
    ("ArnLike", "arn:aws:s3:::b*", "arn:aws:s3:::bucket", True),
    ("ArnEquals", "arn:aws:iam::*:role/x", "arn:aws:iam::123456789012:role/x", True),
    ("ArnLike", "arn:aws:*:x", "arn:aws:s3:::x", False),
    ("ArnNotLike", "arn:aws:s3:::b*", "arn:aws:s3:::c", True),
    ("Null", "true", None, True),
    ("Null", "true", "a", False),
    ("Null", "false", "a", True),
    ("ForAllValues:StringEquals", ["a", "b"], ["a", "b"], True),
    ("ForAllValues:StringEquals", ["a", "b"], ["a", "c"], False),
    ("ForAllValues:StringEquals", ["a"], None, True),
    ("ForAnyValue:StringEquals", ["a", "b"], ["c", "b"], True),
    ("ForAnyValue:StringLike", ["x*"], ["c", "b"], False),
    ("StringEquals", ["a"], ["c", "a"], True),
    ("StringNotEquals", ["a"], ["c", "a"], False),
    ("StringNotEquals", ["a"], ["c", "d"], True),
    ("ForAllValues:StringNotEquals", ["a"], ["c", "a"], False),
    ("ForAllValues:StringNotEquals", ["a"], ["c", "d"], True),
    ("ForAllValues:StringNotEquals", ["a"], None, True),
    ("ForAnyValue:StringNotEquals", ["a"], ["c", "a"], True),
    ("ForAnyValue:StringNotEquals", ["a"], ["a"], False),
    ("ForAnyValue:StringNotEquals", ["a"], None, False),
    ("ForAnyValue:StringNotLike", ["ml.t*"], ["ml.t3.large", "ml.p5.48xlarge"], True),
    ("ForAnyValue:StringEquals", ["a"], None, False),
    ("ForAnyValue:StringEqualsIfExists", ["a"], None, True),
    ("ForAnyValue:NumericGreaterThan", [5], ["1", "9"], True),
    ("ForAllValues:StringEquals", ["a"], [], True),
    ("StringEquals", ["a"], [], False),
    ("ForAnyValue:StringEquals", ["a"], [], False),
    ("Null", "true", [], True),
    ("Null", "false", [], False),
    ("StringNotEqualsIfExists", ["a"], ["a"], False),
    ("StringNotEqualsIfExists", ["a"], None, True),
    ("NumericLessThanEqualsIfExists", 3, None, True),
    ("NumericLessThanEquals", 3, None, False),
    ("NumericNotEquals", 3, None, True),
    ("DateLessThan", "2026-01-01T00:00:00Z", None, False),
    ("Bool", "true", None, False),
    ("BoolIfExists", "false", None, True),
    ("NotIpAddress", "10.0.0.0/8", None, True),
    ("IpAddress", "10.0.0.0/8", None, False),
    ("ArnNotLike", "arn:aws:s3:::b*", None, True),
    ("ForSomeValue:StringEquals", "a", "a", False),
    ("StringAlmost", "a", "a", False),
]


@pytest.mark.parametrize(("operator", "wanted", "given", "holds"), CONDITIONS)
def test_conditions(operator, wanted, given, holds):
    statement = allow(Condition={operator: {"Test:Key": wanted}})
    context = {} if given is None else {"test__key": given}
    assert decide([statement], **context) == ("allowed" if holds else "implicitDeny")


def test_keys_may_be_looked_up_as_they_are_asked_for():
    asked: list[str] = []

    class Lookup:
        def get(self, name: str) -> str | None:
            asked.append(name)
            return {"test:one": "1", "aws:username": "ann"}.get(name)

    when = {"StringEquals": {"Test:One": "1"}}
    mine = allow(Resource="arn:aws:s3:::${aws:username}/*", Condition=when)
    document = {"Version": "2012-10-17", "Statement": [mine]}
    found = policy.evaluate([document], ME, "s3:GetObject", "arn:aws:s3:::ann/k", Lookup())
    assert found.allowed
    assert asked == ["aws:username", "test:one"]
    policy.evaluate([document], ME, "sagemaker:ListModels", "*", Lookup())
    assert asked == ["aws:username", "test:one"]


@pytest.mark.parametrize("version", [{}, {"Version": "2008-10-17"}])
def test_a_policy_of_the_older_version_has_no_variables(version):
    when = {"StringEquals": {"aws:PrincipalTag/team": "${aws:username}"}}
    mine = allow(Resource="arn:aws:s3:::${aws:username}/*", Condition=when)

    def verdict(resource, team):
        context = {"aws:username": "ann", "aws:PrincipalTag/team": team}
        document = {**version, "Statement": [mine]}
        return policy.evaluate([document], ME, "s3:GetObject", resource, context).verdict

    assert verdict("arn:aws:s3:::ann/k", "ann") == "implicitDeny"
    assert verdict("arn:aws:s3:::${aws:username}/k", "${aws:username}") == "allowed"


def test_a_quantifier_that_there_is_not_is_malformed():
    text = '{"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"%s": {"a:b": "c"}}}}'
    grammar.parse(text % "ForAnyValue:StringLike")
    with pytest.raises(policy.Malformed, match="Syntax errors in policy"):
        grammar.parse(text % "ForSomeValue:StringLike")


def test_every_condition_must_hold():
    both = allow(Condition={"StringEquals": {"a:b": "1", "a:c": "2"}, "Bool": {"a:d": "true"}})
    assert decide([both], a__b="1", a__c="2", a__d="true") == "allowed"
    assert decide([both], a__b="1", a__c="3", a__d="true") == "implicitDeny"
    assert decide([both], a__b="1", a__c="2", a__d="false") == "implicitDeny"


def test_the_principal_is_a_key():
    mine = allow(Condition={"ArnLike": {"aws:PrincipalArn": "arn:aws:sts::*:assumed-role/Role/*"}})
    assert decide([mine]) == "allowed"
