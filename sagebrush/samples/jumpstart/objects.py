"""The objects of JumpStart's buckets that Sagebrush itself has: key -> bytes."""

from __future__ import annotations

import json
from functools import cache

from sagebrush.errors import Doc
from sagebrush.samples.jumpstart import catalogue, scripts, specs

SCOPES = ("transfer_learning", "inference")
NO_CLASSIFIER = """import os

if not os.environ.get("HF_MODEL_ID"):
    raise FileNotFoundError(
        "the classifier of {id} is not here: AWS could not be reached for it. Deploy a model that was"
        " fine-tuned here, or put one there: sagebrush samples add"
        " jumpstart-cache-prod-REGION/{key} FOLDER-OR-TAR.GZ"
    )
"""
"""The code in what stands for a classifier: an endpoint that gets no other (SDK 3) says so by it."""


def always(bucket: str) -> dict[str, bytes]:
    """What is ours in that bucket whether or not AWS answers; nothing in other buckets."""
    region = catalogue.region_of(bucket)
    return {} if region is None else _always(region)


def references(bucket: str) -> dict[str, bytes]:
    """What stands for models' files until they are there: archives that name them."""
    return {} if catalogue.region_of(bucket) is None else _references()


@cache
def _always(region: str) -> dict[str, bytes]:
    found = {
        catalogue.MANIFEST: _json(specs.manifest(models())),
        catalogue.PROPRIETARY: _json([specs.NOBODY]),
    }
    for model in models():
        for version in model.versions:
            found[model.spec_key(version)] = _json(specs.spec(model, version, region))
    for family in {model.framework: model.family for model in models()}.values():
        packed = scripts.sourcedir(family["package"])
        assert packed is not None
        for scope in SCOPES:
            found[catalogue.script_key(family["framework"], scope)] = packed
    return found


@cache
def _references() -> dict[str, bytes]:
    found = {}
    for model in models():
        for key in (model.training_key, model.hosting_key):
            files = {"reference.json": _json(model.reference(key))}
            if key == model.hosting_key:
                code = NO_CLASSIFIER.format(id=model.id, key=key)
                files["code/inference.py"] = code.encode()
            found[key] = scripts.pack(files)
    return found


def models() -> list[catalogue.Model]:
    """The models whose scripts are here."""
    every = catalogue.models().values()
    return [model for model in every if scripts.sourcedir(model.family["package"]) is not None]


def _json(document: Doc | list[Doc]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
