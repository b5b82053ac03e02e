"""What the execution environments of functions are given, and what they give back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sagebrush.compute.base import Spec
from sagebrush.errors import Doc
from sagebrush.routing.functions.parents import Plan

UNHANDLED = "Unhandled"
RESPONSE_LIMIT = 6_291_556
"""Bytes of a response that is not streamed. Source: AWS Lambda Developer Guide, "Lambda quotas" (6 MB),
and the number in its message."""
STREAM_LIMIT = 200 * 1024 * 1024
"""Bytes of a streamed response ("Lambda quotas")."""


class Throttled(Exception):
    """No environment is free and none may be added; `reason` is AWS's for its 429."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Unrunnable(Exception):
    """No environment of that version can be started here; the text says why."""


@dataclass(frozen=True)
class FunctionVersion:
    """All that an execution environment is made of. Sizes in MB, `timeout` in seconds."""

    arn: str
    """Qualified: `…:function:NAME:VERSION` (`$LATEST` too)."""
    account: str
    region: str
    name: str
    version: str
    runtime: str
    handler: str
    role: str
    memory: int
    timeout: int
    storage: int
    """Of /tmp."""
    variables: Mapping[str, str]
    code: Path
    """A directory that nobody changes."""
    layers: tuple[Path, ...] = ()
    environment: str = ""
    """The Sagebrush environment that a layer asks for; "" for the runtime's plain one."""
    log_group: str = ""
    image: str = ""
    image_config: Doc = field(default_factory=dict)
    revision: str = ""
    """Changes whenever code or configuration do."""
    logging: Doc = field(default_factory=dict)
    """LoggingConfig: `LogFormat`, `ApplicationLogLevel`, `SystemLogLevel`."""

    @property
    def key(self) -> tuple[str, str]:
        """What an environment is never shared beyond."""
        return (self.arn, self.revision)

    @property
    def function(self) -> tuple[str, str, str]:
        """The function, whatever its version."""
        return (self.account, self.region, self.name)

    @property
    def as_json(self) -> bool:
        """Whether its log is JSON."""
        return self.logging.get("LogFormat") == "JSON"


@dataclass(frozen=True)
class Invocation:
    """One event for a function; `arn` is the ARN that the caller named."""

    request_id: str
    payload: bytes
    arn: str
    client_context: str = ""
    trace: str = ""
    tail: bool = False
    """Whether the end of its log is asked for."""


@dataclass(frozen=True)
class Outcome:
    """What came of it: `error` is "" or Unhandled, and `payload` the error's document then."""

    payload: bytes
    error: str = ""
    log_tail: bytes = b""
    version: str = ""


@dataclass(frozen=True)
class StreamEnd:
    """The end of a streamed response; `code` and `details` where it broke off (InvokeComplete)."""

    code: str = ""
    details: str = ""
    log_tail: bytes = b""
    version: str = ""


@dataclass(frozen=True)
class Prepared:
    """An environment that is to be started: its process, and from what it is forked."""

    spec: Spec
    plan: Plan
    configuration: Doc
    """What the shim reads (`compute.local.launcher`)."""
    variables: Mapping[str, str]
    expires: float
    """When its role's credentials end, in seconds since the epoch."""
