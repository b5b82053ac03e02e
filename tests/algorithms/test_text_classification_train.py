"""Text Classification - TensorFlow: jobs over base models in the forms of TensorFlow Hub, and an endpoint."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import text_classification_tensorflow

from sagebrush.environments.environment import Environment
from tests.crowding import crowding
from tests.toolkit.serving.model_server import serving

FOLDER = Path(text_classification_tensorflow.__path__[0])
JOBS = Path(__file__).with_name("text_classification_jobs.py")

pytestmark = pytest.mark.full  # these need an environment of gigabytes


@pytest.fixture(scope="module")
def ran(
    released_tensorflow: Environment, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any], str]:
    """(their folder, what came of each, the log) of all jobs."""
    root = tmp_path_factory.mktemp("jobs")
    done = subprocess.run(
        [str(released_tensorflow.python), str(JOBS), str(root)],
        env={
            "PATH": os.defpath, "PYTHONPATH": str(FOLDER.parent), "PIP_NO_INDEX": "1",
            "TMPDIR": str(root), "OMP_NUM_THREADS": "2", "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        timeout=180 * crowding(),
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    return root, json.loads(last), "\n".join(lines)


def log_of(log: str, name: str) -> str:
    """The part of the log that is one job's."""
    return log.partition(f"#{name}\n")[2].partition("\n#")[0]


def accuracies(log: str, name: str) -> list[float]:
    """The metric of the guide's regular expression."""
    return [float(each) for each in re.findall(r"val_accuracy=([0-9\.]+)", log_of(log, name))]


@pytest.mark.parametrize("base", ["plain", "pair", "keras"])
def test_each_form_of_base_model_is_fine_tuned(ran: Any, base: str) -> None:
    _, found, log = ran
    measured = accuracies(log, base)
    assert len(measured) == (8 if base == "pair" else 3)
    assert measured[-1] > 0.9
    lines = r"(?m)^5/5 - \d+s - loss: \S+ - accuracy: \S+ - val_loss: \S+ - val_accuracy: \S+$"
    assert len(re.findall(lines, log_of(log, base))) == len(measured)
    # A plain tf.saved_model.load, without any of this code: music is the third class, food the second.
    first, second = found[base]["probabilities"]
    assert (first.index(max(first)), second.index(max(second))) == (2, 1)
    assert sum(first) == pytest.approx(1, abs=1e-5)


def test_the_artefact_is_for_tensorflow_serving_with_labels_and_code(ran: Any) -> None:
    root, _, _ = ran
    model = root / "new" / "model"
    assert (model / "1" / "saved_model.pb").is_file()
    index = json.loads((model / "class_label_to_prediction_index.json").read_text())
    assert index == {"5": 0, "6": 1, "7": 2}
    assert (model / "code" / "inference.py").is_file()
    assert (model / "code" / "contract" / "errors.py").is_file()


def test_incremental_training_goes_on_where_the_artefact_ended(ran: Any) -> None:
    root, found, log = ran
    assert "the classification layer is kept" in log_of(log, "further")
    assert accuracies(log, "further")[0] > 0.9  # its one epoch hardly moves it
    assert found["further"]["probabilities"] != found["pair"]["probabilities"]
    told = json.loads((root / "further" / "model" / "training.json").read_text())
    assert told["hyperparameters"]["dropout_rate"] == 0.2  # the kept layer's own, not the job's
    assert "the classification layer is new" in log_of(log, "new")
    assert 2 <= len(accuracies(log, "new")) <= 10


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("other", "'training' has labels that the model that is trained further does not have: 5, 6"),
        ("kept", "'reinitialize_top_layer' hyperparameter which expects 'Auto' or 'True' where"),
        ("unknown", "'validation' has labels that the training data does not have: 5, 6, 7"),
        ("custom", "uses the operation CaseFoldUTF, which is not TensorFlow's own. That is mostly one"
                   " of tensorflow-text, and it could not be installed"),
        ("nothing", "the base model: it holds no saved_model.pb and no .keras file (it has a.txt)"),
        ("damaged", "the base model: a.tar.gz is no tar archive that can be read"),
        ("reference", "The base model tensorflow-tc-x is not here: its place holds a reference only"),
        ("one", "data.csv has one class only, 1"),
    ],
)  # fmt: skip
def test_what_the_user_can_mend_fails_the_job(ran: Any, name: str, why: str) -> None:
    _, found, _ = ran
    assert found[name]["status"] == 2
    assert found[name]["failure"].startswith("ClientError: ")
    assert why in found[name]["failure"]


def test_a_job_that_is_stopped_saves_what_there_is(ran: Any) -> None:
    _, found, _ = ran
    files = ["1", "class_label_to_prediction_index.json", "code", "training.json"]
    assert found["stopped"]["files"] == files


def test_an_endpoint_answers_as_the_guide_says(
    ran: Any, released_tensorflow: Environment, tmp_path: Path
) -> None:
    root, found, _ = ran
    shutil.copytree(root / "new" / "model", tmp_path / "model")
    with serving(released_tensorflow, tmp_path, SAGEBRUSH_FRAMEWORK="tensorflow") as server:
        server.ready()
        text, verbose = "application/x-text", "application/json;verbose"
        status, kind, body = server.post("guitar and the song", text, verbose)
        assert (status, kind) == (200, verbose)
        told = json.loads(body)
        expected = found["new"]["probabilities"][0]
        assert told["probabilities"] == pytest.approx(expected, abs=1e-6)
        assert told["labels"] == [5, 6, 7]
        assert told["predicted_label"] == told["labels"][expected.index(max(expected))]
        status, kind, body = server.post("guitar and the song", text, "application/json")
        assert (status, kind, list(json.loads(body))) == (
            200,
            "application/json",
            ["probabilities"],
        )
        assert server.post(" ", text)[0] == 400
        assert server.post("a", "text/csv")[0] == 415
        assert server.post("a", text, "text/csv")[0] == 406
