"""`quickstart`: real text goes through S3, training, a model and an endpoint, and is measured."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagebrush.commands import down, env, running, up
from sagebrush.commands.running import CommandError, Server
from sagebrush.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

    from sagebrush.quickstart.journey import Clients, Guess, Names
    from sagebrush.quickstart.texts import Split

SHOWN = 6
"""Test texts that are sent one by one and shown."""
ENVIRONMENT = "algorithms"
"""What the job runs in; it has what the comparison needs too."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `quickstart`."""
    parser.add_argument(
        "--data", type=Path, metavar="FILE.csv", help="your own text: columns text and label"
    )
    parser.add_argument("--out", type=Path, default=Path("out/quickstart"), help="where files go")
    parser.add_argument(
        "--fresh", action="store_true", help="a server and data directory of its own, then removed"
    )
    parser.add_argument("--keep", action="store_true", help="leave the endpoint and server running")
    parser.add_argument(
        "--at-least", type=float, default=0.0, metavar="SHARE", help="fail below this accuracy"
    )
    parser.add_argument(
        "--pipeline",
        action="store_true",
        help="the same by Lambda, Step Functions and EventBridge, and the graph of it",
    )


def run(args: argparse.Namespace) -> int:
    """Runs the journey; the exit status is 1 when a stage failed or the accuracy is too low."""
    from botocore.exceptions import BotoCoreError, ClientError
    from rich.console import Console

    from sagebrush.quickstart.journey import JourneyFailed

    console = Console(highlight=False, soft_wrap=True)
    book = Book(console)
    signal.signal(signal.SIGTERM, book.interrupt)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, book.interrupt)
    if args.pipeline:
        from sagebrush.commands import text_pipeline

        return text_pipeline.run(args, book)
    split = _texts(args.data, book)
    python = interpreter(running.settings(), book)
    try:
        with serving(args, book) as (chosen, server):
            result = _journey(args, chosen, server, split, book)
    except (JourneyFailed, ClientError, BotoCoreError) as error:
        raise CommandError(f"the quickstart failed: {error}") from error
    return _report(args, python, split, result, book)


@dataclasses.dataclass
class Book:
    """Shows what is going on, and how long each stage took."""

    console: Console
    times: list[tuple[str, float]] = dataclasses.field(default_factory=list)
    interrupted: bool = False

    def interrupt(self, _signal: int, _frame: object) -> None:
        """SIGTERM cleans up as Ctrl-C does."""
        self.interrupted = True
        raise KeyboardInterrupt

    def check(self) -> None:
        """Raises KeyboardInterrupt where one was lost: Python drops those that come in the callbacks
        of weak references, of which every import has some."""
        if self.interrupted:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def stage(self, name: str, total: int = 0) -> Iterator[Callable[..., None]]:
        """A stage in progress; the function that it yields shows (detail, number done)."""
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        started, words = time.monotonic(), [""]
        columns = [SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24)]
        progress = Progress(
            *columns,
            TimeElapsedColumn(),
            TextColumn("{task.fields[detail]}"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        task = progress.add_task(f"{name:<10}", total=total or None, detail="")

        def tell(detail: str = "", done: int | None = None) -> None:
            words[0] = detail or words[0]
            progress.update(task, detail=words[0], completed=done)

        try:
            self.check()
            with progress:
                yield tell
            self.check()
        except BaseException:
            self.console.print(f"[red]✗[/] {name:<10} {time.monotonic() - started:6.1f} s")
            raise
        taken = time.monotonic() - started
        self.times.append((name, taken))
        self.console.print(f"[green]✓[/] {name:<10} {taken:6.1f} s   {words[0]}")


@dataclasses.dataclass(frozen=True)
class Result:
    """The results of the journey."""

    predicted: list[Guess]
    shown: list[Guess]
    milliseconds: float
    """The median time of one request to the endpoint."""


def _texts(file: Path | None, book: Book) -> Split:
    """The split texts of `file`, or of AWS's documentation; raises CommandError."""
    from sagebrush.quickstart import texts

    with book.stage("texts") as tell:
        tell(
            "reading " + (str(file) if file else "AWS's API documentation, which botocore carries")
        )
        try:
            examples = texts.from_csv(file) if file else texts.aws_documentation()
        except texts.BadData as error:
            raise CommandError(str(error)) from error
        split = texts.split(examples)
        parts = [len(part) for part in (split.train, split.validation, split.test)]
        tell(
            f"{sum(parts):,} texts, {len(split.labels)} labels: "
            "train {:,}, validation {:,}, held back {:,}".format(*parts)
        )
    return split


def interpreter(chosen: Settings, book: Book, name: str = ENVIRONMENT) -> Path:
    """Python of that environment, which is built now at its first use."""
    from sagebrush.environments.store import BuildFailed, Environments

    try:
        with book.stage("packages") as tell:
            tell(f"the jobs' environment `{name}` (built once)")
            return Environments(chosen.environments).build(name, urgent=True).python
    except BuildFailed as error:
        raise CommandError(f"the jobs' environment could not be built: {error}") from error


@contextlib.contextmanager
def serving(args: argparse.Namespace, book: Book) -> Iterator[tuple[Settings, Server]]:
    """The running server, or one started for this run and stopped after it."""
    chosen = running.settings()
    home = None
    if args.fresh:
        home = Path(tempfile.mkdtemp(prefix="sagebrush-"))
        chosen = dataclasses.replace(chosen, home=home, port=0)
    server = running.find(chosen)
    if server is not None:
        book.console.print(f"  server at {server.url}")
        yield chosen, server
        return
    if running.taken(chosen.port) or running.taken(chosen.port + 1):
        chosen = dataclasses.replace(chosen, port=0)
    try:
        with book.stage("server") as tell:
            server = up.detach(chosen)
            isolation = running.state(chosen).get("isolation", "unknown")
            tell(f"{server.url}, data in {chosen.home}, isolation: {isolation}")
        for warning in running.state(chosen).get("warnings", ()):
            book.console.print(f"  [yellow]![/] {warning}", markup=True)
        yield chosen, server
    finally:
        if server is not None and (not args.keep or args.fresh):
            with contextlib.suppress(ProcessLookupError):  # somebody has killed it meanwhile
                os.kill(server.pid, signal.SIGTERM)
            down.ended(server.pid, chosen.stop_grace + 60.0)
        if home is not None:
            shutil.rmtree(home, ignore_errors=True)


def _clients(chosen: Settings, server: Server) -> tuple[Clients, Names]:
    """boto3 clients made of the variables that `sagebrush env` prints, and the run's names."""
    from boto3.session import Session
    from botocore.config import Config

    from sagebrush.quickstart.journey import Clients, Names

    given = env.variables(chosen, server)
    session = Session(
        aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
        region_name=given["AWS_DEFAULT_REGION"],
    )

    def client(service: str) -> Any:
        direct = Config(proxies={})  # a proxy's variables are for elsewhere
        return session.client(service, endpoint_url=given["AWS_ENDPOINT_URL"], config=direct)

    identity = client("sts").get_caller_identity()
    names = Names(
        run=f"quickstart-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}",
        bucket=f"sagemaker-{server.region}-{identity['Account']}",
        role=f"arn:aws:iam::{identity['Account']}:role/{chosen.role}",
    )
    services = ("s3", "sagemaker", "sagemaker-runtime", "logs")
    return Clients(*map(client, services)), names


def _journey(
    args: argparse.Namespace, chosen: Settings, server: Server, split: Split, book: Book
) -> Result:
    """The main job: upload, train, deploy, ask, evaluate, tidy up."""
    from sagebrush.quickstart import journey

    clients, names = _clients(chosen, server)
    try:
        with book.stage("upload") as tell:
            sent = journey.upload(clients, names, split)
            tell(f"{sent / 1e6:.1f} MB to s3://{names.bucket}/{names.prefix}/")
        with book.stage("train") as tell:
            job = journey.train(clients, names, len(split.train), lambda words, _: tell(words))
            tell(f"training job {names.run}: {job['TrainingJobStatus']}")
        with book.stage("deploy") as tell:
            model = job["ModelArtifacts"]["S3ModelArtifacts"]
            journey.deploy(clients, names, model, lambda words, _: tell(words))
            tell(f"endpoint {names.run}: InService")
        with book.stage("ask") as tell:
            shown, milliseconds = _ask(clients, names, split)
            tell(f"{len(shown)} unseen texts, one by one: {milliseconds:.1f} ms each (median)")
        with book.stage("evaluate", total=len(split.test)) as tell:
            predicted: list[Guess] = []
            for batch in journey.ask_all(clients, names, [e.text for e in split.test]):
                predicted += batch
                tell("", len(predicted))
            tell(f"{len(predicted):,} held-back texts through InvokeEndpoint")
    except journey.JourneyFailed:
        for line in journey.last_words(clients, names):
            book.console.print(f"  | {line}", markup=False)
        raise
    finally:
        if not args.keep:
            journey.tidy(clients, names)
    return Result(predicted, shown, milliseconds)


def _ask(clients: Clients, names: Names, split: Split) -> tuple[list[Guess], float]:
    """The answers for the first texts, and the median milliseconds of one question."""
    from sagebrush.quickstart import journey

    answers, times = [], []
    for example in split.test[:SHOWN]:
        started = time.perf_counter()
        answers += journey.ask(clients, names, [example.text])
        times.append(1000 * (time.perf_counter() - started))
    return answers, sorted(times)[len(times) // 2]


def _compare(python: Path, split: Split, predicted: list[Guess], out: Path) -> float:
    """The baseline's accuracy; the confusion plot lies in `out`. Raises CommandError."""
    from sagebrush.quickstart import compare
    from sagebrush.quickstart.texts import tokens

    data = {
        "train": [(e.label, tokens(e.text)) for e in split.train],
        "test": [(e.label, tokens(e.text)) for e in split.test],
        "predicted": [guess.label for guess in predicted],
    }
    (out / "data.json").write_text(json.dumps(data))
    done = subprocess.run(
        [str(python), str(compare.__file__), str(out)], capture_output=True, text=True
    )
    if done.returncode:
        raise CommandError(f"the comparison failed:\n{done.stderr.strip()[-2000:]}")
    return json.loads((out / "baseline.json").read_text())["accuracy"]


def _report(
    args: argparse.Namespace, python: Path, split: Split, result: Result, book: Book
) -> int:
    """Prints what came out; the exit status."""
    from rich.table import Table

    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError:
        args.out = Path(tempfile.mkdtemp(prefix="sagebrush-quickstart-"))
    with book.stage("compare") as tell:
        baseline = _compare(python, split, result.predicted, args.out)
        tell("TF-IDF + linear SVM on the same split, and the plot")
    truth = [example.label for example in split.test]
    right = [g.label == label for g, label in zip(result.predicted, truth, strict=True)]
    accuracy, majority = sum(right) / len(truth), truth.count(split.majority) / len(truth)
    table = Table(title=f"Accuracy on {len(truth):,} texts it never saw", title_justify="left")
    table.add_column("who answers")
    table.add_column("right", justify="right")
    table.add_row("BlazingText, through the endpoint", f"[bold]{accuracy:.1%}[/]")
    table.add_row("TF-IDF + linear SVM", f"{baseline:.1%}")
    table.add_row(f"always “{split.majority}”", f"{majority:.1%}")
    book.console.print("", table)
    width = max(len(guess.label) for guess in result.shown)
    for example, guess in zip(split.test, result.shown, strict=False):
        mark = "[green]✓[/]" if guess.label == example.label else f"[red]✗[/] ({example.label})"
        text = " ".join(example.text.split())
        text = text if len(text) <= 90 else text[:89] + "…"
        book.console.print(f"  {guess.label:>{width}} {guess.probability:4.0%} {mark} ", end="")
        book.console.print(text, markup=False)
    total = sum(seconds for _, seconds in book.times)
    book.console.print(f"\nplot: {args.out / 'confusion.png'}    total: {total:.0f} s")
    book.console.print(_next(args), markup=False)
    if accuracy < args.at_least:
        raise CommandError(
            f"accuracy {accuracy:.1%} is less than the {args.at_least:.1%} asked for"
        )
    return 0


def _next(args: argparse.Namespace) -> str:
    """What to do next, in a few lines."""
    own = (
        ""
        if args.data
        else "  ./run quickstart --data FILE.csv   your own text (columns text,label)\n"
    )
    return (
        "\nWhat next:\n"
        f"{own}"
        "  ./run up -d                        the server, to stay\n"
        '  eval "$(./run env)"                boto3, the AWS CLI and the SageMaker SDKs now use it'
    )
