"""Models that SDK v3's ModelBuilder packed: `code/serve.pkl` next to the SDK's own inference code.

That code copies `shared_libs` over the container's /lib and opens its own files below /opt/ml.
Neither is possible here: /lib is read-only, or the host's, and in process mode /opt/ml is another
directory.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

SENT, KEPT = "shared_libs", ".shared_libs"
ML = "/opt/ml/"


def prepare(root: Path, script: Path | None) -> None:
    """The packed model below `root`, this job's /opt/ml, can be loaded by its own `script`.

    Its shared libraries are loaded into this process, where other modules find them by name. Any
    other model stays as it is. Raises OSError for a library that cannot be loaded.
    """
    if script is None or not (script.parent / "serve.pkl").is_file():
        return
    sent, kept = root / "model" / SENT, root / "model" / KEPT
    if sent.is_dir():
        sent.rename(kept)
    for library in sorted(kept.iterdir()) if kept.is_dir() else ():
        ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    text = script.read_text()
    moved = text.replace(f'"{ML}', f'"{root}/')
    if moved != text:  # process mode
        script.write_text(moved)
