"""The variational autoencoder: word counts to a mixture of topics, and back to word chances.

The model of AWS's notebooks: an encoder MLP gives the mean and the variance of a Gaussian for each document; the
topic weights are the softmax of a draw from it; the decoder's word chances are softmax(W theta + b).
Sources: Miao, Yu, Blunsom, "Neural Variational Inference for Text Processing" (2016), which the guide names;
Srivastava and Sutton, "Autoencoding Variational Inference for Topic Models" (2017): the normalised mean
and variance, without which the topics collapse into a few, and `batch_norm` in the decoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from .parameters import Parameters

ACTIVATIONS = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}
LEAST = 16
"""Documents in a mini-batch below which statistics of it mean little: a shorter last one is left out."""


@dataclass(frozen=True)
class Losses:
    """Of each document, per word: what its words cost, and the distance from the prior."""

    recons: Tensor
    kld: Tensor

    @property
    def total(self) -> Tensor:
        """The negative evidence lower bound per word: the logarithm of the perplexity's bound."""
        return self.recons + self.kld


class _Likelihood(torch.autograd.Function):
    """Minus the logarithm of the documents' words under softmax(scores), without the passes over all
    words that autograd would make for each operation."""

    @staticmethod
    def forward(ctx, scores: Tensor, counts: Tensor) -> Tensor:  # pyright: ignore  # noqa: ANN001
        peak = scores.amax(1, keepdim=True)
        chances = (scores - peak).exp_()
        total = chances.sum(1, keepdim=True)
        chances /= total
        length = counts.sum(1, keepdim=True)
        ctx.save_for_backward(chances, counts, length)
        cost = length * (total.log() + peak)
        return cost.squeeze(1) - (counts * scores).sum(1)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:  # pyright: ignore  # noqa: ANN001
        chances, counts, length = ctx.saved_tensors
        each = grad[:, None]
        return torch.addcmul(chances * (length * each), counts, each, value=-1), None


class Autoencoder(nn.Module):
    """NTM's network."""

    def __init__(self, wanted: Parameters, frequencies: npt.NDArray[np.float32]) -> None:
        """`frequencies` are the words' shares of the training text; the decoder begins from them."""
        super().__init__()
        sizes = (wanted.feature_dim, *wanted.encoder_layers)
        layers: list[nn.Module] = []
        for inside, outside in zip(sizes, sizes[1:]):
            layers += [nn.Linear(inside, outside), ACTIVATIONS[wanted.encoder_layers_activation]()]
        self.encoder = nn.Sequential(*layers)
        topics = wanted.num_topics
        self.mean, self.variance = nn.Linear(sizes[-1], topics), nn.Linear(sizes[-1], topics)
        self.mean_norm = nn.BatchNorm1d(topics, affine=False)
        self.variance_norm = nn.BatchNorm1d(topics, affine=False)
        self.projection = nn.Linear(topics, wanted.feature_dim)
        nn.init.xavier_uniform_(self.projection.weight)
        self.projection.bias.data = torch.from_numpy(np.log(frequencies))
        self.scores_norm: nn.Module = nn.Identity()
        if wanted.batch_norm:
            self.scores_norm = nn.BatchNorm1d(wanted.feature_dim, affine=False)

    def posterior(self, counts: Tensor) -> tuple[Tensor, Tensor]:
        """The mean and the logarithm of the variance, (documents, topics), of each document's Gaussian."""
        hidden = self.encoder(torch.log1p(counts))
        return self.mean_norm(self.mean(hidden)), self.variance_norm(self.variance(hidden))

    def forward(self, counts: Tensor) -> Losses:
        """The losses of the documents whose word counts, (documents, words), these are."""
        mean, spread = self.posterior(counts)
        score = mean
        if self.training:
            score = mean + torch.exp(0.5 * spread) * torch.randn_like(mean)
        scores = self.scores_norm(self.projection(functional.softmax(score, 1)))
        length = counts.sum(1).clamp(min=1)
        kld = 0.5 * (spread.exp() + mean**2 - 1 - spread).sum(1)
        return Losses(_Likelihood.apply(scores, counts) / length, kld / length)  # pyright: ignore


def optimizer(network: nn.Module, wanted: Parameters) -> torch.optim.Optimizer:
    """The optimiser, with MXNet's settings: adadelta has no learning rate there."""
    weights, rate, decay = network.parameters(), wanted.learning_rate, wanted.weight_decay
    if wanted.optimizer == "sgd":
        return torch.optim.SGD(weights, rate, weight_decay=decay)
    if wanted.optimizer == "adam":
        return torch.optim.Adam(weights, rate, weight_decay=decay, fused=True)
    if wanted.optimizer == "adagrad":
        return torch.optim.Adagrad(weights, rate, weight_decay=decay, eps=1e-7)
    if wanted.optimizer == "rmsprop":
        return torch.optim.RMSprop(weights, rate, alpha=0.9, weight_decay=decay)
    return torch.optim.Adadelta(weights, 1.0, rho=0.9, eps=1e-5, weight_decay=decay)


def arrays(network: Autoencoder) -> dict[str, npt.NDArray[np.float32]]:
    """The network's arrays by the names of the artefact; the norm of the mean is part of its layer."""
    found: dict[str, Tensor] = {}
    linear: Sequence[nn.Module] = [each for each in network.encoder if isinstance(each, nn.Linear)]
    for number, layer in enumerate(linear):
        found[f"encoder_{number}_weight"] = layer.weight  # pyright: ignore
        found[f"encoder_{number}_bias"] = layer.bias  # pyright: ignore
    found["mean_weight"], found["mean_bias"] = _folded(network.mean, network.mean_norm)
    found["variance_weight"], found["variance_bias"] = _folded(
        network.variance, network.variance_norm
    )
    weight, bias = network.projection.weight, network.projection.bias
    if isinstance(network.scores_norm, nn.BatchNorm1d):
        weight, bias = _folded(network.projection, network.scores_norm)
    found["projection_weight"], found["projection_bias"] = weight, bias
    return {name: each.detach().cpu().float().numpy().copy() for name, each in found.items()}


def _folded(layer: nn.Linear, norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """Weight and bias of the one layer that does what both do."""
    assert norm.running_var is not None and norm.running_mean is not None  # noqa: S101
    scale = torch.rsqrt(norm.running_var + norm.eps)
    return layer.weight * scale[:, None], (layer.bias - norm.running_mean) * scale
