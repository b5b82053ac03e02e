"""The steps of a deployment as a pure function of its policy, the time and what was seen."""

from __future__ import annotations

import pytest

from sagebrush.services.sagemaker.hosting.deployment import shifting
from sagebrush.services.sagemaker.hosting.deployment.shifting import Progress, Seen
from sagebrush.services.sagemaker.hosting.deployment.update_policy import Policy, Size

FIFTH, ONE = Size("CAPACITY_PERCENT", 20), Size("INSTANCE_COUNT", 1)
COUNTS = {"v": 3}


def timeline(policy: Policy, trips: float = float("inf")) -> list[tuple[float, str, float]]:
    """(seconds, stage, the new fleet's share) of every change until the end, which is `done` or
    why it goes back; an alarm is in ALARM from `trips` on."""
    shares, progress, now = policy.shares(COUNTS), Progress(), 0.0
    found = [(now, progress.stage, 0.0)]
    while True:
        alarm = "tripped" if now >= trips else ""
        turn = shifting.shift(policy, shares, progress, Seen(now, 0.0, True, alarm))
        if turn.done or turn.back:
            return [*found, (now, turn.back or "done", shifting.share(shares, progress))]
        if turn.progress == progress:
            now += turn.due
        else:
            progress = turn.progress
            found.append((now, progress.stage, shifting.share(shares, progress)))


def test_all_at_once_is_baked_for_the_termination_wait() -> None:
    assert timeline(Policy(final=120.0)) == [
        (0.0, "Creating", 0.0),
        (0.0, "ActivatingTraffic", 1.0),
        (0.0, "Baking", 1.0),
        (120.0, "done", 1.0),
    ]


def test_a_canary_is_baked_before_the_rest_follows() -> None:
    found = timeline(Policy("CANARY", FIFTH, wait=60.0, final=30.0))
    baked = [(when, part) for when, stage, part in found if stage == "Baking"]
    assert baked == [(0.0, 0.2), (60.0, 1.0)]
    assert found[-1] == (90.0, "done", 1.0)


def test_linear_steps_are_equal_and_each_is_baked() -> None:
    found = timeline(Policy("LINEAR", FIFTH, wait=10.0))
    baked = [part for _, stage, part in found if stage == "Baking"]
    assert baked == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert found[-1] == (40.0, "done", 1.0)


def test_every_batch_of_a_rolling_update_is_baked() -> None:
    found = timeline(Policy("ROLLING", ONE, wait=10.0))
    baked = [(when, part) for when, stage, part in found if stage == "Baking"]
    assert baked == [(0.0, pytest.approx(1 / 3)), (10.0, pytest.approx(2 / 3)), (20.0, 1.0)]
    assert found[-1] == (30.0, "done", 1.0)


@pytest.mark.parametrize("trips", [0.0, 30.0, 59.0, 75.0])
def test_an_alarm_in_any_baking_period_leads_back(trips: float) -> None:
    found = timeline(Policy("CANARY", FIFTH, wait=60.0, final=30.0), trips)
    when, why, _ = found[-1]
    assert why == "tripped"
    assert trips <= when <= trips + shifting.LOOK


def test_an_alarm_that_rings_at_the_end_of_the_last_wait_still_counts() -> None:
    policy, baking = Policy(final=30.0), Progress(1, "Baking", 0.0)
    turn = shifting.shift(policy, (1.0,), baking, Seen(30.0, 0.0, True, "tripped"))
    assert turn.back == "tripped"


def test_an_alarm_before_the_first_traffic_does_not_count() -> None:
    assert not shifting.watched(Progress())
    assert shifting.watched(Progress(1, "ActivatingTraffic"))
    assert shifting.watched(Progress(2))


def test_nothing_is_turned_on_before_the_instances_answer() -> None:
    policy = Policy("ROLLING", ONE, limit=600)
    for step, due, part in ((1, 500.0, 0.0), (2, shifting.LOOK, 0.5)):
        turn = shifting.shift(policy, (0.5, 1.0), Progress(step), Seen(100.0, 0.0, False))
        assert (turn.progress, turn.due) == (Progress(step), due)
        assert shifting.share((0.5, 1.0), turn.progress) == part


def test_a_step_is_never_left_out_however_long_nobody_looked() -> None:
    policy = Policy("LINEAR", FIFTH, wait=10.0)
    shares = policy.shares(COUNTS)
    baked = Progress(1, "Baking", 0.0)
    turn = shifting.shift(policy, shares, baked, Seen(9e9, 0.0, True))
    assert turn.progress == Progress(2, "ActivatingTraffic", 9e9)
    turn = shifting.shift(policy, shares, baked, Seen(9e9, 0.0, False))
    assert turn.progress == baked, "not while one of the new fleet is being replaced"
    turn = shifting.shift(Policy("ROLLING", ONE, wait=10.0), shares, baked, Seen(9e9, 0.0, False))
    assert turn.progress == Progress(2, "Creating", 9e9)


@pytest.mark.parametrize("stage", ["Creating", "ActivatingTraffic", "Baking"])
def test_a_deployment_that_takes_too_long_goes_back(stage: str) -> None:
    policy = Policy("CANARY", FIFTH, wait=60.0, limit=600)
    late = shifting.shift(policy, (0.2, 1.0), Progress(1, stage, 590.0), Seen(600.0, 0.0, False))
    assert "within 600 seconds (MaximumExecutionTimeoutInSeconds)" in late.back


def test_a_rolling_update_never_has_fewer_instances_than_before() -> None:
    for count, size in ((3, ONE), (5, Size("INSTANCE_COUNT", 2)), (20, FIFTH)):
        policy = Policy("ROLLING", size)
        counts = {"v": count}
        shares = policy.shares(counts)
        for step in range(1, len(shares) + 1):
            at = Progress(step, "Baking")
            old = shifting.kept(policy, shares, at, counts)["v"]
            new = shifting.wanted(policy, shares, at, counts)["v"]
            assert count <= old + new <= count + size.instances(count)
            assert step < len(shares) or new == count


def test_blue_green_has_all_of_both_fleets() -> None:
    policy, at = Policy("CANARY", FIFTH), Progress(1, "Baking")
    assert shifting.wanted(policy, (0.2, 1.0), at, COUNTS) == COUNTS
    assert shifting.kept(policy, (0.2, 1.0), at, COUNTS) == COUNTS


def test_the_way_back_is_at_once_or_in_batches() -> None:
    full = {"v": 5}
    assert shifting.retreat(Policy("ROLLING", ONE), {"v": 1}, full) == full
    slow = Policy("ROLLING", ONE, back=Size("INSTANCE_COUNT", 2))
    assert shifting.retreat(slow, {"v": 1}, full) == {"v": 3}
    assert shifting.retreat(slow, {"v": 4}, full) == full


@pytest.mark.parametrize(
    ("policy", "progress", "words"),
    [
        (Policy(), Progress(), "Launching 2 instance(s)."),
        (
            Policy("CANARY", FIFTH, wait=60.0),
            Progress(1, "ActivatingTraffic"),
            "Activating traffic on canary capacity of 1 instance(s).",
        ),
        (
            Policy("CANARY", FIFTH, wait=60.0),
            Progress(1, "Baking"),
            "Baking for 60 seconds (WaitIntervalInSeconds) with traffic enabled on canary capacity"
            " of 1 instance(s).",
        ),
        (
            Policy("CANARY", FIFTH, final=300.0),
            Progress(2, "Baking"),
            "Baking for 300 seconds (TerminationWaitInSeconds) with traffic enabled on full capacity"
            " of 3 instance(s).",
        ),
    ],
)
def test_stages_are_told_in_awss_words(policy: Policy, progress: Progress, words: str) -> None:
    assert shifting.words(policy, policy.shares(COUNTS), progress, (1, 3, 3)) == words
