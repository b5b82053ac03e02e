"""What DescribeEndpoint says of a variant while it changes: VariantStatus and its instance count.

The sentences are those of the guide's page on EventBridge ("Endpoint deployment state change").
"""

from __future__ import annotations

from sagebrush.engine.kinds import moment
from sagebrush.errors import Doc
from sagebrush.routing.endpoints import activated
from sagebrush.services.sagemaker.hosting.deployment import shifting
from sagebrush.services.sagemaker.hosting.deployment.replicas import production
from sagebrush.services.sagemaker.hosting.deployment.shifting import Progress
from sagebrush.services.sagemaker.hosting.deployment.update_policy import ROLLING, Policy
from sagebrush.services.sagemaker.hosting.plan import Fleet, Plan, Variant

ENDING = ("draining", "stopping")


def current(plan: Plan, fleet: Fleet, variant: Variant) -> int:
    """How many of the variant's instances answer; of a fleet that traffic goes over to, how many
    it is turned on for, as AWS's example of a canary counts them."""
    answering = _count(plan, fleet, variant, ("serving",))
    pending, share = plan.get("pending"), plan.get("share")
    if plan.get("active") and pending is not None and pending["id"] == fleet["id"] and share:
        return min(answering, activated(share, variant["count"]))
    return answering


def status(plan: Plan, fleet: Fleet, variant: Variant, policy: Policy, word: str) -> list[Doc]:
    """The variant's VariantStatus, [] while nothing of it changes; `word`: the endpoint's status."""
    active, pending, at = plan.get("active"), plan.get("pending"), plan.get("deployment")
    answering = _count(plan, fleet, variant, ("serving",))
    ending = _count(plan, fleet, variant, ENDING)
    started = fleet["started"]
    if active is None:
        return [_told(plan, "Creating", started, f"Launching {_left(variant, answering)}")]
    if fleet["id"] == active["id"]:
        if word == "Updating" and not pending:
            text = _scaling(variant, answering)
            return [_told(plan, "Updating", fleet.get("changed", started), text)]
        if at and policy.kind == ROLLING:
            return _batches(plan, variant, answering, ending)
        return []
    if at is None:  # a deployment that an older version began
        return [_told(plan, "Creating", started, f"Launching {_left(variant, answering)}")]
    if "back" in at:
        return [_told(plan, "Deleting", at["since"], f"Terminating {ending} instance(s).")]
    progress = Progress(at["step"], at["stage"], at["since"])
    shares = policy.shares(production(fleet))
    due = shifting.wanted(policy, shares, progress, {variant["name"]: variant["count"]})
    counts = (answering, due[variant["name"]], variant["count"])
    text = shifting.words(policy, shares, progress, counts)
    since = started if progress == Progress(1, shifting.CREATING, at["since"]) else at["since"]
    return [_told(plan, progress.stage, since, text)]


def _batches(plan: Plan, variant: Variant, answering: int, ending: int) -> list[Doc]:
    """Of the serving fleet in a rolling deployment: instances that it gives up or gets back."""
    at = plan.get("deployment")
    assert at is not None
    if ending:
        return [_told(plan, "Deleting", at["since"], f"Terminating {ending} instance(s).")]
    if "back" in at and answering < variant["count"]:
        text = f"Launching {_left(variant, answering)}"
        return [_told(plan, "Updating", at["since"], text)]
    return []


def _scaling(variant: Variant, answering: int) -> str:
    if answering == variant["count"]:
        return ""
    way = "out" if answering < variant["count"] else "in"
    return f"Scaling {way} desired instance count to {variant['count']}."


def _left(variant: Variant, answering: int) -> str:
    return f"{max(0, variant['count'] - answering)} instance(s)."


def _told(plan: Plan, stage: str, since: float, text: str) -> Doc:
    """One status; what an instance waits for says more than AWS's sentence."""
    found: Doc = {"Status": stage, "StartTime": moment(since)}
    waiting = plan.get("waiting")
    if said := (waiting if stage in ("Creating", "Updating") and waiting else text):
        found["StatusMessage"] = said
    return found


def _count(plan: Plan, fleet: Fleet, variant: Variant, states: tuple[str, ...]) -> int:
    place = (fleet["id"], variant["name"])
    return sum(
        (each["fleet"], each["variant"]) == place and each["state"] in states
        for each in plan["replicas"]
    )
