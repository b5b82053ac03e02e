"""Terraform's own provider creates, changes and destroys what it knows of IAM.

Needs `terraform` and, in SAGEBRUSH_TERRAFORM_PLUGINS, a directory in the form of a mirror of providers
that has hashicorp/aws.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

MIRROR = os.environ.get("SAGEBRUSH_TERRAFORM_PLUGINS", "")

CONFIGURATION = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
provider "aws" {}
variable "action" { type = string }
variable "user" { type = string }
locals {
  policy = jsonencode({ Version = "2012-10-17", Statement = [
    { Effect = "Allow", Action = var.action, Resource = "*" }] })
  trust = jsonencode({ Version = "2012-10-17", Statement = [
    { Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }] })
}
resource "aws_iam_policy" "p" {
  name   = "p"
  path   = "/tf/"
  policy = local.policy
  tags   = { a = "b" }
}
resource "aws_iam_user" "u" {
  name                 = var.user
  path                 = "/people/"
  permissions_boundary = aws_iam_policy.p.arn
  force_destroy        = true
  tags                 = { team = "ml" }
}
resource "aws_iam_access_key" "k" { user = aws_iam_user.u.name }
resource "aws_iam_user_policy" "u" {
  user   = aws_iam_user.u.name
  policy = local.policy
}
resource "aws_iam_user_policy_attachment" "u" {
  user       = aws_iam_user.u.name
  policy_arn = aws_iam_policy.p.arn
}
resource "aws_iam_group" "g" { name = "g" }
resource "aws_iam_group_membership" "g" {
  name  = "g"
  group = aws_iam_group.g.name
  users = [aws_iam_user.u.name]
}
resource "aws_iam_group_policy" "g" {
  group  = aws_iam_group.g.name
  policy = local.policy
}
resource "aws_iam_group_policy_attachment" "g" {
  group      = aws_iam_group.g.name
  policy_arn = aws_iam_policy.p.arn
}
resource "aws_iam_role" "r" {
  name                  = "r"
  assume_role_policy    = local.trust
  force_detach_policies = true
}
resource "aws_iam_role_policy" "r" {
  role   = aws_iam_role.r.id
  policy = local.policy
}
resource "aws_iam_role_policy_attachment" "r" {
  role       = aws_iam_role.r.name
  policy_arn = aws_iam_policy.p.arn
}
resource "aws_iam_instance_profile" "r" { role = aws_iam_role.r.name }
resource "aws_iam_account_alias" "a" { account_alias = "terraformed" }
data "aws_iam_principal_policy_simulation" "s" {
  action_names      = [var.action]
  policy_source_arn = aws_iam_user.u.arn
  depends_on        = [aws_iam_user_policy.u]
}
output "allowed" { value = data.aws_iam_principal_policy_simulation.s.all_allowed }
"""


@pytest.mark.full
@pytest.mark.costs("Terraform and its provider start some ten times")
@pytest.mark.skipif(not MIRROR or not shutil.which("terraform"), reason="no Terraform here")
def test_terraform(server, tmp_path: Path):
    key, secret = server.world.credentials.user_key
    (tmp_path / "main.tf").write_text(CONFIGURATION)
    (tmp_path / "rc").write_text(
        f'provider_installation {{\n  filesystem_mirror {{ path = "{MIRROR}" }}\n}}\n'
        "disable_checkpoint = true\n"
    )
    known = {
        **os.environ, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_ENDPOINT_URL": server.url, "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true", "TF_CLI_CONFIG_FILE": str(tmp_path / "rc"),
    }  # fmt: skip

    def terraform(command: str, *words: str) -> str:
        done = subprocess.run(
            ["terraform", command, "-no-color", *words], env=known, cwd=tmp_path,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    terraform("init")
    for action, user in (("s3:GetObject", "ann"), ("s3:PutObject", "bob")):
        given = (f"-var=action={action}", f"-var=user={user}")
        assert "allowed = true" in terraform("apply", "-auto-approve", *given)
        terraform("plan", "-detailed-exitcode", *given)  # 2 where it would change anything
    iam = server.client("iam")
    assert [each["UserName"] for each in iam.list_users()["Users"]] == ["bob"]
    assert "Destroy complete!" in terraform("destroy", "-auto-approve", *given)
    assert iam.list_users()["Users"] == iam.list_policies(Scope="Local")["Policies"] == []
