from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from botocore.exceptions import ClientError

NOW = dt.datetime.now(dt.UTC).replace(second=0, microsecond=0)


@pytest.fixture
def cloudwatch(client: Any):
    return client("cloudwatch")


SET = {"SampleCount": 2.0, "Sum": 3.0, "Minimum": 1.0, "Maximum": 2.0}


def ago(minutes: float) -> dt.datetime:
    return NOW - dt.timedelta(minutes=minutes)


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


def put(cloudwatch: Any, namespace: str, *data: dict[str, Any]) -> None:
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=list(data))


def test_statistics_by_period(cloudwatch: Any):
    dims = [{"Name": "Job", "Value": "a"}]
    put(
        cloudwatch,
        "stats",
        {"MetricName": "loss", "Dimensions": dims, "Timestamp": ago(5), "Value": 4.0},
        {"MetricName": "loss", "Dimensions": dims, "Timestamp": ago(4.5), "Value": 2.0},
        {"MetricName": "loss", "Dimensions": dims, "Timestamp": ago(2), "Values": [1, 3], "Counts": [3, 1]},
        {"MetricName": "loss", "Timestamp": ago(2), "Value": 99.0},
    )  # fmt: skip
    answer = cloudwatch.get_metric_statistics(
        Namespace="stats",
        MetricName="loss",
        Dimensions=dims,
        StartTime=ago(10),
        EndTime=NOW,
        Period=60,
        Statistics=["Average", "SampleCount", "Maximum"],
    )
    got = sorted(
        (p["Timestamp"], p["Average"], p["SampleCount"], p["Maximum"]) for p in answer["Datapoints"]
    )
    assert got == [(ago(5), 3.0, 2.0, 4.0), (ago(2), 1.5, 4.0, 3.0)]
    assert answer["Label"] == "loss"


def test_metric_data_pages_by_points(cloudwatch: Any):
    data = [{"MetricName": "m", "Timestamp": ago(i), "Value": float(i)} for i in range(1, 6)]
    put(cloudwatch, "data", *data)
    query = {
        "Id": "q",
        "MetricStat": {
            "Metric": {"Namespace": "data", "MetricName": "m"},
            "Period": 60,
            "Stat": "Sum",
        },
    }
    pages = [
        page["MetricDataResults"][0]["Values"]
        for page in cloudwatch.get_paginator("get_metric_data").paginate(
            MetricDataQueries=[query],
            StartTime=ago(30),
            EndTime=NOW,
            ScanBy="TimestampAscending",
            MaxDatapoints=2,
        )
    ]
    assert pages == [[5.0, 4.0], [3.0, 2.0], [1.0]]


def test_list_metrics_by_dimension(cloudwatch: Any):
    for value in "ab":
        dims = [{"Name": "Job", "Value": value}, {"Name": "Host", "Value": "h"}]
        put(cloudwatch, "listed", {"MetricName": "m", "Dimensions": dims, "Value": 1})
    found = cloudwatch.list_metrics(Namespace="listed", Dimensions=[{"Name": "Job", "Value": "b"}])
    assert [m["Dimensions"][1]["Value"] for m in found["Metrics"]] == ["b"]
    found = cloudwatch.list_metrics(Namespace="listed", Dimensions=[{"Name": "Host"}])
    assert len(found["Metrics"]) == 2


def test_list_metrics_pages(cloudwatch: Any):
    for start in (0, 300):
        data = [{"MetricName": f"m{i}", "Value": 1} for i in range(start, start + 300)]
        put(cloudwatch, "many", *data)
    pages = list(cloudwatch.get_paginator("list_metrics").paginate(Namespace="many"))
    assert [len(p["Metrics"]) for p in pages] == [500, 100]


def test_too_many_datapoints(cloudwatch: Any):
    with pytest.raises(ClientError, match="exceeds the limit of 1440") as error:
        cloudwatch.get_metric_statistics(
            Namespace="n", MetricName="m", StartTime=ago(86400), EndTime=NOW, Period=60,
            Statistics=["Sum"],
        )  # fmt: skip
    assert code(error) == "InvalidParameterCombination"


@pytest.mark.parametrize(
    ("datum", "expected"),
    [
        ({"Value": 1.0, "Values": [1.0]}, "InvalidParameterCombination"),
        ({}, "MissingParameter"),
        ({"Values": [1.0], "Counts": [1.0, 2.0]}, "InvalidParameterValue"),
        ({"Value": 1.0, "Timestamp": ago(30 * 1440)}, "InvalidParameterValue"),
        ({"Value": float("nan")}, "InvalidParameterValue"),
        ({"Value": 2.0**361}, "InvalidParameterValue"),
        ({"Value": float("-inf")}, "InvalidParameterValue"),
        ({"Values": [1.0, float("nan")]}, "InvalidParameterValue"),
        ({"Values": [1.0], "Counts": [-1.0]}, "InvalidParameterValue"),
        ({"Values": [1.0], "Counts": [0.0]}, "InvalidParameterValue"),
        ({"Values": [1.0], "Counts": [float("nan")]}, "InvalidParameterValue"),
        ({"StatisticValues": SET | {"SampleCount": 0.0}}, "InvalidParameterValue"),
        ({"StatisticValues": SET | {"SampleCount": -1.0}}, "InvalidParameterValue"),
        ({"StatisticValues": SET | {"SampleCount": float("nan")}}, "InvalidParameterValue"),
        ({"StatisticValues": SET | {"Minimum": float("nan")}}, "InvalidParameterValue"),
        ({"StatisticValues": SET | {"Maximum": -(2.0**361)}}, "InvalidParameterValue"),
        ({"Values": [1.0] * 151}, "InvalidParameterValue"),
        (
            {"Value": 1.0, "Dimensions": [{"Name": "d", "Value": v} for v in "ab"]},
            "InvalidParameterValue",
        ),
    ],
)
def test_wrong_data_stores_nothing(cloudwatch: Any, datum: dict[str, Any], expected: str):
    good = {"MetricName": "m", "Value": 1.0}
    with pytest.raises(ClientError) as error:
        put(cloudwatch, "wrong", good, {"MetricName": "m", **datum})
    assert code(error) == expected
    assert cloudwatch.list_metrics(Namespace="wrong")["Metrics"] == []


def test_a_thousand_data_are_enough(cloudwatch: Any):
    with pytest.raises(ClientError, match="size greater than 1000"):
        put(cloudwatch, "many", *[{"MetricName": "m", "Value": 1.0}] * 1001)


def test_reserved_namespace(cloudwatch: Any):
    with pytest.raises(ClientError) as error:
        put(cloudwatch, "AWS/Mine", {"MetricName": "m", "Value": 1})
    assert code(error) == "InvalidParameterValue"


def query(name: str, metric: str, namespace: str = "maths", **more: Any) -> dict[str, Any]:
    stat = {"Metric": {"Namespace": namespace, "MetricName": metric}, "Period": 60, "Stat": "Sum"}
    return {"Id": name, "MetricStat": stat, **more}


def data_of(cloudwatch: Any, *queries: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    return cloudwatch.get_metric_data(
        MetricDataQueries=list(queries), StartTime=ago(5), EndTime=NOW, **more
    )["MetricDataResults"]


def test_metric_maths_and_search(cloudwatch: Any):
    for name, values in (("errors", (1, 2)), ("calls", (10, 40))):
        data = [
            {"MetricName": name, "Timestamp": ago(3 - i), "Value": v} for i, v in enumerate(values)
        ]
        put(cloudwatch, "maths", *data)
    found = data_of(
        cloudwatch,
        query("e", "errors", ReturnData=False),
        query("c", "calls"),
        {"Id": "rate", "Expression": "100 * e / c", "Label": "error rate"},
        {"Id": "all", "Expression": "SORT(SEARCH('{maths} MetricName=(errors OR calls)', 'Sum', 60), SUM, DESC)"},
        {"Id": "sum", "Expression": "SUM(METRICS())"},
        ScanBy="TimestampAscending",
    )  # fmt: skip
    assert [(each["Id"], each["Label"], each["Values"]) for each in found] == [
        ("c", "calls", [10.0, 40.0]),
        ("rate", "error rate", [10.0, 5.0]),
        ("all", "calls", [10.0, 40.0]),
        ("all", "errors", [1.0, 2.0]),
        ("sum", "sum", [11.0, 42.0]),
    ]
    assert found[1]["Timestamps"] == [ago(3), ago(2)]
    newest = data_of(cloudwatch, query("c", "calls"), {"Id": "n", "Expression": "-c"})
    assert [each["Values"] for each in newest] == [[40.0, 10.0], [-40.0, -10.0]]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"Id": "e", "Expression": "SUM("}, "Error in expression 'e': unexpected end"),
        ({"Id": "e", "Expression": "ANOMALY_DETECTION_BAND(e)"}, "depends on itself"),
        ({"Id": "e", "Expression": "SELECT SUM(x) FROM y"}, "does not implement Metrics Insights"),
        ({"Id": "e"}, "must have either MetricStat or Expression"),
        ({**query("e", "m"), "AccountId": "999999999999"}, "does not read metrics of other accounts"),
        ({**query("e", "m"), "Expression": "1"}, "not both"),
    ],
)  # fmt: skip
def test_queries_that_are_none(cloudwatch: Any, query: dict[str, Any], words: str):
    with pytest.raises(ClientError, match=words) as error:
        data_of(cloudwatch, query)
    assert code(error) == "ValidationError"


def test_labels_of_one_metric_tell_its_statistics_and_periods(cloudwatch: Any):
    # as AWS answers (its answers are kept by LocalStack's tests)
    one, two = query("a", "x"), query("b", "x")
    two["MetricStat"] = {**two["MetricStat"], "Stat": "Minimum", "Period": 300}
    found = data_of(cloudwatch, one, two, query("c", "y"))
    assert [each["Label"] for each in found] == ["x Sum 60", "x Minimum 300", "y"]


def test_a_resolution_is_a_second_or_a_minute(cloudwatch: Any):
    put(cloudwatch, "high", {"MetricName": "m", "Value": 1.0, "StorageResolution": 1})
    with pytest.raises(ClientError, match="StorageResolution is invalid"):
        put(cloudwatch, "high", {"MetricName": "m", "Value": 1.0, "StorageResolution": 30})


def test_trimmed_statistics(cloudwatch: Any):
    values = [{"MetricName": "t", "Timestamp": ago(3), "Value": float(v)} for v in range(1, 11)]
    put(cloudwatch, "trimmed", *values)
    asked = {"Namespace": "trimmed", "MetricName": "t", "StartTime": ago(5), "EndTime": NOW}
    names = ["p50", "tm90", "PR(:3)", "TC(20%:80%)"]
    found = cloudwatch.get_metric_statistics(**asked, Period=60, ExtendedStatistics=names)
    assert found["Datapoints"][0]["ExtendedStatistics"] == dict(
        zip(names, (5.5, 5, 30, 6), strict=True)
    )


def test_a_querys_id_begins_in_lower_case(cloudwatch: Any):
    metric = {"Namespace": "Ids", "MetricName": "m"}
    with pytest.raises(ClientError, match=r"MetricDataQueries\.member\.1\.Id is not") as error:
        cloudwatch.get_metric_data(
            MetricDataQueries=[
                {"Id": "A", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}
            ],
            StartTime=ago(5),
            EndTime=ago(0),
        )
    assert code(error) == "ValidationError"


def test_each_unit_has_statistics_of_its_own(cloudwatch: Any):
    data = [("Seconds", 1.0), ("Bytes", 10.0), ("Seconds", 3.0)]
    given = {"MetricName": "mixed", "Timestamp": ago(3)}
    put(cloudwatch, "units", *({**given, "Unit": unit, "Value": value} for unit, value in data))
    asked = {"Namespace": "units", "MetricName": "mixed", "StartTime": ago(5), "EndTime": NOW}
    found = cloudwatch.get_metric_statistics(**asked, Period=60, Statistics=["Sum"])["Datapoints"]
    assert {each["Unit"]: each["Sum"] for each in found} == {"Seconds": 4.0, "Bytes": 10.0}


def test_a_value_that_is_none_is_named(cloudwatch: Any):
    datum = {"MetricName": "m", "StatisticValues": SET | {"SampleCount": 0.0}}
    for wrong, words in (
        ({"MetricName": "m", "Value": float("nan")}, "The value NaN for parameter MetricData.member.2.Value is invalid."),
        (datum, "The value 0.0 for parameter MetricData.member.2.StatisticValues.SampleCount is invalid."),
    ):  # fmt: skip
        with pytest.raises(ClientError) as error:
            put(cloudwatch, "none", {"MetricName": "good", "Value": 1.0}, wrong)
        assert error.value.response["Error"]["Message"] == words
    assert cloudwatch.list_metrics(Namespace="none")["Metrics"] == []
    put(cloudwatch, "edge", {"MetricName": "m", "Values": [2.0**360], "Counts": [3.0]})
