"""`model`: what is done to a model's archive; `optimize` makes a transformers model fast on CPUs."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagebrush.commands import running
from sagebrush.commands.running import CommandError

if TYPE_CHECKING:
    from sagebrush.commands.optimize.rows import Rows
    from sagebrush.commands.optimize.source import Clients, Source
    from sagebrush.commands.quickstart import Book

ENVIRONMENT = "huggingface"
IMAGE = "sagebrush/huggingface"
STEPS = {
    "load": "the weights and the tokenizer",
    "before": "how PyTorch answers the texts",
    "export": "the graph, and whether it computes what PyTorch does",
    "float32": "how the graph answers the texts",
    "round": "weights to int8, a scale for each channel",
    "int8": "how the rounded graph answers the texts",
}
"""Step of `toolkit/optimize/run.py` -> what it does."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `model`."""
    commands = parser.add_subparsers(dest="what", metavar="optimize")
    words = "make a transformers model fast on CPUs (ONNX, int8), and measure what that changes"
    made = commands.add_parser("optimize", help=words, description=words[0].upper() + words[1:])
    made.add_argument(
        "model", metavar="MODEL", help="a model's name, s3://…, a model.tar.gz or a directory"
    )
    made.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        help="your own texts, .csv or .jsonl: columns text and label (question, context, answer)",
    )
    made.add_argument("--task", default="", help="default: the model's HF_TASK or architecture")
    made.add_argument(
        "--precision", choices=("int8", "float32"), default="int8", help="of weights (int8)"
    )
    made.add_argument("--output", default="", metavar="PLACE", help="a file, or s3://BUCKET/KEY")
    made.add_argument("--create", default="", metavar="NAME", help="make a SageMaker model of it")
    made.add_argument(
        "--keep-weights", action="store_true", help="leave PyTorch's weights in the archive too"
    )
    made.add_argument(
        "--rows", type=int, default=2000, metavar="N", help="the most rows of FILE (2000)"
    )


def run(args: argparse.Namespace) -> int:
    """Runs the subcommand; raises CommandError."""
    if args.what is None:
        raise CommandError("what of the model? sagebrush model optimize MODEL")
    from botocore.exceptions import BotoCoreError, ClientError
    from rich.console import Console

    from sagebrush.commands.quickstart import Book

    if args.rows < 1:
        raise CommandError("--rows must be 1 or more")
    book = Book(Console(highlight=False, soft_wrap=True))
    folder = Path(tempfile.mkdtemp(prefix="sagebrush-optimize-"))
    try:
        return _optimize(args, book, folder)
    except (ClientError, BotoCoreError) as error:
        raise CommandError(str(error)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _optimize(args: argparse.Namespace, book: Book, folder: Path) -> int:
    from sagebrush.commands.optimize import result, source

    chosen = running.settings()
    clients = _clients(chosen)
    if args.create or args.output.startswith(source.PREFIX):
        clients()  # before minutes of work
    before, made = folder / "before", folder / "after"
    before.mkdir()
    made.mkdir()
    with book.stage("model") as tell:
        found = source.fetched(args.model, clients, before)
        tell(f"{found.name}: {_size(found.folder) / 1e6:,.0f} MB")
    refused = source.loader(found.folder, found.environment)
    if refused:
        raise CommandError(
            f"{args.model} is left as it is: {refused} loads the model by itself, and would not see"
            " the graph. Remove it (predict_fn and the others may stay) or let it load the graph."
        )
    task = args.task or found.environment.get("HF_TASK", "")
    rows = _texts(args, task, book)
    python = _python(chosen.environments, book)
    told = _worked(args, book, python, found, rows, task, made)
    result.fill(found.folder, made, told, rows, args.keep_weights)
    image = found.container.get("Image") or IMAGE
    if image != IMAGE and source.lacks_runtime(image, chosen.environments):
        source.require_runtime(made)
    place = _written(args, book, found, made, folder, clients)
    book.console.print("", result.table(told, rows, _cpus()))
    for line in result.words(told, rows):
        book.console.print(line)
    if told["load"] > _cpus() + 1:
        busy = f"{told['load']:.1f} processes wanted the {_cpus()} CPUs meanwhile"
        book.console.print(f"[yellow]![/] {busy}: times are worse than they would be otherwise.")
    book.console.print(f"\nwritten: [bold]{place}[/]")
    if args.create:
        _create(args.create, clients(), found, image, place, told["task"])
        book.console.print(f"model:   [bold]{args.create}[/] ({image})")
    elif image == IMAGE:
        book.console.print(f"serve it with the image {IMAGE} and HF_TASK={told['task']}")
    return 0


def _clients(chosen: Any) -> Callable[[], Clients]:
    """A function that gives clients of the running server; it raises CommandError where none runs."""
    from sagebrush.commands.optimize.source import Clients

    return lambda: Clients(chosen, running.require(chosen))


def _texts(args: argparse.Namespace, task: str, book: Book) -> Rows:
    """What the model is tried on."""
    from sagebrush.commands.optimize import rows

    with book.stage("texts") as tell:
        if args.data is not None:
            found = rows.read(args.data, task, args.rows)
        elif task in ("question-answering", "fill-mask", "zero-shot-classification"):
            raise CommandError(f"{task} needs texts of yours: --data FILE")
        else:
            found = rows.documentation()
        tell(found.told)
    return found


def _python(root: Path, book: Book) -> Path:
    """Python of the environment that exports, built at its first use; raises CommandError."""
    from sagebrush.environments.store import BuildFailed, Environments

    try:
        with book.stage("packages", total=100) as tell:
            tell(f"the environment {ENVIRONMENT} (built once)")

            def progress(doing: str, share: float) -> None:
                tell(f"the environment {ENVIRONMENT}: {doing}", int(100 * share))

            return Environments(root).build(ENVIRONMENT, progress).python
    except BuildFailed as error:
        raise CommandError(str(error)) from error


def _worked(
    args: argparse.Namespace,
    book: Book,
    python: Path,
    found: Source,
    rows: Rows,
    task: str,
    made: Path,
) -> Mapping[str, Any]:
    """What `toolkit/optimize/run.py` did and measured; raises CommandError with its reason."""
    labels = sorted({row["label"] for row in rows.rows if "label" in row})
    if task == "zero-shot-classification" and not labels:
        raise CommandError(f"{task} needs labels to choose from: a column label in {args.data}")
    spec = {
        "source": str(found.folder.resolve()),
        "out": str(made),
        "task": task,
        "precision": args.precision,
        "rows": list(rows.rows),
        "labels": labels,
    }
    file, log = made.parent / "spec.json", made.parent / "log"
    file.write_text(json.dumps(spec))
    for doc in _lines(python, file, log, book):
        if "refused" in doc:
            raise CommandError(f"{args.model} cannot be optimised: {doc['refused']}")
        if "done" in doc:
            return {**doc["done"], "load": round(os.getloadavg()[0], 1)}
    last = log.read_text(errors="replace").strip()[-2000:]
    raise CommandError(f"the export ended without a result:\n{last}")


def _lines(python: Path, spec: Path, log: Path, book: Book) -> Iterator[dict[str, Any]]:
    """What the process says, its steps shown while it is at them."""
    import sagebrush.toolkit

    program = Path(next(iter(sagebrush.toolkit.__path__))) / "optimize" / "run.py"
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environ |= {
        "CUDA_VISIBLE_DEVICES": "",  # what is compared is this host's CPUs
        "OMP_NUM_THREADS": str(_cpus()),
        "OMP_WAIT_POLICY": "PASSIVE",  # as jobs have it
        "HF_HUB_OFFLINE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with contextlib.ExitStack() as shown, log.open("wb") as errors:
        process = subprocess.Popen(
            [str(python), str(program), str(spec)],
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environ,
            cwd=spec.parent,
        )
        shown.callback(_ended, process)
        assert process.stdout is not None
        step, tell = "", None
        stage = contextlib.ExitStack()
        shown.push(stage)
        for line in process.stdout:
            doc = json.loads(line)
            if "step" not in doc:
                stage.close()
                yield doc
                continue
            if doc["step"] != step:
                stage.close()
                step = doc["step"]
                shared = step in ("before", "float32", "int8")
                tell = stage.enter_context(book.stage(step, total=100 if shared else 0))
                tell(STEPS[step])
            elif tell is not None:
                tell("", int(100 * doc["share"]))


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _written(
    args: argparse.Namespace,
    book: Book,
    found: Source,
    made: Path,
    folder: Path,
    clients: Callable[[], Clients],
) -> str:
    """Where the new archive is: a path, or an s3:// URL."""
    from sagebrush.commands.optimize import source

    name = f"{found.name}-{args.precision}"
    with book.stage("archive") as tell:
        file = folder / "model.tar.gz"
        source.packed(made, file)
        place = args.output
        if args.create and not place:
            server = clients().server
            bucket = f"sagemaker-{server.region}-{server.account}"
            place = f"s3://{bucket}/optimized/{args.create}/model.tar.gz"
        if place.startswith(source.PREFIX):
            place = f"{place}model.tar.gz" if place.endswith("/") else place
            source.uploaded(clients().of("s3"), file, place)
        else:
            target = Path(place or f"{name}.tar.gz").expanduser()
            target = target / f"{name}.tar.gz" if target.is_dir() else target
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(file, target)
            place = str(target)
        tell(place)
    return place


def _create(name: str, clients: Clients, found: Source, image: str, place: str, task: str) -> None:
    """The server has a model of that name, with what the model before had."""
    chosen, server = clients.chosen, clients.server
    container = {k: v for k, v in found.container.items() if k != "ModelDataSource"}
    container |= {"Image": image, "ModelDataUrl": place}
    container["Environment"] = {**found.environment, "HF_TASK": task}
    role = found.role or f"arn:aws:iam::{server.account}:role/{chosen.role}"
    clients.of("sagemaker").create_model(
        ModelName=name, PrimaryContainer=container, ExecutionRoleArn=role
    )


def _size(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
