"""Tags of rows, which a plan holds as `tags`: key -> value. Source: the API references of EventBridge, its
Scheduler, SNS and SQS, which tag alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from sagebrush.errors import AwsError, Doc
from sagebrush.store.rows import Row

MOST = 50


TOO_MANY = f"A resource can have at most {MOST} tags."


def added(tags: dict[str, str], excess: AwsError) -> Callable[[Row], Row]:
    """The change by which a row has these tags, in place of those of the same keys; it raises `excess`
    where they are too many."""

    def change(row: Row) -> Row:
        made = {**_of(row), **tags}
        if len(made) > MOST:
            raise excess
        return replace(row, plan={**row.plan, "tags": made})

    return change


def removed(keys: Iterable[str]) -> Callable[[Row], Row]:
    """The change by which a row has no tags of those keys."""
    gone = set(keys)

    def change(row: Row) -> Row:
        left = {key: value for key, value in _of(row).items() if key not in gone}
        return replace(row, plan={**row.plan, "tags": left})

    return change


def listed(row: Row | None) -> Doc:
    """The answer that lists the row's tags; none of no row."""
    tags = _of(row) if row is not None else {}
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def _of(row: Row) -> dict[str, str]:
    return row.plan.get("tags", {})
