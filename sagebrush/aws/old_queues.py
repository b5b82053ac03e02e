"""SQS's query protocol, which clients before November 2023 speak: what botocore's model has lost of it.

Amazon SQS API Reference of each action and data type: the names of the members of lists and maps
(`AttributeName.1`, `Attribute.1.Name`, `SendMessageBatchRequestEntry.1.Id`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAMESPACE = "http://queue.amazonaws.com/doc/2012-11-05/"
ITEMS = {
    "AWSAccountIdList": "AWSAccountId",
    "ActionNameList": "ActionName",
    "AttributeNameList": "AttributeName",
    "BinaryList": "BinaryListValue",
    "MessageAttributeNameList": "MessageAttributeName",
    "MessageList": "Message",
    "MessageSystemAttributeList": "MessageSystemAttributeName",
    "QueueUrlList": "QueueUrl",
    "StringList": "StringListValue",
    "TagKeyList": "TagKey",
}
"""Lists -> the names of their items. Lists of entries have theirs by the item's own shape."""
MAPS = {
    "MessageBodyAttributeMap": ("MessageAttribute", "Name"),
    "MessageBodySystemAttributeMap": ("MessageSystemAttribute", "Name"),
    "MessageSystemAttributeMap": ("Attribute", "Name"),
    "QueueAttributeMap": ("Attribute", "Name"),
    "TagMap": ("Tag", "Key"),
}
"""Maps -> the names of the members that hold them, and of their keys."""


def with_forms(model: Mapping[str, Any]) -> dict[str, Any]:
    """botocore's model of SQS with the names that members have in forms and in XML."""
    shapes = {name: _shape(name, shape) for name, shape in model["shapes"].items()}
    metadata = {**model["metadata"], "protocol": "query", "protocols": ["query"]}
    metadata["xmlNamespace"] = NAMESPACE
    operations = {name: _wrapped(name, op) for name, op in model["operations"].items()}
    return {**model, "metadata": metadata, "operations": operations, "shapes": shapes}


def _wrapped(name: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    """The operation with its answer in an element of its own."""
    if "output" not in operation:
        return {**operation}
    return {**operation, "output": {**operation["output"], "resultWrapper": f"{name}Result"}}


def _shape(name: str, shape: Mapping[str, Any]) -> dict[str, Any]:
    if shape["type"] == "list":
        item = ITEMS.get(name) or shape["member"]["shape"]
        return {**shape, "member": {**shape["member"], "locationName": item}}
    if name in MAPS:
        key = {**shape["key"], "locationName": MAPS[name][1]}
        return {**shape, "key": key, "value": {**shape["value"], "locationName": "Value"}}
    if shape["type"] == "structure":
        return {**shape, "members": {k: _member(v) for k, v in shape["members"].items()}}
    return {**shape}


def _member(member: Mapping[str, Any]) -> dict[str, Any]:
    found = MAPS.get(member["shape"])
    return {**member, "locationName": found[0]} if found else {**member}
