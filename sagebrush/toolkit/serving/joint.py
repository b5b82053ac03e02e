"""Inputs predicted together: how they are joined into one call, and its result is cut again.

Only what is the same as answering one by one may be joined without the user's word: estimators of
scikit-learn and XGBoost that treat each row by itself, and Hugging Face's text classification
(`frameworks/together.py`). What the user's module or environment opts in is the user's to know.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol

SIZE = 32
"""Requests of a batch where the handler takes batches and nobody chose a size."""

LABELLING = ("linear_model", "svm", "naive_bayes", "neighbors", "neural_network",
             "discriminant_analysis", "tree", "ensemble")  # fmt: skip
"""Modules of scikit-learn whose classifiers label each row by itself."""
TREES = ("DecisionTree", "ExtraTree", "RandomForest", "GradientBoosting", "HistGradientBoosting")
"""How estimators begin whose numbers too are the same for a row whatever rows are beside it.

Others sum by matrix products, whose last digits depend on how many rows there are.
"""
STEPS = ("preprocessing", "feature_extraction", "decomposition", "feature_selection", "impute")
"""Modules of scikit-learn whose transformers treat each row by itself once they are fitted."""


class Joiner(Protocol):
    """How several inputs are predicted in one call."""

    size: int
    """The largest batch by default."""

    def key(self, data: Any, content_type: str) -> Hashable | None:
        """Inputs with equal keys may be predicted together, those with None only alone."""
        ...

    def predict(self, inputs: Sequence[Any], model: Any) -> Sequence[Any]:
        """A prediction for each input. The inputs are left as they are. Raises what the model
        raises, and NotByRow."""
        ...


class NotByRow(ValueError):
    """The prediction has not one row for each row of the inputs: it cannot be cut."""


class Listed:
    """The user's `predict_batch_fn(inputs, model)`: a list in, a list of the same length out."""

    size = SIZE

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def key(self, data: Any, content_type: str) -> Hashable | None:
        """All may be given together: the function asked for it."""
        return True

    def predict(self, inputs: Sequence[Any], model: Any) -> Sequence[Any]:
        """What the function returns, if it is one prediction for each input."""
        found = self._function(list(inputs), model)
        if not hasattr(found, "__len__") or len(found) != len(inputs):
            raise NotByRow("predict_batch_fn must return a list with a prediction for each input")
        return found


class Rows:
    """Arrays, tensors, data frames or lists, joined along their first axis for one `predict_fn`."""

    size = SIZE

    def __init__(
        self,
        predict: Callable[..., Any],
        dimensions: Callable[[Any], bool] = lambda data: True,
        lists: bool = False,
    ) -> None:
        """`dimensions`: whether an array's first axis is that of its rows. `lists` are joined too."""
        self._predict = predict
        self._dimensions = dimensions
        self._lists = lists

    def key(self, data: Any, content_type: str) -> Hashable | None:
        """Kind, type of numbers and size of a row; None for what has no rows."""
        kind = content_type.split(";", 1)[0].strip().lower()
        if self._lists and isinstance(data, list):
            return (kind, list)
        shape = getattr(data, "shape", None)
        if not isinstance(shape, tuple) or not shape or not shape[0]:
            return None
        if hasattr(data, "columns"):
            return (kind, type(data), tuple(data.columns), tuple(map(str, data.dtypes)))
        if not hasattr(data, "dtype") or not self._dimensions(data):
            return None
        # The width of a text column is the longest text's: it is no difference.
        number = "text" if getattr(data.dtype, "kind", "") == "U" else str(data.dtype)
        return (kind, type(data), number, tuple(shape[1:]))

    def predict(self, inputs: Sequence[Any], model: Any) -> Sequence[Any]:
        """The rows of one prediction, cut as the inputs were."""
        counts = [len(each) for each in inputs]
        found = self._predict(joined(inputs), model)
        return cut(found, counts)


def joined(parts: Sequence[Any]) -> Any:
    """One value with the rows of all `parts`, which are of one kind."""
    first = parts[0]
    if isinstance(first, list):
        return [row for part in parts for row in part]
    package = type(first).__module__.partition(".")[0]
    if package == "torch":
        import torch  # pyright: ignore[reportMissingImports]

        return torch.cat(list(parts))
    if package == "pandas":
        import pandas  # pyright: ignore[reportMissingImports]

        return pandas.concat(list(parts), ignore_index=True)
    import numpy

    return numpy.concatenate(list(parts))


def cut(found: Any, counts: Sequence[int]) -> list[Any]:
    """`found`, the prediction for all rows, in pieces of `counts` rows. Raises NotByRow."""
    rows = len(found) if hasattr(found, "__len__") and not isinstance(found, (dict, str)) else -1
    if rows != sum(counts):
        raise NotByRow(f"the prediction for {sum(counts)} rows has not that many, but {rows}")
    pieces, start = [], 0
    by_place = getattr(found, "iloc", found)  # a data frame's rows go by place, not by label
    for count in counts:
        pieces.append(by_place[start : start + count])
        start += count
    return pieces


def by_row(model: Any) -> Callable[[Any], bool] | None:
    """For a model that provably predicts each row by itself: whether an array is of its rows.

    None for any other model.
    """
    steps = getattr(model, "steps", None)
    if _home(model) == ("sklearn", "pipeline") and isinstance(steps, list):
        *before, last = [step for _, step in steps]
        if not all(_row_wise_step(step) for step in before) or not _row_wise(last):
            return None
        first = type(before[0]).__module__ if before else ""
        return _texts if first.startswith("sklearn.feature_extraction.text") else _table
    return _table if _row_wise(model) else None


def _table(data: Any) -> bool:
    return data.ndim == 2


def _texts(data: Any) -> bool:
    return data.ndim == 1 and data.dtype.kind == "U"


def _home(thing: Any) -> tuple[str, str]:
    """The package and the part of it that a thing's class comes from."""
    package, _, rest = type(thing).__module__.partition(".")
    return package, rest.partition(".")[0]


def _row_wise_step(step: Any) -> bool:
    package, part = _home(step)
    if isinstance(step, str) or step is None:
        return step == "passthrough"
    return package == "sklearn" and part in STEPS and type(step).__name__ != "FunctionTransformer"


def _row_wise(model: Any) -> bool:
    package, part = _home(model)
    name = type(model).__name__
    if package == "xgboost":
        return name in ("XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRFRegressor")
    if package != "sklearn":
        return False
    if part in ("tree", "ensemble") and name.startswith(TREES):
        return True
    whole = part in LABELLING and part not in ("tree", "ensemble")
    return whole and callable(getattr(model, "predict", None)) and hasattr(model, "classes_")
