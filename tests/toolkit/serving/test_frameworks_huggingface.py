"""What Hugging Face endpoints answer, with tiny random models made here, without a hub."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest

from sagebrush.environments.environment import Environment
from tests.built_environments import huggingface  # noqa: F401
from tests.toolkit.serving.model_server import PACKAGES, ModelServer, run, script, serving

SAVE = """
import os, sys, torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (BertConfig, BertForQuestionAnswering, BertForSequenceClassification,
    BertModel, PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration)
torch.manual_seed(0)
root = sys.argv[1]
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "who", "rain"]
table = {w: n for n, w in enumerate(words)}
inner = Tokenizer(models.WordLevel(table, unk_token="[UNK]"))
inner.normalizer = normalizers.Lowercase()
inner.pre_tokenizer = pre_tokenizers.Whitespace()
inner.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]",
    pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="[UNK]", pad_token="[PAD]",
    cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]", model_max_length=64)
shape = dict(vocab_size=10, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
    intermediate_size=16, max_position_embeddings=64)
made = {
    "classes": BertForSequenceClassification(BertConfig(**shape, num_labels=2,
        id2label={0: "NO", 1: "YES"}, label2id={"NO": 0, "YES": 1})),
    "answers": BertForQuestionAnswering(BertConfig(**shape)),
    "features": BertModel(BertConfig(**shape)),
    "texts": T5ForConditionalGeneration(T5Config(vocab_size=10, d_model=8, d_kv=4, d_ff=16,
        num_layers=1, num_heads=2, decoder_start_token_id=0, pad_token_id=0, eos_token_id=3)),
}
for name, model in made.items():
    folder = os.path.join(root, name, "model")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
"""

PIPELINES = """
import json, os, sys
root = sys.argv[2]
sys.path.insert(0, sys.argv[1])
from sagebrush.toolkit.serving.frameworks.huggingface import Defaults
from sagebrush.toolkit.serving.handler import NoHandler
def told(name, task, value, **more):
    os.environ["HF_TASK"] = task
    folder = os.path.join(root, name, "model")
    defaults = Defaults()
    try:
        model = defaults.model_fn(folder)
    except NoHandler as error:
        return str(error)
    return defaults.predict_fn({"inputs": value, **more}, model)
question = {"question": "who", "context": "Good film, bad rain"}
def hub(task, identity="nobody/no-such-model"):
    os.environ["HF_MODEL_ID"] = identity
    try:
        return str(told("none", task, "x"))
    finally:
        del os.environ["HF_MODEL_ID"]
print(json.dumps({
    "hub": hub("text-classification"),
    "hub without a task": hub(""),
    "no directory": hub("text-classification", "/nowhere/model"),
    "question": told("answers", "question-answering", question),
    "inferred": told("answers", "", question, parameters={"top_k": 3}),
    "several": told("answers", "question-answering", [question, question]),
    "features": told("features", "feature-extraction", "good film"),
    "unknown": told("features", "sentence-similarity", "good film"),
    "no task": told("features", "", "good film"),
    "texts": told("texts", "", ["good", "bad film"], parameters={"max_new_tokens": 3}),
    "summary": told("texts", "summarization", "good", parameters={"max_new_tokens": 3}),
    "translation": told("texts", "translation_en_to_fr", "good", parameters={"max_new_tokens": 3}),
}))
"""

pytestmark = pytest.mark.full  # these need environments of gigabytes

SCRIPT = """
from sagemaker_huggingface_inference_toolkit import content_types, decoder_encoder
def input_fn(body, content_type):
    assert isinstance(body, str)
    return decoder_encoder.decode(body, content_type)
def predict_fn(data, model, context):
    if data["inputs"] == "fail":
        raise KeyError("column_7")
    return {"label": model(data["inputs"])[0]["label"], "dir": context.system_properties["model_dir"]}
def output_fn(prediction, accept):
    return decoder_encoder.encode(prediction, content_types.JSON)
"""


@pytest.fixture(scope="module")
def models(
    huggingface: Environment,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A folder with model directories of tiny random models."""
    folder = tmp_path_factory.mktemp("models")
    run(huggingface, SAVE, str(folder))
    return folder


@pytest.fixture(scope="module")
def server(
    huggingface: Environment,  # noqa: F811
    models: Path,
) -> Iterator[ModelServer]:
    """A server of a text classifier without any code, its task inferred."""
    with serving(huggingface, models / "classes", SAGEBRUSH_FRAMEWORK="huggingface") as server:
        yield server.ready()


def test_a_pipeline_answers_without_code(server: ModelServer) -> None:
    [told] = server.ask({"inputs": "good film"})
    assert told["label"] in ("NO", "YES")
    assert 0.5 <= told["score"] <= 1
    several = server.ask({"inputs": ["good film", "rain"]})
    assert len(several) == 2
    assert several[0]["score"] == pytest.approx(told["score"], abs=1e-5)
    every = server.ask({"inputs": "good film", "parameters": {"top_k": None}})
    assert {each["label"] for each in every} == {"NO", "YES"}
    assert sum(each["score"] for each in every) == pytest.approx(1, abs=1e-5)


def test_csv_text_and_json_lines_are_inputs_too(server: ModelServer) -> None:
    status, kind, body = server.post("inputs\ngood film\nbad film\n", "text/csv", "text/csv")
    assert (status, kind) == (200, "text/csv")
    head, *rows = body.decode().splitlines()
    assert (head, len(rows)) == ("label,score", 2)
    assert json.loads(server.post("good film", "text/plain")[2])[0].keys() == {"label", "score"}
    lines = server.post(
        '{"inputs": "good"}\n"bad"\n', "application/jsonlines", "application/jsonlines"
    )
    assert [json.loads(line)["label"] for line in lines[2].splitlines()]
    assert (lines[1], lines[2].count(b"\n")) == ("application/jsonlines", 2)
    status, kind, _ = server.post('{"inputs": "good"}', accept="image/png, application/json")
    assert (status, kind) == (200, "application/json")


@pytest.mark.parametrize(
    ("body", "kind", "accept", "message"),
    [
        ('{"inputs": ', "application/json", "*/*", "not valid application/json"),
        ('["good"]', "application/json", "*/*", "must be an object"),
        ("good film\n", "text/csv", "*/*", "correct CSV with Header columns"),
        ("<x/>", "application/xml", "*/*", "Content type application/xml is not supported"),
        ('{"inputs": "a"}', "application/json", "application/xml", "Accept type"),
        ('{"inputs": {"text": 3}}', "application/json", "*/*", "text"),
    ],
)
def test_every_failure_is_the_toolkits_400(
    server: ModelServer, body: str, kind: str, accept: str, message: str
) -> None:
    status, kind, told = server.post(body, kind, accept)
    assert (status, kind) == (400, "application/json")
    error = json.loads(told)
    assert (error["code"], error["type"]) == (400, "InternalServerException")
    assert message in error["message"]


def test_hooks_replace_what_they_name(
    huggingface: Environment,  # noqa: F811
    models: Path,
    tmp_path: Path,
) -> None:
    """The model is a directory that HF_MODEL_ID names."""
    (tmp_path / "model").mkdir()
    script(tmp_path, SCRIPT)
    named = {
        "SAGEBRUSH_FRAMEWORK": "huggingface",
        "HF_MODEL_ID": str(models / "classes" / "model"),
        "HF_TASK": "text-classification",
    }
    with serving(huggingface, tmp_path, **named) as server:
        server.ready()
        told = server.ask({"inputs": "good film"})
        assert told["label"] in ("NO", "YES")
        assert told["dir"] == str(tmp_path / "model")
        status, _, body = server.post('{"inputs": "fail"}')
        assert (status, json.loads(body)["message"]) == (400, "'column_7'")
        assert "in predict_fn" in server.log.read_text()


def test_tasks_answer_as_their_pipelines_do(
    huggingface: Environment,  # noqa: F811
    models: Path,
) -> None:
    told = json.loads(run(huggingface, PIPELINES, str(PACKAGES), str(models)).splitlines()[-1])
    context = "Good film, bad rain"
    one = told["question"]
    assert one["answer"] == context[one["start"] : one["end"]] != ""
    assert 0 < one["score"] < 1
    assert told["inferred"][0] == one
    scores = [each["score"] for each in told["inferred"]]
    assert (scores, len(scores)) == (sorted(scores, reverse=True), 3)
    assert told["several"] == [one, one]
    assert numpy.array(told["features"]).shape == (1, 4, 8)
    assert "'sentence-similarity' is no task of this version" in told["unknown"]
    assert "Task couldn't be inferenced from BertModel" in told["no task"]
    assert [set(each) for each in told["texts"]] == [{"generated_text"}] * 2
    assert set(told["summary"][0]) == {"summary_text"}
    assert set(told["translation"][0]) == {"translation_text"}
    for each in ("hub", "hub without a task"):
        assert told[each].startswith(
            "HF_MODEL_ID nobody/no-such-model: HF_HUB_OFFLINE is set, and the model is not in the"
        )
        assert "model.tar.gz" in told[each]
    assert told["no directory"] == "HF_MODEL_ID /nowhere/model: there is no such directory"


def test_failures_of_the_network_are_told_from_those_of_the_model() -> None:
    from sagebrush.toolkit.serving.frameworks.huggingface import of_network

    proxy = type("ProxyError", (Exception,), {"__module__": "httpx2._exceptions"})
    assert of_network(proxy("502 Bad Gateway"))
    assert of_network(OSError("no such model"))
    assert not of_network(ImportError("sacremoses is missing"))


def test_numpy_arrays_are_written_as_npy() -> None:
    from sagebrush.toolkit.serving.frameworks import codec

    body, kind = codec.encode([[1.5, 2.0]], "application/x-npy")
    assert kind == "application/x-npy"
    assert numpy.load(io.BytesIO(body)).tolist() == [[1.5, 2.0]]
