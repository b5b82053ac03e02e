"""NLTK and spaCy say in their errors' first line how to get data and models, also without internet.

Their own words name a download, which fails where a host or a job has no internet. Each function
here changes one module of theirs, right after it was loaded. Standard library only.
"""

from __future__ import annotations

import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

CHANNEL = "/opt/ml/input/data/CHANNEL"
UNREACHED = re.compile(
    r"urlopen error|HTTP Error|Security Violation|timed out|Tunnel|Errno|Remote end closed|refused"
)
"""What an error of NLTK's downloader says when nothing was fetched; a wrong name is another error."""
MODEL = (
    "pip install {name} where your package index has it, else the wheel from"
    " github.com/explosion/spacy-models/releases; without internet, give the model's folder as a"
    f" channel of S3 and call spacy.load('{CHANNEL}')"
)
"""How a model of spaCy's comes."""


LAYERED = (
    "put the package (pip install --no-deps -t python WHEEL, of the wheel from"
    " github.com/explosion/spacy-models/releases) into a layer"
)
"""How a model of spaCy's comes to a Lambda function."""


def in_function() -> bool:
    """Whether this process is a Lambda function."""
    return "AWS_LAMBDA_FUNCTION_NAME" in os.environ


def fetched(name: str) -> str:
    """The call that downloads NLTK's package; a function can write to /tmp alone."""
    where = ", download_dir='/tmp'" if in_function() else ""
    return f"nltk.download('{name}'{where})"


def unpacked(name: str, category: str = "CATEGORY") -> str:
    """How NLTK's package comes without internet."""
    if in_function():
        return (
            f"unpack packages/{category}/{name}.zip of github.com/nltk/nltk_data to"
            f" nltk_data/{category}/{name} in a layer and set NLTK_DATA=/opt/nltk_data"
        )
    return (
        f"unpack packages/{category}/{name}.zip of github.com/nltk/nltk_data to"
        f" FOLDER/{category}/{name} and set NLTK_DATA=FOLDER (in a job a channel of S3:"
        f" {CHANNEL})"
    )


def nltk_data(module: Any) -> None:
    """`nltk.data.find` says how to get what it does not find, and how to mend what it refuses."""
    find = module.find

    def told(resource_name: str, paths: Any = None) -> Any:
        try:
            return find(resource_name, paths)
        except LookupError as error:
            parts = str(resource_name).removeprefix("nltk:").split("/")
            if len(parts) < 2 or " is not here: " in str(error):
                raise
            name = parts[1].removesuffix(".zip")
            if refused := getattr(error, "_nltk_refused_writable", ()):
                first = (
                    f"NLTK's data {name} is not read where other users may write: chmod -R go-w"
                    f" {refused[0]}"
                )
            else:
                first = (
                    f"NLTK's data {name} is not here: {fetched(name)}, or without internet"
                    f" {unpacked(name, parts[0])}"
                )
            raise LookupError(f"{first}\n{error}") from None

    module.find = told


def nltk_downloader(module: Any) -> None:
    """`nltk.download` says what to do where it reaches nothing."""
    begin = module.ErrorMessage.__init__

    def told(self: Any, package: Any, message: Any) -> None:
        text = str(message)
        asked = re.match(r"Error loading ([\w.-]+):", text)
        if asked and UNREACHED.search(text):
            advice = unpacked(asked[1])
            message = f"{asked[1]} cannot be fetched from here: {advice}. {text}"
        begin(self, package, message)

    module.ErrorMessage.__init__ = told


def spacy_errors(module: Any) -> None:
    """`spacy.load` says how a model that it does not find comes."""
    module.Errors.E050 = (
        f"Can't find model '{{name}}': {LAYERED if in_function() else MODEL}. It doesn't seem to be a Python package or a valid"
        " path to a data directory."
    )


def spacy_download(module: Any) -> None:
    """`spacy download` says what to do where it reaches nothing."""
    ask = module.get_compatibility

    def told() -> Any:
        try:
            return ask()
        except module.requests.exceptions.RequestException as error:
            advice = MODEL.format(name="NAME (en_core_web_sm)")
            return module.msg.fail(f"Models cannot be fetched from here: {advice}", error, exits=1)

    module.get_compatibility = told


CHANGES: dict[str, Callable[[Any], None]] = {
    "nltk.data": nltk_data,
    "nltk.downloader": nltk_downloader,
    "spacy.errors": spacy_errors,
    "spacy.cli.download": spacy_download,
}
"""Module -> what changes it."""
