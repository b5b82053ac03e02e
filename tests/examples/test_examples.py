"""The example notebooks: what is committed of them, and each run from top to bottom on its kernel."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sagebrush.environments.environment import Environment
from sagebrush.environments.store import BuildFailed, Environments
from tests import needs
from tests.needs import ROOT

HERE = Path(__file__).parent
FOLDER = ROOT / "sagebrush" / "examples"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
KERNELS = {
    "python3": "base",
    "pytorch": "pytorch",
    "tensorflow": "tensorflow",
    "huggingface": "huggingface",
    "nlp": "nlp",
}
"""Kernels that notebook instances have -> the environment that each runs in."""


@dataclass(frozen=True)
class Expected:
    """What a notebook must have found: an expression over its variables, the least of each number.

    The floors are a few points under what was measured, and above what guessing gives.
    """

    kernel: str
    question: str
    least: dict[str, float]
    jobs: str = "base"
    """The environment of its jobs, which is built before it runs."""
    pictures: bool = True


EXPECTED = {
    "text_classification_blazingtext": Expected(
        "python3",
        "{'blazingtext': accuracy, 'baseline': baseline_accuracy}",
        {"blazingtext": 0.83, "baseline": 0.86},
    ),
    "topics": Expected(
        "python3",
        "{'coherence': coherence, 'agreement': agreement, 'gain': likelihood - unigram}",
        {"coherence": 0.2, "agreement": 0.6, "gain": 0.5},
        "algorithms",
    ),
    "word_vectors": Expected(
        "python3",
        "{'rho': mean_rho, 'agrees': agrees, 'understood': understood}",
        {"rho": 0.5, "agrees": 0.999, "understood": 2},
        "algorithms",
    ),
    "fine_tune_transformer": Expected(
        "huggingface",
        "{'transformer': accuracy['tiny BERT from scratch'], 'points': len(found['eval:accuracy'])}",
        {"transformer": 0.72, "points": 3},
        "huggingface-pytorch-4.48.0-2.3.0",
    ),
    "tensorflow_text_model": Expected(
        "tensorflow",
        "{'keras': table.loc['Keras', 'balanced accuracy'], 'epochs': len(curve)}",
        {"keras": 0.6, "epochs": 2},
        "tensorflow-2.14.1",
    ),
    "spacy_ner": Expected(
        "nlp",
        "{'names': f1_by_part['new names'], 'patterns': f1_by_part['new names, new patterns'],"
        " 'ahead of the list': f1_by_part['new names'] - list_by_part['new names']}",
        {"names": 0.95, "patterns": 0.6, "ahead of the list": 0.5},
    ),
    "explore_corpus_nltk_gensim": Expected(
        "nlp",
        "{'words': len(words), 'beyond one topic': purity - chance, 'slope': -slope,"
        " 'decrypt near encrypt': vectors.similarity('encrypt', 'decrypt')"
        " - vectors.similarity('encrypt', 'bucket')}",
        {"words": 100_000, "beyond one topic": 0.05, "slope": 0.7, "decrypt near encrypt": 0.1},
    ),
    "sentence_similarity": Expected(
        "python3",
        "{'Object2Vec': spearman['Object2Vec'], 'ahead': spearman['Object2Vec'] - spearman['TF-IDF']}",
        {"Object2Vec": 0.9, "ahead": 0.1},
        "pytorch",
    ),
    "deploy_and_call_an_endpoint": Expected(
        "python3",
        "{'accuracy': accuracy, 'agree': agree, 'counted': counted['Invocations'] / sent,"
        " '4xx': counted['Invocation4XXErrors'], '5xx': counted['Invocation5XXErrors']}",
        {"accuracy": 0.83, "agree": 0.98, "counted": 1, "4xx": 3, "5xx": 1},
        "scikit-learn-1.2-1",
    ),
    "read_text_with_comprehend": Expected(
        "python3",
        "{'classifier': metrics['F1Score'], 'understood': understood, 'ahead': hotels['Harbour']"
        " - hotels['Central'], 'redacted': '4111' not in redacted and 'Springfield' not in redacted}",
        {"classifier": 0.9, "understood": 3, "ahead": 0.8, "redacted": 1},
        "comprehend",
    ),
    "translation": Expected(
        "python3",
        "{'right': accuracy, 'bleu': found['validation:bleu'], 'attention': matrix.shape[0] / len(target)}",
        {"right": 0.8, "bleu": 0.8, "attention": 1},
        "pytorch",
    ),
}


def read(notebook: Path) -> dict[str, Any]:
    return json.loads(notebook.read_text(encoding="utf-8"))


def code(cell: dict[str, Any]) -> str:
    """A cell's code without IPython's lines."""
    lines = "".join(cell["source"]).splitlines()
    return "\n".join(line for line in lines if not line.startswith("%"))


def test_the_examples_are_those_that_are_expected() -> None:
    assert {notebook.stem for notebook in NOTEBOOKS} == set(EXPECTED)


def test_an_installed_package_carries_them() -> None:
    import tomllib

    told = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = told["tool"]["setuptools"]["package-data"]["sagebrush"]
    carried = {path for pattern in patterns for path in (ROOT / "sagebrush").glob(pattern)}
    ours = {path for path in FOLDER.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert ours <= carried


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
class TestCommitted:
    """What is in the repository of each."""

    def test_format(self, notebook: Path) -> None:
        content = read(notebook)
        assert (content["nbformat"], content["nbformat_minor"]) == (4, 5)
        assert set(content) == {"cells", "metadata", "nbformat", "nbformat_minor"}
        ids = [cell["id"] for cell in content["cells"]]
        assert len(ids) == len(set(ids))
        assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", one) for one in ids)
        assert content["cells"][0]["cell_type"] == "markdown"
        assert "".join(content["cells"][0]["source"]).startswith("# ")

    def test_kernel(self, notebook: Path) -> None:
        name = read(notebook)["metadata"]["kernelspec"]["name"]
        assert name == EXPECTED[notebook.stem].kernel
        assert name in KERNELS

    def test_nothing_is_kept_of_a_run(self, notebook: Path) -> None:
        for cell in read(notebook)["cells"]:
            assert not cell["metadata"], cell["id"]
            if cell["cell_type"] == "code":
                assert cell["outputs"] == [], cell["id"]
                assert cell["execution_count"] is None, cell["id"]

    def test_code_is_python(self, notebook: Path) -> None:
        for cell in read(notebook)["cells"]:
            if cell["cell_type"] == "code":
                assert ast.parse(code(cell)).body, cell["id"]

    def test_it_names_no_place_of_a_machine(self, notebook: Path) -> None:
        """Paths are relative, but for a job's folders; nothing is downloaded."""
        for cell in read(notebook)["cells"]:
            found = "".join(cell["source"])
            places = re.findall(r"[\"'](/[\w.-]+(?:/[\w.-]+)*)", found)
            assert all(p.startswith(("/tmp/", "/aws/sagemaker/", "/opt/ml/")) for p in places), (
                places
            )
            assert "http://" not in found
            assert "https://" not in found
            assert "nltk.download" not in found

    def test_links_lead_to_other_examples(self, notebook: Path) -> None:
        for cell in read(notebook)["cells"]:
            for link in re.findall(r"\]\(([^)]+)\)", "".join(cell["source"])):
                if cell["cell_type"] == "markdown":
                    assert (FOLDER / link).is_file(), link


def built(*names: str) -> tuple[Path, list[Environment]]:
    """Where the environments are, and those; a skip where one cannot be built."""
    root = Path(os.environ.get("SAGEBRUSH_ENVIRONMENTS", "~/.cache/sagebrush/environments"))
    root = root.expanduser()
    try:
        return root, [Environments(root).build(name) for name in names]
    except BuildFailed as error:
        needs.missing(f"an environment cannot be built: {error}")


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a user whose server runs."""
    home = tmp_path_factory.mktemp("user")
    root, _ = built("jupyter", "sagemaker2", "base")
    given = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "HOME": str(home),
        "SAGEBRUSH_HOME": str(home / "data"),
        "SAGEBRUSH_ENVIRONMENTS": str(root),
        "SAGEBRUSH_PORT": "0",
        "SAGEBRUSH_PYTHON": sys.executable,
        "JUPYTER_PATH": str(root / "kernels"),
    }
    up = subprocess.run(
        [sys.executable, "-m", "sagebrush", "up", "-d"], env=given, capture_output=True, text=True
    )
    assert up.returncode == 0, up.stderr
    yield given
    subprocess.run([sys.executable, "-m", "sagebrush", "down"], env=given, check=True)


def run(variables: dict[str, str], *command: str | Path) -> str:
    """What the command says after `eval "$(sagebrush env)"`."""
    line = 'eval "$("$SAGEBRUSH_PYTHON" -m sagebrush env)"; exec "$@"'
    done = subprocess.run(
        ["sh", "-c", line, "sh", *map(str, command)],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=550,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", EXPECTED)
def test_it_runs(variables: dict[str, str], tmp_path: Path, name: str) -> None:
    """From top to bottom on its kernel; what it finds holds; nothing of it is left running."""
    expected = EXPECTED[name]
    _, (jupyter, *_) = built("jupyter", KERNELS[expected.kernel], expected.jobs)
    driver, notebook = HERE / "run_notebook.py", FOLDER / f"{name}.ipynb"
    if (FOLDER / name).is_dir():  # what it reads, in the folder of its name
        shutil.copytree(FOLDER / name, tmp_path / name)
    said = run(variables, jupyter.python, driver, notebook, tmp_path, expected.question)
    result = json.loads(said.splitlines()[-1])
    print(f"{name}: {result['seconds']} s, {result['slowest']}, {result['said']}")
    for what, least in expected.least.items():
        assert result["said"][what] >= least, result["said"]
    assert ("image/png" in result["shown"]) == expected.pictures
    for listing in ("list-endpoints", "list-endpoint-configs", "list-models"):
        left = json.loads(run(variables, "aws", "sagemaker", listing, "--output", "json"))
        assert list(left.values()) == [[]], listing
