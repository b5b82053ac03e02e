"""What a DeploymentConfig asks for, and what of it AWS's pages rule out."""

from __future__ import annotations

from typing import Any

import pytest

from sagebrush.errors import AwsError, Doc
from sagebrush.services.sagemaker.hosting.deployment import update_policy
from sagebrush.services.sagemaker.hosting.deployment.update_policy import Policy, Size

ONE, FOUR = {"AllTraffic": 1}, {"AllTraffic": 4}


def size(value: int, kind: str = "CAPACITY_PERCENT") -> Doc:
    return {"Type": kind, "Value": value}


def blue_green(kind: str, wait: int = 60, *, final: int = 0, **more: Any) -> Doc:
    """A blue/green DeploymentConfig; `more`: members of TrafficRoutingConfiguration, and `limit`."""
    limit = more.pop("limit", None)
    routing = {"Type": kind, "WaitIntervalInSeconds": wait, **more}
    policy: Doc = {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": final}
    if limit:
        policy["MaximumExecutionTimeoutInSeconds"] = limit
    return {"BlueGreenUpdatePolicy": policy}


def rolling(batch: Doc, wait: int = 60, **more: Any) -> Doc:
    """A rolling DeploymentConfig; `more`: members of RollingUpdatePolicy."""
    return {
        "RollingUpdatePolicy": {
            "MaximumBatchSize": batch,
            "WaitIntervalInSeconds": wait,
            **more,
        }
    }


def refused(config: Doc, counts: dict[str, int]) -> str:
    with pytest.raises(AwsError) as caught:
        update_policy.check(config, counts)
    assert caught.value.code == "ValidationException"
    return caught.value.message


def test_no_configuration_is_all_at_once_with_nothing_watched() -> None:
    assert update_policy.policy_of(None, {}) == Policy()
    assert Policy().shares(FOUR) == (1.0,)


@pytest.mark.parametrize(
    ("config", "counts", "shares"),
    [
        (blue_green("ALL_AT_ONCE"), FOUR, (1.0,)),
        (blue_green("CANARY", CanarySize=size(30)), FOUR, (0.3, 1.0)),
        (blue_green("CANARY", CanarySize=size(30)), ONE, (0.3, 1.0)),
        (blue_green("CANARY", CanarySize=size(1, "INSTANCE_COUNT")), FOUR, (0.25, 1.0)),
        (blue_green("LINEAR", LinearStepSize=size(50)), FOUR, (0.5, 1.0)),
        (blue_green("LINEAR", LinearStepSize=size(40)), FOUR, (0.4, 0.8, 1.0)),
        (blue_green("LINEAR", LinearStepSize=size(2, "INSTANCE_COUNT")), FOUR, (0.5, 1.0)),
        # of several variants, the smallest part counts
        (
            blue_green("LINEAR", LinearStepSize=size(1, "INSTANCE_COUNT")),
            {"a": 2, "b": 4},
            (0.25, 0.5, 0.75, 1.0),
        ),
        (rolling(size(50)), FOUR, (0.5, 1.0)),
        (rolling(size(1, "INSTANCE_COUNT")), {"a": 3}, (1 / 3, 2 / 3, 1.0)),
        (rolling(size(2, "INSTANCE_COUNT")), {"a": 5}, (0.4, 0.8, 1.0)),
        (rolling(size(33)), {"a": 3}, (1 / 3, 2 / 3, 1.0)),  # AWS's own example: one instance
    ],
)
def test_the_steps_of_each_policy(
    config: Doc, counts: dict[str, int], shares: tuple[float, ...]
) -> None:
    found = update_policy.policy_of(config, {}).shares(counts)
    assert found == pytest.approx(shares)


@pytest.mark.parametrize(
    ("value", "count", "instances"),
    [(33, 3, 1), (50, 3, 1), (50, 5, 2), (33, 6, 2), (5, 4, 1), (100, 4, 4)],
)
def test_a_percentage_is_the_nearest_number_of_instances(
    value: int, count: int, instances: int
) -> None:
    assert Size("CAPACITY_PERCENT", value).instances(count) == instances


def test_ten_steps_of_ten_percent_end_at_all() -> None:
    config = blue_green("LINEAR", LinearStepSize=size(10))
    shares = update_policy.policy_of(config, {}).shares(FOUR)
    assert (len(shares), shares[-1]) == (10, 1.0)


def test_all_members_are_read() -> None:
    config = blue_green("CANARY", 600, final=300, limit=1800, CanarySize=size(25))
    config["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": "a"}, {"AlarmName": "b"}]}
    found = update_policy.policy_of(config, {})
    quarter = Size("CAPACITY_PERCENT", 25)
    assert found == Policy("CANARY", quarter, 600.0, 300.0, 1800, None, ("a", "b"))
    config = rolling(size(25), 30, RollbackMaximumBatchSize=size(2, "INSTANCE_COUNT"))
    found = update_policy.policy_of(config, {})
    assert found == Policy("ROLLING", quarter, 30.0, back=Size("INSTANCE_COUNT", 2))


def test_an_excluded_instance_type_falls_back_to_all_at_once() -> None:
    config = blue_green("CANARY", CanarySize=size(30))
    assert update_policy.policy_of(config, {"a": "ml.inf1.xlarge"}) == Policy()
    assert update_policy.policy_of(config, {"a": "ml.m5.large"}).kind == "CANARY"


@pytest.mark.parametrize(
    ("config", "counts", "words"),
    [
        (
            blue_green("CANARY", CanarySize=size(51)),
            FOUR,
            "CanarySize must be less than or equal to 50% of the total instance count",
        ),
        (blue_green("CANARY", CanarySize=size(3, "INSTANCE_COUNT")), FOUR, "is 75%"),
        (blue_green("CANARY", CanarySize=size(1, "INSTANCE_COUNT")), ONE, "is 100%"),
        (blue_green("CANARY"), FOUR, "CanarySize is required"),
        (blue_green("LINEAR"), FOUR, "LinearStepSize is required"),
        (blue_green("LINEAR", LinearStepSize=size(9)), FOUR, "between 10% and 50%"),
        (blue_green("LINEAR", LinearStepSize=size(60)), FOUR, "between 10% and 50%"),
        (
            blue_green("LINEAR", LinearStepSize=size(1, "INSTANCE_COUNT")),
            {"a": 11},
            "production variant a (11)",
        ),
        (
            blue_green("LINEAR", 300, final=300, limit=1500, LinearStepSize=size(20)),
            FOUR,
            "MaximumExecutionTimeoutInSeconds (1500) must be larger than the total waiting time",
        ),
        (rolling(size(4)), FOUR, "between 5% and 50%"),
        (rolling(size(1, "INSTANCE_COUNT")), ONE, "is 100%"),
        (rolling(size(25)), {"a": 4, "b": 4}, "multiple production variants (a, b)"),
        (
            rolling(size(25), RollbackMaximumBatchSize=size(101)),
            FOUR,
            "RollbackMaximumBatchSize must not be more than 100%",
        ),
        (
            rolling(size(25), 200, MaximumExecutionTimeoutInSeconds=800),
            FOUR,
            "must be larger than the total waiting time that WaitIntervalInSeconds make",
        ),
        (
            blue_green("ALL_AT_ONCE") | rolling(size(25)),
            FOUR,
            "Only one update policy",
        ),
        (
            {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "a"}, {"AlarmName": "a"}]}},
            FOUR,
            "must be unique: a",
        ),
    ],
)
def test_what_the_pages_rule_out_is_refused(
    config: Doc, counts: dict[str, int], words: str
) -> None:
    assert words in refused(config, counts)


@pytest.mark.parametrize(
    "config",
    [
        blue_green("LINEAR", 300, final=299, limit=1500, LinearStepSize=size(20)),
        rolling(size(25), 200, MaximumExecutionTimeoutInSeconds=801),
        rolling(size(25), RollbackMaximumBatchSize=size(100)),
        blue_green("CANARY", CanarySize=size(2, "INSTANCE_COUNT")),
    ],
)
def test_what_is_at_a_limit_is_taken(config: Doc) -> None:
    update_policy.check(config, FOUR)


def test_an_endpoint_at_zero_is_rolled_in_one_step() -> None:
    config, none = rolling(size(50)), {"AllTraffic": 0}
    update_policy.check(config, none)
    assert update_policy.policy_of(config, {}).shares(none) == (1.0,)


def test_a_deployment_configuration_needs_the_same_variants() -> None:
    with pytest.raises(AwsError, match="the same variant names"):
        update_policy.check_change(blue_green("ALL_AT_ONCE"), {"a": 1}, {"b": 1})
    update_policy.check_change(blue_green("ALL_AT_ONCE"), {"a": 1}, {"a": 2})
    update_policy.check_change(None, {"a": 1}, {"b": 1})
