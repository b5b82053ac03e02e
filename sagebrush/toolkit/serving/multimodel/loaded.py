"""A model that is loaded, or being loaded: its process, and what waits for it."""

from __future__ import annotations

import socket
from collections import deque
from dataclasses import dataclass, field

from sagebrush.toolkit.serving import batches
from sagebrush.toolkit.serving.callers import Waiting
from sagebrush.toolkit.serving.workers import Worker


@dataclass(eq=False)
class Loaded:
    """One model: AWS's contract calls it by `name`."""

    name: str
    url: str
    """Its directory, as it was given."""
    worker: Worker
    asker: socket.socket | None
    """Who waits for the model to be loaded."""
    size: int = 0
    """Bytes that its process holds alone, as it told when this was last looked at."""
    why: str = ""
    """Why it could not be loaded, as its process said."""
    rule: batches.Rule = field(default_factory=batches.Rule)
    waiting: deque[Waiting] = field(default_factory=deque)

    def described(self) -> dict[str, str]:
        """The model in AWS's words."""
        return {"modelName": self.name, "modelUrl": self.url}
