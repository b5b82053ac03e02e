"""The shared encoder with its heads, in torch: a BERT of six layers that also reads word shapes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch  # pyright: ignore[reportMissingImports]
import torch.nn.functional as F  # pyright: ignore[reportMissingImports]
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]

from ..text import shapes
from .tasks import Kind, Task


@dataclass(frozen=True)
class Size:
    """How large an encoder is; MiniLM-L6's by default."""

    vocabulary: int = 30522
    width: int = 384
    inner: int = 1536
    layers: int = 6
    heads: int = 12
    positions: int = 512
    own: int = 0
    """Layers at the top of which tokens and targets have copies of their own."""
    dropout: float = 0.1


class Layer(nn.Module):
    """Self-attention and a feed-forward network, each added to its input and normalised."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.heads = size.heads
        self.qkv = nn.Linear(size.width, 3 * size.width)
        self.out = nn.Linear(size.width, size.width)
        self.norm = nn.LayerNorm(size.width, eps=1e-12)
        self.up = nn.Linear(size.width, size.inner)
        self.down = nn.Linear(size.inner, size.width)
        self.last = nn.LayerNorm(size.width, eps=1e-12)
        self.dropout = nn.Dropout(size.dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """[texts, tokens, width] to the same; `mask` is added to attention, [texts, 1, 1, tokens]."""
        rows, length, width = x.shape
        q, k, v = self.qkv(x).view(rows, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        # By hand: the gradient of the CPU's flash attention takes half of all time at these lengths.
        scores = q @ k.transpose(-1, -2) * (width // self.heads) ** -0.5
        weights = (scores if mask is None else scores + mask).softmax(-1).to(v.dtype)
        seen = self.out((weights @ v).transpose(1, 2).reshape(rows, length, width))
        x = self.norm(x + self.dropout(seen))
        return self.last(x + self.dropout(self.down(F.gelu(self.up(x)))))


class Head(nn.Module):
    """Logits of one task."""

    def __init__(self, task: Task, width: int, dropout: float) -> None:
        super().__init__()
        self.kind = task.kind
        self.dropout = nn.Dropout(dropout)
        if task.kind is not Kind.TOKENS:
            self.query = nn.Linear(width, 1)
            nn.init.zeros_(self.query.weight)
            self.dense = nn.Linear(2 * width, width)
        self.logits = nn.Linear(width, len(task.classes))
        nn.init.normal_(self.logits.weight, std=0.02)
        nn.init.zeros_(self.logits.bias)

    def forward(self, x: Tensor, among: Tensor) -> Tensor:
        """[texts, tokens, classes] for TOKENS; [texts, classes] else.

        Of a text's tokens those `among` (0 or 1, [texts, tokens]) are weighed by attention; their sum
        and the first token ([CLS]) make the logits.
        """
        if self.kind is Kind.TOKENS:
            return self.logits(self.dropout(x))
        weights = self.query(x).squeeze(-1).float().masked_fill(among == 0, -1e4).softmax(-1)
        pooled = torch.cat((x[:, 0], (weights.unsqueeze(-1).to(x.dtype) * x).sum(1)), -1)
        return self.logits(self.dropout(torch.tanh(self.dense(self.dropout(pooled)))))


class Encoder(nn.Module):
    """Embeddings, layers and a head for each task."""

    def __init__(self, size: Size, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.size = size
        self.words = nn.Embedding(size.vocabulary, size.width)
        self.positions = nn.Embedding(size.positions, size.width)
        self.types = nn.Embedding(2, size.width)
        self.shapes = nn.Embedding(shapes.COUNT, size.width)
        nn.init.zeros_(self.shapes.weight)
        self.norm = nn.LayerNorm(size.width, eps=1e-12)
        self.dropout = nn.Dropout(size.dropout)
        self.layers = nn.ModuleList(Layer(size) for _ in range(size.layers))
        self.branch = nn.ModuleList(Layer(size) for _ in range(size.own))
        self.heads = nn.ModuleDict(
            {task.name: Head(task, size.width, size.dropout) for task in tasks}
        )
        self.kinds = {task.name: task.kind for task in tasks}

    def forward(self, name: str, ids: Tensor, types: Tensor, word_shapes: Tensor) -> Tensor:
        """The logits of the task `name`; inputs are [texts, tokens], padded by 0 in `ids`."""
        kind = self.kinds[name]
        real = ids != 0
        x = self.words(ids) + self.positions.weight[: ids.shape[1]]
        x = x + self.types(types) + self.shapes(word_shapes)
        x = self.dropout(self.norm(x))
        mask = None
        if not bool(real.all()):
            mask = torch.zeros(real.shape, dtype=x.dtype).masked_fill(~real, -1e4)[:, None, None]
        for layer in self.path(kind):
            x = layer(x, mask if mask is None else mask.to(x.dtype))
        return self.heads[name](x, types if kind is Kind.TARGET else real.long())

    def path(self, kind: Kind) -> list[nn.Module]:
        """The layers that answers of a kind go through."""
        if kind in (Kind.SINGLE, Kind.MULTIPLE) or not self.size.own:
            return list(self.layers)
        return [*self.layers[: self.size.layers - self.size.own], *self.branch]


def begin(folder: Path, tasks: Sequence[Task], own: int = 0, dropout: float = 0.1) -> Encoder:
    """The encoder with the weights of a BERT model (config.json, model.safetensors) and new heads."""
    from safetensors.torch import load_file  # pyright: ignore[reportMissingImports]

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    size = Size(
        vocabulary=config["vocab_size"],
        width=config["hidden_size"],
        inner=config["intermediate_size"],
        layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        positions=config["max_position_embeddings"],
        own=own,
        dropout=dropout,
    )
    model = Encoder(size, tasks)
    kept = load_file(str(folder / "model.safetensors"))
    told: dict[str, Tensor] = {}
    for ours, theirs in _EMBEDDINGS.items():
        told[ours] = kept[f"embeddings.{theirs}"]
    for at in range(size.layers):
        layer = {name: tensor for name, tensor in _layer(kept, f"encoder.layer.{at}.")}
        told.update({f"layers.{at}.{name}": tensor for name, tensor in layer.items()})
        twin = at - (size.layers - own)
        if twin >= 0:
            told.update({f"branch.{twin}.{name}": tensor.clone() for name, tensor in layer.items()})
    missing, unknown = model.load_state_dict(told, strict=False)
    lacking = [name for name in missing if not name.startswith(("heads.", "shapes."))]
    if lacking or unknown:
        raise ValueError(f"{folder} is no such encoder: {lacking[:3]}, {unknown[:3]}")
    return model


_EMBEDDINGS = {
    "words.weight": "word_embeddings.weight",
    "positions.weight": "position_embeddings.weight",
    "types.weight": "token_type_embeddings.weight",
    "norm.weight": "LayerNorm.weight",
    "norm.bias": "LayerNorm.bias",
}
_LAYER = {
    "out": "attention.output.dense",
    "norm": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "last": "output.LayerNorm",
}


def _layer(kept: dict[str, Tensor], prefix: str) -> list[tuple[str, Tensor]]:
    told = []
    for part in ("weight", "bias"):
        three = [
            kept[f"{prefix}attention.self.{name}.{part}"] for name in ("query", "key", "value")
        ]
        told.append((f"qkv.{part}", torch.cat(three)))
        told += [
            (f"{ours}.{part}", kept[f"{prefix}{theirs}.{part}"]) for ours, theirs in _LAYER.items()
        ]
    return told
