"""A person's way into a notebook: Chromium opens the link, makes notebooks, sees what they show."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagebrush.environments.store import BuildFailed, Environments
from tests.faults.stand import ROLE, Stand
from tests.needs import ROOT, missing

pytestmark = [pytest.mark.full, pytest.mark.sandbox, pytest.mark.timeout(600)]
NAMES = (
    "base",
    "pytorch",
    "tensorflow",
    "huggingface",
    "nlp",
    "jupyter",
    "sagemaker2",
    "sagemaker3",
)
PYTHON = ROOT / ".venv-browser" / "bin" / "python"

PLOT = """import boto3, sagemaker, matplotlib.pyplot as plt, numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
texts = ["the queue was short", "the queue was long", "nobody waits here"]
print(sagemaker.get_execution_role())
listed = boto3.client("sagemaker").list_notebook_instances()["NotebookInstances"]
print([each["NotebookInstanceStatus"] for each in listed])
words = TfidfVectorizer().fit(texts)
plt.bar(words.get_feature_names_out(), words.idf_)
plt.title("inverse document frequency")
plt.show()
print(len(words.vocabulary_), "words")"""
TORCH = """import torch
layer = torch.nn.Linear(3, 1, bias=False)
torch.nn.init.ones_(layer.weight)
print("sum", layer(torch.ones(2, 3)).sum().item())"""
TENSORFLOW = """import tensorflow as tf
layer = tf.keras.layers.TextVectorization(output_mode="count")
layer.adapt(["to be or not to be"])
print("counts", sorted(layer(["to be to"]).numpy().tolist()[0]))"""
TRANSFORMERS = """from transformers import BertConfig, BertModel
import sagemaker.core, torch
model = BertModel(BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2))
print("shape", tuple(model(torch.tensor([[1, 2, 3]])).last_hidden_state.shape))"""
NLP = """import spacy, nltk
from nltk.stem import PorterStemmer
doc = spacy.blank("en")("She was running, wasn't she?")
print([PorterStemmer().stem(token.text) for token in doc])"""
SCENARIO = [
    ["Python 3 (SDK v2)", PLOT, "8 words"],
    ["PyTorch (SDK v2)", TORCH, "sum 6.0"],
    ["TensorFlow (SDK v2)", TENSORFLOW, "counts [0"],
    ["Hugging Face (SDK v3)", TRANSFORMERS, "shape (1, 3, 32)"],
    ["NLTK · spaCy · gensim (SDK v2)", NLP, "'run', ','"],
]
"""Kernel, cell, and what its output must hold: each library is used, not only imported."""


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """A server whose notebooks have every kernel; a skip where the browser is not there."""
    if not PYTHON.exists():
        missing("no environment browser: ./run setup browser")
    if shutil.which("chromium") is None:
        missing("chromium is not installed")
    root = tmp_path_factory.mktemp("browser")
    found = Stand(root / "home", isolation="sandbox", notebook_environments="base")
    environments = Environments(Path(found.environment()["SAGEBRUSH_ENVIRONMENTS"]))
    for name in NAMES:
        try:
            environments.build(name)
        except BuildFailed as error:
            missing(f"the environment {name} cannot be built: {error}")
    yield found.up()
    found.clean()


def shots(tmp_path: Path) -> Path:
    """Where pictures go: kept where SAGEBRUSH_TEST_ARTEFACTS says."""
    folder = Path(os.environ.get("SAGEBRUSH_TEST_ARTEFACTS", str(tmp_path))) / "browser"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_every_kernel_runs_a_cell_in_a_browser(stand: Stand, tmp_path: Path) -> None:
    stand.sm.create_notebook_instance(
        NotebookInstanceName="desk", InstanceType="ml.m5.xlarge", RoleArn=ROLE
    )
    stand.sm.get_waiter("notebook_instance_in_service").wait(
        NotebookInstanceName="desk", WaiterConfig={"Delay": 1, "MaxAttempts": 120}
    )
    link = stand.sm.create_presigned_notebook_instance_url(NotebookInstanceName="desk")
    folder = shots(tmp_path)
    driver = Path(__file__).with_name("drive_jupyterlab.py")
    done = subprocess.run(
        [PYTHON, driver, link["AuthorizedUrl"], folder, json.dumps(SCENARIO)],
        capture_output=True,
        text=True,
        timeout=550,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert [cell["kernel"] for cell in found["cells"]] == [kernel for kernel, _, _ in SCENARIO]
    plot = found["cells"][0]
    assert "role/SagebrushExecutionRole" in plot["text"]
    assert "['InService']" in plot["text"]
    assert plot["pictures"] == 1
    assert plot["errors"] == 0, plot["text"]
    assert found["page_errors"] == []
    assert found["reused"] == 403, "a link opens once"
    assert "authToken" not in found["url"]
    assert sorted(path.name for path in folder.glob("*.png"))[:2] == [
        "0-python.png",
        "1-pytorch.png",
    ]
