"""Image URIs: AWS's own names in every region, and refusals that say what to use."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest

from sagebrush.environments import unavailable
from sagebrush.environments.images import IMAGES, Image, UnknownImage, UnknownTag, resolve
from tests.environments.test_releases import CONFIGURATIONS
from tests.needs import sdk

BASE = Image("base")
SKLEARN = Image("base", framework="sklearn")
PYTORCH = Image("pytorch", framework="pytorch")
TENSORFLOW = Image("tensorflow", framework="tensorflow")
HUGGING_FACE = Image("huggingface", framework="huggingface")
XGBOOST = Image("xgboost", framework="xgboost", trains="sagemaker_xgboost")
DLC = "763104351884.dkr.ecr.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("uri", "image"),
    [
        (
            "811284229777.dkr.ecr.us-east-1.amazonaws.com/blazingtext:1",
            Image("algorithms", "blazingtext"),
        ),
        (
            "390948362332.dkr.ecr.cn-north-1.amazonaws.com.cn/blazingtext:latest",
            Image("algorithms", "blazingtext"),
        ),
        ("blazingtext", Image("algorithms", "blazingtext")),
        ("766337827248.dkr.ecr.us-east-1.amazonaws.com/lda:1", Image("algorithms", "lda")),
        ("382416733822.dkr.ecr.us-east-1.amazonaws.com/ntm:1", Image("pytorch", "ntm")),
        (
            "382416733822.dkr.ecr.us-east-1.amazonaws.com/object2vec:1",
            Image("pytorch", "object2vec"),
        ),
        ("433757028032.dkr.ecr.us-west-2.amazonaws.com/seq2seq:1", Image("pytorch", "seq2seq")),
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
            Image("xgboost-1.7-1", framework="xgboost", trains="sagemaker_xgboost"),
        ),
        (
            "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:latest",
            XGBOOST,
        ),
        ("246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:3.2-0", XGBOOST),
        ("sagebrush/xgboost", XGBOOST),
        (
            "811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:1",
            Image("xgboost-0.72", framework="xgboost", trains="sagemaker_xgboost"),
        ),
        (
            "685385470294.dkr.ecr.eu-west-1.amazonaws.com/xgboost:latest",
            Image("xgboost-0.72", framework="xgboost", trains="sagemaker_xgboost"),
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
        (
            "156813124566.dkr.ecr.us-east-1.amazonaws.com/sagemaker-model-monitor-analyzer",
            "it is Amazon SageMaker Model Monitor's analyzer image; Sagebrush does not run Model"
            " Monitor yet; compare captured data with a baseline in a processing job",
        ),
        (
            "205585389593.dkr.ecr.us-east-1.amazonaws.com/sagemaker-clarify-processing:1.0",
            "Clarify's image; Sagebrush does not run Clarify yet",
        ),
        (
            "173754725891.dkr.ecr.us-east-1.amazonaws.com/sagemaker-spark-processing:3.3-cpu-py39",
            "SageMaker's Spark image (PySparkProcessor); Sagebrush has no Spark yet; use pandas",
        ),
        (f"{DLC}/huggingface-pytorch-inference-neuronx:2.1.2", "AWS's own accelerators"),
        ("jumpstart-dft-x", "JumpStart"),
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


def test_what_is_refused_by_name_is_nowhere_to_be_had() -> None:
    refused = {each.names.pattern for each in unavailable.TABLE}
    assert len(refused) == len(unavailable.TABLE)
    for name in IMAGES:
        if name != "huggingface-pytorch-trcomp-training":  # that one runs without its compiler
            assert not unavailable.why(name), name
    with pytest.raises(
        UnknownImage, match=r"built-in algorithm linear-learner; .*sagemaker-xgboost"
    ):
        resolve("382416733822.dkr.ecr.us-east-1.amazonaws.com/linear-learner:1")


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("s3://jumpstart-cache-prod-us-east-1/a/b.tar.gz", True),
        ("s3://jumpstart-private-cache-prod-eu-west-1/a/", True),
        ("jumpstart-cache-prod-us-east-1", True),
        ("s3://mine/jumpstart-cache-prod-us-east-1/", False),
        ("s3://jumpstart/mine", False),
    ],
)
def test_jumpstarts_buckets_are_known(uri: str, told: bool) -> None:
    assert ("JumpStart" in unavailable.source(uri)) is told


@pytest.mark.parametrize(
    "uri",
    [
        f"{DLC}/pytorch-training:999-1",
        f"{DLC}/pytorch-training:999.0",
        f"{DLC}/pytorch-training:gpu",
        f"{DLC}/huggingface-pytorch-training:2.1.0",
        f"{DLC}/huggingface-pytorch-training:99.0.0-transformers4.30.1-gpu-py310",
        "sagemaker-scikit-learn:banana",
    ],
)
def test_a_tag_that_aws_does_not_have_is_refused_in_its_words(uri: str) -> None:
    with pytest.raises(UnknownTag) as error:
        resolve(uri)
    tag = uri.rpartition(":")[2]
    assert str(error.value).startswith(
        f"Cannot find the requested image: {uri} with tag: {tag} and digest: null. Tags of "
    )


@pytest.mark.parametrize(
    ("uri", "environment", "asked"),
    [
        (f"{DLC}/pytorch-training:latest", "pytorch", {}),
        ("sagebrush/pytorch:anything", "pytorch", {}),
        ("pytorch:anything", "pytorch", {}),
        (f"{DLC}/pytorch-training:2.99.0-cpu", "pytorch", {"torch": "2.99.0"}),
        ("sagemaker-scikit-learn:1.99-1", "base", {"scikit-learn": "1.99"}),
        ("sagemaker-scikit-learn:1.3-1", "scikit-learn-1.2-1", {"scikit-learn": "1.3"}),
        (
            f"{DLC}/tensorflow-training:2.15.0-cpu-py310",
            "tensorflow-2.15.0",
            {"tensorflow": "2.15.0"},
        ),
        (f"{DLC}/tensorflow-training:2.15-cpu-py310", "tensorflow-2.15.0", {"keras": "2.15"}),
        (
            f"{DLC}/huggingface-pytorch-training:2.0.0-transformers4.30.1-gpu-py310-cu118",
            "huggingface-pytorch-4.30.1-2.0.0",
            {"transformers": "4.30.1", "torch": "2.0.0"},
        ),
        ("sagebrush/huggingface-pytorch-4.30.1-2.0.0", "huggingface-pytorch-4.30.1-2.0.0", {}),
    ],
)
def test_versions_that_the_table_lacks(uri: str, environment: str, asked: dict[str, str]) -> None:
    """Newer ones get today's environment, whose log names what was asked for; those between two of
    the table an environment of their own; a container's the release below."""
    image = resolve(uri)
    assert image.environment == environment
    assert asked.items() <= image.asked.items()


def test_users_environments_are_images_by_their_names() -> None:
    assert resolve("sagebrush/mine", ["mine"]) == Image("mine")
    assert resolve("mine:1", ["mine"]) == Image("mine")
    with pytest.raises(UnknownImage, match="the nearest name is mine"):
        resolve("sagebrush/mines", ["mine"])


@pytest.mark.full
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
        "/blazingtext": {"algorithms"},
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


@pytest.mark.costs("asks an SDK's environment")
@pytest.mark.parametrize(("name", "folder"), sorted(CONFIGURATIONS.items()))
def test_no_tag_that_an_sdk_makes_is_refused(name: str, folder: str) -> None:
    """The SDKs' tags begin with the version of their tables, or with its `tag_prefix`."""
    script = (
        "import importlib.util, json, pathlib\n"
        "root, = importlib.util.find_spec('sagemaker').submodule_search_locations\n"
        f"folder = pathlib.Path(root, '{folder}')\n"
        "def walk(node, version, above):\n"
        "    if 'repository' in node:\n"
        "        bare = version.removeprefix('pytorch').removeprefix('tensorflow')\n"
        "        tag = version if bare == version else f'{bare}-transformers{above}'\n"
        "        tag = above if version in ('py2', 'py3') else tag\n"
        "        print(node['repository'] + ':' + node.get('tag_prefix', tag) + '-cpu-py3')\n"
        "    for key, below in node.items():\n"
        "        if isinstance(below, dict):\n"
        "            walk(below, key, version)\n"
        "for name in 'sklearn xgboost pytorch tensorflow huggingface'.split():\n"
        "    walk(json.loads((folder / f'{name}.json').read_text()), '', '')\n"
    )
    done = subprocess.run(
        [str(sdk(name)), "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    uris = set(done.stdout.split())
    assert len(uris) > 100
    refused = []
    for uri in uris:
        try:
            resolve(uri)
        except UnknownTag as error:
            refused.append(str(error))
        except UnknownImage:
            pass
    assert not refused


@pytest.mark.costs("asks an SDK's environment")
@pytest.mark.parametrize(("name", "folder"), sorted(CONFIGURATIONS.items()))
def test_algorithms_are_known_by_the_images_of_every_region(name: str, folder: str) -> None:
    script = (
        "import importlib.util, json, pathlib\n"
        "root, = importlib.util.find_spec('sagemaker').submodule_search_locations\n"
        "for algorithm in 'blazingtext lda ntm object2vec seq2seq xgboost'.split():\n"
        f"    text = pathlib.Path(root, '{folder}', algorithm + '.json').read_text()\n"
        "    found = json.loads(text)\n"
        "    for scope in [found] if 'versions' in found else found.values():\n"
        "        for version, each in scope.get('versions', {}).items():\n"
        "            tag = each.get('tag_prefix', version)\n"
        "            for region, account in each['registries'].items():\n"
        "                end = 'amazonaws.com.cn' if region[:3] == 'cn-' else 'amazonaws.com'\n"
        "                image = f'{account}.dkr.ecr.{region}.{end}/{each[\"repository\"]}:{tag}'\n"
        "                print(algorithm, region, image)\n"
    )
    done = subprocess.run(
        [str(sdk(name)), "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    asked = [line.split() for line in done.stdout.splitlines()]
    assert len({region for _, region, _ in asked}) > 30
    for algorithm, _, uri in asked:
        image = resolve(uri)
        expected = "sagemaker_xgboost" if algorithm == "xgboost" else algorithm
        assert (image.algorithm or image.trains) == expected, uri
