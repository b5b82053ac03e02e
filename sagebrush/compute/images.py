"""What an image URI means: the environment, and the built-in algorithm, that stand for it."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Image:
    """What an image URI means here."""

    environment: str
    """Name of the environment (`base`)."""
    algorithm: str | None = None
    """The built-in algorithm it carries (`blazingtext`), or None for script images."""


class UnknownImage(Exception):
    """No environment stands for that image; the text names the nearest."""


# Repository -> image. AWS's own repositories by the names of the SDK's image_uris.
IMAGES = {
    "blazingtext": Image("base", "blazingtext"),
    "sagemaker-scikit-learn": Image("base"),
    "sagemaker-base-python": Image("base"),
    "sagebrush/base": Image("base"),
    "base": Image("base"),
    "python": Image("base"),
}
ALGORITHMS = (
    "autogluon-training",
    "factorization-machines",
    "forecasting-deepar",
    "image-classification",
    "ipinsights",
    "kmeans",
    "knn",
    "lda",
    "linear-learner",
    "ntm",
    "object-detection",
    "object2vec",
    "pca",
    "randomcutforest",
    "sagemaker-xgboost",
    "semantic-segmentation",
    "seq2seq",
    "xgboost",
)
_FRAMEWORK = re.compile(
    r"(?:sagemaker-)?(?:huggingface-)?(?P<name>pytorch|tensorflow|huggingface|mxnet|chainer|djl)\b"
)
_URI = re.compile(
    r"(?:(?P<registry>[a-z0-9-]+(?:\.[a-z0-9-]+)+(?::\d+)?|localhost(?::\d+)?)/)?"
    r"(?P<repository>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
    r"(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@sha256:[0-9a-f]{64})?"
)
# Every partition: amazonaws.com, amazonaws.com.cn, amazonaws.eu, c2s.ic.gov and so on.
_AWS = re.compile(r"\d{12}\.dkr\.ecr(?:-fips)?\.[a-z0-9-]+\.[a-z0-9.-]+|public\.ecr\.aws")


def resolve(uri: str) -> Image:
    """The environment and algorithm that `uri` names; raises UnknownImage, which says the nearest.

    The account, the region and the tag do not matter: AWS's images carry an account per region,
    and one environment stands for every version.
    """
    match = _URI.fullmatch(uri)
    if match is None:
        raise UnknownImage(f"{uri!r} is not an image URI: [registry/]repository[:tag]")
    registry, repository = match["registry"], match["repository"]
    if registry and not _AWS.fullmatch(registry):
        raise UnknownImage(
            f"Image {uri}: images of other registries cannot run here; "
            f"use one of {', '.join(sorted(IMAGES))}, with your own script"
        )
    # Docker Hub's and ECR public's namespaces: library/python, docker/library/python.
    name = re.sub(r"^(docker/)?library/", "", repository)
    # The SDK's base images carry the Python version in the name: sagemaker-base-python-310.
    name = re.sub(r"^(sagemaker-base-python)-\d+$", r"\1", name)
    if name in IMAGES:
        return IMAGES[name]
    raise UnknownImage(f"Image {uri}: {_why(name)}")


def _why(name: str) -> str:
    """Why no environment stands for the repository `name`, and what does."""
    if framework := _FRAMEWORK.match(name):
        return (
            f"the framework environments are not built yet ({framework['name']}); scripts that "
            f"need numpy, scipy, pandas and scikit-learn run on sagemaker-scikit-learn"
        )
    if name in ALGORITHMS:
        return f"the built-in algorithm {name} is not here yet; blazingtext is"
    near = difflib.get_close_matches(name, IMAGES, n=1, cutoff=0.0)[0]
    return f"no environment stands for it; the nearest name is {near}"
