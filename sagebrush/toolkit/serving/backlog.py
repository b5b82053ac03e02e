"""How many requests may wait for a worker, and what those beyond are told: pure functions.

AWS's PyTorch and Hugging Face containers answer 503 when their job queue is full, and SageMaker
passes that on as ModelError with OriginalStatusCode 503, without Retry-After: so the body has the
seconds as well.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

QUEUE = "SAGEBRUSH_QUEUE_SIZE"
MOST = 1000
"""Requests that may wait, where the user does not say."""
BURST = 100
"""Requests that may wait whatever the pace: the job queue of AWS's containers."""
SOON, LATE = 2.0, 30.0
"""Seconds of work that may wait beyond BURST, and that BURST may be: after 60 s callers leave."""


def asked(environ: Mapping[str, str]) -> int | None:
    """The user's own bound, None where there is none. Raises ValueError."""
    text = environ.get(QUEUE, "")
    if not text:
        return None
    if not text.isdigit() or int(text) < 1:
        raise ValueError(f"{QUEUE} must be a whole number of 1 or more, not {text!r}")
    return int(text)


def limit(rate: float | None, own: int | None = None) -> int:
    """Requests that may wait: `own`, the user's bound, else by `rate`, answers a second of all
    workers together (None: not known yet)."""
    if own is not None:
        return own
    if rate is None:
        return MOST
    return min(MOST, max(min(BURST, int(rate * LATE) + 1), int(rate * SOON)))


def retry_after(waiting: int, rate: float | None) -> int:
    """Seconds until the requests that wait now are likely answered: 1 to 60."""
    return min(60, max(1, math.ceil(waiting / rate))) if rate else 1


def refusal(waiting: int, seconds: int) -> bytes:
    """The body of the 503, in the words of AWS's model servers."""
    told = {
        "code": 503,
        "type": "ServiceUnavailableException",
        "message": f"No worker is available to serve request for model: {waiting} requests wait"
        f" already. Consider increasing the queue's size ({QUEUE}) or the number of instances.",
        "retry_after": seconds,
    }
    return json.dumps(told).encode()


def problem(status: int, message: str) -> bytes:
    """The body of an answer in the model's place: its worker ended (502), or took too long (504)."""
    kind = "ModelTimeoutException" if status == 504 else "WorkerEndedException"
    return json.dumps({"code": status, "type": kind, "message": message}).encode()
