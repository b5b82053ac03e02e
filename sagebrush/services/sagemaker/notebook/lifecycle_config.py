"""Lifecycle configurations of notebook instances: scripts that run when one is created or
started."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from sagebrush.engine import kinds
from sagebrush.engine.kinds import Kind, moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.sagemaker.notebook import repositories
from sagebrush.store.rows import Reader, Row
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
    """The request's scripts replace the configuration's; instances run them from their next start
    on."""
    _check(request)

    def change(row: Row) -> Row:
        scripts = {hook: request[hook] for hook in HOOKS if hook in request}
        return replace(
            row, doc={**row.doc, **scripts, "LastModifiedTime": moment(ctx.world.clock())}
        )

    with _missing_to("update"):
        kinds.update(ctx, KIND, request[KIND.id_member], change)
    return {}


def delete_notebook_instance_lifecycle_config(ctx: Ctx, request: Doc) -> None:
    """The configuration is deleted. Raises ValidationException while an instance uses it."""

    def unused(row: Row, rows: Reader) -> None:
        holders = [
            each.name
            for each in rows.select(INSTANCES)
            if (each.account, each.region) == (ctx.account, ctx.region)
            and each.doc.get("NotebookInstanceLifecycleConfigName") == row.name
        ]
        if holders:
            raise AwsError(
                "ValidationException",
                f"Unable to delete Notebook Instance Lifecycle Config '{KIND.arn(ctx, row.name)}'."
                f" (Details: Notebook Instance Lifecycle Config is in use by {', '.join(holders)}.)",
            )

    with _missing_to("delete"):
        kinds.delete(ctx, KIND, request[KIND.id_member], unused)


def check_there(ctx: Ctx, name: str | None, rows: Reader) -> None:
    """Raises ValidationException where no configuration has that name."""
    if name and rows.get(ctx.account, ctx.region, KIND.name, name) is None:
        raise AwsError(KIND.missing_code, KIND.say(KIND.missing, ctx, name))


def script(row: Row, hook: str) -> str:
    """The hook's script in base64, "" when it has none."""
    found = row.doc.get(hook) or []
    return "".join(found[0].get("Content", "").split()) if found else ""


@contextmanager
def _missing_to(verb: str) -> Iterator[None]:
    """A not-found error says that it was to `verb` the configuration."""
    try:
        yield
    except AwsError as error:
        message = error.message.replace("Unable to describe", f"Unable to {verb}", 1)
        raise AwsError(error.code, message) from error


def _check(request: Doc) -> None:
    for hook in HOOKS:
        for each in request.get(hook, ()):
            try:
                base64.b64decode("".join(each.get("Content", "").split()), validate=True)
            except (ValueError, binascii.Error) as error:
                raise AwsError(
                    "ValidationException",
                    f"{hook}: the content of a lifecycle script must be base64-encoded ({error})",
                ) from error
