"""Run in the huggingface environment: argv[1] becomes a folder with a tiny BERT and its tokenizer."""

# pyright: reportMissingImports=false

import sys
from pathlib import Path

import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

WORDS = (
    "a film with story moving tender clever warm vivid lovely dull clumsy tired cold hollow stale"
)

folder = Path(sys.argv[1])
folder.mkdir(parents=True)
marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
(folder / "vocab.txt").write_text("\n".join([*marks, *WORDS.split()]) + "\n")
BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(str(folder))
torch.manual_seed(1)
config = BertConfig(
    vocab_size=len(marks) + len(WORDS.split()),
    hidden_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=32,
    max_position_embeddings=32,
)
BertModel(config).save_pretrained(str(folder))
