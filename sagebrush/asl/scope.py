"""What the expressions of a state may refer to, gathered when one of them asks."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sagebrush.asl.failures import DATA_LIMIT, StateError
from sagebrush.asl.values import LARGEST, size_of
from sagebrush.errors import Doc


@dataclass
class Scope:
    """The values of `$`, `$$`, variables, and `$states` of one evaluation.

    `context` and `variables` make their documents when they are first needed. `now` is seconds
    since 1970; `random` is the caller's.
    """

    input: Any
    context: Callable[[], Doc]
    variables: Callable[[], Doc]
    now: float
    random: random.Random
    states: Doc = field(default_factory=dict)
    """Members of `$states` besides `context` (JSONata): input, result, errorOutput."""
    made: int = 0
    """Characters of what was made of it."""

    def count(self, value: Any) -> None:
        """The value is part of what a state makes. Raises StateError where that is too large."""
        self.made += size_of(value)
        if self.made > LARGEST:
            raise StateError(
                DATA_LIMIT, "The state makes values that exceed the maximum number of bytes."
            )

    def about(self, value: Any) -> Scope:
        """The same with another `$`."""
        return Scope(value, self.context, self.variables, self.now, self.random, self.states)


def new_uuid(source: random.Random) -> str:
    """A version 4 UUID of the given source of randomness."""
    return str(uuid.UUID(int=source.getrandbits(128), version=4))
