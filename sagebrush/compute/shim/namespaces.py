"""Enters a sandbox: the system calls that apply a plan of sandbox.py. Standard library only.

Runs in the shim and in the job's first process, never in the server.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import stat
import struct
import sys
from contextlib import contextmanager, suppress

TYPE_CHECKING = False  # importing typing would cost a launch 4 ms
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

LINUX = sys.platform == "linux"
_libc = ctypes.CDLL(None, use_errno=True)

NEWNS, NEWCGROUP, NEWUTS, NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
NEWUSER, NEWPID, NEWNET = 0x10000000, 0x20000000, 0x40000000
RDONLY, NOSUID, NODEV, _NOEXEC, _REMOUNT, _BIND = 1, 2, 4, 8, 32, 4096
_REC, _PRIVATE, _NOSYMFOLLOW = 16384, 1 << 18, 256
_SUBREAPER, _PDEATHSIG, _DUMPABLE, _NO_NEW_PRIVS, _SECCOMP, _DROP_BOUND = 36, 1, 4, 38, 22, 24
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
MOUNT_SETATTR = 442
_POPULATE_READ = 22
_AT_RECURSIVE, HERE = 0x8000, -100


class StepFailed(Exception):
    """A step of the sandbox failed; the text names it and the system's reason."""


class Stopped(Exception):
    """The job was stopped before its program started."""


@contextmanager
def step(name: str) -> Iterator[None]:
    """Errors inside become StepFailed(name: reason)."""
    try:
        yield
    except StepFailed:
        raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise StepFailed(f"{name}: {reason}") from error


def check(result: int) -> int:
    """What a system call returned. Raises OSError."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def prctl(option: int, value: int = 0) -> None:
    """prctl(option, value) has been done; nothing where there is no such call."""
    if LINUX:
        check(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0))


def adopt_orphans() -> None:
    """Descendants whose parent ends become children of this process."""
    prctl(_SUBREAPER, 1)


def die_with_parent(signal: int) -> None:
    """This process gets `signal` when its parent ends. Holds only when asked after a change of uid."""
    prctl(_PDEATHSIG, signal)


def hide_from_ptrace() -> None:
    """Others of the same user cannot look into this process."""
    prctl(_DUMPABLE, 0)


def show_to_ptrace() -> None:
    """Others of the same user can look into this process again."""
    prctl(_DUMPABLE, 1)


def join(namespace: int) -> None:
    """This process is in the namespace that is open as `namespace`."""
    check(_libc.setns(namespace, 0))


def no_new_privileges() -> None:
    """Set-user-id programs give nothing from here on."""
    prctl(_NO_NEW_PRIVS, 1)


def unshare(flags: int) -> None:
    """This process is in new namespaces of the kinds `flags`."""
    check(_libc.unshare(flags))


def isolate(user: bool) -> None:
    """This process is in its own IPC, host name and network namespaces, its children in their own
    PID namespace; with `user`, inside a user namespace that maps only its own user and group."""
    if user:
        _own_users()
    for name, flag in (("pid", NEWPID), ("ipc", NEWIPC), ("uts", NEWUTS), ("net", NEWNET)):
        with step(f"{name} namespace"):
            unshare(flag)


def own_mounts() -> None:
    """This process is in a mount namespace of its own, whose mounts nobody else sees."""
    with step("mount namespace"):
        unshare(NEWNS)
        mount("none", "/", flags=_REC | _PRIVATE)


def own_network(user: bool) -> None:
    """This process is in a network namespace of its own, as with `isolate`."""
    if user:
        _own_users()
    with step("net namespace"):
        unshare(NEWNET)


def _own_users() -> None:
    uid, gid = os.getuid(), os.getgid()
    with step("user namespace"):
        unshare(NEWUSER)
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{uid} {uid} 1"),
            ("gid_map", f"{gid} {gid} 1"),
        ):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)


def loopback(*aliases: str) -> None:
    """The loopback of this network namespace is up and has the further addresses `aliases`."""
    with step("loopback"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        up = struct.pack("16sH14s", b"lo", 0x1 | 0x40, b"")
        fcntl.ioctl(control, 0x8914, up)  # SIOCSIFFLAGS
        for number, alias in enumerate(aliases, 1):
            name, address = f"lo:{number}".encode(), socket.inet_aton(alias)
            request = struct.pack("16sH2s4s8s", name, socket.AF_INET, b"\0\0", address, b"")
            fcntl.ioctl(control, 0x8916, request)  # SIOCSIFADDR
            host = struct.pack("16sH2s4s8s", name, socket.AF_INET, b"\0\0", b"\xff" * 4, b"")
            fcntl.ioctl(control, 0x891C, host)  # SIOCSIFNETMASK
    # Programs in containers are used to ports below 1024.
    with suppress(OSError), open("/proc/sys/net/ipv4/ip_unprivileged_port_start", "w") as file:
        file.write("0")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    check(
        _libc.mount(
            source.encode(),
            target.encode(),
            kind.encode() or None,
            ctypes.c_ulong(flags),
            options.encode() or None,
        )
    )


def _restrict(path: str, read_only: bool, recursive: bool = True, devices: bool = False) -> None:
    """The mount at `path`, and those below it, allow no set-user-id, no devices and (if asked) no
    write."""
    flags = NOSUID | (0 if devices else NODEV) | (RDONLY if read_only else 0)
    attributes = struct.pack("QQQQ", flags, 0, 0, 0)
    where = ctypes.c_char_p(path.encode())
    depth = ctypes.c_uint(_AT_RECURSIVE if recursive else 0)
    size = ctypes.c_size_t(len(attributes))
    try:
        check(_libc.syscall(MOUNT_SETATTR, HERE, where, depth, attributes, size))
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EPERM):
            raise
        _remount(path, flags, recursive)


def _remount(path: str, flags: int, recursive: bool) -> None:
    """What mount_setattr does, mount by mount, for kernels before 5.12."""
    known = {"ro": RDONLY, "nosuid": NOSUID, "nodev": NODEV, "noexec": _NOEXEC}
    known |= {"noatime": 1024, "nodiratime": 2048, "relatime": 1 << 21}
    with open("/proc/self/mountinfo") as file:
        mounts = [line.split() for line in file]
    for fields in mounts:
        point = fields[4].encode().decode("unicode_escape")
        if point == path or (recursive and point.startswith(path.rstrip("/") + "/")):
            present = sum(known.get(option, 0) for option in set(fields[5].split(",")))
            mount("none", point, flags=_REMOUNT | _BIND | present | flags)


OWN = ("/tmp", "/root")
"""Directories of the job's alone, in which further mounts may be."""


class Builder:
    """Applies the steps of a plan under `root`, a mount point of its own."""

    def __init__(self, root: str, names: dict[str, str]) -> None:
        self.root = root
        self.names = names
        self.mounts: dict[str, bool] = {"": True}
        """By target, whether directories may be made there: not in what others see too."""

    def apply(self, steps: list[list[str]]) -> None:
        """Every step has been done; raises StepFailed."""
        for name, *texts in steps:
            with step(f"{name} {texts[-1] if name == 'link' else texts[0]}"):
                getattr(self, f"_do_{name}")(*texts)

    def _place(self, target: str, directory: bool = True) -> str:
        """`target` exists as a directory or file; its path from outside. Links are never followed."""
        parts = [part for part in target.split("/") if part]
        if ".." in parts:
            raise ValueError("a target may not contain ..")
        own, inside, current = True, "", self.root
        for index, part in enumerate(parts):
            inside, current = f"{inside}/{part}", f"{current}/{part}"
            try:
                found = os.lstat(current)
            except FileNotFoundError:
                if not own:
                    raise
                if index < len(parts) - 1 or directory:
                    os.mkdir(current, 0o755)
                    if f"/{parts[0]}" in OWN:  # what the job keeps there is beside a mount's point
                        self._give(current)
                else:
                    os.close(os.open(current, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
            else:
                if stat.S_ISLNK(found.st_mode):
                    raise OSError(errno.ELOOP, f"{target} leads through a link")
                own = self.mounts.get(inside, own)
        return current

    def _do_bind(self, source: str, target: str, mode: str) -> None:
        place = self._place(target, os.path.isdir(source))
        mount(source, place, flags=_BIND | _REC)
        _restrict(place, mode == "ro")
        self.mounts[target] = target in OWN  # the job's own, and it has not run yet

    def _do_apart(self, source: str, target: str, folder: str) -> None:
        """`target` shows the directory `source`, which stays as it is: what the job changes lies in
        `folder`."""
        from sagebrush.compute.shim import apart  # most jobs have none

        apart.show(source, self._place(target), folder, self.names)
        self.mounts[target] = False

    def _do_own(self, path: str, target: str) -> None:
        """`target` is a directory of the job's own, the empty one at `path` in its /tmp."""
        source, place = self._place(path), self._place(target)
        self._give(source)
        mount(source, place, flags=_BIND)
        _restrict(place, False)
        self.mounts[target] = target in OWN

    def _give(self, place: str) -> None:
        """The directory made at `place` is the job's user's."""
        os.chown(place, int(self.names["uid"]), int(self.names["gid"]), follow_symlinks=False)

    def _do_served(self, target: str) -> None:
        """The job's companion serves the file system at `target`, read-only."""
        device = int(self.names[f"device of {target}"])
        _serve(device, self._place(target), self.names)
        os.close(device)  # it ends with who serves it

    def _do_cover(self, target: str) -> None:
        if os.path.isdir(self.root + target):
            mount("tmpfs", self.root + target, "tmpfs", RDONLY, "mode=0,size=4k")

    def _do_link(self, text: str, path: str) -> None:
        self._place(os.path.dirname(path))
        os.symlink(text, self.root + path)

    def _do_dir(self, path: str, mode: str) -> None:
        os.chmod(self._place(path), int(mode, 8))

    def _do_file(self, path: str, text: str) -> None:
        with open(self._place(path, directory=False), "w") as file:
            file.write(text.format(**self.names))

    def _do_tmpfs(self, path: str, options: str) -> None:
        place = self._place(path)
        flags = NOSUID | (0 if path == "/dev" else NODEV)
        mount("tmpfs", place, "tmpfs", flags, options)
        self.mounts[path] = True

    def _do_device(self, path: str) -> None:
        os.close(os.open(self.root + path, os.O_CREAT | os.O_WRONLY, 0o666))
        mount(path, self.root + path, flags=_BIND)
        _restrict(self.root + path, False, recursive=False, devices=True)

    def _do_seal(self, path: str) -> None:
        _restrict(self.root + path, True, recursive=False, devices=True)

    def _do_devpts(self, path: str) -> None:
        place = self._place(path)
        options = "newinstance,ptmxmode=0666,mode=620"
        try:
            mount("devpts", place, "devpts", NOSUID | _NOEXEC, options)
        except OSError:
            os.rmdir(place)  # terminals are a comfort; a job runs without them

    def _do_proc(self, path: str) -> None:
        place = self._place(path)
        mount("proc", place, "proc", NOSUID | NODEV | _NOEXEC)


def _serve(device: int, place: str, names: dict[str, str]) -> None:
    """What answers on `device`, an open /dev/fuse, is the read-only file system at `place`."""
    own = "user_id={uid},group_id={gid}".format(**names)
    options = f"fd={device},rootmode=40000,{own},allow_other,default_permissions"
    mount("sagebrush", place, "fuse", RDONLY | NOSUID | NODEV, options)


def try_served(place: str) -> None:
    """A file system that no process answers for has been mounted at `place`, in a namespace of this
    process's own; raises StepFailed."""
    own_mounts()
    with step("open /dev/fuse"):
        device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    with step("mount fuse"):
        _serve(device, place, {"uid": str(os.getuid()), "gid": str(os.getgid())})


def build(stage: str, steps: list[list[str]], names: dict[str, str], hostname: str) -> None:
    """This process and its children see the sandbox's root; the host's file system is gone."""
    begin(stage, names).apply(steps)
    enter(stage, hostname)


def begin(stage: str, names: dict[str, str]) -> Builder:
    """What builds the sandbox's root at `stage`, which this process alone sees."""
    own_mounts()
    with suppress(OSError):  # before Linux 4.6; it only hides the cgroup's name
        unshare(NEWCGROUP)
    with step("root tmpfs"):
        mount("tmpfs", stage, "tmpfs", NOSUID | NODEV, "mode=755,size=16m")
    return Builder(stage, names)


def enter(stage: str, hostname: str) -> None:
    """What has been built at `stage` is the root, of all who share this process's mounts."""
    with step("pivot_root"):
        os.chdir(stage)
        check(_libc.syscall(_PIVOT_ROOT[os.uname().machine], b".", b"."))
        check(_libc.umount2(b".", 2))
        os.chdir("/")
        _restrict("/", True, recursive=False)
    with step("hostname"):
        socket.sethostname(hostname)


def drop(uid: int | None) -> None:
    """All capabilities are gone; with `uid`, this process is that user and group and no other's."""
    with step("drop capabilities"):
        for capability in range(64):
            if _libc.prctl(_DROP_BOUND, ctypes.c_ulong(capability), 0, 0, 0) < 0:
                break
    if uid is not None:
        with step(f"user {uid}"):
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
    with step("drop capabilities"):
        header = struct.pack("Ii", 0x20080522, 0)
        check(_libc.capset(header, bytes(24)))
    with step("no_new_privs"):
        no_new_privileges()


def populate() -> None:
    """The pages that this process may read and has mapped are there for it: none is found by a fault
    later. What it would copy by writing is left: it shares that with the process that it was forked
    from.

    Nothing before Linux 5.14.
    """
    with suppress(OSError), open("/proc/self/maps") as file:
        for fields in [line.split() for line in file]:
            if fields[-1].startswith("[v") or fields[1].startswith(("---", "rw-p")):
                continue
            start, end = (int(each, 16) for each in fields[0].split("-"))
            _libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _POPULATE_READ)


def filter_calls(program: bytes) -> None:
    """The seccomp filter `program` holds for this process and its children."""
    with step("seccomp"):
        buffer = ctypes.create_string_buffer(program, len(program))
        header = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
        check(_libc.prctl(_SECCOMP, ctypes.c_ulong(2), header, 0, 0))


def claim_uid(first: int, count: int, seed: int) -> tuple[int, Any]:
    """A user id that no live job on this host has, and the socket that keeps it so while open."""
    for offset in range(min(count, 1000)):
        uid = first + (seed + offset) % count
        holder = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # An abstract name: the kernel frees it with its holder, however that ends.
            holder.bind(f"\0sagebrush-uid-{uid}")
            return uid, holder
        except OSError:
            holder.close()
    raise StepFailed("user id: none is free")
