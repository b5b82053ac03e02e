"""TensorFlow Serving's contract and AWS's handlers, in the TensorFlow environment."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sagebrush.environments.environment import Environment
from sagebrush.toolkit.serving.frameworks import savedmodel
from sagebrush.toolkit.serving.frameworks import tensorflow as frameworks_tensorflow
from sagebrush.toolkit.serving.frameworks.tensorflow import instances, instances_of_csv, target
from tests.built_environments import tensorflow  # noqa: F401
from tests.toolkit.serving.model_server import ModelServer, run, script, serving

SAVE = """
import os, sys
import numpy, keras, tensorflow as tf
root = sys.argv[1]
def linear(weight):
    model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Dense(1, name="y")])
    model.layers[-1].set_weights([numpy.array([[1.0], [weight]]), numpy.array([0.5])])
    return model
linear(2.0).export(os.path.join(root, "many", "half", "1"), verbose=False)
linear(3.0).export(os.path.join(root, "many", "half", "2"), verbose=False)
linear(2.0).save(os.path.join(root, "own.keras"))
class Words(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text"),
                                  tf.TensorSpec([None], tf.int64, name="times")])
    def repeat(self, text, times):
        return {"twice": tf.strings.join([text, text]), "raw_bytes": text, "more": times + 1}
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="v")])
    def total(self, v):
        return {"sum": tf.reduce_sum(v)}
words = Words()
tf.saved_model.save(words, os.path.join(root, "many", "words", "00000001"),
    signatures={"serving_default": words.repeat, "total": words.total})
"""

HANDLERS = """
import json, sys
def input_handler(data, context):
    assert context.request_content_type == "application/x-mine", context
    return json.dumps({"instances": [json.loads(data.read().decode("utf-8"))]})
def output_handler(response, context):
    if response.status_code != 200:
        raise ValueError(response.content.decode("utf-8"))
    return json.dumps({"mine": response.json()["predictions"]}), context.accept_header
"""

HANDLER = """
import requests
import beside
def handler(data, context):
    response = requests.post(context.rest_uri, data=data.read())
    status = requests.get(context.rest_uri.rpartition(":")[0]).json()
    versions = [each["version"] for each in status["model_version_status"]]
    return '{"told": %s, "model": "%s", "versions": "%s", "beside": "%s"}' % (
        response.text, context.model_name, versions, beside.WORD), "application/json"
"""

pytestmark = pytest.mark.full  # these need environments of gigabytes


@pytest.fixture(scope="module")
def models(
    tensorflow: Environment,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A folder with SavedModels and a model in Keras's own file."""
    folder = tmp_path_factory.mktemp("models")
    run(tensorflow, SAVE, str(folder))
    return folder


@pytest.fixture(scope="module")
def server(
    tensorflow: Environment,  # noqa: F811
    models: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ModelServer]:
    """A server of two SavedModels without any code."""
    ml = tmp_path_factory.mktemp("plain")
    shutil.copytree(models / "many", ml / "model" / "export")
    with serving(tensorflow, ml, SAGEBRUSH_FRAMEWORK="tensorflow") as server:
        yield server.ready()


def attributes(text: str) -> dict[str, str]:
    return {"X_Amzn_SageMaker_Custom_Attributes": text}


def test_instances_and_inputs_are_answered_by_the_latest_version(server: ModelServer) -> None:
    assert server.ask({"instances": [[1, 1], [0, 2]]}) == {"predictions": [[4.5], [6.5]]}
    assert server.ask({"instances": [{"x": [1, 1]}]}) == {"predictions": [[4.5]]}
    assert server.ask({"inputs": [[1, 1]]}) == {"outputs": [[4.5]]}
    assert server.ask({"inputs": {"x": [[1, 1]]}}) == {"outputs": [[4.5]]}
    assert server.ask([[1, 1], [0, 2]]) == {"predictions": [[4.5], [6.5]]}
    assert server.ask([1, 1]) == {"predictions": [[4.5]]}


def test_csv_and_json_lines_become_instances(server: ModelServer) -> None:
    told = server.post("1,1\n0,2\n", "text/csv", "application/json")
    assert (told[0], told[1]) == (200, "application/json")
    assert json.loads(told[2]) == {"predictions": [[4.5], [6.5]]}
    told = server.post("[1, 1]\n[0, 2]", "application/jsonlines", "application/jsonlines")
    assert told[1] == "application/jsonlines"
    assert json.loads(told[2]) == {"predictions": [[4.5], [6.5]]}


def test_attributes_choose_model_and_version(server: ModelServer) -> None:
    asked = attributes("tfs-model-name=half,tfs-model-version=1")
    assert server.ask([[1, 1]], **asked) == {"predictions": [[3.5]]}
    value = {"instances": [{"text": "a", "times": 1}, {"text": {"b64": "Yg=="}, "times": 2}]}
    assert server.ask(value, **attributes("tfs-model-name=words")) == {
        "predictions": [
            {"twice": "aa", "raw_bytes": {"b64": "YQ=="}, "more": 2},
            {"twice": "bb", "raw_bytes": {"b64": "Yg=="}, "more": 3},
        ]
    }
    value = {"signature_name": "total", "inputs": [1, 2, 3.5]}
    assert server.ask(value, **attributes("tfs-model-name=words")) == {"outputs": 6.5}


@pytest.mark.parametrize(
    ("value", "attribute", "status", "message"),
    [
        ('{"instances": [[1,', "", 400, "JSON Parse error"),
        ('{"instances": []}', "", 400, "non-empty list"),
        ('{"instances": [["a", "b"]]}', "", 400, "input x is no tensor of float32"),
        ('{"instances": [[1, 2, 3]]}', "", 400, "2"),
        ('{"instances": [{"z": 1}]}', "", 400, "Expected the inputs x, got z"),
        ('{"inputs": [[1, 1]], "signature_name": "other"}', "", 400, '"other" not found'),
        ("[[1, 1]]", "tfs-model-name=none", 404, "Servable not found for request: Latest(none)"),
        ("[[1, 1]]", "tfs-model-version=9", 404, "Specific(half, 9)"),
        ("[[1, 1]]", "tfs-method=classify", 400, "use predict"),
        ('{"instances": ["a"]}', "tfs-model-name=words", 400, "text, times"),
    ],
)
def test_errors_have_tensorflow_servings_form(
    server: ModelServer, value: str, attribute: str, status: int, message: str
) -> None:
    found, kind, body = server.post(value, **attributes(attribute))
    assert (found, kind) == (status, "application/json")
    assert message in json.loads(body)["error"]


def test_other_content_types_are_415(server: ModelServer) -> None:
    status, _, body = server.post("x", "application/x-npy")
    assert (status, json.loads(body)) == (
        415, {"error": "Unsupported Media Type: application/x-npy"},
    )  # fmt: skip


def test_input_and_output_handlers_stand_around_the_model(
    tensorflow: Environment,  # noqa: F811
    models: Path,
    tmp_path: Path,
) -> None:
    shutil.copytree(models / "many" / "half" / "1", tmp_path / "model" / "1")
    script(tmp_path, HANDLERS)
    with serving(tensorflow, tmp_path, SAGEBRUSH_FRAMEWORK="tensorflow") as server:
        server.ready()
        told = server.post("[1, 1]", "application/x-mine", "application/x-theirs")
        assert told == (200, "application/x-theirs", b'{"mine": [[3.5]]}')
        status, _, body = server.post("[1]", "application/x-mine")
        assert status == 500
        assert "error" in json.loads(json.loads(body)["error"])
        assert "in output_handler" in server.log.read_text()


def test_a_handler_asks_the_model_over_http_and_keras_files_are_served(
    tensorflow: Environment,  # noqa: F811
    models: Path,
    tmp_path: Path,
) -> None:
    (tmp_path / "model").mkdir()
    shutil.copy(models / "own.keras", tmp_path / "model" / "own.keras")
    script(tmp_path, HANDLER)
    (tmp_path / "model" / "code" / "lib").mkdir()
    (tmp_path / "model" / "code" / "lib" / "beside.py").write_text("WORD = 'imported'\n")
    with serving(tensorflow, tmp_path, SAGEBRUSH_FRAMEWORK="tensorflow") as server:
        server.ready()
        assert server.ask({"instances": [[1, 1]]}, **attributes("tfs-model-name=own")) == {
            "told": {"predictions": [[3.5]]},
            "model": "own",
            "versions": "['1']",
            "beside": "imported",
        }


def test_a_script_without_handlers_and_a_missing_model_are_told(
    tensorflow: Environment,  # noqa: F811
    models: Path,
    tmp_path: Path,
) -> None:
    astray = tmp_path / "model" / "export"
    shutil.copytree(models / "many" / "half" / "1", astray)
    with serving(tensorflow, tmp_path, SAGEBRUSH_FRAMEWORK="tensorflow") as server:
        told = server.failed()
    assert "no SavedModel bundles found!" in told
    assert f"{astray} holds one" in told
    shutil.move(astray, tmp_path / "model" / "1")
    script(tmp_path, "def model_fn(model_dir):\n    return 1\n")
    with serving(tensorflow, tmp_path, SAGEBRUSH_FRAMEWORK="tensorflow") as server:
        assert "Handlers are not implemented correctly in user script" in server.failed()


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ('{"instances": [1]}', {"instances": [1]}),
        ('{"inputs": 1}', {"inputs": 1}),
        ("[1, 2]", {"instances": [[1, 2]]}),
        ("[[1], [2]]", {"instances": [[1], [2]]}),
        ("5", {"instances": [5]}),
        ('{"a": 1}', {"instances": [{"a": 1}]}),
        ('{"a": 1}\n{"a": 2}\n', {"instances": [{"a": 1}, {"a": 2}]}),
    ],
)
def test_json_becomes_instances_as_awss_container_makes_them(text: str, made: Any) -> None:
    assert json.loads(instances(text)) == made


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("1,2\n3,4\n", [[1, 2], [3, 4]]),
        ("1\n2\n", [1, 2]),
        ("abc,def\nghi,jkl", [["abc", "def"], ["ghi", "jkl"]]),
        ('"abc"\n"d"', ["abc", "d"]),
        ('say "x"', ['say "x"']),
    ],
)
def test_csv_becomes_instances_as_awss_container_makes_them(text: str, made: Any) -> None:
    assert json.loads(instances_of_csv(text)) == {"instances": made}


def test_an_exception_of_a_handler_may_carry_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refused(Exception):
        status_code = 422

    def refuse(data: Any, context: Any) -> Any:
        raise (Refused if context.request_content_type == "text/csv" else ValueError)(
            "not this one"
        )

    monkeypatch.setattr(savedmodel, "listen", lambda models: 1)
    models: Any = SimpleNamespace(default="d")
    scripted = frameworks_tensorflow._Scripted(models, refuse, None, None)
    for kind, status in (("text/csv", 422), ("text/plain", 500)):
        answer = scripted.answer(b"[1]", {"content-type": kind})
        assert answer.status == status
        assert answer.body == b'{"error": "not this one"}'


def test_custom_attributes_are_read() -> None:
    header = "tfs-model-name=m,other=1, tfs-method=regress"
    found = target({"x-amzn-sagemaker-custom-attributes": header}, "d")
    assert found == ("m", None, "regress")
    assert target({}, "d") == ("d", None, "predict")
