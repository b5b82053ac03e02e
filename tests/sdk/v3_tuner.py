"""sagemaker v3: HyperparameterTuner of a ModelTrainer with a script."""

import sys

from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.parameter import ContinuousParameter, IntegerParameter
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, SourceCode
from sagemaker.train.tuner import HyperparameterTuner

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
session = Session()
trainer = ModelTrainer(
    training_image=IMAGE,
    source_code=SourceCode(source_dir=sys.argv[2], entry_script="train_tuned.py"),
    compute=Compute(instance_type="ml.m5.large", instance_count=1),
    hyperparameters={"kind": "plain"},
    role=get_execution_role(),
    base_job_name="v3-tuner",
    sagemaker_session=session,
)
tuner = HyperparameterTuner(
    model_trainer=trainer,
    objective_metric_name="accuracy",
    hyperparameter_ranges={
        "rate": ContinuousParameter(0.001, 1),
        "units": IntegerParameter(1, 8),
    },
    metric_definitions=[{"Name": "accuracy", "Regex": "accuracy=([0-9.]+);"}],
    max_jobs=3,
    max_parallel_jobs=2,
    strategy="Random",
    base_tuning_job_name="v3-tuner",
)
tuner.tune()
job = tuner.describe()
assert job.hyper_parameter_tuning_job_status == "Completed", job
assert job.objective_status_counters.succeeded == 3, job
best = tuner.best_training_job()
assert best == job.best_training_job.training_job_name
assert job.best_training_job.final_hyper_parameter_tuning_job_objective_metric.value > 0.3
print("v3 tuner: all well")
