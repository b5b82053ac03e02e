"""A small network on points.csv: trains it, saves its TorchScript, and serves it as an endpoint."""

import argparse
import csv
import os

import torch


def model_fn(folder):
    return torch.jit.load(os.path.join(folder, "model.pt"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    given = parser.parse_args()
    with open(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "points.csv"), newline="") as file:
        rows = [[float(cell) for cell in row] for row in list(csv.reader(file))[1:]]
    table = torch.tensor(rows)
    points, labels = table[:, :2], table[:, 2].long()
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=given.learning_rate)
    for _ in range(given.epochs):
        loss = torch.nn.functional.cross_entropy(model(points), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    accuracy = (model(points).argmax(-1) == labels).float().mean().item()
    print(f"train_accuracy={accuracy:.4f};", flush=True)
    model.eval()
    traced = torch.jit.trace(model, points[:1])
    traced.save(os.path.join(os.environ["SM_MODEL_DIR"], "model.pt"))
