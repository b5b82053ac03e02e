"""Forbids writing outside some directories, without root (Landlock, Linux 5.13). Standard library only.

Source: Linux, Documentation/userspace-api/landlock.rst.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct

TYPE_CHECKING = False  # importing typing would cost a launch 4 ms
if TYPE_CHECKING:
    from collections.abc import Iterable

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_BENEATH = 1
_WRITES = {
    1: (1 << 1) | sum(1 << bit for bit in range(4, 13)),
    2: 1 << 13,
    3: 1 << 14,
}
"""By ABI version, the rights that it added among those that change a file system: write, remove,
make; link across directories; truncate."""
_FILE_RIGHTS = (1 << 1) | (1 << 14)


def version() -> int:
    """The kernel's Landlock ABI; 0 where there is none."""
    try:
        return max(0, _call(_CREATE, None, 0, 1))
    except (OSError, AttributeError):
        return 0


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def confine_writes(paths: Iterable[str]) -> bool:
    """From here on this process and its children can change nothing but what is at `paths` or
    under them.

    False, and nothing changed, where the kernel has no Landlock. Needs no_new_privs; raises OSError.
    """
    known = version()
    if not known:
        return False
    rights = sum(value for abi, value in _WRITES.items() if abi <= known)
    attributes = struct.pack("Q", rights)
    ruleset = _call(_CREATE, attributes, ctypes.c_size_t(len(attributes)), 0)
    try:
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                _allow(ruleset, path, rights)
        _call(_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)
    return True


def _allow(ruleset: int, path: str, rights: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        allowed = rights if os.path.isdir(path) else rights & _FILE_RIGHTS
        _call(_ADD, ruleset, _BENEATH, struct.pack("<Qi", allowed, place), 0)
    finally:
        os.close(place)
