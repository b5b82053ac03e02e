"""No execution environments yet: until the runtime of functions stands beside this."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from sagebrush.errors import AwsError
from sagebrush.routing.functions.values import FunctionVersion, Invocation, Outcome, StreamEnd


class Functions(Protocol):
    """`World.functions`."""

    async def invoke(
        self, version: FunctionVersion, invocation: Invocation, most: int | None
    ) -> Outcome: ...

    def invoke_stream(
        self, version: FunctionVersion, invocation: Invocation, most: int | None
    ) -> AsyncIterator[bytes | StreamEnd]: ...


class NoFunctions:
    """Refuses every invocation."""

    async def invoke(
        self, version: FunctionVersion, invocation: Invocation, most: int | None
    ) -> Outcome:
        raise AwsError("ServiceException", "Sagebrush does not run functions yet.", 400)

    async def invoke_stream(
        self, version: FunctionVersion, invocation: Invocation, most: int | None
    ) -> AsyncIterator[bytes | StreamEnd]:
        raise AwsError("ServiceException", "Sagebrush does not run functions yet.", 400)
        yield b""
