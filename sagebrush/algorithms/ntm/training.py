"""The epochs of a training job: mini-batches, losses, early stopping, and the lines that the log has of them.

The lines are those of AWS's algorithm (github.com/apache/mxnet, issue 16230, has a whole log).
"""

from __future__ import annotations

import copy
import math
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sparse  # pyright: ignore[reportMissingImports]
import torch  # pyright: ignore[reportMissingImports]
from contract import log
from contract.errors import ClientError

from . import model
from .hosts import Hosts
from .model import Autoencoder
from .parameters import Parameters
from .stopping import Patience

SEED = 20180907
"""AWS's algorithm has no seed among its hyperparameters: two runs on one host are equal here."""
EVALUATED = 1024
"""Documents that are evaluated at a time, where the vocabulary is small."""
SETTLED = 128
"""Documents of a batch by which norms are set after an epoch."""
_SETTLING = 24
"""How many such batches there are."""
_CELLS = 1 << 24
"""Cells of the matrix of an evaluated batch."""


@dataclass(frozen=True)
class Means:
    """Losses per word of the text: their sum is the logarithm of the perplexity's bound."""

    recons: float
    kld: float

    @property
    def total(self) -> float:
        return self.recons + self.kld


class Trainer:
    """One training job on this host's documents."""

    def __init__(
        self,
        wanted: Parameters,
        documents: sparse.csr_matrix,
        validation: sparse.csr_matrix | None,
        hosts: Hosts,
        host: str,
    ) -> None:
        torch.manual_seed(SEED)
        self.wanted, self.documents, self.validation = wanted, documents, validation
        self.hosts, self.host = hosts, host
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network = Autoencoder(wanted, documents).to(self.device)
        # All begin alike: with the mean of what the hosts' own parts of the text gave them.
        with torch.no_grad():
            hosts.average(self.network.parameters())
        self.optimizer = model.optimizer(self.network, wanted)
        self.chance = np.random.default_rng(SEED + hosts.rank)

    def run(self, stopping: threading.Event) -> None:
        """The network has the weights of its best epoch; `stopping` ends training after a mini-batch."""
        patience = Patience(self.wanted.num_patience_epochs, self.wanted.tolerance)
        best, best_epoch, kept = math.inf, 0, self.network.state_dict()
        for epoch in range(1, self.wanted.epochs + 1):
            loss = self._epoch(epoch, patience, stopping)
            if not math.isfinite(loss):
                if best == math.inf:
                    raise ClientError(
                        f"Training diverged: the loss of epoch {epoch} is not a number. Please lower"
                        " learning_rate, or set clip_gradient"
                    )
                log.info("The loss is not a number any more: training ends", "WARNING")
                break
            if loss < best:
                best, best_epoch = loss, epoch
                kept = copy.deepcopy(self.network.state_dict())
            patience = patience.after(loss)
            if patience.exhausted or stopping.is_set():
                break
        self.network.load_state_dict(kept)
        log.info(f"Best model based on early stopping at epoch {best_epoch}. Best loss: {best}")

    def evaluate(self, documents: sparse.csr_matrix) -> Means:
        """The losses of the documents, each with the middle of its Gaussian."""
        self.network.eval()
        sums = torch.zeros(3, device=self.device)
        with torch.no_grad():
            for rows in _parts(documents):
                found = documents[rows]
                sums += self.network(self._dense(found), found).sums
        return _means(sums.tolist())

    def _epoch(self, epoch: int, patience: Patience, stopping: threading.Event) -> float:
        """The loss by which the epoch is judged: of validation data where there is any."""
        log.info("")
        log.info(f"# Starting training for epoch {epoch}")
        started = time.time()
        trained, seen, batches = self._train(stopping)
        took = time.time() - started
        log.info(
            f"# Finished training epoch {epoch} on {seen} examples from {batches} batches, each of size"
            f" {self.wanted.mini_batch_size}."
        )
        _tell("Training", trained)
        log.quality("train total_loss", trained.total, self.host, epoch)
        judged, checked = trained, 0.0
        if self.validation is not None:
            log.info("")
            log.info(f"# Starting evaluation for epoch {epoch}")
            before = time.time()
            judged = self.evaluate(self.validation)
            checked = time.time() - before
            _tell("Inference", judged)
            log.quality("validation total_loss", judged.total, self.host, epoch)
        (loss,) = self.hosts.mean(judged.total)
        for line in patience.told(loss):
            log.info(line)
        whole = time.time() - started
        log.info(f"Timing: train: {took:.2f}s, val: {checked:.2f}s, epoch: {whole:.2f}s")
        log.progress(self.host, round(100 * epoch / self.wanted.epochs, 1))
        log.metrics(
            {"epoch.time": 1000 * whole, "Number of Records Since Last Reset": seen},
            started=started,
            host=self.host,
            algorithm="AWS/NTM",
            dimensions={"Meta": "training_data_iter", "epoch": epoch - 1},
        )
        log.throughput(self.host, seen / max(took, 1e-9))
        return loss

    def _train(self, stopping: threading.Event) -> tuple[Means, int, int]:
        """(the losses over all hosts, this host's documents and batches) of one pass."""
        self.network.train()
        sums, seen, batches = torch.zeros(3, device=self.device), 0, 0
        for rows in self._batches():
            found = self.documents[rows]
            self.network.use_batch_norms(len(rows) >= model.LEAST)
            losses = self.network(self._dense(found), found)
            self.optimizer.zero_grad()
            losses.objective.backward()
            self._step()
            with torch.no_grad():
                sums += losses.sums
            seen, batches = seen + len(rows), batches + 1
            if self._stopped(stopping):
                break
        self._settle_norms()
        return _means(self.hosts.mean(*sums.tolist())), seen, batches

    def _settle_norms(self) -> None:
        """The norms are those of this epoch's weights, over training documents of all hosts."""
        count = self.documents.shape[0]
        size = min(count, max(model.LEAST, min(SETTLED, _CELLS // self.documents.shape[1])))
        if count < model.LEAST:
            return
        self.network.train()
        for norm in self.network.norms:
            norm.reset_running_stats()
        order = self.chance.permutation(count)[: _SETTLING * size]
        with torch.no_grad():
            for start in range(0, len(order) - size + 1, size):
                found = self.documents[order[start : start + size]]
                self.network(self._dense(found), found)
            averages = (b for b in self.network.buffers() if b.is_floating_point())
            self.hosts.average(averages)

    def _step(self) -> None:
        grads = [each.grad for each in self.network.parameters() if each.grad is not None]
        self.hosts.average(grads)
        for grad in grads:
            if self.wanted.rescale_gradient != 1:
                grad *= self.wanted.rescale_gradient
            if self.wanted.clip_gradient != math.inf:
                grad.clamp_(-self.wanted.clip_gradient, self.wanted.clip_gradient)
        self.optimizer.step()

    def _stopped(self, stopping: threading.Event) -> bool:
        """Whether any host is to stop: all then leave the epoch at the same mini-batch."""
        return self.hosts.most(int(stopping.is_set())) > 0

    def _batches(self) -> Iterator[npt.NDArray[np.int64]]:
        """The rows of each mini-batch, in a new order; as many on every host, so that all meet at each."""
        count, size = self.documents.shape[0], self.wanted.mini_batch_size
        taken = max(1, math.ceil(count * self.wanted.sub_sample))
        steps = self.hosts.most(_steps(taken, size))
        order = self.chance.permutation(count)[:taken]
        own = [order[at * size : (at + 1) * size] for at in range(_steps(taken, size))]
        for step in range(steps):
            yield own[step % len(own)]

    def _dense(self, rows: sparse.csr_matrix) -> torch.Tensor:
        """The rows on the device, with their zeros."""
        if self.device.type == "cpu":
            return torch.from_numpy(rows.toarray())
        parts = [torch.from_numpy(part.astype(np.int64)) for part in (rows.indptr, rows.indices)]
        values = torch.from_numpy(rows.data)
        packed = torch.sparse_csr_tensor(*parts, values, rows.shape, device=self.device)
        return packed.to_dense()


def _steps(count: int, size: int) -> int:
    """The mini-batches of an epoch: a last one too small for its statistics is left out."""
    whole, rest = divmod(count, size)
    return max(1, whole + (rest >= model.LEAST))


def _parts(documents: sparse.csr_matrix) -> Iterator[slice]:
    size = max(1, min(EVALUATED, _CELLS // documents.shape[1]))
    for start in range(0, documents.shape[0], size):
        yield slice(start, start + size)


def _means(sums: Sequence[float]) -> Means:
    recons, kld, words = sums
    return Means(recons / max(words, 1), kld / max(words, 1))


def _tell(what: str, means: Means) -> None:
    log.info(f"Metrics for {what}:")
    values: Sequence[tuple[str, float]] = (
        ("total", means.total),
        ("kld", means.kld),
        ("recons", means.recons),
        ("logppx", means.total),
    )
    for name, value in values:
        log.info(f"Loss (name: value) {name}: {value}")
