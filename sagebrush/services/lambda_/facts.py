"""The facts of functions and their versions, of which no process is known to the rows: execution
environments are made when a function is invoked, and may end at any time."""

from __future__ import annotations

from sagebrush.access.function_references import FUNCTION as FUNCTION_KIND
from sagebrush.access.function_references import VERSION as VERSION_KIND
from sagebrush.facts import WithoutProcesses

FUNCTION = WithoutProcesses(
    service="lambda",
    kind=FUNCTION_KIND,
    noun="Function",
    label="function",
    listed="",  # the verbs of Lambda's API differ from SageMaker's
    busy=(),
    ended=(),
)
VERSION = WithoutProcesses(
    service="lambda",
    kind=VERSION_KIND,
    noun="Version",
    label="function-version",
    listed="",
    busy=(),
    ended=(),
)
