"""Log groups and streams: which job's log a stream shows, and events that users put."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sagebrush.store.db import Conflict, Db, Tx


@dataclass(frozen=True)
class Group:
    """A log group; `retention` in days, None: its events never expire."""

    name: str
    created: float
    retention: int | None


@dataclass(frozen=True)
class Stream:
    """A log stream. `job` is the backend's key whose log it shows; None: events that users put."""

    id: int
    group: str
    name: str
    job: str | None
    created: float


@dataclass(frozen=True)
class Event:
    """One event; `position` orders the events of one stream and names a place in it."""

    position: int
    ms: int
    message: str
    ingested: int


class Gone(LookupError):
    """The group or stream was deleted meanwhile."""


@dataclass(frozen=True)
class Extent:
    """What the events of a stream span: `first` to `last` by their own times and the latest time at
    which one was ingested, in milliseconds; `end` is the position after the last one."""

    first: int
    last: int
    ingested: int
    end: int


class Streams:
    """The log groups and streams of all accounts and regions."""

    def __init__(self, db: Db, clock: Callable[[], float]) -> None:
        self._db = db
        self._clock = clock

    def register(self, account: str, region: str, group: str, stream: str, key: str) -> None:
        """The stream exists and shows the log of the backend's job `key`. Repeatable."""

        def work(tx: Tx) -> None:
            self._add_group(tx, account, region, group)
            tx.run(
                "INSERT INTO log_stream(account, region, grp, name, job, created)"
                " VALUES(?,?,?,?,?,?) ON CONFLICT DO UPDATE SET job=excluded.job",
                (account, region, group, stream, key, self._clock()),
            )

        self._db.write(work)

    def _add_group(self, tx: Tx, account: str, region: str, name: str) -> bool:
        sql = "INSERT INTO log_group(account, region, name, created) VALUES(?,?,?,?)"
        params = (account, region, name, self._clock())
        return tx.run(sql + " ON CONFLICT DO NOTHING", params) == 1

    def add_group(self, account: str, region: str, name: str) -> bool:
        """The group exists; False when it did before."""
        return self._db.write(lambda tx: self._add_group(tx, account, region, name))

    def add_stream(self, account: str, region: str, group: str, name: str) -> bool:
        """The stream for users' events exists; False when one of that name did before. Raises Gone
        where its group does not exist."""
        sql = (
            "INSERT INTO log_stream(account, region, grp, name, created) VALUES(?,?,?,?,?)"
            " ON CONFLICT DO NOTHING"
        )
        params = (account, region, group, name, self._clock())
        try:
            return self._db.write(lambda tx: tx.run(sql, params)) == 1
        except Conflict as error:
            raise Gone(group) from error

    def groups(self, account: str, region: str) -> list[Group]:
        """All groups by name."""
        sql = "SELECT * FROM log_group WHERE account=? AND region=? ORDER BY name"
        rows = self._db.read(sql, (account, region))
        return [Group(r["name"], r["created"], r["retention"]) for r in rows]

    def has_group(self, account: str, region: str, name: str) -> bool:
        """Whether there is a group of that name."""
        sql = "SELECT 1 FROM log_group WHERE account=? AND region=? AND name=?"
        return self._db.read_one(sql, (account, region, name)) is not None

    def stream(self, account: str, region: str, group: str, name: str) -> Stream | None:
        """The group's stream of that name, or None."""
        sql = "SELECT * FROM log_stream WHERE account=? AND region=? AND grp=? AND name=?"
        r = self._db.read_one(sql, (account, region, group, name))
        return Stream(r["id"], r["grp"], r["name"], r["job"], r["created"]) if r else None

    def streams(self, account: str, region: str, group: str) -> list[Stream]:
        """All streams of the group by name."""
        sql = "SELECT * FROM log_stream WHERE account=? AND region=? AND grp=? ORDER BY name"
        rows = self._db.read(sql, (account, region, group))
        return [Stream(r["id"], r["grp"], r["name"], r["job"], r["created"]) for r in rows]

    def set_retention(self, account: str, region: str, group: str, days: int | None) -> bool:
        """Events of the group expire after `days` (None: never); False when there is no such group."""
        sql = "UPDATE log_group SET retention=? WHERE account=? AND region=? AND name=?"
        return self._db.write(lambda tx: tx.run(sql, (days, account, region, group))) == 1

    def delete_group(self, account: str, region: str, name: str) -> bool:
        """The group, its streams and events are gone; False when there was none."""
        sql = "DELETE FROM log_group WHERE account=? AND region=? AND name=?"
        return self._db.write(lambda tx: tx.run(sql, (account, region, name))) == 1

    def delete_stream(self, stream: Stream) -> bool:
        """The stream and its events are gone (a job's own log stays with the job); False when they
        were before."""
        sql = "DELETE FROM log_stream WHERE id=?"
        return self._db.write(lambda tx: tx.run(sql, (stream.id,))) == 1

    def put(self, stream: Stream, events: Sequence[tuple[int, str]]) -> None:
        """The (ms, message) events are in the stream, all or none. Raises Gone where it is no more."""
        now = int(self._clock() * 1000)

        def work(tx: Tx) -> None:
            for ms, message in events:
                sql = "INSERT INTO log_event(stream, ms, ingested, message) VALUES(?,?,?,?)"
                tx.run(sql, (stream.id, ms, now, message))

        try:
            self._db.write(work)
        except Conflict as error:
            raise Gone(stream.name) from error

    def expire(self) -> int:
        """Events that users put are gone where their group's retention has passed; how many."""
        sql = (
            "DELETE FROM log_event WHERE ms < (SELECT (? - g.retention * 86400.0) * 1000"
            " FROM log_stream s JOIN log_group g"
            " ON (g.account, g.region, g.name) = (s.account, s.region, s.grp)"
            " WHERE s.id = log_event.stream)"
        )
        return self._db.write(lambda tx: tx.run(sql, (self._clock(),)))

    def events(self, stream: Stream, position: int, limit: int) -> list[Event]:
        """Up to `limit` events that users put, from `position` on."""
        sql = "SELECT * FROM log_event WHERE stream=? AND id>=? ORDER BY id LIMIT ?"
        rows = self._db.read(sql, (stream.id, position, limit))
        return [Event(r["id"], r["ms"], r["message"], r["ingested"]) for r in rows]

    def before(self, stream: Stream, position: int, limit: int) -> list[Event]:
        """Up to `limit` events that users put before `position`, the latest first."""
        sql = "SELECT * FROM log_event WHERE stream=? AND id<? ORDER BY id DESC LIMIT ?"
        rows = self._db.read(sql, (stream.id, position, limit))
        return [Event(r["id"], r["ms"], r["message"], r["ingested"]) for r in rows]

    def extent(self, stream: Stream) -> Extent | None:
        """What the events that users put into the stream span; None when it has none."""
        sql = (
            "SELECT min(ms) AS first, max(ms) AS last, max(ingested) AS ingested,"
            " max(id) + 1 AS place FROM log_event WHERE stream=?"
        )
        row = self._db.read(sql, (stream.id,))[0]
        if row["place"] is None:
            return None
        return Extent(row["first"], row["last"], row["ingested"], row["place"])

    def size(self, account: str, region: str, group: str, overhead: int) -> int | None:
        """Bytes of the group's messages, with `overhead` for each; None: it shows logs of jobs too."""
        sql = (
            "SELECT count(s.job) AS jobs, sum(length(CAST(e.message AS BLOB)) + ?) AS size"
            " FROM log_stream s LEFT JOIN log_event e ON e.stream = s.id"
            " WHERE s.account=? AND s.region=? AND s.grp=?"
        )
        row = self._db.read(sql, (overhead, account, region, group))[0]
        return None if row["jobs"] else row["size"] or 0
