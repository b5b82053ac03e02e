"""A tiny BERT of its own vocabulary learns two words; saved as a pipeline loads it."""

import argparse
import os

import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=10)
given = parser.parse_args()
with open(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "sentences.tsv")) as file:
    rows = [line.rstrip("\n").split("\t") for line in file]
words = sorted({word for _, text in rows for word in text.split()})
with open("/tmp/vocab.txt", "w") as file:
    file.write("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]))
tokenizer = BertTokenizerFast("/tmp/vocab.txt")
torch.manual_seed(0)
model = BertForSequenceClassification(
    BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        id2label={0: "bad", 1: "good"},
        label2id={"bad": 0, "good": 1},
    )
)
told = tokenizer([text for _, text in rows], padding=True, return_tensors="pt")
labels = torch.tensor([model.config.label2id[label] for label, _ in rows])
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for _ in range(given.epochs):
    loss = model(**told, labels=labels).loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
model.eval()
accuracy = (model(**told).logits.argmax(-1) == labels).float().mean().item()
print(f"train_accuracy={accuracy:.4f};", flush=True)
model.save_pretrained(os.environ["SM_MODEL_DIR"])
tokenizer.save_pretrained(os.environ["SM_MODEL_DIR"])
