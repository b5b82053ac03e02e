"""The base model of a job, from the channel `model`: found among the files, and loaded.

Sources: tensorflow.org/hub, Reusable SavedModels (the attributes `__call__`, `trainable_variables` and
`regularization_losses`) and Common SavedModel APIs for Text Tasks (preprocessor and encoder; text
embeddings from strings).
"""

# pyright: reportMissingImports=false, reportMissingModuleSource=false

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
from contract import archives, errors
from contract.channels import Channel
from contract.errors import ClientError

from . import text_ops
from .artefact import INDEX, REFERENCE, TRAINING

SAVED = "saved_model.pb"
OUTPUTS = ("pooled_output", "default")
"""The outputs that are an embedding of the whole text, where an encoder has several."""
SAMPLE = ("a sentence", "and one more")


class TextEncoder(tf.Module):
    """Texts to embeddings: a base model with its preprocessor, in the form of a reusable SavedModel."""

    def __init__(self, model: Any, preprocess: Any = None) -> None:
        super().__init__()
        self.model, self.preprocess = model, preprocess
        self.regularization_losses = list(getattr(model, "regularization_losses", None) or ())
        self._call: Callable[..., Any] = _callable(model)

    @tf.function
    def __call__(self, text: Any, training: bool = False) -> Any:
        """The embeddings of a vector of strings, as a matrix of floats."""
        inputs = text if self.preprocess is None else _callable(self.preprocess)(text, False)
        return _embedding(self._call(inputs, training))


@dataclass(frozen=True)
class Base:
    """A loaded base model."""

    encoder: Any
    """Called with (a vector of strings, training=bool): a matrix of floats."""
    variables: tuple[Any, ...]
    """Those that fine-tuning changes."""
    width: int
    """Numbers of an embedding."""
    top: tuple[Any, Any] | None = None
    """The kernel and bias of the classification layer, where it is an earlier artefact."""
    labels: tuple[int, ...] = ()
    earlier: Mapping[str, Any] | None = None
    """An earlier artefact's hyperparameters."""
    text_ops: bool = False
    """Whether it needs tensorflow-text."""

    @property
    def losses(self) -> tuple[Callable[[], Any], ...]:
        """The base model's own losses, which fine-tuning adds to the loss."""
        return tuple(getattr(self.encoder, "regularization_losses", None) or ())


def load(channel: Channel, scratch: Path) -> Base:
    """The base model of the channel, or the artefact of an earlier training; `scratch` is an empty
    folder for what is unpacked. Raises ClientError where there is none that can be used."""
    folders = (*_unpacked(channel, scratch), channel.folder)
    for folder in folders:
        _refuse_reference(folder)
    for folder in folders:
        for index in sorted(folder.rglob(INDEX)):
            return _earlier(index.parent)
    places = sorted({p.parent for folder in folders for p in folder.rglob(SAVED)})
    if not places:
        files = sorted(p for folder in folders for p in folder.rglob("*.keras"))
        if len(files) == 1:
            return _checked(TextEncoder(_read(files[0], _keras)), False)
        raise _unusable(_nothing(folders))
    if len(places) > 2:
        names = ", ".join(str(p.relative_to(_root(p, folders))) for p in places[:5])
        raise _unusable(f"it holds {len(places)} SavedModels ({names}): one or two were expected")
    models = [_Loaded.of(place) for place in places]
    text = any(each.text_ops for each in models)
    if len(models) == 1:
        return _checked(TextEncoder(models[0].model), text)
    first, second = sorted(models, key=lambda m: not _is_preprocess(m))
    return _checked(TextEncoder(second.model, first.model), text)


def _checked(encoder: TextEncoder, text: bool) -> Base:
    """The base model, after it has embedded two texts; raises ClientError where it cannot."""
    variables, width = _tried(encoder)
    own = tuple(getattr(encoder.model, "trainable_variables", None) or ())
    kept = tuple(v for v in (getattr(each, "value", each) for each in own) if _is_variable(v))
    return Base(encoder, kept or variables, width, text_ops=text)


def _earlier(folder: Path) -> Base:
    """The artefact of an earlier training."""
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        labels = tuple(int(label) for label, _ in sorted(index.items(), key=lambda each: each[1]))
    except (ValueError, TypeError, AttributeError) as error:
        raise _unusable(f"{INDEX} cannot be read: {error}") from None
    places = sorted(p.parent for p in folder.rglob(SAVED))
    if not places:
        raise _unusable(f"beside {INDEX} there is no {SAVED}")
    loaded = _Loaded.of(places[-1])
    model = loaded.model
    parts = [getattr(model, name, None) for name in ("encoder", "kernel", "bias")]
    told = folder / TRAINING
    if any(part is None for part in parts) or not told.is_file():
        raise _unusable(
            "it is the artefact of a training that was not done here: its SavedModel has no encoder,"
            f" kernel and bias, or {TRAINING} is missing"
        )
    encoder, kernel, bias = parts
    variables, width = _tried(encoder)
    earlier = json.loads(told.read_text(encoding="utf-8"))["hyperparameters"]
    return Base(encoder, variables, width, (kernel, bias), labels, earlier, loaded.text_ops)


def _tried(encoder: Any) -> tuple[tuple[Any, ...], int]:
    """(the variables that training would change, the width of an embedding)."""
    try:
        with tf.GradientTape() as tape:
            encoder(tf.constant(SAMPLE), training=False)
            found = encoder(tf.constant(SAMPLE), training=True)
    except ClientError:
        raise
    except Exception as error:
        raise _unusable(f"it does not embed texts: {_first(error)}") from None
    return tuple(tape.watched_variables()), int(found.shape[-1] or tf.shape(found)[-1])


def _callable(model: Any) -> Callable[..., Any]:
    """The model as a function of (inputs, training)."""
    if not callable(model):
        known = getattr(model, "signatures", None) or {}
        signature = known.get("serving_default") or known.get("default")
        if signature is None:
            raise _unusable(
                "its SavedModel can neither be called nor has a signature 'serving_default'"
            )
        names = list(signature.structured_input_signature[1])
        return lambda inputs, training: signature(
            **(inputs if isinstance(inputs, Mapping) else {names[0]: inputs})
        )

    def call(inputs: Any, training: bool) -> Any:
        try:
            return model(inputs, training=training)
        except (TypeError, ValueError) as error:  # it was saved without that argument
            try:
                return model(inputs)
            except (TypeError, ValueError):
                raise error from None

    return call


def _embedding(found: Any) -> Any:
    """The matrix among a model's outputs."""
    if isinstance(found, Mapping):
        name = next((n for n in OUTPUTS if n in found), None)
        if name is None and len(found) == 1:
            name = next(iter(found))
        if name is None:
            raise _unusable(f"its outputs are {', '.join(sorted(found))}: none is {OUTPUTS[0]}")
        found = found[name]
    if found.shape.rank != 2 or not found.dtype.is_floating:
        raise _unusable(
            f"its output has the shape {found.shape} and the type {found.dtype.name}: expected one"
            " vector of floats for each text"
        )
    return tf.cast(found, tf.float32)


def _is_preprocess(loaded: _Loaded) -> bool:
    """Whether it is the one of two models that takes texts: by its name, then by what it takes."""
    if "preprocess" in str(loaded.place).lower():
        return True
    try:
        return isinstance(_callable(loaded.model)(tf.constant(SAMPLE), False), Mapping)
    except Exception:
        return False


@dataclass(frozen=True)
class _Loaded:
    """A SavedModel, and whether it needs tensorflow-text."""

    place: Path
    model: Any
    text_ops: bool

    @staticmethod
    def of(place: Path) -> _Loaded:
        """The SavedModel in that folder; raises ClientError."""
        if (place / "tfhub_module.pb").is_file():
            raise _unusable(
                "it is in TensorFlow Hub's format of TensorFlow 1, not a SavedModel of 2"
            )
        try:
            return _Loaded(place, tf.saved_model.load(str(place)), False)
        except Exception as error:
            operation = text_ops.missing(error)
            if not operation:
                raise _unusable(
                    f"TensorFlow {tf.__version__} cannot load it: {_first(error)}"
                ) from None
        text_ops.load(f"the operation {operation}", tf.__version__)
        return _Loaded(place, _read(place, lambda p: tf.saved_model.load(str(p))), True)


def _read(place: Path, load: Callable[[Path], Any]) -> Any:
    try:
        return load(place)
    except Exception as error:
        raise _unusable(f"TensorFlow {tf.__version__} cannot load it: {_first(error)}") from None


def _keras(file: Path) -> Any:
    return tf.keras.models.load_model(file, compile=False)


def _is_variable(each: Any) -> bool:
    return isinstance(each, tf.Variable)


def _unpacked(channel: Channel, scratch: Path) -> tuple[Path, ...]:
    """The folders of the channel's archives, unpacked; raises ClientError for a damaged one."""
    try:
        return tuple(
            archives.unpack(archive, scratch / archive.name.partition(".tar")[0])
            for archive in archives.packed(channel)
        )
    except archives.Damaged as error:
        raise _unusable(str(error)) from None


def _refuse_reference(folder: Path) -> None:
    for file in sorted(folder.rglob(REFERENCE)):
        told = json.loads(file.read_text(encoding="utf-8"))
        raise ClientError(
            f"The base model {told.get('model_id')} is not here: its place holds a reference only. Put"
            f" AWS's file there (`sagebrush samples add jumpstart-cache-prod-REGION/{told.get('key')}"
            " FILE.tar.gz`), give a base model of your own as the estimator's model_uri (for instance"
            f" what {told.get('hub')} gives, as a tar.gz of a SavedModel), or let the server reach AWS."
        )


def _nothing(folders: Sequence[Path]) -> str:
    names = sorted(p.name for folder in folders for p in folder.rglob("*") if p.is_file())
    return f"it holds no {SAVED} and no .keras file (it has {', '.join(names[:5])})"


def _root(place: Path, folders: Sequence[Path]) -> Path:
    return next(folder for folder in folders if place.is_relative_to(folder))


def _first(error: Exception) -> str:
    """The beginning of an error of TensorFlow, which may have many lines."""
    return " ".join(str(error).split())[:400] or type(error).__name__


def _unusable(why: str) -> ClientError:
    return errors.unreadable("model", "application/x-sagemaker-model", f"the base model: {why}")
