"""What a shim that has run since before an upgrade loads of the new version: exec.py alone."""

from __future__ import annotations

import ast
import inspect

from sagebrush.compute import trees
from sagebrush.compute.shim import (
    cgroup,
    control,
    exec,
    files,
    init,
    log,
    main,
    namespaces,
    process,
)

SINCE = {
    cgroup: {"add"},
    files: {"line"},
    init: {"SIGNALS", "confine", "execute", "keep_only", "limit", "wake_on_signals"},
    namespaces: {
        "StepFailed",
        "die_with_parent",
        "drop",
        "filter_calls",
        "hide_from_ptrace",
        "join",
        "show_to_ptrace",
        "step",
    },
}
"""What every shim that may still run has in memory, and exec.py may use."""


def test_exec_uses_of_the_others_only_what_older_shims_have() -> None:
    used = {module: set[str]() for module in SINCE}
    names = {module.__name__.rpartition(".")[2]: module for module in SINCE}
    for node in ast.walk(ast.parse(inspect.getsource(exec))):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in names:
                used[names[name]].add(attribute)
    assert used == SINCE


def test_a_shim_loads_nothing_else_after_its_start() -> None:
    """What is imported inside a function may come from another version. `isolation` does so too,
    and `namespaces` with `apart`, but both are done before the program runs."""
    later = {
        alias.name
        for module in (cgroup, control, files, init, log, main, namespaces, process, trees)
        for function in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert later == {"exec", "apart"}
