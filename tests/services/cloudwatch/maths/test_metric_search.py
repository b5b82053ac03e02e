"""Search expressions: the examples of AWS's guide, and what is none."""

from __future__ import annotations

import pytest

from sagebrush.services.cloudwatch.maths import search
from sagebrush.services.cloudwatch.maths.parser import ExpressionError
from sagebrush.store.series import Metric

COUNT = Metric("MyNamespace", "CustomCount1", {})
CPU = Metric("AWS/EC2", "CPUUtilization", {"InstanceId": "i-1234567890123456"})
MICRO = Metric("AWS/EC2", "CPUUtilization", {"InstanceType": "t2.micro"})
NET = Metric("AWS/EC2", "NetworkPacketsIn", {"InstanceId": "i-2"})
ERRORS = Metric("AWS/Lambda", "Errors", {"FunctionName": "ProjectA-load"})
CALLS = Metric("AWS/Lambda", "Invocations", {"FunctionName": "ProjectA-load"})
OTHER = Metric("AWS/Lambda", "Invocations", {"FunctionName": "Else"})
ODD = Metric("My Namespace", 'Europe\\France "Traffic"(Network)', {"Dimension@Name": "v"})
DASHED = Metric("n", "Network-Errors-2", {})
PLAIN = Metric("n", "NetworkErrors2", {})
ALL = {
    "count": COUNT, "cpu": CPU, "micro": MICRO, "net": NET, "errors": ERRORS, "calls": CALLS,
    "other": OTHER, "odd": ODD, "dashed": DASHED, "plain": PLAIN,
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{AWS/EC2,InstanceId} MetricName="CPUUtilization"', "cpu"),
        (" {AWS/EC2, InstanceType} ", "micro"),
        ("{AWS/EC2}", "cpu micro net"),
        ("{AWS/EC2,InstanceId} network packets", "net"),
        ("{AWS/EC2,InstanceId} network AND packets", "net"),
        ("{AWS/EC2,InstanceId} NOT i-1234567890123456", "net"),
        ('{AWS/EC2} MetricName="CPUUtilization" NOT "t2.micro"', "cpu"),
        ("InstanceType=micro", "micro"),
        ('InstanceType="t2.micro" Namespace="AWS/EC2"', "micro"),
        ("NOT Namespace=AWS", "count odd dashed plain"),
        # partial matches
        ("count", "count"),
        ("Count", "count"),
        ("COUNT", "count"),
        ("couNT", ""),
        ("CustomCount", "count"),
        ("Count1", "count"),
        ("customcount", ""),
        ("count1", ""),
        ("customcount1", "count"),  # the whole is a token too
        ("network/errors", "dashed plain"),
        ("network+errors", "dashed plain"),
        ("Network_Errors", "dashed plain"),
        # exact matches
        ('{MyNamespace}, "CustomCount1"', "count"),
        ('"customcount1"', ""),
        ('"Custom"', ""),
        ('"Network-Errors-2"', "dashed"),
        ('"Network_Errors_2"', ""),
        ('{"My Namespace", "Dimension@Name"} "v"', "odd"),
        ('"Europe\\\\France \\"Traffic\\"\\(Network\\)"', "odd"),
        ('"AWS/EC2" MetricName="CPUUtilization"', "cpu micro"),
        # boolean operators
        ("(EC2 OR Lambda) AND MetricName=Errors", "errors"),
        ("(EC2 OR Lambda) MetricName=Errors", "errors"),
        (
            '{AWS/Lambda,FunctionName} MetricName="Errors" OR (MetricName="Invocations" AND'
            " (ProjectA OR ProjectB))",
            "errors calls",
        ),
        ('MetricName=("Errors" OR "CustomCount1")', "count errors"),
        ("{AWS/Lambda,FunctionName} NOT (Errors OR FunctionName=Else)", "calls"),
    ],
)
def test_what_a_search_finds(text: str, found: str) -> None:
    sought = search.parse(text)
    assert [name for name, metric in ALL.items() if sought.finds(metric)] == found.split()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a metric schema, a search term, or both"),
        ("{}", "unexpected '}'"),
        ("{AWS/EC2", "ends too early"),
        ("a AND", "ends too early"),
        ("OR a", "unexpected 'OR'"),
        ("(a", "ends too early"),
        ("a)", r"unexpected '\)'"),
        ('"a', "a quote that does not end"),
        ("MetricName=", "ends too early"),
        (":aws.AccountId=LOCAL", "does not implement searches by :aws.AccountId"),
        ("a" * 1025, "1024 characters at most"),
        ("(" * 60 + "a" + ")" * 60, "nested too deeply"),
        ("NOT " * 60 + "a", "nested too deeply"),
    ],
)
def test_what_is_no_search(text: str, words: str) -> None:
    with pytest.raises(ExpressionError, match=words):
        search.parse(text)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("CustomCount1", "Custom Count 1"),
        ("SDBFailure", "SDB Failure"),
        ("Project2-trial333", "Project 2 trial 333"),
        ("CPUUtilization", "CPU Utilization"),
    ],
)
def test_tokens(text: str, tokens: str) -> None:
    assert [piece for stretch in search.pieces(text) for piece in stretch] == tokens.split()


def test_labels_tell_metrics_apart() -> None:
    assert search.labels([CPU, NET]) == [
        "i-1234567890123456 CPUUtilization",
        "i-2 NetworkPacketsIn",
    ]
    assert search.labels([CALLS, OTHER]) == ["ProjectA-load", "Else"]
    assert search.labels([CPU]) == ["CPUUtilization"]
    assert search.labels([COUNT, CPU]) == ["CustomCount1", "i-1234567890123456 CPUUtilization"]
