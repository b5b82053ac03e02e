"""Runs a server for tests that kill it: `python liveserver.py HOME ISOLATION`; prints its state.

Jobs run with this interpreter, so that no environment has to be built.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any, cast

from sagebrush.app import App, build
from sagebrush.environments.environment import Environment
from sagebrush.environments.images import Image, resolve
from sagebrush.settings import Settings


class OwnEnvironment:
    """Every environment is the one that the tests run in."""

    def resolve(self, image: str) -> Image:
        return resolve(image)

    def ready(self, name: str) -> Environment:
        here = Path(sys.prefix)
        prefixes = tuple(dict.fromkeys((here, Path(sys.base_prefix))))
        return Environment(name, here, Path(sys.executable), prefixes)

    def built(self, name: str) -> Environment:
        return self.ready(name)

    def doing(self, name: str) -> str:
        return ""


def own(app: App) -> App:
    """`app`, its jobs running in the tests' environment."""
    app.world.environments = cast(Any, OwnEnvironment())
    return app


if __name__ == "__main__":
    home, isolation = Path(sys.argv[1]), sys.argv[2]
    app = own(build(Settings.load({}, None, home=home, port=0, isolation=isolation)))
    app.start()
    print(json.dumps({**app.state(), "keys": app.world.credentials.user_key}), flush=True)
    threading.Event().wait()
