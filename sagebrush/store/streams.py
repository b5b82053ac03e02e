"""Log groups and streams: which job's log a stream shows, and events that users put."""

from __future__ import annotations

from sagebrush.store.db import Db


class Streams:
    """The log streams of an account and region."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def register(self, account: str, region: str, group: str, stream: str, key: str) -> None:
        """The stream exists and shows the log of the backend's job `key`. Repeatable."""
        raise NotImplementedError
