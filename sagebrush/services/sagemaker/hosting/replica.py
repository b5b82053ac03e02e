"""One replica of a production variant: its capacity, its files, its process, its end."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from sagebrush.compute.base import Exited, Limits, Spec
from sagebrush.environments import standins
from sagebrush.environments.environment import Environment
from sagebrush.environments.store import BuildFailed
from sagebrush.errors import AwsError, Doc
from sagebrush.scheduler import capacity, estimates, sizes
from sagebrush.services.sagemaker.hosting import facts
from sagebrush.services.sagemaker.hosting.plan import Entry, Variant
from sagebrush.store.rows import Row
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

GROUP = facts.GROUP
PORT = 8080
STARTUP = 480.0
"""Seconds until a container must answer /ping, where the variant does not say (AWS: 8 minutes)."""
GRACE = 10.0
"""Seconds between SIGTERM and SIGKILL of a replica that no request is on."""
CODE = "the code"
REASON = 1024
"""Characters of a FailureReason."""


class Waiting(Exception):
    """The replica cannot start yet; the text says what it waits for. Ask again after `seconds`;
    `queued`: it waits for capacity, for as long as others hold it."""

    def __init__(self, text: str, seconds: float, queued: bool = False) -> None:
        super().__init__(text)
        self.seconds = seconds
        self.queued = queued


@dataclass(frozen=True)
class Replica:
    """A replica of the endpoint `row`: `entry` is its own part of the plan, `variant` what it
    runs."""

    world: World
    row: Row
    variant: Variant
    entry: Entry

    @property
    def key(self) -> str:
        return self.entry["key"]

    @property
    def root(self) -> Path:
        return self.world.settings.home / "jobs" / self.key

    @property
    def patience(self) -> float:
        """Seconds within which it must answer /ping."""
        return float(self.variant.get("startup") or STARTUP)

    @property
    def _kind(self) -> str:
        """The name under which its memory peak is recorded."""
        return f"model/{self.variant['model']}"

    def start(self) -> None:
        """Its process is launched. Repeatable. Raises Waiting and Unstartable."""
        (size,), banner = sizes.share([self.variant["type"]], self.world.host)
        memory = estimates.expected_memory(self.world, self._kind, size.limits())
        # CPU 0: endpoints, mostly idle, take CPU by share and hold up no job.
        turn = capacity.admit(
            self.world, capacity.Ask(self.key, self.row.id, 0.0, memory, gpus=size.gpus)
        )
        if turn.place:
            raise Waiting(turn.words, 60.0, queued=True)
        limits = size.limits(turn.gpus)
        if self.variant.get("container"):
            self._start_container(limits, banner)
            return
        try:
            environment = self.world.environments.ready(self.variant["environment"])
        except BuildFailed as error:
            raise Unstartable(f"The environment could not be built: {error}") from error
        if environment is None:
            raise Waiting(
                f"preparing the environment {self.variant['environment']} (once on this machine)",
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
            role=self.variant.get("role") or "",
            region=self.row.region,
            binds=launch.binds(self.world, environment),
            cwd=here.ml,
            hostname="container-0.local",
            limits=limits,
            listeners=launch.listeners(self.variant["isolated"]),
            port=PORT,
            log_limit=self.world.settings.log_limit,
            banner=launch.banner(
                self.variant["image"], environment, banner, self.variant.get("asked")
            ),
        )
        self.world.backend.launch(layers.over(self.world, environment, self.root, spec))
        self._register()

    def _start_container(self, limits: Limits, banner: str) -> None:
        """Its process is launched as a container: no environment stands for its image."""
        if not (self.root / "ml").is_dir():
            self._stage()
        where, size = (self.key, self.root, self.row.region), (limits, banner)
        spec = containers.job(self.world, facts.ENDPOINT, cast(Doc, self.variant), where, size)
        self.world.backend.launch(replace(spec, port=PORT))
        self._register()

    def _register(self) -> None:
        """Its log is a stream of the endpoint's group."""
        group = f"{GROUP}/{self.row.name}"
        stream = f"{self.variant['name']}/{self.entry['id']}"
        self.world.streams.register(self.row.account, self.row.region, group, stream, self.key)

    def _layer(self, environment: Environment) -> None:
        """The requirements.txt of the inference code is installed, or its installation has failed.
        Raises Waiting."""
        if not layers.asked(self.root):
            isolated = self.variant["isolated"] or bool(self.variant.get("algorithm"))
            layers.ask_serving(self.world, self.variant["env"], isolated, self.root)
        if message := layers.pending(self.world, environment.name, self.root):
            raise Waiting(message, layers.LOOK)

    def _environment(
        self, environment: Environment, here: launch.Place, limits: Limits
    ) -> dict[str, str]:
        given = {"SM_NUM_CPUS": str(max(1, int(limits.cpu))), **self.variant["env"]}
        isolated = self.variant["isolated"]
        env = launch.variables(
            self.world, environment, here, limits, self.row.region, isolated, given
        )
        env |= launch.carried(self.variant.get("algorithm"), self.variant.get("framework"))
        if not here.sandbox:
            env["SAGEBRUSH_BIND_HOST"] = "127.0.0.1"  # the host's own network
        return env

    def _ctx(self) -> Ctx:
        """A context that acts as the model's role; the owner's models need no role of their own."""
        execution = self.world.settings.role
        role = self.variant.get("role") or f"arn:aws:iam::{self.row.account}:role/{execution}"
        return self.world.service_ctx(role, self.row.region)

    # ---- files

    def _stage(self) -> None:
        """`root/ml` is complete: built under another name and renamed. Raises Unstartable."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside = self.root / "staging"
        stage.remove(aside)
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
        if not (data := self.variant.get("data")):
            return
        bucket, key, how = data
        with dirfd.directory(ml, ("model",)) as model:
            if how == "archive":
                self._unpack(bucket, key, (model, "/opt/ml/model"), "model data")
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
                    raise Unstartable(_not_found("model data", f"s3://{bucket}/{key}"))
                channels.check_space(found, model)
                channels.download(self._ctx(), found, model, lambda: None)
            except sources.StageError as error:
                raise Unstartable(str(error)) from error
            except AwsError as error:
                url = f"s3://{bucket}/{key}"
                raise Unstartable(f"{_not_found('model data', url)} ({error.message})") from error

    def _fetch_code(self, ml: int) -> None:
        """The code at SAGEMAKER_SUBMIT_DIRECTORY in S3 is in `code`, where the toolkit looks for
        it."""
        submit = self.variant["env"].get("SAGEMAKER_SUBMIT_DIRECTORY", "")
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
            raise Unstartable(f"{_not_found(what, url)} ({error.message})") from error
        try:
            archive.unpack(blob, target, tops=(top,))
        except archive.ArchiveError as error:
            raise Unstartable(
                f'Failed to extract {what} archive for container "container_1" from URL "{url}".'
                f" Please ensure that the object located at the URL is a valid tar.gz archive."
                f" ({error})"
            ) from error

    # ---- the end

    def reason(self, state: Exited) -> str:
        """Why it did not become healthy, in AWS's words and with the end of its log."""
        limits = sizes.limits(self.variant["type"], self.world.host)[0]
        if state.reason == "oom":
            why = (
                f"OutOfMemory: the container exceeded {limits.memory / 2**30:.3g} GiB of"
                f" {limits.name}."
            )
        elif state.reason.startswith("sandbox"):
            why = f"It could not be started: {state.message or state.reason}"
        elif state.reason == "lost":
            why = "Its processes are gone and no exit status was recorded."
        else:
            lines = log_lines.tail(self.world.backend, self.key, 0)
            why = f"{log_lines.traceback_of(lines).strip()} (exit code {state.code})"
            if environment := self.world.environments.built(self.variant["environment"]):
                found = standins.changes(self.variant.get("asked", {}), environment)
                why += standins.blame(found, why)
        return self.unhealthy(why)

    def unhealthy(self, why: str) -> str:
        """AWS's sentence for a container that does not answer /ping, and `why`."""
        sentence = (
            f"The primary container for production variant {self.variant['name']} did not pass the"
            " ping health check. Please check CloudWatch logs for this endpoint. "
        )
        room = REASON - len(sentence)
        return sentence + (why if len(why) <= room else "…" + why[-(room - 1) :])

    def dispose(self) -> None:
        """The ended replica's capacity is released and its files are removed; its log stays for a
        while."""
        state = self.world.backend.poll(self.key)
        if isinstance(state, Exited):
            estimates.note_peak(self.world, self._kind, self.variant["type"], state.peak_memory)
        capacity.release(self.world, self.key)
        self.world.endpoints.forget(self.key)
        self.world.health.forget(self.key)
        for name in ("ml", "staging", "tmp"):
            stage.remove(self.root / name)


def _not_found(what: str, url: str) -> str:
    """AWS's sentence for model data that cannot be read."""
    return (
        f'Failed to download {what} for container "container_1" from URL: "{url}". Please ensure'
        " that there is an object located at the URL and that the role passed to CreateModel has"
        " permissions to download the object."
    )
