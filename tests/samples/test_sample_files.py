"""Which buckets are AWS's public ones, and what is generated in the form of their files."""

from __future__ import annotations

import csv
import io

import pytest

from sagebrush.samples import generated, table


@pytest.mark.parametrize(
    ("name", "region"),
    [
        ("sagemaker-sample-files", "us-east-1"),
        ("sagemaker-example-files-prod-eu-central-1", "eu-central-1"),
        ("sagemaker-sample-data-us-gov-west-1", "us-gov-west-1"),
        ("sagemaker-servicecatalog-seedcode-ap-southeast-2", "ap-southeast-2"),
        ("jumpstart-cache-prod-cn-north-1", "cn-north-1"),
    ],
)
def test_a_public_bucket_has_a_region(name: str, region: str) -> None:
    assert table.find(name) == table.PublicBucket(name, region)


@pytest.mark.parametrize(
    "name",
    [
        "sagemaker-us-east-1-123456789012", "sagemaker-sample-files-mine", "my-sagemaker-sample-files",
        "jumpstart-cache-prod-", "jumpstart-private-cache-prod-us-east-1",
        "sagemaker-example-files-prod-mine",
    ],
)  # fmt: skip
def test_other_buckets_are_not_aws(name: str) -> None:
    assert table.find(name) is None


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.costs("makes all files")
def test_files_have_the_forms_of_the_originals() -> None:
    abalones = rows(generated.abalone_csv())
    assert {len(row) for row in abalones} == {9}
    assert {row[0] for row in abalones} == {"M", "F", "I"}
    assert all(float(value) > 0 for row in abalones for value in row[1:])
    assert all(1 <= int(row[8]) <= 29 for row in abalones)
    lines = generated.abalone_libsvm().splitlines()
    assert len(lines) == len(abalones) == 4177
    assert all(
        [pair.split(":")[0] for pair in line.split()[1:]] == list("12345678") for line in lines
    )
    header, *customers = rows(generated.churn())
    assert (len(header), header[3], header[-1]) == (21, "Phone", "Churn?")
    assert {len(row) for row in customers} == {21}
    leaving = [row[-1] for row in customers]
    assert set(leaving) == {"True.", "False."}
    assert 0.4 < leaving.count("True.") / 5000 < 0.6
    reviews = rows(generated.reviews())
    assert {len(row) for row in reviews} == {2}
    assert {row[0] for row in reviews} == {"0", "1"}
    text = generated.text8()
    assert "\n" not in text
    assert set(text) <= set(" abcdefghijklmnopqrstuvwxyz")


@pytest.mark.costs("makes a file twice")
def test_a_file_is_the_same_each_time() -> None:
    assert generated.churn() == generated.churn()


def test_what_can_be_generated_is_found_by_its_place() -> None:
    def keys(bucket: str, prefix: str) -> list[str]:
        return [each.key for each in generated.under(bucket, prefix)]

    assert len(keys("sagemaker-sample-files", "")) == 4
    folder = "datasets/tabular/uci_abalone"
    assert keys("sagemaker-example-files-prod-us-west-2", folder) == [
        f"{folder}/abalone.csv", f"{folder}/abalone.libsvm",
    ]  # fmt: skip
    assert keys("sagemaker-sample-files", f"{folder}/abalone.csv") == [f"{folder}/abalone.csv"]
    assert keys("sagemaker-sample-files", "datasets/tab") == []
    assert keys("my-own-bucket", "") == []
