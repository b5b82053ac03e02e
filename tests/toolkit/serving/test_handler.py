"""The user's inference functions and the default formats."""

from __future__ import annotations

import importlib
import io
import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

from sagebrush.toolkit import job
from sagebrush.toolkit.serving import formats, frameworks, serve
from sagebrush.toolkit.serving.handler import Handler, NoHandler, load_module, locate


def handler(**functions: Callable[..., Any]) -> Handler:
    module = types.ModuleType("inference")
    module.__file__ = "inference.py"
    for name, function in functions.items():
        setattr(module, name, function)
    return Handler(module, "/opt/ml/model")


class Doubler:
    def predict(self, data: Any) -> Any:
        return numpy.asarray(data) * 2


def doubler(model_dir: str) -> Doubler:
    return Doubler()


def ask(h: Handler, body: bytes, content_type: str, accept: str = "*/*") -> tuple[int, bytes, str]:
    answer = h.answer(body, {"content-type": content_type, "accept": accept})
    assert isinstance(answer.body, bytes)
    return answer.status, answer.body, answer.content_type


def test_defaults_read_json_and_csv_and_write_what_is_accepted() -> None:
    h = handler(model_fn=doubler)
    assert ask(h, b"[[1, 2], [3, 4]]", "application/json") == (
        200, b"[[2, 4], [6, 8]]", "application/json",
    )  # fmt: skip
    status, body, kind = ask(h, b"1,2\n3,4\n", "text/csv; header=absent", "text/csv")
    assert (status, body, kind) == (200, b"2.0,4.0\n6.0,8.0\n", "text/csv")
    assert ask(h, b"[1, 2]", "application/json", "application/jsonlines")[1] == b"2\n4\n"


def test_npy_goes_both_ways_and_pickles_are_refused() -> None:
    h, out = handler(model_fn=doubler), io.BytesIO()
    numpy.save(out, numpy.array([1.5, 2.0]))
    status, body, kind = ask(h, out.getvalue(), formats.NPY, formats.NPY)
    assert (status, kind) == (200, formats.NPY)
    assert numpy.load(io.BytesIO(body)).tolist() == [3.0, 4.0]
    evil = io.BytesIO()
    numpy.save(evil, numpy.array([object()], dtype=object), allow_pickle=True)
    assert ask(h, evil.getvalue(), formats.NPY)[0] == 400


@pytest.mark.parametrize(
    ("body", "content_type", "accept", "status"),
    [
        (b"<x/>", "application/xml", "*/*", 415),
        (b"[1]", "application/json", "image/png", 406),
        (b"[1", "application/json", "*/*", 400),
        (b"\xff\xfe", "text/csv", "*/*", 400),
    ],
)
def test_formats_that_are_not_served_say_so(
    body: bytes, content_type: str, accept: str, status: int
) -> None:
    found = ask(handler(model_fn=doubler), body, content_type, accept)
    assert found[0] == status
    assert found[2] == "text/plain"


def test_user_functions_are_called_in_turn_with_the_requests_types() -> None:
    h = handler(
        model_fn=lambda model_dir: {"dir": model_dir},
        input_fn=lambda body, content_type: [content_type, body.decode()],
        predict_fn=lambda data, model: [model["dir"], *data],
        output_fn=lambda prediction, accept: (json.dumps([*prediction, accept]), "x/y"),
    )
    status, body, kind = ask(h, b"abc", "a/b", "c/d")
    assert (status, kind) == (200, "x/y")
    assert json.loads(body) == ["/opt/ml/model", "a/b", "abc", "c/d"]


def test_a_context_is_passed_to_functions_that_take_one() -> None:
    def output(prediction: str, accept: str, context: Any) -> str:
        context.set_response_header(0, "X-Seen", prediction)
        context.set_response_content_type(0, "text/plain")
        return prediction

    h = handler(
        model_fn=lambda model_dir, context: context.system_properties["model_dir"],
        input_fn=lambda body, kind, context: context.get_request_header(0, "X-In"),
        predict_fn=lambda data, model: f"{model} {data}",
        output_fn=output,
    )
    answer = h.answer(b"", {"x-in": "hello"})
    assert answer.body == b"/opt/ml/model hello"
    assert answer.headers == {"X-Seen": "/opt/ml/model hello"}
    assert answer.content_type == "text/plain"


def test_a_flask_response_is_an_answer() -> None:
    class Response:  # as the real Flask's, which scripts may bring by requirements.txt
        mimetype = "text/csv"
        response = (b"1,", b"2")

        def get_data(self) -> bytes:
            return b"".join(self.response)

    h = handler(model_fn=doubler, output_fn=lambda prediction, accept: Response())
    assert ask(h, b"[1]", "application/json") == (200, b"1,2", "text/csv")


@pytest.mark.parametrize("package", ["flask", "werkzeug.wrappers"])
def test_a_script_without_flask_has_its_response(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS's scikit-learn images have Flask: published scripts import it for this."""
    monkeypatch.syspath_prepend(str(job.CONTAINERS))
    for name in ("flask", "werkzeug", "werkzeug.wrappers"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    module = importlib.import_module(package)

    def output(prediction: Any, accept: str) -> Any:
        return module.Response(response=["1,", b"2"], status="202 Accepted", mimetype="text/csv")

    h = handler(model_fn=doubler, output_fn=output)
    assert ask(h, b"[1]", "application/json") == (202, b"1,2", "text/csv")
    assert module.Response("a", content_type="text/html; charset=utf-8").mimetype == "text/html"
    if package == "flask":
        with pytest.raises(ImportError, match="Flask"):
            from flask import Flask  # noqa: F401  # pyright: ignore


def test_transform_fn_takes_the_whole_request() -> None:
    h = handler(
        model_fn=lambda model_dir: 3,
        transform_fn=lambda model, body, content_type, accept: (body * model, "text/plain"),
    )
    assert ask(h, b"ab", "x/y")[:2] == (200, b"ababab")


def test_transform_fn_beside_the_others_is_refused() -> None:
    with pytest.raises(NoHandler, match="transform_fn"):
        handler(model_fn=doubler, transform_fn=print, predict_fn=print)


def test_an_exception_of_the_user_is_500_with_its_traceback_in_the_log(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def predict(data: Any, model: Any) -> Any:
        raise KeyError("column_7")

    status, body, _ = ask(handler(model_fn=doubler, predict_fn=predict), b"[1]", formats.JSON)
    assert (status, body) == (500, b"KeyError: 'column_7'")
    assert "in predict" in capsys.readouterr().err


def test_a_model_without_predict_or_model_fn_is_told() -> None:
    with pytest.raises(NoHandler, match="model_fn"):
        handler()
    h = handler(model_fn=lambda model_dir: {})
    status, body, _ = ask(h, b"[1]", formats.JSON)
    assert status == 500
    assert b"predict_fn" in body


def test_the_program_is_found_where_aws_looks(tmp_path: Path) -> None:
    code = tmp_path / "model" / "code"
    code.mkdir(parents=True)
    with pytest.raises(NoHandler, match=r"inference\.py"):
        locate(tmp_path, {}, tmp_path)
    (code / "inference.py").write_text("import beside\nname = beside.name\n")
    (code / "beside.py").write_text("name = 'beside'\n")
    found = locate(tmp_path, {"SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"}, tmp_path)
    assert found == code / "inference.py"
    assert load_module(found).name == "beside"
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "mine.py").write_text("")
    submitted = {
        "SAGEMAKER_SUBMIT_DIRECTORY": "s3://b/sourcedir.tar.gz",
        "SAGEMAKER_PROGRAM": "mine.py",
    }
    assert locate(tmp_path, submitted, tmp_path) == tmp_path / "code" / "mine.py"


def test_an_algorithm_brings_its_own_functions(tmp_path: Path) -> None:
    (tmp_path / "blazing").mkdir()
    (tmp_path / "blazing" / "inference.py").write_text("")
    found = locate(tmp_path, {"SAGEBRUSH_ALGORITHM": "blazing"}, tmp_path)
    assert found == tmp_path / "blazing" / "inference.py"


def test_an_exception_may_carry_its_status() -> None:
    class Refused(Exception):
        status_code = 422

    def refuse(body: bytes, content_type: str) -> Any:
        raise Refused("three columns are needed")

    status, body, _ = ask(handler(model_fn=doubler, input_fn=refuse), b"1", "text/csv")
    assert (status, body) == (422, b"Refused: three columns are needed")


def test_json_and_csv_reach_sklearn_scripts_as_text() -> None:
    """pandas.read_csv(io.StringIO(body)) is how AWS's examples read CSV."""
    module = types.ModuleType("inference")
    module.model_fn = lambda model_dir: None  # type: ignore[attr-defined]
    module.transform_fn = lambda model, body, kind, accept: repr(body)  # type: ignore[attr-defined]
    found = Handler(module, "/opt/ml/model", frameworks.defaults("sklearn"))
    assert ask(found, "é".encode(), "text/csv; charset=utf-8")[1] == "'é'".encode()
    assert ask(found, b"[1]", formats.JSON)[1] == b"'[1]'"
    assert ask(found, b"x", formats.NPY)[1] == b"b'x'"
    assert ask(found, b"\xff", "text/csv")[0] == 400
    own = Handler(module, "/opt/ml/model", frameworks.defaults(""))
    assert ask(own, b"[1]", formats.JSON)[1] == b"b'[1]'"


def test_a_script_may_set_its_status() -> None:
    def predict(data: Any, model: Any, context: Any) -> Any:
        context.set_response_status(422, "Unprocessable")
        return {"told": 1}

    found = ask(handler(model_fn=doubler, predict_fn=predict), b"[1]", formats.JSON)
    assert found[:2] == (422, b'{"told": 1}')


@pytest.mark.parametrize(
    ("framework", "environ", "workers", "threads"),
    [
        ("", {"SM_NUM_CPUS": "4", "OMP_NUM_THREADS": "4"}, 4, {"OMP_NUM_THREADS": "1"}),
        ("sklearn", {"SM_NUM_CPUS": "4"}, 4, {"OMP_NUM_THREADS": "1"}),
        ("pytorch", {"OMP_NUM_THREADS": "4"}, 1, {"OMP_NUM_THREADS": "4"}),
        (
            "pytorch",
            {"OMP_NUM_THREADS": "4", "SAGEMAKER_MODEL_SERVER_WORKERS": "2"},
            2,
            {"OMP_NUM_THREADS": "2"},
        ),
        (
            "huggingface",
            {"SM_NUM_CPUS": "4", "OMP_NUM_THREADS": "3", "SAGEMAKER_MODEL_SERVER_WORKERS": "8"},
            8,
            {},
        ),
        (
            "pytorch",
            {"SM_NUM_CPUS": "4", "OMP_NUM_THREADS": "4", "OMP_WAIT_POLICY": "PASSIVE"},
            1,
            {"OMP_NUM_THREADS": "4", "GOMP_SPINCOUNT": frameworks.SPIN},
        ),
        (
            "pytorch",
            {"SM_NUM_CPUS": "4", "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"},
            1,
            {"OMP_NUM_THREADS": "4"},
        ),
        ("pytorch", {"SM_NUM_CPUS": "4", "OMP_WAIT_POLICY": "ACTIVE"}, 1, {"OMP_NUM_THREADS": "4"}),
        (
            "pytorch",
            {"SM_NUM_CPUS": "1", "OMP_WAIT_POLICY": "PASSIVE"},
            1,
            {"OMP_NUM_THREADS": "1"},
        ),
        (
            "tensorflow",
            {"SM_NUM_CPUS": "4", "TF_NUM_INTEROP_THREADS": "9"},
            1,
            {
                "OMP_NUM_THREADS": "4",
                "TF_NUM_INTRAOP_THREADS": "4",
                "TF_CPP_MIN_LOG_LEVEL": "2",
            },
        ),
    ],
)
def test_workers_share_the_cpus(
    framework: str, environ: dict[str, str], workers: int, threads: dict[str, str]
) -> None:
    count = serve.worker_count({**environ, "SAGEBRUSH_FRAMEWORK": framework})
    assert count == workers
    assert frameworks.threads(framework, serve.cpus(environ), count, environ) == threads


def test_a_framework_that_nothing_stands_for_is_told() -> None:
    with pytest.raises(NoHandler, match="mxnet"):
        frameworks.name({"SAGEBRUSH_FRAMEWORK": "mxnet"})
    assert frameworks.name({"SAGEBRUSH_FRAMEWORK": "pytorch", "SAGEBRUSH_ALGORITHM": "b"}) == ""
