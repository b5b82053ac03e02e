"""Lifecycle configurations of notebook instances: scripts that run when one is created or started."""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace

from sagebrush.engine import kinds
from sagebrush.engine.kinds import Kind, moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.sagemaker.notebook import repositories
from sagebrush.store.rows import Row
from sagebrush.world import Ctx

KIND = Kind(
    name="notebook-instance-lifecycle-config",
    noun="NotebookInstanceLifecycleConfig",
    missing="Unable to describe Notebook Instance Lifecycle Config '{arn}'. (Details: Notebook"
    " Instance Lifecycle Config does not exist.)",
    exists="Unable to create Notebook Instance Lifecycle Config {arn}. (Details: Notebook Instance"
    " Lifecycle Config already exists.)",
    has_status=False,
    running=None,
)
HOOKS = ("OnCreate", "OnStart")
INSTANCES = "notebook-instance"


def create_notebook_instance_lifecycle_config(ctx: Ctx, request: Doc) -> Doc:
    """The configuration exists. Raises ValidationException for scripts that are not base64."""
    _check(request)
    row = kinds.create(ctx, KIND, request)
    return {"NotebookInstanceLifecycleConfigArn": row.doc["NotebookInstanceLifecycleConfigArn"]}


def describe_notebook_instance_lifecycle_config(ctx: Ctx, request: Doc) -> Doc:
    """The configuration as it was last written."""
    return kinds.describe(KIND, kinds.find(ctx, KIND, request[KIND.id_member]))


def list_notebook_instance_lifecycle_configs(ctx: Ctx, request: Doc) -> Doc:
    """A page of the configurations, newest first unless asked otherwise."""
    return repositories.page(ctx, KIND, request, "CreationTime")


def update_notebook_instance_lifecycle_config(ctx: Ctx, request: Doc) -> Doc:
    """The scripts that the request holds are the ones that run from the next start on."""
    row = _find(ctx, request, "update")
    _check(request)

    def change(row: Row) -> Row:
        scripts = {hook: request[hook] for hook in HOOKS if hook in request}
        return replace(
            row, doc={**row.doc, **scripts, "LastModifiedTime": moment(ctx.world.clock())}
        )

    ctx.world.rows.update(row.id, change)
    return {}


def delete_notebook_instance_lifecycle_config(ctx: Ctx, request: Doc) -> None:
    """The configuration is gone. Raises ValidationException while an instance has it."""
    row = _find(ctx, request, "delete")
    holders = [
        each.name
        for each in ctx.world.rows.select(INSTANCES)
        if (each.account, each.region) == (ctx.account, ctx.region)
        and each.doc.get("NotebookInstanceLifecycleConfigName") == row.name
    ]
    if holders:
        raise AwsError(
            "ValidationException",
            f"Unable to delete Notebook Instance Lifecycle Config '{KIND.arn(ctx, row.name)}'."
            f" (Details: Notebook Instance Lifecycle Config is in use by {', '.join(holders)}.)",
        )
    ctx.world.rows.delete(row.id)


def script(row: Row, hook: str) -> str:
    """The text of the hook's script, "" when it has none."""
    found = row.doc.get(hook) or []
    return decoded(found[0].get("Content", "")) if found else ""


def decoded(content: str) -> str:
    """The script that `content` holds; raises ValueError when it is not base64."""
    return base64.b64decode("".join(content.split()), validate=True).decode(errors="replace")


def _find(ctx: Ctx, request: Doc, verb: str) -> Row:
    try:
        return kinds.find(ctx, KIND, request[KIND.id_member])
    except AwsError as error:
        message = error.message.replace("describe", verb, 1)
        raise AwsError(error.code, message) from error


def _check(request: Doc) -> None:
    for hook in HOOKS:
        for each in request.get(hook, ()):
            try:
                decoded(each.get("Content", ""))
            except (ValueError, binascii.Error) as error:
                raise AwsError(
                    "ValidationException",
                    f"{hook}: the content of a lifecycle script must be base64-encoded ({error})",
                ) from error
