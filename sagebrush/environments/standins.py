"""What runs instead of what an image's tag promises, and what that may break."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sagebrush.environments.environment import Environment
from sagebrush.environments.releases import PRINCIPALS, numbers

NAMED = {"Python", *(name for names in PRINCIPALS.values() for name in names)}
"""What tags name."""


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


_ARGUMENT = r"\.__init__\(\) got an unexpected keyword argument "
BREAKS = (
    _break("scikit-learn", "0.23",
           r"sklearn\.externals\.(?:joblib|six)|from 'sklearn\.externals'",
           "sklearn.externals is gone: import joblib itself"),
    _break("scikit-learn", "1.2", r"has no attribute 'get_feature_names'",
           "get_feature_names is get_feature_names_out"),
    _break("scikit-learn", "1.2", r"`?load_boston`? (?:has been removed|from 'sklearn)|name 'load_boston'",
           "load_boston is gone"),
    _break("scikit-learn", "1.4", rf"OneHotEncoder{_ARGUMENT}'sparse'",
           "OneHotEncoder(sparse=) is OneHotEncoder(sparse_output=)"),
    _break("pandas", "2.0",
           r"'(?:DataFrame|Series|Index)' object has no attribute '(?:append|iteritems)'",
           "DataFrame.append and iteritems are gone: use pandas.concat and items"),
    _break("numpy", "1.24",
           r"module 'numpy' has no attribute '(?:bool|int|float|object|str|complex)'",
           "np.int, np.float and their like are gone: use int, float"),
    _break("numpy", "2.0", r"was removed in the NumPy 2\.0|_ARRAY_API not found",
           "names of NumPy 1 are gone, and so is what was compiled for it"),
    _break("transformers", "5.0", rf"TrainingArguments{_ARGUMENT}'evaluation_strategy'",
           "evaluation_strategy is eval_strategy"),
    _break("transformers", "5.0", rf"(?:TrainingArguments|Trainer){_ARGUMENT}'",
           "arguments of TrainingArguments and Trainer are gone"),
    _break("transformers", "5.0", r"cannot import name 'TF\w+' from 'transformers'",
           "TensorFlow models are gone"),
    _break("transformers", "5.0", r"cannot import name 'AdamW' from 'transformers",
           "AdamW is gone: use torch.optim.AdamW"),
    _break("datasets", "3.0", r"cannot import name 'load_metric'|has no attribute 'load_metric'",
           "load_metric is gone: use evaluate.load"),
    _break("datasets", "4.0", r"[Dd]ataset scripts are no longer supported",
           "data sets with loading scripts are gone: use files"),
    _break("keras", "3.0", r"Invalid filepath extension for saving|`lr` (?:argument|is)|keras\.wrappers",
           "this is of Keras 2: save as .keras, or model.export(folder) for a SavedModel"),
    _break("tensorflow", "2.16", r"(?:module 'tensorflow\S*' has no attribute|No module named '\S*)"
           r" ?'?(?:estimator|feature_column|tensorflow_estimator)",
           "tf.estimator is gone"),
    _break("torch", "2.6", r"Weights only load failed",
           "torch.load reads tensors only: pass weights_only=False for files that you trust"),
    _break("xgboost", "2.1", r"XGB\w+\.fit\(\) got an unexpected keyword argument 'early_stopping_rounds'",
           "early_stopping_rounds is an argument of the model, not of fit"),
    _break("Python", "3.10",
           r"cannot import name '\w+' from 'collections'|module 'collections' has no attribute",
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
            found.append(Change(package, version, runs))
    return tuple(found)


def _notable(found: Iterable[Change]) -> list[Change]:
    """What a tag names itself, and other packages of another major version."""
    major = lambda version: numbers(version)[:1]  # noqa: E731
    return [c for c in found if c.name in NAMED or major(c.asked) != major(c.runs)]


def told(found: Iterable[Change]) -> str:
    """The sentence for a job's log and its status; "" where nothing stands in."""
    each = [str(change) for change in _notable(found)]
    return f"stands in: {', '.join(each)}" if each else ""


def blame(found: Iterable[Change], failure: str) -> str:
    """What to add to the reason of a job that failed with the text `failure` under stand-ins."""
    found = tuple(found)
    breaks = [each for each in BREAKS if _explains(each, found, failure)]
    broken = {each.package for each in breaks}
    notable = _notable(found)
    shown = [change for change in found if change in notable or change.name in broken]
    if not shown:
        return ""
    asked = ", ".join(f"{change.name} {change.asked}" for change in shown)
    ran = ", ".join(f"{change.name} {change.runs}" for change in shown)
    gone = list(dict.fromkeys(each.words for each in breaks))
    return f" (asked for {asked}, ran {ran}{': ' if gone else ''}{'; '.join(gone)})"


def _explains(each: Break, found: Iterable[Change], failure: str) -> bool:
    """Whether a version on the way from what was asked to what ran took away what is missed."""
    crossed = any(
        change.name == each.package
        and numbers(change.asked) < numbers(each.version) <= numbers(change.runs)
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
    wanted = numbers(asked)
    return numbers(runs)[: len(wanted)] == wanted
