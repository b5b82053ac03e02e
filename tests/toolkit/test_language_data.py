"""NLTK and spaCy tell how to get data and models, in the first line of their errors."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sagebrush.environments.environment import Environment
from sagebrush.toolkit.client import language_data
from sagebrush.toolkit.lambda_ import language_data as in_functions
from tests.built_environments import nlp
from tests.compute.live_jobs import Jobs
from tests.toolkit.packages import test_pip_in_jobs

__all__ = ["nlp"]


def test_nltks_data() -> None:
    def find(resource_name: str, paths: Any = None) -> str:
        if resource_name == "corpora/here":
            return "found"
        raise LookupError("\n****\n  Resource not found")

    module = SimpleNamespace(find=find)
    language_data.nltk_data(module)
    assert module.find("corpora/here") == "found"
    with pytest.raises(LookupError) as told:
        module.find("tokenizers/punkt_tab/english/")
    first = str(told.value).splitlines()[0]
    assert first.startswith("NLTK's data punkt_tab is not here: nltk.download('punkt_tab'), or")
    assert "packages/tokenizers/punkt_tab.zip of github.com/nltk/nltk_data" in first
    assert "Resource not found" in str(told.value)
    with pytest.raises(LookupError) as told:
        module.find("corpora/stopwords.zip/stopwords/")
    assert "packages/corpora/stopwords.zip" in str(told.value)


def test_nltks_data_that_others_can_write_to() -> None:
    """NLTK 3.10 does not read it, and the data need not be fetched once more."""

    def find(resource_name: str, paths: Any = None) -> str:
        error = LookupError("\n****\n  Refused, writable by other accounts")
        error._nltk_refused_writable = ("/data/nltk",)  # pyright: ignore[reportAttributeAccessIssue]
        raise error

    module = SimpleNamespace(find=find)
    language_data.nltk_data(module)
    with pytest.raises(LookupError) as told:
        module.find("tokenizers/punkt_tab/english/")
    first = str(told.value).splitlines()[0]
    assert first == (
        "NLTK's data punkt_tab is not read where other users may write: chmod -R go-w /data/nltk"
    )
    assert "Refused, writable by other accounts" in str(told.value)


def test_nltks_downloader() -> None:
    class ErrorMessage:
        def __init__(self, package: Any, message: Any) -> None:
            self.message = message

    module = SimpleNamespace(ErrorMessage=ErrorMessage)
    language_data.nltk_downloader(module)
    said = ErrorMessage(None, "Error loading punkt: <urlopen error [Errno -2] unknown>").message
    assert said.startswith("punkt cannot be fetched from here: unpack packages/CATEGORY/punkt.zip")
    wrong = "Error loading pnkt: Package 'pnkt' not found in index"
    assert ErrorMessage(None, wrong).message == wrong


def test_in_a_function_it_comes_as_functions_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "nltk"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "data.py").write_text("def find(name, paths=None): raise LookupError(name)")
    for name in ("nltk", "nltk.data"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "f")
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    monkeypatch.setattr(sys, "base_prefix", "/elsewhere")
    in_functions.install()
    with pytest.raises(LookupError) as told:
        importlib.import_module("nltk.data").find("corpora/stopwords")
    first = str(told.value).splitlines()[0]
    assert "nltk.download('stopwords', download_dir='/tmp'), or without" in first
    assert first.endswith("in a layer and set NLTK_DATA=/opt/nltk_data")
    errors = SimpleNamespace(Errors=SimpleNamespace(E050=""))
    language_data.spacy_errors(errors)
    assert "into a layer" in errors.Errors.E050.format(name="en_core_web_sm")
    for name in ("nltk", "nltk.data"):
        monkeypatch.delitem(sys.modules, name, raising=False)


SCRIPT = """
import nltk, spacy
for function, argument in ((nltk.word_tokenize, "a b"), (spacy.load, "en_core_web_sm")):
    try:
        function(argument)
    except (LookupError, OSError) as error:
        print("FIRST", str(error).splitlines()[0])
print("GOT", nltk.download("stopwords"))
import subprocess, sys
done = subprocess.run([sys.executable, "-m", "spacy", "download", "en_core_web_sm"],
                      capture_output=True, text=True)
print("ENDED", done.returncode, " ".join((done.stdout + done.stderr).split()))
"""


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    yield from test_pip_in_jobs.sandboxed(tmp_path)


@pytest.mark.full
def test_in_a_job_without_internet(jobs: Jobs, nlp: Environment) -> None:
    told = test_pip_in_jobs.run(jobs, nlp, {"script.py": SCRIPT}, "/opt/ml/script.py")
    assert "FIRST NLTK's data punkt_tab is not here: nltk.download('punkt_tab'), or with" in told
    assert "FIRST [E050] Can't find model 'en_core_web_sm': pip install en_core_web_sm" in told
    assert "stopwords cannot be fetched from here" in " ".join(told.split())
    assert "GOT False" in told
    assert "ENDED 1" in told
    assert "✘ Models cannot be fetched from here: pip install NAME" in told
