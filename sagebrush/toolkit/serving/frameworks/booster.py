"""The defaults of AWS's XGBoost container in script mode: DMatrix in, JSON, CSV or NPY out.

Source: sagemaker-xgboost-container's documentation of input_fn, predict_fn and output_fn.
"""

from __future__ import annotations

from typing import Any

from sagebrush.toolkit.serving import handler


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


def _dense(sparse: Any) -> Any:
    """A sparse matrix as an array in which what is missing is not a number."""
    import numpy

    cells, array = sparse.tocoo(), numpy.full(sparse.shape, numpy.nan, dtype="float32")
    array[cells.row, cells.col] = cells.data
    return array


def _rows(data: Any) -> Any:
    """An array of rows: one row alone may be flat."""
    return data.reshape(1, -1) if getattr(data, "ndim", 2) == 1 else data
