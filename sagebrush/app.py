"""The composition root: Settings -> World -> HTTP application and loop. Nobody imports it."""

from __future__ import annotations
