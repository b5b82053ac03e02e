"""The defaults of AWS's XGBoost container in script mode: DMatrix in, JSON, CSV or NPY out.

Source: sagemaker-xgboost-container's documentation of input_fn, predict_fn and output_fn.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from sagebrush.toolkit.serving import handler, joint


class Defaults(handler.Defaults):
    """CSV and libsvm become a DMatrix; JSON and NPY, which AWS's refuse, become arrays."""

    as_text = True

    def input_fn(self, body: bytes | str, content_type: str) -> Any:
        """The body as a DMatrix, or as an array. Raises UnsupportedFormat and BadBody."""
        from sagemaker_xgboost_container import encoder  # pyright: ignore[reportMissingImports]

        try:
            return encoder.decode(body, content_type)
        except encoder.UnsupportedFormatError:
            return super().input_fn(body, content_type)

    def predict_fn(self, data: Any, model: Any) -> Any:
        """The model's prediction: a Booster takes the DMatrix, scikit-learn's classes an array."""
        import xgboost  # pyright: ignore[reportMissingImports]

        if isinstance(model, xgboost.Booster):
            matrix = data if isinstance(data, xgboost.DMatrix) else xgboost.DMatrix(_rows(data))
            return model.predict(matrix, validate_features=False)
        if isinstance(data, xgboost.DMatrix) and hasattr(data, "get_data"):
            data = _dense(data.get_data())
        return super().predict_fn(data, model)

    def joiner(self, model: Any) -> joint.Joiner | None:
        """A Booster's trees go over each row by itself, as XGBoost's classes for scikit-learn do."""
        import xgboost  # pyright: ignore[reportMissingImports]

        if isinstance(model, xgboost.Booster):
            return Matrices(self.predict_fn)
        return super().joiner(model)


class Matrices(joint.Rows):
    """DMatrix and arrays of as many columns, joined by rows."""

    def key(self, data: Any, content_type: str) -> Hashable | None:
        """The columns; None for a matrix whose cells this XGBoost cannot give back."""
        import xgboost  # pyright: ignore[reportMissingImports]

        if not isinstance(data, xgboost.DMatrix):
            return super().key(data, content_type) if getattr(data, "ndim", 0) == 2 else None
        return ("matrix", data.num_col()) if hasattr(data, "get_data") else None

    def predict(self, inputs: Sequence[Any], model: Any) -> Sequence[Any]:
        """The rows of one prediction, cut as the inputs were."""
        import xgboost  # pyright: ignore[reportMissingImports]

        if not isinstance(inputs[0], xgboost.DMatrix):
            return super().predict(inputs, model)
        from scipy import sparse  # pyright: ignore[reportMissingImports]

        # What a sparse matrix does not hold is missing to XGBoost, as it was in each request.
        whole = xgboost.DMatrix(sparse.vstack([each.get_data() for each in inputs], format="csr"))
        return joint.cut(self._predict(whole, model), [each.num_row() for each in inputs])


def _dense(sparse: Any) -> Any:
    """A sparse matrix as an array in which what is missing is not a number."""
    import numpy

    cells, array = sparse.tocoo(), numpy.full(sparse.shape, numpy.nan, dtype="float32")
    array[cells.row, cells.col] = cells.data
    return array


def _rows(data: Any) -> Any:
    """An array of rows: one row alone may be flat."""
    return data.reshape(1, -1) if getattr(data, "ndim", 2) == 1 else data
