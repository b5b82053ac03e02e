"""The models' files with their cards, and where they lie."""

from __future__ import annotations

from pathlib import Path

SYNTAX = ("syntax.onnx", "syntax.json")
ENCODER = ("encoder.onnx", "encoder.json", "encoder-tokenizer.json")
NEEDS = {
    "DetectDominantLanguage": ("language.npz",),
    "DetectSentiment": ENCODER,
    "DetectTargetedSentiment": (*ENCODER, *SYNTAX, "confidence.json", "nouns.txt"),
    "DetectEntities": (*ENCODER, "confidence.json"),
    "DetectPiiEntities": (*ENCODER, "confidence.json"),
    "DetectToxicContent": ENCODER,
    "DetectSyntax": (*ENCODER, *SYNTAX),
    "DetectKeyPhrases": (*ENCODER, *SYNTAX),
}
"""The files that each task of the analyser reads."""


def lacking(folder: Path, task: str) -> list[str]:
    """The files that the task needs and the folder does not have."""
    return [name for name in NEEDS.get(task, ()) if not (folder / name).is_file()]
