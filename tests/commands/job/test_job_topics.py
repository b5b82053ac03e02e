"""`jobs plot` of a training job of LDA or NTM: its topics as a page, and what is not drawn."""

from __future__ import annotations

import argparse
import io
import json
import math
import re
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError

from sagebrush.commands import places, running
from sagebrush.commands.job import plot, topics
from sagebrush.commands.running import CommandError

SQUARE = [[0, 0.6, 1, 0.8], [0.6, 0, 0.8, 1], [1, 0.8, 0, 0.6], [0.8, 1, 0.6, 0]]
"""The distances of the corners of a rectangle."""


def content(**more: Any) -> dict[str, Any]:
    each = [
        {"words": [[f"<w{n}{i}>", 0.3 / (i + 1)] for i in range(30)], "share": share, "npmi": npmi}
        for n, (share, npmi) in enumerate([(0.2, 0.1), (0.5, None), (0.2, 0.3), (0.1, -0.1)])
    ]
    return {"algorithm": "lda", "vocabulary": True, "topics": each, "distances": SQUARE, **more}


def job(status: str = "Completed", **config: Any) -> dict[str, Any]:
    output = {"S3OutputPath": "s3://bucket/some/where/", **config}
    return {"TrainingJobName": "topics-1", "TrainingJobStatus": status, "OutputDataConfig": output}


class S3:
    """Holds the objects that it is given."""

    def __init__(self, **objects: bytes) -> None:
        self.objects = objects

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": "none"}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[Key])}


def packed(name: str, body: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(body)
        archive.addfile(member, io.BytesIO(body))
    return out.getvalue()


HOME = "some/where/topics-1/output"


def test_topics_are_found_in_the_output_packed_or_not() -> None:
    body = json.dumps(content()).encode()
    for stored, kind in (
        (S3(**{f"{HOME}/output.tar.gz": packed("./topics.json", body)}), "GZIP"),
        (S3(**{f"{HOME}/output/topics.json": body}), "NONE"),
    ):
        found = topics.read(job(CompressionType=kind), stored)
        assert [topic["share"] for topic in found["topics"]] == [0.2, 0.5, 0.2, 0.1]


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        ({}, "without topics: what is drawn"),
        ({f"{HOME}/output.tar.gz": packed("else.json", b"{}")}, "without topics"),
        ({f"{HOME}/output.tar.gz": packed("topics.json", b"[")}, "cannot be read"),
        ({f"{HOME}/output.tar.gz": packed("topics.json", b'{"topics": []}')}, "cannot be read"),
    ],
)
def test_what_has_no_topics_is_told(stored: dict[str, bytes], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        topics.read(job(), S3(**stored))


def test_a_job_that_runs_has_none_yet() -> None:
    with pytest.raises(CommandError, match="has not ended yet"):
        topics.read(job("InProgress"), S3())


def test_the_map_keeps_distances() -> None:
    places = topics.layout(SQUARE)
    found = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.testing.assert_allclose(found, SQUARE, atol=1e-9)
    assert topics.layout([[0]]).tolist() == [[0, 0]]
    assert math.isclose(abs(topics.layout([[0, 0.5], [0.5, 0]])[:, 0].sum()), 0, abs_tol=1e-9)


def test_a_page_stands_alone_and_has_the_largest_topic_first() -> None:
    page = topics.page("topics <1>", topics.checked(content()))
    assert not re.search(r"<script[^>]+src=", page)
    assert re.findall(r"Topic (\d) <span>(\S+)</span>", page) == [
        ("1", "50.0%"), ("0", "20.0%"), ("2", "20.0%"), ("3", "10.0%"),
    ]  # fmt: skip
    assert "<title>topics &lt;1&gt;</title>" in page
    assert 'title="&lt;w00&gt;"' in page
    assert "<w00>" not in page
    assert "mean coherence (NPMI of the ten top words) 0.100" in page
    assert "No vocabulary" not in page
    assert "No vocabulary" in topics.page("x", topics.checked(content(vocabulary=False)))


class SageMaker:
    """Knows one training job, and no tuning job."""

    def describe_hyper_parameter_tuning_job(self, **asked: Any) -> dict[str, Any]:
        error = {"Error": {"Code": "ResourceNotFound", "Message": "no tuning job of that name"}}
        raise ClientError(error, "DescribeHyperParameterTuningJob")

    def describe_training_job(self, TrainingJobName: str) -> dict[str, Any]:
        if TrainingJobName != "topics-1":
            raise ClientError({"Error": {"Code": "ResourceNotFound"}}, "DescribeTrainingJob")
        return job()


def test_the_command_draws_a_training_jobs_topics(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = S3(**{f"{HOME}/output.tar.gz": packed("topics.json", json.dumps(content()).encode())})
    clients = {"sagemaker": SageMaker(), "s3": stored}
    monkeypatch.setattr(running, "settings", lambda: None)
    monkeypatch.setattr(running, "require", lambda chosen: None)
    monkeypatch.setattr(running, "client", lambda chosen, server, name, region: clients[name])
    monkeypatch.setattr(places, "region_of", lambda chosen, server, name, asked: "us-east-1")
    monkeypatch.chdir(tmp_path)
    parser = argparse.ArgumentParser()
    plot.configure(parser)
    assert plot.run(parser.parse_args(["topics-1"])) == 0
    assert capsys.readouterr().out == "topics-1.html\n"
    assert "Words of each topic" in (tmp_path / "topics-1.html").read_text()
    with pytest.raises(CommandError, match="no tuning job of that name"):
        plot.run(parser.parse_args(["nothing"]))


def test_a_picture_needs_nothing_of_ours(tmp_path: Path) -> None:
    from sagebrush.commands.pictures import topic_drawing

    source = Path(str(topic_drawing.__file__)).read_text()
    assert "sagebrush" not in source.partition("from __future__")[2]
