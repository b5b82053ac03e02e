"""The defaults of AWS's XGBoost container: with a script, and for the algorithm's own models.

Source: sagemaker-xgboost-container's documentation of input_fn, predict_fn and output_fn, and what its
`algorithm_mode` reads and answers.
"""

from __future__ import annotations

import inspect
import os
import pickle
from collections.abc import Hashable, Sequence
from typing import Any

from sagebrush.toolkit.serving import formats, handler, joint


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


class BuiltIn(Defaults):
    """The algorithm's own models, which have no script (`xgboost-model`): CSV and libsvm in; CSV out,
    or JSON, JSON Lines and NPY where they are asked for."""

    accept = formats.CSV

    def model_fn(self, model_dir: str) -> Any:
        """The Booster of the directory's file, pickled or in XGBoost's format, or an Ensemble of
        several. Raises NoHandler."""
        names = sorted(os.listdir(model_dir))
        paths = [os.path.join(model_dir, name) for name in names if not name.startswith(".")]
        models = [_booster(path) for path in paths if os.path.isfile(path)]
        if not models:
            raise handler.NoHandler(
                "there is neither an inference script nor a model of XGBoost's (xgboost-model) in the"
                f" model archive: {names}. Put inference.py into its code/ folder, or set"
                " SAGEMAKER_PROGRAM and SAGEMAKER_SUBMIT_DIRECTORY."
            )
        return models[0] if len(models) == 1 else Ensemble(models)

    def input_fn(self, body: bytes | str, content_type: str) -> Any:
        """The body as a DMatrix; libsvm's labels may be missing. Raises UnsupportedFormat, BadBody."""
        kind = formats.base(content_type)
        if kind in ("text/libsvm", "text/x-libsvm"):
            return _of_libsvm(body.decode() if isinstance(body, bytes) else body)
        if kind != formats.CSV:
            raise formats.UnsupportedFormat(content_type)
        return super().input_fn(body, kind)

    def predict_fn(self, data: Any, model: Any) -> Any:
        """The mean of the models' predictions. Raises BadBody where the columns are others."""
        models = model.models if isinstance(model, Ensemble) else [model]
        known = len(models[0].feature_names or ())
        # As AWS's container: one column more may be there, and libsvm's rows may have fewer.
        if known and data.num_col() > known + 1:
            raise formats.BadBody(
                f"Unable to evaluate payload provided: Feature size of inference data {data.num_col()}"
                f" is not consistent with feature size of trained model {known}."
            )
        found = [each.predict(data, validate_features=False, **_best(each)) for each in models]
        return found[0] if len(found) == 1 else sum(found) / len(found)

    def output_fn(self, prediction: Any, accept: str) -> Any:
        """The predictions; as CSV in one line, as AWS's container answers, and in lines in a batch
        transform. Raises UnsupportedFormat."""
        if formats.base(accept.split(",")[0]) not in (formats.CSV, formats.ANY, ""):
            return formats.encode(prediction, accept)
        cells = map(str, prediction.tolist())
        lines = bool(os.environ.get("SAGEMAKER_BATCH"))
        return ("\n".join(cells) + "\n" if lines else ",".join(cells)), formats.CSV

    def joiner(self, model: Any) -> joint.Joiner | None:
        """As a script's, for one model alone."""
        return None if isinstance(model, Ensemble) else super().joiner(model)


class Ensemble:
    """Boosters whose predictions are averaged."""

    def __init__(self, models: Sequence[Any]) -> None:
        self.models = models


def _booster(path: str) -> Any:
    """The Booster in a file; raises NoHandler."""
    import xgboost  # pyright: ignore[reportMissingImports]

    try:
        with open(path, "rb") as file:
            return pickle.load(file)
    except Exception as pickled:
        try:
            return xgboost.Booster(model_file=path)
        except Exception as error:
            raise handler.NoHandler(
                f"Unable to load model: Model at {path} cannot be loaded:\n{pickled}\n{error}"
            ) from error


def _best(booster: Any) -> dict[str, Any]:
    """The arguments of `predict` by which training's early stopping counts, as it did there."""
    if "iteration_range" in inspect.signature(booster.predict).parameters:
        best = booster.attributes().get("best_iteration")
        return {} if best is None else {"iteration_range": (0, int(best) + 1)}
    return {"ntree_limit": getattr(booster, "best_ntree_limit", 0)}  # before 1.4; pickles keep it


def _of_libsvm(text: str) -> Any:
    """The DMatrix of libsvm rows, with or without labels. Raises BadBody."""
    import numpy
    import xgboost  # pyright: ignore[reportMissingImports]
    from scipy import sparse  # pyright: ignore[reportMissingImports]

    lines = text.strip().split("\n")
    try:
        cells = [
            (row, int(column), float(value))
            for row, line in enumerate(lines)
            for column, colon, value in (item.partition(":") for item in line.split())
            if colon
        ]
        rows, columns, values = zip(*cells) if cells else ((), (), ())
        shape = (len(lines), max(columns, default=0) + 1)
        return xgboost.DMatrix(
            sparse.csr_matrix((numpy.array(values, "float32"), (rows, columns)), shape=shape)
        )
    except ValueError as error:
        raise formats.BadBody(f"The body is not valid libsvm: {error}") from error


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
