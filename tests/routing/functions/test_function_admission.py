"""Who may begin next: nobody's many come before another's first, and no place is lost."""

from __future__ import annotations

import asyncio

from sagebrush.routing.functions.admission import Admission


async def settled() -> None:
    """What could go on has."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_one_functions_many_do_not_come_before_anothers_first() -> None:
    async def scenario() -> None:
        admission, order = Admission(2), list[str]()

        async def begin(who: str, number: int) -> None:
            await admission.enter(who)
            order.append(f"{who}{number}")

        tasks = [asyncio.ensure_future(begin("a", number)) for number in range(6)]
        await settled()
        tasks += [asyncio.ensure_future(begin("b", number)) for number in range(2)]
        await settled()
        assert order == ["a0", "a1"]
        for _ in tasks:
            admission.leave()
        await asyncio.gather(*tasks)
        assert order == ["a0", "a1", "a2", "b0", "a3", "b1", "a4", "a5"]
        assert not admission.full()

    asyncio.run(scenario())


def test_who_goes_away_takes_no_place() -> None:
    async def scenario() -> None:
        admission = Admission(1)
        await admission.enter("a")
        tasks = [asyncio.ensure_future(admission.enter(who)) for who in "aab"]
        await settled()
        tasks[0].cancel()
        await settled()
        admission.leave()
        tasks[1].cancel()  # its turn has come, which it does not know yet
        await asyncio.wait({tasks[2]}, timeout=60)
        assert [each.cancelled() for each in tasks] == [True, True, False]
        admission.leave()
        assert not admission.full()
        await admission.enter("c")
        assert admission.full()

    asyncio.run(scenario())
