"""The command line: finds the command, imports only what that one needs, runs it."""

from __future__ import annotations

import argparse
import importlib
import io
import sys
from collections.abc import Sequence

from sagebrush import __version__

COMMANDS = {
    "up": "start the server",
    "down": "stop the server and its jobs",
    "status": "what runs, and where",
    "env": 'shell variables for SDKs: eval "$(sagebrush env)"',
    "user": "IAM users for a team: add, list, keys, remove",
    "account": "further accounts, which cannot see each other: add, list, env",
    "notebook": "JupyterLab in your browser: open, list, stop, rm, idle",
    "states": "state machines and their executions: list, show, graph, tail",
    "logs": "the log of the server, a job of any kind, an endpoint or a notebook",
    "jobs": "training jobs, endpoints and notebooks; show, shell, dump, interrupt",
    "top": "what live jobs use now: CPU, memory, GPU",
    "endpoints": "what answers, what sleeps, its load and its price; plot",
    "scaling": "what a scaling policy would do to your traffic: simulate",
    "image": "the environments that images stand for: list, build, rm, shell",
    "text": "what Comprehend says of a text: entities, sentiment, personal data, in colours",
    "model": "make a transformers model fast on CPUs: optimize",
    "models": "the models that Comprehend ships: train",
    "samples": "AWS's public sample data: list, add, generate, remove",
    "doctor": "what this host can isolate and limit, and the cure where it cannot",
    "quickstart": "text -> S3 -> training -> an answering endpoint",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command that `argv` names; its exit status."""
    if sys.platform == "win32":
        print("Sagebrush runs on Linux and macOS; on Windows, run it in WSL2.", file=sys.stderr)
        return 1
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without ✓ shows ?, and goes on
            stream.reconfigure(errors="replace")
    given = list(sys.argv[1:] if argv is None else argv)
    name = next((word for word in given if not word.startswith("-")), None)
    parser = _parser(name)
    args = parser.parse_args(given)
    if args.run is None:
        parser.print_help()
        return 0
    try:
        return args.run(args) or 0
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except Exception as error:
        if not _expected(error):
            raise
        print(f"sagebrush: {error}", file=sys.stderr)
        return 1


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    """The parser of all commands, with the arguments of the chosen one only."""
    parser = argparse.ArgumentParser(
        "sagebrush",
        description="Amazon SageMaker's API on machines you own: every job really runs.",
    )
    parser.add_argument("--version", action="version", version=f"sagebrush {__version__}")
    parser.set_defaults(run=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, words in COMMANDS.items():
        command = commands.add_parser(name, help=words, description=words[0].upper() + words[1:])
        if name == chosen:
            module = importlib.import_module(f"sagebrush.commands.{name}")
            module.configure(command)
            command.set_defaults(run=module.run)
    return parser


def _expected(error: Exception) -> bool:
    """Whether the user can do something about it: then the message says it all."""
    from sagebrush.commands.running import CommandError
    from sagebrush.settings import SettingsError

    return isinstance(error, (CommandError, SettingsError))


if __name__ == "__main__":
    sys.exit(main())
