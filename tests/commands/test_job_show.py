"""`jobs show`: what is said of a name that is no training job's."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagebrush.commands.job import show as job_show
from sagebrush.commands.running import CommandError


class Client:
    """Knows one tuning job, and no training job."""

    def describe_training_job(self, **asked: Any) -> Any:
        error = {"Code": "ValidationException", "Message": "Requested resource not found."}
        raise ClientError({"Error": error}, "DescribeTrainingJob")

    def describe_hyper_parameter_tuning_job(self, **asked: Any) -> Any:
        if asked["HyperParameterTuningJobName"] == "intents":
            return {}
        raise ClientError(
            {"Error": {"Code": "ResourceNotFound"}}, "DescribeHyperParameterTuningJob"
        )


def test_a_tuning_job_is_told_from_a_name_that_nothing_has() -> None:
    with pytest.raises(CommandError, match="intents is a tuning job: sagebrush jobs plot intents"):
        job_show.describe(Client(), "intents")
    with pytest.raises(CommandError, match="there is no training job nobody"):
        job_show.describe(Client(), "nobody")
