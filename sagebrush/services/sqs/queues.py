"""SQS queues: create, find, list, describe, change, purge, tag, delete.

A queue is a row of the kind `queue`: its document holds its attributes, its plan its tags.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from sagebrush.access import queue_policies, references
from sagebrush.engine import tags
from sagebrush.engine.kinds import paginate
from sagebrush.errors import AwsError, Doc
from sagebrush.services.sqs import attributes, ordering
from sagebrush.services.sqs.attributes import KIND
from sagebrush.store.rows import Exists, Row
from sagebrush.world import Ctx

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
LONGEST_NAME = 80
PURGES_APART = 60.0
"""Seconds between two purges of a queue at least."""
PAGE = 1000
"""Queues of one answer at most, and without MaxResults in all."""


def queue_of(ctx: Ctx, url: str) -> Row:
    """The queue of that URL, whatever host it names, of this account or of another whose policy lets the
    caller in (`access.queue_policies`); raises QueueDoesNotExist."""
    account, name = references.queue(url)
    found = ctx.world.rows.get(account or ctx.account, ctx.region, KIND, name)
    if found is None:
        raise missing()
    return found


def missing() -> AwsError:
    """The error for a queue that does not exist."""
    return AwsError("QueueDoesNotExist", "The specified queue does not exist.")


def url_of(ctx: Ctx, queue: Row) -> str:
    """The queue's URL, on the host that the caller reached this server by: clients that send requests
    to a queue's own URL come back here."""
    host = ctx.origin.header("host") if ctx.origin else None
    if ctx.origin is None or not host:
        return f"https://sqs.{queue.region}.amazonaws.com/{queue.account}/{queue.name}"
    scheme = "https" if ctx.origin.secure else "http"
    return f"{scheme}://{host}/{queue.account}/{queue.name}"


def create_queue(ctx: Ctx, request: Doc) -> Doc:
    """The queue exists; one of that name and the same attributes is answered as it is.

    Raises QueueNameExists where another attribute differs, InvalidParameterValue for a name, and as
    `attributes.checked` does.
    """
    name = request["QueueName"]
    asked = request.get("Attributes") or {}
    _check_name(name, asked.get("FifoQueue") == "true")
    defaults = attributes.defaults(name.endswith(ordering.SUFFIX))
    given = attributes.checked(ctx, asked, name, defaults)
    doc = {**defaults, **{k: v for k, v in given.items() if v != ""}}
    named = dict(request.get("tags") or {})
    _check_tags(named)
    plan = {"tags": named, **_pins(ctx, given)}
    row = Row(ctx.account, ctx.region, KIND, name, "Active", doc, plan)
    try:
        stored = ctx.world.rows.insert(row)
    except Exists:
        stored = ctx.world.rows.get(ctx.account, ctx.region, KIND, name)
        if stored is None:  # deleted at this moment
            stored = ctx.world.rows.insert(row)
        for key, value in given.items():
            if stored.doc.get(key, "") != value:
                raise AwsError(
                    "QueueNameExists",
                    "A queue already exists with the same name and a different value for"
                    f" attribute {key}",
                ) from None
    ctx.world.mappings_changed()  # one may wait for a queue of this name
    return {"QueueUrl": url_of(ctx, stored)}


def _pins(ctx: Ctx, given: Doc) -> Doc:
    """What the plan of a queue knows of the Policy among its attributes, if it is there."""
    if "Policy" not in given:
        return {}
    return {queue_policies.PINS: queue_policies.pinned(ctx, given["Policy"])}


def _check_name(name: str, fifo: bool) -> None:
    """Raises InvalidParameterValue; a name that ends in `.fifo` goes with FifoQueue alone."""
    if fifo and not name.endswith(ordering.SUFFIX):
        raise ordering.invalid(
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or"
            " underscores, must end with .fifo suffix and be 1 to 80 in length"
        )
    stem = name.removesuffix(ordering.SUFFIX) if fifo else name
    if not _NAME.fullmatch(stem) or len(name) > LONGEST_NAME:
        raise ordering.invalid(
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        )


def get_queue_url(ctx: Ctx, request: Doc) -> Doc:
    """The URL of the queue of that name, of this account or of the one that is named; raises
    QueueDoesNotExist."""
    account = request.get("QueueOwnerAWSAccountId") or ctx.account
    found = ctx.world.rows.get(account, ctx.region, KIND, request["QueueName"])
    if found is None:
        raise missing()
    return {"QueueUrl": url_of(ctx, found)}


def list_queues(ctx: Ctx, request: Doc) -> Doc:
    """The URLs of the queues whose names begin so, by name; in pages where MaxResults says so."""
    prefix = request.get("QueueNamePrefix", "")
    found = [
        row
        for row in ctx.world.rows.select(KIND, account=ctx.account)
        if row.region == ctx.region and row.name.startswith(prefix)
    ]
    return _page(ctx, found, request, "QueueUrls")


def list_dead_letter_source_queues(ctx: Ctx, request: Doc) -> Doc:
    """The URLs of the queues whose dead-letter queue this is."""
    found = attributes.sources(ctx, queue_of(ctx, request["QueueUrl"]))
    return _page(ctx, found, request, "queueUrls")


def _page(ctx: Ctx, rows: list[Row], request: Doc, member: str) -> Doc:
    rows = sorted(rows, key=lambda row: row.name)
    most = request.get("MaxResults")
    if most is None:
        return {member: [url_of(ctx, row) for row in rows[:PAGE]]} if rows else {}
    page, token = paginate(rows, request.get("NextToken"), most)
    urls = [url_of(ctx, row) for row in page]
    return {member: urls, **({"NextToken": token} if token else {})}


def get_queue_attributes(ctx: Ctx, request: Doc) -> Doc:
    """The attributes of the names that are asked for, `All` among them."""
    names = request.get("AttributeNames") or []
    found = attributes.shown(ctx, queue_of(ctx, request["QueueUrl"]), names)
    return {"Attributes": found} if found else {}


def set_queue_attributes(ctx: Ctx, request: Doc) -> None:
    """The attributes are set; raises as `attributes.checked` does."""
    queue = queue_of(ctx, request["QueueUrl"])
    given = attributes.checked(ctx, request["Attributes"], queue.name, queue.doc)
    pins = _pins(ctx, given)

    def change(row: Row) -> Row:
        doc = {**row.doc, **given}
        plan = {**row.plan, **pins}
        return replace(row, doc={k: v for k, v in doc.items() if v != ""}, plan=plan)

    row = changed(ctx, request["QueueUrl"], change)
    if "MessageRetentionPeriod" in given:
        ctx.world.messages.retain(row.id, float(given["MessageRetentionPeriod"]))


def purge_queue(ctx: Ctx, request: Doc) -> None:
    """The queue has no messages. Raises PurgeQueueInProgress (403) within a minute of the last
    time."""
    now = ctx.world.clock()

    def change(row: Row) -> Row:
        if 0 <= now - row.plan.get("purged", float("-inf")) < PURGES_APART:
            raise AwsError(
                "PurgeQueueInProgress",
                f"Only one PurgeQueue operation on {row.name} is allowed every 60 seconds.",
                403,
            )
        return replace(row, plan={**row.plan, "purged": now})

    ctx.world.messages.purge(changed(ctx, request["QueueUrl"], change).id)


def delete_queue(ctx: Ctx, request: Doc) -> None:
    """The queue and its messages are gone; raises QueueDoesNotExist."""
    row = queue_of(ctx, request["QueueUrl"])
    if ctx.world.rows.delete(row.id) is None:
        raise missing()
    ctx.world.messages.tell(row.id)  # who waits for its messages waits in vain


def tag_queue(ctx: Ctx, request: Doc) -> None:
    """The tags are added, in place of those of the same keys."""
    given = request["Tags"]
    _check_tags(given)
    changed(ctx, request["QueueUrl"], tags.added(given, _too_many_tags()))


def untag_queue(ctx: Ctx, request: Doc) -> None:
    """The tags of those keys are gone."""
    changed(ctx, request["QueueUrl"], tags.removed(request["TagKeys"]))


def list_queue_tags(ctx: Ctx, request: Doc) -> Doc:
    """The queue's tags."""
    found = queue_of(ctx, request["QueueUrl"]).plan.get("tags", {})
    return {"Tags": found} if found else {}


def _too_many_tags() -> AwsError:
    return AwsError("InvalidParameterValue", f"Too many tags added: more than {tags.MOST}.")


def _check_tags(given: Doc) -> None:
    if len(given) > tags.MOST:
        raise _too_many_tags()
    if any(key.lower().startswith("aws:") for key in given):
        raise AwsError("InvalidParameterValue", "Tag keys must not begin with aws:.")


def changed(ctx: Ctx, url: str, change: Callable[[Row], Row]) -> Row:
    """The queue of that URL, changed; raises QueueDoesNotExist."""
    found = ctx.world.rows.update(queue_of(ctx, url).id, change)
    if found is None:
        raise missing()
    return found
