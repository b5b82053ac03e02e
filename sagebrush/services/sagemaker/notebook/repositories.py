"""Git repositories of notebook instances, found by a CodeRepository's name, a URL or a local
path."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

from sagebrush.access import principals
from sagebrush.engine import kinds
from sagebrush.engine.kinds import Kind
from sagebrush.errors import AwsError, Doc
from sagebrush.store.rows import Row
from sagebrush.world import Ctx, World

KIND = Kind(
    name="code-repository",
    noun="CodeRepository",
    missing='Cannot find CodeRepository: "{arn}"',
    exists='A CodeRepository of this name already exists: "{arn}"',
    has_status=False,
    running=None,
    summary=("GitConfig",),
    list_member="CodeRepositorySummaryList",
)
NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")


@dataclass(frozen=True)
class Repository:
    """A repository to clone. `path` is its directory on this machine, None for one elsewhere."""

    url: str
    directory: str
    """The name of its clone's directory."""
    branch: str = ""
    path: Path | None = None


class Unknown(Exception):
    """The text identifies no repository; the message says why."""


def of(row: Row) -> list[str]:
    """The notebook instance's repositories as its document names them, the default one first."""
    return _named(row.doc)


def find(world: World, account: str, region: str, text: str) -> Repository:
    """The repository that `text` (a CodeRepository's name, a URL, a local path) leads to.

    Raises Unknown.
    """
    if not NAME.fullmatch(text):
        return located(world, text)
    row = world.rows.get(account, region, KIND.name, text)
    if row is None:
        ctx = world.service_ctx(region=region, account=account)
        raise Unknown(KIND.say(KIND.missing, ctx, text))
    config = row.doc["GitConfig"]
    return located(world, config["RepositoryUrl"], config.get("Branch", ""))


def located(world: World, url: str, branch: str = "") -> Repository:
    """The repository at a URL or local path. Raises Unknown for a path that holds none."""
    local = url.removeprefix("file://")
    path = _local(world, local) if local.startswith("/") else None
    directory = url.rstrip("/").rsplit("/", 1)[-1].removesuffix(".git")
    if not directory or directory in (".", "..") or directory.startswith("-"):
        raise Unknown(f"{url} does not end with the name of a repository.")
    return Repository(url, directory, branch, path)


def _local(world: World, text: str) -> Path:
    try:
        path = Path(text).resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise Unknown(f"There is no repository at {text} on this machine.") from error
    home = world.settings.home.resolve()
    if path == home or home in path.parents or path in home.parents:
        raise Unknown(f"{text} overlaps Sagebrush's own data directory.")
    if not ((path / ".git").is_dir() or all((path / n).exists() for n in ("HEAD", "objects"))):
        raise Unknown(f"{text} is not a Git repository.")
    return path


def check(ctx: Ctx, text: str) -> Repository:
    """The repository for the caller's request. Raises ValidationException.

    A local path is allowed to the owner's own key alone: otherwise the role of a job or notebook
    could read what only the owner of this machine may.
    """
    try:
        found = find(ctx.world, ctx.account, ctx.region, text)
    except Unknown as error:
        raise AwsError("ValidationException", str(error)) from error
    if found.path is not None and not principals.owns(ctx.world, ctx.caller):
        raise AwsError(
            "ValidationException",
            f"{text} is a path on this machine: only the owner's own access key may name it.",
        )
    return found


def check_all(ctx: Ctx, request: Doc) -> None:
    """Returns when every repository of the request exists and each has a directory name of its
    own."""
    for text in _named(request):
        check(ctx, text)
    check_apart(ctx, request)


def check_apart(ctx: Ctx, doc: Doc) -> None:
    """Raises ValidationException where two repositories of the document would be cloned into the
    same directory."""
    found = []
    for text in _named(doc):
        with contextlib.suppress(Unknown):  # deleted concurrently: the start reports it
            found.append(find(ctx.world, ctx.account, ctx.region, text).directory)
    twice = sorted({name for name in found if found.count(name) > 1})
    if twice:
        raise AwsError(
            "ValidationException",
            f"Two repositories would be cloned into the same directory: {', '.join(twice)}",
        )


def _named(doc: Doc) -> list[str]:
    default = doc.get("DefaultCodeRepository")
    return [*([default] if default else []), *(doc.get("AdditionalCodeRepositories") or ())]


def require_no_secret(config: Doc) -> None:
    """Raises ValidationException for credentials in a secret, which Sagebrush cannot read."""
    if config.get("SecretArn"):
        raise AwsError(
            "ValidationException",
            "Sagebrush does not support secrets of Git repositories (GitConfig.SecretArn) yet.",
        )


def listed(request: Doc, by: str) -> Doc:
    """The list request with its defaults: sorted by `by`, names ascending."""
    order = request.get("SortBy", by)
    way = request.get("SortOrder", "Ascending" if order == "Name" else "Descending")
    return {**request, "SortBy": order, "SortOrder": way}


def page(ctx: Ctx, kind: Kind, request: Doc, by: str) -> Doc:
    """A page of the kind's list, sorted by `by` unless asked otherwise."""
    return kinds.list_page(ctx, kind, listed(request, by))
