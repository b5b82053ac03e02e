"""What an image URI means: the environment, and the built-in algorithm, that stand for it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from sagebrush.environments import image_tags, locks, releases, unavailable


@dataclass(frozen=True)
class Image:
    """What an image URI means here."""

    environment: str
    """Name of the environment (`base`), "" for a container."""
    algorithm: str | None = None
    """The built-in algorithm it carries (`blazingtext`), or None for script images."""
    framework: str = ""
    """Whose defaults its model server has: pytorch, tensorflow, huggingface, sklearn, xgboost or none."""
    container: str = ""
    """The URI, where it runs as a container of the host's engine."""
    family: str = ""
    """The family of releases (`releases.json`) from which its tag chooses."""
    trains: str = ""
    """The built-in algorithm that trains where a job has no script of its own. Its models are the
    framework's."""
    asked: Mapping[str, str] = field(default_factory=dict)
    """What its tag promises: Python and packages -> version."""
    brings_models: bool = False
    """Whether the algorithm has models of its own, which are served where no model data are named."""


class UnknownImage(Exception):
    """No environment stands for that image; the text names the nearest."""


class UnknownTag(UnknownImage):
    """AWS has no image of that tag, in the words of its CreateTrainingJob; `known` are tags that it
    has. Source: github.com/aws/amazon-sagemaker-examples, issue 2450."""

    def __init__(self, uri: str, tag: str, known: str) -> None:
        super().__init__(
            f"Cannot find the requested image: {uri} with tag: {tag} and digest: null. {known}"
        )
        self.known = known


PYTORCH = Image("pytorch", framework="pytorch", family="pytorch")
TENSORFLOW = Image("tensorflow", framework="tensorflow", family="tensorflow")
HUGGING_FACE = Image("huggingface", framework="huggingface", family="huggingface-pytorch")
HUGGING_FACE_TENSORFLOW = Image("", framework="huggingface", family="huggingface-tensorflow")
SKLEARN = Image("base", framework="sklearn", family="scikit-learn")
XGBOOST = Image("xgboost", framework="xgboost", family="xgboost", trains="sagemaker_xgboost")

# Repository -> image. AWS's own repositories by the names of the SDK's image_uris.
IMAGES = {
    "blazingtext": Image("algorithms", "blazingtext"),
    "comprehend": Image("comprehend", "comprehend", brings_models=True),
    "lda": Image("algorithms", "lda"),
    "ntm": Image("pytorch", "ntm"),
    "object2vec": Image("pytorch", "object2vec"),
    "seq2seq": Image("pytorch", "seq2seq"),
    "sagemaker-scikit-learn": SKLEARN,
    "sagemaker-base-python": Image("base"),
    "base": Image("base"),
    "python": Image("base"),
    "pytorch-training": PYTORCH,
    "pytorch-inference": PYTORCH,
    "sagemaker-pytorch": PYTORCH,
    "pytorch": PYTORCH,
    "tensorflow-training": TENSORFLOW,
    "tensorflow-inference": TENSORFLOW,
    "sagemaker-tensorflow": TENSORFLOW,
    "sagemaker-tensorflow-scriptmode": TENSORFLOW,
    "sagemaker-tensorflow-serving": TENSORFLOW,
    "tensorflow": TENSORFLOW,
    "huggingface-pytorch-training": HUGGING_FACE,
    "huggingface-pytorch-inference": HUGGING_FACE,
    "huggingface-pytorch-trcomp-training": HUGGING_FACE,
    "huggingface-tensorflow-training": HUGGING_FACE_TENSORFLOW,
    "huggingface-tensorflow-inference": HUGGING_FACE_TENSORFLOW,
    "sagemaker-xgboost": XGBOOST,
    "xgboost": XGBOOST,
    "huggingface": HUGGING_FACE,
    "sagemaker-distribution": Image("huggingface"),
    "sagemaker-distribution-prod": Image("huggingface"),
    "sagemaker/sagemaker-distribution": Image("huggingface"),
    "nlp": Image("nlp"),
}
OURS = {*locks.BUILT_IN, "python"}
"""Names of our own and of Docker Hub's, whose tags promise nothing."""
LATEST = "latest"
"""The tag that stands for none."""
LEGACY = {"": "0.72", "1": "0.72", LATEST: "0.72"}
"""Tags of AWS's first XGBoost image, whose repository is `xgboost` -> XGBoost's version."""
OWN = "sagebrush/"
"""The prefix of our own names: `sagebrush/<environment>`, also for environments that users added."""
_URI = re.compile(
    r"(?:(?P<registry>[a-z0-9-]+(?:\.[a-z0-9-]+)+(?::\d+)?|localhost(?::\d+)?)/)?"
    r"(?P<repository>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
    r"(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@sha256:[0-9a-f]{64})?"
)
# Every partition: amazonaws.com, amazonaws.com.cn, amazonaws.eu, c2s.ic.gov and so on.
_AWS = re.compile(r"\d{12}\.dkr\.ecr(?:-fips)?\.[a-z0-9-]+\.[a-z0-9.-]+|public\.ecr\.aws")


def well_formed(uri: str) -> bool:
    """Whether `uri` has the form of an image's name."""
    return _URI.fullmatch(uri) is not None


def resolve(uri: str, added: Sequence[str] = ()) -> Image:
    """What `uri` names; `added` are users' environments. Raises UnknownImage, naming the nearest.

    The account and the region do not matter: AWS's images carry an account per region. The tag
    chooses the versions; without one, and for a tag newer than `releases.json`, the newest environment
    stands; one that names no version, or one far beyond, AWS does not have (UnknownTag). The job's log
    names the versions that really run.
    """
    match = _URI.fullmatch(uri)
    if match is None:
        raise UnknownImage(f"{uri!r} is not an image URI: [registry/]repository[:tag]")
    registry, repository = match["registry"], match["repository"]
    if registry and not _AWS.fullmatch(registry):
        raise UnknownImage(
            f"Image {uri}: it is of another registry, which needs Docker or Podman on this machine"
            f" (none answers, or it does not have the image); without, use one of"
            f" {', '.join(sorted(IMAGES))}, with your own script"
        )
    # Docker Hub's and ECR public's namespaces: library/python, docker/library/python.
    name = re.sub(r"^(docker/)?library/", "", repository)
    # The SDK's base images carry the Python version in the name: sagemaker-base-python-310.
    name = re.sub(r"^(sagemaker-base-python)-\d+$", r"\1", name)
    own = name.removeprefix(OWN)
    if own in added:
        return Image(own)
    if name in IMAGES:
        image, tag = IMAGES[name], match["tag"] or ""
        if registry and name == "xgboost":
            tag = LEGACY.get(tag, tag)
        if image.family and name not in OURS and not _may_exist(image.family, tag):
            raise UnknownTag(uri, tag, _tags(name, image.family))
        return _released(image, tag)
    if own != name and own in IMAGES:
        return _released(IMAGES[own], match["tag"] or "")
    if own != name and (release := releases.named(own)):
        image = next(each for each in IMAGES.values() if each.family == release.family)
        return replace(image, environment=own, asked={})
    raise UnknownImage(f"Image {uri}: {_why(name, added)}")


def _released(image: Image, tag: str) -> Image:
    """The image with what its `tag` chooses: the environment of today for the newest release of its
    family, and for one that promises what that environment has."""
    promised = image_tags.read(image.family, tag) if image.family else None
    newest = [each for each in releases.table() if each.family == image.family][-1:]
    found = promised and image_tags.release(image.family, promised, releases.table())
    if promised and found:
        found = image_tags.between(image.family, promised, found) or found
    asked = image_tags.promises(image.family, promised, found) if promised else {}
    if not image.environment:  # of a family that has none of today
        found = found or newest[0]
    elif found is None or found in newest or found.main.items() <= _today(image.environment):
        return replace(image, asked=asked)
    return replace(image, environment=found.environment, asked=asked)


def _may_exist(family: str, tag: str) -> bool:
    """Whether AWS may have an image of the family with that tag: it names a version, and at most the
    first of a major version that `releases.json` does not know yet."""
    if tag == LATEST or not tag:
        return True
    promised = image_tags.read(family, tag)
    known = [each for each in releases.table() if each.family == family]
    major = lambda version: releases.numbers(version)[:1] or (0,)  # noqa: E731
    newest = (major(known[-1].version), max(major(each.framework) for each in known))
    return promised is not None and all(
        asked[0] <= most[0] + 1
        for asked, most in zip(
            map(major, (promised.version, promised.framework)), newest, strict=True
        )
    )


def _tags(name: str, family: str) -> str:
    """The newest tags of an image, in words."""
    known = [each for each in releases.table() if each.family == family][-4:]
    tags = [
        f"{each.framework}-transformers{each.version}" if each.framework else each.version
        for each in reversed(known)
    ]
    return f"Tags of {name} begin with a release of AWS's: {', '.join(tags)} and older ones."


@cache
def _today(environment: str) -> Set[tuple[str, str]]:
    """(package, version) of the environment of today."""
    pins = locks.pins(locks.text(Path(), environment))
    return {(name.removesuffix("-cpu"), version) for name, version in pins.items()}


def _why(name: str, added: Sequence[str]) -> str:
    """Why no environment stands for the repository `name`, and what does."""
    if words := unavailable.why(name):
        return words
    bare = name.rpartition("/")[2]
    near = difflib.get_close_matches(bare, [*IMAGES, *added], n=1, cutoff=0.0)[0]
    return (
        f"no environment stands for it, and no container engine here has it; the nearest name is"
        f" {near} (sagebrush image list shows all, sagebrush image build NAME -r adds one)"
    )
