"""One boto3 session of the whole run: it reads each of AWS's models once, which takes half a second."""

from __future__ import annotations

from typing import Any

import boto3.session


class Session(boto3.session.Session):
    """Keeps what it made, so that `close` can end it: a connection that is collected is a warning in
    whichever test runs then."""

    def __init__(self) -> None:
        super().__init__()
        self._made: list[Any] = []

    def client(self, *args: Any, **given: Any) -> Any:
        """As boto3's."""
        made: Any = super().client(*args, **given)
        made.meta.events.register("after-call", self._keep_streams)
        self._made.append(made)
        return made

    def _keep_streams(self, parsed: dict[str, Any], **_: Any) -> None:
        self._made += [value for value in parsed.values() if hasattr(value, "close")]

    def close(self) -> None:
        """No client nor answer holds a connection. Clients may be used again."""
        while self._made:
            self._made.pop().close()


SESSION = Session()
