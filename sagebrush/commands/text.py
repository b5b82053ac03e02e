"""`text`: what Comprehend says of a text: its language, sentiment, entities and personal data."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sagebrush.commands import running
from sagebrush.commands.analysis.answers import PARTS as PLACES
from sagebrush.commands.running import CommandError

if TYPE_CHECKING:
    from sagebrush.commands.analysis.answers import Answers

PARTS = ("sentiment", *PLACES)
USUAL = ("sentiment", "entities", "pii")
MOST = 10 << 20
"""Bytes of a file that is read."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `text`."""
    parser.add_argument("file", metavar="FILE|-", help="a file in UTF-8; - reads standard input")
    parser.add_argument(
        "--language", default="", metavar="CODE", help="of the text; default: the one it is in"
    )
    words = f"what is asked, of {', '.join(PARTS)}; default: {', '.join(USUAL)}"
    parser.add_argument("--parts", default=",".join(USUAL), metavar="PART,...", help=words)
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Prints what the server says of the text; raises CommandError."""
    parts = [part.strip() for part in args.parts.split(",") if part.strip()]
    if unknown := set(parts) - set(PARTS):
        raise CommandError(f"there is no part {min(unknown)}: {', '.join(PARTS)}")
    text = _read(args.file)
    chosen = running.settings()
    client = running.client(chosen, running.require(chosen), "comprehend")
    from botocore.exceptions import BotoCoreError, ClientError
    from rich.console import Console

    from sagebrush.commands.analysis import answers, shown

    try:
        told = answers.ask(client, text, args.language, parts)
    except (ClientError, BotoCoreError) as error:
        raise CommandError(str(error)) from error
    if args.json:
        print(json.dumps(_document(told), ensure_ascii=False))
    else:
        shown.show(Console(highlight=False, soft_wrap=True), told)
    return 0


def _read(name: str) -> str:
    """The text of the file, or of standard input; raises CommandError for what is none."""
    try:
        if name == "-":
            body = sys.stdin.buffer.read(MOST + 1)
        else:
            with Path(name).open("rb") as file:
                body = file.read(MOST + 1)
        if len(body) > MOST:
            raise CommandError(f"{name} has more than {MOST} bytes; a job reads more")
        text = body.decode("utf-8")
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{name} is not in UTF-8, from byte {error.start} on") from error
    if not text.strip():
        raise CommandError(f"{name} has no text")
    return text


def _sentiment(told: Answers) -> dict[str, object]:
    """As DetectSentiment answers it."""
    best = max(told.sentiment, key=told.sentiment.__getitem__)
    return {"Sentiment": best.upper(), "SentimentScore": told.sentiment}


def _document(told: Answers) -> dict[str, object]:
    places = {
        part: [
            {
                "Type": each.label,
                "Text": told.text[each.begin : each.end],
                "Score": each.score,
                "BeginOffset": each.begin,
                "EndOffset": each.end,
            }
            for each in found
        ]
        for part, found in told.places.items()
    }
    return {
        "languages": [{"LanguageCode": code, "Score": score} for code, score in told.languages],
        "read_as": told.read_as,
        **({"sentiment": _sentiment(told)} if told.sentiment else {}),
        **places,
        **({"refused": told.refused} if told.refused else {}),
    }
