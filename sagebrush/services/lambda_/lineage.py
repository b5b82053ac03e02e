"""Loops of functions that invoke one another, found by what trace headers pass on. Pure.

Source: Lambda developer guide, "Use Lambda recursive loop detection to prevent infinite loops": the AWS
SDK in a function passes its trace header on; a function that is invoked about sixteen times by the same
event is stopped. Here the header passes from function to function, also through buckets, topics and
queues; loops through buses are bounded by the functions' concurrency alone, as AWS's.
"""

from __future__ import annotations

import hashlib
import re
import secrets

MOST = 16
"""Invocations of a function by one event, before it is stopped."""
_LINEAGE = re.compile(r"(?:^|;)Lineage=([^;]*)")
_ROOT = re.compile(r"(?:^|;)Root=(1-[0-9a-f]{8}-[0-9a-f]{24})")


def begun(now: float) -> str:
    """The trace header of an invocation that came with none."""
    return f"Root=1-{int(now):08x}-{secrets.token_hex(12)};Sampled=0"


def onward(trace: str, arn: str, now: float) -> tuple[str, int]:
    """The trace header that an invocation of the function of that ARN passes on, and how often the event
    has invoked it, this time included."""
    root, counts = _ROOT.search(trace), dict[str, int]()
    found = _LINEAGE.search(trace)
    for each in found[1].split("|") if found else ():
        name, _, count = each.rpartition(":")
        if re.fullmatch(r"[0-9a-f]{8}", name) and count.isdecimal() and len(counts) < 32:
            counts[name] = min(int(count), 1000)
    mine = hashlib.sha256(arn.encode()).hexdigest()[:8]
    counts[mine] = counts.get(mine, 0) + 1
    begin = root[1] if root else f"1-{int(now):08x}-{secrets.token_hex(12)}"
    lineage = "|".join(f"{name}:{count}" for name, count in counts.items())
    sampled = "1" if "Sampled=1" in trace else "0"
    return (
        f"Root={begin};Parent={secrets.token_hex(8)};Sampled={sampled};Lineage={lineage}",
        counts[mine],
    )
