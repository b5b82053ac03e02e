"""The first process of a job that is begun before it is known what the job will be.

It has entered all of the sandbox that such jobs have in common, and has the process ready that will
be the job's program, which can be a function of this interpreter: nothing is executed then. Once
told, it adds what is the job's own and takes both processes' rights. No user's code has run until then,
and a process is one job's only. Standard library only.
"""

from __future__ import annotations

import json
import os
import signal
import time

from sagebrush.compute.shim import init, namespaces

TYPE_CHECKING = False  # importing typing would cost a launch 4 ms
if TYPE_CHECKING:
    from typing import Any, NoReturn, Protocol

    class Program(Protocol):
        """What a job is, where nothing is executed."""

        fds: set[int]
        """The descriptors that it has opened."""

        def ready(self, spec: dict[str, Any]) -> None:
            """It has done what it can before it is told what the job is."""
            ...

        def begin(self, spec: dict[str, Any]) -> None:
            """It is the job, until that ends."""
            ...


_SIZE = 8


def begin(told: bytes) -> bytes:
    """What says to the process, in place of `s`, that the job is what the JSON `told` adds to its spec:
    `steps` of the sandbox that come last, and what `init.become` reads."""
    return b"s" + len(told).to_bytes(_SIZE, "little") + told


def run(
    spec: dict[str, Any], uid: int | None, pipes: tuple[int, int, int], program: Program | None
) -> NoReturn:
    """As `init.run`; `pipes` are its `go`, `tell` and `log`, and `program` is the job, unless the
    spec says `executed` in the end."""
    init.reported(pipes[1], lambda: _run(spec, uid, pipes, program))


def _run(
    spec: dict[str, Any], uid: int | None, pipes: tuple[int, int, int], program: Program | None
) -> int:
    go, tell, log = pipes
    signal.pthread_sigmask(signal.SIG_BLOCK, init.SIGNALS)
    init.keep_only({0, 1, 2, *pipes})
    if os.read(go, 1) != b"g":
        return init.FAILED  # the shim is gone
    os.setsid()
    os.umask(0o022)
    sandboxed = spec["mode"] == "sandbox"
    names = {"uid": str(os.getuid() if uid is None else uid)}
    names["gid"] = str(os.getgid() if uid is None else uid)
    builder = None
    if sandboxed:
        builder = namespaces.begin(spec["stage"], names)
        builder.apply(spec["steps"])
    else:
        namespaces.adopt_orphans()
    main, hand, answer = _waiting(spec, uid, log, program)
    if not spec["awaited"]:
        namespaces.populate()
    told = _told(go)
    if told is None:
        return init.FAILED
    spec.update(json.loads(told))
    if builder is not None:
        builder.apply(spec["steps"])
        namespaces.enter(spec["stage"], spec["hostname"])
    _confine(spec, uid)
    waking = init.wake_on_signals()
    started = time.time()
    _handed(hand, told, answer)
    if sandboxed:
        namespaces.hide_from_ptrace()
    os.close(log)
    init.say(tell, f"R {main} {started}")
    return init.watch(main, waking, go, tell)


def _confine(spec: dict[str, Any], uid: int | None) -> None:
    """This process has the rights of the job, and no others."""
    if spec["mode"] == "sandbox":
        namespaces.drop(uid)
        namespaces.die_with_parent(signal.SIGKILL)
        namespaces.filter_calls(bytes.fromhex(spec["seccomp"]))
    else:
        init.confine(spec)


def _told(go: int) -> bytes | None:
    """What the job is; None where the shim has ended."""
    if os.read(go, 1) != b"s":
        return None
    size = int.from_bytes(_whole(go, _SIZE), "little")
    return _whole(go, size)


def _whole(fd: int, size: int) -> bytes:
    """So many bytes. Raises OSError where there are no more."""
    found = b""
    while len(found) < size:
        data = os.read(fd, size - len(found))
        if not data:
            raise ConnectionError("who began this has ended")
        found += data
    return found


def _waiting(
    spec: dict[str, Any], uid: int | None, log: int, program: Program | None
) -> tuple[int, int, int]:
    """(the process that will be the program, where it is told what it is, where it answers)."""
    told, hand = os.pipe()
    answer, tell = os.pipe()
    main = os.fork()
    if main == 0:
        init.keep_only({0, 1, 2, log, told, tell})
        try:
            if program is not None:
                program.ready(spec)
            if not spec["awaited"]:
                namespaces.populate()
            size = int.from_bytes(_whole(told, _SIZE), "little")
            spec.update(json.loads(_whole(told, size)))
            _be(spec, uid, (log, tell), program)
        except OSError as error:
            os.write(tell, f"{error.strerror}: {error.filename or spec['argv'][0]}".encode())
        except BaseException as error:
            os.write(tell, str(error).encode())
        os._exit(127)
    os.close(told)
    os.close(tell)
    return main, hand, answer


def _be(
    spec: dict[str, Any], uid: int | None, fds: tuple[int, int], program: Program | None
) -> None:
    """This process is the program; raises what kept it from that."""
    log, tell = fds
    _confine(spec, uid)
    init.become(spec, spec["mode"] == "sandbox", log)
    if program is None or spec["executed"]:
        os.set_inheritable(tell, False)
        init.execute(spec["argv"], spec["env"])
    else:
        namespaces.show_to_ptrace()  # as what is executed is: else /proc/self is closed to it
        init.keep_only({0, 1, 2, *program.fds})  # not `tell`, whose end says that it runs
        program.begin(spec)
        os._exit(0)


def _handed(hand: int, told: bytes, answer: int) -> None:
    """The program runs, by what it was told. Raises StepFailed."""
    data = len(told).to_bytes(_SIZE, "little") + told
    while data:
        data = data[os.write(hand, data) :]
    os.close(hand)
    failure = os.read(answer, 4096)
    os.close(answer)
    if failure:
        raise namespaces.StepFailed(f"exec: {failure.decode(errors='replace')}")
