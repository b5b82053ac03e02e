"""How requests name keys of AWS KMS, which Sagebrush keeps and does not use.

Source: Amazon Comprehend API reference, OutputDataConfig and VolumeKmsKeyId.
"""

from __future__ import annotations

import re

from sagebrush.errors import AwsError

_ID = r"(?:mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_ALIAS = r"alias/[\w/-]{1,250}"
_ARN = r"arn:aws(?:-[a-z]+)*:kms:[a-z0-9-]+:[0-9]{12}:"
_KEY = re.compile(f"{_ID}|{_ARN}key/{_ID}", re.ASCII)
_KEY_OR_ALIAS = re.compile(f"{_ID}|{_ALIAS}|{_ARN}(?:key/{_ID}|{_ALIAS})", re.ASCII)


def check(key: str | None, aliases: bool = False) -> None:
    """Raises KmsKeyValidationException (400) for what has none of the forms of a key, or of an alias
    where those are accepted."""
    if key is None or (_KEY_OR_ALIAS if aliases else _KEY).fullmatch(key):
        return
    raise AwsError(
        "KmsKeyValidationException",
        "The KMS customer managed key (CMK) entered cannot be validated. Verify the key and re-enter"
        " it.",
    )
