"""Image URIs: AWS's own names in every region, and refusals that say what to use."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest

from sagebrush.environments.images import Image, UnknownImage, resolve
from tests.needs import sdk

BASE = Image("base")
SKLEARN = Image("base", framework="sklearn")
PYTORCH = Image("pytorch", framework="pytorch")
TENSORFLOW = Image("tensorflow", framework="tensorflow")
HUGGING_FACE = Image("huggingface", framework="huggingface")
DLC = "763104351884.dkr.ecr.us-east-1.amazonaws.com"


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
            Image("scikit-learn-1.2-1", framework="sklearn"),
        ),
        ("236514542706.dkr.ecr.us-east-1.amazonaws.com/sagemaker-base-python-310:1.0", BASE),
        ("123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov/sagemaker-scikit-learn", SKLEARN),
        ("public.ecr.aws/docker/library/python:3.12-slim", BASE),
        ("python:3.12", BASE),
        (f"python@sha256:{'0' * 64}", BASE),
        ("sagebrush/base", BASE),
        ("sagebrush/base:1", BASE),
        (f"{DLC}/pytorch-training:2.1-gpu-py310", Image("pytorch-2.1.0", framework="pytorch")),
        (
            f"{DLC}/pytorch-inference:2.6.0-cpu-py312-ubuntu22.04-sagemaker",
            Image("pytorch-2.6.0", framework="pytorch"),
        ),
        (f"{DLC}/pytorch-training:2.13-cpu-py312-amzn2023", PYTORCH),
        (f"{DLC}/pytorch-training", PYTORCH),
        (f"{DLC}/tensorflow-training:2.21.0-cpu-py312", TENSORFLOW),
        (
            f"{DLC}/tensorflow-inference:2.19.0-cpu",
            Image("tensorflow-2.19.0", framework="tensorflow"),
        ),
        (
            f"{DLC}/huggingface-pytorch-training:2.5.1-transformers4.49.0-gpu-py311-cu124",
            Image("huggingface-pytorch-4.49.0-2.5.1", framework="huggingface"),
        ),
        (
            f"{DLC}/huggingface-pytorch-inference:2.6.0-transformers4.51.3-cpu-py312",
            Image("huggingface-pytorch-4.51.3-2.6.0", framework="huggingface"),
        ),
        (
            f"{DLC}/huggingface-tensorflow-training:2.6.3-transformers4.17.0-gpu-py38",
            Image("huggingface-tensorflow-4.17.0-2.6.3", framework="huggingface"),
        ),
        (
            "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1",
            Image("xgboost-1.7-1", framework="sklearn", script=True),
        ),
        (
            "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:latest",
            Image("xgboost-3.2-0", framework="sklearn", script=True),
        ),
        ("public.ecr.aws/sagemaker/sagemaker-distribution:latest-cpu", Image("huggingface")),
        (
            "885854791233.dkr.ecr.us-east-1.amazonaws.com/sagemaker-distribution-prod:3.0-cpu",
            Image("huggingface"),
        ),
        ("sagebrush/nlp", Image("nlp")),
        ("sagebrush/huggingface", HUGGING_FACE),
    ],
)
def test_names_that_are_known(uri: str, image: Image) -> None:
    assert replace(resolve(uri), family="", asked={}) == image


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        (
            f"{DLC}/huggingface-pytorch-tgi-inference:2.4",
            "nearest is huggingface-pytorch-inference",
        ),
        (f"{DLC}/djl-inference:0.30", "nearest is huggingface-pytorch-inference"),
        (f"{DLC}/mxnet-training:1.9", "nearest is pytorch-training"),
        (f"{DLC}/pytorch-trainings:2.1", "the nearest name is pytorch-training"),
        ("811284229777.dkr.ecr.us-east-1.amazonaws.com/kmeans:1", "algorithm kmeans is not here"),
        ("blazing-text:1", "the nearest name is blazingtext"),
        ("123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:7", "no environment stands for it"),
        ("docker.io/library/python:3", "it is of another registry, which needs Docker or Podman"),
        ("localhost:5000/mine", "it is of another registry, which needs Docker or Podman"),
        ("", "is not an image URI"),
        ("two words", "is not an image URI"),
        ("python:3:4", "is not an image URI"),
    ],
)
def test_names_that_are_refused_say_why(uri: str, words: str) -> None:
    with pytest.raises(UnknownImage) as error:
        resolve(uri)
    assert words in str(error.value)


def test_users_environments_are_images_by_their_names() -> None:
    assert resolve("sagebrush/mine", ["mine"]) == Image("mine")
    assert resolve("mine:1", ["mine"]) == Image("mine")
    with pytest.raises(UnknownImage, match="the nearest name is mine"):
        resolve("sagebrush/mines", ["mine"])


@pytest.mark.costs("asks the SDK in its own environment")
def test_what_the_sdk_retrieves_is_known() -> None:
    script = (
        "from sagemaker import image_uris\n"
        "def say(name, **more):\n"
        "    print(image_uris.retrieve(name, region, **more))\n"
        "hf = {'training': ('4.49.0', 'pytorch2.5.1', 'py311'),"
        " 'inference': ('4.37.0', 'pytorch2.1.0', 'py310')}\n"
        "for region in ('us-east-1', 'eu-central-1', 'cn-north-1', 'us-gov-west-1'):\n"
        "    say('blazingtext')\n"
        "    say('sklearn', version='1.2-1')\n"
        "    for scope in ('training', 'inference'):\n"
        "        at = dict(image_scope=scope, instance_type='ml.m5.large')\n"
        "        say('pytorch', version='2.1', py_version='py310', **at)\n"
        "        say('tensorflow', version='2.13', py_version='py310', **at)\n"
        "        at['instance_type'] = 'ml.g4dn.xlarge'\n"
        "        v, b, p = hf[scope]\n"
        "        say('huggingface', version=v, base_framework_version=b, py_version=p, **at)\n"
    )
    done = subprocess.run(
        [str(sdk("sdk2")), "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    uris = [line for line in done.stdout.splitlines() if ".dkr.ecr." in line]
    assert len(uris) == 32
    expected = {
        "/blazingtext": {"base"},
        "/sagemaker-scikit-learn": {"scikit-learn-1.2-1"},
        "/huggingface-pytorch": {
            "huggingface-pytorch-4.49.0-2.5.1", "huggingface-pytorch-4.37.0-2.1.0",
        },
        "/pytorch": {"pytorch-2.1.0"},
        "/tensorflow": {"tensorflow-2.13.0"},
    }  # fmt: skip
    for uri in uris:
        names = next(names for part, names in expected.items() if part in uri)
        assert resolve(uri).environment in names, uri
