"""Names of events, and which of a bucket's configurations want one. Pure.

Source: S3 user guide, "Event notification types and destinations" and "Configuring event notifications
using object key name filtering".
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote_plus

from sagebrush.errors import Doc

PUT, COPY = "ObjectCreated:Put", "ObjectCreated:Copy"
COMPLETED = "ObjectCreated:CompleteMultipartUpload"
DELETED = "ObjectRemoved:Delete"
TAGS_PUT, TAGS_DELETED = "ObjectTagging:Put", "ObjectTagging:Delete"
NAMES = frozenset(
    {
        "s3:ReducedRedundancyLostObject", "s3:ObjectCreated:*", "s3:ObjectCreated:Put",
        "s3:ObjectCreated:Post", "s3:ObjectCreated:Copy", "s3:ObjectCreated:CompleteMultipartUpload",
        "s3:ObjectRemoved:*", "s3:ObjectRemoved:Delete", "s3:ObjectRemoved:DeleteMarkerCreated",
        "s3:ObjectRestore:*", "s3:ObjectRestore:Post", "s3:ObjectRestore:Completed",
        "s3:ObjectRestore:Delete", "s3:Replication:*", "s3:Replication:OperationFailedReplication",
        "s3:Replication:OperationNotTracked", "s3:Replication:OperationMissedThreshold",
        "s3:Replication:OperationReplicatedAfterThreshold", "s3:LifecycleTransition",
        "s3:IntelligentTiering", "s3:ObjectAcl:Put", "s3:LifecycleExpiration:*",
        "s3:LifecycleExpiration:Delete", "s3:LifecycleExpiration:DeleteMarkerCreated",
        "s3:ObjectTagging:*", "s3:ObjectTagging:Put", "s3:ObjectTagging:Delete",
        "s3:ObjectAnnotation:*", "s3:ObjectAnnotation:Put", "s3:ObjectAnnotation:Delete",
        "s3:ObjectRetention:Put",
    }
)  # fmt: skip
"""What a configuration may name. Sagebrush has none of replication, restoring, tiering, lifecycle,
retention, annotations and delete markers, so those never happen."""


def wanted(configuration: Doc, event: str, key: str) -> bool:
    """Whether the configuration of one destination wants that event (`ObjectCreated:Put`) of an object
    of that key."""
    return any(_covers(name, f"s3:{event}") for name in configuration["Events"]) and all(
        _passes(name, value, key) or _passes(name, value, encoded(key))
        for name, value in rules(configuration)
    )


def encoded(key: str) -> str:
    """The key as records have it, and as filters may have its special characters."""
    return quote_plus(key, safe="/")


def _passes(name: str, value: str, key: str) -> bool:
    return key.startswith(value) if name == "Prefix" else key.endswith(value)


def rules(configuration: Doc) -> Sequence[tuple[str, str]]:
    """The filter's rules: (Prefix or Suffix, its value)."""
    filters = (configuration.get("Filter") or {}).get("Key") or {}
    found = filters.get("FilterRules") or ()
    return [(rule["Name"].capitalize(), rule["Value"]) for rule in found]


def _covers(name: str, other: str) -> bool:
    """Whether the event or family `name` has all of `other`."""
    return name == other or (name.endswith("*") and other.startswith(name[:-1]))


def overlap(one: Doc, other: Doc) -> bool:
    """Whether one object could be told of twice: both want an event, and the filters let one key
    pass."""
    shared = any(_covers(a, b) or _covers(b, a) for a in one["Events"] for b in other["Events"])
    if not shared:
        return False
    a, b = dict(rules(one)), dict(rules(other))
    prefixes = a.get("Prefix", ""), b.get("Prefix", "")
    suffixes = a.get("Suffix", ""), b.get("Suffix", "")
    return (prefixes[0].startswith(prefixes[1]) or prefixes[1].startswith(prefixes[0])) and (
        suffixes[0].endswith(suffixes[1]) or suffixes[1].endswith(suffixes[0])
    )
