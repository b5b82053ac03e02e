"""sagemaker v2: wrong input ends in a clear error that names the cause, and soon."""

import sys

import sagemaker
from botocore.exceptions import ClientError
from sagemaker.exceptions import UnexpectedStatusException
from sagemaker.sklearn import SKLearn

folder = sys.argv[1]
session = sagemaker.Session()
role = sagemaker.get_execution_role()


def estimator(**changed):
    with open(f"{folder}/raises.py", "w") as file:
        file.write("raise ValueError('the answer is not 42')\n")
    given = {
        "entry_point": "raises.py",
        "source_dir": folder,
        "role": role,
        "instance_type": "ml.m5.large",
        "instance_count": 1,
        "framework_version": "1.2-1",
        "py_version": "py3",
    }
    return SKLearn(**{**given, **changed})


def refused(what, *words, **given):
    said = None
    try:
        what(**given)
    except (ClientError, UnexpectedStatusException, ValueError) as error:
        said = str(error)
    assert said is not None, f"not refused: {words}"
    assert all(word in said for word in words), said
    print("clear:", said[:160])


refused(estimator().fit, "the answer is not 42", "ValueError")
refused(
    estimator().fit,
    "no-such-bucket-here",
    inputs={"train": "s3://no-such-bucket-here/x"},
)
refused(estimator(role="nobody-made-it").fit, "nobody-made-it")
refused(estimator(role="arn:aws:iam::999999999999:role/theirs").fit, "999999999999")
refused(estimator(instance_type="ml.imaginary.large").fit, "ml.imaginary.large")
refused(
    estimator(image_uri="123456789012.dkr.ecr.us-east-1.amazonaws.com/unheard-of:1").fit,
    "unheard-of",
)
print("v2 errors: all well")
