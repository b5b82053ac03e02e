"""MXNet's files of arrays, for notebooks that open the models of LDA and NTM with MXNet.

MXNet ended in 2023 and does not import beside today's NumPy. Of it, this is `mx.nd` (`mx.ndarray`)
alone, with `load`, `save`, `array`, `softmax` and the arrays that they give: what AWS's notebooks on
topic models call. The real package comes first where it is installed.
"""

from __future__ import annotations

from typing import Any

from mxnet import ndarray

nd = ndarray
__all__ = ["nd", "ndarray"]


def __getattr__(name: str) -> Any:
    raise AttributeError(
        f"mxnet.{name} is not here: this is Sagebrush's stand-in for MXNet, which reads and writes its"
        " files of arrays (mx.nd.load, save, array, softmax)"
    )
