"""Names that NumPy and scikit-learn dropped, in a process that is started as a notebook's kernel is."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sagebrush.environments.environment import Environment
from sagebrush.toolkit import job
from sagebrush.toolkit.client import old_names
from tests.base_environment import base as base

CLIENT = Path(job.__file__).parent / "client"
SCRIPT = """
import numpy as np
from sklearn.datasets.twenty_newsgroups import strip_newsgroup_header
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.manifold import TSNE
assert np.zeros(2, dtype=np.int).dtype == int and np.float is float and np.bool(1) == True
for kind in (CountVectorizer, TfidfVectorizer):
    vectorizer = kind().fit(["one two"])
    assert vectorizer.get_feature_names() == list(vectorizer.get_feature_names_out())
assert strip_newsgroup_header("From: a\\n\\ntext") == "text"
for tsne in (TSNE(n_iter=300), TSNE(max_iter=300)):
    assert tsne.get_params()["max_iter"] == 300
print("known")
"""


def test_old_names_are_known_to_kernels_alone(base: Environment, tmp_path: Path) -> None:
    (tmp_path / "ipykernel_launcher.py").write_text(SCRIPT)
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{CLIENT}{os.pathsep}{tmp_path}"}
    ran = subprocess.run(
        [base.python, "-m", "ipykernel_launcher"],
        env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.stdout, ran.stderr) == ("known\n", "")
    ran = subprocess.run(
        [base.python, "-c", "import numpy; numpy.int"],
        env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "AttributeError" in ran.stderr


def test_old_versions_that_a_user_installed_stay_as_they_are() -> None:
    """scikit-learn 0.24 takes keywords by a decorator; before 0.22 its modules had the old names."""

    class Decorated:
        def __init__(self, *_args: Any, **_given: Any) -> None: ...

    class Young:
        def __init__(self, *, max_iter: int = 0) -> None:
            self.max_iter = max_iter

    begin = Decorated.__init__
    old_names.manifolds(SimpleNamespace(TSNE=Decorated))
    assert Decorated.__init__ is begin
    old_names.manifolds(SimpleNamespace(TSNE=Young))
    assert Young(**{"n_iter": 7}).max_iter == 7
    old_names.data_sets(SimpleNamespace(__name__="a_package_of_no_data_sets"))
