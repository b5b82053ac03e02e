"""What a definition asks for that this server has not, told when a machine is created. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sagebrush.asl.diagnostics import Diagnostic
from sagebrush.errors import AwsError, Doc
from sagebrush.services.states.tasks.calls import refusal

Known = Mapping[tuple[str, str], Any]
"""The operations that this server has (`World.operations`)."""


def lacking(definition: str, known: Known) -> list[Diagnostic]:
    """The resources of a valid definition that cannot be called here."""
    return list(_machine(json.loads(definition), "", known))


def check(definition: str, known: Known) -> None:
    """Raises InvalidDefinition where a valid definition has a resource that cannot be called here."""
    found = lacking(definition, known)
    if found:
        told = ", ".join(map(str, found))
        raise AwsError("InvalidDefinition", f"Invalid State Machine Definition: '{told}'")


def _machine(doc: Doc, at: str, known: Known) -> Iterator[Diagnostic]:
    for name, state in doc["States"].items():
        here = f"{at}/States/{name}"
        if state["Type"] == "Task":
            problem = refusal(state["Resource"], known)
            if problem is not None:
                yield Diagnostic("ERROR", problem.code, problem.message, f"{here}/Resource")
        for field in ("ItemProcessor", "Iterator"):
            if field in state:
                yield from _machine(state[field], f"{here}/{field}", known)
        for number, branch in enumerate(state.get("Branches", ())):
            yield from _machine(branch, f"{here}/Branches[{number}]", known)
