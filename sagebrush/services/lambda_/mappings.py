"""Event source mappings: functions that get the messages of SQS queues. Source: Lambda API reference;
developer guide, "Using Lambda with Amazon SQS". `polling.Polling` carries them out."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from sagebrush.access.actions.functions import MAPPING
from sagebrush.access.function_references import LATEST, FunctionReference
from sagebrush.aws.names import Arn
from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.lambda_ import faults, filters, lists, permissions, rows, sending, tagging
from sagebrush.services.lambda_.plan import plan_of
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

KIND = MAPPING
PAGE = 100
BATCH, LARGEST_BATCH, LARGEST_FIFO = 10, 10000, 10
READS = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
"""What the function's role must be allowed on the queue."""
SET = (
    "BatchSize", "MaximumBatchingWindowInSeconds", "FilterCriteria", "ScalingConfig",
    "FunctionResponseTypes", "MetricsConfig",
)  # fmt: skip
STREAMS = (
    "ParallelizationFactor", "StartingPosition", "StartingPositionTimestamp",
    "MaximumRecordAgeInSeconds", "BisectBatchOnFunctionError", "MaximumRetryAttempts",
    "TumblingWindowInSeconds", "Topics", "Queues", "SourceAccessConfigurations",
    "SelfManagedEventSource", "AmazonManagedKafkaEventSourceConfig",
    "SelfManagedKafkaEventSourceConfig", "DocumentDBEventSourceConfig", "ProvisionedPollerConfig",
    "DestinationConfig",
)  # fmt: skip
"""Members of sources other than queues."""


def create_event_source_mapping(ctx: Ctx, request: Doc) -> Doc:
    """The function will get the queue's messages. Raises InvalidParameterValueException and
    ResourceConflictException (409)."""
    of = rows.reference(ctx, request)
    queue = _queue(request)
    row = rows.get(ctx.world.rows, of)
    if row is None:
        raise faults.invalid("Function does not exist")
    permissions.check_qualifier(ctx.world.rows, row, of)
    doc: Doc = {
        "BatchSize": BATCH,
        "MaximumBatchingWindowInSeconds": 0,
        "FunctionResponseTypes": [],
        **{name: request[name] for name in SET if request.get(name) is not None},
    }
    _check(ctx, row, queue, doc)
    uid = str(uuid.uuid4())
    doc |= {
        "UUID": uid,
        "EventSourceMappingArn": f"arn:aws:lambda:{ctx.region}:{ctx.account}:{KIND}:{uid}",
        "EventSourceArn": str(queue),
        "FunctionArn": of.qualified,
        "StateTransitionReason": "USER_INITIATED",
    }
    enabled = request.get("Enabled", True)
    made = Row(
        ctx.account, ctx.region, KIND, uid, "Creating", doc,
        {"tags": tagging.checked(request.get("Tags") or {}), "enabled": enabled},
    )  # fmt: skip

    def check(reader: Any) -> None:
        for other in reader.select(KIND, account=ctx.account):
            if _same(other.doc, doc):
                raise faults.conflict(
                    f'The event source arn (" {queue} ") and function (" {of.name} ") provided'
                    " mapping already exists. Please update or delete the existing mapping with UUID"
                    f" {other.name}"
                )

    stored = ctx.world.rows.insert(made, check)
    ctx.world.mappings_changed()
    return shown(stored)


def _same(one: Doc, other: Doc) -> bool:
    return all(one[name] == other[name] for name in ("EventSourceArn", "FunctionArn"))


def _queue(request: Doc) -> Arn:
    """The queue's ARN; raises InvalidParameterValueException for another source."""
    arn = Arn.parse(request.get("EventSourceArn") or "")
    if arn is None:
        if request.get("SelfManagedEventSource"):
            raise faults.unsupported("event sources other than SQS queues (SelfManagedEventSource)")
        raise faults.invalid("Unrecognized event source.")
    if arn.service != "sqs":
        raise faults.unsupported(f"event sources other than SQS queues ({arn.service})")
    if given := [name for name in STREAMS if request.get(name)]:
        raise faults.invalid(f"{given[0]} is not valid for SQS event sources.")
    return arn


def _check(ctx: Ctx, function: Row, queue: Arn, doc: Doc) -> None:
    """Returns where the mapping can work; raises InvalidParameterValueException."""
    fifo, window = queue.resource.endswith(".fifo"), doc["MaximumBatchingWindowInSeconds"]
    most = LARGEST_FIFO if fifo else LARGEST_BATCH
    if doc["BatchSize"] > most:
        raise faults.invalid(
            f"Batch size {doc['BatchSize']} is too large: the largest of this event source is {most}."
        )
    if fifo and window:
        raise faults.invalid("Batching window is not supported for FIFO queues")
    if doc["BatchSize"] > BATCH and not window:
        raise faults.invalid(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater"
            " than 10"
        )
    for each in (doc.get("FilterCriteria") or {}).get("Filters") or ():
        try:
            filters.parse(each.get("Pattern") or "")
        except filters.Unusable as error:
            raise faults.invalid("Invalid filter pattern definition.") from error
    role = function.doc["Role"]
    for name in READS:
        if not sending.may(ctx, role, f"sqs:{name}", str(queue)):
            raise faults.invalid(
                f"The provided execution role does not have permissions to call {name} on SQS"
            )
    _check_timeout(ctx, function, queue)


def _check_timeout(ctx: Ctx, function: Row, queue: Arn) -> None:
    as_role = ctx.world.service_ctx(function.doc["Role"], region=queue.region)
    try:
        given = as_role.call(
            "sqs", "GetQueueAttributes",
            {"QueueUrl": url(queue), "AttributeNames": ["VisibilityTimeout"]},
        )  # fmt: skip
    except AwsError as error:
        raise faults.invalid(
            "Error occurred while ReceiveMessage. SQS Error Code:"
            " AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not"
            " exist."
            if "Exist" in error.code
            else f"Error occurred while ReceiveMessage. SQS Error Code: {error.code}. SQS Error"
            f" Message: {error.message}"
        ) from error
    visible = int(given["Attributes"]["VisibilityTimeout"])
    if visible < function.doc["Timeout"]:
        raise faults.invalid(
            f"Queue visibility timeout: {visible} seconds is less than Function timeout:"
            f" {function.doc['Timeout']} seconds"
        )


def url(queue: Arn) -> str:
    """A URL of the queue, for calls within this server."""
    return f"https://sqs.{queue.region}.amazonaws.com/{queue.account}/{queue.resource}"


def shown(row: Row) -> Doc:
    """The mapping as operations answer it."""
    return {**row.doc, "State": row.status, "LastModified": moment(row.updated)}


def find_mapping(ctx: Ctx, uid: str) -> Row:
    """The mapping; raises ResourceNotFoundException (404)."""
    row = ctx.world.rows.get(ctx.account, ctx.region, KIND, uid)
    if row is None:
        raise faults.missing("The resource you requested does not exist.")
    return row


def get_event_source_mapping(ctx: Ctx, request: Doc) -> Doc:
    """The mapping. Raises ResourceNotFoundException."""
    return shown(find_mapping(ctx, request["UUID"]))


def list_event_source_mappings(ctx: Ctx, request: Doc) -> Doc:
    """A page of the mappings, of a function or a source where the request names one."""
    wanted = rows.reference(ctx, request) if request.get("FunctionName") else None
    source = request.get("EventSourceArn")
    found = [
        shown(row)
        for row in ctx.world.rows.select(KIND, account=ctx.account)
        if row.region == ctx.region
        and source in (None, row.doc["EventSourceArn"])
        and (wanted is None or _of(row, wanted))
    ]
    return lists.page(found, "EventSourceMappings", request, PAGE)


def _of(row: Row, wanted: FunctionReference) -> bool:
    arn = row.doc["FunctionArn"]
    if wanted.qualifier and wanted.qualifier != LATEST:
        return arn == wanted.qualified
    return arn in (wanted.arn, f"{wanted.arn}:{LATEST}")


def update_event_source_mapping(ctx: Ctx, request: Doc) -> Doc:
    """The mapping has what the request sets. Raises as creating one does, and ResourceInUseException
    while it is being made or deleted."""
    row = find_mapping(ctx, request["UUID"])
    if row.status not in ("Enabled", "Disabled"):
        raise AwsError(
            "ResourceInUseException",
            "Cannot update the event source mapping because it is in use.",
            Type="User",
        )
    if given := [name for name in STREAMS if request.get(name)]:
        raise faults.invalid(f"{given[0]} is not valid for SQS event sources.")
    changes: Doc = {name: request[name] for name in SET if request.get(name) is not None}
    if request.get("FunctionName"):
        of = rows.reference(ctx, request)
        if rows.get(ctx.world.rows, of) is None:
            raise faults.invalid("Function does not exist")
        changes["FunctionArn"] = of.qualified
    doc = {**row.doc, **changes}
    named = rows.reference(ctx, {"FunctionName": doc["FunctionArn"]})
    queue = Arn.parse(doc["EventSourceArn"])
    assert queue is not None
    _check(ctx, rows.function(ctx.world, named), queue, doc)

    def change(now: Row) -> Row:
        enabled = request.get("Enabled")
        plan = {} if enabled is None else {"enabled": enabled}
        return replace(rows.with_plan(now, **plan), doc={**now.doc, **changes}, status="Updating")

    changed = ctx.world.rows.update(row.id, change)
    if changed is None:
        raise faults.missing("The resource you requested does not exist.")
    ctx.world.mappings_changed()
    return shown(changed)


def delete_event_source_mapping(ctx: Ctx, request: Doc) -> Doc:
    """The mapping goes; what it has in flight ends by itself."""
    row = find_mapping(ctx, request["UUID"])
    ctx.world.rows.delete(row.id)
    ctx.world.mappings_changed()
    return {**shown(row), "State": "Deleting"}


def enabled(row: Row) -> bool:
    """Whether messages are to be read."""
    return plan_of(row).get("enabled", True)
