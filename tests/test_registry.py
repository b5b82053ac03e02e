"""Operations are found by their names, and what is misspelt stops the server."""

from __future__ import annotations

from types import ModuleType

import pytest

from sagebrush import registry
from sagebrush.errors import Doc
from sagebrush.world import Ctx

KNOWN = {"create_thing": "CreateThing", "list_things": "ListThings"}


def module(name: str, *functions: str) -> ModuleType:
    """A module whose public functions take (ctx, request)."""
    made = ModuleType(f"sagebrush.services.things.{name}")
    for each in functions:

        def function(ctx: Ctx, request: Doc) -> Doc:
            return request

        function.__name__, function.__module__ = each, made.__name__
        setattr(made, each, function)
    return made


def test_operations_are_found_wherever_they_are_defined() -> None:
    found = registry.collect(
        "things", [module("list", "list_things", "_page"), module("things", "create_thing")], KNOWN
    )
    assert sorted(found) == [("things", "CreateThing"), ("things", "ListThings")]


def test_functions_of_other_names_are_no_operations() -> None:
    found = registry.collect(
        "things", [module("checks", "check"), module("operations", "list_things")], KNOWN
    )
    assert list(found) == [("things", "ListThings")]


@pytest.mark.parametrize(
    ("modules", "words"),
    [
        ([module("operations", "list_things", "wanted")], "wanted names no operation of things"),
        ([module("list", "list_thingz"), module("operations", "create_thing")], "list_thingz"),
        ([module("operations", "wanted")], "operations.wanted|defines no operation"),
        ([module("operations")], "defines no operation of things"),
        ([module("checks", "check")], "nothing defines an operation of things"),
        ([module("a", "list_things"), module("b", "list_things")], "ListThings is defined twice"),
    ],
)  # fmt: skip
def test_what_is_misspelt_or_missing_stops_the_server(
    modules: list[ModuleType], words: str
) -> None:
    with pytest.raises(LookupError, match=words):
        registry.collect("things", modules, KNOWN)
