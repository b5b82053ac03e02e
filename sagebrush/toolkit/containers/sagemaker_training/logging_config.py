"""The toolkit's logger."""

from __future__ import annotations

import logging


def get_logger() -> logging.Logger:
    """The logger `sagemaker-training-toolkit`."""
    return logging.getLogger("sagemaker-training-toolkit")


def configure_logger(
    level: int | str, log_format: str = "%(asctime)s %(name)s %(message)s"
) -> None:
    """Records of `level` and above are printed."""
    logging.basicConfig(format=log_format, level=level)
