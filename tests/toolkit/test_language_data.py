"""NLTK and spaCy tell how to get data and models, in the first line of their errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sagebrush.environments.environment import Environment
from sagebrush.toolkit.client import language_data
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
