"""A directory that several sandboxes see, each as if it were its own: by overlayfs. Standard library only.

What a job changes there lies in a folder of the job's alone; the directory itself is never written.
"""

from __future__ import annotations

import ctypes
import os
import struct

from sagebrush.compute.shim import namespaces

TYPE_CHECKING = False  # importing typing would cost a launch 4 ms
if TYPE_CHECKING:
    from collections.abc import Mapping

NEW, WORK = "new", "work"
"""The folders that overlayfs needs of each job: what it changed, and the kernel's own."""
UNSAFE = frozenset(",:\\")
"""Characters that would need escaping in overlayfs's options."""
_OPEN_TREE, _MOVE_MOUNT = 428, 429
_CLONE, _EMPTY_PATH, _MOVE_EMPTY_PATH, _IDMAP = 1, 0x1000, 4, 1 << 20
_libc = ctypes.CDLL(None, use_errno=True)


def prepare(folder: str) -> None:
    """The folders that `show` needs are in `folder`. Raises OSError."""
    for name in (NEW, WORK):
        os.makedirs(f"{folder}/{name}", exist_ok=True)
        os.chmod(f"{folder}/{name}", 0o755)


def show(source: str, place: str, folder: str, names: Mapping[str, str]) -> None:
    """The directory `place` shows what is in `source`, all of it as the job's own (`names`: `uid` and
    `gid`); what is changed there lies in `folder`, which `prepare` has seen. Raises OSError."""
    if UNSAFE & set(source + place + folder):
        raise OSError(f"a path has one of {' '.join(sorted(UNSAFE))}")
    mapped, lower = int(names["uid"]) != os.geteuid(), source
    if mapped:
        _show_as(source, place, (int(names["uid"]), int(names["gid"])))
        lower = place
    # Inside a user namespace the kernel keeps its notes where its owner may write them.
    options = f"lowerdir={lower},upperdir={folder}/{NEW},workdir={folder}/{WORK}"
    options += ",redirect_dir=on" if mapped else ",userxattr"
    namespaces.mount("overlay", place, "overlay", namespaces.NOSUID | namespaces.NODEV, options)


def _show_as(source: str, place: str, owner: tuple[int, int]) -> None:
    """At `place` is what is in `source`, read-only; what belongs to this process's user there
    belongs to `owner`, a user and a group, here."""
    users = _users((os.geteuid(), os.getegid()), owner)
    tree = -1
    try:
        tree = _call(_OPEN_TREE, namespaces.HERE, source, _CLONE | os.O_CLOEXEC)
        flags = _IDMAP | namespaces.RDONLY | namespaces.NOSUID | namespaces.NODEV
        attributes = struct.pack("QQQQ", flags, 0, 0, users)
        size = len(attributes)
        _call(namespaces.MOUNT_SETATTR, tree, "", _EMPTY_PATH, attributes, size)
        _call(_MOVE_MOUNT, tree, "", namespaces.HERE, place, _MOVE_EMPTY_PATH)
    finally:
        os.close(users)
        if tree >= 0:
            os.close(tree)


def _users(stored: tuple[int, int], shown: tuple[int, int]) -> int:
    """A descriptor of a user namespace that maps the user and group `stored` to `shown`."""
    told, tell = os.pipe()
    wait, done = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(done)
            namespaces.unshare(namespaces.NEWUSER)
            # /proc may be of another process namespace, in which this process has another number
            os.write(tell, os.readlink("/proc/self").encode())
            os.read(wait, 1)
        finally:
            os._exit(0)
    os.close(tell)
    os.close(wait)
    try:
        number = os.read(told, 20).decode()
        if not number:
            raise OSError("a user namespace could not be made")
        for name, inside, outside in zip(("uid_map", "gid_map"), stored, shown, strict=True):
            with open(f"/proc/{number}/{name}", "w") as file:
                file.write(f"{inside} {outside} 1")
        return os.open(f"/proc/{number}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(told)
        os.close(done)
        os.waitpid(child, 0)


def _call(number: int, *values: int | str | bytes) -> int:
    """The system call's result. Raises OSError."""
    given = [
        ctypes.c_char_p(value.encode() if isinstance(value, str) else value)
        if isinstance(value, str | bytes)
        else ctypes.c_long(value)
        for value in values
    ]
    return namespaces.check(_libc.syscall(ctypes.c_long(number), *given))


def attempt(place: str, user: int) -> None:
    """A directory has been shown so under `place`, an empty directory, and its files have been changed
    by `user` without changing them; in a mount namespace of this process's own. Raises StepFailed."""
    namespaces.own_mounts()
    with namespaces.step("overlay"):
        shared, shown, folder = (f"{place}/{name}" for name in ("shared", "shown", "folder"))
        for each in (f"{shared}/below", shown):
            os.makedirs(each)
        for name in ("a", "b"):
            with open(f"{shared}/below/{name}", "w") as file:
                file.write("kept")
        prepare(folder)
        os.chown(f"{folder}/{NEW}", user, user)
        show(shared, shown, folder, {"uid": str(user), "gid": str(user)})
        os.chdir(shown)  # the user may not find the way there
        if user != os.geteuid():
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
        os.chmod("below/a", 0o700)
        os.unlink("below/b")
        for name in ("below/a", "new"):
            with open(name, "w") as file:
                file.write("changed")
