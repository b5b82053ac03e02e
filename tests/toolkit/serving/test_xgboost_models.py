"""Models of AWS's XGBoost algorithm, which have no script: what is read, answered and refused."""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest

from sagebrush.toolkit import job
from sagebrush.toolkit.serving import frameworks
from sagebrush.toolkit.serving.handler import Handler, NoHandler

CSV = "text/csv"


class Matrix:
    """What of xgboost.DMatrix is looked at here."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def num_col(self) -> int:
        return self.data.shape[1]


class Booster:
    """A model that sums columns up, `times` over."""

    feature_names = ("f0", "f1", "f2")

    def __init__(self, times: float = 1, model_file: str = "") -> None:
        if model_file:
            text = Path(model_file).read_text()
            if not text.startswith("{"):
                raise ValueError("unknown model format")
        self.times = times
        self.best = ""
        self.best_ntree_limit = 0

    def attributes(self) -> dict[str, str]:
        return {"best_iteration": self.best} if self.best else {}

    def predict(self, data: Matrix, validate_features: bool, iteration_range: Any = None) -> Any:
        assert not validate_features
        rounds = iteration_range[1] if iteration_range else 1
        return numpy.nansum(data.data, axis=1) * self.times * rounds


@pytest.fixture
def served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Callable[..., tuple[int, str]]]:
    """`served(a, b)(body, kind, accept)`: what a model of these Boosters answers."""
    monkeypatch.syspath_prepend(str(job.CONTAINERS))
    monkeypatch.setitem(sys.modules, "xgboost", SimpleNamespace(DMatrix=Matrix, Booster=Booster))
    importlib.import_module("sagemaker_xgboost_container.encoder")

    def load(*models: Booster) -> Callable[..., tuple[int, str]]:
        for number, model in enumerate(models):
            (tmp_path / f"xgboost-model-{number}").write_bytes(pickle.dumps(model))
        handler = Handler(None, str(tmp_path), frameworks.defaults("xgboost", script=False))

        def ask(body: str | bytes, kind: str = CSV, accept: str = "*/*") -> tuple[int, str]:
            given = body.encode() if isinstance(body, str) else body
            answer = handler.answer(given, {"content-type": kind, "accept": accept})
            assert isinstance(answer.body, bytes)
            return answer.status, answer.body.decode()

        return ask

    return load


def test_rows_are_answered_in_one_line_and_in_lines_in_a_batch(
    served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = served(Booster())
    assert ask("1,2,3\n4,,6\n") == (200, "6.0,10.0")
    assert ask("1,2,3", f"{CSV}; charset=utf-8", CSV) == (200, "6.0")
    scores = '{"predictions": [{"score": 6.0}, {"score": 10.0}]}'
    assert ask("1,2,3\n4,,6", CSV, "application/json") == (200, scores)
    assert ask("1,2,3", CSV, "application/jsonlines") == (200, '{"score": 6.0}\n')
    monkeypatch.setenv("SAGEMAKER_BATCH", "true")
    assert ask("1,2,3\n4,,6", CSV, CSV) == (200, "6.0\n10.0\n")


def test_multi_model_endpoints_answer_a_json_list_where_nothing_is_asked_for(
    served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGEMAKER_MULTI_MODEL", "true")
    ask = served(Booster())
    assert ask("1,2,3\n4,,6") == ask("1,2,3\n4,,6", CSV, "application/json") == (200, "[6.0, 10.0]")
    assert ask("1,2,3", CSV, CSV) == (200, "6.0")


def test_what_cannot_be_read_is_refused(served: Any) -> None:
    ask = served(Booster())
    assert ask("[1, 2, 3]", "application/json")[0] == 415
    status, text = ask("1,two,3")
    assert status == 415
    assert text.startswith(
        "Loading csv data failed with Exception, please ensure data is in csv format:"
    )
    status, text = ask("1,2,3".encode("utf-16"))
    assert status == 415
    assert "'utf-8' codec can't decode byte 0xff" in text
    status, text = ask("1,2,3", CSV, "image/png")
    assert (status, text[:40]) == (406, "Accept type image/png is not supported. ")
    assert ask("") == ask("", "application/json") == (204, "")  # before its type is looked at
    assert ask("1,2")[0] == 200  # one column fewer is let through, as the container does
    assert ask("1")[0] == 400
    status, text = ask("1,2,3,4,5")
    assert status == 400
    assert "5 is not consistent with feature size of trained model 3" in text


def test_several_models_are_averaged_and_early_stopping_counts(served: Any) -> None:
    stopped = Booster(3)
    stopped.best = "1"
    assert served(Booster(), stopped)("1,1,1") == (200, "10.5")


class Old(Booster):
    """As Boosters before XGBoost 1.4 are."""

    def predict(self, data: Matrix, validate_features: bool, ntree_limit: int = 0) -> Any:  # type: ignore[override]
        return super().predict(data, validate_features) * (ntree_limit or 100)


def test_early_stopping_of_old_versions_counts(served: Any) -> None:
    stopped = Old()
    stopped.best_ntree_limit = 4
    assert served(stopped)("1,1,1") == (200, "12.0")


def test_a_folder_without_a_model_is_told(served: Any, tmp_path: Path) -> None:
    (tmp_path / ".hidden").write_text("{}")
    with pytest.raises(NoHandler, match=r"neither an inference script nor .*xgboost-model"):
        served()
    (tmp_path / "xgboost-model").write_text("garbage")
    with pytest.raises(NoHandler, match="Unable to load model"):
        served()
    (tmp_path / "xgboost-model").write_text("{}")
    assert served()("1,1,1") == (200, "3.0")
