"""A trained model as files and in use: `model.npz`, `config.json` and the two vocabularies.

The files are ours, and open: NumPy arrays by the names of the network's parameters, and JSON. AWS's
(MXNet's, as Sockeye 1 wrote them) are not documented.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]

from . import data, search, vocabularies
from .network import Network
from .search import Found, Words
from .vocabularies import Vocabulary

ARRAYS, CONFIG = "model.npz", "config.json"
VERSION = 1
TOGETHER = 64
"""Sequences that are translated at once."""


@dataclass(frozen=True)
class Lengths:
    """How long targets were in training, by the length of their sources."""

    mean: float
    deviation: float

    def longest(self, source: int, most: int) -> int:
        """Tokens of a translation at most."""
        return min(most, math.ceil(source * (self.mean + 2 * self.deviation)) + 8)


@dataclass(frozen=True)
class Translator:
    """A network with its vocabularies, ready to translate."""

    network: Network
    settings: Mapping[str, Any]
    source: Vocabulary
    target: Vocabulary
    lengths: Lengths

    def translate(self, sources: Sequence[Sequence[int]], beam: int | None = None) -> list[Found]:
        """The best target of each source, in order; sources are cut to `max_seq_len_source`, and an
        empty one becomes an empty target."""
        cut = [list(each)[: self.settings["max_seq_len_source"]] for each in sources]
        order = sorted((n for n, each in enumerate(cut) if each), key=lambda n: len(cut[n]))
        found = [Found([], [], 0.0)] * len(cut)
        device = next(self.network.parameters()).device
        words = self._words()
        for start in range(0, len(order), TOGETHER):
            members = order[start : start + TOGETHER]
            rows = data.padded([np.array(cut[n], np.int64) for n in members])
            counts = [len(cut[n]) for n in members]
            longest = [
                self.lengths.longest(each, self.settings["max_seq_len_target"]) for each in counts
            ]
            results = search.best(
                self.network,
                torch.from_numpy(rows).to(device),
                torch.tensor(counts, device=device),
                words,
                beam or self.settings["beam_size"],
                longest,
            )
            for number, result in zip(members, results, strict=True):
                found[number] = result
        return found

    def _words(self) -> Words:
        numbers = self.target.numbers
        never = numbers[vocabularies.PAD], numbers[vocabularies.BEGIN]
        return Words(numbers[vocabularies.BEGIN], numbers[vocabularies.END], never)

    def save(self, folder: Path) -> None:
        """The model's files are in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {
            name: values.detach().cpu().numpy()
            for name, values in self.network.state_dict().items()
        }
        with (folder / ARRAYS).open("wb") as out:
            np.savez(out, allow_pickle=False, **arrays)
        lengths = {"mean": self.lengths.mean, "deviation": self.lengths.deviation}
        config = {"version": VERSION, "settings": dict(self.settings), "lengths": lengths}
        (folder / CONFIG).write_text(json.dumps(config, indent=1))
        for name, vocabulary in (
            (vocabularies.SOURCE, self.source),
            (vocabularies.TARGET, self.target),
        ):
            text = json.dumps(vocabulary.numbers, ensure_ascii=False, indent=1)
            (folder / name).write_text(text, "utf-8")


def load(folder: Path) -> Translator:
    """The model in `folder`; raises ValueError where there is none."""
    try:
        config = json.loads((folder / CONFIG).read_text())
        if config["version"] != VERSION:
            raise ValueError(f"{CONFIG} is of version {config['version']}, this reads {VERSION}")
        settings = config["settings"]
        lengths = Lengths(**config["lengths"])
        with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
            values = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    except (OSError, KeyError, TypeError) as error:
        raise ValueError(
            f"the model archive must hold {ARRAYS} and {CONFIG} as this algorithm writes them"
            f" ({error}); models that AWS's seq2seq trained are in an undocumented format"
        ) from error
    source = vocabularies.load(folder / vocabularies.SOURCE)
    target = vocabularies.load(folder / vocabularies.TARGET)
    network = Network(settings, len(source), len(target))
    network.load_state_dict(values)
    network.eval()
    return Translator(network, settings, source, target, lengths)
