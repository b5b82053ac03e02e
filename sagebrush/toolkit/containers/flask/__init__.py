"""Flask's Response, which inference scripts return: AWS's scikit-learn and XGBoost images have Flask.

The real package comes first where it is installed; other names of it are not here.
"""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Response

__all__ = ["Response"]


def __getattr__(name: str) -> Any:
    raise AttributeError(
        f"flask.{name} is not here: this environment has Flask's Response alone. Name flask in a"
        " requirements.txt beside the script"
    )
