"""Code repositories: Git repositories by name, which notebook instances clone."""

from __future__ import annotations

from dataclasses import replace

from sagebrush.engine import kinds
from sagebrush.engine.kinds import moment
from sagebrush.errors import Doc
from sagebrush.services.sagemaker.notebook import repositories
from sagebrush.services.sagemaker.notebook.repositories import KIND
from sagebrush.store.rows import Row
from sagebrush.world import Ctx


def create_code_repository(ctx: Ctx, request: Doc) -> Doc:
    """The repository is registered under its name. Raises ValidationException."""
    config = request["GitConfig"]
    repositories.require_no_secret(config)
    kinds.check_new(ctx, KIND, request)
    repositories.check(ctx, config["RepositoryUrl"])
    row = kinds.create(ctx, KIND, request)
    return {"CodeRepositoryArn": row.doc["CodeRepositoryArn"]}


def describe_code_repository(ctx: Ctx, request: Doc) -> Doc:
    """The repository as it was created."""
    return kinds.describe(KIND, kinds.find(ctx, KIND, request["CodeRepositoryName"]))


def list_code_repositories(ctx: Ctx, request: Doc) -> Doc:
    """A page of the repositories, by name unless asked otherwise."""
    return repositories.page(ctx, KIND, request, "Name")


def update_code_repository(ctx: Ctx, request: Doc) -> Doc:
    """The repository's LastModifiedTime is now. Its secret is all that could be updated; raises
    ValidationException for one."""
    repositories.require_no_secret(request.get("GitConfig", {}))
    row = kinds.find(ctx, KIND, request["CodeRepositoryName"])

    def change(row: Row) -> Row:
        return replace(row, doc={**row.doc, "LastModifiedTime": moment(ctx.world.clock())})

    row = kinds.update(ctx, KIND, request["CodeRepositoryName"], change)
    return {"CodeRepositoryArn": row.doc["CodeRepositoryArn"]}


def delete_code_repository(ctx: Ctx, request: Doc) -> None:
    """The repository is no longer registered; clones that instances made of it stay."""
    kinds.delete(ctx, KIND, request["CodeRepositoryName"])
