"""BlazingText's requests and answers, as the guide writes them."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from sagebrush.algorithms.blazingtext import inference
from sagebrush.algorithms.blazingtext.fasttext_model import BadModel, Model
from tests.algorithms.test_fasttext_model import small

JSON, LINES = "application/json", "application/jsonlines"


@pytest.fixture
def model(tmp_path: Path) -> Model:
    small().save(tmp_path / "model.bin")
    found = inference.model_fn(str(tmp_path))
    assert isinstance(found, Model)
    return found


def ask(model: Model, body: str, content_type: str, accept: str) -> tuple[str, str]:
    """The body and content type that a request is answered with."""
    batch = inference.input_fn(body.encode(), content_type)
    return inference.output_fn(inference.predict_fn(batch, model), accept)


def test_json_answers_one_label_a_sentence(model: Model) -> None:
    body, kind = ask(model, '{"instances": ["good good", "so bad"]}', JSON, JSON)
    answers = json.loads(body)
    assert kind == JSON
    assert [a["label"] for a in answers] == [["__label__pos"], ["__label__neg"]]
    assert all(len(a["prob"]) == 1 and 0.5 < a["prob"][0] <= 1 for a in answers)


def test_json_answers_k_labels(model: Model) -> None:
    request = {"instances": ["good"], "configuration": {"k": 2}}
    (answer,) = json.loads(ask(model, json.dumps(request), JSON, JSON)[0])
    assert answer["label"] == ["__label__pos", "__label__neg"]
    assert answer["prob"][0] > answer["prob"][1]


def test_json_lines_answer_line_by_line_with_their_own_k(model: Model) -> None:
    body, kind = ask(
        model, '{"source": "good"}\n\n{"source": "bad", "k": 2}\r\n', LINES, f"{LINES}; x=1"
    )
    assert kind == LINES
    assert body.endswith("\n")
    first, second = map(json.loads, body.splitlines())
    assert (first["label"], len(second["label"])) == (["__label__pos"], 2)


@pytest.mark.parametrize("accept", [LINES, "text/csv", "*/*"])
def test_accept_is_ignored_where_it_differs(model: Model, accept: str) -> None:
    body, kind = ask(model, '{"instances": ["good"]}', JSON, accept)
    assert kind == JSON
    assert json.loads(body)[0]["label"] == ["__label__pos"]


def test_no_sentences_are_no_answers(model: Model) -> None:
    assert ask(model, '{"instances": []}', JSON, JSON)[0] == "[]"
    assert ask(model, "", LINES, LINES)[0] == ""


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b"", JSON, "The body is not JSON"),
        (b"[]", JSON, 'The body must be {"instances"'),
        (b'{"instances": "good"}', JSON, 'The body must be {"instances"'),
        (b'{"instances": ["a", 3]}', JSON, "instances[1] must be a string"),
        (b'{"instances": ["a"], "configuration": 3}', JSON, '"configuration" must be'),
        (b'{"instances": ["a"], "configuration": {"k": 0}}', JSON, '"k" must be a positive'),
        (b'{"instances": ["a"], "configuration": {"k": "2"}}', JSON, '"k" must be a positive'),
        (b"\xff\xfe", JSON, "not UTF-8"),
        (b"[" * 100_000, JSON, "not JSON"),
        (b'{"source": "a"}\n{"text": "b"}', LINES, 'Line 2 must be {"source"'),
        (b'{"source": "a"}\n{', LINES, "Line 2 is not JSON"),
        (b'{"source": "a", "k": true}', LINES, '"k" must be a positive'),
    ],
)
def test_malformed_requests_are_400_and_say_why(body: bytes, kind: str, words: str) -> None:
    with pytest.raises(inference.BadRequest) as error:
        inference.input_fn(body, kind)
    assert words in str(error.value)
    assert error.value.status_code == 400


def test_other_content_types_are_415() -> None:
    with pytest.raises(inference.BadRequest, match=r"text/csv.*application/json") as error:
        inference.input_fn(b"good", "text/csv")
    assert error.value.status_code == 415


def test_a_model_made_by_fasttext_may_have_another_name(tmp_path: Path) -> None:
    small().save(tmp_path / "langid.bin")
    found = inference.model_fn(str(tmp_path))
    assert isinstance(found, Model)
    assert found.labels == ["__label__pos", "__label__neg"]


def test_an_archive_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no model\.bin"):
        inference.model_fn(str(tmp_path))
    (tmp_path / "model.bin").write_bytes(b"x")
    with pytest.raises(BadModel):
        inference.model_fn(str(tmp_path))


def test_it_loads_by_its_path_as_the_model_server_loads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    file = Path(inference.__file__)
    spec = importlib.util.spec_from_file_location("inference", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "inference", module)
    spec.loader.exec_module(module)
    small().save(tmp_path / "model.bin")
    loaded = module.model_fn(str(tmp_path))
    assert loaded.predict("good")[0] == ["__label__pos"]
    for name in [n for n in sys.modules if n.split(".")[0] == "blazingtext"]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b'{"instances": ["\\ud800"]}'),
        ("application/jsonlines", b'{"source": "\\udfff"}'),
    ],
)
def test_half_of_a_surrogate_pair_is_a_bad_request(kind: str, body: bytes) -> None:
    with pytest.raises(inference.BadRequest, match="not Unicode"):
        inference.input_fn(body, kind)
