"""The images of functions on this machine: looked up, pulled, described. In any thread."""

from __future__ import annotations

import logging
import threading

from sagebrush.compute.containers import images, tied
from sagebrush.compute.containers.engines import Engine, Engines
from sagebrush.compute.containers.images import Image

log = logging.getLogger(__name__)


class Images:
    """What the engine of this host has."""

    def __init__(self, engines: Engines | None) -> None:
        """`engines` None: containers are switched off."""
        self._engines = engines
        self._lock = threading.Lock()
        self._known: dict[str, Image] = {}
        self._pulling: dict[str, threading.Thread] = {}
        self._failed: dict[str, str] = {}

    def lacking(self) -> str:
        """Why functions of images cannot run here; "" where they can. Blocks."""
        if self._engines is None:
            return "containers are switched off"
        return tied.lacking(self._engines.find())

    def engine(self) -> Engine | None:
        """The engine that runs them; None where none can. Blocks."""
        return None if self.lacking() or self._engines is None else self._engines.find()

    def find(self, name: str) -> Image | None:
        """The image of that name on this machine; None where there is none. Blocks."""
        engine = self.engine()
        try:
            found = None if engine is None else images.find(engine, name)
        except OSError as error:
            log.warning("the container engine does not say whether it has %s: %s", name, error)
            return None
        if found is not None:
            self._known[found.id] = found
        return found

    def described(self, identity: str) -> Image | None:
        """The image of that `id`, which never changes. May block."""
        return self._known.get(identity) or self.find(identity)

    def pullable(self, name: str) -> bool:
        """Whether a registry may have it. Blocks."""
        return self._engines is not None and self._engines.known(name)

    def pulled(self, name: str) -> tuple[Image | None, str]:
        """The image, which is pulled if need be; None while it comes, and why it does not, or "". Blocks
        only for the engine's answer."""
        with self._lock:
            if name in self._pulling:
                return None, ""
            if problem := self._failed.pop(name, ""):
                return None, problem
        if (found := self.find(name)) is not None:
            return found, ""
        engine = self.engine()
        if engine is None:
            return None, self.lacking()
        with self._lock:
            thread = threading.Thread(target=self._pull, args=(engine, name), daemon=True)
            self._pulling[name] = thread
            thread.start()
        return None, ""

    def _pull(self, engine: Engine, name: str) -> None:
        problem = ""
        try:
            with engine.client(None) as patient:  # an image may take an hour
                for line in patient.pull(name, stream=True, decode=True):
                    if isinstance(line, dict) and line.get("error"):
                        problem = str(line["error"])
                if not problem:
                    patient.inspect_image(name)
        except Exception as error:  # whatever an engine or a registry does
            problem = str(getattr(error, "explanation", None) or error)
        with self._lock:
            if problem:
                self._failed[name] = " ".join(problem.split())[:600]
            del self._pulling[name]
