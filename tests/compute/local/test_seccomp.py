"""The filter's verdicts, by interpreting its program for both architectures."""

from __future__ import annotations

import errno
import struct

import pytest

from sagebrush.compute.local import seccomp
from sagebrush.compute.local.syscalls import DENIED, NUMBERS

ALLOW, KILL = 0x7FFF0000, 0x80000000
NEWUSER, NEWNET, SIGCHLD, THREAD = 0x10000000, 0x40000000, 17, 0x3D0F00
BOTH = pytest.mark.parametrize("arch", ["x86_64", "aarch64"])


def refused(error: int) -> int:
    return 0x50000 | error


def verdict(program: bytes, arch: int, number: int, *args: int) -> int:
    """What the program returns for a system call (struct seccomp_data, little-endian)."""
    data = struct.pack("<IIQ6Q", number, arch, 0, *(args + (0,) * 6)[:6])
    instructions = list(struct.iter_unpack("<HBBI", program))
    accumulator, counter = 0, 0
    while True:
        code, yes, no, value = instructions[counter]
        counter += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif code == 0x54:
            accumulator &= value
        elif code == 0x15:
            counter += yes if accumulator == value else no
        elif code == 0x35:
            counter += yes if accumulator >= value else no
        elif code == 0x06:
            return value
        else:
            raise AssertionError(f"unknown instruction {code:#x}")


class Filter:
    def __init__(self, arch: str) -> None:
        self.arch = arch
        self.program = seccomp.filter(arch)

    def __call__(self, name: str | int, *args: int) -> int:
        number = NUMBERS[self.arch][name] if isinstance(name, str) else name
        return verdict(self.program, seccomp.AUDIT[self.arch], number, *args)


@BOTH
def test_denied_calls_answer_eperm(arch: str) -> None:
    check = Filter(arch)
    for name in DENIED:
        if name in NUMBERS[arch]:
            assert check(name) == refused(errno.EPERM), name


@BOTH
@pytest.mark.parametrize("name", ["mount", "unshare", "setns", "ptrace", "bpf", "keyctl"])
def test_the_dangerous_ones_are_denied(arch: str, name: str) -> None:
    assert Filter(arch)(name) == refused(errno.EPERM)


@BOTH
def test_ordinary_calls_pass(arch: str) -> None:
    listed = set(NUMBERS[arch].values())
    check = Filter(arch)
    for number in set(range(460)) - listed:
        assert check(number) == ALLOW, number


@BOTH
def test_clone_makes_processes_and_threads_but_no_namespaces(arch: str) -> None:
    check = Filter(arch)
    assert check("clone", SIGCHLD) == ALLOW
    assert check("clone", THREAD) == ALLOW
    for flag in (NEWUSER, NEWNET, 0x20000, 0x02000000, 0x80):
        assert check("clone", SIGCHLD | flag) == refused(errno.EPERM)
    assert check("clone3") == refused(errno.ENOSYS)


@BOTH
def test_sockets_of_known_families_only(arch: str) -> None:
    check = Filter(arch)
    for family in (1, 2, 10, 16):
        assert check("socket", family) == ALLOW
    for family in (0, 17, 38, 40, 44):
        assert check("socket", family) == refused(errno.EAFNOSUPPORT)


@BOTH
def test_typing_into_a_terminal_is_denied(arch: str) -> None:
    check = Filter(arch)
    assert check("ioctl", 1, 0x5401) == ALLOW
    assert check("ioctl", 1, 0x5412) == refused(errno.EPERM)
    assert check("ioctl", 1, 0x541C) == refused(errno.EPERM)


@BOTH
def test_another_architecture_is_killed(arch: str) -> None:
    program = seccomp.filter(arch)
    assert verdict(program, 0x40000003, 39) == KILL  # i386 by int 0x80


def test_x32_is_absent() -> None:
    assert Filter("x86_64")(0x40000000 | 165) == refused(errno.ENOSYS)


def test_unknown_machine_is_told() -> None:
    with pytest.raises(seccomp.UnknownArchitecture, match="riscv64"):
        seccomp.filter("riscv64")
