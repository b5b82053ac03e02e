"""ONNX Runtime's answers are those of transformers' pipelines, for tiny random models made here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sagebrush.environments.environment import Environment
from tests.built_environments import huggingface  # noqa: F401
from tests.toolkit.serving.model_server import PACKAGES, ModelServer, run, script, serving

pytestmark = pytest.mark.full  # these need an environment of gigabytes

MAKE = """
import os, sys, torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (BertConfig, BertForMaskedLM, BertForQuestionAnswering, BertModel,
    BertForSequenceClassification, BertForTokenClassification, PreTrainedTokenizerFast)
sys.path.insert(0, sys.argv[1])
from sagebrush.toolkit.optimize import export
from pathlib import Path
torch.manual_seed(0)
root = Path(sys.argv[2])
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "who", "rain", "##s",
    "##y", "in", "paris", "this", "example", "is", ".", ",", "ann"]
inner = Tokenizer(models.WordPiece({w: n for n, w in enumerate(words)}, unk_token="[UNK]"))
inner.normalizer = normalizers.Lowercase()
inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
inner.decoder = decoders.WordPiece()
inner.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]",
    pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="[UNK]", pad_token="[PAD]",
    cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]", model_max_length=32)
shape = dict(vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
    intermediate_size=16, max_position_embeddings=32, initializer_range=0.5)
def named(*labels):
    return dict(id2label=dict(enumerate(labels)), label2id={l: n for n, l in enumerate(labels)})
made = {
    "text-classification": BertForSequenceClassification(BertConfig(**shape, **named("NO", "YES", "MAY"))),
    "zero-shot-classification": BertForSequenceClassification(
        BertConfig(**shape, **named("contradiction", "neutral", "entailment"))),
    "token-classification": BertForTokenClassification(
        BertConfig(**shape, **named("O", "B-PER", "I-PER", "B-LOC", "I-LOC"))),
    "feature-extraction": BertModel(BertConfig(**shape)),
    "question-answering": BertForQuestionAnswering(BertConfig(**shape)),
    "fill-mask": BertForMaskedLM(BertConfig(**shape)),
}
for task, model in made.items():
    folder = root / task / "model"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    loaded = export.load(folder, task)
    differs = export.export(loaded, folder / "model.onnx")
    assert differs < 1e-5, (task, differs)
export.quantise(folder / "model.onnx", folder / "model_quantized.onnx")
assert (folder / "model_quantized.onnx").stat().st_size
(folder / "model_quantized.onnx").unlink()
"""

ASK = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
from sagebrush.toolkit.serving.frameworks.huggingface import Defaults
found = []
for task, given, parameters in json.loads(sys.argv[3]):
    os.environ.update(HF_TASK=task, SAGEBRUSH_ML=os.path.join(sys.argv[2], task))
    told = []
    for switch in ("", "0"):
        os.environ["SAGEBRUSH_ONNX"] = switch
        defaults = Defaults()
        model = defaults.model_fn(os.path.join(sys.argv[2], task, "model"))
        try:
            answer = defaults.predict_fn({"inputs": given, "parameters": parameters}, model)
            told.append(json.loads(defaults.output_fn(answer, "application/json")[0]))
        except Exception as error:
            told.append({"failed": str(error)})
        if not switch:
            assert "torch" not in sys.modules or found, "torch was imported"
    found.append(told)
print(json.dumps(found))
"""

TEXT = "Good films, who is Ann in Paris"
LONG = "good bad film rain " * 20
QUESTION = {"question": "who", "context": "Good film, bad rain in Paris"}
CASES: list[tuple[str, Any, dict[str, Any]]] = [
    ("text-classification", TEXT, {}),
    ("text-classification", [TEXT, "bad", LONG, "rainy"], {"truncation": True}),
    ("text-classification", TEXT, {"top_k": None}),
    ("text-classification", [TEXT, "bad"], {"top_k": 2, "function_to_apply": "sigmoid"}),
    ("text-classification", {"text": "good", "text_pair": "bad film"}, {}),
    ("text-classification", LONG, {"max_length": 8}),
    ("text-classification", [TEXT], {"function_to_apply": "none"}),
    ("zero-shot-classification", TEXT, {"candidate_labels": ["film", "rain", "paris"]}),
    ("zero-shot-classification", [TEXT, "bad"], {"candidate_labels": "film, rain"}),
    (
        "zero-shot-classification",
        LONG,
        {"candidate_labels": ["film", "rain"], "multi_label": True, "hypothesis_template": "is {}"},
    ),
    ("token-classification", TEXT, {}),
    ("token-classification", [TEXT, "Ann"], {"ignore_labels": []}),
    *[
        ("token-classification", TEXT, {"aggregation_strategy": each, "ignore_labels": []})
        for each in ("simple", "first", "average", "max")
    ],
    ("token-classification", LONG, {"aggregation_strategy": "simple", "stride": 4}),
    (
        "token-classification",
        ["Good", "films", "Paris"],
        {"is_split_into_words": True, "aggregation_strategy": "first", "ignore_labels": []},
    ),
    ("feature-extraction", TEXT, {}),
    ("feature-extraction", ["good", LONG], {"truncation": True}),
    ("feature-extraction", "good", {"tokenize_kwargs": {"padding": "max_length"}}),
    ("question-answering", QUESTION, {}),
    ("question-answering", [QUESTION, QUESTION], {"top_k": 3}),
    (
        "question-answering",
        {"question": "who is in", "context": LONG},
        {"max_seq_len": 24, "doc_stride": 4, "handle_impossible_answer": True, "top_k": 5},
    ),
    ("fill-mask", "good [MASK] in Paris", {}),
    ("fill-mask", ["good [MASK]", "a [MASK] in [MASK]"], {"top_k": 2}),
    ("fill-mask", "good [MASK]", {"targets": ["film", "rains"]}),
]


@pytest.fixture(scope="module")
def models(
    huggingface: Environment,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A folder with a model directory for each task: weights and their graph."""
    folder = tmp_path_factory.mktemp("models")
    run(huggingface, MAKE, str(PACKAGES), str(folder))
    return folder


@pytest.fixture(scope="module")
def server(
    huggingface: Environment,  # noqa: F811
    models: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ModelServer]:
    """A server of a graph without weights, as `sagebrush model optimize` leaves them out."""
    folder = tmp_path_factory.mktemp("graph")
    shutil.copytree(models / "text-classification" / "model", folder / "model")
    (folder / "model" / "model.safetensors").unlink()
    with serving(huggingface, folder, SAGEBRUSH_FRAMEWORK="huggingface") as server:
        yield server.ready()


def test_answers_are_those_of_transformers_pipelines(
    huggingface: Environment,  # noqa: F811
    models: Path,
) -> None:
    said = run(huggingface, ASK, str(PACKAGES), str(models), json.dumps(CASES))
    found = json.loads(said.splitlines()[-1])
    for case, (ours, theirs) in zip(CASES, found, strict=True):
        assert "failed" not in theirs, (case, theirs)
        assert alike(ours, theirs), (case, ours, theirs)


def alike(one: Any, other: Any) -> bool:
    """Whether two answers are the same, numbers up to what float32 rounds."""
    if isinstance(one, float) and isinstance(other, float):
        return one == pytest.approx(other, abs=1e-4)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(alike(one[key], other[key]) for key in one)
    return type(one) is type(other) and one == other


def test_a_graph_is_served_without_weights_in_every_format(server: ModelServer) -> None:
    assert "ONNX Runtime serves" in server.log.read_text()
    [told] = server.ask({"inputs": "good film"})
    assert told["label"] in ("NO", "YES", "MAY")
    every = server.ask({"inputs": ["good", "bad"], "parameters": {"top_k": None}})
    assert [sum(each["score"] for each in row) for row in every] == pytest.approx([1, 1])
    status, kind, body = server.post("inputs\ngood film\nbad film\n", "text/csv", "text/csv")
    assert (status, kind, len(body.splitlines())) == (200, "text/csv", 3)
    assert b"torch" not in Path(f"/proc/{worker(server)}/maps").read_bytes()


def worker(server: ModelServer) -> int:
    """The process id of the server's worker."""
    pid = server.process.pid
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


@pytest.mark.parametrize(
    ("inputs", "parameters", "message"),
    [
        (LONG, {}, "more than the 32 that the model takes"),
        ({"text": 3}, {}, 'an object of inputs is {"text"'),
        (3, {}, "inputs must be a text"),
        ("good", {"temperature": 1}, "parameter 'temperature' is not served"),
        ("good", {"truncation": "some"}, "truncation 'some'"),
        ("good", {"function_to_apply": "exp"}, "is none of"),
    ],
)
def test_what_cannot_be_answered_is_a_400_that_says_why(
    server: ModelServer, inputs: Any, parameters: dict[str, Any], message: str
) -> None:
    body = json.dumps({"inputs": inputs, "parameters": parameters})
    status, _, told = server.post(body)
    assert (status, json.loads(told)["code"]) == (400, 400)
    assert message in json.loads(told)["message"]
    assert server.ask({"inputs": "good"})


def test_a_script_gets_the_graph_as_its_model(
    huggingface: Environment,  # noqa: F811
    models: Path,
    tmp_path: Path,
) -> None:
    shutil.copytree(models / "text-classification" / "model", tmp_path / "model")
    script(
        tmp_path,
        "def predict_fn(data, model):\n    return {'kind': type(model).__name__, 'told': model(data['inputs'])}",
    )
    with serving(huggingface, tmp_path, SAGEBRUSH_FRAMEWORK="huggingface") as server:
        told = server.ready().ask({"inputs": ["good", "bad"]})
    assert (told["kind"], len(told["told"])) == ("TextClassification", 2)
