"""The driver of one instance of a transform job, a process of its own: `run.main()` in its directory.

`plan.json` there says what to do, `ml` is what it may write (`journal`). It ends with COMPLETED, with
FAILED and why in `ml/result.json`, or with STOPPED after SIGTERM.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from urllib.parse import urlsplit

from sagebrush.companion import fetch
from sagebrush.companion.transform.drive import Drive
from sagebrush.companion.transform.journal import RESULT, Journal
from sagebrush.companion.transform.store import Stopped

PLAN = "plan.json"
FOLDER = "ml"
COMPLETED, FAILED, STOPPED = 0, 1, 3
TOLD = 5
"""Failed objects whose reasons are kept."""
_lock = threading.Lock()


def say(text: str) -> None:
    """The data-log has a line, as AWS writes it."""
    now = time.time()
    stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1000):03d}"
    with _lock:
        sys.stdout.write(f"{stamp}:[sagemaker logs]: {text}\n")
        sys.stdout.flush()


def main() -> None:
    """The process ends, with its exit status."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    with open(PLAN) as file:
        plan = json.load(file)
    path = urlsplit(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]).path
    token = os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
    role = fetch.Role(int(os.environ["SAGEBRUSH_FEED"]), path, token, plan["region"])
    journal = Journal(FOLDER)
    status = COMPLETED
    try:
        drive = Drive(plan, role, journal, say, stopping)
        drive.run()
        if drive.failures:
            status = FAILED
            found = {"failed": len(drive.failures), "reasons": drive.failures[:TOLD]}
            journal.put(RESULT, found)
    except Stopped:
        status = STOPPED
    sys.stdout.flush()
    os._exit(status)  # a request that hangs must not hold it up
