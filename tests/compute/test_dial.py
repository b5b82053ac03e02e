"""Connecting to where a job listens, from an event loop."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sagebrush.net import dial
from tests.compute.live_jobs import PYTHON, Jobs
from tests.compute.local.test_local import SERVER, sh


def test_async(jobs: Jobs) -> None:
    jobs.launch([PYTHON, "-c", SERVER], port=8080)
    jobs.says("ready")
    address = jobs.running().address

    async def talk() -> bytes:
        reader, writer = await asyncio.open_connection(sock=await dial.connect(address))
        writer.write(b"hello")
        data = await reader.read(100)
        writer.close()
        return data

    async def many() -> list[bytes]:
        return [await talk() for _ in range(5)]

    assert asyncio.run(many()) == [b"HELLO"] * 5


def test_async_refused(jobs: Jobs) -> None:
    jobs.launch(sh("sleep 600"), port=8080)
    address = jobs.running().address
    with pytest.raises(dial.Refused):
        asyncio.run(dial.connect(address))
    jobs.backend.stop("job", 0)
    jobs.ended()
    with pytest.raises(dial.Refused):
        asyncio.run(dial.connect(address))


@pytest.mark.parametrize("address", ["", "unix:", "tcp:8080", "http://a:1", "unix:/a:b"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        dial.split(address)


def test_long_paths_get_a_short_name(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 120)
    deep.mkdir()
    (deep / "ctl").write_text("there")
    with dial.short(deep / "ctl") as name:
        assert len(name) <= dial.LONGEST
        assert Path(name).read_text() == "there"
    with dial.short(Path("/tmp/ctl")) as name:
        assert name == "/tmp/ctl"
