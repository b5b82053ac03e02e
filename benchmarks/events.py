"""Matching: microseconds in which an event finds its rules among 300 of a bus, one thread, no I/O.

    python benchmarks/events.py [--seconds S] [--rules N] [--moto PYTHON]

`plain`: rules that name a source and a detail type each, of which an event matches one; `content`:
rules whose conditions are prefixes, numbers and `anything-but` under one source, so that
each is tried; `either`: rules of two alternatives by `$or`. PYTHON is an interpreter that has moto
(requirements/bench.txt), whose own matcher then gets the same rules and events.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from typing import Any

from sagebrush.errors import Doc
from sagebrush.patterns.matching import Index, leaves
from sagebrush.patterns.reading import read

PEER = """
import json, sys, time
from moto.events.models import EventPattern
given = json.load(sys.stdin)
for name, (patterns, event, seconds) in given.items():
    made = [EventPattern.load(text) for text in patterns]
    runs, began = 0, time.process_time()
    while (spent := time.process_time() - began) < seconds:
        found = sum(each.matches_event(event) for each in made)
        runs += 1
    print(json.dumps([name, spent / runs * 1e6, found]))
"""


def event(number: int, source: str) -> Doc:
    """An event as PutEvents makes it, with a detail of ordinary size."""
    detail = {
        "kind": f"kind-{number}",
        "file": f"inbox/{number}/data.csv",
        "size": number,
        "state": "Completed",
        "tags": ["a", "b", "c"],
        "more": {f"m{n}": f"value {n}" for n in range(20)},
    }
    return {
        "version": "0",
        "id": "7bf73129-1428-4cd3-a780-95db273d1602",
        "detail-type": f"Type {number}",
        "source": source,
        "account": "123456789012",
        "time": "2026-01-01T00:00:00Z",
        "region": "us-east-1",
        "resources": ["arn:aws:s3:::bucket"],
        "detail": detail,
    }


def cases(count: int) -> dict[str, tuple[list[Doc], Doc]]:
    """Name -> the patterns of a bus, and the event that comes."""
    plain = [{"source": [f"app.{n % 30}"], "detail-type": [f"Type {n}"]} for n in range(count)]
    content: list[Doc] = [
        {
            "source": ["app"],
            "detail": [
                {"file": [{"prefix": f"inbox/{n}/"}]},
                {"size": [{"numeric": [">", n, "<", n + 2]}]},
                {"kind": [{"prefix": f"kind-{n}"}], "state": [{"anything-but": ["Failed"]}]},
            ][n % 3],
        }
        for n in range(count)
    ]
    either: list[Doc] = [
        {"source": ["app"], "$or": [{"detail-type": [f"Type {n}"]}, {"detail": {"size": [n]}}]}
        for n in range(count)
    ]
    return {
        "plain": (plain, event(77, "app.17")),
        "content": (content, event(77, "app")),
        "either": (either, event(77, "app")),
    }


def measured(patterns: list[Doc], come: Doc, seconds: float) -> tuple[float, int]:
    """Microseconds for one event, and how many rules it matched."""
    index = Index.of({str(n): read(json.dumps(each)) for n, each in enumerate(patterns)})
    runs, found = 0, 0
    began = time.process_time()
    while (spent := time.process_time() - began) < seconds:
        found = len(index.matching(leaves(come)))
        runs += 1
    return spent / runs * 1e6, found


def peer(python: str, given: dict[str, Any]) -> dict[str, tuple[float, int]]:
    """The same by moto."""
    done = subprocess.run(
        [python, "-c", PEER], input=json.dumps(given), capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return {
        name: (micros, found) for name, micros, found in map(json.loads, done.stdout.splitlines())
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rules", type=int, default=300)
    parser.add_argument("--moto", help="a Python that has moto")
    options = parser.parse_args()
    given = cases(options.rules)
    ours = {name: measured(*case, options.seconds) for name, case in given.items()}
    theirs: dict[str, tuple[float, int]] = {}
    if options.moto:
        texts = {
            name: ([json.dumps(p) for p in patterns], come, options.seconds)
            for name, (patterns, come) in given.items()
            if name != "either"  # moto has no $or
        }
        theirs = peer(options.moto, texts)
    for name, (micros, found) in ours.items():
        line = f"{name:8} {micros:9.1f} us an event, {options.rules} rules, {found} matched"
        if name in theirs:
            line += f"; moto {theirs[name][0]:9.1f} us, {theirs[name][1]} matched"
        print(line)


if __name__ == "__main__":
    main()
