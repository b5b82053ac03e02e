"""Requests answered together: the same answers as one by one, and each failure its own."""

from __future__ import annotations

import json
import types
from collections.abc import Callable
from typing import Any

import numpy
import pytest

from sagebrush.toolkit.serving import handler, joint
from sagebrush.toolkit.serving.handler import Answer, Handler, NoHandler


class Doubler:
    """A model that counts its calls."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def predict(self, data: Any) -> Any:
        self.calls.append(data)
        if numpy.any(numpy.asarray(data) < 0):
            raise ValueError("negative")
        return numpy.asarray(data) * 2


def made(model: Any, **members: Any) -> Handler:
    module = types.ModuleType("inference")
    module.__dict__.update(members)
    module.__dict__["model_fn"] = lambda model_dir: model
    return Handler(module, "/opt/ml/model")


def told(answers: list[Answer]) -> list[tuple[int, Any]]:
    bodies = [each.body for each in answers]
    assert all(isinstance(body, bytes) for body in bodies)
    return [
        (each.status, json.loads(body) if each.status == 200 else body.decode())  # type: ignore[union-attr,arg-type]
        for each, body in zip(answers, bodies, strict=True)
    ]


def asked(*values: Any) -> list[tuple[bytes, dict[str, str]]]:
    return [(json.dumps(v).encode(), {"content-type": "application/json"}) for v in values]


def test_rows_of_several_requests_make_one_call_and_are_cut_again() -> None:
    model = Doubler()
    served = made(model, SAGEBRUSH_BATCH_SIZE=8)
    assert (served.rule.size, served.rule.fixed) == (8, True)
    found = told(served.answer_all(asked([[1, 2]], [[3, 4], [5, 6]], [[7, 8]])))
    assert found == [(200, [[2, 4]]), (200, [[6, 8], [10, 12]]), (200, [[14, 16]])]
    assert len(model.calls) == 1


def test_a_request_that_the_model_refuses_fails_alone() -> None:
    served = made(Doubler(), SAGEBRUSH_BATCH_SIZE=8)
    found = told(served.answer_all(asked([[1, 2]], [[-3, 4]], [[7, 8]])))
    assert found == [(200, [[2, 4]]), (500, "ValueError: negative"), (200, [[14, 16]])]


def test_what_cannot_be_read_fails_alone_and_other_shapes_are_called_apart() -> None:
    model = Doubler()
    served = made(model, SAGEBRUSH_BATCH_SIZE=8)
    requests = asked([[1, 2]], [[1, 2, 3]], [[3, 4]], [[0.5, 1.0]], {"a": 1})
    requests.insert(1, (b"{nonsense", {"content-type": "application/json"}))
    requests.append((b"<x/>", {"content-type": "application/xml"}))
    found = told(served.answer_all(requests))
    assert [status for status, _ in found] == [200, 400, 200, 200, 200, 500, 415]
    assert [numpy.shape(call) for call in model.calls[:3]] == [(2, 2), (1, 3), (1, 2)]
    alone = told([served.answer(*each) for each in requests])
    assert found == alone


def test_a_prediction_that_is_not_by_row_is_made_one_by_one_from_then_on() -> None:
    calls: list[int] = []

    def mean(data: Any, model: Any) -> Any:
        calls.append(len(data))
        return float(numpy.mean(data))

    served = made(None, SAGEBRUSH_BATCH_SIZE=8, predict_fn=mean)
    for _ in range(2):
        assert told(served.answer_all(asked([[1]], [[3]]))) == [(200, 1.0), (200, 3.0)]
    assert calls == [2, 1, 1, 1, 1]


def test_a_function_for_batches_gets_a_list_and_returns_one() -> None:
    def together(inputs: list[Any], model: Any) -> list[Any]:
        return [f"{each} of {len(inputs)}" for each in inputs]

    def alone(data: Any, model: Any) -> Any:
        return f"{data} alone"

    served = made(
        None, predict_fn=alone, predict_batch_fn=together, input_fn=lambda b, c: b.decode()
    )
    assert (served.rule.size, served.rule.fixed) == (joint.SIZE, False)
    assert told(served.answer_all(asked(1, 2))) == [(200, "1 of 2"), (200, "2 of 2")]
    assert told(served.answer_all(asked(1))) == [(200, "1 alone")]
    short = made(None, predict_fn=alone, predict_batch_fn=lambda inputs, model: [1],
                 input_fn=lambda b, c: b.decode())  # fmt: skip
    assert told(short.answer_all(asked(1, 2))) == [(200, "1 alone"), (200, "2 alone")]


@pytest.mark.parametrize(
    "members",
    [
        {"predict_fn": lambda data, model: data},
        {"transform_fn": lambda model, body, kind, accept: body, "SAGEBRUSH_BATCH_SIZE": 8},
        {"predict_fn": lambda data, model, context: data, "SAGEBRUSH_BATCH_SIZE": 8},
        {"predict_batch_fn": lambda inputs, model: inputs, "SAGEBRUSH_BATCH_SIZE": 1},
    ],
)
def test_nobody_gets_batches_who_did_not_ask_or_cannot(members: dict[str, Any]) -> None:
    assert made(Doubler(), **members).rule.size == 1


def test_the_default_predict_batches_only_what_is_provably_by_row() -> None:
    assert made(Doubler()).rule.size == 1
    assert (
        made(_estimator("sklearn.tree._classes", "DecisionTreeRegressor")).rule.size == joint.SIZE
    )
    assert made(_estimator("sklearn.tree._classes", "Mine")).rule.size == 1


def _estimator(module: str, name: str, **members: Any) -> Any:
    return type(name, (Doubler,), {"__module__": module, **members})()


@pytest.mark.parametrize(
    ("module", "name", "members", "whole"),
    [
        ("sklearn.linear_model._logistic", "LogisticRegression", {"classes_": []}, True),
        ("sklearn.linear_model._base", "LinearRegression", {}, False),
        ("sklearn.ensemble._forest", "RandomForestRegressor", {}, True),
        ("sklearn.ensemble._voting", "VotingClassifier", {"classes_": []}, False),
        ("sklearn.model_selection._search", "GridSearchCV", {"classes_": []}, False),
        ("sklearn.cluster._dbscan", "DBSCAN", {}, False),
        ("xgboost.sklearn", "XGBRegressor", {}, True),
        ("__main__", "LogisticRegression", {"classes_": []}, False),
    ],
)
def test_estimators_by_row(module: str, name: str, members: dict[str, Any], whole: bool) -> None:
    assert (joint.by_row(_estimator(module, name, **members)) is not None) is whole


def test_pipelines_by_row() -> None:
    last = _estimator("sklearn.svm._classes", "LinearSVC", classes_=[])
    words = _estimator("sklearn.feature_extraction.text", "TfidfVectorizer")
    scaler = _estimator("sklearn.preprocessing._data", "StandardScaler")
    function = _estimator("sklearn.preprocessing._function_transformer", "FunctionTransformer")

    def pipeline(*steps: Any) -> Callable[[Any], bool] | None:
        made = _estimator("sklearn.pipeline", "Pipeline")
        made.steps = [(str(n), step) for n, step in enumerate(steps)]
        return joint.by_row(made)

    of_words, of_rows = pipeline(words, last), pipeline(scaler, "passthrough", last)
    assert of_words is not None
    assert of_rows is not None
    texts, table = numpy.array(["a", "bc"]), numpy.array([[1.0]])
    assert [of_words(texts), of_words(table), of_rows(texts), of_rows(table)] == [
        True, False, False, True,
    ]  # fmt: skip
    assert pipeline(function, last) is None
    assert pipeline(scaler, Doubler()) is None


def test_a_size_that_is_none_ends_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEBRUSH_BATCH_SIZE", "lots")
    with pytest.raises(NoHandler, match="SAGEBRUSH_BATCH_SIZE must be a number"):
        made(None)


def test_an_exit_in_the_users_code_is_an_answer() -> None:
    def leave(data: Any, model: Any) -> Any:
        raise SystemExit(3)

    served = made(None, predict_fn=leave)
    answer = served.answer(b"1", {})
    assert (answer.status, answer.body) == (500, b"SystemExit: 3")
    assert isinstance(handler.failure(500, "x"), Answer)
