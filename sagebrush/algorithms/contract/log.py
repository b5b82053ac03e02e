"""The lines of AWS's algorithms on standard output, which users' and AWS's own metric regexes read.

The forms are those of AWS's own logs, as the outputs of aws/amazon-sagemaker-examples hold them:
`[03/14/2019 21:46:52 INFO 139824253740864] #quality_metric: host=algo-1, epoch=0, train loss <loss>=3.2`.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Mapping


def info(text: str, level: str = "INFO") -> None:
    """The text is on one line of the log, with time, level and thread."""
    stamp = time.strftime("%m/%d/%Y %H:%M:%S", time.gmtime())
    _line(f"[{stamp} {level} {threading.get_ident()}] {text}")


def quality(
    metric: str, value: float, host: str, epoch: int | None = None, kind: str = "loss"
) -> None:
    """The value of a metric ("train total_loss") is in the log; `kind` is "loss" or "score"."""
    when = "" if epoch is None else f"epoch={epoch}, "
    info(f"#quality_metric: host={host}, {when}{metric} <{kind}>={value}")


def progress(host: str, percent: float) -> None:
    """How much of the epochs is done is in the log."""
    info(f"#progress_metric: host={host}, completed {percent} % of epochs")


def throughput(host: str, records_per_second: float) -> None:
    """The records that training took in per second are in the log."""
    info(f"#throughput_metric: host={host}, train throughput={records_per_second} records/second")


def metrics(
    values: Mapping[str, float],
    *,
    started: float,
    host: str,
    algorithm: str,
    dimensions: Mapping[str, object] | None = None,
) -> None:
    """`#metrics {json}` is in the log: each value as a sum of one; `started` is in seconds."""
    one = {
        name: {"sum": float(value), "count": 1, "min": value, "max": value}
        for name, value in values.items()
    }
    about = {"Algorithm": algorithm, "Host": host, "Operation": "training", **(dimensions or {})}
    document = {"StartTime": started, "EndTime": time.time(), "Dimensions": about, "Metrics": one}
    _line(f"#metrics {json.dumps(document)}\n")


def _line(text: str) -> None:
    """At once, and in one write: other threads' lines do not come between."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
