"""The defaults of AWS's XGBoost container: with a script, and for the algorithm's own models.

Source: sagemaker-xgboost-container's documentation of input_fn, predict_fn and output_fn, and what its
`algorithm_mode` reads and answers.
"""

from __future__ import annotations

import inspect
import io
import json
import os
import pickle
import sys
import warnings
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sagebrush.toolkit.serving import formats, handler, joint
from sagebrush.toolkit.serving.frameworks import selectable

ALGORITHMS = str(Path(__file__).resolve().parents[3] / "algorithms")
"""Where the formats of the built-in algorithms are (`contract`)."""


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
    """The algorithm's own models, which have no script (`xgboost-model`): CSV, libsvm and
    recordIO-protobuf in; CSV out, or JSON, JSON Lines and recordIO-protobuf where they are asked for."""

    accept = formats.CSV
    as_text = False
    _settings: tuple[str, int] = ("", 0)
    """The model's objective and its number of classes."""

    def __init__(self) -> None:
        # AWS serves multi-model endpoints by another handler, whose answers are JSON where none are
        # asked for: a plain list.
        self._many = os.environ.get("SAGEMAKER_MULTI_MODEL", "").lower() == "true"
        if self._many:
            self.accept = formats.JSON

    def model_fn(self, model_dir: str) -> Any:
        """The Booster of the directory's file, pickled or in XGBoost's format, or an Ensemble of
        several. Raises NoHandler."""
        if ALGORITHMS not in sys.path:
            sys.path.append(ALGORITHMS)
        names = sorted(os.listdir(model_dir))
        paths = [os.path.join(model_dir, name) for name in names if not name.startswith(".")]
        models = [_booster(path) for path in paths if os.path.isfile(path)]
        if not models:
            raise handler.NoHandler(
                "there is neither an inference script nor a model of XGBoost's (xgboost-model) in the"
                f" model archive: {names}. Put inference.py into its code/ folder, or set"
                " SAGEMAKER_PROGRAM and SAGEMAKER_SUBMIT_DIRECTORY."
            )
        if os.environ.get("SAGEMAKER_INFERENCE_ENSEMBLE", "true").lower() == "false":
            models = models[:1]
        if os.environ.get(selectable.VARIABLE):
            self._settings = _settings(models[0])
        return models[0] if len(models) == 1 else Ensemble(models)

    def input_fn(self, body: bytes | str, content_type: str) -> Any:
        """The body as a DMatrix; libsvm's labels may be missing. Raises Unreadable (415), as AWS's
        container does also for a body that is not what its type says; 204 for an empty one."""
        if not body:
            raise Unreadable("", 204)
        kind = formats.base(content_type)
        reader, name = READERS.get(kind, (None, ""))
        if reader is None:
            raise Unreadable(
                f"{content_type} is not an accepted ContentType: {', '.join(READERS)}."
            )
        try:
            return reader(body, name)
        except Exception as error:
            raise Unreadable(
                f"Loading {name} data failed with Exception, please ensure data is in {name} format:\n"
                f" {type(error.__cause__ or error)}\n {error.__cause__ or error}"
            ) from error

    def predict_fn(self, data: Any, model: Any) -> Any:
        """The mean of the models' predictions. Raises BadBody where the columns are others."""
        models = model.models if isinstance(model, Ensemble) else [model]
        _check_width(data, models[0])
        try:
            found = [each.predict(data, validate_features=False, **_best(each)) for each in models]
        except Exception as error:
            raise formats.BadBody(f"Unable to evaluate payload provided: {error}") from error
        return found[0] if len(found) == 1 else sum(found) / len(found)

    def output_fn(self, prediction: Any, accept: str) -> Any:
        """The predictions; as CSV in one line, as AWS's container answers, and in lines in a batch
        transform. Raises NotAccepted (406)."""
        batch = bool(os.environ.get("SAGEMAKER_BATCH"))
        kind = formats.base(accept.split(",")[0])
        kind = formats.CSV if kind in ("", formats.ANY, "csv") else kind
        if kind not in selectable.ACCEPTED:
            raise Unreadable(
                f"Accept type {accept} is not supported. Please use supported accept types:"
                f" {selectable.ACCEPTED}.",
                406,
            )
        values = prediction.tolist()
        if keys := selectable.chosen(os.environ.get(selectable.VARIABLE, "")):
            rows = selectable.select(values, keys, *self._settings)
            return selectable.encode(rows, kind, batch), kind
        if self._many and kind == formats.JSON:
            return json.dumps(values), kind
        if kind != formats.CSV:
            return selectable.encode([{"score": value} for value in values], kind, batch), kind
        cells = map(str, values)
        return ("\n".join(cells) + "\n" if batch else ",".join(cells)), formats.CSV

    def failed(self, error: Exception) -> handler.Answer:
        """The answer that reports the error, in the container's words alone."""
        if isinstance(error, Unreadable):
            return handler.failure(error.status_code, str(error))
        return super().failed(error)

    def joiner(self, model: Any) -> joint.Joiner | None:
        """As a script's, for one model alone."""
        return None if isinstance(model, Ensemble) else super().joiner(model)


class Unreadable(Exception):
    """What the container answers with another status than 400."""

    def __init__(self, message: str, status_code: int = 415) -> None:
        super().__init__(message)
        self.status_code = status_code


def _check_width(data: Any, model: Any) -> None:
    """Raises BadBody in the container's words where the data has other features than the model."""
    width = data.num_col()
    known = model.num_features() if hasattr(model, "num_features") else 0
    known = known or len(model.feature_names or ())
    kind = getattr(data, "read_as", "csv")
    if kind == "libsvm" and known and width > known + 1:
        raise formats.BadBody(
            f"Unable to evaluate payload provided: Feature size of libsvm inference data {width} is"
            f" larger than feature size of trained model {known}."
        )
    if kind != "libsvm" and known and width not in (known, known - 1):
        raise formats.BadBody(
            f"Unable to evaluate payload provided: Feature size of {kind} inference data {width} is"
            f" not consistent with feature size of trained model {known}."
        )


def _settings(model: Any) -> tuple[str, int]:
    """The objective and the number of classes of a Booster."""
    learner = json.loads(model.save_config())["learner"]
    return learner["objective"]["name"], int(learner["learner_model_param"].get("num_class", 0))


def _read_csv(body: bytes | str, _name: str) -> Any:
    from sagemaker_xgboost_container import encoder  # pyright: ignore[reportMissingImports]

    return encoder.csv_to_dmatrix(body)


def _read_libsvm(body: bytes | str, name: str) -> Any:
    found = _of_libsvm(body.decode() if isinstance(body, bytes) else body)
    found.read_as = name
    return found


def _read_records(body: bytes | str, name: str) -> Any:
    """The DMatrix of records, whose labels are not looked at."""
    import xgboost  # pyright: ignore[reportMissingImports]
    from contract import matrices  # pyright: ignore[reportMissingImports]
    from contract.record_rows import parts  # pyright: ignore[reportMissingImports]

    content = body.encode() if isinstance(body, str) else body
    found = [matrices.scipy(features) for features, _ in parts(io.BytesIO(content))]
    if len(found) != 1:
        raise ValueError("no record, or more than fit into a request")
    matrix = xgboost.DMatrix(found[0])
    matrix.read_as = name
    return matrix


READERS: Mapping[str, tuple[Callable[[bytes | str, str], Any], str]] = {
    formats.CSV: (_read_csv, "csv"),
    "csv": (_read_csv, "csv"),
    "text/libsvm": (_read_libsvm, "libsvm"),
    "text/x-libsvm": (_read_libsvm, "libsvm"),
    selectable.RECORDIO: (_read_records, "recordio-protobuf"),
}
"""Content type -> what reads it, and its name in messages."""


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
            with open(path, "rb") as file:
                start = file.read(1)
            if start != b"{":  # XGBoost of before 1.6, whose own format has no such beginning
                return xgboost.Booster(model_file=path)
            with warnings.catch_warnings():  # of a name without an extension
                warnings.simplefilter("ignore")
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
        if not hasattr(data, "get_data"):
            return None
        return ("matrix", getattr(data, "read_as", "csv"), data.num_col())

    def predict(self, inputs: Sequence[Any], model: Any) -> Sequence[Any]:
        """The rows of one prediction, cut as the inputs were."""
        import xgboost  # pyright: ignore[reportMissingImports]

        if not isinstance(inputs[0], xgboost.DMatrix):
            return super().predict(inputs, model)
        from scipy import sparse  # pyright: ignore[reportMissingImports]

        # What a sparse matrix does not hold is missing to XGBoost, as it was in each request.
        whole = xgboost.DMatrix(sparse.vstack([each.get_data() for each in inputs], format="csr"))
        whole.read_as = getattr(inputs[0], "read_as", "csv")
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
