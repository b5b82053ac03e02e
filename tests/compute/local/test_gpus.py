"""The GPUs of a host: as nvidia-smi tells them, else as /dev does."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagebrush.compute.local import gpus
from sagebrush.compute.local.gpus import Gpu

REPORT = """<?xml version="1.0" ?>
<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd">
<nvidia_smi_log>
  <driver_version>550.54</driver_version>
  <attached_gpus>2</attached_gpus>
  <gpu id="00000000:3B:00.0">
    <product_name>NVIDIA A10G</product_name>
    <minor_number>1</minor_number>
    <uuid>GPU-aaaa-1111</uuid>
    <fb_memory_usage><total>23028 MiB</total><used>0 MiB</used></fb_memory_usage>
  </gpu>
  <gpu id="00000000:AF:00.0">
    <product_name>NVIDIA A10G</product_name>
    <minor_number>0</minor_number>
    <uuid>GPU-bbbb-2222</uuid>
    <fb_memory_usage><total>23028 MiB</total><used>7 MiB</used></fb_memory_usage>
  </gpu>
</nvidia_smi_log>
"""
FIRST = Gpu(0, "NVIDIA A10G", 23028 << 20, "GPU-bbbb-2222")
SECOND = Gpu(1, "NVIDIA A10G", 23028 << 20, "GPU-aaaa-1111")


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    """A folder with an nvidia-smi that prints the report."""
    (tmp_path / "report").write_text(REPORT)
    script = tmp_path / "nvidia-smi"
    script.write_text(f'#!/bin/sh\n[ "$*" = "-q -x" ] && exec cat {tmp_path}/report\nexit 9\n')
    script.chmod(0o755)
    return tmp_path


def test_the_tool_tells_device_numbers_names_and_memory(tool: Path) -> None:
    path = {"PATH": f"{tool}:/bin:/usr/bin"}
    assert gpus.discover(path, Path("/nowhere")) == (FIRST, SECOND)
    assert gpus.found(path)
    assert gpus.devices({**path, gpus.VISIBLE: "1"}) == (1,)
    assert gpus.devices({**path, gpus.VISIBLE: "GPU-aaaa, 0"}) == (1, 0)
    assert gpus.devices({**path, gpus.VISIBLE: ""}) == ()
    assert gpus.devices({**path, gpus.VISIBLE: "7,0,0"}) == (0,)


@pytest.mark.parametrize("script", ["exit 9", "echo no XML", ""])
def test_a_tool_that_fails_leaves_the_device_files(tool: Path, script: str) -> None:
    (tool / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
    dev = tool / "dev"
    dev.mkdir()
    for name in ("nvidia0", "nvidia3", "nvidiactl", "nvidia-uvm"):
        (dev / name).touch()
    path = {"PATH": f"{tool}:/bin:/usr/bin"}
    assert gpus.discover(path, dev) == (Gpu(0), Gpu(3))
    assert not gpus.found(path)


def test_a_host_without_any(tmp_path: Path) -> None:
    assert gpus.discover({"PATH": str(tmp_path)}, tmp_path) == ()
