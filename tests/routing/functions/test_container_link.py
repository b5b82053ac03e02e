"""The link to a container whose environment has ended."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from sagebrush.compute.base import Spec
from sagebrush.compute.shim import log
from sagebrush.routing.functions.container_link import ContainerLink


def test_what_is_said_after_the_end_comes_into_nobodys_file(tmp_path: Path) -> None:
    """The numbers of its log's descriptors are others' then."""

    async def scenario() -> None:
        root = tmp_path / "k"
        root.mkdir()
        spec = Spec(key="k", argv=(), env={}, root=root, binds=(), cwd="/")
        none = cast(Any, None)
        link = ContainerLink(spec, cast(Any, SimpleNamespace()), none, none, none)
        link.say("before\n")
        link._end()
        others = [os.open(tmp_path / str(n), os.O_WRONLY | os.O_CREAT) for n in range(3)]
        link.say("after\n")
        assert [os.fstat(fd).st_size for fd in others] == [0, 0, 0]
        assert log.read_bytes(str(root), 0) == b"before\n"
        for fd in others:
            os.close(fd)

    asyncio.run(scenario())
