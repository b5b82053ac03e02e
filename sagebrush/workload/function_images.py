"""What an execution environment of a function of a container image is started with.

Source: AWS Lambda Developer Guide, "Create a Lambda function using a container image" (a read-only file
system but for /tmp, a user without rights, ENTRYPOINT, CMD and WORKDIR and what overrides them).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from sagebrush.compute import record
from sagebrush.compute.base import Bind, Limits, Spec
from sagebrush.compute.containers.images import Image
from sagebrush.compute.local import limits
from sagebrush.routing.functions.environment import LOG_LIMIT
from sagebrush.routing.functions.prepared import Prepared
from sagebrush.routing.functions.values import FunctionVersion
from sagebrush.workload import functions, launch

PLACES = {"LAMBDA_TASK_ROOT": functions.TASK, "LAMBDA_RUNTIME_DIR": functions.RUNTIME, "TZ": ":UTC"}
"""Variables that stand where the image does not set them."""


class ImagePlaces:
    """Prepares environments (`routing.functions.containers.ImagePlaces`)."""

    def __init__(self, home: Path, credentials: Callable[[str, str], Mapping[str, str]]) -> None:
        """`credentials(role, session)`: new ones, as ECS's credentials endpoint gives them."""
        self._home = home
        self._credentials = credentials

    def laid(
        self, version: FunctionVersion, image: Image, key: str, stream: str
    ) -> tuple[Spec, Prepared]:
        """What the container is made of; its directory is there."""
        credentials = self._credentials(version.role, version.name)
        spec = self._spec(version, image, key)
        self._make(spec)
        env = variables(version, image, stream, credentials)
        return spec, Prepared({"env": env, "banner": ""}, functions.expiry(credentials))

    def _spec(self, version: FunctionVersion, image: Image, key: str) -> Spec:
        root = self._home / "jobs" / key
        entrypoint, command = program(version, image)
        client = self._home / launch.CLIENT / "ca-bundle.pem"
        return Spec(
            key=key,
            argv=command,
            entrypoint=entrypoint,
            env={},
            root=root,
            cwd=str(version.image_config.get("WorkingDirectory") or ""),
            binds=(
                Bind(root / "tmp", "/tmp", read_only=False),
                Bind(client, functions.AUTHORITY),
            ),
            hostname="localhost",
            limits=Limits(
                cpu=version.memory / functions.VCPU,
                memory=version.memory << 20,
                pids=functions.PROCESSES,
                share=True,
                freezable=True,
            ),
            listeners=("aws", "egress", "runtime"),
            log_limit=LOG_LIMIT,
            tied=True,
            image=image.id,
            storage=version.storage << 20,
        )

    def _make(self, spec: Spec) -> None:
        spec.root.mkdir(mode=0o700, parents=True)
        place = spec.root / "tmp"
        place.mkdir()
        place.chmod(0o1777)  # nobody else comes past the directory that it is in
        # of no image: it is looked after here and by nobody who looks after jobs in containers
        values = record.to_json(spec) | {"image": ""}
        shim = {
            "limits": asdict(limits.Plan(""))
        }  # read where the server was killed: nothing to remove
        (spec.root / "spec.json").write_text(json.dumps({"spec": values, "shim": shim}))
        (spec.root / "state.json").write_text("{}")
        record.reserve(spec.root)


def program(version: FunctionVersion, image: Image) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Entry point and command: the image's own, but for what ImageConfig sets. Pure."""
    config = version.image_config
    entrypoint = tuple(config.get("EntryPoint") or image.entrypoint)
    return entrypoint, tuple(config.get("Command") or image.command)


def variables(
    version: FunctionVersion, image: Image, stream: str, credentials: Mapping[str, str]
) -> dict[str, str]:
    """The variables of the environment, beside the image's own. Pure."""
    own = functions.own(version, stream)
    for name in ("AWS_EXECUTION_ENV", "LANG", "TZ"):  # of AWS's own runtimes
        own.pop(name, None)
    _, command = program(version, image)
    return {
        **{name: value for name, value in PLACES.items() if name not in image.variables},
        **functions.reach(),
        **own,
        "_HANDLER": command[0] if command else "",
        "AWS_LAMBDA_RUNTIME_API": functions.RUNTIME_API,
        **functions.role(credentials),
        **version.variables,
    }
