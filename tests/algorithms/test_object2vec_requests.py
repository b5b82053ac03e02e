"""Requests of Object2Vec's endpoint: the guide's content types, and what is refused."""

from __future__ import annotations

import json

import pytest
from contract.errors import BadRequest
from object2vec.requests import Batch, input_fn, output_fn


class Context:
    """What the model server gives output_fn."""

    def __init__(self, accept: str | None) -> None:
        self._accept = accept

    def get_request_header(self, _index: int, _name: str) -> str | None:
        return self._accept


def test_json_and_json_lines() -> None:
    pair, single = {"in0": [6, 17], "in1": [16], "label": 1}, {"in1": [5]}
    found = input_fn(json.dumps({"instances": [pair, single]}).encode(), "application/json")
    assert (list(found.items), found.longest) == ([pair, single], None)
    lines = f"\ufeff{json.dumps(pair)}\r\n\n{json.dumps(single)}\n"
    found = input_fn(lines, "application/jsonlines; infer_max_seqlens=20,30")
    assert (list(found.items), found.longest) == ([pair, single], (20, 30))


@pytest.mark.parametrize(
    ("body", "kind", "status", "said"),
    [
        ("1,2", "text/csv", 415, "use application/json or application/jsonlines"),
        ("{", "application/json", 400, "The body is not JSON"),
        ('{"instances": 3}', "application/json", 400, '{"instances": [{"in0"'),
        ('{"instances": [{"x": [1]}]}', "application/json", 400, "instances[0] must be an object"),
        ('{"in0": [1]}\n3', "application/jsonlines", 400, "Line 2 must be an object"),
        ("[]", "application/json; infer_max_seqlens=0,5", 400, "the body must be"),
        ('{"in0": [1]}', "application/jsonlines; infer_max_seqlens=0,5", 400, "from 1 to 5000"),
        (b"\xff", "application/json", 400, "not UTF-8"),
    ],
)
def test_bad_requests(body: str | bytes, kind: str, status: int, said: str) -> None:
    with pytest.raises(BadRequest) as told:
        input_fn(body, kind)
    assert told.value.status_code == status
    assert said.lower() in str(told.value).lower()


@pytest.mark.parametrize(
    ("form", "accept", "lines"),
    [
        ("application/json", None, False),
        ("application/jsonlines", None, True),
        ("application/jsonlines", "*/*", True),
        ("application/jsonlines", "application/json", False),
        ("application/json", "application/jsonlines;verbose=true", True),
    ],
)
def test_the_answers_form(form: str, accept: str | None, lines: bool) -> None:
    answers = Batch(form, [{"scores": [0.25, 0.75]}, {"embeddings": [1.0]}])
    body, kind = output_fn(answers, "application/json", Context(accept))
    if lines:
        assert kind == "application/jsonlines"
        assert [json.loads(line) for line in body.splitlines()] == answers.items
    else:
        assert kind == "application/json"
        assert json.loads(body) == {"predictions": answers.items}


def test_an_answer_in_another_form_is_refused() -> None:
    with pytest.raises(BadRequest) as told:
        output_fn(Batch("application/json", []), "text/csv", Context("text/csv"))
    assert told.value.status_code == 406
