"""What runs instead of what an image's tag promises, and what that may break."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sagebrush.environments.environment import Environment

TITLES = {"tensorflow-cpu": "tensorflow"}
"""Package -> its name in sentences, where that differs."""


@dataclass(frozen=True)
class Change:
    """A package, or Python, that runs in another version than was asked for."""

    name: str
    asked: str
    runs: str

    def __str__(self) -> str:
        return f"{self.name} {self.runs} for {self.asked}"


@dataclass(frozen=True)
class Break:
    """What a version of a package took away."""

    package: str
    version: str
    """The first version without it."""
    trace: re.Pattern[str]
    """What a script that needs it fails with."""
    words: str
    """What is gone, and the cure."""


def _break(package: str, version: str, trace: str, words: str) -> Break:
    return Break(package, version, re.compile(trace), words)


BREAKS = (
    _break("scikit-learn", "0.23", r"sklearn\.externals|externals.*joblib|joblib.*externals",
           "sklearn.externals is gone: import joblib itself"),
    _break("scikit-learn", "1.2", r"get_feature_names\b",
           "get_feature_names is get_feature_names_out"),
    _break("scikit-learn", "1.2", r"load_boston", "load_boston is gone"),
    _break("scikit-learn", "1.4", r"argument 'sparse'",
           "OneHotEncoder(sparse=) is OneHotEncoder(sparse_output=)"),
    _break("pandas", "2.0", r"has no attribute '(?:append|iteritems)'",
           "DataFrame.append and iteritems are gone: use pandas.concat and items"),
    _break("numpy", "1.24", r"module 'numpy' has no attribute '(?:bool|int|float|object|str|complex)'",
           "np.int, np.float and their like are gone: use int, float"),
    _break("numpy", "2.0", r"was removed in the NumPy 2\.0|_ARRAY_API not found|numpy\.core",
           "names of NumPy 1 are gone, and so is what was compiled for it"),
    _break("transformers", "5.0", r"argument 'evaluation_strategy'",
           "evaluation_strategy is eval_strategy"),
    _break("transformers", "5.0", r"argument '(?:logging_dir|tokenizer|no_cuda|per_gpu\w+)'",
           "arguments of TrainingArguments and Trainer are gone"),
    _break("transformers", "4.46", r"argument 'evaluation_strategy'",
           "evaluation_strategy is eval_strategy"),
    _break("transformers", "5.0", r"cannot import name 'TF\w+' from 'transformers|TFAuto|TFBert",
           "TensorFlow models are gone"),
    _break("transformers", "4.36", r"cannot import name 'AdamW'",
           "AdamW is gone: use torch.optim.AdamW"),
    _break("datasets", "3.0", r"load_metric|trust_remote_code|[Dd]ataset scripts are no longer",
           "load_metric and data sets with loading scripts are gone: use evaluate, or files"),
    _break("keras", "3.0", r"saved with the extension|Invalid filepath extension|SavedModel",
           "Keras 3 saves .keras files: use model.export(folder) for a SavedModel"),
    _break("tensorflow", "2.16", r"estimator|feature_column|keras\.\w*\.?experimental|Layer .* lr",
           "tf.estimator and Keras 2 are gone"),
    _break("tensorflow", "2.0", r"has no attribute '(?:placeholder|Session|contrib)'",
           "sessions of TensorFlow 1 are in tf.compat.v1"),
    _break("torch", "2.6", r"Weights only load failed|weights_only",
           "torch.load reads tensors only: pass weights_only=False for files that you trust"),
    _break("xgboost", "2.0", r"argument 'early_stopping_rounds'|ntree_limit|binary_format",
           "early_stopping_rounds is an argument of the model, not of fit"),
    _break("Python", "3.10", r"cannot import name '(?:Mapping|Iterable|Callable|Sequence|MutableMapping)' "
           r"from 'collections'|module 'collections' has no attribute",
           "names of collections are in collections.abc"),
    _break("Python", "3.12", r"No module named '(?:distutils|imp|asynchat|asyncore)'",
           "distutils and imp are gone"),
)  # fmt: skip


def changes(asked: Mapping[str, str], environment: Environment) -> tuple[Change, ...]:
    """What of `asked` (package or Python -> version) runs in another version in `environment`.

    A version is kept where it begins as asked: 1.2 by 1.2.1. A package that is not there at all, or a
    container of a user's, promises nothing.
    """
    found = []
    for package, version in asked.items():
        runs = _version(package, environment)
        if runs and not _kept(version, runs):
            found.append(Change(TITLES.get(package, package), version, runs))
    return tuple(found)


def told(found: Iterable[Change]) -> str:
    """The sentence for a job's log and its status; "" where nothing stands in."""
    each = [str(change) for change in found]
    return f"stands in: {', '.join(each)}" if each else ""


def blame(found: Iterable[Change], failure: str) -> str:
    """What to add to the reason of a job that failed with the text `failure` under stand-ins."""
    found = tuple(found)
    if not found:
        return ""
    asked = ", ".join(f"{change.name} {change.asked}" for change in found)
    ran = ", ".join(f"{change.name} {change.runs}" for change in found)
    gone = [each.words for each in BREAKS if _explains(each, found, failure)]
    why = f": {'; '.join(dict.fromkeys(gone))}" if gone else ""
    return f" (asked for {asked}, ran {ran}{why})"


def _explains(each: Break, found: Iterable[Change], failure: str) -> bool:
    """Whether a version on the way from what was asked to what ran took away what is missed."""
    crossed = any(
        change.name == TITLES.get(each.package, each.package)
        and _numbers(change.asked) < _numbers(each.version) <= _numbers(change.runs)
        for change in found
    )
    return crossed and each.trace.search(failure) is not None


def _version(package: str, environment: Environment) -> str:
    if package == "Python":
        return environment.versions.get("Python", "")
    for name in (package, f"{package}-cpu"):
        if version := environment.packages.get(name):
            return version.partition("+")[0]
    return ""


def _kept(asked: str, runs: str) -> bool:
    wanted = _numbers(asked)
    return _numbers(runs)[: len(wanted)] == wanted


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version.partition("+")[0])))
