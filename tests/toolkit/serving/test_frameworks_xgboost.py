"""Models of AWS's XGBoost algorithm, in the environment of its image."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagebrush.environments.environment import Environment
from tests.built_environments import released_xgboost  # noqa: F401
from tests.toolkit.serving.model_server import run, serving

pytestmark = pytest.mark.full  # this needs the environment of the image
CSV = "text/csv"
TRAIN = """
import pickle, sys, numpy, xgboost
x = numpy.arange(40, dtype="float32").reshape(20, 2) / 40
booster = xgboost.train({"max_depth": 2, "base_score": 0}, xgboost.DMatrix(x, label=x[:, 0]), 5)
pickle.dump(booster, open(sys.argv[1] + "/xgboost-model", "wb"))
booster.save_model(sys.argv[2] + "/xgboost-model.json")
print(",".join(map(str, booster.predict(xgboost.DMatrix(x[:3])).tolist())))
"""


def test_pickled_and_saved_models_answer_as_they_predict(
    released_xgboost: Environment,  # noqa: F811
    tmp_path: Path,
) -> None:
    folders = [tmp_path / name / "model" for name in ("pickled", "saved")]
    for folder in folders:
        folder.mkdir(parents=True)
    expected = run(released_xgboost, TRAIN, *map(str, folders)).strip()
    for folder in folders:
        with serving(released_xgboost, folder.parent, SAGEBRUSH_FRAMEWORK="xgboost") as started:
            body = b"0.0,0.025\n0.05,0.075\n0.1,0.125"
            status, kind, answer = started.ready().post(body, CSV)
            assert (status, kind, answer.decode()) == (200, CSV, expected)
            rows = "0:0.0 1:0.025\n7 0:0.05 1:0.075\n0 0:0.1 1:0.125"  # a label is not looked at
            assert started.post(rows, "text/libsvm")[2].decode() == expected
            assert started.post("a:b", "text/libsvm")[0] == 415
