"""`model optimize` takes a model from a path, from S3 and by its name, and makes a new one of it."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sagebrush.__main__ import main
from sagebrush.commands import running
from sagebrush.environments.environment import Environment
from tests.built_environments import huggingface  # noqa: F401
from tests.conftest import Server
from tests.toolkit.serving.model_server import run, serving

ROLE = "arn:aws:iam::123456789012:role/SagebrushExecutionRole"
RELEASE = (
    "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-inference:"
    "2.3.0-transformers4.48.0-cpu-py311-ubuntu22.04"
)
BUCKET = "models"

TINY = """
import sys, torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast
torch.manual_seed(0)
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "film", "rain"]
inner = Tokenizer(models.WordLevel({w: n for n, w in enumerate(words)}, unk_token="[UNK]"))
inner.pre_tokenizer = pre_tokenizers.Whitespace()
inner.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]",
    special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="[UNK]", pad_token="[PAD]",
    model_max_length=32)
model = BertForSequenceClassification(BertConfig(vocab_size=8, hidden_size=16, num_hidden_layers=1,
    num_attention_heads=2, intermediate_size=16, max_position_embeddings=32, initializer_range=1.0,
    id2label={0: "NO", 1: "YES"}, label2id={"NO": 0, "YES": 1}))
model.save_pretrained(sys.argv[1])
tokenizer.save_pretrained(sys.argv[1])
"""


@pytest.fixture
def command(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Runs `sagebrush model optimize …` for the module's server, in this process; what it prints."""
    monkeypatch.setenv("SAGEBRUSH_HOME", str(server.app.settings.home))
    here = running.Server(0, "127.0.0.1", server.app.port, server.app.tls_port)
    monkeypatch.setattr(running, "require", lambda _: here)

    def run(*words: str) -> str:
        code = main(["model", "optimize", *words])
        said = "".join(capsys.readouterr())
        return said if code == 0 else f"failed: {said}"

    return run


def archive(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, body in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return packed.getvalue()


def made(client: Callable[..., Any], name: str, **container: Any) -> None:
    """The server has a model of that name."""
    client("sagemaker").create_model(
        ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": RELEASE, **container}
    )


def test_what_cannot_be_had_is_refused_before_any_work(
    command: Callable[..., str], client: Callable[..., Any], tmp_path: Path
) -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket=BUCKET)
    own = archive({"config.json": b"{}", "code/inference.py": b"def model_fn(folder): ..."})
    s3.put_object(Bucket=BUCKET, Key="own/model.tar.gz", Body=own)
    s3.put_object(Bucket=BUCKET, Key="broken.tar.gz", Body=b"no archive")
    s3.put_object(Bucket=BUCKET, Key="flat/code/inference.py", Body=b"def model_fn(folder): ...")
    made(client, "own", ModelDataUrl=f"s3://{BUCKET}/own/model.tar.gz")
    made(client, "hub", Environment={"HF_MODEL_ID": "some/model", "HF_TASK": "ner"})
    loads = "code/inference.py: model_fn loads the model by itself"
    assert loads in command("own")
    assert loads in command(f"s3://{BUCKET}/own/model.tar.gz")
    assert loads in command(f"s3://{BUCKET}/flat/")
    assert "HF_MODEL_ID some/model, not model data" in command("hub")
    assert "the server has no model of that name" in command("none")
    assert "there is no such file or directory" in command("./none.tar.gz")
    assert "not a complete tar archive" in command(f"s3://{BUCKET}/broken.tar.gz")
    assert "there are no objects" in command(f"s3://{BUCKET}/nothing/")
    assert "is no s3://BUCKET/KEY" in command(f"s3://{BUCKET}")
    assert "fill-mask needs texts of yours" in command(str(tmp_path), "--task", "fill-mask")


@pytest.mark.full
@pytest.mark.timeout(600)
def test_a_model_of_a_release_becomes_one_that_onnx_runtime_serves(
    command: Callable[..., str],
    client: Callable[..., Any],
    huggingface: Environment,  # noqa: F811
    tmp_path: Path,
) -> None:
    tiny = tmp_path / "tiny"
    run(huggingface, TINY, str(tiny))
    files = {each.name: each.read_bytes() for each in tiny.iterdir()}
    s3 = client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="tiny/model.tar.gz", Body=archive(files))
    variables = {"HF_TASK": "text-classification", "MINE": "1"}
    made(client, "tiny", ModelDataUrl=f"s3://{BUCKET}/tiny/model.tar.gz", Environment=variables)
    data = tmp_path / "mine.csv"
    with data.open("w", newline="") as file:
        rows = [("good film", "YES"), ("bad rain", "0"), ("rain rain film", "no")] * 4
        csv.writer(file).writerows([("text", "label"), *rows])
    place = f"s3://{BUCKET}/fast/"
    said = command("tiny", "--data", str(data), "--output", place, "--create", "fast")
    assert "12 labelled texts of mine.csv" in said
    assert "same answers" in said
    [accuracy] = [line for line in said.splitlines() if line.startswith("Accuracy changes by")]
    assert "of 12 texts" in accuracy
    told = client("sagemaker").describe_model(ModelName="fast")
    container = told["PrimaryContainer"]
    assert (container["Image"], container["Environment"]) == (RELEASE, variables)
    assert container["ModelDataUrl"] == f"{place}model.tar.gz"
    client("s3").download_file(BUCKET, "fast/model.tar.gz", str(tmp_path / "fast.tar.gz"))
    (tmp_path / "model").mkdir()
    with tarfile.open(tmp_path / "fast.tar.gz") as tar:
        tar.extractall(tmp_path / "model", filter="data")
    names = {each.name for each in (tmp_path / "model").iterdir()}
    assert {"model_quantized.onnx", "tokenizer.json", "config.json", "code"} <= names
    assert not {"model.onnx", "model.safetensors"} & names
    # Its environment has no ONNX Runtime, so the archive asks for it; here it is there.
    assert "onnxruntime" in (tmp_path / "model" / "code" / "requirements.txt").read_text()
    report = json.loads((tmp_path / "model" / "optimized.json").read_text())
    assert report["measured"]["before"]["agreement"] == 1.0
    (tmp_path / "model" / "code" / "requirements.txt").unlink()
    with serving(huggingface, tmp_path, SAGEBRUSH_FRAMEWORK="huggingface") as server:
        [answer] = server.ready().ask({"inputs": "good film"})
    assert answer["label"] in ("NO", "YES")
    strange = tmp_path / "strange.csv"
    strange.write_text("text,label\ngood,MAYBE\n")
    refused = command("tiny", "--data", str(strange), "--output", str(tmp_path / "x.tar.gz"))
    assert "label 'MAYBE' of the data is none of the model's: NO, YES" in refused
    assert not (tmp_path / "x.tar.gz").exists()
