"""`samples`: what is kept of AWS's public sample buckets; files put there, generated, and removed."""

from __future__ import annotations

import argparse
import os
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sagebrush.commands import running
from sagebrush.commands.running import CommandError
from sagebrush.samples import generated, stock, table
from sagebrush.settings import Settings

PACKED = (".tar.gz", ".tgz")
"""Ends of keys that are archives: a folder that is added there is packed."""
PROVED = 3600
"""Seconds for which requests of one call of the command are accepted."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `samples`."""
    commands = parser.add_subparsers(dest="what", metavar="list | add | generate | remove")
    listed = commands.add_parser("list", help="what is kept: the buckets, or the keys of one")
    listed.add_argument("place", nargs="?", metavar="BUCKET[/PREFIX]")
    add = commands.add_parser("add", help="put a folder's files, which you fetched, into a bucket")
    add.add_argument("place", metavar="BUCKET[/PREFIX]")
    add.add_argument("folder", type=Path, metavar="FOLDER", help="a folder, or one file")
    make = commands.add_parser(
        "generate", help="made-up files of the form of AWS's; without arguments: which there are"
    )
    make.add_argument("place", nargs="?", metavar="BUCKET[/KEY]")
    remove = commands.add_parser("remove", help="remove what is kept, was added or generated")
    remove.add_argument("place", metavar="BUCKET[/PREFIX]")


def run(args: argparse.Namespace) -> int:
    """Runs the subcommand; raises CommandError."""
    from botocore.exceptions import BotoCoreError, ClientError

    if args.what == "generate" and not args.place:
        return _offered()
    chosen = running.settings()
    place = getattr(args, "place", None)
    bucket, prefix = _split(place) if place else ("", "")
    client = _client(chosen)
    try:
        if args.what == "add":
            return _add(client, bucket, prefix, args.folder)
        if args.what == "generate":
            return _generate(client, bucket, prefix)
        if args.what == "remove":
            return _remove(client, bucket, prefix)
        return _keys(client, bucket, prefix) if bucket else _buckets(client)
    except (BotoCoreError, ClientError) as error:
        raise CommandError(str(error)) from error


def _split(place: str) -> tuple[str, str]:
    bucket, _, prefix = place.removeprefix("s3://").partition("/")
    if table.find(bucket) is None:
        names = ", ".join(name.replace("{region}", "REGION") for name, _ in table.NAMES)
        raise CommandError(f"{bucket} is no public sample bucket of AWS; those are {names}")
    return bucket, prefix


def _client(chosen: Settings) -> Any:
    """An S3 client whose requests show that whoever runs it can read this data directory."""
    from sagebrush.credentials import CredentialBook

    server = running.require(chosen)
    book = CredentialBook(chosen.home / "keys", chosen.account, chosen.role, time.time)
    sealed = book.seal(table.SEAL, str(int(time.time()) + PROVED).encode())
    client = running.client(chosen, server, "s3")

    def mark(request: Any, **_: Any) -> None:
        request.headers[table.SEED_HEADER] = sealed

    client.meta.events.register("before-sign.s3.*", mark)
    return client


# list ---------------------------------------------------------------------------------------------


def _buckets(client: Any) -> int:
    rows = []
    for bucket in client.list_buckets(MaxBuckets=1000)["Buckets"]:
        found = list(_listed(client, bucket["Name"], ""))
        size = sum(each["Size"] for each in found)
        rows.append((bucket["Name"], _count(len(found)), _size(size)))
    for line in running.columns(rows) or ["Nothing is kept of AWS's public sample buckets."]:
        print(line)
    return 0


def _keys(client: Any, bucket: str, prefix: str) -> int:
    words = {
        "added": "added",
        "generated": "generated, not AWS's",
        stock.OURS: "Sagebrush's own",
        stock.REFERENCE: "stands for AWS's",
    }
    rows = []
    for each in _listed(client, bucket, prefix):
        meta = client.head_object(Bucket=bucket, Key=each["Key"])["Metadata"]
        rows.append((each["Key"], _size(each["Size"]), words.get(meta.get(table.SOURCE), "AWS's")))
    for line in running.columns(rows) or [f"Nothing is kept of {bucket}/{prefix}"]:
        print(line)
    return 0


def _listed(client: Any, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    """What is kept: the key `prefix` itself, or all keys in that folder."""
    from botocore.exceptions import ClientError

    folder = prefix.rstrip("/") + "/" if prefix else ""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    try:
        for page in pages:
            for each in page.get("Contents", ()):
                if each["Key"] == prefix or each["Key"].startswith(folder):
                    yield each
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "NoSuchBucket":
            raise


def _count(objects: int) -> str:
    return "1 object" if objects == 1 else f"{objects:,} objects"


def _size(size: int) -> str:
    return f"{size / 2**20:,.1f} MB" if size >= 2**20 else f"{size / 1024:,.1f} KB"


# add, generate, remove ----------------------------------------------------------------------------


def _add(client: Any, bucket: str, prefix: str, folder: Path) -> int:
    """Every file of the folder has its relative path, under the prefix, as its key."""
    if folder.is_file():
        name = prefix + folder.name if prefix.endswith("/") or not prefix else prefix
        found = [(name, folder)]
    elif folder.is_dir() and prefix.endswith(PACKED):
        return _add_packed(client, bucket, prefix, folder)
    elif folder.is_dir():
        lead = prefix.rstrip("/") + "/" if prefix else ""
        found = [
            (lead + path.relative_to(folder).as_posix(), path)
            for path in sorted(
                Path(root, name) for root, _, names in os.walk(folder) for name in names
            )
        ]
    else:
        raise CommandError(f"{folder} is neither a folder nor a file")
    if not found:
        raise CommandError(f"there is no file in {folder}")
    extra = {"Metadata": {table.SOURCE: "added"}}
    with _progress(sum(path.stat().st_size for _, path in found)) as moved:
        for key, path in found:
            client.upload_file(str(path), bucket, key, ExtraArgs=extra, Callback=moved)
    files = "1 file" if len(found) == 1 else f"{len(found):,} files"
    print(f"added {files} to {bucket}/{prefix}")
    return 0


def _add_packed(client: Any, bucket: str, key: str, folder: Path) -> int:
    """The folder's content is the archive at the key: a model, where JumpStart's are archives."""
    with tempfile.TemporaryDirectory() as scratch:
        packed = Path(scratch, key.rpartition("/")[2])
        with tarfile.open(packed, "w:gz", compresslevel=1) as archive:
            for path in sorted(folder.iterdir()):
                archive.add(path, path.name)
        return _add(client, bucket, key, packed)


class _progress:
    """A bar over bytes on a terminal; nothing elsewhere. Entered, it is what to call with each
    number of bytes."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

        self._bar = Progress(
            BarColumn(), DownloadColumn(), TransferSpeedColumn(), console=Console(stderr=True),
            transient=True, disable=not Console(stderr=True).is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> Callable[[int], None]:
        self._bar.start()
        return lambda size: self._bar.advance(self._task, size)

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def _offered() -> int:
    print("Files of the form of AWS's, with made-up values (REGION: any region's bucket):")
    for each in generated.GENERATED:
        print(f"  {each.bucket}{'REGION' if each.bucket.endswith('-') else ''}/{each.key}")
    return 0


def _generate(client: Any, bucket: str, prefix: str) -> int:
    """What is there already stays: an original is worth more."""
    from botocore.exceptions import ClientError

    found = generated.under(bucket, prefix)
    if not found:
        raise CommandError(
            f"nothing can be generated for {bucket}/{prefix}; `sagebrush samples generate` lists what can"
        )
    for each in found:
        try:
            client.put_object(
                Bucket=bucket, Key=each.key, Body=each.make().encode(), IfNoneMatch="*",
                ContentType="text/plain", Metadata={table.SOURCE: "generated"},
            )  # fmt: skip
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "PreconditionFailed":
                raise
            print(f"{bucket}/{each.key}: there already, left as it is")
            continue
        print(f"{bucket}/{each.key}: generated; its values are made up, it is not AWS's file")
    return 0


def _remove(client: Any, bucket: str, prefix: str) -> int:
    """The bucket goes with its last object."""
    from botocore.exceptions import ClientError

    keys = [each["Key"] for each in _listed(client, bucket, prefix)]
    for at in range(0, len(keys), 1000):
        some = [{"Key": key} for key in keys[at : at + 1000]]
        client.delete_objects(Bucket=bucket, Delete={"Objects": some, "Quiet": True})
    try:
        client.delete_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in ("BucketNotEmpty", "NoSuchBucket"):
            raise
    print(f"removed {_count(len(keys))} of {bucket}/{prefix}")
    return 0
