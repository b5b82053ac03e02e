"""The model that a request names (TargetModel): its files, downloaded as the model's role.

Source: SageMaker guide, "Invoke a Multi-Model Endpoint".
"""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress

from sagebrush.compute import trees
from sagebrush.errors import AwsError
from sagebrush.net.http_client import Unreachable
from sagebrush.routing.multimodel.hosted import Hosted, NoSpace
from sagebrush.routing.multimodel.passage import Target
from sagebrush.workload import archive, dirfd, stage
from sagebrush.world import Ctx, World

RESERVE = 1 << 30
"""Bytes of disk that a model leaves free."""


class ModelFiles:
    """The models of replicas as directories below their own (`routing.multimodel.hosted.Files`)."""

    def __init__(self, world: World, account: str, region: str) -> None:
        self._world = world
        self._account = account
        self._region = region

    def fetch(self, key: str, hosted: Hosted, target: str, name: str) -> None:
        """The model's archive is unpacked at `models/NAME/model` of the replica's /opt/ml.

        Raises AwsError in AWS's words for one that cannot be read or is no archive, NoSpace, and Unreachable where the replica is gone.
        """
        execution = self._world.settings.role
        role = hosted.role or f"arn:aws:iam::{self._account}:role/{execution}"
        ctx = self._world.service_ctx(role, self._region)
        where = {"Bucket": hosted.bucket, "Key": hosted.key(target)}
        try:
            blob = ctx.call("s3", "GetObject", where)["Body"]
        except AwsError as error:
            raise AwsError(
                "ValidationError",
                f"Failed to download model data(bucket: {where['Bucket']}, key: {where['Key']})."
                " Please ensure that there is an object located at the URL and that the role passed"
                " to CreateModel has permissions to download the model.",
            ) from error
        root = self._world.settings.home / "jobs" / key / "ml"
        try:
            free = shutil.disk_usage(root).free - RESERVE
        except OSError as error:
            raise Unreachable(f"the instance of model {target} has ended") from error
        if free <= 0:
            raise NoSpace(f"No disk space is left for model {target}.")
        self.remove(key, name)
        try:
            with dirfd.opened(root) as ml:
                uid = os.fstat(ml).st_uid  # the job's own; the server's umask hides what it makes
                with dirfd.directory(ml, ("models",), make=True) as models:
                    os.fchmod(models, 0o755)
                with dirfd.directory(ml, ("models", name), make=True) as own:
                    with dirfd.directory(own, ("model",), make=True) as model:
                        archive.unpack(
                            blob,
                            model,
                            archive.Caps(size=min(archive.Caps.size, free)),
                            tops=(f"/opt/ml/models/{name}/model",),
                        )
                    if uid != os.geteuid():
                        trees.give(own, uid)
        except archive.ArchiveError as error:
            raise AwsError(
                "ValidationError",
                f'Failed to extract model data archive from URL "s3://{where["Bucket"]}/{where["Key"]}".'
                f" Please ensure that the object located at the URL is a valid tar.gz archive."
                f" ({error})",
            ) from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise NoSpace(f"No disk space is left for model {target}.") from error
            raise AwsError(
                "ModelError", f"Model data of {target} could not be stored: {error.strerror}", 424
            ) from error

    def remove(self, key: str, name: str) -> None:
        """The model's files are gone."""
        with suppress(OSError):
            stage.remove_inside(self._world.settings.home / "jobs" / key / "ml", ("models", name))


def of(ctx: Ctx, endpoint: str, model: str) -> Target:
    """The target of a request. Raises ValidationError for what names no object below a prefix."""
    if any(part in (".", "..") for part in model.split("/")) or not model.strip("/"):
        raise AwsError("ValidationError", f"TargetModel {model} is not a path below the prefix.")
    world, name = ctx.world, (ctx.account, ctx.region, endpoint)
    files = ModelFiles(world, ctx.account, ctx.region)
    return Target(name, model, world.forward.models, files, world.tallies)
