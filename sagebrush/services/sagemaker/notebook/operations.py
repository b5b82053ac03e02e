"""Notebook instances: create, describe, list, start, stop, update, delete, presign. Their life:
`life`."""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

from sagebrush.access import principals
from sagebrush.aws.names import short_id
from sagebrush.engine import kinds
from sagebrush.engine.kinds import Kind, moment
from sagebrush.errors import AwsError, Doc
from sagebrush.routing import notebooks
from sagebrush.scheduler import quotas
from sagebrush.scheduler.instances import instance
from sagebrush.services.sagemaker import roles
from sagebrush.services.sagemaker.notebook import life, lifecycle_config, repositories
from sagebrush.services.sagemaker.notebook.facts import NOTEBOOK_INSTANCE
from sagebrush.services.sagemaker.notebook.plan import begin, plan_of
from sagebrush.store.rows import Check, Reader, Row
from sagebrush.world import Ctx

KIND = Kind(
    NOTEBOOK_INSTANCE.kind,
    NOTEBOOK_INSTANCE.noun,
    running=NOTEBOOK_INSTANCE,
    missing="RecordNotFound",
    exists="Cannot create a duplicate Notebook Instance ({arn})",
    summary=(
        "InstanceType",
        "NotebookInstanceLifecycleConfigName",
        "DefaultCodeRepository",
        "AdditionalCodeRepositories",
    ),
    reconcile=life.reconcile,
    fail=life.fail,
)
DEFAULTS: Doc = {
    "DirectInternetAccess": "Enabled",
    "RootAccess": "Enabled",
    "VolumeSizeInGB": 5,
    "PlatformIdentifier": "notebook-al2023-v1",
    "IpAddressType": "ipv4",
    "InstanceMetadataServiceConfiguration": {"MinimumInstanceMetadataServiceVersion": "1"},
}
RENAMED = {
    "LifecycleConfigName": "NotebookInstanceLifecycleConfigName",
    "SecurityGroupIds": "SecurityGroups",
}
"""Members of requests -> their names in descriptions."""
DISASSOCIATED = {
    "DisassociateLifecycleConfig": "LifecycleConfigName",
    "DisassociateDefaultCodeRepository": "DefaultCodeRepository",
    "DisassociateAdditionalCodeRepositories": "AdditionalCodeRepositories",
    "DisassociateAcceleratorTypes": "AcceleratorTypes",
}
"""Members of UpdateNotebookInstance that remove a member -> the member that is removed."""
RESTING = ("Stopped", "Failed")
USE = "notebook instance"
"""The usage in the names of AWS's quotas."""
SESSION = 43200
"""Seconds of a browser's session where the request does not say (AWS: 12 hours)."""
ALPHABET = string.ascii_lowercase + string.digits
PLACES = 6
"""Characters of an instance's id."""


def create_notebook_instance(ctx: Ctx, request: Doc) -> Doc:
    """The instance exists, Pending. Raises ValidationException or ResourceLimitExceeded."""
    _check_type(request)
    if request.get("DirectInternetAccess") == "Disabled" and not request.get("SubnetId"):
        raise AwsError(
            "ValidationException",
            "DirectInternetAccess can be Disabled only where SubnetId is given.",
        )
    if request.get("SecurityGroupIds") and not request.get("SubnetId"):
        raise AwsError("ValidationException", "SecurityGroupIds cannot be given without SubnetId.")
    kinds.check_new(ctx, KIND, request)
    _check_named(ctx, request)
    _check_folders(ctx, request["NotebookInstanceName"])
    quotas.refuse(ctx, [request["InstanceType"]], USE)
    started = {k: v for k, v in begin(short_id()).items() if v is not None}
    plan = {**started, "id": _new_id(ctx), "tokens": {}}

    def check(rows: Reader) -> None:
        lifecycle_config.check_there(ctx, request.get("LifecycleConfigName"), rows)
        quotas.check_quota(ctx, [request["InstanceType"]], USE, rows)

    asked = {**DEFAULTS, **_renamed(request)}
    row = kinds.insert(ctx, KIND, kinds.draft(ctx, KIND, asked, "Pending", plan=plan), check)
    return {"NotebookInstanceArn": row.doc["NotebookInstanceArn"]}


def describe_notebook_instance(ctx: Ctx, request: Doc) -> Doc:
    """The instance's document. `Url` is its host name, without a scheme as AWS's."""
    row = kinds.find(ctx, KIND, request["NotebookInstanceName"])
    return {**kinds.describe(KIND, row), "Url": _host(ctx, row)}


def list_notebook_instances(ctx: Ctx, request: Doc) -> Doc:
    """A page of the instances, by name unless asked otherwise.

    Filters that the rows cannot evaluate are applied to pages of rows until one page is full.
    """
    request = repositories.listed(request, "Name")
    size, found, token = request.get("MaxResults", 10), [], request.get("NextToken")
    step = 1 if any(member in request for member in FILTERS) else size
    while True:
        asked = {**request, "MaxResults": step, **({"NextToken": token} if token else {})}
        page = kinds.list_page(ctx, KIND, asked)
        found += [each for each in page["NotebookInstances"] if _passes(each, request)]
        token = page.get("NextToken")
        if not token or len(found) >= size:
            break
    for each in found:
        row = ctx.world.rows.get(ctx.account, ctx.region, KIND.name, each["NotebookInstanceName"])
        if row is not None:
            each["Url"] = _host(ctx, row)
    return {"NotebookInstances": found, **({"NextToken": token} if token else {})}


def start_notebook_instance(ctx: Ctx, request: Doc) -> None:
    """The instance is Pending: a new start, on its existing volume.

    Raises ValidationException or ResourceLimitExceeded.
    """
    key = short_id()
    row = kinds.find(ctx, KIND, request["NotebookInstanceName"])
    _require(ctx, row, RESTING, "Pending")
    types = [row.doc["InstanceType"]]
    quotas.refuse(ctx, types, USE)

    def change(row: Row) -> Row:
        _require(ctx, row, RESTING, "Pending")
        return _entered(ctx, row, "Pending", {}, dict(begin(key)))

    _changed(ctx, request, change, lambda rows: quotas.check_quota(ctx, types, USE, rows))


def stop_notebook_instance(ctx: Ctx, request: Doc) -> None:
    """The instance is Stopping; its volume stays. Raises ValidationException.

    One that waits for memory or an environment is stopped too; AWS's would fail by itself instead.
    """

    def change(row: Row) -> Row:
        waits = row.status == "Pending" and bool(plan_of(row).get("waiting"))
        _require(ctx, row, ("InService", *(["Pending"] if waits else [])), "Stopping")
        return _entered(ctx, row, "Stopping", {}, {})

    _changed(ctx, request, change)


def update_notebook_instance(ctx: Ctx, request: Doc) -> Doc:
    """The instance is Updating, then Stopped; changes apply from its next start on.

    Raises ValidationException.
    """
    for flag, member in DISASSOCIATED.items():
        if request.get(flag) and request.get(member):
            raise AwsError("ValidationException", f"{flag} and {member} cannot be given together.")
    _check_type(request)
    row = kinds.find(ctx, KIND, request["NotebookInstanceName"])
    _check_named(ctx, request)
    _require(ctx, row, RESTING, "Updating")
    changes = {k: v for k, v in _renamed(request).items() if k not in DISASSOCIATED}
    gone = {RENAMED.get(m, m): None for flag, m in DISASSOCIATED.items() if request.get(flag)}
    repositories.check_apart(ctx, {**row.doc, **changes, **gone})

    def change(row: Row) -> Row:
        _require(ctx, row, RESTING, "Updating")
        size = request.get("VolumeSizeInGB", row.doc["VolumeSizeInGB"])
        if size < row.doc["VolumeSizeInGB"]:
            raise AwsError(
                "ValidationException",
                f"Volume size can only be increased: it is {row.doc['VolumeSizeInGB']} GB, and"
                f" {size} GB was asked for.",
            )
        return _entered(ctx, row, "Updating", {**changes, **gone}, {})

    def check(rows: Reader) -> None:
        lifecycle_config.check_there(ctx, request.get("LifecycleConfigName"), rows)

    _changed(ctx, request, change, check)
    return {}


def delete_notebook_instance(ctx: Ctx, request: Doc) -> None:
    """The instance is Deleting, and its volume is deleted with it. Raises ValidationException."""

    def change(row: Row) -> Row:
        _require(ctx, row, RESTING, "Deleting")
        return _entered(ctx, row, "Deleting", {}, {})

    _changed(ctx, request, change)


def create_presigned_notebook_instance_url(ctx: Ctx, request: Doc) -> Doc:
    """A link that opens the instance in a browser: valid once, for five minutes.

    Raises ValidationException where the instance is not InService.
    """

    def serves(row: Row) -> None:
        if row.status != "InService":
            raise AwsError(
                "ValidationException",
                f"Status ({row.status}) not in ([InService]). Unable to create a presigned URL for"
                f" Notebook Instance ({row.doc['NotebookInstanceArn']}).",
            )

    row = kinds.find(ctx, KIND, request["NotebookInstanceName"])
    seconds = request.get("SessionExpirationDurationInSeconds", SESSION)
    try:
        token = ctx.world.notebooks.issue(row.id, seconds, serves)
    except LookupError as error:  # deleted meanwhile
        raise AwsError(KIND.missing_code, KIND.missing) from error
    url = _url(ctx, row)
    return {"AuthorizedUrl": f"{url}?authToken={token}"}


# ---- checks


def _check_type(request: Doc) -> None:
    """Raises ValidationException where the request's instance type does not exist."""
    if "InstanceType" in request:
        try:
            instance(request["InstanceType"])
        except LookupError as error:
            raise AwsError("ValidationException", f"{error}.") from error


def _check_named(ctx: Ctx, request: Doc) -> None:
    """Raises ValidationException where something that the request names does not exist."""
    if "RoleArn" in request:
        name = request["NotebookInstanceName"]
        roles.require(ctx, request["RoleArn"], "RoleArn", KIND.name, name)
    lifecycle_config.check_there(ctx, request.get("LifecycleConfigName"), ctx.world.rows)
    repositories.check_all(ctx, request)


def _check_folders(ctx: Ctx, name: str) -> None:
    """Raises ValidationException for a name that the setting `notebook_folders` gives folders of
    this machine, where who asks for it is no administrator."""
    ours = {each.partition("=")[0] for each in ctx.world.settings.notebook_folders}
    own = ctx.account == ctx.world.settings.account
    if (
        own
        and name in ours
        and not principals.everything(*principals.powers(ctx.world, ctx.caller))
    ):
        raise AwsError(
            "ValidationException",
            f"The notebook {name} shows folders of this machine (the setting notebook_folders): only"
            " an administrator may create it.",
        )


def _require(ctx: Ctx, row: Row, statuses: tuple[str, ...], to: str) -> None:
    """Raises ValidationException, in AWS's words, unless the instance has one of `statuses`."""
    if row.status not in statuses:
        raise AwsError(
            "ValidationException",
            f"Status ({row.status}) not in ([{', '.join(statuses)}]). Unable to transition to"
            f" ({to}) for Notebook Instance ({KIND.arn(ctx, row.name)}).",
        )


FILTERS: dict[str, Callable[[Doc, str], bool]] = {
    "NotebookInstanceLifecycleConfigNameContains": lambda each, text: (
        text.lower() in each.get("NotebookInstanceLifecycleConfigName", "").lower()
    ),
    "DefaultCodeRepositoryContains": lambda each, text: (
        text.lower() in each.get("DefaultCodeRepository", "").lower()
    ),
    "AdditionalCodeRepositoryEquals": lambda each, text: (
        text in each.get("AdditionalCodeRepositories", ())
    ),
}
"""Filters of lists in addition to those that every kind has."""


def _passes(summary: Doc, request: Doc) -> bool:
    return all(test(summary, request[name]) for name, test in FILTERS.items() if name in request)


# ---- documents


def _renamed(request: Doc) -> Doc:
    return {RENAMED.get(k, k): v for k, v in request.items() if v not in ("", [])}


def _host(ctx: Ctx, row: Row) -> str:
    return urlsplit(_url(ctx, row)).netloc


def _url(ctx: Ctx, row: Row) -> str:
    return notebooks.url(ctx.world.settings, ctx.world.ports, row.name, plan_of(row)["id"])


def _new_id(ctx: Ctx) -> str:
    """Returns an id that no instance has."""
    taken = {plan_of(row)["id"] for row in ctx.world.rows.select(KIND.name)}
    while True:
        found = "".join(secrets.choice(ALPHABET) for _ in range(PLACES))
        if found not in taken:
            return found


def _entered(ctx: Ctx, row: Row, status: str, doc: Doc, plan: Doc) -> Row:
    """Returns the row in `status`, due now; members that are None are removed."""
    now = ctx.world.clock()
    merged = {**row.doc, **doc, "LastModifiedTime": moment(now)}
    if status != "Deleting":
        merged["FailureReason"] = None
    document = {k: v for k, v in merged.items() if v is not None}
    state = {k: v for k, v in {**row.plan, **plan}.items() if v is not None}
    return replace(row, status=status, doc=document, plan=state, due_at=now)


def _changed(
    ctx: Ctx, request: Doc, change: Callable[[Row], Row], check: Check | None = None
) -> None:
    kinds.update(ctx, KIND, request["NotebookInstanceName"], change, check)
    ctx.world.wake()
