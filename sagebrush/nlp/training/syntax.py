"""The model of syntax is trained: parts of speech and noun phrases, on what the shared encoder says.

Data: `ud_english_ewt` (CC BY-SA 4.0), and so `syntax.onnx` lies under that licence, apart from the
others. The encoder's weights stay as they are: whenever they change, this is trained anew, in minutes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch  # pyright: ignore[reportMissingImports]
from torch.nn.functional import cross_entropy  # pyright: ignore[reportMissingImports]

from ..calibration import temperature
from ..syntax.phrases import BEGINS, INSIDE
from ..syntax.states import Hidden
from ..syntax.tagger import BETWEEN, GRAPH, SETTINGS, Tagger, stacked
from . import syntax_card
from .network import Network, write
from .syntax_figures import figures
from .treebank import Paragraph, noun_phrases, paragraphs

PASSES = 8
TOGETHER = 16
"""Stretches that make a batch."""
STRETCH = 64
"""Tokens that stay together."""
RATE = 3e-3
UNKNOWN = -1
"""The label of places between texts."""


@dataclass(frozen=True)
class Part:
    """A treebank's part as one row of tokens, BETWEEN empty places after each paragraph; states are kept
    in half precision."""

    inputs: Mapping[str, numpy.ndarray]
    tags: numpy.ndarray
    chunks: numpy.ndarray


def train(
    data: Path,
    out: Path,
    say: Callable[[str], None] = print,
    encoder: Hidden | None = None,
) -> Mapping[str, float]:
    """`syntax.onnx` and `syntax.json` in the folder `out`, for the encoder there (or the one given);
    figures on the development part, from raw text."""
    encoder = encoder or _encoder(out)
    learned, held = (
        paragraphs(data / "ud_english_ewt" / f"en_ewt-ud-{name}.conllu.gz")
        for name in ("train", "dev")
    )
    tags = sorted({word.tag for each in learned for word in each.words})
    part = _part(learned, encoder, tags)
    width = part.inputs["states"].shape[1]
    say(f"syntax: {int((part.tags != UNKNOWN).sum())} tokens, states of {width} numbers")
    model = _fitted(part, width, len(tags), say)
    out.mkdir(parents=True, exist_ok=True)
    write(model, out / GRAPH)
    settings = {"tags": tags, "width": width, "temperature": 1.0, "phrase_temperature": 1.0}
    _save(out, settings)
    gold = _part(held, encoder, tags)
    inputs = {**gold.inputs, "states": gold.inputs["states"].astype(numpy.float32)}
    logits = Tagger(out, encoder).answers(inputs)
    settings["temperature"] = temperature(*_known(logits[0], gold.tags))
    settings["phrase_temperature"] = temperature(*_known(logits[1], gold.chunks))
    _save(out, settings)
    told = figures(Tagger(out, encoder), held)
    right = _known(logits[0], gold.tags)
    told = {"upos_gold_tokens": float((right[0].argmax(1) == right[1]).mean()), **told}
    syntax_card.write(out, told)
    return told


def _encoder(folder: Path) -> Hidden:
    from ..encoder import Encoder  # pyright: ignore[reportMissingImports]

    return Encoder(folder)


def _save(out: Path, settings: Mapping[str, object]) -> None:
    (out / SETTINGS).write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")


def _places(paragraph: Paragraph) -> list[tuple[int, int]]:
    return [(word.begin, word.end) for word in paragraph.words]


def _part(kept: Sequence[Paragraph], encoder: Hidden, names: Sequence[str]) -> Part:
    number = {name: at for at, name in enumerate(names)}
    gap = numpy.full(BETWEEN, UNKNOWN)
    tags, chunks, pieces = [], [], []
    for first in range(0, len(kept), TOGETHER):
        several = kept[first : first + TOGETHER]
        states = encoder.hidden([each.text for each in several])
        width = max(each.values.shape[1] for each in states)
        given = [(each.text, _places(each), one) for each, one in zip(several, states, strict=True)]
        inputs = stacked(given, width)
        pieces.append({**inputs, "states": inputs["states"].astype(numpy.float16)})
    for each in kept:
        chunk = numpy.zeros(len(each.words), int)
        for first, last in noun_phrases(each.words):
            chunk[first:last] = INSIDE
            chunk[first] = BEGINS
        tags += [numpy.array([number.get(word.tag, UNKNOWN) for word in each.words], int), gap]
        chunks += [chunk, gap]
    joined = {name: numpy.concatenate([each[name] for each in pieces]) for name in pieces[0]}
    return Part(joined, numpy.concatenate(tags), numpy.concatenate(chunks))


def _fitted(part: Part, width: int, tags: int, say: Callable[[str], None]) -> Network:
    """A network after PASSES over the part: the running mean of its weights."""
    torch.manual_seed(15)
    chooser = numpy.random.default_rng(15)
    model = Network(width, tags)
    mean = {name: value.clone() for name, value in model.state_dict().items()}
    starts = numpy.arange(0, len(part.tags), STRETCH)
    steps = PASSES * -(-len(starts) // TOGETHER)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, RATE, total_steps=steps, pct_start=0.1
    )
    done = 0
    for turn in range(PASSES):
        total, order = 0.0, chooser.permutation(starts)
        for first in range(0, len(order), TOGETHER):
            loss = _loss(model, part, _stretches(part, order[first : first + TOGETHER]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            done += 1
            keep = min(0.995, (1 + done) / (10 + done))
            with torch.no_grad():
                for name, value in model.state_dict().items():
                    mean[name].mul_(keep).add_(value, alpha=1 - keep)
            total += loss.detach().item()
        say(f"syntax: pass {turn + 1} of {PASSES}, loss {total * TOGETHER / len(order):.3f}")
    model.load_state_dict(mean)
    return model.eval()


def _stretches(part: Part, starts: numpy.ndarray) -> numpy.ndarray:
    """The places of stretches one after the other; the last of the part, which is empty, after each."""
    end = len(part.tags)
    return numpy.concatenate(
        [
            each
            for start in starts
            for each in (
                numpy.arange(start, min(start + STRETCH, end)),
                numpy.full(BETWEEN, end - 1),
            )
        ]
    )


def _loss(model: Network, part: Part, places: numpy.ndarray) -> torch.Tensor:
    tags, chunks = model(
        torch.from_numpy(part.inputs["looks"][places]).long(),
        torch.from_numpy(part.inputs["states"][places]).float(),
        torch.from_numpy(part.inputs["real"][places]),
    )
    return cross_entropy(
        tags, torch.from_numpy(part.tags[places]), ignore_index=UNKNOWN, label_smoothing=0.03
    ) + 0.5 * cross_entropy(chunks, torch.from_numpy(part.chunks[places]), ignore_index=UNKNOWN)


def _known(logits: numpy.ndarray, truth: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    known = truth != UNKNOWN
    return logits[known], truth[known]
