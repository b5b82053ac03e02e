"""How far a transform job is, and what `jobs show` says of one."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

from sagebrush import services
from sagebrush.commands.job import progress, show
from sagebrush.commands.job.named import Found
from sagebrush.engine.running import Live
from tests.conftest import make_settings

DOC: dict[str, Any] = {
    "TransformJobName": "t",
    "TransformJobStatus": "Completed",
    "TransformInput": {
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/in/"}},
        "ContentType": "text/csv",
        "SplitType": "Line",
        "CompressionType": "None",
    },
    "TransformOutput": {"S3OutputPath": "s3://b/out"},
    "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 2},
    "DataProcessing": {"InputFilter": "$[1:]", "OutputFilter": "$", "JoinSource": "Input"},
    "CreationTime": dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC),
    "TransformStartTime": dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC),
    "TransformEndTime": dt.datetime(2026, 1, 1, 13, tzinfo=dt.UTC),
}


def live(key: str) -> Live:
    return Live("transform-job", "t", "i-1", key, "ml.m5.large", "123456789012", "us-east-1")


def test_the_instances_progress_is_added_up(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    instances = [live("b-1"), live("b-1.2"), live("b-1.c2")]
    assert progress.told(settings, instances) == ""
    for key, records, failed in (("b-1", 1200, 0), ("b-1.2", 34, 0)):
        folder = tmp_path / "jobs" / f"{key}.d" / "ml"
        folder.mkdir(parents=True)
        said = {"objects": 20, "done": 6, "failed": failed, "records": records}
        (folder / "progress.json").write_text(json.dumps(said))
    assert progress.told(settings, instances) == "12 of 40 objects, 1,234 records"
    path = tmp_path / "jobs" / "b-1.d" / "ml" / "progress.json"
    path.write_text('{"objects": 20, "done": 6, "failed": 2, "records": 1}')
    assert progress.told(settings, instances) == "12 of 40 objects, 35 records, 2 objects failed"
    path.write_text('{"obj')
    assert progress.told(settings, instances) == "6 of 20 objects, 34 records"


def test_what_is_shown_of_a_transform_job() -> None:
    kind = services.running()["transform-job"]
    rows, below = show.told(Found(kind, "t", DOC), None, [("progress", "1 of 2 objects")])
    assert below == []
    told = dict(rows)
    assert told["instances"] == "2 × ml.m5.large"
    assert told["input"] == "s3://b/in/ (text/csv, Line)"
    assert told["output"] == "s3://b/out"
    assert (told["InputFilter"], told["JoinSource"]) == ("$[1:]", "Input")
    assert "OutputFilter" not in told
    assert told["progress"] == "1 of 2 objects"
    assert told["on AWS"] == "would have cost $0.2300"
