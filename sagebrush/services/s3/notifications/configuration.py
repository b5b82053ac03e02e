"""A notification configuration as it is kept, or why it is refused. Pure.

Source: S3 API Reference, PutBucketNotificationConfiguration; S3 user guide, "Configuring event
notifications using object key name filtering" (overlaps). Names of arguments as S3 is seen to answer.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from sagebrush.aws.names import Arn
from sagebrush.errors import AwsError, Doc
from sagebrush.services.s3.notifications import events

MOST = 100
LONGEST_RULE = 1024
"""Bytes of a prefix or suffix."""
LONGEST_ID = 255


@dataclass(frozen=True)
class Form:
    """One of the three kinds of destinations, by the members of the request."""

    listed: str
    arn: str
    service: str
    argument: str
    """How S3's errors name it."""


FORMS = (
    Form("TopicConfigurations", "TopicArn", "sns", "Topic"),
    Form("QueueConfigurations", "QueueArn", "sqs", "Queue"),
    Form("LambdaFunctionConfigurations", "LambdaFunctionArn", "lambda", "CloudFunction"),
)
EVENT_BRIDGE = "EventBridgeConfiguration"


def each(configuration: Doc) -> Iterator[tuple[Form, Doc]]:
    """The configurations of destinations, with what kind each is."""
    for form in FORMS:
        for one in configuration.get(form.listed) or ():
            yield form, one


def checked(given: Doc, region: str) -> Doc:
    """The configuration of a bucket in that region as it is kept: with ids and AWS's spelling of rules.

    Raises InvalidArgument (400).
    """
    found: Doc = {}
    for form, one in each(given):
        found.setdefault(form.listed, []).append(_checked(form, one, region))
    if given.get(EVENT_BRIDGE) is not None:
        found[EVENT_BRIDGE] = {}
    every = [one for _, one in each(found)]
    if len(every) > MOST:
        raise _invalid(f"A bucket can have up to {MOST} notification configurations.")
    ids = [one["Id"] for one in every]
    if twice := next((one for one in ids if ids.count(one) > 1), None):
        raise _invalid("Same ID used for multiple configurations. IDs must be unique", "Id", twice)
    for number, one in enumerate(every):
        for other in every[:number]:
            if events.overlap(one, other):
                raise _overlapping(one, other)
    return found


def _overlapping(one: Doc, other: Doc) -> AwsError:
    if events.rules(one) or events.rules(other):
        return _invalid(
            "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if"
            " the prefixes are overlapping for the same event type."
        )
    return _invalid(
        "Configurations overlap. Configurations on the same bucket cannot share a common event type."
    )


def _checked(form: Form, given: Doc, region: str) -> Doc:
    arn = Arn.parse(given[form.arn])
    if arn is None or arn.service != form.service:
        raise _invalid("The ARN could not be parsed", form.argument, given[form.arn])
    if arn.region != region:
        raise _invalid(
            "The notification destination service region is not valid for the bucket location"
            " constraint",
            form.argument,
            given[form.arn],
        )
    if form.service == "sqs" and arn.resource.endswith(".fifo"):
        raise _invalid("FIFO SQS queues are not supported.", form.argument, given[form.arn])
    if form.service == "sns" and arn.resource.endswith(".fifo"):
        raise _invalid("FIFO SNS topics are not supported.", form.argument, given[form.arn])
    if not given["Events"]:
        raise AwsError(
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published"
            " schema",
        )
    for event in given["Events"]:
        if event not in events.NAMES:
            raise _invalid("A specified event is not supported for notifications.", "Event", event)
    name = given.get("Id") or _fresh_id()
    if len(name) > LONGEST_ID:
        raise _invalid(f"An ID can have up to {LONGEST_ID} characters.", "Id", name)
    found: Doc = {"Id": name, form.arn: given[form.arn], "Events": list(given["Events"])}
    rules = ((given.get("Filter") or {}).get("Key") or {}).get("FilterRules") or ()
    if rules:
        found["Filter"] = {"Key": {"FilterRules": [_rule(rule) for rule in rules]}}
        _check_twice(found["Filter"]["Key"]["FilterRules"])
    return found


def _rule(given: Doc) -> Doc:
    name, value = given.get("Name", ""), given.get("Value", "")
    if name.lower() not in ("prefix", "suffix"):
        words = "filter rule name must be either prefix or suffix"
        raise _invalid(words, "FilterRule.Name", name)
    if not value:
        raise _invalid("filter value cannot be empty", "FilterRule.Value", value)
    if len(value.encode()) > LONGEST_RULE:
        raise _invalid(
            f"Size of filter rule value cannot exceed {LONGEST_RULE} bytes in UTF-8 representation",
            "FilterRule.Value",
            value,
        )
    return {"Name": name.capitalize(), "Value": value}


def _check_twice(rules: list[Doc]) -> None:
    for name in ("Prefix", "Suffix"):
        if sum(rule["Name"] == name for rule in rules) > 1:
            raise _invalid(
                f"Cannot specify more than one {name.lower()} rule in a filter.",
                "FilterRule.Name",
                name.lower(),
            )


def _fresh_id() -> str:
    """In the form of S3's own: base64 of a UUID."""
    return base64.b64encode(str(uuid.uuid4()).encode()).decode()


def _invalid(message: str, name: str = "", value: str = "") -> AwsError:
    named = {"ArgumentName": name, "ArgumentValue": value} if name else {}
    return AwsError("InvalidArgument", message, 400, **named)
