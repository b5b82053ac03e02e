"""Images of AWS's that Sagebrush does not run: what each is, and what to do instead.

Source of the names: the SageMaker SDKs' image tables (image_uri_config), and "Docker registry paths and
example code" in the developer guide.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PROCESSING = "in a processing job with a script of your own (sagemaker-scikit-learn)"
PULLED = "or pull the image with this machine's Docker or Podman, which then runs it"
GENERATION = (
    "the nearest is huggingface-pytorch-inference with an inference.py of your own, which loads the"
    " model by transformers"
)


@dataclass(frozen=True)
class Unavailable:
    """An image of AWS's that is not here."""

    names: re.Pattern[str]
    """The last part of its repository."""
    what: str
    """What it is."""
    lacking: str
    """What Sagebrush does not do yet."""
    cure: str
    """What to do instead."""


def _image(names: str, what: str, lacking: str, cure: str) -> Unavailable:
    return Unavailable(re.compile(names), what, lacking, cure)


TABLE = (
    _image(r"sagemaker-model-monitor-analyzer", "Amazon SageMaker Model Monitor's analyzer image",
           "Sagebrush does not run Model Monitor yet",
           f"compare captured data with a baseline {PROCESSING}, {PULLED}"),
    _image(r"sagemaker-clarify-processing", "Amazon SageMaker Clarify's image",
           "Sagebrush does not run Clarify yet",
           f"compute bias and explanations with the package shap {PROCESSING}, {PULLED}"),
    _image(r"sagemaker-spark-processing", "Amazon SageMaker's Spark image (PySparkProcessor)",
           "Sagebrush has no Spark yet",
           f"use pandas {PROCESSING}, {PULLED}"),
    _image(r"sagemaker-sparkml-serving", "Amazon SageMaker's SparkML serving image",
           "Sagebrush has no Spark yet", f"serve the model by an inference.py, {PULLED}"),
    _image(r"sagemaker-data-wrangler-container", "Amazon SageMaker Data Wrangler's image",
           "Sagebrush does not run Data Wrangler flows yet",
           f"export the flow as Python code and run it {PROCESSING}"),
    _image(r"sagemaker-debugger-rules", "Amazon SageMaker Debugger's image of built-in rules",
           "Sagebrush does not run Debugger yet", "leave rules and profiler_config out"),
    _image(r"detailed-profiler-processing", "Amazon SageMaker Profiler's image",
           "Sagebrush does not run the profiler yet", "leave profiler_config out"),
    _image(r"sagemaker-sklearn-automl|sagemaker-automl.*", "Amazon SageMaker Autopilot's image",
           "Sagebrush does not run Autopilot yet",
           "try models yourself in a tuning job with sagemaker-scikit-learn"),
    _image(r"autogluon-(?:training|inference)", "AutoGluon's image (AutoGluon-Tabular of JumpStart)",
           "AutoGluon is not here yet",
           "install autogluon by a requirements.txt beside a script in pytorch-training"),
    _image(r"(?:sagemaker-)?jumpstart.*", "an image of Amazon SageMaker JumpStart",
           "of JumpStart Sagebrush has text classification alone (docs/text-classification.md)",
           "the model's own framework image (huggingface-pytorch-inference) with its files runs"),
    _image(r".*-tgi-.*", "Hugging Face's text-generation server (TGI, HuggingFace LLM)",
           "text-generation servers are not here yet", GENERATION),
    _image(r"tei(?:-cpu)?", "Hugging Face's text-embedding server (TEI)",
           "text-embedding servers are not here yet", GENERATION),
    _image(r".*vllm.*|.*sglang.*|djl.*", "a model server for large models (DJL, LMI, vLLM)",
           "these servers are not here yet", GENERATION),
    _image(r"sagemaker-tritonserver.*", "NVIDIA's Triton Inference Server for SageMaker",
           "Triton is not here yet",
           "the nearest is pytorch-inference or tensorflow-inference with an inference.py"),
    _image(r"stabilityai-.*", "Stability AI's inference image", "it is not here yet",
           "the nearest is huggingface-pytorch-inference with the package diffusers"),
    _image(r".*-(?:neuron|neuronx|eia)", "an image for AWS's own accelerators (Inferentia, Trainium,"
           " Elastic Inference)", "this host has none of them",
           "the image without -neuronx or -eia runs on CPU and GPU"),
    _image(r".*-graviton", "an image for AWS's Graviton CPUs", "its own name is not needed here",
           "the image without -graviton runs on this host's CPU, also on ARM"),
    _image(r"sagemaker-neo-.*|sagemaker-inference-.*|.*-neo", "an image for models that Amazon"
           " SageMaker Neo compiled", "Sagebrush does not run Neo yet",
           "deploy the model as it was trained"),
    _image(r"sagemaker-rl-.*", "an image of Amazon SageMaker RL (Coach, Ray, Vowpal Wabbit)",
           "Sagebrush has no RL images",
           "install ray or vowpalwabbit by a requirements.txt beside a script in pytorch-training"),
    _image(r"smdistributed-.*|hyperpod-.*", "an image of SageMaker's model parallelism, or HyperPod's",
           "neither is here", "the nearest is pytorch-training with torch_distributed"),
    _image(r"(?:sagemaker-)?mxnet.*", "MXNet's image", "MXNet is not here, and its project has ended",
           "the nearest is pytorch-training"),
    _image(r"(?:sagemaker-)?chainer.*", "Chainer's image", "Chainer is not here, and its project has"
           " ended", "the nearest is pytorch-training"),
    _image(r"sagemaker-geospatial.*", "Amazon SageMaker geospatial's image",
           "Sagebrush has no geospatial capabilities",
           f"install rasterio or geopandas by a requirements.txt {PROCESSING}"),
    _image(r".*-trcomp-training", "an image with SageMaker Training Compiler, which AWS has ended",
           "the compiler is not here", "the image without -trcomp runs"),
)  # fmt: skip
"""The images, the first that fits counts."""

_SCRIPT = "in a script with sagemaker-scikit-learn"
ALGORITHMS = {
    "factorization-machines": "the package fastfm or a few lines of PyTorch (pytorch-training)",
    "forecasting-deepar": "the package gluonts by a requirements.txt (pytorch-training)",
    "image-classification": "torchvision's models (pytorch-training)",
    "ipinsights": "embeddings of your own (pytorch-training)",
    "kmeans": f"sklearn.cluster.KMeans {_SCRIPT}",
    "knn": f"sklearn.neighbors.KNeighborsClassifier {_SCRIPT}",
    "linear-learner": f"sklearn.linear_model.SGDClassifier or SGDRegressor {_SCRIPT},"
    " or sagemaker-xgboost with the hyperparameter booster=gblinear",
    "object-detection": "torchvision.models.detection (pytorch-training)",
    "pca": f"sklearn.decomposition.PCA {_SCRIPT}",
    "randomcutforest": f"sklearn.ensemble.IsolationForest {_SCRIPT}",
    "semantic-segmentation": "torchvision.models.segmentation (pytorch-training)",
}
"""Built-in algorithms that are not here -> what does the same."""

JUMPSTART = re.compile(r"jumpstart-(?:private-)?cache-.+|sagemaker-jumpstart.*")
"""Buckets of JumpStart's: `jumpstart-cache-prod-us-east-1`."""


def why(repository: str) -> str:
    """What the image of that repository is, why it does not run here and what to do; "" for one that
    AWS does not have."""
    bare = repository.rpartition("/")[2]
    if cure := ALGORITHMS.get(bare):
        return (
            f"it is Amazon SageMaker's built-in algorithm {bare}; the algorithm {bare} is not here"
            f" yet (blazingtext, lda, ntm, object2vec, seq2seq and xgboost are); use {cure}"
        )
    for each in TABLE:
        if each.names.fullmatch(bare):
            return f"it is {each.what}; {each.lacking}; {each.cure}"
    return ""


def source(uri: str) -> str:
    """What to add to an error about the S3 address, where it is JumpStart's; else ""."""
    bucket = uri.removeprefix("s3://").partition("/")[0]
    if not JUMPSTART.fullmatch(bucket):
        return ""
    return (
        f" {bucket} is a bucket of Amazon SageMaker JumpStart's, of whose models Sagebrush has those for"
        " text classification (docs/text-classification.md): for another"
        " model, get it from its publisher (huggingface.co), upload it to a bucket of your own and use"
        " the framework's image (huggingface-pytorch-inference)."
    )
