"""Scopes for tests of expressions alone."""

from __future__ import annotations

import random
from typing import Any

from sagebrush.asl.scope import Scope
from sagebrush.errors import Doc


def scope(value: Any, variables: Doc | None = None, seed: int = 1) -> Scope:
    return Scope(
        value,
        lambda: {"Execution": {"Id": "arn"}},
        lambda: variables or {},
        1_700_000_000.123,
        random.Random(seed),
        {"input": value},
    )
