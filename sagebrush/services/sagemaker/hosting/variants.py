"""The variants of an endpoint as descriptions and events show them. Pure."""

from __future__ import annotations

from sagebrush.engine.kinds import moment
from sagebrush.errors import Doc
from sagebrush.services.sagemaker.hosting import serverless
from sagebrush.services.sagemaker.hosting.components import modelless
from sagebrush.services.sagemaker.hosting.deployment import stages
from sagebrush.services.sagemaker.hosting.deployment.given_up import new_deployment
from sagebrush.services.sagemaker.hosting.fleet import policy_of
from sagebrush.services.sagemaker.hosting.plan import Fleet, Variant, plan_of
from sagebrush.store.rows import Row


def shown(row: Row, fleet: Fleet, variant: Variant) -> Doc:
    """A variant's weights, capacity and status, its images left out."""
    plan = plan_of(row)
    at = plan.get("deployment") or new_deployment(None, fleet["started"])
    fleets = [each for each in (plan.get("active"), plan.get("pending")) if each]
    answering = stages.current(plan, fleet, variant)
    capacity: Doc = {
        "InstanceType": variant["type"],
        "CurrentInstanceCount": answering,
        "DesiredInstanceCount": variant["count"],
    }
    if "serverless" in variant:
        capacity = serverless.summary(variant, answering)
    found: Doc = {
        "VariantName": variant["name"],
        **capacity,
        "CurrentWeight": variant["weight"],
        "DesiredWeight": variant["weight"],
        **modelless.summary(variant),
    }
    if said := stages.status(plan, fleet, variant, policy_of(at, *fleets), row.status):
        found["VariantStatus"] = said
    return found


def deployed(row: Row) -> Doc:
    """The configuration and the variants that the endpoint has, and those that are to take their
    place."""
    plan = plan_of(row)
    active, pending = plan.get("active"), plan.get("pending")
    found: Doc = {}
    if fleet := active or pending:
        found |= {"EndpointConfigName": fleet["config"], **_by_role(row, fleet)}
    if active and pending:
        found["PendingDeploymentSummary"] = {
            "EndpointConfigName": pending["config"],
            "StartTime": moment(pending["started"]),
            **_by_role(row, pending),
        }
    return found


def _by_role(row: Row, fleet: Fleet) -> Doc:
    found: Doc = {}
    for variant in fleet["variants"]:
        member = "ShadowProductionVariants" if variant.get("shadow") else "ProductionVariants"
        found.setdefault(member, []).append(shown(row, fleet, variant))
    return found
