"""What a driver has done so far, on disk: one that begins again goes on there.

A line of JSON for each event, written whole; a line that is cut off did not happen.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field

TYPE_CHECKING = False  # importing typing would cost the start 4 ms
if TYPE_CHECKING:
    from typing import Any

NAME = "journal"
PROGRESS = "progress.json"
RESULT = "result.json"
SUFFIX = ".d"
"""What the key of a driver has more than that of its instance."""
OFTEN = 1.0
"""Seconds between two writings of the progress."""


@dataclass
class Past:
    """What a journal says."""

    done: dict[int, int] = field(default_factory=dict)
    """Objects whose output is there, by their number, and their records."""
    begun: dict[int, str] = field(default_factory=dict)
    """Uploads that were begun and neither completed nor aborted."""


def read(text: str) -> Past:
    """What the journal `text` says."""
    found = Past()
    for line in text.split("\n")[:-1]:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if "done" in event:
            found.done[event["done"]] = event["records"]
            found.begun.pop(event["done"], None)
        elif "begun" in event:
            found.begun[event["begun"]] = event["upload"]
        elif "aborted" in event:
            found.begun.pop(event["aborted"], None)
    return found


class Journal:
    """The journal of the driver whose directory is `folder`."""

    def __init__(self, folder: str) -> None:
        """It goes on where it ended."""
        self._folder = folder
        self._file = open(os.path.join(folder, NAME), "a+", encoding="utf-8")  # noqa: SIM115
        self._file.seek(0)
        text = self._file.read()
        self.past = read(text)
        if text and not text.endswith("\n"):
            self._file.write("\n")
        self._last = 0.0

    def close(self) -> None:
        """Nothing more will be noted."""
        self._file.close()

    def note(self, **event: Any) -> None:
        """The event has happened."""
        self._file.write(json.dumps(event) + "\n")
        self._file.flush()

    def progress(self, values: dict[str, Any], now: bool = False) -> None:
        """Who looks on sees these values, every OFTEN seconds at most."""
        if now or time.monotonic() - self._last >= OFTEN:
            self._last = time.monotonic()
            self.put(PROGRESS, values)

    def put(self, name: str, values: dict[str, Any]) -> None:
        """The file holds the values, whole or not at all."""
        path = os.path.join(self._folder, name)
        with open(f"{path}.part", "w") as file:
            json.dump(values, file)
        os.replace(f"{path}.part", path)
