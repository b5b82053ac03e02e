"""Sequence-to-Sequence on parallel text and on spelling: BLEU or word error rate beside the time it took.

`python benchmarks/seq2seq.py [--data DIR] [--minutes M] [--sacrebleu PYTHON] [--show N] [NAME ...]`: DIR
(or SAGEBRUSH_EVAL_DATA) holds the folders of RECIPES; all NAMEs by default. Each set is prepared by
sagebrush/examples/translation/prepare.py, learnt by a process of its own with the recipe's
hyperparameters (with --minutes stopped after as many, as StopTrainingJob does: the best checkpoint is the
model), and its validation part, which also chose the checkpoint, is translated by the inference functions
that an endpoint calls, on one thread: several wait for each other by spinning where others are busy.

BLEU is printed for words: sub-words joined, in the recipe's case, and both sides split into words as
prepare.py does, one reference each; published figures for Multi30k are of this kind. With --sacrebleu (a
Python that has the package) also sacreBLEU's of text whose words are joined, against the lines as they
are, letters' case ignored. The word error rate is the share of words whose phonemes, without stress, are
none of the word's pronunciations.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import sagebrush.toolkit
from sagebrush.environments.store import Environments
from sagebrush.settings import Settings

ROOT = Path(next(iter(sagebrush.toolkit.__path__))).parent
ALGORITHMS = ROOT / "algorithms"
PREPARE = ROOT / "examples" / "translation" / "prepare.py"
sys.path.insert(0, str(ALGORITHMS))

from seq2seq import bleu  # noqa: E402

CAPTIONS = {
    **{"max_num_epochs": 20, "batch_size": 64, "rnn_num_hidden": 512},
    **{"num_embed_source": 256, "num_embed_target": 256, "learning_rate": 0.001},
    **{"embed_dropout_source": 0.3, "embed_dropout_target": 0.3},
    **{"rnn_decoder_hidden_dropout": 0.3, "checkpoint_frequency_num_batches": 455},
    **{"plateau_reduce_lr_threshold": 1, "bucket_width": 5},
    **{"max_seq_len_source": 60, "max_seq_len_target": 60},
}
SENTENCES = {**CAPTIONS, "max_num_epochs": 6, "checkpoint_frequency_num_batches": 640}
SENTENCES |= {"batch_size": 128, "embed_dropout_source": 0.1, "embed_dropout_target": 0.1}
SPELLING = {
    **{"max_num_epochs": 8, "batch_size": 128, "rnn_num_hidden": 256, "learning_rate": 0.002},
    **{"num_embed_source": 64, "num_embed_target": 64, "rnn_decoder_hidden_dropout": 0.2},
    **{"embed_dropout_source": 0.1, "embed_dropout_target": 0.1, "bucket_width": 3},
    **{"checkpoint_frequency_num_batches": 940, "lr_scheduler_type": "fixed_rate_inv_t"},
    **{"fixed_rate_lr_half_life": 2, "max_seq_len_source": 40, "max_seq_len_target": 40},
}


@dataclass(frozen=True)
class Recipe:
    """How one data set is prepared and learnt."""

    source: str
    target: str
    prepare: Sequence[str]
    hyperparameters: Mapping[str, object]
    table: bool = True
    """Whether a file has both sides, a tab between them; else there is a file for each."""
    spelling: bool = False
    """Whether it is judged by whole words, some of which have several right answers."""


RECIPES = {
    "multi30k": Recipe("de", "en", ("--merges", "6000"), CAPTIONS, table=False),
    "tatoeba_en_de": Recipe("en", "de", ("--merges", "8000", "--keep-case"), SENTENCES),
    "cmudict_g2p": Recipe("letters", "sounds", ("--characters",), SPELLING, spelling=True),
}

ASK = """
import json, statistics, sys, time
sys.path.insert(0, sys.argv[1])
import torch
torch.set_num_threads(1)
from seq2seq import inference
def ask(sentences):
    body = json.dumps({"instances": [{"data": each} for each in sentences]})
    answers = inference.predict_fn(inference.input_fn(body), model)
    return [each["target"] for each in json.loads(inference.output_fn(answers)[0])["predictions"]]
began = time.process_time(); model = inference.model_fn(sys.argv[2])
loading = time.process_time() - began
sentences = json.load(open(sys.argv[3]))
single = []
for each in sentences[:20]:
    began = time.process_time(); ask([each]); single.append(time.process_time() - began)
began = time.process_time(); found = []
for start in range(0, len(sentences), 1000):
    found += ask(sentences[start:start + 1000])
print(json.dumps([found, loading, statistics.median(single), time.process_time() - began]))
"""
SACREBLEU = """
import json, sys, sacrebleu
said, meant = json.load(sys.stdin)
print(json.dumps(sacrebleu.corpus_bleu(said, [meant], lowercase=True).score))
"""


@dataclass
class Text:
    """Both sides of a part, line for line; of a word with several pronunciations, each has a line."""

    sources: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)


def prepare_script() -> ModuleType:
    """The example's script as a module: who asks splits sentences as it does."""
    spec = importlib.util.spec_from_file_location("prepare", PREPARE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lines(folder: Path, name: str) -> list[str]:
    """The lines of a file, which may be packed."""
    file = folder / name
    opened = file.open(encoding="utf-8") if file.exists() else None
    with opened or gzip.open(folder / f"{name}.gz", "rt", encoding="utf-8") as text:
        return [line.rstrip("\n") for line in text]


def read(recipe: Recipe, folder: Path, part: str) -> Text:
    """A part of the data set."""
    if not recipe.table:
        sides = [lines(folder, f"{part}.{side}") for side in (recipe.source, recipe.target)]
        return Text(*sides)
    middle = "" if recipe.spelling else f".{recipe.source}-{recipe.target}"
    found = Text()
    for line in lines(folder, f"{part}{middle}.tsv"):
        source, target = line.split("\t")
        answers = [target]
        if recipe.spelling:
            # Pronunciations that differ in stress alone are one.
            answers = list(dict.fromkeys(re.sub(r"\d", "", target).split(" | ")))
        found.sources += [source] * len(answers)
        found.targets += answers
    return found


def prepared(recipe: Recipe, parts: Mapping[str, Text], root: Path) -> None:
    """The channels of a training job are in `root`, made by the example's script."""
    plain = root / "plain"
    plain.mkdir(parents=True)
    command = [sys.executable, str(PREPARE), "--input", str(plain), *recipe.prepare]
    command += ["--output", str(root / "input" / "data")]
    for part, option in (("train", ""), ("valid", "validation-")):
        for side, text in (("source", parts[part].sources), ("target", parts[part].targets)):
            (plain / f"{part}.{side}").write_text("\n".join(text) + "\n", encoding="utf-8")
            command += [f"--{option}{side}", f"{part}.{side}"]
    subprocess.run(command, check=True)
    config = root / "input" / "config"
    config.mkdir()
    channels = {name: {"TrainingInputMode": "File"} for name in ("train", "validation", "vocab")}
    (config / "inputdataconfig.json").write_text(json.dumps(channels))
    given = {name: str(value) for name, value in recipe.hyperparameters.items()}
    (config / "hyperparameters.json").write_text(json.dumps(given))


def trained(root: Path, python: Path, minutes: float | None) -> tuple[float, float]:
    """(minutes, seconds of processors) of the training, whose log is in `root`."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with (root / "log").open("w") as log:
        job = subprocess.Popen(
            [str(python), "-m", "seq2seq.train"],
            env={**os.environ, "SAGEBRUSH_ML": str(root), "PYTHONPATH": str(ALGORITHMS)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            job.wait(minutes and 60 * minutes)
        except subprocess.TimeoutExpired:
            job.send_signal(signal.SIGTERM)
            job.wait()
    if job.returncode:
        raise SystemExit((root / "log").read_text()[-2000:])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return (time.monotonic() - began) / 60, used


def curve(log: str) -> list[tuple[float, float]]:
    """(minutes since the start, perplexity of the validation part) of each checkpoint."""
    found = []
    first = None
    for line in log.splitlines():
        moment = re.match(r"\[(\S+ \S+) INFO", line)
        if not moment:
            continue
        at = datetime.strptime(moment[1], "%m/%d/%Y %H:%M:%S")
        first = first or at
        if value := re.search(r"validation perplexity <loss>=(\S+)", line):
            found.append(((at - first).total_seconds() / 60, float(value[1])))
    return found


def asked(recipe: Recipe, root: Path, sources: Sequence[str], prepare: Any) -> list[str]:
    """The sources as the tokens that the model was trained on."""
    if recipe.spelling:
        return [" ".join(each) for each in sources]
    sentences = [prepare.tokens(each, "--keep-case" not in recipe.prepare) for each in sources]
    text = (root / "input" / "data" / "merges" / "merges.txt").read_text("utf-8")
    merges = {tuple(pair.split(" ")): rank for rank, pair in enumerate(text.split("\n"))}
    return [" ".join(each) for each in prepare.split_up(sentences, merges)]


def whole(answer: str) -> str:
    """The answer's words, between spaces: its sub-words joined."""
    return re.sub(r"@@( |$)", "", answer)


def written(words: str) -> str:
    """The words as a sentence is written: no space before what closes, or within brackets."""
    text = re.sub(r" ([.,;:!?)\]]|'\w+)", r"\1", words)
    return re.sub(r"([(\[]) ", r"\1", text)


def translation_quality(
    recipe: Recipe, part: Text, answers: Sequence[str], prepare: Any, python: str | None
) -> str:
    """BLEU of the answers, by words, and with a Python that has it sacreBLEU's."""
    said = [whole(each).split() for each in answers]
    lower = "--keep-case" not in recipe.prepare
    meant = [prepare.tokens(each, lower) for each in part.targets]
    told = f"BLEU of words {100 * bleu.score(said, meant):.2f}"
    if python:
        text = json.dumps([[written(whole(each)) for each in answers], part.targets])
        done = subprocess.run(
            [python, "-c", SACREBLEU], input=text, capture_output=True, text=True, check=True
        )
        told += f", sacreBLEU (text, case ignored) {json.loads(done.stdout):.2f}"
    return told


def spelling_quality(part: Text, words: Sequence[str], answers: Sequence[str]) -> str:
    """The share of words whose answer is none of their pronunciations."""
    right: dict[str, set[str]] = {}
    for word, sounds in zip(part.sources, part.targets, strict=True):
        right.setdefault(word, set()).add(sounds)
    wrong = sum(answer not in right[word] for word, answer in zip(words, answers, strict=True))
    return f"word error rate {100 * wrong / len(words):.2f} % of {len(words)} words"


def measured(name: str, options: argparse.Namespace, python: Path, root: Path) -> None:
    """The data set is learnt and its validation part judged, which is printed."""
    recipe, prepare = RECIPES[name], prepare_script()
    parts = {part: read(recipe, options.data / name, part) for part in ("train", "valid")}
    print(f"\n{name}: {recipe.source} to {recipe.target}", flush=True)
    prepared(recipe, parts, root)
    minutes, seconds = trained(root, python, options.minutes)
    told = curve((root / "log").read_text())
    print("minutes and validation perplexity: " + ", ".join(f"{at:.1f} {v:.3f}" for at, v in told))
    valid = parts["valid"]
    sources = list(dict.fromkeys(valid.sources)) if recipe.spelling else valid.sources
    questions = root / "questions.json"
    questions.write_text(json.dumps(asked(recipe, root, sources, prepare)))
    command = [str(python), "-c", ASK, str(ALGORITHMS), str(root / "model"), str(questions)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    answers, loading, single, all_of_them = json.loads(done.stdout)
    if recipe.spelling:
        quality = spelling_quality(valid, sources, answers)
    else:
        quality = translation_quality(recipe, valid, answers, prepare, options.sacrebleu)
    print(f"{quality}; training {minutes:.1f} min, {seconds:.0f} s of processors")
    print(
        f"answers, in seconds of processors: model {loading:.2f}, one sentence {single:.3f}"
        f" (median), a thousand {1000 * all_of_them / len(answers):.1f}"
    )
    for source, answer in list(zip(sources, answers, strict=True))[:: -(-len(answers) // 40)][
        : options.show
    ]:
        print(f"  {source}  →  {written(whole(answer))}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("SAGEBRUSH_EVAL_DATA"))
    parser.add_argument("--minutes", type=float, help="of training at most, for each set")
    parser.add_argument("--sacrebleu", metavar="PYTHON", help="one that has the package")
    parser.add_argument("--show", type=int, default=0, help="how many answers to print")
    parser.add_argument("names", nargs="*", default=list(RECIPES))
    options = parser.parse_args()
    python = Environments(Settings.load(os.environ).environments).build("pytorch").python
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.names:
            measured(name, options, python, Path(scratch) / name)


if __name__ == "__main__":
    main()
