"""Trains what the folder of models holds: `python -m sagebrush.nlp.training --help`."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

MODELS = {"encoder": "joint", "language": "language", "syntax": "syntax", "nouns": "nouns"}
"""Name -> the module here that makes the model, in this order: syntax is learned of the encoder's states."""


def main(argv: Sequence[str] | None = None) -> int:
    """Makes the models that are named, or all; the exit status."""
    parser = argparse.ArgumentParser("sagebrush.nlp.training", description=__doc__)
    parser.add_argument("models", nargs="*", help=f"of {', '.join(MODELS)}; default: all")
    parser.add_argument("--base", type=Path, required=True, help="the folder of all-MiniLM-L6-v2")
    parser.add_argument("--out", type=Path, required=True, help="where the models' files go")
    parser.add_argument("--work", type=Path, required=True, help="where interim files go")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tasks", default="", help="of the encoder, by commas; default: all")
    parser.add_argument("--finish", action="store_true", help="weights are there: export, measure")
    args = parser.parse_args(argv)
    data = os.environ.get("SAGEBRUSH_EVAL_DATA", "")
    if not data:
        parser.error("SAGEBRUSH_EVAL_DATA names no folder with the data sets")
    for folder in (args.out, args.work):
        folder.mkdir(parents=True, exist_ok=True)
    for name in args.models or MODELS:
        if name not in MODELS:
            parser.error(f"there is no model {name}: {', '.join(MODELS)}")
        if name == "encoder":
            _encoder(args, Path(data))
        else:
            module = importlib.import_module(f".{MODELS[name]}", __package__)
            for figure, value in module.train(Path(data), args.out, _say).items():
                _say(f"  {figure:44} {value:.3f}")
    return 0


def _encoder(args: argparse.Namespace, data: Path) -> None:
    import torch  # pyright: ignore[reportMissingImports]

    from . import joint

    torch.set_num_threads(args.threads)
    shop = joint.Workshop(data, args.base, args.work, args.out)
    names = args.tasks.split(",") if args.tasks else list(joint.TASKS)
    if args.finish:
        joint.finish(shop, joint.tasks(data, names), _say)
        return
    joint.build(shop, names, _bar(time.monotonic()), _say)


def _bar(start: float) -> Callable[[int, int, float], None]:
    """A function that draws how far the training is: a line on a terminal, one in 50 steps else."""

    def draw(done: int, steps: int, loss: float) -> None:
        if done % (10 if sys.stderr.isatty() else 50) and done < steps:
            return
        spent = time.monotonic() - start
        left = spent / done * (steps - done)
        bar = "█" * (24 * done // steps)
        print(
            f"\r{bar:24} {done}/{steps}  loss {loss:.3f}  {spent / 60:.1f} min, {left / 60:.1f} left ",
            end="" if sys.stderr.isatty() and done < steps else "\n",
            file=sys.stderr,
            flush=True,
        )

    return draw


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
