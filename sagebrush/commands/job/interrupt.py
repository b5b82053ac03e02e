"""`jobs interrupt`: interrupts a managed spot training job on request, as AWS would."""

from __future__ import annotations

import argparse
import datetime as dt
import time

from sagebrush.commands import places, running
from sagebrush.commands.job import show
from sagebrush.commands.running import CommandError

TAG = "sagebrush:interrupt"
"""The tag that requests an interruption; its value is the time of the request."""
LOOK = 0.2
"""Seconds between two looks."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `jobs interrupt`."""
    parser.add_argument("name", metavar="NAME")
    places.add_argument(parser)
    parser.add_argument("--no-wait", action="store_true", help="only ask for it")


def run(args: argparse.Namespace) -> int:
    """Returns when it has been interrupted; raises CommandError where that cannot be."""
    chosen = running.settings()
    server = places.server(chosen, args)
    region = places.region_of(chosen, server, args.name, args.region)
    client = running.client(chosen, server, "sagemaker", region)
    job = show.describe(client, args.name)
    if not job.get("EnableManagedSpotTraining"):
        raise CommandError(
            f"{args.name} is no managed spot training job (EnableManagedSpotTraining), and AWS"
            " interrupts no other"
        )
    if job["TrainingJobStatus"] != "InProgress" or job["SecondaryStatus"] != "Training":
        raise CommandError(
            f"{args.name} does not train now: it is {job['TrainingJobStatus']},"
            f" {job['SecondaryStatus']}"
        )
    before = len(job["SecondaryStatusTransitions"])
    now = dt.datetime.now(dt.UTC).isoformat()
    client.add_tags(ResourceArn=job["TrainingJobArn"], Tags=[{"Key": TAG, "Value": now}])
    if args.no_wait:
        print(f"{args.name} gets the notice of its interruption")
        return 0
    print(f"{args.name} has the notice; at most two minutes later it is interrupted …", flush=True)
    while True:
        job = show.describe(client, args.name)
        new = [each["Status"] for each in job["SecondaryStatusTransitions"][before:]]
        if "Interrupted" in new:
            print(f"{args.name} is interrupted; it goes on from its last checkpoint")
            return 0
        if job["TrainingJobStatus"] != "InProgress":
            raise CommandError(f"{args.name} ended before: it is {job['TrainingJobStatus']}")
        time.sleep(LOOK)
