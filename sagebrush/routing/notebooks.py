"""Which notebook a host name means, who may enter it, and when it was last used.

What is in memory here may be lost at any time: it is read again from the notebooks' rows and the
backend. One-time tokens are in the row (as hashes), so that each works once, whoever asks.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from sagebrush.compute.base import Backend, Running
from sagebrush.errors import Doc
from sagebrush.routing.endpoints import answers
from sagebrush.settings import Settings
from sagebrush.store.rows import Row, Rows

KIND = "notebook-instance"
TOKEN_SECONDS = 300
"""How long a presigned link works (CreatePresignedNotebookInstanceUrl: five minutes)."""
SESSION_SECONDS = 43200
"""How long its session lasts unless the caller asks for less (AWS's default: 12 hours)."""
TOKENS = 100
"""Unused tokens kept for one notebook; those that end first go first."""
STATUS_PATH = "/api"
"""Jupyter's own: answers 200 once its handlers are there, with or without a token."""
LOOK_AGAIN = 1.0
"""Seconds between two looks for notebooks that an unknown host name might mean."""
_LABEL = re.compile(r"[a-z0-9][a-z0-9-]*-[a-z0-9]{6}")
_NAME = 56
"""Characters of a name that go into a host label, which holds 63."""


@dataclass(frozen=True)
class Desk:
    """A notebook as the gateway sees it."""

    row_id: int
    name: str
    id: str
    status: str
    reason: str = ""
    """Why it failed."""
    address: str = ""
    """What `compute.dial` connects to; "" unless it is InService and its process runs."""
    token: str = field(default="", repr=False)
    """What its server asks for where more than the gateway can reach it; "" where nothing can."""


class Notebooks:
    """The notebooks of this process: `World.notebooks`; for any thread."""

    def __init__(
        self,
        settings: Settings,
        rows: Rows,
        backend: Backend,
        clock: Callable[[], float],
        wake: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._rows = rows
        self._backend = backend
        self._clock = clock
        self._wake = wake
        self._guard = threading.Lock()
        self._known: dict[str, int] = {}
        """Host label or loopback address -> row."""
        self._looked = float("-inf")
        self._ready: set[str] = set()
        self._watched: set[str] = set()
        self._seen: dict[int, float] = {}
        self._websockets: dict[int, int] = {}
        self._first: dict[str, float] = {}
        self._copied: dict[tuple[str, str], int] = {}
        self._listen: Callable[[str], None] | None = None

    # ---- hosts

    def find(self, host: str) -> Desk | None:
        """The notebook that a host label (or loopback address) names; None when it names none."""
        row_id = self._known.get(host)
        if row_id is None:
            row_id = self._look_for(host)
        if row_id is None:
            return None
        row = self._rows.by_id(row_id)
        if row is None or row.kind != KIND or host not in self._hosts(row):
            with self._guard:
                self._known.pop(host, None)
            return None
        return self._desk(row)

    def load(self, row: Row) -> None:
        """The row's host names are known, and listened at where it has an address of its own."""
        for host in self._hosts(row):
            with self._guard:
                known = self._known.setdefault(host, row.id) == row.id
                if not known and self._rows.by_id(self._known[host]) is None:
                    self._known[host], known = row.id, True
            if known and _is_address(host) and self._listen is not None:
                self._listen(host)

    def listen_by(self, listen: Callable[[str], None]) -> None:
        """`listen(address)` is called for every loopback address that a notebook has, those that
        are there already included; it may be called again for one."""
        self._listen = listen
        self._load_all()

    def _look_for(self, host: str) -> int | None:
        """Notebooks that are not known yet (after a restart, say) are, once a second at most: most
        unknown names are buckets'."""
        if not (_LABEL.fullmatch(host) or (self._by_address and _is_address(host))):
            return None
        with self._guard:
            now = time.monotonic()
            if now < self._looked + LOOK_AGAIN:
                return self._known.get(host)
            self._looked = now
        self._load_all()
        return self._known.get(host)

    def _load_all(self) -> None:
        for row in self._rows.select(KIND):
            self.load(row)

    @property
    def _by_address(self) -> bool:
        return self._settings.notebook_hosts == "addresses"

    def _hosts(self, row: Row) -> tuple[str, ...]:
        number = row.plan.get("id")
        if not number:
            return ()
        named = label(row.name, number)
        return (named, address_of(number)) if self._by_address else (named,)

    def _desk(self, row: Row) -> Desk:
        address, key = "", row.plan.get("key")
        if row.status == "InService" and key:
            state = self._backend.poll(key)
            address = state.address if isinstance(state, Running) else ""
        reason = row.doc.get("FailureReason") or ""
        token = row.plan.get("token") or ""
        return Desk(row.id, row.name, row.plan["id"], row.status, reason, address, token)

    # ---- readiness

    def ready(self, key: str) -> bool:
        """Whether the server under that key has answered since this process looks."""
        return key in self._ready

    def watch(self, key: str, row_id: int, until: float) -> None:
        """The row is due as soon as its server answers, or its process ends, or the clock says
        `until`. Repeatable."""
        with self._guard:
            if key in self._watched or key in self._ready:
                return
            self._watched.add(key)
        threading.Thread(
            target=self._wait, args=(key, row_id, until), name=f"notebook-{key}", daemon=True
        ).start()

    def _wait(self, key: str, row_id: int, until: float) -> None:
        try:
            if answers(self._backend, self._clock, key, STATUS_PATH, until):
                with self._guard:
                    self._ready.add(key)
        finally:
            with self._guard:
                self._watched.discard(key)
            try:
                self._rows.touch(row_id)
            except Exception:  # the server is ending and its database is closed
                return
            self._wake()

    def forget(self, key: str) -> None:
        """Nothing is remembered of that start."""
        with self._guard:
            self._ready.discard(key)
            self._first.pop(key, None)
            for place in [place for place in self._copied if place[0] == key]:
                del self._copied[place]

    # ---- use

    def seen(self, row_id: int) -> None:
        """The notebook is being used now."""
        self._seen[row_id] = self._clock()

    def last_seen(self, row_id: int) -> float | None:
        """When a request or a websocket message last came through the gateway; None where none
        has since this process runs."""
        return self._seen.get(row_id)

    def looked_at(self, key: str) -> float:
        """When the use of that start was first looked at since this process runs: now, where it is
        the first time. Nobody knows of requests before it."""
        return self._first.setdefault(key, self._clock())

    def open_websockets(self, row_id: int) -> int:
        """Websockets that are open through the gateway."""
        return self._websockets.get(row_id, 0)

    @contextmanager
    def websocket(self, row_id: int) -> Iterator[None]:
        """A websocket is counted as open."""
        with self._guard:
            self._websockets[row_id] = self._websockets.get(row_id, 0) + 1
        try:
            yield
        finally:
            with self._guard:
                self._websockets[row_id] -= 1
                if not self._websockets[row_id]:
                    del self._websockets[row_id]

    def gone(self, row_id: int) -> None:
        """The row is gone: the database may give its id to another."""
        with self._guard:
            self._seen.pop(row_id, None)
            for host in [host for host, known in self._known.items() if known == row_id]:
                del self._known[host]

    # ---- logs of lifecycle scripts

    def copied(self, key: str, hook: str) -> int:
        """Bytes of the script's log that this process has copied since that start."""
        return self._copied.get((key, hook), 0)

    def copied_to(self, key: str, hook: str, offset: int) -> None:
        """The script's log is copied up to `offset`, whether or not the step that did is stored."""
        self._copied[key, hook] = offset

    # ---- tokens

    def issue(
        self,
        row_id: int,
        seconds: int = SESSION_SECONDS,
        check: Callable[[Row], object] = lambda row: None,
    ) -> str:
        """A token that opens the notebook once, within five minutes, for a session of `seconds`.

        `check` may raise for the row as it is when the token is stored. Raises LookupError when the
        row is gone.
        """
        token = secrets.token_urlsafe(32)
        expiry = self._clock() + TOKEN_SECONDS

        def add(row: Row) -> Row:
            check(row)
            kept = sorted(self._live(row).items(), key=lambda item: item[1][0])
            kept = [*kept[-(TOKENS - 1) :], (_hash(token), [expiry, seconds])]
            return replace(row, plan={**row.plan, "tokens": dict(kept)})

        row = self._rows.update(row_id, add)
        if row is None:
            raise LookupError(f"no notebook has the row {row_id}")
        self.load(row)
        return token

    def redeem(self, row_id: int, token: str) -> int | None:
        """The seconds of the session that the token opens, which it does not do again; None when it
        opens none: used, expired, another notebook's or nobody's."""
        found: list[int] = []
        key = _hash(token)

        def take(row: Row) -> Row | None:
            found.clear()
            live = self._live(row)
            if key not in live:
                return None
            found.append(int(live.pop(key)[1]))
            return replace(row, plan={**row.plan, "tokens": live})

        row = self._rows.update(row_id, take)
        return found[0] if row is not None and found else None

    def redeemable(self, row_id: int, token: str) -> bool:
        """Whether `redeem` would open a session; the token stays as it is."""
        row = self._rows.by_id(row_id)
        return row is not None and _hash(token) in self._live(row)

    def _live(self, row: Row) -> Doc:
        """The row's tokens that have not expired."""
        now = self._clock()
        return {k: v for k, v in (row.plan.get("tokens") or {}).items() if v[0] > now}


# Names ------------------------------------------------------------------------------------------


def label(name: str, number: str) -> str:
    """The host label of the notebook: a DNS label (RFC 1123) that no other notebook has.

    Runs of dashes become one: a label like `xn--…` would mean a name in another script.
    """
    cut = re.sub(r"[^a-z0-9]+", "-", name.lower()[:_NAME]).strip("-")
    return f"{cut}-{number}"


def address_of(number: str) -> str:
    """The loopback address of the notebook: in 127.0.0.0/8, not in 127.0.0.0/16, which has others."""
    first, second, third = hashlib.sha256(number.encode()).digest()[:3]
    return f"127.{1 + first % 254}.{second}.{1 + third % 254}"


def url(settings: Settings, ports: tuple[int, int], name: str, number: str) -> str:
    """Where a browser opens the notebook, with a slash at its end; `ports` as `World.ports`."""
    plain, secure = ports
    if settings.notebook_hosts == "addresses":
        return f"http://{address_of(number)}:{plain}/"
    outer = _outer(settings)
    scheme, port = ("https", secure) if outer or settings.tls_only else ("http", plain)
    return f"{scheme}://{label(name, number)}.{outer or 'localhost'}:{port}/"


def _outer(settings: Settings) -> str:
    """The name that other machines know this one by; "" where they do not, or by address alone."""
    host = settings.host.lower()
    if host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback):
        return ""
    names = (name for name in (host, *settings.hosts) if not _is_address(name))
    return next(names, "")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
