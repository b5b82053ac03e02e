"""What PyTorch endpoints answer without and with code, in the PyTorch environment."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest

from sagebrush.environments.environment import Environment
from tests.built_environments import pytorch  # noqa: F401
from tests.toolkit.serving.model_server import PACKAGES, ModelServer, run, script, serving

SAVE = """
import sys, torch
model = torch.nn.Linear(2, 2)
with torch.no_grad():
    model.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]])); model.bias.copy_(torch.tensor([0.5, 0]))
model = torch.nn.Sequential(torch.nn.Dropout(0.9), model)
torch.jit.script(model).save(sys.argv[1] + "/script.pth")
torch.save(model.state_dict(), sys.argv[1] + "/state.pth")
"""

REFUSED = """
import sys
sys.path.insert(0, sys.argv[1])
from sagebrush.toolkit.serving.frameworks.pytorch import Defaults
from sagebrush.toolkit.serving.handler import NoHandler
for folder in sys.argv[2:]:
    try:
        Defaults().model_fn(folder)
    except NoHandler as error:
        print(error)
"""

SCRIPT = """
import json, os, torch
def model_fn(model_dir, context):
    model = torch.nn.Sequential(torch.nn.Dropout(0.9), torch.nn.Linear(2, 2))
    model.load_state_dict(torch.load(os.path.join(model_dir, "net.pth"), weights_only=True))
    model.properties = dict(context.system_properties)
    return model
def input_fn(body, content_type, context):
    if content_type == "application/x-refused":
        from sagemaker_inference import errors
        raise errors.UnsupportedFormatError(content_type)
    if body == "context":
        return context
    return torch.tensor(json.loads(body)["values"])
def predict_fn(data, model):
    if hasattr(data, "system_properties"):
        data.set_response_status(code=202, phrase="Accepted")
        data.set_response_header(0, "X-Threads", str(torch.get_num_threads()))
        headers = data.request_processor[0].get_request_properties()
        return {"seen": [headers["x-in"], str(model.properties["gpu_id"]), os.environ["OMP_NUM_THREADS"]]}
    with torch.inference_mode():
        return model.eval()(data)
"""

pytestmark = pytest.mark.full  # these need environments of gigabytes


@pytest.fixture(scope="module")
def models(
    pytorch: Environment,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A folder with a model as TorchScript and as a state_dict."""
    folder = tmp_path_factory.mktemp("models")
    run(pytorch, SAVE, str(folder))
    return folder


@pytest.fixture(scope="module")
def plain(
    pytorch: Environment,  # noqa: F811
    models: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ModelServer]:
    """A server of a TorchScript model without any code."""
    ml = tmp_path_factory.mktemp("plain")
    (ml / "model").mkdir()
    shutil.copy(models / "script.pth", ml / "model" / "anything.pth")
    with serving(pytorch, ml, SAGEBRUSH_FRAMEWORK="pytorch") as server:
        yield server.ready()


def test_a_torchscript_model_answers_without_code(plain: ModelServer) -> None:
    assert plain.ask([[1, 1], [0, 2]]) == [[3.5, 7.0], [4.5, 8.0]]
    assert plain.ask([1, 1]) == [3.5, 7.0]


def test_csv_json_lines_and_npy_go_both_ways(plain: ModelServer) -> None:
    assert plain.post("1,1\n0,2\n", "text/csv", "text/csv") == (
        200, "text/csv", b"3.5,7.0\n4.5,8.0\n",
    )  # fmt: skip
    told = plain.post("[1, 1]\n[0, 2]\n", "application/jsonlines", "application/jsonlines")
    assert told == (200, "application/jsonlines", b"[3.5, 7.0]\n[4.5, 8.0]\n")
    body = io.BytesIO()
    numpy.save(body, numpy.array([[1, 1]], dtype="float32"))
    status, kind, told = plain.post(body.getvalue(), "application/x-npy", "application/x-npy")
    assert (status, kind) == (200, "application/x-npy")
    assert numpy.load(io.BytesIO(told)).tolist() == [[3.5, 7.0]]


@pytest.mark.parametrize(
    ("body", "kind", "accept", "status"),
    [
        ("<x/>", "application/xml", "*/*", 415),
        ("some words", "text/plain", "*/*", 415),
        ("[1, 1]", "application/json", "image/png", 406),
        ("[1, 1]", "application/json", "image/png, application/json", 200),
        ("[1, 1", "application/json", "*/*", 400),
        ('["a", "b"]', "application/json", "*/*", 400),
        ("[[1], [1, 2]]", "application/json", "*/*", 400),
        ("[1, 2, 3]", "application/json", "*/*", 500),
    ],
)
def test_what_cannot_be_answered_has_its_status(
    plain: ModelServer, body: str, kind: str, accept: str, status: int
) -> None:
    found = plain.post(body, kind, accept)
    assert found[0] == status, found
    assert plain.ask([1, 1]) == [3.5, 7.0]


def test_an_error_of_the_model_is_told_and_in_the_log(plain: ModelServer) -> None:
    status, _, body = plain.post("[1, 2, 3]")
    assert status == 500
    assert b"shapes cannot be multiplied" in body
    assert "Traceback" in plain.log.read_text()


def test_one_worker_has_all_threads_of_the_instance(
    pytorch: Environment,  # noqa: F811
    models: Path,
    tmp_path: Path,
) -> None:
    """And a script may take the context, answer its own status, and leave out what has a default."""
    (tmp_path / "model").mkdir()
    shutil.copy(models / "state.pth", tmp_path / "model" / "net.pth")
    script(tmp_path, SCRIPT)
    with serving(pytorch, tmp_path, SAGEBRUSH_FRAMEWORK="pytorch") as server:
        server.ready()
        assert server.ask({"values": [[1.0, 1.0]]}) == [[3.5, 7.0]]
        status, kind, body = server.post("context", X_In="hello")
        assert (status, kind) == (202, "application/json")
        assert json.loads(body) == {"seen": ["hello", "None", "2"]}
        assert server.post("", "application/x-refused")[0] == 415
        parameters = json.loads(server.request("GET", "/execution-parameters")[2])
        assert parameters["MaxConcurrentTransforms"] == 1


def test_a_model_without_a_default_says_what_to_write(
    pytorch: Environment,  # noqa: F811
    models: Path,
    tmp_path: Path,
) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "state").mkdir()
    shutil.copy(models / "state.pth", tmp_path / "state" / "net.pth")
    none, state = run(
        pytorch, REFUSED, str(PACKAGES), str(tmp_path / "none"), str(tmp_path / "state")
    ).splitlines()
    assert "Exactly one .pth or .pt file is required for PyTorch models: []" in none
    assert "model_fn(model_dir)" in none
    assert "Please ensure model is saved using torchscript" in state
    assert "state_dict" in state


def test_a_program_that_is_named_must_be_there(
    pytorch: Environment,  # noqa: F811
    tmp_path: Path,
) -> None:
    (tmp_path / "model").mkdir()
    named = {"SAGEBRUSH_FRAMEWORK": "pytorch", "SAGEMAKER_PROGRAM": "serve_me.py"}
    with serving(pytorch, tmp_path, **named) as server:
        assert "serve_me.py" in server.failed()
