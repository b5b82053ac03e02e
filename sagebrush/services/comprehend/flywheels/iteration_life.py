"""The life of an iteration: data gathered, a model version trained with them, that and the active one
evaluated with the same test data.

TRAINING while a program (`comprehend.flywheels.gather`) puts all training and test data together in a
folder of the new version, and while Comprehend trains that as any custom model. EVALUATING while another
(`comprehend.flywheels.evaluate`) reads the test data with both models. What is repeated after a crash finds
what it started: names follow from the row.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from sagebrush.engine.kinds import moment
from sagebrush.errors import AwsError, Doc
from sagebrush.services.comprehend import arns, work
from sagebrush.services.comprehend.flywheels import facts, inputs, lake, members, programs
from sagebrush.services.comprehend.flywheels.plan import plan_of
from sagebrush.services.comprehend.flywheels.programs import Done, Failed, Task
from sagebrush.services.comprehend.training import artifacts
from sagebrush.services.comprehend.training.families import FAMILIES, TRAINED
from sagebrush.store.rows import Next, Row
from sagebrush.world import Ctx, StartedBy, World

GATHER, EVALUATE = "comprehend.flywheels.gather", "comprehend.flywheels.evaluate"
FULL = "FULL_ITERATION: Flywheel iteration performed all functions successfully."
"""AWS's words (example of the AWS CLI's `describe-flywheel-iteration`)."""
EVALUATED = (
    "EVALUATION_ONLY: There is no new training data. The active model version was evaluated."
)
"""Sagebrush's words."""
METRICS = ("AverageF1Score", "AveragePrecision", "AverageRecall", "AverageAccuracy")
LIMITS = ("ResourceLimitExceededException", "TooManyRequestsException")


def reconcile(world: World, row: Row) -> Next:
    """The next step of the iteration (`engine.kinds.Reconcile`)."""
    if row.status in facts.ITERATION.ended:
        return Next()
    flywheel = members.flywheel_of(world.rows, row)
    if flywheel is None:
        return _ended(world, "FAILED", f"{work.INTERNAL}The flywheel is gone.")
    if row.status == "EVALUATING":
        return _evaluate(world, flywheel, row)
    if plan_of(row).get("ordered"):
        return _follow(world, flywheel, row)
    outcome = _advance(world, row, _gathering(world, flywheel, row))
    if isinstance(outcome, Next):
        return outcome
    return _train(world, flywheel, row, outcome)


def fail(world: World, row: Row, reason: str) -> Next:
    """The iteration has failed for a reason of the server's own."""
    return _ended(world, "FAILED", f"{work.INTERNAL}{reason}")


def _ended(world: World, status: str, message: str, more: Doc | None = None) -> Next:
    return Next(status, {"EndTime": moment(world.clock()), "Message": message, **(more or {})})


def _advance(world: World, row: Row, task: Task) -> Next | Done:
    """The task's end; else what the row's step is meanwhile."""
    outcome = programs.advance(world, task, plan_of(row).get("started") == task.module)
    if isinstance(outcome, Failed):
        return _ended(world, "STOPPED" if outcome.stopped else "FAILED", outcome.message)
    if not isinstance(outcome, Done):
        return Next(plan={"started": task.module} if outcome.started else {}, due=outcome.due)
    return outcome


# Data ---------------------------------------------------------------------------------------------


def _gathering(world: World, flywheel: Row, row: Row) -> Task:
    """The task that puts the data of the iteration together."""
    plan, doc = plan_of(row), flywheel.doc
    config, lake_uri = doc["TaskConfig"], doc["DataLakeS3Uri"]
    every = members.of(world.rows, flywheel, facts.DATASET)
    places = {each.name: each.doc["DatasetS3Uri"] for each in every}
    return Task(
        GATHER,
        row,
        doc["DataAccessRoleArn"],
        doc["FlywheelArn"],
        lake.staging(lake_uri, f"iterations/{row.doc['FlywheelIterationId']}/gather"),
        {
            "Kind": inputs.KINDS[doc["ModelType"]],
            "Mode": config.get("DocumentClassificationConfig", {}).get("Mode", ""),
            "Train": [places[name] for name in plan.get("train", ())],
            "Test": [places[name] for name in plan.get("test", ())],
            "To": _folder(flywheel, row),
        },
    )


def _folder(flywheel: Row, row: Row) -> str:
    """The folder of the data of the iteration's model version."""
    return lake.version(flywheel.doc["DataLakeS3Uri"], _version(row))


def _version(row: Row) -> str:
    """The name of the version that the iteration trains: the same whenever a step is repeated."""
    digest = hashlib.sha256(f"{arns.as_parent(row)} {row.id}".encode()).hexdigest()
    return f"Comprehend-Generated-v1-{digest[:8]}"


# The model ----------------------------------------------------------------------------------------


def model_name(flywheel: Row, row: Row) -> tuple[str, str]:
    """(kind, row's name) of the model version that the iteration trains: a version of the active model's
    name, or of the flywheel's where it has none yet."""
    kind = inputs.KINDS[flywheel.doc["ModelType"]]
    active = row.doc.get("EvaluatedModelArn")
    base = active.rpartition(f":{kind}/")[2].partition("/")[0] if active else flywheel.name
    return kind, f"{base}/version/{_version(row)}"


def _model(world: World, flywheel: Row, row: Row) -> Row | None:
    kind, name = model_name(flywheel, row)
    found = world.rows.get(row.account, row.region, kind, name)
    return found if found is not None and found.parent == arns.as_parent(row) else None


def _train(world: World, flywheel: Row, row: Row, gathered: Done) -> Next:
    """The model version is in training, or the iteration has failed since it cannot be."""
    model = _model(world, flywheel, row)
    if model is None:
        refused = _order(world, flywheel, row, gathered)
        if refused is None:
            return Next(plan={"started": GATHER}, due=work.FULL)
        if refused:
            return _ended(world, "FAILED", refused)
        model = _model(world, flywheel, row)
    if model is None:
        return _ended(world, "FAILED", work.GONE)
    return Next(doc={"TrainedModelArn": arns.of(model)}, plan={"ordered": True}, due=work.RUNNING)


def _order(world: World, flywheel: Row, row: Row, gathered: Done) -> str | None:
    """Why Comprehend refuses to train the model version: "" where it does not, None where it may later."""
    kind = inputs.KINDS[flywheel.doc["ModelType"]]
    ctx: Ctx = world.service_ctx(region=row.region, account=row.account)
    doc: Doc = {"FlywheelArn": flywheel.doc["FlywheelArn"]}
    if kind == inputs.KINDS[inputs.RECOGNIZER]:  # whose request has no place for it
        statistics = f"{_folder(flywheel, row)}{lake.STATISTICS}"
        doc["OutputDataConfig"] = {"FlywheelStatsS3Prefix": statistics}
    by = StartedBy(arns.as_parent(row), doc)
    request = _request(flywheel, row, gathered)
    try:
        world.dispatch(
            replace(ctx, started_by=by), "comprehend", f"Create{FAMILIES[kind].noun}", request
        )
    except AwsError as error:
        if error.status >= 500:
            raise
        return None if error.code in LIMITS else f"{error.code}: {error.message}"
    return ""


def _request(flywheel: Row, row: Row, gathered: Done) -> Doc:
    """The request that creates the model version."""
    kind, name = model_name(flywheel, row)
    doc, security = flywheel.doc, flywheel.doc["DataSecurityConfig"]
    folder = _folder(flywheel, row)
    delimiter = (programs.texts([gathered.result.get("LabelDelimiter")]) or [inputs.DELIMITER])[0]
    tests = bool(gathered.result.get("Tests"))
    base, _, version = name.partition("/version/")
    request: Doc = {
        FAMILIES[kind].name_member: base,
        "VersionName": version,
        "DataAccessRoleArn": doc["DataAccessRoleArn"],
        "LanguageCode": doc["TaskConfig"]["LanguageCode"],
        "InputDataConfig": inputs.of_version(folder, doc["TaskConfig"], delimiter, tests),
        **{
            member: security[member]
            for member in ("VolumeKmsKeyId", "ModelKmsKeyId", "VpcConfig")
            if security.get(member)
        },
    }
    if kind == inputs.KINDS[inputs.CLASSIFIER]:
        statistics = f"{folder}{lake.STATISTICS}"
        request["Mode"] = doc["TaskConfig"]["DocumentClassificationConfig"]["Mode"]
        request["OutputDataConfig"] = {"S3Uri": statistics, "FlywheelStatsS3Prefix": statistics}
        if key := security.get("DataLakeKmsKeyId"):
            request["OutputDataConfig"]["KmsKeyId"] = key
    return request


def _follow(world: World, flywheel: Row, row: Row) -> Next:
    """What the model version's training has come to."""
    model = _model(world, flywheel, row)
    if model is None or model.status == "DELETING":
        return _ended(world, "FAILED", f"{work.INTERNAL}The new model version was deleted.")
    if model.status in TRAINED:
        return Next("EVALUATING", due=0.0)
    if model.status == "IN_ERROR":
        return _ended(world, "FAILED", model.doc.get("Message") or work.GONE)
    if model.status == "STOPPED":
        return _ended(world, "STOPPED", "The training of the new model version was stopped.")
    wanted = "STOP_REQUESTED" if model.status == "STOP_REQUESTED" else None
    return Next(wanted, due=work.RUNNING)


# Evaluation ---------------------------------------------------------------------------------------


def _evaluate(world: World, flywheel: Row, row: Row) -> Next:
    """The metrics of both models, once they are there."""
    plan = plan_of(row)
    if not plan.get("trains") and plan.get("started") != EVALUATE:  # its data come first
        gathered = _advance(world, row, _gathering(world, flywheel, row))
        if isinstance(gathered, Next):
            return gathered
    task = _evaluation(world, flywheel, row)
    if task is None:
        return _ended(world, "FAILED", f"{work.INTERNAL}A model version was deleted.")
    outcome = _advance(world, row, task)
    return outcome if isinstance(outcome, Next) else _finish(world, flywheel, row, outcome)


def _models(row: Row) -> dict[str, str]:
    """Of whom -> the ARN of a model that the iteration evaluates."""
    named = {"Evaluated": "EvaluatedModelArn", "Trained": "TrainedModelArn"}
    return {of: row.doc[member] for of, member in named.items() if member in row.doc}


def _evaluation(world: World, flywheel: Row, row: Row) -> Task | None:
    """The task that evaluates the models; None where one of them is gone."""
    ctx = world.service_ctx(region=row.region, account=row.account)
    urls: Doc = {}
    for of, arn in _models(row).items():
        model = arns.row_of(ctx, arn)
        if model is None or model.status not in TRAINED:
            return None
        urls[of] = artifacts.get_url(world, artifacts.uri(world, model))
    doc, number = flywheel.doc, row.doc["FlywheelIterationId"]
    return Task(
        EVALUATE,
        row,
        doc["DataAccessRoleArn"],
        doc["FlywheelArn"],
        lake.staging(doc["DataLakeS3Uri"], f"iterations/{number}/evaluate"),
        {
            "Kind": inputs.KINDS[doc["ModelType"]],
            "Mode": doc["TaskConfig"].get("DocumentClassificationConfig", {}).get("Mode", ""),
            "Test": f"{_folder(flywheel, row)}{lake.TESTING}{lake.POOL}",
            "Models": _models(row),
            "To": row.doc["EvaluationManifestS3Prefix"],
            "Statistics": f"{_folder(flywheel, row)}{lake.STATISTICS}",
        },
        {"Models": urls},
    )


def _finish(world: World, flywheel: Row, row: Row, outcome: Done) -> Next:
    """The iteration has COMPLETED; a flywheel that had no model yet has the new one as its active one."""
    found: Doc = {}
    for of in _models(row):
        given = outcome.result.get(of)
        if isinstance(given, dict):
            found[f"{of}ModelMetrics"] = {
                name: programs.number(given[name]) for name in METRICS if name in given
            }
    trained = row.doc.get("TrainedModelArn")
    if trained:
        world.rows.update(flywheel.id, lambda there: _promoted(world, there, trained))
    return _ended(world, "COMPLETED", FULL if trained else EVALUATED, found)


def _promoted(world: World, flywheel: Row, arn: str) -> Row | None:
    if flywheel.doc.get("ActiveModelArn"):
        return None
    told = {"ActiveModelArn": arn, "LastModifiedTime": moment(world.clock())}
    return replace(flywheel, doc={**flywheel.doc, **told})
