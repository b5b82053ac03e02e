"""The variational autoencoder: word counts to a mixture of topics, and back to word chances.

The model of AWS's notebooks: an encoder MLP gives the mean and the variance of a Gaussian for each document; the
topic weights are the softmax of a draw from it; the decoder's word chances are softmax(W theta + b).
Sources: Miao, Yu, Blunsom, "Neural Variational Inference for Text Processing" (2016), which the guide names;
Srivastava and Sutton, "Autoencoding Variational Inference for Topic Models" (2017): the normalised mean
and variance, without which the topics collapse into a few, and `batch_norm` in the decoder.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch  # pyright: ignore[reportMissingImports]
from scipy.sparse import csr_matrix  # pyright: ignore[reportMissingImports]
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]
from torch.nn import functional  # pyright: ignore[reportMissingImports]

from .parameters import Parameters

ACTIVATIONS = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}
LEAST = 16
"""Documents of a mini-batch below which its own mean and variance mean little."""
EPSILON = 1e-12
"""Of the posterior's norms. With PyTorch's 1e-5 the encoder escapes them: its outputs become so small that
all documents have the same mixture (measured: 1 topic used of 50)."""


@dataclass(frozen=True)
class Losses:
    """Of each document: what its words cost, the distance from the prior, and how many words it has."""

    recons: Tensor
    kld: Tensor
    length: Tensor

    @property
    def objective(self) -> Tensor:
        """The mean negative evidence lower bound, which training makes small."""
        return (self.recons + self.kld).mean()

    @property
    def sums(self) -> Tensor:
        """The sums over documents of recons, kld and length."""
        return torch.stack([self.recons.sum(), self.kld.sum(), self.length.sum()])


class _Likelihood(torch.autograd.Function):
    """Minus the logarithm of the documents' words under softmax(scores), without the passes over all
    words that autograd would make for each operation."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, counts: Tensor) -> Tensor:
        peak = scores.amax(1, keepdim=True)
        chances = (scores - peak).exp_()
        total = chances.sum(1, keepdim=True)
        chances /= total
        length = counts.sum(1, keepdim=True)
        ctx.save_for_backward(chances, counts, length)
        cost = length * (total.log() + peak)
        return cost.squeeze(1) - (counts * scores).sum(1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        chances, counts, length = ctx.saved_tensors
        each = grad[:, None]
        return torch.addcmul(chances * (length * each), counts, each, value=-1), None


class _Product(torch.autograd.Function):
    """rows @ weight, for rows whose zeros are not stored: a document has few of the words."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, rows: csr_matrix) -> Tensor:
        ctx.rows = rows
        return torch.from_numpy(rows @ weight.detach().numpy())

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return torch.from_numpy(ctx.rows.T @ grad.numpy()), None


class Words(nn.Module):
    """The encoder's first layer: logarithms of word counts in, (documents, size) out."""

    def __init__(self, size: int, documents: csr_matrix) -> None:
        """Its weights begin so that the outputs for `documents` vary by about 1."""
        super().__init__()
        bound = math.sqrt(3 / max(documents.log1p().power(2).sum(1).mean(), 1e-6))
        weight = torch.empty(documents.shape[1], size).uniform_(-bound, bound)
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(torch.zeros(size))

    def forward(self, counts: Tensor, rows: csr_matrix) -> Tensor:
        """`counts` and `rows` are the same documents."""
        if self.weight.device.type != "cpu":
            return torch.log1p(counts) @ self.weight + self.bias
        return _Product.apply(self.weight, rows.log1p()) + self.bias


class Autoencoder(nn.Module):
    """NTM's network."""

    def __init__(self, wanted: Parameters, documents: csr_matrix) -> None:
        """`documents` are those it is trained on: weights begin from what they are like."""
        super().__init__()
        activation, sizes = ACTIVATIONS[wanted.encoder_layers_activation], wanted.encoder_layers
        self.words = Words(sizes[0], documents)
        layers: list[nn.Module] = [activation()]
        for inside, outside in zip(sizes, sizes[1:]):
            layers += [nn.Linear(inside, outside), activation()]
        self.encoder = nn.Sequential(*layers)
        topics = wanted.num_topics
        self.mean, self.variance = nn.Linear(sizes[-1], topics), nn.Linear(sizes[-1], topics)
        self.mean_norm, self.variance_norm = _norm(topics), _norm(topics)
        self.projection = nn.Linear(topics, wanted.feature_dim)
        nn.init.xavier_uniform_(self.projection.weight)
        counts = torch.from_numpy(np.asarray(documents.sum(0), np.float32).ravel()) + 1
        self.projection.bias.data = torch.log(counts / counts.sum())
        self.scores_norm: nn.Module = nn.Identity()
        if wanted.batch_norm:
            self.scores_norm = _norm(wanted.feature_dim, 1e-5)

    def use_batch_norms(self, wanted: bool) -> None:
        """Whether each mini-batch is normalised by itself, or by what `norms` were set to."""
        for norm in self.norms:
            norm.train(wanted)

    @property
    def norms(self) -> list[nn.BatchNorm1d]:
        """What normalises the mean, the variance and, with batch_norm, the words' scores."""
        return [each for each in self.modules() if isinstance(each, nn.BatchNorm1d)]

    def forward(self, counts: Tensor, rows: csr_matrix) -> Losses:
        """The losses of documents: `counts` and `rows` are both their word counts, (documents, words)."""
        hidden = self.encoder(self.words(counts, rows))
        mean, spread = self.mean_norm(self.mean(hidden)), self.variance_norm(self.variance(hidden))
        score = mean
        if self.training:
            score = mean + torch.exp(0.5 * spread) * torch.randn_like(mean)
        scores = self.scores_norm(self.projection(functional.softmax(score, 1)))
        kld = 0.5 * (spread.exp() + mean**2 - 1 - spread).sum(1)
        return Losses(_Likelihood.apply(scores, counts), kld, counts.sum(1))


def _norm(size: int, epsilon: float = EPSILON) -> nn.BatchNorm1d:
    """Without a momentum: it averages over all batches since it was reset."""
    return nn.BatchNorm1d(size, epsilon, momentum=None, affine=False)


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
    found["encoder_0_weight"], found["encoder_0_bias"] = network.words.weight.T, network.words.bias
    linear = [each for each in network.encoder if isinstance(each, nn.Linear)]
    for number, layer in enumerate(linear, 1):
        found[f"encoder_{number}_weight"] = layer.weight
        found[f"encoder_{number}_bias"] = layer.bias
    found["mean_weight"], found["mean_bias"] = _folded(network.mean, network.mean_norm)
    found["variance_weight"], found["variance_bias"] = _folded(
        network.variance, network.variance_norm
    )
    weight, bias = network.projection.weight, network.projection.bias
    if isinstance(network.scores_norm, nn.BatchNorm1d):
        weight, bias = _folded(network.projection, network.scores_norm)
    found["projection_weight"], found["projection_bias"] = weight, bias
    return {
        name: np.ascontiguousarray(each.detach().cpu().float().numpy())
        for name, each in found.items()
    }


def _folded(layer: nn.Linear, norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """Weight and bias of the one layer that does what both do."""
    scale = torch.rsqrt(norm.running_var + norm.eps)
    return layer.weight * scale[:, None], (layer.bias - norm.running_mean) * scale
