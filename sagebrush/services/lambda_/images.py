"""The images of functions: taken as they are now, by their digest; pulled where a registry answers.

Source: Lambda API reference, FunctionCode, ImageConfig and FunctionCodeLocation; the developer guide,
"Create a Lambda function using a container image" (a function keeps the image that its tag named when it
was created or updated). AWS's words for images that are not there: github.com/aws/aws-cdk, issue 24648;
hashicorp/terraform, issue 27963.
"""

from __future__ import annotations

from sagebrush.environments import images
from sagebrush.errors import Doc
from sagebrush.services.lambda_ import faults
from sagebrush.services.lambda_.plan import plan_of
from sagebrush.store.rows import Row
from sagebrush.world import Ctx, World


def taken(ctx: Ctx, uri: str) -> tuple[Doc, Doc]:
    """What document and plan of a function have of the image; without its digest where it has to be
    pulled first. Raises InvalidParameterValueException."""
    if not _well_formed(uri):
        raise faults.invalid(f"Source image {uri} is not valid. Provide a valid source image.")
    known = ctx.world.functions.images
    if lacking := known.lacking():
        raise faults.invalid(
            f"Sagebrush does not run functions of container images on this machine: {lacking}."
        )
    found = known.find(uri)
    if found is not None:
        return _resolved(found.digest), _pinned(uri, found.id, found.resolved)
    if not known.pullable(uri):
        raise faults.invalid(f"Source image {uri} does not exist. Provide a valid source image.")
    return {"CodeSha256": "", "CodeSize": 0}, _pinned(uri, None, None)


def _well_formed(uri: str) -> bool:
    """Whether it has the form of an image's name; with a digest it must not have a tag too."""
    name, at, _ = uri.partition("@")
    tagged = ":" in name.rpartition("/")[2]
    return images.well_formed(uri) and not (at and tagged)


def _resolved(digest: str) -> Doc:
    return {"CodeSha256": digest, "CodeSize": 0}


def _pinned(uri: str, identity: str | None, resolved: str | None) -> Doc:
    return {"code": "", "image": uri, "digest": identity, "resolved": resolved}


def ready(world: World, row: Row) -> tuple[bool, str, Doc, Doc]:
    """Whether the image is still being pulled, why it cannot be, and what document and plan get."""
    plan = plan_of(row)
    uri = plan.get("image")
    if not uri or plan.get("digest"):
        return False, "", {}, {}
    found, problem = world.functions.images.pulled(uri)
    if found is None:
        return not problem, problem and f"The image {uri} could not be pulled: {problem}", {}, {}
    return False, "", _resolved(found.digest), _pinned(uri, found.id, found.resolved)


def location(row: Row) -> Doc:
    """FunctionCodeLocation of the function's or version's image."""
    plan = plan_of(row)
    uri = plan.get("image", "")
    return {
        "RepositoryType": "ECR", "ImageUri": uri, "ResolvedImageUri": plan.get("resolved") or uri,
    }  # fmt: skip


def check_config(package: str, request: Doc) -> None:
    """Returns where what a request sets fits a function of that PackageType; raises
    InvalidParameterValueException."""
    if package == "Image":
        if request.get("Layers"):
            raise faults.invalid(
                "Lambda layers are not supported for functions created with container images."
            )
        if request.get("Runtime") or request.get("Handler"):
            raise faults.invalid(
                "The Runtime and Handler parameters are not supported for functions created with"
                " container images."
            )
    elif any((request.get("ImageConfig") or {}).values()):
        raise faults.invalid("ImageConfig is not supported for functions of packageType Zip.")
