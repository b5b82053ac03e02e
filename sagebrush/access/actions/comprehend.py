"""Amazon Comprehend (Service Authorization Reference, "Amazon Comprehend").

An operation that takes models or endpoints of either kind has a permission for each kind, of which
a request needs the one that its ARN is of. A job has no id before it starts: policies are asked
about its type, with `*` in place of the id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sagebrush.access.actions.entries import (
    Entry,
    Fixed,
    Key,
    Permission,
    RequestTags,
    Resource,
    Table,
    Target,
    at,
    given,
    key,
)
from sagebrush.access.actions.iam import RoleArns
from sagebrush.aws.names import Arn
from sagebrush.errors import Doc
from sagebrush.world import Ctx

TAG_KEYS = ("aws:resourcetag/",)
CLASSIFIER, RECOGNIZER = "document-classifier", "entity-recognizer"
ENDPOINT = "-endpoint"
"""What the type of an endpoint has after that of its model."""
FLYWHEEL, DATASET = "flywheel", "flywheel-dataset"


def _tags(ctx: Ctx, kind: str, name: str) -> Mapping[str, str]:
    """The tags of the row of that kind, named as its ARN ends; none where it does not exist."""
    row = ctx.world.rows.get(ctx.account, ctx.region, kind, name)
    return row.plan.get("tags", {}) if row is not None else {}


def kind_of(resource: str) -> str:
    """The resource type of what an ARN ends with (`flywheel/f/dataset/d` is a flywheel-dataset)."""
    kind, _, name = resource.partition("/")
    return DATASET if kind == FLYWHEEL and "/dataset/" in name else kind


def _target(ctx: Ctx, text: str) -> Target:
    arn = Arn.parse(text)
    if arn is None or (arn.account, arn.region) != (ctx.account, ctx.region):
        return Target(text, dict, TAG_KEYS)  # the tags of others' resources are not seen
    name = arn.resource.partition("/")[2]
    return Target(text, partial(_tags, ctx, kind_of(arn.resource), name), TAG_KEYS)


def _own(ctx: Ctx, resource: str) -> Target:
    return _target(ctx, str(Arn("comprehend", ctx.region, ctx.account, resource)))


@dataclass(frozen=True)
class ByArn:
    """The resources whose ARNs are at these members: those of the type `kind`, and of every type that
    is not in `but` where there is one."""

    kind: str
    members: tuple[str, ...]
    but: str = ""

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        texts = [value for member in self.members for value in at(params, member)]
        return [_target(ctx, text) for text in texts if self._is(text)]

    def _is(self, text: str) -> bool:
        arn = Arn.parse(text)
        kind = kind_of(arn.resource if arn else text)
        return kind != self.but if self.but else kind == self.kind


@dataclass(frozen=True)
class Tagged:
    """What `ResourceArn` names, of whatever type."""

    kind: str = ""
    members: tuple[str, ...] = ("ResourceArn",)

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        return [_target(ctx, text) for text in at(params, "ResourceArn")]


@dataclass(frozen=True)
class Job:
    """The job of `JobId`; of jobs that are to start, `*`."""

    kind: str
    members: tuple[str, ...] = ()

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        name = params.get("JobId", "*") if self.members else "*"
        return (_own(ctx, f"{self.kind}/{name}"),)


@dataclass(frozen=True)
class Made:
    """What the request creates: a model or flywheel of the name, with its version."""

    kind: str
    members: tuple[str, ...]

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        version = params.get("VersionName") if "VersionName" in self.members else None
        suffix = f"/version/{version}" if version else ""
        return (_own(ctx, f"{self.kind}/{params[self.members[0]]}{suffix}"),)


@dataclass(frozen=True)
class MadeEndpoint:
    """The endpoint that the request creates, where it is one of the kind: its model's, or that of its
    flywheel's models."""

    kind: str
    members: tuple[str, ...] = ("EndpointName", "ModelArn", "FlywheelArn")

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        if self._of(ctx, params) + ENDPOINT != self.kind:
            return ()
        return (_own(ctx, f"{self.kind}/{params['EndpointName']}"),)

    @staticmethod
    def _of(ctx: Ctx, params: Doc) -> str:
        arn = Arn.parse(str(params.get("ModelArn", "")))
        if arn is None:
            name = str(params.get("FlywheelArn", "")).rpartition("/")[2]
            row = ctx.world.rows.get(ctx.account, ctx.region, FLYWHEEL, name)
            entities = row is not None and row.doc.get("ModelType") == "ENTITY_RECOGNIZER"
            return RECOGNIZER if entities else CLASSIFIER
        return RECOGNIZER if kind_of(arn.resource) == RECOGNIZER else CLASSIFIER


@dataclass(frozen=True)
class MadeDataset:
    """The data set that the request creates in its flywheel."""

    kind: str = DATASET
    members: tuple[str, ...] = ("FlywheelArn", "DatasetName")

    def find(self, ctx: Ctx, params: Doc) -> Sequence[Target]:
        return (_target(ctx, f"{params['FlywheelArn']}/dataset/{params['DatasetName']}"),)


TAGS = RequestTags()
CLASSIFIER_ENDPOINT, RECOGNIZER_ENDPOINT = CLASSIFIER + ENDPOINT, RECOGNIZER + ENDPOINT
_VOLUME = key("comprehend:VolumeKmsKey", "VolumeKmsKeyId")
_MODEL = key("comprehend:ModelKmsKey", "ModelKmsKeyId")
_OUTPUT = key("comprehend:OutputKmsKey", "OutputDataConfig.KmsKeyId")


def _vpc(config: str = "VpcConfig") -> tuple[Key, ...]:
    return (
        key("comprehend:VpcSecurityGroupIds", f"{config}.SecurityGroupIds", many=True),
        key("comprehend:VpcSubnets", f"{config}.Subnets", many=True),
    )


TRAINING_KEYS = (_MODEL, _VOLUME, *_vpc())
JOB_KEYS = (_OUTPUT, _VOLUME, *_vpc())
FLYWHEEL_KEYS = (
    key("comprehend:ModelKmsKey", "DataSecurityConfig.ModelKmsKeyId"),
    key("comprehend:VolumeKmsKey", "DataSecurityConfig.VolumeKmsKeyId"),
    *_vpc("DataSecurityConfig.VpcConfig"),
)
LAKE_KEY = key("comprehend:DataLakeKmsKey", "DataSecurityConfig.DataLakeKmsKeyId")
ITERATION_KEY = key("comprehend:FlywheelIterationId", "FlywheelIterationId")

# The table ----------------------------------------------------------------------------------------


def action(name: str, on: Resource | None = None, *keys: Key, optional: bool = False) -> Permission:
    """The action of that name; without a resource, on everything."""
    if on is None:
        return Permission(f"comprehend:{name}")
    return Permission(f"comprehend:{name}", on, keys=keys, optional=optional)


def plain(on: Resource | None, *names: str) -> dict[str, Entry]:
    """Operations that are the action of their name on one resource."""
    return {name: (action(name, on),) for name in names}


def either(name: str, first: str, second: str, *members: str, keys: tuple[Key, ...] = ()) -> Entry:
    """The action on what is at the members, which is of one of two types."""
    return (
        action(name, ByArn(first, members, but=second), *keys, optional=True),
        action(name, ByArn(second, members), *keys, optional=True),
    )


def of_either(*names: str) -> dict[str, Entry]:
    """Operations on an endpoint of either type."""
    ends = (CLASSIFIER_ENDPOINT, RECOGNIZER_ENDPOINT, "EndpointArn")
    return {name: either(name, *ends) for name in names}


def policies(*names: str) -> dict[str, Entry]:
    """Operations on the resource policy of a model of either type."""
    return {name: either(name, CLASSIFIER, RECOGNIZER, "ResourceArn") for name in names}


def passed(member: str = "DataAccessRoleArn") -> Permission:
    """The role at the member is handed to Comprehend."""
    service = Fixed("iam:PassedToService", "comprehend.amazonaws.com")
    return Permission("iam:PassRole", RoleArns((member,)), keys=(service,), optional=True)


def tagging(on: Resource, optional: bool = False) -> Permission:
    """With `Tags` the caller of what creates needs `comprehend:TagResource` on it too."""
    tag = "comprehend:TagResource"
    return Permission(tag, on, keys=(TAGS,), when=given("Tags"), optional=optional)


def creates(name: str, on: Resource, *keys: Key, more: Entry = ()) -> Entry:
    """A new resource, for which a role is passed; `more` are other permissions that are needed."""
    return (action(name, on, *keys, TAGS), *more, tagging(on), passed())


def starts(name: str, kind: str, *keys: Key, model: str = "") -> dict[str, Entry]:
    """`StartNAMEJob`, with a custom model of that type where one can be given."""
    operation = f"Start{name}Job"
    member = {CLASSIFIER: "DocumentClassifierArn", RECOGNIZER: "EntityRecognizerArn"}.get(model, "")
    used = [(model, member), (FLYWHEEL, "FlywheelArn")] if model else []
    more = tuple(action(operation, ByArn(k, (m,)), optional=True) for k, m in used)
    return {operation: creates(operation, Job(kind), *keys, more=more)}


def jobs(name: str, kind: str, *keys: Key, model: str = "", stops: bool = True) -> dict[str, Entry]:
    """The operations of a family of jobs, whose ids are in `JobId`."""
    one = Job(kind, ("JobId",))
    return {
        **starts(name, kind, *(keys or JOB_KEYS), model=model),
        **plain(one, f"Describe{name}Job", *([f"Stop{name}Job"] if stops else ())),
        **plain(None, f"List{name}Jobs"),
    }


def endpoint_made() -> Entry:
    """CreateEndpoint, on the endpoint, its model and its flywheel."""
    name = "CreateEndpoint"
    made = (MadeEndpoint(CLASSIFIER_ENDPOINT), MadeEndpoint(RECOGNIZER_ENDPOINT))
    return (
        *(action(name, each, TAGS, optional=True) for each in made),
        *either(name, CLASSIFIER, RECOGNIZER, "ModelArn"),
        action(name, ByArn(FLYWHEEL, ("FlywheelArn",)), optional=True),
        *(tagging(each, optional=True) for each in made),
        passed(),
    )


FLYWHEEL_ARN = ByArn(FLYWHEEL, ("FlywheelArn",))
TABLE: Table = {
    **plain(
        None,
        "BatchDetectDominantLanguage",
        "BatchDetectEntities",
        "BatchDetectKeyPhrases",
        "BatchDetectSentiment",
        "BatchDetectSyntax",
        "BatchDetectTargetedSentiment",
        "ContainsPiiEntities",
        "DetectDominantLanguage",
        "DetectKeyPhrases",
        "DetectPiiEntities",
        "DetectSentiment",
        "DetectSyntax",
        "DetectTargetedSentiment",
        "DetectToxicContent",
        "ListDocumentClassifierSummaries",
        "ListDocumentClassifiers",
        "ListEndpoints",
        "ListEntityRecognizerSummaries",
        "ListEntityRecognizers",
        "ListFlywheels",
    ),
    **plain(ByArn(RECOGNIZER_ENDPOINT, ("EndpointArn",)), "DetectEntities"),
    **plain(ByArn(CLASSIFIER_ENDPOINT, ("EndpointArn",)), "ClassifyDocument"),
    **jobs("DocumentClassification", "document-classification-job", model=CLASSIFIER, stops=False),
    **jobs("DominantLanguageDetection", "dominant-language-detection-job"),
    **jobs("EntitiesDetection", "entities-detection-job", model=RECOGNIZER),
    **jobs("EventsDetection", "events-detection-job", _OUTPUT),
    **jobs("KeyPhrasesDetection", "key-phrases-detection-job"),
    **jobs("PiiEntitiesDetection", "pii-entities-detection-job", _OUTPUT),
    **jobs("SentimentDetection", "sentiment-detection-job"),
    **jobs("TargetedSentimentDetection", "targeted-sentiment-detection-job"),
    **jobs("TopicsDetection", "topics-detection-job", stops=False),
    "CreateDocumentClassifier": creates(
        "CreateDocumentClassifier",
        Made(CLASSIFIER, ("DocumentClassifierName", "VersionName")),
        *TRAINING_KEYS,
        _OUTPUT,
    ),
    "CreateEntityRecognizer": creates(
        "CreateEntityRecognizer",
        Made(RECOGNIZER, ("RecognizerName", "VersionName")),
        *TRAINING_KEYS,
    ),
    **plain(
        ByArn(CLASSIFIER, ("DocumentClassifierArn",)),
        "DeleteDocumentClassifier",
        "DescribeDocumentClassifier",
        "StopTrainingDocumentClassifier",
    ),
    **plain(
        ByArn(RECOGNIZER, ("EntityRecognizerArn",)),
        "DeleteEntityRecognizer",
        "DescribeEntityRecognizer",
        "StopTrainingEntityRecognizer",
    ),
    "ImportModel": (
        *either("ImportModel", CLASSIFIER, RECOGNIZER, "SourceModelArn", keys=(_MODEL, TAGS)),
        passed(),
    ),
    **policies("DeleteResourcePolicy", "DescribeResourcePolicy", "PutResourcePolicy"),
    "CreateEndpoint": endpoint_made(),
    **of_either("DeleteEndpoint", "DescribeEndpoint"),
    "UpdateEndpoint": (
        *of_either("UpdateEndpoint")["UpdateEndpoint"],
        action("UpdateEndpoint", FLYWHEEL_ARN, optional=True),
        passed("DesiredDataAccessRoleArn"),
    ),
    "CreateFlywheel": creates(
        "CreateFlywheel",
        Made(FLYWHEEL, ("FlywheelName",)),
        *FLYWHEEL_KEYS,
        LAKE_KEY,
        more=either("CreateFlywheel", CLASSIFIER, RECOGNIZER, "ActiveModelArn"),
    ),
    "UpdateFlywheel": (
        action("UpdateFlywheel", FLYWHEEL_ARN, *FLYWHEEL_KEYS),
        *either("UpdateFlywheel", CLASSIFIER, RECOGNIZER, "ActiveModelArn"),
        passed(),
    ),
    **plain(
        FLYWHEEL_ARN,
        "DeleteFlywheel",
        "DescribeFlywheel",
        "ListDatasets",
        "ListFlywheelIterationHistory",
        "StartFlywheelIteration",
    ),
    "DescribeFlywheelIteration": (
        action("DescribeFlywheelIteration", FLYWHEEL_ARN, ITERATION_KEY),
    ),
    "CreateDataset": (action("CreateDataset", FLYWHEEL_ARN, TAGS), tagging(MadeDataset())),
    **plain(ByArn(DATASET, ("DatasetArn",)), "DescribeDataset"),
    "ListTagsForResource": (action("ListTagsForResource", Tagged()),),
    "TagResource": (action("TagResource", Tagged(), TAGS),),
    "UntagResource": (action("UntagResource", Tagged(), key("aws:TagKeys", "TagKeys", many=True)),),
}
