"""The role, in Comprehend's own account, as which SageMaker reads the archives of custom models."""

from __future__ import annotations

import json

from sagebrush.errors import AwsError
from sagebrush.services.comprehend.requests import place
from sagebrush.world import Ctx

NAME = "ComprehendModels"
TRUST = {
    "Version": "2012-10-17",
    "Statement": {
        "Effect": "Allow",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
        "Action": "sts:AssumeRole",
    },
}


def role(here: Ctx, archive: str) -> str:
    """The ARN of the role, which is there and may read the archive's bucket. `here` is a context of
    Comprehend's account."""
    bucket, _ = place(archive)
    try:
        trust = {"RoleName": NAME, "AssumeRolePolicyDocument": json.dumps(TRUST)}
        here.call("iam", "CreateRole", trust)
    except AwsError as error:
        if error.code != "EntityAlreadyExists":
            raise
    allowed = {
        "Effect": "Allow",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    policy = {"Version": "2012-10-17", "Statement": allowed}
    given = {"RoleName": NAME, "PolicyName": bucket, "PolicyDocument": json.dumps(policy)}
    here.call("iam", "PutRolePolicy", given)
    return f"arn:aws:iam::{here.account}:role/{NAME}"
