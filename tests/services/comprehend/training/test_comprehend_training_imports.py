"""ImportModel by boto3: of the own account and of others, by their policies."""

from __future__ import annotations

from typing import Any

from sagebrush.services.comprehend.training.plan import plan_of
from tests.conftest import Server
from tests.people import Person, allow, text, user
from tests.services.comprehend.training.asking import (
    ARN,
    KEY,
    MAIN,
    OTHER,
    become,
    created,
    refused,
    told,
)  # fmt: skip


def shared(idle_server: Server, comprehend: Any, **statement: Any) -> str:
    """The ARN of a trained classifier whose policy has the statement."""
    given = allow(
        "comprehend:ImportModel",
        **{"Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"}, **statement},
    )
    arn = created(comprehend, "shared", VersionName="v1", ModelPolicy=text(given))
    become(idle_server, arn, "TRAINED")
    return arn


def test_another_account_imports_what_the_policy_lets_it(
    idle_server: Server, comprehend: Any, stranger: Person
) -> None:
    source = shared(idle_server, comprehend)
    other = stranger("comprehend")
    arn = other.import_model(
        SourceModelArn=source, ModelKmsKeyId=KEY, Tags=[{"Key": "a", "Value": "1"}]
    )["ModelArn"]
    assert arn == f"arn:aws:comprehend:us-east-1:{OTHER}:document-classifier/shared"
    found = told(other, arn)
    assert (found["SourceModelArn"], found["Status"]) == (source, "SUBMITTED")
    assert (found["ModelKmsKeyId"], found["Mode"]) == (KEY, "MULTI_CLASS")
    assert other.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "1"}]
    row = idle_server.world.rows.get(OTHER, "us-east-1", "document-classifier", "shared")
    assert row is not None
    assert plan_of(row).get("source", "").startswith(f"{MAIN}/document-classifier/")
    assert refused(other.import_model, SourceModelArn=source)[0] == "ResourceInUseException"
    other.import_model(SourceModelArn=source, ModelName="mine", VersionName="v9")
    comprehend.import_model(SourceModelArn=source, ModelName="mine")


def test_what_no_policy_allows_is_not_imported(
    idle_server: Server, comprehend: Any, stranger: Person
) -> None:
    call = stranger("comprehend").import_model
    denied = "AccessDeniedException"
    hidden = created(comprehend)
    become(idle_server, hidden, "TRAINED")
    words = "no resource-based policy allows the comprehend:ImportModel action"
    for arn in (hidden, f"{ARN}document-classifier/none"):
        code, message = refused(call, SourceModelArn=arn)
        assert (code, words in message) == (denied, True)
    source = shared(idle_server, comprehend, Principal={"AWS": f"arn:aws:iam::{MAIN}:root"})
    assert refused(call, SourceModelArn=source)[0] == denied
    person = user(stranger, "nobody", allow("comprehend:ListDocumentClassifiers"))
    assert refused(person("comprehend").import_model, SourceModelArn=source)[0] == denied


def test_a_policy_can_deny_its_own_account(idle_server: Server, comprehend: Any) -> None:
    deny = {"Principal": {"AWS": f"arn:aws:iam::{MAIN}:root"}, "Effect": "Deny"}
    source = shared(idle_server, comprehend, **deny)
    code, message = refused(comprehend.import_model, SourceModelArn=source, ModelName="mine")
    assert (code, "explicit deny in a resource-based policy" in message) == (
        "AccessDeniedException",
        True,
    )


def test_conditions_of_a_policy_are_asked_for(
    idle_server: Server, comprehend: Any, stranger: Person
) -> None:
    wanted = {"StringEquals": {"comprehend:ModelKmsKey": KEY}}
    source = shared(idle_server, comprehend, Condition=wanted)
    other = stranger("comprehend")
    assert refused(other.import_model, SourceModelArn=source)[0] == "AccessDeniedException"
    other.import_model(SourceModelArn=source, ModelKmsKeyId=KEY)


def test_what_is_no_source(idle_server: Server, comprehend: Any) -> None:
    call = comprehend.import_model
    source = created(comprehend)
    code, message = refused(call, SourceModelArn=source, ModelName="mine")
    assert (code, message[-20:]) == ("ResourceUnavailableException", "in status SUBMITTED.")
    become(idle_server, source, "TRAINED")
    assert refused(call, SourceModelArn=source)[0] == "ResourceInUseException"
    missing = "ResourceNotFoundException"
    assert refused(call, SourceModelArn=f"{ARN}entity-recognizer/films")[0] == missing
    west = idle_server.client("comprehend", region_name="us-west-2")
    code, message = refused(west.import_model, SourceModelArn=source)
    assert (code, "in the region of the request" in message) == ("InvalidRequestException", True)
    code, _ = refused(call, SourceModelArn=source, ModelName="mine", ModelKmsKeyId="x")
    assert code == "KmsKeyValidationException"
    role = "arn:aws:iam::999999999999:role/other"
    code, _ = refused(call, SourceModelArn=source, ModelName="mine", DataAccessRoleArn=role)
    assert code == "InvalidRequestException"
