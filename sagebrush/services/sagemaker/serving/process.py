"""One container of a model being served: its files, its process, its end.

An endpoint's instance has one for each container of its model, and so has a batch transform job's.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from sagebrush.compute.base import Bind, Exited, Limits, Spec
from sagebrush.environments import standins
from sagebrush.environments.environment import Environment
from sagebrush.environments.store import BuildFailed
from sagebrush.errors import AwsError, Doc
from sagebrush.facts import Running
from sagebrush.services.sagemaker.serving import kept
from sagebrush.services.sagemaker.serving.container import Container
from sagebrush.workload import (
    archive,
    channels,
    containers,
    dirfd,
    launch,
    layers,
    log_lines,
    sources,
    stage,
)
from sagebrush.workload.launch import Unstartable
from sagebrush.world import Ctx, World

PORT = 8080
CODE = "the code"
SHARED = "model"
"""The folder in a job's directory of model files that others have too (`serving.kept`)."""


class Waiting(Exception):
    """The container cannot start yet; the text says what it waits for. Ask again after `seconds`;
    `queued`: it waits for capacity, for as long as others hold it."""

    def __init__(self, text: str, seconds: float, queued: bool = False) -> None:
        super().__init__(text)
        self.seconds = seconds
        self.queued = queued


@dataclass(frozen=True)
class Owner:
    """The resource whose container it is."""

    facts: Running
    account: str
    region: str
    role: str | None
    """The role that the model runs as; None: the owner's own execution role."""
    isolated: bool
    """Whether its containers have no network."""
    group: str
    """The log group of the resource."""


@dataclass(frozen=True)
class Process:
    """The process of one container: `key` names it and its directory, `place` is its place in the
    model, from 0; `stream` names its log."""

    world: World
    owner: Owner
    container: Container
    key: str
    place: int
    stream: str
    keep: bool = False
    """Whether its unpacked model is kept for those that come after it."""

    @property
    def root(self) -> Path:
        return self.world.settings.home / "jobs" / self.key

    @property
    def _hostname(self) -> str:
        return f"container-{self.place}.local"

    def start(self, limits: Limits, banner: str) -> None:
        """Its process is launched within `limits`; `banner` is the log's first line. Repeatable.
        Raises Waiting and Unstartable."""
        if self.container.get("container"):
            self._start_image(limits, banner)
            return
        try:
            environment = self.world.environments.ready(self.container["environment"])
        except BuildFailed as error:
            raise Unstartable(f"The environment could not be built: {error}") from error
        if environment is None:
            raise Waiting(
                f"preparing the environment {self.container['environment']} (once on this machine)",
                1.0,
            )
        if not (self.root / "ml").is_dir():
            self._stage()
        self._layer(environment)
        here = launch.place(self.world, self.root)
        spec = Spec(
            key=self.key,
            argv=(launch.python(environment, here), f"{here.toolkit}/serving/serve.py"),
            env=self._environment(environment, here, limits),
            root=self.root,
            role=self.owner.role or "",
            region=self.owner.region,
            binds=(*launch.binds(self.world, environment), *self._shared()),
            cwd=here.ml,
            hostname=self._hostname,
            limits=replace(limits, spare=True),  # a worker that leaks ends, and is replaced
            listeners=launch.listeners(self.owner.isolated),
            port=PORT,
            log_limit=self.world.settings.log_limit,
            banner=launch.banner(
                self.container["image"], environment, banner, self.container.get("asked")
            ),
        )
        self.world.backend.launch(layers.over(self.world, environment, self.root, spec))
        self._register()

    def _start_image(self, limits: Limits, banner: str) -> None:
        """Its process is launched as a container: no environment stands for its image."""
        if not (self.root / "ml").is_dir():
            self._stage()
        doc: Doc = {
            "container": self.container["container"],
            "env": {**self.container["env"], **self._multi()},
            "role": self.owner.role,
            "isolated": self.owner.isolated,
        }
        where, size = (self.key, self.root, self.owner.region), (limits, banner)
        spec = containers.job(self.world, self.owner.facts, doc, where, size)
        self.world.backend.launch(replace(spec, port=PORT, hostname=self._hostname))
        self._register()

    def _register(self) -> None:
        """Its log is a stream of the resource's group."""
        owner = self.owner
        self.world.streams.register(owner.account, owner.region, owner.group, self.stream, self.key)

    def _layer(self, environment: Environment) -> None:
        """The requirements.txt of the inference code is installed, or its installation has failed.
        Raises Waiting."""
        if not layers.asked(self.root):
            isolated = self.owner.isolated or bool(self.container.get("algorithm"))
            model = self.root / SHARED if self._shared() else None
            layers.ask_serving(self.world, self.container["env"], isolated, (self.root, model))
        if message := layers.pending(self.world, environment.name, self.root):
            raise Waiting(message, layers.LOOK)

    def _environment(
        self, environment: Environment, here: launch.Place, limits: Limits
    ) -> dict[str, str]:
        size = {"SM_NUM_CPUS": str(max(1, int(limits.cpu))), "SAGEBRUSH_MEMORY": str(limits.memory)}
        given = {**size, **self.container["env"]}
        env = launch.variables(
            self.world, environment, here, limits, self.owner.region, self.owner.isolated, given
        )
        env |= launch.carried(self.container.get("algorithm"), self.container.get("framework"))
        if not here.sandbox:
            env["SAGEBRUSH_BIND_HOST"] = "127.0.0.1"  # the host's own network
        return {**env, **self._multi()}

    def _multi(self) -> dict[str, str]:
        """The variable by which AWS tells a container that it is to host many models."""
        return {"SAGEMAKER_MULTI_MODEL": "true"} if self.container.get("multi") else {}

    def _ctx(self) -> Ctx:
        """A context that acts as the model's role; the owner's models need no role of their own."""
        execution = self.world.settings.role
        role = self.owner.role or f"arn:aws:iam::{self.owner.account}:role/{execution}"
        return self.world.service_ctx(role, self.owner.region)

    # ---- files

    def _shared(self) -> tuple[Bind, ...]:
        """How it is shown a model that it shares with others, if it does."""
        source = self.root / SHARED
        shared = not self.container.get("container") and source.is_dir()
        return (Bind(source, "/opt/ml/model", read_only=False, apart=True),) if shared else ()

    def _shares(self) -> bool:
        """Whether it shares its model's files with those that come after it, instead of having a copy."""
        if self.container.get("container") or self.world.backend.isolation != "sandbox":
            return False
        return not self.world.overlayfs_lacking()

    def _stage(self) -> None:
        """`root/ml` is complete: built under another name and renamed. Raises Unstartable."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside = self.root / "staging"
        for old in (aside, self.root / SHARED):
            stage.remove(old)
        aside.mkdir(mode=0o755)
        try:
            with dirfd.opened(aside) as fd:
                for name in ("model", "input", "output"):
                    os.mkdir(name, 0o755, dir_fd=fd)
                self._fetch_model(fd)
                self._fetch_code(fd)
        except OSError as error:
            stage.remove(aside)
            raise Unstartable(f"Model data download failed: {error.strerror or error}") from error
        except BaseException:
            stage.remove(aside)
            raise
        aside.rename(self.root / "ml")

    def _fetch_model(self, ml: int) -> None:
        if not (data := self.container.get("data")):
            return
        bucket, key, how = data
        if how == "models":  # each comes when it is asked for
            return
        with dirfd.directory(ml, ("model",)) as model:
            if how == "archive":
                self._unpack_model(bucket, key, model)
                return
            try:
                found = [
                    sources.Source(bucket, name, size, name[len(key) :])
                    for name, size in sources.keys(self._ctx(), bucket, key)
                    if how == "prefix" or name == key
                ]
                if how == "object":
                    found = [
                        sources.Source(bucket, key, s.size, key.rsplit("/", 1)[-1]) for s in found
                    ]
                if not found:
                    raise Unstartable(self._not_found("model data", f"s3://{bucket}/{key}"))
                channels.check_space(found, model)
                channels.download(self._ctx(), found, model, lambda: None)
            except sources.StageError as error:
                raise Unstartable(str(error)) from error
            except AwsError as error:
                url = f"s3://{bucket}/{key}"
                raise Unstartable(
                    f"{self._not_found('model data', url)} ({error.message})"
                ) from error

    def _unpack_model(self, bucket: str, key: str, model: int) -> None:
        """The archive's files are in the directory `model`: from those that are kept of this version,
        or unpacked, and kept then. Where they are shared, they are in SHARED instead."""
        files, location, version = self.root / "staging" / "model", (bucket, key), ""
        shared = self.keep and self._shares()
        if self.keep:
            version = self._version(bucket, key)
            place = self.root / SHARED if shared else files
            place.mkdir(mode=0o755, exist_ok=True)
            if kept.taken(self.world, location, version, place, shared):
                return
        self._unpack(bucket, key, (model, "/opt/ml/model"), "model data")
        if shared:
            (self.root / SHARED).rmdir()
            files = files.rename(self.root / SHARED)
            (self.root / "staging" / "model").mkdir(mode=0o755)
        if version:
            kept.keep(self.world, location, version, files, shared)

    def _version(self, bucket: str, key: str) -> str:
        """The name of what the archive holds now. Raises Unstartable, also where it is denied."""
        try:
            found = self._ctx().call("s3", "HeadObject", {"Bucket": bucket, "Key": key})
        except AwsError as error:
            url = f"s3://{bucket}/{key}"
            raise Unstartable(f"{self._not_found('model data', url)} ({error.message})") from error
        return f"{found['ETag'].strip(chr(34))}-{found['LastModified'].timestamp():.0f}"

    def _fetch_code(self, ml: int) -> None:
        """The code at SAGEMAKER_SUBMIT_DIRECTORY in S3 is in `code`, where the toolkit looks for
        it."""
        submit = self.container["env"].get("SAGEMAKER_SUBMIT_DIRECTORY", "")
        if not submit.startswith("s3://"):
            return
        bucket, key = sources.split(submit)
        with dirfd.directory(ml, ("code",), make=True) as code:
            self._unpack(bucket, key, (code, "/opt/ml/code"), CODE)

    def _unpack(self, bucket: str, key: str, where: tuple[int, str], what: str) -> None:
        """The archive is unpacked into `where`: a directory's descriptor, and its path inside the
        replica, which links in the archive may name."""
        (target, top), url = where, f"s3://{bucket}/{key}"
        try:
            if what == CODE:
                blob = sources.wherever(self._ctx(), bucket, key)
            else:
                blob = self._ctx().call("s3", "GetObject", {"Bucket": bucket, "Key": key})["Body"]
        except AwsError as error:
            raise Unstartable(f"{self._not_found(what, url)} ({error.message})") from error
        try:
            archive.unpack(blob, target, tops=(top,))
        except archive.ArchiveError as error:
            raise Unstartable(
                f'Failed to extract {what} archive for container "{self.container["name"]}" from URL "{url}".'
                f" Please ensure that the object located at the URL is a valid tar.gz archive."
                f" ({error})"
            ) from error

    def _not_found(self, what: str, url: str) -> str:
        """AWS's sentence for model data that cannot be read."""
        return (
            f'Failed to download {what} for container "{self.container["name"]}" from URL: "{url}".'
            " Please ensure that there is an object located at the URL and that the role passed to"
            " CreateModel has permissions to download the object."
        )

    # ---- the end

    def reason(self, state: Exited, limits: Limits) -> str:
        """Why it ended by itself, with the end of its log."""
        if state.reason == "oom":
            return (
                f"OutOfMemory: the container exceeded {limits.memory / 2**30:.3g} GiB of"
                f" {limits.name}."
            )
        if state.reason.startswith("sandbox"):
            return f"It could not be started: {state.message or state.reason}"
        if state.reason == "lost":
            return "Its processes are gone and no exit status was recorded."
        lines = log_lines.tail(self.world.backend, self.key, 0)
        why = f"{log_lines.traceback_of(lines).strip()} (exit code {state.code})"
        if environment := self.world.environments.built(self.container["environment"]):
            found = standins.changes(self.container.get("asked", {}), environment)
            why += standins.blame(found, why)
        return why

    def dispose(self) -> None:
        """The ended container's files are removed; its log stays for a while."""
        for name in ("ml", "staging", "tmp", SHARED, "apart"):
            stage.remove(self.root / name)
