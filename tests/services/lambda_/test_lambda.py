"""Lambda's API by boto3 on a running server; functions really run."""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
import json
import urllib.request
import zipfile
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sagebrush.access import accounts, function_policies
from sagebrush.commands import function_logs, running
from tests.conftest import Server
from tests.services.lambda_.lambdas import ACCOUNT, ROLE, active, answer, create, refused, zipped
from tests.waiting import until

ARN = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function"
INVALID = "InvalidParameterValueException"


@pytest.fixture
def lam(client: Any) -> Any:
    return client("lambda")


def test_a_functions_life(lam: Any, client: Any) -> None:
    made = create(
        lam, "life", Tags={"a": "b"}, Description="d", Environment={"Variables": {"AA": "1"}}
    )
    assert made["State"] == "Pending"
    assert made["StateReason"] == "The function is being created."
    assert made["CodeSha256"] == base64.b64encode(hashlib.sha256(zipped()).digest()).decode()
    found = lam.get_function(FunctionName="life")
    configuration = found["Configuration"]
    assert configuration["State"] == "Active"
    assert configuration["LastUpdateStatus"] == "Successful"
    assert configuration["RevisionId"] != made["RevisionId"]
    assert configuration["FunctionArn"] == f"{ARN}:life"
    assert configuration["Environment"] == {"Variables": {"AA": "1"}}
    assert found["Tags"] == {"a": "b"}
    with urllib.request.urlopen(found["Code"]["Location"]) as got:
        assert got.read() == zipped()
    assert refused("ResourceConflictException", lam.create_function, 409, FunctionName="life",
                   Runtime="python3.12", Handler="i.h", Role=ROLE, Code={"ZipFile": zipped()},
                   ) == "Function already exist: life"  # fmt: skip
    assert "life" in {f["FunctionName"] for p in lam.get_paginator("list_functions").paginate(
        PaginationConfig={"PageSize": 1}) for f in p["Functions"]}  # fmt: skip
    logs = f"/aws/lambda/{configuration['FunctionName']}"
    assert configuration["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": logs}
    lam.tag_resource(Resource=f"{ARN}:life", Tags={"c": "d"})
    lam.untag_resource(Resource=f"{ARN}:life", TagKeys=["a"])
    assert lam.list_tags(Resource=f"{ARN}:life")["Tags"] == {"c": "d"}
    lam.delete_function(FunctionName="life")
    words = refused("ResourceNotFoundException", lam.get_function, 404, FunctionName="life")
    assert words == f"Function not found: {ARN}:life"


def test_a_function_that_an_event_has_invoked_too_often_is_stopped(lam: Any) -> None:
    """Developer guide, "Use Lambda recursive loop detection": the AWS SDK passes the trace header on."""
    create(lam, "loop", "def handler(e, c): return 1")
    name = hashlib.sha256(f"{ARN}:loop".encode()).hexdigest()[:8]

    def traced(request: Any, **_: Any) -> None:
        request.headers["X-Amzn-Trace-Id"] = f"Root=1-5759e988-{'0' * 24};Lineage={name}:16"

    lam.meta.events.register("before-sign.lambda.Invoke", traced, unique_id="loop")
    try:
        words = refused("RecursiveInvocationException", lam.invoke, 400, FunctionName="loop")
        assert "recursive loop" in words
        lam.put_function_recursion_config(FunctionName="loop", RecursiveLoop="Allow")
        assert lam.invoke(FunctionName="loop")["StatusCode"] == 200
    finally:
        lam.meta.events.unregister("before-sign.lambda.Invoke", unique_id="loop")


def test_what_cannot_be_created(lam: Any, client: Any) -> None:
    good = {
        "FunctionName": "bad", "Runtime": "python3.12", "Handler": "i.h", "Role": ROLE,
        "Code": {"ZipFile": zipped()},
    }  # fmt: skip

    def words(code: str = INVALID, **changes: Any) -> str:
        given = {k: v for k, v in {**good, **changes}.items() if v is not None}
        return refused(code, lam.create_function, **given)

    client("iam").create_role(
        RoleName="untrusted",
        AssumeRolePolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"},
                 "Action": "sts:AssumeRole"}]}
        ),
    )  # fmt: skip
    role = f"arn:aws:iam::{ACCOUNT}:role/untrusted"
    assert words(Role=role) == "The role defined for the function cannot be assumed by Lambda."
    assert words(Code={"ZipFile": b"no zip"}) == (
        "Could not unzip uploaded file. Please check your file, then try to upload again."
    )
    assert words(Code={"ZipFile": b""}) == "Uploaded file must be a non-empty zip"
    assert "Please provide a source for function code." in words(Code={})
    assert words(Code={"S3Bucket": "nothing-here", "S3Key": "k"}).startswith(
        "Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error Message: "
    )
    assert "Runtime and Handler are mandatory" in words(Handler=None)
    assert words(FunctionName="x" * 65).endswith("less than or equal to 64")
    assert "Value wrong at 'runtime' failed" in words(Runtime="wrong")
    assert "python3.6 is no longer supported" in words(Runtime="python3.6")
    assert "Layer version" in words(Layers=[f"arn:aws:lambda:us-east-1:{ACCOUNT}:layer:no:1"])
    assert "'timeout' failed" in words("ValidationException", Timeout=901)
    image = {"PackageType": "Image", "Runtime": None, "Handler": None}
    found = words(**image, Code={"ImageUri": "nowhere-here:1"})  # the host may have a Podman
    assert "container images" in found or "Source image" in found
    assert "Please don't provide Handler or Runtime" in words(PackageType="Image")
    assert "ImageConfig is not supported" in words(ImageConfig={"Command": ["x"]})
    refused("NotImplemented", lam.create_code_signing_config,
            AllowedPublishers={"SigningProfileVersionArns": ["arn:aws:signer:us-east-1:1:/p"]},
            )  # fmt: skip


def test_code_from_s3_updates_versions_and_aliases(lam: Any, client: Any) -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket="function-code-here")
    s3.put_object(
        Bucket="function-code-here", Key="a.zip", Body=zipped("def handler(e, c): return 1")
    )
    create(lam, "many", Code={"S3Bucket": "function-code-here", "S3Key": "a.zip"}, Publish=True)
    assert answer(lam, "many") == answer(lam, "many:1") == 1
    revision = lam.get_function_configuration(FunctionName="many")["RevisionId"]
    new = {"FunctionName": "many", "ZipFile": zipped("def handler(e, c): return 2")}
    refused("PreconditionFailedException", lam.update_function_code, 412, **new, RevisionId="x")
    assert lam.update_function_code(**new, DryRun=True)["RevisionId"] == revision
    updated = lam.update_function_code(**new, RevisionId=revision)
    assert (updated["State"], updated["LastUpdateStatus"]) == ("Active", "InProgress")
    active(lam, "many")
    assert (answer(lam, "many"), answer(lam, "many:1")) == (2, 1)
    two = lam.publish_version(FunctionName="many", Description="second")
    assert (two["Version"], two["FunctionArn"]) == ("2", f"{ARN}:many:2")
    assert lam.publish_version(FunctionName="many", Description="second")["Version"] == "2"
    listed = [v["Version"] for v in lam.list_versions_by_function(FunctionName="many")["Versions"]]
    assert listed == ["$LATEST", "1", "2"]
    alias = lam.create_alias(FunctionName="many", Name="live", FunctionVersion="1")
    assert alias["AliasArn"] == f"{ARN}:many:live"
    assert answer(lam, f"{ARN}:many:live") == 1
    lam.update_alias(FunctionName="many", Name="live", FunctionVersion="2",
                     RoutingConfig={"AdditionalVersionWeights": {"1": 1.0}})  # fmt: skip
    active_version(lam, "many", "2")
    assert lam.invoke(FunctionName="many", Qualifier="live")["ExecutedVersion"] == "1"
    lam.update_alias(FunctionName="many", Name="live", RoutingConfig={})
    assert lam.invoke(FunctionName="many", Qualifier="live")["ExecutedVersion"] == "2"
    assert [
        a["Name"] for a in lam.list_aliases(FunctionName="many", FunctionVersion="2")["Aliases"]
    ] == ["live"]
    refused("ResourceConflictException", lam.create_alias, 409, FunctionName="many", Name="live",
            FunctionVersion="1")  # fmt: skip
    refused(
        "ResourceConflictException", lam.delete_function, 409, FunctionName="many", Qualifier="2"
    )
    lam.delete_function(FunctionName="many", Qualifier="1")
    words = refused("ResourceNotFoundException", lam.invoke, 404, FunctionName="many:1")
    assert words == f"Function not found: {ARN}:many:1"
    changed = lam.update_function_configuration(
        FunctionName="many", Timeout=9, MemorySize=256, Environment={"Variables": {"XX": "y"}}
    )
    assert (changed["Timeout"], changed["MemorySize"]) == (9, 256)
    words = refused("ResourceNotFoundException", lam.get_alias, 404, FunctionName="many", Name="no")
    assert words == f"Cannot find alias arn: {ARN}:many:no"


def active_version(lam: Any, name: str, version: str) -> None:
    until(lambda: lam.get_function_configuration(FunctionName=name, Qualifier=version)["State"]
          == "Active")  # fmt: skip


CODE = """
import json, os, sys
def handler(event, context):
    print("seen", json.dumps(event))
    if event.get("fail"):
        raise ValueError("asked to")
    return {"event": event, "arn": context.invoked_function_arn, "env": os.environ.get("AA")}
"""


def test_invocations(lam: Any) -> None:
    create(lam, "invoked", CODE, Environment={"Variables": {"AA": "1"}})
    found = lam.invoke(FunctionName="invoked", Payload=b'{"a": 1}', LogType="Tail")
    assert json.loads(found["Payload"].read()) == {
        "event": {"a": 1}, "arn": f"{ARN}:invoked", "env": "1",
    }  # fmt: skip
    assert found["ExecutedVersion"] == "$LATEST"
    assert 'seen {"a": 1}' in base64.b64decode(found["LogResult"]).decode()
    failed = lam.invoke(FunctionName="invoked", Payload=b'{"fail": true}')
    assert (failed["StatusCode"], failed["FunctionError"]) == (200, "Unhandled")
    said = json.loads(failed["Payload"].read())
    assert (said["errorType"], said["errorMessage"]) == ("ValueError", "asked to")
    dry = lam.invoke(FunctionName="invoked", InvocationType="DryRun")
    assert dry["StatusCode"] == 204
    refused("InvalidRequestContentException", lam.invoke, FunctionName="invoked", Payload=b"no")
    refused("RequestEntityTooLargeException", lam.invoke, 413, FunctionName="invoked",
            Payload=b'"' + b"x" * 6291456 + b'"')  # fmt: skip
    refused(INVALID, lam.invoke, FunctionName="invoked:1", Qualifier="2")
    lam.put_function_concurrency(FunctionName="invoked", ReservedConcurrentExecutions=0)
    throttled = lam.exceptions.TooManyRequestsException
    with pytest.raises(throttled) as caught:
        lam.invoke(FunctionName="invoked")
    assert caught.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    lam.delete_function_concurrency(FunctionName="invoked")
    assert "ReservedConcurrentExecutions" not in lam.get_function_concurrency(
        FunctionName="invoked"
    )
    assert "below its minimum value" in refused(
        INVALID, lam.put_function_concurrency, FunctionName="invoked",
        ReservedConcurrentExecutions=901,
    )  # fmt: skip


def received(sqs: Any, url: str) -> list[str]:
    found = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10, MaxNumberOfMessages=10)
    return [each["Body"] for each in found.get("Messages", [])]


def test_events_reach_their_destinations(lam: Any, client: Any) -> None:
    sqs = client("sqs")
    url = sqs.create_queue(QueueName="destination")["QueueUrl"]
    queue = f"arn:aws:sqs:us-east-1:{ACCOUNT}:destination"
    create(lam, "told", CODE)
    words = refused(INVALID, lam.put_function_event_invoke_config, FunctionName="told")
    assert "at least one of error handling or destination" in words
    told = lam.put_function_event_invoke_config(
        FunctionName="told", MaximumRetryAttempts=0,
        DestinationConfig={"OnSuccess": {"Destination": queue}, "OnFailure": {"Destination": queue}},
    )  # fmt: skip
    assert told["FunctionArn"] == f"{ARN}:told:$LATEST"
    for payload in (b'{"n": 1}', b'{"fail": true}'):
        assert lam.invoke(FunctionName="told", InvocationType="Event", Payload=payload)[
            "StatusCode"
        ] == 202  # fmt: skip
    bodies: list[Any] = []
    until(lambda: bodies.extend(map(json.loads, received(sqs, url))) or len(bodies) == 2)
    found = {each["requestContext"]["condition"]: each for each in bodies}
    assert found["Success"]["responsePayload"]["event"] == {"n": 1}
    assert found["RetriesExhausted"]["responsePayload"]["errorType"] == "ValueError"
    assert found["RetriesExhausted"]["responseContext"]["functionError"] == "Unhandled"


def test_a_queues_messages_reach_the_function(lam: Any, client: Any) -> None:
    sqs = client("sqs")
    source = sqs.create_queue(QueueName="source")["QueueUrl"]
    seen = sqs.create_queue(QueueName="seen")["QueueUrl"]
    create(
        lam, "reader",
        "import json\ndef handler(e, c):\n"
        "    bad = [r['messageId'] for r in e['Records'] if json.loads(r['body'])['k'] == 'bad']\n"
        "    return {'batchItemFailures': [{'itemIdentifier': i} for i in bad]}\n",
    )  # fmt: skip
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:source"
    mapping = lam.create_event_source_mapping(
        EventSourceArn=arn, FunctionName="reader", FunctionResponseTypes=["ReportBatchItemFailures"],
        FilterCriteria={"Filters": [{"Pattern": '{"body": {"k": [{"anything-but": "other"}]}}'}]},
    )  # fmt: skip
    uid = mapping["UUID"]
    refused("ResourceConflictException", lam.create_event_source_mapping, 409, EventSourceArn=arn,
            FunctionName="reader")  # fmt: skip
    until(lambda: lam.get_event_source_mapping(UUID=uid)["State"] == "Enabled")
    for value in ("good", "other", "bad"):
        sqs.send_message(QueueUrl=source, MessageBody=json.dumps({"k": value}))

    def counts() -> tuple[str, str]:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = sqs.get_queue_attributes(QueueUrl=source, AttributeNames=names)["Attributes"]
        return found[names[0]], found[names[1]]

    until(lambda: counts() == ("0", "1"), "the bad one alone stays, in flight")
    sqs.delete_queue(QueueUrl=source)
    sqs.create_queue(QueueName="source")  # the mapping is of its name
    sqs.send_message(QueueUrl=source, MessageBody='{"k": "good"}')
    until(lambda: counts() == ("0", "0"), "one of the new queue is done")
    assert lam.update_event_source_mapping(UUID=uid, Enabled=False)["State"] == "Updating"
    until(lambda: lam.get_event_source_mapping(UUID=uid)["State"] == "Disabled")
    listed = lam.list_event_source_mappings(FunctionName="reader")["EventSourceMappings"]
    assert [each["UUID"] for each in listed] == [uid]
    assert lam.delete_event_source_mapping(UUID=uid)["State"] == "Deleting"
    refused("ResourceNotFoundException", lam.get_event_source_mapping, 404, UUID=uid)
    assert "is less than Function timeout" in refused(
        INVALID, lam.create_event_source_mapping, EventSourceArn=slow(sqs, seen), FunctionName="reader"
    )  # fmt: skip


def slow(sqs: Any, url: str) -> str:
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})
    return f"arn:aws:sqs:us-east-1:{ACCOUNT}:seen"


def test_policies_admit_services_and_other_callers(lam: Any, client: Any, server: Server) -> None:
    create(lam, "guarded")
    iam = client("iam")
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    nobody = server.client(
        "lambda", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"]
    )
    words = refused("AccessDeniedException", nobody.invoke, 403, FunctionName="guarded")
    assert (
        f"is not authorized to perform: lambda:InvokeFunction on resource: {ARN}:guarded" in words
    )
    given = {
        "FunctionName": "guarded", "StatementId": "one", "Action": "lambda:InvokeFunction",
        "Principal": f"arn:aws:iam::{ACCOUNT}:user/nobody",
    }  # fmt: skip
    statement = json.loads(lam.add_permission(**given)["Statement"])
    assert statement["Principal"] == {"AWS": given["Principal"]}
    assert statement["Resource"] == f"{ARN}:guarded"
    assert answer(nobody, "guarded", {"a": 1}) == {"a": 1}
    refused("ResourceConflictException", lam.add_permission, 409, **given)
    lam.remove_permission(FunctionName="guarded", StatementId="one")
    refused("AccessDeniedException", nobody.invoke, 403, FunctionName="guarded")
    words = refused("ResourceNotFoundException", lam.get_policy, 404, FunctionName="guarded")
    assert words == "The resource you requested does not exist."


def test_another_accounts_caller_needs_the_policy(lam: Any, server: Server) -> None:
    create(lam, "shared")
    made = accounts.add(server.world, "", "lambda-other")
    other = server.client(
        "lambda", aws_access_key_id=made["AccessKeyId"],
        aws_secret_access_key=server.world.credentials.secret_of(made["AccessKeyId"]),
    )  # fmt: skip
    refused("ResourceNotFoundException", other.invoke, 404, FunctionName="shared")
    words = refused("AccessDeniedException", other.invoke, 403, FunctionName=f"{ARN}:shared")
    assert "because no resource-based policy allows the lambda:InvokeFunction action" in words
    lam.add_permission(
        FunctionName="shared", StatementId="them", Action="lambda:InvokeFunction",
        Principal=made["Id"],
    )  # fmt: skip
    assert answer(other, f"{ARN}:shared", {"a": 1}) == {"a": 1}
    refused("AccessDeniedException", other.get_function, 403, FunctionName=f"{ARN}:shared")


def test_a_topic_invokes_a_function_that_lets_it(lam: Any, client: Any, server: Server) -> None:
    create(lam, "notified")
    arn, source = f"{ARN}:notified", f"arn:aws:sns:us-east-1:{ACCOUNT}:t"
    ctx = server.world.service_ctx()
    assert not function_policies.admits(ctx, arn, "sns.amazonaws.com", source)
    lam.add_permission(
        FunctionName="notified", StatementId="sns", Action="lambda:InvokeFunction",
        Principal="sns.amazonaws.com", SourceArn=source, SourceAccount=ACCOUNT,
    )  # fmt: skip
    assert function_policies.admits(ctx, arn, "sns.amazonaws.com", source)
    assert not function_policies.admits(ctx, arn, "sns.amazonaws.com", f"{source}2")
    assert not function_policies.admits(ctx, arn, "events.amazonaws.com", source)


def test_layers(lam: Any) -> None:
    made = lam.publish_layer_version(
        LayerName="lib", Content={"ZipFile": zipped("X = 7", "python/of_a_layer.py")},
        CompatibleRuntimes=["python3.12"],
    )  # fmt: skip
    assert made["LayerVersionArn"] == f"arn:aws:lambda:us-east-1:{ACCOUNT}:layer:lib:1"
    code = "import of_a_layer\ndef handler(e, c): return of_a_layer.X"
    create(lam, "layered", code, Layers=[made["LayerVersionArn"]])
    assert answer(lam, "layered") == 7
    lam.delete_layer_version(LayerName="lib", VersionNumber=1)
    assert answer(lam, "layered") == 7
    assert lam.publish_layer_version(LayerName="lib", Content={"ZipFile": zipped()})["Version"] == 2
    listed = lam.list_layers()["Layers"]
    assert [each["LatestMatchingVersion"]["Version"] for each in listed] == [2]
    refused(
        "ResourceNotFoundException", lam.get_layer_version, 404, LayerName="lib", VersionNumber=1
    )
    many = [f"arn:aws:lambda:us-east-1:{ACCOUNT}:layer:lib:{n}" for n in range(6)]
    words = refused(INVALID, lam.update_function_configuration, FunctionName="layered", Layers=many)
    assert words == "Cannot reference more than 5 layers."
    ours = "arn:aws:lambda:us-east-1:336392948345:layer:AWSSDKPandas-Python312:16"
    assert lam.get_layer_version_by_arn(Arn=ours)["LayerVersionArn"] == ours


def test_events_of_a_function_that_may_not_run_are_dead_letters(lam: Any, client: Any) -> None:
    sqs = client("sqs")
    url = sqs.create_queue(QueueName="barred")["QueueUrl"]
    queue = f"arn:aws:sqs:us-east-1:{ACCOUNT}:barred"
    create(lam, "barred", DeadLetterConfig={"TargetArn": queue})
    lam.put_function_concurrency(FunctionName="barred", ReservedConcurrentExecutions=0)
    for number in range(3):
        lam.invoke(FunctionName="barred", InvocationType="Event", Payload=str(number))
    bodies: list[str] = []
    until(lambda: bodies.extend(received(sqs, url)) or len(bodies) == 3)
    assert sorted(bodies) == ["0", "1", "2"]


def test_what_cannot_begin_is_not_provisioned(lam: Any) -> None:
    create(lam, "unready", "raise ValueError('no')", Publish=True)
    named = {"FunctionName": "unready", "Qualifier": "1"}
    lam.put_provisioned_concurrency_config(**named, ProvisionedConcurrentExecutions=1)
    get = lam.get_provisioned_concurrency_config
    until(lambda: get(**named)["Status"] != "IN_PROGRESS")
    found = get(**named)
    assert found["Status"] == "FAILED"
    assert found["StatusReason"] == "FUNCTION_ERROR_INIT_FAILURE"
    lam.delete_function(FunctionName="unready")


def test_a_version_is_provisioned_once(lam: Any) -> None:
    create(lam, "ready")
    lam.publish_version(FunctionName="ready")
    lam.create_alias(FunctionName="ready", Name="live", FunctionVersion="1")
    put = lam.put_provisioned_concurrency_config
    words = refused(
        INVALID, put, FunctionName="ready", Qualifier="1", ProvisionedConcurrentExecutions=901
    )
    assert words.endswith("below its minimum value of [100].")
    put(FunctionName="ready", Qualifier="live", ProvisionedConcurrentExecutions=1)
    words = refused("ResourceConflictException", put, 409, FunctionName="ready", Qualifier="1",
                    ProvisionedConcurrentExecutions=1)  # fmt: skip
    assert words == "Version is pointed by a Provisioned Concurrency alias"
    lam.delete_provisioned_concurrency_config(FunctionName="ready", Qualifier="live")


def test_what_a_function_wrote_by_the_command(
    lam: Any, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(lam, "writes", "def handler(e, c): print(c.client_context.custom)")
    context = base64.b64encode(b'{"custom": {"k": 1}}').decode()
    lam.invoke(FunctionName="writes", ClientContext=context)
    here = running.Server(1, "127.0.0.1", server.app.port, 0)
    monkeypatch.setattr(
        running,
        "client",
        lambda _, __, service, region: server.client(service, region_name=region),
    )

    def lines(name: str) -> list[str]:
        return list(function_logs.of(server.app.settings, here, name, "", False))

    until(lambda: "{'k': 1}" in lines("writes"))
    assert lines(f"{ARN}:writes") == lines("writes")
    with pytest.raises(running.CommandError, match=r"Function not found: .*; there are: "):
        lines("nothing")


def test_a_functions_url(lam: Any, server: Server) -> None:
    create(lam, "web", "def handler(e, c): return {'statusCode': 201, 'cookies': ['a=1', 'b=2'],"
           " 'body': e['requestContext']['http']['method'] + e['rawPath'] + e.get('body', '')}"
           )  # fmt: skip
    made = lam.create_function_url_config(FunctionName="web", AuthType="NONE",
                                          Cors={"AllowOrigins": ["*"]})  # fmt: skip
    host = made["FunctionUrl"].split("/")[2]

    def ask(method: str = "POST", body: bytes = b"x", **headers: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", server.app.port)
        try:
            connection.request(method, "/p", body, {"Host": host, **headers})
            found = connection.getresponse()
            assert (found.getheader("Server") or "").startswith("Sagebrush/")
            return found.status, found.msg.get_all("Set-Cookie"), found.read()
        finally:
            connection.close()

    assert ask()[0] == 403  # nothing lets everybody use it yet
    lam.add_permission(FunctionName="web", StatementId="u", Action="lambda:InvokeFunctionUrl",
                       Principal="*", FunctionUrlAuthType="NONE")  # fmt: skip
    assert ask()[0] == 403  # since October 2025 that alone does not do
    lam.add_permission(FunctionName="web", StatementId="i", Action="lambda:InvokeFunction",
                       Principal="*", InvokedViaFunctionUrl=True)  # fmt: skip
    assert ask() == (201, ["a=1", "b=2"], b"POST/px")
    assert ask(body=b"x" * 6291457)[0] == 413
    lam.update_function_url_config(FunctionName="web", AuthType="AWS_IAM")
    assert ask()[0] == 403
    key, secret = server.world.credentials.user_key
    request = AWSRequest("POST", made["FunctionUrl"] + "p", data=b"x", headers={"Host": host})
    SigV4Auth(Credentials(key, secret), "lambda", "us-east-1").add_auth(request)
    signed = {name: value for name, value in request.headers.items() if name != "Host"}
    assert ask("POST", b"x", **signed) == (201, ["a=1", "b=2"], b"POST/px")
    refused("ResourceConflictException", lam.create_function_url_config, 409, FunctionName="web",
            AuthType="NONE")  # fmt: skip
    lam.delete_function_url_config(FunctionName="web")
    assert ask()[0] == 403


def test_the_account_and_large_code(lam: Any) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("index.py", "def handler(e, c): return 1")
        made.writestr("large", bytes(20 << 20))  # more than other requests may carry
    create(lam, "large", Code={"ZipFile": out.getvalue()})
    settings = lam.get_account_settings()
    assert settings["AccountLimit"]["ConcurrentExecutions"] == 1000
    assert settings["AccountUsage"]["TotalCodeSize"] > 20 << 20
    assert settings["AccountUsage"]["FunctionCount"] >= 1
