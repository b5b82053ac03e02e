"""MD5s of messages, which SDKs compare with their own.

Source: Amazon SQS Developer Guide, "Calculating the MD5 message digest for message attributes".
"""

from __future__ import annotations

import hashlib

from sagebrush.errors import Doc


def of_body(body: str) -> str:
    """The MD5 of a message's body, hexadecimal."""
    return hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()


def of_attributes(attributes: Doc) -> str:
    """The MD5 of message attributes: each name, type and value in order of names, with their
    lengths."""
    digest = hashlib.md5(usedforsecurity=False)
    for name in sorted(attributes):
        value = attributes[name]
        digest.update(_sized(name.encode()) + _sized(value["DataType"].encode()))
        if value["DataType"].partition(".")[0] == "Binary":
            digest.update(b"\x02" + _sized(value["BinaryValue"]))
        else:
            digest.update(b"\x01" + _sized(value["StringValue"].encode()))
    return digest.hexdigest()


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data
