"""Why a script failed, from the end of its stderr: its own traceback, not its launcher's.

With several processes under torchrun or mpirun the lines of all of them are in one stream, and the
first failure makes the others fail: what counts is the first exception that is not of that kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TRACEBACK = "Traceback (most recent call last)"
LIMIT = 1000
"""Characters of a reason, as AWS's toolkit has it."""
_RANK = re.compile(r"^\[rank\d+\]: ?")
"""What torch puts before the lines of an uncaught exception."""
_TAG = re.compile(r"(\[\d+,\d+\]<std(?:err|out)>):")
"""What `mpirun --tag-output` puts before each piece that a process writes."""
_LAUNCHER = re.compile(r"torch/distributed/(?:run|launcher/\w+)\.py|ChildFailedError")
_LOG = re.compile(
    r"^(?:[IWEF]\d{4} \d\d:\d\d:|-{20}|={20}|\[[^]]+:\d+\] |Primary job +terminated|a non-zero exit code"
    r"|mpirun detected that|the job to be terminated|  Process name: |  Exit code: )"
)
"""A line of torchrun's or mpirun's own that does not name the cause."""
_ENDED = re.compile(r"Root Cause.*?exitcode\s*:\s*(-?\d+)", re.DOTALL)
_MPI_ENDED = re.compile(r"Process name: \[\[.*?\]\s+Exit code:\s+(\d+)", re.DOTALL)
ECHO = re.compile(
    r"(?i)connection (?:was )?(?:closed|reset|refused|aborted)|broken pipe|DistNetworkError"
    r"|DistStoreError|DistBackendError|remote process exited|UnavailableError|AbortedError"
)
"""Messages of the other processes once one is gone."""


@dataclass(frozen=True)
class Reason:
    """The reason of a failure."""

    text: str
    code: int | None = None
    """The script's exit status, if a launcher reports it."""

    @property
    def echo(self) -> bool:
        """Whether it only says that another process has gone, whose own reason counts."""
        return bool(ECHO.search(self.text))


def last_error(stderr: str) -> str:
    """The last traceback's final line and what follows it, else the last lines, at most 1,000
    characters: AWS's toolkit's ErrorMessage.
    """
    lines = [_RANK.sub("", line) for line in stderr.rstrip().splitlines()]
    for at in range(len(lines) - 1, -1, -1):
        if lines[at].startswith(TRACEBACK):
            for end in range(at + 1, len(lines)):
                if not lines[end].startswith((" ", "\t")):
                    return "\n".join(lines[end:])[:LIMIT]
    return "\n".join(lines[-5:])[-LIMIT:]


def launched(stderr: str) -> Reason:
    """The reason where torchrun or mpirun started the script, perhaps several times."""
    ended = _ENDED.search(stderr) or _MPI_ENDED.search(stderr)
    code = int(ended.group(1)) if ended else None
    found = [text for _, text in sorted(_tracebacks(stderr))]
    own = [text for text in found if not ECHO.search(text)]
    if not own and code is not None and code < 0:
        return Reason(f"a process of the script was ended by signal {-code}", code)
    if own or found:
        return Reason((own or found)[0][:LIMIT], code)
    streams, bare = _streams(stderr)
    lines = [line for stream in (*streams.values(), bare) for _, line in stream if line.strip()]
    said = [line for line in _before_launcher(lines) if not _LOG.match(line)]
    return Reason("\n".join(said[-5:])[-LIMIT:], code)


def _before_launcher(lines: list[str]) -> list[str]:
    """The lines before torchrun's own traceback, after which all lines are torchrun's."""
    begun = 0
    for at, line in enumerate(lines):
        if line.startswith(TRACEBACK):
            begun = at
        if _LAUNCHER.search(line):
            return lines[:begun]
    return lines


Stream = list[tuple[int, str]]
"""(place in the whole, line)"""


def _streams(stderr: str) -> tuple[dict[str, Stream], Stream]:
    """The lines of each process, and those that name no process."""
    streams: dict[str, Stream] = {}
    begun: dict[str, tuple[int, str]] = {}
    bare: Stream = []
    for at, line in enumerate(stderr.splitlines()):
        first, *pieces = _TAG.split(line)
        tag = ""
        if first or not pieces:
            rank = _RANK.match(first)
            if rank is None:
                bare.append((at, first))
            else:
                streams.setdefault(rank.group(), []).append((at, first[rank.end() :]))
        for tag, text in zip(pieces[::2], pieces[1::2]):
            place, before = begun.get(tag, (at, ""))
            begun[tag] = (place, before + text)
        if tag:  # the line's end is that of its last piece
            place, text = begun.pop(tag)
            streams.setdefault(tag, []).append((place, _RANK.sub("", text)))
    for tag, rest in begun.items():
        streams.setdefault(tag, []).append(rest)
    return streams, bare


def _tracebacks(stderr: str) -> list[tuple[int, str]]:
    """(place, exception and its message) of each process's last traceback, not the launcher's."""
    streams, bare = _streams(stderr)
    found: dict[str, tuple[int, str]] = {}
    for key, stream in (*streams.items(), ("", bare)):
        starts = [i for i, (_, line) in enumerate(stream) if line.startswith(TRACEBACK)]
        for n, start in enumerate(starts):
            stop = starts[n + 1] if n + 1 < len(starts) else len(stream)
            block = [line for _, line in stream[start:stop]]
            end = next((i for i in range(1, len(block)) if not block[i].startswith(" ")), None)
            if end is None or any(_LAUNCHER.search(line) for line in block[: end + 1]):
                continue
            # An earlier one was handled, or it is a cause (`raise … from …`) of this one.
            found[key] = (stream[start][0], _message(block[end:]))
    return list(found.values())


def _message(lines: list[str]) -> str:
    """The exception that `lines` begin with, without what a launcher says after it."""
    end = next((i for i, line in enumerate(lines) if i and _LOG.match(line)), len(lines))
    return "\n".join(lines[:end]).rstrip()
