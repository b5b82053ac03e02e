"""Host names of notebooks, the tokens that open them, and when each was last used.

What is in memory may be lost at any time: it is rebuilt from the notebooks' rows and the backend.
One-time tokens are stored in the row (as hashes), so that each works once, in any process.
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
from sagebrush.settings import Settings
from sagebrush.store.rows import Row, Rows

KIND = "notebook-instance"
TOKEN_SECONDS = 300
"""How long a presigned link works (CreatePresignedNotebookInstanceUrl: five minutes)."""
SESSION_SECONDS = 43200
"""How long its session lasts unless the caller asks for less (AWS's default: 12 hours)."""
TOKENS = 100
"""Unused tokens kept for one notebook; those that expire first are dropped first."""
LOOK_AGAIN = 1.0
"""Seconds between two reads of all notebook rows for unknown host names."""
_LABEL = re.compile(r"[a-z0-9][a-z0-9-]*-[a-z0-9]{6}")
_NAME = 56
"""Characters of a name that go into a host label, which holds 63."""


@dataclass(frozen=True)
class Notebook:
    """What the gateway needs to know of a notebook instance."""

    row_id: int
    name: str
    id: str
    status: str
    reason: str = ""
    """Why it failed."""
    address: str = ""
    """What `compute.dial` connects to; "" unless it is InService and its process runs."""
    token: str = field(default="", repr=False)
    """Token of its Jupyter server in process mode; "" in a sandbox, where it needs none."""


class Notebooks:
    """The notebooks known to this process (`World.notebooks`). Thread-safe."""

    def __init__(
        self,
        settings: Settings,
        rows: Rows,
        backend: Backend,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._rows = rows
        self._backend = backend
        self._clock = clock
        self._guard = threading.Lock()
        self._known: dict[str, int] = {}
        """Host label or loopback address -> row."""
        self._looked = float("-inf")
        self._seen: dict[int, float] = {}
        self._websockets: dict[int, int] = {}
        self._first: dict[str, float] = {}
        self._copied: dict[tuple[str, str], int] = {}
        self._listen: Callable[[str], None] | None = None

    # ---- hosts

    def find(self, host: str) -> Notebook | None:
        """Returns the notebook with that host label or loopback address, or None."""
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
        return self._notebook(row)

    def load(self, row: Row) -> None:
        """Registers the row's host names, and listens on its loopback address if it has one."""
        for host in self._hosts(row):
            with self._guard:
                known = self._known.setdefault(host, row.id) == row.id
                if not known and self._rows.by_id(self._known[host]) is None:
                    self._known[host], known = row.id, True
            if known and _is_address(host) and self._listen is not None:
                self._listen(host)

    def listen_by(self, listen: Callable[[str], None]) -> None:
        """Calls `listen(address)` for every notebook's loopback address, now and for each new one.

        It may be called more than once for an address.
        """
        self._listen = listen
        self._load_all()

    def _look_for(self, host: str) -> int | None:
        """Loads all notebook rows and looks again; at most once a second, since most unknown names
        are buckets'."""
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

    def _notebook(self, row: Row) -> Notebook:
        address, key = "", row.plan.get("key")
        if row.status == "InService" and key:
            state = self._backend.poll(key)
            address = state.address if isinstance(state, Running) else ""
        reason = row.doc.get("FailureReason") or ""
        token = row.plan.get("token") or ""
        return Notebook(row.id, row.name, row.plan["id"], row.status, reason, address, token)

    # ---- use

    def seen(self, row_id: int) -> None:
        """Records that the notebook is used now."""
        self._seen[row_id] = self._clock()

    def last_seen(self, row_id: int) -> float | None:
        """Returns when the last request or websocket message passed the gateway, None if none has
        since this process started."""
        return self._seen.get(row_id)

    def looked_at(self, key: str) -> float:
        """Returns when this process first asked about that start of a notebook (now, if never).

        Requests before that are not known, so idle time is counted from here.
        """
        return self._first.setdefault(key, self._clock())

    def open_websockets(self, row_id: int) -> int:
        """Returns the number of websockets open through the gateway."""
        return self._websockets.get(row_id, 0)

    @contextmanager
    def websocket(self, row_id: int) -> Iterator[None]:
        """Counts a websocket as open within the context."""
        with self._guard:
            self._websockets[row_id] = self._websockets.get(row_id, 0) + 1
        try:
            yield
        finally:
            with self._guard:
                self._websockets[row_id] -= 1
                if not self._websockets[row_id]:
                    del self._websockets[row_id]

    def forget(self, key: str) -> None:
        """Drops what is known of that start of a notebook."""
        with self._guard:
            self._first.pop(key, None)
            for place in [place for place in self._copied if place[0] == key]:
                del self._copied[place]

    def gone(self, row_id: int) -> None:
        """Forgets a deleted row."""
        with self._guard:
            self._seen.pop(row_id, None)
            for host in [host for host, known in self._known.items() if known == row_id]:
                del self._known[host]

    # ---- logs of lifecycle scripts

    def copied(self, key: str, hook: str) -> int:
        """Returns how many bytes of the script's log this process has copied for that start."""
        return self._copied.get((key, hook), 0)

    def copied_to(self, key: str, hook: str, offset: int) -> None:
        """Records that the script's log is copied up to `offset`, stored step or not."""
        self._copied[key, hook] = offset

    # ---- tokens

    def issue(
        self,
        row_id: int,
        seconds: int = SESSION_SECONDS,
        check: Callable[[Row], object] = lambda row: None,
    ) -> str:
        """Returns a token that opens the notebook once, within five minutes, for `seconds`.

        `check(row)` runs in the transaction that stores the token and may raise. Raises LookupError
        if the row is gone.
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
        """Uses the token up; returns the length of its session in seconds.

        Returns None for a token that is used, expired, unknown or of another notebook.
        """
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
        """Returns whether `redeem` would open a session; does not use the token up."""
        row = self._rows.by_id(row_id)
        return row is not None and _hash(token) in self._live(row)

    def _live(self, row: Row) -> Doc:
        """Returns the row's tokens that have not expired."""
        now = self._clock()
        return {k: v for k, v in (row.plan.get("tokens") or {}).items() if v[0] > now}


# Names ------------------------------------------------------------------------------------------


def label(name: str, number: str) -> str:
    """Returns the notebook's host label, a unique DNS label (RFC 1123).

    Runs of dashes become one: `xn--…` would mean an internationalised name (RFC 5890).
    """
    cut = re.sub(r"[^a-z0-9]+", "-", name.lower()[:_NAME]).strip("-")
    return f"{cut}-{number}"


def address_of(number: str) -> str:
    """Returns the notebook's loopback address: in 127.0.0.0/8, outside 127.0.0.0/16 (in use)."""
    first, second, third = hashlib.sha256(number.encode()).digest()[:3]
    return f"127.{1 + first % 254}.{second}.{1 + third % 254}"


def url(settings: Settings, ports: tuple[int, int], name: str, number: str) -> str:
    """Returns the notebook's URL for a browser, ending in a slash; `ports`: `World.ports`."""
    plain, secure = ports
    if settings.notebook_hosts == "addresses":
        return f"http://{address_of(number)}:{plain}/"
    outer = _outer(settings)
    scheme, port = ("https", secure) if outer or settings.tls_only else ("http", plain)
    return f"{scheme}://{label(name, number)}.{outer or 'localhost'}:{port}/"


def _outer(settings: Settings) -> str:
    """Returns the name by which other machines reach this server, "" if there is none."""
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
