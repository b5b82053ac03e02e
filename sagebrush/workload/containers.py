"""What a job is launched with that runs in an image of its user's, under the host's engine.

SageMaker developer guide, "How Amazon SageMaker AI runs your training image" and "Use your own
inference code with hosting services": `docker run IMAGE train` and `docker run IMAGE serve`.
"""

from __future__ import annotations

from pathlib import Path

from sagebrush.compute.base import Limits, Spec
from sagebrush.errors import Doc
from sagebrush.facts import Running
from sagebrush.workload import launch
from sagebrush.world import World


def job(
    world: World, facts: Running, doc: Doc, where: tuple[str, Path, str], size: tuple[Limits, str]
) -> Spec:
    """The container of one instance of the resource that `doc` describes (of an endpoint: a variant).

    `where` is its key, directory and region, `size` what it may use and the log's first line. The
    caller sets the port on which an endpoint's container answers. Raises ValueError for a kind
    without containers.
    """
    if facts.container is None:
        raise ValueError(f"a {facts.noun} never runs in an image of its user's")
    program, (key, root, region), (limits, banner) = facts.container(doc), where, size
    return Spec(
        key=key,
        argv=program.arguments,
        entrypoint=program.entrypoint,
        env={"AWS_REGION": region, "AWS_DEFAULT_REGION": region, **program.environment},
        root=root,
        role=program.role,
        region=region,
        hostname=program.hostname,
        limits=limits,
        listeners=launch.listeners(program.isolated),
        time_limit=program.seconds,
        grace=float(world.settings.stop_grace),
        log_limit=world.settings.log_limit,
        banner=banner,
        image=program.image,
    )
