"""BlazingText training jobs, as processes in the environment `algorithms`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from sagebrush.algorithms.blazingtext import fasttext_model
from sagebrush.environments.environment import Environment
from tests.algorithms.blazingtext_job import TOPICS, TrainingJob, run_all, sentences

SMALL = {
    "mode": "supervised",
    "vector_dim": "10",
    "buckets": "1000",
    "min_count": "1",
    "epochs": "10",
    "learning_rate": "0.5",
}


@pytest.fixture
def job(tmp_path: Path, algorithms: Environment) -> TrainingJob:
    return TrainingJob(tmp_path / "ml", algorithms.python)


def metric(log: str, name: str) -> float:
    """The figure of the line `#name: figure`, the form that AWS's metrics are read from."""
    found = re.findall(rf"^#{name}: (\S+)$", log, re.MULTILINE)
    assert len(found) == 1, log
    return float(found[0])


def test_labelled_lines_become_a_model_that_tells_topics_apart(job: TrainingJob) -> None:
    lines = sentences(600)  # several files are one text
    job.channel("train", lines[:100], "part-1.txt")
    job.channel("train", lines[100:], "part-2.txt")
    job.channel("validation", sentences(200, seed=1))
    done = job.run(**SMALL)
    assert done.returncode == 0, done.stdout + done.stderr
    assert metric(done.stdout, "train_accuracy") > 0.95
    assert metric(done.stdout, "validation_accuracy") > 0.95
    assert "Number of train examples: 600" in done.stdout
    assert "Number of validation examples: 200" in done.stdout
    model = fasttext_model.load(job.model)
    assert set(model.labels) == {f"__label__{topic}" for topic in TOPICS}
    assert (model.args.dim, model.args.bucket, model.args.word_ngrams) == (10, 1000, 2)
    assert model.predict("the guitar and the drum")[0] == ["__label__music"]
    assert [f.name for f in job.model.parent.iterdir()] == ["model.bin"]
    assert not (job.root / "output" / "failure").exists()


def test_a_text_sorted_by_label_is_learnt_as_well(job: TrainingJob) -> None:
    job.channel("train", sorted(sentences(600)))
    job.channel("validation", sentences(200, seed=1))
    done = job.run(**SMALL)
    assert metric(done.stdout, "validation_accuracy") > 0.95


def test_augmented_manifests_train_with_numbers_and_lists(job: TrainingJob) -> None:
    names = sorted(TOPICS)
    lines = []
    for number, line in enumerate(sentences(400)):
        label, _, text = line.partition(" ")
        topic = names.index(label.removeprefix("__label__"))
        lines.append({"source": text, "label": [topic] if number % 2 else topic})
    # The samples of the guide: several labels in one line.
    lines.append({"source": "linux ready for prime time", "label": [1, 2]})
    job.channel("train", [json.dumps(line) for line in lines], "train.manifest")
    done = job.run(**SMALL)
    assert done.returncode == 0, done.stderr
    model = fasttext_model.load(job.model)
    assert sorted(model.labels) == ["__label__0", "__label__1", "__label__2"]
    assert model.predict("the oven and the bread")[0] == ["__label__0"]


def test_early_stopping_keeps_the_best_and_waits_for_patience(job: TrainingJob) -> None:
    job.channel("train", sentences(200))
    # Labels at random: accuracy cannot go on improving.
    topics = {name: " ".join(TOPICS.values()) for name in TOPICS}
    job.channel("validation", sentences(300, seed=1, topics=topics))
    changed = {"epochs": "200", "early_stopping": "True", "min_epochs": "3", "patience": "2"}
    done = job.run(**{**SMALL, **changed})
    assert done.returncode == 0, done.stderr
    ended = [int(n) for n in re.findall(r"End of epoch: (\d+)", done.stdout)]
    looked = [float(a) for a in re.findall(r"^Validation accuracy: (\S+)$", done.stdout, re.M)]
    assert len(ended) == len(looked) + 2, "validation begins at min_epochs"
    assert len(ended) < 200
    # It stopped two looks after its best, and the model is that best one.
    assert looked.index(max(looked)) == len(looked) - 3
    assert metric(done.stdout, "validation_accuracy") == pytest.approx(max(looked), abs=5e-5)
    model = fasttext_model.load(job.model)
    text = (job.root / "input" / "data" / "validation" / "data.txt").read_text().splitlines()
    right = 0
    for line in text:
        label, _, words = line.partition(" ")
        right += model.predict(words)[0] == [label]
    assert right / len(text) == pytest.approx(max(looked), abs=5e-5)


def test_fewer_epochs_than_min_epochs_train_to_their_end(job: TrainingJob) -> None:
    job.channel("train", sentences(100))
    job.channel("validation", sentences(50, seed=1))
    done = job.run(**{**SMALL, "epochs": "2", "early_stopping": "true", "min_epochs": "9"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("End of epoch") == 2
    assert "Validation accuracy:" not in done.stdout
    metric(done.stdout, "validation_accuracy")


def test_validation_labels_that_training_lacks_count_as_wrong(job: TrainingJob) -> None:
    job.channel("train", sentences(300))
    unknown = [line.replace("__label__", "__label__new_") for line in sentences(100, seed=2)]
    job.channel("validation", [*sentences(100, seed=1), *unknown])
    done = job.run(**SMALL, early_stopping="True")
    assert metric(done.stdout, "validation_accuracy") == pytest.approx(0.5, abs=0.03)


WRONG: list[tuple[dict[str, str], bytes, str]] = [
    *(
        (given, "".join(f"{line}\n" for line in sentences(20)).encode(), words)
        for given, words in (
            ({}, "'mode' is a required property"),
            ({"mode": "supervised", "epoch": "3"}, "('epoch' was unexpected)"),
            ({"mode": "supervised", "epochs": "many"}, "'many' is not of type 'integer'"),
            ({**SMALL, "early_stopping": "True"}, "early_stopping=True needs the channel"),
            (
                {**SMALL, "buckets": "2000000000"},
                "take 74.5 GiB in model.bin, and the instance has",
            ),
            ({**SMALL, "min_count": "1000000"}, "No word occurs at least min_count=1000000 times"),
            ({**SMALL, "learning_rate": "1e30"}, "lower learning_rate"),
        )
    ),
    *(
        (SMALL, content, words)
        for content, words in (
            (b"", "the channel holds only empty files"),
            (b"no labels here\nnone here\n", "has no line with a label and text"),
            (b"__label__a\n__label__b\n", "has no line with a label and text"),
            (b"label_a one\nlabel_b two\n", "has no line with a label and text"),
            (b'{"source": "x", "label": 1}\n{"source": "y"}\n', "line 2: 'label' is missing"),
            (b'{"source": "x", "label": 1}\n{"source": \n', "line 2: not JSON"),
            (
                b'{"source": "x", "label": {"a": 1}}\n',
                "line 1: a label must be a number or a string",
            ),
            (b'{"source": "x", "label": "two words"}\n', "the label 'two words' holds white space"),
            (b'{"source": 3, "label": 1}\n', "line 1: 'source' must be a string"),
            (b"__label__a caf\xe9\n", "line 1: not UTF-8"),
        )
    ),
]


def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, algorithms: Environment) -> None:
    jobs = [TrainingJob(tmp_path / str(number), algorithms.python) for number in range(len(WRONG))]
    for job, (given, content, _) in zip(jobs, WRONG, strict=True):
        job.channel("train", content)
        job.configure(**given)
    done = run_all(jobs)
    for job, (_, _, words) in zip(jobs, WRONG, strict=True):
        assert f"status 2 of {job.root}\n" in done.stdout, (words, done.stdout, done.stderr)
        assert job.failure.startswith("ClientError: ")
        assert words in job.failure
        assert words in done.stderr
        assert not job.model.exists()


def test_the_train_channel_is_required(job: TrainingJob) -> None:
    job.channel("training", sentences(20))
    assert job.run(**SMALL).returncode == 2
    assert "'train' is a required property" in job.failure


def test_two_runs_give_the_same_model(job: TrainingJob) -> None:
    job.channel("train", sentences(300))
    made = []
    for _ in range(2):
        done = job.run(**{**SMALL, "vector_dim": "20"})
        assert done.returncode == 0, job.failure
        assert "Compiling" not in done.stdout, "the kernels' machine code is used"
        made.append(job.model.read_bytes())
    assert made[0] == made[1]


def test_n_grams_never_seen_take_no_room(job: TrainingJob) -> None:
    job.channel("train", sentences(100))
    assert job.run(**{**SMALL, "buckets": "500000"}).returncode == 0
    size = job.model.stat()
    assert size.st_size > 500_000 * 10 * 4
    assert size.st_blocks * 512 < size.st_size / 2
