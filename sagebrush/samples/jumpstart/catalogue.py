"""Which models of JumpStart's are here, and where their files lie in its bucket. Pure.

Sources of the ids: developer guide, "TensorFlow Hub Models" (Text Classification - TensorFlow), and the
SageMaker Python SDK's table "Built-in Algorithms with pre-trained Model Table" (huggingface-tc-*), with
their versions. `huggingface-tc-all-minilm-l6-v2` is Sagebrush's own: its weights come as a package.
The names of keys are those of AWS's specs, as the SDK's tests hold them for other models.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sagebrush.errors import Doc

FAMILIES = ("huggingface", "tensorflow")
BUCKET = "jumpstart-cache-prod-"
"""How the names of JumpStart's buckets begin; the region follows."""
MANIFEST = "models_manifest.json"
"""The key of the list of models, as SDKs ask for it."""
PROPRIETARY = "proprietary-sdk-manifest.json"
"""The key of the list of models that are sold on AWS's marketplace: there are none here."""
TASK = "tc"
"""Text classification, in model ids."""
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Version:
    """A version of a model, and the oldest SDK that knows how to read it."""

    number: str
    sdk: str


@dataclass(frozen=True)
class Model:
    """A model of the catalogue."""

    id: str
    family: Mapping[str, Any]
    """What all models of the framework have in common: the content of `<framework>.json`."""
    own: Mapping[str, Any]
    """`hub`; `package` and `folder` where a package has the weights; `defaults` of its own."""

    @property
    def framework(self) -> str:
        return str(self.family["framework"])

    @property
    def versions(self) -> tuple[Version, ...]:
        """Oldest first."""
        return tuple(Version(*each) for each in self.own.get("versions", self.family["versions"]))

    @property
    def training_key(self) -> str:
        """Of the base model, which training begins with."""
        return f"{self.framework}-training/train-{self.id}.tar.gz"

    @property
    def hosting_key(self) -> str:
        """Of the classifier that AWS trained, which is deployed as it is."""
        return f"{self.framework}-infer/infer-{self.id}.tar.gz"

    def spec_key(self, version: Version) -> str:
        """Of the model's description."""
        return f"community_models_specs/{self.id}/specs_v{version.number}.json"

    def reference(self, key: str) -> Doc:
        """What stands at `key` where neither AWS nor anybody put the model there."""
        told = {"model_id": self.id, "key": key, "hub": self.own["hub"]}
        if "package" in self.own and key == self.training_key:
            told |= {"package": self.own["package"], "folder": self.own["folder"]}
        return told


def script_key(framework: str, scope: str) -> str:
    """Of the scripts; `scope` is transfer_learning or inference."""
    return f"source-directory-tarballs/{framework}/{scope}/{TASK}/v1.0.0/sourcedir.tar.gz"


def region_of(bucket: str) -> str | None:
    """The region whose JumpStart bucket has that name; None for other buckets."""
    return bucket.removeprefix(BUCKET) if bucket.startswith(BUCKET) else None


@cache
def models() -> Mapping[str, Model]:
    """Id -> model, those of a family together."""
    found = {}
    for name in FAMILIES:
        family = read(name)
        for id_, own in family["models"].items():
            found[id_] = Model(id_, family, own)
    return found


def read(name: str) -> Mapping[str, Any]:
    """The content of a file of this folder."""
    return json.loads((_HERE / f"{name}.json").read_text(encoding="utf-8"))
