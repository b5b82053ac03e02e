"""A Lambda function: a raw CSV of texts in S3 becomes a clean one, and a state machine is started.

S3 tells of a file at least once, so a second telling must do no harm: the clean file is written again
as it is, and an execution of the file's name exists already.
"""

from __future__ import annotations

import csv
import html
import io
import json
import os
import re
import urllib.parse
from collections import Counter

import boto3

TAG = re.compile(r"<[^>]+>")
TOKEN = re.compile(r"\w+(?:['’_-]\w+)*|[^\w\s]")
LEAST_WORDS = 3

s3 = boto3.client("s3")
states = boto3.client("stepfunctions")


def handler(event: dict, context: object) -> list[dict]:
    """What became of each file of the event."""
    return [take(record["s3"]) for record in event.get("Records", ())]


def take(record: dict) -> dict:
    """One file is cleaned, and the state machine runs on it."""
    bucket = record["bucket"]["name"]
    key = urllib.parse.unquote_plus(record["object"]["key"])
    run = key.rpartition("/")[2].removesuffix(".csv")
    raw = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode("utf-8-sig")
    rows, left_out = clean(raw)
    body = io.StringIO()
    csv.writer(body).writerows([("label", "text"), *rows])
    place = f"clean/{run}.csv"
    s3.put_object(Bucket=bucket, Key=place, Body=body.getvalue().encode())
    told = {"run": run, "texts": place, "kept": len(rows), "left_out": left_out}
    print(json.dumps(told))
    try:
        states.start_execution(
            stateMachineArn=os.environ["MACHINE"], name=run, input=json.dumps(told)
        )
    except states.exceptions.ExecutionAlreadyExists:
        print(f"{run} runs already")
    return told


def clean(raw: str) -> tuple[list[tuple[str, str]], dict[str, int]]:
    """(label, tokens) of every text worth learning from, and why how many others are not."""
    kept: list[tuple[str, str]] = []
    seen: set[str] = set()
    left_out: Counter[str] = Counter()
    for row in csv.DictReader(io.StringIO(raw)):
        label = "-".join((row.get("label") or "").lower().split())
        text = tokens(row.get("text") or "")
        if not label:
            left_out["without a label"] += 1
        elif len(text.split()) < LEAST_WORDS:
            left_out["too short"] += 1
        elif text in seen:
            left_out["twice"] += 1
        else:
            seen.add(text)
            kept.append((label, text))
    return kept, dict(left_out)


def tokens(text: str) -> str:
    """The text in lower case without markup, its words and punctuation separated by spaces."""
    plain = html.unescape(TAG.sub(" ", text)).lower().replace("__label__", " ")
    return " ".join(TOKEN.findall(plain))
