"""Fine-tunes the encoder of the channel `model` on labelled sentences; saves what pipelines load."""

import argparse
import csv
import os
import time

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=2)
parser.add_argument("--batch-size", type=int, default=32)
parser.add_argument("--learning-rate", type=float, default=1e-4)
parser.add_argument("--max-length", type=int, default=64)
parser.add_argument("--freeze", type=int, default=0, help="layers that stay as they are")
parser.add_argument("--seed", type=int, default=0)
given = parser.parse_args()
torch.manual_seed(given.seed)


def channel(name):
    return os.environ[f"SM_CHANNEL_{name}"]


def read(name):
    with open(os.path.join(channel("DATA"), name), newline="", encoding="utf-8") as file:
        return [(row["text"], row["label"]) for row in csv.DictReader(file)]


train, valid = read("train.csv"), read("valid.csv")
labels = sorted({label for _, label in train})
tokenizer = AutoTokenizer.from_pretrained(channel("MODEL"))
model = AutoModelForSequenceClassification.from_pretrained(
    channel("MODEL"),
    num_labels=len(labels),
    id2label=dict(enumerate(labels)),
    label2id={label: i for i, label in enumerate(labels)},
)
# Word vectors of words that 8,000 sentences hold are not taken away from those of all others.
frozen = [model.base_model.embeddings, *model.base_model.encoder.layer[: given.freeze]]
for part in frozen:
    part.requires_grad_(False)


def encoded(rows):
    """Token ids and label of each row."""
    ids = tokenizer([t for t, _ in rows], truncation=True, max_length=given.max_length)["input_ids"]
    return [(i, labels.index(label)) for i, (_, label) in zip(ids, rows, strict=True)]


def batches(rows, size):
    """Rows of much the same length together: little of a batch is padding."""
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        told = tokenizer.pad({"input_ids": [ids for ids, _ in part]}, return_tensors="pt")
        yield told, torch.tensor([label for _, label in part])


def accuracy(rows):
    model.eval()
    right = 0
    with torch.inference_mode():
        for told, answers in batches(sorted(rows, key=lambda row: len(row[0])), 64):
            right += int((model(**told).logits.argmax(-1) == answers).sum())
    return right / len(rows)


rows, held = encoded(train), encoded(valid)
steps = given.epochs * -(-len(rows) // given.batch_size)
learned = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.AdamW(learned, lr=given.learning_rate, weight_decay=0.01)
schedule = torch.optim.lr_scheduler.OneCycleLR(
    optimizer, given.learning_rate, total_steps=steps, pct_start=0.1, anneal_strategy="linear"
)
began = time.monotonic()
for epoch in range(given.epochs):
    model.train()
    # Sorted within large random groups, whose batches come in random order.
    order = torch.randperm(len(rows)).tolist()
    group = given.batch_size * 50
    made = []
    for start in range(0, len(order), group):
        near = sorted((rows[i] for i in order[start : start + group]), key=lambda row: len(row[0]))
        made += list(batches(near, given.batch_size))
    total = 0.0
    for i in torch.randperm(len(made)).tolist():
        told, answers = made[i]
        loss = model(**told, labels=answers).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
        schedule.step()
        total += float(loss.detach())
    print(
        f"epoch={epoch + 1}; train_loss={total / len(made):.4f};"
        f" valid_accuracy={accuracy(held):.4f}; seconds={time.monotonic() - began:.1f};",
        flush=True,
    )
model.save_pretrained(os.environ["SM_MODEL_DIR"])
tokenizer.save_pretrained(os.environ["SM_MODEL_DIR"])
