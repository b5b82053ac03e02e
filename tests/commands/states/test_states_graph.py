"""Graphs: boxes that do not overlap, ways that meet them, colours that can be read, and safe files."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest

from sagebrush.commands.states import colours, layout, page, svg
from sagebrush.commands.states.conditions import rule_label
from sagebrush.commands.states.layout import Box, Plan, plan
from sagebrush.commands.states.tree import Tree
from sagebrush.errors import Doc
from tests.asl.driver import machine, ran
from tests.commands.states.pipeline import PIPELINE, Worker, begun


def boxes(of: Plan) -> Iterator[list[Box]]:
    """The boxes of each plan."""
    yield list(of.boxes)
    for box in of.boxes:
        for part in box.parts:
            yield from boxes(part)


def apart(one: Box, other: Box) -> bool:
    return (
        one.x + one.width <= other.x
        or other.x + other.width <= one.x
        or one.y + one.height <= other.y
        or other.y + other.height <= one.y
    )


def within(inner: Box, outer: Box) -> bool:
    return (
        outer.x <= inner.x
        and inner.x + inner.width <= outer.x + outer.width
        and outer.y <= inner.y
        and inner.y + inner.height <= outer.y + outer.height
    )


def chain(count: int) -> Doc:
    names = [f"state number {n}" for n in range(count)]
    states = {name: {"Type": "Pass", "Next": after} for name, after in itertools.pairwise(names)}
    return machine(**states, **{names[-1]: {"Type": "Succeed"}})


MACHINES = {"pipeline": PIPELINE, "one": machine(S={"Type": "Succeed"}), "long": chain(60)}


@pytest.mark.parametrize("name", MACHINES)
def test_boxes_have_their_own_place(name: str) -> None:
    laid = plan(MACHINES[name], {})
    for level in boxes(laid):
        for at, one in enumerate(level):
            assert all(apart(one, other) for other in level[at + 1 :])
            for part in one.parts:
                assert all(within(box, one) for box in part.boxes)
    assert all(box.x >= 0 and box.x + box.width <= laid.width for box in laid.boxes)


def test_every_way_begins_and_ends_at_its_boxes() -> None:
    laid = plan(PIPELINE, {})
    at = {box.key: box for box in laid.boxes}
    for way in laid.ways:
        for key, (x, y) in ((way.edge.source, way.points[0]), (way.edge.target, way.points[-1])):
            box = at[key]
            assert box.x <= x <= box.x + box.width
            assert y in (pytest.approx(box.y), pytest.approx(box.y + box.height))
    kinds = {(way.edge.source, way.edge.target): way.edge.kind for way in laid.ways}
    assert kinds["Train", "Tell the team"] == "catch"
    assert kinds["In service?", "Wait a little"] == "default"
    assert all(way.label_at is not None for way in laid.ways if way.edge.label)


def test_ways_down_pass_no_box() -> None:
    laid = plan(PIPELINE, {})
    for way in laid.ways:
        for (x, y), (px, py) in zip(way.points, way.points[1:], strict=False):
            if x != px:
                continue
            for box in laid.boxes:
                if box.key in (way.edge.source, way.edge.target):
                    continue
                inside = box.x < x < box.x + box.width
                assert not (inside and min(y, py) < box.y and box.y + box.height < max(y, py))


def test_a_state_that_leads_to_itself() -> None:
    states = machine(
        C={
            "Type": "Choice",
            "Choices": [{"Variable": "$.a", "IsNull": True, "Next": "S"}],
            "Default": "C",
        },
        S={"Type": "Succeed"},
    )
    laid = plan(states, {})
    (loop,) = [way for way in laid.ways if way.edge.source == way.edge.target]
    assert max(x for x, _ in loop.points) < laid.width


@pytest.mark.parametrize(
    ("rule", "label"),
    [
        ({"Variable": "$.n", "NumericLessThanEquals": 3}, "n ≤ 3"),
        ({"Variable": "$.s", "StringEqualsPath": "$.t"}, "s = t"),
        ({"Variable": "$.b", "BooleanEquals": True}, "b = true"),
        ({"Variable": "$.x", "IsPresent": False}, "x is not present"),
        ({"Not": {"Variable": "$.x", "StringMatches": "a*"}}, "not x ~ a*"),
        ({"Or": [{"And": [{"Variable": "$.a", "IsNull": True}]}, {"Variable": "$.s", "StringEquals": ""}]}, "(a is null) or s = ''"),
        ({"Condition": "{% $x >  1 %}"}, "$x > 1"),
        ({"Condition": "{% $states.input.n <= $n %}"}, "n ≤ $n"),
    ],
)  # fmt: skip
def test_rules_in_words(rule: Doc, label: str) -> None:
    assert rule_label(rule) == label


def luminance(colour: str) -> float:
    """Source: WCAG 2.1, "relative luminance"."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [colours.LIGHT, colours.DARK], ids=["light", "dark"])
def test_text_can_be_read(theme: colours.Theme) -> None:
    """4.5 for text, 3 for lines: WCAG 2.1, 1.4.3 and 1.4.11."""
    grounds = [theme.ground, theme.inside, *(fill for fill, _ in theme.boxes.values())]
    for ground in grounds:
        assert contrast(theme.ink, ground) >= 7
        assert contrast(theme.faint, ground) >= 4.5
    for ground in (theme.ground, theme.inside):
        assert contrast(theme.warm, ground) >= 4.5
        assert contrast(theme.line, ground) >= 3
    for status, (_, border) in theme.boxes.items():
        if status:
            assert contrast(border, theme.inside) >= 3


def pictured(broken: str = "") -> tuple[Tree, str]:
    run = begun()
    run.finish(Worker(run, broken))
    found = Tree(PIPELINE).add(run.events)
    return found, svg.picture(PIPELINE, found, "texts: one", run.now)


def test_a_picture_is_one_file_of_xml() -> None:
    _, drawn = pictured("Train")
    root = ElementTree.fromstring(drawn)
    space = "{http://www.w3.org/2000/svg}"
    states = {
        each.get("data-state"): each for each in root.iter(f"{space}g") if each.get("data-state")
    }
    assert len(states) == 31
    assert states["Train"].get("class") == "state caught"
    assert states["Give up"].get("class") == "state failed"
    assert states["Evaluate"].get("class") == "state open"
    title = states["Train"].findtext(f"{space}title") or ""
    assert "training job texts-7" in title
    assert "KeyError" in title
    assert not re.search(r"(?:href|src|url\()", drawn)


HOSTILE = '</script><script>alert("x")</script>&<b>'


def test_what_an_execution_carries_stays_text() -> None:
    states = machine(**{HOSTILE: {"Type": "Pass", "Result": HOSTILE, "End": True}})
    run = ran(states, {"a": HOSTILE})
    found = Tree(states).add(run.events)
    ElementTree.fromstring(svg.picture(states, found, HOSTILE, run.now))
    made = page.page(states, found, HOSTILE, run.now)
    assert made.count("<script") == 2
    assert "<b>" not in made
    (held,) = re.findall(r'id="states">(.*?)</script>', made)
    assert json.loads(held)[HOSTILE]["visits"][0]["output"] == json.dumps(HOSTILE)


def test_a_page_holds_a_bounded_part() -> None:
    inner = machine(P={"Type": "Pass", "End": True})
    states = machine(M={"Type": "Map", "ItemProcessor": inner, "End": True})
    run = ran(states, [["x" * 30000], *list(range(60))])
    made = page.page(states, Tree(states).add(run.events), "m", run.now)
    (held,) = re.findall(r'id="states">(.*?)</script>', made)
    data = json.loads(held)
    assert (len(data["P"]["visits"]), data["P"]["left"]) == (page.VISITS, 61 - page.VISITS)
    assert len(made) < 200_000


def test_a_machine_alone() -> None:
    drawn = svg.picture(PIPELINE, None, "texts", 0.0)
    assert drawn.count('class="state open"') == 31
    assert "no execution" in drawn
    assert layout.cut("abcdef", 4) == "abc…"
