"""Rules with a schedule: each fire reaches the targets once, over restarts and clocks that jump."""

from __future__ import annotations

import json

from tests.services.events.eventstand import Stand

MINUTE = 60.0


def times(stand: Stand) -> list[str]:
    return [json.loads(body)["time"][11:16] for body in stand.got("q")]


def test_a_rate_fires_after_each_period(stand: Stand) -> None:
    arn = stand.rule("r", stand.queue("q"), ScheduleExpression="rate(5 minutes)")
    for _ in range(12):
        stand.run()
        stand.clock.forward(MINUTE)
    assert times(stand) == ["00:05", "00:10"]
    event = json.loads(stand.got("q")[0])
    assert (event["source"], event["detail-type"]) == ("aws.events", "Scheduled Event")
    assert (event["resources"], event["detail"]) == ([arn], {})


def test_the_last_missed_fire_is_made_up_for_once(stand: Stand) -> None:
    stand.rule("r", stand.queue("q"), ScheduleExpression="cron(0/10 * * * ? *)")
    stand.clock.forward(35 * MINUTE)
    stand.restart()
    stand.run()
    stand.restart()
    stand.run()
    assert times(stand) == ["00:30"]
    stand.clock.forward(-20 * MINUTE)  # a clock that is set back fires nothing twice
    for _ in range(30):
        stand.run()
        stand.clock.forward(MINUTE)
    assert times(stand) == ["00:30", "00:40"]


def test_a_fire_that_was_stored_is_not_repeated_by_a_killed_step(stand: Stand) -> None:
    stand.rule("r", stand.queue("q"), ScheduleExpression="rate(1 minute)")
    stand.clock.forward(MINUTE)
    loop = stand.app.loop
    rows = stand.world.rows.claim(30.0, 10)
    kind = loop._kinds["event-rule"]  # pyright: ignore[reportPrivateUsage]
    assert kind.reconcile is not None
    for row in rows:
        kind.reconcile(stand.world, row)  # and the server is killed before the step is stored
    stand.restart()
    stand.run()
    assert times(stand) == ["00:01"]


def test_a_disabled_schedule_misses_for_good(stand: Stand) -> None:
    stand.rule("r", stand.queue("q"), ScheduleExpression="rate(1 minute)")
    stand.events("DisableRule", Name="r")
    stand.clock.forward(10.5 * MINUTE)
    stand.run()
    stand.events("EnableRule", Name="r")
    stand.run()
    assert times(stand) == []
    stand.clock.forward(MINUTE)
    stand.run()
    assert times(stand) == ["00:11"]
