"""Image URIs: AWS's own names in every region, and refusals that say what to use."""

from __future__ import annotations

import subprocess

import pytest

from sagebrush.compute.images import Image, UnknownImage, resolve
from tests.needs import sdk

BASE = Image("base")


@pytest.mark.parametrize(
    ("uri", "image"),
    [
        (
            "811284229777.dkr.ecr.us-east-1.amazonaws.com/blazingtext:1",
            Image("base", "blazingtext"),
        ),
        (
            "390948362332.dkr.ecr.cn-north-1.amazonaws.com.cn/blazingtext:latest",
            Image("base", "blazingtext"),
        ),
        ("blazingtext", Image("base", "blazingtext")),
        (
            "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3",
            BASE,
        ),
        ("236514542706.dkr.ecr.us-east-1.amazonaws.com/sagemaker-base-python-310:1.0", BASE),
        ("123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov/sagemaker-scikit-learn", BASE),
        ("public.ecr.aws/docker/library/python:3.12-slim", BASE),
        ("python:3.12", BASE),
        (f"python@sha256:{'0' * 64}", BASE),
        ("sagebrush/base", BASE),
        ("sagebrush/base:1", BASE),
    ],
)
def test_names_that_are_known(uri: str, image: Image) -> None:
    assert resolve(uri) == image


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        (
            "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.1-gpu-py310",
            "framework environments are not built yet (pytorch)",
        ),
        (
            "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-inference:2.1",
            "framework environments are not built yet (pytorch)",
        ),
        ("tensorflow-training", "framework environments are not built yet (tensorflow)"),
        ("811284229777.dkr.ecr.us-east-1.amazonaws.com/kmeans:1", "algorithm kmeans is not here"),
        (
            "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1",
            "algorithm sagemaker-xgboost is not here",
        ),
        ("blazing-text:1", "the nearest name is blazingtext"),
        ("123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:7", "no environment stands for it"),
        ("docker.io/library/python:3", "images of other registries cannot run here"),
        ("localhost:5000/mine", "images of other registries cannot run here"),
        ("", "is not an image URI"),
        ("two words", "is not an image URI"),
        ("python:3:4", "is not an image URI"),
    ],
)
def test_names_that_are_refused_say_why(uri: str, words: str) -> None:
    with pytest.raises(UnknownImage) as error:
        resolve(uri)
    assert words in str(error.value)


def test_what_the_sdk_retrieves_is_known() -> None:
    script = (
        "from sagemaker import image_uris\n"
        "for region in ('us-east-1', 'eu-central-1', 'cn-north-1', 'us-gov-west-1'):\n"
        "    print(image_uris.retrieve('blazingtext', region))\n"
        "    print(image_uris.retrieve('sklearn', region, version='1.2-1'))\n"
    )
    done = subprocess.run(
        [str(sdk("sdk2")), "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    uris = [line for line in done.stdout.splitlines() if ".dkr.ecr." in line]
    assert len(uris) == 8
    for uri in uris:
        expected = Image("base", "blazingtext") if "blazingtext" in uri else BASE
        assert resolve(uri) == expected, uri
