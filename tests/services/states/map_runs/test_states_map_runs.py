"""Distributed Map states whose children really run, in a server without HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sagebrush.asl.steps import Stopped
from sagebrush.store.execution_values import Run
from tests.services.states.taskstand import TaskStand
from tests.waiting import until

PASS: dict[str, Any] = {"P": {"Type": "Pass", "End": True}}
ODD: dict[str, Any] = {
    "C": {
        "Type": "Choice",
        "Choices": [{"Variable": "$.ok", "BooleanEquals": True, "Next": "Good"}],
        "Default": "Bad",
    },
    "Good": {"Type": "Succeed"},
    "Bad": {"Type": "Fail", "Error": "Odd", "Cause": "no"},
}


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TaskStand]:
    found = TaskStand(tmp_path_factory.mktemp("home"))
    found.call("s3", "CreateBucket", Bucket="data")
    yield found
    found.close()


def put(stand: TaskStand, key: str, body: str) -> None:
    stand.call("s3", "PutObject", Bucket="data", Key=key, Body=body.encode())


def get(stand: TaskStand, key: str) -> Any:
    return json.loads(stand.call("s3", "GetObject", Bucket="data", Key=key)["Body"].read())


def mapped(states: dict[str, Any] = PASS, **more: Any) -> dict[str, Any]:
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    processor = {"ProcessorConfig": config, "StartAt": next(iter(states)), "States": states}
    state = {"Type": "Map", "End": True, "Label": "All", "ItemProcessor": processor, **more}
    return {"M": state}


def read_from(action: str, parameters: dict[str, Any], **config: Any) -> dict[str, Any]:
    resource = f"arn:aws:states:::s3:{action}"
    return {"Resource": resource, "Parameters": parameters, "ReaderConfig": config}


def output(run: Run) -> Any:
    assert run.status == "SUCCEEDED", (run.error, run.cause)
    return json.loads(run.output or "")


def described(stand: TaskStand, run: Run) -> Any:
    found = stand.call("stepfunctions", "ListMapRuns", executionArn=run.arn)["mapRuns"]
    arn = found[0]["mapRunArn"]
    assert found[0]["stateMachineArn"] == f"{stand.machine}/All"
    return stand.call("stepfunctions", "DescribeMapRun", mapRunArn=arn)


def test_items_of_the_input_become_child_executions_in_order(stand: TaskStand) -> None:
    run = stand.run(mapped(MaxConcurrency=3), list(range(40)))
    assert output(run) == list(range(40))
    found = described(stand, run)
    assert (found["status"], found["maxConcurrency"]) == ("SUCCEEDED", 3)
    assert found["itemCounts"]["resultsWritten"] == 40
    assert found["itemCounts"]["succeeded"] == found["executionCounts"]["total"] == 40
    children = stand.call(
        "stepfunctions", "ListExecutions", mapRunArn=found["mapRunArn"], maxResults=5
    )
    child = children["executions"][0]
    assert child["stateMachineArn"] == f"{stand.machine}/All"
    assert child["executionArn"].startswith(
        f"{stand.machine}/All:".replace(":stateMachine:", ":execution:")
    )
    assert child["mapRunArn"] == found["mapRunArn"]
    types = [event["type"] for event in stand.history(run)]
    assert types[2:6] == [
        "MapStateStarted",
        "MapRunStarted",
        "MapRunSucceeded",
        "MapStateSucceeded",
    ]


def test_a_csv_file_is_read_selected_and_batched(stand: TaskStand) -> None:
    put(stand, "rows.csv", "text,label\n" + "".join(f"t{n},{n % 2}\n" for n in range(7)))
    reader = read_from(
        "getObject", {"Bucket": "data", "Key": "rows.csv"}, InputType="CSV", MaxItems=5
    )
    selector = {"text.$": "$$.Map.Item.Value.text", "at.$": "$$.Map.Item.Index", "c.$": "$.c"}
    batcher = {"MaxItemsPerBatch": 2, "BatchInput": {"b.$": "$.c"}}
    run = stand.run(
        mapped(ItemReader=reader, ItemSelector=selector, ItemBatcher=batcher), {"c": "x"}
    )
    found = output(run)
    assert [len(batch["Items"]) for batch in found] == [2, 2, 1]
    assert found[0] == {
        "BatchInput": {"b": "x"},
        "Items": [{"text": "t0", "at": 0, "c": "x"}, {"text": "t1", "at": 1, "c": "x"}],
    }
    counts = described(stand, run)
    assert (counts["itemCounts"]["total"], counts["executionCounts"]["total"]) == (5, 3)


@pytest.mark.parametrize(
    ("key", "body", "config", "items"),
    [
        ("a.json", "[1,2]", {"InputType": "JSON"}, [1, 2]),
        ("p.json", '{"x":{"y":[3]}}', {"InputType": "JSON", "ItemsPointer": "/x/y"}, [3]),
        ("l.jsonl", '{"a":1}\n{"a":2}\n', {"InputType": "JSONL"}, [{"a": 1}, {"a": 2}]),
    ],
)
def test_files_of_json(stand: TaskStand, key: str, body: str, config: Any, items: Any) -> None:
    put(stand, key, body)
    reader = read_from("getObject", {"Bucket": "data", "Key": key}, **config)
    assert output(stand.run(mapped(ItemReader=reader))) == items


def test_objects_of_a_bucket_are_listed_page_by_page(stand: TaskStand) -> None:
    for n in range(3):
        put(stand, f"many/{n}", "x" * n)
    reader = read_from("listObjectsV2", {"Bucket": "data", "Prefix": "many/", "MaxKeys": 2})
    found = output(stand.run(mapped(ItemReader=reader)))
    assert [(item["Key"], item["Size"]) for item in found] == [(f"many/{n}", n) for n in range(3)]
    assert found[0].keys() == {"Etag", "Key", "LastModified", "Size", "StorageClass"}


def test_the_pairs_of_an_object_are_items_of_a_distributed_map(stand: TaskStand) -> None:
    """Guide, "ItemReader (Map)": "Step Functions will iterate directly over the elements of an array, or
    the key-value pairs of a JSON object"; "Context object data for Map states": Key."""
    assert output(stand.run(mapped(), {"b": 1, "a": [2]})) == [
        {"Key": "b", "Value": 1},
        {"Key": "a", "Value": [2]},
    ]
    item = {"k.$": "$$.Map.Item.Key", "i.$": "$$.Map.Item.Index", "s.$": "$$.Map.Item.Source"}
    found = output(stand.run(mapped(ItemSelector=item), {"b": 1}))
    assert found == [{"k": "b", "i": 0, "s": "STATE_DATA"}]
    jsonata = mapped(Items="{% $states.input.all %}", QueryLanguage="JSONata")
    assert output(stand.run(jsonata, {"all": {"b": 1}})) == [{"Key": "b", "Value": 1}]


def test_files_that_others_name_are_read_one_after_the_other(stand: TaskStand) -> None:
    put(stand, "logs/", "")
    put(stand, "logs/1", "a\n1\n2\n")
    put(stand, "logs/2", "a\n3\n")
    flat = {"InputType": "CSV", "Transformation": "LOAD_AND_FLATTEN", "MaxItems": 3}
    listed = read_from("listObjectsV2", {"Bucket": "data", "Prefix": "logs/"}, **flat)
    rows = [{"a": "1"}, {"a": "2"}, {"a": "3"}]
    assert output(stand.run(mapped(ItemReader=listed))) == rows
    selected = mapped(ItemReader=listed, ItemSelector={"from.$": "$$.Map.Item.Source"})
    found = [each["from"] for each in output(stand.run(selected))]
    assert found == ["S3://data/logs/1"] * 2 + ["S3://data/logs/2"]
    put(stand, "q-manifest.csv", "s3://data/logs/2\ns3://data/logs/1\n")
    query = {"InputType": "CSV", "ManifestType": "ATHENA_DATA"}
    reader = read_from("getObject", {"Bucket": "data", "Key": "q-manifest.csv"}, **query)
    assert output(stand.run(mapped(ItemReader=reader))) == [{"a": "3"}, {"a": "1"}, {"a": "2"}]
    put(stand, "files.csv", '"data","logs/1"\n')
    manifest = {
        "destinationBucket": "arn:aws:s3:::data", "fileFormat": "CSV", "fileSchema": "Bucket, Key",
        "files": [{"key": "files.csv"}],
    }  # fmt: skip
    put(stand, "manifest.json", json.dumps(manifest))
    for config in ({"InputType": "MANIFEST"}, {"ManifestType": "S3_INVENTORY"}):
        reader = read_from("getObject", {"Bucket": "data", "Key": "manifest.json"}, **config)
        found = output(stand.run(mapped(ItemReader=reader)))
        assert found == [{"Bucket": "data", "Key": "logs/1"}]


def test_what_cannot_be_read_fails_the_state(stand: TaskStand) -> None:
    reader = read_from("getObject", {"Bucket": "data", "Key": "nothing"}, InputType="JSON")
    run = stand.run(mapped(ItemReader=reader))
    assert (run.status, run.error) == ("FAILED", "States.ItemReaderFailed")
    assert str(run.cause).startswith(
        "The specified key does not exist. (Service: S3, Status Code: 404"
    )
    assert described(stand, run)["status"] == "FAILED"


def test_failures_beyond_what_is_tolerated_fail_the_run(stand: TaskStand) -> None:
    items = [{"ok": n % 3 > 0} for n in range(9)]  # three fail
    run = stand.run(mapped(ODD, ToleratedFailureCount=2), items)
    assert (run.status, run.error) == ("FAILED", "States.ExceedToleratedFailureThreshold")
    assert run.cause == "The specified tolerated failure threshold was exceeded"
    run = stand.run(mapped(ODD, ToleratedFailureCount=3), items)
    found = output(run)
    assert [item.get("Status") for item in found[:3]] == ["FAILED", None, None]
    assert (found[0]["Error"], found[0]["Cause"], found[0]["Input"]) == (
        "Odd",
        "no",
        '{"ok":false}',
    )
    run = stand.run(mapped(ODD, ToleratedFailurePercentage=34), items)
    assert run.status == "SUCCEEDED"
    run = stand.run(mapped(ODD, ToleratedFailurePercentage=33), items)
    assert run.error == "States.ExceedToleratedFailureThreshold"


def test_results_are_written_with_their_manifest(stand: TaskStand) -> None:
    writer = {
        "Resource": "arn:aws:states:::s3:putObject",
        "Parameters": {"Bucket": "data", "Prefix": "out"},
    }
    items = [{"ok": n != 1} for n in range(4)]
    run = stand.run(mapped(ODD, ToleratedFailureCount=1, ResultWriter=writer), items)
    found = output(run)
    assert list(found) == ["MapRunArn", "ResultWriterDetails"]
    folder = f"out/{found['MapRunArn'].rpartition(':')[2]}"
    assert found["ResultWriterDetails"] == {"Bucket": "data", "Key": f"{folder}/manifest.json"}
    manifest = get(stand, f"{folder}/manifest.json")
    assert list(manifest) == ["DestinationBucket", "MapRunArn", "ResultFiles"]
    assert list(manifest["ResultFiles"]) == ["FAILED", "PENDING", "SUCCEEDED"]
    succeeded = get(stand, f"{folder}/SUCCEEDED_0.json")
    assert len(succeeded) == 3
    assert (succeeded[0]["Input"], succeeded[0]["Output"]) == ('{"ok":true}', '{"ok":true}')
    assert get(stand, f"{folder}/FAILED_0.json")[0]["Error"] == "Odd"
    assert manifest["ResultFiles"]["PENDING"] == []
    assert described(stand, run)["itemCounts"]["resultsWritten"] == 4


def test_items_that_did_not_begin_are_written_as_pending(stand: TaskStand) -> None:
    writer = {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "data"}}
    items = [{"ok": False}, {"ok": True}, {"ok": True}]
    run = stand.run(mapped(ODD, MaxConcurrency=1, ResultWriter=writer), items)
    assert run.error == "States.ExceedToleratedFailureThreshold"
    folder = described(stand, run)["mapRunArn"].rpartition(":")[2]
    assert (
        get(stand, f"{folder}/PENDING_0.json")
        == [{"Input": '{"ok":true}', "InputDetails": {"Included": True}, "Status": "PENDING"}] * 2
    )


def test_arrays_are_flattened(stand: TaskStand) -> None:
    writer = {"WriterConfig": {"Transformation": "FLATTEN", "OutputType": "JSON"}}
    run = stand.run(mapped(ResultWriter=writer), [[1, 2], 3, [[4]]])
    assert output(run) == [1, 2, 3, [4]]


def test_results_that_are_too_large_for_a_state(stand: TaskStand) -> None:
    processor = {"P": {"Type": "Pass", "Result": "x" * 30_000, "End": True}}
    run = stand.run(mapped(processor), list(range(10)))
    assert (run.status, run.error) == ("FAILED", "States.DataLimitExceeded")


WAIT: dict[str, Any] = {"W": {"Type": "Wait", "Seconds": 600, "End": True}}


def test_limits_can_be_changed_while_it_runs_and_stopping_ends_all(stand: TaskStand) -> None:
    run = stand.begin(mapped(WAIT, MaxConcurrency=1), list(range(5)))

    def running() -> int:
        found = stand.call("stepfunctions", "ListMapRuns", executionArn=run.arn)["mapRuns"]
        return described(stand, run)["executionCounts"]["running"] if found else 0

    until(lambda: running() == 1)
    arn = described(stand, run)["mapRunArn"]
    stand.call("stepfunctions", "UpdateMapRun", mapRunArn=arn, maxConcurrency=3)
    until(lambda: running() == 3)
    stand.world.executing.report(run.id, Stopped()).result(20)
    until(lambda: described(stand, run)["status"] == "ABORTED")
    assert described(stand, run)["executionCounts"]["aborted"] == 3
    until(lambda: stand.world.executions.works() == [])


def test_what_is_left_of_a_map_run_goes_with_its_execution(stand: TaskStand) -> None:
    run = stand.run(mapped(), [1])
    arn = described(stand, run)["mapRunArn"]
    assert stand.world.executions.tally(arn)
    assert stand.world.executions.expire(stand.world.clock() + 1)
    assert stand.world.rows.select("map-run", texts={"doc.executionArn": run.arn}) == []
    assert not stand.world.executions.tally(arn)


def test_express_children_give_their_results_too(stand: TaskStand) -> None:
    states = mapped()
    states["M"]["ItemProcessor"]["ProcessorConfig"]["ExecutionType"] = "EXPRESS"
    assert output(stand.run(states, ["a", "b"])) == ["a", "b"]


def test_a_server_that_starts_goes_on_and_begins_no_child_twice(tmp_path: Path) -> None:
    first = TaskStand(tmp_path)
    states = {"T": {"Type": "Wait", "SecondsPath": "$.s", "End": True}}
    items = [{"s": 0}] * 4 + [{"s": 1}] * 2
    run = first.begin(mapped(states, MaxConcurrency=2), items)
    until(lambda: first.call("stepfunctions", "ListMapRuns", executionArn=run.arn)["mapRuns"])
    until(lambda: described(first, run)["executionCounts"]["succeeded"] == 4)
    first.close()
    again = TaskStand(tmp_path)
    try:
        assert output(again.ended(run)) == items
        assert described(again, run)["executionCounts"]["total"] == 6
    finally:
        again.close()


@pytest.mark.parametrize("kind", ["STANDARD", "EXPRESS"])
def test_a_redriven_run_does_again_what_failed(stand: TaskStand, kind: str) -> None:
    """Items read an object that is not there at first; the one that went well is not run again."""
    get = {
        "G": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
            "Parameters": {"Bucket": "data", "Key.$": "$"},
            "ResultSelector": {"body.$": "$.Body"},
            "End": True,
        }
    }
    put(stand, f"there-{kind}", "x")
    states = mapped(get)
    states["M"]["ItemProcessor"]["ProcessorConfig"]["ExecutionType"] = kind
    run = stand.run(states, [f"there-{kind}", f"late-{kind}"])
    assert run.error == "States.ExceedToleratedFailureThreshold"
    before = described(stand, run)
    put(stand, f"late-{kind}", "y")
    stand.call("stepfunctions", "RedriveExecution", executionArn=run.arn)
    assert output(stand.ended(run)) == [{"body": "x"}, {"body": "y"}]
    after = described(stand, run)
    assert after["mapRunArn"] == before["mapRunArn"]
    assert (before["redriveCount"], after["redriveCount"], after["status"]) == (0, 1, "SUCCEEDED")
    assert after["executionCounts"]["succeeded"] == after["executionCounts"]["total"] == 2


def test_the_role_needs_the_right_to_start_executions(stand: TaskStand) -> None:
    poor = stand.make_role("poor", {"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    run = stand.run(mapped(), [1], role=poor)
    assert (run.status, run.error) == ("FAILED", "States.Permissions")
    assert "is not authorized to perform: states:StartExecution" in str(run.cause)
