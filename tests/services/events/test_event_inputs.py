"""What targets get of an event, as AWS was seen to send it; and what of a target is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagebrush.errors import AwsError
from sagebrush.services.events import inputs, target_checks
from sagebrush.services.events.inputs import Rule, payload

EVENT = {
    "version": "0",
    "id": "7bf73129-1428-4cd3-a780-95db273d1602",
    "detail-type": "EC2 Instance State-change Notification",
    "source": "aws.ec2",
    "account": "123456789012",
    "time": "2015-11-11T21:29:54Z",
    "region": "us-east-1",
    "resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-abcd1111"],
    "detail": {"instance-id": "i-0123456789", "state": "RUNNING", "n": [1, 2.5], "x": {"y": "z"}},
}
RULE = Rule("example", "arn:aws:events:us-east-1:123456789012:rule/example")
PATHS = {"instance": "$.detail.instance-id", "status": "$.detail.state", "none": "$.detail.none"}


def made(template: str, **paths: str) -> str:
    given = {"InputPathsMap": {**PATHS, **paths}, "InputTemplate": template}
    assert inputs.lacking(given) is None
    assert inputs.template_fault(given) is None
    return payload({"InputTransformer": given}, EVENT, RULE, 1447277394.0)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ('"instance <instance> is in <status>"', '"instance i-0123456789 is in RUNNING"'),
        ('"<instance> is <status>"\n"and more"', '"i-0123456789 is RUNNING"\n"and more"'),
        (
            '{"instance" : <instance>, "state": "<status>", "s": "in \\"<status>\\""}',
            '{"instance" : "i-0123456789", "state": "RUNNING", "s": "in \\"RUNNING\\""}',
        ),
        ('"missing <none>!"', '"missing !"'),
        ('{"missing": <none>}', '{"missing": ""}'),
        ('{"n": <n>, "first": <first>, "all": <all>}', '{"n": [1,2.5], "first": 1, "all": [1,2.5]}'),
        ('"Detail is <x>"', '"Detail is {y:z}"'),
        ('"{[/special <status>"', '"{[/special RUNNING"'),
        (
            '"<aws.events.rule-arn> <aws.events.rule-name> <aws.events.event.ingestion-time>"',
            f'"{RULE.arn} example 2015-11-11T21:29:54Z"',
        ),
    ],
)  # fmt: skip
def test_templates(template: str, text: str) -> None:
    more = {"n": "$.detail.n", "first": "$.detail.n[0]", "all": "$.detail.n[*]", "x": "$.detail.x"}
    assert made(template, **more) == text


def test_whole_events_in_a_template() -> None:
    text = made('{"e": <aws.events.event>, "j": <aws.events.event.json>}')
    found = json.loads(text)
    assert found["j"] == EVENT
    assert list(found["e"]) == [
        "id", "account", "detailType", "time", "source", "region", "resources", "version",
    ]  # fmt: skip


def test_constants_and_paths() -> None:
    def of(**target: Any) -> str:
        return payload(target, EVENT, RULE, 0.0)

    assert json.loads(of()) == EVENT
    assert of().startswith('{"version":"0","id":')
    assert of(Input='{"a": 1}') == '{"a": 1}'
    assert of(InputPath="$.detail.x") == '{"y":"z"}'
    assert of(InputPath="$.detail.n[1]") == "2.5"
    assert of(InputPath="$.detail.*.y") == '["z"]'
    assert of(InputPath="$") == of()
    assert of(InputPath="$.resources[-1]") == json.dumps(EVENT["resources"][0])  # type: ignore[index]


TARGET = {"Id": "t", "Arn": "arn:aws:sqs:us-east-1:123456789012:q"}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"Input": "1", "InputPath": "$"},
            "Only one of Input, InputPath, or InputTransformer must be provided for target t.",
        ),
        (
            {"Input": "env:dev"},
            'JSON syntax error in input for target t: [Source: (String)"env:dev"; line: 1, column: 4]',
        ),
        (
            {"InputTransformer": {"InputTemplate": '"<a>"'}},
            "InputTemplate for target t contains invalid placeholder a.",
        ),
        (
            {"InputTransformer": {"InputPathsMap": {"a": "$.a"}, "InputTemplate": "{<a>}"}},
            'Invalid InputTemplate for target t : [Source: (String)"{<a>}"; line: 1, column: 2].',
        ),
        (
            {"InputTransformer": {"InputTemplate": "[<aws.events.event.json>]"}},
            "InputTemplate for target t contains placeholder aws.events.event.json valid only for JSON"
            " template.",
        ),
        (
            {"InputTransformer": {"InputPathsMap": {"a": "$['a']"}, "InputTemplate": "<a>"}},
            "InputPath for target t is invalid.",
        ),
        ({"Arn": "x"}, "Parameter x is not valid. Reason: Provided Arn is not in correct format."),
        (
            {"Arn": "arn:aws:sqs:us-east-1:123456789012:q.fifo"},
            "Parameter(s) SqsParameters must be specified for target: t.",
        ),
        (
            {"KinesisParameters": {"PartitionKeyPath": "$.x"}},
            "Parameter(s) KinesisParameters not supported for target: t.",
        ),
        (
            {"DeadLetterConfig": {"Arn": "arn:aws:sns:us-east-1:123456789012:t"}},
            "sns is not supported as a dead letter resource",
        ),
        (
            {"DeadLetterConfig": {"Arn": "arn:aws:sqs:us-east-1:123456789012:q.fifo"}},
            "SQS FIFO is not supported by Dead Letter Queues",
        ),
        (
            {"Arn": "arn:aws:sns:us-east-1:111122223333:t"},
            "RoleArn is required for target arn:aws:sns:us-east-1:111122223333:t.",
        ),
        (
            {"Arn": "arn:aws:states:us-east-1:123456789012:stateMachine:m"},
            "RoleArn is required for target arn:aws:states:us-east-1:123456789012:stateMachine:m.",
        ),
        (
            {"Arn": "arn:aws:sagemaker:us-east-1:123456789012:pipeline/p"},
            "Sagebrush does not support SageMaker pipelines as targets"
            " (arn:aws:sagemaker:us-east-1:123456789012:pipeline/p) yet.",
        ),
        (
            {"Arn": "arn:aws:kinesis:us-east-1:123456789012:stream/s"},
            "Sagebrush does not support targets like arn:aws:kinesis:us-east-1:123456789012:stream/s"
            " yet.",
        ),
        ({"InputPath": "detail"}, "InputPath for target t is invalid."),
    ],
)
def test_targets_that_are_refused(more: dict[str, Any], message: str) -> None:
    with pytest.raises(AwsError) as caught:
        target_checks.check({**TARGET, **more}, "123456789012", "us-east-1")
    assert (caught.value.code, caught.value.message) == ("ValidationException", message)


def test_ids_are_unique() -> None:
    target_checks.check_ids([TARGET, {**TARGET, "Id": "u"}])
    with pytest.raises(AwsError) as caught:
        target_checks.check_ids([TARGET, TARGET])
    assert caught.value.message == (
        "Parameter targets is not valid. Reason: More than one target with Id 't' is provided."
    )


def test_details_that_are_no_text_or_no_json_for_their_readers() -> None:
    found = inputs.is_object('{"a":"\\ud800","\\udfff":1,"b":"\\ud83d\\ude00"}')
    assert found == {"a": "?", "?": 1, "b": "\U0001f600"}
    for text in ('{"a":1e999}', '{"a":-1e999}', '{"a":NaN}', "{" * 5000, '{"a":' * 5000, "[1]"):
        assert inputs.is_object(text) is None
