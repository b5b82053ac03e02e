"""sagemaker v2: HyperparameterTuner: fit, analytics, best estimator, attach, warm start, BlazingText."""

import sys

import sagemaker
from sagemaker.inputs import TrainingInput
from sagemaker.sklearn import SKLearn
from sagemaker.tuner import (
    CategoricalParameter,
    ContinuousParameter,
    HyperparameterTuner,
    IntegerParameter,
    WarmStartConfig,
    WarmStartTypes,
)

folder = sys.argv[1]
RANGES = {
    "rate": ContinuousParameter(0.001, 1, scaling_type="Logarithmic"),
    "units": IntegerParameter(1, 8),
    "kind": CategoricalParameter(["plain", "fancy"]),
}
session = sagemaker.Session()
role = sagemaker.get_execution_role()


def estimator() -> SKLearn:
    return SKLearn(
        entry_point="train_tuned.py",
        source_dir=sys.argv[2],
        role=role,
        instance_type="ml.m5.large",
        instance_count=1,
        framework_version="1.2-1",
        py_version="py3",
    )


tuner = HyperparameterTuner(
    estimator(),
    "accuracy",
    RANGES,
    metric_definitions=[{"Name": "accuracy", "Regex": "accuracy=([0-9.]+);"}],
    strategy="Bayesian",
    max_jobs=4,
    max_parallel_jobs=2,
    base_tuning_job_name="v2-tuner",
    random_seed=7,
)
tuner.fit()
assert tuner.describe()["HyperParameterTuningJobStatus"] == "Completed", tuner.describe()
frame = tuner.analytics().dataframe()
assert len(frame) == 4, frame
assert set(frame["TrainingJobStatus"]) == {"Completed"}, frame
assert {"rate", "units", "kind", "FinalObjectiveValue", "TrainingElapsedTimeSeconds"} <= set(frame)
best = frame.loc[frame["FinalObjectiveValue"].idxmax()]
assert tuner.best_training_job() == best["TrainingJobName"]
ranges = tuner.analytics().tuning_ranges
assert set(ranges) == {"rate", "units", "kind"}, ranges
found = tuner.best_estimator()
assert found.model_data.endswith(f"{best['TrainingJobName']}/output/model.tar.gz"), found.model_data
assert float(found.hyperparameters()["rate"].strip('"')) == best["rate"]

again = HyperparameterTuner.attach(tuner.latest_tuning_job.name)
assert again.best_training_job() == tuner.best_training_job()
warm = HyperparameterTuner(
    estimator(),
    "accuracy",
    RANGES,
    metric_definitions=tuner.metric_definitions,
    max_jobs=2,
    max_parallel_jobs=2,
    base_tuning_job_name="v2-warm",
    warm_start_config=WarmStartConfig(
        WarmStartTypes.IDENTICAL_DATA_AND_ALGORITHM, {tuner.latest_tuning_job.name}
    ),
)
warm.fit()
told = warm.describe()
assert told["HyperParameterTuningJobStatus"] == "Completed", told
overall = told["OverallBestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
assert overall >= best["FinalObjectiveValue"] - 1e-9, told

with open(f"{folder}/train.txt", "w") as file:
    for n in range(200):
        file.write(f"__label__good it was a great and lovely film number {n}\n")
        file.write(f"__label__bad it was a poor and boring film number {n}\n")
where = session.upload_data(f"{folder}/train.txt", key_prefix="v2/tuner/train")
blazing = sagemaker.estimator.Estimator(
    sagemaker.image_uris.retrieve("blazingtext", "us-east-1", version="latest"),
    role,
    instance_count=1,
    instance_type="ml.c5.xlarge",
    output_path=f"s3://{session.default_bucket()}/v2/tuner/output",
    hyperparameters={"mode": "supervised", "min_count": 1},
)
texts = HyperparameterTuner(
    blazing,
    "validation:accuracy",
    {"epochs": IntegerParameter(5, 15), "learning_rate": ContinuousParameter(0.005, 0.5)},
    max_jobs=2,
    max_parallel_jobs=2,
    base_tuning_job_name="v2-texts",
)
train = TrainingInput(where, content_type="text/plain")
texts.fit({"train": train, "validation": train})
assert texts.analytics().dataframe()["FinalObjectiveValue"].between(0, 1).all()
texts.best_estimator()
HyperparameterTuner.attach(texts.latest_tuning_job.name)
print("v2 tuner: all well")
