"""Create, Describe, List, Delete and StopTraining of both kinds of custom models, made from one table.

Source: Amazon Comprehend API reference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sagebrush.engine.kinds import Kind
from sagebrush.errors import Doc
from sagebrush.services.comprehend import arns, policies, requests, roles, tags, work
from sagebrush.services.comprehend.training import (
    checks,
    facts,
    life,
    listing,
    program,
    storing,
    uses,
)
from sagebrush.services.comprehend.training.families import (
    DELETING,
    FAMILIES,
    TRAINING,
    Family,
    output,
)
from sagebrush.services.comprehend.training.plan import Plan, plan_of
from sagebrush.store.rows import Row
from sagebrush.world import Ctx, Operation

SHOWN = (
    "InputDataConfig", "DataAccessRoleArn", "LanguageCode", "VolumeKmsKeyId", "VpcConfig",
    "ModelKmsKeyId",
)  # fmt: skip
"""Members of a request that a description has too, of both kinds."""
URLS = dict.fromkeys(("Model", "Metadata"), "x" * 1280)
"""In place of the URLs that a program is told: longer than those are."""


def _kind(running: facts.Model) -> Kind:
    """The kind; AWS's words for its verbs are this module's, not those of SageMaker's kinds."""
    return Kind(
        running.kind,
        running.noun,
        running=running,
        reconcile=life.reconcile,
        fail=life.fail,
    )


CLASSIFIER = _kind(facts.CLASSIFIER)
RECOGNIZER = _kind(facts.RECOGNIZER)


def _create(family: Family, ctx: Ctx, request: Doc) -> Doc:
    """The model is SUBMITTED; so it is where the same request was sent with that token before.

    Raises InvalidRequestException, UnsupportedLanguageException, KmsKeyValidationException,
    TooManyTagsException, ResourceLimitExceededException for more models in training than there may be,
    and ResourceInUseException for a name that is taken, or a token that is another request's.
    """
    request = checks.defaults(family, request)
    row = _drafted(ctx, family, request)
    before = ctx.world.rows.get(row.account, row.region, row.kind, row.name)
    if before is not None and storing.same(row, before):
        return {family.arn_member: arns.of(before)}
    checks.check(family, request)
    if len(work.packed({**program.described(row), **URLS})) > work.ARGUMENTS:
        requests.refuse("InputDataConfig is too long: its S3 URIs and names are too many.")
    if before is not None:
        raise storing.taken(family)
    roles.require(ctx, request["DataAccessRoleArn"], arns.of(row))
    return {family.arn_member: arns.of(storing.insert(ctx, family, row))}


def _drafted(ctx: Ctx, family: Family, request: Doc) -> Row:
    """The row of the model that the request asks for."""
    plan: Plan = {"tags": tags.of_request(request), "request": requests.digest(request)}
    if "ClientRequestToken" in request:
        plan["token"] = request["ClientRequestToken"]
    if "ModelPolicy" in request:
        plan["policy"] = policies.made(request["ModelPolicy"], ctx.world.clock())
    doc: Doc = {name: request[name] for name in (*SHOWN, *family.members) if name in request}
    names = request[family.name_member], request.get("VersionName")
    row = storing.draft(ctx, family, names, doc, plan)
    where = row.doc.get("OutputDataConfig", {})
    if "S3Uri" in where:
        place = output(where["S3Uri"], ctx.account, family, plan_of(row).get("id", ""))
        row = replace(row, doc={**row.doc, "OutputDataConfig": {**where, "S3Uri": place}})
    return row


def _row(ctx: Ctx, family: Family, request: Doc) -> Row:
    """The model of the request's ARN. Raises ResourceNotFoundException."""
    row = arns.require(ctx, request[family.arn_member])
    if row.kind != family.kind:
        raise arns.missing()
    return row


def _described(row: Row) -> Doc:
    return {**row.doc, "Status": row.status}


def _describe(family: Family, ctx: Ctx, request: Doc) -> Doc:
    """The model; while it waits, its Message says what for. Raises ResourceNotFoundException."""
    row = _row(ctx, family, request)
    found = _described(row)
    if row.status == "SUBMITTED" and (words := life.waiting(ctx.world, row)):
        found["Message"] = words
    return {family.properties: found}


def _list(family: Family, ctx: Ctx, request: Doc) -> Doc:
    """A page of models. Raises InvalidFilterException and InvalidRequestException."""
    rows, token = listing.page(ctx, family, request)
    answer: Doc = {f"{family.properties}List": [_described(row) for row in rows]}
    return {**answer, "NextToken": token} if token else answer


def _summaries(family: Family, ctx: Ctx, request: Doc) -> Doc:
    """A page of the models' names, each with its latest version. Raises InvalidRequestException."""
    found, token = listing.names(ctx, family, request)
    answer: Doc = {f"{family.noun}SummariesList": found}
    return {**answer, "NextToken": token} if token else answer


def _delete(family: Family, ctx: Ctx, request: Doc) -> Doc:
    """The model is DELETING, and soon gone.

    Raises ResourceNotFoundException, ResourceUnavailableException for one that is in training, and
    ResourceInUseException for one that is used.
    """

    def change(found: Row) -> Row | None:
        if found.status in TRAINING:
            words = f"The {family.label} cannot be deleted: it is in status {found.status}."
            raise requests.unavailable(words)
        if found.status == DELETING:
            return None
        return replace(found, status=DELETING, due_at=ctx.world.clock())

    row = _row(ctx, family, request)
    if ctx.world.rows.update(row.id, change, lambda rows: uses.refuse(row, rows)) is None:
        raise arns.missing()
    ctx.world.wake()
    return {}


def _stop(family: Family, ctx: Ctx, request: Doc) -> Doc:
    """The training is STOP_REQUESTED; a model whose training has ended stays as it is, as Terraform's provider
    for AWS relies on, which stops a model before it deletes it. Raises ResourceNotFoundException."""

    def change(found: Row) -> Row | None:
        if found.status not in ("SUBMITTED", "TRAINING"):
            return None
        due = ctx.world.clock() + (0.0 if plan_of(found).get("started") else work.NOTICE)
        return replace(found, status="STOP_REQUESTED", due_at=due)

    if ctx.world.rows.update(_row(ctx, family, request).id, change) is None:
        raise arns.missing()
    ctx.world.wake()
    return {}


def _made(verb: Callable[[Family, Ctx, Doc], Doc], family: Family) -> Operation:
    """The verb as an operation of the family."""

    def operation(ctx: Ctx, request: Doc) -> Doc:
        return verb(family, ctx, request)

    operation.__doc__ = verb.__doc__
    return operation


def _operations() -> dict[str, Operation]:
    table: dict[str, Operation] = {}
    for family in FAMILIES.values():
        table[f"Create{family.noun}"] = _made(_create, family)
        table[f"Describe{family.noun}"] = _made(_describe, family)
        table[f"List{family.noun}s"] = _made(_list, family)
        table[f"List{family.noun}Summaries"] = _made(_summaries, family)
        table[f"Delete{family.noun}"] = _made(_delete, family)
        table[f"StopTraining{family.noun}"] = _made(_stop, family)
    return table


OPERATIONS = _operations()
"""AWS's name of each operation -> the function (`registry.collect`)."""
