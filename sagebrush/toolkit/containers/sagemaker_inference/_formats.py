"""The formats of requests and answers, which are those of this platform's own model server.

In a model server its very module, whose exceptions that server knows; elsewhere, in a training
script that names its inference functions too, the same file by its place.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

try:
    from sagebrush.toolkit.serving import formats
except ImportError:
    _file = Path(__file__).resolve().parents[2] / "serving" / "formats.py"
    _spec = importlib.util.spec_from_file_location("_sagebrush_formats", _file)
    assert _spec is not None
    assert _spec.loader is not None
    formats: Any = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(formats)
