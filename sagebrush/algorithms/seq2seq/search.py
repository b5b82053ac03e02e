"""Beam search over a batch of sequences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch  # pyright: ignore[reportMissingImports]
from torch import Tensor  # pyright: ignore[reportMissingImports]

from .network import Network


@dataclass(frozen=True)
class Found:
    """The best sequence that was found for one source."""

    tokens: list[int]
    """Without begin and end."""
    attention: list[list[float]]
    """For each token the weights of the source's tokens."""
    score: float
    """Its log probability by its length."""


@dataclass(frozen=True)
class Words:
    """The numbers of the symbols in the target's vocabulary."""

    begin: int
    end: int
    never: tuple[int, ...]
    """Those that are never said: padding and begin."""


@torch.no_grad()
def best(
    network: Network,
    sources: Tensor,
    lengths: Tensor,
    words: Words,
    beam: int,
    longest: Sequence[int],
) -> list[Found]:
    """The best sequence for each source, of at most `longest[i]` tokens, by the mean log probability
    of its tokens and its end. What reached that length ends, however unlikely its end is."""
    count, size = len(sources), beam
    memory, last = network.encode(sources, lengths)
    state = network.decoder.start(memory, last)
    memory, state = memory.repeated(size), tuple(x.repeat_interleave(size, 0) for x in state)
    device = sources.device
    tokens = torch.full((count * size,), words.begin, device=device)
    scores = torch.full((count, size), -torch.inf, device=device)
    scores[:, 0] = 0.0
    done: list[list[Found]] = [[] for _ in range(count)]
    said = torch.zeros((count * size, 0), dtype=torch.int64, device=device)
    looked = torch.zeros((count * size, 0, sources.shape[1]), device=device)
    open_rows = list(range(count))  # which source each group of beams is
    for step in range(1, max(longest) + 2):
        hidden, state, weights = network.decoder.step(memory, network.embedded(tokens), state)
        logs = network.logits(hidden).log_softmax(1)
        logs[:, list(words.never)] = -torch.inf
        vocabulary = logs.shape[1]
        if full := [n for n, source in enumerate(open_rows) if step > longest[source]]:
            cut = logs.reshape(len(open_rows), size, vocabulary)[full]
            cut[:, :, torch.arange(vocabulary, device=device) != words.end] = -torch.inf
            logs.reshape(len(open_rows), size, vocabulary)[full] = cut
        total = (scores.reshape(-1, 1) + logs).reshape(len(open_rows), size * vocabulary)
        values, choices = total.topk(min(2 * size, total.shape[1]), 1)
        origin = torch.arange(len(open_rows), device=device).unsqueeze(1) * size
        parents, chosen = choices // vocabulary + origin, choices % vocabulary
        looked = torch.cat((looked, weights.unsqueeze(1)), 1)
        kept, new_scores, going = _sort_out(
            (values.tolist(), parents.tolist(), chosen.tolist()),
            (said, looked, lengths.tolist()), (open_rows, done), (words.end, size, step, longest),
        )  # fmt: skip
        if not going:
            break
        rows = torch.tensor([parent for parent, _ in kept], device=device)
        tokens = torch.tensor([token for _, token in kept], device=device)
        state = tuple(x.index_select(0, rows) for x in state)
        memory = memory.selected(rows)
        said = torch.cat((said.index_select(0, rows), tokens.unsqueeze(1)), 1)
        looked = looked.index_select(0, rows)
        scores = torch.tensor(new_scores, device=device)
        open_rows = going
    return [max(each, key=lambda found: found.score) for each in done]


def _sort_out(
    candidates: tuple[list[list[float]], list[list[int]], list[list[int]]],
    so_far: tuple[Tensor, Tensor, list[int]],
    sources: tuple[list[int], list[list[Found]]],
    rules: tuple[int, int, int, Sequence[int]],
) -> tuple[list[tuple[int, int]], list[list[float]], list[int]]:
    """([(parent's row, token)] of the beams that go on, their scores, their sources).

    What ended is put into the source's list. A source is done once as many sequences ended as there
    are beams and the best of them is better than what goes on, or its longest is reached: a sure
    network's unlikely ends, which come early, must not end the search for its likely one.
    """
    (said, looked, lengths), (open_rows, done), (end, size, step, longest) = so_far, sources, rules
    kept: list[tuple[int, int]] = []
    scores: list[list[float]] = []
    going: list[int] = []
    for group, source in enumerate(open_rows):
        over = step > longest[source]
        mine: list[tuple[int, int]] = []
        values: list[float] = []
        for rank, (value, parent, token) in enumerate(
            zip(*(each[group] for each in candidates), strict=True)
        ):
            if value == -torch.inf:
                continue
            ends = token == end
            if ends and rank < size:
                weights = looked[parent, : said.shape[1], : lengths[source]].tolist()
                done[source].append(Found(said[parent].tolist(), weights, value / step))
            elif not ends and len(mine) < size:
                mine.append((parent, token))
                values.append(value)
        ended = done[source]
        if over or not mine:
            continue
        if len(ended) >= size and max(each.score for each in ended) >= values[0] / step:
            continue
        while len(mine) < size:  # fewer words than beams
            mine.append(mine[-1])
            values.append(-torch.inf)
        kept += mine
        scores.append(values)
        going.append(source)
    return kept, scores, going
