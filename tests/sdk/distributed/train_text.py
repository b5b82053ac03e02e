"""A text classifier by data-parallel training: hashed words, their mean, one hidden layer, SGD.

The same batches in the same order however many processes share each of them, so that a run of
several equals a run of one. Run under torchrun, under mpirun, or by itself.
"""

import argparse
import csv
import os
import re
import time
import zlib

import torch
import torch.distributed
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel


def read(folder, name):
    """(label, text) of each line of a CSV file."""
    with open(os.path.join(folder, name), newline="") as file:
        return [(row["label"], row["text"]) for row in csv.DictReader(file)]


def encoded(text, buckets):
    """The numbers of a text's words."""
    words = re.findall(r"\w+", text.lower()) or ["-"]
    return torch.tensor([zlib.crc32(word.encode()) % buckets for word in words])


class Classifier(torch.nn.Module):
    def __init__(self, buckets, width, labels):
        super().__init__()
        self.words = torch.nn.EmbeddingBag(buckets, width, mode="mean")
        self.rest = torch.nn.Sequential(
            torch.nn.Linear(width, 4 * width), torch.nn.ReLU(), torch.nn.Linear(4 * width, labels)
        )

    def forward(self, texts):
        lengths = torch.tensor([0, *(len(text) for text in texts[:-1])])
        return self.rest(self.words(torch.cat(texts), lengths.cumsum(0)))


def started():
    """(rank, processes); the process group is there where there are several."""
    if "OMPI_COMM_WORLD_SIZE" in os.environ:  # mpirun starts it
        os.environ["RANK"] = os.environ["OMPI_COMM_WORLD_RANK"]
        os.environ["WORLD_SIZE"] = os.environ["OMPI_COMM_WORLD_SIZE"]
        for name in ("MASTER_ADDR", "MASTER_PORT"):  # SDK v3 has them by these names
            os.environ.setdefault(name, os.environ.get(f"SM_{name}", ""))
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return 0, 1
    torch.distributed.init_process_group("gloo")
    return torch.distributed.get_rank(), torch.distributed.get_world_size()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--lr", type=float, default=4.0)
    parser.add_argument("--buckets", type=int, default=4096)
    parser.add_argument("--width", type=int, default=32)
    given = parser.parse_args()
    rank, processes = started()
    folder = os.environ.get("SM_CHANNEL_TRAIN", "/opt/ml/input/data/train")
    train, test = read(folder, "train.csv"), read(folder, "test.csv")
    names = sorted({label for label, _ in train})
    texts = [encoded(text, given.buckets) for _, text in train]
    labels = torch.tensor([names.index(label) for label, _ in train])
    torch.manual_seed(0)
    model = Classifier(given.buckets, given.width, len(names))
    shared = DistributedDataParallel(model) if processes > 1 else model
    optimizer = torch.optim.SGD(model.parameters(), lr=given.lr)
    order = torch.Generator().manual_seed(0)
    begun, loss = time.perf_counter(), torch.zeros(())
    for _ in range(given.epochs):
        places = torch.randperm(len(texts), generator=order)
        # whole batches only: each process has as many texts of one as any other
        for batch in places[: len(texts) // given.batch * given.batch].split(given.batch):
            own = batch[rank::processes]
            loss = cross_entropy(shared([texts[i] for i in own]), labels[own])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    seconds = time.perf_counter() - begun
    if processes > 1:
        torch.distributed.all_reduce(loss.detach_())
    if rank == 0:
        with torch.no_grad():
            found = model([encoded(text, given.buckets) for _, text in test]).argmax(1)
        right = sum(names[i] == label for i, (label, _) in zip(found, test, strict=True))
        threads, weight = (
            torch.get_num_threads(),
            sum(p.detach().double().sum().item() for p in model.parameters()),
        )
        print(
            f"processes={processes}; threads={threads}; loop_seconds={seconds:.4f};"
            f" loss={loss.item() / processes:.7f}; weights={weight:.5f};"
            f" accuracy={right / len(test):.5f};",
            flush=True,
        )
        place = os.environ.get("SM_MODEL_DIR", "/opt/ml/model")
        torch.save(model.state_dict(), os.path.join(place, "weights.pt"))
    if processes > 1:
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
