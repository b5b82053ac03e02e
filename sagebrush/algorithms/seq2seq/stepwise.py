"""Products of one step after another with the same matrix, whose gradients are made once for all steps.

Autograd makes a matrix' gradient anew in each step and adds them up: as many times the memory traffic of
the matrix as there are steps. Here the steps keep what it is made of, and one product makes it. What a
decoder reads in every step is `shared` once a batch, and read by `product` or `additive_scores`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch  # pyright: ignore[reportMissingImports]
from torch import Tensor  # pyright: ignore[reportMissingImports]
from torch.autograd import Function  # pyright: ignore[reportMissingImports]


@dataclass
class Kept:
    """What the steps of one batch left for the gradient of a shared tensor."""

    inputs: list[Tensor] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)
    """The gradients of the products of `inputs`."""
    total: Tensor | None = None
    """What was added up already."""

    def gradient(self) -> Tensor | None:
        """Of all steps; they are forgotten."""
        found, self.total = self.total, None
        if self.inputs:
            outputs, inputs = torch.cat(self.outputs, -2), torch.cat(self.inputs, -2)
            # The order of the layer's own weights, whose transpose is the matrix.
            made = (outputs.mT @ inputs).mT
            found = made if found is None else found + made
            self.inputs, self.outputs = [], []
        return found


@dataclass(frozen=True)
class Shared:
    """A tensor that every step reads, and what they left for its gradient."""

    values: Tensor
    kept: Kept


def shared(values: Tensor) -> Shared:
    """The tensor for all steps of a batch. It may be read by one kind of function alone."""
    kept = Kept()
    if torch.is_grad_enabled() and values.requires_grad:
        return Shared(_Shared.apply(values, kept), kept)
    return Shared(values, kept)


def product(values: Tensor, matrix: Shared, added: Tensor | None = None) -> Tensor:
    """`values` @ `matrix`, both of two dimensions or of three, plus `added` of the result's shape."""
    if not torch.is_grad_enabled():
        if added is None:
            return values @ matrix.values
        return torch.addmm(added, values, matrix.values)
    return _Product.apply(values, matrix.values, added, matrix.kept)


def additive_scores(keys: Shared, query: Tensor, weights: Shared) -> Tensor:
    """(sequences, length): `weights` (units) · tanh(`keys` (sequences, length, units) + `query`
    (sequences, units))."""
    if not torch.is_grad_enabled():
        return torch.tanh(keys.values + query.unsqueeze(1)) @ weights.values
    return _AdditiveScores.apply(keys.values, query, weights.values, keys.kept, weights.kept)


class _Shared(Function):
    """The node that all steps' gradients pass before it makes the tensor's."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, kept: Kept) -> Tensor:
        ctx.kept = kept
        ctx.set_materialize_grads(False)
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *_gradients: Tensor | None) -> tuple[Tensor | None, None]:
        return ctx.kept.gradient(), None


class _Product(Function):
    @staticmethod
    def forward(
        ctx: Any, values: Tensor, matrix: Tensor, added: Tensor | None, kept: Kept
    ) -> Tensor:
        ctx.save_for_backward(values, matrix)
        ctx.kept, ctx.adds = kept, added is not None
        return values @ matrix if added is None else torch.addmm(added, values, matrix)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, Tensor | None, None]:
        values, matrix = ctx.saved_tensors
        (gradient,) = gradients
        if ctx.needs_input_grad[1]:
            ctx.kept.inputs.append(values)
            ctx.kept.outputs.append(gradient)
        found = gradient @ matrix.mT if ctx.needs_input_grad[0] else None
        return found, None, gradient if ctx.adds else None, None


class _AdditiveScores(Function):
    @staticmethod
    def forward(
        ctx: Any, keys: Tensor, query: Tensor, weights: Tensor, of_keys: Kept, of_weights: Kept
    ) -> Tensor:
        active = (keys + query.unsqueeze(1)).tanh_()
        ctx.save_for_backward(active, weights)
        ctx.of_keys, ctx.of_weights = of_keys, of_weights
        return active @ weights

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor, None, None, None]:
        active, weights = ctx.saved_tensors
        (gradient,) = gradients
        _add(ctx.of_weights, active.flatten(0, 1).mT @ gradient.flatten())
        # weights * (1 - active²) * gradient, in as few passes as there can be
        made = torch.addcmul(weights, active * weights, active, value=-1.0)
        made *= gradient.unsqueeze(2)
        of_query = made.sum(1)
        _add(ctx.of_keys, made)
        return None, of_query, None, None, None


def _add(kept: Kept, part: Tensor) -> None:
    if kept.total is None:
        kept.total = part
    else:
        kept.total += part
