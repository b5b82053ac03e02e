"""The system calls that a job may not make, as a seccomp filter built without touching the kernel."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from sagebrush.compute.local.syscalls import DENIED, NUMBERS

AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""AUDIT_ARCH_* of <linux/audit.h>."""

NAMESPACES = 0x7E020080
"""CLONE_NEW* flags of clone(2): time, cgroup, uts, ipc, user, pid and net namespaces, mounts."""

FAMILIES = (1, 2, 10, 16)
"""AF_UNIX, AF_INET, AF_INET6, AF_NETLINK; AF_VSOCK, for one, would ignore network namespaces."""

TERMINAL = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX: they type into a terminal."""

_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_LOAD, _EQUAL, _AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_X32 = 0x40000000
_NR, _ARCH, _ARG0, _ARG1 = 0, 4, 16, 24


class UnknownArchitecture(ValueError):
    """There is no system call table for that machine."""


@dataclass(frozen=True)
class Instruction:
    """One classic BPF instruction (struct sock_filter)."""

    code: int
    yes: int
    no: int
    value: int

    def packed(self) -> bytes:
        """The instruction as the kernel reads it."""
        return struct.pack("<HBBI", self.code, self.yes, self.no, self.value)


def filter(arch: str) -> bytes:
    """The BPF program for `arch` (x86_64 or aarch64); raises UnknownArchitecture."""
    if arch not in NUMBERS:
        raise UnknownArchitecture(f"no system call table for {arch}")
    return b"".join(each.packed() for each in _program(arch))


def _refuse(error: int) -> Instruction:
    return Instruction(_RETURN, 0, 0, _ERRNO | error)


def _program(arch: str) -> Iterator[Instruction]:
    numbers = NUMBERS[arch]
    yield Instruction(_LOAD, 0, 0, _ARCH)
    yield Instruction(_EQUAL, 1, 0, AUDIT[arch])
    yield Instruction(_RETURN, 0, 0, _KILL)
    yield Instruction(_LOAD, 0, 0, _NR)
    if arch == "x86_64":
        yield Instruction(_AT_LEAST, 0, 1, _X32)
        yield _refuse(errno.ENOSYS)
    # clone3 hides its flags behind a pointer: where it is absent, libc falls back to clone.
    yield Instruction(_EQUAL, 0, 1, numbers["clone3"])
    yield _refuse(errno.ENOSYS)
    yield from _argument(numbers["clone"], _ARG0, _without_namespaces())
    yield from _argument(numbers["socket"], _ARG0, _only(FAMILIES, errno.EAFNOSUPPORT))
    yield from _argument(numbers["ioctl"], _ARG1, _none_of(TERMINAL))
    for name in DENIED:
        if name in numbers:
            yield Instruction(_EQUAL, 0, 1, numbers[name])
            yield _refuse(errno.EPERM)
    yield Instruction(_RETURN, 0, 0, _ALLOW)


def _argument(number: int, offset: int, test: list[Instruction]) -> Iterator[Instruction]:
    """For system call `number` alone: `test` on an argument's low word, which always returns."""
    yield Instruction(_EQUAL, 0, len(test) + 1, number)
    yield Instruction(_LOAD, 0, 0, offset)
    yield from test


def _without_namespaces() -> list[Instruction]:
    return [
        Instruction(_AND, 0, 0, NAMESPACES),
        Instruction(_EQUAL, 1, 0, 0),
        _refuse(errno.EPERM),
        Instruction(_RETURN, 0, 0, _ALLOW),
    ]


def _only(values: tuple[int, ...], error: int) -> list[Instruction]:
    tests = [Instruction(_EQUAL, len(values) - i, 0, v) for i, v in enumerate(values)]
    return [*tests, _refuse(error), Instruction(_RETURN, 0, 0, _ALLOW)]


def _none_of(values: tuple[int, ...]) -> list[Instruction]:
    tests = [Instruction(_EQUAL, len(values) - i, 0, v) for i, v in enumerate(values)]
    return [*tests, Instruction(_RETURN, 0, 0, _ALLOW), _refuse(errno.EPERM)]
