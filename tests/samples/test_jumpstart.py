"""JumpStart's catalogue: what it lists, what its specs name, and the scripts that it packs."""

from __future__ import annotations

import gzip
import importlib
import io
import json
import tarfile

import pytest

from sagebrush.environments import images
from sagebrush.samples.jumpstart import catalogue, objects, scripts, specs

BUCKET = "jumpstart-cache-prod-eu-west-1"
BERT = "huggingface-tc-bert-base-cased"
NOTEBOOK = ("ml.p3.2xlarge", "ml.p2.xlarge", "ml.m5.xlarge", "ml.g5.48xlarge", "ml.g4dn.xlarge")


def test_the_manifest_names_what_is_there() -> None:
    there = objects.always(BUCKET)
    listed = json.loads(there[catalogue.MANIFEST])
    assert {BERT, "huggingface-tc-models"} <= {each["model_id"] for each in listed}
    for each in listed:
        spec = json.loads(there[each["spec_key"]])
        assert (spec["model_id"], spec["version"]) == (each["model_id"], each["version"])
        assert spec["training_script_key"] in there
        assert spec["hosting_script_key"] in there
        assert spec["training_artifact_key"] in objects.references(BUCKET)
        assert spec["hosting_artifact_key"] in objects.references(BUCKET)


def test_other_buckets_have_nothing_of_it() -> None:
    assert not objects.always("sagemaker-sample-files")
    assert not objects.references("sagemaker-sample-files")


@pytest.mark.parametrize("model", catalogue.models().values(), ids=lambda model: model.id)
def test_images_run_here(model: catalogue.Model) -> None:
    for kind in ("training_image", "inference_image"):
        for uri in specs.image_uris("eu-west-1", model.family[kind]).values():
            found = images.resolve(uri)
            assert found.framework == model.framework
            # A lock is shipped, so that nothing is resolved at the first use.
            assert found.environment in (
                "huggingface-pytorch-4.48.0-2.3.0", "tensorflow-2.14.1",
            )  # fmt: skip


def test_instance_types_are_those_of_the_guide_and_the_notebooks() -> None:
    assert set(NOTEBOOK) <= set(specs.instance_types())


@pytest.mark.parametrize("model", {m.framework: m for m in reversed(objects.models())}.values())
def test_defaults_are_valid_for_the_script(model: catalogue.Model) -> None:
    parameters = importlib.import_module(f"{model.family['package']}.parameters")
    given = {
        each["name"]: each["default"]
        for each in specs.hyperparameters(model)
        if each["scope"] == "algorithm"
    }
    assert parameters.read(given) == parameters.read({})
    assert set(parameters.TABLE) - set(given) <= {"hub_key"}  # huggingface-tc-models' own


def test_a_models_own_defaults_count() -> None:
    own = specs.hyperparameters(catalogue.models()["huggingface-tc-all-minilm-l6-v2"])
    assert {"0.0002"} == {each["default"] for each in own if each["name"] == "learning_rate"}


def test_the_scripts_are_packed_alike_each_time() -> None:
    first = scripts.sourcedir("text_classification_huggingface")
    scripts.sourcedir.cache_clear()
    assert first is not None
    assert scripts.sourcedir("text_classification_huggingface") == first
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(first))) as archive:
        names = set(archive.getnames())
    assert {"transfer_learning.py", "inference.py", "contract/job.py"} <= names
    assert "text_classification_huggingface/training.py" in names


def test_an_algorithm_that_is_not_there_has_no_scripts() -> None:
    assert scripts.sourcedir("none_such") is None


def test_a_reference_names_the_model() -> None:
    model = catalogue.models()[BERT]
    packed = objects.references(BUCKET)[model.training_key]
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        file = archive.extractfile("reference.json")
        assert file is not None
        told = json.loads(file.read())
    assert told == {
        "model_id": BERT,
        "key": model.training_key,
        "hub": "google-bert/bert-base-cased",
    }


def test_what_stands_for_a_classifier_says_so_in_an_endpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HF_MODEL_ID", raising=False)
    model = catalogue.models()["tensorflow-tc-albert-en-base"]
    packed = objects.references(BUCKET)[model.hosting_key]
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        file = archive.extractfile("code/inference.py")
        assert file is not None
        code = file.read()
    with pytest.raises(FileNotFoundError, match=f"{model.id} is not here.*{model.hosting_key}"):
        exec(code)
    monkeypatch.setenv("HF_MODEL_ID", "a/b")
    exec(code)
