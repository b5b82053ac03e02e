"""Texts as tokens, by `tokenizers` alone: what transformers' fast tokenizers do, without its import."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Union

from sagebrush.toolkit.serving import formats
from sagebrush.toolkit.serving.handler import NoHandler

Text = Union[str, "tuple[str, str]", "list[str]"]
"""One text, a pair of texts, or (with `Cut.words`) a text that is a list of words."""
UNLIMITED = 10**20
"""transformers' mark for tokenizers without a limit."""
STRATEGIES = ("longest_first", "only_first", "only_second")
SPACED = (
    (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"),
    (" 'm", "'m"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
)  # fmt: skip
"""transformers' `clean_up_tokenization`."""


@dataclass(frozen=True)
class Cut:
    """How texts become rows: the parameters of a transformers tokenizer."""

    strategy: str = ""
    """How texts that are too long are cut; "" for not at all."""
    length: int | None = None
    """Tokens of the longest row; None for the tokenizer's own limit."""
    stride: int = 0
    """Tokens by which the windows of a text that is cut overlap."""
    pad: bool = False
    """Whether rows are padded to `length`."""
    special: bool = True
    """Whether the special tokens are added."""
    words: bool = False
    """Whether texts are lists of words."""


@dataclass
class Tokens:
    """The tokenizer in a model directory."""

    folder: Path
    positions: int | None
    """The limit of a tokenizer that names none."""
    core: Any = field(init=False)
    limit: int | None = field(init=False)
    pad_id: int = field(init=False)

    def __post_init__(self) -> None:
        """The tokenizer is loaded; raises NoHandler."""
        self._said = _settings(self.folder)
        self.core = _core(self.folder)
        self.core.no_truncation()
        self.core.no_padding()
        limit = self._said.get("model_max_length")
        known = isinstance(limit, (int, float)) and 0 < limit < UNLIMITED
        self.limit = int(limit) if known else self.positions  # type: ignore[arg-type]
        self.pad_id = self.core.token_to_id(self.special("pad_token")) or 0
        self.subwords = bool(getattr(self.core.model, "continuing_subword_prefix", None))
        clean = bool(self._said.get("clean_up_tokenization_spaces"))
        self._clean = clean and type(self.core.model).__name__ != "BPE"

    def special(self, name: str) -> str:
        """The special token of that name (`mask_token`), "" where there is none."""
        token = self._said.get(name)
        return str(token.get("content", "") if isinstance(token, dict) else token or "")

    def id_of(self, name: str) -> int | None:
        """The id of the special token of that name."""
        return self.core.token_to_id(self.special(name)) if self.special(name) else None

    def encode(self, texts: Sequence[Text], cut: Cut) -> list[Any]:
        """Each text as `tokenizers.Encoding`; the rest of one that was cut is its `overflowing`.

        Raises BadBody for what is no text.
        """
        _check(texts, cut)
        length = cut.length if cut.length is not None else self.limit
        if cut.strategy and length is not None:
            self.core.enable_truncation(
                length,
                stride=cut.stride,
                strategy=cut.strategy,
                direction=self._said.get("truncation_side") or "right",
            )
        try:
            found = self.core.encode_batch(
                list(texts), is_pretokenized=cut.words, add_special_tokens=cut.special
            )
        except Exception as error:  # tokenizers raises Exception itself
            raise formats.BadBody(f"The text cannot be cut so: {error}") from error
        finally:
            self.core.no_truncation()
        if cut.pad and length is not None:
            for each in found:
                each.pad(length, pad_id=self.pad_id, pad_token=self.special("pad_token"))
        return found

    def decode(self, ids: Sequence[int], skip_special: bool = False) -> str:
        """The text of tokens."""
        text = self.core.decode(list(ids), skip_special_tokens=skip_special)
        for given, wanted in SPACED if self._clean else ():
            text = text.replace(given, wanted)
        return text

    def joined(self, tokens: Sequence[str]) -> str:
        """The text of tokens that are given as strings."""
        decoder = self.core.decoder
        return decoder.decode(list(tokens)) if decoder is not None else " ".join(tokens)


def cut(parameters: Mapping[str, Any], stride: int = 0) -> Cut:
    """The tokenizer's parameters of a request; raises BadBody for others, and for wrong values."""
    left = dict(parameters)
    strategy, length = left.pop("truncation", None), left.pop("max_length", None)
    padding, special = left.pop("padding", False), left.pop("add_special_tokens", True)
    for name in ("batch_size", "num_workers", "return_tensors"):  # nothing depends on them here
        left.pop(name, None)
    if left:
        raise formats.BadBody(
            f"parameter {sorted(left)[0]!r} is not served by ONNX Runtime; the tokenizer's are"
            " truncation, max_length, padding, add_special_tokens"
        )
    if strategy is None and length is not None and padding is False:
        strategy = True  # transformers cuts then
    if strategy is True:
        strategy = STRATEGIES[0]
    if strategy in (None, False, "do_not_truncate"):
        strategy = ""
    if strategy and strategy not in STRATEGIES:
        raise formats.BadBody(f"truncation {strategy!r}: true, false or one of {STRATEGIES}")
    if length is not None and (not isinstance(length, int) or length < 1):
        raise formats.BadBody(f"max_length {length!r} is no number of tokens")
    return Cut(strategy, length, stride, padding == "max_length", bool(special))


def _check(texts: Sequence[Text], cut: Cut) -> None:
    for each in texts:
        parts = [each] if isinstance(each, str) else each
        if cut.words and isinstance(each, str):
            raise formats.BadBody("a text must be a list of words")
        if not isinstance(parts, (list, tuple)) or not all(isinstance(p, str) for p in parts):
            raise formats.BadBody(f"inputs must be a text or a list of texts, not {each!r:.100}")


def _settings(folder: Path) -> dict[str, Any]:
    """tokenizer_config.json, and what only special_tokens_map.json says."""
    told: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        file = folder / name
        try:
            found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        except ValueError as error:
            raise NoHandler(f"{file} is not JSON: {error}") from error
        told.update({key: value for key, value in found.items() if value is not None})
    return told


def _core(folder: Path) -> Any:
    """The `tokenizers.Tokenizer` of tokenizer.json, else the one that transformers makes of what is
    there, which takes its import; raises NoHandler."""
    from tokenizers import Tokenizer  # pyright: ignore[reportMissingImports]

    file = folder / "tokenizer.json"
    try:
        if file.is_file():
            return Tokenizer.from_file(str(file))
        from transformers import AutoTokenizer  # pyright: ignore[reportMissingImports]

        made = AutoTokenizer.from_pretrained(str(folder), use_fast=True)
        return made.backend_tokenizer
    except Exception as error:
        raise NoHandler(
            f"{folder} has no tokenizer that ONNX Runtime's handler can use (tokenizer.json, which"
            f" save_pretrained of a fast tokenizer writes): {error}"
        ) from error
