"""A container that does nothing but hold a network namespace, before another one's program begins in it.

Docker has no call that makes a container's namespaces and lets its program wait, as Podman's `init` does.
The program is 129 bytes of our own, so that nothing has to be pulled: it asks the kernel for a pause, for
ever.
"""

from __future__ import annotations

import contextlib
import io
import platform
import struct
import tarfile
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker import APIClient

IMAGE = "localhost/sagebrush-hold"
"""Its only tag is `latest`: Podman gives what is imported no other."""
PROGRAM = "hold"
MACHINE = "x86_64"
"""The only processor that it is made for."""
MEMORY = 8 << 20
"""Bytes that it may use: Docker allows no less than 6 MB."""
_PAUSE = b"\xb8\x22\x00\x00\x00\x0f\x05\xeb\xf7"
"""mov eax, 34 (pause); syscall; jmp to the first."""
_AT = 0x400000


def possible() -> bool:
    """Whether this machine's processor is the one."""
    return platform.machine() == MACHINE


def program() -> bytes:
    """The program, as an ELF file. Pure. Source: System V ABI, AMD64 supplement."""
    size = 64 + 56 + len(_PAUSE)
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 2, 0x3E, 1, _AT + 64 + 56, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _AT, _AT, size, size, 0x1000)
    return head + segment + _PAUSE


def start(client: APIClient, name: str, user: str, labels: Mapping[str, str]) -> int:
    """The process id of the container of that name, which holds a network of its own with nothing in it.

    Raises docker's APIError.
    """
    _make(client)
    host = client.create_host_config(
        network_mode="none",
        ipc_mode="none",
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        mem_limit=MEMORY,
        memswap_limit=MEMORY,
        pids_limit=4,
        log_config={"Type": "none"},
    )
    client.create_container(
        IMAGE, entrypoint=[f"/{PROGRAM}"], name=name, user=user,
        labels=dict(labels), host_config=host,
    )  # fmt: skip
    client.start(name)
    return int(client.inspect_container(name)["State"]["Pid"])


def _make(client: APIClient) -> None:
    """The image is there."""
    from docker import errors

    with contextlib.suppress(errors.NotFound):
        client.inspect_image(IMAGE)
        return
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member, data = tarfile.TarInfo(PROGRAM), program()
        member.mode, member.size = 0o755, len(data)
        tar.addfile(member, io.BytesIO(data))
    client.import_image_from_data(out.getvalue(), repository=IMAGE)
